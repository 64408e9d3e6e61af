// Memory that all members of a gang share, with locks. Those of one host see the same bytes; between hosts, what a lock guards moves with it, so
// that whoever holds it sees what the last one left. Cells that only grow are told to all. Must not know what lies in it.
import type { Piece, Put, Span, Wire } from "./wire.ts";
import { ALL_HOSTS, HERE, LOCK, LOCK_CELLS, WANTED } from "./wire.ts";

const LOOK_EVERY_MS = 20;

export interface Ground {
  /** Counters, as 32-bit cells. */
  readonly cells: Int32Array;
  /** What lies there begins at byte `from`. */
  readonly memory: SharedArrayBuffer;
  readonly from: number;
  /** Returns when nobody else has the piece. Throws `GangAborted`. */
  lock(piece: number): void;
  /** False where somebody has it, or another host. */
  tryLock(piece: number): boolean;
  unlock(piece: number): void;
  /** A cell that is in no piece grows to a number; whoever sees that sees what is put too. */
  raise(cell: number, value: number, puts: readonly Put[]): void;
  /** Bytes for the other hosts: with the next barrier they are there. */
  puts(bytes: Piece["spans"]): readonly Put[];
}

export interface GroundPlan {
  readonly cells: number;
  readonly bytes: number;
  /** Spans count from where what lies there begins. */
  readonly pieces: readonly Piece[];
}

const padded = (bytes: number) => (bytes + 63) & ~63;

/** Where cells and bytes begin, and how long it all is. */
export function groundLayout({ cells, bytes, pieces }: GroundPlan): {
  readonly cellsAt: number;
  readonly from: number;
  readonly bytes: number;
} {
  const cellsAt = padded(4 * LOCK_CELLS * pieces.length);
  const from = cellsAt + padded(4 * cells);
  return { cellsAt, from, bytes: from + bytes };
}

/** In bytes of the whole. */
export function pieceSpans(plan: GroundPlan): Piece["spans"][] {
  const { cellsAt, from } = groundLayout(plan);
  return plan.pieces.map(({ cells, spans }) => [
    ...cells.map((cell) => [cellsAt + 4 * cell, 4] as const),
    ...spans.map(([at, length]) => [from + at, length] as const),
  ]);
}

/** Before anybody uses it: all pieces are at the first member's host. */
export function settlePieces(memory: SharedArrayBuffer, pieces: number, isHere: boolean): void {
  const locks = new Int32Array(memory, 0, LOCK_CELLS * pieces);
  for (let piece = 0; piece < pieces; piece++) locks[LOCK_CELLS * piece + HERE] = Number(isHere);
}

export class SharedGround implements Ground {
  readonly cells: Int32Array;
  readonly memory: SharedArrayBuffer;
  readonly from: number;
  readonly #locks: Int32Array;
  readonly #cellsAt: number;
  /** Null: all members are at one host. */
  readonly #wire: { readonly wire: Wire; readonly area: number } | null;
  readonly #checkAborted: () => void;

  constructor(
    memory: SharedArrayBuffer,
    plan: GroundPlan,
    wire: { readonly wire: Wire; readonly area: number } | null,
    checkAborted: () => void,
  ) {
    const { cellsAt, from } = groundLayout(plan);
    this.memory = memory;
    this.from = from;
    this.#cellsAt = cellsAt;
    this.#locks = new Int32Array(memory, 0, LOCK_CELLS * plan.pieces.length);
    this.cells = new Int32Array(memory, cellsAt, plan.cells);
    this.#wire = wire;
    this.#checkAborted = checkAborted;
  }

  lock(piece: number): void {
    const locks = this.#locks;
    const at = LOCK_CELLS * piece;
    for (;;) {
      // Those elsewhere have waited for longer.
      if (this.#isWanted(at)) this.#wait(at + WANTED, 1);
      else if (Atomics.compareExchange(locks, at + LOCK, 0, 1) === 0) break;
      else this.#wait(at + LOCK, 1);
    }
    if (!this.#wire || Atomics.load(locks, at + HERE) === 1) return;
    this.#wire.wire.want(this.#wire.area, piece);
    while (Atomics.load(locks, at + HERE) === 0) this.#wait(at + HERE, 0);
  }

  tryLock(piece: number): boolean {
    const at = LOCK_CELLS * piece;
    if (this.#isWanted(at) || Atomics.compareExchange(this.#locks, at + LOCK, 0, 1) !== 0) return false;
    if (!this.#wire || Atomics.load(this.#locks, at + HERE) === 1) return true;
    this.unlock(piece);
    return false;
  }

  unlock(piece: number): void {
    const at = LOCK_CELLS * piece;
    Atomics.store(this.#locks, at + LOCK, 0);
    Atomics.notify(this.#locks, at + LOCK, 1);
    // Looked at after the lock is free: whoever came to wait meanwhile has found it so, or is seen here.
    if (this.#wire && Atomics.load(this.#locks, at + WANTED) === 1) this.#wire.wire.unlocked(this.#wire.area, piece);
  }

  raise(cell: number, value: number, puts: readonly Put[]): void {
    grow(this.cells, cell, value);
    if (this.#wire) this.#wire.wire.raise(puts, this.#wire.area, this.#cellsAt / 4 + cell, value);
  }

  puts(bytes: Piece["spans"]): readonly Put[] {
    if (!this.#wire) return [];
    const spans = bytes.flatMap(([at, length]): Span[] => (length > 0 ? [[this.from + at, length]] : []));
    return [{ area: this.#wire.area, host: ALL_HOSTS, spans }];
  }

  #isWanted(at: number): boolean {
    return this.#wire !== null && Atomics.load(this.#locks, at + WANTED) === 1 && Atomics.load(this.#locks, at + HERE) === 1;
  }

  #wait(cell: number, seen: number): void {
    this.#checkAborted();
    Atomics.wait(this.#locks, cell, seen, LOOK_EVERY_MS);
  }
}

/** Never shrinks, whoever else is at it. */
export function grow(cells: Int32Array, cell: number, value: number): void {
  for (let now = Atomics.load(cells, cell); now < value; ) {
    const found = Atomics.compareExchange(cells, cell, now, value);
    if (found === now) break;
    now = found;
  }
  Atomics.notify(cells, cell);
}

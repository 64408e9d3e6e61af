// What an engine keeps of a run's outputs: small values, in columns as they came. Large ones it knows by their holders only, which
// is the core's business. Knows codecs, not schedules.

import type { Column } from "../hosts/link.ts";
import { columnLength, columnReader, joinColumns, sliceColumn } from "../objects/codec.ts";

interface Piece {
  readonly first: number;
  readonly count: number;
  readonly column: Column;
}

/** A column that is read when somebody wants it. */
class Later implements Piece {
  readonly first: number;
  readonly count: number;
  readonly #read: () => Column;
  #column: Column | null = null;

  constructor(first: number, count: number, read: () => Column) {
    this.first = first;
    this.count = count;
    this.#read = read;
  }

  get column(): Column {
    return (this.#column ??= this.#read());
  }
}

/** Small outputs of one stage, by block. */
export class InlineValues {
  private pieces: Piece[] = [];
  private sorted = true;

  add(first: number, column: Column): void {
    this.#push({ first, count: columnLength(column), column });
  }

  /** The same, read once somebody wants it. */
  addLater(first: number, count: number, read: () => Column): void {
    this.#push(new Later(first, count, read));
  }

  #push(piece: Piece): void {
    const last = this.pieces[this.pieces.length - 1];
    if (last && piece.first < last.first + last.count) this.sorted = false;
    this.pieces.push(piece);
  }

  /** Slots answer beside each other, so pieces come in any order; a value that is made again replaces the one from before. */
  private order(): void {
    if (this.sorted) return;
    this.sorted = true;
    const arrived = this.pieces;
    this.pieces = [...arrived].sort((a, b) => a.first - b.first);
    const overlap = this.pieces.some((piece, i) => i > 0 && piece.first < this.pieces[i - 1]!.first + this.pieces[i - 1]!.count);
    if (!overlap) return;
    const latest = new Map<number, Piece>();
    for (const piece of arrived) {
      for (let i = 0; i < piece.count; i++)
        latest.set(piece.first + i, { first: piece.first + i, count: 1, column: sliceColumn(piece.column, i, i + 1) });
    }
    this.pieces = [...latest.values()].sort((a, b) => a.first - b.first);
  }

  /** Index of the piece that holds a block, or of the first one behind it. */
  private find(block: number): number {
    let low = 0;
    let high = this.pieces.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const piece = this.pieces[middle]!;
      if (piece.first + piece.count <= block) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** One column of blocks `first … first + count - 1`, all of which are here. */
  column(first: number, count: number): Column {
    const pieces = [...this.runs(first, count)];
    if (pieces.reduce((sum, piece) => sum + columnLength(piece.column), 0) !== count)
      throw new Error(`bug: blocks ${first} to ${first + count} aren't all here`);
    return pieces.length === 1 ? pieces[0]!.column : joinColumns(pieces.map(({ column }) => column));
  }

  /** Pieces of a range, in order; blocks that aren't here are left out. */
  *runs(first: number, count: number): Generator<{ readonly first: number; readonly column: Column }> {
    this.order();
    const end = first + count;
    for (let i = this.find(first); i < this.pieces.length; i++) {
      const piece = this.pieces[i]!;
      if (piece.first >= end) return;
      const from = Math.max(0, first - piece.first);
      const to = Math.min(piece.count, end - piece.first);
      yield { first: piece.first + from, column: from === 0 && to === piece.count ? piece.column : sliceColumn(piece.column, from, to) };
    }
  }

  has(block: number): boolean {
    for (const _ of this.runs(block, 1)) return true;
    return false;
  }

  /** A value that is the caller's own. */
  value(block: number): unknown {
    for (const { column } of this.runs(block, 1)) return columnReader(column, { share: false })(0);
    throw new Error(`bug: block ${block} isn't here`);
  }
}

// What the members of a gang say to those at other hosts, as a slot says it to its host's own thread, which has the connections: slots wait in
// shared memory and hear no socket. And how it looks between two hosts: frames that name the attempt they belong to. `hosts/bridge.ts` is the
// other end. Must not know what is added, nor who is where.
import type { MessagePort } from "node:worker_threads";

/** Bytes `from … from + length - 1` of an area. */
export type Span = readonly [from: number, length: number];

/** Spans of an area that one other host gets, or all of them do (-1): at the same places in its own memory of that name. */
export interface Put {
  readonly area: number;
  readonly host: number;
  readonly spans: readonly Span[];
}
export const ALL_HOSTS = -1;

/** What moves with a lock: cells and bytes that only its holder reads and writes. */
export interface Piece {
  readonly cells: readonly number[];
  readonly spans: readonly Span[];
}

/** Of an area with pieces, before all else: for each the lock, whether it is at this host, and whether another host waits for it. */
export const [LOCK, HERE, WANTED, LOCK_CELLS] = [0, 1, 2, 3] as const;

/** The area of a gang's control cells. */
export const CONTROL = 0;

/** What is gathered before anybody gets it is no longer than that; what goes straight to its place may be. */
export const LONGEST_VALUE_BYTES = 1024 * 1024 * 1024;
/** Places in an area are 32-bit numbers. */
const LARGEST_AREA_BYTES = 0xffff_ffff;
const gigabytes = (bytes: number) => `${(bytes / 1024 ** 3).toFixed(1)} GB`;

/** A slot to its host's own thread. What one member says arrives in this order. */
export type ToBridge =
  /** Memory that has a name at every host; spans of `pieces` count from its beginning. */
  | { readonly type: "area"; readonly area: number; readonly memory: SharedArrayBuffer; readonly pieces: readonly (readonly Span[])[] }
  /** To all other hosts: what is put, then a cell that grows to a number. */
  | { readonly type: "raise"; readonly puts: readonly Put[]; readonly area: number; readonly cell: number; readonly value: number }
  /** An encoded value for all members at other hosts. */
  | { readonly type: "value"; readonly bytes: Uint8Array }
  /** Numbers for one of them. */
  | { readonly type: "mail"; readonly to: number; readonly numbers: Float32Array }
  /** A piece that is at another host; its lock is held. */
  | { readonly type: "want"; readonly area: number; readonly piece: number }
  /** A piece that another host waits for has been unlocked. */
  | { readonly type: "unlocked"; readonly area: number; readonly piece: number }
  /** This member has nothing more to say. */
  | { readonly type: "over" };

/** A slot's end. */
export class Wire {
  readonly #port: MessagePort;
  /** Which host this is. */
  readonly here: number;
  /** At which host each member is. */
  readonly places: readonly number[];
  /** The last area that was named; all members name them in the same order. */
  #areas = CONTROL;

  constructor(port: MessagePort, here: number, places: readonly number[]) {
    this.#port = port;
    this.here = here;
    this.places = places;
  }

  /** The number of the next area. `memory`: of the member that says so for its host; null in the others. */
  area(memory: SharedArrayBuffer | null, pieces: readonly (readonly Span[])[] = []): number {
    const area = ++this.#areas;
    if (memory && memory.byteLength > LARGEST_AREA_BYTES)
      throw new RangeError(
        `members on several workers share up to 4 GB, and these have ${gigabytes(memory.byteLength)}: a worker with enough slots for all takes them together`,
      );
    if (memory) this.#post({ type: "area", area, memory, pieces });
    return area;
  }
  raise(puts: readonly Put[], area: number, cell: number, value: number): void {
    this.#post({ type: "raise", puts, area, cell, value });
  }
  value(bytes: Uint8Array): void {
    if (bytes.length > LONGEST_VALUE_BYTES)
      throw new RangeError(
        `members on several workers hand each other values of up to 1 GB, and this one has ${gigabytes(bytes.length)}: a worker with enough slots for all takes them together`,
      );
    this.#post({ type: "value", bytes });
  }
  mail(to: number, numbers: Float32Array): void {
    const copy = numbers.slice();
    this.#port.postMessage({ type: "mail", to, numbers: copy } satisfies ToBridge, [copy.buffer as ArrayBuffer]);
  }
  want(area: number, piece: number): void {
    this.#post({ type: "want", area, piece });
  }
  unlocked(area: number, piece: number): void {
    this.#post({ type: "unlocked", area, piece });
  }
  over(): void {
    this.#post({ type: "over" });
    this.#port.close();
  }

  #post(message: ToBridge): void {
    this.#port.postMessage(message);
  }
}

// --- Between hosts -----------------------------------------------------------------------------------------------------------------

export const KINDS = {
  /** `at`: the first byte in the area. */
  put: 1,
  /** `at`: the cell in the area, `value`: what it grows to. */
  cell: 2,
  /** `from`: whose value it is. */
  value: 3,
  /** `from`, and `at`: for whom. */
  mail: 4,
  /** To the first host: the sender waits for piece `at`. */
  want: 5,
  /** From the first host: piece `at` goes to host `value` next. */
  pass: 6,
  /** Piece `at`, with all that it guards. */
  piece: 7,
  /** Nothing more comes. */
  over: 8,
} as const;

export interface FrameHead {
  readonly kind: number;
  readonly from: number;
  readonly area: number;
  readonly at: number;
  readonly value: number;
  readonly bytes: number;
}

export const FRAME_HEAD_BYTES = 24;

/** `attempt` stands in every frame: one of an attempt that was given up is never taken for one of the next. */
export function frameHead(attempt: number, { kind, from, area, at, value, bytes }: FrameHead): Uint8Array {
  const head = new Uint8Array(FRAME_HEAD_BYTES);
  const view = new DataView(head.buffer);
  view.setUint32(0, attempt, true);
  view.setUint16(4, kind, true);
  view.setUint16(6, from, true);
  view.setUint32(8, area, true);
  view.setUint32(12, at, true);
  view.setUint32(16, value, true);
  view.setUint32(20, bytes, true);
  return head;
}

/** Throws where it belongs to another attempt. */
export function readFrameHead(head: Uint8Array, attempt: number): FrameHead {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  if (view.getUint32(0, true) !== attempt) throw new Error("a frame of another attempt");
  return {
    kind: view.getUint16(4, true),
    from: view.getUint16(6, true),
    area: view.getUint32(8, true),
    at: view.getUint32(12, true),
    value: view.getUint32(16, true),
    bytes: view.getUint32(20, true),
  };
}

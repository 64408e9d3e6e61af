// An object that comes from another worker in chunks: where they belong, which are there, what they must hash to; and the memory that they come to,
// which grows by what is there, never by what is claimed. Must not know who gives them, nor how they come.
import type { BulkHead } from "./bulk-wire.ts";
import { hashOf, MOST_BYTES } from "./bulk-wire.ts";

/** Memory for one object of up to so many bytes is kept for a while. */
const SPARE_BYTES = 64 * 1024 * 1024;
const SPARED_FROM_BYTES = 1024 * 1024;
const SPARE_MS = 10_000;
const GROWS_BY_BYTES = 8 * 1024 * 1024;

/** An object that is there. */
export interface Whole {
  readonly how: "whole";
  readonly bytes: Uint8Array;
  /** So much of it came over a connection of its own, and so much over NATS. */
  readonly directBytes: number;
  readonly natsBytes: number;
  /** The bytes aren't read any more: another object comes to lie there. */
  readonly release: () => void;
}

/** An object that is coming. */
export class Arrival {
  readonly chunkBytes: number;
  total = -1;
  readonly hashes: (Uint8Array | undefined)[] = [];
  readonly #spares: Spares;
  #memory: Growing | null = null;
  directBytes = 0;
  natsBytes = 0;

  constructor(chunkBytes: number, spares: Spares) {
    this.chunkBytes = chunkBytes;
    this.#spares = spares;
  }

  get chunks(): number {
    return Math.max(1, Math.ceil(this.total / this.chunkBytes));
  }

  /** So many chunks are there, without a gap. */
  get begun(): number {
    let chunks = 0;
    while (this.hashes[chunks]) chunks++;
    return chunks;
  }

  /** What came behind a gap is asked for again. */
  close(): void {
    this.hashes.length = this.begun;
  }

  startOver(): void {
    this.hashes.length = 0;
    this.total = -1;
    this.#memory = null;
    this.directBytes = 0;
    this.natsBytes = 0;
  }

  /** Memory for a chunk. It grows by what comes, whatever is claimed. Throws for a chunk that can't be one. */
  room({ chunk, bytes, number: total }: BulkHead): Uint8Array {
    if (this.total < 0) {
      if (!Number.isInteger(total) || total < 0 || total > MOST_BYTES) throw new Error(`it claims an object of ${total} bytes`);
      this.total = total;
      this.#memory = this.#spares.take(total);
    }
    const at = chunk * this.chunkBytes;
    if (total !== this.total || chunk >= this.chunks || bytes !== Math.min(this.chunkBytes, total - at))
      throw new Error(`it gives ${bytes} bytes of ${total} as chunk ${chunk}`);
    const memory = this.#memory!;
    if (memory.byteLength < at + bytes) memory.resize(Math.min(total, Math.ceil((at + bytes) / GROWS_BY_BYTES) * GROWS_BY_BYTES));
    return new Uint8Array(memory, at, bytes);
  }

  /** Throws where it arrived damaged. */
  filled({ chunk, hash }: BulkHead, bytes: Uint8Array, way: "direct" | "nats"): void {
    if (!Buffer.from(hash).equals(hashOf(bytes))) throw new Error(`chunk ${chunk} arrived damaged: its SHA-256 differs`);
    this.hashes[chunk] = hash;
    if (way === "direct") this.directBytes += bytes.length;
    else this.natsBytes += bytes.length;
  }

  get whole(): Whole {
    const memory = this.#memory!;
    const { directBytes, natsBytes } = this;
    const release = () => this.#spares.give(memory);
    return { how: "whole", bytes: new Uint8Array(memory, 0, this.total), directBytes, natsBytes, release };
  }
}

type Growing = ArrayBuffer & { readonly maxByteLength: number; resize(bytes: number): void };
/** Addresses are set aside for all of it, memory only for what is there. */
const growing = (most: number): Growing =>
  new (ArrayBuffer as unknown as new (bytes: number, options: { maxByteLength: number }) => Growing)(0, { maxByteLength: most });

/** Memory that objects come to. To have new pages of it costs as much as to move them, so some is kept for the next one. */
export class Spares {
  #spare: Growing | null = null;
  #letGo: NodeJS.Timeout | null = null;

  take(bytes: number): Growing {
    if (bytes < SPARED_FROM_BYTES || bytes > SPARE_BYTES) return growing(bytes);
    const spare = this.#spare;
    this.clear();
    return spare ?? growing(SPARE_BYTES);
  }

  give(memory: Growing): void {
    if (memory.maxByteLength !== SPARE_BYTES) return;
    this.clear();
    this.#spare = memory;
    this.#letGo = setTimeout(() => this.clear(), SPARE_MS);
  }

  clear(): void {
    if (this.#letGo) clearTimeout(this.#letGo);
    this.#letGo = null;
    this.#spare = null;
  }
}

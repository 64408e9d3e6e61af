// Values that stay with a host: kept in shared memory, handed between its threads without copying, and where a slot's large
// tensors are allocated from the start. Nothing here is ever overwritten while any thread can still see it: memory goes back to
// its pool, or to the system, only once garbage collection has proved it unreachable. Must not know messages or tasks.
import type { Parts } from "../objects/codec.ts";
import { elementCode, join, partsBytes, viewOf } from "../objects/codec.ts";
import type { Region, SharedValue } from "./inside.ts";

// --- Which values there are ------------------------------------------------------------------------------------------------

/** Values by (run, stage, block). */
export class ObjectTable {
  readonly #runs = new Map<number, Map<number, Map<number, SharedValue>>>();

  set(run: number, stage: number, block: number, value: SharedValue): void {
    let stages = this.#runs.get(run);
    if (!stages) this.#runs.set(run, (stages = new Map()));
    let blocks = stages.get(stage);
    if (!blocks) stages.set(stage, (blocks = new Map()));
    blocks.set(block, value);
  }

  get(run: number, stage: number, block: number): SharedValue | undefined {
    return this.#runs.get(run)?.get(stage)?.get(block);
  }

  /** Forgets blocks of a stage; gives their bytes. */
  free(run: number, stage: number, first: number, count: number): number {
    const stages = this.#runs.get(run);
    const blocks = stages?.get(stage);
    let bytes = 0;
    if (!blocks) return bytes;
    for (let block = first; block < first + count; block++) {
      bytes += blocks.get(block)?.bytes ?? 0;
      blocks.delete(block);
    }
    if (blocks.size === 0) stages!.delete(stage);
    return bytes;
  }

  /** Forgets a run; gives its bytes. */
  finish(run: number): number {
    let bytes = 0;
    for (const blocks of this.#runs.get(run)?.values() ?? []) for (const value of blocks.values()) bytes += value.bytes;
    this.#runs.delete(run);
    return bytes;
  }
}

// --- Letting memory go -------------------------------------------------------------------------------------------------------

const COLLECT_AFTER_BYTES = 128 * 1024 * 1024;

/**
 * V8 doesn't count shared memory as pressure: what threads have let go of stays mapped until a collection that nothing asks for.
 * So each thread asks for one after having let go of enough.
 */
export class Collector {
  readonly #collect: () => void;
  #bytes = 0;

  constructor() {
    const scope = globalThis as { gc?: (() => void) | undefined };
    // The host is started with `--expose-gc`; user code isn't to see it.
    if (!scope.gc) throw new Error("bug: the host was started without --expose-gc");
    this.#collect = scope.gc;
    scope.gc = undefined;
  }

  released(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < COLLECT_AFTER_BYTES) return;
    this.#bytes = 0;
    this.#collect();
  }
}

// --- Allocating ----------------------------------------------------------------------------------------------------------------

/** Below this, a tensor's data is private: copying it out costs less than shared memory does. */
const SHARED_FROM_BYTES = 1024 * 1024;
/** Shared memory in use by values that haven't left a task. Beyond it a task gets private memory: only a collection between tasks can take shared memory back. */
const LEASED_LIMIT_BYTES = 256 * 1024 * 1024;
const POOL_LIMIT_BYTES = 256 * 1024 * 1024;

interface Lease {
  /** The pool's own handle on the memory; null once others may see it, who then keep it alive. */
  master: SharedArrayBuffer | null;
  readonly bytes: number;
}

/** Rounds up to one of four sizes an octave, so that memory is reused by the next tensor of about that size. */
function sizeClass(bytes: number): number {
  const step = 2 ** (Math.floor(Math.log2(bytes)) - 2);
  return Math.ceil(bytes / step) * step;
}

/** Memory for the tensors of one thread. */
export class TensorMemory {
  readonly #leases = new WeakMap<ArrayBufferLike, Lease>();
  readonly #free = new Map<number, SharedArrayBuffer[]>();
  readonly #unreachable: FinalizationRegistry<Lease>;
  readonly #collector: Collector;
  #leasedBytes = 0;
  #pooledBytes = 0;

  constructor(collector: Collector) {
    this.#collector = collector;
    this.#unreachable = new FinalizationRegistry((lease) => this.#takeBack(lease));
  }

  /** Zeroed memory of at least so many bytes. */
  readonly allocate = (bytes: number): ArrayBufferLike => {
    if (bytes < SHARED_FROM_BYTES || this.#leasedBytes + bytes > LEASED_LIMIT_BYTES) return new ArrayBuffer(bytes);
    const size = sizeClass(bytes);
    const pooled = this.#free.get(size)?.pop();
    if (pooled) {
      this.#pooledBytes -= size;
      new Uint8Array(pooled, 0, bytes).fill(0);
    }
    const master = pooled ?? new SharedArrayBuffer(size);
    // A second handle on the same memory: when the collector has taken it, nothing in this thread reads that memory.
    const handle = structuredClone(master);
    const lease: Lease = { master, bytes: size };
    this.#leasedBytes += size;
    this.#leases.set(handle, lease);
    this.#unreachable.register(handle, lease);
    return handle;
  };

  /** Other threads see this memory from now on. */
  shared(buffer: ArrayBufferLike): void {
    const lease = this.#leases.get(buffer);
    if (!lease?.master) return;
    lease.master = null;
    this.#leasedBytes -= lease.bytes;
  }

  /** Between tasks: asks for a collection where much is leased, part of which may be garbage. */
  settle(): void {
    if (this.#leasedBytes > LEASED_LIMIT_BYTES / 2) this.#collector.released(this.#leasedBytes);
  }

  #takeBack(lease: Lease): void {
    if (!lease.master) return;
    this.#leasedBytes -= lease.bytes;
    if (this.#pooledBytes + lease.bytes > POOL_LIMIT_BYTES) return;
    this.#pooledBytes += lease.bytes;
    const free = this.#free.get(lease.bytes);
    if (free) free.push(lease.master);
    else this.#free.set(lease.bytes, [lease.master]);
  }
}

// --- Storing and reading -----------------------------------------------------------------------------------------------------

const CHUNK_BYTES = 1024 * 1024;
/** Values from this size on get memory of their own, which can be let go of alone. */
const ALONE_FROM_BYTES = 256 * 1024;
/** An array of shared memory at least this large stays where it is … */
const IN_PLACE_FROM_BYTES = 64 * 1024;
/** … unless it would keep alive much more than itself. */
const IN_PLACE_SHARE = 0.5;

const padded = (bytes: number) => Math.ceil(bytes / 8) * 8;

/** Puts values into shared memory; arrays that lie there already aren't copied. */
export class ObjectWriter {
  readonly #tensors: TensorMemory | null;
  #chunk: SharedArrayBuffer | null = null;
  #used = 0;

  constructor(tensors: TensorMemory | null) {
    this.#tensors = tensors;
  }

  write(parts: Parts): SharedValue {
    let copied = padded(parts.structure.length);
    for (const array of parts.arrays) if (!staysInPlace(array)) copied += padded(array.byteLength);
    const room = this.#room(copied);
    let at = room.byteOffset;
    const copy = (bytes: Uint8Array): Region => {
      new Uint8Array(room.buffer, at, bytes.length).set(bytes);
      const region = { buffer: room.buffer, byteOffset: at, byteLength: bytes.length };
      at += padded(bytes.length);
      return region;
    };
    return {
      bytes: partsBytes(parts),
      structure: copy(parts.structure),
      arrays: parts.arrays.map((array) => {
        const code = elementCode(array);
        if (!staysInPlace(array)) return { code, ...copy(new Uint8Array(array.buffer, array.byteOffset, array.byteLength)) };
        this.#tensors?.shared(array.buffer);
        return { code, buffer: array.buffer as SharedArrayBuffer, byteOffset: array.byteOffset, byteLength: array.byteLength };
      }),
    };
  }

  #room(bytes: number): { buffer: SharedArrayBuffer; byteOffset: number } {
    if (bytes >= ALONE_FROM_BYTES) return { buffer: new SharedArrayBuffer(bytes), byteOffset: 0 };
    if (this.#chunk === null || this.#used + bytes > CHUNK_BYTES) {
      this.#chunk = new SharedArrayBuffer(CHUNK_BYTES);
      this.#used = 0;
    }
    const byteOffset = this.#used;
    this.#used += bytes;
    return { buffer: this.#chunk, byteOffset };
  }
}

function staysInPlace(array: ArrayBufferView): boolean {
  return (
    array.buffer instanceof SharedArrayBuffer &&
    array.byteLength >= IN_PLACE_FROM_BYTES &&
    array.byteLength >= array.buffer.byteLength * IN_PLACE_SHARE
  );
}

/** The parts of a stored value, over its shared memory. */
export function sharedParts(value: SharedValue): Parts {
  const { buffer, byteOffset, byteLength } = value.structure;
  return {
    structure: new Uint8Array(buffer, byteOffset, byteLength),
    arrays: value.arrays.map((array) => viewOf(array.code, array.buffer, array.byteOffset, array.byteLength)),
  };
}

/** The value itself; its typed arrays are views of the shared memory. */
export function readShared(value: SharedValue): unknown {
  const { structure, arrays } = sharedParts(value);
  return join(structure, arrays);
}

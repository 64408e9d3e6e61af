// What an actor was asked since its last checkpoint, written down so that another can be made as it was; and where that is written: in a file, or
// wherever whoever the slot works for keeps it. Must not know where actors live, nor who asks them.
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import { decode, encode } from "../objects/codec.ts";
import { ACTORS_FOLDER, CALLS_ENDING, StoreError, storeProblem } from "../results/store.ts";
import type { SlotSettings } from "./inside.ts";
import type { CallMessage, FromHost, ToHost } from "./link.ts";

/** An actor that is asked, and is gone. */
class ActorLost extends Error {
  override readonly name = "ActorLost";
}

export interface Saves {
  checkpoint?(): unknown;
  restore?(state: unknown): unknown;
}

/** Where the calls of one actor are written down. */
export interface CallPlace {
  /** An actor that never lived before: whatever is there is void. */
  born(): void;
  /** In the place of all that was written before. */
  checkpoint(bytes: Uint8Array): void;
  append(bytes: Uint8Array): void;
  /** All since the last checkpoint, with that, of an actor that goes on here; null where it isn't there any more. */
  read(): Promise<Uint8Array | null>;
  /** Nobody will ask for it any more. */
  end(): void;
}

/** Where what has a name of its own outlives the run. */
export interface KeepingPlace {
  read(): Promise<Uint8Array | null>;
  write(bytes: Uint8Array): void;
}

/** Logged calls after which a new checkpoint is worth its while, and time. */
const CHECKPOINT_CALLS = 1000;
const CHECKPOINT_MS = 1000;

/** What a call gave. */
type Reply = { readonly value: unknown } | { readonly error: unknown };
/** The same, written down: errors are no data. */
type WrittenReply = Reply | { readonly failure: { readonly name: string; readonly message: string; readonly stack: string } };
type Entry =
  /** `replies`: of calls whose tasks may not have been heard of, and will make them again. */
  | { readonly state: unknown; readonly replies: readonly (readonly [id: string, reply: WrittenReply])[] }
  | { readonly id: string; readonly name: string; readonly args: unknown };

/**
 * What an actor has been asked since its last checkpoint, one record after another; a record that isn't whole is the last, and wasn't answered.
 * A call is written down when it is over: one that ended the slot is asked again as if for the first time.
 */
export class CallLog {
  readonly #place: CallPlace;
  /** Calls that change nothing. */
  readonly #reads: ReadonlySet<string>;
  readonly #task: () => { readonly stage: number; readonly block: number };
  #calls = 0;
  #atMs = performance.now();
  /** Calls made for the task that it was last asked by. */
  #inTask = 0;
  #lastTask: object | null = null;
  /** What calls gave before the actor was lost, for tasks whose answer may not have been heard. */
  readonly #replies = new Map<string, Reply>();

  constructor(place: CallPlace, reads: ReadonlySet<string>, task: () => { readonly stage: number; readonly block: number }) {
    this.#place = place;
    this.#reads = reads;
    this.#task = task;
  }

  get isLong(): boolean {
    return this.#calls >= CHECKPOINT_CALLS || (this.#calls > 0 && performance.now() - this.#atMs > CHECKPOINT_MS);
  }

  begin(): void {
    this.#place.born();
  }

  /** What was written before isn't needed any more. */
  checkpoint(state: unknown): void {
    this.#calls = 0;
    this.#atMs = performance.now();
    this.#place.checkpoint(record({ state, replies: [...this.#replies].map(([id, reply]) => [id, written(reply)]) }));
  }

  async replay(instance: Saves): Promise<void> {
    const found = await this.#place.read();
    if (!found) throw new ActorLost("what it was asked before isn't written down anywhere that is still there");
    for (const entry of records(found)) {
      if ("state" in entry) {
        await instance.restore!(entry.state);
        for (const [id, reply] of entry.replies) this.#replies.set(id, read(reply));
        continue;
      }
      const call = (instance as { readonly [name: string]: unknown })[entry.name];
      try {
        const value = await (call as (...args: unknown[]) => unknown).apply(instance, entry.args as unknown[]);
        this.#replies.set(entry.id, { value });
      } catch (error) {
        this.#replies.set(entry.id, { error });
      }
      this.#calls++;
    }
  }

  faceOf(instance: object): object {
    return new Proxy(instance, {
      get: (target, name) => {
        const found = Reflect.get(target, name) as unknown;
        if (typeof found !== "function" || typeof name !== "string") return found;
        if (this.#reads.has(name)) return found.bind(target) as unknown;
        return (...args: unknown[]) => this.#called(target, name, found as (...args: unknown[]) => unknown, args);
      },
    });
  }

  #called(instance: object, name: string, method: (...args: unknown[]) => unknown, args: unknown[]): unknown {
    const task = this.#task();
    if (task !== this.#lastTask) this.#inTask = 0;
    this.#lastTask = task;
    const { stage, block } = task;
    const id = `${stage}:${block}:${this.#inTask++}`;
    const before = this.#replies.get(id);
    if (before) {
      this.#replies.delete(id);
      if ("error" in before) throw before.error;
      return before.value;
    }
    // It may change what it is given.
    const asked = record({ id, name, args });
    let value: unknown;
    try {
      value = method.apply(instance, args);
    } catch (error) {
      this.#write(asked);
      throw error;
    }
    if (!(value instanceof Promise)) {
      this.#write(asked);
      return value;
    }
    return value.finally(() => this.#write(asked));
  }

  #write(bytes: Uint8Array): void {
    this.#calls++;
    this.#place.append(bytes);
  }

  end(): void {
    this.#place.end();
  }
}

function written(reply: Reply): WrittenReply {
  if (!("error" in reply) || !(reply.error instanceof Error)) return reply;
  const { name, message, stack = "" } = reply.error;
  return { failure: { name, message, stack } };
}

function read(reply: WrittenReply): Reply {
  return "failure" in reply ? { error: Object.assign(new Error(reply.failure.message), reply.failure) } : reply;
}

const HEADER_BYTES = 8;

/** Its length, a checksum, and what it says. */
function record(entry: Entry): Uint8Array {
  const body = encode(entry);
  const bytes = Buffer.alloc(HEADER_BYTES + body.length);
  bytes.writeUInt32LE(body.length, 0);
  bytes.writeUInt32LE(crc32(body), 4);
  bytes.set(body, HEADER_BYTES);
  return bytes;
}

function* records(whole: Uint8Array): Generator<Entry> {
  const bytes = Buffer.from(whole.buffer, whole.byteOffset, whole.byteLength);
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const body = bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + bytes.readUInt32LE(at));
    if (crc32(body) !== bytes.readUInt32LE(at + 4)) return;
    yield decode(Uint8Array.from(body), { share: false }) as Entry;
    at += HEADER_BYTES + body.length;
  }
}

/** In a file of this machine. */
class CallFile implements CallPlace {
  readonly #path: string;
  #file: number | null = null;

  constructor(path: string) {
    this.#path = path;
  }

  born(): void {
    this.checkpoint(new Uint8Array(0));
  }

  checkpoint(bytes: Uint8Array): void {
    this.#close();
    writeWhole(this.#path, bytes);
  }

  append(bytes: Uint8Array): void {
    try {
      this.#file ??= openSync(this.#path, "a");
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#file, bytes, at);
    } catch (error) {
      throw storeProblem(error, dirname(this.#path));
    }
  }

  async read(): Promise<Uint8Array | null> {
    return readWhole(this.#path);
  }

  end(): void {
    this.#close();
    rmSync(this.#path, { force: true });
  }

  #close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }
}

/** Where the actors of one slot have their calls written down: in files, or with whoever the slot works for. */
export class CallPlaces {
  readonly #slot: number;
  readonly #life: number;
  readonly #folder: string;
  readonly #send: ((message: CalledMessage) => void) | null;
  readonly #asked = new Map<number, (bytes: Uint8Array | null) => void>();
  #lastRequest = 0;

  /** `send` null: in files. `folder`: of the host. */
  constructor({ slot, life, folder }: SlotSettings, send: ((message: CalledMessage) => void) | null) {
    this.#slot = slot;
    this.#life = life;
    this.#folder = folder;
    this.#send = send;
  }

  /** `name`: among the actors of all runs. */
  calls(name: string, results: string | null): CallPlace {
    // The host's parent is the engine: whoever tidies up tells by it whether the actor may still be asked for.
    if (!this.#send) return new CallFile(join(results ?? this.#folder, `${name}-${process.ppid}${CALLS_ENDING}`));
    const send = this.#send;
    const tell = (message: CallMessage) => send({ type: "called", actor: name, message });
    return {
      born: () => tell({ how: "born" }),
      checkpoint: (bytes) => tell({ how: "checkpoint", bytes }),
      append: (bytes) => tell({ how: "calls", bytes }),
      read: () =>
        new Promise((resolve) => {
          const request = ++this.#lastRequest;
          this.#asked.set(request, resolve);
          send({ type: "callsWanted", slot: this.#slot, life: this.#life, request, actor: name });
        }),
      // They know by themselves when the run is over; this slot may merely be going.
      end: () => {},
    };
  }

  /** `name`: the user's. Throws where nothing outlives the run. */
  kept(name: string, results: string | null): KeepingPlace {
    if (this.#send)
      throw new StoreError(
        "actors with a name are kept in the project's folder, and runs over NATS have none: leave `named` out, or run it on this machine",
      );
    if (results === null) throw new StoreError("actors with a name are kept in the project's folder, and this run keeps nothing there");
    const path = join(results, ACTORS_FOLDER, name);
    return { read: async () => readWhole(path), write: (bytes) => writeWhole(path, bytes) };
  }

  heard({ request, bytes }: Extract<ToHost, { type: "calls" }>): void {
    this.#asked.get(request)?.(bytes);
    this.#asked.delete(request);
  }
}

type CalledMessage = Extract<FromHost, { type: "called" | "callsWanted" }>;

function readWhole(path: string): Uint8Array | null {
  return existsSync(path) ? Uint8Array.from(readFileSync(path)) : null;
}

/** Replaced as a whole: whoever is killed meanwhile leaves what was there before. */
function writeWhole(path: string, bytes: Uint8Array): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(`${path}.part`, bytes);
    renameSync(`${path}.part`, path);
  } catch (error) {
    throw storeProblem(error, dirname(path));
  }
}

// The actors that live in one slot: found by who made them, asked one call at a time, gone with the slot. Those that can be made again have
// their calls written down, outside of the slot. Must not know what a call does, nor who waits for it.
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import type { ActorChoice, PlanActors } from "../../compiler/plan.ts";
import { decode, encode } from "../objects/codec.ts";
import { ACTORS_FOLDER, CALLS_ENDING, StoreError, storeProblem } from "../results/store.ts";
import { GoneError } from "./errors.ts";

/** An actor that is asked, and is gone. */
class ActorLost extends Error {
  override readonly name = "ActorLost";
}

interface Saves {
  checkpoint?(): unknown;
  restore?(state: unknown): unknown;
}

interface Inhabitant {
  /** What is asked: the instance, or what writes its calls down first. */
  readonly face: object;
  readonly instance: Saves;
  readonly log: CallLog | null;
  /** Where it is kept when nobody asks it any more. */
  readonly keep: string | null;
  /** Tasks that have asked it. */
  asked: number;
}

export interface Birth {
  readonly run: number;
  readonly stage: number;
  readonly block: number;
  readonly actors: PlanActors;
  /** Where its calls are written down, and under which name; `keeps`: what has a name of its own outlives the run there. */
  readonly place: { readonly folder: string; readonly keeps: boolean; readonly name: string };
  /** It has lived before, and been lost. */
  readonly again: boolean;
}

/** Logged calls after which a new checkpoint is worth its while, and time. */
const CHECKPOINT_CALLS = 1000;
const CHECKPOINT_MS = 1000;

export class SlotActors {
  readonly #here = new Map<string, Map<number, Inhabitant>>();
  /** Of pools: who is asked next, first. */
  readonly #turns = new Map<string, Set<number>>();
  #task: { readonly stage: number; readonly block: number } = { stage: -1, block: -1 };

  /** Throws `ActorLost` where it can't be made as it was. */
  async born(instance: object, { run, stage, block, actors, place, again }: Birth): Promise<void> {
    const saves = instance as Saves;
    if (actors.named !== undefined && !place.keeps)
      throw new StoreError("actors with a name are kept in the project's folder, and this run keeps nothing there");
    const keep = actors.named === undefined ? null : join(place.folder, ACTORS_FOLDER, `${actors.named}.${block}`);
    if (keep !== null) {
      const kept = readWhole(keep);
      if (kept) await saves.restore!(decode(kept, { share: false }));
    }
    let log: CallLog | null = null;
    if (actors.replayed) {
      log = new CallLog(join(place.folder, `${place.name}${CALLS_ENDING}`), new Set(actors.reads), () => this.#task);
      if (again) await log.replay(saves);
      else log.begin();
    }
    const face = log ? log.faceOf(instance) : instance;
    const key = `${run}:${stage}`;
    const here = this.#here.get(key) ?? new Map<number, Inhabitant>();
    this.#turns.delete(key);
    this.#here.set(key, here.set(block, { face, instance: saves, log, keep, asked: 0 }));
  }

  live(run: number, stage: number): boolean {
    // Asked for every batch of tasks, and few runs have actors.
    if (this.#here.size === 0) return false;
    return this.#here.has(`${run}:${stage}`);
  }

  /** For one task, which counts as a call. */
  ask(run: number, stage: number, which: ActorChoice, block: number): object {
    const key = `${run}:${stage}`;
    const here = this.#here.get(key);
    const number = which === "each" ? block : which === "one" ? 0 : this.#next(key, here);
    const found = here?.get(number);
    if (!found) throw new Error(`bug: actor ${number} of stage ${stage} doesn't live in this slot`);
    found.asked++;
    if (found.log) this.#recent.add(found);
    this.#last = { number, call: found.asked };
    return found.face;
  }

  /** Who was asked last, and how often it had been by then. */
  get last(): { readonly number: number; readonly call: number } {
    return this.#last;
  }
  #last = { number: 0, call: 0 };

  #next(key: string, here: Map<number, Inhabitant> | undefined): number {
    if (!here) return 0;
    // Whoever was asked goes to the end of the line.
    let turn = this.#turns.get(key);
    if (!turn) this.#turns.set(key, (turn = new Set(here.keys())));
    const [next = 0] = turn;
    turn.delete(next);
    turn.add(next);
    return next;
  }

  /** Calls are made for this task from now on. */
  begin(stage: number, block: number): void {
    this.#task = { stage, block };
  }

  /** Some have been asked since their last checkpoint. */
  get areBehind(): boolean {
    return this.#recent.size > 0;
  }

  /** To be called when nobody waits for an answer that hasn't been sent: calls before it won't be made again. */
  async checkpoint(): Promise<void> {
    for (const one of this.#recent) {
      if (!one.instance.checkpoint) this.#recent.delete(one);
      else if (one.log!.isLong) {
        this.#recent.delete(one);
        one.log!.begin(await one.instance.checkpoint());
      }
    }
  }
  readonly #recent = new Set<Inhabitant>();

  /** Nobody asks these any more. */
  async free(run: number, stage: number, first: number, count: number): Promise<void> {
    const key = `${run}:${stage}`;
    const here = this.#here.get(key);
    for (let block = first; here && block < first + count; block++) {
      const found = here.get(block);
      here.delete(block);
      this.#turns.delete(key);
      if (found) this.#recent.delete(found);
      if (found?.keep) writeWhole(found.keep, encode(await found.instance.checkpoint!()));
      if (found) await leave(found);
    }
    if (here?.size === 0) this.#here.delete(key);
  }

  /** All that a run has here. */
  async finish(run: number): Promise<void> {
    for (const [key, here] of this.#here) {
      if (!key.startsWith(`${run}:`)) continue;
      this.#here.delete(key);
      this.#turns.delete(key);
      for (const found of here.values()) {
        this.#recent.delete(found);
        await leave(found);
      }
    }
  }
}

/** Disposed of as a resource is. */
async function leave({ instance, log }: Inhabitant): Promise<void> {
  log?.end();
  const { dispose, asyncDispose } = Symbol as { readonly dispose?: symbol; readonly asyncDispose?: symbol };
  for (const name of [asyncDispose, dispose]) {
    const end = name && (instance as { readonly [key: symbol]: unknown })[name];
    if (typeof end === "function") {
      await end.call(instance);
      return;
    }
  }
}

/** Calls that change nothing, all of a batch at once: what each gives is asked for in its turn. */
export function sideBySide(next: number, end: number, call: (block: number) => unknown): ReadonlyMap<number, () => Promise<unknown>> {
  const begun = new Map<number, () => Promise<unknown>>();
  for (let block = next; block < end; block++) {
    const running = (async () => call(block))();
    // Heard of in its turn, and not before.
    running.catch(() => {});
    begun.set(block, () => running);
  }
  return begun;
}

/** One actor is asked for one block after another: where a call fails, those behind it are not made before it has been made again. */
export class Turns {
  readonly #broken = new Map<string, number>();

  /** Throws where an earlier one is to be made again. */
  take(run: number, stage: number, block: number): void {
    const before = this.#broken.get(`${run}:${stage}`);
    if (before !== undefined && block > before) throw new GoneError(`the call for block ${before} has to be made again first`);
    if (block === before) this.#broken.delete(`${run}:${stage}`);
  }

  finish(run: number): void {
    for (const key of this.#broken.keys()) if (key.startsWith(`${run}:`)) this.#broken.delete(key);
  }

  broken(run: number, stage: number, block: number): void {
    const key = `${run}:${stage}`;
    this.#broken.set(key, Math.min(block, this.#broken.get(key) ?? block));
  }
}

type Entry = { readonly state: unknown } | { readonly id: string; readonly name: string; readonly args: unknown };

/**
 * What an actor has been asked since its last checkpoint, one record after another; a record that isn't whole is the last, and wasn't answered.
 * A call is written down when it is over: one that ended the slot is asked again as if for the first time.
 */
class CallLog {
  readonly #path: string;
  /** Calls that change nothing. */
  readonly #reads: ReadonlySet<string>;
  readonly #task: () => { readonly stage: number; readonly block: number };
  #calls = 0;
  #atMs = performance.now();
  /** Calls made for the task that it was last asked by. */
  #inTask = 0;
  #lastTask: object | null = null;
  /** What calls gave before the actor was lost, for tasks whose answer may not have been heard. */
  readonly #replies = new Map<string, { readonly value: unknown } | { readonly error: unknown }>();

  constructor(path: string, reads: ReadonlySet<string>, task: () => { readonly stage: number; readonly block: number }) {
    this.#path = path;
    this.#reads = reads;
    this.#task = task;
  }

  get isLong(): boolean {
    return this.#calls >= CHECKPOINT_CALLS || (this.#calls > 0 && performance.now() - this.#atMs > CHECKPOINT_MS);
  }

  /** From nothing, or from what a checkpoint says. */
  begin(state?: unknown): void {
    this.#calls = 0;
    this.#atMs = performance.now();
    this.#replies.clear();
    this.#close();
    writeWhole(this.#path, state === undefined ? new Uint8Array(0) : record({ state }));
  }

  async replay(instance: Saves): Promise<void> {
    if (!existsSync(this.#path)) throw new ActorLost("what it was asked before was written down on a machine that is gone");
    for (const entry of records(readFileSync(this.#path))) {
      if ("state" in entry) {
        await instance.restore!(entry.state);
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
      if ("error" in before) throw before.error;
      return before.value;
    }
    // It may change what it is given.
    const written = record({ id, name, args });
    let value: unknown;
    try {
      value = method.apply(instance, args);
    } catch (error) {
      this.#write(written);
      throw error;
    }
    if (!(value instanceof Promise)) {
      this.#write(written);
      return value;
    }
    return value.finally(() => this.#write(written));
  }

  #write(bytes: Uint8Array): void {
    this.#calls++;
    try {
      this.#file ??= openSync(this.#path, "a");
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#file, bytes, at);
    } catch (error) {
      throw storeProblem(error, dirname(this.#path));
    }
  }

  #close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }
  #file: number | null = null;

  end(): void {
    this.#close();
    rmSync(this.#path, { force: true });
  }
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

function* records(bytes: Buffer): Generator<Entry> {
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const body = bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + bytes.readUInt32LE(at));
    if (crc32(body) !== bytes.readUInt32LE(at + 4)) return;
    yield decode(Uint8Array.from(body), { share: false }) as Entry;
    at += HEADER_BYTES + body.length;
  }
}

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

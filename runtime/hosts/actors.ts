// The actors that live in one slot: found by who made them, asked one call at a time, gone with the slot. Those that can be made again have
// their calls written down, outside of the slot. Must not know what a call does, nor who waits for it.
import type { ActorChoice } from "../../compiler/plan.ts";
import { decode, encode } from "../objects/codec.ts";
import type { CallPlace, KeepingPlace, Saves } from "./calls.ts";
import { CallLog } from "./calls.ts";
import { GoneError } from "./errors.ts";

interface Inhabitant {
  /** What is asked: the instance, or what writes its calls down first. */
  readonly face: object;
  readonly instance: Saves;
  readonly log: CallLog | null;
  /** Where it is kept when nobody asks it any more. */
  readonly keep: KeepingPlace | null;
  /** Tasks that have asked it. */
  asked: number;
}

export interface Birth {
  readonly run: number;
  readonly stage: number;
  readonly block: number;
  /** Where its calls are written down, if they are; and which of its methods change nothing. */
  readonly calls: { readonly place: CallPlace; readonly reads: readonly string[] } | null;
  /** Where it is kept between runs; null where it has no name. */
  readonly keep: KeepingPlace | null;
  /** It has lived before, and been lost. */
  readonly again: boolean;
}

export class SlotActors {
  readonly #here = new Map<string, Map<number, Inhabitant>>();
  /** Of pools: who is asked next, first. */
  readonly #turns = new Map<string, Set<number>>();
  #task: { readonly stage: number; readonly block: number } = { stage: -1, block: -1 };

  /** Throws `ActorLost` where it can't be made as it was. */
  async born(instance: object, { run, stage, block, calls, keep, again }: Birth): Promise<void> {
    const saves = instance as Saves;
    const kept = await keep?.read();
    if (kept) await saves.restore!(decode(kept, { share: false }));
    let log: CallLog | null = null;
    if (calls) {
      log = new CallLog(calls.place, new Set(calls.reads), () => this.#task);
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
        one.log!.checkpoint(await one.instance.checkpoint());
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
      if (found?.keep) found.keep.write(encode(await found.instance.checkpoint!()));
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

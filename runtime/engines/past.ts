// What the leaders of a run write down, so that whoever comes after one can go on: what has been committed, and where it is; which numbers
// stages had; what is held against tasks. Must not know where it is written.
import type { Restored, Stage, Strike } from "../core/model.ts";
import { ENGINE } from "../core/model.ts";
import { keyText } from "../core/regions.ts";
import type { OutputFeed } from "../hosts/link.ts";
import { numberIn } from "./recall.ts";
import type { InlineValues } from "./values.ts";

/** One thing that a leader writes down before it acts on it. */
export type Entry =
  /** Tasks were finished in that slot of the host whose memory is `home`. */
  | {
      readonly type: "done";
      readonly home: string;
      readonly slot: number;
      readonly stage: number;
      readonly first: number;
      readonly count: number;
      readonly outputs: OutputFeed;
    }
  /** Another memory has what was made. */
  | { readonly type: "copied"; readonly home: string; readonly stage: number; readonly block: number }
  /** Stages of an instance have the numbers from `base` on. */
  | { readonly type: "opened"; readonly base: number; readonly stages: number; readonly key: string }
  | ({ readonly type: "strike"; readonly stage: number } & Strike)
  /** A thread ended, and actors with it. */
  | { readonly type: "slotLost"; readonly home: string; readonly slot: number };

type Done = Extract<Entry, { type: "done" }> & {
  /** Entries before it. */
  readonly at: number;
};

type Copied = Extract<Entry, { type: "copied" }> & { readonly at: number };

/** Which worker has one of these memories. */
type HolderOf = (homes: readonly string[]) => number;

/** Written down in order; `then` is called in the same order, once that and all before it can't be lost any more. */
export interface RunJournal {
  readonly past: Past;
  append(entry: Entry | null, then: () => void): void;
}

/** Of actors whose thread is gone: nobody has this memory. */
const NO_HOME = "";

export class Past {
  readonly #done = new Map<number, Done[]>();
  readonly #copies = new Map<number, Copied[]>();
  readonly #strikes = new Map<number, Strike[]>();
  /** By key of an instance, the latest last: one that was needed again was made again. */
  readonly #bases = new Map<string, number[]>();
  /** By home and slot: entries before its thread last ended. */
  readonly #slotLostAt = new Map<string, number>();
  /** Where anything was made that stays there. */
  readonly homes = new Set<string>([NO_HOME]);
  #lastHome = NO_HOME;
  #freshFrom = 0;
  #entries = 0;

  get isEmpty(): boolean {
    return this.#entries === 0;
  }
  get freshFrom(): number {
    return this.#freshFrom;
  }

  add(entry: Entry): void {
    const at = this.#entries++;
    switch (entry.type) {
      case "done":
        push(this.#done, entry.stage, Object.assign(entry, { at }));
        if (entry.home !== this.#lastHome) this.homes.add((this.#lastHome = entry.home));
        return;
      case "copied":
        push(this.#copies, entry.stage, { ...entry, at });
        this.homes.add(entry.home);
        return;
      case "opened":
        push(this.#bases, entry.key, entry.base);
        this.#ranges.push([entry.base, entry.base + entry.stages]);
        this.#freshFrom = Math.max(this.#freshFrom, entry.base + entry.stages);
        return;
      case "strike":
        push(this.#strikes, entry.stage, { block: entry.block, what: entry.what });
        return;
      case "slotLost":
        this.#slotLostAt.set(slotName(entry), at);
        return;
    }
  }

  /** The same of an instance that somebody has in hand, and nobody wrote down in time; nothing where the numbers mean something else. */
  opened(base: number, stages: number, key: string): void {
    if (this.#bases.has(key) || this.#ranges.some(([first, end]) => first < base + stages && base < end)) return;
    this.add({ type: "opened", base, stages, key });
  }
  readonly #ranges: (readonly [first: number, end: number])[] = [];

  baseOf(key: string): number | null {
    return this.#bases.get(key)?.at(-1) ?? null;
  }

  wasDone(stage: number, first: number, end: number): boolean {
    let at = first;
    const done = this.#done.get(stage) ?? [];
    // Slots answer in the order of their blocks.
    for (const one of [...done].sort((a, b) => a.first - b.first)) if (one.first <= at) at = Math.max(at, one.first + one.count);
    return at >= end;
  }

  /** Tasks that had been finished of stages of the run itself, or in instances. */
  get tasks(): number {
    let tasks = 0;
    for (const done of this.#done.values()) for (const { count } of done) tasks += count;
    return tasks;
  }

  strikes(stage: Stage): readonly Strike[] {
    return this.#numbersOf(stage).flatMap((number) => this.#strikes.get(number) ?? []);
  }

  /**
   * For the core; small values are handed to `values`. What was finished more than once (a second copy, or something that was lost and made again)
   * is where it was last, or where that was copied to.
   */
  restored(stage: Stage, values: InlineValues, holderOf: HolderOf): readonly Restored[] {
    const done = this.#numbersOf(stage).flatMap((number) => {
      // Of an instance that was made again since nobody can have what was too large to be written down.
      const isHere = number === stage.index;
      return (this.#done.get(number) ?? []).filter(({ outputs }) => isHere || isWrittenDown(outputs));
    });
    if (done.length === 0) return [];
    for (const { first, outputs } of done) {
      if (outputs.kind === "column") values.add(first, outputs.column);
      else if (outputs.kind === "blocks" && outputs.inline) values.add(0, outputs.inline);
    }
    const last = new Int32Array(stage.tasks).fill(-1);
    for (const [index, { first, count }] of done.entries()) last.fill(index, first, first + count);
    const copies = this.#numbersOf(stage).flatMap((number) => this.#copies.get(number) ?? []);
    const restored: Restored[] = [];
    for (let first = 0; first < stage.tasks; ) {
      const index = last[first]!;
      let end = first + 1;
      while (copies.length === 0 && end < stage.tasks && last[end] === index) end++;
      if (index >= 0) restored.push(this.#restored(stage, done[index]!, copies, first, end, values, holderOf));
      first = end;
    }
    return restored;
  }

  #restored(
    { template }: Stage,
    done: Done,
    copies: readonly Copied[],
    first: number,
    end: number,
    values: InlineValues,
    holderOf: HolderOf,
  ): Restored {
    const { outputs, slot, at } = done;
    const where = { first, count: end - first, rebuildable: true };
    if (template.spawns) {
      const isGone = at < (this.#slotLostAt.get(slotName(done)) ?? -1);
      return isGone ? { ...where, holder: holderOf([NO_HOME]), slot: 0 } : { ...where, holder: holderOf([done.home]), slot };
    }
    const later = copies.filter((copy) => copy.at > at);
    // All blocks of a list are in one memory.
    const blocks = outputs.kind === "blocks" ? Array.from({ length: outputs.count }, (_, block) => block) : [first];
    const has = (home: string) => blocks.every((block) => later.some((copy) => copy.home === home && copy.block === block));
    const others = [...new Set(later.map(({ home }) => home))].filter(has);
    const holder = isWrittenDown(outputs) ? ENGINE : holderOf([done.home, ...others]);
    const value = template.decides ? numberIn(values.column(0, 1)) : null;
    return {
      ...where,
      holder,
      ...(outputs.kind === "blocks" ? { blocks: outputs.count } : {}),
      ...(value === null ? {} : { value }),
    };
  }

  /** The numbers that a stage has had, its own last. */
  #numbersOf({ index, instance, template }: Stage): readonly number[] {
    if (!instance) return [index];
    const bases = this.#bases.get(keyText(instance.key)) ?? [];
    return bases.map((base) => base + template.place);
  }
}

const isWrittenDown = (outputs: OutputFeed): boolean =>
  outputs.kind === "column" || (outputs.kind === "blocks" && (outputs.inline !== null || outputs.count === 0));

const slotName = ({ home, slot }: { readonly home: string; readonly slot: number }) => `${home} ${slot}`;

function push<Key, Value>(lists: Map<Key, Value[]>, key: Key, value: Value): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}

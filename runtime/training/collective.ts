// What the members of a gang do together: wait for each other, hand each other values, add their parts. `Collective` is what training knows of
// it, wherever the members are; here it is done in memory that threads of one process share. Additions are in one tree by rank, whoever does
// them, so that a result never depends on timing. Must not know what is added.
import type { MessagePort } from "node:worker_threads";
import { receiveMessageOnPort } from "node:worker_threads";
import type { Flat, FloatArray, Layout } from "./additive.ts";
import { flatten, layoutOf, newArray, Plot, rangeOf, unflatten } from "./additive.ts";

/** The gang was given up: another member is gone, or its run is over. */
export class GangAborted extends Error {
  override readonly name = "GangAborted";
}

export interface Collective {
  readonly rank: number;
  readonly size: number;
  /** Returns when all members have come here. Throws `GangAborted`. */
  barrier(): void;
  /** Throws `GangAborted` where it was: for whoever waits for something else. */
  checkAborted(): void;
  /** What each member gives, by rank. Small, rare things: whatever `postMessage` takes; shared memory stays shared. */
  exchange(value: unknown): readonly unknown[];
  /** The weighted sum of all members' values, bit for bit the same everywhere; null with weight 0 where a member has none. `site` names the place in the program. */
  sum(value: unknown, weight: number, site: string): unknown;
}

/** As 32-bit cells: given up or not, members at the barrier, how often all have been there. */
const [ABORTED, ARRIVED, PHASE] = [0, 1, 2] as const;
export const CONTROL_BYTES = 64;
/** A member that is about to come is waited for without sleeping. */
const SPINS = 20_000;
const LOOK_EVERY_MS = 100;

/** Wakes all who wait. */
export function abortCollective(control: SharedArrayBuffer): void {
  const cells = new Int32Array(control);
  Atomics.store(cells, ABORTED, 1);
  Atomics.notify(cells, PHASE);
}

/** What one call of `sum` needs, by the layout of what is summed. */
interface Summing {
  readonly layout: Layout;
  /** By rank, and where the sums stand. */
  readonly parts: readonly Plot[];
  /** By rank: a weight, and whether there is a part. */
  readonly heads: readonly Float64Array[];
  readonly whole: Plot;
}

export class SharedCollective implements Collective {
  readonly rank: number;
  readonly size: number;
  readonly #cells: Int32Array;
  readonly #ports: readonly (MessagePort | null)[];
  /** One for each place in a step where something is summed. */
  readonly #summing = new Map<string, Summing>();

  constructor(control: SharedArrayBuffer, ports: readonly (MessagePort | null)[], rank: number) {
    this.#cells = new Int32Array(control);
    this.#ports = ports;
    this.rank = rank;
    this.size = ports.length;
  }

  barrier(): void {
    const cells = this.#cells;
    this.checkAborted();
    const phase = Atomics.load(cells, PHASE);
    if (Atomics.add(cells, ARRIVED, 1) === this.size - 1) {
      Atomics.store(cells, ARRIVED, 0);
      Atomics.add(cells, PHASE, 1);
      Atomics.notify(cells, PHASE);
      return;
    }
    for (let spin = 0; spin < SPINS; spin++) if (Atomics.load(cells, PHASE) !== phase) return;
    while (Atomics.load(cells, PHASE) === phase) {
      this.checkAborted();
      Atomics.wait(cells, PHASE, phase, LOOK_EVERY_MS);
    }
  }

  checkAborted(): void {
    if (Atomics.load(this.#cells, ABORTED) === 1) throw new GangAborted("another member of the gang is gone");
  }

  exchange(value: unknown): readonly unknown[] {
    for (const port of this.#ports) port?.postMessage(value);
    this.barrier();
    const all = this.#ports.map((port) => (port === null ? value : receiveMessageOnPort(port)?.message));
    // Nobody posts the next before all have read this.
    this.barrier();
    return all;
  }

  sum(value: unknown, weight: number, site: string): unknown {
    const known = this.#summing.get(site);
    const flat = weight === 0 ? null : known ? flatten(value, known.layout) : null;
    const fits = known !== undefined && (weight === 0 || flat !== null);
    if (fits) this.#write(known, flat, weight);
    else if (known) known.heads[this.rank]![1] = OTHER;
    if (known) {
      this.barrier();
      // Everybody sees the same heads, so all go the same way.
      if (known.heads.every((head) => head[1] !== OTHER)) return this.#reduced(known, value);
    }
    const made = this.#agree(value, weight, site);
    this.#write(made, weight === 0 ? null : flatten(value, made.layout)!, weight);
    this.barrier();
    return this.#reduced(made, value);
  }

  #write({ parts, heads }: Summing, flat: Flat | null, weight: number): void {
    if (flat) parts[this.rank]!.write(flat);
    heads[this.rank]![0] = weight;
    heads[this.rank]![1] = PRESENT;
  }

  /** Members that have nothing learn the layout from those that have. */
  #agree(value: unknown, weight: number, site: string): Summing {
    const layouts = this.exchange(weight === 0 ? null : layoutOf(value)) as readonly (Layout | null)[];
    const layout = layouts.find((one) => one !== null);
    if (!layout) throw new RangeError("a batch without rows has no mean");
    const other = layouts.find((one) => one !== null && one.key !== layout.key);
    if (other) throw new RangeError(`parts of one batch have values of different layouts: ${layout.key}, and ${other.key}`);
    const bytes = Plot.bytes(layout);
    const own = new SharedArrayBuffer(HEAD_BYTES + bytes * (this.rank === 0 ? 2 : 1));
    const all = this.exchange(own) as readonly SharedArrayBuffer[];
    const made: Summing = {
      layout,
      parts: all.map((memory) => new Plot(layout, memory, HEAD_BYTES)),
      heads: all.map((memory) => new Float64Array(memory, 0, 2)),
      whole: new Plot(layout, all[0]!, HEAD_BYTES + bytes),
    };
    this.#summing.set(site, made);
    return made;
  }

  /** Each member adds its range of every array, then all read all of it. */
  #reduced({ layout, parts, heads, whole }: Summing, like: unknown): unknown {
    const here = heads.flatMap((head, rank) => (head[0]! > 0 ? [rank] : []));
    const weights = here.map((rank) => heads[rank]![0]!);
    for (let i = 0; i < whole.arrays.length; i++) {
      const [from, to] = rangeOf(whole.arrays[i]!.length, this.rank, this.size);
      addInTree(
        here.map((rank) => parts[rank]!.arrays[i]!),
        weights,
        whole.arrays[i]!,
        from,
        to,
      );
    }
    const numbers = Array.from({ length: layout.numbers }, (_, i) =>
      inTree(here.map((rank, at) => parts[rank]!.numbers[i]! * weights[at]!)),
    );
    this.barrier();
    const arrays = whole.arrays.map((sum, i) => {
      const array = newArray(layout.arrays[i]!);
      array.set(sum);
      return array;
    });
    return unflatten(layout, { numbers, arrays }, like ?? undefined);
  }
}

const HEAD_BYTES = 64;
const [PRESENT, OTHER] = [1, 2] as const;

/** Neighbours pairwise, level by level. */
export function inTree(values: readonly number[]): number {
  let level = values;
  while (level.length > 1)
    level = Array.from({ length: (level.length + 1) >> 1 }, (_, i) =>
      2 * i + 1 < level.length ? level[2 * i]! + level[2 * i + 1]! : level[2 * i]!,
    );
  return level[0]!;
}

/** Weighted, in double precision, and rounded once. */
export function addInTree(parts: readonly FloatArray[], weights: readonly number[], into: FloatArray, from: number, to: number): void {
  if (parts.length === 2) {
    const [a, b] = parts as [FloatArray, FloatArray];
    const [x, y] = weights as [number, number];
    for (let i = from; i < to; i++) into[i] = a[i]! * x + b[i]! * y;
    return;
  }
  const level = new Float64Array(parts.length);
  for (let i = from; i < to; i++) {
    let width = parts.length;
    for (let part = 0; part < width; part++) level[part] = parts[part]![i]! * weights[part]!;
    while (width > 1) {
      const half = (width + 1) >> 1;
      for (let pair = 0; pair < half; pair++)
        level[pair] = 2 * pair + 1 < width ? level[2 * pair]! + level[2 * pair + 1]! : level[2 * pair]!;
      width = half;
    }
    into[i] = level[0]!;
  }
}

// Architectures whose members have their state to themselves: the fold itself, batches that are cut in parts and added up, and folds side by
// side that are averaged (Zinkevich et al., Parallelized Stochastic Gradient Descent, 2010; every n steps it is local SGD).
import type { Architecture } from "../../compiler/plan.ts";
import { rangeOf } from "./additive.ts";
import type { Collective, SumPlace } from "./collective.ts";
import type { Phase, Steps, Tell, Trainer, Training } from "./fit.ts";
import { settled } from "./fit.ts";

type Of<A extends Architecture["architecture"]> = Extract<Architecture, { architecture: A }>;

/** One batch after another, each one part: the meaning that every other architecture is measured against. */
export function sequential({ program, state, around }: Training): Trainer {
  let step = 0;
  const tell: Tell = (name, value) => around.metric(name, step, value);
  return {
    state,
    stride: 1,
    replicated: true,
    *step(batches, at, epoch, number) {
      step = number;
      const done = program.step(state, batches[at], epoch, number, tell);
      if (done instanceof Promise) yield done;
    },
    endEpoch() {
      return state;
    },
    end() {
      return state;
    },
  };
}

/** Each batch, or each `size` batches, in parts that are added in one tree by rank; all members update alike. */
export function allreduce({ program, members, state, around }: Training, { perWorker }: Of<"allreduce">): Trainer {
  const phases = program.phases();
  const summed = phases.map(summedIn);
  const { rank, size } = members;
  const tellNothing: Tell = () => {};
  return {
    state,
    stride: perWorker ? size : 1,
    replicated: true,
    *step(batches, at, epoch, step) {
      const { part, share } = (perWorker ? wholeOf : partOf)(batches, at, members);
      const tell: Tell = rank === 0 ? (name, value) => around.metric(name, step, value) : tellNothing;
      for (const [number, phase] of phases.entries()) {
        const made = share === 0 ? null : yield* settled(phase.parts(state, part, epoch, step));
        const combined = combine(members, phase, summed[number]!, made as readonly unknown[] | null, share);
        yield* settled(phase.apply(state, combined, epoch, step, tell));
      }
    },
    endEpoch() {
      return state;
    },
    end() {
      return state;
    },
  };
}

/** What a member works on in a step, and how much of all rows of the step that is; 0: nothing. */
interface Share {
  readonly part: unknown;
  readonly share: number;
}

/** Its contiguous part of one batch. One without rows is the first member's. */
function partOf(batches: readonly unknown[], at: number, { rank, size }: Collective): Share {
  const rows = batches[at] as readonly unknown[];
  const part = rows.slice(...rangeOf(rows.length, rank, size));
  return { part, share: rows.length === 0 ? Number(rank === 0) : part.length / rows.length };
}

/** Its own of as many batches as there are members. */
function wholeOf(batches: readonly unknown[], at: number, { rank, size }: Collective): Share {
  const rows = batches.slice(at, at + size).map((batch) => (Array.isArray(batch) ? batch.length : 1));
  const all = rows.reduce((sum, count) => sum + count, 0);
  return { part: batches[at + rank], share: all === 0 ? Number(rank === 0) : (rows[rank] ?? 0) / all };
}

/** What can't be added is handed round. */
function combine(
  members: Collective,
  { combiners }: Phase,
  { summed, place }: Summed,
  parts: readonly unknown[] | null,
  share: number,
): unknown[] {
  const combined: unknown[] = new Array(combiners.length).fill(null);
  if (summed.length > 0) {
    const sums = members.sum(parts && summed.map((at) => parts[at]), share, place);
    summed.forEach((at, i) => {
      combined[at] = sums[i];
    });
  }
  combiners.forEach(({ name }, at) => {
    if (isSum(name)) return;
    const all = members.exchange(parts && { part: parts[at] }) as readonly ({ readonly part: unknown } | null)[];
    const here = all.flatMap((one) => (one ? [one.part] : []));
    combined[at] = name === "concat" ? (here as readonly unknown[][]).flat() : Math[name as "min" | "max"](...(here as number[]));
  });
  return combined;
}

const isSum = (name: string): boolean => name === "mean" || name === "sum";

/** Which of a phase's parts are added up, in one go. */
interface Summed {
  readonly summed: readonly number[];
  readonly place: SumPlace;
}

function summedIn({ combiners }: Phase, number: number): Summed {
  const summed = combiners.flatMap(({ name }, at) => (isSum(name) ? [at] : []));
  const means = summed.map((at) => combiners[at]!.name === "mean");
  return { summed, place: { name: String(number), partly: false, means, borrowed: summed.map((at) => combiners[at]!.borrowed) } };
}

/** Each member folds every `size`th batch alone. */
export function average({ program, members, state, around }: Training, { everySteps }: Of<"average">): Trainer {
  const { rank, size } = members;
  const place: SumPlace = { name: "state", partly: true, means: state.map(() => true), borrowed: state.map(() => false) };
  const averaged = (): readonly unknown[] => members.sum(state, 1 / size, place);
  const meet = (): readonly unknown[] => {
    const mean = averaged();
    state.splice(0, state.length, ...mean);
    return state;
  };
  let taken = 0;
  return {
    state,
    stride: size,
    replicated: false,
    *step(batches, at, epoch, step): Steps<void> {
      const own = at + rank;
      if (own < batches.length)
        yield* settled(program.step(state, batches[own], epoch, step, (name, value) => around.metric(name, step * size + rank, value)));
      if (everySteps !== null && ++taken % everySteps === 0) meet();
    },
    endEpoch() {
      // Epochs begin alike, so that one that is begun again after a loss is the same.
      taken = 0;
      if (everySteps !== null) return meet();
      // An epoch's end is about the average; members go on from their own.
      return program.after ? averaged() : state;
    },
    end() {
      return meet();
    },
  };
}

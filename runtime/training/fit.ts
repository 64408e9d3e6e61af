// `fit`: batches, epochs, what is kept, when it stops, and where it goes on after a loss, the same under every architecture. What a batch
// does to the state is the architecture's. Everything may be asynchronous where a function of the program is, and is synchronous where none is.
import type { Architecture } from "../../compiler/plan.ts";
import type { Collective } from "./collective.ts";
import { allreduce, average, sequential } from "./exact.ts";
import type { Place } from "./placed.ts";
import { placed } from "./placed.ts";
import { downpour, hogwild, parameterServer } from "./shared.ts";

/** What the program says of a batch, cut where parts are combined. The phases of one step share the names that they bind. */
export interface Phase {
  /** How each part is combined: `mean`, `sum`, `min`, `max`, `concat`; `borrowed`: what comes of it is read in this step alone. */
  readonly combiners: readonly { readonly name: string; readonly borrowed: boolean }[];
  /** At a worker, of its part of a batch. */
  parts(state: readonly unknown[], batch: unknown, epoch: number, step: number): unknown;
  /** Once for all: changes `state`, which is what is carried, in order. */
  apply(state: unknown[], combined: readonly unknown[], epoch: number, step: number, tell: Tell): unknown;
}

export interface FitProgram {
  readonly start: readonly unknown[];
  readonly epochs: number;
  /** The batches of an epoch, in order. */
  over(epoch: number, step: number): readonly unknown[] | Promise<readonly unknown[]>;
  /** All of a step for a batch that is one part. */
  step(state: unknown[], batch: unknown, epoch: number, step: number, tell: Tell): unknown;
  /** Of architectures that cut batches. */
  phases(): readonly Phase[];
  /** After an epoch: whether to stop. Null: nothing is done then. */
  after: ((state: readonly unknown[], epoch: number, step: number, memory: Memory, tell: Tell) => unknown) | null;
  /** What `after` kept, else the last state. */
  result(state: readonly unknown[], memory: Memory): unknown;
}

/** A tracked number. */
export type Tell = (name: string, value: number) => void;

/** What epochs leave for later ones. */
export interface Memory {
  readonly best: number[];
  readonly waited: number[];
  kept: unknown;
  has: boolean;
}

/** Where a fit goes on, should it be lost. */
export interface Checkpoints {
  load(): unknown;
  save(value: unknown): void;
}

export interface Surroundings {
  /** Null: this task is alone. */
  readonly members: Collective | null;
  readonly checkpoints: Checkpoints | null;
  /** At the latest after so many steps; undefined: after CHECKPOINT_EVERY_MS. */
  readonly checkpointSteps: number | undefined;
  /** Of a model in several places, or one whose memory is limited. */
  readonly place: Place | null;
  metric(name: string, step: number, value: number): void;
  progress(done: number, total: number, unit: string): void;
}

/** Work that may have to wait: yields what it waits for. */
export type Steps<T> = Generator<Promise<unknown>, T, unknown>;

export function* settled<T>(value: T | Promise<T>): Steps<T> {
  return value instanceof Promise ? ((yield value) as T) : value;
}

/** What an architecture does. */
export interface Trainer {
  /** What is carried, as this member has it. */
  readonly state: unknown[];
  /** Batches that all members together take in one step. */
  readonly stride: number;
  /** Whether the members have the same state after each step, so that any of them may say what it is. */
  readonly replicated: boolean;
  step(batches: readonly unknown[], at: number, epoch: number, step: number): Steps<void>;
  /** What is on its way at an epoch's end arrives. */
  flush?(epoch: number): Steps<void>;
  /** All members come here. Gives the state that the epoch's end is about; for the first member. */
  endEpoch(): readonly unknown[];
  /** All members come here; what comes of training. */
  end(): readonly unknown[];
}

/** What an architecture is made from. */
export interface Training {
  readonly program: FitProgram;
  readonly members: Collective;
  /** The state to begin with, or to go on from. */
  readonly state: unknown[];
  readonly around: Surroundings;
}

const CHECKPOINT_EVERY_MS = 10_000;

interface Checkpoint {
  readonly epoch: number;
  /** Batches of the epoch that are done. */
  readonly at: number;
  readonly step: number;
  /** By member, or of all. */
  readonly states: readonly (readonly unknown[])[];
  readonly memory: Memory;
}

/** Gives null in all members but the first. */
export function train(program: FitProgram, architecture: Architecture, around: Surroundings): unknown {
  const steps = run(program, architecture, around);
  const first = steps.next();
  if (first.done) return first.value;
  return (async () => {
    let now: IteratorResult<Promise<unknown>, unknown> = first;
    while (!now.done) {
      let value: unknown;
      try {
        value = await now.value;
      } catch (error) {
        now = steps.throw(error);
        continue;
      }
      now = steps.next(value);
    }
    return now.value;
  })();
}

function* run(program: FitProgram, architecture: Architecture, around: Surroundings): Steps<unknown> {
  const members = architecture.architecture === "sequential" ? ALONE : around.members;
  if (!members) throw new Error("bug: a gang's fit without its gang");
  const { rank, size } = members;
  const found = rank === 0 ? (around.checkpoints?.load() ?? null) : null;
  const begun = (size === 1 ? found : members.exchange(found)[0]) as Checkpoint | null;
  const memory: Memory = begun?.memory ?? { best: [], waited: [], kept: null, has: false };
  const state = [...(begun ? (begun.states[rank] ?? begun.states[0]!) : program.start)];
  const gathered = rank === 0 ? null : new Gathered();
  const trainer = trainerOf(architecture, { program, members, state, around: gathered ? { ...around, metric: gathered.metric } : around });
  const { stride, replicated } = trainer;
  const tell =
    (step: number): Tell =>
    (name, value) =>
      around.metric(name, step, value);

  let [savedMs, savedStep] = [performance.now(), begun?.step ?? 0];
  let step = begun?.step ?? 0;
  const isDue = () =>
    around.checkpoints !== null &&
    (around.checkpointSteps === undefined ? performance.now() - savedMs > CHECKPOINT_EVERY_MS : step - savedStep >= around.checkpointSteps);
  const save = (epoch: number, at: number, states: Checkpoint["states"]) => {
    around.checkpoints!.save({ epoch, at, step, states, memory } satisfies Checkpoint);
    [savedMs, savedStep] = [performance.now(), step];
  };

  let from = begun?.at ?? 0;
  let stopped = false;
  for (let epoch = begun?.epoch ?? 0; epoch < program.epochs && !stopped; epoch++) {
    const batches = yield* settled(program.over(epoch, step));
    for (let at = from; at < batches.length; at += stride, step++) {
      if (replicated && rank === 0 && at > from && isDue()) save(epoch, at, [trainer.state]);
      yield* trainer.step(batches, at, epoch, step);
    }
    from = 0;
    if (trainer.flush) yield* trainer.flush(epoch);
    const whole = trainer.endEpoch();
    if (rank === 0) {
      if (program.after) stopped = (yield* settled(program.after(whole, epoch, step, memory, tell(step * stride)))) === true;
      around.progress(epoch + 1, program.epochs, "epochs");
    }
    if (size === 1) {
      if (!stopped && epoch + 1 < program.epochs && isDue()) save(epoch + 1, 0, [trainer.state]);
      continue;
    }
    // The first member says how it goes on, and tells what the others have tracked: what they told themselves might come after its result.
    const all = members.exchange(rank === 0 ? { stopped, saves: !stopped && epoch + 1 < program.epochs && isDue() } : gathered?.take());
    const said = all[0] as { readonly stopped: boolean; readonly saves: boolean };
    if (rank === 0) for (const told of all.slice(1) as readonly Told[]) tellAll(told, around);
    stopped = said.stopped;
    if (!said.saves) continue;
    const states = (replicated ? [trainer.state] : members.exchange(trainer.state)) as Checkpoint["states"];
    if (rank === 0) save(epoch + 1, 0, states);
  }
  const last = trainer.end();
  if (size > 1) {
    const all = members.exchange(members.exchangedBytes) as readonly number[];
    if (rank === 0) around.metric("exchangedMB", step * stride, all.reduce((sum, bytes) => sum + bytes, 0) / 1e6);
  }
  return rank === 0 ? program.result(last, memory) : null;
}

/** Tracked numbers by name. */
type Told = ReadonlyMap<string, { readonly steps: number[]; readonly values: number[] }>;

/** What a member has tracked in an epoch. */
class Gathered {
  #told = new Map<string, { steps: number[]; values: number[] }>();

  readonly metric = (name: string, step: number, value: number): void => {
    const known = this.#told.get(name);
    if (known) {
      known.steps.push(step);
      known.values.push(value);
    } else this.#told.set(name, { steps: [step], values: [value] });
  };

  take(): Told {
    const told = this.#told;
    this.#told = new Map();
    return told;
  }
}

function tellAll(told: Told, { metric }: Surroundings): void {
  for (const [name, { steps, values }] of told) steps.forEach((step, i) => void metric(name, step, values[i]!));
}

const ALONE: Collective = {
  rank: 0,
  size: 1,
  exchangedBytes: 0,
  barrier() {},
  checkAborted() {},
  spans: false,
  exchange: (value) => [value],
  share() {
    throw new Error("bug: nobody else is there");
  },
  sum: (values) => values!,
  send() {},
  receive() {
    throw new Error("bug: nobody else is there");
  },
};

function trainerOf(architecture: Architecture, training: Training): Trainer {
  switch (architecture.architecture) {
    case "sequential":
      return sequential(training);
    case "allreduce":
      return allreduce(training, architecture);
    case "average":
      return average(training, architecture);
    case "hogwild":
      return hogwild(training, architecture);
    case "downpour":
      return downpour(training, architecture);
    case "parameterServer":
      return parameterServer(training, architecture);
    case "pipelined":
    case "tensor":
      return placed(training);
  }
}

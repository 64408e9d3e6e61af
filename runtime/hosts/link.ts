// What an engine and the hosts of one worker say to each other. The local engine speaks it over Unix sockets straight to the
// slots of its host, the NATS engine over subjects to a worker process that hands it on; both use the same frames. Data only:
// no sockets, no clocks here.
//
// A *value* on the wire is `Encoded`: MessagePack structure with typed arrays out of band. Up to INLINE_LIMIT_BYTES it travels
// inside messages, and the engine keeps it; a larger one stays with the host that made it as an *object* and is named by
// (run, stage, block).
import type { ActorChoice, Json, Plan } from "../../compiler/plan.ts";
import type { TaskError } from "../events/events.ts";

export const INLINE_LIMIT_BYTES = 64 * 1024;

/** Many small values of consecutive blocks. */
export type Column =
  /** Each value is a number. */
  | { readonly kind: "numbers"; readonly values: Float64Array }
  /** Each value is a list of numbers (a block whose rows are plain numbers): all rows one after another. `lengths: null` is one row a block. */
  | { readonly kind: "rows"; readonly lengths: Uint32Array | null; readonly values: Float64Array }
  /** Anything else: each value encoded by itself, one after another; `lengths` in bytes. */
  | { readonly kind: "packed"; readonly lengths: Uint32Array; readonly bytes: Uint8Array };

export interface ObjectRef {
  readonly run: number;
  readonly stage: number;
  readonly block: number;
  readonly bytes: number;
}

/** One input of a batch of tasks: one for each of the stage's inputs, in that order. */
export type InputFeed =
  /** Nothing to send: slots have the run's params. */
  | { readonly kind: "param" }
  /** The same value for all tasks, sent to a host once and then named: see `Provide`. */
  | { readonly kind: "provided"; readonly key: string }
  /** One value a task, in the order of the batch's blocks. */
  | { readonly kind: "column"; readonly column: Column }
  /** The same object for all tasks (held by this host, or fetched there before by `Provide`). */
  | { readonly kind: "object"; readonly ref: ObjectRef }
  /** Task i reads object (run, stage, block i). */
  | { readonly kind: "objects"; readonly run: number; readonly stage: number }
  | { readonly kind: "range"; readonly rows: number; readonly blocks: number }
  /** The same value for all tasks, used by nobody else. */
  | { readonly kind: "sent"; readonly value: ProvidedValue }
  | { readonly kind: "constant"; readonly value: Json }
  /** An actor that lives in this slot, one of those that stage made: the one of the task's own number, or whichever. */
  | { readonly kind: "actors"; readonly run: number; readonly stage: number; readonly which: ActorChoice };

/**
 * Stages are named by numbers that a run gives out once: a stage of the plan has one, or where it stands in a region one an instance. Which
 * stage of the plan it is, `assign` says.
 */
export type ToHost =
  /** Once a run: the plan, the values of its params, and the slices that the host lacks. */
  | {
      readonly type: "prepare";
      readonly run: number;
      readonly plan: Plan;
      readonly params: { readonly [name: string]: Json };
      /** What functions promise of their arguments and results is watched. */
      readonly check: boolean;
      /** Where slots put results away that are too large for messages, before they say that they are finished. */
      readonly results: string | null;
      readonly code: readonly { readonly digest: string; readonly module: string; readonly map: string | null }[];
    }
  /** A value used by many tasks: an inline one, or the parts of a list of blocks and partials in order. */
  | { readonly type: "provide"; readonly run: number; readonly key: string; readonly value: ProvidedValue }
  /** Values that no further task will use. */
  | { readonly type: "forget"; readonly run: number; readonly keys: readonly string[] }
  /**
   * Run the stage's body for these blocks, in order, on that slot. Blocks are `first … first + count - 1`. A slot works its
   * assignments off in the order they came; a task that fails doesn't stop those behind it. A slot that has worked for more than
   * some 20 ms sends what is finished and looks at its messages between two tasks, so that progress is seen and `recall` is heard.
   */
  | {
      readonly type: "assign";
      readonly run: number;
      readonly slot: number;
      readonly stage: number;
      /** In `Plan.stages`. */
      readonly planned: number;
      /** Tells the instance that it stands in from all others of the run; absent: it stands in none. */
      readonly instance?: string;
      readonly first: number;
      readonly count: number;
      readonly attempt: number;
      readonly inputs: readonly InputFeed[];
      /** The first attempt took longer than the stage's `within`: evaluate what stands in its place, without that limit. */
      readonly late?: true;
      /** Under which key results are put away, and how many tasks the stage has. */
      readonly results?: { readonly key: string; readonly tasks: number };
      /** Of a stage whose task is a gang's: which member this is. The first one's result is the task's. */
      readonly rank?: number;
      /** The members are on several workers. */
      readonly gang?: GangPlan;
      /** Of an effect, or what makes an actor: names these tasks, with the block, among all of all runs. */
      readonly key?: string;
      /** The actor has lived before, and was lost. */
      readonly again?: true;
    }
  /** Give back what hasn't begun of that assignment (of these blocks): answered by `recalled`. */
  | {
      readonly type: "recall";
      readonly run: number;
      readonly slot: number;
      readonly stage: number;
      readonly first: number;
      readonly count: number;
      readonly attempt: number;
    }
  /** A gang's attempt won't be finished: its members that wait for each other fail, as if something they read were gone. */
  | { readonly type: "abort"; readonly run: number; readonly stage: number; readonly attempt: number }
  | {
      readonly type: "free";
      readonly run: number;
      readonly objects: readonly { readonly stage: number; readonly first: number; readonly count: number }[];
    }
  /** Bytes of an object, for the engine or for another worker: answered by `object`. */
  | { readonly type: "fetch"; readonly request: number; readonly ref: ObjectRef }
  /** Bytes of an object that another worker holds, before tasks here read it. */
  | { readonly type: "place"; readonly ref: ObjectRef; readonly bytes: Uint8Array }
  /** The answer to `callsWanted`. */
  | { readonly type: "calls"; readonly slot: number; readonly life: number; readonly request: number; readonly bytes: Uint8Array | null }
  /** Stop the run's tasks and forget all it held. */
  | { readonly type: "finish"; readonly run: number };

export type ProvidedValue =
  | { readonly kind: "inline"; readonly bytes: Uint8Array }
  /** All blocks or partials of a stage in order: inline columns and objects in runs. */
  | {
      readonly kind: "blocks";
      readonly runs: readonly (
        | { readonly first: number; readonly column: Column }
        | { readonly first: number; readonly count: number; readonly stage: number }
      )[];
    };

/** Where a worker's members of gangs are met by those of other workers. */
export interface MeetingPoint {
  readonly host: string;
  readonly port: number;
}

/** How the members of one attempt of a gang's task find each other. */
export interface GangPlan {
  /** Who knows it belongs to this attempt. */
  readonly token: Uint8Array;
  /** The workers that have members; the first member is at the first of them. */
  readonly hosts: readonly (MeetingPoint & { readonly name: string })[];
  /** By rank: at which of those a member is. Members of one follow each other. */
  readonly places: readonly number[];
}

export type FromHost =
  | { readonly type: "ready"; readonly slots: number; readonly pid: number }
  /** Tasks of one assignment, finished in order; a long assignment answers in several. */
  | {
      readonly type: "finished";
      readonly run: number;
      readonly slot: number;
      readonly stage: number;
      readonly first: number;
      readonly count: number;
      readonly attempt: number /** Age of the assignment's start when this was sent (of the first answer or a later one alike). */;
      readonly runMs: number;
      readonly outputs: OutputFeed;
    }
  | {
      readonly type: "failed";
      readonly run: number;
      readonly slot: number;
      readonly stage: number;
      readonly block: number;
      readonly attempt: number;
      readonly transient: boolean;
      readonly error: TaskError;
    }
  /** The answer to `recall`: these will not run here. They are the last ones of what was asked; `count` 0 where all have begun. */
  | {
      readonly type: "recalled";
      readonly run: number;
      readonly slot: number;
      readonly stage: number;
      readonly first: number;
      readonly count: number;
      readonly attempt: number;
    }
  /**
   * The thread ended (exit called, endless loop stopped, …); the host has started another in its place. All it had queued is lost
   * with it; objects aren't. `reason` tells why: a `timeout` is the running task's own failure, `cancelled` tells that a task of a
   * finished run had to be ended, all else counts against the running task. That task is (run, and stage, block and attempt of
   * `reason`), where one was running.
   */
  | { readonly type: "slotLost"; readonly slot: number; readonly run: number | null; readonly reason: TaskError }
  | {
      readonly type: "metric";
      readonly run: number;
      readonly stage: number;
      readonly name: string;
      readonly steps: Float64Array;
      readonly values: Float64Array;
    }
  | {
      readonly type: "progress";
      readonly run: number;
      readonly stage: number;
      readonly done: number;
      readonly total: number;
      readonly unit: string;
    }
  | { readonly type: "log"; readonly run: number; readonly stage: number; readonly stream: "stdout" | "stderr"; readonly text: string }
  | { readonly type: "object"; readonly request: number; readonly bytes: Uint8Array | null }
  /** What an actor was asked, by its name among those of all runs, where hosts don't write it down themselves: to be kept before any answer that was said later counts. */
  | { readonly type: "called"; readonly actor: string; readonly message: CallMessage }
  /** What is kept of an actor that goes on in that slot; whoever lived before has nothing more to say. */
  | { readonly type: "callsWanted"; readonly slot: number; readonly life: number; readonly request: number; readonly actor: string }
  /** Every second. */
  | { readonly type: "beat"; readonly rssBytes: number };

/** What whoever keeps an actor's calls elsewhere is told. */
export type CallMessage = { readonly how: "born" } | { readonly how: "checkpoint" | "calls"; readonly bytes: Uint8Array };

export type OutputFeed =
  /** One small value a task. */
  | { readonly kind: "column"; readonly column: Column }
  /** Larger values, kept by the host: bytes of each. */
  | { readonly kind: "objects"; readonly bytes: Float64Array }
  /** The stage's output is `blocks`: the list was cut into this many, each kept by the host as (stage, block i) or, where small, given inline here. */
  | { readonly kind: "blocks"; readonly count: number; readonly bytes: Float64Array; readonly inline: Column | null };

/** A worker's hosts as an engine sees them, wherever they are. */
export interface WorkerLink {
  readonly id: string;
  readonly slots: number;
  /** Where members of gangs at other workers meet those here; null where they can't. */
  readonly meets: MeetingPoint | null;
  /** What it was said to have; absent: nothing. */
  readonly labels?: readonly string[];
  /** It wants to go: nothing new is given to it, and `release` lets it go. */
  readonly isLeaving?: boolean;
  /** Set by whoever wants to hear of it. */
  onLeaving?: () => void;
  /** Nothing of it is needed any more. */
  release?(): void;
  /** Names the memory that objects lie in, where another leader of a run may come to ask for it. */
  readonly home?: string;
  send(message: ToHost): void;
  /** Set once, before the first `send`. */
  onMessage: (message: FromHost) => void;
  /** The worker is gone, with all objects it held. Called once. */
  onLost: (reason: string) => void;
  /** What was said last of a batch or slot can't be lost any more, whoever leads the run. Told before whatever follows from it is sent. */
  settled?(): void;
  /**
   * Has this worker fetch an object from the first of those holders that gives it, by a way of their own. Absent or null: there is none between
   * them. `missing`: they were asked, and none has it. `failed`: nothing is known.
   */
  pull?(ref: ObjectRef, holders: readonly WorkerLink[]): Promise<"placed" | "missing" | "failed"> | null;
  close(): Promise<void>;
}

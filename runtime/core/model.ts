// What the scheduler's core is made of: events in, commands out, the columns of a run's state, and the one table of task
// transitions. The core never reads the clock, draws random numbers or does I/O: times and jitter come inside events. It knows no
// values, only who holds which block; workers are numbers, given out once and never again.
import type { RangeQueue } from "./ranges.ts";

/** A holder that isn't a worker: the engine itself keeps small values. */
export const ENGINE = -1;
/** Of an output that nobody holds. */
export const NOBODY = -2;

// --- Tasks --------------------------------------------------------------------------------------------------------------------

/** A task of a batch in a slot's queue is `Sent`; the first of a slot's first batch is the one that runs. */
export const TASK_STATES = ["Waiting", "Ready", "Sent", "Delayed", "Committed", "Failed"] as const;
export const Waiting = 0;
export const Ready = 1;
export const Sent = 2;
/** Failed, and tried again when its delay is over. */
export const Delayed = 3;
export const Committed = 4;
const Failed = 5;

/** Every way a task's state may change, and nothing else: cause, from, to. */
export const TRANSITIONS = {
  inputsPresent: { from: Waiting, to: Ready },
  inputsLost: { from: Ready, to: Waiting },
  assigned: { from: Ready, to: Sent },
  committed: { from: Sent, to: Committed },
  /** Given back by its slot, which hadn't begun it. */
  recalled: { from: Sent, to: Waiting },
  /** Its worker or slot is gone, or an object that it reads. */
  returned: { from: Sent, to: Waiting },
  delayed: { from: Sent, to: Delayed },
  delayOver: { from: Delayed, to: Waiting },
  failed: { from: Sent, to: Failed },
  /** An output that is needed again is held by nobody. */
  rebuild: { from: Committed, to: Waiting },
} as const satisfies Record<string, { readonly from: number; readonly to: number }>;
export type Cause = keyof typeof TRANSITIONS;

// --- Outputs --------------------------------------------------------------------------------------------------------------------

/** An output is available while it is `Live`. */
/** Never made, or on its way to be made again. */
export const Unmade = 0;
export const Live = 1;
/** Made once, held by nobody, needed by nobody. */
export const Gone = 2;

// --- Events ---------------------------------------------------------------------------------------------------------------------

export type CoreEvent =
  | { readonly type: "begin" }
  | { readonly type: "workerJoined"; readonly worker: number; readonly slots: number }
  /** With every object that only it held. */
  | { readonly type: "workerLost"; readonly worker: number; readonly cause: unknown }
  /** A slot's thread ended with all that was queued there; objects stay. `blame`: the running task failed by itself, counts a death, or is innocent. */
  | {
      readonly type: "slotLost";
      readonly worker: number;
      readonly slot: number;
      readonly blame: "failure" | "death" | "none";
      readonly cause: unknown;
      readonly jitter: number;
    }
  /** `runMs`: since the assignment began. `blocks`: of a stage whose one task gives a list of blocks. */
  | {
      readonly type: "finished";
      readonly worker: number;
      readonly slot: number;
      readonly stage: number;
      readonly first: number;
      readonly count: number;
      readonly attempt: number;
      readonly runMs: number;
      readonly held: "engine" | "worker";
      readonly blocks?: number;
    }
  /** `jitter` in 0..1 spreads the delay before another attempt. `cause` is handed through. */
  | {
      readonly type: "failed";
      readonly worker: number;
      readonly slot: number;
      readonly stage: number;
      readonly block: number;
      readonly attempt: number;
      readonly transient: boolean;
      readonly cause: unknown;
      readonly jitter: number;
    }
  /** An object that the task reads isn't where it was said to be. */
  | {
      readonly type: "inputMissing";
      readonly worker: number;
      readonly slot: number;
      readonly stage: number;
      readonly block: number;
      readonly attempt: number;
    }
  /** A whole batch was never sent: what it reads isn't where it was said to be. */
  | {
      readonly type: "unsent";
      readonly worker: number;
      readonly slot: number;
      readonly stage: number;
      readonly first: number;
      readonly count: number;
      readonly attempt: number;
    }
  /** The answer to `recall`: these, the last of what was asked, won't run there. `count` 0: all have begun. */
  | {
      readonly type: "recalled";
      readonly worker: number;
      readonly slot: number;
      readonly stage: number;
      readonly first: number;
      readonly count: number;
      readonly attempt: number;
    }
  | { readonly type: "delayOver"; readonly stage: number; readonly block: number; readonly attempt: number }
  /** The worker holds this block too. */
  | { readonly type: "copied"; readonly stage: number; readonly block: number; readonly to: number }
  /** `from` doesn't hold the block after all. */
  | { readonly type: "objectMissing"; readonly stage: number; readonly block: number; readonly from: number }
  /** The engine has the run's results in hand. */
  | { readonly type: "collected" }
  | { readonly type: "cancel" };

// --- Commands -------------------------------------------------------------------------------------------------------------------

export type Command =
  /** Blocks `first … first + count - 1`, in order. Each input is held by the engine for all of them, or by workers for all of them. */
  | {
      readonly type: "assign";
      readonly worker: number;
      readonly slot: number;
      readonly stage: number;
      readonly first: number;
      readonly count: number;
      readonly attempt: number;
    }
  /** Give back what hasn't begun of these, which end their batch: another slot is idle. One at a time a slot; answered by `recalled`. */
  | {
      readonly type: "recall";
      readonly worker: number;
      readonly slot: number;
      readonly stage: number;
      readonly first: number;
      readonly count: number;
      readonly attempt: number;
    }
  /** Nobody needs these outputs any more. `holder` is a worker or ENGINE. */
  | { readonly type: "free"; readonly stage: number; readonly first: number; readonly count: number; readonly holder: number }
  | { readonly type: "delay"; readonly stage: number; readonly block: number; readonly attempt: number; readonly delayMs: number }
  | { readonly type: "stageStarted"; readonly stage: number; readonly tasks: number }
  | { readonly type: "stageFinished"; readonly stage: number; readonly tasks: number }
  | {
      readonly type: "taskFailed";
      readonly stage: number;
      readonly block: number;
      readonly attempt: number;
      readonly retried: boolean;
      readonly cause: unknown;
    }
  | { readonly type: "tasksReturned"; readonly worker: number; readonly tasks: number }
  /** Outputs that were lost and are made again: whatever was said of where they are is void. */
  | { readonly type: "objectsLost"; readonly stage: number; readonly blocks: number }
  /** All stages are finished: fetch the results, then say `collected`. May come again after a loss. */
  | { readonly type: "collect" }
  | { readonly type: "end"; readonly outcome: Outcome };

export type Outcome =
  | { readonly status: "ok" }
  | { readonly status: "cancelled" }
  | { readonly status: "failed"; readonly stage: number; readonly block: number; readonly attempt: number; readonly why: Why };

export type Why =
  | { readonly kind: "failure"; readonly cause: unknown }
  /** Its worker or thread died that often while it ran. */
  | { readonly kind: "poisoned"; readonly deaths: number; readonly cause: unknown }
  /** Run again for a lost output, a stage cut its list into another number of blocks. */
  | { readonly kind: "nondeterministic"; readonly blocks: number; readonly before: number };

// --- State ------------------------------------------------------------------------------------------------------------------------

export interface Settings {
  /** Estimated work that may be queued at a slot. */
  readonly creditMs: number;
  /** Batches that may be queued at a slot. */
  readonly batchesQueued: number;
  readonly batchTasks: number;
  /** Estimated work that is worth taking back from a slot while another is idle. */
  readonly recallMs: number;
  /** Deaths of its worker while it ran that make a task fail. */
  readonly maxDeaths: number;
  /** Attempts after the first that a transient failure gets where the schedule doesn't say. */
  readonly transientRetries: number;
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
}
export const DEFAULTS: Settings = {
  creditMs: 20,
  batchesQueued: 2,
  batchTasks: 4096,
  recallMs: 2,
  maxDeaths: 3,
  transientRetries: 3,
  backoffMs: 100,
  maxBackoffMs: 30_000,
};

/** A stage and its tasks in columns: task i's state is `state[i]`, and so on. Edges are patterns, never stored per task. */
export interface Stage {
  readonly index: number;
  readonly id: string;
  /** Producers of which task i reads block i; of which every task reads all. One entry an input. */
  readonly oneToOne: readonly number[];
  readonly whole: readonly number[];
  readonly oneToOneConsumers: number[];
  readonly wholeConsumers: number[];
  /** The stage whose block count says how many tasks this has; null where that is known from the start. */
  readonly sizedBy: number | null;
  /** One task gives a list of blocks. */
  readonly cutsList: boolean;
  /** A result of the run: never freed. */
  readonly pinned: boolean;
  /** Slots that may have tasks of this stage at a time. */
  readonly slotLimit: number;
  readonly retries: number | null;
  /** Place in the order in which ready stages get slots. */
  priority: number;

  /** -1 until known; so `blocks`. */
  tasks: number;
  blocks: number;
  started: boolean;
  state: Uint8Array;
  attempt: Uint16Array;
  /** One-to-one inputs of task i that aren't available. */
  missing: Uint16Array;
  /** Whole inputs that aren't available. */
  gate: number;
  readonly ready: RangeQueue;
  readyCount: number;
  /** Tasks not committed. */
  pending: number;
  /** Slots that have tasks of this stage queued. */
  slotsUsing: number;
  /** Measured run time of a task; NaN until known. */
  taskMs: number;
  /** Only tasks that failed, or whose worker died while they ran, stand here. */
  readonly failures: Map<number, number>;
  readonly deaths: Map<number, number>;

  output: Uint8Array;
  /** First holder of block i: a worker, ENGINE or NOBODY. */
  holder: Int32Array;
  /** More holders, where there are any. */
  readonly copies: Map<number, number[]>;
  /** One-to-one consumers of block i that haven't committed. */
  uses: Uint16Array;
  /** Consumers of the whole that haven't finished. */
  claims: number;
  /** Blocks available. */
  available: number;
}

export interface Batch {
  readonly stage: number;
  readonly attempt: number;
  /** First block that isn't finished. */
  next: number;
  end: number;
  /** Run time already reported. */
  reportedMs: number;
  /** Asked back in vain: all of it has begun, or waits for objects. */
  kept: boolean;
}

export interface Slot {
  readonly worker: number;
  readonly slot: number;
  /** In the order in which they were sent. */
  readonly queue: Batch[];
  /** The batch whose end it has been asked to give back, until it answers. */
  recalling: Batch | null;
}

export interface Worker {
  readonly slots: readonly Slot[];
  /** Runs a task alone whose worker died under it before. */
  alone: boolean;
}

export interface State {
  readonly settings: Settings;
  readonly stages: readonly Stage[];
  readonly workers: Map<number, Worker>;
  /** Stages in the order in which they get slots. */
  readonly byPriority: readonly number[];
  /** Ready tasks that run alone on a worker. */
  readonly suspects: { readonly stage: number; readonly block: number }[];
  /** Stages with tasks not committed, or of a size not known. */
  unfinished: number;
  begun: boolean;
  status: "running" | "collecting" | "ok" | "failed" | "cancelled";
  readonly story: StoryEntry[];
}

/** The last things that happened to ranges of tasks, for the message of a bug. */
interface StoryEntry {
  readonly stage: number;
  readonly first: number;
  readonly end: number;
  readonly cause: Cause;
}

// What the scheduler's core is made of: events in, commands out, the columns of a run's state, and the one table of task
// transitions. The core never reads the clock, draws random numbers or does I/O: times and jitter come inside events. It knows no
// values but the numbers by which a run decides, only who holds which block; workers and stages are numbers, given out once and
// never again.
import type { ActorChoice, ControlTasks, Plan } from "../../compiler/plan.ts";
import type { RangeQueue } from "./ranges.ts";

/** A holder that isn't a worker: the engine itself keeps small values. */
export const ENGINE = -1;
/** Of an output that nobody holds. */
export const NOBODY = -2;
/** Kept from an earlier run, where every worker can have it from. */
export const DISK = -3;

// --- Tasks --------------------------------------------------------------------------------------------------------------------

/** A task of a batch in a slot's queue is `Sent`; the first of a slot's first batch is the one that runs. */
export const TASK_STATES = ["Waiting", "Ready", "Sent", "Delayed", "Committed", "Failed", "Inside"] as const;
export const Waiting = 0;
export const Ready = 1;
export const Sent = 2;
/** Failed, and tried again when its delay is over. */
export const Delayed = 3;
export const Committed = 4;
const Failed = 5;
/** Of the one task of a `branch` or `loop`, which never goes to a slot: its region is at work. */
export const Inside = 6;

/** Every way a task's state may change, and nothing else: cause, from, to. */
export const TRANSITIONS = {
  /** An earlier run left its result. */
  restored: { from: Waiting, to: Committed },
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
  /** The first instance of a region comes to life; then the last one is done. */
  entered: { from: Waiting, to: Inside },
  left: { from: Inside, to: Committed },
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
  /** `adopted`: what slots of workers that are there have in hand since another led this run; in the order of their queues. */
  | { readonly type: "begin"; readonly adopted?: readonly Adopted[] }
  | { readonly type: "workerJoined"; readonly worker: number; readonly slots: number; readonly labels?: readonly string[] }
  /** It gets nothing new, and gives back what it hasn't begun; what it has is finished there. */
  | { readonly type: "workerLeaving"; readonly worker: number }
  /** With every object that only it held. */
  | { readonly type: "workerLost"; readonly worker: number; readonly cause: unknown }
  /**
   * A slot's thread ended with all that was queued there; objects stay. `blame`: the running task failed by itself, counts a death, was
   * ended for its `within` and evaluates what stands in its place next, used up the memory it had, or is innocent.
   */
  | {
      readonly type: "slotLost";
      readonly worker: number;
      readonly slot: number;
      readonly blame: "failure" | "death" | "late" | "memory" | "none";
      readonly cause: unknown;
      readonly jitter: number;
    }
  /**
   * `runMs`: since the assignment began. `blocks`: of a stage whose one task gives a list of blocks. `value`: of a stage that `decides`, false
   * being 0 and true 1.
   */
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
      readonly value?: number;
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
  /** Time has passed: a slot without work may do again what takes another too long. */
  | { readonly type: "looked"; readonly nowMs: number }
  /** The engine has the run's results in hand. */
  | { readonly type: "collected" }
  | { readonly type: "cancel" };

// --- Commands -------------------------------------------------------------------------------------------------------------------

export type Command =
  /**
   * Blocks `first … first + count - 1`, in order. Each input is held by the engine for all of them, or by workers for all of them. `late`: what
   * the stage's `within` puts in the place of its body.
   */
  | {
      readonly type: "assign";
      readonly worker: number;
      readonly slot: number;
      readonly stage: number;
      readonly first: number;
      readonly count: number;
      readonly attempt: number;
      readonly late: boolean;
      readonly rank: number | null;
      /** Of a gang's task: where its members are, by rank. */
      readonly workers: readonly number[];
      /** It makes an actor that was lost. */
      readonly again: boolean;
    }
  /** This attempt of a gang's task won't be finished: its members may stop waiting for each other. */
  | { readonly type: "abort"; readonly worker: number; readonly stage: number; readonly attempt: number }
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
  /** Nobody needs these outputs any more. `holder` is a worker, ENGINE or DISK. */
  | { readonly type: "free"; readonly stage: number; readonly first: number; readonly count: number; readonly holder: number }
  | { readonly type: "delay"; readonly stage: number; readonly block: number; readonly attempt: number; readonly delayMs: number }
  | { readonly type: "stageStarted"; readonly stage: number; readonly tasks: number }
  /** So many of a stage's tasks needn't run. */
  | { readonly type: "tasksRestored"; readonly stage: number; readonly tasks: number }
  | { readonly type: "stageFinished"; readonly stage: number; readonly tasks: number }
  | {
      readonly type: "taskFailed";
      readonly stage: number;
      readonly block: number;
      readonly attempt: number;
      readonly retried: boolean;
      /** It took longer than its `within`: next, what stands in its place is evaluated. */
      readonly late: boolean;
      readonly cause: unknown;
    }
  /** A loop ended because it has had as many instances as it may. */
  | { readonly type: "loopExhausted"; readonly stage: number; readonly rounds: number }
  | { readonly type: "tasksReturned"; readonly worker: number; readonly tasks: number }
  /** It has something in hand that the run doesn't know: nothing that it says can be used. */
  | { readonly type: "estranged"; readonly worker: number }
  /** Outputs that were lost and are made again: whatever was said of where they are is void. */
  | { readonly type: "objectsLost"; readonly stage: number; readonly blocks: number }
  /** Stages of an instance that is over: nothing will be said of them any more. */
  | { readonly type: "retired"; readonly stages: readonly number[] }
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
  /** An actor that is still asked went with its slot. */
  | { readonly kind: "actorLost"; readonly cause: unknown }
  /** So often it used up what it had, the last time with nothing beside it and with more. */
  | { readonly kind: "starved"; readonly times: number; readonly cause: unknown }
  /** Run again for a lost output, a stage cut its list into another number of blocks. */
  | { readonly kind: "nondeterministic"; readonly blocks: number; readonly before: number };

// --- State ------------------------------------------------------------------------------------------------------------------------

export interface Settings {
  /** Estimated work that may be queued at a slot. */
  readonly creditMs: number;
  /** Batches that may be queued at a slot. */
  readonly batchesQueued: number;
  /** The same for batches of one task that can't be more, being those of an instance. */
  readonly singlesQueued: number;
  readonly batchTasks: number;
  /** Estimated work that is worth taking back from a slot while another is idle. */
  readonly recallMs: number;
  /** Deaths of its worker while it ran that make a task fail. */
  readonly maxDeaths: number;
  /** So often a task may use up its memory. */
  readonly maxStarved: number;
  /** Attempts after the first that a transient failure gets where the schedule doesn't say. */
  readonly transientRetries: number;
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
  /** Instances that one `each` has at a time, at most: so many, and more for each slot. */
  readonly instances: number;
  readonly instancesPerSlot: number;
  /** A second copy is for stages of so many tasks, this share of which is done, and for tasks that take so many times the median, and so long. */
  readonly speculateFrom: number;
  readonly speculateAt: number;
  readonly speculateFactor: number;
  readonly speculateAfterMs: number;
}
export const DEFAULTS: Settings = {
  creditMs: 20,
  batchesQueued: 2,
  singlesQueued: 32,
  batchTasks: 4096,
  recallMs: 2,
  maxDeaths: 3,
  maxStarved: 2,
  transientRetries: 3,
  backoffMs: 100,
  maxBackoffMs: 30_000,
  instances: 32,
  instancesPerSlot: 32,
  speculateFrom: 4,
  speculateAt: 0.75,
  speculateFactor: 1.5,
  speculateAfterMs: 200,
};

/** What all instances of a stage of the plan share. */
export interface Template {
  /** In `Plan.stages`. */
  readonly index: number;
  readonly region: number | null;
  /** Among the stages of its region, or of the run itself. */
  readonly place: number;
  /** In the order in which ready stages of one instance get slots. */
  readonly priority: number;
  /** Longest chain of waits from here to the end. */
  readonly height: number;
  /** -1 where it isn't known when the run starts. */
  readonly tasks: number;
  /** Its value is one by which a `branch` or `loop` decides. */
  readonly decides: boolean;
  /** Slots that its one task takes, all at once: more than 1 for a gang. */
  readonly members: number;
  /** They are to be of one worker: members meet in its memory by meaning, and not only for speed. */
  readonly oneWorker: boolean;
  /** Its value is null, and known to the engine: it is never made again. */
  readonly isEffect: boolean;
  /** Its tasks make actors, which are lost with their slot, or made again. */
  readonly spawns: "lost" | "replayed" | null;
  /** Which of its inputs are actors that its tasks ask. */
  readonly asks: { readonly input: number; readonly which: ActorChoice; readonly reads: boolean; readonly overlaps: boolean } | null;
  /** Which workers may have its tasks; null: all. What asks an actor runs where that lives. */
  readonly label: string | null;
  /** Slots that may have its tasks at a time, where the schedule says so: of all instances together. */
  readonly limit: Limit | null;
  /** Measured run time of a task; NaN until known. */
  taskMs: number;
  /** Of the last tasks, where there are several. */
  readonly recentMs: number[];
}

export interface Limit {
  readonly slots: number;
  using: number;
}

/** Stages that came to life together. Their numbers follow each other. */
export interface Instance {
  readonly region: number;
  /** Item or iteration, from 0. */
  readonly number: number;
  /** The control stage, and the task of it that this is for. */
  readonly owner: number;
  readonly task: number;
  /** The one that the control stage stands in; null: the run itself. */
  readonly around: Instance | null;
  /** Number of its first stage. */
  readonly base: number;
  readonly stages: number;
  /** Places in the order of all that is ready: older before younger. */
  readonly key: readonly number[];
  /** Stages inside that its owner's task waits for: of an `each` one for each entry of the control's `reads`. */
  readonly reads: number[];
  /** Its stages that aren't finished, with those of instances inside. */
  unfinished: number;
  /** Its owner's task waits for it no more. */
  detached: boolean;
  /** It was there before, so that its effects have had their effect. */
  readonly again: boolean;
}

export type Control =
  | {
      readonly kind: "each";
      readonly region: number;
      /** The region has stages, so that each task needs an instance. */
      readonly inside: boolean;
      /** Which inputs are made inside. */
      readonly reads: readonly { readonly input: number; readonly stage: number }[];
      readonly instances: Map<number, Instance>;
      /** Tasks from here on have had no instance yet. */
      next: number;
      /** Tasks that need one once more. */
      readonly again: number[];
      /** Stands in `State.expandable`. */
      listed: boolean;
    }
  | { readonly kind: "branch"; readonly tasks: ControlTasks & { readonly kind: "branch" }; instance: Instance | null }
  | { readonly kind: "loop"; readonly tasks: ControlTasks & { readonly kind: "loop" }; readonly instances: Instance[] };

/**
 * An instance of a stage of the plan, and its tasks in columns: task i's state is `state[i]`, and so on. Edges are patterns, never stored
 * per task, but for those that lead out of an instance to the one task that it is for.
 */
export interface Stage {
  readonly index: number;
  readonly id: string;
  readonly template: Template;
  readonly instance: Instance | null;
  readonly control: Control | null;
  /** Place in the order of all that is ready: that of its instance, and its own inside. */
  readonly key: readonly number[];
  /** By input of the plan's stage: what it reads; -1 for what isn't one stage. */
  readonly producers: number[];
  /** Producers of which task i reads block i; of which every task reads all. One entry an input. */
  readonly oneToOne: number[];
  readonly whole: number[];
  /** Of which every task reads that one block. */
  readonly points: { readonly producer: number; readonly block: number }[];
  readonly oneToOneConsumers: number[];
  readonly wholeConsumers: number[];
  /** By block. */
  readonly pointConsumers: Map<number, number[]>;
  /** Tasks of control stages that read the whole of it. */
  readonly taskConsumers: { readonly stage: number; readonly task: number }[];
  /** Of a `given`: the stage that it stands for; -1 until that is known, and for all others. */
  bound: number;
  /** Of a stage that decides; NaN until known. */
  value: number;
  /** One task gives a list of blocks. */
  readonly cutsList: boolean;
  /** Never freed: a result of the run, or something that can't be made again. */
  pinned: boolean;
  /** Slots that may have tasks of this stage at a time. */
  readonly slotLimit: number;
  /** Its tasks differ in what they read or do, so that they are sent one at a time. */
  readonly single: boolean;
  readonly retries: number | null;

  /** -1 until known; so `blocks`. */
  tasks: number;
  blocks: number;
  /** Its tasks count what they lack, and may become ready. */
  opened: boolean;
  started: boolean;
  state: Uint8Array;
  attempt: Uint16Array;
  /** What task i alone reads and isn't available: one-to-one inputs, and what is made inside for it. */
  missing: Uint16Array;
  /** What every task reads and isn't available: whole inputs and points. */
  gate: number;
  readonly ready: RangeQueue;
  readyCount: number;
  /** Stands in `State.ready`. */
  listed: boolean;
  /** Tasks not committed. */
  pending: number;
  /** Slots that have tasks of this stage queued. */
  slotsUsing: number;
  /** Only tasks that failed, or whose worker died while they ran, stand here. */
  readonly failures: Map<number, number>;
  readonly deaths: Map<number, number>;
  readonly starved: Map<number, number>;
  /** Tasks that took longer than the stage's `within`. */
  readonly late: Set<number>;
  /** Actors that were lost. */
  readonly lost: Set<number>;

  output: Uint8Array;
  /** First holder of block i: a worker, ENGINE, DISK or NOBODY. */
  holder: Int32Array;
  /** More holders, where there are any. */
  readonly copies: Map<number, number[]>;
  /** One-to-one consumers of block i that haven't committed. */
  uses: Uint16Array;
  /** Consumers of the whole that haven't finished. */
  claims: number;
  /** Blocks available. */
  available: number;
  /** All of them are, and those who read the whole were told. */
  present: boolean;
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
  /** Another slot has the same tasks; `shadow`: and had them first. */
  doubled: boolean;
  readonly shadow: boolean;
  /** Which member of a gang this is; the first one's answer counts. Null: no gang. */
  readonly rank: number | null;
}

export interface Slot {
  readonly worker: number;
  readonly slot: number;
  /** In the order in which they were sent. */
  readonly queue: Batch[];
  /** Which of a stage's actors live here, by stage. */
  readonly actors: Map<number, Set<number>>;
  /** The batch whose end it has been asked to give back, until it answers. */
  recalling: Batch | null;
  /** Its thread ended for lack of memory: the one in its place has more. */
  roomy: boolean;
  /** Since when it has been seen at a task. */
  at: { readonly batch: Batch; readonly next: number; readonly sinceMs: number } | null;
}

export interface Worker {
  readonly slots: readonly Slot[];
  readonly labels: ReadonlySet<string>;
  isLeaving: boolean;
  /** Runs a task alone whose worker died under it before. */
  alone: boolean;
  /** A gang waits for its slots: it gets nothing new. Found anew in each step. */
  kept: boolean;
}

/** Results of tasks `first … first + count - 1` from an earlier run, or from an earlier leader of this one. */
export interface Restored {
  readonly first: number;
  readonly count: number;
  /** ENGINE, DISK or a worker; one that isn't there has lost it. */
  readonly holder: number;
  /** Of actors: where on that worker they live. */
  readonly slot?: number;
  /** What it was made from is known to this run, which can make it again. */
  readonly rebuildable?: boolean;
  /** Of a stage whose one task gives a list of blocks. */
  readonly blocks?: number;
  /** Of a stage that `decides`. */
  readonly value?: number;
}

/** What an earlier leader of the run had against a task. */
export interface Strike {
  readonly block: number;
  readonly what: "failure" | "death" | "late" | "memory";
}

/** Tasks that a slot was given by an earlier leader of the run. */
export interface Adopted {
  readonly worker: number;
  readonly slot: number;
  readonly stage: number;
  /** What that number stood for: a stage of the plan, in that instance. */
  readonly planned: number;
  readonly key: string;
  readonly first: number;
  readonly end: number;
  readonly attempt: number;
  readonly rank: number | null;
  readonly reportedMs: number;
}

export interface State {
  readonly settings: Settings;
  readonly plan: Plan;
  /** Whether a task of that stage of the plan may run twice at a time: nobody could tell. */
  readonly mayDouble: (stage: number) => boolean;
  /** What earlier runs left of a stage whose tasks are known and haven't begun. Asked once; runs of blocks in order, none of them twice. */
  readonly restored: (stage: Stage) => readonly Restored[];
  /** What an earlier leader of the run had against tasks of a stage. Asked once. */
  readonly strikes: (stage: Stage) => readonly Strike[];
  /** The number that the first stage of an instance had under an earlier leader of the run, by the instance's key. */
  readonly baseOf: (key: string) => number | null;
  /** Whether tasks had been finished under an earlier leader of the run, by the number that their stage had. */
  readonly wasDone: (stage: number, first: number, end: number) => boolean;
  /** Numbers of stages below it may have been given out by an earlier leader of the run. */
  readonly freshFrom: number;
  readonly templates: readonly Template[];
  /** Null: retired with its instance. */
  readonly stages: (Stage | null)[];
  readonly workers: Map<number, Worker>;
  /** Stages with ready tasks, in the order in which they get slots; some may have none any more. */
  readonly ready: Stage[];
  /** `each` stages that could bring more instances to life, oldest first; some can't any more. */
  readonly expandable: Stage[];
  /** Control stages to be looked at before the step ends. */
  readonly due: Stage[];
  /** Instances that nobody needs any more. */
  readonly over: Instance[];
  /** Members of gangs at slots; `broken`: one of them is gone before its end. */
  readonly gangs: { readonly slot: Slot; readonly batch: Batch; aborted: boolean; broken: boolean }[];
  /** Outputs that were restored, and whose holder isn't there. */
  readonly strays: { readonly stage: number; readonly first: number; readonly end: number; readonly holder: number }[];
  /** An actor that is gone and can't be made again. */
  broken: { readonly stage: number; readonly block: number } | null;
  /** Ready tasks that run alone on a worker. */
  readonly suspects: { readonly stage: number; readonly block: number }[];
  /** Batches at slots of each stage of the run itself, those of its instances among them; by `priority`. */
  readonly shares: Int32Array;
  /** How long a task takes of a stage that has never run; NaN until any has. */
  guessMs: number;
  /** Stages with tasks not committed, or of a size not known. */
  unfinished: number;
  begun: boolean;
  /** What was there before is being taken up. */
  isBeginning: boolean;
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

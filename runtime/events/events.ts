// The one event log of a run: terminal, `--json`, traces and tests all read these. Past tense, versioned by `EVENTS_FORMAT`,
// batched where tasks are many. Plain JSON but for numbers in typed arrays inside `tasks.finished` (turned to lists by `--json`).
import type { Json } from "../../compiler/plan.ts";

export const EVENTS_FORMAT = 1;

export type RunStatus = "ok" | "failed" | "infrastructure" | "cancelled";

export type RunEvent = { /** Milliseconds since the run started. */ readonly atMs: number } & (
  | {
      readonly type: "run.started";
      readonly format: typeof EVENTS_FORMAT;
      readonly run: string;
      readonly plan: string;
      readonly hash: string;
      readonly engine: "local" | "nats";
      readonly params: { readonly [name: string]: Json };
    }
  | { readonly type: "worker.joined"; readonly worker: string; readonly slots: number }
  | {
      readonly type: "worker.lost";
      readonly worker: string;
      readonly reason: string /** Tasks that go back to the queue. */;
      readonly tasks: number;
    }
  | { readonly type: "stage.started"; readonly stage: string; readonly name: string; readonly tasks: number; readonly strategy: string }
  /** Its value is there from an earlier run. */
  | { readonly type: "stage.reused"; readonly stage: string; readonly name: string }
  /** A batch of tasks of one stage that one slot finished: blocks `first` to `first + count`. */
  | {
      readonly type: "tasks.finished";
      readonly stage: string;
      readonly worker: string;
      readonly slot: number;
      readonly first: number;
      readonly count: number /** When the slot began the batch, by the run's clock. */;
      readonly startMs: number;
      readonly runMs: number;
    }
  | {
      readonly type: "task.failed";
      readonly stage: string;
      readonly name: string;
      readonly block: number;
      readonly attempt: number;
      readonly error: TaskError;
      readonly retried: boolean;
    }
  | { readonly type: "stage.finished"; readonly stage: string; readonly name: string; readonly tasks: number; readonly ms: number }
  /** Tracked numbers of a `fit`, a batch of points at a time; `steps` and `values` are of one length. */
  | {
      readonly type: "metric";
      readonly stage: string;
      readonly name: string;
      readonly steps: readonly number[];
      readonly values: readonly number[];
    }
  /** How far a long task is: `done` of `total` (epochs of a `fit`). */
  | {
      readonly type: "stage.progress";
      readonly stage: string;
      readonly name: string;
      readonly done: number;
      readonly total: number;
      readonly unit: string;
    }
  | { readonly type: "object.lost"; readonly stage: string; readonly blocks: number }
  | { readonly type: "log"; readonly stage: string; readonly name: string; readonly stream: "stdout" | "stderr"; readonly text: string }
  | {
      readonly type: "run.finished";
      readonly status: RunStatus;
      readonly ms: number;
      readonly outputs?: { readonly [name: string]: unknown };
      readonly error?: TaskError;
    }
);

/** `Omit` over each variant of a union. */
export type Unstamped<E> = E extends unknown ? Omit<E, "atMs"> : never;

/** What a stage threw, or what ended it, as data. */
export interface TaskError {
  readonly kind: "thrown" | "timeout" | "lost" | "memory" | "unsendable" | "infrastructure" | "cancelled";
  readonly name: string;
  readonly message: string;
  /** Lines of the user's own files, by source map. */
  readonly stack: readonly string[];
  readonly stage: string | null;
  readonly block: number | null;
  readonly attempt: number | null;
}

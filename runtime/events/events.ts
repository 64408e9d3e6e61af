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
  /** Another worker leads the run now; of runs over NATS. */
  | { readonly type: "leader.changed"; readonly worker: string; readonly epoch: number }
  /** Of a stage in a region once: when its first instance begins, with the tasks of that one. */
  | { readonly type: "stage.started"; readonly stage: string; readonly name: string; readonly tasks: number; readonly strategy: string }
  /** So many of its tasks needn't run: an earlier run left what they give. `whole`: nor does any other of them. */
  | { readonly type: "stage.reused"; readonly stage: string; readonly name: string; readonly tasks: number; readonly whole: boolean }
  /** None of it runs, since what is reused was made from it. */
  | { readonly type: "stage.skipped"; readonly stage: string; readonly name: string }
  /** More instances of a stage in a region have begun: so many tasks they have together. Told now and then. */
  | { readonly type: "stage.grew"; readonly stage: string; readonly name: string; readonly tasks: number }
  /**
   * A batch of tasks of one stage that one slot finished: blocks `first` to `first + count`. `instance`, here and elsewhere, of a stage
   * in a region: items and iterations from the outermost to the innermost, such as `3.1`.
   */
  | {
      readonly type: "tasks.finished";
      readonly stage: string;
      readonly instance?: string;
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
      readonly instance?: string;
      readonly block: number;
      readonly attempt: number;
      readonly error: TaskError;
      readonly retried: boolean;
      /** It took longer than its `within`: next, what stands in its place is evaluated. */
      readonly late?: true;
    }
  /** A `loop` ended because it has done as many rounds as it may. */
  | {
      readonly type: "loop.exhausted";
      readonly stage: string;
      readonly name: string;
      readonly instance?: string;
      readonly rounds: number;
    }
  /** Of a stage in a region once the run goes on behind that region. */
  | { readonly type: "stage.finished"; readonly stage: string; readonly name: string; readonly tasks: number; readonly ms: number }
  /** Tracked numbers of a `fit`, a batch of points at a time; `steps` and `values` are of one length. */
  | {
      readonly type: "metric";
      readonly stage: string;
      readonly instance?: string;
      readonly name: string;
      readonly steps: readonly number[];
      readonly values: readonly number[];
    }
  /** How far a long task is: `done` of `total` (epochs of a `fit`). */
  | {
      readonly type: "stage.progress";
      readonly stage: string;
      readonly name: string;
      readonly instance?: string;
      readonly done: number;
      readonly total: number;
      readonly unit: string;
    }
  | { readonly type: "object.lost"; readonly stage: string; readonly instance?: string; readonly blocks: number }
  | {
      readonly type: "log";
      readonly stage: string;
      readonly name: string;
      readonly instance?: string;
      readonly stream: "stdout" | "stderr";
      readonly text: string;
    }
  | {
      readonly type: "run.finished";
      readonly status: RunStatus;
      readonly ms: number;
      readonly outputs?: { readonly [name: string]: unknown };
      readonly error?: TaskError;
      /** The key, among kept results, of what the task that failed read; only where that can't be made again from what is kept. */
      readonly inputs?: string;
      /** What went wrong in what was to be done on failure, besides. */
      readonly onFailure?: TaskError;
    }
);

/** `Omit` over each variant of a union. */
export type Unstamped<E> = E extends unknown ? Omit<E, "atMs"> : never;

/** `call 17 of sims[3].step`: whose method threw; empty where no actor was asked. */
export function askedText({ actor }: TaskError): string {
  if (!actor) return "";
  const { name, number, methods, call } = actor;
  const which = `${name}${number === null ? "" : `[${number}]`}`;
  return `call ${call} of ${methods.map((method) => `\`${which}.${method}\``).join(" or ")}`;
}

/** What a stage threw, or what ended it, as data. */
export interface TaskError {
  readonly kind: "thrown" | "timeout" | "lost" | "memory" | "unsendable" | "mutated" | "unsteady" | "infrastructure" | "cancelled";
  readonly name: string;
  readonly message: string;
  /** Lines of the user's own files, by source map. */
  readonly stack: readonly string[];
  /** Its name; of one in a region with the instance: `model[3]`. */
  readonly stage: string | null;
  readonly block: number | null;
  readonly attempt: number | null;
  /** What was asked: which actor of those that a stage makes (null: the one), by which methods, and how often it had been asked by then. */
  readonly actor?: { readonly name: string; readonly number: number | null; readonly methods: readonly string[]; readonly call: number };
  /** Of `mutated` and `unsteady`, which only a run that is checked finds: which functions it is about. */
  readonly broken?: { readonly functions: readonly string[]; readonly parameter: string | null };
}

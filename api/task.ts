// What an effect may ask of the task that it runs in. Whoever runs effects says so under a symbol that all copies of this code share.

const TASK = Symbol.for("headrace.task");

/** The attempt that an effect is called in. */
export interface CurrentTask {
  /**
   * The same in every attempt of this effect of this run, and in no other: whoever is told twice with one key has been told once. For the
   * `Idempotency-Key` of a request, the primary key of a row, the name of a file.
   */
  readonly idempotencyKey: string;
  /** Counts from 0. */
  readonly attempt: number;
}

/** The task that runs now. Throws outside of an effect: other functions are pure, and have nothing to do with when and where they run. */
export function currentTask(): CurrentTask {
  const task = (globalThis as { [TASK]?: CurrentTask })[TASK];
  if (task === undefined)
    throw new Error(
      "`currentTask` was called where no effect runs: only a function tagged `@effect` that a pipeline calls through `do` has a task to ask about",
    );
  return task;
}

// How a run ends, in the words that people read. Decides nothing.
import type { Json } from "../../compiler/plan.ts";
import type { Outcome } from "../core/model.ts";
import type { StartError } from "../core/state.ts";
import type { RunStatus, TaskError } from "../events/events.ts";

export interface Ended {
  readonly status: RunStatus;
  readonly outputs: { readonly [name: string]: unknown };
  readonly error: TaskError | null;
  /** Where the inputs of the task that failed are kept. */
  readonly inputs: string | null;
}

export function failureValue({ stage, block, name, message }: TaskError): Json {
  return { stage, block, name, message };
}

/** Params that no check of types can refuse, such as a negative number of rows. */
export function neverStarted({ message, stage }: StartError): Ended {
  return {
    status: "failed",
    outputs: {},
    inputs: null,
    error: { kind: "thrown", name: "RangeError", message, stack: [], stage, block: null, attempt: null },
  };
}

export function finalError(
  why: Exclude<Extract<Outcome, { readonly status: "failed" }>["why"], { readonly kind: "nondeterministic" | "actorLost" }>,
  cause: TaskError,
): TaskError {
  switch (why.kind) {
    case "failure":
      return cause;
    case "starved":
      return { ...cause, message: `${cause.message}, the last time with nothing beside it; it isn't tried again` };
    case "poisoned": {
      const message = `whatever ran this task ended ${why.deaths} times (${cause.message}), so it isn't tried again`;
      return { ...cause, kind: "lost", name: "WorkerLost", message };
    }
  }
}

export function lostError(message: string): TaskError {
  return { kind: "lost", name: "WorkerLost", message, stack: [], stage: null, block: null, attempt: null };
}

// How a run ends, in the words that people read. Decides nothing.
import type { Json, Plan, PlanStage } from "../../compiler/plan.ts";
import type { Outcome } from "../core/model.ts";
import type { StartError } from "../core/state.ts";
import { calledMethods } from "../data/stage.ts";
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

export const CANCELLED: TaskError = {
  ...{ kind: "cancelled", name: "Cancelled", message: "the run was cancelled", stack: [] },
  ...{ stage: null, block: null, attempt: null },
};

export function nondeterministic({ before, blocks }: { readonly before: number; readonly blocks: number }): TaskError {
  const message = `it gave ${before} blocks, and ${blocks} when a lost result had to be made again: a stage has to give the same for the same inputs`;
  return { ...lostError(message), kind: "thrown", name: "NondeterministicStage" };
}

/** Told of the call during which it was lost, if there was one. */
export function actorLost(plan: Plan, { name, output, actors }: PlanStage, block: number, cause: TaskError): TaskError {
  const which = `${name}${output === "row" ? `[${block}]` : ""}`;
  const of = plan.functions[actors!.class]!.export;
  const caller = plan.stages.findIndex(({ id }) => id === cause.stage);
  const methods = calledMethods(plan, caller).map((method) => `\`${method}\``);
  const during = methods.length === 0 ? "" : ` during a call of ${methods.join(" or ")} by \`${cause.stage}\``;
  const message = `\`${which}\`, an actor of \`${of}\`, is gone with its state${during}: ${cause.message}. If \`${of}\` is tagged @replayed, it is made again, and asked again what it was asked`;
  return { ...cause, kind: "lost", name: "ActorLost", message };
}

export function lostError(message: string): TaskError {
  return { kind: "lost", name: "WorkerLost", message, stack: [], stage: null, block: null, attempt: null };
}

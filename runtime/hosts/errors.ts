// What user code threw, as data: its name, its words, and the lines of its stack that lie in the user's own files.
import { inspect } from "node:util";
import { CheckFailed } from "../data/stage.ts";
import type { TaskError } from "../events/events.ts";
import { Unsendable } from "../objects/codec.ts";
import { StoreError } from "../results/store.ts";
import { GangAborted } from "../training/collective.ts";

/** An input that this host doesn't hold (any more): not the user's failure. */
export class GoneError extends Error {
  override readonly name = "ObjectLost";
}

/** Members of a gang at other hosts can't be reached: nobody's failure but the network's. */
export class UnmetError extends Error {
  override readonly name = "InfrastructureError";
}

export type ThrownError = Pick<TaskError, "kind" | "name" | "message" | "stack" | "broken">;

/** This package's built files, or the bundle that holds this code. */
const own = /^.*\/dist\//.exec(import.meta.url)?.[0] ?? import.meta.url;

/** Not one of Node, of packages or of Headrace itself. */
function isUserFrame(line: string): boolean {
  return /^\s+at /.test(line) && !/\bnode:|[\\/]node_modules[\\/]|<anonymous>\)?$/.test(line) && !line.includes(own);
}

/** Printed text with its stacks in the user's own lines; `folder` as below. Text without stacks stays as it is. */
export function inUserTerms(text: string, folder: string): string {
  if (!text.includes(folder)) return text;
  const ownPath = own.replace("file://", "");
  return text
    .split("\n")
    .filter((line) => !(/^\s+at /.test(line) && (line.includes(ownPath) || line.includes("node:internal"))))
    .join("\n")
    .replaceAll(`file://${folder}/`, "")
    .replaceAll(`${folder}/`, "");
}

/** Slices lie in `folder`, against which source maps resolve the names of the user's files. */
function stackLines(error: Error, folder: string): string[] {
  const frames = (error.stack ?? "").split("\n").filter(isUserFrame);
  return frames.map((line) => line.trim().replace(`file://${folder}/`, "").replace(`${folder}/`, "").replace("file:///", "/"));
}

export function thrownError(thrown: unknown, folder: string): ThrownError {
  if (thrown instanceof StoreError || thrown instanceof UnmetError)
    return { kind: "infrastructure", name: thrown.name, message: thrown.message, stack: [] };
  if (thrown instanceof GoneError || thrown instanceof GangAborted)
    return { kind: "lost", name: thrown.name, message: thrown.message, stack: [] };
  if (!(thrown instanceof Error)) {
    return { kind: "thrown", name: "Thrown", message: typeof thrown === "string" ? thrown : inspect(thrown, { depth: 3 }), stack: [] };
  }
  if (thrown instanceof CheckFailed) {
    const { kind, name, message, functions, parameter } = thrown;
    return { kind, name, message, stack: stackLines(thrown, folder), broken: { functions, parameter } };
  }
  const stack = stackLines(thrown, folder);
  let { cause } = thrown;
  for (let depth = 0; cause instanceof Error && depth < 5; depth++, cause = cause.cause)
    stack.push(`caused by ${cause.name}: ${cause.message}`, ...stackLines(cause, folder));
  return { kind: thrown instanceof Unsendable ? "unsendable" : "thrown", name: thrown.name, message: thrown.message, stack };
}

/** By name, since every bundle of user code brings its own copy of the class. */
export function isTransient(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.name === "TransientError";
}

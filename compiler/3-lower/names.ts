// What stages are called and counted by: the path of names that they stand under, and by what makes them where nobody gave them a name.
import type { Typed } from "../2-check/typed.ts";
import type { Scalar } from "../plan.ts";

export const join = (path: string, name: string): string => (path === "" ? name : `${path}.${name}`);

/** What a helper is called beside the stage that it serves: by what makes it. */
export function labelOf(typed: Typed): string {
  if (typed.kind === "data" || typed.kind === "reduce") return typed.name;
  if (typed.kind === "aggregate") return typed.grouping.kind === "none" ? "agg" : "groups";
  if (typed.kind === "read") return typed.format;
  if (typed.kind === "write") return `write${typed.format[0]!.toUpperCase()}${typed.format.slice(1)}`;
  if (typed.kind === "call" || typed.kind === "method") return typed.function.signature.name;
  if (typed.kind === "callAll") return labelOf(typed.f.body);
  if (typed.kind === "pipeline") return typed.pipeline.name;
  return typed.kind === "field" || typed.kind === "index" ? labelOf(typed.of) : typed.kind;
}

/** The stage of a data set that has no name of its own goes by the function that makes it. */
export function sourceName(typed: Typed): string {
  if (typed.kind === "attempt") return sourceName(typed.f.body);
  if (typed.kind === "split" || typed.kind === "data" || typed.kind === "reduce" || typed.kind === "aggregate")
    return sourceName(typed.source);
  if (typed.kind === "call") return typed.function.signature.name;
  if (typed.kind === "read") return typed.files.kind === "param" ? typed.files.name : typed.format;
  return typed.kind === "local" ? typed.binding.name : "rows";
}

/** A number that is known when a run starts. */
export function scalar(typed: Typed): Scalar | null {
  if (typed.kind === "param") return { kind: "param", name: typed.name };
  if (typed.kind === "const" && typeof typed.value === "number") return { kind: "const", value: typed.value };
  return null;
}

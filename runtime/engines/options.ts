// A run's options, checked: params by the plan's declarations. Shared by all engines and ways in.
import type { Json, Plan } from "../../compiler/plan.ts";
import type { RunEvent } from "../events/events.ts";
import type { RunOptions } from "../index.ts";
import type { KeptResults } from "./kept.ts";

/** A param that the plan doesn't have, lacks, or has of another type or range. Misuse by code; the command line says it sooner. */
export class ParamError extends Error {
  override readonly name = "ParamError";
}

export function runOptions(
  plan: Plan,
  options: Omit<RunOptions, "engine">,
): {
  params: { readonly [name: string]: Json };
  onEvent: (event: RunEvent) => void;
  signal: AbortSignal | undefined;
  keep: KeptResults | undefined;
} {
  return {
    params: fullParams(plan, options.params ?? {}),
    onEvent: options.onEvent ?? (() => {}),
    signal: options.signal,
    keep: options.keep,
  };
}

function fullParams(plan: Plan, given: { readonly [name: string]: Json }): { readonly [name: string]: Json } {
  const known = plan.params.map(({ name }) => name);
  const unknown = Object.keys(given).find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new ParamError(`${plan.name} has no param \`${unknown}\`; it has ${known.map((name) => `\`${name}\``).join(", ") || "none"}`);
  return Object.fromEntries(
    plan.params.map((param) => {
      const value = Object.hasOwn(given, param.name) ? given[param.name]! : param.default;
      if (value === undefined || (value === null && !param.optional)) {
        if (param.optional) return [param.name, null];
        throw new ParamError(`the param \`${param.name}\` of ${plan.name} has no default, and no value was given`);
      }
      const fits =
        value === null ||
        (param.type === "int"
          ? Number.isSafeInteger(value)
          : param.type === "float"
            ? typeof value === "number"
            : param.type === "bool"
              ? typeof value === "boolean"
              : typeof value === "string");
      if (!fits) throw new ParamError(`the param \`${param.name}\` is ${param.type}, not ${JSON.stringify(value)}`);
      if (typeof value === "number" && ((param.min !== undefined && value < param.min) || (param.max !== undefined && value > param.max))) {
        throw new ParamError(`the param \`${param.name}\` is ${value}, outside ${param.min ?? ""}..${param.max ?? ""}`);
      }
      return [param.name, value];
    }),
  );
}

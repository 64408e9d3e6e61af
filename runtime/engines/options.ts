// A run's options, checked: params by the plan's declarations. Shared by all engines and ways in.
import type { Json, Plan } from "../../compiler/plan.ts";
import { isFileValue, shownPath } from "../data/files.ts";
import type { RunEvent } from "../events/events.ts";
import type { RunOptions } from "../index.ts";
import { secretVariable } from "../secrets.ts";
import type { FileProblem } from "./files.ts";
import { openFiles } from "./files.ts";
import type { KeptResults } from "./kept.ts";

/** A param that the plan doesn't have, lacks, or has of another type or range. Misuse by code; the command line says it sooner. */
export class ParamError extends Error {
  override readonly name = "ParamError";
}

export async function runOptions(
  plan: Plan,
  options: Omit<RunOptions, "engine">,
): Promise<{
  params: { readonly [name: string]: Json };
  onEvent: (event: RunEvent) => void;
  signal: AbortSignal | undefined;
  keep: KeptResults | undefined;
  check: boolean;
  cache: RunOptions["cache"];
}> {
  const { params, problems } = await openFiles(plan, options.params ?? {}, options.folder);
  const [problem] = problems;
  if (problem) throw new ParamError(`the param \`${problem.param}\` of ${plan.name}: ${fileTrouble(problem)}`);
  return {
    params: fullParams(plan, params),
    onEvent: options.onEvent ?? (() => {}),
    signal: options.signal,
    keep: options.keep,
    check: options.check ?? false,
    // What is watched has to run.
    cache: options.check ? undefined : options.cache,
  };
}

/** In a few words, with the path as somebody in the working folder would type it. */
export function fileTrouble({ what, path }: FileProblem): string {
  const where = `\`${shownPath({ path })}\``;
  if (what === "no match") return `no file matches ${where}`;
  if (what === "folder") return `${where} is no file`;
  return what === "missing" ? `there is no file ${where}` : `${where} can't be read`;
}

/** With the plan's defaults. Throws `ParamError`. */
export function fullParams(plan: Plan, given: { readonly [name: string]: Json }): { readonly [name: string]: Json } {
  const known = plan.params.map(({ name }) => name);
  const unknown = Object.keys(given).find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new ParamError(`${plan.name} has no param \`${unknown}\`; it has ${known.map((name) => `\`${name}\``).join(", ") || "none"}`);
  return Object.fromEntries(
    plan.params.map((param) => {
      const fallback = param.type === "secret" ? process.env[secretVariable(param.name)] : param.default;
      const value = Object.hasOwn(given, param.name) ? given[param.name]! : fallback;
      if (value === undefined || (value === null && !param.optional)) {
        if (param.optional) return [param.name, null];
        const place = param.type === "secret" ? `: \`${secretVariable(param.name)}\` isn't set` : "";
        throw new ParamError(`the param \`${param.name}\` of ${plan.name} has no default, and no value was given${place}`);
      }
      const fits =
        value === null ||
        (param.type === "int"
          ? Number.isSafeInteger(value)
          : param.type === "float"
            ? typeof value === "number"
            : param.type === "bool"
              ? typeof value === "boolean"
              : param.type === "file"
                ? isFileValue(value)
                : param.type === "files"
                  ? Array.isArray(value) && value.every(isFileValue)
                  : typeof value === "string");
      if (param.type === "secret" && (!fits || value === ""))
        throw new ParamError(`the param \`${param.name}\` is a secret, a text that isn't empty`);
      if (!fits) throw new ParamError(`the param \`${param.name}\` is ${param.type}, not ${JSON.stringify(value)}`);
      if (typeof value === "number" && ((param.min !== undefined && value < param.min) || (param.max !== undefined && value > param.max))) {
        throw new ParamError(`the param \`${param.name}\` is ${value}, outside ${param.min ?? ""}..${param.max ?? ""}`);
      }
      return [param.name, value];
    }),
  );
}

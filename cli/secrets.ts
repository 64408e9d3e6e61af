// Secrets for a run from a command line: by environment variable or from a file, never as an argument. Prints nothing of what it reads.
import { readFileSync } from "node:fs";
import type { PlanParam } from "../compiler/plan.ts";
import type { Diagnostic } from "../lang/diagnostics.ts";
import { report } from "../lang/diagnostics.ts";
import { secretVariable } from "../runtime/index.ts";
import type { Arguments, Flag } from "./flags.ts";

/** `--token`, which is answered by what to do instead; a flag of the verb's `own` keeps its meaning. */
export function plainFlags(params: readonly PlanParam[], own: readonly Flag[]): readonly Flag[] {
  const free = params.filter(({ name }) => !own.some((flag) => flag.name === name));
  return free.map(({ name }) => ({ name, value: "SECRET", summary: "", hidden: true }));
}

export function readSecrets(
  given: Arguments,
  params: readonly PlanParam[],
  plain: readonly Flag[],
): { readonly params: { readonly [name: string]: string }; readonly problems: readonly Diagnostic[] } {
  const found: { [name: string]: string } = {};
  const problems: Diagnostic[] = [];
  for (const { name, optional } of params) {
    const variable = secretVariable(name);
    const help = { help: `${variable}=… headrace run …, or --${name}-file FILE` };
    const isPlain = plain.some((flag) => flag.name === name) && given.flags.has(name);
    if (isPlain) problems.push(report("HR608", { flag: `--${name}` }, [], help));
    const file = given.flags.get(`${name}-file`);
    const read = typeof file === "string" ? fromFile(file) : { text: process.env[variable] };
    if ("problem" in read) problems.push(report("HR609", { name, why: read.problem }, [], help));
    else if (read.text === "") problems.push(report("HR609", { name, why: `${file ?? `\`${variable}\``} is empty` }, [], help));
    else if (read.text !== undefined) found[name] = read.text;
    else if (!optional && !isPlain) problems.push(report("HR609", { name, why: `\`${variable}\` isn't set` }, [], help));
  }
  return { params: found, problems };
}

function fromFile(file: string): { readonly text: string } | { readonly problem: string } {
  try {
    return { text: readFileSync(file, "utf8").replace(/\r?\n$/, "") };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    return { problem: `\`${file}\` can't be read (${code})` };
  }
}

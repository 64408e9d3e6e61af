// `headrace check FILE …`: every problem, and nothing is run.
import { check } from "../../compiler/compile.ts";
import { nodeSources } from "../../compiler/sources.ts";
import { report } from "../../lang/diagnostics.ts";
import { printProblems } from "../execute.ts";
import type { Flag } from "../flags.ts";
import { describeFlags, readArguments } from "../flags.ts";
import { diagnosticsJson, readTarget } from "../program.ts";

const flags: readonly Flag[] = [
  { name: "json", value: null, summary: "problems on stdout as JSON" },
  { name: "schedule", value: "NAME", summary: "as it would run under that schedule" },
];

export const help = `Reports every problem of each FILE without running anything. Prints nothing where all is well.\n\n${describeFlags(flags)}\n`;

export async function run(argv: readonly string[]): Promise<number> {
  const given = readArguments(argv, flags);
  const problems = [...given.problems];
  if (given.operands.length === 0)
    problems.push(report("HR605", { what: "`headrace check` needs a FILE" }, [], { help: "headrace check FILE" }));
  const sources = nodeSources();
  const schedule = given.flags.get("schedule");
  if (problems.length === 0) {
    for (const operand of given.operands) {
      const { file, entry } = readTarget(operand);
      const { diagnostics } = await check(file, { sources, entry, ...(typeof schedule === "string" ? { schedule } : {}) });
      problems.push(...diagnostics);
    }
  }
  if (given.flags.has("json")) process.stdout.write(`${JSON.stringify(diagnosticsJson(problems, sources))}\n`);
  else printProblems(problems, (file) => sources.read(file));
  return problems.some(({ severity }) => severity === "error") ? 3 : 0;
}

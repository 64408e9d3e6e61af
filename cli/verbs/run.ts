// `headrace run FILE`: compile, then execute.
import { compile } from "../../compiler/compile.ts";
import { nodeSources } from "../../compiler/sources.ts";
import { execute, programHelp, runFlags } from "../execute.ts";
import { describeFlags, readArguments } from "../flags.ts";
import { homeIn } from "../home.ts";
import { printProblems } from "../problems.ts";
import { isProblem, oneTarget } from "../program.ts";

const general = `Checks FILE, plans it and runs it. Every \`param\` of the program is a flag. Results are printed on stdout, all else on stderr.

${describeFlags(runFlags)}
`;

/** With a FILE, its params too. */
export async function help(argv: readonly string[]): Promise<string> {
  const target = oneTarget(readArguments(argv, runFlags, true), "run");
  if (isProblem(target)) return general;
  const { plan } = await compile(target.file, { sources: nodeSources(), entry: target.entry });
  return plan ? `${general}${programHelp(plan)}` : general;
}

export async function run(argv: readonly string[]): Promise<number> {
  const given = readArguments(argv, runFlags, true);
  const target = oneTarget(given, "run");
  if (isProblem(target)) {
    printProblems([target], () => null);
    return 3;
  }
  const sources = nodeSources();
  const schedule = given.flags.get("schedule");
  const compiled = await compile(target.file, { sources, entry: target.entry, ...(typeof schedule === "string" ? { schedule } : {}) });
  printProblems(compiled.diagnostics, (file) => sources.read(file));
  if (!compiled.plan) return 3;
  const operand = given.operands[0]!;
  const rest = argv.toSpliced(argv.indexOf(operand), 1);
  return execute({ plans: { [compiled.plan.about.schedule ?? "auto"]: compiled.plan }, code: compiled.code }, rest, {
    home: homeIn(sources.root),
  });
}

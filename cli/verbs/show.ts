// `headrace show FILE STAGE`: what a stage gave, as far as an earlier run left it: a table, a sample or its shape. Runs nothing.
import { compile } from "../../compiler/compile.ts";
import { nodeSources } from "../../compiler/sources.ts";
import { report } from "../../lang/diagnostics.ts";
import { forecast, onlyStage, run as runPlan } from "../../runtime/index.ts";
import type { Flag } from "../flags.ts";
import { describeFlags, readArguments, readCount } from "../flags.ts";
import { homeIn } from "../home.ts";
import { compiledProgram, noStage, programHelp, readInvocation } from "../invocation.ts";
import { printProblems } from "../problems.ts";
import { isProblem, readTarget } from "../program.ts";
import { plain } from "../show.ts";
import { widthOf } from "../terminal.ts";
import { shapeText, valueText } from "../values.ts";

const flags: readonly Flag[] = [
  { name: "rows", value: "N", summary: "so many rows of a data set or list (default: 20)" },
  { name: "sample", value: null, summary: "rows from all over it, the same ones each time" },
  { name: "shape", value: null, summary: "what it is made of, with ranges of numbers, instead of values" },
  { name: "json", value: null, summary: "the whole value as JSON" },
  { name: "schedule", value: "NAME", summary: "a schedule of the program (default: auto)" },
];

const general = `Shows what STAGE of FILE gave, for these params, as the last runs left it. Nothing is run: \`headrace run FILE --only STAGE\` makes what
isn't there.

    headrace show digits.pipe model
    headrace show flights.pipe airports --rows 50

${describeFlags(flags)}
`;

/** With a FILE, its params too. */
export async function help(argv: readonly string[]): Promise<string> {
  const [first] = readArguments(argv, flags, true).operands;
  if (first === undefined) return general;
  const { file, entry } = readTarget(first);
  const { plan } = await compile(file, { sources: nodeSources(), entry });
  return plan ? `${general}${programHelp(plan, flags)}` : general;
}

export async function run(argv: readonly string[]): Promise<number> {
  const lenient = readArguments(argv, flags, true);
  const [first, wanted, extra] = lenient.operands;
  if (first === undefined || wanted === undefined || extra !== undefined) {
    const what = extra === undefined ? "`headrace show` needs a FILE and a STAGE" : `\`${extra}\` is one argument too many`;
    printProblems([report("HR605", { what }, [], { help: "headrace show FILE STAGE" })], () => null);
    return 3;
  }
  const target = readTarget(first);
  if (isProblem(target)) return 3;
  const sources = nodeSources();
  const schedule = lenient.flags.get("schedule");
  const compiled = await compile(target.file, {
    sources,
    entry: target.entry,
    ...(typeof schedule === "string" ? { schedule } : {}),
  });
  printProblems(compiled.diagnostics, (file) => sources.read(file));
  if (!compiled.plan) return 3;
  const rest = argv.toSpliced(argv.indexOf(first), 1);
  rest.splice(rest.indexOf(wanted), 1);
  const read = await readInvocation(compiledProgram(compiled.plan, compiled.code, schedule), rest, flags);
  const rows = readCount(lenient, "rows");
  const problems = "problems" in read ? [...read.problems] : [];
  if (typeof rows === "object" && rows !== null) problems.push(rows);
  const part = "problems" in read ? null : onlyStage(read.plan, wanted);
  if (!("problems" in read) && !part) problems.push(noStage(read.plan, wanted, `headrace show ${first} `));
  if (problems.length > 0 || "problems" in read || !part) {
    printProblems(problems, () => null);
    return 3;
  }
  const { results } = homeIn();
  const cache = results === null ? null : { folder: results };
  const missing = forecast(part, read.params, cache).filter(
    ({ fate, stage }) => fate !== "reused" && fate !== "skipped" && stage.id === wanted,
  );
  const open = forecast(part, read.params, cache).some(({ fate }) => fate === "runs" || fate === "may");
  if (!cache || open) {
    const never = missing[0]?.unkept ? ", and is never kept" : "";
    process.stderr.write(
      `\`${wanted}\` isn't there for these params${never}; this makes it:\n  headrace run ${[first, ...rest].join(" ")} --only ${wanted}\n`,
    );
    return 1;
  }
  const { outputs, error } = await runPlan(part, read.code, { params: read.params, cache });
  if (error) {
    process.stderr.write(`${error.message}\n`);
    return 2;
  }
  const value = outputs[wanted];
  const { flags: asked } = lenient;
  if (asked.has("json")) process.stdout.write(`${JSON.stringify(plain(value))}\n`);
  else if (asked.has("shape")) process.stdout.write(`${shapeText(value)}\n`);
  else {
    const most = typeof rows === "number" ? rows : 20;
    process.stdout.write(`${valueText(value, { most, sample: asked.has("sample"), width: widthOf(process.stdout) })}\n`);
  }
  return 0;
}

// `headrace graph FILE`: the plan as a picture.
import { writeFileSync } from "node:fs";
import { compile } from "../../compiler/compile.ts";
import { pictureOf, toDot, toMermaid } from "../../compiler/picture.ts";
import type { Plan } from "../../compiler/plan.ts";
import { nodeSources } from "../../compiler/sources.ts";
import { report } from "../../lang/diagnostics.ts";
import type { Flag } from "../flags.ts";
import { describeFlags, readArguments } from "../flags.ts";
import { printProblems } from "../problems.ts";
import { isProblem, oneTarget } from "../program.ts";

const FORMATS = ["svg", "dot", "mermaid", "json"] as const;
type Format = (typeof FORMATS)[number];
const flags: readonly Flag[] = [
  { name: "format", value: "FORMAT", summary: `${FORMATS.join(", ")} (default: by the output's ending, else svg)` },
  { name: "output", short: "o", value: "FILE", summary: "where to write it (default: standard output)" },
  { name: "schedule", value: "NAME", summary: "a schedule of the program (default: auto)" },
];

export const help = `Draws the stages of FILE, what reads what, and how each runs.\n\n${describeFlags(flags)}\n`;

export async function run(argv: readonly string[]): Promise<number> {
  const given = readArguments(argv, flags);
  const target = oneTarget(given, "graph");
  const output = given.flags.get("output");
  const asked = given.flags.get("format") ?? endingOf(output) ?? "svg";
  const problems = [...given.problems];
  if (isProblem(target)) problems.push(target);
  const format = FORMATS.find((one) => one === asked);
  if (!format) problems.push(report("HR602", { flag: "--format", wants: `one of ${FORMATS.join(", ")}`, given: String(asked) }, []));
  if (problems.length > 0 || isProblem(target) || !format) {
    printProblems(problems, () => null);
    return 3;
  }
  const sources = nodeSources();
  const schedule = given.flags.get("schedule");
  const { plan, diagnostics } = await compile(target.file, {
    sources,
    entry: target.entry,
    ...(typeof schedule === "string" ? { schedule } : {}),
  });
  printProblems(diagnostics, (file) => sources.read(file));
  if (!plan) return 3;
  const text = await draw(plan, format);
  if (typeof output === "string") writeFileSync(output, text);
  else process.stdout.write(text);
  return 0;
}

function endingOf(output: string | true | undefined): string | null {
  if (typeof output !== "string") return null;
  const ending = output.slice(output.lastIndexOf(".") + 1);
  return { svg: "svg", dot: "dot", gv: "dot", mmd: "mermaid", json: "json" }[ending] ?? null;
}

async function draw(plan: Plan, format: Format): Promise<string> {
  const picture = pictureOf(plan);
  switch (format) {
    case "json":
      return `${JSON.stringify(picture, null, 2)}\n`;
    case "dot":
      return toDot(picture);
    case "mermaid":
      return toMermaid(picture);
    case "svg": {
      const { Graphviz } = await import("@hpcc-js/wasm-graphviz");
      return (await Graphviz.load()).layout(toDot(picture), "svg", "dot");
    }
  }
}

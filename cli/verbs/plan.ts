// `headrace plan FILE`: what would run, and why so. `--json` is the plan itself, with its hash.
import { compile } from "../../compiler/compile.ts";
import { planGraph } from "../../compiler/graph.ts";
import type { Plan, PlanStage, Scalar } from "../../compiler/plan.ts";
import { nodeSources } from "../../compiler/sources.ts";
import { report } from "../../lang/diagnostics.ts";
import type { Flag } from "../flags.ts";
import { describeFlags, readArguments } from "../flags.ts";
import { printProblems } from "../problems.ts";
import { isProblem, oneTarget } from "../program.ts";
import { painter, wantsColor } from "../terminal.ts";

const PHASES = ["module", "flow", "plan"] as const;
const flags: readonly Flag[] = [
  { name: "schedule", value: "NAME", summary: "a schedule of the program (default: auto)" },
  { name: "json", value: null, summary: "the plan as JSON" },
  { name: "emit", value: "PHASE", summary: `what a phase of the compiler gave, as JSON: ${PHASES.join(", ")}` },
];

export const help = `Shows the stages of FILE, how each would run, and why.\n\n${describeFlags(flags)}\n`;

export async function run(argv: readonly string[]): Promise<number> {
  const given = readArguments(argv, flags);
  const target = oneTarget(given, "plan");
  const emit = given.flags.get("emit") ?? (given.flags.has("json") ? "plan" : undefined);
  const problems = [...given.problems];
  if (isProblem(target)) problems.push(target);
  if (emit !== undefined && !PHASES.some((phase) => phase === emit))
    problems.push(report("HR602", { flag: "--emit", wants: `one of ${PHASES.join(", ")}`, given: String(emit) }, []));
  if (problems.length > 0 || isProblem(target)) {
    printProblems(problems, () => null);
    return 3;
  }
  const sources = nodeSources();
  const schedule = given.flags.get("schedule");
  const compiled = await compile(target.file, { sources, entry: target.entry, ...(typeof schedule === "string" ? { schedule } : {}) });
  printProblems(compiled.diagnostics, (file) => sources.read(file));
  if (emit !== undefined) {
    const shown = compiled[emit as (typeof PHASES)[number]];
    if (shown) process.stdout.write(`${JSON.stringify(shown, null, 2)}\n`);
  } else if (compiled.plan) process.stdout.write(table(compiled.plan));
  return compiled.plan ? 0 : 3;
}

function table(plan: Plan): string {
  const paint = painter(wantsColor(process.stdout));
  const rows = plan.stages.map((stage) => {
    const about = plan.about.stages[stage.id];
    return [stage.id, tasks(stage, plan), strategy(stage), about?.type ?? "", about?.why ?? ""];
  });
  const head = ["stage", "tasks", "runs as", "gives", "because"];
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const line = (row: readonly string[]) => row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i]!))).join("  ");
  const schedule = plan.about.schedule ?? "auto";
  return [
    `${paint("bold", plan.name)} under ${schedule}, plan ${plan.hash.slice(0, 12)}`,
    "",
    paint("dim", line(head)),
    ...rows.map(line),
    "",
    ...outside(plan),
    `longest chain: ${planGraph(plan)
      .criticalPath()
      .items.map(({ id }) => id)
      .join(" → ")}`,
    "",
  ].join("\n");
}

/** Which functions depend on more than their arguments, and where that is written. */
function outside(plan: Plan): string[] {
  const lines = Object.entries(plan.about.functions).flatMap(([id, { reaches = [] }]) => {
    if (reaches.length === 0) return [];
    const tags = (plan.functions[id]?.tags ?? []).map((tag) => ` @${tag}`).join("");
    const places = reaches.map(({ what, name, span }) => `${what} (\`${name}\`${span === null ? "" : `, ${span.file}:${span.line}`})`);
    return [`  ${id}${tags}: ${places.join(", ")}`];
  });
  return lines.length === 0 ? [] : ["functions that reach outside themselves:", ...lines, ""];
}

function tasks(stage: PlanStage, plan: Plan): string {
  const scalar = (value: Scalar) => (value.kind === "const" ? String(value.value) : value.name);
  if (stage.tasks.kind === "one") return "1";
  if (stage.tasks.kind !== "range" && stage.tasks.kind !== "perBlock") return stage.tasks.kind;
  return stage.tasks.kind === "range" ? scalar(stage.tasks.blocks) : `one a block of ${plan.stages[stage.tasks.of]!.id}`;
}

function strategy({ strategy }: PlanStage): string {
  if (strategy.kind === "data") return strategy.slots === null ? "data" : `data(${strategy.slots})`;
  return strategy.kind === "fit" ? `fit, ${strategy.architecture}` : "task";
}

// `headrace plan FILE`: what would run, and why so. `--json` is the plan itself, with its hash; `--diff OTHER` says what differs from
// another program, schedule or saved plan.
import { readFileSync } from "node:fs";
import type { Change } from "../../compiler/compare.ts";
import { comparePlans } from "../../compiler/compare.ts";
import type { Compiled } from "../../compiler/compile.ts";
import { compile } from "../../compiler/compile.ts";
import type { Plan } from "../../compiler/plan.ts";
import { PLAN_FORMAT } from "../../compiler/plan.ts";
import type { Sources } from "../../compiler/sources.ts";
import { nodeSources } from "../../compiler/sources.ts";
import type { Diagnostic } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import type { Flag } from "../flags.ts";
import { describeFlags, paramFlags, readArguments, readParams } from "../flags.ts";
import { programHelp } from "../invocation.ts";
import { planText } from "../plan-text.ts";
import { printProblems } from "../problems.ts";
import type { Target } from "../program.ts";
import { isProblem, oneTarget, readTarget } from "../program.ts";
import { painter, wantsColor, widthOf } from "../terminal.ts";

const PHASES = ["module", "flow", "plan"] as const;
const SCHEDULE = "schedule:";
const flags: readonly Flag[] = [
  { name: "schedule", value: "NAME", summary: "a schedule of the program (default: auto)" },
  {
    name: "diff",
    value: "OTHER",
    summary: `what differs from a program, a saved plan (.json), or ${SCHEDULE}NAME; exit 1 where something does`,
  },
  { name: "json", value: null, summary: "the plan as JSON" },
  { name: "emit", value: "PHASE", summary: `what a phase of the compiler gave, as JSON: ${PHASES.join(", ")}` },
];

const general = `Shows the stages of FILE: how each would run and what decided it, in how many tasks, on how many slots, until when its value is held, and
the longest chain (●). Params may be given, so that numbers are those of that run.

    headrace plan digits.pipe --epochs 20
    headrace plan digits.pipe --diff ${SCHEDULE}laptop
    headrace plan digits.pipe --json > before.json    # … and after a change:
    headrace plan digits.pipe --diff before.json

${describeFlags(flags)}`;

/** With a FILE, its params too. */
export async function help(argv: readonly string[]): Promise<string> {
  const target = oneTarget(readArguments(argv, flags, true), "plan");
  if (isProblem(target)) return general;
  const { plan } = await compile(target.file, { sources: nodeSources(), entry: target.entry });
  return plan ? `${general}\n${programHelp(plan, flags)}` : general;
}

export async function run(argv: readonly string[]): Promise<number> {
  const lenient = readArguments(argv, flags, true);
  const target = oneTarget(lenient, "plan");
  const emit = lenient.flags.get("emit") ?? (lenient.flags.has("json") ? "plan" : undefined);
  const problems: Diagnostic[] = [];
  if (isProblem(target)) problems.push(target);
  if (emit !== undefined && !PHASES.some((phase) => phase === emit))
    problems.push(report("HR602", { flag: "--emit", wants: `one of ${PHASES.join(", ")}`, given: String(emit) }, []));
  if (problems.length > 0 || isProblem(target)) {
    printProblems(problems, () => null);
    return 3;
  }
  const sources = nodeSources();
  const schedule = lenient.flags.get("schedule");
  const compiled = await compileTarget(target, sources, schedule);
  printProblems(compiled.diagnostics, (file) => sources.read(file));
  const { plan } = compiled;
  const params = paramFlags(plan?.params ?? [], flags, () => "");
  // Params are known now; without a plan they aren't, and what is wrong has been told.
  const given = readArguments(argv, [...flags, ...params.map(({ flag }) => flag)], plan === null);
  const typed = readParams(given, params);
  const wrong = [...given.problems, ...typed.problems.filter(({ code }) => code !== "HR604")];
  printProblems(wrong, () => null);
  if (wrong.length > 0) return 3;
  if (emit !== undefined) {
    const shown = compiled[emit as (typeof PHASES)[number]];
    if (shown) process.stdout.write(`${JSON.stringify(shown, null, 2)}\n`);
    return plan ? 0 : 3;
  }
  if (!plan) return 3;
  const other = given.flags.get("diff");
  if (typeof other === "string") return diff(plan, target, other, schedule, sources);
  const options = { params: typed.params, width: widthOf(process.stdout), paint: painter(wantsColor(process.stdout)) };
  process.stdout.write([planText(plan, options), ...outside(plan)].join("\n"));
  return 0;
}

function compileTarget({ file, entry }: Target, sources: Sources, schedule: string | true | undefined): Promise<Compiled> {
  return compile(file, { sources, entry, ...(typeof schedule === "string" ? { schedule } : {}) });
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

// --- What differs ---------------------------------------------------------------------------------------------------------------

async function diff(plan: Plan, target: Target, text: string, schedule: string | true | undefined, sources: Sources): Promise<number> {
  const other = await otherPlan(text, target, schedule, sources);
  if (!other) return 3;
  const named = ({ name, hash, about }: Plan) => `${name} under ${about.schedule ?? "auto"}, plan ${hash.slice(0, 12)}`;
  if (other.hash === plan.hash) {
    process.stdout.write(`the same plan: ${named(plan)}\n`);
    return 0;
  }
  const paint = painter(wantsColor(process.stdout));
  const colors = { "+": "green", "-": "red", "~": "yellow" } as const;
  const lines = comparePlans(other, plan).map(changeLine);
  process.stdout.write(
    [
      `${paint("bold", named(plan))}, against ${text} (${named(other)})`,
      ...(lines.length > 0 ? lines.map(([sign, words]) => `${paint(colors[sign], sign)} ${words}`) : ["~ the order of stages alone"]),
      "",
    ].join("\n"),
  );
  return 1;
}

function changeLine(change: Change): readonly ["+" | "-" | "~", string] {
  switch (change.kind) {
    case "added":
    case "removed": {
      const detail = change.detail === "" ? "" : `: ${change.detail}`;
      return [change.kind === "added" ? "+" : "-", `${change.what} ${change.name}${detail}`];
    }
    case "renamed":
      return ["~", `stage ${change.name} was called ${change.before}`];
    case "changed":
      return ["~", `${change.what} ${change.name}: ${change.details.join("; ")}`];
  }
}

/** Null where there is none; why has been told. */
async function otherPlan(text: string, target: Target, schedule: string | true | undefined, sources: Sources): Promise<Plan | null> {
  if (text.endsWith(".json")) return savedPlan(text);
  if (text.startsWith(SCHEDULE)) return planned(await compileTarget(target, sources, text.slice(SCHEDULE.length)), sources);
  const other = readTarget(text);
  const auto = await compileTarget(other, sources, undefined);
  // As FILE is planned, where the other one has a schedule of that name.
  if (typeof schedule !== "string" || !auto.schedules.includes(schedule)) return planned(auto, sources);
  return planned(await compileTarget(other, sources, schedule), sources);
}

function planned({ plan, diagnostics }: Compiled, sources: Sources): Plan | null {
  if (!plan) printProblems(diagnostics, (file) => sources.read(file));
  return plan;
}

function savedPlan(file: string): Plan | null {
  let found: unknown;
  try {
    found = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
    if (!missing && !(error instanceof SyntaxError)) throw error;
    printProblems([missing ? report("HR501", { file }, []) : noPlan(file, "it isn't JSON")], () => null);
    return null;
  }
  const format = typeof found === "object" && found !== null && "format" in found ? found.format : null;
  if (format === PLAN_FORMAT) return found as Plan;
  printProblems([noPlan(file, format === null ? "its `format` isn't given" : `its \`format\` is ${JSON.stringify(format)}`)], () => null);
  return null;
}

function noPlan(file: string, why: string): Diagnostic {
  return report("HR607", { file, why }, [], { help: "headrace plan FILE --json > before.json" });
}

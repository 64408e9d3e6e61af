// From a program and a command line to what is to run: the plan of the schedule asked for, typed params, opened files, secrets; or every
// problem at once. Runs nothing.
import { basename, dirname, join, relative } from "node:path";
import type { Program } from "../compiler/bundle.ts";
import type { CodeStore, Json, Plan } from "../compiler/plan.ts";
import type { Diagnostic } from "../lang/diagnostics.ts";
import { report } from "../lang/diagnostics.ts";
import { nearest } from "../lang/suggest.ts";
import type { FileProblem } from "../runtime/index.ts";
import { fileTrouble, openFiles, secretVariable } from "../runtime/index.ts";
import type { Arguments, Flag } from "./flags.ts";
import { describeFlags, paramFlags, readArguments, readCount, readParams } from "./flags.ts";
import { plainFlags, readSecrets } from "./secrets.ts";

/** The plans of one compilation, by what `--schedule` said of it. */
export const compiledProgram = (plan: Plan, code: CodeStore, schedule: unknown): Program => ({
  plans: { [typeof schedule === "string" ? schedule : "auto"]: plan },
  code,
});

export interface Invocation {
  readonly plan: Plan;
  readonly code: CodeStore;
  readonly given: Arguments;
  /** Of the program, secrets among them. */
  readonly params: { readonly [name: string]: Json };
  /** Without secrets. */
  readonly open: { readonly [name: string]: Json };
  /** `--slots`, where it was given. */
  readonly slots: number | null;
}

/** `flags` are the verb's own; `operands` are its own too. `folder`: where paths start that are defaults. */
export async function readInvocation(
  { plans, code }: Program,
  argv: readonly string[],
  flags: readonly Flag[],
  folder?: string,
): Promise<Invocation | { readonly problems: readonly Diagnostic[] }> {
  const anyPlan = plans.auto ?? Object.values(plans)[0]!;
  const params = paramFlags(anyPlan.params, flags, (name) => summaryOf(anyPlan, name));
  const secrets = anyPlan.params.filter(({ type }) => type === "secret");
  const plain = plainFlags(secrets, flags);
  const given = readArguments(argv, [...flags, ...params.map(({ flag }) => flag), ...plain]);
  const typed = readParams(given, params);
  const secret = readSecrets(given, secrets, plain);
  const slots = readCount(given, "slots");
  const schedule = String(given.flags.get("schedule") ?? (plans.auto ? "auto" : anyPlan.about.schedule));
  const plan = Object.hasOwn(plans, schedule) ? plans[schedule] : undefined;
  const problems = [...given.problems, ...typed.problems, ...secret.problems];
  if (given.operands.length > 0) problems.push(report("HR605", { what: `\`${given.operands[0]}\` is one argument too many` }, []));
  if (typeof slots === "object" && slots !== null) problems.push(slots);
  if (!plan) {
    const known = Object.keys(plans);
    const help = `--schedule ${nearest(schedule, known) ?? known.join(" | ")}`;
    problems.push(report("HR606", { name: schedule }, [], { help }));
  }
  if (problems.length > 0 || !plan) return { problems };
  const { params: open, problems: missing } = await openFiles(plan, typed.params, folder);
  if (missing.length > 0) return { problems: missing.map((problem) => noFile(problem, params)) };
  return { plan, code, given, open, params: { ...open, ...secret.params }, slots: typeof slots === "number" ? slots : null };
}

/** With the stage that was likely meant; `flag` is what stands before its name. */
export function noStage(plan: Plan, name: string, flag: string): Diagnostic {
  const own = plan.stages.filter(
    ({ id, region, effect, output }) => region === undefined && !effect && output !== "partial" && !id.includes("/"),
  );
  const names = [...new Set(own.map(({ id }) => id))];
  const inside = plan.stages.some((stage) => stage.name === name && stage.region !== undefined);
  const acts = plan.stages.some((stage) => stage.name === name && stage.effect);
  const onTheWay = plan.about.onTheWay.includes(name);
  const what = onTheWay
    ? noStageOfItsOwn(name)
    : inside
      ? `\`${name}\` stands in a block, where it has many values`
      : acts
        ? `\`${name}\` acts on the world, and gives nothing`
        : `the plan has no stage \`${name}\``;
  const near = inside || acts || onTheWay ? null : nearest(name, names);
  const help = onTheWay ? stageByName(name) : near ? `${flag}${near}` : `stages: ${names.join(", ")}`;
  return report("HR605", { what }, [], { help });
}

/** Rows that cost nothing, or that one stage reads, are computed where they are read. */
export const noStageOfItsOwn = (name: string): string => `\`${name}\` has no stage of its own: whatever reads it computes it on the way`;
export const stageByName = (name: string): string => `where a schedule names its rows they get a stage: schedule apart { ${name}: data }`;

/** Flags of this very program, for help. */
export function programHelp(plan: Plan, own: readonly Flag[]): string {
  const flags = paramFlags(plan.params, own, (name) => summaryOf(plan, name)).map(({ flag }) => flag);
  return flags.length === 0 ? "" : `Params of ${plan.name}:\n\n${describeFlags(flags)}`;
}

function summaryOf(plan: Plan, name: string): string {
  const param = plan.params.find((one) => one.name === name)!;
  const range = param.min !== undefined || param.max !== undefined ? `in ${param.min ?? ""}..${param.max ?? ""}` : "";
  if (param.type === "secret") {
    const variable = `else \`${secretVariable(name)}\` has it`;
    return [
      plan.about.params[name]?.doc ?? "",
      `a file that holds it; ${param.optional ? variable : `${variable}, one of them must be there`}`,
    ]
      .filter((text) => text !== "")
      .join("; ");
  }
  const fallback = param.default === undefined ? (param.optional ? "" : "must be given") : `default ${JSON.stringify(param.default)}`;
  return [plan.about.params[name]?.doc ?? "", range, fallback].filter((text) => text !== "").join("; ");
}

/** With the name in that folder that was likely meant. */
function noFile(problem: FileProblem, params: ReturnType<typeof paramFlags>): Diagnostic {
  const { param, path, beside } = problem;
  const flag = `--${params.find((one) => one.param.name === param)!.flag.name}`;
  const near = problem.what === "missing" ? nearest(basename(path), beside) : null;
  const help = near === null ? {} : { help: `${flag} ${relative(process.cwd(), join(dirname(path), near))}` };
  return report("HR610", { flag, trouble: fileTrouble(problem) }, [], help);
}

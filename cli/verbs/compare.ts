// `headrace compare FILE --schedules a,b,c`: the same program with the same seeds under several schedules, one after another, and what its `fit`
// took and came to under each. Nothing is kept, and nothing that was kept is used.
import { writeFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { compile } from "../../compiler/compile.ts";
import type { CodeStore, Json, Plan } from "../../compiler/plan.ts";
import { architectureText, membersOf } from "../../compiler/plan.ts";
import { nodeSources } from "../../compiler/sources.ts";
import type { Diagnostic } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import { run as runPlan } from "../../runtime/index.ts";
import type { Contender, Sample, TimedCurve } from "../comparison.ts";
import { compared, comparisonPicture, comparisonText, firstMetric } from "../comparison.ts";
import type { Flag } from "../flags.ts";
import { describeFlags, readArguments, readCount } from "../flags.ts";
import { noStage, programHelp, readInvocation } from "../invocation.ts";
import { printProblems } from "../problems.ts";
import { isProblem, oneTarget } from "../program.ts";
import { duration } from "../show.ts";
import { widthOf } from "../terminal.ts";

const flags: readonly Flag[] = [
  { name: "schedules", value: "A,B,…", summary: "schedules of the program, `auto` among them; speed-ups are over the first" },
  { name: "repeat", value: "N", summary: "so often each, in turns; medians are told (default: 1)" },
  { name: "stage", value: "NAME", summary: "which `fit` (default: the first)" },
  { name: "target", value: "METRIC=VALUE", summary: "time to get there (default: the first metric, and what all of them come to)" },
  { name: "picture", value: "FILE.svg", summary: "the curves by time, as one picture" },
  { name: "slots", value: "N", summary: "threads on this machine (default: one a processor)" },
  { name: "json", value: null, summary: "the table as JSON" },
];

const general = `Runs FILE under each schedule, one after another, with the same params, and tells of its \`fit\`: how long it took, when it got to the target,
what it came to, what members exchanged and how stale what they read was, and its speed-up over the first schedule as a share of what the machine
has to give: so many threads of plain arithmetic, measured beside it.

    headrace compare mlp.pipe --schedules auto,average,allreduce --repeat 3 --picture curves.svg

${describeFlags(flags)}
`;

/** With a FILE, its params too. */
export async function help(argv: readonly string[]): Promise<string> {
  const target = oneTarget(readArguments(argv, flags, true), "compare");
  if (isProblem(target)) return general;
  const { plan } = await compile(target.file, { sources: nodeSources(), entry: target.entry });
  return plan ? `${general}${programHelp(plan, flags)}` : general;
}

interface Wanted {
  readonly schedules: readonly string[];
  readonly repeat: number;
  readonly metric: string | null;
  readonly target: number | null;
}

interface Entry {
  readonly schedule: string;
  readonly plan: Plan;
  readonly code: CodeStore;
  /** Id of the fit. */
  readonly stage: string;
}

export async function run(argv: readonly string[]): Promise<number> {
  const lenient = readArguments(argv, flags, true);
  const target = oneTarget(lenient, "compare");
  const wanted = readWanted(lenient);
  if (isProblem(target) || "problems" in wanted) {
    const problems = [...(isProblem(target) ? [target] : []), ...("problems" in wanted ? wanted.problems : [])];
    printProblems(problems, () => null);
    return 3;
  }
  const first = lenient.operands[0]!;
  const sources = nodeSources();
  const entries: Entry[] = [];
  for (const schedule of wanted.schedules) {
    const compiled = await compile(target.file, {
      sources,
      entry: target.entry,
      ...(schedule === "auto" ? {} : { schedule }),
    });
    // Remarks are the same under each.
    printProblems(
      entries.length === 0 ? compiled.diagnostics : compiled.diagnostics.filter(({ severity }) => severity === "error"),
      (file) => sources.read(file),
    );
    if (!compiled.plan) return 3;
    const asked = lenient.flags.get("stage");
    const fit = compiled.plan.stages.find(({ strategy, id }) => strategy.kind === "fit" && (typeof asked !== "string" || id === asked));
    if (!fit) {
      printProblems(
        [
          typeof asked === "string"
            ? noStage(compiled.plan, asked, "--stage ")
            : report("HR605", { what: `${first} has no \`fit\`` }, [], { help: `headrace run ${first} --report run.html` }),
        ],
        () => null,
      );
      return 3;
    }
    entries.push({ schedule, plan: compiled.plan, code: compiled.code, stage: fit.id });
  }
  const rest = argv.toSpliced(argv.indexOf(first), 1);
  const read = await readInvocation({ plans: { auto: entries[0]!.plan }, code: entries[0]!.code }, rest, flags);
  if ("problems" in read) {
    printProblems(read.problems, () => null);
    return 3;
  }
  // Where it can't be written is known before anything runs.
  const picture = lenient.flags.get("picture");
  if (typeof picture === "string") writeFileSync(picture, "");
  const contenders = await contend(entries, wanted.repeat, read.params, read.slots);
  if (typeof contenders === "number") return contenders;
  const metric = wanted.metric ?? firstMetric(contenders);
  const comparison = compared(contenders, metric, wanted.target);
  if (lenient.flags.has("json")) process.stdout.write(`${JSON.stringify(comparison)}\n`);
  else process.stdout.write(`${comparisonText(comparison, widthOf(process.stdout))}\n`);
  if (typeof picture === "string") writeFileSync(picture, comparisonPicture(contenders, comparison, entries[0]!.plan.name));
  return 0;
}

function readWanted(given: ReturnType<typeof readArguments>): Wanted | { readonly problems: readonly Diagnostic[] } {
  const problems: Diagnostic[] = [];
  const schedules = String(given.flags.get("schedules") ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  if (schedules.length === 0)
    problems.push(report("HR605", { what: "`headrace compare` needs schedules" }, [], { help: "--schedules auto,average,allreduce" }));
  const repeat = readCount(given, "repeat");
  if (typeof repeat === "object" && repeat !== null) problems.push(repeat);
  const target = given.flags.get("target");
  const [, metric, value] = typeof target === "string" ? (/^([^=]+)=(.+)$/.exec(target) ?? []) : [];
  if (typeof target === "string" && !Number.isFinite(Number(value ?? "x")))
    problems.push(report("HR605", { what: `\`--target ${target}\` isn't a metric and a number` }, [], { help: "--target loss=0.1" }));
  if (problems.length > 0) return { problems };
  return {
    schedules,
    repeat: typeof repeat === "number" ? repeat : 1,
    metric: metric ?? null,
    target: value === undefined ? null : Number(value),
  };
}

/** In turns, so that a machine that gets slower or faster does so for all. A number: the exit code of what went wrong. */
async function contend(
  entries: readonly Entry[],
  repeat: number,
  params: { readonly [name: string]: Json },
  slots: number | null,
): Promise<readonly Contender[] | number> {
  const samples = entries.map((): Sample[] => []);
  const ceilings = new Map<number, number>();
  const strategies = entries.map(({ plan, stage }) => plan.stages.find(({ id }) => id === stage)!.strategy);
  for (let turn = 0; turn < repeat; turn++) {
    for (const [i, entry] of entries.entries()) {
      const members = membersOf(strategies[i]!);
      const sample = await sampleOf(entry, params, slots);
      if ("message" in sample) {
        process.stderr.write(`${entry.schedule}: ${sample.message}\n`);
        return sample.exitCode;
      }
      samples[i]!.push(sample);
      if (members > 1) ceilings.set(members, Math.max(ceilings.get(members) ?? 0, await ceilingOf(members)));
      process.stderr.write(`${entry.schedule}  ${duration(sample.fitMs)}\n`);
    }
  }
  return entries.map(({ schedule }, i): Contender => {
    const strategy = strategies[i]!;
    const members = membersOf(strategy);
    const runsAs = strategy.kind === "fit" ? architectureText(strategy) : strategy.kind;
    return { schedule, runsAs, members, ceiling: ceilings.get(members) ?? 1, samples: samples[i]! };
  });
}

async function sampleOf(
  { plan, code, stage }: Entry,
  params: { readonly [name: string]: Json },
  slots: number | null,
): Promise<Sample | { readonly message: string; readonly exitCode: number }> {
  const points = new Map<string, { step: number; value: number; atMs: number }[]>();
  const results = new Map<string, number>();
  let beganMs = 0;
  let fitMs = 0;
  const { status, error, outputs } = await runPlan(plan, code, {
    params,
    ...(slots === null ? {} : { slots }),
    onEvent: (event) => {
      if (!("stage" in event) || event.stage !== stage) return;
      if (event.type === "stage.started") beganMs = event.atMs;
      else if (event.type === "stage.finished") fitMs = event.atMs - beganMs;
      else if (event.type === "metric") {
        const known = points.get(event.name) ?? [];
        points.set(event.name, known);
        // They came since the last that was heard.
        const fromMs = known.at(-1)?.atMs ?? 0;
        const spread = (event.atMs - beganMs - fromMs) / Math.max(1, event.values.length);
        event.values.forEach((value, i) => {
          known.push({ step: event.steps[i]!, value, atMs: fromMs + (i + 1) * spread });
        });
      }
    },
  });
  if (status !== "ok") return { message: error?.message ?? status, exitCode: status === "failed" ? 1 : 2 };
  for (const [name, value] of Object.entries(outputs)) if (typeof value === "number") results.set(name, value);
  return { fitMs, curves: new Map([...points].map(([name, told]) => [name, inOrder(told)])), results };
}

/** What members but the first have tracked comes at an epoch's end: no later than what followed it. */
function inOrder(told: readonly { readonly step: number; readonly value: number; readonly atMs: number }[]): TimedCurve {
  const points = [...told].sort((a, b) => a.step - b.step);
  const atMs = points.map((point) => point.atMs);
  for (let i = atMs.length - 2; i >= 0; i--) atMs[i] = Math.min(atMs[i]!, atMs[i + 1]!);
  return { atMs, values: points.map(({ value }) => value) };
}

/** How much more so many threads do than one. */
async function ceilingOf(members: number): Promise<number> {
  const body = `const { parentPort } = require("node:worker_threads");
const work = () => { let x = 1; for (let i = 0; i < 1e8; i++) x = (Math.imul(x, 1103515245) + 12345) | 0; return x; };
work();
const begin = performance.now();
work();
parentPort.postMessage(performance.now() - begin);`;
  const thread = () =>
    new Promise<number>((resolve, reject) => new Worker(body, { eval: true }).once("message", resolve).once("error", reject));
  const alone = await thread();
  const together = await Promise.all(Array.from({ length: members }, thread));
  return (members * alone) / Math.max(...together);
}

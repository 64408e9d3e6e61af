// `headrace logs RUN [STAGE]`: what the stages of a run on a cluster printed.
import type { Plan } from "../../compiler/plan.ts";
import type { Diagnostic } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import { nearest } from "../../lang/suggest.ts";
import type { RunEvent } from "../../runtime/events/events.ts";
import { clusterFlags, findRun, onCluster, readRunOperands, refused } from "../cluster.ts";
import type { Flag } from "../flags.ts";
import { describeFlags, readArguments } from "../flags.ts";
import { printProblems } from "../problems.ts";

const flags: readonly Flag[] = [
  ...clusterFlags,
  { name: "follow", short: "f", value: null, summary: "and what they will print, until the run ends" },
];

export const help = `Prints what the stages of a run on a cluster have printed so far, each line behind its stage; of one STAGE, its lines as they are. The
beginning of the run's name is enough. In a block, STAGE[item] is one of its instances.

${describeFlags(flags)}
`;

/** The stage that is asked for isn't one of the plan. */
class NoStage extends Error {
  readonly problem: Diagnostic;
  constructor(problem: Diagnostic) {
    super(problem.message);
    this.problem = problem;
  }
}

export async function run(argv: readonly string[]): Promise<number> {
  const given = readArguments(argv, flags);
  const problems = readRunOperands(given, "logs RUN", 2);
  if (problems.length > 0) {
    printProblems(problems, () => null);
    return 3;
  }
  return onCluster(given, "logs RUN", async (cluster) => {
    const [name, stage] = given.operands as [string, string | undefined];
    const found = await findRun(cluster, name, "logs");
    if ("code" in found) {
      printProblems([found], () => null);
      return 3;
    }
    const listener = {
      onPlan: (plan: Plan) => {
        const problem = stage === undefined ? null : unknownStage(plan, stage, found.run);
        if (problem) throw new NoStage(problem);
      },
      onEvent: (event: RunEvent) => {
        if (event.type === "log") process.stdout.write(linesOf(event, stage));
      },
    };
    try {
      await (given.flags.has("follow") ? cluster.follow(found.run, listener) : cluster.told(found.run, listener));
      return 0;
    } catch (error) {
      if (!(error instanceof NoStage)) return refused(error);
      printProblems([error.problem], () => null);
      return 3;
    }
  });
}

function unknownStage(plan: Plan, wanted: string, run: string): Diagnostic | null {
  const names = [...new Set([...plan.stages, ...(plan.onFailure?.stages ?? [])].map(({ name }) => name))];
  const name = wanted.replace(/\[[\d.]+\]$/, "");
  if (names.includes(name)) return null;
  return report("HR605", { what: `run ${run} has no stage \`${name}\`` }, [], {
    help: `headrace logs ${run} ${nearest(name, names) ?? names.join(" | ")}`,
  });
}

function linesOf({ name, instance, text }: Extract<RunEvent, { type: "log" }>, stage: string | undefined): string {
  const title = instance === undefined ? name : `${name}[${instance}]`;
  if (stage !== undefined && stage !== name && stage !== title) return "";
  const lines = (text.endsWith("\n") ? text.slice(0, -1) : text).split("\n");
  return lines.map((line) => `${stage === title ? "" : `${title} │ `}${line}\n`).join("");
}

// `headrace workers`: who is there on a cluster, and what each of them leads.
import { report } from "../../lang/diagnostics.ts";
import { clusterFlags, onCluster } from "../cluster.ts";
import type { Flag } from "../flags.ts";
import { describeFlags, readArguments } from "../flags.ts";
import { printProblems } from "../problems.ts";
import { table } from "../table.ts";
import { painter, wantsColor, widthOf } from "../terminal.ts";

const flags: readonly Flag[] = [...clusterFlags, { name: "json", value: null, summary: "one worker a line, as JSON" }];

export const help = `Lists the workers that answer on a cluster: name, slots, labels, and the runs that they lead.

${describeFlags(flags)}
`;

export async function run(argv: readonly string[]): Promise<number> {
  const given = readArguments(argv, flags);
  const problems = [...given.problems];
  const [extra] = given.operands;
  if (extra !== undefined) problems.push(report("HR605", { what: `\`${extra}\` is one argument too many` }, []));
  if (problems.length > 0) {
    printProblems(problems, () => null);
    return 3;
  }
  return onCluster(given, "workers", async (cluster, where) => {
    const [workers, runs] = await Promise.all([cluster.workers(), cluster.runs()]);
    const leads = (name: string) => runs.filter(({ leader, status }) => status === "running" && leader === name).map(({ run }) => run);
    if (given.flags.has("json")) {
      for (const { name, slots, labels, leaving } of workers)
        process.stdout.write(`${JSON.stringify({ name, slots, labels, leaving: leaving !== null, leads: leads(name) })}\n`);
      return 0;
    }
    if (workers.length === 0) {
      process.stderr.write(`no worker answers; this starts one: headrace worker${where}\n`);
      return 0;
    }
    const paint = painter(wantsColor(process.stdout));
    const shown = table(
      [
        { title: "worker", elide: "middle", least: 10 },
        { title: "slots", elide: "end", least: 5 },
        { title: "labels", elide: "end", least: 6 },
        { title: "leads", elide: "end", least: 8 },
      ],
      workers.map(({ name, slots, labels, leaving }) => [
        name,
        String(slots),
        labels.join(" "),
        leaving === null ? leads(name).join(", ") : "is leaving",
      ]),
      widthOf(process.stdout),
    );
    const [head, ...rows] = shown.lines;
    process.stdout.write(`${[paint("dim", head!), ...rows].join("\n")}\n`);
    return 0;
  });
}

// `headrace runs`: the runs of this folder, or of a cluster, the newest first.
import { report } from "../../lang/diagnostics.ts";
import type { RunSummary } from "../../runtime/index.ts";
import { onCluster, urlOf } from "../cluster.ts";
import type { Flag } from "../flags.ts";
import { describeFlags, readArguments, readCount } from "../flags.ts";
import { homeIn } from "../home.ts";
import { printProblems } from "../problems.ts";
import type { RunHead } from "../records.ts";
import { isGoing, listRuns } from "../records.ts";
import { duration } from "../show.ts";
import { table } from "../table.ts";
import { painter, wantsColor, widthOf } from "../terminal.ts";

const flags: readonly Flag[] = [
  { name: "nats", value: "URL", summary: "the runs of that cluster (default: `HEADRACE_NATS`, where it is set)" },
  { name: "creds", value: "FILE", summary: "NATS credentials (default: `HEADRACE_CREDS`)" },
  { name: "local", value: null, summary: "of this folder, though `HEADRACE_NATS` is set" },
  { name: "most", value: "N", summary: "so many (default: 20)" },
  { name: "json", value: null, summary: "one run a line, as JSON" },
];

export const help = `Lists the runs of this folder, the newest first. The last 50 are on record, in .headrace/runs.
With --nats those of a cluster, whoever began them, of the last 30 days.

${describeFlags(flags)}
`;

export async function run(argv: readonly string[]): Promise<number> {
  const given = readArguments(argv, flags);
  const problems = [...given.problems];
  const [extra] = given.operands;
  if (extra !== undefined) problems.push(report("HR605", { what: `\`${extra}\` is one argument too many` }, []));
  const most = readCount(given, "most");
  if (typeof most === "object" && most !== null) problems.push(most);
  if (problems.length > 0) {
    printProblems(problems, () => null);
    return 3;
  }
  const count = typeof most === "number" ? most : 20;
  if (!given.flags.has("local") && urlOf(given) !== null)
    return onCluster(given, "runs", async (cluster, where) => {
      printSummaries((await cluster.runs()).slice(-count).reverse(), given.flags.has("json"), where);
      return 0;
    });
  const { runs } = homeIn();
  const heads = runs === null ? [] : listRuns(runs).slice(0, count);
  if (given.flags.has("json")) {
    for (const head of heads) process.stdout.write(`${JSON.stringify({ ...head, going: isGoing(head) })}\n`);
    return 0;
  }
  if (heads.length === 0) {
    process.stderr.write("no run is on record here; `headrace run FILE` makes one\n");
    return 0;
  }
  const paint = painter(wantsColor(process.stdout));
  const shown = table(
    [
      { title: "run", elide: "middle", least: 10 },
      { title: "began", elide: "end", least: 16 },
      { title: "state", elide: "end", least: 8 },
      { title: "took", elide: "end", least: 6 },
      { title: "tasks", elide: "end", least: 8 },
      { title: "of", elide: "middle", least: 12 },
    ],
    heads.map((head) => [head.id, began(head), state(head), head.end ? duration(head.end.ms) : "", tasks(head), command(head)]),
    widthOf(process.stdout),
  );
  const [head, ...rows] = shown.lines;
  process.stdout.write(`${[paint("dim", head!), ...rows].join("\n")}\n`);
  return 0;
}

function printSummaries(summaries: readonly RunSummary[], json: boolean, where: string): void {
  if (json) {
    for (const summary of summaries) process.stdout.write(`${JSON.stringify(summary)}\n`);
    return;
  }
  if (summaries.length === 0) {
    process.stderr.write(`no run is known there; \`headrace run FILE --detach${where}\` makes one\n`);
    return;
  }
  const paint = painter(wantsColor(process.stdout));
  const shown = table(
    [
      { title: "run", elide: "middle", least: 10 },
      { title: "began", elide: "end", least: 16 },
      { title: "state", elide: "end", least: 8 },
      { title: "took", elide: "end", least: 6 },
      { title: "led by", elide: "middle", least: 8 },
      { title: "of", elide: "middle", least: 12 },
      { title: "why", elide: "end", least: 12 },
    ],
    summaries.map((one) => [
      one.run,
      began({ startedAt: one.submittedAtMs }),
      one.status,
      one.endedAtMs === null ? "" : duration(one.endedAtMs - one.submittedAtMs),
      one.leader ?? "",
      one.file,
      (one.why ?? "").split("\n")[0]!,
    ]),
    widthOf(process.stdout),
  );
  const [head, ...rows] = shown.lines;
  process.stdout.write(`${[paint("dim", head!), ...rows].join("\n")}\n`);
}

/** The local time, to the second. */
function began({ startedAt }: { readonly startedAt: string | number }): string {
  const date = new Date(startedAt);
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

function state(head: RunHead): string {
  return head.end ? head.end.status : isGoing(head) ? "running" : "killed";
}

function tasks({ end }: RunHead): string {
  if (!end) return "";
  return end.reused === 0 ? `${end.ran}` : `${end.ran}, ${end.reused} reused`;
}

const command = ({ file, argv }: RunHead): string => [file, ...argv].join(" ");

// `headrace worker --nats URL`: this machine's slots for runs over NATS, until it is interrupted.
import { availableParallelism, hostname } from "node:os";
import { isLabel } from "../../compiler/plan.ts";
import { report } from "../../lang/diagnostics.ts";
import { startWorker } from "../../runtime/index.ts";
import { clusterFlags, credsOf, needsNats, urlOf } from "../cluster.ts";
import type { Flag } from "../flags.ts";
import { describeFlags, readArguments, readCount } from "../flags.ts";
import { printProblems } from "../problems.ts";

const flags: readonly Flag[] = [
  ...clusterFlags,
  { name: "slots", value: "N", summary: "threads (default: one a processor)" },
  { name: "name", value: "NAME", summary: "what people see of it (default: the machine's name and the process)" },
  { name: "label", value: "A,B", summary: "what schedules may ask for: `train: task { label: gpu }`" },
  { name: "address", value: "HOST", summary: "what other workers reach this machine by (default: where the server sees it)" },
  { name: "no-direct", value: null, summary: "objects go from and to other workers by way of the server alone" },
];

export const help = `Offers this machine to runs over NATS: on each machine start a worker, then \`headrace run FILE --nats URL\` anywhere.\n\n${describeFlags(flags)}\n`;

export async function run(argv: readonly string[]): Promise<number> {
  const given = readArguments(argv, flags);
  const problems = [...given.problems];
  const url = urlOf(given);
  const slots = readCount(given, "slots");
  const labels = String(given.flags.get("label") ?? "")
    .split(",")
    .filter((label) => label !== "");
  if (url === null && problems.length === 0) problems.push(needsNats("worker"));
  if (given.operands.length > 0) problems.push(report("HR605", { what: `\`${given.operands[0]}\` is one argument too many` }, []));
  if (typeof slots === "object" && slots !== null) problems.push(slots);
  const wrong = labels.find((label) => !isLabel(label));
  if (wrong !== undefined) problems.push(report("HR605", { what: `\`${wrong}\` can't be a label: letters, digits, \`_ . -\`` }, []));
  if (problems.length > 0 || url === null || (typeof slots === "object" && slots !== null)) {
    printProblems(problems, () => null);
    return 3;
  }
  const name = String(given.flags.get("name") ?? `${hostname()}-${process.pid}`);
  const address = given.flags.get("address");
  const count = slots ?? availableParallelism();
  const say = (line: string) => void process.stderr.write(`${name}: ${line}\n`);
  let worker: Awaited<ReturnType<typeof startWorker>>;
  try {
    worker = await startWorker({
      ...{ url, slots: count, name, labels, say },
      ...credsOf(given),
      ...(typeof address === "string" ? { address } : {}),
      ...(given.flags.has("no-direct") ? { bulk: "nats" as const } : {}),
    });
  } catch (error) {
    process.stderr.write(`headrace: ${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  }
  say(`ready with ${count} slots at ${url}${labels.length > 0 ? `, label ${labels.join(" ")}` : ""}`);
  let why = "";
  const ended = worker.ended.then((reason) => {
    why = reason;
    return "ended" as const;
  });
  const interrupted = new Promise<"interrupted">((resolve) => {
    process.on("SIGINT", () => {
      // Asked twice, it doesn't wait for anybody.
      process.once("SIGINT", () => process.exit(130));
      resolve("interrupted");
    });
  });
  const asked = new Promise<"asked">((resolve) => {
    worker.onDrain = () => resolve("asked");
    process.on("SIGTERM", () => resolve("asked"));
  });
  let how = await Promise.race([interrupted, asked, ended]);
  if (how === "asked") {
    say("leaving when what it has begun is done, and others have what it holds; Ctrl-C leaves at once");
    how = await Promise.race([interrupted, worker.drain().then(() => "asked" as const), ended]);
  }
  if (how === "ended") {
    say(why);
    await worker.stop();
    return 2;
  }
  say("leaving");
  await worker.stop();
  return 0;
}

// `headrace drain WORKER`: a worker takes nothing new, finishes what it has begun, hands over what it holds, and leaves.
import { report } from "../../lang/diagnostics.ts";
import { nearest } from "../../lang/suggest.ts";
import { clusterFlags, onCluster } from "../cluster.ts";
import { describeFlags, readArguments } from "../flags.ts";
import { printProblems } from "../problems.ts";

export const help = `Has a worker leave a cluster without loss: it takes nothing new, finishes what it has begun, hands over what others need of what it holds,
and ends. SIGTERM does the same.

${describeFlags(clusterFlags)}
`;

export async function run(argv: readonly string[]): Promise<number> {
  const given = readArguments(argv, clusterFlags);
  const problems = [...given.problems];
  const [name, extra] = given.operands;
  if (name === undefined)
    problems.push(report("HR605", { what: "`headrace drain` needs a WORKER" }, [], { help: "headrace workers --nats URL" }));
  if (extra !== undefined) problems.push(report("HR605", { what: `\`${extra}\` is one argument too many` }, []));
  if (problems.length > 0 || name === undefined) {
    printProblems(problems, () => null);
    return 3;
  }
  return onCluster(given, "drain WORKER", async (cluster) => {
    const workers = await cluster.workers();
    const found = workers.filter((one) => one.name === name);
    const names = workers.map((one) => one.name);
    const near = nearest(name, names);
    if (found.length === 0) {
      const help = near ? `headrace drain ${near}` : "headrace workers --nats URL";
      printProblems([report("HR605", { what: `no worker \`${name}\` answers` }, [], { help })], () => null);
      return 3;
    }
    for (const { worker } of found) await cluster.drain(worker);
    process.stderr.write(`${name} leaves when what it has begun is done, and others have what it holds\n`);
    return 0;
  });
}

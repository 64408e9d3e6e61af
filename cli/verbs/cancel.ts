// `headrace cancel RUN`: ends a run on a cluster, for good.
import { clusterFlags, findRun, onCluster, readRunOperands } from "../cluster.ts";
import { describeFlags, readArguments } from "../flags.ts";
import { printProblems } from "../problems.ts";

export const help = `Ends a run on a cluster. Done once nothing can bring the run back; one that is over stays as it is, which is exit code 1. The beginning of its
name is enough.

${describeFlags(clusterFlags)}
`;

export async function run(argv: readonly string[]): Promise<number> {
  const given = readArguments(argv, clusterFlags);
  const problems = readRunOperands(given, "cancel RUN", 1);
  if (problems.length > 0) {
    printProblems(problems, () => null);
    return 3;
  }
  return onCluster(given, "cancel RUN", async (cluster) => {
    const found = await findRun(cluster, given.operands[0]!, "cancel");
    if ("code" in found) {
      printProblems([found], () => null);
      return 3;
    }
    const name = found.run;
    if (found.status === "waiting" && !(await cluster.hasWorker(1000)))
      process.stderr.write(`no worker is there to hear it; run ${name} is cancelled when one comes\n`);
    try {
      await cluster.cancel(name);
    } catch (error) {
      process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
      return 1;
    }
    process.stderr.write(`run ${name} is cancelled\n`);
    return 0;
  });
}

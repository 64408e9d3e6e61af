// `headrace attach RUN`: a run on a cluster as if it had been watched from its beginning, and what came of it.

import { clusterFlags, findRun, onCluster, readRunOperands, refused } from "../cluster.ts";
import type { Flag } from "../flags.ts";
import { describeFlags, readArguments } from "../flags.ts";
import { printProblems } from "../problems.ts";
import type { Showing } from "../showing.ts";
import { shownFlags, showRun } from "../showing.ts";

const flags: readonly Flag[] = [...clusterFlags, ...shownFlags];

export const help = `Shows a run on a cluster from its beginning until it ends, with its results on stdout and its exit code, as \`headrace run\` would have. The
beginning of its name is enough. Ctrl-C leaves the run as it is; \`headrace cancel RUN\` ends it. What a run tells stays for three days.

${describeFlags(flags)}
`;

export async function run(argv: readonly string[]): Promise<number> {
  const given = readArguments(argv, flags);
  const problems = readRunOperands(given, "attach RUN", 1);
  if (problems.length > 0) {
    printProblems(problems, () => null);
    return 3;
  }
  return onCluster(given, "attach RUN", async (cluster, where) => {
    const found = await findRun(cluster, given.operands[0]!, "attach");
    if ("code" in found) {
      printProblems([found], () => null);
      return 3;
    }
    const name = found.run;
    if (found.status === "waiting") process.stderr.write(`run ${name} waits for a worker\n`);
    let showing: Showing | null = null;
    const interrupted = new Promise<"interrupted">((resolve) => {
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve("interrupted"));
    });
    const followed = cluster.follow(name, {
      onPlan: (plan) => {
        showing = showRun({ plan, given, params: null, command: `headrace attach ${name}${where}` });
      },
      onEvent: (event) => showing!.event(event),
    });
    try {
      const result = await Promise.race([followed, interrupted]);
      if (result !== "interrupted") return (showing as Showing | null)!.end(result);
      // Nobody hears any more whether it can be followed.
      followed.catch(() => {});
      process.stderr.write(`\nrun ${name} goes on; to end it: headrace cancel ${name}${where}\n`);
      return 130;
    } catch (error) {
      return refused(error);
    } finally {
      await (showing as Showing | null)?.close();
    }
  });
}

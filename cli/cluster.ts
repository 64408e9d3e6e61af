// From `--nats` and `--creds` to a cluster, and from what was typed to one of its runs; for the verbs that ask a cluster something. Knows
// nothing of what is done with it.
import type { Diagnostic } from "../lang/diagnostics.ts";
import { report } from "../lang/diagnostics.ts";
import { nearest } from "../lang/suggest.ts";
import type { Cluster, RunSummary } from "../runtime/index.ts";
import { openCluster } from "../runtime/index.ts";
import type { Arguments, Flag } from "./flags.ts";
import { printProblems } from "./problems.ts";

export const clusterFlags: readonly Flag[] = [
  { name: "nats", value: "URL", summary: "the NATS server, as nats://localhost:4222 (default: `HEADRACE_NATS`)" },
  { name: "creds", value: "FILE", summary: "NATS credentials (default: `HEADRACE_CREDS`)" },
];

/** The server that was told, or is the default here. */
export function urlOf({ flags }: Arguments): string | null {
  const told = flags.get("nats") ?? process.env.HEADRACE_NATS;
  return typeof told === "string" && told !== "" ? told : null;
}

export function credsOf({ flags }: Arguments): { readonly creds?: string } {
  const told = flags.get("creds") ?? process.env.HEADRACE_CREDS;
  return typeof told === "string" && told !== "" ? { creds: told } : {};
}

/** Without a server to ask, a problem. `use`: the verb, with what it takes. */
export const needsNats = (use: string): Diagnostic =>
  report("HR605", { what: `\`headrace ${use}\` needs \`--nats URL\`, or \`HEADRACE_NATS\`` }, [], {
    help: `headrace ${use} --nats nats://localhost:4222`,
  });

/** `where`: the flags with which another verb asks the same cluster. Gives the exit code; 2 where the cluster can't be asked. */
export async function onCluster(given: Arguments, use: string, ask: (cluster: Cluster, where: string) => Promise<number>): Promise<number> {
  const url = urlOf(given);
  if (url === null) {
    printProblems([needsNats(use)], () => null);
    return 3;
  }
  const where = ["nats", "creds"].flatMap((name) => (given.flags.has(name) ? [` --${name} ${given.flags.get(name)}`] : [])).join("");
  let cluster: Cluster;
  try {
    cluster = await openCluster({ url, ...credsOf(given) });
  } catch (error) {
    return refused(error);
  }
  try {
    return await ask(cluster, where);
  } catch (error) {
    // What the server doesn't let these credentials do.
    if (error instanceof Error && error.name === "NotAllowed") return refused(error);
    throw error;
  } finally {
    await cluster[Symbol.asyncDispose]();
  }
}

/** What the cluster refuses, in its own words. */
export function refused(error: unknown): number {
  process.stderr.write(`headrace: ${error instanceof Error ? error.message : String(error)}\n`);
  return 2;
}

/** The one RUN of a verb; the beginning of its name is enough where no other begins so. */
export async function findRun(cluster: Cluster, name: string, verb: string): Promise<RunSummary | Diagnostic> {
  const runs = await cluster.runs();
  const exact = runs.find(({ run }) => run === name);
  if (exact) return exact;
  const found = runs.filter(({ run }) => run.startsWith(name));
  if (found.length === 1) return found[0]!;
  // Of those that are as near, the newest.
  const names = (found.length > 0 ? found : runs).map(({ run }) => run).reverse();
  if (found.length > 1) {
    const help = names.slice(0, 5).join(", ");
    return report("HR605", { what: `${found.length} runs begin with \`${name}\`` }, [], { help });
  }
  const near = nearest(name, names);
  return report("HR605", { what: `there is no run \`${name}\` on this cluster` }, [], {
    help: near ? `headrace ${verb} ${near}` : "headrace runs --nats URL",
  });
}

/** Operands of a verb that takes a RUN, and perhaps more. */
export function readRunOperands(given: Arguments, use: string, most: number): readonly Diagnostic[] {
  const problems = [...given.problems];
  const [verb] = use.split(" ");
  if (given.operands.length === 0)
    problems.push(report("HR605", { what: `\`headrace ${verb}\` needs a RUN` }, [], { help: "headrace runs --nats URL" }));
  const extra = given.operands[most];
  if (extra !== undefined) problems.push(report("HR605", { what: `\`${extra}\` is one argument too many` }, []));
  return problems;
}

// `headrace up`: a whole cluster on this machine, a NATS server and workers, until it is interrupted. Ends what it started, by process id, and
// nothing else.
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { report } from "../../lang/diagnostics.ts";
import type { Role } from "../../runtime/index.ts";
import { openCluster } from "../../runtime/index.ts";
import { hasKeys, makeKeys, writeCredentials } from "../credentials.ts";
import type { Flag } from "../flags.ts";
import { describeFlags, readArguments, readCount } from "../flags.ts";
import { homeIn } from "../home.ts";
import { findServer, startServer } from "../nats-server.ts";
import { printProblems } from "../problems.ts";
import { Refused } from "../process.ts";

const flags: readonly Flag[] = [
  { name: "workers", value: "N", summary: "worker processes (default: 1)" },
  { name: "slots", value: "N", summary: "threads of each (default: the processors, shared among the workers)" },
  { name: "server", value: "PATH", summary: "the nats-server to start (default: the one on the PATH)" },
  { name: "port", value: "N", summary: "where it listens, on this machine alone (default: a free port)" },
  { name: "secure", value: null, summary: "let in only those with credentials, each with what its role needs" },
  { name: "temporary", value: null, summary: "keep runs in a folder that goes with the cluster, not in .headrace/nats" },
];

export const help = `Starts a cluster on this machine: a NATS server that keeps runs in .headrace/nats, and workers. Prints its URL. Ctrl-C ends it all, twice
at once; runs that weren't done go on with the next \`headrace up\` here.

With --secure the server lets in nobody without credentials. They lie in .headrace/nats/keys, for an admin, for clients, and for each worker;
\`headrace credentials\` makes more.

${describeFlags(flags)}
`;

const READY_LIMIT_MS = 30_000;
const LEAVING_LIMIT_MS = 10_000;

export async function run(argv: readonly string[]): Promise<number> {
  const given = readArguments(argv, flags);
  const problems = [...given.problems];
  const [extra] = given.operands;
  if (extra !== undefined) problems.push(report("HR605", { what: `\`${extra}\` is one argument too many` }, []));
  const [workers, slots, port] = ["workers", "slots", "port"].map((name) => readCount(given, name)) as [
    ReturnType<typeof readCount>,
    ReturnType<typeof readCount>,
    ReturnType<typeof readCount>,
  ];
  for (const one of [workers, slots, port]) if (typeof one === "object" && one !== null) problems.push(one);
  if (typeof port === "number" && port > 65_535)
    problems.push(report("HR602", { flag: "--port", wants: "a port, up to 65535", given: String(port) }, []));
  if (problems.length > 0) {
    printProblems(problems, () => null);
    return 3;
  }
  const count = typeof workers === "number" ? workers : 1;
  const each = typeof slots === "number" ? slots : Math.max(1, Math.floor(availableParallelism() / count));
  const told = given.flags.get("server");
  const binary = findServer(typeof told === "string" ? told : null);
  const { runs } = homeIn();
  const own = given.flags.has("temporary") || runs === null ? mkdtempSync(join(tmpdir(), "headrace-nats-")) : null;
  const crew = new Crew();
  try {
    const folder = own ?? join(dirname(runs!), "nats");
    const names = Array.from({ length: count }, (_, i) => `w${i + 1}`);
    const lock = given.flags.has("secure") ? await lockOf(folder, names) : null;
    if (!lock && hasKeys(join(folder, KEYS)))
      throw new Refused(`the cluster in ${folder} is a secure one: headrace up --secure, or another beside it: headrace up --temporary`);
    const server = await startServer(binary, folder, typeof port === "number" ? port : null, lock?.config ?? null);
    crew.server = server.process;
    // Workers may not make what is kept for all.
    if (lock) await (await openCluster({ url: server.url, creds: lock.admin }))[Symbol.asyncDispose]();
    const ready = names.map((name) => crew.worker(name, each, server.url, lock?.worker(name) ?? null));
    const how = await Promise.race([Promise.all(ready).then(() => "ready" as const), crew.interrupted, crew.broken]);
    if (how === "ready") {
      process.stdout.write(`${server.url}\n`);
      const creds = lock ? ` --creds ${relative(process.cwd(), lock.client)}` : "";
      const what = `${count} ${count === 1 ? "worker" : "workers"} with ${each} ${each === 1 ? "slot" : "slots"}${count === 1 ? "" : " each"}`;
      process.stderr.write(`${what}; Ctrl-C ends it all. In another terminal:\n  headrace run FILE --nats ${server.url}${creds}\n`);
    }
    const end = how === "ready" ? await Promise.race([crew.interrupted, crew.broken]) : how;
    if (end === "interrupted") process.stderr.write("\nending; once more to force\n");
    else process.stderr.write(`headrace: ${end.what}\n`);
    await crew.end();
    return end === "interrupted" ? 0 : 2;
  } finally {
    crew.kill();
    if (own !== null) rmSync(own, { recursive: true, force: true });
  }
}

const KEYS = "keys";

/** Keys and credentials of a secure cluster, which are made where they aren't there yet. */
async function lockOf(folder: string, workers: readonly string[]) {
  const keys = join(folder, KEYS);
  const config = await makeKeys(keys);
  const file = (role: Role, name: string) => join(keys, `${role}-${name}.creds`);
  const wanted: readonly (readonly [Role, string])[] = [
    ["admin", "local"],
    ["client", "local"],
    ...workers.map((name) => ["worker", name] as const),
  ];
  for (const [role, name] of wanted) if (!existsSync(file(role, name))) await writeCredentials(keys, role, name, file(role, name));
  return { config, admin: file("admin", "local"), client: file("client", "local"), worker: (name: string) => file("worker", name) };
}

/** The processes of one cluster. */
class Crew {
  server: ChildProcess | null = null;
  readonly #workers: ChildProcess[] = [];
  readonly interrupted: Promise<"interrupted">;
  /** Something ended that nobody had asked to. */
  readonly broken: Promise<{ readonly what: string }>;
  #break: (what: string) => void = () => {};
  #ending = false;

  constructor() {
    this.broken = new Promise((resolve) => {
      this.#break = (what) => resolve({ what });
    });
    this.interrupted = new Promise((resolve) => {
      for (const signal of ["SIGINT", "SIGTERM"] as const) {
        process.on(signal, () => {
          // Asked twice, it waits for nobody.
          if (this.#ending) process.exit(130);
          this.#ending = true;
          resolve("interrupted");
        });
      }
    });
    process.once("exit", () => this.kill());
  }

  /** Resolves once it is there for runs. */
  async worker(name: string, slots: number, url: string, creds: string | null): Promise<void> {
    this.server!.once("exit", () => this.#break("the nats-server has ended"));
    const args = [process.argv[1]!, "worker", "--nats", url, "--slots", String(slots), "--name", name];
    if (creds !== null) args.push("--creds", creds);
    // Ctrl-C reaches this process alone: the workers leave before the server ends.
    const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"], detached: true });
    this.#workers.push(child);
    child.once("exit", (code, signal) => {
      if (this.#ending) return;
      process.stderr.write(`${name}: ended ${signal === null ? `with exit code ${code}` : `by ${signal}`}\n`);
      if (this.#workers.every(hasEnded)) this.#break("no worker is left");
    });
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => reject(new Refused(`worker ${name} didn't get ready in ${READY_LIMIT_MS / 1000} s`)), READY_LIMIT_MS);
      child.once("exit", () => clearTimeout(late));
      let said = "";
      child.stderr.on("data", (chunk: Buffer) => {
        process.stderr.write(chunk);
        if (said === "ready") return;
        said += chunk.toString();
        if (!said.includes("ready with")) return;
        said = "ready";
        clearTimeout(late);
        resolve();
      });
    });
  }

  /** The workers first, so that what they say of themselves is heard. */
  async end(): Promise<void> {
    this.#ending = true;
    await ended(this.#workers, "SIGINT");
    if (this.server) await ended([this.server], "SIGTERM");
  }

  kill(): void {
    for (const one of [...this.#workers, ...(this.server ? [this.server] : [])]) if (!hasEnded(one)) one.kill("SIGKILL");
  }
}

const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode !== null || signalCode !== null;

/** Asked, and killed where that takes too long. */
async function ended(all: readonly ChildProcess[], signal: NodeJS.Signals): Promise<void> {
  await Promise.all(
    all.map(
      (one) =>
        new Promise<void>((resolve) => {
          if (hasEnded(one)) return resolve();
          const late = setTimeout(() => one.kill("SIGKILL"), LEAVING_LIMIT_MS);
          one.once("exit", () => {
            clearTimeout(late);
            resolve();
          });
          one.kill(signal);
        }),
    ),
  );
}

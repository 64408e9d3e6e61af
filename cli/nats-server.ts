// A `nats-server` as a process of ours: where it is found, how it is started on this machine alone, and what brings one where there is none.
// Knows nothing of workers and runs.
import type { ChildProcess } from "node:child_process";
import { execFileSync, spawn } from "node:child_process";
import { accessSync, constants, existsSync, mkdirSync, readFileSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { Refused } from "./process.ts";

const HOST = "127.0.0.1";
const LISTENING_LIMIT_MS = 10_000;

const ADVICE = `one of these brings a nats-server:
  sudo apt install nats-server                          Debian and Ubuntu
  go install github.com/nats-io/nats-server/v2@latest   with Go
  https://nats.io/download                              a binary, by the project itself
or say where it is: headrace up --server PATH`;

/** Debian puts it where users' PATHs don't reach, and so does Go. */
const usualFolders = (): readonly string[] => [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", join(homedir(), "go", "bin")];

/** Path of one that runs. Throws `Refused` with what to do. */
export function findServer(told: string | null, folders = usualFolders()): string {
  if (told !== null) {
    if (isServer(told)) return told;
    throw new Refused(`\`${told}\` is no nats-server that runs here; ${ADVICE}`);
  }
  const found = folders.map((folder) => join(folder, "nats-server")).find((path) => isExecutable(path) && isServer(path));
  if (found === undefined) throw new Refused(`there is no nats-server on the PATH; ${ADVICE}`);
  return found;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    // The next folder may have it.
    return false;
  }
}

function isServer(path: string): boolean {
  try {
    return execFileSync(path, ["--version"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).includes("nats-server");
  } catch {
    // Missing, not executable, or made for another machine: all of that is said as one.
    return false;
  }
}

export interface OwnServer {
  readonly url: string;
  readonly process: ChildProcess;
}

/**
 * Starts one for this machine alone that keeps all in a folder. `port` null: a free one. `config`: a file of more that it should know. Throws `Refused` where another is at work on that folder, or
 * it doesn't begin to listen.
 */
export async function startServer(binary: string, folder: string, port: number | null, config: string | null): Promise<OwnServer> {
  mkdirSync(folder, { recursive: true });
  const pidFile = join(folder, "nats-server.pid");
  const other = existsSync(pidFile) ? Number(readFileSync(pidFile, "utf8")) : Number.NaN;
  if (other > 0 && isAlive(other))
    throw new Refused(`a nats-server, process ${other}, is at work on ${folder}: end it, or use another folder: headrace up --temporary`);
  const own = port ?? (await freePort());
  // In a process group of its own: Ctrl-C is for whoever started it, who ends it last.
  const child = spawn(
    binary,
    ["-a", HOST, "-p", String(own), "-js", "-sd", folder, "-P", pidFile, ...(config === null ? [] : ["-c", config])],
    {
      stdio: ["ignore", "ignore", "pipe"],
      detached: true,
    },
  );
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-2000);
  });
  const beginMs = performance.now();
  while (!(await isListening(own, child))) {
    const ended = child.exitCode !== null || child.signalCode !== null;
    if (!ended && performance.now() - beginMs < LISTENING_LIMIT_MS) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      continue;
    }
    child.kill("SIGKILL");
    const fatal = said.split("\n").findLast((line) => /\[(FTL|ERR)\]/.test(line)) ?? said.trim().split("\n").at(-1) ?? "";
    throw new Refused(`the nats-server at ${binary} ${ended ? "ended" : "doesn't listen"}: ${fatal.replace(/^.*\[(FTL|ERR)\] /, "")}`);
  }
  return { url: `nats://${HOST}:${own}`, process: child };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, HOST, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}

/** Only while our own is alive: somebody else may have that port. */
async function isListening(port: number, child: ChildProcess): Promise<boolean> {
  const answers = await new Promise<boolean>((resolve) => {
    const socket = createConnection({ port, host: HOST });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
  // One that can't have the port ends within moments.
  if (answers) await new Promise((resolve) => setTimeout(resolve, 100));
  return answers && child.exitCode === null && child.signalCode === null;
}

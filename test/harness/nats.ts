// A real `nats-server` for tests: found on the PATH, else built by Go, else taken from Debian's package; started on a free port
// in a folder of its own. Where none can be had, tests fail and say what is missing.
import type { ChildProcess } from "node:child_process";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const MODULE = "github.com/nats-io/nats-server/v2@v2.15.2";
const cache = fileURLToPath(new URL("../../node_modules/.cache/headrace/nats", import.meta.url));

function runs(command: string, args: readonly string[]): boolean {
  try {
    execFileSync(command, args, { stdio: "ignore" });
    return true;
  } catch {
    // Not there, or not in a state to run: the next way is tried.
    return false;
  }
}

/** Path of the server's binary; the one that `HEADRACE_NATS_SERVER` names, where it names one. */
export function findServer(): string {
  const told = process.env.HEADRACE_NATS_SERVER;
  if (told) {
    if (runs(told, ["--version"])) return told;
    throw new Error(`HEADRACE_NATS_SERVER names \`${told}\`, which is no nats-server that runs here`);
  }
  if (runs("nats-server", ["--version"])) return "nats-server";
  const built = join(cache, "nats-server");
  if (existsSync(built) && runs(built, ["--version"])) return built;
  mkdirSync(cache, { recursive: true });
  const tried: string[] = ["`nats-server` isn't on the PATH"];
  if (runs("go", ["version"])) {
    try {
      execFileSync("go", ["install", MODULE], { env: { ...process.env, GOBIN: cache }, stdio: ["ignore", "ignore", "pipe"] });
      return built;
    } catch (error) {
      tried.push(`\`go install ${MODULE}\` failed: ${error instanceof Error ? error.message : String(error)}`);
    }
  } else tried.push("there is no `go` to build it with");
  if (runs("apt-get", ["--version"]) && runs("dpkg-deb", ["--version"])) {
    try {
      execFileSync("apt-get", ["download", "nats-server"], { cwd: cache, stdio: ["ignore", "ignore", "pipe"] });
      const archive = readdirSync(cache).find((name) => name.endsWith(".deb"));
      if (archive) execFileSync("dpkg-deb", ["-x", archive, cache], { cwd: cache, stdio: "ignore" });
      const unpacked = ["usr/sbin/nats-server", "usr/bin/nats-server"].map((path) => join(cache, path)).find(existsSync);
      if (unpacked) return unpacked;
      tried.push("Debian's package holds no server");
    } catch (error) {
      tried.push(`\`apt-get download nats-server\` failed: ${error instanceof Error ? error.message : String(error)}`);
    }
  } else tried.push("there is no `apt-get`");
  throw new Error(`these tests need a nats-server, and none could be had:\n  ${tried.join("\n  ")}`);
}

export interface NatsServer {
  readonly url: string;
  readonly process: ChildProcess;
  stop(): Promise<void>;
  /** The same server again, on the same port, once it has been away for so long. */
  restart(awayMs?: number): Promise<void>;
}

export async function startNats(): Promise<NatsServer> {
  const binary = findServer();
  const folder = mkdtempSync(join(tmpdir(), "headrace-nats-"));
  const port = await freePort();
  const start = async () => {
    const child = spawn(binary, ["-a", "127.0.0.1", "-p", String(port), "-js", "-sd", folder], { stdio: "ignore" });
    await listening(port, child);
    return child;
  };
  let child = await start();
  const end = (one: ChildProcess) =>
    new Promise<void>((resolve) => {
      if (one.exitCode !== null || one.signalCode !== null) return resolve();
      one.once("exit", () => resolve());
      one.kill("SIGKILL");
    });
  return {
    url: `nats://127.0.0.1:${port}`,
    get process() {
      return child;
    },
    async stop() {
      await end(child);
      rmSync(folder, { recursive: true, force: true });
    },
    async restart(awayMs = 0) {
      await end(child);
      await new Promise((resolve) => setTimeout(resolve, awayMs));
      child = await start();
    },
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}

async function listening(port: number, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (child.exitCode !== null) throw new Error(`the nats-server ended with exit code ${child.exitCode}`);
    const open = await new Promise<boolean>((resolve) => {
      const socket = createConnection({ port, host: "127.0.0.1" });
      socket.once("connect", () => {
        socket.destroy();
        resolve(true);
      });
      socket.once("error", () => resolve(false));
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("the nats-server didn't begin to listen");
}

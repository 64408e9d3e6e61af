// A NATS server and workers of this machine as processes, for measurements and for chaos: started, killed, paused and started again.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connect } from "@nats-io/transport-node";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const cli = here("../dist/cli/main.js");

export async function startCluster() {
  const folder = mkdtempSync(join(tmpdir(), "headrace-bench-"));
  const port = await freePort();
  const url = `nats://127.0.0.1:${port}`;
  const workers = new Map();
  let server = await startServer();
  let made = 0;

  async function startServer() {
    const child = spawn(serverPath(), ["-a", "127.0.0.1", "-p", String(port), "-js", "-sd", folder], { stdio: "ignore" });
    await listening(port);
    return child;
  }

  return {
    url,
    get workers() {
      return [...workers.values()];
    },
    get serverPid() {
      return server.pid;
    },
    async worker(name, slots = 1) {
      const child = spawn(process.execPath, [cli, "worker", "--nats", url, "--slots", String(slots), "--name", name], {
        stdio: ["ignore", "ignore", "pipe"],
      });
      await new Promise((resolve) => child.stderr.on("data", (chunk) => String(chunk).includes("ready with") && resolve()));
      const worker = { name, slots, pid: child.pid, kill: (signal) => void child.kill(signal) };
      workers.set(name, worker);
      return worker;
    },
    /** Of a run that is going on. */
    async leader() {
      const connection = await connect({ servers: `127.0.0.1:${port}` });
      try {
        for await (const message of connection.subscribe("hr.v1.led.*")) {
          const { how, name } = message.json();
          if (how === "leading" && workers.has(name)) return workers.get(name);
        }
        throw new Error("the connection has ended");
      } finally {
        await connection.close();
      }
    },
    others: (leader) => [...workers.values()].filter((worker) => worker !== leader),
    async replace(worker) {
      worker.kill("SIGCONT");
      worker.kill("SIGKILL");
      workers.delete(worker.name);
      await this.worker(`${worker.name[0]}${made++}`, worker.slots);
    },
    async restartServer() {
      const ended = new Promise((resolve) => server.once("exit", resolve));
      server.kill("SIGKILL");
      await ended;
      server = await startServer();
    },
    async stop() {
      for (const worker of workers.values()) worker.kill("SIGKILL");
      server.kill("SIGKILL");
      await new Promise((resolve) => setTimeout(resolve, 100));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Of a process, in megabytes. */
export function memoryMb(pid) {
  const found = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return found ? Number(found[1]) / 1024 : Number.NaN;
}

/** On the PATH, or the one that the tests made. */
function serverPath() {
  if (spawnSync("nats-server", ["--version"]).status === 0) return "nats-server";
  const built = here("../node_modules/.cache/headrace/nats/nats-server");
  if (existsSync(built)) return built;
  throw new Error("there is no nats-server: install one, or run the tests of test/cluster once, which build one");
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

async function listening(port) {
  for (let tries = 0; tries < 200; tries++) {
    const open = await new Promise((resolve) => {
      const socket = createConnection({ port, host: "127.0.0.1" });
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
      socket.once("connect", () => socket.destroy());
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("the nats-server didn't begin to listen");
}

// A NATS server and worker processes for the tests of one file, which are killed, paused and told apart by who leads. Knows no pipeline.
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { connect } from "@nats-io/transport-node";
import { afterAll, afterEach, beforeAll } from "vitest";
import type { Led } from "../../runtime/engines/nats/connect.ts";
import { subjects } from "../../runtime/engines/nats/connect.ts";
import { openCluster } from "../../runtime/engines/nats/engine.ts";
import type { NatsServer } from "./nats.ts";
import { startNats } from "./nats.ts";

const cli = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

export interface TestWorker {
  readonly name: string;
  readonly process: ChildProcess;
  readonly said: () => string;
  kill(signal: NodeJS.Signals): void;
}

export class TestCluster {
  #server: NatsServer | null = null;
  #workers: TestWorker[] = [];

  /** To be made where hooks may be: the server is there for all tests, workers for one. */
  constructor() {
    beforeAll(async () => {
      this.#server = await startNats();
    }, 240_000);
    afterAll(() => this.#server?.stop());
    afterEach(async () => {
      await this.#forgetRuns();
      for (const worker of this.#workers.splice(0)) {
        worker.kill("SIGCONT");
        worker.kill("SIGKILL");
      }
    });
  }

  get server(): NatsServer {
    return this.#server!;
  }
  get url(): string {
    return this.server.url;
  }

  async worker(name: string, slots = 1, env: NodeJS.ProcessEnv = {}, flags: readonly string[] = []): Promise<TestWorker> {
    const child = spawn(process.execPath, [cli, "worker", "--nats", this.url, "--slots", String(slots), "--name", name, ...flags], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, ...env },
    });
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
    const worker = { name, process: child, said: () => said, kill: (signal: NodeJS.Signals) => void child.kill(signal) };
    this.#workers.push(worker);
    await until(() => said.includes("ready with"), `worker ${name} is ready`);
    return worker;
  }

  /** Of the one run that is going on. */
  async leader(): Promise<TestWorker> {
    const connection = await connect({ servers: this.url });
    try {
      for await (const message of connection.subscribe(subjects.allLed)) {
        const led = message.json<Led>();
        const found = led.how === "leading" && this.#workers.find(({ name }) => name === led.name);
        if (found) return found;
      }
      throw new Error("the connection has ended");
    } finally {
      await connection.close();
    }
  }

  /** The worker that leads it gets a signal. */
  async killLeader(signal: NodeJS.Signals): Promise<TestWorker> {
    const leader = await this.leader();
    leader.kill(signal);
    return leader;
  }

  /** A worker that doesn't. */
  async killFollower(signal: NodeJS.Signals): Promise<TestWorker> {
    const leader = await this.leader();
    const follower = this.#workers.find((worker) => worker !== leader && worker.process.exitCode === null)!;
    follower.kill(signal);
    return follower;
  }

  /** What a test that failed left is no other's to finish. */
  async #forgetRuns(): Promise<void> {
    const client = await openCluster({ url: this.url });
    try {
      const open = (await client.runs()).filter(({ status }) => status === "waiting" || status === "running");
      const late = new Promise((resolve) => setTimeout(resolve, 5000));
      await Promise.race([Promise.allSettled(open.map(({ run }) => client.cancel(run))), late]);
    } finally {
      await client[Symbol.asyncDispose]();
    }
  }
}

export async function until(test: () => boolean, what: string, limitMs = 15_000): Promise<void> {
  const begin = performance.now();
  while (!test()) {
    if (performance.now() - begin > limitMs) throw new Error(`waited ${limitMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

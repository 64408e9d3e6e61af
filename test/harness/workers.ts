// Real worker processes of a NATS server, for the tests of one file; those that a test leaves behind end with it. Knows no pipeline.
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll } from "vitest";
import type { NatsServer } from "./nats.ts";
import { startNats } from "./nats.ts";

const cli = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

export interface TestWorker {
  readonly name: string;
  readonly process: ChildProcess;
  readonly said: () => string;
}

export class TestCluster {
  #server: NatsServer | null = null;
  #workers: TestWorker[] = [];

  /** To be made where hooks may be: the server starts before the first test and ends after the last. */
  constructor() {
    beforeAll(async () => {
      this.#server = await startNats();
    }, 240_000);
    afterAll(() => this.#server?.stop());
    afterEach(() => this.endWorkers());
  }

  get url(): string {
    return this.#server!.url;
  }

  async worker(name: string, slots = 1, ...more: readonly string[]): Promise<TestWorker> {
    const child = spawn(process.execPath, [cli, "worker", "--nats", this.url, "--slots", String(slots), "--name", name, ...more], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
    const found = { name, process: child, said: () => said };
    this.#workers.push(found);
    await until(() => said.includes("ready with"), `worker ${name} is ready`);
    return found;
  }

  async workers(...names: readonly string[]): Promise<readonly TestWorker[]> {
    return Promise.all(names.map((name) => this.worker(name)));
  }

  async endWorkers(): Promise<void> {
    const ended = this.#workers.map(({ process: child }) => {
      child.kill("SIGCONT");
      child.kill("SIGKILL");
      return child.exitCode === null && child.signalCode === null ? new Promise((resolve) => child.once("exit", resolve)) : null;
    });
    this.#workers = [];
    await Promise.all(ended);
  }
}

async function until(test: () => boolean, what: string, limitMs = 15_000): Promise<void> {
  const begin = performance.now();
  while (!test()) {
    if (performance.now() - begin > limitMs) throw new Error(`waited ${limitMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

// Workers that leave while runs go on, and workers that schedules ask for by a label: real processes, by what is typed.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { RunEvent, RunResult } from "headrace/engine";
import { compile, natsEngine } from "headrace/engine";
import { describe, expect, it } from "vitest";
import type { TestWorker } from "../harness/cluster.ts";
import { TestCluster, until } from "../harness/cluster.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const cli = here("../../dist/cli/main.js");
const held = here("./fixtures/held.pipe");
const cluster = new TestCluster();

interface Told extends RunResult {
  readonly events: readonly RunEvent[];
}

async function far(
  schedule: string | undefined,
  params: { readonly [name: string]: number },
  at: number,
  disturb: () => void,
): Promise<Told> {
  const { plan, code } = await compile(held, schedule === undefined ? {} : { schedule });
  const events: RunEvent[] = [];
  let done = 0;
  const engine = await natsEngine({ url: cluster.url });
  try {
    const onEvent = (event: RunEvent) => {
      events.push(event);
      if (event.type !== "tasks.finished") return;
      const before = done;
      done += event.count;
      if (before < at && done >= at) disturb();
    };
    return { ...(await engine.run(plan!, code, { params, onEvent })), events };
  } finally {
    await engine[Symbol.asyncDispose]();
  }
}

const typed = (...args: readonly string[]) =>
  promisify(execFile)(process.execPath, [cli, ...args, "--nats", cluster.url]).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: { readonly code: number; readonly stdout: string; readonly stderr: string }) => error,
  );
const timesOf = (events: readonly RunEvent[], stage: string) =>
  events.reduce((sum, event) => sum + (event.type === "tasks.finished" && event.stage === stage ? event.count : 0), 0);
const ended = (worker: TestWorker) => until(() => worker.process.exitCode !== null, `${worker.name} ends`);
const RESULT = { rows: Array.from({ length: 40 }, (_, i) => 1_000_000 + i), bytes: 81 };

describe("a worker that is asked to leave", () => {
  it.each(["by its name", "by SIGTERM"])(
    "finishes what it has, hands over what only it holds, and ends: %s",
    async (how) => {
      // What is made first is made by the only one there.
      const first = await cluster.worker("first");
      let asked: Promise<{ readonly code: number }> | null = null;
      const { outputs, error, events } = await far(undefined, {}, 3, async () => {
        await cluster.worker("second");
        if (how === "by SIGTERM") first.kill("SIGTERM");
        else asked = typed("drain", "first");
      });
      expect(error).toBeNull();
      expect(outputs).toEqual(RESULT);
      if (how !== "by SIGTERM") expect(await asked).toMatchObject({ code: 0 });
      await ended(first);
      expect(first.process.exitCode).toBe(0);
      expect(first.said()).toContain("leaving when what it has begun is done");
      // Nothing was done twice: not what it held, and not what it was at.
      expect(timesOf(events, "blob")).toBe(1);
      expect(timesOf(events, "paced")).toBe(40);
      const gone = events.findIndex((event) => event.type === "worker.lost");
      expect(events[gone]).toMatchObject({ worker: "first", reason: "it has left, as it was asked to", tasks: 0 });
      // It was the leader too, and isn't any more.
      expect(events.some((event) => event.type === "leader.changed" && event.worker === "second")).toBe(true);
      expect(events.slice(gone).some((event) => event.type === "tasks.finished" && event.worker === "second")).toBe(true);
    },
    60_000,
  );

  it("is listed as one that leaves, and another name isn't taken for it", async () => {
    const a = await cluster.worker("a");
    const running = far(undefined, { n: 3, ms: 3000 }, 1, () => void typed("drain", "a"));
    await until(() => a.said().includes("leaving when"), "it is asked");
    expect((await typed("workers")).stdout).toMatch(/^a +1 +is leaving/m);
    expect(await typed("drain", "b")).toMatchObject({ code: 3, stderr: expect.stringContaining("no worker `b` answers") });
    await ended(a);
    await cluster.worker("b");
    expect((await running).error).toBeNull();
  }, 60_000);
});

describe("a label", () => {
  it("is asked for by a schedule: tasks go to those that have it", async () => {
    await cluster.worker("plain", 2);
    const refused = await far("special", {}, 1, () => {});
    expect(refused).toMatchObject({
      status: "infrastructure",
      error: {
        stage: "blob",
        message: expect.stringContaining("it wants workers with the label `gpu`, and the one worker there is hasn't got it"),
      },
    });
    expect(await typed("run", held, "--schedule", "special")).toMatchObject({ code: 2, stderr: expect.stringContaining("--label gpu") });
    await cluster.worker("special", 1, {}, ["--label", "gpu,big"]);
    const { outputs, error, events } = await far("special", {}, 1, () => {});
    expect(error).toBeNull();
    expect(outputs).toEqual(RESULT);
    expect(events.find((event) => event.type === "tasks.finished" && event.stage === "blob")).toMatchObject({ worker: "special" });
    expect((await typed("workers")).stdout).toMatch(/^special +1 +gpu big/m);
  }, 60_000);
});

// Runs over a real NATS server with real worker processes, which are killed, paused and cut off.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { RunEvent, RunResult } from "headrace/engine";
import { compile, localEngine, natsEngine, run } from "headrace/engine";
import { describe, expect, it } from "vitest";
import type { TestWorker } from "../harness/cluster.ts";
import { TestCluster, until } from "../harness/cluster.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const cli = here("../../dist/cli/main.js");
const cluster = new TestCluster();
const worker = (name: string, slots = 1) => cluster.worker(name, slots);

async function program(path: string, options: Parameters<typeof compile>[1] = {}) {
  const { plan, code, diagnostics } = await compile(path, options);
  expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
  return { plan: plan!, code };
}
const digits = here("../../examples/digits/digits.pipe");
const slow = here("./fixtures/slow.pipe");

/** Runs the slow program, and does something to it when some tasks are done. */
async function disturbed(
  at: number,
  disturb: (events: readonly RunEvent[]) => void | Promise<void>,
  params = {},
): Promise<{ result: RunResult; events: RunEvent[] }> {
  const { plan, code } = await program(slow);
  const events: RunEvent[] = [];
  let done = 0;
  let hit = false;
  const engine = await natsEngine({ url: cluster.url });
  try {
    const result = await engine.run(plan, code, {
      params,
      onEvent(event) {
        events.push(event);
        if (event.type !== "tasks.finished") return;
        done += event.count;
        if (done >= at && !hit) {
          hit = true;
          void disturb(events);
        }
      },
    });
    expect(hit).toBe(true);
    return { result, events };
  } finally {
    await engine[Symbol.asyncDispose]();
  }
}
const doubled = (n: number) => Array.from({ length: n }, (_, i) => 2 * i);

describe("over NATS", () => {
  it("digits gives the local result, bit for bit", async () => {
    await worker("a");
    await worker("b");
    const { plan, code } = await program(digits);
    const params = { epochs: 2, seed: 4 };
    const events: RunEvent[] = [];
    const far = await run(plan, code, { params, engine: { nats: cluster.url }, onEvent: (event) => events.push(event) });
    expect(far.error).toBeNull();
    const engine = await localEngine({ slots: 2 });
    const near = await engine.run(plan, code, { params });
    await engine[Symbol.asyncDispose]();
    expect(far.outputs).toEqual(near.outputs);
    // Both worked.
    const busy = new Set(events.flatMap((event) => (event.type === "tasks.finished" ? [event.worker] : [])));
    expect([...busy].sort()).toEqual(["a", "b"]);
    expect(events.at(-1)).toMatchObject({ type: "run.finished", status: "ok" });
  });
  it("iris, whose stages come to life while it runs, gives the local result though a worker is killed", async () => {
    await worker("a");
    const b = await worker("b");
    const { plan, code } = await program(here("../../examples/iris/iris.pipe"));
    const local = await run(plan, code, { slots: 2 });
    let tasks = 0;
    const engine = await natsEngine({ url: cluster.url });
    try {
      const result = await engine.run(plan, code, {
        onEvent(event) {
          if (event.type !== "tasks.finished") return;
          tasks += event.count;
          if (tasks > 1000 && !b.process.killed) b.kill("SIGKILL");
        },
      });
      expect(result.error).toBeNull();
      expect(b.process.killed).toBe(true);
      expect(result.outputs).toEqual(local.outputs);
    } finally {
      await engine[Symbol.asyncDispose]();
    }
  });

  it("a fit in parts gives the local result on one worker, though that worker is killed; where all workers are too few it says so", async () => {
    const { plan, code } = await program(digits, { schedule: "together" });
    const params = { epochs: 6 };
    await worker("small");
    const refused = await run(plan, code, { params, engine: { nats: cluster.url } });
    expect(refused).toMatchObject({
      status: "infrastructure",
      error: { stage: "model", message: expect.stringContaining("start more of them") },
    });
    const local = await run(plan, code, { params, slots: 2 });
    const a = await worker("a", 2);
    await worker("b", 2);
    const result = await run(plan, code, {
      params,
      engine: { nats: cluster.url },
      onEvent(event) {
        if (event.type === "stage.progress" && event.done === 2) a.kill("SIGKILL");
      },
    });
    expect(result.error).toBeNull();
    expect(result.outputs).toEqual(local.outputs);
  }, 60_000);

  it("actors live on all workers, and give what they give locally, though one of their slots ends", async () => {
    const cartpole = here("../../examples/cartpole/cartpole.pipe");
    const { plan, code } = await program(cartpole);
    const params = { actors: 8 };
    const local = await run(plan, code, { params, slots: 2 });
    await worker("a", 2);
    await worker("b", 2);
    const homes = new Set<string>();
    const onEvent = (event: RunEvent) => {
      if (event.type === "tasks.finished" && event.stage === "sims") homes.add(`${event.worker}.${event.slot}`);
    };
    const result = await run(plan, code, { params, engine: { nats: cluster.url }, onEvent });
    expect(result.error).toBeNull();
    expect(result.outputs).toEqual(local.outputs);
    expect(homes.size).toBe(4);

    const counters = here("../actors/fixtures/actors.pipe");
    const lost = await program(counters, { entry: "replayed" });
    const mark = join(mkdtempSync(join(tmpdir(), "headrace-mark-")), "mark");
    const again = await run(lost.plan, lost.code, { params: { mark, how: "exit" }, engine: { nats: cluster.url } });
    expect(again.error).toBeNull();
    expect((again.outputs.all as readonly number[]).slice(-2)).toEqual([58, 59]);
    rmSync(dirname(mark), { recursive: true });
  }, 60_000);

  it.each([
    ["with all calls", "replayed"],
    ["from its last checkpoint", "saved"],
  ])(
    "an actor whose machine is gone is made again on another, %s",
    async (_how, entry) => {
      const { plan, code } = await program(here("../actors/fixtures/actors.pipe"), { entry });
      const folder = mkdtempSync(join(tmpdir(), "headrace-mark-"));
      await worker("a");
      await worker("b");
      const lost: string[] = [];
      const onEvent = (event: RunEvent) => {
        if (event.type === "worker.lost") lost.push(event.reason);
      };
      const params = { mark: join(folder, "mark"), how: "machine" };
      const result = await run(plan, code, { params, engine: { nats: cluster.url }, onEvent });
      expect(result.error).toBeNull();
      // It has happened, and doesn't again.
      expect(existsSync(params.mark)).toBe(true);
      const { outputs } = await run(plan, code, { params });
      // How often it was restored is another matter.
      expect({ ...result.outputs, restored: 0 }).toEqual({ ...outputs, restored: 0 });
      rmSync(folder, { recursive: true });
    },
    60_000,
  );

  it("an actor with a name is refused", async () => {
    const { plan, code } = await program(here("../actors/fixtures/actors.pipe"), { entry: "named" });
    await worker("a");
    const { error } = await run(plan, code, { engine: { nats: cluster.url } });
    expect(error).toMatchObject({ kind: "infrastructure", message: expect.stringContaining("leave `named` out") });
  }, 60_000);

  it("so does a bundle, from an empty folder", async () => {
    await worker("a");
    await worker("b");
    const folder = mkdtempSync(join(tmpdir(), "headrace-bundle-"));
    try {
      const built = join(folder, "digits.mjs");
      execFileSync(process.execPath, [cli, "build", digits, "-o", built], { stdio: "ignore" });
      const outputs = (...args: string[]) => {
        const said = execFileSync(process.execPath, [built, "--epochs", "1", "--seed", "4", "--json", ...args], {
          cwd: folder,
          encoding: "utf8",
        });
        const events: RunEvent[] = said
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line));
        expect(events[0]).toMatchObject({ type: "run.started", engine: args.length > 0 ? "nats" : "local" });
        const last = events.at(-1)!;
        return last.type === "run.finished" ? last.outputs : undefined;
      };
      const far = outputs("--nats", cluster.url);
      expect(far?.accuracy).toBeGreaterThan(0.5);
      expect(far).toEqual(outputs());
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }, 60_000);

  it("a worker that is killed only delays the run", async () => {
    await worker("a");
    await worker("b");
    let name = "";
    const { result, events } = await disturbed(12, async () => {
      name = (await cluster.killFollower("SIGKILL")).name;
    });
    expect(result.error).toBeNull();
    expect(result.outputs).toEqual({ rows: doubled(60), bytes: 4 * 2_000_000 + 6 });
    expect(events.find((event) => event.type === "worker.lost")).toMatchObject({ worker: name, reason: "its process has ended" });
  }, 60_000);

  it("a worker that is paused is given up, and comes back as a new one", async () => {
    await worker("a");
    await worker("b");
    let victim: TestWorker | null = null;
    const disturb = async () => {
      victim = await cluster.killFollower("SIGSTOP");
    };
    const { result, events } = await disturbed(12, disturb, { n: 150 });
    expect(result.error).toBeNull();
    expect(result.outputs).toMatchObject({ rows: doubled(150) });
    expect(events.find((event) => event.type === "worker.lost")).toMatchObject({ worker: victim!.name });
    victim!.kill("SIGCONT");
    await until(() => victim!.said().includes("done with run"), "the paused worker drops the run");
    const { plan, code } = await program(slow);
    const again = await run(plan, code, { params: { n: 20, ms: 5 }, engine: { nats: cluster.url } });
    expect(again.outputs).toMatchObject({ rows: doubled(20) });
  }, 60_000);

  it("a run outlives its server", async () => {
    await worker("a");
    const { result } = await disturbed(12, () => cluster.server.restart());
    expect(result.error).toBeNull();
    expect(result.outputs).toMatchObject({ rows: doubled(60) });
  }, 60_000);

  it("a worker that joins late works too", async () => {
    await worker("a");
    const { result, events } = await disturbed(4, async () => {
      await worker("late");
    });
    expect(result.error).toBeNull();
    expect(events.some((event) => event.type === "tasks.finished" && event.worker === "late")).toBe(true);
  }, 60_000);

  it.each([
    ["straight", [], / [1-9][\d.]* MB straight, 0\.0 MB over NATS/],
    ["over NATS where they can't be reached", ["--no-direct"], / 0\.0 MB straight, [1-9][\d.]* MB over NATS/],
  ])(
    "values larger than any message go between workers %s",
    async (_how, flags, told) => {
      const workers = [await cluster.worker("a", 1, {}, flags), await cluster.worker("b", 1, {}, flags)];
      const { plan, code } = await program(here("./fixtures/moves.pipe"));
      const result = await run(plan, code, { params: { megabytes: 40 }, engine: { nats: cluster.url } });
      expect(result.error).toBeNull();
      expect(Object.values(result.outputs)).toEqual([6 * 10_000_000 + 15]);
      const said = () => workers.map((one) => one.said()).join("\n");
      await until(() => said().includes("pulled "), "they say what was pulled");
      expect(said()).toMatch(told);
      expect(said()).not.toContain("couldn't be pulled");
    },
    60_000,
  );

  it("without a worker or a server says so", async () => {
    const { plan, code } = await program(slow);
    const alone = await run(plan, code, { engine: { nats: cluster.url } });
    expect(alone).toMatchObject({ status: "infrastructure", error: { message: expect.stringContaining("no worker answers") } });
    const nowhere = await run(plan, code, { engine: { nats: "nats://127.0.0.1:1" } });
    expect(nowhere).toMatchObject({ status: "infrastructure", error: { message: expect.stringContaining("no NATS server answers") } });
  }, 30_000);

  it("a worker that is interrupted leaves at once", async () => {
    await worker("a");
    await worker("b");
    let one: TestWorker | null = null;
    const disturb = async () => {
      one = await cluster.killFollower("SIGINT");
    };
    const { result, events } = await disturbed(8, disturb);
    expect(result.outputs).toMatchObject({ rows: doubled(60) });
    expect(events.find((event) => event.type === "worker.lost")).toMatchObject({ worker: one!.name, reason: "it left" });
    await until(() => one!.process.exitCode !== null, "the worker ends");
    expect(one!.process.exitCode).toBe(0);
  }, 60_000);
});

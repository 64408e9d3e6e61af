// `fit` with its members on several workers of one slot each, over a real NATS server: what each architecture gives beside what it gives on one
// machine, and what becomes of it when a worker with a member is killed.
import { fileURLToPath } from "node:url";
import type { RunEvent, RunResult } from "headrace/engine";
import { compile, natsEngine, run } from "headrace/engine";
import { describe, expect, it } from "vitest";
import { TestCluster } from "../harness/cluster.ts";
import { TestEngine } from "../harness/engine.ts";

const fits = fileURLToPath(new URL("../training/fixtures/fits.pipe", import.meta.url));
const layers = fileURLToPath(new URL("../training/fixtures/layers.pipe", import.meta.url));
const cluster = new TestCluster();
const local = new TestEngine(4, "gangs");
const workersOf = (...names: readonly string[]) => Promise.all(names.map((name) => cluster.worker(name)));

type Params = { readonly [name: string]: number };
/** A schedule's name begins with that of its pipeline. */
const entryOf = (schedule: string) => schedule.split("_")[0]!;
const fileOf = (schedule: string) => (entryOf(schedule) === "train" ? layers : fits);

interface Far extends RunResult {
  readonly events: readonly RunEvent[];
}

async function far(schedule: string, params: Params, onEvent: (event: RunEvent) => void = () => {}): Promise<Far> {
  const { plan, code, diagnostics } = await compile(fileOf(schedule), { entry: entryOf(schedule), schedule });
  expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
  const events: RunEvent[] = [];
  const engine = await natsEngine({ url: cluster.url });
  try {
    const result = await engine.run(plan!, code, {
      params,
      onEvent: (event) => {
        events.push(event);
        onEvent(event);
      },
    });
    return { ...result, events };
  } finally {
    await engine[Symbol.asyncDispose]();
  }
}

const near = (schedule: string, params: Params) => local.run(fileOf(schedule), entryOf(schedule), { schedule, params });

/** Every update has been applied once; how far the weights are apart, relative, in L2 norm. */
function distance(a: RunResult, b: RunResult): number {
  const [left, right] = [a, b].map(({ outputs }) => outputs.model as { readonly w: Float64Array; readonly t: number });
  expect(left!.t).toBe(right!.t);
  return Math.hypot(...left!.w.map((value, i) => value - right!.w[i]!)) / Math.hypot(...right!.w);
}

const valuesOf = (events: readonly RunEvent[], name: string) =>
  events.flatMap((event) => (event.type === "metric" && event.name === name ? event.values : []));

const EXACT = ["plain", "plain_allreduce", "plain_average", "plain_every", "plain_ps", "plain_ranges", "train_pipelined", "train_tensor"];
const STALE = ["plain_stale", "plain_async", "plain_downpour"];
const EPOCHS = { rows: 331, epochs: 3 };

describe("over two workers", () => {
  it("what is exact gives the bits of one machine, whatever is combined and however it is cut", async () => {
    await workersOf("a", "b");
    for (const schedule of [...EXACT.slice(1), "model_allreduce", "twice_allreduce", "later_ps", "gaps_ranges", "kept_average"]) {
      const params: Params = schedule.startsWith("train") ? {} : EPOCHS;
      const [here, there] = [await near(schedule, params), await far(schedule, params)];
      expect(there.error, schedule).toBeNull();
      expect(there.outputs, schedule).toEqual(here.outputs);
    }
  }, 120_000);

  it("what isn't learns what it learns on one machine, and nobody is further ahead than it may be", async () => {
    await workersOf("a", "b");
    const params = { rows: 1000, epochs: 12, batch: 10, rate: 0.3 };
    for (const schedule of STALE) {
      const [here, there] = [await near(schedule, params), await far(schedule, params)];
      expect(there.error, schedule).toBeNull();
      expect(distance(there, here), schedule).toBeLessThan(0.3);
      const staleness = valuesOf(there.events, "staleness");
      expect(staleness.length, schedule).toBeGreaterThan(0);
      expect(Math.min(...staleness), schedule).toBeGreaterThanOrEqual(0);
      if (schedule === "plain_stale") expect(Math.max(...staleness)).toBeLessThanOrEqual(2);
    }
  }, 120_000);
});

describe("over more", () => {
  it("three and four members on workers of one and two slots give the bits of one machine", async () => {
    await workersOf("a", "b");
    await cluster.worker("c", 2);
    for (const [schedule, params] of [
      ["model_three", EPOCHS],
      ["train_four", {}],
    ] as const) {
      const [here, there] = [await near(schedule, params), await far(schedule, params)];
      expect(there.error, schedule).toBeNull();
      expect(there.outputs, schedule).toEqual(here.outputs);
    }
  }, 60_000);

  it("so do servers and averages whose members are partly together", async () => {
    await Promise.all([cluster.worker("a", 2), cluster.worker("b", 1), cluster.worker("c", 1)]);
    for (const schedule of ["plain_threeRanges", "plain_fourAverage"]) {
      const [here, there] = [await near(schedule, EPOCHS), await far(schedule, EPOCHS)];
      expect(there.error, schedule).toBeNull();
      expect(there.outputs, schedule).toEqual(here.outputs);
    }
    const params = { rows: 1000, epochs: 12, batch: 10, rate: 0.3 };
    for (const schedule of ["plain_fourStale", "plain_fourAsync", "plain_fourDownpour"]) {
      const [here, there] = [await near(schedule, params), await far(schedule, params)];
      expect(there.error, schedule).toBeNull();
      expect(distance(there, here), schedule).toBeLessThan(0.3);
    }
  }, 120_000);

  it("one that has the slots alone is taken alone", async () => {
    await workersOf("a", "b");
    await cluster.worker("large", 2);
    const { events } = await far("plain_hogwild", EPOCHS);
    const on = events.flatMap((event) => (event.type === "tasks.finished" && event.stage === "model" ? [event.worker] : []));
    expect(new Set(on)).toEqual(new Set(["large"]));
  }, 60_000);

  it("fits of a `for` take their turns", async () => {
    await workersOf("a", "b", "c");
    const [here, there] = [await near("several_allreduce", EPOCHS), await far("several_allreduce", EPOCHS)];
    expect(there.error).toBeNull();
    expect(there.outputs).toEqual(here.outputs);
  }, 60_000);
});

const LONG = { rows: 3000, epochs: 30, batch: 20, rate: 0.3 };

/** Runs it, and does something once it is well under way. How often it began anew, by what it told of its epochs. */
async function disturbed(
  schedule: string,
  params: Params,
  disturb: (joined: readonly string[]) => unknown,
): Promise<{ result: Far; again: number }> {
  const joined: string[] = [];
  const done: number[] = [];
  let hit = false;
  const result = await far(schedule, params, (event) => {
    if (event.type === "worker.joined") joined.push(event.worker);
    if (event.type !== "stage.progress") return;
    done.push(event.done);
    if (event.done < 3 || hit) return;
    hit = true;
    void disturb(joined);
  });
  expect(hit).toBe(true);
  return { result, again: done.filter((epoch, i) => epoch < (done[i - 1] ?? 0)).length };
}

describe("a worker is killed in the middle", () => {
  it.each([...EXACT.slice(1), ...STALE])(
    "%s ends in what it would have given",
    async (schedule) => {
      const workers = await workersOf("a", "b", "c");
      const params: Params = schedule.startsWith("train") ? { epochs: 30 } : LONG;
      const here = await near(schedule, params);
      // Nobody else has anything to do: members begin on those that came first.
      const { result, again } = await disturbed(schedule, params, (joined) =>
        workers.find(({ name }) => name === joined[1])!.kill("SIGKILL"),
      );
      expect(result.error).toBeNull();
      expect(again).toBe(1);
      if (STALE.includes(schedule)) expect(distance(result, here)).toBeLessThan(0.3);
      else expect(result.outputs).toEqual(here.outputs);
    },
    90_000,
  );

  it("and leads the run: with a member all begin again, without one they go on", async () => {
    await workersOf("a", "b", "c");
    const here = await near("plain_every", LONG);
    const led: { leader?: string } = {};
    let isMember = false;
    const { result, again } = await disturbed("plain_every", LONG, async (joined) => {
      const members = joined.slice(0, 2);
      led.leader = (await cluster.killLeader("SIGKILL")).name;
      isMember = members.includes(led.leader);
    });
    expect(result.error).toBeNull();
    expect(result.outputs).toEqual(here.outputs);
    expect(again).toBe(isMember ? 1 : 0);
  }, 90_000);
});

describe("what a member does", () => {
  it("is told wherever it was", async () => {
    await workersOf("a", "b");
    const thrown = await far("failing_allreduce", {});
    expect(thrown.error).toMatchObject({ stage: "model", message: expect.stringMatching(/^no more of 1[67]$/) });
    const left = await far("leaving_allreduce", {});
    expect(left.error).toMatchObject({ stage: "model", name: "WorkerLost", message: expect.stringContaining("process.exit(3)") });
    expect((await far("plain_allreduce", EPOCHS)).error).toBeNull();
  }, 60_000);
});

describe("too few", () => {
  it("are told, with what to do", async () => {
    await workersOf("a", "b");
    const three = await far("model_three", EPOCHS);
    expect(three).toMatchObject({
      status: "infrastructure",
      error: { stage: "model", message: expect.stringContaining("all workers together have 2 slots: start more of them") },
    });
    const shared = await far("plain_hogwild", EPOCHS);
    expect(shared).toMatchObject({
      status: "infrastructure",
      error: { stage: "model", message: expect.stringContaining("no worker has more than 1 slot: start one with --slots 2") },
    });
  }, 60_000);

  it("workers that can't reach each other are named, with what to do", async () => {
    // Of a network that is nobody's.
    await cluster.worker("a", 1, {}, ["--address", "198.51.100.7"]);
    await cluster.worker("b", 1, {}, ["--address", "203.0.113.7"]);
    const { status, error } = await far("plain_allreduce", EPOCHS);
    expect(status).toBe("infrastructure");
    expect(error?.message).toMatch(/^the workers [ab] and [ab] can't reach each other: .*--address/);
  }, 60_000);
});

it("a fit of one part goes anywhere", async () => {
  await workersOf("a");
  const { plan, code } = await compile(fits, { entry: "plain" });
  const result = await run(plan!, code, { params: EPOCHS, engine: { nats: cluster.url } });
  expect(result.error).toBeNull();
  expect(result.outputs).toEqual((await local.run(fits, "plain", { params: EPOCHS })).outputs);
}, 30_000);

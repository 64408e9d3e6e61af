// Runs whose leader is killed or paused: another worker goes on with them, and nothing that was finished is done again.
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { RunEvent, RunResult } from "headrace/engine";
import { compile, localEngine, natsEngine } from "headrace/engine";
import { describe, expect, it } from "vitest";
import { TestCluster, until } from "../harness/cluster.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const cluster = new TestCluster();

interface Told extends RunResult {
  readonly events: readonly RunEvent[];
}

/** Runs it on the cluster; `disturb` is told of each event. */
async function far(
  file: string,
  options: Parameters<typeof compile>[1],
  params: { readonly [name: string]: number | string },
  disturb: (event: RunEvent) => void,
): Promise<Told> {
  const { plan, code } = await compile(file, options);
  const events: RunEvent[] = [];
  const engine = await natsEngine({ url: cluster.url });
  try {
    const onEvent = (event: RunEvent) => {
      events.push(event);
      disturb(event);
    };
    return { ...(await engine.run(plan!, code, { params, onEvent })), events };
  } finally {
    await engine[Symbol.asyncDispose]();
  }
}

async function near(
  file: string,
  options: Parameters<typeof compile>[1],
  params: { readonly [name: string]: number | string },
): Promise<RunResult["outputs"]> {
  const { plan, code } = await compile(file, options);
  const engine = await localEngine({ slots: 2 });
  const { outputs, error } = await engine.run(plan!, code, { params });
  expect(error).toBeNull();
  await engine[Symbol.asyncDispose]();
  return outputs;
}

/** Once, when so many tasks are done. */
function when(tasks: number, then: () => unknown): (event: RunEvent) => void {
  let done = 0;
  return (event) => {
    if (event.type !== "tasks.finished" || done >= tasks) return;
    done += event.count;
    if (done >= tasks) void then();
  };
}

/** How often each task was told to be finished. */
function tellings(events: readonly RunEvent[]): readonly number[] {
  const told = new Map<string, number>();
  for (const event of events) {
    if (event.type !== "tasks.finished") continue;
    for (let i = event.first; i < event.first + event.count; i++) {
      const task = `${event.stage} ${event.instance ?? ""} ${i}`;
      told.set(task, (told.get(task) ?? 0) + 1);
    }
  }
  return [...told.values()];
}

const slow = here("./fixtures/slow.pipe");

describe("a leader", () => {
  it.each(["SIGKILL", "SIGSTOP", "SIGINT"] as const)(
    "that gets %s is followed by another, and nothing is done twice",
    async (signal) => {
      for (const name of ["a", "b", "c"]) await cluster.worker(name);
      const params = { n: 90, ms: 100 };
      const { outputs, error, events } = await far(
        slow,
        {},
        params,
        when(20, () => cluster.killLeader(signal)),
      );
      expect(error).toBeNull();
      expect(outputs).toEqual(await near(slow, {}, { n: 90, ms: 0 }));
      expect(events.filter(({ type }) => type === "leader.changed")).toHaveLength(1);
      expect(Math.max(...tellings(events))).toBe(1);
    },
    60_000,
  );

  it("that goes again and again is followed again and again", async () => {
    for (const name of ["a", "b", "c", "d"]) await cluster.worker(name);
    let kills = 0;
    const { outputs, error, events } = await far(slow, {}, { n: 120, ms: 100 }, (event) => {
      if (event.type === "tasks.finished" && event.stage === "rows" && event.first > 20 * (kills + 1) && kills < 3) {
        kills++;
        void cluster.killLeader("SIGKILL");
      }
    });
    expect(error).toBeNull();
    expect(outputs).toEqual(await near(slow, {}, { n: 120, ms: 0 }));
    expect(events.filter(({ type }) => type === "leader.changed").length).toBeGreaterThanOrEqual(3);
  }, 60_000);

  it("that dies of an effect: the next one has it done again, under the same key", async () => {
    const folder = mkdtempSync(join(tmpdir(), "headrace-notes-"));
    const file = join(folder, "notes");
    await cluster.worker("a");
    const running = far(here("./fixtures/notes.pipe"), {}, { file }, () => {});
    await until(() => existsSync(file), "the effect is under way");
    await cluster.worker("b");
    const { error, events } = await running;
    expect(error).toBeNull();
    expect(events.some(({ type }) => type === "leader.changed")).toBe(true);
    const keys = readFileSync(file, "utf8").trim().split("\n");
    expect(keys).toEqual([keys[0], keys[0]]);
    rmSync(folder, { recursive: true });
  }, 60_000);

  it("of a run whose stages come to life while it goes on is killed", async () => {
    const iris = here("../../examples/iris/iris.pipe");
    for (const name of ["a", "b"]) await cluster.worker(name, 2);
    const { outputs, error, events } = await far(
      iris,
      {},
      {},
      when(1500, () => cluster.killLeader("SIGKILL")),
    );
    expect(error).toBeNull();
    expect(events.some(({ type }) => type === "leader.changed")).toBe(true);
    expect(outputs).toEqual(await near(iris, {}, {}));
  }, 60_000);

  it.each([undefined, "together"])(
    "of a fit is killed, under the schedule %s",
    async (schedule) => {
      const digits = here("../../examples/digits/digits.pipe");
      const options = schedule === undefined ? {} : { schedule };
      for (const name of ["a", "b"]) await cluster.worker(name, 2);
      let hit = false;
      const { outputs, error, events } = await far(digits, options, { epochs: 6 }, (event) => {
        if (event.type !== "stage.progress" || event.done < 2 || hit) return;
        hit = true;
        void cluster.killLeader("SIGKILL");
      });
      expect(error).toBeNull();
      expect(events.some(({ type }) => type === "leader.changed")).toBe(true);
      expect(outputs).toEqual(await near(digits, options, { epochs: 6 }));
    },
    60_000,
  );
});

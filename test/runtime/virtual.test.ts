// The real driver, core and store over workers on a virtual clock: seeded plans, times, losses, and engines that are killed in the middle, whose
// next run goes on from what they left. HEADRACE_DRIVES=20000 tries so many seeds.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from "vitest";
import type { Plan } from "../../compiler/plan.ts";
import type { DriverResult } from "../../runtime/engines/driver.ts";
import { drive } from "../../runtime/engines/driver.ts";
import { WorkerPool } from "../../runtime/engines/pool.ts";
import { Recall } from "../../runtime/engines/recall.ts";
import { ResultStore } from "../../runtime/results/store.ts";
import { randomTrial } from "./trial.ts";
import type { Ran } from "./virtual-host.ts";
import { VirtualHost } from "./virtual-host.ts";

const SEEDS = Number(process.env.HEADRACE_DRIVES ?? 2000);
/** Of virtual time. */
const LONGEST_MS = 60_000;

let folder: string;
beforeAll(() => vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance"] }));
afterAll(() => void vi.useRealTimers());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "headrace-virtual-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Driven {
  /** Null: the engine was killed before its end. */
  readonly result: DriverResult | null;
  readonly began: readonly Ran[];
  /** Those whose end the engine has heard of, and told. */
  readonly told: readonly Ran[];
  readonly tookMs: number;
}

async function driven(plan: Plan, results: string | null, dice: () => number, faults: boolean, killAtMs: number | null): Promise<Driven> {
  const began: Ran[] = [];
  const told: Ran[] = [];
  const pool = new WorkerPool();
  const hosts: VirtualHost[] = [];
  const join = () => {
    const host = new VirtualHost(
      `w${hosts.length}`,
      2 + (dice() % 2),
      dice,
      (task) => began.push(task),
      (task) => told.push(task),
    );
    hosts.push(host);
    pool.add(host, () => {});
  };
  join();
  join();
  const store = results === null ? null : new ResultStore(results);
  const recall = new Recall(plan, {}, { keep: null, store, fresh: false });
  let result: DriverResult | null = null;
  const running = drive(
    pool,
    plan,
    {},
    { engine: "local", run: "r", params: {}, check: false, onEvent: () => {}, signal: undefined, recall },
  );
  let failure: unknown = null;
  void running.then(
    (one) => {
      result = one;
    },
    (error: unknown) => {
      failure = error;
    },
  );
  const beginMs = performance.now();
  const alive = () => [...hosts.keys()].filter((index) => pool.workers.has(index));
  try {
    while (!result && !failure && performance.now() - beginMs < LONGEST_MS) {
      await vi.advanceTimersByTimeAsync(1 + (dice() % 10));
      if (killAtMs !== null && performance.now() - beginMs >= killAtMs) break;
      const luck = dice();
      const some = alive();
      if (!faults || result) continue;
      const host = hosts[some[luck % Math.max(1, some.length)] ?? -1];
      if (luck < 30) host?.die(true);
      else if (luck < 80) host?.loseSlot(luck % host.slots);
      if (alive().length < 2 || (luck > 970 && alive().length < 5)) join();
    }
    if (failure) throw failure;
    return { result, began, told, tookMs: performance.now() - beginMs };
  } finally {
    // Whoever is killed says nothing any more.
    for (const host of hosts) {
      host.die(false);
      for (const how of ["placed", "missing", "failed"] as const) pulls[how] += host.pulls[how];
    }
    // Nor does a killed engine look at the clock: what is left of many would slow each later one down.
    vi.clearAllTimers();
    store?.close();
  }
}

/** How objects came from worker to worker, in all of them. */
const pulls = { placed: 0, missing: 0, failed: 0 };

const named = ({ key, block }: Ran) => `${key}#${block}`;

it(`${SEEDS} seeds: losses change no result, and a killed engine's next run does nothing again that was told to be finished`, async () => {
  let [killed, restored, left, blamed] = [0, 0, 0, 0];
  for (const how of ["placed", "missing", "failed"] as const) pulls[how] = 0;
  // A task under which workers die by chance three times is blamed for it, as it should be.
  const isBlamed = ({ result }: Driven) => result?.status === "failed" && result.error?.name === "WorkerLost" && ++blamed > 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const trial = randomTrial(seed);
    if (!trial) {
      left++;
      continue;
    }
    // What a stage is stands in its body, as for any plan that was compiled.
    const plan: Plan = { ...trial.plan, stages: trial.plan.stages.map((stage, value) => ({ ...stage, body: { op: "const", value } })) };
    let at = 0;
    const dice = () => trial.dice[at++ % trial.dice.length]!;
    const why = `seed ${seed}`;
    const calm = await driven(plan, null, dice, false, null);
    expect(calm.result?.status, why).toBe("ok");
    const results = join(folder, String(seed));
    const first = await driven(plan, results, dice, seed % 3 !== 0, seed % 2 === 0 ? null : calm.tookMs * (0.2 + (seed % 7) / 10));
    if (isBlamed(first)) continue;
    if (first.result) expect(first.result.outputs, why).toEqual(calm.result!.outputs);
    else killed++;
    // Without losses nothing has to be made again.
    const faults = seed % 5 === 0;
    const next = await driven(plan, results, dice, faults, null);
    if (faults && isBlamed(next)) continue;
    expect(next.result?.status, why).toBe("ok");
    expect(next.result?.outputs, why).toEqual(calm.result!.outputs);
    if (faults) continue;
    const done = new Set(first.told.filter(({ key }) => key !== null).map(named));
    restored += done.size;
    expect(
      next.began.filter((task) => task.key !== null && done.has(named(task))).map(({ title }) => title),
      why,
    ).toEqual([]);
  }
  expect(killed).toBeGreaterThan(SEEDS / 10);
  expect(restored).toBeGreaterThan(SEEDS);
  expect(left).toBeLessThan(SEEDS / 10);
  expect(blamed).toBeLessThanOrEqual(SEEDS / 200);
  expect(pulls.placed).toBeGreaterThan(SEEDS);
  expect(pulls.failed).toBeGreaterThan(SEEDS / 10);
}, 600_000);

// The local engine with real hosts, which are killed, and stages that fail.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Engine, RunEvent } from "headrace/engine";
import { compile, KeptResults, localEngine, ParamError } from "headrace/engine";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const file = fileURLToPath(new URL("./fixtures/faults.pipe", import.meta.url));
let engine: Engine;
let folder: string;
beforeAll(async () => {
  engine = await localEngine({ slots: 2 });
  folder = mkdtempSync(join(tmpdir(), "headrace-local-"));
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function program(options: { entry?: string; schedule?: string } = { entry: "faults" }) {
  const { plan, code, diagnostics } = await compile(file, { entry: "faults", ...options });
  expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
  return { plan: plan!, code };
}
const result = (n: number) => ({ sum: (n * (n - 1)) / 2, size: n });

/** Process ids of this process's hosts. */
function hosts(): number[] {
  return execFileSync("pgrep", ["-P", String(process.pid), "-f", "host-main"], { encoding: "utf8" })
    .trim()
    .split("\n")
    .map(Number);
}

describe("local engine", () => {
  it("a host killed in the middle changes nothing but the time", async () => {
    const { plan, code } = await program();
    const events: RunEvent[] = [];
    let killed = false;
    const { status, outputs, error } = await engine.run(plan, code, {
      onEvent(event) {
        events.push(event);
        if (event.type !== "tasks.finished" || !event.stage.startsWith("sum") || killed) return;
        killed = true;
        for (const pid of hosts()) process.kill(pid, "SIGKILL");
      },
    });
    expect(error).toBeNull();
    expect(status).toBe("ok");
    expect(outputs).toEqual(result(40));
    expect(events.filter(({ type }) => type === "worker.lost")).toHaveLength(1);
    expect(events.some((event) => event.type === "worker.lost" && event.reason.includes("SIGKILL"))).toBe(true);
    // What only the dead host held was made again.
    expect(events.some(({ type }) => type === "object.lost")).toBe(true);
  }, 30_000);

  it("an AbortSignal cancels, and the engine is ready for more", async () => {
    const { plan, code } = await program();
    const stop = new AbortController();
    const started = performance.now();
    setTimeout(() => stop.abort(), 150);
    const { status } = await engine.run(plan, code, { params: { n: 400, ms: 50 }, signal: stop.signal });
    expect(status).toBe("cancelled");
    expect(performance.now() - started).toBeLessThan(5000);
    expect((await engine.run(plan, code, { params: { n: 5, ms: 1 } })).outputs).toEqual(result(5));
    expect((await engine.run(plan, code, { signal: AbortSignal.abort() })).status).toBe("cancelled");
  }, 30_000);

  it("runs beside each other don't mix", async () => {
    const { plan, code } = await program();
    const sizes = [3, 17, 30, 8];
    const results = await Promise.all(sizes.map((n) => engine.run(plan, code, { params: { n, ms: 2 } })));
    expect(results.map(({ outputs }) => outputs)).toEqual(sizes.map(result));
    expect(new Set(results.map(({ run }) => run)).size).toBe(4);
  }, 30_000);

  it("values that are kept aren't made again, until something that they were made from changes", async () => {
    const digits = fileURLToPath(new URL("../../examples/digits/digits.pipe", import.meta.url));
    const { plan, code } = await compile(digits);
    const keep = new KeptResults();
    const run = async (params: { [name: string]: number }) => {
      const ran = new Set<string>();
      const reused: string[] = [];
      const { outputs } = await engine.run(plan!, code, {
        params,
        keep,
        onEvent: (event) => {
          if (event.type === "tasks.finished") ran.add(event.stage);
          if (event.type === "stage.reused") reused.push(event.name);
        },
      });
      return { outputs, ran: [...ran].sort(), reused: reused.sort() };
    };
    const first = await run({ epochs: 1, seed: 5 });
    expect(first.ran).toEqual(["accuracy", "accuracy/blocks", "loadDigits", "model"]);
    const second = await run({ epochs: 1, seed: 5 });
    expect(second).toEqual({ outputs: first.outputs, ran: [], reused: ["accuracy", "model"] });
    const other = await run({ epochs: 1, seed: 6 });
    expect(other.ran).toEqual(first.ran);
    expect(other.outputs).not.toEqual(first.outputs);
    // Without what is kept it is the same.
    expect((await engine.run(plan!, code, { params: { epochs: 1, seed: 6 } })).outputs).toEqual(other.outputs);
  }, 30_000);

  it("long tasks that were taken for short ones are shared out", async () => {
    const { plan, code } = await compile(fileURLToPath(new URL("./fixtures/skew.pipe", import.meta.url)));
    const long = [0, 0];
    const { outputs } = await engine.run(plan!, code, {
      onEvent: (event) => {
        if (event.type !== "tasks.finished") return;
        const { first, count, slot } = event;
        long[slot]! += Math.max(0, Math.min(first + count, 9100) - Math.max(first, 9000));
      },
    });
    expect(outputs.result).toEqual(Array.from({ length: 12_000 }, (_, x) => x));
    expect(long[0]! + long[1]!).toBe(100);
    expect(Math.min(...long)).toBeGreaterThan(10);
  }, 30_000);

  it("a task that takes far longer than its like gets a second copy, and the first to be done counts", async () => {
    const { plan, code } = await program({ entry: "straggling" });
    // Only what nobody could tell has run twice gets one, and a file can tell.
    const functions = Object.fromEntries(Object.entries(plan.functions).map(([id, { reaches: _reaches, ...one }]) => [id, one]));
    let tasks = 0;
    const { status, outputs, ms } = await engine.run({ ...plan, hash: "", functions }, code, {
      params: { flag: join(folder, "stalled") },
      onEvent: (event) => {
        if (event.type === "tasks.finished") tasks += event.count;
      },
    });
    expect(status).toBe("ok");
    expect(outputs.result).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(tasks).toBe(12);
    expect(ms).toBeLessThan(30_000);
    // The slot that hangs is free again.
    const again = await engine.run(plan, code, { params: { flag: join(folder, "stalled") } });
    expect(again.status).toBe("ok");
  }, 60_000);

  it("data(1) keeps to one slot", async () => {
    const { plan, code } = await program({ schedule: "patient" });
    const slots = new Set<number>();
    await engine.run(plan, code, {
      params: { n: 10, ms: 2 },
      onEvent: (event) => {
        if (event.type === "tasks.finished" && event.stage.startsWith("sum/")) slots.add(event.slot);
      },
    });
    expect(slots.size).toBe(1);
  });

  it("a TransientError is tried again, and each attempt is told", async () => {
    const { plan, code } = await program({ entry: "retried" });
    const count = join(folder, "attempts");
    const failures: RunEvent[] = [];
    const { status, outputs } = await engine.run(plan, code, {
      params: { flag: count },
      onEvent: (event) => {
        if (event.type === "task.failed") failures.push(event);
      },
    });
    expect([status, outputs.result]).toEqual(["ok", 2]);
    expect(readFileSync(count, "utf8")).toBe("3");
    expect(failures).toMatchObject([
      { attempt: 1, retried: true, error: { name: "TransientError", message: "attempt 1" } },
      { attempt: 2, retried: true },
    ]);
  });

  it("a task that kills its host three times is blamed, and the engine lives", async () => {
    const { plan, code } = await program({ entry: "killed" });
    const { status, error } = await engine.run(plan, code, {});
    expect(status).toBe("failed");
    expect(error).toMatchObject({ stage: "x", message: expect.stringContaining("3 times") });
    const { plan: good, code: goodCode } = await program();
    expect((await engine.run(good, goodCode, { params: { n: 4, ms: 1 } })).outputs).toEqual(result(4));
  }, 30_000);

  it("a number of rows that can't be is a failure of its stage", async () => {
    const { plan, code } = await compile(fileURLToPath(new URL("../cluster/fixtures/slow.pipe", import.meta.url)));
    const events: RunEvent[] = [];
    const result = await engine.run(plan!, code, { params: { n: -3 }, onEvent: (event) => events.push(event) });
    expect(result).toMatchObject({ status: "failed", error: { stage: "rows", message: expect.stringContaining("not -3") } });
    expect(events.map(({ type }) => type)).toEqual(["run.started", "run.finished"]);
  });

  it("params that the plan doesn't have, or of another type, are misuse", async () => {
    const { plan, code } = await program();
    await expect(engine.run(plan, code, { params: { m: 1 } })).rejects.toThrow(ParamError);
    await expect(engine.run(plan, code, { params: { n: 1.5 } })).rejects.toThrow("`n` is int, not 1.5");
    const cold = await localEngine({ slots: 1 });
    await expect(cold.run(plan, {}, {})).rejects.toThrow("lacks the slice");
    await cold[Symbol.asyncDispose]();
  });
});

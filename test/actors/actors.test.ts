// Actors in real slots and hosts: where they live, in which order they are asked, and what happens when what they live in is lost.
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { RunResult } from "headrace/engine";
import { describe, expect, it, vi } from "vitest";
import { TestEngine } from "../harness/engine.ts";

const file = fileURLToPath(new URL("./fixtures/actors.pipe", import.meta.url));
const engine = new TestEngine(3, "actors");

const run = (entry: string, params: { [name: string]: number | string } = {}, results?: string) =>
  engine.run(file, entry, { params, results });

async function outputs(entry: string, params: { [name: string]: number | string } = {}, results?: string): Promise<RunResult["outputs"]> {
  const result = await run(entry, params, results);
  expect(result.error).toBeNull();
  return result.outputs;
}

let marks = 0;
const mark = () => join(engine.folder, `mark${marks++}`);
const sums = (numbers: readonly number[]) => numbers.map((_, i) => numbers.slice(0, i + 1).reduce((sum, one) => sum + one, 0));
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);

describe("actors", () => {
  it("are asked in the order of the text, whatever reads what they give", async () => {
    expect(await outputs("order")).toEqual({ last: 36, first: [1, 3, 6], all: [1, 2, 3, 10, 20] });
  });

  it.each([1, 4, 7])("%i of a pool live evenly spread, and whichever is free is asked", async (n) => {
    const { threads, spread, asked, nothing } = await outputs("pools", { n });
    const counts = [...new Set(threads as number[])].map((thread) => (threads as number[]).filter((one) => one === thread).length);
    expect(counts).toHaveLength(Math.min(n, 3));
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    expect({ spread, asked }).toEqual({ spread: 200, asked: 200 + n });
    const all = (nothing as number[]).reduce((sum, one) => sum + one, 0);
    expect(all).toBe(1000 * n + (199 * 200) / 2);
  });

  it("keep their state through rounds, items and branches, and live as long as their own instance", async () => {
    expect(await outputs("regions")).toEqual({ rounds: 7, items: 12, branch: [1, 1, 1], inner: [2, 4, 6] });
  });

  it("own the memory that they keep", async () => {
    expect(await outputs("memory")).toEqual({ given: 0, kept: [1, 2] });
  });

  it("are asked side by side where that changes nothing", async () => {
    const { rows, most } = await outputs("beside");
    expect(rows).toBe(40);
    expect(most).toBeGreaterThan(10);
  });

  it("an effect that is given what an actor gives is one", async () => {
    const path = mark();
    await outputs("noted", { mark: path });
    expect(readFileSync(path, "utf8")).toBe("1\n3\n");
  });

  it("wait for a call that is tried again", async () => {
    expect(await outputs("again")).toEqual({ rows: [1, 2, 3, 4, 5, 6], order: [0, 1, 2, 3, 4, 5] });
  });

  it("name themselves where a call throws", async () => {
    const { error } = await run("failing");
    expect(error).toMatchObject({
      name: "Error",
      message: "3 is too large",
      block: 3,
      actor: { name: "pool", methods: ["boom"], call: expect.any(Number) },
    });
    expect(error!.stack[0]).toMatch(/Plain\.boom \(\S*counters\.ts:\d+:\d+\)/);
  });
});

it.each(["few", "counted"])("%s: a pool of none is an error, and nobody waits for it", async (entry) => {
  expect(await outputs(entry, { n: 2 })).toEqual({ result: 1 });
  expect((await run(entry, { n: 0 })).error?.message).toContain("a pool has at least one actor");
});

describe("an actor that is lost", () => {
  it.each(["exit", "kill"])("ends the run where it is asked again: %s", async (how) => {
    const { status, error } = await run("lost", { mark: mark(), how });
    expect(status).toBe("failed");
    expect(error).toMatchObject({ name: "ActorLost", kind: "lost" });
    expect(error!.message).toMatch(/^`pool\[\d\]`, an actor of `Plain`, is gone with its state/);
    // Whose doing it was that a whole host ended nobody can say.
    if (how === "exit") expect(error!.message).toContain(" during a call of `addOr` by `result");
  });

  it("is nobody's loss where nobody asks it any more", async () => {
    expect(await outputs("done", { mark: mark(), how: "kill" }, join(engine.folder, "done"))).toEqual({ result: 61 });
  });

  it.each(["exit", "kill"])("is made again with its calls: %s", async (how) => {
    const { rows, all, members } = await outputs("replayed", { mark: mark(), how }, join(engine.folder, how));
    expect({ rows, all, members }).toEqual({ rows: sums(upTo(60)), all: upTo(60), members: [2, 2, 2, 2, 62, 62, 62, 62] });
    // Slots tidy up when the run is over.
    await vi.waitFor(() => expect(readdirSync(join(engine.folder, how)).filter((name) => name.endsWith(".calls"))).toEqual([]), 5000);
  });

  it("goes on from its last checkpoint", async () => {
    const total = sums(sums(upTo(6000))).at(-1);
    expect(await outputs("saved", { mark: mark(), how: "kill" }, join(engine.folder, "saved"))).toEqual({
      ...{ rows: total, last: (5999 * 6000) / 2 },
      restored: 1,
    });
  });

  it("of a name goes on in the next run", async () => {
    const here = join(engine.folder, "named");
    for (const wanted of [2, 4, 6]) expect(await outputs("named", {}, here)).toEqual({ result: wanted });
    expect((await run("named")).error).toMatchObject({ kind: "infrastructure" });
  });
});

it("the engine is killed: the next run makes them anew, and asks them from the start", async () => {
  const here = join(engine.folder, "killed");
  const script = fileURLToPath(new URL("./fixtures/killed.mjs", import.meta.url));
  expect(() => execFileSync(process.execPath, [script, file, here], { stdio: "ignore" })).toThrow();
  const { rows } = await outputs("replayed", {}, here);
  expect(rows).toEqual(sums(upTo(60)));
}, 30_000);

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Expr } from "../../compiler/plan.ts";
import { writeColumn } from "../../runtime/objects/codec.ts";
import { call, input, plan, TestHost } from "./harness.ts";

const module = `
export const double = (x) => x * 2;
export const later = async (x) => { await new Promise((done) => setTimeout(done, 5)); return x + 1; };
export const picky = (x) => { if (x === 3) throw new RangeError("not 3"); return x; };
export const busy = (x) => { if (x % 4 === 3) throw Object.assign(new Error("busy"), { name: "TransientError" }); return "row " + x; };
export const say = (x) => { console.log("saw", x); console.error("warned"); process.stdout.write("raw\\n"); return x; };
export const slow = (x) => { const end = performance.now() + 8; while (performance.now() < end); return x; };
export const long = (ms) => { const end = performance.now() + ms; while (performance.now() < end); return ms; };
export const give = () => Math.max;
export const count = (batch) => { slow(0); return batch.length; };
export const next = (w) => w + 1;
export const sum = (xs, more) => xs.reduce((a, b) => a + b, 0) + more;
`;
const value = { kind: "value", stage: 0 } as const;
const fit: Expr = {
  op: "fit",
  carried: [{ name: "w", field: "w", init: { op: "const", value: 0 } }],
  eachEpoch: [],
  batch: "batch",
  over: { op: "data", name: "batches", source: { op: "dataset", list: input(0) }, args: { n: { op: "const", value: 1 } } },
  epochs: { op: "const", value: 3 },
  body: [
    { kind: "let", name: "n", value: call("count", { op: "local", name: "batch" }), at: "worker" },
    { kind: "track", name: "rows", value: { op: "combine", name: "mean", partials: { op: "local", name: "n" }, by: null }, at: "update" },
    { kind: "next", name: "w", value: call("next", { op: "local", name: "w" }), at: "update" },
  ],
};
const program = plan(
  { double: {}, later: { async: true }, picky: {}, busy: {}, say: {}, slow: {}, long: {}, give: {}, sum: {}, count: {}, next: {} },
  [
    { id: "double", body: call("double", input(0)), inputs: [value] },
    { id: "later", body: call("later", input(0)), inputs: [value] },
    { id: "picky", body: call("picky", input(0)), inputs: [value] },
    { id: "busy", body: call("busy", input(0)), inputs: [value] },
    { id: "say", body: call("say", input(0)), inputs: [value] },
    { id: "slow", body: call("slow", input(0)), inputs: [value] },
    { id: "give", body: call("give") },
    { id: "sum", body: call("sum", input(0), input(1)), inputs: [value, value] },
    { id: "fit", body: fit, inputs: [value] },
    { id: "long", body: call("long", input(0)), inputs: [value] },
  ],
  module,
);
const numbers = (first: number, count: number) => [
  { kind: "column", column: writeColumn(Array.from({ length: count }, (_, index) => first + index)) } as const,
];

describe("tasks in slots", () => {
  let host: TestHost;
  let run = 0;
  beforeAll(async () => {
    host = await TestHost.start(2);
  });
  afterAll(async () => {
    await host.link.close();
  });
  const begin = () => {
    host.prepare(++run, program, module);
    return run;
  };

  it("runs batches on each slot and answers with columns", async () => {
    const run = begin();
    host.assign(run, 0, { first: 0, count: 1000, slot: 0, inputs: numbers(0, 1000) });
    host.assign(run, 0, { first: 1000, count: 1000, slot: 1, inputs: numbers(1000, 1000) });
    await host.finished(run, 0, 2000);
    expect([...host.values(run, 0).entries()].every(([block, value]) => value === block * 2)).toBe(true);
    expect(host.values(run, 0).size).toBe(2000);
  });

  it("waits for asynchronous functions", async () => {
    const run = begin();
    host.assign(run, 1, { count: 3, inputs: numbers(0, 3) });
    await host.finished(run, 1, 3);
    expect([...host.values(run, 1).values()]).toEqual([1, 2, 3]);
  });

  it("goes on behind a task that fails", async () => {
    const run = begin();
    host.assign(run, 2, { count: 6, inputs: numbers(0, 6) });
    await host.finished(run, 2, 5);
    const failed = await host.one("failed", (message) => message.run === run);
    expect(failed).toMatchObject({ stage: 2, block: 3, transient: false });
    expect(failed.error).toMatchObject({ kind: "thrown", name: "RangeError", message: "not 3", stage: "picky", block: 3 });
    expect([...host.values(run, 2).keys()]).toEqual([0, 1, 2, 4, 5]);
  });

  it("tells failures that may pass from others, by name", async () => {
    const run = begin();
    host.assign(run, 3, { count: 8, inputs: numbers(0, 8) });
    await host.finished(run, 3, 6);
    // The last one may come behind the last that went well.
    const transient = () => host.all("failed").filter((message) => message.run === run && message.transient);
    await host.until("two failures", () => transient().length >= 2);
    expect(transient()).toHaveLength(2);
    expect(host.values(run, 3).get(4)).toBe("row 4");
  });

  it("hands on what code prints, with its stage", async () => {
    const run = begin();
    host.assign(run, 4, { inputs: numbers(7, 1) });
    await host.finished(run, 4);
    const logs = host.all("log").filter((message) => message.run === run && message.stage === 4);
    const text = (stream: string) =>
      logs
        .filter((message) => message.stream === stream)
        .map((message) => message.text)
        .join("");
    expect(text("stdout")).toBe("saw 7\nraw\n");
    expect(text("stderr")).toBe("warned\n");
  });

  it("answers a long assignment in several, and gives back what hasn't begun", async () => {
    const run = begin();
    host.assign(run, 5, { count: 500, inputs: numbers(0, 500) });
    await host.one("finished", (message) => message.run === run);
    host.link.send({ type: "recall", run, slot: 0, stage: 5, first: 0, count: 500, attempt: 0 });
    const recalled = await host.one("recalled", (message) => message.run === run);
    expect(recalled.first + recalled.count).toBe(500);
    expect(recalled.count).toBeGreaterThan(0);
    await host.finished(run, 5, recalled.first);
    expect(host.values(run, 5).size).toBe(recalled.first);
  });

  it("gives back what waits behind a task that never looks up", async () => {
    const run = begin();
    host.assign(run, 9, { inputs: numbers(400, 1) });
    host.assign(run, 0, { inputs: numbers(1, 1) });
    host.assign(run, 0, { first: 1, inputs: numbers(1, 1) });
    host.link.send({ type: "recall", run, slot: 0, stage: 0, first: 1, count: 1, attempt: 0 });
    await host.one("recalled", (message) => message.run === run && message.count === 1);
    expect(host.all("finished").filter((message) => message.run === run)).toEqual([]);
    // It is not done behind the back of whoever has it now; the same task may come here again.
    await host.finished(run, 0, 1);
    expect([...host.values(run, 0).keys()]).toEqual([0]);
    host.assign(run, 0, { first: 1, inputs: numbers(1, 1) });
    await host.finished(run, 0, 2);
    // Told before any answer of what stood behind it, or the engine would take that for another's.
    for (let turn = 0; turn < 50; turn++) {
      const run = begin();
      host.assign(run, 9, { inputs: numbers(0, 1) });
      host.assign(run, 0, { first: 0, inputs: numbers(1, 1) });
      host.assign(run, 0, { first: 1, inputs: numbers(1, 1) });
      host.link.send({ type: "recall", run, slot: 0, stage: 0, first: 0, count: 1, attempt: 0 });
      await host.one("recalled", (message) => message.run === run);
      await host.finished(run, 0, 1 - host.all("recalled").at(-1)!.count + 1);
      const ofRun = host.heard.filter((message) => "run" in message && message.run === run);
      const back = ofRun.findIndex((message) => message.type === "recalled" && message.count === 1);
      const behind = ofRun.findIndex((message) => message.type === "finished" && message.stage === 0 && message.first === 1);
      if (back >= 0) expect(back).toBeLessThan(behind);
    }
    // Too late: nothing of it hasn't begun.
    host.link.send({ type: "recall", run, slot: 0, stage: 0, first: 1, count: 1, attempt: 0 });
    await host.one("recalled", (message) => message.run === run && message.count === 0);
  });

  it("names a value that can't leave", async () => {
    const run = begin();
    host.assign(run, 6);
    const { error } = await host.one("failed", (message) => message.run === run);
    expect(error.kind).toBe("unsendable");
    expect(error.message).toContain("a function");
  });

  it("provides a value once for many tasks", async () => {
    const run = begin();
    host.provide(run, "xs", [1, 2, 3]);
    host.assign(run, 7, { count: 4, inputs: [{ kind: "provided", key: "xs" }, numbers(0, 4)[0]!] });
    await host.finished(run, 7, 4);
    expect([...host.values(run, 7).values()]).toEqual([6, 7, 8, 9]);
  });

  it("tells tracked numbers and epochs while code runs that never lets go of its thread", async () => {
    const run = begin();
    host.provide(run, "xs", [1, 2, 3, 4]);
    host.assign(run, 8, { inputs: [{ kind: "provided", key: "xs" }] });
    await host.finished(run, 8);
    const heard = host.heard.filter((message) => "run" in message && message.run === run);
    const points = host.all("metric").filter((message) => message.run === run);
    expect(points.length).toBeGreaterThan(1);
    expect(points.flatMap(({ steps }) => [...steps])).toEqual(Array.from({ length: 12 }, (_, step) => step));
    expect(points.flatMap(({ values }) => [...values])).toEqual(Array.from({ length: 12 }, () => 1));
    expect(host.all("progress").at(-1)).toMatchObject({ run, stage: 8, done: 3, total: 3 });
    expect(heard.at(-1)!.type).toBe("finished");
    expect(host.values(run, 8).get(0)).toBe(12);
  });

  it("forgets a finished run, and ends a task of it that goes on", async () => {
    const run = begin();
    const endless = plan({ spin: {} }, [{ id: "spin", body: call("spin") }], "export const spin = () => { for (;;); };");
    host.prepare(run, endless, "export const spin = () => { for (;;); };");
    host.assign(run, 0, { slot: 1 });
    await new Promise((resolve) => setTimeout(resolve, 50));
    host.link.send({ type: "finish", run });
    const lost = await host.one("slotLost");
    expect(lost).toMatchObject({ slot: 1, reason: { kind: "cancelled" } });
    const next = begin();
    host.assign(next, 0, { slot: 1, inputs: numbers(21, 1) });
    await host.finished(next, 0);
    expect(host.values(next, 0).get(0)).toBe(42);
  });
});

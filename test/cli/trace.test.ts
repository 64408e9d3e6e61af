// A run's events as a trace: by the rules of the format, whatever order answers came in.
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import type { RunEvent } from "headrace/engine";
import { compile, run } from "headrace/engine";
import { expect, it } from "vitest";
import { createTrace } from "../../cli/trace.ts";

interface Entry {
  readonly ph: string;
  readonly name: string;
  readonly ts?: number;
  readonly dur?: number;
  readonly pid: number;
  readonly tid: number;
  readonly args: { readonly [key: string]: unknown };
}

function traced(events: readonly RunEvent[], whole = true): { readonly text: string; readonly entries: readonly Entry[] } {
  let text = "";
  const trace = createTrace((piece) => {
    text += piece;
  });
  for (const event of events) trace.event(event);
  if (whole) trace.close();
  return { text, entries: JSON.parse(whole ? text : `${text}]`) };
}
const tasks = (of: Partial<Extract<RunEvent, { type: "tasks.finished" }>>): RunEvent => ({
  ...{ type: "tasks.finished", atMs: 10, stage: "a", worker: "w", slot: 0, first: 0, count: 1, startMs: 0, runMs: 10, ...of },
});

it("has a process a worker, a thread a slot, and a slice a batch of tasks", () => {
  const { entries } = traced([
    { type: "worker.joined", atMs: 0, worker: "w", slots: 2 },
    tasks({ first: 4, count: 3, slot: 1, startMs: 1.5, runMs: 2 }),
    tasks({ instance: "3.1", worker: "late" }),
    { type: "metric", atMs: 5, stage: "model", name: "loss", steps: [1, 2], values: [0.5, 0.25] },
    { type: "run.finished", atMs: 20, status: "ok", ms: 20 },
  ]);
  expect(entries.filter(({ ph }) => ph === "M").map(({ args }) => args.name)).toEqual([
    "worker w",
    "slot 0",
    "slot 1",
    "worker late",
    "slot 0",
  ]);
  const slices = entries.filter(({ ph }) => ph === "X");
  expect(slices[0]).toMatchObject({ name: "a", ts: 1500, dur: 2000, pid: 1, tid: 1, args: { blocks: "4…6", tasks: 3 } });
  expect(slices[1]).toMatchObject({ name: "a[3.1]", pid: 2 });
  expect(entries.find(({ ph }) => ph === "C")).toMatchObject({ name: "model loss", args: { loss: 0.25 } });
});

it("slices of a thread never overlap, and none is shorter than nothing", () => {
  const batches = fc.array(fc.tuple(fc.nat(2), fc.double({ min: 0, max: 100, noNaN: true }), fc.double({ min: 0, max: 50, noNaN: true })));
  fc.assert(
    fc.property(batches, (made) => {
      const ends = new Map<number, number>();
      for (const { ph, tid, ts = 0, dur = 0 } of traced(made.map(([slot, startMs, runMs]) => tasks({ slot, startMs, runMs }))).entries) {
        if (ph !== "X") continue;
        expect(ts).toBeGreaterThanOrEqual(ends.get(tid) ?? 0);
        expect(dur).toBeGreaterThanOrEqual(0);
        ends.set(tid, ts + dur);
      }
    }),
  );
});

it("that lacks its end, as of a run that was killed, is one all the same", () => {
  expect(traced([tasks({})], false).entries).toHaveLength(3);
  expect(traced([]).entries).toEqual([]);
});

it("of a real run accounts for each of its tasks", async () => {
  const file = fileURLToPath(new URL("../runtime/fixtures/skew.pipe", import.meta.url));
  const { plan, code } = await compile(file);
  const events: RunEvent[] = [];
  await run(plan!, code, { params: { n: 500 }, slots: 2, onEvent: (event) => events.push(event) });
  const { entries } = traced(events);
  const slices = entries.filter(({ ph, name }) => ph === "X" && name !== "run");
  expect(slices.reduce((sum, { args }) => sum + Number(args.tasks), 0)).toBe(500);
}, 30_000);

it("has a mark where another worker leads the run, which isn't a process of its own", () => {
  const joined: RunEvent = { type: "worker.joined", atMs: 0, worker: "w", slots: 1 };
  const { entries } = traced([joined, { type: "leader.changed", atMs: 5, worker: "w", epoch: 2 }, { ...joined, atMs: 6 }]);
  expect(entries.filter(({ ph }) => ph === "i")).toEqual([expect.objectContaining({ name: "w leads the run now", ts: 5000, pid: 1 })]);
  expect(entries.filter(({ name }) => name === "process_name")).toHaveLength(1);
});

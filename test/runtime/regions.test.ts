// Plans with regions on the local engine: real hosts, which are killed; results as a fault-free run gives them.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Engine, RunEvent } from "headrace/engine";
import { localEngine } from "headrace/engine";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { block, blocks, call, constant, done, input, item, items, param, plus, program, sum, value } from "./programs.ts";

let engine: Engine;
let folder: string;
beforeAll(async () => {
  engine = await localEngine({ slots: 2 });
  folder = mkdtempSync(join(tmpdir(), "headrace-regions-"));
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

function hosts(): number[] {
  return execFileSync("pgrep", ["-P", String(process.pid), "-f", "host-main"], { encoding: "utf8" })
    .trim()
    .split("\n")
    .map(Number);
}

const NESTED = `
export function upTo(n) { return Array.from({ length: n }, (_, i) => i); }
export function weigh(x, y) { return x * 100 + y; }
`;
/** For each x of a list, for each y below x: x·100 + y; summed for each x. */
function nested(list: number[], weigh = "weigh", module = NESTED) {
  return program(
    [
      items("xs", constant(list)),
      items("ys", call("upTo", input(0)), { region: 0, inputs: [item(0)] }),
      { id: "weight", region: 1, inputs: [item(0), item(1)], body: call(weigh, input(0), input(1)) },
      {
        id: "weights",
        region: 0,
        tasks: { kind: "each", of: 1, region: 1 },
        inputs: [value(2)],
        body: input(0),
        output: "row",
        strategy: { kind: "data", slots: null },
      },
      { id: "total", region: 0, inputs: [blocks(3)], body: sum(input(0)) },
      {
        id: "totals",
        tasks: { kind: "each", of: 0, region: 0 },
        inputs: [item(0), value(4)],
        body: {
          op: "record",
          fields: [
            { name: "x", value: input(0) },
            { name: "total", value: input(1) },
          ],
        },
        output: "row",
        strategy: { kind: "data", slots: null },
      },
    ],
    { results: [5], module },
  );
}
const nestedResult = (list: number[]) => list.map((x) => ({ x, total: x * x * 100 + (x * (x - 1)) / 2 }));

describe("regions", () => {
  it("a for in a for, with a reduction inside", async () => {
    const list = [3, 0, 5, 1, 8];
    const { plan, code } = nested(list);
    const { error, outputs } = await engine.run(plan, code, {});
    expect(error).toBeNull();
    expect(outputs.totals).toEqual(nestedResult(list));
  });

  it("a host killed in the middle of it changes nothing but the time", async () => {
    const list = Array.from({ length: 30 }, (_, i) => i % 7);
    // Values too large for messages lie in the host, and are lost with it.
    const { plan, code } = nested(
      list,
      "weighAsync",
      `export function upTo(n) { return Array.from({ length: n }, (_, i) => i); }
      export async function weighAsync(x, y) { await new Promise((resolve) => setTimeout(resolve, 5)); return x * 100 + y; }`,
    );
    const large = program(
      [
        ...plan.stages.slice(0, 5),
        { id: "big", region: 0, inputs: [value(4)], body: call("blowUp", input(0)) },
        {
          id: "totals",
          tasks: { kind: "each", of: 0, region: 0 },
          inputs: [item(0), value(5)],
          body: { op: "list", items: [input(0), call("shrink", input(1)), input(1)] },
          output: "row",
          strategy: { kind: "data", slots: null },
        },
        {
          id: "sizes",
          tasks: { kind: "perBlock", of: 6 },
          inputs: [block(6)],
          body: {
            op: "data",
            name: "map",
            source: input(0),
            args: { f: { op: "lambda", parameters: ["r"], body: call("small", { op: "local", name: "r" }) } },
          },
          output: "block",
          strategy: { kind: "data", slots: null },
        },
      ],
      {
        results: [7],
        module: `${Object.values(code)[0]!.module}
          export function blowUp(x) { return new Float64Array(20_000).fill(x); }
          export function shrink(x) { return x[19_999]; }
          export function small(row) { return [row[0], row[1], row[2].length]; }`,
      },
    );
    const run = async (kill: boolean) => {
      const events: RunEvent[] = [];
      let killed = !kill;
      const result = await engine.run(large.plan, large.code, {
        onEvent(event) {
          events.push(event);
          if (killed || event.type !== "tasks.finished" || event.stage !== "totals") return;
          killed = true;
          for (const pid of hosts()) process.kill(pid, "SIGKILL");
        },
      });
      expect(result.error).toBeNull();
      return { events, outputs: result.outputs };
    };
    const { events, outputs } = await run(true);
    expect(events.some(({ type }) => type === "worker.lost")).toBe(true);
    expect(outputs.sizes).toEqual(list.map((x) => [x, x * x * 100 + (x * (x - 1)) / 2, 20_000]));
    expect((await run(false)).outputs).toEqual(outputs);
  }, 60_000);

  it("a loop that carries a value, with rows worked on in parallel inside", async () => {
    const { plan, code } = program(
      [
        { id: "start", body: constant(1) },
        { id: "w", region: 0, tasks: { kind: "given" } },
        {
          id: "parts",
          region: 0,
          tasks: { kind: "range", rows: { kind: "const", value: 6 }, blocks: { kind: "const", value: 3 } },
          inputs: [{ kind: "range" }, value(1)],
          body: {
            op: "fold",
            name: "sum",
            source: {
              op: "data",
              name: "map",
              source: input(0),
              args: { f: { op: "lambda", parameters: ["r"], body: call("times", { op: "local", name: "r" }, input(1)) } },
            },
            by: null,
          },
          output: "partial",
          strategy: { kind: "data", slots: null },
        },
        { id: "next", region: 0, inputs: [blocks(2)], body: { op: "combine", name: "sum", partials: input(0), by: null } },
        {
          id: "decision",
          region: 0,
          inputs: [value(3), { kind: "iteration", region: 0 }],
          body: {
            op: "if",
            condition: call("large", input(0)),
            then: constant(1),
            else: { op: "if", condition: call("last", input(1)), then: constant(2), else: constant(0) },
          },
        },
        { id: "loop", tasks: { kind: "loop", region: 0, carried: [{ given: 1, init: 0, next: 3, final: 6 }], decision: 4 } },
        { id: "w.final", tasks: { kind: "given" } },
        { id: "report", inputs: [value(6)], body: plus(input(0), constant(0.5)) },
      ],
      {
        results: [6, 7],
        module:
          "export function times(r, w) { return r * w; } export function large(w) { return w > 1e6; } export function last(k) { return k >= 9; }",
      },
    );
    const { error, outputs } = await engine.run(plan, code, {});
    expect(error).toBeNull();
    // 15 times as much each time: until it is more than a million.
    expect(outputs).toEqual({ "w.final": 15 ** 6, report: 15 ** 6 + 0.5 });
  });

  it("only the side of a branch that is chosen runs; a side may give what stands around", async () => {
    const build = (chosen: boolean) =>
      program(
        [
          { id: "other", body: constant("around") },
          { id: "condition", body: constant(chosen) },
          { id: "made", region: 0, inputs: [param("log")], body: call("note", input(0), constant("then")) },
          { id: "noted", region: 1, inputs: [param("log")], body: call("note", input(0), constant("else")), effect: true },
          {
            id: "choice",
            tasks: { kind: "branch", then: 0, else: 1, gives: [{ given: 5, then: 2, else: 0 }] },
            inputs: [value(1), done(0)],
          },
          { id: "result", tasks: { kind: "given" } },
          { id: "shown", inputs: [value(5), done(4)], body: plus(input(0), constant("!")) },
        ],
        {
          results: [6],
          module: `import { appendFileSync } from "node:fs";
            export function note(log, what) { appendFileSync(log, what + " "); return what; }`,
        },
      );
    for (const [chosen, log, result] of [
      [true, "then ", "then!"],
      [false, "else ", "around!"],
    ] as const) {
      const { plan, code } = build(chosen);
      const file = join(folder, `branch-${chosen}`);
      const { error, outputs } = await engine.run({ ...plan, params: [{ name: "log", type: "string", optional: false }] }, code, {
        params: { log: file },
      });
      expect(error).toBeNull();
      expect(outputs.shown).toBe(result);
      expect(readFileSync(file, "utf8")).toBe(log);
    }
  });

  it("what takes too long is ended, and what stands in its place is evaluated without a limit", async () => {
    const module = `export function slow(ms) { const end = performance.now() + ms; while (performance.now() < end); return ms; }
      export function broken() { throw new Error("no"); }`;
    const build = (ms: number, body = call("slow", constant(ms))) =>
      program([{ id: "answer", body, within: { limitMs: 300, otherwise: call("slow", constant(500)) } }], { results: [0], module });
    const quick = build(1);
    expect((await engine.run(quick.plan, quick.code, {})).outputs).toEqual({ answer: 1 });
    const slow = build(60_000);
    const failures: RunEvent[] = [];
    const result = await engine.run(slow.plan, slow.code, {
      onEvent: (event) => {
        if (event.type === "task.failed") failures.push(event);
      },
    });
    expect(result).toMatchObject({ status: "ok", outputs: { answer: 500 } });
    expect(failures).toMatchObject([{ stage: "answer", attempt: 1, retried: true, error: { kind: "timeout" } }]);
    const broken = build(1, call("broken"));
    expect(await engine.run(broken.plan, broken.code, {})).toMatchObject({ status: "failed", error: { message: "no" } });
  }, 30_000);

  it("an effect is done once a task, with a key that names the task of the run", async () => {
    const log = join(folder, "effects");
    const module = `import { appendFileSync } from "node:fs";
      let failed = false;
      export function act(log, x) {
        const task = globalThis[Symbol.for("headrace.task")];
        appendFileSync(log, JSON.stringify({ x, ...task }) + "\\n");
        if (x === 2 && task.attempt === 1) throw new Error("once more");
        return new Float64Array(50_000);
      }
      export function outside() { return globalThis[Symbol.for("headrace.task")] ?? "no task"; }`;
    const { plan, code } = program(
      [
        items("xs", constant([1, 2, 3])),
        {
          id: "act",
          region: 0,
          inputs: [item(0), param("log")],
          body: call("act", input(1), input(0)),
          effect: true,
          options: { retries: 1 },
        },
        { id: "pure", region: 0, inputs: [done(1)], body: call("outside") },
        {
          id: "all",
          tasks: { kind: "each", of: 0, region: 0 },
          inputs: [value(1), value(2)],
          body: { op: "list", items: [input(0), input(1)] },
          output: "row",
        },
      ],
      { results: [3], module },
    );
    const withParam = { ...plan, params: [{ name: "log", type: "string" as const, optional: false }] };
    const told = async () => {
      const { error, outputs } = await engine.run(withParam, code, { params: { log } });
      expect(error).toBeNull();
      expect(outputs.all).toEqual([1, 2, 3].map(() => [null, "no task"]));
      const lines = readFileSync(log, "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as { x: number; idempotencyKey: string; attempt: number });
      rmSync(log);
      return lines;
    };
    const first = await told();
    expect(first.map(({ x, attempt }) => [x, attempt]).sort()).toEqual([
      [1, 1],
      [2, 1],
      [2, 2],
      [3, 1],
    ]);
    const keysOf = (x: number) => new Set(first.filter((one) => one.x === x).map(({ idempotencyKey }) => idempotencyKey));
    expect([1, 2, 3].map((x) => keysOf(x).size)).toEqual([1, 1, 1]);
    expect(new Set(first.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(3);
    const second = await told();
    expect(second.some((one) => first.some((other) => other.idempotencyKey === one.idempotencyKey))).toBe(false);
  }, 30_000);

  it("after a failure, what is to be done then is done; its own failure doesn't take the place of the first", async () => {
    const log = join(folder, "failures");
    const module = `import { writeFileSync } from "node:fs";
      export function broken(x) { if (x === 3) throw new Error("no " + x); return x; }
      export function note(log, failure) { writeFileSync(log, JSON.stringify(failure)); return null; }
      export function worse() { throw new Error("worse"); }`;
    const stages = [
      items("xs", constant([1, 3])),
      { id: "model", region: 0, inputs: [item(0)], body: call("broken", input(0)) },
      { id: "all", tasks: { kind: "each", of: 0, region: 0 } as const, inputs: [value(1)], body: input(0), output: "row" as const },
    ];
    const note = { id: "note", inputs: [param("log"), param("failure")], body: call("note", input(0), input(1)), effect: true } as const;
    const run = async (more: readonly { id: string }[]) => {
      const { plan, code } = program(stages, { results: [2], module, onFailure: [note, ...more] });
      const events: RunEvent[] = [];
      const params = [{ name: "log", type: "string" as const, optional: false }];
      const result = await engine.run({ ...plan, params }, code, { params: { log }, onEvent: (event) => events.push(event) });
      return { result, events };
    };
    const { result, events } = await run([]);
    expect(result).toMatchObject({ status: "failed", onFailure: null, error: { stage: "model[1]", block: 0, message: "no 3" } });
    expect(JSON.parse(readFileSync(log, "utf8"))).toEqual({ stage: "model[1]", block: 0, name: "Error", message: "no 3" });
    expect(events.filter(({ type }) => type === "run.started" || type === "run.finished")).toHaveLength(2);
    expect(events.at(-1)).toMatchObject({ type: "run.finished", status: "failed" });
    const worse = await run([{ id: "worse", body: call("worse") } as { id: string }]);
    expect(worse.result).toMatchObject({ error: { message: "no 3" }, onFailure: { stage: "worse", message: "worse" } });
  }, 30_000);
});

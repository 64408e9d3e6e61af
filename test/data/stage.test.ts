// Stages of hand-written plans, run block by block the way a slot does.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Expr, Plan, PlanFunction, PlanStage } from "../../compiler/plan.ts";
import type { StoredBlock, TaskContext, UserFunction } from "../../runtime/data/stage.ts";
import { neededFunctions, prepareStage, storedRows } from "../../runtime/data/stage.ts";

const input = (index: number): Expr => ({ op: "input", index });
const local = (name: string): Expr => ({ op: "local", name });
const constant = (value: number | string | boolean): Expr => ({ op: "const", value });
const lambda = (name: string, body: Expr): Expr => ({ op: "lambda", parameters: [name], body });
const call = (name: string, args: Expr[], passing: ("share" | "move" | "copy")[] = args.map(() => "share")): Expr => ({
  op: "call",
  function: name,
  args,
  passing,
});
const data = (name: string, source: Expr, args: Record<string, Expr> = {}): Expr => ({ op: "data", name, source, args });

function stage(part: Pick<PlanStage, "inputs" | "body" | "output"> & Partial<PlanStage>): PlanStage {
  return { id: "s", name: "s", tasks: { kind: "one" }, strategy: { kind: "task" }, options: {}, ...part };
}
function planOf(stages: PlanStage[], functions: Record<string, Partial<PlanFunction>> = {}): Plan {
  return {
    format: "headrace-plan/1",
    hash: "",
    name: "test",
    params: [],
    functions: Object.fromEntries(
      Object.entries(functions).map(([name, f]) => [
        name,
        { digest: "", export: name, async: false, iterates: "no", native: [], ...f } as PlanFunction,
      ]),
    ),
    stages,
    regions: [],
    outputs: [],
    about: { file: "", entry: "", schedule: null, doc: null, stages: {}, functions: {}, params: {}, outputs: {}, onTheWay: [] },
  };
}
const quiet: TaskContext = { metric: () => {}, progress: () => {}, resource: (_, args, make) => make(...args) };
function run(
  plan: Plan,
  inputs: unknown[],
  more: {
    at?: number;
    block?: number;
    functions?: Record<string, UserFunction>;
    params?: Record<string, unknown>;
    context?: TaskContext;
  } = {},
): unknown {
  const runner = prepareStage(plan, more.at ?? 0, new Map(Object.entries(more.functions ?? {})));
  return runner.run(more.block ?? 0, inputs, more.params ?? {}, more.context ?? quiet);
}
const value = (
  body: Expr,
  inputs: unknown[] = [],
  more: Parameters<typeof run>[2] & { calls?: Record<string, Partial<PlanFunction>> } = {},
) => run(planOf([stage({ inputs: inputs.map((_, i) => ({ kind: "value", stage: i })), body, output: "value" })], more.calls), inputs, more);

describe("blocks", () => {
  it("a list has min(N, 1024) blocks of rows ⌊iN/b⌋ to ⌊(i+1)N/b⌋", () => {
    const body: Expr = { op: "dataset", list: input(0) };
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5000 }), (n) => {
        const plan = planOf([stage({ inputs: [{ kind: "value", stage: 0 }], body, output: "blocks" })]);
        const list = Array.from({ length: n }, (_, i) => i);
        const blocks = run(plan, [list]) as number[][];
        expect(blocks.length).toBe(Math.min(n, 1024));
        expect(blocks.flat()).toEqual(list);
        blocks.forEach((block, i) => {
          expect(block[0]).toBe(Math.floor((i * n) / blocks.length));
        });
      }),
    );
  });

  it("an iterator has blocks of 256 rows", async () => {
    const plan = planOf([stage({ inputs: [], body: { op: "dataset", list: call("rows", []) }, output: "blocks" })], {
      rows: { iterates: "async" },
    });
    const rows = async function* () {
      for (let i = 0; i < 600; i++) yield i;
    };
    const blocks = (await run(plan, [], { functions: { rows } })) as number[][];
    expect(blocks.map((block) => block.length)).toEqual([256, 256, 88]);
  });

  it("an asynchronous source may be the whole of a stage", async () => {
    const plan = planOf([stage({ inputs: [], body: call("rows", []), output: "blocks" })], { rows: { iterates: "async" } });
    const rows = async function* () {
      for (let i = 0; i < 300; i++) yield i;
    };
    const blocks = (await run(plan, [], { functions: { rows } })) as number[][];
    expect(blocks.map((block) => block.length)).toEqual([256, 44]);
  });

  it("range makes its integers in the task", () => {
    const plan = planOf([
      stage({
        tasks: { kind: "range", rows: { kind: "const", value: 10 }, blocks: { kind: "const", value: 3 } },
        inputs: [{ kind: "range" }],
        body: data("map", input(0), { f: lambda("x", { op: "binary", operator: "*", left: local("x"), right: constant(2), int: true }) }),
        output: "block",
      }),
    ]);
    const blocks = [0, 1, 2].map((block) => run(plan, [{ rows: 10, blocks: 3 }], { block }));
    expect(blocks).toEqual([
      [0, 2, 4],
      [6, 8, 10],
      [12, 14, 16, 18],
    ]);
  });
});

describe("split and shuffle", () => {
  const split = (from: number, to: number, seed = 1) =>
    data("splitPart", input(0), { seed: constant(seed), from: constant(from), to: constant(to) });
  const plan = (body: Expr, keyed: boolean) =>
    planOf(
      [
        stage({ inputs: [], body: { op: "dataset", list: call("rows", []) }, output: "blocks", keyed: true }),
        stage({
          tasks: { kind: "perBlock", of: 0 },
          inputs: [{ kind: "block", stage: 0 }],
          body,
          output: "block",
          ...(keyed ? { keyed: true as const } : {}),
        }),
        stage({ inputs: [{ kind: "blocks", stage: 1 }], body: data("shuffle", input(0), { seed: constant(7) }), output: "value" }),
        stage({ inputs: [{ kind: "blocks", stage: 0 }], body: data("shuffle", split(0, 0.8), { seed: constant(7) }), output: "value" }),
      ],
      { rows: {} },
    );
  const list = Array.from({ length: 5000 }, (_, i) => i);
  const blocksOf = (p: Plan) => run(p, [], { functions: { rows: () => list } }) as StoredBlock[];

  it("deals every row to one part, by its key alone", () => {
    const parts = [split(0, 0.8), split(0.8, 1)].map((body) => {
      const p = plan(body, false);
      return blocksOf(p).flatMap(
        (block, i) => storedRows(run(p, [block], { at: 1, block: i, functions: { rows: () => list } }) as StoredBlock) as number[],
      );
    });
    expect([...parts[0]!, ...parts[1]!].sort((a, b) => a - b)).toEqual(list);
    expect(parts[0]!.length).toBeGreaterThan(3900);
    expect(parts[0]!.length).toBeLessThan(4100);
    expect(parts[0]).toEqual([...parts[0]!].sort((a, b) => a - b));
  });

  it("is the same in one task over all blocks as in a task a block, keys stored between", () => {
    const p = plan(split(0, 0.8), true);
    const blocks = blocksOf(p);
    const stored = blocks.map((block, i) => run(p, [block], { at: 1, block: i }));
    const apart = run(p, [stored], { at: 2 }) as number[];
    const together = run(p, [blocks], { at: 3 }) as number[];
    expect(apart).toEqual(together);
    expect(apart).not.toEqual([...apart].sort((a, b) => a - b));
  });

  it("says so when the plan forgot the keys", () => {
    const p = plan(split(0, 0.8), false);
    const stored = blocksOf(p).map((block, i) => run(p, [block], { at: 1, block: i }));
    expect(() => run(p, [stored], { at: 2 })).toThrow("bug: the plan stores keys of rows that have none");
  });
});

describe("reductions", () => {
  const by = lambda("x", { op: "binary", operator: "*", left: local("x"), right: constant(0.1), int: false });
  it.each(["count", "sum", "mean", "min", "max", "collect"])("%s: folding blocks apart gives the same bits as in one task", (name) => {
    fc.assert(
      fc.property(fc.array(fc.double({ noNaN: true, min: -1e9, max: 1e9 }), { minLength: 1, maxLength: 3000 }), (rows) => {
        const p = planOf(
          [
            stage({ inputs: [], body: { op: "dataset", list: call("rows", []) }, output: "blocks" }),
            stage({
              tasks: { kind: "perBlock", of: 0 },
              inputs: [{ kind: "block", stage: 0 }],
              body: { op: "fold", name, source: input(0), by },
              output: "partial",
            }),
            stage({ inputs: [{ kind: "blocks", stage: 1 }], body: { op: "combine", name, partials: input(0), by: null }, output: "value" }),
            stage({ inputs: [{ kind: "blocks", stage: 0 }], body: { op: "reduce", name, source: input(0), by }, output: "value" }),
          ],
          { rows: {} },
        );
        const blocks = run(p, [], { functions: { rows: () => rows } }) as unknown[];
        const partials = blocks.map((block, i) => run(p, [block], { at: 1, block: i }));
        expect(run(p, [partials], { at: 2 })).toEqual(run(p, [blocks], { at: 3 }));
      }),
      { numRuns: 30 },
    );
  });

  const reduce = (name: string, rows: unknown[]) =>
    value({ op: "reduce", name, source: { op: "dataset", list: input(0) }, by: null }, [rows]);
  it("of no rows", () => {
    expect(reduce("count", [])).toBe(0);
    expect(reduce("sum", [])).toBe(0);
    expect(reduce("collect", [])).toEqual([]);
    expect(() => reduce("mean", [])).toThrow("`mean` of a data set without rows");
  });
  it("of typed arrays and records", () => {
    expect(
      reduce("mean", [
        { g: Float32Array.of(1, 2), n: 1 },
        { g: Float32Array.of(3, 6), n: 3 },
      ]),
    ).toEqual({ g: Float32Array.of(2, 4), n: 2 });
    expect(() => reduce("sum", [Float32Array.of(1), Float32Array.of(1, 2)])).toThrow("one length");
  });
});

describe("expressions", () => {
  it("hold integers to their promise", () => {
    const twice: Expr = { op: "binary", operator: "*", left: input(0), right: constant(2), int: true };
    expect(value(twice, [21])).toBe(42);
    expect(() => value(twice, [2 ** 53 - 1])).toThrow("no safe integer");
  });
  it("compare plain data by structure", () => {
    const same: Expr = { op: "binary", operator: "==", left: input(0), right: input(1), int: false };
    const equal = (left: unknown, right: unknown) => value(same, [left, right]);
    expect(equal(new Map([["a", { x: 1 }]]), new Map([["a", { x: 1 }]]))).toBe(true);
    expect(equal(new Map([["a", 1]]), new Map([["a", 2]]))).toBe(false);
    expect(equal(new Map([["a", 1]]), {})).toBe(false);
    expect(equal(new Set([1, 2]), new Set([2, 1]))).toBe(true);
    expect(equal(new Set([1, 2]), new Set([1, 3]))).toBe(false);
    expect(equal({}, new Date(0))).toBe(false);
    expect(value(same, [{ a: [1, { b: null }] }, { a: [1, {}] }])).toBe(true);
    expect(
      value(same, [
        [1, 2],
        [1, 3],
      ]),
    ).toBe(false);
  });
  it("keep names of the program from being code", () => {
    const name = '"]; throw 1; //';
    expect(value({ op: "field", of: { op: "record", fields: [{ name, value: constant(5) }] }, name, optional: false })).toBe(5);
  });
  it("run rows of an asynchronous function beside each other, in order", async () => {
    let open = 0;
    let most = 0;
    const slow = async (x: number) => {
      most = Math.max(most, ++open);
      await new Promise((done) => setTimeout(done, 5 - x));
      open--;
      return x * 10;
    };
    const body = data("collect", data("map", { op: "dataset", list: input(0) }, { f: lambda("x", call("slow", [local("x")])) }));
    const p = planOf([stage({ inputs: [{ kind: "value", stage: 0 }], body, output: "value" })], { slow: { async: true } });
    // Three rows in one block: 1,024 blocks are more than there are rows.
    expect(await run(p, [[1, 2, 3]], { functions: { slow } })).toEqual([10, 20, 30]);
    expect(neededFunctions(p, 0)).toEqual(["slow"]);
  });
});

describe("ownership", () => {
  const bump = (w: Float32Array) => {
    w[0]! += 1;
    return w;
  };
  const calls = { bump: {}, make: {} };
  const functions = { bump, make: () => Float32Array.of(0) };

  it("a mutable argument never changes what somebody else holds", () => {
    const mine = Float32Array.of(5);
    expect(value(call("bump", [input(0)], ["move"]), [mine], { calls, functions })).toEqual(Float32Array.of(6));
    expect(mine[0]).toBe(5);
    expect(
      value(call("bump", [{ op: "field", of: input(0), name: "w", optional: false }], ["copy"]), [{ w: mine }], { calls, functions }),
    ).toEqual(Float32Array.of(6));
    expect(mine[0]).toBe(5);
  });

  it("is moved, not copied, where it was made here", () => {
    let seen: Float32Array | null = null;
    const make = () => (seen = Float32Array.of(0));
    expect(value(call("bump", [call("make", [])], ["move"]), [], { calls, functions: { bump, make } })).toBe(seen);
  });

  const training = (init: Expr): Expr => ({
    op: "fit",
    carried: [{ name: "w", field: "w", init }],
    batch: "batch",
    over: data("batches", data("shuffle", { op: "dataset", list: input(0) }, { seed: local("epoch") }), { n: constant(2) }),
    epochs: constant(3),
    eachEpoch: [],
    body: [
      { kind: "let", name: "g", value: call("count", [local("batch")]), at: "worker" },
      { kind: "track", name: "rows", value: { op: "combine", name: "mean", partials: local("g"), by: null }, at: "update" },
      { kind: "next", name: "w", value: call("bump", [local("w")], ["move"]), at: "update" },
    ],
  });

  it("`fit` folds over batches, tracks by step, and starts from a copy of what isn't its own", () => {
    const start = Float32Array.of(0);
    const metrics: [string, number, number][] = [];
    const epochs: number[] = [];
    const context = {
      metric: (name: string, step: number, v: number) => void metrics.push([name, step, v]),
      progress: (done: number) => void epochs.push(done),
      resource: quiet.resource,
    };
    const more = { calls: { ...calls, count: {} }, functions: { ...functions, count: (batch: unknown[]) => batch.length }, context };
    expect(value(training(input(1)), [[1, 2, 3], start], more)).toEqual(Float32Array.of(6));
    expect(start[0]).toBe(0);
    expect(metrics.slice(0, 3)).toEqual([
      ["rows", 0, 2],
      ["rows", 1, 1],
      ["rows", 2, 2],
    ]);
    expect(epochs).toEqual([1, 2, 3]);
  });
});

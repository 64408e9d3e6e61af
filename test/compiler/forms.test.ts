// Forms whose bodies become stages while a run goes on, effects, and failures as data: what they compute, by the real engine, and what
// the plan makes of them.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { localEngine } from "headrace/engine";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Engine } from "../../runtime/index.ts";
import { planOf } from "../harness/programs.ts";
import { outputsOf, runOf } from "../harness/results.ts";

const stages = `import { appendFileSync } from "node:fs";
import type { float, int, View } from "headrace";
export interface Row { readonly id: int; readonly size: float; readonly parts: readonly float[] }
export interface Point { readonly x: float; readonly y: float }
export function load(n: int): Row[] {
  return Array.from({ length: n }, (_, id) => ({ id: id as int, size: id / 2, parts: Array.from({ length: id % 3 }, (_, i) => id + i) }));
}
export function train(seed: int, rows: readonly Row[]): { w: float } { return { w: seed + rows.length }; }
export function score(m: View<{ w: float }>, r: Row): float { return m.w * r.size; }
export function half(x: float): float { return x / 2; }
export async function later(x: float): Promise<float> { return x + 1; }
export function parse(r: Row): float { if (r.id % 3 === 0) throw new TypeError("bad " + r.id); return r.size; }
export function never(): float { throw new Error("this branch must not run"); }
export function slow(x: float): float { const end = Date.now() + 5000; while (Date.now() < end); return x; }
/** @effect */
export function note(file: string, text: string): void { appendFileSync(file, text + "\\n"); }
export function points(n: int): Point[] { return Array.from({ length: n }, (_, i) => ({ x: i % 2 ? 10 + i / n : i / n, y: i % 2 ? 8 : 1 })); }
export function nearest(centers: readonly Point[], p: Point): int {
  let best = 0;
  centers.forEach((c, i) => { if (Math.hypot(c.x - p.x, c.y - p.y) < Math.hypot(centers[best]!.x - p.x, centers[best]!.y - p.y)) best = i; });
  return best as int;
}
export function moved(a: readonly Point[], b: readonly Point[]): float { return Math.max(...a.map((p, i) => Math.hypot(p.x - b[i]!.x, p.y - b[i]!.y))); }
`;
const imports = `import { load, train, score, half, later, parse, never, slow, note, points, nearest, moved, type Row, type Point } from "./stages.ts"\n`;

const files = (program: string) => ({ "main.pipe": imports + program, "stages.ts": stages });
const rows = (n: number) =>
  Array.from({ length: n }, (_, id) => ({ id, size: id / 2, parts: Array.from({ length: id % 3 }, (_, i) => id + i) }));
const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

let engine: Engine;
let folder: string;
beforeAll(async () => {
  engine = await localEngine({ slots: 2 });
  folder = mkdtempSync(join(tmpdir(), "headrace-forms-"));
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const outputs = (program: string, params = {}) => outputsOf(engine, files(program), params);
const resultOf = async (body: string, type: string, params = {}) =>
  (await outputs(`param n: int = 6\npipeline main() -> ${type} {\n${body}\n}\n`, params)).result;

describe("for", () => {
  it("gives the list of the blocks' values in the order of the rows", async () => {
    expect(await resultOf("for x in [3, 1, 2] { x * 10 }", "[int]")).toEqual([30, 10, 20]);
    expect(await resultOf("for r in load(n) { half(r.size) }", "[float]")).toEqual(rows(6).map((r) => r.size / 2));
    expect(await resultOf("for { id, size } in load(n) { size + id }", "[float]")).toEqual(rows(6).map((r) => r.size + r.id));
    expect(await resultOf("for x in range(0) { x }", "[int]")).toEqual([]);
  });
  it("holds stages: a data-parallel reduction over rows around it, a fit, another for", async () => {
    const body = `let all = load(n)
  for seed in [1, 2, 3] {
    let m = train(seed, all)
    let mean = all |> map(r => score(m, r)) |> mean
    let fitted = fit w = 0.0 over batch in all |> batches(2) for seed {
      w <- w + mean(batch |> mean(r => r.size))
    }
    let inner = for r in all |> take(seed) { r.size * m.w }
    { mean, fitted, inner }
  }`;
    const mean = (values: readonly number[]) => sum(values) / values.length;
    const expected = [1, 2, 3].map((seed) => ({
      mean: mean(rows(6).map((r) => (seed + 6) * r.size)),
      fitted:
        seed *
        sum(
          [
            [0, 1],
            [2, 3],
            [4, 5],
          ].map((ids) => mean(ids.map((id) => id / 2))),
        ),
      inner: rows(6)
        .slice(0, seed)
        .map((r) => r.size * (seed + 6)),
    }));
    expect(await resultOf(body, "[{ mean: float, fitted: float, inner: [float] }]")).toEqual(expected);
  });
  it("is sized at run time, nested too, and its list has rows like any other", async () => {
    expect(await resultOf("for r in load(n) { for p in r.parts { half(p) } }", "[[float]]")).toEqual(
      rows(6).map((r) => r.parts.map((p) => p / 2)),
    );
    expect(await resultOf("let sizes = for r in load(n) { half(r.size) }\n sizes |> filter(s => s > 0.5) |> sum", "float")).toBe(
      sum(
        rows(6)
          .map((r) => r.size / 2)
          .filter((s) => s > 0.5),
      ),
    );
    expect(await resultOf("let k = load(n) |> count\n for i in range(k) { i * i }", "[int]")).toEqual([0, 1, 4, 9, 16, 25]);
    expect(
      await resultOf(
        "let xs = for i in range(n) { later(i) }\n (xs |> shuffle(seed: 1) |> sum) + (xs |> withIndex |> sum(p => p.index))",
        "float",
      ),
    ).toBe(21 + 15);
  });
  it("calls pipelines, whose stages are its own", async () => {
    const program = `param n: int = 4
pipeline main() -> [float] {
  let all = load(n)
  for i in range(3) { scaled(all, i) }
}
pipeline scaled(rows: [Row], by: int) -> float {
  let bigger = rows |> map(r => half(r.size) * by)
  bigger |> sum
}
`;
    expect((await outputs(program)).result).toEqual([0, 1, 2].map((by) => sum(rows(4).map((r) => (r.size / 2) * by))));
  });
  it("inside a function of rows is part of its task", async () => {
    expect(await resultOf("load(n) |> map(r => for p in r.parts { p + 1.0 }) |> map(ps => len(ps))", "Dataset<int>")).toEqual(
      rows(6).map((r) => r.id % 3),
    );
  });
});

describe("loop", () => {
  it("ends when its condition holds, which reads the new value, or after the most rounds", async () => {
    expect(await resultOf("loop c = 1.0 until abs(c * c - 2.0) < 1e-12 max 50 {\n c <- (c + 2.0 / c) / 2.0\n}", "float")).toBeCloseTo(
      Math.SQRT2,
      9,
    );
    expect(await resultOf("loop c = 0 until c > 100 max 7 {\n c <- c + 1\n}", "int")).toBe(7);
    expect(await resultOf("loop c = 0 until true max n {\n c <- c + 1\n}", "int")).toBe(1);
    expect(await resultOf("loop c = 1.0 until c < 0.1 max 50 {\n c <- half(c)\n}", "float")).toBe(0.0625);
  });
  it("of several values gives a record", async () => {
    const fibonacci = "loop a = 0, b = 1 until b > 50 max 99 {\n let next = a + b\n a <- b\n b <- next\n}";
    expect(await resultOf(`let { a, b } = ${fibonacci}\n [a, b]`, "[int]")).toEqual([34, 55]);
  });
  it("has stages over all slots: k-means", async () => {
    const program = `param n: int = 40
pipeline main() -> { centers: [Point], rounds: [float] } {
  let all = points(n)
  let centers = loop c = [{ x: 0.0, y: 0.0 }, { x: 1.0, y: 1.0 }] until shift < 1e-9 max 20 {
    let near = all |> map(p => { k: nearest(c, p), p })
    let next = for k in [0, 1] {
      let own = near |> filter(q => q.k == k)
      { x: own |> mean(q => q.p.x), y: own |> mean(q => q.p.y) }
    }
    let shift = moved(c, next)
    track shift
    c <- next
  }
  { centers, rounds: [1.0] }
}
`;
    const { centers } = (await outputs(program)) as { centers: { x: number; y: number }[] };
    expect(centers.map(({ x }) => Math.floor(x)).sort((a, b) => a - b)).toEqual([0, 10]);
    const { events } = await runOf(engine, files(program));
    const tracked = events.flatMap((event) => (event.type === "metric" && event.name === "shift" ? Array.from(event.values) : []));
    expect(tracked.length).toBeGreaterThan(1);
    expect(tracked.at(-1)).toBeLessThan(1e-9);
  });
  it("starts from a list that is read row by row elsewhere", async () => {
    const body = `let start = load(n)
  let longer = loop c = start until (c |> count) > 20 max 9 {
    c <- c |> concat(start) |> collect
  }
  let sizes = start |> map(r => half(r.size))
  let picked = if n > 3 { load(2) } else { start |> filter(r => r.id > 0) |> collect }
  (longer |> count) * 1.0 + (sizes |> sum) + (picked |> sum(r => r.size))`;
    expect(await resultOf(body, "float")).toBe(24 + 3.75 + 0.5);
  });
  it("inside a for", async () => {
    const body = `for x in [2.0, 9.0] {
    let all = load(n)
    loop c = x until abs(c - before) < 1e-9 max 3 {
      let before = c + (all |> sum(r => r.size)) * 0.0
      c <- half(c)
    }
  }`;
    expect(await resultOf(body, "[float]")).toEqual([0.25, 1.125]);
  });
});

describe("if", () => {
  it("runs the stages of the branch that is taken, and no others", async () => {
    const body = (n: string) => `let all = load(n)
  if n ${n} { all |> map(r => half(r.size)) |> sum } else { all |> map(r => r.size + never()) |> sum }`;
    expect(await resultOf(body("> 3"), "float")).toBe(sum(rows(6).map((r) => r.size / 2)));
    const other = `let all = load(n)
  if n > 99 { all |> map(r => never()) |> sum } else { all |> sum(r => r.size) }`;
    expect(await resultOf(other, "float")).toBe(sum(rows(6).map((r) => r.size)));
  });
  it("gives data sets, records of several values, and values around it", async () => {
    const body = `let all = load(n)
  let few = all |> filter(r => r.id < 2)
  let picked = if n > 3 { { rows: few |> map(r => half(r.size)), total: all |> sum(r => r.size) } } else { { rows: all |> map(r => r.size), total: 0.0 } }
  { rows: picked.rows |> map(x => x + picked.total) }`;
    const total = sum(rows(6).map((r) => r.size));
    expect((await outputs(`param n: int = 6\npipeline main() -> { rows: Dataset<float> } {\n${body}\n}\n`)).rows).toEqual([
      total,
      total + 0.25,
    ]);
    expect(
      await resultOf(
        "let all = load(n)\n let a = if n > 3 { all } else { load(2) |> filter(r => r.id > 0) }\n a |> map(r => r.id) |> shuffle(seed: 3) |> sum",
        "int",
      ),
    ).toBe(15);
  });
  it("by a condition that is computed by stages, and inside another value", async () => {
    expect(await resultOf("let k = if (load(n) |> count) > 3 { half(8.0) } else { 0.0 }\n k", "float")).toBe(4);
    expect(await resultOf("1.0 + (if n > 3 { load(n) |> sum(r => r.size) } else { 0.0 })", "float")).toBe(8.5);
    expect(await resultOf("load(n) |> map(r => if r.id > 3 { r.parts |> count } else { 0 }) |> sum", "int")).toBe(3);
  });
  it("inside a loop", async () => {
    const body = `let all = load(n)
  loop c = 0.0 until c > 20.0 max 9 {
    let more = if c < 8.0 { all |> map(r => half(r.size)) |> sum } else { all |> map(r => r.size) |> sum }
    c <- c + more
  }`;
    expect(await resultOf(body, "float")).toBe(3.75 * 3 + 7.5 * 2);
  });
});

describe("effects", () => {
  const notes = (name: string) => readFileSync(join(folder, name), "utf8").trimEnd().split("\n");
  const run = async (name: string, body: string, type = "int", value = "1") => {
    const program = `param file: string\npipeline main() -> ${type} {\n${body}\n${value}\n}\n`;
    return runOf(engine, files(program), { file: join(folder, name) });
  };
  it("happen once each, in order", async () => {
    const { result } = await run("order", `do note(file, "a")\ndo note(file, \`b \${load(3) |> count}\`)\ndo note(file, "c")`);
    expect(result.error).toBeNull();
    expect(notes("order")).toEqual(["a", "b 3", "c"]);
  });
  it("in branches, loops and for", async () => {
    const body = `do note(file, "first")
  if (load(3) |> count) > 2 { do note(file, "many") } else { do note(file, "few") }
  loop c = 0 until c >= 2 max 9 {
    do note(file, \`round \${c}\`)
    c <- c + 1
  }
  for x in [1, 2] { do note(file, "each") }
  do note(file, "last")`;
    const { result } = await run("blocks", body);
    expect(result.error).toBeNull();
    expect(notes("blocks")).toEqual(["first", "many", "round 0", "round 1", "each", "each", "last"]);
  });
  it("`on failure` is told what failed", async () => {
    const program = `param file: string
pipeline main() -> float {
  let xs = load(3) |> map(r => r.size + never())
  xs |> sum
  on failure(e) {
    do note(file, \`\${e.name} in \${e.stage ?? "?"}: \${e.message}\`)
  }
}
`;
    const { result } = await runOf(engine, files(program), { file: join(folder, "failure") });
    expect(result.status).toBe("failed");
    expect(result.error?.message).toBe("this branch must not run");
    expect(notes("failure")).toEqual(["Error in result: this branch must not run"]);
  });
});

describe("failures", () => {
  it("`expect` fails the run with its message, in any block", async () => {
    const program = (check: string) => `param n: int = 6\npipeline main() -> int {\n${check}\nn\n}\n`;
    const failing = async (check: string) => (await runOf(engine, files(program(check)))).result.error?.message;
    expect(await failing("expect n > 3")).toBeUndefined();
    expect(await failing(`expect n > 7, \`only \${n}\``)).toBe("only 6");
    expect(await failing("expect (load(n) |> count) > 7")).toBe("(load(n) |> count) > 7 was expected");
    expect(await failing(`for x in range(n) {\n expect x < 4, \`x is \${x}\`\n}`)).toMatch(/^x is [45]$/);
  });
  it("`attempt` keeps them as rows, in order", async () => {
    const program = `param n: int = 7
pipeline main() -> { good: Dataset<float>, bad: Dataset<string> } {
  let { ok, failed } = load(n) |> attempt(parse)
  { good: ok, bad: failed |> map(f => \`\${f.row.id} \${f.error.name}: \${f.error.message}\`) }
}
`;
    const { good, bad } = await outputs(program);
    expect(good).toEqual(
      rows(7)
        .filter((r) => r.id % 3 !== 0)
        .map((r) => r.size),
    );
    expect(bad).toEqual(["0 TypeError: bad 0", "3 TypeError: bad 3", "6 TypeError: bad 6"]);
    expect(await resultOf("load(n) |> map(r => count((r.parts |> attempt(p => half(p))).failed))", "Dataset<int>")).toEqual(
      rows(6).map(() => 0),
    );
  });
  it("`within` puts another value in the place of one that takes too long", async () => {
    expect(await resultOf("slow(1.0) within 100ms else half(5.0)", "float")).toBe(2.5);
    expect(await resultOf("half(3.0) within 20s else never()", "float")).toBe(1.5);
  });
});

describe("each epoch", () => {
  const program = (epoch: string, n = 10, rest = "model") => `param n: int = ${n}
pipeline main() -> { model: float } {
  let all = load(4)
  let model = fit w = 0.0
  over batch in all |> batches(2)
  for n {
    w <- w + mean(batch |> mean(r => 1.0))
  } each epoch {
    ${epoch}
  }
  { model: ${rest} }
}
`;
  it("keeps the best, and stops where it gets no better", async () => {
    const best = "track distance = abs(w - 7.0)\n    keep w minimizing distance\n    stop after 2 without improvement of distance";
    expect((await outputs(program(best))).model).toBe(6);
    const { events } = await runOf(engine, files(program(best)));
    const distances = events.flatMap((event) => (event.type === "metric" && event.name === "distance" ? Array.from(event.values) : []));
    expect(distances).toEqual([5, 3, 1, 1, 3]);
    expect((await outputs(program("track w2 = w * w\n    keep w + 0.5 maximizing w2", 3))).model).toBe(6.5);
  });
  it("has stages of its own, `epoch` and `step`", async () => {
    const epoch = "let loss = all |> mean(r => r.size + w)\n    track at = loss * 0.0 + epoch * 100 + step\n    expect loss < 100.0";
    const { events, result } = await runOf(engine, files(program(epoch, 3)));
    expect(result.outputs.model).toBe(6);
    expect(events.flatMap((event) => (event.type === "metric" ? Array.from(event.values) : []))).toEqual([2, 104, 206]);
  });
  it("several carried values make a record", async () => {
    const body = `let m = fit a = 0.0, b = 1.0 over batch in load(4) |> batches(2) for n {
    let rows = sum(batch |> count)
    a <- a + rows
    b <- b * 2.0
  }
  [m.a, m.b]`;
    expect(await resultOf(body, "[float]", { n: 3 })).toEqual([12, 64]);
  });
});

describe("plans", () => {
  const regionsOf = async (body: string, type: string) =>
    (await planOf(files(`param n: int = 6\npipeline main() -> ${type} {\n${body}\n}\n`), "main.pipe")).regions.length;
  it("one chain of calls is one task, whatever stands around it", async () => {
    const plan = await planOf(
      files("pipeline main() -> [float] {\n  for x in [1.0] {\n    let a = half(x)\n    half(a)\n  }\n}\n"),
      "main.pipe",
    );
    expect(plan.regions).toEqual([{ around: null, stages: [] }]);
    expect(await regionsOf("loop c = 1.0 until c < 0.1 max 9 {\n c <- half(c)\n}", "float")).toBe(0);
  });
  it("calls that could run side by side are stages", async () => {
    const plan = await planOf(
      files("pipeline main() -> [float] {\n  for x in [1.0] {\n    let a = half(x)\n    let b = later(x)\n    a + b\n  }\n}\n"),
      "main.pipe",
    );
    expect(plan.regions[0]!.stages.map((index) => plan.stages[index]!.id)).toEqual(["a", "b"]);
  });
  it("what a region reads around it is made once, and kept by its control stage", async () => {
    const body =
      "let big = load(n) |> map(r => half(r.size))\n for x in [1.0, 2.0] {\n let s = big |> sum\n let t = big |> max\n s + t + x\n}";
    const plan = await planOf(files(`param n: int = 6\npipeline main() -> [float] {\n${body}\n}\n`), "main.pipe");
    const big = plan.stages.findIndex(({ id }) => id === "big");
    const control = plan.stages.find(({ tasks }) => tasks.kind === "each")!;
    expect(plan.stages[big]!.region).toBeUndefined();
    expect(control.inputs).toContainEqual({ kind: "after", stage: big });
  });
});

describe("schedules", () => {
  it("a `for` has as many instances at once as its schedule says", async () => {
    const program = (schedule: string) => `param n: int = 4
pipeline main() -> [float] {
  let sizes = for x in range(n) {
    let a = half(x)
    let b = later(x)
    a + b
  }
  sizes
}
schedule main { sizes: ${schedule} }
`;
    const most = async (schedule: string): Promise<number> => {
      const { events } = await runOf(engine, files(program(schedule)), {}, "main");
      // Of an instance, what stands inside and then its own task.
      const open = new Set<string>();
      let found = 0;
      for (const event of events) {
        if (event.type !== "tasks.finished") continue;
        if (event.instance !== undefined) open.add(event.instance);
        else if (event.stage === "sizes") open.delete(String(event.first));
        found = Math.max(found, open.size);
      }
      return found;
    };
    expect(await most("task")).toBe(1);
    expect(await most("data(1)")).toBe(1);
    expect(await most("data(4)")).toBeGreaterThan(1);
  });
});

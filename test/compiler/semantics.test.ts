// What programs compute, run by the real engine under several schedules: a schedule never changes a bit, and the values are those that
// the text says.
import { localEngine } from "headrace/engine";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Engine } from "../../runtime/index.ts";
import { outputsOf, runOf } from "../harness/results.ts";

const stages = `import type { float, int, View } from "headrace";
export interface Row { readonly id: int; readonly size: float; readonly tags: readonly string[] }
export interface Weights { w: Float64Array }
export function load(n: int): Row[] {
  return Array.from({ length: n }, (_, id) => ({ id, size: id / 2, tags: id % 2 ? ["odd"] : ["even", "two"] }));
}
export async function later(x: number): Promise<number> { return x + 1; }
export function* numbers(n: int): Generator<int> { for (let i = 0; i < n; i++) yield i as int; }
export function init(n: int): Weights { return { w: new Float64Array(n).fill(1) }; }
export function same(w: Weights): Weights { return w; }
/** Changes what it gets. */
export function bump(w: Weights, by: number): Weights { w.w[0]! += by; return w; }
export function first(ws: readonly Weights[]): Weights { return ws[0]!; }
export function many(n: int): Weights[] { return Array.from({ length: n }, (_, i) => ({ w: Float64Array.of(i) })); }
export function headOf(w: View<Weights>): float { return w.w[0]!; }
export function gradient(w: View<Weights>, batch: readonly Row[]): { loss: float; grad: Weights } {
  return { loss: batch.length, grad: { w: Float64Array.of(batch.reduce((sum, row) => sum + row.size, 0) / batch.length) } };
}
export function step(w: Weights, grad: View<Weights>, rate: number): Weights { w.w[0]! -= rate * grad.w[0]!; return w; }
export function find(id: int): { size: float } | null { return id > 0 ? { size: id } : null; }
export function halved(x: int): int { return (x / 2) as int; }
export async function halvedLater(x: int): Promise<int> { return (x / 2) as int; }
export function fail(): float { throw new Error("must not run"); }
export function join(a: string, b: string = "!"): string { return a + b; }
`;
const imports = `import { load, later, numbers, init, same, bump, first, many, headOf, gradient, step, find, fail, halved, halvedLater, join, type Row, type Weights } from "./stages.ts"\n`;

const rows = (n: number) => Array.from({ length: n }, (_, id) => ({ id, size: id / 2, tags: id % 2 ? ["odd"] : ["even", "two"] }));
const weights = (...values: number[]) => ({ w: Float64Array.from(values) });

let engine: Engine;
beforeAll(async () => {
  engine = await localEngine({ slots: 2 });
});
afterAll(() => engine[Symbol.asyncDispose]());

/** Outputs of `main`, which must be the same whatever the schedule. */
const outputs = (program: string, params: Record<string, number | string | boolean | null> = {}): Promise<Record<string, unknown>> =>
  outputsOf(engine, { "main.pipe": imports + program, "stages.ts": stages }, params);
const resultOf = async (body: string, type: string): Promise<unknown> =>
  (await outputs(`pipeline main() -> ${type} {\n${body}\n}\n`)).result;

describe("rows", () => {
  it("row-wise operations, in order", async () => {
    expect(await resultOf("load(5) |> filter(r => r.id != 2) |> map(r => r.id * 2)", "Dataset<int>")).toEqual([0, 2, 6, 8]);
    expect(await resultOf("load(3) |> flatMap(r => r.tags)", "Dataset<string>")).toEqual(["even", "two", "odd", "even", "two"]);
    expect(await resultOf("load(4) |> filter(r => r.id > 1) |> withIndex |> map(p => p.index)", "Dataset<int>")).toEqual([2, 3]);
  });
  it("a function by its name, an asynchronous one, a generator", async () => {
    expect(await resultOf("[1.0, 2.0] |> map(later)", "Dataset<float>")).toEqual([2, 3]);
    expect(await resultOf("numbers(600) |> map(later) |> sum", "float")).toBe(600 * 300 + 300);
    expect(await resultOf("numbers(600) |> filter(n => n > 596)", "Dataset<int>")).toEqual([597, 598, 599]);
  });
  it("a sum of `int`s is exact, or fails the stage; one of `float`s rounds", async () => {
    const big = 2 ** 52;
    expect(await resultOf(`[${big}, ${big - 1}, -1] |> sum`, "int")).toBe(2 ** 53 - 2);
    expect(await resultOf(`range(${3000}, blocks: 7) |> map(i => float(i) + ${big}.0) |> sum`, "float")).toBeGreaterThan(2 ** 63);
    const rows = `range(4, blocks: 2) |> map(i => { k: i % 1, n: i * 0 + ${big} })`;
    for (const total of [
      `${rows} |> sum(r => r.n)`,
      `(${rows} |> agg(n: sum(r => r.n))).n`,
      `${rows} |> groupBy(r => r.k) |> agg(n: sum(r => r.n)) |> map(g => g.n) |> first`,
      `[1] |> map(k => ${rows} |> sum(r => r.n)) |> first`,
    ])
      for (const schedule of ["auto", "tasks", "one"]) {
        const { result } = await runOf(engine, { "main.pipe": `pipeline main() -> int {\n${total}\n}\n` }, {}, schedule);
        expect(result.error?.message, `${total} under ${schedule}`).toContain(
          `${big} + ${big} is ${2 ** 53}, which is no safe integer: beyond ±2^53 integers aren't exact`,
        );
      }
  });
  it("operations on all rows", async () => {
    expect(await resultOf("load(5) |> sortBy(r => -r.size) |> take(2) |> map(r => r.id)", "Dataset<int>")).toEqual([4, 3]);
    expect(await resultOf("load(2) |> concat(load(1)) |> map(r => r.id)", "Dataset<int>")).toEqual([0, 1, 0]);
    expect(await resultOf("load(5) |> batches(2) |> map(b => b |> count)", "Dataset<int>")).toEqual([2, 2, 1]);
    expect(await resultOf("load(5) |> batches(2, dropLast: true) |> count", "int")).toBe(2);
    expect(await resultOf("[1, 2] |> zip([3, 4]) |> map(p => p[0] * p[1])", "Dataset<int>")).toEqual([3, 8]);
    // Each half of a pair has its own type, whatever the pairs went through.
    expect(
      await outputs(`pipeline main() -> { text: string, n: int, all: Dataset<{ n: int, text: string }>, sizes: Dataset<float> } {
  let pairs = [1, 2, 3] |> zip(["a", "b", "c"]) |> filter(p => p[0] > 1) |> concat([4] |> zip(["d"]))
  let [n, text] = (pairs |> sortBy(p => -p[0]) |> collect)[0]
  let sizes = load(3) |> zip(pairs) |> map(p => p[0].size + p[1][0])
  { text: upper(text), n: n + 1, all: pairs |> map(p => { n: p[0] * 2, text: upper(p[1]) }), sizes }
}
`),
    ).toEqual({
      ...{ text: "D", n: 5, sizes: [2, 3.5, 5] },
      all: [
        { n: 4, text: "B" },
        { n: 6, text: "C" },
        { n: 8, text: "D" },
      ],
    });
  });
  it("shuffles by the seed, whatever stands before", async () => {
    const body = (seed: number) => `load(2000) |> shuffle(seed: ${seed}) |> map(r => r.id)`;
    const once = (await resultOf(body(1), "Dataset<int>")) as number[];
    expect(once).not.toEqual(rows(2000).map(({ id }) => id));
    expect([...once].sort((a, b) => a - b)).toEqual(rows(2000).map(({ id }) => id));
    expect(await resultOf(body(2), "Dataset<int>")).not.toEqual(once);
    // The order goes by places in the source, so what is left keeps it.
    const odd = await resultOf("load(2000) |> filter(r => r.id % 2 == 1) |> shuffle(seed: 1) |> map(r => r.id)", "Dataset<int>");
    expect(odd).toEqual(once.filter((id) => id % 2 === 1));
  });
  it("splits into parts that are apart and complete", async () => {
    const { a, b, whole } = await outputs(`pipeline main() -> { a: Dataset<int>, b: Dataset<int>, whole: int } {
  let data = load(3000)
  let { train, test } = data |> split(train: 0.7, test: 0.3, seed: 5)
  { a: train |> map(r => r.id), b: test |> map(r => r.id), whole: data |> count }
}
`);
    const [train, test] = [a as number[], b as number[]];
    expect([...train, ...test].sort((x, y) => x - y)).toEqual(rows(whole as number).map(({ id }) => id));
    expect(train.length).toBeGreaterThan(1950);
    expect(train.length).toBeLessThan(2250);
  });
  it("reductions, with and without a function", async () => {
    expect(
      await outputs(`pipeline main() -> { n: int, sum: float, mean: float, low: float, high: float, some: bool, every: bool, last: int, ids: [int] } {
  let data = load(5)
  let sizes = data |> map(r => r.size)
  { n: data |> count, sum: sizes |> sum, mean: data |> mean(r => r.size), low: sizes |> min, high: data |> max(r => r.size),
    some: data |> any(r => r.id == 3), every: data |> all(r => r.id < 3), last: data |> map(r => r.id) |> reduce((a, b) => if a > b { a } else { b }),
    ids: data |> map(r => r.id) |> collect }
}
`),
    ).toEqual({ n: 5, sum: 5, mean: 1, low: 0, high: 2, some: true, every: false, last: 4, ids: [0, 1, 2, 3, 4] });
  });
  it("a range, by blocks, from a param", async () => {
    const program = `param n: int = 10\npipeline main() -> { squares: Dataset<int>, total: int } {
  let squares = range(n, blocks: 3) |> map(i => i * i)
  { squares, total: squares |> sum }
}
`;
    expect(await outputs(program)).toEqual({ squares: [0, 1, 4, 9, 16, 25, 36, 49, 64, 81], total: 285 });
    expect(await outputs(program, { n: 2 })).toEqual({ squares: [0, 1], total: 1 });
  });
  it("a range of a param has the blocks of one that is written out, wherever it stands", async () => {
    const sum = (of: string) => `${of} |> map(i => 1.0 / float(i + 3)) |> sum`;
    const program = `param n: int = 5000\npipeline main() -> { given: float, written: float, inside: [float] } {
  let known = ${sum("range(5000)")}
  { given: ${sum("range(n)")}, written: known, inside: [n] |> map(k => ${sum("range(k)")}) }
}
`;
    const { given, written, inside } = await outputs(program);
    expect([given, inside]).toEqual([written, [written]]);
  });
  it("a range of less than nothing fails, in as many words under every schedule", async () => {
    const program = (range: string) => `param n: int = -3\npipeline main() -> int {\n${range} |> count\n}\n`;
    for (const schedule of ["auto", "tasks", "one"]) {
      const failing = async (range: string) => (await runOf(engine, { "main.pipe": program(range) }, {}, schedule)).result.error?.message;
      expect(await failing("range(n)")).toBe("`range` wants a number of rows, not -3");
      expect(await failing("range(n * 1)")).toBe("`range` wants a number of rows, not -3");
      expect(await failing("range(4, blocks: n)")).toMatch(/^`range` wants 1 .* not -3$/);
    }
  });
  it("an iterator that only a lambda reads; keys through operations on all rows", async () => {
    expect(await resultOf("let all = numbers(3)\n[1, 2] |> map(k => all |> map(x => x * k) |> sum)", "Dataset<int>")).toEqual([3, 6]);
    const shuffled = (await resultOf("load(9) |> take(6) |> shuffle(seed: 3) |> map(r => r.id)", "Dataset<int>")) as number[];
    expect(shuffled.toSorted()).toEqual([0, 1, 2, 3, 4, 5]);
  });
  it("rows inside rows", async () => {
    expect(
      await resultOf("load(3) |> map(r => load(r.id) |> filter(x => x.id != r.id) |> sum(x => x.size + r.size))", "Dataset<float>"),
    ).toEqual([0, 0.5, 2.5]);
  });
  it("rows that are read twice, and outputs of outputs", async () => {
    expect(
      await outputs(`pipeline main() -> { mean: float, above: int, deep: { all: Dataset<float>, best: [float] } } {
  let scores = load(6) |> map(r => later(r.size))
  let middle = scores |> mean
  { mean: middle, above: scores |> filter(s => s > middle) |> count, deep: { all: scores, best: scores |> sortBy(s => -s) |> take(2) |> collect } }
}
`),
    ).toEqual({ mean: 2.25, above: 3, deep: { all: [1, 1.5, 2, 2.5, 3, 3.5], best: [3.5, 3] } });
  });
});

describe("values", () => {
  it("arithmetic, comparison, text, records, lists", async () => {
    expect(
      await outputs(`param name: string = "Ada"
pipeline main() -> { a: int, b: float, c: bool, d: string, e: { x: int, y: int }, f: [int], g: int } {
  let base = { x: 1, y: 2 }
  let [one, two] = [10, 20]
  { a: 7 % 4 + 2 * 3 - 1, b: 7 / 2, c: 1 < 2 && !(2 <= 1) || false, d: \`\${name} \${one + two}\`, e: { ...base, y: 5 }, f: [1, 2], g: len("four") + round(2.6) + min(3, 2) }
}
`),
    ).toEqual({ a: 8, b: 3.5, c: true, d: "Ada 30", e: { x: 1, y: 5 }, f: [1, 2], g: 9 });
  });
  it("only the branch that is taken runs", async () => {
    expect(await resultOf("if 1 < 2 { 1.0 } else { fail() }", "float")).toBe(1);
    expect(await resultOf("[1, 2] |> map(x => if x > 0 { 2.0 } else { fail() })", "Dataset<float>")).toEqual([2, 2]);
  });
  it("null, what stands for it, and what isn't", async () => {
    expect(await resultOf("let a = find(0)\nlet b = find(3)\n(a?.size ?? 7.0) + (if b != null { b.size } else { 0.0 })", "float")).toBe(10);
    expect(await resultOf("[0, 2] |> map(i => find(i)?.size)", "Dataset<float?>")).toEqual([null, 2]);
  });
  it("arguments left out, and by name", async () => {
    expect(await resultOf(`join("a")`, "string")).toBe("a!");
    expect(await resultOf(`join(b: "c", a: "a")`, "string")).toBe("ac");
  });
  it("what a function gives as `int` is one, or fails its stage", async () => {
    expect(await resultOf("[2, 4] |> map(halved) |> sum", "int")).toBe(3);
    expect(await resultOf("halvedLater(8)", "int")).toBe(4);
    const failed = async (body: string) => {
      const program = `${imports}pipeline main() -> int {\n${body}\n}\n`;
      return (await runOf(engine, { "main.pipe": program, "stages.ts": stages })).result.error?.message;
    };
    expect(await failed("[2, 3] |> map(halved) |> sum")).toBe("`halved` gave 1.5, and its type says `int`: a safe integer");
    expect(await failed("halvedLater(7)")).toBe("`halvedLater` gave 3.5, and its type says `int`: a safe integer");
  });
  it("equality is structural", async () => {
    expect(await resultOf('load(1) |> map(r => r == { id: 0, size: 0.0, tags: ["even", "two"] })', "Dataset<bool>")).toEqual([true]);
  });
  it("values that build on each other don't grow without end", async () => {
    const lets = Array.from({ length: 40 }, (_, i) => `let v${i + 1} = v${i} + v${i} % 1000003`).join("\n");
    let value = 1;
    for (let i = 0; i < 40; i++) value += value % 1000003;
    const program = `pipeline main() -> int {\nlet v0 = 1\n${lets}\nv40\n}\n`;
    expect((await outputs(program)).result).toBe(value);
  });
});

describe("pipelines", () => {
  it("called, nested, with defaults, as the function of map", async () => {
    expect(
      await outputs(`pipeline main() -> { a: float, b: float, c: Dataset<float> } {
  let twice = scaled(load(4))
  let again = report(load(3), by: 10.0)
  { a: twice.total, b: again.inner.total, c: [1.0, 2.0] |> map(x => plus(x)) }
}
pipeline scaled(data: Dataset<Row>, by: float = 2.0) -> { total: float, rows: Dataset<float> } {
  let grown = data |> map(r => later(r.size * by))
  { total: grown |> sum, rows: grown }
}
pipeline report(data: Dataset<Row>, by: float) -> { inner: { total: float, rows: Dataset<float> } } {
  { inner: scaled(data, by: by) }
}
pipeline plus(x: float) -> float {
  let y = later(x)
  y + 0.5
}
`),
    ).toEqual({ a: 10, b: 18, c: [2.5, 3.5] });
  });
});

describe("ownership: who changes its argument changes nobody else's", () => {
  it("a value that others read", async () => {
    const result = await outputs(`pipeline main() -> { before: Weights, after: Weights, twice: Weights } {
  let start = init(1)
  let after = bump(start, 5.0)
  { before: start, after, twice: bump(bump(start, 1.0), 1.0) }
}
`);
    expect(result).toEqual({ before: weights(1), after: weights(6), twice: weights(3) });
  });
  it("a value inside a record, a list, a branch, or handed through", async () => {
    const result = await outputs(`pipeline main() -> { start: Weights, all: [Weights], a: Weights, b: Weights, c: Weights, d: Weights } {
  let start = init(1)
  let all = many(2)
  let a = bump(same(start), 1.0)
  let b = bump(first(all), 2.0)
  let c = bump(if 1 < 2 { start } else { init(2) }, 3.0)
  let d = bump({ w: start.w }, 4.0)
  { start, all, a, b, c, d }
}
`);
    expect(result).toEqual({
      start: weights(1),
      all: [weights(0), weights(1)],
      a: weights(2),
      b: weights(2),
      c: weights(4),
      d: weights(5),
    });
  });
  it("rows, captured values and what a reduction gives", async () => {
    const result =
      await outputs(`pipeline main() -> { all: Dataset<Weights>, bumped: Dataset<Weights>, captured: Dataset<float>, start: Weights, picked: Weights } {
  let all = many(3)
  let start = init(1)
  let captured = [1.0, 2.0, 3.0] |> map(x => headOf(bump(start, x)))
  let picked = bump(all |> reduce((a, b) => if headOf(a) > headOf(b) { a } else { b }), 10.0)
  { all, bumped: all |> map(w => bump(w, 1.0)), captured, start, picked }
}
`);
    expect(result).toEqual({
      all: [weights(0), weights(1), weights(2)],
      bumped: [weights(1), weights(2), weights(3)],
      captured: [2, 3, 4],
      start: weights(1),
      picked: weights(12),
    });
  });
  it("a name inside a lambda's block, and rows collected there", async () => {
    const result = await outputs(`pipeline main() -> { out: Dataset<float>, all: [Weights] } {
  let all = many(2)
  let out = [1.0] |> map(x => if x > 0.0 {
    let here = init(1)
    let other = bump(here, x)
    headOf(here) + headOf(other) + headOf(bump(first(all |> filter(w => headOf(w) > 0.0) |> collect), 9.0))
  } else { 0.0 })
  { out, all }
}
`);
    expect(result).toEqual({ out: [1 + 2 + 10], all: [weights(0), weights(1)] });
  });
});

describe("fit", () => {
  const training = (start: string) => `param epochs: int = 3
pipeline main() -> { start: Weights, model: Weights } {
  let start = init(1)
  let model = fit w = ${start}
  over batch in load(6) |> batches(4)
  for epochs {
    let { loss, grad } = gradient(w, batch)
    let rate = 0.5
    track loss = mean(loss)
    w <- step(w, mean(grad), rate)
  }
  { start, model }
}
`;
  // Means of the sizes of rows 0–3 and 4–5.
  const model = (epochs: number) => weights(1 - 0.5 * epochs * (0.75 + 2.25));
  it("folds over batches and epochs, and leaves where it began alone", async () => {
    expect(await outputs(training("init(1)"))).toEqual({ start: weights(1), model: model(3) });
    expect(await outputs(training("start"))).toEqual({ start: weights(1), model: model(3) });
  });
  it("no epoch gives what it began with", async () => {
    expect(await outputs(training("start"), { epochs: 0 })).toEqual({ start: weights(1), model: weights(1) });
  });
  it("epoch and step are in scope", async () => {
    expect(
      await resultOf(
        `let model = fit w = init(1)
  over batch in load(4) |> shuffle(seed: epoch) |> batches(2)
  for 2 {
    let g = gradient(w, batch)
    w <- step(w, mean(g.grad), if epoch == 1 { 1.0 * step } else { 0.0 })
  }
  headOf(model)`,
        "float",
      ),
    ).toBeLessThan(1);
  });
});

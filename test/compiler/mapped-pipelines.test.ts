// Pipelines as functions of `map` and its kind: written out inside the task, they give what plain JavaScript gives, whatever the
// schedule.
import { localEngine } from "headrace/engine";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Engine } from "../../runtime/index.ts";
import { compileFiles, shown } from "../harness/programs.ts";

const stages = `import type { float, int, View } from "headrace";
export interface Row { readonly id: int; readonly size: float }
export interface Weights { w: Float64Array }
export function load(n: int): Row[] { return Array.from({ length: n }, (_, id) => ({ id: id as int, size: id / 2 })); }
export function weigh(row: Row, by: number): number { return row.size * by; }
export function init(n: int): Weights { return { w: new Float64Array(n).fill(1) }; }
export function gradient(w: View<Weights>, batch: readonly Row[]): { loss: float; grad: Weights } {
  return { loss: batch.length, grad: { w: Float64Array.of(batch.reduce((sum, row) => sum + row.size, 0) / batch.length) } };
}
export function step(w: Weights, grad: View<Weights>, rate: number): Weights { w.w[0]! -= rate * grad.w[0]!; return w; }
export function bump(w: Weights, by: number): Weights { w.w[0]! += by; return w; }
export function head(w: View<Weights>): float { return w.w[0]!; }
export function rowsOf(r: Row): Row[] { return [r, r]; }
`;
const pipelines = `import { load, weigh, init, gradient, step, bump, head, rowsOf, type Row, type Weights } from "./stages.ts"

param factor: float = 3.0

type Scored = { id: int, score: float }

pipeline scored(r: Row, by: float = 2.0) -> Scored {
  let w = weigh(r, by)
  let scaled = w * factor
  { id: r.id, score: scaled + w }
}
pipeline score(r: Row) -> float {
  scored(r).score
}
pipeline nested(r: Row, by: float) -> Scored {
  let s = scored(r, by)
  let again = scored(r, s.score)
  { ...again, score: again.score + s.score }
}
pipeline total(rows: Dataset<Row>, by: float = 1.0) -> float {
  let weights = rows |> map(r => weigh(r, by))
  (weights |> sum) / (weights |> count)
}
pipeline isBig(r: Row) -> bool {
  weigh(r, 1.0) > 1.0
}
pipeline twins(r: Row) -> [Row] {
  rowsOf(r) |> filter(x => x.id > 0) |> collect
}
pipeline halves(rows: Dataset<Row>) -> { all: int, mean: float } {
  let { left, right } = rows |> split(left: 0.5, right: 0.5, seed: 1)
  let [a, b] = [left |> count, right |> count]
  { all: a + b, mean: if a + b > 0 { rows |> mean(score) } else { 0.0 } }
}
pipeline bumped(w: Weights, by: float) -> float {
  let first = head(bump(w, by))
  first + head(bump(w, by))
}
pipeline add(a: float, b: float) -> float {
  a + b
}
pipeline name(r: Row) -> string? {
  if r.id > 1 { \`r\${r.id}\` } else { null }
}
pipeline power(r: Row) -> int {
  loop n = 1 until n > r.id max 50 {
    n <- n * 2
  }
}
pipeline fitted(rows: Dataset<Row>, seed: int) -> float {
  let model = fit w = init(seed)
  over batch in rows |> batches(2)
  for 3 {
    let g = gradient(w, batch)
    w <- step(w, mean(g.grad), 0.1)
  }
  head(model)
}
pipeline slope(w: Weights, batch: [Row]) -> { loss: float, grad: Weights } {
  let g = gradient(w, batch)
  { loss: g.loss, grad: g.grad }
}
`;

let engine: Engine;
beforeAll(async () => {
  engine = await localEngine({ slots: 2 });
});
afterAll(() => engine[Symbol.asyncDispose]());

/** What `main` gives, the same under every schedule. */
async function outputs(returns: string, body: string): Promise<Record<string, unknown>> {
  const files = {
    "main.pipe": `${pipelines}\npipeline main() -> ${returns} {\n${body}\n}\nschedule tasks {\n  *: task\n}\n`,
    "stages.ts": stages,
  };
  const found: unknown[] = [];
  for (const schedule of ["auto", "tasks"]) {
    const compiled = await compileFiles(files, "main.pipe", { schedule });
    expect(compiled.plan, shown(compiled, files)).not.toBeNull();
    const result = await engine.run(compiled.plan!, compiled.code, {});
    expect(result.error).toBeNull();
    found.push(result.outputs);
  }
  expect(found[1]).toEqual(found[0]);
  return found[0] as Record<string, unknown>;
}

const rows = Array.from({ length: 6 }, (_, id) => ({ id, size: id / 2 }));
const scored = (r: (typeof rows)[number], by = 2) => ({ id: r.id, score: r.size * by * 3 + r.size * by });
const score = (r: (typeof rows)[number]) => scored(r).score;
const mean = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0) / numbers.length;
const batches = [rows.slice(0, 3), rows.slice(3)];

it("by name and in a lambda, with defaults, arguments by name and one inside another", async () => {
  const given = await outputs(
    "{ byName: [Scored], by: [Scored], nested: [Scored], sum: [float], inner: [float] }",
    `  let rows = load(6)
  {
    byName: rows |> map(scored) |> collect,
    by: rows |> map(r => scored(r, 3.0)) |> collect,
    nested: rows |> map(r => nested(r, by: 1.0)) |> collect,
    sum: rows |> map(r => score(r) + total([r, r], by: score(r))) |> map(x => add(x, add(x, 1.0))) |> collect,
    inner: rows |> map(r => rows |> filter(x => x.id < r.id) |> map(scored) |> sum(s => s.score)) |> collect
  }`,
  );
  const sums = rows.map((r) => score(r) + r.size * score(r));
  expect(given).toEqual({
    byName: rows.map((r) => scored(r)),
    by: rows.map((r) => scored(r, 3)),
    nested: rows.map((r) => ({ id: r.id, score: scored(r, scored(r, 1).score).score + scored(r, 1).score })),
    sum: sums.map((x) => x + (x + 1)),
    inner: rows.map((r) => rows.filter((x) => x.id < r.id).reduce((sum, x) => sum + score(x), 0)),
  });
});

it("of filter, flatMap, sortBy, reductions, groups and attempts", async () => {
  const given = await outputs(
    "{ big: [int], twins: [int], sorted: [int], mean: float, any: bool, added: float, names: [string?], powers: [int], groups: [{ odd: bool, mean: float }], ok: [float] }",
    `  let rows = load(6)
  let { ok, failed } = rows |> attempt(score)
  expect count(failed) == 0, "some failed"
  {
    big: rows |> filter(isBig) |> map(r => r.id) |> collect, twins: rows |> flatMap(twins) |> map(r => r.id) |> collect,
    sorted: rows |> sortBy(r => -score(r)) |> map(r => r.id) |> collect,
    mean: rows |> mean(score), any: rows |> any(isBig), added: rows |> map(score) |> reduce(add),
    names: rows |> map(name) |> collect, powers: rows |> map(power) |> collect,
    groups: rows |> groupBy(r => { odd: r.id % 2 == 1 }) |> agg(mean: mean(score)) |> collect, ok: ok |> collect
  }`,
  );
  const power = (id: number) => {
    let n = 1;
    do n *= 2;
    while (n <= id);
    return n;
  };
  expect(given).toEqual({
    big: [3, 4, 5],
    twins: [1, 1, 2, 2, 3, 3, 4, 4, 5, 5],
    sorted: [5, 4, 3, 2, 1, 0],
    mean: mean(rows.map(score)),
    any: true,
    added: rows.reduce((sum, r) => sum + score(r), 0),
    names: [null, null, "r2", "r3", "r4", "r5"],
    powers: rows.map((r) => power(r.id)),
    groups: [false, true].map((odd) => ({ odd, mean: mean(rows.filter((r) => (r.id % 2 === 1) === odd).map(score)) })),
    ok: rows.map(score),
  });
});

it("of whole batches: data sets as parameters, splits, a fit for each", async () => {
  const given = await outputs(
    "{ totals: [float], halves: [{ all: int, mean: float }], fits: [float] }",
    `  let bs = load(6) |> batches(3)
  { totals: bs |> map(total) |> collect, halves: bs |> map(halves) |> collect, fits: bs |> map(b => fitted(b, 1)) |> collect }`,
  );
  const fitted = (of: typeof rows) => {
    let w = 1;
    for (let epoch = 0; epoch < 3; epoch++) for (const batch of [of.slice(0, 2), of.slice(2)]) w -= 0.1 * mean(batch.map((r) => r.size));
    return w;
  };
  expect(given).toEqual({
    totals: batches.map((of) => mean(of.map((r) => r.size))),
    halves: batches.map((of) => ({ all: 3, mean: mean(of.map(score)) })),
    fits: batches.map(fitted),
  });
});

it("nobody sees another row's changes; a value of the same name is no hindrance", async () => {
  const given = await outputs(
    "{ bumped: [float], again: [float], w: float }",
    `  let rows = load(6)
  let w = init(1)
  let score = rows |> map(score) |> collect
  { bumped: rows |> map(r => bumped(w, r.size)) |> collect, again: rows |> map(score) |> collect, w: head(w) + (score |> sum) * 0.0 }`,
  );
  expect(given).toEqual({ bumped: rows.map((r) => 2 + 2 * r.size), again: rows.map(score), w: 1 });
});

it("what a pipeline makes of a part of a batch is a part", async () => {
  const main = (update: string) =>
    `${pipelines}\npipeline main() -> float {
  let model = fit w = init(1)
  over batch in load(6) |> batches(2)
  for 1 {
    let g = slope(w, batch)
    w <- step(w, ${update}, 0.1)
  }
  head(model)
}\n`;
  const compiled = async (update: string) => {
    const files = { "main.pipe": main(update), "stages.ts": stages };
    return compileFiles(files, "main.pipe");
  };
  expect((await compiled("g.grad")).diagnostics.map(({ code }) => code)).toEqual(["HR204"]);
  const { plan, code } = await compiled("mean(g.grad)");
  const { outputs: given } = await engine.run(plan!, code, {});
  expect(given!.result).toBeCloseTo(
    [rows.slice(0, 2), rows.slice(2, 4), rows.slice(4)].reduce((w, b) => w - 0.1 * mean(b.map((r) => r.size)), 1),
  );
});

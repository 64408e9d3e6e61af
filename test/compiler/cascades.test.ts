// One message for one mistake, however much follows from it; and each of two mistakes has its own, however near they stand.
import { describe, expect, it } from "vitest";
import { check } from "../../compiler/compile.ts";
import { memoryCache, memorySources } from "../../compiler/sources.ts";

const stages = `import type { float, int } from "headrace";
export interface Row { readonly id: int; readonly size: float; readonly name: string | null }
export function load(seed: int): Row[] { return [{ id: seed, size: 1, name: null }]; }
export function score(row: Row, weight: float): float { return row.size * weight; }
export function slope(w: float, batch: readonly Row[]): { loss: float } { return { loss: w * batch.length }; }
`;
const head = 'import { load, score, slope, type Row } from "./stages.ts"\n';
const cache = memoryCache();
async function messages(program: string): Promise<string[]> {
  const sources = { ...memorySources({ "main.pipe": program, "stages.ts": stages }), cache };
  const { diagnostics } = await check("main.pipe", { sources });
  return diagnostics.map(({ code, frames: [frame] }) => `${code} ${frame ? program.slice(frame.span.start, frame.span.end) : ""}`);
}
const main = (body: string, returns = "float") => `${head}pipeline main() -> ${returns} {\n${body}\n}\n`;

describe("what follows from a mistake is silent", () => {
  it.each<[string, string, string[]]>([
    [
      "an import that isn't there, used often",
      `import { laod, score } from "./stages.ts"\npipeline main() -> float {\n  let a = load(1) |> map(r => score(r, 1.0)) |> sum\n  let b = load(2) |> map(r => r.size) |> sum\n  a + b + sum(laod(3) |> map(r => r.id))\n}`,
      ["HR502 laod"],
    ],
    ["a file that isn't there", main("  load(1) |> sum(r => score(r, 2.0))").replace("./stages.ts", "./stage.ts"), ['HR501 "./stage.ts"']],
    [
      "an alias of an unknown type",
      `type Pair = { a: Rwo, b: int }\n${main("  first(1, 2) |> sum(r => r.a.size)").replace("first(1, 2)", "pairs()")}pipeline pairs() -> [Pair] {\n  load(1) |> map(r => { a: r, b: 1 }) |> collect\n}\n`,
      ["HR105 Rwo"],
    ],
    [
      "a pipeline's unknown result",
      `${main("  other().size + other().rest")}pipeline other() -> Smth {\n  load(1) |> first\n}\n`,
      ["HR105 Smth"],
    ],
    [
      "a parameter of an unknown type",
      `${main("  total(load(1))")}pipeline total(rows: [Rowx]) -> float {\n  rows |> sum(r => r.sise * r.weight)\n}\n`,
      ["HR105 Rowx"],
    ],
    [
      "a pattern with an unknown field",
      main(
        "  let { train, tset } = load(1) |> split(train: 0.5, test: 0.5)\n  (train |> count) + (test |> count) + (tset |> count)",
        "int",
      ),
      ["HR111 tset"],
    ],
    ["a param with a wrong default", `param n: int = "one"\n${main("  load(n) |> sum(r => r.size * float(n))")}`, ['HR202 "one"']],
    ["a `let` of the wrong type", main("  let n: string = load(1) |> count\n  float(n) + float(n * 2)"), ["HR202 load(1) |> count"]],
    ["a hidden name", main("  let n = load(1)\n  let n = n |> count\n  float(n + 1) + (n |> sum(r => r.size))"), ["HR104 n"]],
    [
      "a call without the batch in a `fit`",
      main(
        "  fit w = 1.0\n  over batch in load(1) |> batches(2)\n  for 3 {\n    let g = slope(w)\n    track loss = mean(g.loss)\n    w <- w - mean(g.loss)\n  }",
      ),
      ["HR109 slope(w)"],
    ],
    ["a carried value that isn't given by `<-`", main("  loop w = 1.0\n  until w > 3.0\n  max 9 {\n    w = w + 1.0\n  }"), ["HR009 ="]],
    ["a value misspelt as a field", main("  let size = 1.0\n  let rest = { sise, n: 1 }\n  rest.size + float(rest.n)"), ["HR102 sise"]],
    [
      "an operation misspelt",
      main("  load(1) |> gropBy(r => r.id) |> agg(n: count(), s: sum(r => r.size)) |> sum(r => r.s)"),
      ["HR103 gropBy"],
    ],
  ])("%s", async (_, program, expected) => {
    expect(await messages(program)).toEqual(expected);
  });
});

describe("neighbours are told of by themselves", () => {
  it.each<[string, string, string[]]>([
    ["in one call", main("  score({ id: aa, size: 1.0, name: null }, bb)"), ["HR102 aa", "HR102 bb"]],
    ["in a call that lacks an argument", main("  load(1) |> sum(r => score(r.sise))"), ["HR109 score(r.sise)", "HR111 sise"]],
    ["in a call with one too many", main("  let n = load(aa, bb) |> count\n  float(n)"), ["HR102 aa", "HR110 bb", "HR102 bb"]],
    [
      "in one record",
      main('  { a: 1 + "x", b: load(1) |> sum(r => r.sise), c: qq }', "{ a: int, b: float, c: int }"),
      ['HR203 1 + "x"', "HR111 sise", "HR102 qq"],
    ],
    ["in a record of the wrong types", main('  { a: "one", b: 2.5 }', "{ a: int, b: int }"), ['HR202 "one"', "HR202 2.5"]],
    ["in both branches", main("  if 1 > 0 { aa } else { bb }"), ["HR102 aa", "HR102 bb"]],
    ["in a condition and a branch", main('  if "yes" { aa } else { 1.0 }'), ['HR202 "yes"', "HR102 aa"]],
    ["in a lambda", main("  load(1) |> sum(r => score(r, aa) + r.sise)"), ["HR102 aa", "HR111 sise"]],
    ["in a lambda with a parameter too many", main("  load(1) |> sum((r, i) => r.size + aa)"), ["HR206 i", "HR102 aa"]],
    ["behind what has no rows", main("  1.0 |> map(x => aa)"), ["HR205 1.0", "HR102 aa"]],
    [
      "in an operation that doesn't know an argument",
      main("  load(1) |> shuffle(sede: aa) |> sum(r => r.size)"),
      ["HR108 sede", "HR102 aa"],
    ],
    ["in a method's arguments", main("  let rows = load(1)\n  rows.filter(aa)"), ["HR111 filter", "HR102 aa"]],
    [
      "in schedules and program",
      `${main("  load(1) |> sum(r => r.sise)")}schedule s {\n  reslut: dta(2) { timeuot: 1m }\n}\n`,
      ["HR111 sise", "HR402 reslut", "HR403 dta", "HR406 timeuot"],
    ],
  ])("%s", async (_, program, expected) => {
    expect(await messages(program)).toEqual(expected);
  });
});

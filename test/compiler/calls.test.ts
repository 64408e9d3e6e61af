// Calls of TypeScript functions against their signatures, through the whole check: what fits, what doesn't and why, what comes of it.
import { expect, it } from "vitest";
import { compileFiles } from "../harness/programs.ts";

const stages = `import type { float, int, ReadonlyTensor, Tensor, View } from "headrace";
export interface Row { readonly id: int; readonly name: string | null; readonly size: float; readonly note?: string }
export type Mode = "fast" | "slow";
export enum Level { Low = "low", High = "high" }
export function load(n: int): Row[] { return []; }
export function count(n: int): int { return n; }
export function real(x: number): number { return x; }
export function text(s: string): string { return s; }
export function maybe(n: int): Row | null { return null; }
export function named(row: Row, mode: Mode = "fast", level?: Level): string { return mode; }
export function sumAll(first: number, ...more: number[]): number { return first; }
export function labelled(...[name, n]: [name: string, n: int]): string { return name; }
export function pair(): [string, int] { return ["a", 1 as int]; }
export function swap(of: readonly [string, int]): readonly [int, string] { return [of[1], of[0]]; }
export function pick(x: string): string;
export function pick(x: number, y: number): int;
export function pick(x: readonly Row[]): Row;
export function pick(x: unknown, y?: unknown): unknown { return x; }
export function longest<T extends { readonly length: number }>(a: T, b: T): T { return a; }
export function first<T>(xs: readonly T[]): T | undefined { return xs[0]; }
export async function later<T>(x: T): Promise<{ readonly value: T; readonly all: readonly T[] }> { return { value: x, all: [x] }; }
export function spare<T = string>(): T { return null as never; }
export function tally<K, V>(of: Map<K, V>): V[] { return [...of.values()]; }
export function table(): Map<string, int> { return new Map(); }
export async function* stream(n: int): AsyncGenerator<{ readonly at: int }> {}
export function image(): Tensor<"f32", [64, "28*28"]> { return null as never; }
export function weights(): Tensor<"f32", [785, 10]> { return null as never; }
export function some(): Tensor<"f32", ["?", 784]> { return null as never; }
export function matmul(a: ReadonlyTensor<"f32", ["M", "K"]>, b: ReadonlyTensor<"f32", ["K", "N"]>): Tensor<"f32", ["M", "N"]> { return null as never; }
export function add(a: ReadonlyTensor<"f32", ["N", "D"]>, b: ReadonlyTensor<"f32", ["N", "D"]>): Tensor<"f32", ["N", "D"]> { return null as never; }
export function halves(a: ReadonlyTensor<"f32", ["2*H"]>): { readonly left: Tensor<"f32", ["H"]>; readonly right: Tensor<"f32", ["H"]> } { return null as never; }
export function vector(): Tensor<"f32", [128]> { return null as never; }
export function dense<B extends number>(x: Tensor<"f32", [B, 784]>): Tensor<"f32", [B, 10]> { return null as never; }
export interface Tree { readonly value: int; readonly left: Tree | null }
export function tree(): Tree { return { value: 1 as int, left: null }; }
export function depth(of: Tree): int { return 1 as int; }
export namespace stats { export function mean(xs: number[]): number { return 1; } }
export const table2 = { mean(x: number) { return x; } };
export const limit = 3;
export default function other(): float { return 1; }
`;
const names =
  "load, count, real, text, maybe, named, sumAll, labelled, pair, swap, pick, longest, first, later, spare, tally, table, stream, image, weights, some, matmul, add, halves, vector, dense, tree, depth, type Row";

/** Each body is a pipeline of its own; what is said of each, and what it would give. */
async function told(bodies: readonly (readonly [body: string, parameters?: string])[]): Promise<string[]> {
  // A result of a type that nothing has: what the body gives is told in the message.
  const pipelines = bodies.map(([body, parameters = ""], i) => `pipeline p${i}(${parameters}) -> { never: bool } { ${body}\n}`);
  const text = `import { ${names} } from "./stages.ts"\n${pipelines.join("\n")}\npipeline main() -> int { 1 }\n`;
  const { diagnostics } = await compileFiles({ "main.pipe": text, "stages.ts": stages }, "main.pipe");
  const starts = pipelines.map((each) => text.indexOf(each));
  return bodies.map((_, i) => {
    const own = diagnostics.filter(({ severity, frames: [frame] }) => {
      const start = frame?.span.start ?? -1;
      return severity === "error" && start >= starts[i]! && start < starts[i]! + pipelines[i]!.length;
    });
    const gives = /is (.*), and needs to be \{ never: bool \}$/.exec(
      own.find(({ code, message }) => code === "HR202" && message.startsWith("the result of `p"))?.message ?? "",
    );
    const problems = own.filter(({ message }) => !message.startsWith("the result of `p"));
    if (problems.length === 0) return gives?.[1] ?? "nothing";
    return problems.map(({ message, help }) => (help === null ? message : `${message}; ${help}`)).join("\n");
  });
}

const table: readonly (readonly [body: string, gives: string, parameters?: string])[] = [
  // Numbers, null, records, literals
  ["real(count(1))", "float"],
  ["count(real(1))", "`n` of `count` needs int, not float"],
  ["named({ id: 1, size: 2, name: null })", "string"],
  ["named({ id: 1, size: 2 })", "string"],
  ['named({ id: 1.5, size: 2, name: "a" })', "field `id` of `row` of `named` needs int, not float"],
  [
    'named({ id: 1, siez: 2, name: "a" })',
    "`row` of `named` needs Row, not { id: int, siez: int, name: string }; field `size` is missing; is `siez` meant?",
  ],
  ["named(maybe(1))", "`row` of `named` needs Row, not Row?; null isn't Row"],
  ['named(load(1)[0], "fast", "low")', "string"],
  ['named(load(1)[0], "fats")', '`mode` of `named` needs "fast" | "slow" | null, not "fats"; did you mean "fast"?'],
  ['named(load(1)[0], level: "high")', "string"],
  // Rest, tuples
  ["sumAll(1, 2, 3.5)", "float"],
  ['sumAll(1, "a")', "`more` of `sumAll` needs float, not string"],
  ['labelled("a", 1)', "string"],
  ['labelled("a", "b")', "`n` of `labelled` needs int, not string"],
  ["let [a, b] = pair()\n { a: text(a), b: count(b) }", "{ a: string, b: int }"],
  ["count(pair()[1])", "int"],
  ["swap(pair())", "[int, string]"],
  ['swap(["a", 1])', "[int, string]"],
  ['swap([1, "a"])', "`of` of `swap` needs [string, int], not [int | string]"],
  // Overloads
  ['pick("a")', "string"],
  ["pick(1, 2)", "int"],
  ["pick(load(1))", "Row"],
  ["pick(true)", "`x` of `pick` needs string, not bool"],
  ['pick(1, "a")', "`y` of `pick` needs float, not string"],
  // Type parameters
  ["first(load(1))", "Row?"],
  ["later(1)", "{ value: int, all: [int] }"],
  ["spare()", "string"],
  ['longest("a", "b")', "string"],
  ["longest(1, 2)", "`a` of `longest` needs { length: float }, not int\n`b` of `longest` needs { length: float }, not int"],
  ["tally(table())", "[unknown]"],
  // Iterators, recursive types
  ["stream(1) |> map(r => r.at)", "Dataset<int>"],
  ["depth(tree())", "int"],
  ["depth({ value: 1, left: null })", "int"],
  // Dimensions
  ["matmul(image(), some())", "Tensor<f32, [64, 784]>"],
  [
    "matmul(image(), weights())",
    "`b` of `matmul` needs Tensor<f32, [28*28, 10]>, not Tensor<f32, [785, 10]>; its dimension 1 is 785, not 28*28 (784)",
  ],
  ["halves(vector()).left", "Tensor<f32, [64]>"],
  ["dense(image())", "Tensor<f32, [64, 10]>"],
  ["dense(some())", "Tensor<f32, [?, 10]>"],
  ["add(x, x)", "Tensor<f32, [B, 784]>", "x: Tensor<f32, [B, 784]>"],
  [
    "add(x, y)",
    "`b` of `add` needs Tensor<f32, [B, 784]>, not Tensor<f32, [C, 784]>; its dimension 1 is C, not B",
    "x: Tensor<f32, [B, 784]>, y: Tensor<f32, [C, 784]>",
  ],
  [
    "add(x, image())",
    "`b` of `add` needs Tensor<f32, [B, 784]>, not Tensor<f32, [64, 28*28]>; its dimension 1 is 64, not B",
    "x: Tensor<f32, [B, 784]>",
  ],
  ["let y: Tensor<f32, [N, 784]> = image()\n add(y, image())", "Tensor<f32, [64, 784]>"],
  ["let y: Tensor<f32, [N, 784]> = some()\n add(y, y)", "Tensor<f32, [N, 784]>"],
  [
    "let y: Tensor<f32, [B, 784]> = image()\n y",
    "this value is Tensor<f32, [64, 28*28]>, and needs to be Tensor<f32, [B, 784]>; its dimension 1 is 64, not B",
    "x: Tensor<f32, [B, 784]>",
  ],
  ["let r = { a: x, b: [x] }\n add(r.a, r.b[0])", "Tensor<f32, [B, 784]>", "x: Tensor<f32, [B, 784]>"],
  ["[x, x] |> map(t => add(t, x))", "[Tensor<f32, [B, 784]>]", "x: Tensor<f32, [B, 784]>"],
  ["fit w = x over b in load(1) |> batches(2) for 2 { w <- add(w, x) }", "Tensor<f32, [B, 784]>", "x: Tensor<f32, [B, 784]>"],
];

const said = await told(table.map(([body, , parameters]) => [body, parameters]));
it.each(table.map(([body, gives], i) => [body, gives, i] as const))("%s", (_, gives, i) => {
  expect(said[i]).toBe(gives);
});

it("sizes that disagree are shown with the argument that they disagree with", async () => {
  const files = {
    "main.pipe": `import { matmul, image, weights } from "./stages.ts"\npipeline main() -> Tensor<f32, [64, 10]> { matmul(image(), weights()) }\n`,
    "stages.ts": stages,
  };
  const { diagnostics } = await compileFiles(files, "main.pipe");
  expect(diagnostics.map(({ frames }) => frames.map(({ label }) => label))).toEqual([
    ["is Tensor<f32, [785, 10]>, needs Tensor<f32, [28*28, 10]>", "`K` is 28*28 here", "needed here"],
  ]);
});

it("a pipeline's own symbols: bound by each call, free in a result that no argument names", async () => {
  const program = (body: string) => `import { image, some, add, dense } from "./stages.ts"
pipeline twice(x: Tensor<f32, [B, 784]>) -> Tensor<f32, [B, 784]> { add(x, x) }
pipeline any() -> Tensor<f32, [N, 784]> { image() }
pipeline wrong(x: Tensor<f32, [B, 784]>) -> Tensor<f32, [B, 784]> { image() }
pipeline main() -> Tensor<f32, [64, 784]> { ${body} }
`;
  const messages = async (body: string) =>
    (await compileFiles({ "main.pipe": program(body), "stages.ts": stages }, "main.pipe")).diagnostics
      .filter(({ severity }) => severity === "error")
      .map(({ message }) => message);
  const own = "the result of `wrong` is Tensor<f32, [64, 28*28]>, and needs to be Tensor<f32, [B, 784]>";
  expect(await messages("twice(image())")).toEqual([own]);
  expect(await messages("add(any(), twice(some()))")).toEqual([own]);
});

it("what can't be imported says what it is, and how to have it", async () => {
  const text = `import { stats, table2, limit, default as one } from "./stages.ts"\npipeline main() -> float { one() }\n`;
  const { diagnostics } = await compileFiles({ "main.pipe": text, "stages.ts": stages }, "main.pipe");
  expect(diagnostics.map(({ message, help }) => [message, help])).toEqual([
    ["`stats` is a namespace, but is imported as a function", "export its functions by themselves: export const mean = stats.mean"],
    [
      "`table2` is an object of functions, but is imported as a function",
      "export its functions by themselves: export const mean = table2.mean",
    ],
    [
      "`limit` is a value, not a function, but is imported as a function",
      "export a function that gives it: export const getLimit = () => …",
    ],
  ]);
});

// `run --check` with real hosts: who changes what others read is named, whatever the form of the call; who doesn't is left alone.
import { localEngine } from "headrace/engine";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Engine, RunResult } from "../../runtime/index.ts";
import { compileFiles, shown } from "../harness/programs.ts";

const stages = `import type { int, View } from "headrace";
export function load(n: int): Float32Array { return Float32Array.from({ length: n }, (_, i) => i); }
export function rows(n: int): { x: Float32Array }[] { return Array.from({ length: n }, (_, i) => ({ x: Float32Array.of(i, 1) })); }
export function total(x: View<Float32Array>): number { return x.reduce((a, b) => a + b, 0); }
export function spoil(x: View<Float32Array>, by: int): number { (x as Float32Array)[0] = by + 1; return 0; }
export async function later(x: View<Float32Array>): Promise<number> { await null; (x as Float32Array)[0] = 9; return 0; }
export function* each(x: View<Float32Array>): Generator<number> { yield 1; (x as Float32Array)[0] = 9; yield 2; }
export function sorted(xs: readonly number[]): number { (xs as number[]).sort((a, b) => b - a); return xs[0]!; }
export function own(x: Float32Array): number { x[0] = 9; return total(x); }
export function gradient(w: View<Float32Array>, batch: readonly { x: Float32Array }[]): { loss: number; grad: Float32Array } {
  (w as Float32Array)[0] = 1;
  return { loss: 0, grad: Float32Array.of(batch.length, 0) };
}
export function sgd(w: Float32Array, g: View<Float32Array>): Float32Array { w[0]! += g[0]!; return w; }
export function init(): Float32Array { return Float32Array.of(0, 0); }
/** @volatile */
export function now(): number { return Date.now() + Math.random(); }
const seen = { calls: 0 };
const touch = (s: { calls: number }) => { s.calls++; return s.calls; };
export function hidden(r: int): int { return (r + touch(seen)) as int; }
`;

let engine: Engine;
beforeAll(async () => {
  engine = await localEngine({ slots: 2 });
});
afterAll(() => engine[Symbol.asyncDispose]());

async function run(body: string, returns: string, check = true): Promise<RunResult> {
  const names = [...stages.matchAll(/^export (?:async )?function\*? (\w+)/gm)]
    .map(([, name]) => name)
    .filter((name) => new RegExp(`\\b${name}\\b`).test(body));
  const files = {
    "main.pipe": `import { ${names.join(", ")} } from "./stages.ts"\npipeline main() -> ${returns} {\n${body}\n}\n`,
    "stages.ts": stages,
  };
  const { plan, code, ...compiled } = await compileFiles(files, "main.pipe");
  expect(plan, shown(compiled, files)).not.toBeNull();
  return engine.run(plan!, code, { check });
}
const changed = (name: string, parameter: string) => ({ kind: "mutated", name: "CheckFailed", broken: { functions: [name], parameter } });

it("a function that writes through a cast, however it is called", async () => {
  const large = "  let w = load(100000)\n";
  expect((await run(`${large}  spoil(w, 4)`, "float")).error).toMatchObject({ ...changed("spoil", "x"), stage: "result" });
  expect((await run(`${large}  range(9, blocks: 3) |> map(r => spoil(w, r)) |> sum`, "float")).error).toMatchObject(changed("spoil", "x"));
  expect((await run("  rows(9) |> map(r => spoil(r.x, 3)) |> sum", "float")).error).toMatchObject(changed("spoil", "x"));
  expect((await run(`${large}  later(w)`, "float")).error).toMatchObject(changed("later", "x"));
  expect((await run(`${large}  each(w) |> sum`, "float")).error).toMatchObject(changed("each", "x"));
  expect((await run("  let xs = [1.0, 2.0]\n  sorted(xs)", "float")).error).toMatchObject(changed("sorted", "xs"));
});

it("inside a fit too, where the carried value is nobody else's", async () => {
  const body = `  fit w = init()
  over batch in rows(8) |> batches(4)
  for 2 {
    let g = gradient(w, batch)
    w <- sgd(w, mean(g.grad))
  }`;
  expect((await run(body, "Float32Array")).error).toMatchObject(changed("gradient", "w"));
});

it("a pure stage that gives something else is told; one that says so isn't", async () => {
  const { error } = await run("  range(9, blocks: 3) |> map(r => hidden(r)) |> sum", "int");
  expect(error).toMatchObject({ kind: "unsteady", broken: { functions: ["hidden"], parameter: null } });
  expect((await run("  now()", "float")).error).toBeNull();
});

it("who keeps to the rules gives what it gives without", async () => {
  const body = `  let w = load(100000)
  let a = own(w)
  let b = total(w)
  let c = range(9, blocks: 3) |> map(r => total(w) + r) |> sum
  let d = rows(9) |> map(r => own(r.x)) |> sum
  { a, b, c, d }`;
  const type = "{ a: float, b: float, c: float, d: float }";
  const watched = await run(body, type);
  expect(watched.error).toBeNull();
  expect(watched.outputs).toEqual((await run(body, type, false)).outputs);
});

it("without --check nobody looks", async () => {
  expect((await run("  let w = load(10)\n  spoil(w, 4)", "float", false)).error).toBeNull();
});

// Each page of the catalogue has a program that gives its message, and one that doesn't: both are compiled.
import { describe, expect, it } from "vitest";
import type { Example } from "../../lang/examples.ts";
import { examples } from "../../lang/examples.ts";
import { compileFiles, shown } from "../harness/programs.ts";

const stages = `import type { int, Secret, View } from "headrace";

export interface Row { readonly id: int; readonly size: number; readonly name: string | null; readonly place: { readonly size: number } | null }
export interface Weights { w: Float32Array }

export function load(seed: int): Row[] { return [{ id: seed, size: 1, name: null, place: null }]; }
export function score(row: Row, weight: number): number { return row.size * weight; }
export function init(seed: int): Weights { return { w: new Float32Array(seed) }; }
export function gradient(w: View<Weights>, batch: readonly Row[]): { loss: number; grad: Weights } { return { loss: batch.length, grad: { w: w.w.slice() } }; }
export function step(w: Weights, grad: View<Weights>, rate: number): Weights { w.w[0]! -= rate * grad.w[0]!; return w; }
export function judge(w: Weights, row: Row): number { return w.w[0]! * row.size; }
export function norm(w: View<Weights>): number { return w.w[0]!; }
export class Connection { constructor(readonly url: string) {} read(): number { return this.url.length; } }
export function connect(url: string): Connection { return new Connection(url); }
export function answer(connection: Connection): number { return connection.read(); }
export function ask(url: string): number { return new Connection(url).read(); }
export function draw(): number { return Math.random(); }
export function drawn(seed: int): number { return seed / 7; }
let count = 0;
export function counted(row: Row): number { count += row.size; return count; }
export function added(a: number, b: number): number { return a + b; }
/** @associative */
export function larger(a: number, b: number): number { return Math.max(a, b); }
/** @effect */
export function tell(text: string): void { console.log(text); }
/** @effect */
export function send(token: Secret): void { console.log(String(token).length); }
export async function session(): Promise<Connection> { return new Connection(""); }
export function use(connection: Connection): number { return connection.read(); }
`;

const sim = `export class Sim {
  constructor(readonly seed: number) {}
  step(x: number): number { return this.seed + x; }
}
export class Sealed {
  private constructor() {}
  step(x: number): number { return x; }
}
`;

const functions =
  "load, score, init, gradient, step, judge, norm, connect, answer, ask, draw, drawn, counted, added, larger, tell, send, type Row";

/** What the page leaves out: imports, and the pipeline around statements. */
function files({ typescript }: Example, text: string): Record<string, string> {
  if (typescript) {
    const head = 'import { dataset, type int } from "headrace";\nimport { load, type Row } from "./stages.ts";\n';
    return { "main.pipeline.ts": `${head}${text}\n`, "stages.ts": stages, "rows.csv": "size\n1\n" };
  }
  const whole = /^(pipeline|param|type|import) /.test(text) ? text : `pipeline main() -> float {\n${text}\n}`;
  const head = whole.startsWith("import") ? "" : `import { ${functions} } from "./stages.ts"\n`;
  return { "main.pipe": `${head}${whole}\n`, "stages.ts": stages, "sim.ts": sim, "rows.csv": "size\n1\n" };
}

const tested = Object.entries(examples).flatMap(([code, example]) => ("wrong" in example ? [[code, example] as const] : []));

describe("pages of messages", () => {
  it("most have an example, and the rest say why they have none", () => {
    expect(tested.length).toBeGreaterThan(70);
    for (const example of Object.values(examples)) if ("untested" in example) expect(example.untested).not.toBe("");
  });

  it.each(tested)("%s", async (code, example) => {
    const main = example.typescript ? "main.pipeline.ts" : "main.pipe";
    const wrong = files(example, example.wrong);
    const right = files(example, example.right);
    const given = await compileFiles(wrong, main);
    expect(
      given.diagnostics.map((one) => one.code),
      shown(given, wrong),
    ).toContain(code);
    const fine = await compileFiles(right, main);
    expect(
      fine.diagnostics.filter((one) => one.severity === "error" || one.code === code),
      shown(fine, right),
    ).toEqual([]);
  });
});

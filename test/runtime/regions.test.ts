// Plans with regions on the local engine: real hosts, which are killed; results as a fault-free run gives them.
import { execFileSync } from "node:child_process";
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Engine, RunEvent } from "headrace/engine";
import { localEngine } from "headrace/engine";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { after, block, blocks, call, constant, input, item, items, param, plus, program, rows, sum, value } from "./programs.ts";

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
            inputs: [value(1), after(0)],
          },
          { id: "result", tasks: { kind: "given" } },
          { id: "shown", inputs: [value(5), after(4)], body: plus(input(0), constant("!")) },
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
});

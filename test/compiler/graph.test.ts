// The index over what reads each other: order, cycles, levels, critical path, against their definitions on random graphs.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { flowGraph, GraphIndex, planGraph } from "../../compiler/graph.ts";
import { compileFiles } from "../harness/programs.ts";

/** Node i reads some of those before it. */
const acyclic = fc
  .array(fc.array(fc.nat(), { maxLength: 4 }), { minLength: 1, maxLength: 30 })
  .map((rows) => rows.map((row, i) => (i === 0 ? [] : [...new Set(row.map((n) => n % i))])));
const indexOf = (reads: readonly (readonly number[])[]) => new GraphIndex(reads.keys(), (i: number) => reads[i]!);

describe("an index over items that read each other", () => {
  it("orders each after what it reads, and holds each once", () => {
    fc.assert(
      fc.property(acyclic, (reads) => {
        const order = indexOf(reads).order();
        expect([...order].sort((a, b) => a - b)).toEqual([...reads.keys()]);
        const place = new Map(order.map((item, i) => [item, i]));
        for (const [i, row] of reads.entries()) for (const read of row) expect(place.get(read)!).toBeLessThan(place.get(i)!);
      }),
    );
  });

  it("reaches what nobody listed, and nothing else", () => {
    const reads = [[], [0], [1], [0]];
    expect(new GraphIndex([2], (i: number) => reads[i]!).order()).toEqual([0, 1, 2]);
  });

  it("finds those that reach themselves", () => {
    const reads: Record<string, string[]> = { a: ["b"], b: ["c"], c: ["b"], d: ["d"], e: ["a"] };
    expect(new GraphIndex(Object.keys(reads), (name) => reads[name]!).inCycles().sort()).toEqual(["b", "c", "d"]);
    expect(indexOf([[], [0], [0, 1]]).inCycles()).toEqual([]);
  });

  it("levels: one more than the deepest of what is read", () => {
    fc.assert(
      fc.property(acyclic, (reads) => {
        const depth = (i: number): number => 1 + Math.max(-1, ...reads[i]!.map(depth));
        indexOf(reads)
          .levels()
          .forEach((items, level) => {
            for (const item of items) expect(depth(item)).toBe(level);
          });
      }),
    );
  });

  it("the critical path is the costliest chain", () => {
    fc.assert(
      fc.property(acyclic, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 30, maxLength: 30 }), (reads, costs) => {
        const dearest = (i: number): number => costs[i]! + Math.max(0, ...reads[i]!.map(dearest));
        const path = indexOf(reads).criticalPath((i) => costs[i]!);
        expect(path.cost).toBe(Math.max(...[...reads.keys()].map(dearest)));
        expect(path.items.reduce((sum, i) => sum + costs[i]!, 0)).toBe(path.cost);
        path.items.slice(1).forEach((item, i) => {
          expect(reads[item]!).toContain(path.items[i]!);
        });
      }),
    );
  });

  it("a chain of thousands", () => {
    const order = new GraphIndex([9999], (i: number) => (i === 0 ? [] : [i - 1])).order();
    expect(order).toEqual([...Array(10_000).keys()]);
  });
});

describe("stages of a program", () => {
  const files = {
    "main.pipe": `import { load } from "./stages.ts"
pipeline main() -> { high: float, both: float } {
  let rows = load(1)
  let high = rows |> max
  let low = rows |> min
  { high, both: high + low }
}
`,
    "stages.ts": "export function load(seed: number): number[] { return [seed]; }\n",
  };
  it("of a flow and of its plan", async () => {
    const { flow, plan } = await compileFiles(files, "main.pipe");
    for (const graph of [flowGraph(flow!), planGraph(plan!)]) {
      expect(graph.order().map(({ id }) => id)).toEqual((plan ?? flow)!.stages.map(({ id }) => id));
      expect(graph.levels().map((level) => level.map(({ id }) => id).sort())).toEqual([
        ["rows"],
        ["high/blocks", "low/blocks"],
        ["high", "low"],
        ["both"],
      ]);
      expect(graph.criticalPath().items.map(({ id }) => id)).toEqual(["rows", "high/blocks", "high", "both"]);
    }
  });
});

// The digits example as its README promises it: accuracy, and the same bits by every way that claims to be exact.
import { fileURLToPath } from "node:url";
import type { Engine } from "headrace/engine";
import { compile, localEngine } from "headrace/engine";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const example = (name: string) => fileURLToPath(new URL(`../../examples/digits/${name}`, import.meta.url));
const compiled = async (name: string, options: { schedule?: string } = {}) => {
  const { plan, code, diagnostics } = await compile(example(name), options);
  expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
  return { plan: plan!, code };
};

interface Outputs {
  readonly model: { readonly w: Float32Array; readonly b: Float32Array };
  readonly accuracy: number;
}

describe("digits", () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await localEngine({ slots: 2 });
  });
  afterAll(() => engine[Symbol.asyncDispose]());

  async function run(name: string, params: { [name: string]: number } = {}, options: { schedule?: string } = {}): Promise<Outputs> {
    const { plan, code } = await compiled(name, options);
    const result = await engine.run(plan, code, { params });
    expect(result.error).toBeNull();
    return result.outputs as unknown as Outputs;
  }

  it("is as accurate as it should be", async () => {
    const accuracies: number[] = [];
    for (const seed of [1, 2, 3, 4, 5]) accuracies.push((await run("digits.pipe", { seed })).accuracy);
    expect(Math.min(...accuracies)).toBeGreaterThanOrEqual(0.88);
    expect(accuracies.reduce((a, b) => a + b) / accuracies.length).toBeGreaterThanOrEqual(0.9);
    // Another seed is another model.
    expect(new Set(accuracies).size).toBe(5);
  });

  it("has one plan, written as `.pipe` or as TypeScript", async () => {
    const pipe = await compiled("digits.pipe");
    const typescript = await compiled("digits.pipeline.ts");
    expect(typescript.plan.hash).toBe(pipe.plan.hash);
    expect(Object.keys(typescript.code).sort()).toEqual(Object.keys(pipe.code).sort());
  });

  it("gives the same bits under another schedule, in TypeScript, and on one slot", async () => {
    const params = { epochs: 1, seed: 3 };
    const outputs = await run("digits.pipe", params);
    expect(await run("digits.pipe", params, { schedule: "laptop" })).toEqual(outputs);
    expect(await run("digits.pipeline.ts", params)).toEqual(outputs);
    const single = await localEngine({ slots: 1 });
    try {
      const { plan, code } = await compiled("digits.pipe");
      expect((await single.run(plan, code, { params })).outputs).toEqual(outputs);
    } finally {
      await single[Symbol.asyncDispose]();
    }
  });
});

// The examples of training beside `digits` and `mlp`: what their READMEs say, in little time.
import { fileURLToPath } from "node:url";
import type { Engine } from "headrace/engine";
import { compile, localEngine } from "headrace/engine";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

let engine: Engine;
beforeAll(async () => {
  engine = await localEngine({ slots: 2 });
});
afterAll(() => engine[Symbol.asyncDispose]());

async function outputsOf(name: string, schedule: string | null, params: { [name: string]: number }): Promise<Record<string, number>> {
  const file = fileURLToPath(new URL(`../../examples/${name}/${name}.pipe`, import.meta.url));
  const { plan, code, diagnostics } = await compile(file, schedule ? { schedule } : {});
  expect(diagnostics).toEqual([]);
  const { outputs, error } = await engine.run(plan!, code, { params });
  expect(error).toBeNull();
  return outputs as Record<string, number>;
}

describe("spam", () => {
  it.each([null, "allreduce", "servers", "average", "often", "hogwild", "downpour"])(
    "%s",
    async (schedule) => {
      const { accuracy } = await outputsOf("spam", schedule, { epochs: 1 });
      expect(accuracy).toBeGreaterThan(0.97);
    },
    60_000,
  );
});

describe("ratings", () => {
  it("hogwild comes to what the fold comes to, within noise, on data that hardly meet", async () => {
    // Recht et al. 2011.
    const params = { count: 150_000, epochs: 6 };
    const [fold, wild] = [await outputsOf("ratings", null, params), await outputsOf("ratings", "hogwild", params)];
    expect(wild.trained! / fold.trained!).toBeGreaterThan(0.97);
    expect(wild.trained! / fold.trained!).toBeLessThan(1.03);
  }, 60_000);
});

describe("bagging", () => {
  it("many see more than one", async () => {
    const { alone, together } = await outputsOf("bagging", null, { models: 10 });
    expect(together).toBeGreaterThan(alone!);
    expect(together).toBeGreaterThan(0.87);
  }, 60_000);
});

it("layers: in places and over its data it comes to what the fold comes to", async () => {
  const fold = await outputsOf("layers", null, { epochs: 1 });
  expect(fold.accuracy).toBeGreaterThan(0.88);
  for (const schedule of ["pipelined", "tensor", "allreduce", "servers"]) {
    const { loss } = await outputsOf("layers", schedule, { epochs: 1 });
    expect(loss! / fold.loss!).toBeCloseTo(1, 3);
  }
}, 60_000);

describe("cartpole", () => {
  it("stands, and does the same each time", async () => {
    const { steps, played } = await outputsOf("cartpole", null, { actors: 8 });
    expect(steps).toBeGreaterThan(450);
    expect(played! % 16).toBe(8);
    expect(await outputsOf("cartpole", null, { actors: 8 })).toEqual({ steps, played });
  }, 60_000);
});

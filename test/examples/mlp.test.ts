// The network with a hidden layer: as accurate as its README says under every architecture that it names.
import { fileURLToPath } from "node:url";
import type { Engine } from "headrace/engine";
import { compile, localEngine } from "headrace/engine";
import { afterAll, beforeAll, expect, it } from "vitest";

const file = fileURLToPath(new URL("../../examples/mlp/mlp.pipe", import.meta.url));
let engine: Engine;
beforeAll(async () => {
  engine = await localEngine({ slots: 2 });
});
afterAll(() => engine[Symbol.asyncDispose]());

it.each([null, "allreduce", "average", "downpour", "hogwild"])(
  "%s",
  async (schedule) => {
    const { plan, code, diagnostics } = await compile(file, schedule ? { schedule } : {});
    expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
    const { outputs, error } = await engine.run(plan!, code, { params: { epochs: 4 } });
    expect(error).toBeNull();
    expect(outputs.accuracy).toBeGreaterThan(0.9);
  },
  60_000,
);

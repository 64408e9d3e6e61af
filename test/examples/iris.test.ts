// The iris example as its README promises it.
import { fileURLToPath } from "node:url";
import { compile, localEngine } from "headrace/engine";
import { expect, it } from "vitest";

const file = (name: string) => fileURLToPath(new URL(`../../examples/iris/${name}`, import.meta.url));
const example = file("iris.pipe");

interface Trial {
  readonly groups: number;
  readonly spread: number;
  readonly purity: number;
}

it("finds three groups, with the same bits under every schedule and number of slots", async () => {
  const found: unknown[] = [];
  for (const [slots, schedule] of [
    [2, "auto"],
    [2, "two"],
    [1, "auto"],
  ] as const) {
    await using engine = await localEngine({ slots });
    const { plan, code, diagnostics } = await compile(example, { schedule });
    expect(diagnostics).toEqual([]);
    const { error, outputs } = await engine.run(plan!, code, {});
    expect(error).toBeNull();
    const { trials, best } = outputs as { trials: Trial[]; best: Trial };
    expect(trials.map(({ groups }) => groups)).toEqual([2, 3, 4, 5]);
    // More centers lie nearer.
    expect(trials.map(({ spread }) => spread)).toEqual(trials.map(({ spread }) => spread).sort((a, b) => b - a));
    expect(best.groups).toBe(3);
    expect(best.purity).toBeCloseTo(0.893, 3);
    found.push(outputs);
  }
  expect(found[1]).toEqual(found[0]);
  expect(found[2]).toEqual(found[0]);
});

it("has one plan, written as `.pipe` or as TypeScript", async () => {
  const [pipe, typescript] = [await compile(example), await compile(file("iris.pipeline.ts"))];
  expect(typescript.diagnostics).toEqual([]);
  expect(typescript.plan!.hash).toBe(pipe.plan!.hash);
  expect(Object.keys(typescript.code).sort()).toEqual(Object.keys(pipe.code).sort());
});

// The plan as a contract: its schema, its hash, its independence of everything that doesn't change what is computed.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Ajv } from "ajv";
import { describe, expect, it } from "vitest";
import type { Plan } from "../../compiler/plan.ts";
import { goldenCases } from "../harness/golden.ts";
import { compileFiles, planOf } from "../harness/programs.ts";

const schemaFile = fileURLToPath(new URL("../../docs/plan.schema.json", import.meta.url));
const schema = readFileSync(schemaFile, "utf8");

const files = {
  "main.pipe": `import { load, size, type Row } from "./stages.ts"

param seed: int = 1 in 0..9

pipeline main() -> { mean: float, best: Dataset<Row> } {
  let rows = load(seed)
  let best = rows |> filter(r => size(r) > 1.0)
  { mean: best |> mean(size), best }
}

schedule one {
  best: data(1)
}
`,
  "stages.ts": `import type { int } from "headrace";
export interface Row { readonly id: int; readonly text: string }
export function load(seed: int): Row[] { return [{ id: seed, text: "x".repeat(seed) }]; }
export function size(row: Row): number { return row.text.length; }
`,
};
const edited = (file: keyof typeof files, ...changes: readonly (readonly [string, string])[]) => {
  let text = files[file];
  for (const [from, to] of changes) {
    expect(text).toContain(from);
    text = text.replaceAll(from, to);
  }
  return { ...files, [file]: text };
};

describe("schema", () => {
  it("is the one that the types give; `npm run docs` writes it", () => {
    const script = fileURLToPath(new URL("../../docs/make.mjs", import.meta.url));
    expect(schema).toBe(execFileSync(process.execPath, [script, "--print"], { encoding: "utf8" }));
  });

  it("takes every plan that is made, and no other text", async () => {
    const validate = new Ajv({ strict: true, allowUnionTypes: true }).compile(JSON.parse(schema));
    const plans: Plan[] = [await planOf(files, "main.pipe"), await planOf(files, "main.pipe", { schedule: "one" })];
    for (const one of goldenCases("plan")) {
      const options = one.files["options.json"] ? JSON.parse(one.files["options.json"]) : {};
      const { plan } = await compileFiles(one.files, "main.pipe", options);
      if (plan) plans.push(plan);
    }
    expect(plans.length).toBeGreaterThan(4);
    for (const plan of plans) {
      expect(validate(JSON.parse(JSON.stringify(plan))), JSON.stringify(validate.errors)).toBe(true);
    }
    const [plan] = plans;
    const wrong: unknown[] = [
      { ...plan, format: "headrace-plan/0" },
      { ...plan, stages: [{ ...plan!.stages[0], output: "rows" }] },
      { ...plan, stages: [{ ...plan!.stages[0], body: { op: "eval", text: "1" } }] },
      { ...plan, extra: 1 },
      { ...plan, outputs: undefined },
    ];
    for (const one of wrong) expect(validate(JSON.parse(JSON.stringify(one)))).toBe(false);
  });

  it("holds no span and no path but in `about`", async () => {
    const { about, ...rest } = await planOf(files, "main.pipe");
    expect(about.stages.mean!.span).toEqual({ file: "main.pipe", line: 8, column: 11 });
    expect(JSON.stringify(rest)).not.toMatch(/main\.pipe|stages\.ts|"span"/);
  });
});

describe("hash", () => {
  const hash = async (given: Record<string, string>, main = "main.pipe", options = {}) => (await planOf(given, main, options)).hash;

  it("stays where only words, places and comments change", async () => {
    const first = await hash(files);
    expect(await hash(files)).toBe(first);
    expect(await hash(edited("main.pipe", ["import", "\n// A comment.\nimport"], ["  let rows", "\n\n  let   rows"]))).toBe(first);
    expect(await hash(edited("main.pipe", ["filter(r => size(r)", "filter(row => size(row)"]))).toBe(first);
    expect(await hash(edited("main.pipe", ["param seed", "/// Where to begin.\nparam seed"]))).toBe(first);
    expect(await hash(edited("stages.ts", ["export function size", "/** How long. */\nexport function size"]))).toBe(first);
    const moved = { "lib/main.pipe": files["main.pipe"], "lib/stages.ts": files["stages.ts"] };
    expect(await hash(moved, "lib/main.pipe")).toBe(first);
  });

  it("changes with what is computed, and with how", async () => {
    const hashes = [
      await hash(files),
      await hash(files, "main.pipe", { schedule: "one" }),
      await hash(edited("main.pipe", ["> 1.0", "> 2.0"])),
      await hash(edited("main.pipe", ["int = 1", "int = 2"])),
      await hash(edited("main.pipe", ["0..9", "0..8"])),
      await hash(edited("main.pipe", ["mean: best", "average: best"], ["{ mean: float", "{ average: float"])),
      await hash(edited("stages.ts", ["row.text.length", "row.text.length + 1"])),
    ];
    expect(new Set(hashes).size).toBe(hashes.length);
  });

  it("is one for `.pipe` and for annotated TypeScript", async () => {
    const typescript = `import { dataset, type int } from "headrace";
import { load, size } from "./stages.ts";

/** @pipeline
 *  @param seed in 0..9 */
export function main(seed: int = 1) {
  const rows = dataset(load(seed));
  const best = rows.filter((r) => size(r) > 1);
  return { mean: best.mean(size), best };
}
`;
    const ours = await planOf({ ...files, "main.pipeline.ts": typescript }, "main.pipeline.ts");
    const theirs = await planOf(files, "main.pipe");
    expect(ours.stages).toEqual(theirs.stages);
    expect(ours.hash).toBe(theirs.hash);
  });
});

it("rows that functions made are made once, however many parts of a split read them", async () => {
  const files = {
    "main.pipe": `import { roll } from "./stages.ts"
pipeline main() -> { a: float, b: float } {
  let { a, b } = range(10, blocks: 2) |> map(n => roll(n)) |> split(a: 0.5, b: 0.5, seed: 1)
  { a: a |> sum, b: b |> sum }
}
`,
    "stages.ts": "/** @volatile */\nexport function roll(n: number): number { return n + Math.random(); }\n",
  };
  const { stages } = await planOf(files, "main.pipe");
  expect(stages.filter(({ body }) => JSON.stringify(body).includes('"roll"'))).toHaveLength(1);
});

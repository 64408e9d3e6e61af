// Programs of several files: what imports stand for, what is shared and what is apart, and that a change anywhere is seen.
import { localEngine } from "headrace/engine";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { check, compile } from "../../compiler/compile.ts";
import { memoryCache, memorySources } from "../../compiler/sources.ts";
import type { Engine } from "../../runtime/index.ts";
import { compileFiles, planOf, shown } from "../harness/programs.ts";

let engine: Engine;
beforeAll(async () => {
  engine = await localEngine({ slots: 2 });
});
afterAll(() => engine[Symbol.asyncDispose]());

type Files = Readonly<Record<string, string>>;

async function run(files: Files, params: Record<string, number> = {}, main = "main.pipe"): Promise<unknown> {
  const compiled = await compileFiles(files, main);
  expect(compiled.plan, shown(compiled, files)).not.toBeNull();
  const { outputs, error } = await engine.run(compiled.plan!, compiled.code, { params });
  expect(error).toBeNull();
  return outputs;
}

/** Messages, by file. */
async function told(files: Files, main = "main.pipe"): Promise<string[]> {
  return (await compileFiles(files, main)).diagnostics.map(({ code, message, frames }) => `${frames[0]?.span.file} ${code} ${message}`);
}

describe("name spaces", () => {
  it("two files call different functions by one name, and one function by two", async () => {
    const files = {
      "main.pipe": `import { f as mine } from "./a.ts"
import { g } from "./lib/g.pipe"
pipeline main() -> [float] {
  [mine(1.0), g(1.0)]
}`,
      "lib/g.pipe": `import { f } from "./b.ts"
import { f as first } from "../a.ts"
pipeline g(x: float) -> float {
  f(x) + first(x)
}`,
      "a.ts": "export const f = (x: number) => x + 1;",
      "lib/b.ts": "export const f = (x: number) => x * 10;",
    };
    expect(await run(files)).toEqual({ result: [2, 12] });
    const plan = await planOf(files, "main.pipe");
    expect(Object.keys(plan.functions)).toEqual(["f", "f_2"]);
    // What the entry's file calls is called the same with and without the other.
    const alone = await planOf(
      { ...files, "main.pipe": files["main.pipe"].replace(", g(1.0)", "").replace(/import \{ g .*/, "") },
      "main.pipe",
    );
    expect(alone.functions.f).toEqual(plan.functions.f);
  });

  it("values, pipelines and types of another file aren't seen unless they are imported", async () => {
    const library = `type Row = { id: int }
pipeline helper(x: int) -> int { x }
pipeline clean(x: int) -> int { helper(x) }`;
    const main = (body: string) => ({
      "main.pipe": `import { clean } from "./clean.pipe"\npipeline main() -> int {\n  ${body}\n}`,
      "clean.pipe": library,
    });
    expect(await told(main("clean(1)"))).toEqual([]);
    expect(await told(main("helper(clean(1))"))).toEqual(["main.pipe HR103 there is no function `helper`"]);
    expect(await told(main("let r: Row = { id: clean(1) }\n  r.id"))).toEqual(["main.pipe HR105 there is no type `Row`"]);
  });

  it("a file is read once however it is reached, and its problems are told once, in it", async () => {
    const files = {
      "main.pipe": `import { a } from "./a.pipe"
import { b } from "./b.pipe"
pipeline main() -> int {
  a(1) + b(1)
}`,
      "a.pipe": `import { c } from "./c.pipe"\npipeline a(x: int) -> int {\n  c(x)\n}`,
      "b.pipe": `import { c } from "./c.pipe"\nimport { a } from "./a.pipe"\npipeline b(x: int) -> int {\n  c(x) + a(x)\n}`,
      "c.pipe": `pipeline c(x: int) -> int {\n  x + "1"\n}`,
    };
    expect(await told(files)).toEqual(["c.pipe HR203 `+` isn't for int and string"]);
    const reads: string[] = [];
    const sources = memorySources(files);
    await check("main.pipe", {
      sources: {
        ...sources,
        read(file) {
          reads.push(file);
          return sources.read(file);
        },
      },
    });
    expect(reads.filter((file) => file === "a.pipe")).toHaveLength(1);
  });

  it("a declaration that couldn't be read isn't missed", async () => {
    const files = {
      "main.pipe": `import { clean, other } from "./clean.pipe"\npipeline main() -> int {\n  clean(1) + other(2)\n}`,
      "clean.pipe": `pipeline clean(x: int -> int {\n  x\n}\npipeline other(x: int) -> int {\n  x\n}`,
    };
    const found = await told(files);
    expect(found.length).toBeGreaterThan(0);
    expect(found.filter((one) => !one.startsWith("clean.pipe HR00"))).toEqual([]);
  });
});

describe("pipelines of other files", () => {
  it("stages are named by the path of names, whichever file they stand in", async () => {
    const plan = await planOf(
      {
        "main.pipe": `import { total } from "./total.pipe"
pipeline main() -> { sum: float, again: float } {
  let sum = total(10)
  { sum, again: total(3) }
}`,
        "total.pipe": `import { heavy } from "./heavy.ts"
pipeline total(n: int) -> float {
  let rows = range(10) |> map(x => heavy(x + n))
  let all = rows |> sum
  all + (rows |> max)
}`,
        "heavy.ts": "export const heavy = (n: number) => n * 2;",
      },
      "main.pipe",
    );
    const names = plan.stages.map(({ name }) => name);
    expect(names).toContain("sum.rows");
    expect(names).toContain("again.all");
    expect(plan.about.stages["sum.rows"]!.span).toMatchObject({ file: "total.pipe", line: 3 });
  });

  it("files may import each other", async () => {
    const files = {
      "main.pipe": `import { twice } from "./other.pipe"
type Pair = { a: int, b: int }
pipeline main() -> int {
  twice({ a: 1, b: 2 })
}
pipeline sum(p: Pair) -> int {
  p.a + p.b
}`,
      "other.pipe": `import { sum, type Pair } from "./main.pipe"
pipeline twice(p: Pair) -> int {
  2 * sum(p)
}`,
    };
    expect(await run(files)).toEqual({ result: 6 });
  });

  it("schedules of imported files don't apply", async () => {
    const files = {
      "main.pipe": `import { total } from "./total.pipe"\npipeline main() -> int {\n  total(3)\n}`,
      "total.pipe": `pipeline total(n: int) -> int {\n  range(3) |> sum(x => x + n)\n}\nschedule night {\n  nothing: task\n}`,
    };
    expect(await told(files)).toEqual([]);
    const { diagnostics } = await compileFiles(files, "main.pipe", { schedule: "night" });
    expect(diagnostics).toMatchObject([{ code: "HR401", help: "it stands in total.pipe: `--schedule total.pipe:night`" }]);
  });
});

describe("params of other files", () => {
  const files = (seed: string) => ({
    "main.pipe": `import { draw } from "./draw.pipe"
param ${seed}
pipeline main() -> { own: int, drawn: int } {
  { own: seed, drawn: draw(1) }
}`,
    "draw.pipe": `param seed: int = 1 in 0..9
param times: int = 3
param other: int
pipeline draw(x: int) -> int {
  x * seed * times
}
pipeline unused(x: int) -> int {
  x * other
}`,
  });
  it("what runs reads them as flags of the program, one for each name; what nobody reaches is none", async () => {
    const plan = await planOf(files("seed: int = 1 in 0..9"), "main.pipe");
    expect(plan.params.map(({ name }) => name)).toEqual(["seed", "times"]);
    expect(await run(files("seed: int = 1 in 0..9"))).toEqual({ own: 1, drawn: 3 });
    expect(await run(files("seed: int = 1 in 0..9"), { seed: 2, times: 5 })).toEqual({ own: 2, drawn: 10 });
  });
  it("declared differently, they are an error", async () => {
    for (const other of ["seed: int = 2 in 0..9", "seed: int = 1", "seed: int in 0..9"])
      expect(await told(files(other))).toEqual(["draw.pipe HR122 two files declare the param `seed`, and differently"]);
  });
});

describe("pipelines in TypeScript", () => {
  const stages =
    "export function two(): number { return 2; }\nexport const load = (n: number): number[] => Array.from({ length: n }, (_, i) => i);";
  const annotated = `import { dataset, type float, type int } from "headrace";
import { load, two } from "./stages.ts";
/** @pipeline */
export function twice(x: float, by: float = two()) { return x * by; }
/** @pipeline */
export function total(n: int) { const rows = dataset(load(n)); return { sum: rows.sum(), doubled: twice(rows.max()) }; }
`;
  it("a function that is tagged is a pipeline, not a stage, and its result is inferred", async () => {
    const files = {
      "main.pipe": `import { total, twice } from "./total.pipeline.ts"
pipeline main() -> { sum: float, doubled: float, four: float } {
  let t = total(4)
  { ...t, four: twice(2.0) }
}`,
      "total.pipeline.ts": annotated,
      "stages.ts": stages,
    };
    expect(await run(files)).toEqual({ sum: 6, doubled: 6, four: 4 });
    const plan = await planOf(files, "main.pipe");
    expect(Object.keys(plan.functions)).toEqual(["load", "two"]);
    expect(plan.stages.map(({ name }) => name)).toContain("t.sum");
    expect(await told({ ...files, "main.pipe": files["main.pipe"].replace("sum: float", "sum: string") })).toEqual([
      "main.pipe HR202 the result of `main` is { sum: float, doubled: float, four: float }, and needs to be { sum: string, doubled: float, four: float }",
    ]);
  });
  it("imported by another file of TypeScript, through a third, under another name", async () => {
    const files = {
      "main.pipeline.ts": `import { sums as totals } from "./index.ts";
/** @pipeline */
export function main() { const t = totals(3); return t.sum + t.doubled; }
`,
      "index.ts": `export { total as sums } from "./total.pipeline.ts";`,
      "total.pipeline.ts": annotated,
      "stages.ts": stages,
    };
    expect(await run(files, {}, "main.pipeline.ts")).toEqual({ result: 7 });
  });
  it("reads pipelines of `.pipe` files", async () => {
    const files = {
      "main.pipeline.ts": `// Types of clean.pipe lie beside it, in clean.d.pipe.ts.
import { dataset } from "headrace";
import { doubled } from "./clean.pipe";
import { load } from "./stages.ts";
/** @pipeline */
export function main() { const rows = doubled(dataset(load(3)), 3); return rows.sum(); }
`,
      "clean.d.pipe.ts": `import type { Dataset } from "headrace";\nexport declare function doubled(rows: Dataset<number>, by: number): Dataset<number>;`,
      "clean.pipe": `pipeline doubled(rows: Dataset<float>, by: float = 2.0) -> Dataset<float> {\n  rows |> map(x => x * by)\n}`,
      "stages.ts": stages,
    };
    expect(await run(files, {}, "main.pipeline.ts")).toEqual({ result: 9 });
  });
});

it("a change in any file that is reached is seen", async () => {
  const cache = memoryCache();
  const files: Record<string, string> = {
    "main.pipe": `import { a } from "./a.pipe"\npipeline main() -> float {\n  a(1.0)\n}`,
    "a.pipe": `import { b } from "./b.pipeline.ts"\npipeline a(x: float) -> float {\n  b(x)\n}`,
    "b.pipeline.ts": `import { f } from "./f.ts";\n/** @pipeline */\nexport function b(x: number) { return f(x) + 1; }`,
    "f.ts": "export const f = (x: number) => x;",
  };
  const compiled = (over: Record<string, string> = {}) =>
    compile("main.pipe", { sources: { ...memorySources({ ...files, ...over }), cache } });
  const first = (await compiled()).plan!;
  expect((await compiled()).plan!.hash).toBe(first.hash);
  const hashes = new Set([first.hash]);
  const changes: Record<string, string>[] = [
    { "a.pipe": files["a.pipe"]!.replace("b(x)", "b(x) * 2.0") },
    { "b.pipeline.ts": files["b.pipeline.ts"]!.replace("+ 1", "+ 2") },
    { "f.ts": "export const f = (x: number) => x + 1;" },
  ];
  for (const over of changes) {
    const { plan } = await compiled(over);
    hashes.add(plan!.hash);
  }
  expect(hashes.size).toBe(4);
  expect((await compiled({ "f.ts": `export const f = (x: string) => x;` })).diagnostics.map(({ code }) => code)).toContain("HR201");
});

// The compiler's doors: `compile`, `check`, `compileModule`; which pipeline is the entry; what each phase leaves behind.
import { describe, expect, it, vi } from "vitest";
import { readPipe } from "../../compiler/1-read/pipe.ts";
import { check, compile, compileModule } from "../../compiler/compile.ts";
import { memoryCache, memorySources } from "../../compiler/sources.ts";
import { parse } from "../../lang/parse.ts";
import { compileFiles, shown } from "../harness/programs.ts";

const stages = "export function f(x: number): number { return x + 1; }\n";
const pipeline = (name: string, body = "f(1.0)") => `pipeline ${name}() -> float { ${body} }\n`;
const program = (...pipelines: string[]) => `import { f } from "./stages.ts"\n${pipelines.join("")}`;

describe("the entry", () => {
  const entry = async (file: string, text: string, options: { entry?: string } = {}) => {
    const files = { [file]: text, "stages.ts": stages };
    const compiled = await compileFiles(files, file, options);
    return compiled.plan?.name ?? shown(compiled, files).split("\n")[0];
  };
  it("is the pipeline named like the file", async () => {
    expect(await entry("b.pipe", program(pipeline("a"), pipeline("b"), pipeline("c", "b()")))).toBe("b");
    expect(await entry("b.night.pipe", program(pipeline("a"), pipeline("b")))).toBe("b");
  });
  it("else the only one that nobody calls, as a call or as the function of rows", async () => {
    expect(await entry("x.pipe", program(pipeline("a", "b()"), pipeline("b")))).toBe("a");
    const mapped = program(pipeline("a", "[1.0] |> map(b) |> sum"), "pipeline b(x: float) -> float { f(x) }\n");
    expect(await entry("x.pipe", mapped)).toBe("a");
  });
  it("else the one asked for", async () => {
    const text = program(pipeline("a"), pipeline("b"));
    expect(await entry("x.pipe", text)).toBe("error[HR106]: x.pipe has several pipelines that nobody calls");
    expect(await entry("x.pipe", text, { entry: "b" })).toBe("b");
    expect(await entry("x.pipe", text, { entry: "c" })).toBe("error[HR106]: there is no pipeline `c` in x.pipe");
  });
});

describe("phases", () => {
  const files = { "x.pipe": program(pipeline("x")), "stages.ts": stages };
  it("compile leaves module, flow, plan and the code that the plan names", async () => {
    const { module, flow, plan, code, diagnostics, schedules } = await compileFiles(
      { ...files, "x.pipe": `${files["x.pipe"]}schedule one { *: task }\n` },
      "x.pipe",
    );
    expect(diagnostics).toEqual([]);
    expect(schedules).toEqual(["one"]);
    expect([module, flow, plan].map((phase) => JSON.parse(JSON.stringify(phase)))).toEqual([module, flow, plan]);
    expect(Object.keys(code)).toEqual(Object.values(plan!.functions).map(({ digest }) => digest));
  });
  it("check stops before there is code or a plan", async () => {
    const sources = memorySources(files);
    const { flow, plan, code } = await check("x.pipe", { sources });
    expect([flow === null, plan, code]).toEqual([false, null, {}]);
  });
  it("check takes a file of pipelines that nothing runs yet; compile wants an entry", async () => {
    const sources = memorySources({ "x.pipe": program(pipeline("a"), pipeline("b")), "stages.ts": stages });
    expect((await check("x.pipe", { sources })).diagnostics).toEqual([]);
    expect((await compile("x.pipe", { sources })).diagnostics.map(({ code }) => code)).toEqual(["HR106"]);
    const wrong = memorySources({ "x.pipe": program(pipeline("a", "g(1.0)"), pipeline("b", "f()")), "stages.ts": stages });
    expect((await check("x.pipe", { sources: wrong })).diagnostics.map(({ code }) => code)).toEqual(["HR103", "HR109"]);
  });
  it("a file that isn't there", async () => {
    const { diagnostics } = await check("y.pipe", { sources: memorySources(files) });
    expect(diagnostics.map(({ code, help }) => [code, help])).toEqual([["HR501", "did you mean x.pipe?"]]);
  });
  it("every problem is told once, in the order of the text", async () => {
    const text = program(pipeline("x", "g(h) + f(i)"), pipeline("y", "f(2.0, 3.0)"), "schedule s { x: dta(2) }\n");
    const { diagnostics } = await check("x.pipe", { sources: memorySources({ "x.pipe": text, "stages.ts": stages }) });
    expect(diagnostics.map(({ message }) => message)).toEqual([
      "there is no function `g`",
      "there is no value `h`",
      "there is no value `i`",
      "`f` takes one argument",
      "there is no stage `x`",
      "there is no strategy `dta`",
    ]);
  });
});

it("a warm check never loads TypeScript or the bundler", async () => {
  const cache = memoryCache();
  const sources = () => ({ ...memorySources({ "x.pipe": program(pipeline("x")), "stages.ts": stages }), cache });
  await check("x.pipe", { sources: sources() });
  vi.doMock("ts-morph", () => {
    throw new Error("ts-morph was loaded");
  });
  vi.doMock("esbuild", () => {
    throw new Error("esbuild was loaded");
  });
  try {
    vi.resetModules();
    const fresh = await import("../../compiler/compile.ts");
    expect((await fresh.check("x.pipe", { sources: sources() })).diagnostics).toEqual([]);
  } finally {
    vi.doUnmock("ts-morph");
    vi.doUnmock("esbuild");
    vi.resetModules();
  }
});

it("a growing program: names that nobody reads yet are nothing odd, and any value can be asked for", async () => {
  const text = program("pipeline cell() -> float {\n  let a = f(1.0)\n  let b = f(2.0)\n  a\n}\n");
  const { module } = readPipe(parse(text, "cell").file);
  const sources = memorySources({ cell: text, "stages.ts": stages });
  const compiled = await compileModule(module, { sources, entry: "cell" });
  expect(compiled.diagnostics).toEqual([]);
  expect(compiled.plan!.stages.map(({ id }) => id)).toEqual(["a"]);
});

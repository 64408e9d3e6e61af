import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Slice } from "../../compiler/code.ts";
import { buildSlices } from "../../compiler/code.ts";
import type { Sources } from "../../compiler/sources.ts";
import { memoryCache, nodeSources } from "../../compiler/sources.ts";

const repository = fileURLToPath(new URL("../..", import.meta.url));

let folder: string;
beforeEach(() => void (folder = realpathSync(mkdtempSync(join(tmpdir(), "headrace-code-")))));
afterEach(() => rmSync(folder, { recursive: true }));

function project(name: string, files: Record<string, string>): Sources {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name, file)), { recursive: true });
    writeFileSync(join(folder, name, file), text);
  }
  return { ...nodeSources(join(folder, name)), cache: memoryCache() };
}

async function slice(sources: Sources, file: string, name: string): Promise<Slice> {
  const { slices, diagnostics } = await buildSlices([{ file, export: name }], sources);
  expect(diagnostics).toEqual([]);
  return slices[0]!;
}

/** Loads a slice from a folder that has nothing to do with the project. */
async function load(built: Slice): Promise<Record<string, (...args: unknown[]) => unknown>> {
  const elsewhere = mkdtempSync(join(folder, "load-"));
  writeFileSync(join(elsewhere, "slice.mjs"), built.module);
  return import(/* @vite-ignore */ pathToFileURL(join(elsewhere, "slice.mjs")).href);
}

test("a slice holds its function and nothing that the function doesn't use", async () => {
  const sources = { ...nodeSources(repository), cache: memoryCache() };
  const file = "examples/digits/digits.ts";
  const { slices, diagnostics } = await buildSlices(
    ["sgd", "predict", "loadDigits"].map((name) => ({ file, export: name })),
    sources,
  );
  expect(diagnostics).toEqual([]);
  const [sgd, predict, loadDigits] = slices;
  expect(sgd!.module.length).toBeLessThan(400);
  expect(sgd!.module).not.toContain("JSON.parse");
  expect(JSON.parse(sgd!.map)).toMatchObject({ sources: [file] });
  expect(JSON.parse(loadDigits!.map).sources.filter((s: string) => s !== "")).toEqual([file]);
  expect(loadDigits!.map.length).toBeLessThan(100_000);

  const weights = { w: Float32Array.of(1, 2), b: Float32Array.of(3) };
  const grad = { w: Float32Array.of(1, 0), b: Float32Array.of(2) };
  expect((await load(sgd!)).sgd!(weights, grad, 0.5)).toEqual({ w: Float32Array.of(0.5, 2), b: Float32Array.of(2) });
  expect(Object.keys(await load(predict!))).toEqual(["predict"]);

  // In a process of its own: the test runner would rewrite the 20 MB of the package first.
  writeFileSync(join(folder, "digits.mjs"), `${loadDigits!.module}\nconsole.log(loadDigits().length);`);
  expect(execFileSync(process.execPath, [join(folder, "digits.mjs")], { encoding: "utf8" })).toBe("10000\n");
});

const stages = {
  "package.json": '{"type":"module"}',
  "src/index.ts": `
    import legacy from "../lib/legacy.cjs";
    export default function (x: number) { return legacy.twice(x); }
    export async function later(x: number) { return (await import("./other.ts")).next(x); }`,
  "src/other.ts": `export const next = (x: number): number => x + 1;`,
  "lib/legacy.cjs": `const { join } = require("path"); exports.twice = (x) => join("a", String(2 * x)); exports.__esModule = true; exports.default = null;`,
};

test("the bytes are the same every time, from any folder, and whatever comments say", async () => {
  const inA = project("a", stages);
  const inB = project("deeper/down/b", {
    ...stages,
    "src/other.ts": `/** Says more. */\nexport const next = (x: number): number =>\n  x + /* one */ 1; // here`,
  });
  const above: Sources = { ...nodeSources(folder), cache: memoryCache() };
  for (const name of ["default", "later"]) {
    const first = await slice(inA, "src/index.ts", name);
    expect(await slice({ ...inA, cache: memoryCache() }, "src/index.ts", name)).toEqual(first);
    expect((await slice(inB, "src/index.ts", name)).module).toBe(first.module);
    expect((await slice(above, "deeper/down/b/src/index.ts", name)).digest).toBe(first.digest);
    expect(first.module).not.toContain(folder);
  }
  expect(
    (await slice(project("c", { ...stages, "src/other.ts": "export const next = (x: number): number => x + 2;" }), "src/index.ts", "later"))
      .digest,
  ).not.toBe((await slice(inA, "src/index.ts", "later")).digest);
});

test("what one build holds beside it doesn't change a slice", async () => {
  const sources = project("a", stages);
  const alone = await slice(sources, "src/index.ts", "later");
  const both = await buildSlices(
    ["default", "later"].map((name) => ({ file: "src/index.ts", export: name })),
    { ...sources, cache: memoryCache() },
  );
  expect(both.slices[1]).toEqual(alone);
});

test("CommonJS means what it means to Node, and finds Node's own modules from anywhere", async () => {
  const sources = project("a", stages);
  expect((await load(await slice(sources, "src/index.ts", "default"))).default!(21)).toBe(join("a", "42"));
  expect(await (await load(await slice(sources, "src/index.ts", "later"))).later!(1)).toBe(2);
});

test("a bare import is kept for what it does, a named one only for what is used", async () => {
  const sources = project("a", {
    "stage.ts": `import "./polyfill.ts";\nimport { heavy } from "./heavy.ts";\nexport const f = () => globalThis.polyfilled;\nexport const g = () => heavy;`,
    "polyfill.ts": `globalThis.polyfilled = "yes";`,
    "heavy.ts": `globalThis.loadedHeavy = true;\nexport const heavy = 1;`,
  });
  const { module } = await slice(sources, "stage.ts", "f");
  expect(module).toContain('polyfilled="yes"');
  expect(module).not.toContain("loadedHeavy");
  expect((await slice(sources, "stage.ts", "g")).module).toContain("loadedHeavy");
});

test("a package with a native addon stays outside and is named", async () => {
  const sources = project("a", {
    "stage.ts": `import { fast } from "fastpack";\nimport addon from "./own.node";\nexport const f = () => fast() + addon.x;\nexport const pure = () => 1;`,
    "node_modules/fastpack/package.json": '{"name":"fastpack","version":"1.0.0","main":"index.js","dependencies":{"node-gyp-build":"1"}}',
    "node_modules/fastpack/index.js": `exports.fast = () => require("./build/x.node");`,
  });
  const built = await slice(sources, "stage.ts", "f");
  expect(built.native).toEqual(["./own.node", "fastpack@1.0.0"]);
  expect(built.module).toContain('require("fastpack")');
  expect((await slice(sources, "stage.ts", "pure")).native).toEqual([]);
});

test("the package's own values come along", async () => {
  const sources = project("a", {
    "stage.ts": `import { mean } from "headrace";\nexport const f = () => mean(1);`,
  });
  const { f } = await load(await slice(sources, "stage.ts", "f"));
  expect(() => f!()).toThrowError('`mean` of "headrace" was called as a plain function');
});

test("a package that isn't there, an import that isn't there, and a syntax error are reported where they stand", async () => {
  const sources = project("a", {
    "package.ts": `// π\nimport { x } from "nowhere/part";\nexport const f = () => x;`,
    "file.ts": `export const f = () => {\n  return import("./gone.ts");\n};`,
    "name.ts": `import { a, b } from "./stages.ts";\nexport const f = () => a + b;`,
    "stages.ts": "export const a = 1;",
    "syntax.ts": `export const f = (: number) => 1;`,
  });
  const told = async (file: string) => {
    const { slices, diagnostics } = await buildSlices([{ file, export: "f" }], sources);
    expect(slices).toEqual([]);
    const { span } = diagnostics[0]!.frames[0]!;
    return [diagnostics[0]!.code, diagnostics[0]!.message, sources.read(span.file)!.slice(span.start, span.end), diagnostics[0]!.help];
  };
  expect(await told("package.ts")).toEqual(["HR521", "the package `nowhere` isn't installed", '"nowhere/part"', "npm install nowhere"]);
  expect(await told("file.ts")).toEqual([
    "HR520",
    'the code of a stage can\'t be built: Could not resolve "./gone.ts"',
    '"./gone.ts"',
    null,
  ]);
  expect(await told("name.ts")).toEqual(["HR502", "`stages.ts` exports nothing called `b`", "b", null]);
  expect((await told("syntax.ts"))[0]).toBe("HR520");
});

test("what looks wrong is a warning, and the slice is built", async () => {
  const sources = project("a", { "stage.ts": "export const f = () => ({ a: 1, a: 2 });" });
  const { slices, diagnostics } = await buildSlices([{ file: "stage.ts", export: "f" }], sources);
  expect(slices).toHaveLength(1);
  expect(diagnostics.map((d) => [d.code, d.severity, d.frames[0]!.span.start])).toEqual([["HR522", "warning", 32]]);
});

test("slices come from the cache until their code changes, esbuild or not", async () => {
  const sources = project("a", stages);
  const first = await slice(sources, "src/index.ts", "later");
  const kept = sources.cache;
  let written = 0;
  const counting: Sources = {
    ...sources,
    cache: {
      get: kept.get,
      put(key, text) {
        written++;
        kept.put(key, text);
      },
    },
  };
  expect(await slice(counting, "src/index.ts", "later")).toEqual(first);
  expect(written).toBe(0);
  writeFileSync(join(folder, "a/src/other.ts"), "export const next = (x: number): number => x + 3;");
  expect((await slice(counting, "src/index.ts", "later")).digest).not.toBe(first.digest);
  expect(written).toBe(1);
});

test("a linked package is read where it lies", async () => {
  const sources = project("a", { "stage.ts": `import { one } from "linked";\nexport const f = () => one;` });
  project("linked", { "package.json": '{"name":"linked","type":"module","exports":"./index.js"}', "index.js": "export const one = 1;" });
  mkdirSync(join(folder, "a/node_modules"));
  symlinkSync(join(folder, "linked"), join(folder, "a/node_modules/linked"));
  const built = await slice(sources, "stage.ts", "f");
  expect((await load(built)).f!()).toBe(1);
  cpSync(join(folder, "a/stage.ts"), join(folder, "a/again.ts"));
  expect((await slice(sources, "again.ts", "f")).digest).toBe(built.digest);
});

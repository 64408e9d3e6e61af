import { fileURLToPath } from "node:url";
import { expect, test, vi } from "vitest";
import { link } from "../../compiler/1-read/link.ts";
import { askTypeScript, readSignatures } from "../../compiler/1-read/signatures.ts";
import type { FunctionSignature, Import, Module, Signatures } from "../../compiler/module.ts";
import type { Sources } from "../../compiler/sources.ts";
import { memoryCache, memorySources, nodeSources } from "../../compiler/sources.ts";
import type { Type } from "../../lang/types.ts";

const repository: Sources = { ...nodeSources(fileURLToPath(new URL("../..", import.meta.url))), cache: memoryCache() };

async function read(text: string, others: Record<string, string> = {}): Promise<Signatures> {
  const { signatures, diagnostics } = await readSignatures(["stages.ts"], memorySources({ "stages.ts": text, ...others }));
  expect(diagnostics).toEqual([]);
  return signatures.get("stages.ts")!;
}
const returned = async (type: string, before = ""): Promise<Type> =>
  (await read(`${before}\nexport declare function f(): ${type};`)).functions.f!.returns;

function shown(signature: FunctionSignature, text: string): unknown {
  const cut = ({ start, end }: { start: number; end: number }) => text.slice(start, end);
  return { name: cut(signature.span), parameters: signature.parameters.map((p) => cut(p.span)), returns: cut(signature.returnSpan) };
}

test("the digits example", async () => {
  const file = "examples/digits/digits.ts";
  const { signatures, diagnostics } = await readSignatures([file], repository);
  expect(diagnostics).toEqual([]);
  const { functions, types } = signatures.get(file)!;
  expect(Object.keys(functions)).toEqual(["loadDigits", "init", "gradient", "sgd", "predict"]);
  const floats: Type = { kind: "array", dtype: "f32" };
  const field = (name: string, type: Type) => ({ name, type, optional: false });
  const weights: Type = { kind: "record", name: "Weights", fields: [field("w", floats), field("b", floats)] };
  const digit: Type = { kind: "record", name: "Digit", fields: [field("pixels", floats), field("label", { kind: "int" })] };
  expect(types.Weights!.type).toEqual(weights);
  expect(functions.loadDigits!.returns).toEqual({ kind: "list", item: digit });
  expect(functions.gradient!.returns).toEqual({
    kind: "record",
    name: null,
    fields: [field("loss", { kind: "float" }), field("grad", weights)],
  });
  expect(functions.predict!.returns).toEqual({ kind: "int" });
  expect(functions.init!.parameters.map((p) => [p.name, p.type, p.mutable])).toEqual([["seed", { kind: "int" }, false]]);
  expect(functions.sgd!.parameters.map((p) => [p.name, p.type, p.mutable])).toEqual([
    ["w", weights, true],
    ["grad", weights, false],
    ["lr", { kind: "float" }, false],
  ]);
  expect(functions.gradient!.parameters.map((p) => [p.name, p.type, p.mutable])).toEqual([
    ["w", weights, false],
    ["batch", { kind: "list", item: digit }, false],
  ]);
  expect(shown(functions.sgd!, repository.read(file)!)).toEqual({
    name: "sgd",
    parameters: ["w: Weights", "grad: View<Weights>", "lr: number"],
    returns: "Weights",
  });
});

test("scalars, unions, lists and records", async () => {
  expect(await returned("float", `import type { float } from "headrace";`)).toEqual({ kind: "float" });
  expect(await returned("int | null", `import type { int } from "headrace";`)).toEqual({
    kind: "union",
    members: [{ kind: "null" }, { kind: "int" }],
  });
  expect(await returned("boolean")).toEqual({ kind: "bool" });
  expect(await returned("boolean | undefined")).toEqual({ kind: "union", members: [{ kind: "null" }, { kind: "bool" }] });
  expect(await returned(`"a" | "b"`)).toEqual({
    kind: "union",
    members: [
      { kind: "literal", value: "a" },
      { kind: "literal", value: "b" },
    ],
  });
  expect(await returned("readonly (string & { readonly brand: 1 })[]")).toEqual({ kind: "list", item: { kind: "string" } });
  expect(await returned("{ at?: Date; raw: Buffer }", `import type { Buffer } from "node:buffer";`)).toMatchObject({
    kind: "record",
    fields: [{ name: "at", optional: true, type: { kind: "timestamp" } }, { name: "raw" }],
  });
  expect(await returned("any")).toEqual({ kind: "any" });
  expect(await returned("Box<Date>", "export interface Box<T> { value: T }")).toMatchObject({ kind: "record", name: "Box<Date>" });
});

test("bytes and other typed arrays", async () => {
  expect(await returned("Uint8Array")).toEqual({ kind: "bytes" });
  expect(await returned("Buffer[]", `import type { Buffer } from "node:buffer";`)).toMatchObject({ kind: "list" });
  expect(await returned("View<{ a: Uint8Array; b: Int32Array }>", `import type { View } from "headrace";`)).toMatchObject({
    kind: "record",
    fields: [
      { name: "a", type: { kind: "bytes" } },
      { name: "b", type: { kind: "array", dtype: "i32" } },
    ],
  });
});

test("promises are unwrapped, iterators are data sets", async () => {
  const { functions } = await read(`
    export async function later() { return [1]; }
    export function* rows(): Generator<string> { yield "a"; }
    export async function* stream() { yield { a: 1 }; }
    export const maybe = (x: number): number | Promise<number> => x;`);
  expect(functions.later).toMatchObject({ async: true, iterates: "no", returns: { kind: "list", item: { kind: "float" } } });
  expect(functions.rows).toMatchObject({ async: false, iterates: "sync", returns: { kind: "dataset", row: { kind: "string" } } });
  expect(functions.stream).toMatchObject({ async: false, iterates: "async", returns: { kind: "dataset", row: { kind: "record" } } });
  expect(functions.maybe).toMatchObject({ async: true, returns: { kind: "float" } });
});

test("what can't cross a process boundary says why", async () => {
  expect(await returned("Sim", "export class Sim { step() { return 1; } }")).toEqual({
    kind: "opaque",
    name: "Sim",
    file: "stages.ts",
    crosses: false,
    why: "an instance of a class loses its methods when it is sent",
  });
  expect(await returned("{ run: () => void }")).toMatchObject({ kind: "opaque", crosses: false, why: "its field `run` is a function" });
  expect(await returned("symbol")).toMatchObject({ crosses: false, why: "a symbol is itself only in the process that made it" });
  expect(await returned("{ done: Promise<number> }")).toMatchObject({
    fields: [{ name: "done", type: { crosses: false, why: "a promise inside a value is never awaited" } }],
  });
  expect(await returned("WeakMap<object, 1>")).toMatchObject({ kind: "opaque", crosses: false });
  expect(await returned("Map<string, number>")).toEqual({ kind: "opaque", name: "Map<string, number>", file: "stages.ts", crosses: true });
  expect(await returned("Tree", "export interface Tree { readonly left: Tree | null }")).toMatchObject({
    kind: "record",
    name: "Tree",
    fields: [{ name: "left", type: { kind: "union", members: [{ kind: "null" }, { kind: "opaque", name: "Tree", crosses: true }] } }],
  });
});

test("a parameter is mutable unless its type is read-only all the way down", async () => {
  const { functions } = await read(`
    import type { View } from "headrace";
    interface Row { readonly a: number; readonly tags: readonly string[] }
    interface Loose { readonly a: number; tags: readonly string[] }
    export declare function f(
      a: number, b: readonly Row[], c: Row[], d: Loose, e: View<Loose>, g: Float32Array, h: View<Float32Array>, i: Readonly<Loose>,
      j: readonly Loose[], k: Readonly<{ x: number[] }>, l: ReadonlyMap<string, Row>, m: Map<string, Row>, n: readonly [number, Row],
    ): void;`);
  const mutable = functions.f!.parameters.filter((p) => p.mutable).map((p) => p.name);
  expect(mutable).toEqual(["c", "d", "g", "j", "k", "m"]);
  expect(functions.f!.parameters[4]!.type).toMatchObject({ kind: "record", name: "Loose" });
});

test("generics, defaults, rest, tags, classes and other exports", async () => {
  const signatures = await read(
    `
    /** @associative @effect */
    export function merge<T>(left: T, { x }: { x: T }, n = 3, s?: string, ...more: number[]): T { return left; }
    export class Sim {}
    export const table = { a: 1 };
    export { later as renamed } from "./other.ts";
    export type * from "./other.ts";`,
    { "other.ts": "export const later = async (x: string) => x;\nexport type Id = string;" },
  );
  const merge = signatures.functions.merge!;
  expect(merge.typeParameters).toEqual([{ name: "T", constraint: null, fallback: null }]);
  expect(merge.tags).toEqual(["effect", "associative"]);
  expect(merge.returns).toEqual({ kind: "variable", name: "T" });
  expect(merge.parameters.map((p) => [p.name, p.type.kind, p.optional, p.rest])).toEqual([
    ["left", "variable", false, false],
    ["argument2", "record", false, false],
    ["n", "float", true, false],
    ["s", "string", true, false],
    ["more", "list", false, true],
  ]);
  expect(Object.keys(signatures.classes)).toEqual(["Sim"]);
  expect(signatures.others).toEqual({ table: { is: "a value, not a function", help: expect.stringContaining("getTable") } });
  expect(signatures.functions.renamed).toMatchObject({ async: true, span: { file: "other.ts" } });
  expect(signatures.types.Id).toMatchObject({ type: { kind: "string" }, span: { file: "other.ts" } });
});

test("tensors keep their dimensions", async () => {
  const own = `import type { Tensor } from "headrace";`;
  const type = await returned(`Tensor<"f32", ["B", 784, "2*B*H", "?"]>`, own);
  expect(type).toEqual({
    kind: "tensor",
    dtype: "f32",
    dims: [
      { kind: "product", literal: 1, symbols: ["B"] },
      { kind: "product", literal: 784, symbols: [] },
      { kind: "product", literal: 2, symbols: ["B", "H"] },
      { kind: "any" },
    ],
  });
  expect(await returned(`Tensor<"f64">`, own)).toEqual({ kind: "tensor", dtype: "f64", dims: null });
});

test("syntax errors are reported once, in the file where they stand", async () => {
  const sources = memorySources({
    "a.ts": `export { f } from "./b.ts";`,
    "c.ts": `import "./b.ts";`,
    "b.ts": "export const f = (: number) => 1;",
  });
  const { diagnostics } = await readSignatures(["a.ts", "c.ts"], sources);
  expect(diagnostics.length).toBeGreaterThan(0);
  expect(new Set(diagnostics.map((d) => `${d.code} ${d.frames[0]!.span.file}`))).toEqual(new Set(["HR503 b.ts"]));
  expect(new Set(diagnostics.map((d) => JSON.stringify(d))).size).toBe(diagnostics.length);
});

test("a warm answer doesn't load TypeScript, and a change in a file that is reached makes a new one", async () => {
  const files = { "stages.ts": `export { f } from "./inner.ts";`, "inner.ts": "export const f = () => 1;" };
  const { cache } = memorySources({});
  const ask = async (over: Record<string, string>) =>
    (await readSignatures(["stages.ts"], { ...memorySources({ ...files, ...over }), cache })).signatures.get("stages.ts")!.functions.f!
      .returns;
  expect(await ask({})).toEqual({ kind: "float" });
  vi.doMock("../../compiler/1-read/typescript-program.ts", () => {
    throw new Error("TypeScript was loaded");
  });
  vi.doMock("../../compiler/1-read/typescript-signatures.ts", () => {
    throw new Error("TypeScript was loaded");
  });
  expect(await ask({})).toEqual({ kind: "float" });
  await expect(ask({ "inner.ts": "export const f = () => true;" })).rejects.toThrow();
  vi.doUnmock("../../compiler/1-read/typescript-program.ts");
  vi.doUnmock("../../compiler/1-read/typescript-signatures.ts");
  expect(await ask({ "inner.ts": "export const f = () => true;" })).toEqual({ kind: "bool" });
});

test("imports of what isn't there, or is something else", async () => {
  const sources = memorySources({
    "a/stages.ts": "export function load() {}\nexport interface Row { a: 1 }\nexport class Sim {}\nexport const size = 3;",
  });
  const name = (text: string) => ({ text, span: { file: "a/main.pipe", start: 0, end: text.length } });
  const item = (what: Import["what"], exported: string, from = "./stages.ts"): Import => ({
    what,
    exported: name(exported),
    local: name(exported),
    from: name(from),
    span: name(exported).span,
  });
  const module: Module = {
    file: "a/main.pipe",
    frontEnd: "pipe",
    doc: null,
    imports: [
      item("function", "load"),
      item("function", "lod"),
      item("function", "Row"),
      item("type", "Row"),
      item("function", "Sim"),
      item("actor", "Sim"),
      item("function", "size"),
      item("function", "x", "./stagse.ts"),
      item("function", "y", "./stagse.ts"),
    ],
    types: [],
    params: [],
    pipelines: [],
    schedules: [],
  };
  expect((await link(module, [], sources)).unlinked.map((d) => [d.code, d.message, d.help])).toEqual([
    ["HR502", "`a/stages.ts` exports nothing called `lod`", expect.stringContaining("load")],
    ["HR504", "`Row` is a type, but is imported as a function", 'import { type Row } from "./stages.ts"'],
    ["HR504", "`Sim` is a class, but is imported as a function", 'import { actor Sim } from "./stages.ts"'],
    [
      "HR504",
      "`size` is a value, not a function, but is imported as a function",
      "export a function that gives it: export const getSize = () => …",
    ],
    ["HR501", "there is no file `a/stagse.ts`", 'did you mean "./stages.ts"?'],
  ]);
});

test("TypeScript decides where we can't", async () => {
  const sources = memorySources({
    "a.ts": `
      interface Animal { readonly name: string; speak(): string }
      export interface Dog extends Animal { readonly tail: number }
      export type Shelf<T> = Map<string, T>;
      export declare function dog(): Dog;
      export declare function animal(): Animal;
      export declare function shelf(): Shelf<number>;`,
    "b.ts": `
      import type { Dog } from "./a.ts";
      export declare function walk(dog: Dog): void;
      export declare function shelf(): Map<string, string>;`,
  });
  const { signatures } = await readSignatures(["a.ts", "b.ts"], sources);
  const a = signatures.get("a.ts")!.functions;
  const b = signatures.get("b.ts")!.functions;
  const wanted = b.walk!.parameters[0]!.type;
  const verdicts = await askTypeScript(
    [
      { from: a.dog!.returns, to: wanted },
      { from: a.animal!.returns, to: wanted },
      { from: a.dog!.returns, to: a.animal!.returns },
      { from: { kind: "list", item: a.dog!.returns }, to: { kind: "list", item: a.animal!.returns } },
      { from: a.shelf!.returns, to: b.shelf!.returns },
      { from: { kind: "opaque", name: "Gone", file: "a.ts", crosses: true }, to: wanted },
      {
        from: { kind: "opaque", name: "Dog", file: "a.ts", crosses: true },
        to: { kind: "record", name: null, fields: [{ name: "tail", type: { kind: "int" }, optional: false }] },
      },
    ],
    sources,
  );
  expect(verdicts.map((v) => v.kind)).toEqual([
    "assignable",
    "not assignable",
    "assignable",
    "assignable",
    "not assignable",
    "unknown",
    "assignable",
  ]);
  expect(verdicts[1]).toMatchObject({ why: "Property 'tail' is missing in type 'Animal' but required in type 'Dog'." });
});

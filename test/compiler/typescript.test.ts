import { fileURLToPath } from "node:url";
import { expect, test, vi } from "vitest";
import { readTypeScript } from "../../compiler/1-read/typescript.ts";
import type { Block, DeclaredType, Expr, Module, Statement } from "../../compiler/module.ts";
import { memoryCache, memorySources, nodeSources } from "../../compiler/sources.ts";

const STAGES = `
import type { View, int } from "headrace";
export interface Row { readonly id: int; readonly text: string; readonly tags: readonly string[] }
export declare function load(seed?: int): Row[];
export declare function clean(row: Row): Promise<Row>;
export declare function score(row: Row, weight: number): number;
export declare function init(seed: int): Float32Array;
export declare function step(w: Float32Array, batch: readonly Row[]): Float32Array;
export declare function notify(text: string): void;
export class Sim {}
`;
const IMPORTS = `import { dataset, fit, mean, range, track, type float, type int } from "headrace";
import { clean, init, load, notify, score, step, type Row } from "./stages.ts";
`;

function sourcesOf(text: string, name = "main.pipeline.ts") {
  return memorySources({ [name]: text, "stages.ts": STAGES });
}

async function read(text: string, name = "main.pipeline.ts"): Promise<Module> {
  const { module, diagnostics } = await readTypeScript(name, sourcesOf(text, name));
  expect(diagnostics).toEqual([]);
  return module!;
}

/** The body of `main` with this text, as `.pipe` text would put it. */
async function body(text: string, parameters = ""): Promise<string[]> {
  const module = await read(`${IMPORTS}/** @pipeline */\nexport function main(${parameters}) {\n${text}\n}`);
  return module.pipelines[0]!.body.statements.map(statement);
}

async function problems(text: string, name = "main.pipeline.ts") {
  const sources = sourcesOf(text, name);
  return { sources, ...(await readTypeScript(name, sources)) };
}

// --- A module as text ----------------------------------------------------------------------------------------------------

function block({ statements }: Block): string {
  return `{ ${statements.map(statement).join("; ")} }`;
}
function statement(s: Statement): string {
  switch (s.kind) {
    case "let": {
      const { pattern } = s;
      const left =
        pattern.kind === "name"
          ? pattern.name.text
          : pattern.kind === "items"
            ? `[${pattern.names.map((n) => n.text).join(", ")}]`
            : `{ ${pattern.fields.map((f) => (f.field.text === f.name.text ? f.name.text : `${f.field.text}: ${f.name.text}`)).join(", ")} }`;
      return `let ${left} = ${expr(s.value)}`;
    }
    case "track":
    case "next":
      return s.kind === "track" ? `track ${s.name.text} = ${expr(s.value)}` : `${s.name.text} <- ${expr(s.value)}`;
    case "do":
      return `do ${expr(s.value)}`;
    case "expression":
      return expr(s.value);
    default:
      return s.kind;
  }
}
function expr(e: Expr): string {
  switch (e.kind) {
    case "number":
      return `${e.value}${e.numeric === "float" ? "f" : ""}`;
    case "string":
      return JSON.stringify(e.value);
    case "template":
      return `\`${e.parts.map((p) => (typeof p === "string" ? p : `\${${expr(p)}}`)).join("")}\``;
    case "bool":
      return String(e.value);
    case "name":
      return e.name;
    case "list":
      return `[${e.items.map(expr).join(", ")}]`;
    case "record":
      return `{ ${e.fields.map((f) => (f.kind === "spread" ? `...${expr(f.value)}` : `${f.name.text}: ${expr(f.value)}`)).join(", ")} }`;
    case "field":
      return `${expr(e.of)}${e.optional ? "?." : "."}${e.name.text}`;
    case "index":
      return `${expr(e.of)}[${expr(e.index)}]`;
    case "call": {
      const args = e.args.map((a) => (a.name === null ? "" : `${a.name.text}: `) + expr(a.value));
      return `${e.receiver === null ? "" : `${expr(e.receiver)}.`}${e.callee.text}(${args.join(", ")})`;
    }
    case "unary":
      return `${e.operator}${expr(e.operand)}`;
    case "binary":
      return `(${expr(e.left)} ${e.operator} ${expr(e.right)})`;
    case "if":
      return `if ${expr(e.condition)} ${block(e.then)} else ${e.else === null ? "" : block(e.else)}`;
    case "lambda":
      return `(${e.parameters.map((p) => p.text).join(", ")}) => ${expr(e.body)}`;
    case "fit": {
      const [carried] = e.carried;
      return `fit ${carried!.name.text} = ${expr(carried!.init)} over ${e.batch.text} in ${expr(e.over)} for ${expr(e.epochs)} ${block(e.body)}`;
    }
    default:
      return e.kind;
  }
}

function typeText(declared: DeclaredType): string {
  if (declared.kind === "node") return "a node";
  return declared.type.kind === "union" ? declared.type.members.map((member) => member.kind).join(" | ") : declared.type.kind;
}

// --- Whole files ---------------------------------------------------------------------------------------------------------

test("the digits example, as its .pipe text says it", async () => {
  const sources = { ...nodeSources(fileURLToPath(new URL("../..", import.meta.url))), cache: memoryCache() };
  const { module, diagnostics } = await readTypeScript("examples/digits/digits.pipeline.ts", sources);
  expect(diagnostics).toEqual([]);
  expect(module!.doc).toBe("Handwritten digits: train a softmax classifier, then score it in parallel.");
  expect(module!.imports.map((i) => `${i.what} ${i.exported.text} ${i.from.text}`)).toEqual(
    ["gradient", "init", "loadDigits", "predict", "sgd"].map((name) => `function ${name} ./digits.ts`),
  );
  expect(
    module!.params.map((p) => [p.name.text, p.doc, p.type, expr(p.default!), p.range && [expr(p.range.low), expr(p.range.high)]]),
  ).toEqual([
    ["epochs", "passes over the training set", { kind: "type", type: { kind: "int" } }, "5", null],
    ["lr", null, { kind: "type", type: { kind: "float" } }, "0.3f", ["0f", "1f"]],
    ["seed", null, { kind: "type", type: { kind: "int" } }, "1", null],
  ]);
  const [digits] = module!.pipelines;
  expect(digits).toMatchObject({ name: { text: "digits" }, parameters: [], returns: null });
  expect(digits!.body.statements.map(statement)).toEqual([
    "let { train, test } = split(loadDigits(), train: 0.8f, test: 0.2f, seed: seed)",
    "let model = fit w = init(seed) over batch in batches(shuffle(train, epoch), 64) for epochs " +
      "{ let g = gradient(w, batch); track loss = mean(g.loss); w <- sgd(w, mean(g.grad), lr) }",
    "let accuracy = mean(test, (d) => if (predict(model, d) == d.label) { 1 } else { 0 })",
    "{ model: model, accuracy: accuracy }",
  ]);
  const text = sources.read("examples/digits/digits.pipeline.ts")!;
  const cut = ({ start, end }: { start: number; end: number }) => text.slice(start, end);
  expect(cut(digits!.body.statements[2]!.span)).toBe("const accuracy = test.mean((d) => (predict(model, d) === d.label ? 1 : 0));");
  expect(cut(module!.params[1]!.range!.low.span)).toBe("0.0");
  expect(cut(module!.params[1]!.range!.high.span)).toBe("1.0");
});

test("several pipelines: the entry is named like the file, else the only one that no other calls, else asked for", async () => {
  const two = (name: string) => `${IMPORTS}
    /** One.\n * @pipeline */ export function one(seed: int) { return dataset(load(seed)).count(); }
    /** Two.\n * @pipeline */ export function ${name}(n: int = 3) { return one(n); }`;
  const module = await read(two("main"));
  expect(module.params.map((p) => p.name.text)).toEqual(["n"]);
  expect(module.pipelines.map((p) => [p.name.text, p.parameters.length, p.doc])).toEqual([
    ["one", 1, "One."],
    ["main", 0, "Two."],
  ]);
  expect((await read(two("other"))).params.map((p) => p.name.text)).toEqual(["n"]);
  const asked = await readTypeScript("main.pipeline.ts", sourcesOf(two("other")), "one");
  expect(asked.module!.params.map((p) => p.name.text)).toEqual(["seed"]);
  const mistaken = await readTypeScript("main.pipeline.ts", sourcesOf(two("other")), "oen");
  expect([mistaken.module, mistaken.diagnostics[0]!.code, mistaken.diagnostics[0]!.help]).toEqual([
    null,
    "HR502",
    "its pipelines are `one`, `other`",
  ]);
  const unclear = await problems(two("other").replace("return one(n)", "return n"));
  expect([unclear.module, unclear.diagnostics[0]!.code, unclear.diagnostics[0]!.help]).toEqual([null, "HR506", "main.pipeline.ts:one"]);
});

test("parameters: types, defaults, help texts and ranges", async () => {
  const { params } = await read(`${IMPORTS}
    /** Says what.
     *  @pipeline
     *  @param rate - how far a step goes, in 1e-4..1
     *  @param name Who.
     *  @param limit in -2..2.5 */
    export function main(rate = 0.5, name: string, limit: number, flag: boolean = true, maybe?: int) { return rate; }`);
  expect(
    params.map((p) => [
      p.name.text,
      p.doc,
      typeText(p.type),
      p.default && expr(p.default),
      p.range && [expr(p.range.low), expr(p.range.high)],
    ]),
  ).toEqual([
    ["rate", "how far a step goes", "float", "0.5f", ["0.0001f", "1"]],
    ["name", "Who.", "string", null, null],
    ["limit", null, "float", null, ["-2", "2.5f"]],
    ["flag", null, "bool", "true", null],
    ["maybe", null, "int | null", "null", null],
  ]);
  const wrong = await problems(
    `${IMPORTS}/** @pipeline\n * @param rat x */ export function main({ a }: { a: int }, rate: float) { return rate; }`,
  );
  expect(wrong.diagnostics.map((d) => [d.code, d.message, d.help])).toEqual([
    ["HR513", "`@param rat` documents no parameter of this pipeline", "its parameters are `{ a }`, `rate`"],
    ["HR511", "`{ a }` can't be a parameter of a pipeline", "one name for each, with its type: epochs: int = 5"],
  ]);
});

test("imports: kinds, other names, endings left out; functions of the file itself", async () => {
  const module = await read(`
    import { load as fetchRows, Sim, type Row } from "./stages";
    import type { Row as R } from "./stages.js";
    import { gone } from "./nowhere.ts";
    export const twice = (x: number): number => 2 * x;
    /** @pipeline */ export function main(x: number, r: R, s: Row) { return { a: twice(x), b: fetchRows(), c: gone(1) }; }`);
  expect(module.imports.map((i) => `${i.what} ${i.exported.text} as ${i.local.text} from ${i.from.text}`)).toEqual([
    "function load as fetchRows from ./stages.ts",
    "actor Sim as Sim from ./stages.ts",
    "type Row as Row from ./stages.ts",
    "type Row as R from ./stages.ts",
    "function gone as gone from ./nowhere.ts",
    "function twice as twice from ./main.pipeline.ts",
  ]);
});

// --- Forms ---------------------------------------------------------------------------------------------------------------

test("expressions", async () => {
  expect(
    await body(
      [
        "const [a, b] = load();",
        "const { id: n, text } = a!;",
        "const label = `$".concat("{n}: $", "{text.trim().toLowerCase()}!`;"),
        "const ok = !(n > 3 && text !== 'x') || b?.tags.length === 0;",
        'return { ...a, "n-2": -n % 2, label, ok, list: [1, 2.5, null, undefined], first: b!.tags[0] ?? "none", m: Math.max(n, 2) as float };',
      ].join("\n"),
    ),
  ).toEqual([
    "let [a, b] = load()",
    "let { id: n, text } = a",
    "let label = `$".concat("{n}: $", "{lower(trim(text))}!`"),
    'let ok = (!((n > 3) && (text != "x")) || (if (b?.tags == null) { null } else { len(b?.tags) } == 0))',
    '{ ...a, n-2: (-n % 2), label: label, ok: ok, list: [1, 2.5f, null, null], first: (b.tags[0] ?? "none"), m: max(n, 2) }',
  ]);
});

test("data sets: methods, lambdas, functions by name, options, ranges, promises", async () => {
  expect(
    await body(
      `const rows = dataset(load()).map(clean).filter((r) => { return r.id > 0; });
       const parts = rows.batches(64, { dropLast: true });
       const late = await clean(load()[0]!);
       const total = range(10, { blocks: 2 }).sum((i) => i * 2);
       const best = rows.reduce((l, r) => (l.id > r.id ? l : r));
       notify("done");
       return { total, n: parts.count(), all: rows.concat(dataset([late])).map((r) => score(r, 0.5)).collect(), best };`,
    ),
  ).toEqual([
    "let rows = filter(map(load(), clean), (r) => (r.id > 0))",
    "let parts = batches(rows, 64, dropLast: true)",
    "let late = clean(load()[0])",
    "let total = sum(range(10, blocks: 2), (i) => (i * 2))",
    "let best = reduce(rows, (l, r) => if (l.id > r.id) { l } else { r })",
    'do notify("done")',
    "{ total: total, n: count(parts), all: collect(map(concat(rows, [late]), (r) => score(r, 0.5f))), best: best }",
  ]);
});

test("fit: the epoch's own name, an update of one expression, none of the other names touched", async () => {
  expect(
    await body(
      `const rows = dataset(load());
       const w = fit(init(1), (round) => rows.shuffle(round + 1).map((epoch) => epoch).batches(8), 3, (w, batch) => step(w, batch));
       return w;`,
    ),
  ).toEqual([
    "let rows = load()",
    "let w = fit w = init(1) over batch in batches(map(shuffle(rows, (epoch + 1)), (epoch) => epoch), 8) for 3 { w <- step(w, batch) }",
    "w",
  ]);
});

// --- What can't be read (constructs of bodies: typescript-refusals.test.ts) ---

test("functions that can't become stages", async () => {
  const found = await problems(`${IMPORTS}
    import { join } from "node:path";
    let limit = 3;
    function hidden(x: number) { return x; }
    const arrow = (x: number) => x;
    /** @pipeline */ export function main(x: number) { return { a: hidden(x), b: arrow(x), c: join("a"), d: parseInt("1"), e: limit }; }`);
  expect(found.diagnostics.map((d) => [d.code, d.message.split(":")[0]!, d.help])).toEqual([
    ["HR512", "`hidden` can't be a stage", "export it: `export function hidden …`"],
    ["HR512", "`arrow` can't be a stage", "export it: `export const arrow …`"],
    ["HR512", "`join` can't be a stage", "export a function of your own that calls `join`, and call that"],
    ["HR512", "`parseInt` can't be a stage", "put it in an exported function of a file of stages, and call that"],
    [
      "HR510",
      "a pipeline can't hold `limit`, a value from outside it",
      "make it a parameter of the pipeline, or let a stage function give it",
    ],
  ]);
});

test("a file that isn't there, doesn't parse, or has no pipeline", async () => {
  const gone = await readTypeScript("gone.ts", memorySources({}));
  expect([gone.module, gone.diagnostics.map((d) => d.message)]).toEqual([null, ["there is no file `gone.ts`"]]);
  const broken = await problems("/** @pipeline */ export function main( { return 1; }");
  expect(broken.module).toBeNull();
  expect(new Set(broken.diagnostics.map((d) => d.code))).toEqual(new Set(["HR503"]));
  expect((await problems("export function main() {}")).diagnostics.map((d) => d.code)).toEqual(["HR505"]);
  expect((await problems("/** @pipeline */ export const main = () => 1;")).diagnostics.map((d) => [d.code, d.help])).toEqual([
    ["HR510", "export function name(…) { … }"],
  ]);
});

test("a warm answer doesn't load TypeScript", async () => {
  const sources = sourcesOf(`${IMPORTS}/** @pipeline */ export function main() { return load(); }`);
  const first = await readTypeScript("main.pipeline.ts", sources);
  vi.doMock("../../compiler/1-read/typescript-program.ts", () => {
    throw new Error("TypeScript was loaded");
  });
  expect(await readTypeScript("main.pipeline.ts", sources)).toEqual(first);
  vi.doUnmock("../../compiler/1-read/typescript-program.ts");
});

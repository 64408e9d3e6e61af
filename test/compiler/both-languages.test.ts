// Each form in `.pipe` text and in annotated TypeScript: both are read into the same module.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { bare, pipeModule, typeScriptModule } from "../harness/modules.ts";

const stages = `import type { float, int, View } from "headrace";
export interface Row { readonly id: int; readonly name: string | null; readonly size: float; readonly tags: readonly string[] }
export interface Weights { w: Float32Array }
export function load(seed: int): Row[] { return [{ id: seed, name: null, size: 1, tags: [] }]; }
export function clean(row: Row): Row { return row; }
export async function fetched(id: int): Promise<Row> { return { id, name: null, size: 1, tags: [] }; }
export function start(seed: int): Weights { return { w: new Float32Array(seed) }; }
export function gradient(w: View<Weights>, batch: readonly Row[]): { loss: float; grad: Weights } { return { loss: batch.length, grad: { w: w.w.slice() } }; }
export function move(w: View<Weights>, by: View<Weights>): Weights { return { w: w.w.slice() }; }
export function distance(a: View<Weights>, b: View<Weights>): float { return a.w[0]! - b.w[0]!; }
export function judge(w: View<Weights>, row: Row): float { return w.w[0]! * row.size; }
export function notify(text: string): void { console.log(text); }
export function maybe(id: int): Row | null { return id > 3 ? null : { id, name: null, size: 1, tags: [] }; }
`;
const names = ["clean", "distance", "fetched", "gradient", "judge", "load", "maybe", "move", "notify", "start"];
const own = "dataset, expect, fit, forEach, keep, loop, mean, onFailure, perform, range, stopAfter, track, within";

/** What it shows, `.pipe` text, TypeScript. */
const table: readonly (readonly [string, string, string])[] = [
  [
    "a block of `for`",
    "for r in load(1) { let c = clean(r)\n { id: c.id } }",
    "return forEach(load(1), (r) => { const c = clean(r); return { id: c.id }; });",
  ],
  ["an expression of `for`", "for r in load(1) { { ...r, n } }", "return forEach(load(1), (r) => ({ ...r, n }));"],
  ["`for` that takes its item apart", "for { id, size: s } in load(1) { id + s }", "return forEach(load(1), ({ id, size: s }) => id + s);"],
  [
    "`for` over pairs",
    "for [a, b] in load(1) |> zip(load(2)) { a.id + b.id }",
    "return forEach(dataset(load(1)).zip(dataset(load(2))), ([a, b]) => a!.id + b!.id);",
  ],
  [
    "a `fit` in a `for`",
    "for s in [1, 2] { let w = fit w = start(s) over b in load(s) |> batches(2) for 1 { w <- move(w, w) }\n w }",
    "return forEach([1, 2], (s) => { const w = fit(start(s), () => dataset(load(s)).batches(2), 1, (w, b) => move(w, w)); return w; });",
  ],
  [
    "effects in a `for`",
    `for r in load(1) { do notify(\`\${r.id}\`) }\n1`,
    `forEach(load(1), (r) => { perform(notify(\`\${r.id}\`)); });\nreturn 1;`,
  ],
  [
    "an effect in a `for`",
    `for r in load(1) { do notify(\`\${r.id}\`) }\n1`,
    `forEach(load(1), (r) => perform(notify(\`\${r.id}\`)));\nreturn 1;`,
  ],
  [
    "`loop`",
    "loop c = start(n) until moved < 1e-4 max 50 { let next = move(c, c)\n let moved = distance(c, next)\n c <- next }",
    "return loop(start(n), { max: 50 }, (c) => { const next = move(c, c); const moved = distance(c, next); return { next, until: moved < 1e-4 }; });",
  ],
  [
    "`loop` that compares what was with what comes",
    "loop c = start(n) until done max n { let next = move(c, c)\n let done = distance(c, next) < 0.5\n c <- next }",
    "return loop(start(n), { max: n }, (c) => { const next = move(c, c); return { next, until: distance(c, next) < 0.5 }; });",
  ],
  [
    "`loop` of one expression",
    "loop i = 0 until true max 3 { i <- i + 1 }",
    "return loop(0, { max: 3 }, (i) => ({ next: i + 1, until: true }));",
  ],
  [
    "`loop` that carries several",
    "loop a = 1, b = start(n) until stop max 9 { let c = a * 2\n let stop = c > 100\n b <- move(b, b)\n a <- c }",
    "return loop({ a: 1, b: start(n) }, { max: 9 }, ({ a, b }) => { const c = a * 2; const stop = c > 100; return { next: { b: move(b, b), a: c }, until: stop }; });",
  ],
  [
    "`loop` whose values need each other",
    "loop a = 1, b = 2 until done max 9 { let nextA = b\n let nextB = a + b\n let done = a > 10\n a <- nextA\n b <- nextB }",
    "return loop({ a: 1, b: 2 }, { max: 9 }, ({ a: x, b: y }) => ({ next: { a: y, b: x + y }, until: x > 10 }));",
  ],
  [
    "`fit` with an update of one expression",
    "let w = fit w = start(1) over b in load(1) |> batches(8) for 3 { w <- move(w, mean(gradient(w, b).grad)) }\nw",
    "const w = fit(start(1), () => dataset(load(1)).batches(8), 3, (w, b) => move(w, mean(gradient(w, b).grad)));\nreturn w;",
  ],
  [
    "`epoch` and `step` by other names",
    "fit w = start(1) over b in load(1) |> shuffle(epoch) |> batches(8) for 3 { track s = step + epoch\n w <- move(w, w) }",
    'return fit(start(1), (e) => dataset(load(1)).shuffle(e).batches(8), 3, (w, b, { step: s, epoch }) => { track("s", s + epoch); return move(w, w); });',
  ],
  [
    "`fit` that carries several",
    "fit w = start(1), m = 0.5 over b in load(1) |> batches(8) for n { let g = gradient(w, b)\n w <- move(w, mean(g.grad))\n m <- mean(g.loss) }",
    "return fit({ w: start(1), m: 0.5 }, () => dataset(load(1)).batches(8), n, ({ w, m }, b) => { const g = gradient(w, b); return { w: move(w, mean(g.grad)), m: mean(g.loss) }; });",
  ],
  [
    "a `fit` that returns early",
    "fit w = start(1) over b in load(1) |> batches(8) for n { w <- if n > 3 { move(w, w) } else { w } }",
    "return fit(start(1), () => dataset(load(1)).batches(8), n, (w, b) => { if (n > 3) return move(w, w); return w; });",
  ],
  [
    "`each epoch`",
    `fit w = start(1) over b in load(1) |> batches(8) for n { w <- move(w, w) } each epoch {
      let valLoss = load(2) |> mean(r => judge(w, r))
      track loss = valLoss + epoch
      track valLoss = valLoss
      keep w minimizing valLoss
      stop after 3 without improvement of valLoss
      do notify("epoch") }`,
    `return fit(start(1), () => dataset(load(1)).batches(8), n, (w, b) => move(w, w), { eachEpoch: (weights, e) => {
      const valLoss = dataset(load(2)).mean((r) => judge(weights, r));
      track("loss", valLoss + e);
      track("valLoss", valLoss);
      keep(weights, { minimizing: valLoss });
      stopAfter(3, { withoutImprovementOf: valLoss });
      perform(notify("epoch"));
    } });`,
  ],
  [
    "what is kept by the name that it is tracked by",
    `fit w = start(1) over b in load(1) |> batches(8) for n { track loss = 1\n w <- move(w, w) } each epoch {
      let v = judge(w, fetched(1))
      track score = v
      keep w maximizing score
      stop after n without improvement of loss }`,
    `return fit(start(1), () => dataset(load(1)).batches(8), n, (w, b) => { track("loss", 1); return move(w, w); }, { eachEpoch: async (w) => {
      const v = judge(w, await fetched(1));
      track("score", v);
      keep(w, { maximizing: v });
      stopAfter(n, { withoutImprovementOf: "loss" });
    } });`,
  ],
  [
    "failure as data",
    "let { ok, failed } = load(1) |> attempt(clean)\n{ ok, n: failed |> count }",
    "const { ok, failed } = dataset(load(1)).attempt(clean);\nreturn { ok, n: failed.count() };",
  ],
  [
    "`expect`, with its message and without",
    `expect n > 0, \`n is \${n}\`\nexpect n < 9\nn`,
    `expect(n > 0, \`n is \${n}\`);\nexpect(n < 9);\nreturn n;`,
  ],
  ["effects", 'do notify("a")\ndo notify("b")\nn', 'perform(notify("a"));\nnotify("b");\nreturn n;'],
  [
    "an effect under a condition",
    'if n > 3 { do notify("many") } else { do notify("few") }\nn',
    'if (n > 3) { perform(notify("many")); } else notify("few");\nreturn n;',
  ],
  ["`within`", "fetched(1) within 20ms else clean(load(1)[0])", 'return within("20ms", fetched(1), { else: clean(load(1)[0]!) });'],
  ["`on failure`", "on failure(e) { do notify(e.message) }\nn", "onFailure((e) => { perform(notify(e.message)); });\nreturn n;"],
  [
    "`if` as a statement",
    "if n > 1 { let a = load(n)\n a } else { load(2) }",
    "if (n > 1) { const a = load(n); return a; } else { return load(2); }",
  ],
  [
    "early returns",
    "let a = maybe(n)\nif a == null { 0 } else { let b = a.id\n if b > 3 { 3 } else { b } }",
    "const a = maybe(n);\nif (a === null) return 0;\nconst b = a.id;\nif (b > 3) { return 3; }\nreturn b;",
  ],
  [
    "a chain of `else if`",
    'if n > 3 { "a" } else { if n > 2 { "b" } else { "c" } }',
    'if (n > 3) return "a";\nelse if (n > 2) return "b";\nreturn "c";',
  ],
  ["a branch that goes on", "if n > 3 { let a = n\n a + 1 } else { 0 }", "if (n > 3) { } else { return 0; }\nconst a = n;\nreturn a + 1;"],
  ["conditional expressions", "if n > 3 { 1.5 } else { if n > 2 { 2.5 } else { 0.0 } }", "return n > 3 ? 1.5 : n > 2 ? 2.5 : 0.0;"],
  [
    "taking apart",
    "let { id, size: s } = fetched(n)\nlet [a, b] = load(1)\n{ id, s, a, b }",
    "const { id, size: s } = await fetched(n);\nconst [a, b] = load(1);\nreturn { id, s, a, b };",
  ],
  [
    "spread and templates",
    `let r = fetched(n)\n{ ...r, text: \`id \${r.id}!\` }`,
    `const r = await fetched(n);\nreturn { ...r, text: \`id \${r.id}!\` };`,
  ],
  ["what says something to TypeScript alone", '["a", "b"]', 'return (["a", "b"] as const satisfies readonly string[])!;'],
  ["optional chains", "let m = maybe(n)\nm?.name?.x", "const m = maybe(n) as { name: { x: int } } | null;\nreturn m?.name.x;"],
  [
    "a length along an optional chain",
    "let m = maybe(n)\nif m?.tags == null { null } else { len(m?.tags) }",
    "const m = maybe(n);\nreturn m?.tags.length;",
  ],
  [
    "narrowing",
    'let m = maybe(n)\nif m != null && m.name != null { m.name } else { "?" }',
    'const m = maybe(n);\nreturn m !== null && m.name !== null ? m.name : "?";',
  ],
  ["a list with spreads", "load(1) |> concat(load(2)) |> concat([fetched(3)])", "return [...load(1), ...load(2), await fetched(3)];"],
  [
    "methods of lists",
    "let a = load(1) |> filter(r => r.id > 1) |> map(r => r.id)\n{ a, any: a |> any(i => i == 2), has: contains(a, 3) }",
    "const a = load(1).filter((r) => r.id > 1).map((r) => r.id);\nreturn { a, any: a.some((i) => i === 2), has: a.includes(3) };",
  ],
  ["a lambda that takes its row apart", "load(1) |> map(row => row.id + row.size)", "return load(1).map(({ id, size: s }) => id + s);"],
  [
    "groups, and several reductions at once",
    "let g = load(1) |> groupBy(r => r.id) |> agg(n: count(), size: mean(r => r.size))\nlet all = load(2) |> agg(most: max(r => r.size))\n{ g, all, one: load(3) |> first, some: load(4) |> sample(0.5, seed: n) }",
    "const g = dataset(load(1)).groupBy((r) => r.id).agg((group) => ({ n: group.count(), size: group.mean((r) => r.size) }));\nconst all = dataset(load(2)).agg((rows) => ({ most: rows.max((r) => r.size) }));\nreturn { g, all, one: dataset(load(3)).first(), some: dataset(load(4)).sample(0.5, { seed: n }) };",
  ],
  [
    "a lambda with a block",
    "load(1) |> map(r => if r.id > 1 { 1 } else { 0 })",
    "return dataset(load(1)).map(function (r) { if (r.id > 1) { return 1; } return 0; });",
  ],
  [
    "scalar functions",
    `let t = \`\${n}\`\n{ a: sqrt(n), b: log2(n), c: upper(t), d: startsWith(t, "1"), e: replace(t, "1", "2"), f: string(n) }`,
    `const t = \`\${n}\`;\nreturn { a: Math.sqrt(n), b: Math.log2(n), c: t.toUpperCase(), d: t.startsWith("1"), e: t.replaceAll("1", "2"), f: String(n) };`,
  ],
];

const pipe = pipeModule(
  `import { ${names.join(", ")} } from "./stages.ts"\n${table.map(([, text], i) => `pipeline form${i}(n: int) -> [string] {\n${text}\n}`).join("\n")}\n`,
);
const typeScriptFile = `import { ${own}, type int } from "headrace";
import { ${names.join(", ")} } from "./stages.ts";
${table.map(([, , text], i) => `/** @pipeline */\nexport async function form${i}(n: int = 3) {\n${text}\n}`).join("\n")}
`;
const typeScript = await typeScriptModule(typeScriptFile, { "stages.ts": stages }, "form0");

it("neither says anything of them", () => {
  expect([pipe.diagnostics, typeScript.diagnostics]).toEqual([[], []]);
});

it.each(table.map(([what], i) => [what, i] as const))("%s", (_, i) => {
  expect(bare(typeScript.module!.pipelines[i]!.body)).toEqual(bare(pipe.module.pipelines[i]!.body));
});

it("all of it type-checks with plain `tsc`", () => {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const folder = mkdtempSync(join(tmpdir(), "headrace-tsc-"));
  try {
    writeFileSync(join(folder, "stages.ts"), stages);
    writeFileSync(join(folder, "forms.pipeline.ts"), typeScriptFile);
    const compilerOptions = {
      ...{ target: "es2023", lib: ["es2023"], module: "nodenext", strict: true, noUncheckedIndexedAccess: true, noEmit: true },
      ...{ allowImportingTsExtensions: true, skipLibCheck: true, types: ["node"], typeRoots: [join(root, "node_modules/@types")] },
      paths: { headrace: [join(root, "api/index.ts")] },
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
    const { stdout } = spawnSync(join(root, "node_modules/.bin/tsc"), ["-p", folder], { encoding: "utf8" });
    expect(stdout).toBe("");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

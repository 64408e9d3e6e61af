// Each form in `.pipe` text and in annotated TypeScript: both are read into the same module.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compile, localEngine } from "headrace/engine";
import { expect, it } from "vitest";
import { bare, pipeModule, typeScriptModule } from "../harness/modules.ts";
import { compileFiles, shown } from "../harness/programs.ts";

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
const own =
  "dataset, date, expect, fit, forEach, keep, loop, mean, month, onFailure, perform, range, stopAfter, timestamp, track, weekday, within";

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
  ["`on failure`", "n\non failure(e) { do notify(e.message) }", "onFailure((e) => { perform(notify(e.message)); });\nreturn n;"],
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
  ["numbers", "[1e-9, 1e-4, 2.5e7, 1000, 16, 3.0, -1, 1e21]", "return [1e-9, 1e-4, 2.5e7, 1_000, 0x10, 3.0, -1, 1e21];"],
  [
    "writers",
    `do load(1) |> writeJsonLines("a.jsonl")\ndo load(1) |> map(r => \`\${r.id}\`) |> writeText("a.txt")\nn`,
    `perform(dataset(load(1)).writeJsonLines("a.jsonl"));\ndataset(load(1)).map((r) => \`\${r.id}\`).writeText("a.txt");\nreturn n;`,
  ],
  [
    "times",
    `let a = timestamp("2020-01-31T12:30:00Z")\nlet b = a + 3600000
    { day: date(a), month: month(b), on: weekday(a), before: a < b, late: b - a, ms: a - timestamp(0), text: string(a) }`,
    `const a = timestamp("2020-01-31T12:30:00Z");\nconst b = timestamp(a.getTime() + 3600000);
    return { day: date(a), month: month(b), on: weekday(a), before: a < b, late: b.getTime() - a.getTime(), ms: a.getTime(), text: a.toISOString() };`,
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
  const folder = mkdtempSync(join(tmpdir(), "headrace-tsc-"));
  try {
    writeFileSync(join(folder, "stages.ts"), stages);
    writeFileSync(join(folder, "forms.pipeline.ts"), typeScriptFile);
    expect(tsc(folder)).toBe("");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** What plain `tsc` says of the files of a folder. */
function tsc(folder: string): string {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const compilerOptions = {
    ...{ target: "es2023", lib: ["es2023"], module: "nodenext", strict: true, noUncheckedIndexedAccess: true, noEmit: true },
    ...{ allowImportingTsExtensions: true, skipLibCheck: true, types: ["node"], typeRoots: [join(root, "node_modules/@types")] },
    paths: { headrace: [join(root, "api/index.ts")] },
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
  return spawnSync(join(root, "node_modules/.bin/tsc"), ["-p", folder], { encoding: "utf8" }).stdout;
}

// --- Plans and results ----------------------------------------------------------------------------------------------------

const running = `import type { float, int, View } from "headrace";
export interface Row { readonly id: int; readonly size: float }
export function load(seed: int): Row[] { return Array.from({ length: 12 }, (_, i) => ({ id: (i % 5) as int, size: seed + i / 4 })); }
export function parse(row: Row): float { if (row.id === 3) throw new Error("three"); return row.size * 2; }
export function begin(seed: int): float { return seed; }
export function step(w: float, rows: readonly Row[]): float { return rows.reduce((sum, row) => sum + row.size, 0) / rows.length - w; }
export function halve(x: float): float { return x / 2; }
export function label(id: int): string { return "row " + id; }
export async function slowly(x: float): Promise<float> { return x + 1; }
export function note(text: string): void { void text; }
`;
const inPipe = `import { begin, halve, label, load, note, parse, slowly, step } from "./stages.ts"
param n: int = 3
pipeline main() -> { model: float, epochs: float, labels: [{ id: int, text: string }], root: float, ok: float, bad: int, kind: string, late: float, groups: Dataset<{ key: int, n: int, size: float }> } {
  let rows = load(n)
  expect n > 0, \`n is \${n}\`
  do note("begins")
  let { train, test } = rows |> split(train: 0.5, test: 0.5, seed: n)
  let model = fit w = begin(n) over batch in train |> shuffle(epoch + n) |> batches(4) for 3 {
    let gradient = step(w, batch)
    track size = mean(gradient)
    w <- w + 0.5 * mean(gradient)
  } each epoch {
    track loss = test |> mean(r => r.size - w)
    keep w minimizing loss
    stop after 2 without improvement of loss
  }
  let both = fit a = begin(1), b = 0.0 over batch in train |> shuffle(epoch) |> batches(4) for 2 {
    let next = step(a, batch)
    a <- mean(next)
    b <- b + 1.0
  }
  let labels = for { id } in rows |> take(3) {
    let text = label(id)
    { id, text }
  }
  let root = loop x = slowly(64.0) until moved < 1.0 max 20 {
    let next = halve(x)
    let moved = x - next
    x <- next
  }
  let { ok, failed } = rows |> attempt(parse)
  let kind = if n > 5 { label(n) } else { label(7) }
  let late = slowly(1.5) within 20s else halve(1.0)
  let groups = rows |> groupBy(r => r.id) |> agg(n: count(), size: mean(r => r.size))
  { model, epochs: both.b, labels, root, ok: ok |> sum(x => x), bad: failed |> count, kind, late, groups }
  on failure(e) { do note(e.message) }
}
`;
const inTypeScript = `import { dataset, expect, fit, forEach, keep, loop, mean, onFailure, perform, stopAfter, track, within, type int } from "headrace";
import { begin, halve, label, load, note, parse, slowly, step } from "./stages.ts";
/** @pipeline */
export async function main(n: int = 3) {
  const rows = dataset(load(n));
  expect(n > 0, \`n is \${n}\`);
  perform(note("begins"));
  onFailure((e) => { note(e.message); });
  const { train, test } = rows.split({ train: 0.5, test: 0.5, seed: n });
  const model = fit(begin(n), (round) => train.shuffle(round + n).batches(4), 3, (w, batch) => {
    const gradient = step(w, batch);
    track("size", mean(gradient));
    return w + 0.5 * mean(gradient);
  }, {
    eachEpoch: (weight) => {
      track("loss", test.mean((r) => r.size - weight));
      keep(weight, { minimizing: "loss" });
      stopAfter(2, { withoutImprovementOf: "loss" });
    },
  });
  const both = fit({ a: begin(1), b: 0.0 }, (round) => train.shuffle(round).batches(4), 2, ({ a, b }, batch) => {
    const next = step(a, batch);
    return { a: mean(next), b: b + 1.0 };
  });
  const labels = forEach(rows.take(3), ({ id }) => {
    const text = label(id);
    return { id, text };
  });
  const root = loop(await slowly(64.0), { max: 20 }, (x) => {
    const next = halve(x);
    const moved = x - next;
    return { next, until: moved < 1.0 };
  });
  const { ok, failed } = rows.attempt(parse);
  const kind = n > 5 ? label(n) : label(7);
  const late = within("20s", slowly(1.5), { else: halve(1.0) });
  const groups = rows.groupBy((r) => r.id).agg((group) => ({ n: group.count(), size: group.mean((r) => r.size) }));
  return { model, epochs: both.b, labels, root, ok: ok.sum((x) => x), bad: failed.count(), kind, late, groups };
}
`;

it("a program of all forms has one plan in both, and one result", async () => {
  const stages = { "stages.ts": running };
  const [text, same] = [
    await compileFiles({ ...stages, "main.pipe": inPipe }, "main.pipe"),
    await compileFiles({ ...stages, "main.pipeline.ts": inTypeScript }, "main.pipeline.ts"),
  ];
  expect([shown(text, {}), shown(same, {})]).toEqual(["", ""]);
  expect(same.plan!.hash).toBe(text.plan!.hash);
  await using engine = await localEngine({ slots: 2 });
  const results = [];
  for (const { plan, code } of [text, same]) results.push((await engine.run(plan!, code, { params: { n: 4 } })).outputs);
  expect(results[1]).toEqual(results[0]);
  expect(results[0]).toMatchObject({ epochs: 4, bad: 2, kind: "row 7", late: 2.5, root: 65 / 64 / 2 });
});

// --- Files ------------------------------------------------------------------------------------------------------------------

const filesInPipe = `import { size } from "./stages.ts"
type Flight = { carrier: string, delay: float?, date: timestamp }
type Event = { name: string, at: timestamp, tags: [string] }
param flights: file = "flights.csv"
param logs: files = "logs/*.jsonl"
param out: string
pipeline main() -> { late: Dataset<{ carrier: string, n: int, worst: float, last: timestamp }>, names: [string], events: int, lines: int, span: int, bytes: int } {
  let rows = csv<Flight>(flights, separator: ";")
  let late = rows
    |> filter(r => r.delay != null && year(r.date) >= 2020)
    |> groupBy(r => { carrier: r.carrier })
    |> agg(n: count(), worst: max(r => r.delay ?? 0.0), last: max(r => r.date))
  do late |> writeCsv(out)
  let events = jsonLines<Event>(logs)
  let first = events |> min(e => e.at)
  {
    late,
    names: logs |> map(f => f.name),
    events: events |> filter(e => contains(e.tags, "a")) |> count,
    lines: text(logs) |> count,
    span: (events |> max(e => e.at)) - first,
    bytes: size(flights)
  }
}
`;
const filesInTypeScript = `import { csv, file, files, jsonLines, perform, text, year, type float, type InputFile, type InputFiles } from "headrace";
import { size } from "./stages.ts";
interface Flight { readonly carrier: string; readonly delay: float | null; readonly date: Date }
interface Event { readonly name: string; readonly at: Date; readonly tags: readonly string[] }
/** @pipeline */
export function main(flights: InputFile = file("flights.csv"), logs: InputFiles = files("logs/*.jsonl"), out: string) {
  const rows = csv<Flight>(flights, { separator: ";" });
  const late = rows
    .filter((r) => r.delay !== null && year(r.date) >= 2020)
    .groupBy((r) => ({ carrier: r.carrier }))
    .agg((of) => ({ n: of.count(), worst: of.max((r) => r.delay ?? 0.0), last: of.max((r) => r.date) }));
  perform(late.writeCsv(out));
  const events = jsonLines<Event>(logs);
  const first = events.min((e) => e.at);
  return {
    late,
    names: logs.map((f) => f.name),
    events: events.filter((e) => e.tags.includes("a")).count(),
    lines: text(logs).count(),
    span: events.max((e) => e.at).getTime() - first.getTime(),
    bytes: size(flights),
  };
}
`;

it("files are read and written alike in both", async () => {
  const folder = mkdtempSync(join(tmpdir(), "headrace-files-"));
  try {
    const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
    mkdirSync(join(folder, "logs"));
    write("flights.csv", "date;carrier;delay\n2020-01-01;AA;5\n2019-01-01;AA;50\n2021-06-01;AA;9\n2020-01-02;UA;\n2020-01-02;UA;1.5\n");
    write("logs/a.jsonl", '{"name":"x","at":"2020-01-01T00:00:01Z","tags":["a"]}\n{"name":"y","at":"2020-01-01T00:00:02Z","tags":[]}\n');
    write("logs/b.jsonl", '{"name":"z","at":"2020-01-01T00:00:05Z","tags":["a","b"]}\n');
    write(
      "stages.ts",
      'import type { InputFile, int } from "headrace";\nexport function size(file: InputFile): int { return file.bytes; }\n',
    );
    write("main.pipe", filesInPipe);
    write("main.pipeline.ts", filesInTypeScript);
    expect(tsc(folder)).toBe("");
    await using engine = await localEngine({ slots: 2 });
    const found: { readonly hash: string; readonly outputs: unknown; readonly written: string }[] = [];
    for (const name of ["main.pipe", "main.pipeline.ts"]) {
      const { plan, code, diagnostics } = await compile(join(folder, name));
      expect(diagnostics).toEqual([]);
      const out = join(folder, "out.csv");
      const { error, outputs } = await engine.run(plan!, code, { params: { out } });
      expect(error).toBeNull();
      found.push({ hash: plan!.hash, outputs, written: readFileSync(out, "utf8") });
    }
    expect(found[1]).toEqual(found[0]);
    expect(found[0]!.outputs).toEqual({
      late: [
        { carrier: "AA", n: 2, worst: 9, last: new Date("2021-06-01") },
        { carrier: "UA", n: 1, worst: 1.5, last: new Date("2020-01-02") },
      ],
      ...{ names: ["a.jsonl", "b.jsonl"], events: 2, lines: 3, span: 4000, bytes: 101 },
    });
    expect(found[0]!.written.split("\n").slice(0, 2)).toEqual(["carrier,n,worst,last", "AA,2,9,2021-06-01T00:00:00.000Z"]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

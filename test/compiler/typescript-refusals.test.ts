// TypeScript that has no meaning in a pipeline: each construct has its message, at its place, and something to write instead.
import fc from "fast-check";
import { expect, it } from "vitest";
import { typeScriptModule } from "../harness/modules.ts";

const STAGES = `
import type { View, int } from "headrace";
export interface Row { readonly id: int; readonly text: string; readonly tags: readonly string[] }
export declare function load(seed?: int): Row[];
export declare function clean(row: Row): Promise<Row>;
export declare function score(row: Row, weight: number): number;
export declare function init(seed: int): Float32Array;
export declare function step(w: Float32Array, batch: readonly Row[]): Float32Array;
export declare function notify(text: string): void;
export enum Mode { Fast = "fast", Slow = "slow" }
export const table = { a: 1 };
export const LIMIT = 5;
export class Sim {}
`;

/** The body of a pipeline, and what is said of it: the code, the text that it points at, the message and the help. */
const table: readonly (readonly string[])[] = [
  [
    "let x; if (load().length > 1) { x = 1; } else { x = 2; } return x;",
    "HR510 «let x;» a pipeline can't hold `let`, which can be assigned again — const x = condition ? a : b",
  ],
  [
    "var x = 1; x++; return x;",
    "HR510 «var x = 1;» a pipeline can't hold `var`, which can be assigned again — const x = …: each value has a name of its own; `fit` and `loop` carry one from step to step",
  ],
  [
    "using x = load(); return 1;",
    "HR510 «using x = load();» a pipeline can't hold `using`, which ends with a block — a stage function can hold it for the time it runs",
  ],
  [
    "for (const row of load()) notify(row.text); return 1;",
    "HR510 «for (const row of load()) notify(row.text);» a pipeline can't hold a `for` loop, which gives no value — const results = forEach(load(), (row) => …), or dataset(load()).map(…) for a row",
  ],
  [
    "for (let i = 0; i < 3; i++) { notify(i); } return 1;",
    "HR510 «for (let i = 0; i < 3; i++) { notify(i); }» a pipeline can't hold a counting loop — range(n).map((i) => …), or loop(init, { max: n }, (state) => …) from step to step",
  ],
  [
    "for (const k in load()) { notify(k); } return 1;",
    "HR510 «for (const k in load()) { notify(k); }» a pipeline can't hold a `for … in` loop — a stage function can walk over keys; a pipeline reads fields by name",
  ],
  [
    "while (true) { notify('a'); } return 1;",
    "HR510 «while (true) { notify('a'); }» a pipeline can't hold a `while` loop — loop(init, { max: 100 }, (state) => { …; return { next, until: … }; })",
  ],
  [
    "do { notify('a'); } while (true); return 1;",
    "HR510 «do { notify('a'); } while (true);» a pipeline can't hold a `do` loop — loop(init, { max: 100 }, (state) => { …; return { next, until: … }; })",
  ],
  [
    "try { return load(); } catch (e) { return []; }",
    "HR510 «try { return load(); } catch (e) { return []; }» a pipeline can't hold `try` — dataset(rows).attempt(f) gives what failed as data; onFailure((e) => { … }) says what to do when the run fails",
  ],
  [
    "throw new Error('no');",
    "HR510 «throw new Error('no');» a pipeline can't hold `throw` — expect(condition, \"message\") fails the run where the condition is false",
  ],
  [
    "switch (load().length) { case 1: return 1; default: return 2; }",
    "HR510 «switch (load().length) { case 1: return 1; default: return 2; }» a pipeline can't hold a `switch` — load().length === 1 ? … : …",
  ],
  [
    "function f() { return 1; } return f();",
    "HR510 «function f() { return 1; }» a pipeline can't hold a function declared inside it — export function f(…) { … } in a file of stages, and call that",
  ],
  [
    "const f = (x: int) => x; return f(1);",
    "HR510 «(x: int) => x» a pipeline can't hold a function as a value — export function f(…) { … } in a file of stages, and call that",
  ],
  [
    "class A {} return 1;",
    "HR510 «class A {}» a pipeline can't hold a class — put it in an exported function of a file of stages, and call that",
  ],
  [
    "const xs = load(); xs.push(xs[0]!); return xs;",
    "HR510 «push» a pipeline can't hold `.push` of a list — [...xs, item] is a new list with one more",
  ],
  ["return load().sort();", "HR510 «sort» a pipeline can't hold `.sort` of a list — dataset(load()).sortBy((row) => row.key)"],
  [
    "return load().reduce((a, b) => a + b.id, 0);",
    "HR510 «reduce» a pipeline can't hold `.reduce` of a list — dataset(load()).reduce((a, b) => …), without a first value, or dataset(load()).sum((row) => …)",
  ],
  [
    "return 'a'.split(',');",
    "HR510 «split» a pipeline can't hold `.split` of a text — put it in an exported function of a file of stages, and call that",
  ],
  [
    "return Promise.all([clean(load()[0]!)]);",
    "HR510 «Promise.all([clean(load()[0]!)])» a pipeline can't hold a call of `Promise.all` — name each value: stages that don't need each other run side by side",
  ],
  [
    "console.log(1); return Math.random() + Date.now();",
    "HR510 «console.log(1)» a pipeline can't hold a call of `console.log` — perform(log(…)), with log exported by a file of stages",
    "HR510 «Math.random()» a pipeline can't hold a call of `Math.random` — a seed: rows.shuffle(seed), or a stage function that takes one",
    "HR510 «Date.now()» a pipeline can't hold a call of `Date.now` — a parameter of the pipeline, or a stage function tagged @volatile",
  ],
  [
    "return new Date();",
    "HR510 «new Date()» a pipeline can't hold `new Date()`, which reads the clock — a parameter of the pipeline, or a stage function tagged @volatile",
  ],
  [
    "return { get a() { return 1; }, [`b`]: 2, c() {} };",
    "HR510 «get a() { return 1; }» a pipeline can't hold a method or an accessor in a record — put it in an exported function of a file of stages, and call that",
    "HR510 «[`b`]: 2» a pipeline can't hold a computed field — { name: value }",
    "HR510 «c() {}» a pipeline can't hold a method or an accessor in a record — put it in an exported function of a file of stages, and call that",
  ],
  [
    "const { a = 1, ...rest } = { a: 1, b: 2 }; return rest;",
    "HR510 «{ a = 1, ...rest }» a pipeline can't hold a default in a pattern — a ?? 1, where it is read",
  ],
  [
    "const { a: { b } } = { a: { b: 1 } }; return b;",
    "HR510 «{ a: { b } }» a pipeline can't hold a pattern inside a pattern — const { a } = …; const { b } = a;",
  ],
  [
    "const [, b] = load(); return b;",
    "HR510 «[, b]» a pipeline can't hold a place without a name in `[ ]` — name each item, or read one by its place: xs[1]",
  ],
  ["return load()[0]?.[`id`];", "HR510 «load()[0]?.[`id`]» a pipeline can't hold `?.[…]` — load()[0] === null ? null : load()[0][`id`]"],
  [
    "return load()[0]?.text.trim();",
    "HR510 «load()[0]?.text.trim()» a pipeline can't hold `?.` before a call — load()[0]?.text === null ? null : load()[0]?.text.trim(…)",
  ],
  [
    "return load?.();",
    "HR510 «load?.()» a pipeline can't hold `?.(…)` — put it in an exported function of a file of stages, and call that",
  ],
  ["return 2 ** 3;", "HR510 «2 ** 3» a pipeline can't hold the operator `**` — Math.pow(2, 3)"],
  [
    "return 'a' in load()[0]!;",
    "HR510 «'a' in load()[0]!» a pipeline can't hold `in` — compare a field that tells the kinds apart: x.kind === \"a\"",
  ],
  [
    "return load() instanceof Array;",
    'HR510 «load() instanceof Array» a pipeline can\'t hold `instanceof` — compare a field that tells the kinds apart: x.kind === "a"',
  ],
  ["return typeof load();", "HR510 «typeof load()» a pipeline can't hold `typeof` — a stage function can look at what a value is"],
  ["return void 0;", "HR510 «void 0» a pipeline can't hold `void` — null"],
  [
    "return /a/;",
    "HR510 «/a/» a pipeline can't hold a regular expression — put it in an exported function of a file of stages, and call that",
  ],
  ["return 10n;", "HR510 «10n» a pipeline can't hold a bigint — an int is a whole number up to 2^53"],
  ["return this;", "HR510 «this» a pipeline can't hold `this` — a pipeline belongs to no object: name the value"],
  [
    "return (() => 1)();",
    "HR510 «(() => 1)()» a pipeline can't hold a function that is called where it is written — put it in an exported function of a file of stages, and call that",
  ],
  [
    "return import('./stages.ts');",
    "HR510 «import('./stages.ts')» a pipeline can't hold `import(…)` — import { f } at the top of the file",
  ],
  ["return load(...[1]);", "HR510 «...[1]» a pipeline can't hold arguments that are spread from a list — write each argument out"],
  [
    "return Math.max(...[1, 2]);",
    "HR510 «...[1, 2]» a pipeline can't hold arguments that are spread from a list — dataset([1, 2]).max((x) => x)",
  ],
  [
    "return load().map((r) => { const a = r.id; return a; });",
    "HR510 «{ const a = r.id; return a; }» a pipeline can't hold a lambda of several statements — put them in an exported function of a file of stages, and call that",
  ],
  ["return load().map((r) => {});", "HR510 «{}» a pipeline can't hold a lambda that gives nothing — (row) => …"],
  [
    "return load().map(([a, [b]]) => a);",
    "HR510 «[a, [b]]» a pipeline can't hold a pattern inside a pattern — const { inner } = …; const [b] = inner;",
  ],
  [
    "load(); dataset(load()).map((r) => r); return 1;",
    "HR112 «load()» the result of `load` is used by nobody — const x = load(), or as an effect: perform(load())",
    "HR112 «dataset(load()).map((r) => r)» the result of `dataset(load()).map` is used by nobody — const x = dataset(load()).map((r) => r)",
  ],
  [
    "load().length > 1 && notify('a'); return 1;",
    "HR510 «load().length > 1 && notify('a')» a pipeline can't hold `&&` in place of an `if` — if (load().length > 1) { perform(notify('a')); }",
  ],
  ["1 + 1; return 1;", "HR510 «1 + 1» a pipeline can't hold a value that nobody uses — const name = …, or leave it out"],
  ["return; ", "HR510 «return;» a pipeline can't hold a `return` without a value — return the value, or null"],
  [
    "return 1; notify('a');",
    "HR510 «notify('a');» a pipeline can't hold statements behind a `return` — leave them out, or put the `return` last",
  ],
  [
    "if (load().length > 1) { if (load().length > 2) { return 1; } } else { notify('a'); } return 2;",
    "HR510 «if (load().length > 1) { if (load().length > 2) { return 1; } } else { notify('a'); }» a pipeline can't hold an `if` with a branch that returns only sometimes — a `return` at the end of the branch, or none in it",
  ],
  [
    "const x = track('a', 1); return x;",
    "HR510 «track('a', 1)» a pipeline can't hold `track` inside an expression — track('a', 1); as a statement of its own",
  ],
  [
    "return fit(init(1), 3, 3, (w, b) => w);",
    "HR510 «fit(init(1), 3, 3, (w, b) => w)» a pipeline can't hold a `fit` whose batches or update aren't arrow functions — fit(init(seed), (epoch) => rows.shuffle(epoch).batches(64), epochs, (w, batch) => …)",
  ],
  [
    "return fit(init(1), (e) => dataset(load()).batches(2), 3, (w, b) => { track('a', 1); });",
    "HR510 «(w, b) => { track('a', 1); }» a pipeline can't hold an update of `fit` that returns nothing — return the next `w`",
  ],
  [
    "return fit(init(1), (e) => dataset(load()).batches(2), 3, (w, b) => w, { every: 1 });",
    "HR510 «every: 1» a pipeline can't hold `every: 1` as an option of `fit` — its options are `eachEpoch`",
  ],
  [
    "return fit({ a: 1, b: 2 }, (e) => dataset(load()).batches(2), 3, ({ a, b }, c) => step(a, c));",
    "HR510 «step(a, c)» a pipeline can't hold next values that aren't written out by name — { a: …, b: … }, each as a field",
  ],
  [
    "return fit(init(1), (e) => dataset(load()).batches(2), 3, ([a], c) => a);",
    "HR510 «[a]» a pipeline can't hold a list of values that `fit` carries — { a, b }: a record has a name for each",
  ],
  [
    "return loop(1, {}, (c) => ({ next: c, until: true }));",
    "HR510 «loop(1, {}, (c) => ({ next: c, until: true }))» a pipeline can't hold a `loop` that doesn't say how often at most — loop(init, { max: 50 }, (c) => { const next = …; return { next, until: … }; })",
  ],
  [
    "return loop(1, { max: 3 }, (c) => c);",
    "HR510 «c» a pipeline can't hold a step of `loop` that doesn't return what comes next and when to stop — return { next: …, until: … }",
  ],
  [
    "return loop(1, { max: 3 }, (c) => { notify('a'); });",
    "HR510 «(c) => { notify('a'); }» a pipeline can't hold a step of `loop` that returns nothing — return { next: …, until: … }",
  ],
  [
    "return within('20', load(), { else: load() });",
    "HR510 «within('20', load(), { else: load() })» a pipeline can't hold a `within` that doesn't say how long, or what else — within(\"20ms\", f(x), { else: g(x) })",
  ],
  [
    "return forEach(load(), notify);",
    "HR510 «forEach(load(), notify)» a pipeline can't hold a `forEach` without an arrow function of one item — forEach(xs, (x) => …)",
  ],
  [
    "return keep(1, { by: 3 });",
    "HR510 «keep(1, { by: 3 })» a pipeline can't hold `keep` inside an expression — keep(1, { by: 3 }); as a statement of its own",
  ],
  [
    "onFailure(notify); return 1;",
    "HR510 «onFailure(notify)» a pipeline can't hold an `onFailure` that isn't given an arrow function of one name — onFailure((e) => { perform(report(e.message)); })",
  ],
  [
    "return table.a;",
    "HR510 «table.a» a pipeline can't hold `table.a`, a value from outside it — make it a parameter of the pipeline, or let a stage function give it",
  ],
  [
    "return { LIMIT, table };",
    "HR510 «table» a pipeline can't hold `table`, a value from outside it — make it a parameter of the pipeline, or let a stage function give it",
  ],
  [
    "return Sim;",
    "HR510 «Sim» a pipeline can't hold `Sim`, a value from outside it — make it a parameter of the pipeline, or let a stage function give it",
  ],
  [
    "return load().filter(Boolean);",
    "HR512 «Boolean» `Boolean` can't be a stage: slots import stage functions by name, and nothing exports it — put it in an exported function of a file of stages, and call that",
  ],
  [
    "return process.env.HOME;",
    "HR510 «process.env» a pipeline can't hold `process.env`, a value from outside it — make it a parameter of the pipeline, or let a stage function give it",
  ],
  [
    "label: notify('a'); return 1;",
    "HR510 «label: notify('a');» a pipeline can't hold `label:` — put it in an exported function of a file of stages, and call that",
  ],
  [
    "debugger; return 1;",
    "HR510 «debugger;» a pipeline can't hold `debugger` — put it in an exported function of a file of stages, and call that",
  ],
  ["return [1, , 2];", "HR510 «[1, , 2]» a pipeline can't hold a hole in a list — null"],
  [
    "return load().at(-1);",
    "HR510 «at» a pipeline can't hold `.at` of a list — put it in an exported function of a file of stages, and call that",
  ],
  [
    "return load().join(',');",
    "HR510 «join» a pipeline can't hold `.join` of a list — put it in an exported function of a file of stages, and call that",
  ],
  ["return 1, 2;", "HR510 «1, 2» a pipeline can't hold a comma between expressions — one statement for each"],
  ["{ notify('a'); } return 1;", "HR510 «{ notify('a'); }» a pipeline can't hold a block of its own — leave its braces out"],
  [
    "type A = int; const a: A = 1; return a;",
    "HR510 «type A = int;» a pipeline can't hold a declaration of a type — declare it beside the pipeline",
  ],
  ["enum E { A } return E.A;", "HR510 «enum E { A }» a pipeline can't hold a declaration of a type — declare it beside the pipeline"],
  [
    "return Symbol('a');",
    "HR510 «Symbol('a')» a pipeline can't hold a call of `Symbol` — put it in an exported function of a file of stages, and call that",
  ],
  [
    "return String(1) + Number('2') + parseInt('3');",
    "HR510 «Number('2')» a pipeline can't hold a call of `Number` — put it in an exported function of a file of stages, and call that",
    "HR512 «parseInt» `parseInt` can't be a stage: slots import stage functions by name, and nothing exports it — put it in an exported function of a file of stages, and call that",
  ],
  [
    "return ((r: int) => r);",
    "HR510 «(r: int) => r» a pipeline can't hold a function as a value — give it as an argument: rows.map((row) => …)",
  ],
  [
    "return async () => 1;",
    "HR510 «async () => 1» a pipeline can't hold a function as a value — give it as an argument: rows.map((row) => …)",
  ],
  [
    "return tag`a`;",
    "HR510 «tag`a`» a pipeline can't hold a tagged template — put it in an exported function of a file of stages, and call that",
  ],
  [
    "return import.meta.url;",
    "HR510 «import.meta» a pipeline can't hold `import.meta` — put it in an exported function of a file of stages, and call that",
  ],
  [
    "return JSON.stringify(load());",
    "HR510 «JSON.stringify(load())» a pipeline can't hold a call of `JSON.stringify` — put it in an exported function of a file of stages, and call that",
  ],
  [
    "return delete load()[0];",
    "HR510 «delete load()[0]» a pipeline can't hold `delete` — a record of the other fields: { a: row.a, b: row.b }",
  ],
  ["perform(1); perform(() => 1); return 1;", "HR510 «perform(() => 1)» a pipeline can't hold a `perform` of no call — perform(notify(x))"],
  [
    "notify('a'), notify('b'); return 1;",
    "HR510 «notify('a'), notify('b')» a pipeline can't hold a value that nobody uses — const name = …, or leave it out",
  ],
  ["return new Date('2020-01-01');", "HR510 «new Date('2020-01-01')» a pipeline can't hold `new Date` — timestamp('2020-01-01')"],
  [
    "return new Map();",
    "HR510 «new Map()» a pipeline can't hold a `new` object — put it in an exported function of a file of stages, and call that",
  ],
  [
    "const t = timestamp('2020-01-01'); return t.getMonth();",
    'HR510 «getMonth» a pipeline can\'t hold `.getMonth` of a time — month(t) of "headrace"',
  ],
  [
    "const t = timestamp('2020-01-01'); return t.toLocaleString();",
    "HR510 «toLocaleString» a pipeline can't hold `.toLocaleString` of a time — put it in an exported function of a file of stages, and call that",
  ],
  [
    "return csv<Row>(file('a.csv')).count();",
    "HR510 «file('a.csv')» a pipeline can't hold a call of `file` but as the default of a parameter — input: InputFile = file('a.csv'), as a parameter of the pipeline that runs",
  ],
];

const head = `import { csv, dataset, expect, file, fit, forEach, keep, loop, mean, onFailure, perform, range, stopAfter, timestamp, track, within, type int } from "headrace";
import { clean, init, load, notify, score, step, LIMIT, Mode, Sim, table, type Row } from "./stages.ts";
`;
const text = `${head}${table.map(([body], i) => `/** @pipeline */ export async function p${i}() { ${body} }`).join("\n")}\n`;
const { diagnostics } = await typeScriptModule(text, { "stages.ts": STAGES }, "p0");
const said = table.map((): string[] => []);
for (const { code, message, help, frames } of diagnostics) {
  const { start, end } = frames[0]!.span;
  const line = text.slice(0, start).split("\n").length - 1;
  said[line - 2]?.push(`${code} «${text.slice(start, end)}» ${message} — ${help}`);
}

it.each(table.map(([body, ...messages], i) => [body!, messages, i] as const))("%s", (_, messages, i) => {
  expect(said[i]).toEqual(messages);
});

it("nothing is said of what stands beside them", () => {
  expect(diagnostics).toHaveLength(table.flatMap(([, ...messages]) => messages).length);
});

it("constants from outside are written in", async () => {
  const { module, diagnostics: none } = await typeScriptModule(
    `${head}const low = -2;\n/** @pipeline */ export function main() { return [LIMIT, Mode.Fast, low, Math.PI]; }`,
    { "stages.ts": STAGES },
  );
  expect(none).toEqual([]);
  const [returned] = module!.pipelines[0]!.body.statements;
  const items = returned?.kind === "expression" && returned.value.kind === "list" ? returned.value.items : [];
  expect(
    items.map((item) => (item.kind === "unary" ? item.operand : item)).map((item) => ("value" in item ? item.value : item.kind)),
  ).toEqual([5, "fast", 2, Math.PI]);
});

it("whatever stands in a body, reading it ends, and says something of what it can't read", async () => {
  // Statements and expressions put into each other at random, half of them without a meaning here.
  const expressions = [
    "load()",
    "1",
    "x => x",
    "new Date()",
    "this",
    "{ a: 1 }",
    "`t`",
    "[...load()]",
    "await clean(load()[0])",
    "load()?.[0]?.id",
  ];
  const around = [
    "(@)",
    "@ + @",
    "[@, @]",
    "{ a: @ }",
    "f(@)",
    "dataset(@).map(@)",
    "@ ? @ : @",
    "@.a",
    "forEach(@, (r) => @)",
    "loop(@, { max: @ }, (c) => @)",
  ];
  const more = [
    "fit(@, () => @, 1, (w, b) => @)",
    "within(@, @, @)",
    "(@)(@)",
    "@[@]",
    "@ = @",
    "typeof @",
    "typeof @ === @",
    "{ ...@ }",
    "(() => { @ })()",
  ];
  const statements = [
    "const v = @;",
    "return @;",
    "if (@) { return @; }",
    "@;",
    "track('a', @);",
    "for (const q of @) { @; }",
    "const { a, b: [c] } = @;",
  ];
  const text = fc.letrec<{ expression: string; statement: string }>((tie) => {
    const filled = (templates: readonly string[]) =>
      fc
        .tuple(fc.constantFrom(...templates), tie("expression"), tie("expression"), tie("expression"))
        .map(([template, ...parts]) => parts.reduce((into, part) => into.replace("@", () => `(${part})`), template));
    return {
      expression: fc.oneof({ maxDepth: 4, withCrossShrink: true }, fc.constantFrom(...expressions), filled([...around, ...more])),
      statement: filled(statements),
    };
  });
  await fc.assert(
    fc.asyncProperty(fc.array(text.statement, { minLength: 20, maxLength: 20 }), async (bodies) => {
      const functions = bodies.map((body, i) => `/** @pipeline */ export async function p${i}() { ${body} }`);
      const read = await typeScriptModule(`${head}${functions.join("\n")}`, { "stages.ts": STAGES }, "p0");
      expect(read.module).not.toBeNull();
      // An `error` in a body stands where a message was given.
      const broken = read.module!.pipelines.filter(({ body }) => JSON.stringify(body).includes('"kind":"error"'));
      const silent = broken.filter(({ span }) =>
        read.diagnostics.every(({ frames: [frame] }) => frame!.span.start < span.start || frame!.span.end > span.end),
      );
      expect(silent).toEqual([]);
    }),
    { numRuns: 10 },
  );
});

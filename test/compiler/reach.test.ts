// What stage functions reach outside themselves: found by symbols, not by words, and only where the function's own code can get there.
import { expect, test } from "vitest";
import { readSignatures } from "../../compiler/1-read/signatures.ts";
import type { Reached } from "../../compiler/module.ts";
import { memorySources } from "../../compiler/sources.ts";

type Files = Readonly<Record<string, string>>;

/** Of each function `f…` of `stages.ts`: `clock Date.now`, with the way there. */
async function reached(text: string, others: Files = {}): Promise<string[][]> {
  const files: Files = { "stages.ts": text, ...others };
  const { signatures, diagnostics } = await readSignatures(["stages.ts"], memorySources(files));
  expect(diagnostics).toEqual([]);
  const shown = ({ what, name, via }: Reached) => [what, name, ...(via.length > 0 ? ["by", ...via] : [])].join(" ");
  const { functions } = signatures.get("stages.ts")!;
  return Object.keys(functions)
    .filter((name) => /^f\d*$/.test(name))
    .sort((a, b) => Number(a.slice(1)) - Number(b.slice(1)))
    .map((name) => functions[name]!.reaches.map(shown));
}

/** Bodies of functions, with what each reaches. */
async function expectReached(before: string, cases: readonly (readonly [code: string, ...reached: string[]])[]): Promise<void> {
  const functions = cases.map(([code], i) => `export function f${i}(x: number): unknown { ${code} }`);
  const found = await reached([before, ...functions].join("\n"));
  expect(cases.map(([code], i) => [code, ...found[i]!])).toEqual(cases);
}

test("the language's and Node's own objects", async () => {
  await expectReached("", [
    ["return Date.now();", "clock Date.now"],
    ["return new Date();", "clock new Date()"],
    ["return Date();", "clock Date()"],
    ["return performance.now();", "clock performance.now"],
    ["return process.hrtime.bigint();", "clock process.hrtime"],
    ["return Math.random();", "chance Math.random"],
    ['return Math["random"]();', "chance Math.random"],
    ["return crypto.randomUUID();", "chance crypto.randomUUID"],
    ["return globalThis.crypto.getRandomValues(new Uint8Array(4));", "chance globalThis.crypto.getRandomValues"],
    ["return process.env.HOME;", "environment process.env"],
    ["const { env, platform } = process; return env;", "environment process.env"],
    ["return process.argv[2];", "environment process.argv"],
    ["return globalThis.process.cwd();", "environment globalThis.process.cwd"],
    ["return import.meta.url;", "environment import.meta.url"],
    ['return fetch("http://x.invalid");', "network fetch"],
    ['return globalThis.fetch("http://x.invalid");', "network fetch"],
    ["process.exit(x);", "exit process.exit"],
    ['return import("node:fs");', "files node:fs"],
    ["return [1, 2].map(() => Math.random());", "chance Math.random"],
    ["return ((): unknown => ({ ...process.env }))();", "environment process.env"],
    ["return [Date.now(), Math.random(), Date.now()];", "clock Date.now", "chance Math.random"],
  ]);
});

test("imports of Node's own modules, however they are written", async () => {
  const imports = `import { readFileSync, readFileSync as r } from "node:fs"; import * as all from "fs"; import later from "node:fs/promises";
    import { randomUUID, createHash } from "node:crypto"; import { env } from "node:process"; import { performance } from "node:perf_hooks";
    import { spawn } from "node:child_process"; import { connect } from "net"; import { join } from "node:path";`;
  await expectReached(imports, [
    ['return readFileSync("x");', "files readFileSync"],
    ['return r("x");', "files readFileSync"],
    ['return all.readFileSync("x");', "files all.readFileSync"],
    ['return later.readFile("x");', "files later.readFile"],
    ["return randomUUID();", "chance randomUUID"],
    ['return createHash("md5");'],
    ["return env.HOME;", "environment env"],
    ["return performance.now();", "clock performance.now"],
    ['return spawn("ls");', "processes spawn"],
    ["return connect(1);", "network connect"],
    ['return join("a", "b");'],
  ]);
});

test("what only looks like it, and what never runs, isn't told", async () => {
  const before = `import type { Stats } from "node:fs"; import { type Dirent, readFileSync } from "node:fs";
    export function other(): number { return Date.now(); } const started = Date.now(); setTimeout(() => started, 1); const size = 3;`;
  await expectReached(before, [
    ["const Date = { now: () => 1 }; return Date.now();"],
    ["const fetch = (n: number) => n; return fetch(1);"],
    ["return new Date(x).getTime() + Date.UTC(2000, 1) + Math.max(1, size);"],
    ["/* Date.now() */ return 'Math.random()';"],
    ["return { fetch: 1, process: { env: 2 } }.fetch;"],
    ["return (q: { fetch: number }) => q.fetch;"],
    ["return (process: { env: number }) => process.env;"],
    ["return x as unknown as ReturnType<typeof fetch>;"],
    ["return null as Stats | Dirent | ReturnType<typeof readFileSync> | null;"],
    ["class Math { static random(): number { return 4; } } return Math.random();"],
    ["console.log(x); return setTimeout(() => {}, 1);"],
    ["if (false) { return Date.now(); } return 1;"],
    ["return false && Math.random();"],
    ["return true ? 1 : Math.random();"],
    ["return x; Date.now();"],
  ]);
});

test("by way of other declarations and files, the shortest way", async () => {
  const util = `import { readFileSync } from "node:fs";
    export const now = () => Date.now();
    const seedless = Math.random();
    export class Clock { time(): number { return later(); } roll(): number { return seedless; } }
    function later(): number { return now(); }
    export const text = readFileSync("x", "utf8");
    export function unused(): string { return text; }
    export { now as f4 };`;
  const table = `const table = new Map<string, string>(); for (const line of readFileSync("x", "utf8")) table.set(line, line);`;
  const found = await reached(
    `import { now, Clock, text } from "./util.ts"; import { readFileSync } from "node:fs"; ${table}
    export function f0(): number { return now(); }
    export function f1(): unknown { return new Clock().time(); }
    export function f2(): unknown { return text.length; }
    export function f3(): unknown { return 1; }
    export { f4 } from "./util.ts";
    export const f5 = memo((): number => now()); function memo<T>(g: T): T { return g; }
    export function f6(s: string): string { return table.get(s)!; }`,
    { "util.ts": util },
  );
  expect(found).toEqual([
    ["clock Date.now by now"],
    ["chance Math.random by Clock seedless", "clock Date.now by Clock later now"],
    ["files readFileSync by text"],
    [],
    ["clock Date.now"],
    ["clock Date.now by now"],
    ["files readFileSync by table"],
  ]);
});

test("state of a module: what functions change, read or written", async () => {
  const state = `import { far, bump } from "./util.ts"; let n = 0; let m = 0; export function g(): void { m = 1; } const seen = new Set<number>();
    const memo: Record<number, number> = {}; const list: number[] = []; class Counter { static count = 0; }
    const filled = [1, 2]; filled.push(3); const made = (() => { const all: number[] = []; all.push(1); return all; })(); const hidden = [1];`;
  const cases = [
    ["return n++;", "state n"],
    ["return m;", "state m"],
    ["seen.add(x); return seen.size;", "state seen"],
    ["memo[x] ??= x; return memo;", "state memo"],
    ["list.push(x); return 1;", "state list"],
    ["Counter.count++; return 1;", "state Counter"],
    // It reads the variable itself too, and that is nearer than `bump`.
    ["bump(); return far;", "state far"],
    ["return bump();", "state far by bump"],
    ["return filled[x];"],
    ["return made;"],
    ["const seen = new Set<number>(); seen.add(x); let n = 0; n++; return n;"],
    ["const hidden = [x]; hidden.push(2); return hidden;"],
  ];
  const functions = cases.map(([code], i) => `export function f${i}(x: number): unknown { ${code} }`);
  const found = await reached([state, ...functions].join("\n"), {
    "util.ts": "export let far = 0; export function bump(): void { far++; }",
  });
  expect(cases.map(([code], i) => [code, ...found[i]!])).toEqual(cases);
});

test("the place is in the user's own text", async () => {
  const text = "export function f(): number { return now(); } const now = () => Date.now();";
  const { signatures } = await readSignatures(["stages.ts"], memorySources({ "stages.ts": text }));
  const [{ span }] = signatures.get("stages.ts")!.functions.f!.reaches as [Reached];
  expect(text.slice(span.start, span.end)).toBe("Date.now");
});

test("the content of a file that a function is given is no reach", async () => {
  const imports = `import { readFileSync, writeFileSync, statSync, createReadStream } from "node:fs"; import fs from "node:fs"; import { readFile } from "node:fs/promises";
    import type { InputFile, InputFiles } from "headrace"; const made = { path: "x", name: "x", bytes: 1, sha256: "" } as InputFile;`;
  const cases: readonly (readonly [parameters: string, code: string, ...reached: string[]])[] = [
    ["file: InputFile", 'return readFileSync(file.path, "utf8");'],
    ["file: InputFile", "const path = file.path; return fs.readFileSync(path);"],
    ["{ path }: InputFile", "return createReadStream(path);"],
    ["x: { of: InputFile }", "const { path } = x.of; return readFile(path);"],
    ["files: InputFiles", "return files.map((file) => readFileSync(file.path));"],
    ["files: InputFiles", "for (const file of files) readFileSync(file.path); return readFileSync(files[0]!.path);"],
    ["file: InputFile", "return readFileSync(file.name);", "files readFileSync"],
    ["file: InputFile", 'return readFileSync(file.path + ".bak");', "files readFileSync"],
    ["file: InputFile", 'let path = file.path; path = "x"; return readFileSync(path);', "files readFileSync"],
    ["file: InputFile", "writeFileSync(file.path, readFileSync(file.path));", "files writeFileSync"],
    ["file: InputFile", "return statSync(file.path).mtimeMs;", "files statSync"],
    ["file: InputFile", 'return readFileSync(file.path).length + readFileSync("x").length;', "files readFileSync"],
    ["file: InputFile", "return readFileSync(file.path, String(Math.random()) as BufferEncoding);", "chance Math.random"],
    ["file: { path: string }", "return readFileSync(file.path);", "files readFileSync"],
    ["file: InputFile = made", "return readFileSync(file.path);", "files readFileSync"],
    ["x: number", "return readFileSync(made.path);", "files readFileSync"],
  ];
  const functions = cases.map(([parameters, code], i) => `export function f${i}(${parameters}): unknown { ${code} }`);
  const found = await reached([imports, ...functions].join("\n"));
  expect(cases.map(([parameters, code], i) => [parameters, code, ...found[i]!])).toEqual(cases);
});

// The rules of the house, each with its reason. Reads sources as text; a rule that can't be kept at once is a ratchet: a list that
// may only get shorter.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const tracked = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { cwd: root, encoding: "utf8" })
  .split("\n")
  .filter((file) => file !== "");
const isSource = (file: string) => /\.(ts|mjs)$/.test(file) && !/^test\/(golden|.*\/fixtures)\//.test(file) && !file.endsWith(".d.ts");
const sources = new Map(tracked.filter(isSource).map((file) => [file, readFileSync(join(root, file), "utf8")]));

interface Import {
  readonly file: string;
  /** A file of ours, or a package's name. */
  readonly target: string;
  readonly dynamic: boolean;
  readonly typeOnly: boolean;
}
const imports: Import[] = [...sources].flatMap(([file, text]) => {
  const found: Import[] = [];
  const statement = /^(?:import|export)\s+(type\s+)?(?:[^"';]*?\sfrom\s+)?["']([^"']+)["']/gm;
  const call = /\bimport\(\s*["']([^"']+)["']\s*\)/g;
  for (const [, type, target] of text.matchAll(statement))
    found.push({ file, target: resolve(file, target!), dynamic: false, typeOnly: type !== undefined });
  for (const [, target] of text.matchAll(call)) found.push({ file, target: resolve(file, target!), dynamic: true, typeOnly: false });
  return found;
});
function resolve(file: string, target: string): string {
  if (target.startsWith(".")) return normalize(join(dirname(file), target));
  return target.startsWith("@") ? target.split("/").slice(0, 2).join("/") : target.split("/")[0]!;
}
const shown = (one: Import) => `${one.file} imports ${one.target}`;
const under = (file: string, ...folders: string[]) => folders.some((folder) => file === folder || file.startsWith(`${folder}/`));
const ours = (target: string) => sources.has(target);

it("the reader of imports finds them", () => {
  expect(imports).toContainEqual({ file: "compiler/module.ts", target: "lang/ast.ts", dynamic: false, typeOnly: true });
  expect(imports).toContainEqual({ file: "build.mjs", target: "esbuild", dynamic: false, typeOnly: false });
});

describe("imports go one way", () => {
  // What a folder may reach besides itself. Plan and events are the two contracts that cross from compiler to runtime and back to people.
  const may: Record<string, readonly string[]> = {
    lang: [],
    api: [],
    compiler: ["lang"],
    // How a text is read as a time: the compiler holds constants to it, readers their fields.
    runtime: ["lang/times.ts", "compiler/plan.ts", "api"],
    notebooks: ["lang", "compiler", "runtime/index.ts", "runtime/events/events.ts", "api"],
    cli: ["lang", "compiler", "runtime/index.ts", "runtime/events/events.ts", "notebooks", "api"],
  };
  // The two processes that a host is made of, and the worker that serves the NATS engine, are started from the command line's folder.
  const doors = new Set(["cli/verbs/worker.ts"]);
  it.each(Object.keys(may))("%s knows only what stands before it in the flow", (folder) => {
    const wrong = imports.filter(
      ({ file, target }) => under(file, folder) && !doors.has(file) && ours(target) && !under(target, folder, ...may[folder]!),
    );
    expect(wrong.map(shown)).toEqual([]);
  });
  it("the scheduler's core knows the plan and nothing else", () => {
    const wrong = imports.filter(({ file, target }) => under(file, "runtime/core") && !under(target, "runtime/core", "compiler/plan.ts"));
    expect(wrong.map(shown)).toEqual([]);
  });
  it("nobody imports tests", () => {
    expect(imports.filter(({ file, target }) => under(target, "test") && !under(file, "test")).map(shown)).toEqual([]);
  });
  it("examples use what users can import", () => {
    expect(imports.filter(({ file, target }) => under(file, "examples") && ours(target) && !under(target, "examples")).map(shown)).toEqual(
      [],
    );
  });
});

describe("each large dependency lives in one place, so that it can be replaced and its types stop there", () => {
  const homes: Record<string, readonly string[]> = {
    chevrotain: ["lang"],
    "ts-morph": ["compiler/1-read", "build.mjs"],
    graphology: ["compiler/graph.ts"],
    "graphology-dag": ["compiler/graph.ts"],
    esbuild: ["compiler/code.ts", "build.mjs"],
    zeromq: ["notebooks/wire.ts"],
    "@hpcc-js/wasm-graphviz": ["cli/verbs/graph.ts"],
    tinyglobby: ["runtime/engines/files.ts"],
    msgpackr: ["runtime/objects", "runtime/hosts", "runtime/engines/nats"],
    "@nats-io/transport-node": ["runtime/engines/nats"],
    "@nats-io/jetstream": ["runtime/engines/nats/streams.ts"],
    "@nats-io/jwt": ["cli/credentials.ts"],
  };
  it.each(Object.keys(homes))("%s", (name) => {
    const wrong = imports.filter(({ file, target }) => target === name && !under(file, ...homes[name]!) && !under(file, "test", "bench"));
    expect(wrong.map(shown)).toEqual([]);
  });
  it("every package that is installed with ours has such a place", () => {
    const { dependencies }: { dependencies: Record<string, string> } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    // Types that graphology asks for; nothing imports it by name.
    const untold = Object.keys(dependencies).filter((name) => !Object.hasOwn(homes, name) && name !== "graphology-types");
    expect(untold).toEqual([]);
    expect(Object.keys(homes).filter((name) => !Object.hasOwn(dependencies, name))).toEqual([]);
  });
  // These cost 0.1 to 0.8 s to load or have a native part: a warm check and `--help` must not pay for them.
  const heavy: Record<string, RegExp> = {
    "ts-morph": /^compiler\/1-read\/typescript/,
    esbuild: /^build\.mjs$/,
    "@hpcc-js/wasm-graphviz": /^$/,
    zeromq: /^notebooks\/wire\.ts$/,
    "@nats-io/transport-node": /^runtime\/engines\/nats\//,
  };
  it.each(Object.keys(heavy))("%s is loaded on demand", (name) => {
    const wrong = imports.filter(
      ({ file, target, dynamic, typeOnly }) =>
        target === name && !dynamic && !typeOnly && !under(file, "test", "bench") && !heavy[name]!.test(file),
    );
    expect(wrong.map(shown)).toEqual([]);
  });
});

describe("pure cores", () => {
  // A clock, randomness or I/O there would make checks, plans and the scheduler depend on when and where they run.
  const impure =
    /\b(Date\.now|performance\.now|new Date\(\)|Math\.random|setTimeout|setInterval|process\.|fetch\()|from "node:(?!path|util)/;
  const pure = (file: string) =>
    under(file, "lang", "runtime/core") ||
    (under(file, "compiler") && !/^compiler\/(sources|code|bundle)\.ts$|^compiler\/1-read\/typescript/.test(file));
  it("no clock, no randomness, no I/O", () => {
    // Hashing is a pure function that Node happens to own.
    const wrong = [...sources].filter(
      ([file, text]) => pure(file) && impure.test(stripComments(text).replaceAll('from "node:crypto"', "")),
    );
    expect(wrong.map(([file, text]) => `${file}: ${impure.exec(stripComments(text))?.[0]}`)).toEqual([]);
  });
});

describe("files", () => {
  it("open with what they own and must not know", () => {
    const wrong = [...sources].filter(([file, text]) => !under(file, "test", "examples") && !/^(#![^\n]*\n)?(\/\/|\/\*\*)/.test(text));
    expect(wrong.map(([file]) => file)).toEqual([]);
  });
  it("are short enough to be read whole", () => {
    const long = [...sources].filter(([, text]) => text.split("\n").length > 700);
    expect(long.map(([file]) => file)).toEqual([]);
  });
  it("hold no promise that somebody else must keep", () => {
    const wrong = [...sources].filter(
      ([file, text]) =>
        file !== "test/tidy.test.ts" &&
        /\b(TODO|FIXME|XXX)\b|@ts-(ignore|nocheck)|\bas any\b|\b(it|test|describe)\.(only|skip|todo)\(/.test(text),
    );
    expect(wrong.map(([file]) => file)).toEqual([]);
  });
  it("name no registry's host: a lockfile with addresses would bind every clone to one mirror", () => {
    const lock = readFileSync(join(root, "package-lock.json"), "utf8");
    expect(lock).not.toMatch(/"resolved": "https?:/);
  });
});

function stripComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[^:"'`])\/\/.*$/gm, "$1");
}

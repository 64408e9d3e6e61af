// Any text at all, as a program, as its TypeScript, as a file of schedules: never a crash, a hang, or more memory than a small machine
// has. Texts are checked in a child whose heap is limited; `FUZZ_SECONDS=60` goes on with new ones for as long.
import { spawn } from "node:child_process";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, it } from "vitest";

const TEXTS = 250;
const HEAP_MB = 256;
/** A text that takes longer never ends: each is checked in milliseconds, those that TypeScript reads in a second. */
const HANGS_MS = 60_000;
const root = fileURLToPath(new URL("../..", import.meta.url));
// Inside the project, where packages are found.
const folder = `${root}node_modules/.cache/headrace-fuzz-${process.pid}`;
const fixtures = `${root}test/compiler/fixtures`;
const seeds = [
  ...readdirSync(fixtures).map((file) => `${fixtures}/${file}`),
  ...["digits.pipe", "digits.pipeline.ts"].map((file) => `${root}examples/digits/${file}`),
];

beforeAll(async () => {
  mkdirSync(folder, { recursive: true });
  await build({
    ...{ entryPoints: [`${root}test/harness/fuzz-child.ts`], outfile: `${folder}/fuzz.mjs`, bundle: true, format: "esm", platform: "node" },
    ...{ external: ["ts-morph", "esbuild"], logLevel: "error", sourcemap: "inline" },
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
  });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What went wrong with texts `from` to `from + count`; a text that ends the child is told by its number. */
function problemsOf(from: number, count: number): Promise<string[]> {
  const flags = ["--enable-source-maps", `--max-old-space-size=${HEAP_MB}`];
  const child = spawn(process.execPath, [...flags, `${folder}/fuzz.mjs`, String(from), String(count), ...seeds]);
  return new Promise((done) => {
    let last = "nothing";
    let told = "";
    let hung = false;
    const over = () => {
      hung = true;
      child.kill("SIGKILL");
    };
    let watch = setTimeout(over, HANGS_MS);
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      last = chunk.trimEnd().split("\n").at(-1) ?? last;
      clearTimeout(watch);
      watch = setTimeout(over, HANGS_MS);
    });
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      told = (told + chunk).slice(-4000);
    });
    child.on("close", (code, signal) => {
      clearTimeout(watch);
      if (code === 0) done((JSON.parse(last) as { readonly problems: string[] }).problems);
      else done([`${last} ${hung ? "never ended" : `ended the process with ${code ?? signal}`}\n${told}`]);
    });
  });
}

it(
  "any text is checked, within bounds of time and memory",
  async () => {
    expect(await problemsOf(1, TEXTS)).toEqual([]);
    const seconds = Number(process.env.FUZZ_SECONDS ?? 0);
    const end = Date.now() + 1000 * seconds;
    for (let from = Date.now() % 1e9; Date.now() < end; from += TEXTS) expect(await problemsOf(from, TEXTS)).toEqual([]);
  },
  600_000 + 1000 * Number(process.env.FUZZ_SECONDS ?? 0),
);

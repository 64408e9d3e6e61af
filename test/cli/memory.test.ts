// Tasks that grow without end: named, tried once more with more memory and nothing beside them, and no harm to anything else. Real memory.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const cli = join(root, "dist", "cli", "main.js");
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "headrace-memory-"));
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules", "headrace"), "junction");
  writeFileSync(
    join(folder, "main.pipe"),
    `import { objects, arrays, fine } from "./stages.ts"
pipeline heap() -> { rows: [float], x: float } {
  let rows = collect(range(40, blocks: 40) |> map(fine))
  { rows, x: objects(rows, 1e9) }
}
pipeline enough() -> { x: float } {
  { x: objects([1.0], 150.0) }
}
pipeline outside() -> { rows: [float] } {
  { rows: collect(range(2, blocks: 2) |> map(arrays)) }
}
`,
  );
  writeFileSync(
    join(folder, "stages.ts"),
    `export function fine(x: number): number { return x + 1; }
export function objects(of: readonly number[], megabytes: number): number {
  const all: number[][] = [];
  for (let i = 0; i < megabytes; i++) all.push(Array.from({ length: 131_072 }, (_, j) => j * 1.5));
  return all.length;
}
/** Block 1 takes all there is; block 0 a little, for a while. */
export function arrays(x: number): number {
  const all: Float64Array[] = [];
  for (let i = 0; i < (x === 1 ? 1e9 : 50); i++) {
    all.push(new Float64Array(1 << 20).fill(i));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
  }
  return all.length;
}
`,
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(pipeline: string, limits: { readonly [name: string]: string }) {
  const env = { ...process.env, NO_COLOR: "1", ...limits };
  return spawnSync(process.execPath, [cli, "run", `main.pipe:${pipeline}`, "--slots", "2"], { cwd: folder, encoding: "utf8", env });
}

it("a heap that is used up ends its slot only, and the task is tried once more with twice as much", () => {
  const { status, stderr } = run("heap", { HEADRACE_SLOT_MEMORY: "80" });
  expect(status).toBe(1);
  expect(stderr).toContain("x block 0, attempt 1: the code used up the 80 MB of memory that its slot has; trying again\n");
  expect(stderr).toContain("failed: stage `x`, block 0, attempt 2\n");
  expect(stderr).toContain(
    "OutOfMemory: the code used up the 160 MB of memory that its slot has, the last time with nothing beside it; it isn't tried again\n",
  );
  expect(stderr).not.toContain("worker");
}, 60_000);

it("a task for which twice as much is enough goes through", () => {
  const { status, stdout, stderr } = run("enough", { HEADRACE_SLOT_MEMORY: "110" });
  expect(stderr).toContain("used up the 110 MB");
  expect({ status, stdout }).toEqual({ status: 0, stdout: "x  150\n" });
}, 60_000);

it("arrays outside of any heap are seen by the whole, and it is found out whose they are", () => {
  const { status, stderr } = run("outside", { HEADRACE_WORKER_MEMORY: "900" });
  expect(status).toBe(1);
  expect(stderr).toMatch(/rows block [01], attempt 1: the code was running when its worker had used up 900 MB of memory; trying again\n/);
  expect(stderr).toContain("failed: stage `rows`, block 1, attempt");
  expect(stderr).toContain("with nothing beside it; it isn't tried again");
}, 60_000);

it("a limit that is none is told", () => {
  expect(run("enough", { HEADRACE_SLOT_MEMORY: "2GB" })).toMatchObject({ status: 2 });
  expect(run("enough", { HEADRACE_SLOT_MEMORY: "2GB" }).stderr).toContain(
    "HEADRACE_SLOT_MEMORY is `2GB`, and has to be a number of megabytes",
  );
}, 60_000);

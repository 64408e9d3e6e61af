// Results that outlive their run, as a user meets them: what is reused and what runs again after each kind of change, after a kill, beside
// another run, and where there is no room. Real processes, real files.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { RunEvent } from "../../runtime/events/events.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const cli = join(root, "dist", "cli", "main.js");

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "headrace-cache-"));
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules", "headrace"), "junction");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const write = (files: { readonly [name: string]: string }) => {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, ".."), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
};
const env: NodeJS.ProcessEnv = { ...process.env, NO_COLOR: "1" };
delete env.HEADRACE_CACHE;

interface Ran {
  readonly code: number | null;
  /** Tasks that ran, by stage. */
  readonly tasks: { readonly [stage: string]: number };
  readonly reused: { readonly [stage: string]: number };
  readonly outputs: { readonly [name: string]: unknown };
  readonly events: readonly RunEvent[];
  readonly stderr: string;
}

function run(...args: string[]): Ran {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, "run", ...args, "--json", "--slots", "2"], {
    cwd: folder,
    encoding: "utf8",
    env,
    maxBuffer: 1 << 28,
  });
  return { code: status, ...read(stdout), stderr };
}

function read(stdout: string): Omit<Ran, "code" | "stderr"> {
  const events = stdout
    .split("\n")
    .filter((line) => line.endsWith("}"))
    .map((line) => JSON.parse(line) as RunEvent);
  const tasks: { [stage: string]: number } = {};
  const reused: { [stage: string]: number } = {};
  for (const event of events) {
    if (event.type === "tasks.finished") tasks[event.stage] = (tasks[event.stage] ?? 0) + event.count;
    if (event.type === "stage.reused") reused[event.stage] = (reused[event.stage] ?? 0) + event.tasks;
  }
  const last = events.findLast((event) => event.type === "run.finished");
  return { tasks, reused, outputs: last?.outputs ?? {}, events };
}

const PROGRAM = {
  "main.pipe": `
import { double, load, offset, total } from "./stages.ts"

param data: file = "numbers.csv"
param by: int = 3

pipeline main() -> { all: float } {
  let numbers = load(data)
  let doubled = range(40, blocks: 8) |> map(double)
  let near = numbers |> map(x => offset(x, by))
  let all = total(collect(doubled), collect(near))
  { all }
}
`,
  "stages.ts": `
import { readFileSync } from "node:fs";
import type { InputFile } from "headrace";
import { twice } from "./helpers.ts";
import { shift } from "shifting";

/** Numbers of a file, one a line. */
export function load(data: InputFile): number[] {
  return readFileSync(data.path, "utf8").trim().split("\\n").map(Number);
}
export function double(x: number): number {
  return twice(x);
}
export function offset(x: number, by: number): number {
  return shift(x, by);
}
export function total(a: readonly number[], b: readonly number[]): number {
  return [...a, ...b].reduce((sum, x) => sum + x, 0);
}
`,
  "helpers.ts": `
import { two } from "./numbers.ts";
export const twice = (x: number): number => x * two;
export const unused = 1;
`,
  "numbers.ts": "export const two = 2;\n",
  "numbers.csv": "1\n2\n3\n4\n",
  "node_modules/shifting/package.json":
    '{ "name": "shifting", "version": "1.0.0", "type": "module", "exports": "./index.js", "types": "./index.d.ts" }',
  "node_modules/shifting/index.js": "export const shift = (x, by) => x + by;\n",
  "node_modules/shifting/index.d.ts": "export declare const shift: (x: number, by: number) => number;\n",
};

describe("a second run", () => {
  it("does nothing again, but what a change reaches", () => {
    write(PROGRAM);
    const first = run("main.pipe");
    expect(first.stderr).toBe("");
    expect(first.outputs).toEqual({ all: 2 * 780 + 10 + 4 * 3 });
    const everything = Object.keys(first.tasks).sort();
    expect(everything.length).toBeGreaterThan(3);

    const again = run("main.pipe");
    expect(again.tasks).toEqual({});
    expect(again.outputs).toEqual(first.outputs);
    expect(again.reused).toEqual({ all: 1 });

    // A comment, another layout, an export that nobody uses.
    write({
      "stages.ts": PROGRAM["stages.ts"].replace("return twice(x);", "// Twice as much.\n\n  return (twice(x));"),
      "helpers.ts": PROGRAM["helpers.ts"].replace("unused = 1", "unused = 2"),
      "main.pipe": PROGRAM["main.pipe"].replace("let numbers", "// Said otherwise.\n  let numbers"),
    });
    expect(run("main.pipe").tasks).toEqual({});

    // A helper two imports away: what uses it, and what uses that.
    write({ "numbers.ts": "export const two = 3;\n" });
    const helper = run("main.pipe");
    expect(Object.keys(helper.tasks).sort()).toEqual(everything.filter((id) => id.startsWith("all") || id.startsWith("doubled")));
    expect(helper.outputs).toEqual({ all: 3 * 780 + 10 + 4 * 3 });
    expect(Object.keys(helper.reused).some((id) => id.startsWith("near") || id.startsWith("all"))).toBe(true);

    // And back: the results of before are still there.
    write({ "numbers.ts": "export const two = 2;\n" });
    expect(run("main.pipe")).toMatchObject({ tasks: {}, outputs: first.outputs });

    // Another version of a package.
    write({
      "node_modules/shifting/package.json": PROGRAM["node_modules/shifting/package.json"].replace("1.0.0", "1.0.1"),
      "node_modules/shifting/index.js": "export const shift = (x, by) => x - by;\n",
    });
    const version = run("main.pipe");
    expect(version.outputs).toEqual({ all: 2 * 780 + 10 - 4 * 3 });
    expect(Object.keys(version.tasks).some((id) => id.startsWith("doubled"))).toBe(false);
    expect(Object.keys(version.tasks).some((id) => id.startsWith("numbers"))).toBe(false);

    // Another file under the same name, and the same file under another path.
    write({ "numbers.csv": "10\n20\n" });
    const data = run("main.pipe");
    expect(data.outputs).toEqual({ all: 2 * 780 + 30 - 2 * 3 });
    expect(Object.keys(data.tasks).some((id) => id.startsWith("doubled"))).toBe(false);
    write({ "elsewhere/numbers.csv": "10\n20\n" });
    expect(run("main.pipe", "--data", "elsewhere/numbers.csv").tasks).toEqual({});

    // Another param: what reads it.
    const param = run("main.pipe", "--by", "4");
    expect(Object.keys(param.tasks).some((id) => id.startsWith("numbers") || id.startsWith("doubled"))).toBe(false);
    expect(param.outputs).toEqual({ all: 2 * 780 + 30 - 2 * 4 });

    const fresh = run("main.pipe", "--fresh");
    expect(Object.keys(fresh.tasks).sort()).toEqual(everything);
    expect(fresh.reused).toEqual({});
  }, 120_000);

  it("reuses what stands in `for`, `loop` and `if`, and acts on the world again", () => {
    write({
      "main.pipe": `
import { slow, pick, note } from "./stages.ts"

param n: int = 5

pipeline main() -> { each: [float], summed: float, chosen: float } {
  let each = for x in range(n) {
    let a = slow(x)
    do note(a)
    slow(a + 1)
  }
  let summed = loop s = 0.0 until s > 20 max 9 {
    s <- slow(s) + 3
  }
  let chosen = if summed > 10 { slow(summed) } else { 0.0 }
  { each, summed, chosen }
}
`,
      "stages.ts": `
import { appendFileSync } from "node:fs";
export function slow(x: number): number { return x + 1; }
export function pick(x: number): number { return x; }
/** @effect */
export function note(x: number): void { appendFileSync(${JSON.stringify(join(folder, "notes.txt"))}, x + "\\n"); }
`,
    });
    const first = run("main.pipe");
    expect(first.stderr).toBe("");
    expect(first.code).toBe(0);
    expect(first.outputs.each).toEqual([3, 4, 5, 6, 7]);
    const again = run("main.pipe");
    expect(again.outputs).toEqual(first.outputs);
    expect(Object.entries(again.tasks).filter(([stage]) => !/note|each$/.test(stage))).toEqual([]);
    expect(readFileSync(join(folder, "notes.txt"), "utf8").trim().split("\n").map(Number).sort()).toEqual([1, 1, 2, 2, 3, 3, 4, 4, 5, 5]);
    // One item more: only that one is new.
    const more = run("main.pipe", "--n", "6");
    expect(more.outputs.each).toEqual([3, 4, 5, 6, 7, 8]);
    expect(Math.max(...Object.entries(more.tasks).flatMap(([stage, tasks]) => (/note|each$/.test(stage) ? [] : [tasks])))).toBe(1);
  }, 60_000);

  it("runs what reads the world again, and what comes of it", () => {
    write({
      "main.pipe": `
import { now, plus, steady } from "./stages.ts"
pipeline main() -> { later: float, same: float } {
  let at = now()
  let later = plus(at)
  let same = steady(1)
  { later, same }
}
`,
      "stages.ts": `
/** @volatile */
export function now(): number { return Date.now(); }
export function plus(x: number): number { return x + 1; }
export function steady(x: number): number { return x + 1; }
`,
    });
    const first = run("main.pipe");
    const again = run("main.pipe");
    expect(again.tasks).toEqual({ at: 1, later: 1 });
    expect(again.reused).toEqual({ same: 1 });
    expect(again.outputs.later).not.toBe(first.outputs.later);
  }, 60_000);
});

const SLOW = {
  "main.pipe": `
import { work } from "./stages.ts"
param n: int = 60
pipeline main() -> { sum: int, count: int } {
  let made = range(n, blocks: 60) |> map(work)
  { sum: made |> map(x => len(x)) |> sum, count: count(made) }
}
`,
  "stages.ts": `
/** Large enough to lie in shared memory and not in messages. */
export function work(x: number): number[] {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 25);
  return Array.from({ length: x % 2 ? 20_000 : 3 }, () => x + 0.5);
}
`,
};

describe("a run that is killed", () => {
  it("loses no finished task", async () => {
    write(SLOW);
    const child = spawn(process.execPath, [cli, "run", "main.pipe", "--json", "--slots", "2"], {
      cwd: folder,
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    let text = "";
    await new Promise<void>((resolve) => {
      child.stdout.on("data", (chunk: Buffer) => {
        text += chunk.toString();
        if (Math.max(0, ...Object.values(read(text).tasks)) < 15) return;
        child.kill("SIGKILL");
        resolve();
      });
    });
    await new Promise((resolve) => child.once("close", resolve));
    const before = read(text.slice(0, text.lastIndexOf("\n") + 1)).tasks;
    const [stage, finished] = Object.entries(before).find(([, tasks]) => tasks >= 15)!;
    expect(finished).toBeLessThan(60);
    const after = run("main.pipe");
    expect(after.stderr).toBe("");
    expect(after.outputs).toEqual({ sum: 30 * 20_000 + 90, count: 60 });
    expect(after.tasks[stage]).toBeLessThanOrEqual(60 - finished);
    expect(after.reused[stage]).toBe(60 - after.tasks[stage]!);
    expect(run("main.pipe").tasks).toEqual({});
  }, 60_000);
});

it("two runs at once are each other's equals, and leave what both have done", async () => {
  write(SLOW);
  const both = await Promise.all(
    ["60", "60"].map(
      (n) =>
        new Promise<Ran>((resolve) => {
          const child = spawn(process.execPath, [cli, "run", "main.pipe", "--json", "--slots", "1", "--n", n], { cwd: folder, env });
          let text = "";
          let stderr = "";
          child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
          child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
          child.once("close", (code) => resolve({ code, ...read(text), stderr }));
        }),
    ),
  );
  for (const one of both) expect(one).toMatchObject({ code: 0, stderr: "", outputs: { count: 60 } });
  expect(run("main.pipe")).toMatchObject({ tasks: {}, outputs: both[0]!.outputs });
}, 60_000);

describe("the folder of results", () => {
  const results = () => join(folder, ".headrace", "results");
  const segments = () => readdirSync(results()).map((name) => join(results(), name));

  it("may be torn anywhere: what is whole is used, and the rest made again", () => {
    write(PROGRAM);
    const { outputs } = run("main.pipe");
    const [segment] = segments();
    const whole = readFileSync(segment!);
    for (const share of [0.9, 0.5, 0.2, 0.01, 0]) {
      writeFileSync(segment!, whole);
      truncateSync(segment!, Math.floor(whole.length * share));
      expect(run("main.pipe")).toMatchObject({ code: 0, stderr: "", outputs });
      for (const other of segments()) if (other !== segment) rmSync(other);
    }
  }, 60_000);

  it("that holds something else than was written ends the run with the mend", () => {
    write(PROGRAM);
    const { outputs } = run("main.pipe");
    for (const segment of segments()) {
      const bytes = readFileSync(segment);
      // The last value.
      bytes[bytes.length - 1]! ^= 0xff;
      writeFileSync(segment, bytes);
    }
    const damaged = run("main.pipe");
    expect(damaged.code).toBe(2);
    expect(damaged.stderr).toContain("is damaged: run again with --fresh");
    expect(run("main.pipe", "--fresh")).toMatchObject({ code: 0, outputs });
  }, 60_000);

  it.runIf(process.getuid?.() === 0)(
    "that is full ends the run, loses nothing, and the next goes on",
    () => {
      write(SLOW);
      const home = join(folder, ".headrace");
      mkdirSync(home);
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", home]);
      try {
        const full = run("main.pipe");
        expect(full.code).toBe(2);
        expect(full.stderr).toContain("there is no room left for results in");
        expect(full.stderr).toContain("headrace cache prune");
        expect(full.stderr).not.toContain("bug of Headrace");
        execFileSync("mount", ["-o", "remount,size=64m", home]);
        const next = run("main.pipe");
        expect(next).toMatchObject({ code: 0, stderr: "", outputs: { sum: 30 * 20_000 + 90, count: 60 } });
        expect(Object.values(next.reused).some((tasks) => tasks > 5)).toBe(true);
      } finally {
        execFileSync("umount", [home]);
      }
    },
    60_000,
  );

  it("that can't be made is said, and the run goes on without", () => {
    write(SLOW);
    const { status, stdout, stderr } = spawnSync(process.execPath, [cli, "run", "main.pipe", "--json"], {
      cwd: folder,
      encoding: "utf8",
      env: { ...env, HEADRACE_CACHE: join(folder, "main.pipe", "results") },
    });
    expect(stderr).toMatch(/^nothing of this run is kept: .*main\.pipe\/results: a folder in this path is a file\n$/);
    expect({ status, outputs: read(stdout).outputs }).toEqual({ status: 0, outputs: { sum: 30 * 20_000 + 90, count: 60 } });
  }, 60_000);

  it("whose limit can't be read is said", () => {
    write(SLOW);
    const { status, stderr } = spawnSync(process.execPath, [cli, "run", "main.pipe"], {
      cwd: folder,
      encoding: "utf8",
      env: { ...env, HEADRACE_CACHE_LIMIT: "plenty" },
    });
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: "headrace: HEADRACE_CACHE_LIMIT is `plenty`, and has to be a size such as `10GB`\n",
    });
  }, 60_000);
});

// Questions about runs, as a user asks them: what would run and why, why a stage ran or didn't, what it gave, which runs there were; one stage
// alone, and running again at each change. Real processes in one project, whose runs follow each other.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const cli = join(root, "dist", "cli", "main.js");
const env: NodeJS.ProcessEnv = { ...process.env, NO_COLOR: "1" };
delete env.HEADRACE_CACHE;
let folder: string;

const PROGRAM = `import { load, scaled, total, stamp, note } from "./stages.ts"

param data: file = "numbers.csv"
param by: float = 3.0

pipeline main() -> { sum: float, at: float, many: [float] } {
  let numbers = load(data)
  let near = numbers |> map(x => scaled(x, by))
  let sum = total(collect(near))
  let at = stamp()
  let many = for x in numbers { scaled(x, 1.0) }
  do note(sum)
  { sum, at, many }
}
`;
const STAGES = `import { readFileSync } from "node:fs";
import type { InputFile } from "headrace";
import { factor } from "./factor.ts";

export function load(data: InputFile): number[] {
  return readFileSync(data.path, "utf8").trim().split("\\n").map(Number);
}
export function scaled(x: number, by: number): number {
  return x * by * factor();
}
export function total(all: readonly number[]): number {
  return all.reduce((sum, x) => sum + x, 0);
}
/** @volatile */
export function stamp(): number { return Date.now(); }
/** @effect */
export function note(x: number): void { console.log("noted", x); }
`;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "headrace-asking-"));
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules", "headrace"), "junction");
  write("main.pipe", PROGRAM);
  write("stages.ts", STAGES);
  write("factor.ts", "const scale = 2;\n\nexport function factor(): number {\n  return scale;\n}\n");
  write("numbers.csv", "1\n2\n3\n");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
const headrace = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], { cwd: folder, encoding: "utf8", env });
  return { status, stdout, stderr };
};
/** Of `--dry`: what it says of each stage. */
const dry = (...args: string[]) => {
  const { status, stdout, stderr } = headrace("run", "main.pipe", "--dry", "--json", ...args);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const told = JSON.parse(stdout) as { stages: { name: string; fate: string; causes: { text: string; at: string | null }[] }[] };
  return Object.fromEntries(
    told.stages.map(({ name, fate, causes }) => [
      name,
      [fate, ...causes.map(({ text, at }) => (at === null ? text : `${text}: ${at}`))].join(" · "),
    ]),
  );
};
const NEVER = {
  at: "runs · calls `stamp`, which reads the clock, so what it gives is never kept: stages.ts:15",
  note: "runs · acts on the world, and does so in every run: main.pipe:12",
};

describe("asking about runs", () => {
  it("what would run, and because of what, before anything has", () => {
    expect(headrace("why", "sum").stderr).toContain("no run is on record here\n  help: headrace run FILE");
    expect(dry()).toEqual({
      numbers: "runs · has not run before",
      near: "runs · has not run before",
      sum: "runs · has not run before",
      many: "runs · has not run before",
      ...NEVER,
    });
    expect(existsSync(join(folder, ".headrace", "results"))).toBe(false);
  }, 60_000);

  it("after a run: the changed thing and its line, and what reads it", () => {
    expect(headrace("run", "main.pipe").status).toBe(0);
    const same = { numbers: "skipped", near: "skipped", sum: "reused", many: "reused", ...NEVER };
    expect(dry()).toEqual(same);
    // A helper two imports away.
    write("factor.ts", "// Said anew.\nconst scale = 3;\n\nexport function factor(): number {\n  return scale;\n}\n");
    expect(dry()).toEqual({
      numbers: "reused",
      near: "runs · calls `scaled`, which has changed: factor.ts:2",
      sum: "runs · reads `near`, which runs",
      many: "runs · calls `scaled`, which has changed: factor.ts:2",
      ...NEVER,
    });
    write("factor.ts", "// Said anew.\nconst scale = 2;\n\nexport function factor(): number {\n  return scale;\n}\n");
    expect(dry("--by", "4")).toEqual({
      ...same,
      numbers: "reused",
      near: "runs · takes `by`, which is 4, and was 3: main.pipe:4",
      sum: "runs · reads `near`, which runs",
    });
    write("numbers.csv", "1\n2\n30\n");
    expect(dry().numbers).toBe("runs · reads `numbers.csv`, whose content has changed");
    write("numbers.csv", "1\n2\n3\n");
    write("main.pipe", PROGRAM.replace("scaled(x, by))", "scaled(x + 1, by))"));
    expect(dry().near).toBe("runs · is written otherwise: main.pipe:8");
    write("main.pipe", PROGRAM);
    expect(dry("--fresh").numbers).toBe("runs · is made anew, since --fresh says so");
    expect(dry()).toEqual(same);
    // As people read it.
    const text = headrace("run", "main.pipe", "--dry", "--by", "4").stdout;
    expect(text).toContain("main: 4 to run, 2 reused; nothing was run\n");
    expect(text).toMatch(/\n {2}runs {4}near +takes `by`, which is 4, and was 3: main\.pipe:4\n/);
  }, 120_000);

  it("a name without a stage of its own is told as one, with how it gets a stage", () => {
    write(
      "light.pipe",
      `import { load, total } from "./stages.ts"
param data: file = "numbers.csv"
pipeline light() -> float {
  let all = load(data)
  let some = all |> filter(x => x > 1.0)
  total(some |> collect)
}
schedule apart { some: data }
`,
    );
    const told =
      "`some` has no stage of its own: whatever reads it computes it on the way\n  help: where a schedule names its rows they get a stage";
    expect(headrace("show", "light.pipe", "some").stderr).toContain(told);
    expect(headrace("run", "light.pipe").status).toBe(0);
    expect(headrace("why", "some").stderr).toContain(told);
    expect(headrace("run", "light.pipe", "--schedule", "apart").status).toBe(0);
    expect(headrace("why", "some").stdout).toContain("some ran in light-2");
    expect(headrace("show", "light.pipe", "some", "--schedule", "apart").stdout).toContain("2");
    rmSync(join(folder, "light.pipe"));
    for (const run of ["light-1", "light-2"]) rmSync(join(folder, ".headrace", "runs", run), { recursive: true });
  }, 60_000);

  it("why a stage ran, was reused, or failed", () => {
    expect(headrace("run", "main.pipe", "--by", "4").status).toBe(0);
    expect(headrace("why", "near").stdout).toMatch(
      /^near ran in main-2: \d+ tasks?\n {2}it takes `by`, which is 4, and was 3: main\.pipe:4\n/,
    );
    expect(headrace("why", "numbers").stdout).toMatch(/^numbers was reused in main-2\n/);
    expect(headrace("why", "sum", "--run", "main-1").stdout).toMatch(/^sum ran in main-1: 1 task\n {2}it has not run before\n/);
    expect(headrace("why", "summ").stderr).toContain("main-2 has no stage `summ`\n  help: headrace why sum");
    expect(headrace("why", "sum", "--run", "main-9").stderr).toContain("there is no run `main-9`");
    write("numbers.csv", "1\n2\n");
    write("stages.ts", STAGES.replace("return all.reduce", 'throw new Error("no sum of " + all.length);\n  return all.reduce'));
    expect(headrace("run", "main.pipe").status).toBe(1);
    expect(headrace("why", "sum").stdout).toContain("failed in main-3");
    expect(headrace("why", "sum").stdout).toContain("block 0, attempt 1 failed: Error: no sum of 2");
    expect(headrace("why", "note").stdout).toContain("it reads `sum`, which failed");
    write("stages.ts", STAGES);
    write("numbers.csv", "1\n2\n3\n");
  }, 120_000);

  it("which runs there were, and that one was killed", () => {
    const record = join(folder, ".headrace", "runs", "main-3", "run.json");
    const head = JSON.parse(readFileSync(record, "utf8"));
    // As a process leaves it that is ended in the middle: no end, and nobody under its number.
    writeFileSync(record, JSON.stringify({ ...head, end: null, pid: 2 ** 22 + 1 }));
    const lines = headrace("runs").stdout.split("\n");
    expect(lines[0]).toMatch(/^run +began +state +took +tasks +of$/);
    expect(lines.slice(1, 4).map((line) => line.split(/ {2,}/).filter((_, i) => [0, 2].includes(i)))).toEqual([
      ["main-3", "killed"],
      ["main-2", "ok"],
      ["main-1", "ok"],
    ]);
    expect(lines[2]).toContain("main.pipe --by 4");
    writeFileSync(record, JSON.stringify(head));
    const [newest] = headrace("runs", "--json", "--most", "1").stdout.trim().split("\n");
    expect(JSON.parse(newest!)).toMatchObject({ id: "main-3", going: false, end: { status: "failed", error: "no sum of 2" } });
  }, 60_000);

  it("what a stage gave: rows, a sample, its shape, or how to make it", () => {
    expect(headrace("show", "main.pipe", "near").stdout).toBe("   value\n0  6\n1  12\n2  18\n");
    expect(headrace("show", "main.pipe", "near", "--by", "4", "--rows", "1").stdout).toBe("   value\n0  8\n… 2 more of 3 rows\n");
    expect(headrace("show", "main.pipe", "near", "--shape").stdout).toBe("3 rows of numbers 6 … 18, mean 12\n");
    expect(headrace("show", "main.pipe", "sum", "--json").stdout).toBe("36\n");
    const other = headrace("show", "main.pipe", "sum", "--by", "5");
    expect(other).toMatchObject({ status: 1, stdout: "" });
    expect(other.stderr).toBe("`sum` isn't there for these params; this makes it:\n  headrace run main.pipe --by 5 --only sum\n");
    expect(headrace("show", "main.pipe", "nea").stderr).toContain("headrace show main.pipe near");
    expect(headrace("show", "main.pipe", "at").stderr).toContain("and is never kept");
    // What is asked for ran nothing.
    expect(readdirSync(join(folder, ".headrace", "runs")).filter((name) => name.startsWith("main-"))).toHaveLength(3);
  }, 120_000);

  it("one stage alone, with what it needs, and nothing that acts", () => {
    const only = headrace("run", "main.pipe", "--by", "5", "--only", "sum");
    expect(only).toMatchObject({ status: 0, stdout: "sum  60\n" });
    expect(only.stderr).not.toContain("noted");
    expect(headrace("show", "main.pipe", "sum", "--by", "5").stdout).toBe("60\n");
    expect(headrace("run", "main.pipe", "--only", "note").stderr).toContain("`note` acts on the world, and gives nothing");
    expect(headrace("run", "main.pipe", "--only", "sun").stderr).toContain("--only sum");
  }, 60_000);

  it("--watch runs again at each change, as far as it reaches", async () => {
    const child = spawn(process.execPath, [cli, "run", "main.pipe", "--watch", "--slots", "1"], { cwd: folder, env });
    let [out, err] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    const watching = async (times: number) => {
      for (let turn = 0; err.split("watching").length - 1 < times; turn++) {
        if (turn > 400) throw new Error(`it never came:\n${out}${err}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    };
    await watching(1);
    expect(out).toContain("sum   36\n");
    write("factor.ts", "export function factor(): number {\n  return 10;\n}\n");
    await watching(2);
    expect(out).toContain("sum   180\n");
    // A mistake is reported, and waited out.
    const before = err.length;
    write("factor.ts", "export function factor(): string {\n  return 10;\n");
    await watching(3);
    expect(err.slice(before)).toContain("error[");
    write("factor.ts", "export function factor(): number {\n  return 100;\n}\n");
    await watching(4);
    expect(out).toContain("sum   1800\n");
    child.kill("SIGINT");
    expect(await ended).toBe(130);
  }, 60_000);

  it("the room that results take, and making some", () => {
    expect(headrace("cache", "size").stdout).toMatch(/^[\d.]+ KB in \d+ files in /);
    expect(headrace("cache", "prune", "--keep", "much").stderr).toContain("--keep 1GB");
    expect(headrace("cache", "prune", "--keep", "0").stdout).toMatch(/^removed [\d.]+ KB in \d+ files\n0 B in 0 files/);
    expect(headrace("cache", "siz").stderr).toContain("headrace cache size");
    expect(dry().numbers).toBe("runs · was never finished, or what it gave is gone");
  }, 60_000);
});

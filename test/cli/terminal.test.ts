// The view of a run on a terminal, as an emulator shows it: a line a stage, whatever the width, with nothing broken, doubled or left behind.
// A real process on a real pseudo-terminal, whose bytes go through xterm.js.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import xterm from "@xterm/headless";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const cli = join(root, "dist", "cli", "main.js");
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "headrace-terminal-"));
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules", "headrace"), "junction");
  writeFileSync(
    join(folder, "stages.ts"),
    `export function work(x: number): number {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 15);
  if (x === 20) console.log("this is what a stage prints, and it is longer than forty columns, as such lines are");
  return x;
}
export function add(a: number, b: number): number { return work(a) + b; }
`,
  );
  writeFileSync(
    join(folder, "few.pipe"),
    `import { work } from "./stages.ts"
pipeline few() -> { sum: float, theNameOfThisStageIsLongerThanMostNamesAre: float } {
  let measurements = range(60, blocks: 60) |> map(work)
  let theNameOfThisStageIsLongerThanMostNamesAre = work(1.0)
  { sum: sum(measurements), theNameOfThisStageIsLongerThanMostNamesAre }
}
`,
  );
  const lines = Array.from({ length: 60 }, (_, i) => `  let stage_${i} = add(${i === 0 ? "1.0" : `stage_${i - 1}`}, 1.0)`);
  writeFileSync(
    join(folder, "many.pipe"),
    `import { add } from "./stages.ts"\npipeline many() -> { last: float } {\n${lines.join("\n")}\n  { last: stage_59 }\n}\n`,
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The screen with what has scrolled off it, at the end and at each time that the process wrote. */
async function screens(program: string, columns: number, rows: number): Promise<readonly (readonly string[])[]> {
  const terminal = new xterm.Terminal({ cols: columns, rows, scrollback: 1000, allowProposedApi: true, convertEol: false });
  const command = `stty cols ${columns} rows ${rows}; exec ${process.execPath} ${cli} run ${program} --slots 2`;
  const env = { ...process.env, TERM: "xterm-256color", COLUMNS: undefined, NO_COLOR: undefined, FORCE_COLOR: undefined };
  const child = spawn("script", ["-qfec", command, "/dev/null"], { cwd: folder, env, stdio: ["ignore", "pipe", "inherit"] });
  const seen: string[][] = [];
  const broken: string[] = [];
  let last = Promise.resolve();
  child.stdout.on("data", (chunk: Buffer) => {
    last = last.then(
      () =>
        new Promise((done) =>
          terminal.write(chunk, () => {
            const { active } = terminal.buffer;
            const lines = Array.from({ length: active.length }, (_, y) => active.getLine(y)!);
            // What stages print may be broken in two; lines of the view never.
            lines.forEach(({ isWrapped }, y) => {
              const before = lines[y - 1]?.translateToString(true) ?? "";
              if (isWrapped && /^[·✓✗] /.test(before)) broken.push(before);
            });
            seen.push(lines.map((line) => line.translateToString(true)));
            done();
          }),
        ),
    );
  });
  await new Promise((resolve) => child.once("close", resolve));
  await last;
  expect(broken).toEqual([]);
  return seen.map((lines) => lines.slice(0, lines.findLastIndex((line) => line !== "") + 1));
}

describe("a terminal", () => {
  it.each([40, 80, 200])(
    "of %i columns shows one line a stage, and results at the end",
    async (columns) => {
      const all = await screens("few.pipe", columns, 24);
      const end = all.at(-1)!;
      const ofStage = (mark: string, name: string) => end.filter((line) => line.startsWith(`${mark} ${name}`));
      expect(ofStage("✓", "sum")).toHaveLength(1);
      expect(ofStage("✓", columns === 200 ? "theNameOfThisStageIsLongerThanMostNamesAre " : "theNameOfThi")).toHaveLength(1);
      expect(end.filter((line) => line.startsWith("·"))).toEqual([]);
      expect(end.join("")).toContain("this is what a stage prints");
      expect(end.join("")).toMatch(/sum +1770/);
      // While it went on: no line twice, and the count grew.
      const counts = all.flatMap((lines) => lines.flatMap((line) => /^[·✓] sum .*?(\d+)\/60/.exec(line)?.[1] ?? [])).map(Number);
      expect(counts.length).toBeGreaterThan(3);
      expect(counts).toEqual([...counts].sort((a, b) => a - b));
      for (const lines of all) expect(lines.filter((line) => /^[·✓] sum /.test(line)).length).toBeLessThanOrEqual(1);
      const bars = end.some((line) => line.includes("━"));
      expect(bars).toBe(columns === 200);
    },
    60_000,
  );

  it("of few rows shows what runs of many stages, and how many are done", async () => {
    const all = await screens("many.pipe", 80, 12);
    for (const lines of all.slice(0, -2)) expect(lines.filter((line) => /^[·✓] stage_/.test(line)).length).toBeLessThan(12);
    expect(all.some((lines) => lines.some((line) => /^ +\d+ of 60 stages are done$/.test(line)))).toBe(true);
    expect(all.at(-1)!.filter((line) => /^last +\d+$/.test(line))).toHaveLength(1);
    expect(all.at(-1)!.some((line) => line === "  60 of 60 stages are done")).toBe(true);
  }, 60_000);
});

// The compiler on programs as people write them, only longer: from text to plan at two sizes, and a check of a changed file, in one
// process and as a whole process. What TypeScript says of the stages is cached, as it is after the first time.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { check, compile, memorySources } from "headrace/engine";
import { percentile } from "./floor.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const RUNS = 9;

const stages = `import type { int } from "headrace";
export interface Row { readonly id: int; readonly size: number; readonly label: string }
export interface Stats { readonly mean: number; readonly best: number }
export function load(n: int): Row[] { return Array.from({ length: n }, (_, id) => ({ id: id as int, size: id / 2, label: String(id) })); }
export function start(seed: int): number { return seed; }
export function step(x: number, by: number): number { return x + by; }
export function join(a: number, b: number): number { return a + b; }
export function weigh(row: Row, by: number): number { return row.size * by; }
export function scale(row: Row, by: number): Row { return { ...row, size: row.size * by }; }
export function stats(mean: number, best: number): Stats { return { mean, best }; }
`;

/** Chains, fans that come together, maps of several functions, reductions, records, pipelines that are called: until `size` says so. */
function program(name, size) {
  const lines = [
    `import { load, start, step, join, weigh, scale, stats, type Row, type Stats } from "./stages.ts"`,
    "param seed: int = 1",
    "param by: float = 0.5 in 0.0..1.0",
    "type Pair<T> = { mean: T, best: T }",
    "pipeline scored(rows: Dataset<Row>, weight: float = 2.0) -> Pair<float> {",
    "  let sizes = rows |> filter(r => r.size > 0.1) |> map(r => weigh(r, weight))",
    "  { mean: sizes |> mean, best: sizes |> max }",
    "}",
    `pipeline ${name}() -> float {`,
    "  let rows = load(100)",
    "  let c0 = start(seed)",
  ];
  let made = 2;
  let last = "c0";
  for (let i = 1; !size(made, lines.length); i++) {
    const [add, count] = [
      [[`let c${i} = step(${last}, by)`], 1],
      [[`let f${i} = step(c0, ${i}.0)`, `let c${i} = join(${last}, f${i})`], 2],
      [[`let m${i} = rows |> map(r => scale(r, ${last} * 0.5)) |> mean(r => weigh(r, by))`, `let c${i} = join(${last}, m${i})`], 3],
      [
        [
          `let r${i} = { mean: step(${last}, 1.0), best: by + ${i}.0 }`,
          `let s${i} = stats(r${i}.mean, r${i}.best)`,
          `let c${i} = s${i}.best`,
        ],
        2,
      ],
      [[`let p${i} = rows |> scored(weight: ${last})`, `let c${i} = if p${i}.best > 1.0 { p${i}.mean } else { ${last} }`], 6],
    ][i % 5];
    lines.push(...add.map((line) => `  ${line}`));
    made += count;
    last = `c${i}`;
  }
  return [...lines, `  ${last}`, "}", "schedule night {", "  *: auto", "  rows: task { retries: 2 }", "}", ""].join("\n");
}

export async function measure() {
  const { cache } = memorySources({});
  const sources = (text) => ({ ...memorySources({ "stages.ts": stages, "main.pipe": text }), cache });
  const timed = async (run) => {
    const begin = performance.now();
    const compiled = await run();
    const ms = performance.now() - begin;
    if (compiled.diagnostics.length > 0) throw new Error(compiled.diagnostics.map(({ message }) => message).join("\n"));
    return { ms, compiled };
  };

  const texts = { small: program("main", (made) => made >= 2000), large: program("main", (made) => made >= 4000) };
  const times = { small: [], large: [] };
  const made = {};
  await timed(() => compile("main.pipe", { sources: sources(texts.small) }));
  for (let i = 0; i < RUNS; i++)
    for (const size of ["small", "large"]) {
      const { ms, compiled } = await timed(() => compile("main.pipe", { sources: sources(texts[size]) }));
      times[size].push(ms);
      made[size] = compiled.plan.stages.length;
    }
  const small = percentile(times.small, 0.5);
  const large = percentile(times.large, 0.5);

  const text = program("main", (_, lines) => lines >= 490);
  const changed = (i) => text.replace("param seed: int = 1", `param seed: int = ${i + 2}`);
  const checks = [];
  for (let i = 0; i < 5 * RUNS; i++) checks.push((await timed(() => check("main.pipe", { sources: sources(changed(i)) }))).ms);
  const one = percentile(checks, 0.5);

  const { whole, floor } = processes(changed);
  const lines = text.split("\n").length - 1;
  const command = "node bench/run.mjs compile";
  return [
    {
      ...{ figure: `${made.small} stages, from text to plan, signatures cached`, command },
      ...{ value: `${small.toFixed(0)} ms`, floor: `stage by stage: ${((small / made.small) * 1000).toFixed(0)} µs`, ratio: 1 },
      ...{ goal: "1000 ms for 2,000", met: small / made.small <= 0.5 },
    },
    {
      ...{
        figure: `${made.large} stages, likewise`,
        command,
        value: `${large.toFixed(0)} ms`,
        floor: `${made.small} stages: ${small.toFixed(0)} ms`,
      },
      ...{ ratio: large / small, goal: "2.3 × the half", met: large / small <= 2.3 },
    },
    {
      ...{ figure: `check of ${lines} lines that have changed, in one process`, command, value: `${one.toFixed(0)} ms` },
      ...{ floor: `a line: ${((one / lines) * 1000).toFixed(0)} µs`, ratio: 1, goal: "60 ms", met: one <= 60 },
    },
    {
      ...{ figure: `check of ${lines} lines that have changed, whole process`, command, value: `${whole.toFixed(0)} ms` },
      ...{ floor: `node -e 0: ${floor.toFixed(0)} ms`, ratio: whole / floor, goal: "400 ms", met: whole <= 400 },
    },
  ];
}

/** `headrace check` on the disk, changed each time, in turns with Node's own start. */
function processes(changed) {
  const project = mkdtempSync(join(tmpdir(), "headrace-bench-"));
  try {
    writeFileSync(join(project, "stages.ts"), stages);
    symlinkSync(join(root, "node_modules"), join(project, "node_modules"), "junction");
    const timeMs = (...args) => {
      const begin = performance.now();
      execFileSync(process.execPath, args, { cwd: project, stdio: "ignore" });
      return performance.now() - begin;
    };
    const found = { whole: [], floor: [] };
    for (let i = -1; i < RUNS; i++) {
      writeFileSync(join(project, "main.pipe"), changed(i));
      const ms = timeMs(join(root, "dist", "cli", "main.js"), "check", "main.pipe");
      if (i < 0) continue;
      found.whole.push(ms);
      found.floor.push(timeMs("-e", "0"));
    }
    return { whole: percentile(found.whole, 0.5), floor: percentile(found.floor, 0.5) };
  } finally {
    rmSync(project, { recursive: true, force: true });
  }
}

// What keeping results costs, and what it gives: tasks of a millisecond with the cache and without, in turns; and a second run of digits, as a
// whole process.
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { percentile } from "./floor.mjs";
import { withProgram } from "./program.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const cli = join(root, "dist", "cli", "main.js");
const TASKS = 2000;
const TURNS = 9;

export const measure = async () => [...(await withProgram("short", bookkeeping)), ...secondRun()];

async function bookkeeping(engine, plan, code) {
  const folder = mkdtempSync(join(tmpdir(), "headrace-bench-cache-"));
  try {
    const spend = async (of, cache) => {
      const begin = performance.now();
      const { status, outputs } = await engine.run(plan, code, { params: { n: TASKS, of }, ...(cache ? { cache: { folder } } : {}) });
      const ms = performance.now() - begin;
      if (status !== "ok" || outputs.result.length !== TASKS) throw new Error(`the run is wrong: ${status}`);
      return ms;
    };
    await spend(0, false);
    const costs = [];
    let taskMs = 0;
    for (let turn = 1; turn <= TURNS; turn++) {
      // Other numbers each time, so that nothing is reused; which goes first takes turns.
      const first = turn % 2 === 0;
      const a = await spend(turn, first);
      const b = await spend(turn, !first);
      const [kept, plain] = first ? [a, b] : [b, a];
      costs.push(kept / plain - 1);
      taskMs = (2 * plain) / TASKS;
    }
    const cost = percentile(costs, 0.5);
    return [
      {
        figure: `bookkeeping with the cache on, ${TASKS} tasks of ${taskMs.toFixed(1)} ms`,
        command: "node bench/run.mjs cache",
        value: `${(cost * 100).toFixed(1)} % (${(percentile(costs, 0.25) * 100).toFixed(1)} to ${(percentile(costs, 0.75) * 100).toFixed(1)})`,
        floor: "the same without: 0",
        ratio: 1 + cost,
        goal: "under 3 %",
        met: cost < 0.03,
      },
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function secondRun() {
  const project = mkdtempSync(join(tmpdir(), "headrace-bench-"));
  try {
    cpSync(join(root, "examples", "digits"), join(project, "digits"), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(project, "node_modules"), "junction");
    const time = () => {
      const begin = performance.now();
      execFileSync(process.execPath, [cli, "run", join("digits", "digits.pipe")], { cwd: project, stdio: "ignore" });
      return performance.now() - begin;
    };
    const first = time();
    const ms = percentile(
      Array.from({ length: 9 }, () => time()),
      0.5,
    );
    return [
      {
        figure: "second run of digits, all reused, whole process",
        command: "node bench/run.mjs cache",
        value: `${ms.toFixed(0)} ms`,
        floor: `the first one: ${first.toFixed(0)} ms`,
        ratio: ms / first,
        goal: "600 ms",
        met: ms <= 600,
      },
    ];
  } finally {
    rmSync(project, { recursive: true, force: true });
  }
}

// Whole processes, from start to exit: help, and a check of the digits example with nothing and with everything cached.
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { percentile } from "./floor.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const cli = join(root, "dist", "cli", "main.js");
const RUNS = 11;

function timeMs(args, cwd) {
  const begin = performance.now();
  execFileSync(process.execPath, args, { cwd, stdio: "ignore" });
  return performance.now() - begin;
}

export async function measure() {
  const project = mkdtempSync(join(tmpdir(), "headrace-bench-"));
  try {
    cpSync(join(root, "examples", "digits"), join(project, "digits"), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(project, "node_modules"), "junction");
    const check = [cli, "check", join("digits", "digits.pipe")];
    const cold = [];
    for (let i = 0; i < 5; i++) {
      rmSync(join(project, ".headrace"), { recursive: true, force: true });
      rmSync(join(project, "digits", ".headrace"), { recursive: true, force: true });
      cold.push(timeMs(check, project));
    }
    const times = { help: [], warm: [], node: [] };
    for (let i = 0; i < RUNS; i++) {
      times.node.push(timeMs(["-e", "0"], project));
      times.help.push(timeMs([cli, "--help"], project));
      times.warm.push(timeMs(check, project));
    }
    const floor = percentile(times.node, 0.5);
    const row = (figure, values, goalMs) => {
      const ms = percentile(values, 0.5);
      return {
        figure,
        command: "node bench/run.mjs startup",
        value: `${ms.toFixed(0)} ms`,
        floor: `node -e 0: ${floor.toFixed(0)} ms`,
        ratio: ms / floor,
        goal: `${goalMs} ms`,
        met: ms <= goalMs,
      };
    };
    return [
      row("`headrace --help`, whole process", times.help, 150),
      row("`headrace check` of digits, warm, whole process", times.warm, 500),
      row("`headrace check` of digits, cold, whole process", cold, 3000),
    ];
  } finally {
    rmSync(project, { recursive: true, force: true });
  }
}

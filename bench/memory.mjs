// A run of a million tasks: the engine's memory while it goes on, and what each finished task leaves behind.
import { readdirSync, readFileSync } from "node:fs";
import { percentile } from "./floor.mjs";
import { withProgram } from "./program.mjs";

const TASKS = 1_000_000;
const SAMPLE_EVERY_MS = 20;
const ROUNDS = 9;

export const measure = () => withProgram("shrink", measured);

async function measured(engine, plan, code) {
  const slopes = [];
  let peak = 0;
  for (let round = 0; round <= ROUNDS; round++) {
    const samples = await sampled(engine, plan, code);
    peak = Math.max(peak, ...samples.map(({ bytes }) => bytes));
    // From a quarter to the end: what stands before is the run's size, not its tasks'.
    const later = samples.filter(({ done }) => done >= TASKS / 4);
    slopes.push(leastSquares(later.map(({ done, bytes }) => [done, bytes])));
  }
  // In the first round heaps get the size that they need; where the collector stands at the end of one is chance.
  const slope = percentile(slopes.slice(1), 0.5);
  const command = "node bench/run.mjs memory";
  return [
    {
      figure: "a run of 1,000,000 tasks: memory of engine and host per finished task, median of the rounds",
      command,
      value: `${slope.toFixed(0)} bytes`,
      floor: "its number: 8 bytes",
      ratio: slope / 8,
      goal: "flat: 32 bytes",
      met: slope <= 32,
    },
    {
      figure: "the same, peak of all rounds",
      command,
      value: `${Math.round(peak / 1e6)} MB`,
      floor: "goal: 1 GB",
      ratio: peak / 1e9,
      goal: "1 GB",
      met: peak <= 1e9,
    },
  ];
}

async function sampled(engine, plan, code) {
  const samples = [];
  let done = 0;
  const timer = setInterval(() => samples.push({ done, bytes: process.memoryUsage.rss() + childrenBytes() }), SAMPLE_EVERY_MS);
  const { status, outputs, error } = await engine.run(plan, code, {
    params: { n: TASKS },
    onEvent(event) {
      if (event.type === "tasks.finished") done += event.count;
    },
  });
  clearInterval(timer);
  if (status !== "ok" || outputs.result !== (TASKS * (TASKS - 1)) / 2)
    throw new Error(`the run is wrong: ${status} ${error?.message ?? ""}`);
  return samples;
}

/** Resident bytes of this process's children and theirs, as Linux tells them. */
function childrenBytes() {
  let bytes = 0;
  const of = (pid) => {
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      for (const child of readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").split(" ").filter(Boolean)) {
        bytes += Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child}/status`, "utf8"))?.[1] ?? 0) * 1024;
        of(child);
      }
    }
  };
  of(process.pid);
  return bytes;
}

function leastSquares(points) {
  const n = points.length;
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / n;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / n;
  const over = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  return over / points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
}

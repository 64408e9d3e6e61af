// Ray beside Headrace on this machine, in one run: what a task costs, alone and among many, a large value, a task of very many arguments,
// a million tasks. `node bench/peers/peers.mjs [PYTHON [TASKS]]` makes a virtual environment with the newest Ray in a temporary
// folder, unless a PYTHON that has Ray is named, and prints a table of ratios. A million tasks take Ray many minutes on two processors.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { percentile } from "../floor.mjs";
import { withProgram } from "../program.mjs";

const ASYNC = 10_000;
const SYNC = 1000;
const ARGUMENTS = 10_000;
const QUEUED = Number(process.argv[3] ?? 1_000_000);

const folder = mkdtempSync(join(tmpdir(), "headrace-peers-"));
try {
  const python = process.argv[2] ?? installed();
  const said = execFileSync(
    python,
    [fileURLToPath(new URL("ray_side.py", import.meta.url)), ...[ASYNC, SYNC, ARGUMENTS, QUEUED].map(String)],
    {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    },
  );
  const ray = JSON.parse(said.trim().split("\n").at(-1));
  const own = await headrace();
  const rows = [
    ["one of 10,000 no-op tasks that are submitted together", ray.asyncSeconds, own.asyncSeconds],
    ["one no-op task, submitted and waited for, p50", ray.syncSeconds, own.syncSeconds],
    ["100 MB made by one task and read by two others, from submitting to the end", ray.largeSeconds, own.largeSeconds],
    ["100 MB put and got by the driver (Headrace: a result of the run)", ray.putGetSeconds, own.resultSeconds],
    ["one task of 10,000 arguments (Headrace: and the tasks that make them)", ray.argumentsSeconds, own.argumentsSeconds],
    [`${QUEUED.toLocaleString("en")} no-op tasks`, ray.queuedSeconds, own.queuedSeconds],
  ];
  const text = (seconds) =>
    seconds < 0.001 ? `${(seconds * 1e6).toFixed(1)} µs` : seconds < 1 ? `${(seconds * 1e3).toFixed(1)} ms` : `${seconds.toFixed(1)} s`;
  const lines = rows.map(
    ([what, theirs, ours]) =>
      `| ${what} | ${text(theirs)} | ${text(ours)} | ${(theirs / ours).toLocaleString("en", { maximumSignificantDigits: 2 })} |`,
  );
  process.stdout.write([`| | Ray ${ray.version} | Headrace | Ray's time over Headrace's |`, "|---|---|---|---|", ...lines, ""].join("\n"));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function installed() {
  const environment = join(folder, "python");
  execFileSync("python3", ["-m", "venv", environment]);
  const python = join(environment, "bin", "python");
  execFileSync(python, ["-m", "pip", "install", "--quiet", "ray", "numpy"], { stdio: ["ignore", "ignore", "inherit"] });
  return python;
}

async function headrace() {
  const seconds = async (work) => {
    const begin = performance.now();
    const result = await work();
    if (result.status !== "ok") throw new Error(result.error?.message);
    return (performance.now() - begin) / 1000;
  };
  const median = async (rounds, work) => {
    const times = [];
    for (let round = 0; round < rounds; round++) times.push(await seconds(work));
    return percentile(times, 0.5);
  };
  const tasks = await withProgram("tasks", async (engine, plan, code) => {
    const many = (n) => () => engine.run(plan, code, { params: { n } });
    await many(1000)();
    return { asyncSeconds: (await median(3, many(ASYNC))) / ASYNC, queuedSeconds: await median(1, many(QUEUED)) };
  });
  const syncSeconds = await withProgram("one", async (engine, plan, code) => {
    const one = () => engine.run(plan, code, { params: { x: 1 } });
    await median(100, one);
    return median(SYNC, one);
  });
  const largeSeconds = await withProgram("tensor", (engine, plan, code) => median(5, () => engine.run(plan, code, {})));
  const resultSeconds = await withProgram("result", (engine, plan, code) => median(5, () => engine.run(plan, code, {})));
  const argumentsSeconds = await withProgram("gather", (engine, plan, code) =>
    median(3, () => engine.run(plan, code, { params: { n: ARGUMENTS } })),
  );
  return { ...tasks, syncSeconds, largeSeconds, resultSeconds, argumentsSeconds };
}

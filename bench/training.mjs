// What a `fit` costs beside the same loop by hand, what two slots bring under each architecture beside what two threads bring to plain
// arithmetic, and what an allreduce takes beside OpenMPI's. The fit alone: from the end of its first epoch to the end of its last.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { buildSync } from "esbuild";
import { compile, localEngine } from "headrace/engine";
import { percentile } from "./floor.mjs";

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const DIGITS = path("../examples/digits/digits.pipe");
const MLP = path("programs/mlp.pipe");
const DEEP = path("programs/deep.pipe");
const TURNS = 5;
/** Of 8 microbatches in two places, the first and the last have nobody beside them (Huang et al. 2019). */
const PIPELINE = (2 * 8) / (8 + 1) / 2;
const COMMAND = "node bench/run.mjs training";

export async function measure() {
  const engine = await localEngine({ slots: 2 });
  const folder = mkdtempSync(join(tmpdir(), "headrace-bench-"));
  try {
    return [
      await byHand(engine, folder, "digits softmax", DIGITS, { epochs: 8 }, DIGITS_BY_HAND),
      await byHand(engine, folder, "MLP 784-128-10, Adam", MLP, { epochs: 3 }, MLP_BY_HAND),
      ...(await twoSlots(engine, "digits softmax, batches of 64", DIGITS, { average: "apart", allreduce: "together" }, { epochs: 12 })),
      ...(await twoSlots(engine, "MLP, batches of 64", MLP, { average: "average", allreduce: "allreduce" }, { epochs: 4 })),
      ...(await twoSlots(
        engine,
        "six layers of 256 × 256",
        DEEP,
        { pipelined: "pipelined", tensor: "tensor", allreduce: "allreduce" },
        { epochs: 5 },
      )),
      await allreduce(engine, folder),
    ];
  } finally {
    await engine[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Milliseconds an epoch. */
async function epochMs(engine, file, schedule, params) {
  const { plan, code, diagnostics } = await compile(file, schedule ? { schedule } : {});
  if (!plan) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
  const ends = [];
  const { status, error } = await engine.run(plan, code, {
    params,
    onEvent: (event) => {
      if (event.type === "stage.progress") ends.push([event.done, event.atMs]);
    },
  });
  if (status !== "ok") throw new Error(error.message);
  const [first, last] = [ends[0], ends.at(-1)];
  return (last[1] - first[1]) / (last[0] - first[0]);
}

async function byHand(engine, folder, name, file, params, text) {
  const functions = join(folder, `${name.replaceAll(/\W/g, "")}.mjs`);
  buildSync({ entryPoints: [file.replace(/\.pipe$/, ".ts")], bundle: true, platform: "node", format: "esm", outfile: functions });
  const digits = join(folder, "digits.mjs");
  buildSync({ entryPoints: [DIGITS.replace(/\.pipe$/, ".ts")], bundle: true, platform: "node", format: "esm", outfile: digits });
  const script = `${functions}.hand.mjs`;
  writeFileSync(
    script,
    text
      .replace("FUNCTIONS", pathToFileURL(functions).href)
      .replace("DIGITS", pathToFileURL(digits).href)
      .replace("SHUFFLE", SHUFFLE)
      .replace("EPOCHS", String(params.epochs)),
  );
  const ratios = [];
  let fitMs = 0;
  let handMs = 0;
  for (let turn = 0; turn < TURNS; turn++) {
    handMs = await new Promise((resolve, reject) => new Worker(script).once("message", resolve).once("error", reject));
    fitMs = await epochMs(engine, file, null, params);
    ratios.push(handMs / fitMs);
  }
  const ratio = percentile(ratios, 0.5);
  return {
    figure: `\`fit\` sequential, ${name}: the speed of the same loop by hand`,
    command: COMMAND,
    value: `${fitMs.toFixed(1)} ms an epoch`,
    floor: `by hand ${handMs.toFixed(1)} ms`,
    ratio,
    goal: "0.95",
    met: ratio >= 0.95,
  };
}

/** In an order that differs each epoch, as a loop by hand would. */
const SHUFFLE = `const shuffled = (rows, seed) => {
  const order = rows.slice();
  let x = seed * 2654435761 + 1;
  for (let i = order.length - 1; i > 0; i--) {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0;
    const j = x % (i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
};`;
const TIMED = `
const ends = [];
for (let epoch = 0; epoch < EPOCHS; epoch++) {
  const order = shuffled(rows, epoch);
  for (let i = 0; i < order.length; i += 64) step(order.slice(i, i + 64));
  ends.push(performance.now());
}
parentPort.postMessage((ends.at(-1) - ends[0]) / (ends.length - 1));
`;
// The fit reads its rows from memory that threads share, so the loop by hand does too.
const SHARED = `const shared = (array) => { const copy = new Float32Array(new SharedArrayBuffer(4 * array.length)); copy.set(array); return copy; };`;
const DIGITS_BY_HAND = `import { parentPort } from "node:worker_threads";
import { gradient, init, loadDigits, sgd } from "FUNCTIONS";
SHUFFLE
${SHARED}
const rows = loadDigits().map(({ pixels, label }) => ({ pixels: shared(pixels), label })).filter((_, i) => i % 5 < 4);
let w = init(1);
let loss = 0;
const step = (batch) => {
  const g = gradient(w, batch);
  loss = g.loss;
  w = sgd(w, g.grad, 0.3);
};
${TIMED}`;
const MLP_BY_HAND = `import { parentPort } from "node:worker_threads";
import { adam, lossAndGrad, some, start } from "FUNCTIONS";
import { loadDigits } from "DIGITS";
SHUFFLE
${SHARED}
const rows = some(loadDigits()).map(({ pixels, label }) => ({ pixels: shared(pixels), label }));
let s = start(1);
const step = (batch) => {
  s = adam(s, lossAndGrad(s.w, batch), 0.001);
};
${TIMED}`;

async function twoSlots(engine, name, file, schedules, params) {
  const goals = { average: 0.9, allreduce: 0.8, pipelined: 0.85 * PIPELINE, tensor: 0.8 };
  const found = {};
  const ceilings = [];
  for (let turn = 0; turn < TURNS; turn++) {
    const before = await ceiling();
    const alone = await epochMs(engine, file, null, params);
    for (const [architecture, schedule] of Object.entries(schedules)) {
      const ms = await epochMs(engine, file, schedule, params);
      (found[architecture] ??= []).push(alone / ms);
    }
    ceilings.push((before + (await ceiling())) / 2);
  }
  const most = percentile(ceilings, 0.5);
  return Object.entries(found).map(([architecture, speedUps]) => {
    const speedUp = percentile(speedUps, 0.5);
    return {
      figure: `\`${architecture}\` over two slots, ${name}: share of the ceiling`,
      command: COMMAND,
      value: `${speedUp.toFixed(2)} × one slot`,
      floor: `two bare threads: ${most.toFixed(2)} ×`,
      ratio: speedUp / most,
      goal: goals[architecture].toFixed(2),
      met: speedUp / most >= goals[architecture],
    };
  });
}

/** How much more two threads do than one, of plain arithmetic. */
async function ceiling() {
  const body = `const { parentPort } = require("node:worker_threads");
const work = () => { let x = 1; for (let i = 0; i < 1.5e8; i++) x = (Math.imul(x, 1103515245) + 12345) | 0; return x; };
work();
const begin = performance.now();
work();
parentPort.postMessage(performance.now() - begin);`;
  const run = () => new Promise((resolve, reject) => new Worker(body, { eval: true }).once("message", resolve).once("error", reject));
  const alone = await run();
  const both = Math.max(...(await Promise.all([run(), run()])));
  return (2 * alone) / both;
}

const MPI = `#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) {
  MPI_Init(&argc, &argv);
  int n = 101770, rank;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  float *a = malloc(n * 4), *b = malloc(n * 4);
  for (int i = 0; i < n; i++) a[i] = 1;
  for (int i = 0; i < 200; i++) MPI_Allreduce(a, b, n, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
  MPI_Barrier(MPI_COMM_WORLD);
  double begin = MPI_Wtime();
  for (int i = 0; i < 2000; i++) MPI_Allreduce(a, b, n, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
  if (rank == 0) printf("%f", (MPI_Wtime() - begin) / 2000 * 1e3);
  MPI_Finalize();
}
`;

async function allreduce(engine, folder) {
  const file = path("programs/reduce.pipe");
  const steps = 2000;
  const ours = [];
  const theirs = [];
  const mpi = buildMpi(folder);
  for (let turn = 0; turn < TURNS; turn++) {
    ours.push((await epochMs(engine, file, "two", { steps })) / steps);
    if (mpi) theirs.push(mpi());
  }
  const own = percentile(ours, 0.5);
  const peer = theirs.length > 0 ? percentile(theirs, 0.5) : null;
  return {
    figure: "a step whose allreduce is 407 KB over two slots",
    command: `${COMMAND} (with OpenMPI: \`apt-get install openmpi-bin libopenmpi-dev\`)`,
    value: `${(1000 * own).toFixed(0)} µs`,
    floor: peer === null ? "no OpenMPI here" : `OpenMPI in shared memory ${(1000 * peer).toFixed(0)} µs`,
    ratio: peer === null ? Number.NaN : own / peer,
    goal: "1.5 × or less",
    met: peer !== null && own / peer <= 1.5,
  };
}

/** Null where there is no OpenMPI. */
function buildMpi(folder) {
  const [source, program] = [join(folder, "allreduce.c"), join(folder, "allreduce")];
  writeFileSync(source, MPI);
  try {
    execFileSync("mpicc", ["-O2", source, "-o", program], { stdio: "ignore" });
  } catch (error) {
    if (error.code === "ENOENT") return null;
    throw error;
  }
  return () =>
    Number(execFileSync("mpirun", ["--allow-run-as-root", "-np", "2", "--mca", "btl", "self,vader", program], { encoding: "utf8" }));
}

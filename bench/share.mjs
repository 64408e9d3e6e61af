// How much of two threads is left for the user's arithmetic, in shards of some 10 ms: the same shards by two bare threads that take them
// from a shared counter, in turns with the run.
import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { transformSync } from "esbuild";
import { percentile } from "./floor.mjs";
import { withProgram } from "./program.mjs";

const SHARDS = 400;
const TURNS = 7;

export const measure = () => withProgram("shards", measured);

async function measured(engine, plan, code) {
  const bare = await bareThreads();
  const shares = [];
  const perShard = [];
  for (let turn = 0; turn < TURNS; turn++) {
    const bareMs = await bare.spend();
    const begin = performance.now();
    const { status, outputs, error } = await engine.run(plan, code, { params: { n: SHARDS } });
    const ms = performance.now() - begin;
    if (status !== "ok" || outputs.result.length !== SHARDS) throw new Error(`the run is wrong: ${status} ${error?.message ?? ""}`);
    shares.push(bareMs / ms);
    perShard.push((2 * bareMs) / SHARDS);
  }
  await bare.end();
  // The first turn warms the code up, here and there.
  const share = percentile(shares.slice(1), 0.5);
  return [
    {
      figure: `${SHARDS} shards of ${percentile(perShard.slice(1), 0.5).toFixed(1)} ms over two slots, share of the calibration`,
      command: "node bench/run.mjs share",
      value: `${share.toFixed(3)} (least ${Math.min(...shares.slice(1)).toFixed(3)})`,
      floor: "two bare threads: 1",
      ratio: share,
      goal: "0.93",
      met: share >= 0.93,
    },
  ];
}

async function bareThreads() {
  const source = readFileSync(new URL("programs/shards.ts", import.meta.url), "utf8");
  const { code } = transformSync(source, { loader: "ts", format: "cjs" });
  const body = `${code}
const { parentPort, workerData } = require("node:worker_threads");
const next = new Int32Array(workerData);
parentPort.on("message", () => {
  let sum = 0;
  for (let i = Atomics.add(next, 0, 1); i < ${SHARDS}; i = Atomics.add(next, 0, 1)) sum += module.exports.shard(i);
  parentPort.postMessage(sum);
});`;
  const counter = new SharedArrayBuffer(4);
  const threads = [0, 1].map(() => new Worker(body, { eval: true, workerData: counter }));
  return {
    async spend() {
      new Int32Array(counter)[0] = 0;
      const begin = performance.now();
      await Promise.all(
        threads.map((thread) => {
          const done = new Promise((resolve) => thread.once("message", resolve));
          thread.postMessage("go");
          return done;
        }),
      );
      return performance.now() - begin;
    },
    end: () => Promise.all(threads.map((thread) => thread.terminate())),
  };
}

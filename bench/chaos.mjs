// `npm run chaos`: real runs over a real server while workers are killed and paused, leaders are killed and the server is killed and started again;
// every run has to come to what it comes to without that. Times are from a fault to the next task that is finished. `npm run soak` does so for half
// an hour, a fault each 20 s, and looks at memory and at what is left in the server. `--minutes N`, `--share N`: that part of the faults.

import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { compile, localEngine, natsEngine } from "headrace/engine";
import { percentile } from "./floor.mjs";
import { memoryMb, startCluster } from "./nats.mjs";

const { values: asked } = parseArgs({ options: { minutes: { type: "string" }, share: { type: "string", default: "1" } } });
const minutes = asked.minutes === undefined ? null : Number(asked.minutes);
const SOAK_EVERY_MS = 20_000;

/** What goes wrong, how often, and how it is done. */
const faults = {
  "worker killed": { times: 100, strike: async (cluster) => replacing(cluster, await follower(cluster), "SIGKILL") },
  "worker paused": { times: 30, strike: async (cluster) => pausing(await follower(cluster)) },
  "leader killed": { times: 50, strike: async (cluster) => replacing(cluster, await cluster.leader(), "SIGKILL") },
  "server killed and started again": { times: 30, strike: (cluster) => cluster.restartServer() },
};

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
/** Name, program, schedule, params. */
const programs = [
  ["tasks that take their time", here("programs/paced.pipe"), null, { n: 1500, ms: 5 }],
  ["stages that come to life", here("../examples/iris/iris.pipe"), null, {}],
  ["a fit in one slot", here("../examples/digits/digits.pipe"), null, { epochs: 12 }],
  ["a fit in two", here("../examples/digits/digits.pipe"), "together", { epochs: 12 }],
];

async function follower(cluster) {
  const leader = await cluster.leader();
  const others = cluster.others(leader);
  return others[Math.floor(Math.random() * others.length)];
}

async function replacing(cluster, worker, signal) {
  worker.kill(signal);
  await cluster.replace(worker);
}

async function pausing(worker) {
  worker.kill("SIGSTOP");
  setTimeout(() => worker.kill("SIGCONT"), 10_000);
}

const prepared = [];
{
  const local = await localEngine({ slots: 2 });
  for (const [name, file, schedule, params] of programs) {
    const { plan, code } = await compile(file, schedule === null ? {} : { schedule });
    const { outputs, error } = await local.run(plan, code, { params });
    if (error) throw new Error(`${name}: ${error.message}`);
    prepared.push({ name, plan, code, params, wanted: JSON.stringify(outputs) });
  }
  await local[Symbol.asyncDispose]();
}

const cluster = await startCluster();
for (const name of ["a", "b", "c"]) await cluster.worker(name, 2);
const waiting = Object.entries(faults).flatMap(([name, { times }]) =>
  Array.from({ length: Math.ceil(times * Number(asked.share)) }, () => name),
);
const tookMs = Object.fromEntries(Object.keys(faults).map((name) => [name, []]));
const memory = [];
const beginMs = performance.now();
let [runs, wrong, struck] = [0, 0, 0];
let struckAtMs = Number.NEGATIVE_INFINITY;
const isOver = () => (minutes === null ? waiting.length === 0 : performance.now() - beginMs > minutes * 60_000);

while (!isOver()) {
  const { name, plan, code, params, wanted } = prepared[runs % prepared.length];
  const engine = await natsEngine({ url: cluster.url, waitMs: 20_000 });
  let sinceMs = null;
  let what = null;
  let running = true;
  const striking = (async () => {
    // Of soak, faults are as far apart whatever runs begin and end between them.
    await pause(Math.max(300 + Math.random() * 1500, minutes === null ? 0 : struckAtMs + SOAK_EVERY_MS - performance.now()));
    while (running && !isOver()) {
      what = minutes === null ? waiting.splice(Math.floor(Math.random() * waiting.length), 1)[0] : any(Object.keys(faults));
      if (what === undefined) return;
      const found = await Promise.race([faults[what].strike(cluster), pause(20_000)]).then(() => struck++);
      void found;
      sinceMs = struckAtMs = performance.now();
      await pause(minutes === null ? 4000 + Math.random() * 4000 : SOAK_EVERY_MS);
    }
  })();
  const onEvent = (event) => {
    if (sinceMs === null || (event.type !== "tasks.finished" && event.type !== "stage.progress")) return;
    tookMs[what].push(performance.now() - sinceMs);
    sinceMs = null;
  };
  const { status, outputs, error } = await engine.run(plan, code, { params, onEvent });
  running = false;
  await engine[Symbol.asyncDispose]();
  runs++;
  if (status !== "ok" || JSON.stringify(outputs) !== wanted) {
    wrong++;
    process.stderr.write(`${name}: ${status} ${error?.message ?? "another result"}\n`);
  }
  memory.push({
    atMs: performance.now() - beginMs,
    workers: Math.max(...cluster.workers.map(({ pid }) => memoryMb(pid))),
    server: memoryMb(cluster.serverPid),
  });
  if (minutes === null) await striking;
  process.stderr.write(`\r${runs} runs, ${struck} faults, ${wrong} wrong `);
}

const left = await leftInServer(cluster.url);
await cluster.stop();
const lines = Object.entries(tookMs).map(
  ([name, all]) => `| ${name} | ${all.length} | ${seconds(percentile(all, 0.5))} | ${seconds(percentile(all, 0.99))} |`,
);
process.stdout.write(`\n| fault | seen | p50 | p99 |\n|---|---|---|---|\n${lines.join("\n")}\n\n`);
process.stdout.write(`${runs} runs, ${struck} faults, ${wrong} with another result.\n`);
process.stdout.write(`Memory of the largest worker, first and last tenth: ${tenths("workers")}; of the server: ${tenths("server")}.\n`);
process.stdout.write(`Left in the server: ${left}.\n`);
process.exit(wrong > 0 ? 1 : 0);

function tenths(of) {
  const tenth = Math.max(1, Math.floor(memory.length / 10));
  const mean = (some) => Math.round(some.reduce((sum, one) => sum + one[of], 0) / some.length);
  return `${mean(memory.slice(0, tenth))} and ${mean(memory.slice(-tenth))} MB`;
}

async function leftInServer(url) {
  const connection = await connect({ servers: url.replace("nats://", "") });
  const manager = await jetstreamManager(connection);
  const told = [];
  for await (const { config, state } of manager.streams.list())
    told.push(`${config.name} ${state.messages} messages, ${(state.bytes / 1e6).toFixed(1)} MB, ${state.consumer_count} readers`);
  await connection.close();
  return told.join("; ");
}

function seconds(ms) {
  return Number.isNaN(ms) || ms === undefined ? "-" : `${(ms / 1000).toFixed(2)} s`;
}
function any(list) {
  return list[Math.floor(Math.random() * list.length)];
}
function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

// What a step costs whose members are on two workers: an allreduce of 407 KB over loopback, beside the same in shared memory, and beside two bare
// processes that hand each other as many bytes in as many turns. Workers are processes of this machine, so its processors are shared by all.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { compile, localEngine, natsEngine } from "headrace/engine";
import { percentile } from "./floor.mjs";
import { startCluster } from "./nats.mjs";

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const REDUCE = path("programs/reduce.pipe");
const TURNS = 5;
const STEPS = 500;
/** Of 101,770 numbers each side adds up one half. */
const HALF_BYTES = (4 * 101_770) / 2;

export async function measure() {
  const cluster = await startCluster();
  await Promise.all(["a", "b"].map((name) => cluster.worker(name)));
  const [far, near] = [await natsEngine({ url: cluster.url }), await localEngine({ slots: 2 })];
  try {
    const found = { far: [], near: [], bare: [] };
    for (let turn = 0; turn < TURNS; turn++) {
      found.bare.push(await bareMs());
      found.far.push(await stepMs(far));
      found.near.push(await stepMs(near));
    }
    const [farMs, nearMs, bare] = [found.far, found.near, found.bare].map((all) => percentile(all, 0.5));
    const us = (ms) => `${(1000 * ms).toFixed(0)} µs`;
    return [
      {
        figure: `a step whose allreduce is 407 KB between two workers on loopback (in shared memory: ${us(nearMs)})`,
        command: "node bench/run.mjs network",
        value: `${us(farMs)} (${us(Math.min(...found.far))} to ${us(Math.max(...found.far))})`,
        floor: `two bare processes that exchange the same bytes: ${us(bare)}`,
        ratio: farMs / bare,
        goal: "2 × the floor",
        met: farMs <= 2 * bare,
      },
    ];
  } finally {
    await Promise.all([far, near].map((engine) => engine[Symbol.asyncDispose]()));
    await cluster.stop();
  }
}

async function stepMs(engine) {
  const { plan, code, diagnostics } = await compile(REDUCE, { schedule: "two" });
  if (!plan) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
  const ends = [];
  const { status, error } = await engine.run(plan, code, {
    params: { steps: STEPS },
    onEvent: (event) => {
      if (event.type === "stage.progress") ends.push([event.done, event.atMs]);
    },
  });
  if (status !== "ok") throw new Error(error.message);
  const [first, last] = [ends[0], ends.at(-1)];
  return (last[1] - first[1]) / (last[0] - first[0]) / STEPS;
}

const BARE = `
const { connect } = require("node:net");
const socket = connect({ port: Number(process.argv[1]), noDelay: true });
const half = Buffer.alloc(${HALF_BYTES}, 1);
let got = 0;
socket.on("connect", () => socket.write(half));
socket.on("data", (chunk) => {
  for (got += chunk.length; got >= half.length; got -= half.length) socket.write(half);
});
`;

/** Both send one half and wait for the other's, twice a step. */
async function bareMs() {
  const server = createServer();
  await once(server.listen(0, "127.0.0.1"), "listening");
  const child = spawn(process.execPath, ["-e", BARE, String(server.address().port)], { stdio: "inherit" });
  const [socket] = await once(server, "connection");
  socket.setNoDelay(true);
  const half = Buffer.alloc(HALF_BYTES, 1);
  const warm = 200;
  let [got, turns, beginMs] = [0, 0, 0];
  socket.write(half);
  await new Promise((resolve) =>
    socket.on("data", (chunk) => {
      for (got += chunk.length; got >= half.length; got -= half.length) {
        if (++turns === warm) beginMs = performance.now();
        if (turns >= warm + 2 * STEPS) return void resolve();
        socket.write(half);
      }
    }),
  );
  const ms = (performance.now() - beginMs) / STEPS;
  child.kill("SIGKILL");
  server.close();
  socket.destroy();
  return ms;
}

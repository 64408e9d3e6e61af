// Runs over NATS, on one machine: a server and two workers of one slot each, as processes. Rates, the time of one task that waits for its turn,
// and how long it takes until another does what a worker or leader that was killed or paused had in hand.
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connect } from "@nats-io/transport-node";
import { build } from "esbuild";
import { compile, localEngine, natsEngine } from "headrace/engine";
import { percentile } from "./floor.mjs";
import { startCluster } from "./nats.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const command = "node bench/run.mjs cluster";
const TASKS = 300_000;
const LINKS = 1000;
const KILLS = Number(process.env.HEADRACE_BENCH_KILLS ?? 10);

export async function measure() {
  const cluster = await startCluster();
  try {
    await cluster.worker("a");
    await cluster.worker("b");
    const rows = [...(await rates(cluster)), ...(await oneByOne(cluster))];
    for (const [who, signal, goal] of [
      ["follower", "SIGKILL", 2],
      ["follower", "SIGSTOP", 8],
      ["leader", "SIGKILL", 2],
      ["leader", "SIGSTOP", 7],
    ])
      rows.push(await recovery(cluster, who, signal, goal));
    rows.push(await withKills(cluster), ...(await replayed()));
    return rows;
  } finally {
    await cluster.stop();
  }
}

async function program(name) {
  const { plan, code, diagnostics } = await compile(here(`programs/${name}.pipe`));
  if (!plan) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
  return { plan, code };
}

/** Tasks a second between the first and the last that is told to be finished. */
async function rateOf(engine, { plan, code }, params, tasks) {
  let [first, last, count] = [Number.NaN, 0, 0];
  const { status, error } = await engine.run(plan, code, {
    params,
    onEvent(event) {
      if (event.type === "stage.started" && Number.isNaN(first)) first = event.atMs;
      if (event.type !== "tasks.finished") return;
      last = event.atMs;
      count += event.count;
    },
  });
  if (status !== "ok" || count < tasks) throw new Error(`the run is wrong: ${status}, ${count} tasks, ${error?.message ?? ""}`);
  return count / ((last - first) / 1000);
}

async function rates({ url }) {
  const rows = [];
  for (const [name, params, tasks, goal, figure] of [
    ["tasks", { n: TASKS }, TASKS, 150_000, "no-op tasks over NATS, each journaled"],
    ["chains", { n: TASKS / 4 }, TASKS, 100_000, "the same in chains of four"],
  ]) {
    const made = await program(name);
    const far = [];
    const near = [];
    const engine = await natsEngine({ url });
    const local = await localEngine({ slots: 2 });
    for (let round = 0; round < 5; round++) {
      far.push(await rateOf(engine, made, params, tasks));
      near.push(await rateOf(local, made, params, tasks));
    }
    await engine[Symbol.asyncDispose]();
    await local[Symbol.asyncDispose]();
    const [rate, floor] = [far, near].map((all) => percentile(all.slice(1), 0.5));
    rows.push({
      ...{ figure, command, value: `${Math.round(rate).toLocaleString("en")} a second`, goal: `${goal.toLocaleString("en")} a second` },
      floor: `the local engine: ${Math.round(floor).toLocaleString("en")} a second`,
      ratio: rate / floor,
      met: rate >= goal,
    });
  }
  return rows;
}

/** A chain of stages: each is one task, sent once the one before is stored. */
async function oneByOne({ url }) {
  const folder = mkdtempSync(join(tmpdir(), "headrace-bench-"));
  copyFileSync(here("programs/tasks.ts"), join(folder, "tasks.ts"));
  const links = Array.from({ length: LINKS }, (_, i) => `  let s${i + 1} = noop(s${i})`).join("\n");
  const text = `import { noop } from "./tasks.ts"\n\nparam s0: float = 1.0\n\npipeline chain() -> float {\n${links}\n  s${LINKS}\n}\n`;
  writeFileSync(join(folder, "chain.pipe"), text);
  const { plan, code } = await compile(join(folder, "chain.pipe"));
  rmSync(folder, { recursive: true });
  const engine = await natsEngine({ url });
  const atMs = [];
  const { status, error } = await engine.run(plan, code, {
    onEvent: (event) => event.type === "tasks.finished" && atMs.push(event.atMs),
  });
  await engine[Symbol.asyncDispose]();
  if (status !== "ok" || atMs.length < LINKS) throw new Error(`the run is wrong: ${status} ${atMs.length} ${error?.message ?? ""}`);
  const apart = atMs
    .slice(1)
    .map((at, i) => at - atMs[i])
    .slice(200);
  const trips = await natsRoundTrips(url);
  const [p50, p99] = [percentile(apart, 0.5), percentile(apart, 0.99)];
  return [
    {
      ...{ figure: "one task over NATS, from being sent to its durable result, p50 / p99", command, goal: "0.9 / 3 ms" },
      value: `${p50.toFixed(2)} / ${p99.toFixed(2)} ms`,
      floor: `a request and its answer over NATS, p50: ${percentile(trips, 0.5).toFixed(2)} ms`,
      ratio: p50 / percentile(trips, 0.5),
      met: p50 <= 0.9 && p99 <= 3,
    },
  ];
}

async function natsRoundTrips(url) {
  const servers = url.replace("nats://", "");
  const [a, b] = [await connect({ servers }), await connect({ servers })];
  b.subscribe("bench.echo", { callback: (_error, message) => message.respond() });
  await b.flush();
  const times = [];
  for (let i = 0; i < 2000; i++) {
    const begin = performance.now();
    await a.request("bench.echo");
    times.push(performance.now() - begin);
  }
  await a.close();
  await b.close();
  return times.slice(500);
}

/** From the signal to the first task that is finished by whoever takes over. */
async function recovery(cluster, who, signal, goal) {
  const { plan, code } = await program("paced");
  const times = [];
  for (let kill = 0; kill < KILLS; kill++) {
    const engine = await natsEngine({ url: cluster.url });
    let [struckMs, tookMs, tasks] = [Number.NaN, Number.NaN, 0];
    let victim = null;
    const isOver = (event) =>
      who === "leader" ? event.type === "leader.changed" : event.type === "worker.lost" && event.worker === victim?.name;
    let changed = false;
    const { status, error } = await engine.run(plan, code, {
      params: { n: signal === "SIGSTOP" ? 900 : 400, ms: 10 },
      async onEvent(event) {
        if (isOver(event)) changed = true;
        if (event.type !== "tasks.finished") return;
        tasks += event.count;
        if (changed && Number.isNaN(tookMs)) tookMs = performance.now() - struckMs;
        if (tasks < 20 || victim) return;
        victim = { name: "" };
        const leader = await cluster.leader();
        victim = who === "leader" ? leader : cluster.others(leader)[0];
        struckMs = performance.now();
        victim.kill(signal);
      },
    });
    await engine[Symbol.asyncDispose]();
    if (status !== "ok" || Number.isNaN(tookMs)) throw new Error(`the run is wrong: ${status} ${error?.message ?? "nobody took over"}`);
    times.push(tookMs);
    await cluster.replace(victim);
  }
  const [p50, p99] = [percentile(times, 0.5), percentile(times, 0.99)];
  const how = signal === "SIGKILL" ? "killed" : "paused";
  return {
    ...{
      figure:
        who === "leader"
          ? `leader ${how} → first task of the next, p50 / p99 of ${KILLS}`
          : `worker ${how} → its tasks elsewhere, p50 / p99 of ${KILLS}`,
    },
    ...{
      command,
      floor: "-",
      ratio: null,
      goal: `p99 ${goal} s`,
      value: `${(p50 / 1000).toFixed(2)} / ${(p99 / 1000).toFixed(2)} s`,
      met: p99 <= goal * 1000,
    },
  };
}

async function withKills(cluster) {
  const made = await program("paced");
  const params = { n: 100_000, ms: 0.5 };
  const timed = async (kills) => {
    const engine = await natsEngine({ url: cluster.url });
    let [tasks, next] = [0, 1];
    const begin = performance.now();
    const { status, error } = await engine.run(made.plan, made.code, {
      params,
      async onEvent(event) {
        if (event.type !== "tasks.finished") return;
        tasks += event.count;
        if (next > kills || tasks < (next * params.n) / (kills + 1)) return;
        next++;
        const [victim] = cluster.others(await cluster.leader());
        victim.kill("SIGKILL");
        await cluster.replace(victim);
      },
    });
    await engine[Symbol.asyncDispose]();
    if (status !== "ok") throw new Error(`the run is wrong: ${status} ${error?.message ?? ""}`);
    return performance.now() - begin;
  };
  const [calm, struck] = [await timed(0), await timed(5)];
  return {
    ...{
      figure: "100,000 tasks of 0.5 ms with 5 workers killed, over none",
      command,
      goal: "1.15",
      ratio: struck / calm,
      met: struck / calm <= 1.15,
    },
    ...{ value: `${(struck / 1000).toFixed(1)} s`, floor: `${(calm / 1000).toFixed(1)} s` },
  };
}

/** What the next leader reads of a long run: in memory, without the server. */
async function replayed() {
  const { Reader, messagesOf, pack } = await journalModule();
  const rows = [];
  for (const [together, what] of [
    [250, "250 an entry"],
    [1, "one an entry"],
  ]) {
    const entries = Array.from({ length: 1_000_000 / together }, (_, i) => {
      const outputs = { kind: "column", column: { kind: "numbers", values: new Float64Array(together) } };
      return { type: "done", home: "0123456789abcdef", slot: 0, stage: 0, first: i * together, count: together, outputs };
    });
    const messages = [];
    for (let at = 0; at < entries.length; at += 1000)
      messages.push(...messagesOf({ type: "entries", entries: pack(entries.slice(at, at + 1000)) }, 1, 512 * 1024, () => "nonce"));
    const begin = performance.now();
    const reader = new Reader();
    for (const [seq, message] of messages.entries()) reader.read(seq + 1, message);
    const tookMs = performance.now() - begin;
    if (reader.past.tasks !== 1_000_000) throw new Error(`${reader.past.tasks} tasks were found`);
    rows.push({
      ...{ figure: `replay of 1,000,000 commits, ${what}`, command, floor: "-", ratio: null, goal: "1 s", met: tookMs <= 1000 },
      value: `${(tookMs / 1000).toFixed(2)} s`,
    });
  }
  return rows;
}

/** No door of the package leads to it. */
async function journalModule() {
  const folder = mkdtempSync(join(tmpdir(), "headrace-bench-"));
  const outfile = join(folder, "journal.mjs");
  const contents = ["journal", "records"]
    .map((name) => `export * from ${JSON.stringify(here(`../runtime/engines/nats/${name}.ts`))};`)
    .join("\n");
  await build({ stdin: { contents, resolveDir: here("..") }, bundle: true, format: "esm", platform: "node", outfile });
  const found = await import(outfile);
  rmSync(folder, { recursive: true });
  return found;
}

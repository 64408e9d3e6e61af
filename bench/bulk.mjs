// 64 MB from one worker's process to another's, every chunk verified: over a connection of their own, and over NATS beside a bare publisher that
// pushes the same bytes. Two processes of this machine; the one that pulls keeps the time.
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";
import { connect, headers } from "@nats-io/transport-node";
import { build } from "esbuild";
import { percentile } from "./floor.mjs";
import { startCluster } from "./nats.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const MB = 1024 * 1024;
const BYTES = 64 * MB;
const TURNS = Number(process.env.HEADRACE_BENCH_TURNS ?? 15);
const PART_BYTES = 512 * 1024;
const PUSHED = "bench.pushed";
const HASH = "Sha256";
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("base64");

/** No door of the package leads to it. */
async function bulkModule(folder) {
  const outfile = join(folder, "bulk.mjs");
  const banner = { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' };
  const shared = { bundle: true, format: "esm", platform: "node", logLevel: "error" };
  await build({ ...shared, entryPoints: [here("../runtime/engines/nats/bulk.ts")], banner, outfile });
  return outfile;
}

export async function measure() {
  const folder = mkdtempSync(join(tmpdir(), "headrace-bench-"));
  const cluster = await startCluster();
  const file = await bulkModule(folder);
  const holder = spawn(process.execPath, [here("bulk.mjs"), "--hold", file, cluster.url], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: holder.stdout })[Symbol.asyncIterator]();
  const said = async () => JSON.parse((await lines.next()).value);
  const { Bulk } = await import(pathToFileURL(file));
  const connection = await connect({ servers: cluster.url, noEcho: true });
  const bulk = await Bulk.start({ worker: "reader", connection, at: null, bytesOf: async () => null });
  try {
    const { address, digest } = await said();
    const direct = { ...address, direct: { ...address.direct, token: Uint8Array.from(address.direct.token) }, object: "large" };
    const fallback = { ...direct, direct: null };
    const pulled = async (source) => {
      const beginMs = performance.now();
      const got = await bulk.pull([source]);
      const ms = performance.now() - beginMs;
      if (got.how !== "whole") throw new Error(got.why ?? got.how);
      if (createHash("sha256").update(got.bytes).digest("hex") !== digest) throw new Error("other bytes came");
      got.release();
      if ((source.direct === null) !== (got.directBytes === 0)) throw new Error("it came another way");
      return BYTES / MB / (ms / 1000);
    };
    const gathered = new Uint8Array(BYTES);
    const pushed = async (isChecked) => {
      const beginMs = performance.now();
      let bytes = 0;
      await new Promise((resolve) => {
        const subscription = connection.subscribe(PUSHED, {
          callback: (_error, { data, headers }) => {
            if (isChecked) {
              if (sha256(data) !== headers.get(HASH)) throw new Error("other bytes came");
              gathered.set(data, bytes);
            }
            bytes += data.length;
            if (bytes < BYTES) return;
            subscription.unsubscribe();
            resolve();
          },
        });
        void connection.flush().then(() => holder.stdin.write(isChecked ? "checked\n" : "bare\n"));
      });
      return BYTES / MB / ((performance.now() - beginMs) / 1000);
    };
    const found = { direct: [], fallback: [], pushed: [], checked: [] };
    for (let turn = -2; turn < TURNS; turn++) {
      const rates = [await pulled(direct), await pulled(fallback), await pushed(false), await pushed(true)];
      // The first two are warming up.
      if (turn >= 0) for (const [at, name] of Object.keys(found).entries()) found[name].push(rates[at]);
    }
    const [far, near, bare, checked] = ["direct", "fallback", "pushed", "checked"].map((name) => percentile(found[name], 0.5));
    const spread = (all) => `${Math.min(...all).toFixed(0)} to ${Math.max(...all).toFixed(0)}`;
    const row = (figure, all, floor, ratio, goal, met) => ({
      ...{ figure, command: "node bench/run.mjs bulk", value: `${percentile(all, 0.5).toFixed(0)} MB/s (${spread(all)})` },
      ...{ floor, ratio, goal, met },
    });
    const push = `pushed over NATS by a bare client, unchecked and thrown away: ${bare.toFixed(0)} MB/s (${spread(found.pushed)})`;
    const like = `pushed likewise, each message hashed at both ends and gathered: ${checked.toFixed(0)} MB/s (${spread(found.checked)})`;
    return [
      row(
        "64 MB pulled between two workers' processes, straight, SHA-256 verified",
        found.direct,
        push,
        far / bare,
        "800 MB/s",
        far >= 800,
      ),
      row("the same over NATS, where there is no way", found.fallback, push, near / bare, "no slower than pushed", near >= bare),
      row("the same, beside what does as much", found.fallback, like, near / checked, "no slower than pushed", near >= checked),
    ];
  } finally {
    holder.kill("SIGKILL");
    bulk.close();
    await connection.close();
    await cluster.stop();
    rmSync(folder, { recursive: true });
  }
}

/** The process of the worker that holds it. */
async function hold(file, url) {
  const { Bulk } = await import(pathToFileURL(file));
  const connection = await connect({ servers: url, noEcho: true });
  const large = randomBytes(BYTES);
  const at = { listen: "127.0.0.1", host: "127.0.0.1" };
  const { address } = await Bulk.start({ worker: "holder", connection, at, bytesOf: async () => large });
  const { host, port, token } = address.direct;
  const told = { worker: "holder", direct: { host, port, token: [...token] } };
  process.stdout.write(`${JSON.stringify({ address: told, digest: createHash("sha256").update(large).digest("hex") })}\n`);
  for await (const line of createInterface({ input: process.stdin })) {
    for (let at = 0; at < BYTES; at += PART_BYTES) {
      const part = large.subarray(at, at + PART_BYTES);
      const told = headers();
      if (line === "checked") told.set(HASH, sha256(part));
      connection.publish(PUSHED, part, line === "checked" ? { headers: told } : {});
    }
    await connection.flush();
  }
}

if (process.argv[2] === "--hold") await hold(process.argv[3], process.argv[4]);

// Seconds an epoch of the network of examples/mlp (784-128-10, Adam, batches of 64, 8,000 digits): by PyTorch, by Ray Train, by Headrace with jax-js,
// and by Headrace with its own layers. `node bench/peers/mlp.mjs [PYTHON]`, a Python that has torch and ray[train]; without one, one is made
// in a temporary folder, which takes some gigabytes.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";
import { compile, localEngine } from "headrace/engine";
import { percentile } from "../floor.mjs";

const EPOCHS = 5;
const TURNS = 3;
const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "headrace-peers-"));
const engine = await localEngine({ slots: 2 });
try {
  const python = process.argv[2] ?? installed();
  const digits = join(folder, "digits.mjs");
  buildSync({ entryPoints: [path("../../examples/digits/digits.ts")], bundle: true, platform: "node", format: "esm", outfile: digits });
  const { loadDigits } = await import(digits);
  const rows = loadDigits().filter((_, i) => i % 5 < 4);
  const data = new Float32Array(rows.length * 785);
  rows.forEach(({ pixels, label }, i) => {
    data.set(pixels, i * 785);
    data[i * 785 + 784] = label;
  });
  const file = join(folder, "digits.f32");
  writeFileSync(file, data);
  const found = { two: [], one: [], byRay: [], whole: [], jax: [], average: [], allreduce: [], layers: [] };
  let versions;
  for (let turn = 0; turn < TURNS; turn++) {
    const said = execFileSync(python, [path("mlp.py"), file, String(EPOCHS)], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    const { torch, ray, ...seconds } = JSON.parse(said.trim().split("\n").at(-1));
    versions = { torch, ray };
    for (const [name, value] of Object.entries(seconds)) found[name].push(value);
    found.jax.push(await epochSeconds("../programs/jax.pipe"));
    found.average.push(await epochSeconds("../programs/jax.pipe", "average"));
    found.allreduce.push(await epochSeconds("../programs/jax.pipe", "allreduce"));
    found.layers.push(await epochSeconds("../../examples/layers/layers.pipe"));
  }
  const shown = (name) => (found[name].length === 0 ? "-" : `${percentile(found[name], 0.5).toFixed(3)} s`);
  const rowsOf = [
    [`PyTorch ${versions.torch}, two threads`, shown("two")],
    ["PyTorch, one thread", shown("one")],
    [`Ray Train ${versions.ray}, two workers (the whole \`fit()\`: ${shown("whole")})`, shown("byRay")],
    ["Headrace, jax-js, one slot", shown("jax")],
    ["Headrace, jax-js, `average(every: 8)` over two slots", shown("average")],
    ["Headrace, jax-js, `allreduce` over two slots", shown("allreduce")],
    ["Headrace, its own layers, one slot", shown("layers")],
  ];
  process.stdout.write(["| seconds an epoch | |", "|---|---|", ...rowsOf.map((row) => `| ${row.join(" | ")} |`), ""].join("\n"));
} finally {
  await engine[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
}

async function epochSeconds(file, schedule) {
  const { plan, code, diagnostics } = await compile(path(file), schedule ? { schedule } : {});
  if (!plan) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
  const ends = [];
  const { error } = await engine.run(plan, code, {
    params: { epochs: EPOCHS },
    onEvent: (event) => {
      if (event.type === "stage.progress") ends.push([event.done, event.atMs]);
    },
  });
  if (error) throw new Error(error.message);
  const [first, last] = [ends[0], ends.at(-1)];
  return (last[1] - first[1]) / (last[0] - first[0]) / 1000;
}

function installed() {
  const environment = join(folder, "python");
  execFileSync("python3", ["-m", "venv", environment]);
  const python = join(environment, "bin", "python");
  execFileSync(python, ["-m", "pip", "install", "--quiet", "torch", "ray[train]", "numpy"], { stdio: ["ignore", "ignore", "inherit"] });
  return python;
}

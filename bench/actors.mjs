// Calls of actors: as tasks of their own and by rows, and one after another, each needing the one before, beside a bare message to a
// thread and back.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compile, localEngine } from "headrace/engine";
import { percentile, threadRoundTrips } from "./floor.mjs";

const CALLS = 300_000;
const CHAIN = 1000;
const TURNS = 5;
const COMMAND = "node bench/run.mjs actors";

const CLASS = `export class Sum {
  #sum = 0;
  add(x: number): number { return (this.#sum += x); }
}
`;
const many = (blocks) => `import { actor Sum } from "./sum.ts"
pipeline many() -> int {
  let one = spawn(Sum())
  range(${CALLS}, blocks: ${blocks}) |> map(i => one.add(float(i))) |> count
}
`;
const chain = `import { actor Sum } from "./sum.ts"
pipeline chain() -> float {
  let one = spawn(Sum())
  let x0 = one.add(1.0)
${Array.from({ length: CHAIN }, (_, i) => `  let x${i + 1} = one.add(x${i} * 0.0 + 1.0)`).join("\n")}
  x${CHAIN}
}
`;
const loop = `import { actor Sum } from "./sum.ts"
pipeline around() -> float {
  let one = spawn(Sum())
  loop x = 0.0 until x >= ${CALLS}.0 max ${CALLS + 1} { x <- one.add(x * 0.0 + 1.0) }
}
`;

export async function measure() {
  const folder = mkdtempSync(join(tmpdir(), "headrace-bench-"));
  const engine = await localEngine({ slots: 2 });
  writeFileSync(join(folder, "sum.ts"), CLASS);
  const compiled = async (name, text) => {
    writeFileSync(join(folder, `${name}.pipe`), text);
    const { plan, code, diagnostics } = await compile(join(folder, `${name}.pipe`), { root: folder });
    if (!plan) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
    return { plan, code };
  };
  /** Milliseconds between the first call and the last, with what stands between. */
  const callsMs = async ({ plan, code }, wanted) => {
    let first = Infinity;
    let last = 0;
    const { outputs, error } = await engine.run(plan, code, {
      onEvent: (event) => {
        if (event.type !== "tasks.finished" || event.stage === "one") return;
        first = Math.min(first, event.startMs);
        last = Math.max(last, event.atMs);
      },
    });
    if (error) throw new Error(error.message);
    if (outputs.result !== wanted) throw new Error(`the run is wrong: ${outputs.result}`);
    return last - first;
  };
  try {
    const programs = {
      tasks: await compiled("many", many(CALLS)),
      rows: await compiled("many", many(1024)),
      chain: await compiled("chain", chain),
      around: await compiled("around", loop),
    };
    const times = { tasks: [], rows: [], chain: [], around: [] };
    const floors = [];
    for (let turn = 0; turn < TURNS; turn++) {
      floors.push(...(await threadRoundTrips(CHAIN)));
      times.tasks.push((await callsMs(programs.tasks, CALLS)) / CALLS);
      times.rows.push((await callsMs(programs.rows, CALLS)) / CALLS);
      times.chain.push((await callsMs(programs.chain, CHAIN + 1)) / (CHAIN + 1));
      times.around.push((await callsMs(programs.around, CALLS)) / CALLS);
    }
    const floor = percentile(floors, 0.5);
    const ms = (name) => percentile(times[name], 0.5);
    const second = (name) => Math.round(1000 / ms(name));
    const pipelined = (figure, name) => ({
      ...{ figure, command: COMMAND, value: `${second(name).toLocaleString("en")} calls/s`, floor: "-" },
      ...{ ratio: second(name) / 300_000, goal: "300,000/s", met: second(name) >= 300_000 },
    });
    const oneByOne = (figure, name) => ({
      ...{ figure, command: COMMAND, value: `${(ms(name) * 1000).toFixed(2)} µs a call` },
      floor: `bare thread round trip: ${(floor * 1000).toFixed(0)} µs`,
      ...{ ratio: floor / ms(name), goal: "0.6 of its speed", met: floor / ms(name) >= 0.6 },
    });
    return [
      pipelined("actor calls, pipelined, each a task of its own", "tasks"),
      pipelined("actor calls, pipelined, by rows in 1,024 blocks", "rows"),
      oneByOne("actor calls one at a time, each a stage of its own", "chain"),
      oneByOne("actor calls one at a time in a `loop`, which runs where the actor lives", "around"),
    ];
  } finally {
    await engine[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  }
}

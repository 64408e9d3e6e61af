// 100 MB from a stage on one slot to a stage on the other: from the moment the first has finished to the moment the second has read
// a thousand places of it, against copying the same bytes once.
import { percentile } from "./floor.mjs";
import { withProgram } from "./program.mjs";

const MEGABYTES = 100;
const RUNS = 25;

export const measure = () => withProgram("tensor", measured);

async function measured(engine, plan, code) {
  const times = [];
  const copies = [];
  for (let i = 0; i < RUNS; i++) {
    let made = null;
    const read = [];
    const { status, outputs, error } = await engine.run(plan, code, {
      params: { megabytes: MEGABYTES },
      onEvent(event) {
        if (event.type !== "tasks.finished") return;
        if (event.stage === "big") made = event;
        else if (event.stage.startsWith("read")) read.push(event);
      },
    });
    if (status !== "ok" || outputs.result[0] !== 1000)
      throw new Error(`the run is wrong: ${status} ${outputs.result} ${error?.message ?? ""}`);
    const other = read.find(({ slot }) => slot !== made.slot);
    if (other && i > 0) times.push(other.atMs - made.atMs);
    copies.push(copyMs());
  }
  if (times.length < RUNS / 2) throw new Error(`only ${times.length} of ${RUNS} runs had a reader on the other slot`);
  const ms = percentile(times, 0.5);
  const copy = percentile(copies, 0.5);
  return [
    {
      figure: `${MEGABYTES} MB from a stage on one slot to a stage on another, 1,000 sampled reads, p50`,
      command: "node bench/run.mjs tensor",
      value: `${ms.toFixed(2)} ms`,
      floor: `one copy of the same bytes: ${copy.toFixed(1)} ms`,
      ratio: ms / copy,
      goal: "under 2 ms",
      met: ms < 2,
    },
  ];
}

const from = new Uint8Array(MEGABYTES * 1e6).fill(1);
const to = new Uint8Array(MEGABYTES * 1e6).fill(2);
function copyMs() {
  const begin = performance.now();
  to.set(from);
  return performance.now() - begin;
}

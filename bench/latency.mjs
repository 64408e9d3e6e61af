// One task, from submitting its plan to a warm engine to having its result, against a bare message to a thread and back.
import { percentile, threadRoundTrips } from "./floor.mjs";
import { withProgram } from "./program.mjs";

const TURNS = 10;
const RUNS = 400;
const WARM = 50;

export const measure = () => withProgram("one", measured);

async function measured(engine, plan, code) {
  // In turns, so that both meet the same machine.
  const floors = [];
  const times = [];
  for (let turn = 0; turn < TURNS; turn++) {
    floors.push(...(await threadRoundTrips(RUNS)));
    for (let i = 0; i < RUNS + WARM; i++) {
      const begin = performance.now();
      const { outputs } = await engine.run(plan, code, { params: { x: i } });
      const ms = performance.now() - begin;
      if (outputs.result !== i) throw new Error(`the run is wrong: ${outputs.result}`);
      if (i >= WARM) times.push(ms);
    }
  }
  const floor = percentile(floors, 0.5);
  const ms = percentile(times, 0.5);
  return [
    {
      figure: "one task, submit to result, p50",
      command: "node bench/run.mjs latency",
      value: `${(ms * 1000).toFixed(0)} µs (p99 ${(percentile(times, 0.99) * 1000).toFixed(0)} µs)`,
      floor: `bare thread round trip: ${(floor * 1000).toFixed(0)} µs`,
      ratio: ms / floor,
      goal: "3 × the floor",
      met: ms / floor <= 3,
    },
  ];
}

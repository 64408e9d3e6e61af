// A million separately scheduled tasks of one row each, results read back and summed, against a bare DAG loop over two threads.
import { bareTasks, percentile } from "./floor.mjs";
import { withProgram } from "./program.mjs";

const TASKS = 1_000_000;
const ROUNDS = 8;

export const measure = async () => [...(await withProgram("tasks", measured)), ...(await withProgram("chains", chained))];

/** As many tasks in chains of four, each of which waits for the one before. */
async function chained(engine, plan, code) {
  const rates = [];
  for (let round = 0; round < ROUNDS; round++) {
    const begin = performance.now();
    const { status, outputs, error } = await engine.run(plan, code, { params: { n: TASKS / 4 } });
    rates.push(TASKS / ((performance.now() - begin) / 1000));
    if (status !== "ok" || outputs.d.length !== TASKS / 4) throw new Error(`the run is wrong: ${status} ${error?.message ?? ""}`);
  }
  const rate = percentile(rates.slice(1), 0.5);
  const floor = await bareTasks(TASKS);
  return [
    {
      figure: "the same in chains of four, results of all links read back",
      command: "node bench/run.mjs tasks",
      value: `${Math.round(rate).toLocaleString("en")} a second`,
      floor: `bare DAG loop over two threads, without chains: ${Math.round(floor).toLocaleString("en")} a second`,
      ratio: rate / floor,
      goal: "500,000 a second",
      met: rate >= 500_000,
    },
  ];
}

async function measured(engine, plan, code) {
  const rates = [];
  const floors = [];
  const shares = [];
  for (let round = 0; round < ROUNDS; round++) {
    floors.push(await bareTasks(TASKS));
    const bySlot = [0, 0];
    let events = 0;
    const begin = performance.now();
    const { status, outputs, error } = await engine.run(plan, code, {
      params: { n: TASKS },
      onEvent(event) {
        events++;
        if (event.type === "tasks.finished") bySlot[event.slot] += event.count;
      },
    });
    const rows = outputs.result;
    let sum = 0;
    for (const row of rows ?? []) sum += row;
    rates.push(TASKS / ((performance.now() - begin) / 1000));
    if (status !== "ok" || sum !== (TASKS * (TASKS - 1)) / 2 || events === 0)
      throw new Error(`the run is wrong: ${status} ${sum} ${error?.message ?? ""}`);
    if (round > 0) shares.push(Math.min(...bySlot) / TASKS);
  }
  // The first round warms the code up, here and in the floor.
  const rate = percentile(rates.slice(1), 0.5);
  const floor = percentile(floors.slice(1), 0.5);
  const share = percentile(shares, 0.5);
  const command = "node bench/run.mjs tasks";
  return [
    {
      figure: "separately scheduled no-op tasks (1,000,000 of one row each, read back and summed)",
      command,
      value: `${Math.round(rate).toLocaleString("en")} a second`,
      floor: `bare DAG loop over two threads: ${Math.round(floor).toLocaleString("en")} a second`,
      ratio: rate / floor,
      goal: "500,000 a second and 0.3 of the floor",
      met: rate >= 500_000 && rate / floor >= 0.3,
    },
    {
      figure: "share of those tasks on the slot that had fewer, median of the rounds",
      command,
      value: `${(share * 100).toFixed(1)} % (least ${(Math.min(...shares) * 100).toFixed(1)} %)`,
      floor: "even: 50 %",
      ratio: share / 0.5,
      goal: "40 %",
      met: share >= 0.4,
    },
  ];
}

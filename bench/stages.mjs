// Plans of many stages of one task each: what the schedule costs a task, in a plan of 100,000 stages beside one of 1,000.

import { fileURLToPath } from "node:url";
import { compile, localEngine } from "headrace/engine";
import { percentile } from "./floor.mjs";

const FEW = 1000;
const MANY = 100_000;
const WIDTH = 100;
const ROUNDS = 5;

/** A compiled program's plan, its one stage stamped out into chains that stand side by side, each link reading the one before. */
export function stamped(plan, count, width = WIDTH) {
  const [first, link] = plan.stages;
  const stages = Array.from({ length: count }, (_, i) =>
    i < width
      ? { ...first, id: `s${i}`, name: `s${i}` }
      : {
          ...link,
          id: `s${i}`,
          name: `s${i}`,
          inputs: link.inputs.map((input) => ("stage" in input ? { ...input, stage: i - width } : input)),
        },
  );
  const [output] = plan.outputs;
  return { ...plan, hash: "", stages, outputs: [{ ...output, from: { ...output.from, stage: count - 1 } }] };
}

export async function measure() {
  const { plan, code } = await compile(fileURLToPath(new URL("programs/links.pipe", import.meta.url)));
  const engine = await localEngine({ slots: 2 });
  const spent = async (count) => {
    const large = stamped(plan, count);
    const times = [];
    for (let round = 0; round < ROUNDS; round++) {
      const begin = performance.now();
      const { status, error } = await engine.run(large, code, {});
      times.push(((performance.now() - begin) * 1000) / count);
      if (status !== "ok") throw new Error(error?.message);
    }
    return percentile(times.slice(1), 0.5);
  };
  try {
    await spent(FEW);
    const few = await spent(FEW);
    const many = await spent(MANY);
    return [
      {
        figure: "schedule of a task in a plan of 100,000 stages",
        command: "node bench/run.mjs stages",
        value: `${many.toFixed(1)} µs`,
        floor: `in one of 1,000: ${few.toFixed(1)} µs`,
        ratio: many / few,
        goal: "1.3 × the smaller",
        met: many / few <= 1.3,
      },
    ];
  } finally {
    await engine[Symbol.asyncDispose]();
  }
}

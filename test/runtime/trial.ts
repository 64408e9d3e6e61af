// One seed of the simulation: a random plan, random losses, and what earlier runs left. Throws where anything is wrong. The same seed does the
// same on every machine.
import fc from "fast-check";
import type { Plan } from "../../compiler/plan.ts";
import type { Settings } from "../../runtime/core/model.ts";
import type { Shape } from "./plans.ts";
import { block, blocks, planOf, value } from "./plans.ts";
import { randomPlan } from "./random-plans.ts";
import type { Simulated } from "./simulated.ts";
import { simulate } from "./simulated.ts";

/** A plan of layers: sources, row-wise stages over them, gatherers, in a random web. */
const webs = fc.array(fc.tuple(fc.nat(3), fc.nat(99), fc.nat(99)), { minLength: 1, maxLength: 9, size: "max" }).map((dice): Plan => {
  const made: Shape[] = [];
  const inBlocks: number[] = [];
  const values: number[] = [];
  dice.forEach(([kind, a, b], index) => {
    const id = `s${index}`;
    const source = inBlocks[a % Math.max(1, inBlocks.length)];
    const read = values[b % Math.max(1, values.length)];
    const more = read === undefined ? [] : [value(read)];
    if (kind === 0 || source === undefined) {
      made.push({ id, output: "blocks", reads: more });
      inBlocks.push(index);
    } else if (kind === 1) {
      made.push({ id, tasks: { perBlock: source }, reads: [block(source), ...more], output: "block" });
      inBlocks.push(index);
    } else if (kind === 2) {
      made.push({ id, reads: [blocks(source), ...more] });
      values.push(index);
    } else {
      made.push({ id, tasks: a % 5 === 0 ? 60 : (a % 7) + 2, reads: more, slots: b % 3 === 0 ? 1 : null, output: "block" });
      inBlocks.push(index);
    }
  });
  const results = made.map((_, index) => index).filter((index) => index % 2 === 0 || index === made.length - 1);
  return planOf(made, results);
});
/** Regions in each other. */
const programs = fc.array(fc.nat(999), { minLength: 40, maxLength: 120 }).map(randomPlan);
const losses = fc.array(fc.nat(999), { minLength: 400, maxLength: 400 });
// Unbiased: a bias for small numbers is one for losses.
const trials = fc.noBias(fc.tuple(fc.oneof(webs, programs), losses));

/** Blocks in blocks in blocks, each over many items, would take minutes, and tell nothing more. */
const MOST_TURNS = 3000;
const SETTINGS: Partial<Settings> = { instances: 2, instancesPerSlot: 1 };

export interface Trial {
  readonly calm: Simulated;
  readonly run: Simulated;
}

/** A plan and numbers to go wrong by. Null: a plan that is left out. */
export function randomTrial(seed: number): { readonly plan: Plan; readonly dice: readonly number[]; readonly calm: Simulated } | null {
  const [[plan, dice]] = fc.sample(trials, { seed, numRuns: 1 }) as [[Plan, number[]]];
  const calm = simulate({ plan, dice: [], settings: SETTINGS, turns: MOST_TURNS });
  return calm.ended === null ? null : { plan, dice, calm };
}

/** Null: a plan that is left out. */
export function trial(seed: number): Trial | null {
  const random = randomTrial(seed);
  if (!random) return null;
  const { plan, dice, calm } = random;
  const kind = seed % 4;
  // One in four begins with what an earlier run left, in another one far more is lost, and in a third slots are few and batches large.
  const before = kind === 0 ? { before: calm.left } : {};
  const storm = kind === 1 ? dice.map((one) => (one < 400 ? one % 125 : one)) : dice;
  const few = kind === 2 ? { mostWorkers: 2, settings: { ...SETTINGS, creditMs: 300 } } : { settings: SETTINGS };
  const run = simulate({ plan, dice: storm, ...few, ...before });
  for (const { ended } of [calm, run])
    if (ended?.type !== "end" || ended.outcome.status !== "ok") throw new Error(`seed ${seed} ended with ${JSON.stringify(ended)}`);
  if (JSON.stringify(run.results) !== JSON.stringify(calm.results))
    throw new Error(`seed ${seed} gave ${JSON.stringify(run.results)}, and without losses ${JSON.stringify(calm.results)}`);
  return { calm, run };
}

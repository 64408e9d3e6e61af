// Random plans, random losses: every run ends with every result, the one that it has when nothing goes wrong, and never breaks an
// invariant. A seed that fails is printed by fast-check and replays exactly.
import fc from "fast-check";
import { expect, it } from "vitest";
import type { Plan } from "../../compiler/plan.ts";
import type { Settings } from "../../runtime/core/model.ts";
import type { Shape } from "./plans.ts";
import { block, blocks, planOf, value } from "./plans.ts";
import { randomPlan } from "./random-plans.ts";
import { simulate } from "./simulated.ts";

/** A plan of layers: sources, row-wise stages over them, gatherers, in a random web. */
const shapes = fc.array(fc.tuple(fc.nat(3), fc.nat(99), fc.nat(99)), { minLength: 1, maxLength: 9 }).map((dice): Shape[] => {
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
      made.push({ id, tasks: (a % 7) + 2, reads: more, slots: b % 3 === 0 ? 1 : null, output: "block" });
      inBlocks.push(index);
    }
  });
  return made;
});

const programs = fc.array(fc.nat(999), { minLength: 40, maxLength: 120 }).map(randomPlan);
const losses = fc.array(fc.nat(999), { minLength: 400, maxLength: 400 });

it("every run ends, whatever is lost", () => {
  let givenBack = 0;
  let doubled = 0;
  fc.assert(
    fc.property(shapes, losses, (made, dice) => {
      const plan = planOf(
        made,
        made.map((_, index) => index).filter((index) => index % 2 === 0 || index === made.length - 1),
      );
      const run = simulate({ plan, dice });
      expect(run.ended).toEqual({ type: "end", outcome: { status: "ok" } });
      expect(run.results).toEqual(simulate({ plan, dice: [] }).results);
      givenBack += run.givenBack;
      doubled += run.doubled;
    }),
    { numRuns: 300 },
  );
  expect(givenBack).toBeGreaterThan(0);
  expect(doubled).toBeGreaterThan(0);
}, 120_000);

const MOST_TURNS = 3000;

/** Runs again with a part of what an earlier run left, some of which isn't there after all. */
function again(plan: Plan, dice: readonly number[], settings: Partial<Settings> = {}): number {
  const calm = simulate({ plan, dice: [], settings, turns: MOST_TURNS });
  fc.pre(calm.ended !== null);
  const run = simulate({ plan, dice, before: calm.left, settings });
  expect(run.ended).toEqual({ type: "end", outcome: { status: "ok" } });
  expect(run.results).toEqual(calm.results);
  return run.restored;
}

it("what an earlier run left is used, and made again where it is lost", () => {
  let restored = 0;
  fc.assert(
    fc.property(shapes, losses, (made, dice) => {
      const last = made.length - 1;
      restored += again(
        planOf(
          made,
          made.map((_, index) => index).filter((index) => index % 2 === 0 || index === last),
        ),
        dice,
      );
    }),
    { numRuns: 300 },
  );
  fc.assert(
    fc.property(programs, losses, (plan, dice) => {
      restored += again(plan, dice, { instances: 2, instancesPerSlot: 1 });
    }),
    { numRuns: 100 },
  );
  expect(restored).toBeGreaterThan(1000);
}, 120_000);

it("regions in each other come to life, are lost and are made again, and give what they give when nothing is lost", () => {
  let instances = 0;
  let doubled = 0;
  fc.assert(
    fc.property(programs, losses, (plan, dice) => {
      const calm = simulate({ plan, dice: [], settings: { instances: 2, instancesPerSlot: 1 }, turns: MOST_TURNS });
      // Blocks in blocks in blocks, each over many items, would take minutes, and tell nothing more.
      fc.pre(calm.ended !== null);
      expect(calm.ended).toEqual({ type: "end", outcome: { status: "ok" } });
      const run = simulate({ plan, dice, settings: { instances: 2, instancesPerSlot: 1 } });
      expect(run.ended).toEqual({ type: "end", outcome: { status: "ok" } });
      expect(run.results).toEqual(calm.results);
      doubled += run.doubled;
      instances += run.state.stages.length - plan.stages.length;
    }),
    { numRuns: 150 },
  );
  expect(instances).toBeGreaterThan(0);
  expect(doubled).toBeGreaterThan(0);
}, 300_000);

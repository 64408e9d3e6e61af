// Random graphs, random losses, a virtual clock: every run ends with every result, and never breaks an invariant. A seed that fails
// is printed by fast-check and replays exactly.
import fc from "fast-check";
import { expect, it } from "vitest";
import { checkInvariants } from "../../runtime/core/invariants.ts";
import type { Command, CoreEvent } from "../../runtime/core/model.ts";
import { createState } from "../../runtime/core/state.ts";
import { step } from "../../runtime/core/step.ts";
import type { Shape } from "./plans.ts";
import { block, blocks, planOf, value } from "./plans.ts";

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

it("every run ends, whatever is lost", () => {
  let givenBack = 0;
  fc.assert(
    fc.property(shapes, fc.array(fc.nat(999), { minLength: 400, maxLength: 400 }), (made, dice) => {
      const results = made.map((_, index) => index).filter((index) => index % 2 === 0 || index === made.length - 1);
      const state = createState({
        plan: planOf(made, results),
        params: {},
        settings: { transientRetries: 50, maxDeaths: 1000, recallMs: 0 },
      });
      let at = 0;
      // The dice run out: from then on nothing goes wrong.
      const roll = () => dice[at++] ?? 999;
      let nextWorker = 0;
      let ended: Command | null = null;
      const inbox: CoreEvent[] = [];
      const running: (Command & { type: "assign" })[] = [];
      const recalls: (Command & { type: "recall" })[] = [];
      // What is lost takes along what it would have said.
      const lose = (worker: number, slot?: number) => {
        for (const sent of [running, recalls])
          for (let i = sent.length - 1; i >= 0; i--)
            if (sent[i]!.worker === worker && (slot === undefined || sent[i]!.slot === slot)) sent.splice(i, 1);
      };
      const say = (event: CoreEvent) => {
        for (const command of step(state, event)) {
          if (command.type === "assign") running.push(command);
          else if (command.type === "collect") inbox.push({ type: "collected" });
          else if (command.type === "delay")
            inbox.push({ type: "delayOver", stage: command.stage, block: command.block, attempt: command.attempt });
          else if (command.type === "recall") recalls.push(command);
          else if (command.type === "end") ended = command;
        }
        checkInvariants(state);
      };
      const join = () => say({ type: "workerJoined", worker: nextWorker++, slots: 1 + (roll() % 3) });
      join();
      join();
      say({ type: "begin" });
      for (let turn = 0; turn < 5000 && !ended; turn++) {
        const luck = roll();
        const alive = [...state.workers.keys()];
        if (luck < 25 && alive.length > 0) {
          const worker = alive[luck % alive.length]!;
          lose(worker);
          say({ type: "workerLost", worker, cause: "lost" });
        } else if (luck < 60 || alive.length === 0) join();
        else if (luck < 90 && running.length > 0) {
          const { worker, slot } = running[luck % running.length]!;
          lose(worker, slot);
          say({ type: "slotLost", worker, slot, blame: luck % 2 ? "death" : "none", cause: "slot", jitter: 0.5 });
        } else if (recalls.length > 0 && luck % 3 === 0) {
          const recalled = giveBack(running, recalls.shift()!);
          if (recalled.count > 0) givenBack++;
          say(recalled);
        } else if (inbox.length > 0 && luck % 2 === 0) say(inbox.shift()!);
        else if (running.length > 0) {
          // The first batch of some slot says something.
          const first = running.filter(
            (one, i) => running.findIndex((other) => other.worker === one.worker && other.slot === one.slot) === i,
          );
          const one = first[luck % first.length]!;
          const { worker, slot, stage, attempt } = one;
          if (luck > 90 && luck < 130) {
            say({ type: "failed", worker, slot, stage, block: one.first, attempt, transient: true, cause: "no", jitter: 0.5 });
            advance(running, one, 1);
          } else if (luck < 150) {
            say({ type: "inputMissing", worker, slot, stage, block: one.first, attempt });
            advance(running, one, 1);
          } else {
            const count = 1 + (luck % one.count);
            const output = made[stage]!.output;
            say({
              type: "finished",
              worker,
              slot,
              stage,
              first: one.first,
              count,
              attempt,
              runMs: luck / 100,
              held: luck % 3 === 0 ? "engine" : "worker",
              ...(output === "blocks" ? { blocks: (stage * 3) % 8 } : {}),
            });
            advance(running, one, count);
          }
        } else if (recalls.length > 0) say(giveBack(running, recalls.shift()!));
        else if (inbox.length > 0) say(inbox.shift()!);
      }
      expect(ended).toEqual({ type: "end", outcome: { status: "ok" } });
      for (const index of results) {
        const { output } = state.stages[index]!;
        expect(output.every((one) => one === 1)).toBe(true);
      }
    }),
    { numRuns: 500 },
  );
  expect(givenBack).toBeGreaterThan(0);
}, 120_000);

function advance(running: (Command & { type: "assign" })[], one: Command & { type: "assign" }, count: number): void {
  const at = running.indexOf(one);
  if (at < 0) return;
  if (count >= one.count) running.splice(at, 1);
  else running[at] = { ...one, first: one.first + count, count: one.count - count };
}

/** A slot's answer: the end of the batch, as far as it hasn't begun. The first task of the slot's first batch runs. */
function giveBack(
  running: (Command & { type: "assign" })[],
  { worker, slot, stage, first, count, attempt }: Command & { type: "recall" },
): CoreEvent & { type: "recalled" } {
  const queue = running.filter((one) => one.worker === worker && one.slot === slot);
  const one = queue.find((batch) => batch.stage === stage && batch.attempt === attempt && batch.first + batch.count === first + count);
  const from = one ? Math.min(Math.max(first, one.first + (one === queue[0] ? 1 : 0)), first + count) : first + count;
  const back = first + count - from;
  if (one && back > 0) {
    const at = running.indexOf(one);
    if (back === one.count) running.splice(at, 1);
    else running[at] = { ...one, count: one.count - back };
  }
  return { type: "recalled", worker, slot, stage, first: from, count: back, attempt };
}

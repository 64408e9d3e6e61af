// A second copy of tasks that take far longer than their like, on a slot that has nothing else to do; whoever is done first commits. The
// copy is a shadow: the task belongs to the batch that had it first, and nothing but that batch's answer or loss changes its state,
// except that the shadow may be the one to commit it. Must not know what the tasks compute.
import type { Batch, Slot, Stage, State } from "./model.ts";
import { Sent } from "./model.ts";

/** Durations of a stage's tasks that its median is taken of. */
const RECENT = 31;

/** Notes how long a task of a stage took. */
export function remember({ template, tasks, instance }: Stage, ms: number): void {
  if (tasks < 2 && !instance) return;
  const { recentMs } = template;
  if (recentMs.length >= RECENT) recentMs.shift();
  recentMs.push(ms);
}

/** What of a batch's blocks nobody else has committed or been given, in runs. */
export function fresh(stage: Stage, batch: Batch, first: number, last: number): readonly (readonly [first: number, last: number])[] {
  if (!batch.doubled && batch.rank === null) return [[first, last]];
  const runs: [number, number][] = [];
  for (let block = first; block < last; block++) {
    if (!isTheirs(stage, batch, block)) continue;
    const run = runs.at(-1);
    if (run?.[1] === block) run[1]++;
    else runs.push([block, block + 1]);
  }
  return runs;
}

/** Whether a task is still what a batch was sent it as. */
export const isTheirs = ({ state, attempt }: Stage, batch: Batch, block: number) =>
  state[block] === Sent && attempt[block] === batch.attempt;

export interface Straggler {
  readonly slot: Slot;
  readonly batch: Batch;
  readonly stage: Stage;
}

/**
 * Of the tasks that have run for too long by now, those of the slot that has been at one the longest. Looks at each slot, and notes since when it has
 * been at what it is at.
 */
export function straggler(state: State, nowMs: number): Straggler | null {
  let worst: Straggler | null = null;
  let worstMs = 0;
  for (const { slots } of state.workers.values()) {
    for (const slot of slots) {
      const batch = slot.queue[0];
      if (!batch) continue;
      if (slot.at?.batch !== batch || slot.at.next !== batch.next) slot.at = { batch, next: batch.next, sinceMs: nowMs };
      const spentMs = nowMs - slot.at.sinceMs;
      const stage = state.stages[batch.stage]!;
      if (spentMs <= worstMs || batch.doubled || batch.rank !== null || spentMs < limitMs(state, stage)) continue;
      if (!hasInputs(stage, batch)) continue;
      worst = { slot, batch, stage };
      worstMs = spentMs;
    }
  }
  return worst;
}

/** What was there when a batch was sent may have been lost since; its slot has it, another wouldn't. */
function hasInputs({ gate, missing }: Stage, { next, end }: Batch): boolean {
  for (let block = next; block < end; block++) if (missing[block]! > 0) return false;
  return gate === 0;
}

/** How long a task may take before a second copy is worth its while; without limit where it can't have one. */
function limitMs({ settings, stages, mayDouble, plan }: State, stage: Stage): number {
  const { template, instance, control, cutsList, tasks, pending } = stage;
  if (control || cutsList || plan.stages[template.index]!.within || stage.deaths.size > 0) return Infinity;
  // What stands in regions inside others goes with them.
  if (instance && (instance.around || stages[instance.owner]!.control?.kind !== "each")) return Infinity;
  const owner = tasks === 1 && instance ? stages[instance.owner]! : null;
  const [all, left] = owner ? [owner.tasks, owner.pending] : [tasks, pending];
  if (all < settings.speculateFrom || left > all * (1 - settings.speculateAt) || template.recentMs.length === 0) return Infinity;
  if (template.spawns || template.asks || !mayDouble(template.index)) return Infinity;
  return Math.max(settings.speculateAfterMs, settings.speculateFactor * median(template.recentMs));
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}

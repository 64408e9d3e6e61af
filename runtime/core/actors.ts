// Where actors live, and so where whoever asks them has to run. An actor is what a task of a stage with `spawns` made: it stays in the slot
// that made it, and goes with that. Must not know what is asked.
import type { Slot, Stage, State, Worker } from "./model.ts";
import { Committed, Ready, Sent } from "./model.ts";

/** The stage whose actors a stage asks. */
export function askedBy(state: State, { template, producers }: Stage): Stage | null {
  return template.asks ? state.stages[producers[template.asks.input]!]! : null;
}

/** Whether a worker gets tasks of a stage: for actors that live there it does until they are asked no more. */
export const takes = ({ isLeaving, labels }: Worker, { template: { asks, label } }: Stage): boolean =>
  asks !== null || (!isLeaving && (label === null || labels.has(label)));

/** They begin to live there. */
export function seat(slot: Slot, stage: Stage, first: number, last: number): void {
  const blocks = slot.actors.get(stage.index) ?? new Set<number>();
  for (let block = first; block < last; block++) blocks.add(block);
  slot.actors.set(stage.index, blocks);
}

/** Nobody asks it any more. */
export function unseat(state: State, stage: Stage, block: number): void {
  for (const { slots } of state.workers.values())
    for (const { actors } of slots) {
      const here = actors.get(stage.index);
      if (here?.delete(block) && here.size === 0) actors.delete(stage.index);
    }
}

/** Actors live as evenly spread as can be, on as many slots as the schedule lets the stage have. */
export function maySpawn(state: State, stage: Stage, slot: Slot): boolean {
  const { strategy } = state.plan.stages[stage.template.index]!;
  const most = strategy.kind === "data" ? (strategy.slots ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY;
  const open: Slot[] = [];
  for (const worker of state.workers.values()) if (!worker.alone && takes(worker, stage)) open.push(...worker.slots);
  const hosts = (one: Slot) => one.actors.has(stage.index) || one.queue.some((batch) => batch.stage === stage.index);
  const allowed = open.filter(hosts).length < most ? open : open.filter(hosts);
  return allowed.includes(slot) && allowed.every((other) => inhabitants(state, slot) <= inhabitants(state, other));
}

/** With those on their way. */
function inhabitants(state: State, { actors, queue }: Slot): number {
  let found = 0;
  for (const blocks of actors.values()) found += blocks.size;
  for (const { stage, next, end } of queue) if (state.stages[stage]!.template.spawns) found += end - next;
  return found;
}

/** Whether what a ready task of the stage asks lives in that slot. */
export function livesHere(state: State, stage: Stage, slot: Slot): boolean {
  const asked = askedBy(state, stage)!;
  const here = slot.actors.get(asked.index);
  if (!here) return false;
  if (stage.template.asks!.which !== "each") return true;
  for (const block of here) if (stage.state[block] === Ready) return true;
  return false;
}

/** The slot where the actor that a task asks lives; null where any of a pool may be asked. */
export function homeOf(state: State, stage: Stage, block: number): Slot | null {
  const asked = askedBy(state, stage);
  if (!asked || stage.template.asks!.which === "free") return null;
  const wanted = stage.template.asks!.which === "each" ? block : 0;
  for (const { slots } of state.workers.values()) for (const slot of slots) if (slot.actors.get(asked.index)?.has(wanted)) return slot;
  return null;
}

/** The place in the queue of ready tasks, and the block there, that the slot may have next; null where there is none. */
export function nextCall(state: State, stage: Stage, slot: Slot): { readonly place: number; readonly first: number } | null {
  const { ready, template, state: column } = stage;
  const { which, reads } = template.asks!;
  const here = which === "each" ? slot.actors.get(askedBy(state, stage)!.index) : undefined;
  for (let place = 0; place < ready.length; place++) {
    for (let first = ready.first(place); first < ready.end(place); first++) {
      if (column[first] !== Ready) continue;
      if (which === "each" ? here?.has(first) : which === "free" || reads || isNext(column, first)) return { place, first };
      if (which === "one") break;
    }
  }
  return null;
}

/** Whether a call is the next that its actor may be asked. */
export const isInTurn = ({ template: { asks }, state: column }: Stage, block: number): boolean =>
  asks?.which !== "one" || asks.reads || isNext(column, block);

/** One actor is asked in the order of the blocks: those before have been sent to it, if they aren't done. */
const isNext = (column: Uint8Array, block: number): boolean => block === 0 || column[block - 1] === Committed || column[block - 1] === Sent;

// A run goes on under another leader: what slots have in hand is theirs as before, so that nothing that is under way is done twice. Must not
// know how it is found out.

import { breakIncomplete } from "./gangs.ts";
import type { Adopted, Batch, Command, Slot, Stage, State } from "./model.ts";
import { Committed, Ready, Sent, Waiting } from "./model.ts";
import { queueUp } from "./placing.ts";
import { expand, keyText, settle } from "./regions.ts";
import { started } from "./tasks.ts";
import { move } from "./transitions.ts";

/** To be called when what earlier leaders left has been committed, and before anything is handed out. */
export function adopt(state: State, adopted: readonly Adopted[], commands: Command[]): void {
  settle(state, commands);
  // Items that were under way have an instance again, and so have those whose instance is done and whose task isn't.
  while (adopted.some((one) => isToCome(state, one)) && expand(state, commands));
  const strangers = new Set<number>();
  for (const one of adopted) {
    const stage = known(state, one);
    const slot = state.workers.get(one.worker)?.slots[one.slot];
    // Of an instance that nobody needs any more: the slot says that it is done, and nobody minds.
    if (!stage && state.wasDone(one.stage, one.first, one.end)) continue;
    if (!stage || !slot || !takeUp(state, slot, stage, one, commands)) strangers.add(one.worker);
  }
  breakIncomplete(state);
  for (const worker of strangers) commands.push({ type: "estranged", worker });
}

function isToCome(state: State, one: Adopted): boolean {
  const stage = known(state, one);
  if (!stage) return !state.wasDone(one.stage, one.first, one.end);
  return stage.state.subarray(one.first, one.end).includes(Waiting);
}

/** The stage that it is of, if that is there and is what it was. */
function known(state: State, { stage: index, planned, key }: Adopted): Stage | null {
  const stage = state.stages[index];
  return stage && stage.template.index === planned && keyText(stage.instance?.key ?? []) === key ? stage : null;
}

/** False where a task is in a state that it can't have been sent in. */
function takeUp(state: State, slot: Slot, stage: Stage, { first, end, attempt, rank, reportedMs }: Adopted, commands: Command[]): boolean {
  if (rank !== null) return takeUpMember(state, slot, stage, { attempt, rank, reportedMs }, commands);
  // What its end has been told of is committed; the end of the rest is yet to be told.
  let next = first;
  while (next < end && stage.state[next] === Committed) next++;
  if (next === end) return true;
  const states = stage.state.subarray(next, end);
  const doubled = states.every((one) => one === Sent);
  if (!doubled && !states.every((one) => one === Ready)) return false;
  const kept = stage.template.spawns !== null || (stage.template.asks !== null && stage.template.asks.which !== "free");
  const batch: Batch = { stage: stage.index, attempt, next, end, reportedMs, kept: kept || doubled, doubled, shadow: doubled, rank: null };
  if (doubled) markDoubled(state, batch);
  else send(state, stage, next, end, attempt, commands);
  queueUp(state, slot, stage, batch);
  return true;
}

function takeUpMember(
  state: State,
  slot: Slot,
  stage: Stage,
  { attempt, rank, reportedMs }: Pick<Adopted, "attempt" | "reportedMs"> & { readonly rank: number },
  commands: Command[],
): boolean {
  const isCommitted = stage.state[0] === Committed;
  if (stage.state[0] === Ready) send(state, stage, 0, 1, attempt, commands);
  else if (!isCommitted && stage.attempt[0] !== attempt) return false;
  // The others of a gang come to their end after its first member, whose answer counts.
  if (isCommitted && rank === 0) return true;
  const batch: Batch = { stage: stage.index, attempt, next: 0, end: 1, reportedMs, kept: true, doubled: false, shadow: false, rank };
  state.gangs.push({ slot, batch, aborted: false, broken: false });
  queueUp(state, slot, stage, batch);
  return true;
}

function send(state: State, stage: Stage, first: number, end: number, attempt: number, commands: Command[]): void {
  if (!stage.started) started(stage, commands);
  // Queues keep stale entries, which their reader skips.
  move(state, stage, first, end, "assigned");
  stage.readyCount -= end - first;
  stage.attempt.fill(attempt, first, end);
}

function markDoubled(state: State, copy: Batch): void {
  for (const { slots } of state.workers.values())
    for (const { queue } of slots)
      for (const batch of queue) if (batch.stage === copy.stage && batch.next < copy.end && copy.next < batch.end) batch.doubled = true;
}

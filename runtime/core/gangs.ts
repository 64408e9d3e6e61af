// Gangs: on which slots the members of one task begin, all at once, and who is told when one of them is gone. Nothing is ever half placed. Must
// not know what members do together.
import { takes } from "./actors.ts";
import type { Batch, Command, Slot, Stage, State, Worker } from "./model.ts";
import { isTheirs } from "./speculation.ts";
import { readyAgain, returnTasks } from "./tasks.ts";

/** Slots by rank, or whom the gang waits for: workers that get nothing new meanwhile, so that they run dry. */
export type Places =
  | { readonly kind: "free"; readonly slots: readonly Slot[] }
  | { readonly kind: "waits"; readonly workers: readonly Worker[] };

/**
 * One worker where one has the slots, else the fewest that have them together. `alone`: with nothing else on those workers. A gang waits for as
 * few workers as there could be rather than begin on more: what members say to each other costs more between machines.
 */
export function placesFor(state: State, stage: Stage, alone: boolean): Places {
  const { members, oneWorker } = stage.template;
  const all = [...state.workers.values()].filter((worker) => takes(worker, stage));
  const largest = all.map(({ slots }) => slots.length).sort((a, b) => b - a);
  const fewest = enough(largest, members);
  if (fewest === null || (oneWorker && fewest > 1)) return { kind: "waits", workers: [] };
  const freest = all
    .map((worker) => ({ worker, size: worker.slots.length, free: freeSlots(worker, alone) }))
    .sort((a, b) => b.free.length - a.free.length || b.size - a.size);
  const now = enough(
    freest.map(({ free }) => free.length),
    members,
  );
  if (now !== null && now <= fewest) return { kind: "free", slots: freest.flatMap(({ free }) => free).slice(0, members) };
  // Those that have most free slots, as long as the others that may still be taken have the rest.
  const workers: Worker[] = [];
  let lacking = members;
  for (const { worker, size } of freest) {
    const others = largest.slice();
    for (const one of [...workers, worker]) others.splice(others.indexOf(one.slots.length), 1);
    const most = others.slice(0, fewest - workers.length - 1).reduce((sum, slots) => sum + slots, 0);
    if (workers.length === fewest || size + most < lacking) continue;
    workers.push(worker);
    lacking -= size;
  }
  return { kind: "waits", workers };
}

/** How many of the numbers, largest first, come to so much; null where all of them don't. */
function enough(numbers: readonly number[], wanted: number): number | null {
  let sum = 0;
  for (const [at, number] of numbers.entries()) if ((sum += number) >= wanted) return at + 1;
  return null;
}

/** A worker that another gang waits for has none, and one that somebody has to himself none before all are. */
function freeSlots({ slots, alone: taken, kept }: Worker, alone: boolean): readonly Slot[] {
  const free = slots.filter(({ queue }) => queue.length === 0);
  return kept || ((alone || taken) && free.length < slots.length) ? [] : free;
}

/** A member is gone before its end: the others may be waiting for it, though the task may have been committed. */
export function breakGang(state: State, { stage, attempt, rank }: Batch): void {
  if (rank === null) return;
  for (const gang of state.gangs) if (gang.batch.stage === stage && gang.batch.attempt === attempt) gang.broken = true;
}

/** Under another leader: of a gang that isn't all there nobody knows what became of the others, for whom it may be waiting. */
export function breakIncomplete(state: State): void {
  for (const { batch } of state.gangs) {
    const stage = state.stages[batch.stage]!;
    const beside = state.gangs.filter((one) => one.batch.stage === batch.stage && one.batch.attempt === batch.attempt);
    if (beside.length === stage.template.members) continue;
    breakGang(state, batch);
    if (!isTheirs(stage, batch, 0)) continue;
    returnTasks(state, stage, 0, 1);
    readyAgain(state, stage, 0, 1);
  }
}

/** Members of a gang that has lost one, or whose task has gone to another attempt, wait for nobody any more. */
export function abortGangs(state: State, commands: Command[]): void {
  const told = new Set<string>();
  for (const gang of state.gangs) {
    const { slot, batch, broken, aborted } = gang;
    const { stage, attempt } = batch;
    if (aborted || (!broken && state.stages[stage]!.attempt[0] === attempt)) continue;
    gang.aborted = true;
    const key = `${slot.worker}:${stage}:${attempt}`;
    if (told.has(key)) continue;
    told.add(key);
    commands.push({ type: "abort", worker: slot.worker, stage, attempt });
  }
}

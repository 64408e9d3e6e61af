// Which slot gets which tasks, and how many at once: by priority of stages, credit of slots, limits of schedules, and where inputs lie.
// Must not know what becomes of them: commits, failures and losses are `step.ts`.
import { homeOf, isInTurn, livesHere, maySpawn, nextCall, takes } from "./actors.ts";
import { placesFor } from "./gangs.ts";
import type { Batch, Command, Slot, Stage, State, Worker } from "./model.ts";
import { ENGINE, Ready } from "./model.ts";
import { expand } from "./regions.ts";
import { straggler } from "./speculation.ts";
import { started } from "./tasks.ts";
import { move } from "./transitions.ts";

/** Gives ready tasks to slots with room, and takes back from busy ones what idle ones could do. */
export function schedule(state: State, commands: Command[]): void {
  for (const worker of state.workers.values()) worker.kept = false;
  if (state.suspects.length > 0) scheduleSuspects(state, commands);
  // One that ran dry for a suspect that isn't ready any more goes on.
  if (state.suspects.length === 0)
    for (const worker of state.workers.values())
      if (worker.alone && worker.slots.every(({ queue }) => queue.length === 0)) worker.alone = false;
  scheduleGangs(state, commands);
  const slots: Slot[] = [];
  for (const worker of state.workers.values()) if (!worker.alone && !worker.kept) slots.push(...worker.slots);
  // Emptiest first, and round after round, so that no slot is filled while another is idle.
  let gave = true;
  while (gave) {
    gave = false;
    let hungry = false;
    slots.sort((a, b) => a.queue.length - b.queue.length);
    for (const slot of slots) {
      const what = fill(state, slot, slots.length, commands);
      if (what === "given") gave = true;
      else if (what === "hungry") hungry = true;
    }
    // No instance before there is a slot for it.
    if (!gave && hungry && state.expandable.length > 0) gave = expand(state, commands);
  }
  for (const slot of slots) if (slot.queue.length === 0 && !state.workers.get(slot.worker)!.isLeaving) recall(state, slot, commands);
  for (const worker of state.workers.values()) if (worker.isLeaving) giveBack(worker, commands);
}

/** What it hasn't begun, from the end; what can't be taken back is done. */
function giveBack({ slots }: Worker, commands: Command[]): void {
  for (const slot of slots) {
    const batch = slot.queue.at(-1);
    if (slot.recalling || !batch || batch.kept || batch.doubled) continue;
    const count = batch.end - batch.next - (slot.queue.length > 1 ? 0 : 1);
    if (count > 0) askBack(slot, batch, count, commands);
  }
}

function askBack(slot: Slot, batch: Batch, count: number, commands: Command[]): void {
  const { stage, end: last, attempt } = batch;
  slot.recalling = batch;
  commands.push({ type: "recall", worker: slot.worker, slot: slot.slot, stage, first: last - count, count, attempt });
}

/**
 * Estimates err where the tasks of a stage differ much: for an idle slot, the busiest one gives back the end of its last batch: all of
 * it, or half of the one that it works on.
 */
function recall(state: State, idle: Slot, commands: Command[]): void {
  let most = state.settings.recallMs;
  let from: Slot | null = null;
  for (const { slots } of state.workers.values()) {
    for (const slot of slots) {
      const ms = slot.recalling ? 0 : recallableMs(state, slot, idle);
      if (ms === 0 || ms < most) continue;
      most = ms;
      from = slot;
    }
  }
  if (!from) return;
  const batch = from.queue.at(-1)!;
  const { next, end: last } = batch;
  askBack(from, batch, from.queue.length > 1 ? last - next : Math.ceil((last - next - 1) / 2), commands);
}

/** Estimated work behind the task that runs, as far as it could be taken back: the last batch, or where that is one task, all of them. */
function recallableMs(state: State, slot: Slot, idle: Slot): number {
  const batch = slot.queue.at(-1);
  if (!batch || batch.kept || batch.doubled || slot === idle) return 0;
  const stage = state.stages[batch.stage]!;
  const mayLeave = stage.template.asks === null && takes(state.workers.get(idle.worker)!, stage) && leaves(slot, stage);
  if (!hasRoom(state, stage, idle) && !mayLeave) return 0;
  // What has never been measured may stand behind, or be, a task of any length: it is always worth asking for.
  const worth = (index: number) => {
    const { taskMs } = state.stages[index]!.template;
    return Number.isNaN(taskMs) ? state.settings.recallMs : taskMs;
  };
  if (batch.end - batch.next > 1) return worth(batch.stage) * (batch.end - batch.next - (slot.queue.length > 1 ? 0 : 1));
  let behind = 0;
  for (let i = 1; i < slot.queue.length; i++) {
    const { stage: index, next, end } = slot.queue[i]!;
    behind += worth(index) * (end - next);
  }
  // So may what they stand behind.
  return behind > 0 && Number.isNaN(state.stages[slot.queue[0]!.stage]!.template.taskMs)
    ? Math.max(behind, state.settings.recallMs)
    : behind;
}

/** Whether a slot has no more of a stage once its last batch is taken back, so that another slot may have that. */
const leaves = ({ queue }: Slot, { index, template }: Stage) =>
  template.limit === null && queue.length > 1 && queue.filter(({ stage }) => stage === index).length === 1;

/** Whether the schedule lets one more slot have tasks of the stage. */
function hasRoom(state: State, stage: Stage, slot: Slot): boolean {
  const { spawns, asks } = stage.template;
  if (spawns && !maySpawn(state, stage, slot)) return false;
  if (asks && !livesHere(state, stage, slot)) return false;
  return isWithinLimits(state, stage, slot);
}

function isWithinLimits(state: State, stage: Stage, slot: Slot): boolean {
  if (!takes(state.workers.get(slot.worker)!, stage)) return false;
  const { limit } = stage.template;
  if (stage.slotsUsing >= stage.slotLimit && !slot.queue.some((batch) => batch.stage === stage.index)) return false;
  return !limit || limit.using < limit.slots || slot.queue.some((batch) => state.stages[batch.stage]!.template === stage.template);
}

/** A task whose worker died under it runs with nobody beside it, so that the blame is its own. */
function scheduleSuspects(state: State, commands: Command[]): void {
  const idle = [...state.workers.values()].filter((worker) => worker.slots.every(({ queue }) => queue.length === 0));
  const waiting = state.suspects.splice(0);
  for (const suspect of waiting) {
    const stage = state.stages[suspect.stage];
    if (stage?.state[suspect.block] !== Ready) continue;
    const { members, spawns } = stage.template;
    if (members > 1) {
      const begun = sendGang(state, stage, true, commands);
      for (const worker of begun) idle.splice(idle.indexOf(worker), 1);
      if (begun.length === 0) state.suspects.push(suspect);
      continue;
    }
    const worker = idle.find((one) => mayHave(state, stage, suspect.block, one));
    const home = homeOf(state, stage, suspect.block);
    const slot =
      home ?? worker?.slots.find(({ roomy }) => roomy) ?? worker?.slots.find((one) => hasRoom(state, stage, one)) ?? worker?.slots[0];
    if (worker && slot && (spawns ? isWithinLimits : hasRoom)(state, stage, slot)) {
      idle.splice(idle.indexOf(worker), 1);
      worker.alone = true;
      send(state, slot, stage, suspect.block, suspect.block + 1, commands);
    } else state.suspects.push(suspect);
  }
  if (state.suspects.length === 0) return;
  // While one waits, the least busy worker that could have it gets nothing new, so that it runs dry.
  const workers = [...state.workers.values()];
  const single = state.suspects.filter(({ stage }) => state.stages[stage]!.template.members === 1);
  const isWanted = (worker: Worker) => single.some(({ stage, block }) => mayHave(state, state.stages[stage]!, block, worker));
  for (const worker of idle) if (worker.alone && !isWanted(worker)) worker.alone = false;
  if (workers.some(({ alone }) => alone)) return;
  const queued = (worker: Worker) => worker.slots.reduce((sum, { queue }) => sum + queue.length, 0);
  const least = workers.filter(isWanted).sort((a, b) => queued(a) - queued(b))[0];
  if (least) least.alone = true;
}

/** Whether a worker has the actor that a task asks, and it is the task's turn: nothing is kept from others for one that others come before. */
function mayHave(state: State, stage: Stage, block: number, worker: Worker): boolean {
  const { slots } = worker;
  if (!isInTurn(stage, block) || !takes(worker, stage)) return false;
  const home = homeOf(state, stage, block);
  if (home) return slots.includes(home);
  if (stage.template.asks) return slots.some((slot) => livesHere(state, stage, slot));
  return true;
}

/** A gang begins on all its slots at once, which have nothing else to do: one that waited for a member would keep the others idle. */
function scheduleGangs(state: State, commands: Command[]): void {
  const waiting = state.ready.filter(({ template, readyCount }) => template.members > 1 && readyCount > 0);
  for (const stage of waiting) {
    skipStale(stage);
    if (stage.ready.length > 0 && sendGang(state, stage, false, commands).length > 0) stage.ready.take(0, 0, 1);
  }
}

function fill(state: State, slot: Slot, slots: number, commands: Command[]): "given" | "full" | "hungry" {
  const { settings, stages, ready } = state;
  if (slot.queue.length >= settings.singlesQueued) return "full";
  let queuedMs = 0;
  for (const { stage, next, end: last } of slot.queue) {
    const ms = expectedMs(state, stages[stage]!);
    // Of unknown length: nothing is queued behind it.
    if (Number.isNaN(ms)) return "full";
    queuedMs += ms * (last - next);
  }
  if (slot.queue.length > 0 && queuedMs >= settings.creditMs) return "full";
  const crowded = slot.queue.length >= settings.batchesQueued;
  for (let place = 0; place < ready.length; place++) {
    const stage = ready[place]!;
    if (stage.readyCount === 0) {
      ready.splice(place--, 1);
      stage.listed = false;
      continue;
    }
    if (stage.template.members > 1 || (crowded && !isSingle(stage)) || !hasRoom(state, stage, slot)) continue;
    const fair = fairest(
      state,
      place,
      (other) => other.template.members === 1 && (!crowded || isSingle(other)) && hasRoom(state, other, slot),
    );
    for (const one of new Set([fair, stage])) {
      const range = nextReady(state, one, slot, batchSize(state, one, queuedMs, slots));
      if (!range) continue;
      send(state, slot, one, range.first, range.end, commands);
      return "given";
    }
  }
  return crowded && !slot.queue.every((batch) => isSingle(stages[batch.stage]!)) ? "full" : "hungry";
}

/** Ready stages to look through for one that has had less of the slots. */
const FAIR_LOOKS = 16;

/**
 * Of stages as far from the end as each other, or blocks of them, none waits until another is done: the one goes next that has fewest batches at
 * slots.
 */
function fairest(state: State, place: number, may: (stage: Stage) => boolean): Stage {
  const { ready, shares } = state;
  let best = ready[place]!;
  const height = heightOf(best);
  for (let look = place + 1; look < Math.min(ready.length, place + FAIR_LOOKS); look++) {
    const other = ready[look]!;
    if (heightOf(other) !== height) break;
    if (other.readyCount > 0 && shares[other.key[0]!]! < shares[best.key[0]!]! && may(other)) best = other;
  }
  return best;

  function heightOf({ instance, template }: Stage): number {
    let outermost = instance;
    while (outermost?.around) outermost = outermost.around;
    return outermost ? state.stages[outermost.owner]!.template.height : template.height;
  }
}

/** Batches that are one task by nature: more of them are needed to keep a slot busy. */
const isSingle = (stage: Stage) => stage.single || stage.tasks === 1;

/**
 * One task of a stage that has never run is taken to be like others of its run, so that plans of many stages keep slots busy; where it isn't,
 * an idle slot takes back what waits behind it. Of many tasks, or instances, the first ones tell.
 */
const expectedMs = (state: State, { tasks, instance, template: { taskMs } }: Stage) =>
  Number.isNaN(taskMs) && tasks === 1 && instance === null ? state.guessMs : taskMs;

/** Calls of one actor that go on side by side. */
const OVERLAPPING = 64;

function batchSize(state: State, stage: Stage, queuedMs: number, slots: number): number {
  const { creditMs, batchTasks } = state.settings;
  const { taskMs, asks } = stage.template;
  if (stage.single || (Number.isNaN(taskMs) && !asks?.overlaps)) return 1;
  const within = asks?.overlaps ? OVERLAPPING : Math.floor((creditMs - queuedMs) / Math.max(taskMs, 1e-6));
  // The last batches get smaller, so that all slots end together.
  const share = asks?.which === "one" ? stage.readyCount : Math.ceil(stage.readyCount / (2 * Math.min(slots, stage.slotLimit)));
  return Math.max(1, Math.min(within, share, batchTasks));
}

/** Entries of the ready queue to look through for one whose inputs lie at the worker. */
const LOCAL_LOOKS = 16;

/** Ready blocks one after another, of one attempt, whose inputs are held alike. */
function nextReady(state: State, stage: Stage, slot: Slot, most: number): { first: number; end: number } | null {
  const { ready, state: column } = stage;
  skipStale(stage);
  const call = stage.template.asks && nextCall(state, stage, slot);
  if (stage.template.asks && !call) return null;
  let place = call?.place ?? 0;
  for (let look = 0; !call && look < Math.min(ready.length, LOCAL_LOOKS); look++) {
    if (column[ready.first(look)] === Ready && isLocal(state, stage, ready.first(look), slot.worker)) {
      place = look;
      break;
    }
  }
  if (ready.length === 0) return null;
  const first = call?.first ?? ready.first(place);
  if (column[first] !== Ready) return null;
  const limit = Math.min(ready.end(place), first + most);
  let last = first + 1;
  while (last < limit && column[last] === Ready && stage.attempt[last] === stage.attempt[first] && alike(state, stage, first, last)) last++;
  ready.take(place, first, last);
  return { first, end: last };
}

function skipStale(stage: Stage): void {
  const { ready, state: column } = stage;
  while (ready.length > 0) {
    let first = ready.first(0);
    const last = ready.end(0);
    while (first < last && column[first] !== Ready) first++;
    ready.cut(0, first);
    if (first < last) return;
  }
}

function isLocal(state: State, stage: Stage, block: number, worker: number): boolean {
  return stage.oneToOne.every((producer) => {
    const source = state.stages[producer]!;
    const holder = source.holder[block]!;
    return holder === ENGINE || holder === worker || (source.copies.get(block)?.includes(worker) ?? false);
  });
}

function alike(state: State, stage: Stage, first: number, other: number): boolean {
  for (const producer of stage.oneToOne) {
    const { holder } = state.stages[producer]!;
    if (holder[first] !== holder[other]) return false;
  }
  return true;
}

/** For a slot that has nothing to do: the rest of a batch that another slot has been at for too long. */
export function speculate(state: State, nowMs: number, commands: Command[]): void {
  const late = straggler(state, nowMs);
  if (!late) return;
  const { batch, stage } = late;
  for (const worker of state.workers.values()) {
    const slot = worker.alone || worker.kept ? undefined : worker.slots.find(({ queue }) => queue.length === 0);
    if (!slot || !hasRoom(state, stage, slot)) continue;
    batch.doubled = true;
    enqueue(state, slot, stage, { ...batch, reportedMs: 0, kept: true, shadow: true }, commands);
    return;
  }
}

function send(state: State, slot: Slot, stage: Stage, first: number, last: number, commands: Command[]): void {
  if (!stage.started) started(stage, commands);
  move(state, stage, first, last, "assigned");
  stage.readyCount -= last - first;
  const attempt = stage.attempt[first]!;
  const { asks, spawns } = stage.template;
  const batch = {
    stage: stage.index,
    attempt,
    next: first,
    end: last,
    reportedMs: 0,
    // Only that slot may have it.
    kept: spawns !== null || (asks !== null && asks.which !== "free"),
    doubled: false,
    shadow: false,
    rank: null,
  };
  enqueue(state, slot, stage, batch, commands);
}

/**
 * One task for several slots; its batches can't be taken back or copied. Gives the workers that it is on, which are its alone where it says so;
 * none where it has to wait. One gang at a time keeps workers from getting anything new.
 */
function sendGang(state: State, stage: Stage, alone: boolean, commands: Command[]): readonly Worker[] {
  const places = placesFor(state, stage, alone);
  if (places.kind === "waits") {
    if ([...state.workers.values()].some(({ kept }) => kept)) return [];
    for (const worker of places.workers) worker.kept = true;
    return [];
  }
  if (!stage.started) started(stage, commands);
  move(state, stage, 0, 1, "assigned");
  stage.readyCount--;
  const attempt = stage.attempt[0]!;
  const workers = places.slots.map(({ worker }) => worker);
  places.slots.forEach((slot, rank) => {
    const batch = { stage: stage.index, attempt, next: 0, end: 1, reportedMs: 0, kept: true, doubled: false, shadow: false, rank };
    state.gangs.push({ slot, batch, aborted: false, broken: false });
    enqueue(state, slot, stage, batch, commands, workers);
  });
  const on = [...new Set(workers)].map((worker) => state.workers.get(worker)!);
  if (alone) for (const worker of on) worker.alone = true;
  return on;
}

function enqueue(state: State, slot: Slot, stage: Stage, batch: Batch, commands: Command[], workers: readonly number[] = []): void {
  queueUp(state, slot, stage, batch);
  const { next: first, end: last, attempt } = batch;
  commands.push({
    type: "assign",
    worker: slot.worker,
    slot: slot.slot,
    stage: stage.index,
    first,
    count: last - first,
    attempt,
    late: stage.late.has(first),
    rank: batch.rank,
    workers,
    again: stage.lost.has(first),
  });
}

/** It is the slot's from now on. */
export function queueUp(state: State, slot: Slot, stage: Stage, batch: Batch): void {
  state.shares[stage.key[0]!]!++;
  const { limit } = stage.template;
  if (!slot.queue.some((other) => other.stage === stage.index)) stage.slotsUsing++;
  if (limit && !slot.queue.some((other) => state.stages[other.stage]!.template === stage.template)) limit.using++;
  slot.queue.push(batch);
}

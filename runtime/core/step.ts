// The scheduler: `step(state, event)` changes the state and gives the commands that follow. At-least-once execution, one commit a
// task; a lost output that is still needed is made again from its lineage. Order: outputs first, then tasks, then who gets what.
import { seat } from "./actors.ts";
import { adopt } from "./adopting.ts";
import { abortGangs, breakGang } from "./gangs.ts";
import type { Batch, Command, CoreEvent, Slot, Stage, State, Why } from "./model.ts";
import { Delayed, ENGINE, Live } from "./model.ts";
import { schedule, speculate } from "./placing.ts";
import { letGo, settle } from "./regions.ts";
import { fresh, isTheirs, remember } from "./speculation.ts";
import { done, drop, loseHolder, loseStrays, opened, readyAgain, returnTasks } from "./tasks.ts";
import { illegal, move } from "./transitions.ts";

export function step(state: State, event: CoreEvent): Command[] {
  const commands: Command[] = [];
  if (state.status !== "running" && state.status !== "collecting") return commands;
  apply(state, event, commands);
  if (state.broken && isGoingOn(state)) {
    const { stage, block } = state.broken;
    fail(state, state.stages[stage]!, block, { kind: "actorLost", cause: "cause" in event ? event.cause : null }, commands);
  }
  const { status } = state as { readonly status: State["status"] };
  // While results are collected a copy or a member may still come to its end, and let an instance go.
  if (state.begun && (status === "running" || status === "collecting")) settle(state, commands);
  if (state.begun && (state.status as State["status"]) === "running") {
    schedule(state, commands);
    if (event.type === "looked") speculate(state, event.nowMs, commands);
    abortGangs(state, commands);
    if (state.unfinished === 0) {
      state.status = "collecting";
      commands.push({ type: "collect" });
    }
  }
  return commands;
}

const isGoingOn = ({ status }: State): boolean => status === "running" || status === "collecting";

function apply(state: State, event: CoreEvent, commands: Command[]): void {
  switch (event.type) {
    case "begin":
      state.begun = true;
      state.isBeginning = true;
      // What is opened may give others their size, which opens them.
      for (const stage of state.stages.filter((one) => one && one.tasks >= 0)) opened(state, stage!, commands);
      if (event.adopted) adopt(state, event.adopted, commands);
      state.isBeginning = false;
      loseStrays(state, commands);
      return;
    case "workerJoined": {
      const slots = Array.from(
        { length: event.slots },
        (_, slot): Slot => ({ worker: event.worker, slot, queue: [], actors: new Map(), recalling: null, roomy: false, at: null }),
      );
      state.workers.set(event.worker, { slots, labels: new Set(event.labels), isLeaving: false, alone: false, kept: false });
      return;
    }
    case "workerLeaving": {
      const worker = state.workers.get(event.worker);
      if (worker) worker.isLeaving = true;
      return;
    }
    case "workerLost": {
      workerLost(state, event.worker, event.cause, commands);
      return;
    }
    case "slotLost": {
      slotLost(state, event, commands);
      return;
    }
    case "finished": {
      finished(state, event, commands);
      return;
    }
    case "failed": {
      const slot = state.workers.get(event.worker)?.slots[event.slot];
      const batch = slot?.queue[0];
      // Of two copies, the one that was first tells what goes wrong.
      if (slot && batch && takeHead(state, slot, event.stage, event.block, event.attempt) && !batch.shadow)
        if (isTheirs(state.stages[event.stage]!, batch, event.block)) taskFailed(state, event.stage, event.block, event, commands);
      return;
    }
    case "inputMissing": {
      const slot = state.workers.get(event.worker)?.slots[event.slot];
      const batch = slot?.queue[0];
      if (!slot || !batch || !takeHead(state, slot, event.stage, event.block, event.attempt)) return;
      const stage = state.stages[event.stage]!;
      if (batch.shadow || !isTheirs(stage, batch, event.block)) return;
      returnTasks(state, stage, event.block, event.block + 1);
      // An actor is where it is; what can be missing is what it is given.
      const objects = (producers: readonly number[]) => producers.filter((producer) => !state.stages[producer]!.template.spawns);
      for (const producer of objects(stage.oneToOne)) drop(state, producer, event.block, event.worker, commands);
      for (const { producer, block } of stage.points) drop(state, producer, block, event.worker, commands);
      const inside = stage.control?.kind === "each" ? (stage.control.instances.get(event.block)?.reads ?? []) : [];
      for (const producer of objects([...stage.whole, ...inside]))
        for (let block = 0; block < state.stages[producer]!.blocks; block++) drop(state, producer, block, event.worker, commands);
      readyAgain(state, stage, event.block, event.block + 1);
      return;
    }
    case "unsent": {
      unsent(state, event);
      return;
    }
    case "recalled": {
      recalled(state, event);
      return;
    }
    case "delayOver": {
      const stage = state.stages[event.stage];
      if (stage?.state[event.block] !== Delayed || stage.attempt[event.block] !== event.attempt) return;
      move(state, stage, event.block, event.block + 1, "delayOver");
      readyAgain(state, stage, event.block, event.block + 1);
      return;
    }
    case "copied": {
      const stage = state.stages[event.stage];
      if (stage?.output[event.block] !== Live || !state.workers.has(event.to) || stage.holder[event.block] === event.to) return;
      const copies = stage.copies.get(event.block) ?? [];
      if (!copies.includes(event.to)) stage.copies.set(event.block, [...copies, event.to]);
      return;
    }
    case "objectMissing": {
      drop(state, event.stage, event.block, event.from, commands);
      return;
    }
    case "looked":
      return;
    case "collected":
      if (state.status === "collecting") end(state, { status: "ok" }, commands);
      return;
    case "cancel":
      end(state, { status: "cancelled" }, commands);
      return;
  }
}

function end(state: State, outcome: Extract<Command, { type: "end" }>["outcome"], commands: Command[]): void {
  state.status = outcome.status;
  commands.push({ type: "end", outcome });
}

// --- Commits ------------------------------------------------------------------------------------------------------------------------

function finished(state: State, event: Extract<CoreEvent, { type: "finished" }>, commands: Command[]): void {
  const slot = state.workers.get(event.worker)?.slots[event.slot];
  const batch = slot?.queue[0];
  // An answer from before a loss: the tasks have been given to somebody else.
  if (!slot || !batch || batch.stage !== event.stage || batch.attempt !== event.attempt || batch.next !== event.first) return;
  const stage = state.stages[event.stage]!;
  const last = event.first + event.count;
  const spentMs = Math.max(0, event.runMs - batch.reportedMs);
  batch.reportedMs = event.runMs;
  // What the other members of a gang give is nobody's.
  const theirs = (batch.rank ?? 0) > 0 ? [] : fresh(stage, batch, event.first, last);
  if (theirs.length > 0) measure(state, stage, spentMs / event.count);
  if (event.value !== undefined) stage.value = event.value;
  batch.next = last;
  if (batch.next === batch.end) dequeue(state, slot);
  const holder = event.held === "engine" && !stage.template.spawns ? ENGINE : event.worker;
  if (stage.template.spawns) for (const [from, to] of theirs) seat(slot, stage, from, to);
  for (const [from, to] of theirs) commit(state, stage, from, to, event, holder, commands);
  if (batch.doubled && holder !== ENGINE) freeSpare(stage, event.first, last, holder, commands);
}

/** Of what a second copy gave, nobody but its own holder needs what another holds, or what has been used already. */
function freeSpare(stage: Stage, first: number, last: number, holder: number, commands: Command[]): void {
  for (let block = first; block < last; block++)
    if (stage.holder[block] !== holder && !stage.copies.get(block)?.includes(holder))
      commands.push({ type: "free", stage: stage.index, first: block, count: 1, holder });
}

function commit(
  state: State,
  stage: Stage,
  first: number,
  last: number,
  event: Extract<CoreEvent, { type: "finished" }>,
  holder: number,
  commands: Command[],
): void {
  move(state, stage, first, last, "committed");
  stage.pending -= last - first;
  for (let i = first; i < last && stage.deaths.size > 0; i++) stage.deaths.delete(i);
  const blocks = event.blocks ?? 0;
  if (stage.cutsList && stage.blocks >= 0 && stage.blocks !== blocks) {
    fail(state, stage, 0, { kind: "nondeterministic", blocks, before: stage.blocks }, commands);
    return;
  }
  if (stage.control?.kind === "each" && stage.control.inside)
    for (let task = first; task < last; task++) letGo(state, stage, stage.control.instances.get(task)!, commands);
  done(state, stage, first, last, blocks, holder, commands);
}

/** A moving average: tasks of one stage of the plan take much the same time. */
function measure(state: State, stage: Stage, ms: number): void {
  const { template } = stage;
  remember(stage, ms);
  // Of the run as a whole in proportion: one long stage among many short ones says little of the next.
  if (Number.isNaN(template.taskMs))
    state.guessMs = Number.isNaN(state.guessMs) ? Math.max(ms, 1e-3) : Math.max(ms, 1e-3) ** 0.2 * state.guessMs ** 0.8;
  template.taskMs = Number.isNaN(template.taskMs) ? ms : template.taskMs * 0.7 + ms * 0.3;
}

// --- Failures and losses --------------------------------------------------------------------------------------------------------------

function fail(state: State, stage: Stage, block: number, why: Why, commands: Command[]): void {
  // A task that took its slot with it has been given its next attempt by the time it is blamed.
  const attempt = (stage.attempt[block] ?? 1) - (why.kind === "poisoned" || why.kind === "starved" ? 1 : 0);
  end(state, { status: "failed", stage: stage.index, block, attempt, why }, commands);
}

interface Failure {
  readonly transient: boolean;
  readonly cause: unknown;
  readonly jitter: number;
}

function taskFailed(state: State, index: number, block: number, failure: Failure, commands: Command[]): void {
  const stage = state.stages[index]!;
  const { settings } = state;
  const before = stage.failures.get(block) ?? 0;
  const allowed = stage.retries ?? (failure.transient ? settings.transientRetries : 0);
  const retried = before < allowed;
  const attempt = stage.attempt[block]!;
  commands.push({ type: "taskFailed", stage: index, block, attempt, retried, late: false, cause: failure.cause });
  if (!retried) {
    move(state, stage, block, block + 1, "failed");
    fail(state, stage, block, { kind: "failure", cause: failure.cause }, commands);
    return;
  }
  stage.failures.set(block, before + 1);
  move(state, stage, block, block + 1, "delayed");
  stage.attempt[block] = attempt + 1;
  // Full jitter: tasks that failed together don't come back together.
  const ceiling = Math.min(settings.maxBackoffMs, settings.backoffMs * 2 ** before);
  commands.push({ type: "delay", stage: index, block, attempt: attempt + 1, delayMs: ceiling * (0.5 + failure.jitter / 2) });
}

/** A batch may stand behind others that were sent. */
function unsent(
  state: State,
  { worker, slot: index, stage: stageIndex, first, count, attempt }: Extract<CoreEvent, { type: "unsent" }>,
): void {
  const slot = state.workers.get(worker)?.slots[index];
  const place =
    slot?.queue.findIndex(
      (batch) => batch.stage === stageIndex && batch.attempt === attempt && batch.next === first && batch.end === first + count,
    ) ?? -1;
  if (!slot || place < 0) return;
  const batch = slot.queue[place]!;
  takeBatch(state, slot, place);
  breakGang(state, batch);
  const stage = state.stages[stageIndex]!;
  giveBack(state, stage, batch);
  readyAgain(state, stage, first, first + count);
}

/** What is left of a batch waits again, but for what is another's by now. */
function giveBack(state: State, stage: Stage, batch: Batch): void {
  if (!batch.shadow) for (const [first, last] of fresh(stage, batch, batch.next, batch.end)) returnTasks(state, stage, first, last);
}

/** The end of a batch comes back, for slots that have nothing to do. */
function recalled(state: State, event: Extract<CoreEvent, { type: "recalled" }>): void {
  const { stage: index, first, count, attempt } = event;
  const slot = state.workers.get(event.worker)?.slots[event.slot];
  // Another leader of the run may have asked.
  const batch = slot?.queue.find((one) => one.stage === index && one.attempt === attempt && one.end === first + count);
  if (!slot || !batch) return;
  if (slot.recalling === batch) slot.recalling = null;
  if (count === 0) {
    batch.kept = true;
    return;
  }
  const stage = state.stages[index]!;
  if (first < batch.next) throw illegal(state, stage, first, "recalled");
  // A copy may have committed some meanwhile; what is given back of the others is a new attempt, so that the copy's answer doesn't count.
  const runs = fresh(stage, batch, first, first + count);
  batch.end = first;
  if (batch.next === batch.end) takeBatch(state, slot, slot.queue.indexOf(batch));
  for (const [from, to] of runs) {
    if (batch.doubled) returnTasks(state, stage, from, to);
    else move(state, stage, from, to, "recalled");
    readyAgain(state, stage, from, to);
  }
}

/** Takes the running task off its slot; false where the slot runs another. */
function takeHead(state: State, slot: Slot, stage: number, block: number, attempt: number): boolean {
  const batch = slot.queue[0];
  if (!batch || batch.stage !== stage || batch.next !== block || batch.attempt !== attempt) return false;
  batch.next++;
  if (batch.next === batch.end) dequeue(state, slot);
  breakGang(state, batch);
  return true;
}

function dequeue(state: State, slot: Slot): void {
  takeBatch(state, slot, 0);
}

function takeBatch(state: State, slot: Slot, place: number): void {
  const [batch] = slot.queue.splice(place, 1) as [Batch];
  if (batch.rank !== null)
    state.gangs.splice(
      state.gangs.findIndex((one) => one.batch === batch),
      1,
    );
  const stage = state.stages[batch.stage]!;
  state.shares[stage.key[0]!]!--;
  if (!slot.queue.some((other) => other.stage === batch.stage)) stage.slotsUsing--;
  const { template } = stage;
  if (template.limit && !slot.queue.some((other) => state.stages[other.stage]!.template === template)) template.limit.using--;
  const worker = state.workers.get(slot.worker)!;
  if (worker.alone && worker.slots.every(({ queue }) => queue.length === 0)) worker.alone = false;
}

/** All that a slot had queued goes back. Gives the task that ran. */
function emptySlot(
  state: State,
  slot: Slot,
): {
  readonly batches: readonly Batch[];
  readonly running: { readonly stage: number; readonly block: number } | null;
  readonly tasks: number;
} {
  const batches = [...slot.queue];
  const head = batches[0];
  // Who is to blame for the end of one of two copies would be hard to say; of a gang whoever ends first is.
  const blamed = head && !head.doubled && (head.rank === null || isTheirs(state.stages[head.stage]!, head, head.next));
  const running = blamed ? { stage: head.stage, block: head.next } : null;
  let tasks = 0;
  while (slot.queue.length > 0) dequeue(state, slot);
  slot.recalling = null;
  for (const batch of batches) {
    breakGang(state, batch);
    giveBack(state, state.stages[batch.stage]!, batch);
    tasks += batch.shadow ? 0 : batch.end - batch.next;
  }
  return { batches, running, tasks };
}

function death(state: State, running: { readonly stage: number; readonly block: number }, cause: unknown, commands: Command[]): void {
  const stage = state.stages[running.stage]!;
  const deaths = (stage.deaths.get(running.block) ?? 0) + 1;
  stage.deaths.set(running.block, deaths);
  if (deaths >= state.settings.maxDeaths) fail(state, stage, running.block, { kind: "poisoned", deaths, cause }, commands);
}

/** Once more, with nothing beside it. */
function starved(
  state: State,
  { stage: index, block }: { readonly stage: number; readonly block: number },
  cause: unknown,
  commands: Command[],
): void {
  const stage = state.stages[index]!;
  const times = (stage.starved.get(block) ?? 0) + 1;
  stage.starved.set(block, times);
  // Whoever stands here is run alone.
  stage.deaths.set(block, stage.deaths.get(block) ?? 0);
  const retried = times < state.settings.maxStarved;
  commands.push({ type: "taskFailed", stage: index, block, attempt: stage.attempt[block]! - 1, retried, late: false, cause });
  if (!retried) fail(state, stage, block, { kind: "starved", times, cause }, commands);
}

/** From now on the task evaluates what its stage puts in the place of the body. */
function late(
  state: State,
  { stage: index, block }: { readonly stage: number; readonly block: number },
  cause: unknown,
  commands: Command[],
): void {
  const stage = state.stages[index]!;
  stage.late.add(block);
  // It has been given its next attempt by now.
  commands.push({ type: "taskFailed", stage: index, block, attempt: stage.attempt[block]! - 1, retried: true, late: true, cause });
}

function slotLost(state: State, event: Extract<CoreEvent, { type: "slotLost" }>, commands: Command[]): void {
  const slot = state.workers.get(event.worker)?.slots[event.slot];
  if (!slot) return;
  if (event.blame === "memory") slot.roomy = true;
  const head = slot.queue[0];
  const isFailure = event.blame === "failure" && head && !head.shadow && isTheirs(state.stages[head.stage]!, head, head.next);
  const failed = isFailure ? { stage: head.stage, block: head.next } : null;
  if (head && failed) takeHead(state, slot, head.stage, head.next, head.attempt);
  const { batches, running, tasks } = emptySlot(state, slot);
  if (tasks > 0) commands.push({ type: "tasksReturned", worker: event.worker, tasks });
  const lived = [...slot.actors];
  slot.actors.clear();
  for (const [stage, blocks] of lived) for (const block of blocks) drop(state, stage, block, event.worker, commands);
  if (failed) taskFailed(state, failed.stage, failed.block, { transient: false, cause: event.cause, jitter: event.jitter }, commands);
  else if (event.blame === "late" && running) late(state, running, event.cause, commands);
  else if (event.blame === "memory" && running) starved(state, running, event.cause, commands);
  else if (event.blame === "death" && running) death(state, running, event.cause, commands);
  for (const { stage, next, end: last } of batches) readyAgain(state, state.stages[stage]!, next, last);
}

function workerLost(state: State, index: number, cause: unknown, commands: Command[]): void {
  const worker = state.workers.get(index);
  if (!worker) return;
  const emptied = worker.slots.map((slot) => emptySlot(state, slot));
  state.workers.delete(index);
  const tasks = emptied.reduce((sum, one) => sum + one.tasks, 0);
  if (tasks > 0) commands.push({ type: "tasksReturned", worker: index, tasks });
  for (const { running } of emptied) if (running && state.status === "running") death(state, running, cause, commands);
  for (const stage of state.stages) if (stage) loseHolder(state, stage, index, commands);
  for (const { batches } of emptied) for (const { stage, next, end: last } of batches) readyAgain(state, state.stages[stage]!, next, last);
}

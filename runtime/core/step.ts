// The scheduler: `step(state, event)` changes the state and gives the commands that follow. At-least-once execution, one commit a
// task; a lost output that is still needed is made again from its lineage. Order: outputs first, then tasks, then who gets what.
import type { Batch, Command, CoreEvent, Slot, Stage, State, Why } from "./model.ts";
import { Committed, Delayed, ENGINE, Gone, Live, NOBODY, Ready, Unmade, Waiting } from "./model.ts";
import { schedule, started } from "./placing.ts";
import { allocateBlocks, allocateTasks } from "./state.ts";
import { illegal, move } from "./transitions.ts";

export function step(state: State, event: CoreEvent): Command[] {
  const commands: Command[] = [];
  if (state.status !== "running" && state.status !== "collecting") return commands;
  apply(state, event, commands);
  if (state.begun && (state.status as State["status"]) === "running") {
    schedule(state, commands);
    if (state.unfinished === 0) {
      state.status = "collecting";
      commands.push({ type: "collect" });
    }
  }
  return commands;
}

function apply(state: State, event: CoreEvent, commands: Command[]): void {
  switch (event.type) {
    case "begin":
      state.begun = true;
      // A stage whose value is given has nothing to do.
      for (const stage of state.stages)
        if (stage.tasks >= 0 && !(stage.pending === 0 && stage.available > 0)) opened(state, stage, commands);
      return;
    case "workerJoined": {
      const slots = Array.from({ length: event.slots }, (_, slot): Slot => ({ worker: event.worker, slot, queue: [], recalling: null }));
      state.workers.set(event.worker, { slots, alone: false });
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
      if (slot && takeHead(state, slot, event.stage, event.block, event.attempt))
        taskFailed(state, event.stage, event.block, event, commands);
      return;
    }
    case "inputMissing": {
      const slot = state.workers.get(event.worker)?.slots[event.slot];
      if (!slot || !takeHead(state, slot, event.stage, event.block, event.attempt)) return;
      const stage = state.stages[event.stage]!;
      returnTasks(state, stage, event.block, event.block + 1);
      for (const producer of stage.oneToOne) drop(state, producer, event.block, event.worker, commands);
      for (const producer of stage.whole)
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
      const stage = state.stages[event.stage]!;
      if (stage.state[event.block] !== Delayed || stage.attempt[event.block] !== event.attempt) return;
      move(state, stage, event.block, event.block + 1, "delayOver");
      readyAgain(state, stage, event.block, event.block + 1);
      return;
    }
    case "copied": {
      const stage = state.stages[event.stage]!;
      if (stage.output[event.block] !== Live || !state.workers.has(event.to) || stage.holder[event.block] === event.to) return;
      const copies = stage.copies.get(event.block) ?? [];
      if (!copies.includes(event.to)) stage.copies.set(event.block, [...copies, event.to]);
      return;
    }
    case "objectMissing": {
      drop(state, event.stage, event.block, event.from, commands);
      return;
    }
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

// --- Task states ------------------------------------------------------------------------------------------------------------------

/** A stage whose number of tasks is known: its tasks wait for their inputs, or are ready. */
function opened(state: State, stage: Stage, commands: Command[]): void {
  for (const producer of stage.oneToOne) {
    const made = state.stages[producer]!;
    if (made.blocks !== stage.tasks)
      throw new Error(`bug: ${stage.id} has ${stage.tasks} tasks and reads ${made.blocks} blocks of ${made.id}`);
    if (made.available === 0) continue;
    for (let i = 0; i < stage.tasks; i++) if (made.output[i] === Live) stage.missing[i]!--;
  }
  makeReady(state, stage, 0, stage.tasks);
  if (stage.blocks >= 0) for (const consumer of stage.oneToOneConsumers) size(state, state.stages[consumer]!, stage.blocks, commands);
  if (stage.pending === 0) stageDone(state, stage, commands);
}

function size(state: State, stage: Stage, tasks: number, commands: Command[]): void {
  if (stage.tasks >= 0) return;
  allocateTasks(stage, tasks);
  opened(state, stage, commands);
}

/** Waiting tasks of a range that lack nothing. */
function makeReady(state: State, stage: Stage, first: number, last: number): void {
  if (stage.gate > 0) return;
  const { state: column, missing } = stage;
  let i = first;
  while (i < last) {
    while (i < last && !(column[i] === Waiting && missing[i] === 0)) i++;
    const start = i;
    while (i < last && column[i] === Waiting && missing[i] === 0) i++;
    if (i === start) continue;
    move(state, stage, start, i, "inputsPresent");
    stage.readyCount += i - start;
    queueReady(state, stage, start, i);
  }
}

function queueReady(state: State, stage: Stage, first: number, last: number): void {
  if (stage.deaths.size === 0) {
    stage.ready.push(first, last);
    return;
  }
  for (let i = first; i < last; i++) {
    if (stage.deaths.has(i)) state.suspects.push({ stage: stage.index, block: i });
    else stage.ready.push(i, i + 1);
  }
}

/** Tasks that were sent and won't be answered. */
function returnTasks(state: State, stage: Stage, first: number, last: number): void {
  move(state, stage, first, last, "returned");
  for (let i = first; i < last; i++) stage.attempt[i]!++;
}

/** Tasks back from somewhere, whose inputs may have gone meanwhile. */
function readyAgain(state: State, stage: Stage, first: number, last: number): void {
  if (state.status === "running" || state.status === "collecting") makeReady(state, stage, first, last);
}

function loseReady(state: State, stage: Stage, first: number, last: number): void {
  for (let i = first; i < last; i++) {
    if (stage.state[i] !== Ready) continue;
    // The queues keep a stale entry, which its reader skips.
    move(state, stage, i, i + 1, "inputsLost");
    stage.readyCount--;
  }
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
  measure(stage, spentMs / event.count);
  batch.next = last;
  if (batch.next === batch.end) dequeue(state, slot);

  move(state, stage, event.first, last, "committed");
  stage.pending -= event.count;
  for (let i = event.first; i < last && stage.deaths.size > 0; i++) stage.deaths.delete(i);
  const holder = event.held === "engine" ? ENGINE : event.worker;
  if (stage.cutsList) {
    const blocks = event.blocks ?? 0;
    if (stage.blocks >= 0 && stage.blocks !== blocks) {
      fail(state, stage, 0, { kind: "nondeterministic", blocks, before: stage.blocks }, commands);
      return;
    }
    if (stage.blocks < 0) allocateBlocks(stage, blocks);
    made(state, stage, 0, blocks, holder, commands);
  } else made(state, stage, event.first, last, holder, commands);
  for (const producer of stage.oneToOne) used(state, state.stages[producer]!, event.first, last, commands);
  if (stage.pending === 0) stageDone(state, stage, commands);
  if (!stage.cutsList) return;
  for (const consumer of stage.oneToOneConsumers) size(state, state.stages[consumer]!, stage.blocks, commands);
  if (stage.blocks === 0) wholePresent(state, stage);
}

/** A moving average: tasks of one stage take much the same time. */
function measure(stage: Stage, ms: number): void {
  stage.taskMs = Number.isNaN(stage.taskMs) ? ms : stage.taskMs * 0.7 + ms * 0.3;
}

/** Outputs that are there now. */
function made(state: State, stage: Stage, first: number, last: number, holder: number, commands: Command[]): void {
  const { output } = stage;
  let added = 0;
  let fresh = true;
  for (let i = first; i < last; i++) {
    if (output[i] === Live) {
      fresh = false;
      continue;
    }
    added++;
  }
  if (fresh) {
    output.fill(Live, first, last);
    stage.holder.fill(holder, first, last);
    for (const consumer of stage.oneToOneConsumers) arrived(state, state.stages[consumer]!, first, last);
  } else {
    // A list that was cut again: only the blocks that were lost are new.
    for (let i = first; i < last; i++) {
      if (output[i] === Live) continue;
      output[i] = Live;
      stage.holder[i] = holder;
      for (const consumer of stage.oneToOneConsumers) arrived(state, state.stages[consumer]!, i, i + 1);
    }
  }
  stage.available += added;
  if (added > 0 && stage.available === stage.blocks) wholePresent(state, stage);
  release(state, stage, first, last, commands);
}

function arrived(state: State, consumer: Stage, first: number, last: number): void {
  if (consumer.tasks < 0) return;
  for (let i = first; i < last; i++) if (consumer.state[i] !== Committed) consumer.missing[i]!--;
  makeReady(state, consumer, first, last);
}

/** What a stage lacks is counted until it is finished; when it runs again it is counted anew. */
const isOpen = (stage: Stage) => stage.tasks < 0 || stage.pending > 0;

function wholePresent(state: State, stage: Stage): void {
  for (const index of stage.wholeConsumers) {
    const consumer = state.stages[index]!;
    if (!isOpen(consumer)) continue;
    consumer.gate--;
    if (consumer.gate === 0 && consumer.tasks >= 0) makeReady(state, consumer, 0, consumer.tasks);
  }
}

function stageDone(state: State, stage: Stage, commands: Command[]): void {
  state.unfinished--;
  if (stage.tasks === 0 && !stage.started) started(stage, commands);
  commands.push({ type: "stageFinished", stage: stage.index, tasks: stage.tasks });
  if (stage.tasks === 0 && !stage.cutsList) wholePresent(state, stage);
  for (const producer of stage.whole) {
    const source = state.stages[producer]!;
    source.claims--;
    release(state, source, 0, source.blocks, commands);
  }
}

function used(state: State, producer: Stage, first: number, last: number, commands: Command[]): void {
  for (let i = first; i < last; i++) producer.uses[i]!--;
  release(state, producer, first, last, commands);
}

/** Frees what nobody needs any more, in runs that one holder has. */
function release(_state: State, stage: Stage, first: number, last: number, commands: Command[]): void {
  if (stage.pinned || stage.claims > 0 || stage.blocks < 0) return;
  const { output, uses, holder } = stage;
  let i = first;
  while (i < last) {
    while (i < last && !(output[i] === Live && uses[i] === 0)) i++;
    const start = i;
    while (i < last && output[i] === Live && uses[i] === 0 && holder[i] === holder[start]) i++;
    if (i === start) continue;
    commands.push({ type: "free", stage: stage.index, first: start, count: i - start, holder: holder[start]! });
    for (let block = start; block < i && stage.copies.size > 0; block++) {
      for (const copy of stage.copies.get(block) ?? [])
        commands.push({ type: "free", stage: stage.index, first: block, count: 1, holder: copy });
      stage.copies.delete(block);
    }
    output.fill(Gone, start, i);
    holder.fill(NOBODY, start, i);
    stage.available -= i - start;
  }
}

// --- Failures and losses --------------------------------------------------------------------------------------------------------------

function fail(state: State, stage: Stage, block: number, why: Why, commands: Command[]): void {
  // A task that took its slot with it has been given its next attempt by the time it is blamed.
  const attempt = (stage.attempt[block] ?? 1) - (why.kind === "poisoned" ? 1 : 0);
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
  commands.push({ type: "taskFailed", stage: index, block, attempt, retried, cause: failure.cause });
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
  takeBatch(state, slot, place);
  const stage = state.stages[stageIndex]!;
  returnTasks(state, stage, first, first + count);
  readyAgain(state, stage, first, first + count);
}

/** The end of a batch comes back, for slots that have nothing to do. */
function recalled(state: State, event: Extract<CoreEvent, { type: "recalled" }>): void {
  const slot = state.workers.get(event.worker)?.slots[event.slot];
  const batch = slot?.recalling;
  if (!slot || !batch) return;
  slot.recalling = null;
  if (event.count === 0) {
    batch.kept = true;
    return;
  }
  const { stage: index, first, count, attempt } = event;
  const stage = state.stages[index]!;
  if (batch.stage !== index || batch.attempt !== attempt || first < batch.next || first + count !== batch.end)
    throw illegal(state, stage, first, "recalled");
  batch.end = first;
  if (batch.next === batch.end) takeBatch(state, slot, slot.queue.indexOf(batch));
  move(state, stage, first, first + count, "recalled");
  readyAgain(state, stage, first, first + count);
}

/** Takes the running task off its slot; false where the slot runs another. */
function takeHead(state: State, slot: Slot, stage: number, block: number, attempt: number): boolean {
  const batch = slot.queue[0];
  if (!batch || batch.stage !== stage || batch.next !== block || batch.attempt !== attempt) return false;
  batch.next++;
  if (batch.next === batch.end) dequeue(state, slot);
  return true;
}

function dequeue(state: State, slot: Slot): void {
  takeBatch(state, slot, 0);
}

function takeBatch(state: State, slot: Slot, place: number): void {
  const [batch] = slot.queue.splice(place, 1) as [Batch];
  if (!slot.queue.some(({ stage }) => stage === batch.stage)) state.stages[batch.stage]!.slotsUsing--;
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
  let tasks = 0;
  while (slot.queue.length > 0) dequeue(state, slot);
  slot.recalling = null;
  for (const { stage, next, end: last } of batches) {
    returnTasks(state, state.stages[stage]!, next, last);
    tasks += last - next;
  }
  const head = batches[0];
  return { batches, running: head ? { stage: head.stage, block: head.next } : null, tasks };
}

function death(state: State, running: { readonly stage: number; readonly block: number }, cause: unknown, commands: Command[]): void {
  const stage = state.stages[running.stage]!;
  const deaths = (stage.deaths.get(running.block) ?? 0) + 1;
  stage.deaths.set(running.block, deaths);
  if (deaths >= state.settings.maxDeaths) fail(state, stage, running.block, { kind: "poisoned", deaths, cause }, commands);
}

function slotLost(state: State, event: Extract<CoreEvent, { type: "slotLost" }>, commands: Command[]): void {
  const slot = state.workers.get(event.worker)?.slots[event.slot];
  if (!slot) return;
  const head = slot.queue[0];
  const failed = event.blame === "failure" && head ? { stage: head.stage, block: head.next } : null;
  if (head && failed) takeHead(state, slot, head.stage, head.next, head.attempt);
  const { batches, running, tasks } = emptySlot(state, slot);
  if (tasks > 0) commands.push({ type: "tasksReturned", worker: event.worker, tasks });
  if (failed) taskFailed(state, failed.stage, failed.block, { transient: false, cause: event.cause, jitter: event.jitter }, commands);
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
  for (const stage of state.stages) loseHolder(state, stage, index, commands);
  for (const { batches } of emptied) for (const { stage, next, end: last } of batches) readyAgain(state, state.stages[stage]!, next, last);
}

function loseHolder(state: State, stage: Stage, worker: number, commands: Command[]): void {
  let lost = 0;
  for (const [block, copies] of stage.copies) {
    const left = copies.filter((copy) => copy !== worker);
    if (left.length === 0) stage.copies.delete(block);
    else if (left.length < copies.length) stage.copies.set(block, left);
  }
  for (let block = 0; block < stage.blocks; block++) if (stage.holder[block] === worker && forget(state, stage, block, commands)) lost++;
  if (lost > 0) commands.push({ type: "objectsLost", stage: stage.index, blocks: lost });
}

/** A worker doesn't hold a block after all. */
function drop(state: State, index: number, block: number, worker: number, commands: Command[]): void {
  const stage = state.stages[index]!;
  const copies = stage.copies.get(block);
  if (copies?.includes(worker))
    stage.copies.set(
      block,
      copies.filter((copy) => copy !== worker),
    );
  if (stage.holder[block] === worker && forget(state, stage, block, commands))
    commands.push({ type: "objectsLost", stage: index, blocks: 1 });
}

/** The first holder of a block is gone: another takes its place, or the block is lost. True where it is made again. */
function forget(state: State, stage: Stage, block: number, commands: Command[]): boolean {
  const [next, ...rest] = stage.copies.get(block) ?? [];
  if (next !== undefined) {
    stage.holder[block] = next;
    stage.copies.set(block, rest);
    return false;
  }
  stage.holder[block] = NOBODY;
  if (stage.output[block] !== Live) return false;
  unavailable(state, stage, block);
  const needed = stage.pinned || stage.claims > 0 || stage.uses[block]! > 0;
  if (!needed) {
    stage.output[block] = Gone;
    return false;
  }
  stage.output[block] = Unmade;
  remake(state, stage, stage.cutsList ? 0 : block, commands);
  return true;
}

/** Consumers that haven't begun wait again. */
function unavailable(state: State, stage: Stage, block: number): void {
  if (stage.available === stage.blocks) {
    for (const index of stage.wholeConsumers) {
      const consumer = state.stages[index]!;
      if (!isOpen(consumer)) continue;
      consumer.gate++;
      if (consumer.tasks >= 0) loseReady(state, consumer, 0, consumer.tasks);
    }
  }
  stage.available--;
  for (const index of stage.oneToOneConsumers) {
    const consumer = state.stages[index]!;
    if (consumer.tasks < 0) continue;
    if (consumer.state[block] !== Committed) consumer.missing[block]!++;
    loseReady(state, consumer, block, block + 1);
  }
}

/** A committed task runs once more, after the inputs that it needs for that. */
function remake(state: State, stage: Stage, task: number, commands: Command[]): void {
  if (stage.state[task] !== Committed) return;
  if (state.status === "collecting") state.status = "running";
  move(state, stage, task, task + 1, "rebuild");
  stage.attempt[task]!++;
  if (stage.pending === 0) {
    state.unfinished++;
    for (const producer of stage.whole) state.stages[producer]!.claims++;
    stage.gate = stage.whole.filter((producer) => state.stages[producer]!.available < state.stages[producer]!.blocks).length;
  }
  stage.pending++;
  stage.missing[task] = stage.oneToOne.filter((producer) => state.stages[producer]!.output[task] !== Live).length;
  for (const producer of stage.oneToOne) {
    const source = state.stages[producer]!;
    source.uses[task]!++;
    needAgain(state, source, task, commands);
  }
  for (const producer of stage.whole) {
    const source = state.stages[producer]!;
    for (let block = 0; block < source.blocks; block++) needAgain(state, source, block, commands);
  }
  makeReady(state, stage, task, task + 1);
}

function needAgain(state: State, stage: Stage, block: number, commands: Command[]): void {
  if (stage.output[block] !== Gone) return;
  stage.output[block] = Unmade;
  commands.push({ type: "objectsLost", stage: stage.index, blocks: 1 });
  remake(state, stage, stage.cutsList ? 0 : block, commands);
}

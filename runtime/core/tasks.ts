// Tasks and what they read and give: who waits for what, what is freed when nobody needs it, and what is made again when it is lost and
// still needed. Must not know slots, nor when regions come to life: control stages to look at are only put on a list.
import { seat, unseat } from "./actors.ts";
import { allocateBlocks, allocateTasks, lacking } from "./columns.ts";
import type { Command, Instance, Stage, State, Strike } from "./model.ts";
import { Committed, DISK, ENGINE, Gone, Live, NOBODY, Ready, Unmade, Waiting } from "./model.ts";
import { listExpandable, listReady } from "./order.ts";
import { move } from "./transitions.ts";

// --- Task states ------------------------------------------------------------------------------------------------------------------

/** A stage whose number of tasks is known: its tasks wait for their inputs, or are ready. */
export function opened(state: State, stage: Stage, commands: Command[]): void {
  for (const producer of stage.oneToOne) {
    const made = state.stages[producer]!;
    // It isn't known yet what a `given` stands for.
    if (made.blocks < 0) continue;
    checkBlocks(stage, made);
    if (made.available === 0) continue;
    for (let i = 0; i < stage.tasks; i++) if (made.output[i] === Live) stage.missing[i]!--;
  }
  stage.opened = true;
  for (const { block, what } of state.strikes(stage)) strike(stage, block, what);
  const nothingLeft = restore(state, stage, commands);
  if (nothingLeft) return;
  if (stage.control?.kind === "each" && stage.control.inside) listExpandable(state, stage);
  makeReady(state, stage, 0, stage.tasks);
  if (stage.blocks >= 0) for (const consumer of stage.oneToOneConsumers) size(state, state.stages[consumer]!, stage.blocks, commands);
  if (stage.pending === 0) stageDone(state, stage, commands);
}

function strike({ failures, deaths, starved, late }: Stage, block: number, what: Strike["what"]): void {
  const once = (counts: Map<number, number>) => counts.set(block, (counts.get(block) ?? 0) + 1);
  if (what === "failure") once(failures);
  else if (what === "death") once(deaths);
  else if (what === "late") late.add(block);
  else {
    once(starved);
    // Whoever stands here is run alone.
    deaths.set(block, deaths.get(block) ?? 0);
  }
}

/** What an earlier run left is committed before anything goes to a slot. True where that is all. */
function restore(state: State, stage: Stage, commands: Command[]): boolean {
  if (stage.tasks === 0) return false;
  const found = state.restored(stage);
  const tasks = found.reduce((sum, { count }) => sum + count, 0);
  if (tasks === 0) return false;
  commands.push({ type: "tasksRestored", stage: stage.index, tasks });
  stage.started ||= tasks === stage.tasks;
  // Consumers of a stage whose blocks are known get their size before any of them is there.
  if (stage.blocks >= 0) for (const consumer of stage.oneToOneConsumers) size(state, state.stages[consumer]!, stage.blocks, commands);
  for (const { first, count, holder, slot, blocks = 0, value } of found) {
    if (value !== undefined) stage.value = value;
    const home = slot === undefined ? undefined : state.workers.get(holder)?.slots[slot];
    if (home && stage.template.spawns) seat(home, stage, first, first + count);
    move(state, stage, first, first + count, "restored");
    stage.pending -= count;
    done(state, stage, first, first + count, blocks, holder, commands);
    const [from, end] = stage.cutsList ? [0, blocks] : [first, first + count];
    if (holder !== ENGINE && holder !== DISK && !state.workers.has(holder))
      state.strays.push({ stage: stage.index, first: from, end, holder });
  }
  // What is all there may have come without what it was made from: there would be no making it again.
  stage.pinned ||= stage.pending === 0 && !found.every(({ rebuildable }) => rebuildable);
  return stage.pending === 0;
}

export function checkBlocks(stage: Stage, made: Stage): void {
  if (made.blocks !== stage.tasks)
    throw new Error(`bug: ${stage.id} has ${stage.tasks} tasks and reads ${made.blocks} blocks of ${made.id}`);
}

export function size(state: State, stage: Stage, tasks: number, commands: Command[]): void {
  if (stage.tasks >= 0) return;
  allocateTasks(stage, tasks);
  if (state.begun) opened(state, stage, commands);
}

/** Waiting tasks of a range that lack nothing. */
export function makeReady(state: State, stage: Stage, first: number, last: number): void {
  if (!stage.opened) return;
  if (stage.control && stage.control.kind !== "each") {
    state.due.push(stage);
    return;
  }
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
    listReady(state, stage);
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
export function returnTasks(state: State, stage: Stage, first: number, last: number): void {
  move(state, stage, first, last, "returned");
  for (let i = first; i < last; i++) stage.attempt[i]!++;
}

/** Tasks back from somewhere, whose inputs may have gone meanwhile. */
export function readyAgain(state: State, stage: Stage, first: number, last: number): void {
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

// --- Who waits for what -----------------------------------------------------------------------------------------------------------

/** What a stage lacks is counted until it is finished; when it runs again it is counted anew. */
export const isOpen = (stage: Stage) => !stage.opened || stage.tasks < 0 || stage.pending > 0;

/** The stage reads the whole of another from now on. */
export function readWhole(state: State, stage: Stage, producer: Stage, commands: Command[]): void {
  producer.wholeConsumers.push(stage.index);
  // One without tasks is finished before it has read anything.
  if (!isOpen(stage)) return;
  producer.claims++;
  if (producer.present) return;
  stage.gate++;
  needAllAgain(state, producer, commands);
}

/** Task i reads block i from now on; its number of tasks isn't known yet. */
export function readOneToOne(state: State, stage: Stage, producer: Stage, commands: Command[]): void {
  producer.oneToOneConsumers.push(stage.index);
  for (let block = 0; block < producer.blocks; block++) producer.uses[block]!++;
  needAllAgain(state, producer, commands);
}

/** All tasks read one block from now on. */
export function readPoint(state: State, stage: Stage, producer: Stage, block: number, commands: Command[]): void {
  const consumers = producer.pointConsumers.get(block);
  if (consumers) consumers.push(stage.index);
  else producer.pointConsumers.set(block, [stage.index]);
  producer.uses[block]!++;
  if (producer.output[block] === Live) return;
  stage.gate++;
  needAgain(state, producer, block, commands);
}

/** One task of a control stage reads the whole from now on, and has counted it as missing. */
export function readByTask(state: State, owner: Stage, task: number, producer: Stage, commands: Command[]): void {
  producer.taskConsumers.push({ stage: owner.index, task });
  producer.claims++;
  if (!producer.present) {
    needAllAgain(state, producer, commands);
    return;
  }
  owner.missing[task]!--;
  makeReady(state, owner, task, task + 1);
}

export function readNoMore(state: State, owner: Stage, task: number, producer: Stage, commands: Command[]): void {
  const { taskConsumers } = producer;
  taskConsumers.splice(
    taskConsumers.findIndex((one) => one.stage === owner.index && one.task === task),
    1,
  );
  producer.claims--;
  release(state, producer, 0, producer.blocks, commands);
}

// --- Commits ------------------------------------------------------------------------------------------------------------------------

/** Tasks that have just been committed: what they gave is there, and what they read is needed less. */
export function done(state: State, stage: Stage, first: number, last: number, blocks: number, holder: number, commands: Command[]): void {
  if (stage.cutsList) {
    if (stage.blocks < 0) allocateBlocks(stage, blocks);
    made(state, stage, 0, blocks, holder, commands);
  } else made(state, stage, first, last, holder, commands);
  for (const producer of stage.oneToOne) used(state, state.stages[producer]!, first, last, commands);
  if (stage.pending === 0) stageDone(state, stage, commands);
  if (!stage.cutsList) return;
  for (const consumer of stage.oneToOneConsumers) size(state, state.stages[consumer]!, stage.blocks, commands);
  if (stage.blocks === 0) wholePresent(state, stage);
}

/** Outputs that are there now. */
export function made(state: State, stage: Stage, first: number, last: number, holder: number, commands: Command[]): void {
  const { output } = stage;
  let added = 0;
  for (let i = first; i < last; i++) if (output[i] !== Live) added++;
  if (added === last - first) present(state, stage, first, last, holder);
  // A list that was cut again: only the blocks that were lost are new.
  else for (let i = first; i < last; i++) if (output[i] !== Live) present(state, stage, i, i + 1, holder);
  stage.available += added;
  if (added > 0 && stage.available === stage.blocks) wholePresent(state, stage);
  release(state, stage, first, last, commands);
}

function present(state: State, stage: Stage, first: number, last: number, holder: number): void {
  stage.output.fill(Live, first, last);
  stage.holder.fill(holder, first, last);
  for (const consumer of stage.oneToOneConsumers) arrived(state, state.stages[consumer]!, first, last);
  for (const [block, consumers] of stage.pointConsumers)
    if (first <= block && block < last) for (const consumer of consumers) gateOpens(state, state.stages[consumer]!);
}

function arrived(state: State, consumer: Stage, first: number, last: number): void {
  if (!consumer.opened) return;
  for (let i = first; i < last; i++) if (consumer.state[i] !== Committed) consumer.missing[i]!--;
  makeReady(state, consumer, first, last);
}

function gateOpens(state: State, consumer: Stage): void {
  if (!isOpen(consumer)) return;
  consumer.gate--;
  if (consumer.gate === 0 && consumer.tasks >= 0) makeReady(state, consumer, 0, consumer.tasks);
}

function gateCloses(state: State, consumer: Stage): void {
  if (!isOpen(consumer)) return;
  consumer.gate++;
  if (consumer.tasks >= 0) loseReady(state, consumer, 0, consumer.tasks);
}

function wholePresent(state: State, stage: Stage): void {
  stage.present = true;
  for (const consumer of stage.wholeConsumers) gateOpens(state, state.stages[consumer]!);
  for (const { stage: index, task } of stage.taskConsumers) {
    const owner = state.stages[index]!;
    owner.missing[task]!--;
    makeReady(state, owner, task, task + 1);
  }
}

export function stageDone(state: State, stage: Stage, commands: Command[]): void {
  state.unfinished--;
  if (stage.tasks === 0 && !stage.started) started(stage, commands);
  commands.push({ type: "stageFinished", stage: stage.index, tasks: stage.tasks });
  if (stage.tasks === 0 && !stage.cutsList) wholePresent(state, stage);
  for (const producer of stage.whole) {
    const source = state.stages[producer]!;
    source.claims--;
    release(state, source, 0, source.blocks, commands);
  }
  for (const { producer, block } of stage.points) used(state, state.stages[producer]!, block, block + 1, commands);
  for (let instance = stage.instance; instance; instance = instance.around) lessUnfinished(state, instance);
}

export function started(stage: Stage, commands: Command[]): void {
  stage.started = true;
  commands.push({ type: "stageStarted", stage: stage.index, tasks: stage.tasks });
}

/** Where nothing of an instance is left to do, the task that it is for lacks one thing less; or it has been waited for long enough. */
export function lessUnfinished(state: State, instance: Instance): void {
  if (--instance.unfinished > 0) return;
  const owner = state.stages[instance.owner]!;
  if (!instance.detached) {
    owner.missing[instance.task]!--;
    makeReady(state, owner, instance.task, instance.task + 1);
  } else if (owner.control?.kind === "each") state.over.push(instance);
}

function used(state: State, producer: Stage, first: number, last: number, commands: Command[]): void {
  for (let i = first; i < last; i++) producer.uses[i]!--;
  release(state, producer, first, last, commands);
}

/** Frees what nobody needs any more, in runs that one holder has. */
function release(state: State, stage: Stage, first: number, last: number, commands: Command[]): void {
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
    if (stage.template.spawns) for (let block = start; block < i; block++) unseat(state, stage, block);
    output.fill(Gone, start, i);
    holder.fill(NOBODY, start, i);
    stage.available -= i - start;
    // Nobody waits for it, or it would have been claimed.
    stage.present = false;
  }
}

/** Holders that aren't there have lost what they held. */
export function loseStrays(state: State, commands: Command[]): void {
  for (const { stage, first, end, holder } of state.strays.splice(0))
    for (let block = first; block < end; block++) drop(state, stage, block, holder, commands);
}

// --- Losses ---------------------------------------------------------------------------------------------------------------------------

export function loseHolder(state: State, stage: Stage, worker: number, commands: Command[]): void {
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
export function drop(state: State, index: number, block: number, worker: number, commands: Command[]): void {
  const stage = state.stages[index];
  if (!stage) return;
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
  if (stage.present) {
    stage.present = false;
    for (const consumer of stage.wholeConsumers) gateCloses(state, state.stages[consumer]!);
    for (const { stage: index, task } of stage.taskConsumers) lacksMore(state, state.stages[index]!, task);
  }
  stage.available--;
  for (const consumer of stage.pointConsumers.get(block) ?? []) gateCloses(state, state.stages[consumer]!);
  for (const index of stage.oneToOneConsumers) {
    const consumer = state.stages[index]!;
    if (consumer.tasks >= 0 && consumer.state[block] !== Committed) lacksMore(state, consumer, block);
  }
}

function lacksMore(state: State, stage: Stage, task: number): void {
  stage.missing[task]!++;
  loseReady(state, stage, task, task + 1);
}

/** A committed task runs once more, after the inputs that it needs for that. */
function remake(state: State, stage: Stage, task: number, commands: Command[]): void {
  if (stage.state[task] !== Committed) return;
  if (stage.template.spawns) {
    stage.lost.add(task);
    if (stage.template.spawns === "lost") state.broken ??= { stage: stage.index, block: task };
  }
  if (state.status === "collecting") state.status = "running";
  move(state, stage, task, task + 1, "rebuild");
  stage.attempt[task]!++;
  if (stage.pending === 0) {
    state.unfinished++;
    for (let instance = stage.instance; instance; instance = instance.around) moreUnfinished(state, instance);
    for (const producer of stage.whole) state.stages[producer]!.claims++;
    for (const { producer, block } of stage.points) state.stages[producer]!.uses[block]!++;
    stage.gate =
      stage.whole.filter((producer) => !state.stages[producer]!.present).length +
      stage.points.filter(({ producer, block }) => state.stages[producer]!.output[block] !== Live).length;
  }
  stage.pending++;
  stage.missing[task] = lacking(stage) - stage.oneToOne.filter((producer) => state.stages[producer]!.output[task] === Live).length;
  if (stage.control?.kind === "each" && stage.control.inside) {
    // Where an earlier run did it, it has had no instance, and may be yet to come.
    if (task < stage.control.next) stage.control.again.push(task);
    listExpandable(state, stage);
  }
  for (const producer of stage.oneToOne) {
    const source = state.stages[producer]!;
    source.uses[task]!++;
    needAgain(state, source, task, commands);
  }
  for (const producer of stage.whole) needAllAgain(state, state.stages[producer]!, commands);
  for (const { producer, block } of stage.points) needAgain(state, state.stages[producer]!, block, commands);
  makeReady(state, stage, task, task + 1);
}

function moreUnfinished(state: State, instance: Instance): void {
  if (instance.unfinished++ === 0 && !instance.detached) lacksMore(state, state.stages[instance.owner]!, instance.task);
}

export function needAllAgain(state: State, stage: Stage, commands: Command[]): void {
  if (stage.available === stage.blocks) return;
  for (let block = 0; block < stage.blocks; block++) needAgain(state, stage, block, commands);
}

function needAgain(state: State, stage: Stage, block: number, commands: Command[]): void {
  if (stage.output[block] !== Gone) return;
  stage.output[block] = Unmade;
  commands.push({ type: "objectsLost", stage: stage.index, blocks: 1 });
  remake(state, stage, stage.cutsList ? 0 : block, commands);
}

/** What is held of a stage that is given up. */
export function releaseAll(state: State, stage: Stage, commands: Command[]): void {
  for (let block = 0; block < stage.blocks; block++) {
    if (stage.output[block] !== Live) continue;
    if (stage.template.spawns) unseat(state, stage, block);
    for (const holder of [stage.holder[block]!, ...(stage.copies.get(block) ?? [])])
      if (holder !== ENGINE) commands.push({ type: "free", stage: stage.index, first: block, count: 1, holder });
  }
}

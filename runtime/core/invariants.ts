// What must be true of a run's state after every step. Slow on purpose: for tests, which call it after each event.
import type { State } from "./model.ts";
import { Committed, ENGINE, Live, NOBODY, Ready, Sent, Waiting } from "./model.ts";

/** Throws, naming the first thing that isn't so. */
export function checkInvariants(state: State): void {
  const fail = (what: string): never => {
    throw new Error(`invariant broken: ${what}`);
  };
  const sent = new Map<number, number[]>(state.stages.map((stage) => [stage.index, []]));
  for (const [index, worker] of state.workers) {
    for (const slot of worker.slots) {
      if (slot.worker !== index) fail(`a slot of worker ${index} says it is ${slot.worker}'s`);
      if (slot.queue.length > state.settings.batchesQueued) fail(`slot ${slot.slot} of worker ${index} has ${slot.queue.length} batches`);
      for (const { stage, next, end } of slot.queue) {
        if (next >= end) fail(`an empty batch of stage ${stage}`);
        for (let block = next; block < end; block++) sent.get(stage)!.push(block);
      }
    }
  }
  let unfinished = 0;
  for (const stage of state.stages) {
    const name = `stage ${stage.id}`;
    const queued = sent.get(stage.index)!;
    if (new Set(queued).size !== queued.length) fail(`${name} has a task in two places`);
    for (const block of queued) if (stage.state[block] !== Sent) fail(`${name} has task ${block} in a queue, and it isn't Sent`);
    const count = (wanted: number) => stage.state.reduce((sum, one) => sum + (one === wanted ? 1 : 0), 0);
    if (count(Sent) !== queued.length) fail(`${name} has ${count(Sent)} tasks Sent and ${queued.length} in queues`);
    if (count(Ready) !== stage.readyCount) fail(`${name} counts ${stage.readyCount} ready tasks, and has ${count(Ready)}`);
    if (stage.tasks >= 0) {
      if (stage.pending !== stage.tasks - count(Committed)) fail(`${name} counts ${stage.pending} pending tasks`);
      if (stage.pending > 0) unfinished++;
    } else unfinished++;
    if (stage.available !== stage.output.reduce((sum, one) => sum + (one === Live ? 1 : 0), 0))
      fail(`${name} counts ${stage.available} available blocks`);
    const using = new Set(
      [...state.workers.values()].flatMap((worker) =>
        worker.slots.filter(({ queue }) => queue.some((batch) => batch.stage === stage.index)),
      ),
    );
    if (using.size !== stage.slotsUsing) fail(`${name} counts ${stage.slotsUsing} slots, and uses ${using.size}`);
    if (using.size > stage.slotLimit) fail(`${name} uses ${using.size} slots of ${stage.slotLimit}`);
    checkInputs(state, stage.index, fail);
    for (let block = 0; block < stage.blocks; block++) {
      const holder = stage.holder[block]!;
      if (stage.output[block] === Live) {
        if (holder !== ENGINE && !state.workers.has(holder)) fail(`${name} has block ${block} at ${holder}, which isn't there`);
      } else if (holder !== NOBODY) fail(`${name} has block ${block} at ${holder}, and it isn't available`);
    }
  }
  if (state.begun && (state.status === "running" || state.status === "collecting") && unfinished !== state.unfinished)
    fail(`${state.unfinished} stages are counted unfinished, ${unfinished} are`);
}

/** Tasks that may run have all that they read; those that wait lack something, or are about to be looked at. */
function checkInputs(state: State, index: number, fail: (what: string) => never): void {
  const stage = state.stages[index]!;
  const gate = stage.whole.filter((producer) => {
    const { blocks, available } = state.stages[producer]!;
    return blocks < 0 || available < blocks || (blocks === 0 && state.stages[producer]!.pending > 0);
  }).length;
  if (stage.tasks < 0 || stage.pending === 0) return;
  if (gate !== stage.gate) fail(`stage ${stage.id} lacks ${gate} whole inputs, and counts ${stage.gate}`);
  for (let task = 0; task < stage.tasks; task++) {
    const here = stage.state[task]!;
    if (here === Committed) continue;
    const missing = stage.oneToOne.filter((producer) => state.stages[producer]!.output[task] !== Live).length;
    if (missing !== stage.missing[task]) fail(`task ${task} of ${stage.id} lacks ${missing} blocks, and counts ${stage.missing[task]}`);
    if (here === Ready && (missing > 0 || gate > 0)) fail(`task ${task} of ${stage.id} is ready, and lacks inputs`);
    if (here === Waiting && missing === 0 && gate === 0 && state.begun && state.status === "running")
      fail(`task ${task} of ${stage.id} waits for nothing`);
  }
}

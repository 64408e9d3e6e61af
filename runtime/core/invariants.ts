// What must be true of a run's state after every step. Slow on purpose: for tests, which call it after each event.
import { askedBy, homeOf } from "./actors.ts";
import type { Instance, Slot, Stage, State } from "./model.ts";
import { Committed, DISK, ENGINE, Inside, Live, NOBODY, Ready, Sent, Waiting } from "./model.ts";
import { isBusy } from "./regions.ts";
import { fresh } from "./speculation.ts";
import { isOpen } from "./tasks.ts";

type Fail = (what: string) => never;

/** Throws, naming the first thing that isn't so. */
export function checkInvariants(state: State): void {
  const fail: Fail = (what) => {
    throw new Error(`invariant broken: ${what}`);
  };
  const stages = state.stages.filter((stage) => stage !== null);
  const sent = new Map<number, number[]>(stages.map((stage) => [stage.index, []]));
  const slots = [...state.workers.values()].flatMap((worker) => worker.slots);
  for (const [index, worker] of state.workers) {
    const isIdle = worker.slots.every(({ queue }) => queue.length === 0);
    if (worker.alone && isIdle && state.suspects.length === 0 && state.begun && state.status === "running")
      fail(`worker ${index} is kept for a suspect, and there is none`);
    for (const slot of worker.slots) {
      if (slot.worker !== index) fail(`a slot of worker ${index} says it is ${slot.worker}'s`);
      if (slot.queue.length > state.settings.singlesQueued) fail(`slot ${slot.slot} of worker ${index} has ${slot.queue.length} batches`);
      for (const batch of slot.queue) {
        const { stage, next, end, shadow, doubled } = batch;
        if (next >= end) fail(`an empty batch of stage ${stage}`);
        if (!sent.has(stage)) fail(`a batch of stage ${stage}, which is retired`);
        if (shadow && !doubled) fail(`a second copy of stage ${stage} isn't marked as one`);
        // A task belongs to the batch that had it first, until another commits it.
        if (shadow || (batch.rank ?? 0) > 0) continue;
        for (const [from, to] of fresh(state.stages[stage]!, batch, next, end))
          for (let block = from; block < to; block++) sent.get(stage)!.push(block);
      }
    }
  }
  for (const { limit, index } of state.templates) {
    const using = slots.filter(({ queue }) => queue.some((batch) => state.stages[batch.stage]!.template.index === index)).length;
    if (limit && (using !== limit.using || using > limit.slots))
      fail(`stages of ${state.plan.stages[index]!.id} use ${using} slots of ${limit.slots}, and count ${limit.using}`);
  }
  const members = slots.flatMap(({ queue }) => queue.filter(({ rank }) => rank !== null));
  if (members.length !== state.gangs.length || state.gangs.some(({ slot, batch }) => !slot.queue.includes(batch)))
    fail(`${state.gangs.length} members of gangs are counted at slots, and ${members.length} are there`);
  for (const { batch, aborted, slot } of state.gangs) {
    const stage = state.stages[batch.stage]!;
    if (aborted || stage.attempt[0] !== batch.attempt || stage.state[0] !== Sent) continue;
    const beside = state.gangs.filter((one) => one.batch.stage === batch.stage && one.batch.attempt === batch.attempt);
    if (beside.some((one) => one.slot.worker !== slot.worker)) fail(`the members of ${stage.id} are on several workers`);
  }
  const shares = new Tally();
  for (const { queue } of slots) for (const batch of queue) shares.add(state.stages[batch.stage]!.key[0]!);
  state.shares.forEach((count, place) => {
    if (count !== shares.of(place)) fail(`the stage at place ${place} counts ${count} batches at slots, and has ${shares.of(place)}`);
  });
  let unfinished = 0;
  for (const stage of stages) {
    const name = `stage ${stage.id}`;
    const queued = sent.get(stage.index)!;
    if (state.stages[stage.index] !== stage) fail(`${name} isn't where its number says`);
    if (new Set(queued).size !== queued.length) fail(`${name} has a task in two places`);
    for (const block of queued) if (stage.state[block] !== Sent) fail(`${name} has task ${block} in a queue, and it isn't Sent`);
    const count = (wanted: number) => stage.state.reduce((sum, one) => sum + (one === wanted ? 1 : 0), 0);
    if (count(Sent) !== queued.length) fail(`${name} has ${count(Sent)} tasks Sent and ${queued.length} in queues`);
    if (count(Ready) !== stage.readyCount) fail(`${name} counts ${stage.readyCount} ready tasks, and has ${count(Ready)}`);
    if (stage.readyCount > 0 && !state.ready.includes(stage)) fail(`${name} has ready tasks, and nobody will look`);
    if (stage.tasks >= 0 && stage.pending !== stage.tasks - count(Committed)) fail(`${name} counts ${stage.pending} pending tasks`);
    if (isUnfinished(state, stage)) unfinished++;
    if (stage.available !== stage.output.reduce((sum, one) => sum + (one === Live ? 1 : 0), 0))
      fail(`${name} counts ${stage.available} available blocks`);
    const using = slots.filter(({ queue }) => queue.some((batch) => batch.stage === stage.index));
    if (using.length !== stage.slotsUsing) fail(`${name} counts ${stage.slotsUsing} slots, and uses ${using.length}`);
    // Members of a gang's attempt that is over may not have said so yet.
    if (using.length > stage.slotLimit && stage.template.members === 1) fail(`${name} uses ${using.length} slots of ${stage.slotLimit}`);
    checkInputs(state, stage, fail);
    checkActors(state, stage, slots, fail);
    for (let block = 0; block < stage.blocks; block++) {
      const holder = stage.holder[block]!;
      if (stage.output[block] === Live) {
        if (holder !== ENGINE && holder !== DISK && !state.workers.has(holder))
          fail(`${name} has block ${block} at ${holder}, which isn't there`);
      } else if (holder !== NOBODY) fail(`${name} has block ${block} at ${holder}, and it isn't available`);
    }
  }
  checkConsumers(state, stages, fail);
  checkInstances(state, stages, fail);
  if (state.begun && isRunning(state) && unfinished !== state.unfinished)
    fail(`${state.unfinished} stages are counted unfinished, ${unfinished} are`);
  if (state.begun && isRunning(state) && (state.due.length > 0 || state.over.some((one) => !isBusy(state, one))))
    fail("the step ended before everything was settled");
}

/** Each actor that is there lives in one slot, and is asked nowhere else. */
function checkActors(state: State, stage: Stage, slots: readonly Slot[], fail: Fail): void {
  const { spawns, asks } = stage.template;
  if (spawns)
    for (let block = 0; block < stage.blocks; block++) {
      const homes = slots.filter(({ actors }) => actors.get(stage.index)?.has(block));
      const lives = stage.output[block] === Live;
      if (homes.length !== (lives ? 1 : 0))
        fail(`actor ${block} of ${stage.id} lives in ${homes.length} slots, and is ${lives ? "" : "not "}there`);
      if (lives && homes[0]!.worker !== stage.holder[block]) fail(`actor ${block} of ${stage.id} isn't where its holder is`);
    }
  if (!asks || !isRunning(state)) return;
  for (const slot of slots)
    for (const { stage: sent, next, end } of slot.queue)
      for (let block = next; sent === stage.index && block < end; block++) {
        const home = homeOf(state, stage, block);
        if (asks.which === "free" ? !slot.actors.has(askedBy(state, stage)!.index) : home !== slot)
          fail(`task ${block} of ${stage.id} was sent to a slot where its actor doesn't live`);
      }
}

const isRunning = ({ status }: State) => status === "running" || status === "collecting";

function isUnfinished(state: State, stage: Stage): boolean {
  if (state.plan.stages[stage.template.index]!.tasks.kind === "given") return false;
  return stage.tasks < 0 || stage.pending > 0;
}

/** Whether all of an output can be read. */
const isWhole = ({ blocks, available, pending }: Stage) => blocks >= 0 && available === blocks && !(blocks === 0 && pending > 0);

/** Tasks that may run have all that they read; those that wait lack something, or are about to be looked at. */
function checkInputs(state: State, stage: Stage, fail: Fail): void {
  if (state.begun && isWhole(stage) !== stage.present && isRunning(state))
    fail(`stage ${stage.id} is whole: ${isWhole(stage)}, and says otherwise`);
  if (stage.tasks < 0 || stage.pending === 0) return;
  const gate =
    stage.whole.filter((producer) => !state.stages[producer]!.present).length +
    stage.points.filter(({ producer, block }) => state.stages[producer]!.output[block] !== Live).length;
  if (gate !== stage.gate) fail(`stage ${stage.id} lacks ${gate} inputs, and counts ${stage.gate}`);
  for (let task = 0; task < stage.tasks; task++) {
    const here = stage.state[task]!;
    if (here === Committed) continue;
    const missing =
      stage.oneToOne.filter((producer) => state.stages[producer]!.output[task] !== Live).length + lackingInside(state, stage, task);
    if (missing !== stage.missing[task]) fail(`task ${task} of ${stage.id} lacks ${missing} inputs, and counts ${stage.missing[task]}`);
    if (here === Ready && (missing > 0 || gate > 0)) fail(`task ${task} of ${stage.id} is ready, and lacks inputs`);
    if (missing > 0 || !state.begun || state.status !== "running") continue;
    if ((here === Waiting && gate === 0) || here === Inside) fail(`task ${task} of ${stage.id} waits for nothing`);
  }
}

/** What the task lacks of what is made for it in an instance. */
function lackingInside(state: State, stage: Stage, task: number): number {
  const { control } = stage;
  if (!control || (control.kind === "each" && !control.inside)) return 0;
  if (control.kind !== "each" && stage.state[task] === Waiting) return 0;
  const instance = instancesOf(stage).find((one) => one.task === task && !one.detached);
  if (!instance) return control.kind === "each" ? control.reads.length + 1 : 0;
  return instance.reads.filter((read) => !state.stages[read]!.present).length + (instance.unfinished > 0 ? 1 : 0);
}

function instancesOf({ control }: Stage): readonly Instance[] {
  if (control?.kind === "each") return [...control.instances.values()];
  if (control?.kind === "loop") return control.instances;
  return control?.instance ? [control.instance] : [];
}

/** Whoever reads something stands in its list as often, and as often claims it. */
function checkConsumers(state: State, stages: readonly Stage[], fail: Fail): void {
  const known = new Tally();
  const reads = new Tally();
  const claims = new Tally();
  for (const stage of stages) {
    const { index } = stage;
    for (const consumer of stage.wholeConsumers) known.add("whole", consumer, index);
    for (const consumer of stage.oneToOneConsumers) known.add("blocks", consumer, index);
    for (const one of stage.taskConsumers) known.add("task", one.stage, one.task, index);
    for (const [block, consumers] of stage.pointConsumers) for (const consumer of consumers) known.add("point", consumer, index, block);
    for (const producer of stage.whole) {
      reads.add("whole", index, producer);
      if (isOpen(stage)) claims.add(producer);
    }
    for (const producer of stage.oneToOne) reads.add("blocks", index, producer);
    for (const { producer, block } of stage.points) {
      reads.add("point", index, producer, block);
      if (isOpen(stage)) claims.add(producer, block);
    }
    for (const { task, detached, reads: inside } of instancesOf(stage)) {
      if (detached) continue;
      for (const producer of inside) {
        reads.add("task", index, task, producer);
        claims.add(producer);
      }
    }
  }
  for (const [a, b] of [
    [reads, known],
    [known, reads],
  ] as const)
    for (const [what, times] of a.counts)
      if (b.counts.get(what) !== times) fail(`${what} is read ${reads.counts.get(what)} times, and known ${known.counts.get(what)}`);
  for (const stage of stages) {
    if (stage.claims !== claims.of(stage.index)) fail(`${stage.id} is claimed ${claims.of(stage.index)} times, and counts ${stage.claims}`);
    for (let block = 0; block < stage.blocks; block++) {
      let uses = claims.of(stage.index, block);
      for (const index of stage.oneToOneConsumers) {
        const reader = state.stages[index]!;
        if (reader.tasks < 0 || reader.state[block] !== Committed) uses++;
      }
      if (uses !== stage.uses[block]) fail(`block ${block} of ${stage.id} has ${uses} uses, and counts ${stage.uses[block]}`);
    }
  }
}

/** How often something was counted. */
class Tally {
  readonly counts = new Map<string, number>();

  add(...what: readonly (string | number)[]): void {
    const key = what.join(" ");
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
  }

  of(...what: readonly (string | number)[]): number {
    return this.counts.get(what.join(" ")) ?? 0;
  }
}

/** An instance knows how many of its stages, and of those inside, aren't finished. */
function checkInstances(state: State, stages: readonly Stage[], fail: Fail): void {
  const unfinished = new Map<Instance, number>();
  for (const stage of stages) {
    if (!isUnfinished(state, stage)) continue;
    for (let at = stage.instance; at; at = at.around) unfinished.set(at, (unfinished.get(at) ?? 0) + 1);
  }
  for (const stage of stages)
    for (const instance of instancesOf(stage))
      if ((unfinished.get(instance) ?? 0) !== instance.unfinished)
        fail(
          `instance ${instance.number} of ${stage.id} counts ${instance.unfinished} stages unfinished, ${unfinished.get(instance) ?? 0} are`,
        );
}

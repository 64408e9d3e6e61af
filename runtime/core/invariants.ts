// What must be true of a run's state after every step, counted anew from the whole of it: for tests, which call it after each event. It looks at
// everything, but at each thing once: thousands of seeds with hundreds of steps wait for it.
import { askedBy, homeOf } from "./actors.ts";
import type { Control, Instance, Slot, Stage, State } from "./model.ts";
import { Committed, DISK, ENGINE, Inside, Live, NOBODY, Ready, Sent, TASK_STATES, Waiting } from "./model.ts";
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
  // Blocks in queues, by stage; only of those that have some.
  const sent = new Map<number, number[]>();
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
        if (!state.stages[stage]) fail(`a batch of stage ${stage}, which is retired`);
        if (shadow && !doubled) fail(`a second copy of stage ${stage} isn't marked as one`);
        // A task belongs to the batch that had it first, until another commits it.
        if (shadow || (batch.rank ?? 0) > 0) continue;
        for (const [from, to] of fresh(state.stages[stage]!, batch, next, end))
          for (let block = from; block < to; block++) {
            const blocks = sent.get(stage);
            if (blocks) blocks.push(block);
            else sent.set(stage, [block]);
          }
      }
    }
  }
  // Slots that have tasks of a stage, and of all its instances; batches by the stage's place.
  const usingStage = new Tally();
  const usingTemplate = new Tally();
  const shares = new Tally();
  for (const { queue } of slots) {
    queue.forEach((batch, place) => {
      const stage = state.stages[batch.stage]!;
      shares.add(stage.key[0]!);
      const before = queue.slice(0, place);
      if (!before.some((one) => one.stage === batch.stage)) usingStage.add(batch.stage);
      if (!before.some((one) => state.stages[one.stage]!.template === stage.template)) usingTemplate.add(stage.template.index);
    });
  }
  for (const { limit, index } of state.templates) {
    const using = usingTemplate.of(index);
    if (limit && (using !== limit.using || using > limit.slots))
      fail(`stages of ${state.plan.stages[index]!.id} use ${using} slots of ${limit.slots}, and count ${limit.using}`);
  }
  const members = slots.flatMap(({ queue }) => queue.filter(({ rank }) => rank !== null));
  if (members.length !== state.gangs.length || state.gangs.some(({ slot, batch }) => !slot.queue.includes(batch)))
    fail(`${state.gangs.length} members of gangs are counted at slots, and ${members.length} are there`);
  checkGangs(state, fail);
  state.shares.forEach((count, place) => {
    if (count !== shares.of(place)) fail(`the stage at place ${place} counts ${count} batches at slots, and has ${shares.of(place)}`);
  });
  let unfinished = 0;
  const ready = new Set(state.ready);
  const counts = new Int32Array(TASK_STATES.length);
  for (const stage of stages) {
    const name = `stage ${stage.id}`;
    const queued = sent.get(stage.index) ?? [];
    if (state.stages[stage.index] !== stage) fail(`${name} isn't where its number says`);
    if (queued.length > 1 && new Set(queued).size !== queued.length) fail(`${name} has a task in two places`);
    for (const block of queued) if (stage.state[block] !== Sent) fail(`${name} has task ${block} in a queue, and it isn't Sent`);
    counts.fill(0);
    for (let task = 0; task < stage.state.length; task++) counts[stage.state[task]!]!++;
    if (counts[Sent] !== queued.length) fail(`${name} has ${counts[Sent]} tasks Sent and ${queued.length} in queues`);
    if (counts[Ready] !== stage.readyCount) fail(`${name} counts ${stage.readyCount} ready tasks, and has ${counts[Ready]}`);
    if (stage.readyCount > 0 && !ready.has(stage)) fail(`${name} has ready tasks, and nobody will look`);
    if (stage.tasks >= 0 && stage.pending !== stage.tasks - counts[Committed]!) fail(`${name} counts ${stage.pending} pending tasks`);
    if (isUnfinished(state, stage)) unfinished++;
    let available = 0;
    for (let block = 0; block < stage.output.length; block++) if (stage.output[block] === Live) available++;
    if (stage.available !== available) fail(`${name} counts ${stage.available} available blocks`);
    const using = usingStage.of(stage.index);
    if (using !== stage.slotsUsing) fail(`${name} counts ${stage.slotsUsing} slots, and uses ${using}`);
    // Members of a gang's attempt that is over may not have said so yet.
    if (using > stage.slotLimit && stage.template.members === 1) fail(`${name} uses ${using} slots of ${stage.slotLimit}`);
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

/** A gang whose task is under way is all there, on no more workers than it needs; one that has lost a member has been told everywhere. */
function checkGangs(state: State, fail: Fail): void {
  for (const { batch, aborted, broken } of state.gangs) {
    const stage = state.stages[batch.stage]!;
    const beside = state.gangs.filter((one) => one.batch.stage === batch.stage && one.batch.attempt === batch.attempt);
    if (beside.some((one) => one.aborted !== aborted || one.broken !== broken))
      fail(`some members of ${stage.id} know of its end, others don't`);
    if (state.begun && state.status === "running" && broken && !aborted) fail(`${stage.id} has lost a member, and the others wait for it`);
    if (aborted || stage.attempt[0] !== batch.attempt || stage.state[0] !== Sent) continue;
    const { members, oneWorker } = stage.template;
    const ranks = new Set(beside.map((one) => one.batch.rank));
    // Others than the first may have come to their end before it.
    if (!ranks.has(0) || beside.length !== ranks.size || beside.length > members) fail(`${stage.id} is half placed`);
    const workers = new Set(beside.map(({ slot }) => slot.worker));
    if (oneWorker && workers.size > 1) fail(`the members of ${stage.id} are on several workers`);
  }
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
  const { control } = stage;
  const instances = new Map<number, Instance>();
  for (const one of instancesOf(stage)) if (!one.detached && !instances.has(one.task)) instances.set(one.task, one);
  for (let task = 0; task < stage.tasks; task++) {
    const here = stage.state[task]!;
    if (here === Committed) continue;
    let missing = control ? lackingInside(state, stage, control, task, instances.get(task)) : 0;
    for (const producer of stage.oneToOne) if (state.stages[producer]!.output[task] !== Live) missing++;
    if (missing !== stage.missing[task]) fail(`task ${task} of ${stage.id} lacks ${missing} inputs, and counts ${stage.missing[task]}`);
    if (here === Ready && (missing > 0 || gate > 0)) fail(`task ${task} of ${stage.id} is ready, and lacks inputs`);
    if (missing > 0 || !state.begun || state.status !== "running") continue;
    if ((here === Waiting && gate === 0) || here === Inside) fail(`task ${task} of ${stage.id} waits for nothing`);
  }
}

/** What the task lacks of what is made for it in an instance. */
function lackingInside(state: State, stage: Stage, control: Control, task: number, instance: Instance | undefined): number {
  if (control.kind === "each" && !control.inside) return 0;
  if (control.kind !== "each" && stage.state[task] === Waiting) return 0;
  if (!instance) return control.kind === "each" ? control.reads.length + 1 : 0;
  return instance.reads.filter((read) => !state.stages[read]!.present).length + (instance.unfinished > 0 ? 1 : 0);
}

function instancesOf({ control }: Stage): readonly Instance[] {
  if (!control) return NONE;
  if (control.kind === "each") return [...control.instances.values()];
  if (control.kind === "loop") return control.instances;
  return control.instance ? [control.instance] : NONE;
}
const NONE: readonly Instance[] = [];

/** How somebody reads another. */
const WAYS = ["whole", "blocks", "task", "point"] as const;
const [WHOLE, BLOCKS, INSIDE, POINT] = [0, 1, 2, 3];

/** Whoever reads something stands in its list as often, and as often claims it. */
function checkConsumers(state: State, stages: readonly Stage[], fail: Fail): void {
  const places = new Places(state);
  const known: number[] = [];
  const reads: number[] = [];
  const claims = new Tally();
  for (const stage of stages) {
    const { index } = stage;
    for (const consumer of stage.wholeConsumers) known.push(places.of(WHOLE, consumer, index));
    for (const consumer of stage.oneToOneConsumers) known.push(places.of(BLOCKS, consumer, index));
    for (const one of stage.taskConsumers) known.push(places.of(INSIDE, one.stage, index, one.task));
    for (const [block, consumers] of stage.pointConsumers)
      for (const consumer of consumers) known.push(places.of(POINT, consumer, index, block));
    for (const producer of stage.whole) {
      reads.push(places.of(WHOLE, index, producer));
      if (isOpen(stage)) claims.add(places.of(WHOLE, 0, producer));
    }
    for (const producer of stage.oneToOne) reads.push(places.of(BLOCKS, index, producer));
    for (const { producer, block } of stage.points) {
      reads.push(places.of(POINT, index, producer, block));
      if (isOpen(stage)) claims.add(places.of(POINT, 0, producer, block));
    }
    for (const { task, detached, reads: inside } of instancesOf(stage)) {
      if (detached) continue;
      for (const producer of inside) {
        reads.push(places.of(INSIDE, index, producer, task));
        claims.add(places.of(WHOLE, 0, producer));
      }
    }
  }
  const differs = firstDifference(reads, known);
  if (differs !== null) {
    const times = (all: readonly number[]) => all.filter((one) => one === differs).length;
    fail(`${places.name(differs)} is read ${times(reads)} times, and known ${times(known)}`);
  }
  for (const stage of stages) {
    const claimed = claims.of(places.of(WHOLE, 0, stage.index));
    if (stage.claims !== claimed) fail(`${stage.id} is claimed ${claimed} times, and counts ${stage.claims}`);
    for (let block = 0; block < stage.blocks; block++) {
      let uses = claims.of(places.of(POINT, 0, stage.index, block));
      for (const index of stage.oneToOneConsumers) {
        const reader = state.stages[index]!;
        if (reader.tasks < 0 || reader.state[block] !== Committed) uses++;
      }
      if (uses !== stage.uses[block]) fail(`block ${block} of ${stage.id} has ${uses} uses, and counts ${stage.uses[block]}`);
    }
  }
}

/** A number that isn't in both lists, or not as often; null where there is none. */
function firstDifference(some: readonly number[], others: readonly number[]): number | null {
  const [a, b] = [Float64Array.from(some).sort(), Float64Array.from(others).sort()];
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    if (a[i] === b[i]) continue;
    return a[i] === undefined || b[i]! < a[i]! ? b[i]! : a[i]!;
  }
  return null;
}

/** One number for each way in which one stage can read a block, or a task can read, of another: names would take most of the time. */
class Places {
  readonly #state: State;
  readonly #stages: number;
  readonly #items: number;

  constructor(state: State) {
    this.#state = state;
    this.#stages = state.stages.length;
    this.#items = state.stages.reduce((most, stage) => Math.max(most, stage?.tasks ?? 0, stage?.blocks ?? 0), 1);
  }

  of(way: number, consumer: number, producer: number, item = 0): number {
    if (item >= this.#items || producer >= this.#stages) throw new RangeError(`no place for item ${item} of stage ${producer}`);
    return ((way * this.#stages + consumer) * this.#stages + producer) * this.#items + item;
  }

  name(place: number): string {
    const item = place % this.#items;
    const [producer, rest] = split(Math.floor(place / this.#items), this.#stages);
    const [consumer, way] = split(rest, this.#stages);
    return `${WAYS[way]} ${this.#state.stages[producer]?.id} (${item}) by ${this.#state.stages[consumer]?.id}`;
  }
}
const split = (number: number, by: number): readonly [rest: number, times: number] => [number % by, Math.floor(number / by)];

/** How often something was counted. */
class Tally {
  readonly #counts = new Map<number, number>();

  add(what: number): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
  }

  of(what: number): number {
    return this.#counts.get(what) ?? 0;
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

// Stages come to life, are bound to each other, and go: those of the run itself at its start, those of regions when a control stage says
// so. A name in a stage of a region means its own instance first, then the one around, then the run. Must not know slots.
import type { PlanInput } from "../../compiler/plan.ts";
import { allocateTasks, blankStage } from "./columns.ts";
import type { Command, Control, Instance, Stage, State } from "./model.ts";
import { Committed, ENGINE, Inside, Live, Waiting } from "./model.ts";
import {
  checkBlocks,
  isOpen,
  lessUnfinished,
  loseStrays,
  made,
  makeReady,
  needAllAgain,
  opened,
  readByTask,
  readNoMore,
  readOneToOne,
  readPoint,
  readWhole,
  releaseAll,
  size,
  stageDone,
  started,
} from "./tasks.ts";
import { move } from "./transitions.ts";

// --- Names ------------------------------------------------------------------------------------------------------------------------

/** What a stage of the plan is, seen from inside an instance; a `given` may stand for another. */
function named(state: State, from: Instance | null, planned: number): Stage {
  const { region, place } = state.templates[planned]!;
  let instance = from;
  while (instance && instance.region !== region) instance = instance.around;
  if (!instance && region !== null) throw new Error(`bug: ${state.plan.stages[planned]!.id} is named from outside its region`);
  return state.stages[(instance?.base ?? 0) + place]!;
}

/** Bound names followed to the end. */
export function lookUp(state: State, from: Instance | null, planned: number): Stage {
  let stage = named(state, from, planned);
  while (stage.bound >= 0) stage = state.stages[stage.bound]!;
  return stage;
}

/** The instance around whose owner goes over that stage. */
function overItem(state: State, from: Instance | null, planned: number): Instance {
  for (let instance = from; instance; instance = instance.around) {
    const { tasks } = state.plan.stages[state.stages[instance.owner]!.template.index]!;
    if (tasks.kind === "each" && tasks.of === planned) return instance;
  }
  throw new Error(`bug: nothing around goes over ${state.plan.stages[planned]!.id}`);
}

/** Of a stage inside the region of a loop: which iteration it is in. */
export function iterationOf(stage: Stage, region: number): number {
  for (let instance = stage.instance; instance; instance = instance.around) if (instance.region === region) return instance.number;
  throw new Error(`bug: ${stage.id} stands in no iteration of region ${region}`);
}

// --- Coming to life ---------------------------------------------------------------------------------------------------------------

/** Stages of the plan that share a region come to life together. Gives those whose tasks are known: they are to be opened. */
export function addStages(
  state: State,
  planned: readonly number[],
  instance: Instance | null,
  base: number,
  commands: Command[],
): readonly Stage[] {
  while (state.stages.length < base) state.stages.push(null);
  for (const [place, index] of planned.entries()) {
    const stage = blankStage(base + place, state.plan, state.templates[index]!, instance);
    state.stages[base + place] = stage;
    if (state.plan.stages[index]!.tasks.kind === "given") continue;
    if (instance?.again && stage.template.isEffect) {
      hadEffect(stage);
      continue;
    }
    state.unfinished++;
    for (let around = instance; around; around = around.around) around.unfinished++;
  }
  const added = state.stages.slice(base, base + planned.length) as Stage[];
  for (const stage of added) {
    if (stage.present) continue;
    link(state, stage, commands);
    const { tasks } = state.plan.stages[stage.template.index]!;
    if (stage.template.tasks >= 0) allocateTasks(stage, stage.template.tasks);
    else if (tasks.kind === "perBlock" || tasks.kind === "each") {
      const { blocks } = lookUp(state, instance, tasks.of);
      if (blocks >= 0) allocateTasks(stage, blocks);
    }
  }
  return added.filter((stage) => stage.tasks >= 0 && !stage.present);
}

/** It acted on the world when this instance was there before, and isn't to do so twice. */
function hadEffect(stage: Stage): void {
  allocateTasks(stage, 0);
  stage.present = true;
  stage.opened = true;
  stage.started = true;
}

function link(state: State, stage: Stage, commands: Command[]): void {
  const { inputs, tasks } = state.plan.stages[stage.template.index]!;
  const whole = new Set<number>();
  const read = (input: PlanInput): number => {
    if (!("stage" in input)) return -1;
    if (stage.control?.kind === "each" && input.kind !== "item" && state.templates[input.stage]!.region === stage.control.region) return -1;
    if (input.kind === "item" && !(tasks.kind === "each" && tasks.of === input.stage)) {
      const over = overItem(state, stage.instance, input.stage);
      const producer = lookUp(state, over.around, input.stage);
      stage.points.push({ producer: producer.index, block: over.number });
      readPoint(state, stage, producer, over.number, commands);
      return producer.index;
    }
    const producer = lookUp(state, stage.instance, input.stage);
    // An `each` reads the items that it goes over once and for all, whether it says so or not.
    if (input.kind === "item") return producer.index;
    if (input.kind === "block" || (input.kind === "actor" && input.which === "each")) {
      stage.oneToOne.push(producer.index);
      readOneToOne(state, stage, producer, commands);
      return producer.index;
    }
    whole.add(input.stage);
    stage.whole.push(producer.index);
    readWhole(state, stage, producer, commands);
    return producer.index;
  };
  for (const input of inputs) stage.producers.push(read(input));
  if (tasks.kind === "each") {
    const items = lookUp(state, stage.instance, tasks.of);
    stage.oneToOne.push(items.index);
    readOneToOne(state, stage, items, commands);
  }
  // What it hands on later must be there until then.
  for (const planned of handedOn(state, stage.control)) {
    if (whole.has(planned)) continue;
    whole.add(planned);
    const producer = lookUp(state, stage.instance, planned);
    stage.whole.push(producer.index);
    readWhole(state, stage, producer, commands);
  }
}

/** Stages around a control stage's regions that its `given` may come to stand for. */
function handedOn(state: State, control: Control | null): number[] {
  if (control?.kind === "loop") return control.tasks.carried.map(({ init }) => init);
  if (control?.kind !== "branch") return [];
  const { gives, then, else: otherwise } = control.tasks;
  const around = (stage: number, region: number) => (state.templates[stage]!.region === region ? [] : [stage]);
  return gives.flatMap((one) => [...around(one.then, then), ...around(one.else, otherwise)]);
}

interface Wanted {
  readonly region: number;
  readonly task: number;
  readonly number: number;
  readonly again: boolean;
  /** What its owner's task waits for, besides all its stages. */
  readonly reads: readonly number[];
  /** Before its stages begin: what its `given` stand for. */
  readonly bind: readonly { readonly given: number; readonly to: Stage }[];
  /** Before its stages begin, some of which may have been done by an earlier run: whoever needs them says so. */
  readonly claim?: (instance: Instance) => void;
}

/** The owner has counted what it is about to wait for as missing. */
function instantiate(state: State, owner: Stage, wanted: Wanted, commands: Command[]): Instance {
  const { region, task, number, again } = wanted;
  const planned = state.plan.regions[region]!.stages;
  const key = [...owner.key, number];
  const instance: Instance = {
    region,
    number,
    owner: owner.index,
    task,
    around: owner.instance,
    base: baseFor(state, key),
    stages: planned.length,
    key,
    reads: [],
    // One too many while it is being made.
    unfinished: 1,
    detached: false,
    again: again || (owner.instance?.again ?? false),
  };
  const sized = addStages(state, planned, instance, instance.base, commands);
  for (const { given, to } of wanted.bind) bind(state, named(state, instance, given), to, commands);
  for (const read of wanted.reads) {
    const producer = lookUp(state, instance, read);
    instance.reads.push(producer.index);
    readByTask(state, owner, task, producer, commands);
  }
  wanted.claim?.(instance);
  for (const stage of sized) if (!stage.opened) opened(state, stage, commands);
  lessUnfinished(state, instance);
  // Once it is known who reads what of it; at the run's beginning, once that is known of all.
  if (state.begun && !state.isBeginning) loseStrays(state, commands);
  return instance;
}

/** Under the numbers that it had before, where another leader made it: workers know what they hold by them. One made again gets new ones. */
function baseFor(state: State, key: readonly number[]): number {
  const known = state.baseOf(keyText(key));
  return known !== null && !state.stages[known] ? known : Math.max(state.stages.length, state.freshFrom);
}

/** Tells an instance from all others of its run. */
export const keyText = (key: readonly number[]): string => key.join(".");

/** The task of its owner has what it wanted of an instance. */
export function letGo(state: State, owner: Stage, instance: Instance, commands: Command[]): void {
  for (const read of instance.reads) readNoMore(state, owner, instance.task, state.stages[read]!, commands);
  instance.detached = true;
  if (owner.control?.kind !== "each") return;
  owner.control.instances.delete(instance.task);
  if (instance.unfinished === 0) state.over.push(instance);
}

// --- Standing for another -------------------------------------------------------------------------------------------------------------

/** Whoever reads the `given` reads that one from now on. */
function bind(state: State, given: Stage, to: Stage, commands: Command[]): void {
  given.bound = to.index;
  given.claims = 0;
  if (given.pinned) to.pinned = true;
  const replace = (list: number[]) => {
    for (let i = 0; i < list.length; i++) if (list[i] === given.index) list[i] = to.index;
  };
  for (const index of given.wholeConsumers.splice(0)) {
    const consumer = state.stages[index]!;
    replace(consumer.whole);
    replace(consumer.producers);
    // The gate has counted the `given`; what takes its place is counted once more.
    if (isOpen(consumer)) consumer.gate--;
    readWhole(state, consumer, to, commands);
    if (consumer.gate === 0 && consumer.tasks >= 0 && state.begun) makeReady(state, consumer, 0, consumer.tasks);
  }
  for (const index of given.oneToOneConsumers.splice(0)) {
    const consumer = state.stages[index]!;
    replace(consumer.oneToOne);
    replace(consumer.producers);
    readOneToOne(state, consumer, to, commands);
    if (to.blocks < 0) continue;
    if (consumer.tasks < 0) {
      size(state, consumer, to.blocks, commands);
      continue;
    }
    checkBlocks(consumer, to);
    // One that isn't opened yet counts what it lacks then.
    if (!consumer.opened) continue;
    for (let i = 0; i < to.blocks; i++) if (to.output[i] === Live) consumer.missing[i]!--;
    makeReady(state, consumer, 0, consumer.tasks);
  }
  for (const { stage: index, task } of given.taskConsumers.splice(0)) {
    const owner = state.stages[index]!;
    const instance = instanceFor(owner, task);
    replace(instance.reads);
    readByTask(state, owner, task, to, commands);
  }
  // A result of the run, or what nobody claims yet, may have been freed.
  if (to.pinned) needAllAgain(state, to, commands);
}

function instanceFor({ control, id }: Stage, task: number): Instance {
  const found =
    control?.kind === "each" ? control.instances.get(task) : control?.kind === "loop" ? control.instances.at(-1) : control?.instance;
  if (!found) throw new Error(`bug: ${id} has no instance for its task ${task}`);
  return found;
}

// --- Control ------------------------------------------------------------------------------------------------------------------------

/** Brings one more instance of an `each` to life, the oldest that can be; false where there is none. */
export function expand(state: State, commands: Command[]): boolean {
  let slots = 0;
  for (const worker of state.workers.values()) slots += worker.slots.length;
  const most = state.settings.instances + state.settings.instancesPerSlot * slots;
  for (let i = 0; i < state.expandable.length; i++) {
    const stage = state.expandable[i]!;
    const control = stage.control as Control & { kind: "each" };
    while (control.next < stage.tasks && stage.state[control.next] === Committed) control.next++;
    if (control.next >= stage.tasks && control.again.length === 0) {
      state.expandable.splice(i--, 1);
      control.listed = false;
      continue;
    }
    // The schedule's number of slots is, of an `each`, one of items at a time.
    if (stage.gate > 0 || control.instances.size >= Math.min(most, itemsAtOnce(state, stage))) continue;
    const before = control.again.shift();
    const task = before ?? control.next++;
    const reads = control.reads.map((read) => read.stage);
    const { region } = control;
    // While it is made its task must be able to find it.
    const instance = instantiate(state, stage, { region, task, number: task, again: before !== undefined, reads, bind: [] }, commands);
    control.instances.set(task, instance);
    settle(state, commands);
    return true;
  }
  return false;
}

function itemsAtOnce(state: State, { template }: Stage): number {
  const { strategy } = state.plan.stages[template.index]!;
  if (strategy.kind === "task") return 1;
  return strategy.kind === "data" ? (strategy.slots ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY;
}

/** Looks at control stages until none has anything to do, and forgets instances that are over. */
export function settle(state: State, commands: Command[]): void {
  const busy: Instance[] = [];
  while (state.due.length > 0 || state.over.length > 0) {
    const stage = state.due.pop();
    if (stage) {
      if (state.stages[stage.index] === stage && state.begun) look(state, stage, commands);
      continue;
    }
    const instance = state.over.pop()!;
    if (isBusy(state, instance)) busy.push(instance);
    else retire(state, instance, commands);
  }
  state.over.push(...busy);
}

/** Of two copies of a task, or members of a gang, one may still be at work when all is over: here, or in an instance inside this one. */
export function isBusy({ workers, stages }: State, instance: Instance): boolean {
  for (const { slots } of workers.values())
    for (const { queue } of slots)
      for (const { doubled, rank, stage } of queue)
        if (doubled || rank !== null) for (let at = stages[stage]!.instance; at; at = at.around) if (at === instance) return true;
  return false;
}

function look(state: State, stage: Stage, commands: Command[]): void {
  const { control } = stage;
  if (stage.state[0] === Waiting && stage.gate === 0) {
    if (!stage.started) started(stage, commands);
    move(state, stage, 0, 1, "entered");
    if (control?.kind === "branch") enterBranch(state, stage, control, commands);
    else if (control?.kind === "loop") enterLoop(state, stage, control, commands);
  } else if (stage.state[0] === Inside && stage.missing[0] === 0) {
    if (control?.kind === "branch") {
      control.instance!.detached = true;
      leave(state, stage, commands);
    } else if (control?.kind === "loop") goOn(state, stage, control, commands);
  }
}

function decided(stage: Stage): number {
  if (Number.isNaN(stage.value)) throw new Error(`bug: the run goes by ${stage.id}, whose value was never told`);
  return stage.value;
}

function enterBranch(state: State, stage: Stage, control: Control & { kind: "branch" }, commands: Command[]): void {
  const { gives, then, else: otherwise } = control.tasks;
  const met = decided(state.stages[stage.producers[0]!]!) !== 0;
  stage.missing[0] = 1;
  const claim = (instance: Instance) => {
    for (const one of gives)
      bind(state, named(state, stage.instance, one.given), lookUp(state, instance, met ? one.then : one.else), commands);
  };
  const wanted: Wanted = { region: met ? then : otherwise, task: 0, number: 0, again: false, reads: [], bind: [], claim };
  control.instance = instantiate(state, stage, wanted, commands);
}

function enterLoop(state: State, stage: Stage, control: Control & { kind: "loop" }, commands: Command[]): void {
  iterate(state, stage, control, (carried) => lookUp(state, stage.instance, carried.init), commands);
}

type Carried = Extract<Control, { kind: "loop" }>["tasks"]["carried"][number];

function iterate(
  state: State,
  stage: Stage,
  control: Control & { kind: "loop" },
  start: (carried: Carried) => Stage,
  commands: Command[],
): void {
  const { region, carried, decision } = control.tasks;
  const reads = [decision, ...carried.map(({ next }) => next)];
  stage.missing[0] = reads.length + 1;
  const bound = carried.map((one) => ({ given: one.given, to: start(one) }));
  const number = control.instances.length;
  control.instances.push(instantiate(state, stage, { region, task: 0, number, again: false, reads, bind: bound }, commands));
}

/** An iteration is done: the next one begins, or what it gave is what the loop gives. */
function goOn(state: State, stage: Stage, control: Control & { kind: "loop" }, commands: Command[]): void {
  const { carried, decision } = control.tasks;
  const last = control.instances.at(-1)!;
  const nextOf = ({ next }: Carried) => lookUp(state, last, next);
  const how = decided(lookUp(state, last, decision));
  const over = how !== 0;
  if (how === 2) commands.push({ type: "loopExhausted", stage: stage.index, rounds: last.number + 1 });
  if (over) for (const one of carried) bind(state, named(state, stage.instance, one.final), nextOf(one), commands);
  else {
    last.detached = true;
    iterate(state, stage, control, nextOf, commands);
  }
  letGo(state, stage, last, commands);
  if (over) leave(state, stage, commands);
}

function leave(state: State, stage: Stage, commands: Command[]): void {
  move(state, stage, 0, 1, "left");
  stage.pending = 0;
  made(state, stage, 0, 1, ENGINE, commands);
  stageDone(state, stage, commands);
}

// --- Going ----------------------------------------------------------------------------------------------------------------------------

/** Nothing of an instance is needed any more: its stages go, with those of instances inside. */
function retire(state: State, instance: Instance, commands: Command[]): void {
  const stages = new Set<number>();
  const go = ({ base, stages: count }: Instance): void => {
    for (let index = base; index < base + count; index++) {
      const stage = state.stages[index];
      if (!stage) continue;
      if (stage.control?.kind === "branch" && stage.control.instance) go(stage.control.instance);
      if (stage.control?.kind === "loop") stage.control.instances.forEach(go);
      releaseAll(state, stage, commands);
      stages.add(index);
    }
  };
  go(instance);
  for (const index of stages) unlink(state, state.stages[index]!, stages);
  for (const index of stages) state.stages[index] = null;
  commands.push({ type: "retired", stages: [...stages] });
}

/** Those that stay forget whoever read them. Some may be younger: what a `given` stands for may come to life after who reads it. */
function unlink(state: State, stage: Stage, going: ReadonlySet<number>): void {
  const remove = (list: number[] | undefined) => {
    const at = list?.indexOf(stage.index) ?? -1;
    if (at >= 0) list!.splice(at, 1);
  };
  for (const producer of stage.whole) if (!going.has(producer)) remove(state.stages[producer]?.wholeConsumers);
  for (const producer of stage.oneToOne) if (!going.has(producer)) remove(state.stages[producer]?.oneToOneConsumers);
  for (const { producer, block } of stage.points) {
    if (going.has(producer)) continue;
    const consumers = state.stages[producer]?.pointConsumers;
    remove(consumers?.get(block));
    if (consumers?.get(block)?.length === 0) consumers.delete(block);
  }
}

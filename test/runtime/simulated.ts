// A run without an engine: workers, slots and losses as dice say, a clock that stands still, and values that tell what they were made
// from. Whoever reads what isn't there, or acts twice, is told.

import type { Plan } from "../../compiler/plan.ts";
import { checkInvariants } from "../../runtime/core/invariants.ts";
import type { Command, CoreEvent, Restored, Settings, Slot, Stage, State } from "../../runtime/core/model.ts";
import { Committed, DISK, ENGINE, Live } from "../../runtime/core/model.ts";
import { iterationOf, lookUp } from "../../runtime/core/regions.ts";
import { createState } from "../../runtime/core/state.ts";
import { step } from "../../runtime/core/step.ts";
import { acts } from "../../runtime/engines/narrowing.ts";

type Assigned = Command & { readonly type: "assign" };

/** A batch as its slot has it: what each task will give was made of what was there when it was sent. */
interface Batch extends Assigned {
  readonly gives: readonly number[];
}

export interface Simulated {
  readonly ended: Command | null;
  readonly state: State;
  /** By output of the plan: what its blocks were made from. */
  readonly results: Readonly<Record<string, readonly number[]>>;
  /** Batches that were taken back from slots. */
  readonly givenBack: number;
  /** Workers that wanted to go. */
  readonly departed: number;
  /** Batches that went to a second slot while the first was at them. */
  readonly doubled: number;
  /** Gangs that began on several workers. */
  readonly spanning: number;
  /** What every stage gave, by the stage's id, for a later run to start from. */
  readonly left: ReadonlyMap<string, readonly number[]>;
  /** Tasks that needn't run. */
  readonly restored: number;
}

export interface Simulation {
  readonly plan: Plan;
  /** 0 … 999 each; when they have run out nothing goes wrong any more. */
  readonly dice: readonly number[];
  readonly settings?: Partial<Settings>;
  /** What an earlier run left: a part of it, as dice say. */
  readonly before?: ReadonlyMap<string, readonly number[]>;
  /** Others join as long as there are fewer. */
  readonly mostWorkers?: number;
  readonly turns?: number;
}

export function simulate({ plan, dice, settings = {}, before = new Map(), mostWorkers = 12, turns = 200_000 }: Simulation): Simulated {
  const lenient = { transientRetries: 1000, maxDeaths: 1000, recallMs: 0, speculateFrom: 2, speculateAt: 0.3, speculateAfterMs: 0 };
  const mayDouble = (stage: number) => !plan.stages[stage]!.effect;
  const left = new Map<string, number[]>();
  let tasksRestored = 0;
  const restored = (stage: Stage): readonly Restored[] => {
    const { output, effect } = plan.stages[stage.template.index]!;
    const here = before.get(stage.id);
    const acting = stage.control && (stage.control.kind !== "each" || acts(plan, stage.template.index));
    if (!here || effect || acting || stage.template.spawns || stage.template.asks) return [];
    const runs: Restored[] = [];
    const holder = () => (stage.template.decides || roll() % 3 === 0 ? ENGINE : DISK);
    if (output === "blocks") {
      if (roll() % 2 === 0) return [];
      values.set(stage.index, [...here]);
      runs.push({ first: 0, count: 1, holder: holder(), blocks: here.length });
    } else {
      const known: number[] = [];
      for (let task = 0; task < stage.tasks; task++) {
        if (here[task] === undefined || roll() % 2 === 0) continue;
        known[task] = here[task]!;
        runs.push({ first: task, count: 1, holder: holder(), ...(stage.template.decides ? { value: decision(stage, here[task]!) } : {}) });
      }
      values.set(stage.index, known);
    }
    tasksRestored += runs.length;
    return runs;
  };
  const state = createState({ plan, params: {}, settings: { ...lenient, ...settings }, mayDouble, restored });
  let nowMs = 0;
  let doubled = 0;
  let spanning = 0;
  let departed = 0;
  let at = 0;
  const roll = () => dice[at++] ?? 900 + ((at * 7) % 100);
  let nextWorker = 0;
  let givenBack = 0;
  let ended: Command | null = null;
  const inbox: CoreEvent[] = [];
  const running: Batch[] = [];
  const recalls: (Command & { type: "recall" })[] = [];
  const values = new Map<number, number[]>();
  /** Tasks of effects that have been done. */
  const acted = new Set<string>();
  /** Batches of slots that are gone, whose answers may be on their way. */
  const ghosts: Batch[] = [];
  /** Attempts of gangs that have lost a member, so that the others can't come to an end. */
  const broken = new Set<string>();
  /** How many members they began with. */
  const gathered = new Map<string, number>();
  /** Whose members on a worker know. */
  const aborted = new Set<string>();
  const gangOf = ({ stage, attempt }: Pick<Batch, "stage" | "attempt">) => `${stage}#${attempt}`;
  const partOf = (one: Pick<Batch, "stage" | "attempt" | "worker">) => `${gangOf(one)}@${one.worker}`;
  const lose = (worker: number, slot?: number) => {
    const isLost = (one: { readonly worker: number; readonly slot: number }) =>
      one.worker === worker && (slot === undefined || one.slot === slot);
    for (let i = recalls.length - 1; i >= 0; i--) if (isLost(recalls[i]!)) recalls.splice(i, 1);
    for (let i = running.length - 1; i >= 0; i--) {
      if (!isLost(running[i]!)) continue;
      if (running[i]!.rank !== null) broken.add(gangOf(running[i]!));
      ghosts.push(...running.splice(i, 1));
    }
  };
  const say = (event: CoreEvent) => {
    for (const command of step(state, event)) {
      if (command.type === "assign") {
        const tasks = Array.from({ length: command.count }, (_, i) => command.first + i);
        const stage = state.stages[command.stage]!;
        if (state.workers.get(command.worker)!.isLeaving && !stage.template.asks)
          throw new Error(`worker ${command.worker} wants to go, and was given ${nameOf(stage, command.first)}`);
        for (const task of tasks) if (acted.has(nameOf(stage, task))) throw new Error(`${nameOf(stage, task)} acts twice`);
        if (command.rank !== null) {
          if (command.rank === 0 && new Set(command.workers).size > 1) spanning++;
          if (command.workers[command.rank] !== command.worker) throw new Error(`${stage.id} has member ${command.rank} elsewhere`);
          gathered.set(gangOf(command), (gathered.get(gangOf(command)) ?? 0) + 1);
        }
        if (
          command.rank === null &&
          running.some(
            (one) => one.stage === command.stage && one.first < command.first + command.count && command.first < one.first + one.count,
          )
        )
          doubled++;
        running.push({ ...command, gives: tasks.map((task) => madeFrom(state, values, stage, task)) });
      } else if (command.type === "abort") aborted.add(partOf(command));
      else if (command.type === "free") {
        const here = values.get(command.stage)!;
        for (let block = command.first; block < command.first + command.count; block++)
          if (state.stages[command.stage]?.output[block] !== Live) delete here[block];
      } else if (command.type === "retired") for (const stage of command.stages) values.delete(stage);
      else if (command.type === "collect") inbox.push({ type: "collected" });
      else if (command.type === "delay")
        inbox.push({ type: "delayOver", stage: command.stage, block: command.block, attempt: command.attempt });
      else if (command.type === "recall") recalls.push(command);
      else if (command.type === "end") ended = command;
    }
    checkInvariants(state);
    for (const gang of state.gangs)
      if (gang.aborted && !aborted.has(partOf({ ...gang.batch, worker: gang.slot.worker })))
        throw new Error(`worker ${gang.slot.worker} wasn't told that a gang of ${state.stages[gang.batch.stage]!.id} is over`);
  };
  const join = () => say({ type: "workerJoined", worker: nextWorker++, slots: 1 + (roll() % 3) });
  join();
  join();
  say({ type: "begin" });
  for (let turn = 0; turn < turns && !ended; turn++) {
    const luck = roll();
    nowMs += luck / 50;
    if (luck % 5 === 0) say({ type: "looked", nowMs });
    if (ended) break;
    for (const [worker, { isLeaving, slots }] of state.workers)
      if (isLeaving && slots.every(({ queue, actors }) => queue.length === 0 && actors.size === 0))
        say({ type: "workerLost", worker, cause: "left" });
    const alive = [...state.workers.keys()];
    if (luck < 25 && alive.length > 0) {
      const worker = alive[luck % alive.length]!;
      lose(worker);
      say({ type: "workerLost", worker, cause: "lost" });
    } else if ((luck < 60 && alive.length < mostWorkers) || alive.length === 0) join();
    else if (luck < 64 && alive.length > 0) {
      departed++;
      say({ type: "workerLeaving", worker: alive[luck % alive.length]! });
    } else if (luck < 90 && running.length > 0) {
      // Every other time one of two copies: they are few.
      const overlaps = (a: Batch, b: Batch) => a !== b && a.stage === b.stage && a.first < b.first + b.count && b.first < a.first + a.count;
      const copies = running.filter((one) => running.some((other) => overlaps(one, other)));
      const from = copies.length > 0 && luck % 2 === 0 ? copies : running;
      const { worker, slot } = from[luck % from.length]!;
      lose(worker, slot);
      say({ type: "slotLost", worker, slot, blame: luck % 2 ? "death" : "none", cause: "slot", jitter: 0.5 });
    } else if (luck < 93 && inhabited(luck)) {
      const { worker, slot } = inhabited(luck)!;
      lose(worker, slot);
      say({ type: "slotLost", worker, slot, blame: "none", cause: "slot", jitter: 0.5 });
    } else if (luck < 96 && onDisk(luck)) {
      const { stage, block } = onDisk(luck)!;
      say({ type: "objectMissing", stage, block, from: DISK });
    } else if (luck < 110 && heldBy(luck)) {
      const { stage, block, holder } = heldBy(luck)!;
      const to = alive[luck % alive.length]!;
      if (to !== holder) say({ type: "copied", stage, block, to });
    } else if (luck < 125 && ghosts.length > 0) {
      haunt(ghosts.splice(luck % ghosts.length, 1)[0]!);
    } else if (recalls.length > 0 && luck % 3 === 0) {
      const recalled = giveBack(running, recalls.shift()!);
      if (recalled.count > 0) givenBack++;
      say(recalled);
    } else if (inbox.length > 0 && luck % 2 === 0) say(inbox.shift()!);
    else if (running.length > 0) {
      // The first batch of some slot says something.
      const first = running.filter((one, i) => running.findIndex((other) => other.worker === one.worker && other.slot === one.slot) === i);
      const one = first[luck % first.length]!;
      const { worker, slot, stage, attempt } = one;
      const isGang = one.rank !== null;
      if (isGang && aborted.has(partOf(one))) {
        say({ type: "inputMissing", worker, slot, stage, block: one.first, attempt });
        advance(running, one, 1);
      } else if (isGang && broken.has(gangOf(one))) {
        // It waits for a member that won't come.
      } else if (outOfTurn(one)) {
        // The call before it failed.
        say({ type: "inputMissing", worker, slot, stage, block: one.first, attempt });
        advance(running, one, 1);
      } else if (luck > 125 && luck < 140) {
        if (isGang) broken.add(gangOf(one));
        say({ type: "failed", worker, slot, stage, block: one.first, attempt, transient: true, cause: "no", jitter: 0.5 });
        advance(running, one, 1);
      } else if (luck < 160) {
        if (isGang) broken.add(gangOf(one));
        say({ type: "inputMissing", worker, slot, stage, block: one.first, attempt });
        advance(running, one, 1);
      } else {
        const count = 1 + (luck % one.count);
        finish(one, count, luck);
        advance(running, one, count);
      }
    } else if (recalls.length > 0) say(giveBack(running, recalls.shift()!));
    else if (inbox.length > 0) say(inbox.shift()!);
    // Workers are too small for a gang.
    else if (state.ready.some(({ template }) => template.members > 1)) join();
    // Actors live on workers that want to go, and hold up nobody else.
    else if ([...state.workers.values()].every(({ isLeaving }) => isLeaving)) join();
    else break;
  }

  /** An answer from before a loss changes nothing, whoever has the slot, and the task, by now. */
  function haunt({ worker, slot, stage, attempt, first, count }: Batch): void {
    const before = state.stages[stage];
    const pending = before?.pending;
    say({ type: "finished", worker, slot, stage, first, count, attempt, runMs: 1, held: "worker" });
    if (state.stages[stage] === before && before?.pending !== pending) throw new Error(`${before?.id} took an answer from before a loss`);
  }

  function heldBy(luck: number): { readonly stage: number; readonly block: number; readonly holder: number } | undefined {
    const found = state.stages.flatMap((stage) =>
      stage && !stage.template.spawns
        ? [...stage.holder].flatMap((holder, block) => (holder >= 0 ? [{ stage: stage.index, block, holder }] : []))
        : [],
    );
    return found[luck % found.length];
  }

  /** Of one actor's calls, in the order of the blocks. */
  function outOfTurn({ stage: index, first }: Batch): boolean {
    const stage = state.stages[index]!;
    return stage.template.asks?.which === "one" && stage.state.subarray(0, first).some((one) => one !== Committed);
  }

  function inhabited(luck: number): Slot | undefined {
    const found = [...state.workers.values()].flatMap(({ slots }) => slots.filter(({ actors }) => actors.size > 0));
    return found[luck % Math.max(1, found.length)];
  }

  function onDisk(luck: number): { readonly stage: number; readonly block: number } | undefined {
    const found = state.stages.flatMap((stage) =>
      stage ? [...stage.holder].flatMap((holder, block) => (holder === DISK ? [{ stage: stage.index, block }] : [])) : [],
    );
    return found[luck % found.length];
  }

  function finish(one: Batch, count: number, luck: number): void {
    const { worker, slot, stage: index, attempt, first, gives } = one;
    const stage = state.stages[index]!;
    if (one.rank !== null && gathered.get(gangOf(one)) !== stage.template.members)
      throw new Error(`${stage.id} began with ${gathered.get(gangOf(one))} members of ${stage.template.members}`);
    if ((one.rank ?? 0) > 0) {
      say({ type: "finished", worker, slot, stage: index, first, count, attempt, runMs: luck / 100, held: "engine" });
      return;
    }
    if (outOfTurn(one)) throw new Error(`${nameOf(stage, first)} was asked before its turn`);
    const here = values.get(index) ?? [];
    values.set(index, here);
    const { output, effect } = plan.stages[stage.template.index]!;
    // How many blocks a list has depends on what it was made from.
    const blocks = output === "blocks" ? gives[0]! % 5 : null;
    if (blocks === null) for (let i = 0; i < count; i++) here[first + i] = gives[i]!;
    else for (let block = 0; block < blocks; block++) here[block] = mix(gives[0]!, block);
    const kept = left.get(stage.id) ?? [];
    left.set(stage.id, kept);
    here.forEach((value, block) => {
      kept[block] = value;
    });
    if (effect) for (let i = 0; i < count; i++) acted.add(nameOf(stage, first + i));
    // Some sizes are small: the engine has the number by which it decides.
    const held = luck % 3 === 0 || stage.template.decides || effect ? "engine" : "worker";
    say({
      type: "finished",
      worker,
      slot,
      stage: index,
      first,
      count,
      attempt,
      runMs: luck / 100,
      held,
      ...(blocks === null ? {} : { blocks }),
      ...(stage.template.decides ? { value: decision(stage, gives[0]!) } : {}),
    });
  }

  const results: Record<string, number[]> = {};
  for (const { name, from } of plan.outputs) {
    if (from.kind !== "stage") continue;
    const { index, output } = lookUp(state, null, from.stage);
    if (ended && output.some((one) => one !== Live)) throw new Error(`${name} ended without its result`);
    results[name] = [...(values.get(index) ?? [])];
  }
  return { ended, state, results, departed, givenBack, doubled, spanning, left, restored: tasksRestored };
}

/** Iterations end: a stage whose name says so says when. */
function decision(stage: Stage, value: number): number {
  const { instance, id } = stage;
  if (!id.startsWith("decision")) return value % 2;
  return instance!.number >= 1 + (value % 3) ? 1 : 0;
}

const nameOf = ({ id }: Stage, task: number) => `${id}#${task}`;

function mix(...words: readonly number[]): number {
  let h = 0x811c9dc5;
  for (const word of words) {
    h = Math.imul(h ^ (word & 0xffff), 0x01000193);
    h = Math.imul(h ^ (word >>> 16), 0x01000193);
  }
  return h >>> 0;
}

/** Made of all that the task reads, by the numbers that the driver would go by. */
function madeFrom(state: State, values: ReadonlyMap<number, readonly number[]>, stage: Stage, task: number): number {
  const { inputs, tasks, effect } = state.plan.stages[stage.template.index]!;
  if (effect) return 0;
  const read = (producer: number, block: number): number => {
    const source = state.stages[producer];
    if (source?.output[block] !== Live)
      throw new Error(`task ${task} of ${stage.id} reads block ${block} of ${source?.id}, which isn't there`);
    return values.get(producer)![block]!;
  };
  const all = (producer: number): number => {
    const source = state.stages[producer]!;
    if (!source.present) throw new Error(`task ${task} of ${stage.id} reads ${source.id}, which isn't there`);
    if (state.plan.stages[source.template.index]!.effect) return 0;
    return mix(...Array.from({ length: source.blocks }, (_, block) => read(producer, block)));
  };
  const made = inputs.map((input, place): number => {
    const producer = stage.producers[place]!;
    const { control } = stage;
    switch (input.kind) {
      case "param":
      case "range":
        return task;
      case "actor":
        // Where it lives, the invariants say; what it is by now isn't told apart.
        return 1;
      case "iteration":
        return iterationOf(stage, input.region);
      case "block":
        return read(producer, task);
      case "item": {
        const point = stage.points.find((one) => one.producer === producer);
        return point ? read(producer, point.block) : read(producer, task);
      }
      default: {
        const inside = control?.kind === "each" ? control.reads.findIndex((one) => one.input === place) : -1;
        const found = inside < 0 || control?.kind !== "each" ? producer : control.instances.get(task)!.reads[inside]!;
        const value = all(found);
        return input.kind === "after" ? 1 : value;
      }
    }
  });
  return mix(stage.template.index, tasks.kind === "one" ? 0 : task, ...made);
}

function advance(running: Batch[], one: Batch, count: number): void {
  const at = running.indexOf(one);
  if (at < 0) return;
  if (count >= one.count) running.splice(at, 1);
  else running[at] = { ...one, first: one.first + count, count: one.count - count, gives: one.gives.slice(count) };
}

/** A slot's answer: the end of the batch, as far as it hasn't begun. The first task of the slot's first batch runs. */
function giveBack(
  running: Batch[],
  { worker, slot, stage, first, count, attempt }: Command & { type: "recall" },
): CoreEvent & { type: "recalled" } {
  const queue = running.filter((one) => one.worker === worker && one.slot === slot);
  const one = queue.find((batch) => batch.stage === stage && batch.attempt === attempt && batch.first + batch.count === first + count);
  const from = one ? Math.min(Math.max(first, one.first + (one === queue[0] ? 1 : 0)), first + count) : first + count;
  const back = first + count - from;
  if (one && back > 0) {
    const at = running.indexOf(one);
    if (back === one.count) running.splice(at, 1);
    else running[at] = { ...one, count: one.count - back };
  }
  return { type: "recalled", worker, slot, stage, first: from, count: back, attempt };
}

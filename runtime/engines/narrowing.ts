// Plans that are a part of another: without what only given values were made from, or with nothing but what one stage needs. Must not
// know where values come from, nor what runs.
import type { Plan, PlanStage } from "../../compiler/plan.ts";

/** All but what only given values were made from, in order. What nobody reads is there for what it does. */
export function neededStages(plan: Plan, isGiven: (index: number) => boolean): readonly number[] {
  const roots = (readsOf: (index: number) => number[]) => {
    const isRead = new Set(plan.stages.flatMap((_, index) => readsOf(index)));
    const results = plan.outputs.flatMap(({ from }) => (from.kind === "stage" ? [from.stage] : []));
    return [
      ...results,
      ...plan.stages.flatMap((stage, index) => (isRead.has(index) && !stage.effect && !acts(plan, index) ? [] : [index])),
    ];
  };
  return closure(plan, roots, isGiven);
}

/**
 * The plan of one stage of the run itself and what it needs, whose result is that stage's value: effects, expectations and what is done on
 * failure are left out. Null where the plan has no such stage of its own.
 */
export function onlyStage(plan: Plan, id: string): Plan | null {
  const stage = plan.stages.findIndex((one) => one.id === id && one.region === undefined && !one.effect && one.output !== "partial");
  return stage < 0 ? null : planOfStage(plan, stage);
}

/** The same of any stage of the run itself, whatever it gives. */
export function planOfStage(plan: Plan, stage: number): Plan {
  const take = plan.stages[stage]!.output === "value" ? "value" : "blocks";
  const { onFailure: _onFailure, ...rest } = plan;
  const outputs: Plan["outputs"] = [{ name: plan.stages[stage]!.id, from: { kind: "stage", stage, take } }];
  return narrowed(
    { ...rest, outputs },
    closure(
      plan,
      () => [stage],
      () => false,
    ),
  );
}

/** A plan of those stages, which name no others; it is another than the one that the hash names. */
export function narrowed(plan: Plan, order: readonly number[]): Plan {
  const place = new Map(order.map((old, index) => [old, index]));
  const renumber = (old: number) => place.get(old)!;
  const stages = order.map((old): PlanStage => {
    const stage = plan.stages[old]!;
    const inputs = stage.inputs.map((input) => ("stage" in input ? { ...input, stage: renumber(input.stage) } : input));
    return { ...stage, inputs, tasks: renumbered(stage.tasks, renumber) };
  });
  const regions = plan.regions.map((region) => ({ ...region, stages: region.stages.filter((old) => place.has(old)).map(renumber) }));
  const outputs = plan.outputs.map((output) =>
    output.from.kind === "stage" ? { ...output, from: { ...output.from, stage: renumber(output.from.stage) } } : output,
  );
  return { ...plan, hash: "", stages, regions, outputs };
}

/** Stages to start from: what they read is needed too. */
function closure(
  plan: Plan,
  roots: (readsOf: (index: number) => number[]) => readonly number[],
  isGiven: (index: number) => boolean,
): readonly number[] {
  const controls = controlsOf(plan);
  const readsOf = (index: number): number[] => {
    const { inputs, tasks } = plan.stages[index]!;
    const read = inputs.flatMap((input) => ("stage" in input ? [input.stage] : []));
    if (tasks.kind === "perBlock") read.push(tasks.of);
    if (tasks.kind === "given") read.push(...(controls.has(index) ? [controls.get(index)!.control] : []));
    if (tasks.kind === "each" || tasks.kind === "branch" || tasks.kind === "loop") read.push(...partsOf(plan, tasks));
    // A loop ends for all that it carries.
    if (tasks.kind === "loop") read.push(...tasks.carried.map(({ final }) => final));
    if (tasks.kind === "branch") read.push(...tasks.gives.map(({ given }) => given));
    return read;
  };
  const reads = (index: number): number[] => (isGiven(index) ? [] : readsOf(index));
  const needed = new Set<number>();
  const open = [...roots(readsOf)];
  for (let index = open.pop(); index !== undefined; index = open.pop()) {
    if (needed.has(index)) continue;
    needed.add(index);
    open.push(...reads(index));
  }
  return [...needed].sort((a, b) => a - b);
}

/** A control stage whose regions act on the world, or may fail the run: what it gives may be read by nobody. */
export function acts(plan: Plan, index: number): boolean {
  const { tasks, effect, body, region } = plan.stages[index]!;
  if (tasks.kind === "each" || tasks.kind === "branch" || tasks.kind === "loop")
    return partsOf(plan, tasks).some((part) => acts(plan, part));
  return region !== undefined && (effect === true || body.op === "expect" || body.op === "track");
}

type Control = Extract<PlanStage["tasks"], { kind: "each" | "branch" | "loop" }>;

/** Stages that a control stage names, and those of its regions, in one order. What it gives comes after it, and isn't among them. */
export function partsOf(plan: Plan, tasks: Control): number[] {
  const inside = (region: number): readonly number[] => plan.regions[region]!.stages;
  switch (tasks.kind) {
    case "each":
      return [tasks.of, ...inside(tasks.region)];
    case "branch":
      return [...tasks.gives.flatMap((give) => [give.then, give.else]), ...inside(tasks.then), ...inside(tasks.else)];
    case "loop":
      return [...tasks.carried.flatMap(({ given, init, next }) => [given, init, next]), tasks.decision, ...inside(tasks.region)];
  }
}

/** Which control stage says what a `given` stands for, and as which of those that it names. */
export function controlsOf(plan: Plan): ReadonlyMap<number, { readonly control: number; readonly place: number }> {
  const found = new Map<number, { readonly control: number; readonly place: number }>();
  plan.stages.forEach(({ tasks }, control) => {
    const given =
      tasks.kind === "branch" ? tasks.gives.map((give) => give.given) : tasks.kind === "loop" ? tasks.carried.map((one) => one.final) : [];
    given.forEach((stage, place) => {
      found.set(stage, { control, place });
    });
  });
  return found;
}

function renumbered(tasks: PlanStage["tasks"], renumber: (old: number) => number): PlanStage["tasks"] {
  switch (tasks.kind) {
    case "perBlock":
    case "each":
      return { ...tasks, of: renumber(tasks.of) };
    case "branch":
      return {
        ...tasks,
        gives: tasks.gives.map((give) => ({ given: renumber(give.given), then: renumber(give.then), else: renumber(give.else) })),
      };
    case "loop":
      return {
        ...tasks,
        decision: renumber(tasks.decision),
        carried: tasks.carried.map(({ given, init, next, final }) => ({
          ...{ given: renumber(given), init: renumber(init) },
          ...{ next: renumber(next), final: renumber(final) },
        })),
      };
    default:
      return tasks;
  }
}

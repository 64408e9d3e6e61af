// What a plan says of its stages without being asked in words: how many tasks each has, and since when that is known; how long its
// value is held; which stages the longest chain goes through. Reads plans only.
import { planGraph } from "./graph.ts";
import type { Json, Plan, PlanStage, Scalar } from "./plan.ts";
import { membersOf } from "./plan.ts";

export type TaskNumber =
  | { readonly kind: "known"; readonly tasks: number }
  /** Once the run is given that param. */
  | { readonly kind: "param"; readonly name: string }
  /** Once that stage is done: as many as it gives blocks. */
  | { readonly kind: "after"; readonly stage: string }
  /** Control stages, and those that stand for another: nothing of theirs is done in a slot. */
  | { readonly kind: "none" };

export interface StageFacts {
  readonly stage: PlanStage;
  /** Of one instance of its region. */
  readonly tasks: TaskNumber;
  /** How many of its tasks run at once at most; null: as many as there are slots. */
  readonly slots: number | null;
  /** Its value is freed when these are done; null: it is a result, and stays. */
  readonly heldUntil: readonly string[] | null;
  /** The edge by which it was cut into tasks or not, and the number that stands there; null where it reads no stage and is one task. */
  readonly decidedBy: Decision | null;
  /** Stands in the longest chain. */
  readonly critical: boolean;
}

/** `blocks`: cut where the source was cut; `rows`: an instance for each; `partials`: gathers them; `whole`: needs all of it at once. */
export interface Decision {
  readonly kind: "blocks" | "rows" | "partials" | "whole";
  /** The stage at the other end of the edge; null: its own source. */
  readonly of: string | null;
  /** Blocks or partials there. */
  readonly count: TaskNumber;
}

export interface PlanFacts {
  readonly stages: readonly StageFacts[];
  readonly criticalPath: readonly string[];
  /** Tasks whose number is known before the run, outside of regions. */
  readonly known: number;
  /** Stages outside of regions whose number of tasks isn't. */
  readonly open: readonly StageFacts[];
}

export function planFacts(plan: Plan, params: { readonly [name: string]: Json }): PlanFacts {
  const graph = planGraph(plan);
  const path = graph.criticalPath().items;
  const onPath = new Set(path);
  const results = new Set(plan.outputs.flatMap(({ from }) => (from.kind === "stage" ? [plan.stages[from.stage]!] : [])));
  const reaches = (from: PlanStage, to: PlanStage) => {
    const seen = new Set<PlanStage>();
    const open = [from];
    for (let at = open.pop(); at; at = open.pop()) {
      if (at === to) return true;
      if (seen.has(at)) continue;
      seen.add(at);
      open.push(...graph.readers(at));
    }
    return false;
  };
  /** Readers that no other reader waits for. */
  const lastReaders = (stage: PlanStage) => {
    const readers = graph.readers(stage);
    return readers.filter((one) => !readers.some((other) => other !== one && reaches(one, other)));
  };
  const stages = plan.stages.map(
    (stage): StageFacts => ({
      stage,
      tasks: taskNumber(stage, plan, params),
      slots: stage.strategy.kind === "data" ? stage.strategy.slots : membersOf(stage.strategy),
      heldUntil: results.has(stage) ? null : lastReaders(stage).map(({ id }) => id),
      decidedBy: decision(stage, plan, params),
      critical: onPath.has(stage),
    }),
  );
  const outside = stages.filter(({ stage }) => stage.region === undefined);
  return {
    stages,
    criticalPath: path.map(({ id }) => id),
    known: outside.reduce((sum, { tasks }) => sum + (tasks.kind === "known" ? tasks.tasks : 0), 0),
    open: outside.filter(({ tasks }) => tasks.kind === "after" || tasks.kind === "param"),
  };
}

function decision({ tasks, inputs, strategy }: PlanStage, plan: Plan, params: { readonly [name: string]: Json }): Decision | null {
  const blocksOf = (index: number): TaskNumber => {
    const stage = plan.stages[index]!;
    return stage.output === "blocks" ? listBlocks(stage) : taskNumber(stage, plan, params);
  };
  switch (tasks.kind) {
    case "range":
      return { kind: "blocks", of: null, count: scalarNumber(tasks.blocks, plan, params) };
    case "perBlock":
      return { kind: "blocks", of: plan.stages[tasks.of]!.id, count: blocksOf(tasks.of) };
    case "each":
      return { kind: "rows", of: plan.stages[tasks.of]!.id, count: { kind: "after", stage: plan.stages[tasks.of]!.id } };
    case "one": {
      // A value as such decides nothing: whatever reads it reads all of it.
      const gathered = inputs.find((input) => input.kind === "blocks");
      if (!gathered || !("stage" in gathered)) return null;
      const of = plan.stages[gathered.stage]!;
      const kind = of.output === "partial" && strategy.kind === "task" ? "partials" : "whole";
      return { kind, of: of.id, count: blocksOf(gathered.stage) };
    }
    default:
      return null;
  }
}

/** A list is cut once it is there. */
function listBlocks(stage: PlanStage): TaskNumber {
  const written = stage.body.op === "list" ? stage.body.items.length : null;
  return written === null ? { kind: "after", stage: stage.id } : { kind: "known", tasks: Math.min(written, 1024) };
}

/** A param's value in a run that was given these; undefined where it has none. */
export function paramValue(plan: Plan, name: string, given: { readonly [name: string]: Json }): Json | undefined {
  return Object.hasOwn(given, name) ? given[name] : plan.params.find((param) => param.name === name)?.default;
}

function taskNumber({ tasks }: PlanStage, plan: Plan, params: { readonly [name: string]: Json }): TaskNumber {
  switch (tasks.kind) {
    case "one":
      return { kind: "known", tasks: 1 };
    case "range":
      return scalarNumber(tasks.blocks, plan, params);
    case "each":
      return { kind: "after", stage: plan.stages[tasks.of]!.id };
    case "perBlock": {
      const of = plan.stages[tasks.of]!;
      return of.output === "blocks" ? listBlocks(of) : taskNumber(of, plan, params);
    }
    default:
      return { kind: "none" };
  }
}

function scalarNumber(scalar: Scalar, plan: Plan, params: { readonly [name: string]: Json }): TaskNumber {
  const value = scalar.kind === "const" ? scalar.value : paramValue(plan, scalar.name, params);
  const most = scalar.kind === "param" ? (scalar.atMost ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY;
  return typeof value === "number"
    ? { kind: "known", tasks: Math.min(value, most) }
    : { kind: "param", name: scalar.kind === "param" ? scalar.name : "" };
}

// What is known of a plan's stages before the run starts, the same for all their instances. Must not know what runs.
import type { Plan, PlanStage, Scalar } from "../../compiler/plan.ts";
import { meetsInMemory, membersOf } from "../../compiler/plan.ts";
import type { Template } from "./model.ts";
import { priorities } from "./order.ts";

/** More blocks than this are refused: columns are allocated for each. */
const MAX_BLOCKS = 1 << 26;

export type Params = { readonly [name: string]: unknown };

/** A plan can't be run with these params; `stage` is the one that says so. */
export class StartError extends Error {
  override readonly name = "StartError";
  readonly stage: string;
  constructor(stage: string, message: string) {
    super(message);
    this.stage = stage;
  }
}

export function templatesOf(plan: Plan, params: Params): Template[] {
  const { places, heights } = priorities(plan);
  const decides = decisive(plan);
  const place = new Array<number>(plan.stages.length).fill(0);
  let ofRun = 0;
  plan.stages.forEach((stage, index) => {
    if (stage.region === undefined) place[index] = ofRun++;
  });
  for (const { stages } of plan.regions)
    stages.forEach((stage, at) => {
      place[stage] = at;
    });
  return plan.stages.map((stage, index): Template => {
    const { strategy, region = null } = stage;
    // Many instances of a stage keep to its slots together.
    const limited = region !== null && strategy.kind === "data" && strategy.slots !== null ? strategy.slots : null;
    return {
      index,
      region,
      place: place[index]!,
      priority: places[index]!,
      height: heights[index]!,
      tasks: knownTasks(plan, index, params),
      decides: decides.has(index),
      members: membersOf(strategy),
      oneWorker: meetsInMemory(strategy),
      isEffect: stage.effect ?? false,
      spawns: stage.actors ? (stage.actors.replayed ? "replayed" : "lost") : null,
      asks: asksOf(stage),
      label: asksOf(stage) ? null : (stage.options.label ?? null),
      limit: limited === null ? null : { slots: limited, using: 0 },
      taskMs: Number.NaN,
      recentMs: [],
    };
  });
}

function asksOf({ inputs }: PlanStage): Template["asks"] {
  const input = inputs.findIndex(({ kind }) => kind === "actor");
  const found = inputs[input];
  return found?.kind === "actor" ? { input, which: found.which, reads: found.reads, overlaps: found.overlaps } : null;
}

function knownTasks(plan: Plan, index: number, params: Params): number {
  const { tasks, name, actors } = plan.stages[index]!;
  switch (tasks.kind) {
    case "one":
    case "branch":
    case "loop":
      return 1;
    case "range": {
      const blocks = blocksOf(tasks, name, params);
      // Whoever asked a pool of none would wait for ever.
      if (actors && blocks === 0) throw new StartError(name, "a pool has at least one actor");
      return blocks;
    }
    case "perBlock":
    case "each":
    case "given":
      return -1;
  }
}

function blocksOf({ rows, blocks }: PlanStage["tasks"] & { kind: "range" }, stage: string, params: Params): number {
  const of = (value: Scalar) => (value.kind === "const" ? value.value : params[value.name]);
  const [count, wanted] = [of(rows), of(blocks)];
  if (!isCount(count)) throw new StartError(stage, `\`range\` wants a number of rows, not ${String(count)}`);
  const found = isCount(wanted) && blocks.kind === "param" ? Math.min(wanted, blocks.atMost ?? wanted) : wanted;
  // Without a block, rows would be lost.
  if (!isCount(found) || found > MAX_BLOCKS || (found === 0 && count > 0))
    throw new StartError(stage, `\`range\` wants 1 to ${MAX_BLOCKS} blocks, not ${String(found)}`);
  return found;
}

const isCount = (value: unknown): value is number => typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

/** Stages whose values a control stage goes by, or that a `given` which it goes by may stand for. */
function decisive(plan: Plan): ReadonlySet<number> {
  const found = new Set<number>();
  const standsFor = new Map<number, number[]>();
  const may = (given: number, ...stages: number[]) => standsFor.set(given, [...(standsFor.get(given) ?? []), ...stages]);
  const asked: number[] = [];
  for (const { tasks, inputs } of plan.stages) {
    if (tasks.kind === "branch") {
      const condition = inputs[0];
      if (condition?.kind === "value") asked.push(condition.stage);
      for (const one of tasks.gives) may(one.given, one.then, one.else);
    } else if (tasks.kind === "loop") {
      asked.push(tasks.decision);
      for (const { given, init, next, final } of tasks.carried) {
        may(given, init, next);
        may(final, next);
      }
    }
  }
  for (let stage = asked.pop(); stage !== undefined; stage = asked.pop()) {
    if (found.has(stage)) continue;
    found.add(stage);
    asked.push(...(standsFor.get(stage) ?? []));
  }
  return found;
}

// A run's state at its start, made from the plan: edges as patterns, and the order in which ready stages get slots.
import type { Plan, PlanStage, Scalar } from "../../compiler/plan.ts";
import type { Settings, Stage, State } from "./model.ts";
import { Committed, DEFAULTS, ENGINE, Live } from "./model.ts";
import { RangeQueue } from "./ranges.ts";

export interface Start {
  readonly plan: Plan;
  readonly params: { readonly [name: string]: unknown };
  readonly settings?: Partial<Settings>;
  /** Stages of one task whose value the engine has from an earlier run. */
  readonly given?: ReadonlySet<number>;
}

/** More blocks than this are refused: columns are allocated for each. */
const MAX_BLOCKS = 1 << 26;

/** A plan can't be run with these params; `stage` is the one that says so. */
export class StartError extends Error {
  override readonly name = "StartError";
  readonly stage: string;
  constructor(stage: string, message: string) {
    super(message);
    this.stage = stage;
  }
}

export function createState({ plan, params, settings, given = new Set() }: Start): State {
  const pinned = new Set(plan.outputs.flatMap((output) => (output.from.kind === "stage" ? [output.from.stage] : [])));
  const stages = plan.stages.map((stage, index) => blankStage(stage, index, pinned.has(index)));
  for (const stage of stages) {
    for (const producer of stage.oneToOne) stages[producer]!.oneToOneConsumers.push(stage.index);
    for (const producer of stage.whole) stages[producer]!.wholeConsumers.push(stage.index);
  }
  for (const stage of stages) {
    stage.gate = stage.whole.length;
    stage.claims = stage.wholeConsumers.length;
    const { tasks } = plan.stages[stage.index]!;
    if (tasks.kind !== "perBlock")
      allocateTasks(stage, tasks.kind !== "range" ? 1 : scalar(tasks.blocks, plan.stages[stage.index]!, params));
    else if (stages[tasks.of]!.blocks >= 0) allocateTasks(stage, stages[tasks.of]!.blocks);
  }
  for (const index of given) {
    const stage = stages[index]!;
    stage.state.fill(Committed);
    stage.pending = 0;
    stage.output.fill(Live);
    stage.holder.fill(ENGINE);
    stage.available = 1;
    stage.started = true;
    for (const consumer of stage.wholeConsumers) stages[consumer]!.gate--;
  }
  const byPriority = orderByCriticalPath(stages);
  byPriority.forEach((index, place) => {
    stages[index]!.priority = place;
  });
  return {
    settings: { ...DEFAULTS, ...settings },
    stages,
    workers: new Map(),
    byPriority,
    suspects: [],
    unfinished: stages.length - given.size,
    begun: false,
    status: "running",
    story: [],
  };
}

function blankStage(stage: PlanStage, index: number, pinned: boolean): Stage {
  const { strategy, tasks } = stage;
  return {
    index,
    id: stage.id,
    oneToOne: stage.inputs.flatMap((input) => (input.kind === "block" ? [input.stage] : [])),
    whole: stage.inputs.flatMap((input) => (input.kind === "value" || input.kind === "blocks" ? [input.stage] : [])),
    oneToOneConsumers: [],
    wholeConsumers: [],
    sizedBy: tasks.kind === "perBlock" ? tasks.of : null,
    cutsList: stage.output === "blocks",
    pinned,
    slotLimit: strategy.kind === "data" ? (strategy.slots ?? Number.POSITIVE_INFINITY) : 1,
    retries: stage.options.retries ?? null,
    priority: 0,
    tasks: -1,
    blocks: -1,
    started: false,
    state: new Uint8Array(0),
    attempt: new Uint16Array(0),
    missing: new Uint16Array(0),
    gate: 0,
    ready: new RangeQueue(),
    readyCount: 0,
    pending: 0,
    slotsUsing: 0,
    taskMs: Number.NaN,
    failures: new Map(),
    deaths: new Map(),
    output: new Uint8Array(0),
    holder: new Int32Array(0),
    copies: new Map(),
    uses: new Uint16Array(0),
    claims: 0,
    available: 0,
  };
}

function scalar(value: Scalar, planned: PlanStage, params: Start["params"]): number {
  const found = value.kind === "const" ? value.value : params[value.name];
  if (typeof found !== "number" || !Number.isInteger(found) || found < 0 || found > MAX_BLOCKS) {
    throw new StartError(planned.name, `a range has between 0 and ${MAX_BLOCKS} blocks, not ${String(found)}`);
  }
  return found;
}

export function allocateTasks(stage: Stage, tasks: number): void {
  stage.tasks = tasks;
  stage.pending = tasks;
  stage.state = new Uint8Array(tasks);
  stage.attempt = new Uint16Array(tasks).fill(1);
  stage.missing = new Uint16Array(tasks).fill(stage.oneToOne.length);
  if (!stage.cutsList) allocateBlocks(stage, tasks);
}

export function allocateBlocks(stage: Stage, blocks: number): void {
  stage.blocks = blocks;
  stage.output = new Uint8Array(blocks);
  stage.holder = new Int32Array(blocks).fill(-2);
  stage.uses = new Uint16Array(blocks).fill(stage.oneToOneConsumers.length);
}

/**
 * The stage from which the longest chain of waits leads to the end goes first. One-to-one edges aren't waits: along them the
 * later stage goes first, so that outputs are consumed before more are made.
 */
function orderByCriticalPath(stages: readonly Stage[]): number[] {
  const height = new Array<number>(stages.length).fill(0);
  for (let index = stages.length - 1; index >= 0; index--) {
    const stage = stages[index]!;
    for (const consumer of stage.oneToOneConsumers) height[index] = Math.max(height[index]!, height[consumer]!);
    for (const consumer of stage.wholeConsumers) height[index] = Math.max(height[index]!, height[consumer]! + 1);
  }
  return stages.map((_, index) => index).sort((a, b) => height[b]! - height[a]! || b - a);
}

// A stage's columns: made empty, given their size once it is known. Must not know who reads what.
import type { Plan } from "../../compiler/plan.ts";
import type { Control, Instance, Stage, Template } from "./model.ts";
import { NOBODY } from "./model.ts";
import { RangeQueue } from "./ranges.ts";

const NO_BYTES = new Uint8Array(0);
const NO_COUNTS = new Uint16Array(0);
const NO_HOLDERS = new Int32Array(0);

export function blankStage(index: number, plan: Plan, template: Template, instance: Instance | null): Stage {
  const planned = plan.stages[template.index]!;
  const { strategy, within } = planned;
  const control = controlOf(plan, template.index);
  // A key has places of stages and numbers of instances in turn.
  const path = instance === null ? "" : `[${instance.key.filter((_, place) => place % 2 === 1).join(".")}]`;
  return {
    index,
    id: `${planned.id}${path}`,
    template,
    instance,
    control,
    key: [...(instance?.key ?? []), template.priority],
    producers: [],
    oneToOne: [],
    whole: [],
    points: [],
    oneToOneConsumers: [],
    wholeConsumers: [],
    pointConsumers: new Map(),
    taskConsumers: [],
    bound: -1,
    value: Number.NaN,
    cutsList: planned.output === "blocks",
    // What an effect gives, and a control stage, is nothing that could be lost: it is kept, so that it never seems to be.
    pinned: template.isEffect || (control !== null && control.kind !== "each"),
    slotLimit:
      strategy.kind === "data"
        ? template.limit
          ? Number.POSITIVE_INFINITY
          : (strategy.slots ?? Number.POSITIVE_INFINITY)
        : template.members,
    single:
      within !== undefined || template.spawns !== null || template.asks?.which === "each" || (control?.kind === "each" && control.inside),
    retries: planned.options.retries ?? null,
    tasks: -1,
    blocks: -1,
    opened: false,
    started: false,
    state: NO_BYTES,
    attempt: NO_COUNTS,
    missing: NO_COUNTS,
    gate: 0,
    ready: new RangeQueue(),
    readyCount: 0,
    listed: false,
    pending: 0,
    slotsUsing: 0,
    failures: new Map(),
    deaths: new Map(),
    starved: new Map(),
    late: new Set(),
    lost: new Set(),
    output: NO_BYTES,
    holder: NO_HOLDERS,
    copies: new Map(),
    uses: NO_COUNTS,
    claims: 0,
    available: 0,
    present: false,
  };
}

function controlOf(plan: Plan, index: number): Control | null {
  const { tasks, inputs } = plan.stages[index]!;
  switch (tasks.kind) {
    case "each": {
      const { region } = tasks;
      const reads = inputs.flatMap((input, place) =>
        "stage" in input && input.kind !== "item" && plan.stages[input.stage]!.region === region
          ? [{ input: place, stage: input.stage }]
          : [],
      );
      const inside = plan.regions[region]!.stages.length > 0;
      return { kind: "each", region, inside, reads, instances: new Map(), next: 0, again: [], listed: false };
    }
    case "branch":
      return { kind: "branch", tasks, instance: null };
    case "loop":
      return { kind: "loop", tasks, instances: [] };
    default:
      return null;
  }
}

/** What task i alone waits for, before any of it is there. */
export function lacking({ oneToOne, control }: Stage): number {
  return oneToOne.length + (control?.kind === "each" && control.inside ? control.reads.length + 1 : 0);
}

export function allocateTasks(stage: Stage, tasks: number): void {
  stage.tasks = tasks;
  stage.pending = tasks;
  stage.state = new Uint8Array(tasks);
  stage.attempt = new Uint16Array(tasks).fill(1);
  stage.missing = new Uint16Array(tasks).fill(lacking(stage));
  if (!stage.cutsList) allocateBlocks(stage, tasks);
}

export function allocateBlocks(stage: Stage, blocks: number): void {
  stage.blocks = blocks;
  stage.output = new Uint8Array(blocks);
  stage.holder = new Int32Array(blocks).fill(NOBODY);
  stage.uses = new Uint16Array(blocks).fill(stage.oneToOneConsumers.length);
}

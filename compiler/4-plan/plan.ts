// From flow to plan: each stage becomes a template of tasks under the strategy chosen for it. The arithmetic is the flow's; a
// strategy decides only which tasks do it.
import { createHash } from "node:crypto";
import type { Span } from "../../lang/ast.ts";
import type { CheckedProgram } from "../2-check/typed.ts";
import { mapInputs } from "../3-lower/draft.ts";
import type { Flow, FlowFunction, FlowInput, FlowStage, RowSource } from "../3-lower/flow.ts";
import type { AboutSpan, Expr, Plan, PlanFunction, PlanInput, PlanRegion, PlanStage, Scalar, Strategy, TaskCount } from "../plan.ts";
import { PLAN_FORMAT } from "../plan.ts";
import type { Choice } from "./schedule.ts";
import { AUTO, actorReason, autoReason } from "./schedule.ts";

export interface PlanFacts {
  readonly program: CheckedProgram;
  readonly schedule: string | null;
  readonly choices: ReadonlyMap<string, Choice>;
  /** By function id. */
  readonly slices: ReadonlyMap<string, { readonly digest: string; readonly native: readonly string[] }>;
  readonly locate: (span: Span) => AboutSpan | null;
}

export function makePlan(flow: Flow, facts: PlanFacts): Plan {
  const { choices, program, schedule, locate } = facts;
  const gathered = gather(flow.stages, choices);
  const failing = flow.onFailure && gather(flow.onFailure.stages, choices);
  const planned = ({ stages }: Gathering) => stages.map((stage) => planStage(stage, choices.get(stage.name) ?? AUTO));
  const byId = new Map([...flow.stages, ...(flow.onFailure?.stages ?? [])].map((stage) => [stage.id, stage]));
  const body = {
    format: PLAN_FORMAT,
    name: flow.name,
    params: flow.params,
    functions: Object.fromEntries(Object.entries(flow.functions).map(([id, called]) => [id, planFunction(called, facts.slices.get(id)!)])),
    stages: planned(gathered),
    regions: flow.regions.map((region) => renumberedRegion(region, gathered)),
    outputs: flow.outputs.map(({ name, from }) => ({ name, from: from.kind === "stage" ? planOutput(from, gathered) : from })),
    ...(flow.onFailure && failing
      ? {
          onFailure: {
            param: flow.onFailure.param,
            stages: planned(failing),
            regions: flow.onFailure.regions.map((region) => renumberedRegion(region, failing)),
          },
        }
      : {}),
  } satisfies Omit<Plan, "hash" | "about">;
  return {
    ...body,
    hash: createHash("sha256").update(canonicalJson(body)).digest("hex"),
    about: {
      file: program.module.file,
      entry: flow.name,
      schedule,
      doc: program.entry.doc ?? program.module.doc,
      stages: Object.fromEntries(
        [...gathered.stages, ...(failing?.stages ?? [])].map(({ id, name, span, type }) => [
          id,
          { span: locate(span), type, why: actorReason(byId.get(id)!, flow.stages) ?? choices.get(name)?.why ?? autoReason(byId.get(id)!) },
        ]),
      ),
      functions: Object.fromEntries(Object.entries(flow.functions).map(([id, called]) => [id, aboutFunction(called, locate)])),
      params: Object.fromEntries(program.params.map(({ plan, doc, span }) => [plan.name, { doc, span: locate(span) }])),
      outputs: Object.fromEntries(flow.outputs.map(({ name, type }) => [name, { type }])),
      onTheWay: flow.onTheWay,
    },
  };
}

function planFunction(
  called: FlowFunction,
  { digest, native }: { readonly digest: string; readonly native: readonly string[] },
): PlanFunction {
  const { export: name, async, iterates } = called;
  const reaches = [...new Set(called.reaches.map(({ what }) => what))].sort();
  const tags = (["effect", "volatile", "associative"] as const).filter((tag) => called.tags.includes(tag));
  return {
    ...{ digest, export: name, async, iterates, native },
    ...(reaches.length > 0 ? { reaches } : {}),
    ...(called.integer ? { integer: true as const } : {}),
    ...(called.resource ? { resource: true as const } : {}),
    ...(tags.length > 0 ? { tags } : {}),
  };
}

function aboutFunction({ span, parameters, reaches }: FlowFunction, locate: PlanFacts["locate"]): Plan["about"]["functions"][string] {
  const places = reaches.map((one) => ({ what: one.what, name: one.name, span: locate(one.span), via: one.via }));
  return { span: locate(span), parameters, ...(places.length > 0 ? { reaches: places } : {}) };
}

/** Sorted keys, no white space: one text for one plan. */
function canonicalJson(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  let text = "";
  if (Array.isArray(value)) {
    for (const item of value) text += `${text === "" ? "" : ","}${canonicalJson(item)}`;
    return `[${text}]`;
  }
  for (const name of Object.keys(value).sort()) {
    const field = (value as Readonly<Record<string, unknown>>)[name];
    if (field !== undefined) text += `${text === "" ? "" : ","}${JSON.stringify(name)}:${canonicalJson(field)}`;
  }
  return `{${text}}`;
}

// --- Stages that run as one task ----------------------------------------------------------------------------------------------

/** A stage of the flow, or one that has taken its blocks into one task. */
type Gathered = Omit<FlowStage, "work" | "inputs"> & {
  readonly work: FlowStage["work"] | { readonly kind: "gathered" };
  readonly inputs: readonly FlowInput[];
};

interface Gathering {
  readonly stages: readonly Gathered[];
  /** Where each stage of the flow came to stand; -1 where it was taken in by another. */
  readonly place: readonly number[];
}

/** Under `task`, rows are worked on in one task that gives all blocks, and a fold and its combination are one. */
function gather(flow: readonly FlowStage[], choices: ReadonlyMap<string, Choice>): Gathering {
  const isTask = (stage: FlowStage) => choices.get(stage.name)?.strategy.kind === "task";
  const joined = flow.map((stage): Gathered | null => {
    const { work } = stage;
    if (!isTask(stage)) return stage;
    if (work.kind === "fold") return null;
    if (work.kind === "rows") return { ...stage, work: { kind: "gathered" }, ...overAll(stage, work.over) };
    const fold = work.kind === "combine" ? flow[work.of]! : null;
    if (work.kind !== "combine" || fold?.work.kind !== "fold") return stage;
    const { body, inputs } = overAll(fold, fold.work.over);
    return { ...stage, work: { kind: work.rows ? "source" : "value" }, inputs, body: atOnce(body) };
  });
  let next = 0;
  const place = joined.map((stage) => (stage ? next++ : -1));
  const renumber = (index: number) => place[index]!;
  const stages = joined.flatMap((stage) => (stage ? [renumbered(stage, renumber)] : []));
  return { stages, place };
}

function renumberedRegion(region: PlanRegion, { place }: Gathering): PlanRegion {
  return { ...region, stages: region.stages.map((index) => place[index]!).filter((index) => index >= 0) };
}

/** The body of a fold, made one that combines too. */
function atOnce(body: Expr): Expr {
  if (body.op === "fold") return { ...body, op: "reduce" };
  if (body.op === "aggregate") return { ...body, step: "reduce" };
  throw new Error("bug: a fold that isn't one");
}

/** The body over all blocks of its source, where it was over one. */
function overAll(stage: FlowStage, over: RowSource): { readonly inputs: readonly FlowInput[]; readonly body: Expr } {
  if (over.kind === "stage")
    return {
      inputs: stage.inputs.map((input) => (input.kind === "block" ? { kind: "blocks", stage: over.stage } : input)),
      body: stage.body,
    };
  // A range is made inside the task.
  const inputs: FlowInput[] = stage.inputs.filter((input) => input.kind !== "block");
  const block = stage.inputs.findIndex((input) => input.kind === "block");
  const scalar = (value: Scalar): Expr => {
    if (value.kind === "const") return { op: "const", value: value.value };
    const found = inputs.findIndex((input) => input.kind === "param" && input.name === value.name);
    const read: Expr = { op: "input", index: found >= 0 ? found : inputs.push({ kind: "param", name: value.name }) - 1 };
    return value.atMost === undefined ? read : { op: "builtin", name: "min", args: [read, { op: "const", value: value.atMost }] };
  };
  const range: Expr = {
    op: "data",
    name: "range",
    source: { op: "list", items: [] },
    args: { rows: scalar(over.rows), blocks: scalar(over.blocks) },
  };
  const body = mapInputs(stage.body, (input) =>
    input.index === block ? range : { op: "input", index: block >= 0 && input.index > block ? input.index - 1 : input.index },
  );
  return { inputs, body };
}

function renumbered(stage: Gathered, renumber: (index: number) => number): Gathered {
  const inputs = stage.inputs.map((input) => ("stage" in input ? { ...input, stage: renumber(input.stage) } : input));
  return { ...stage, work: renumberedWork(stage.work, renumber), inputs };
}

function renumberedWork(work: Gathered["work"], renumber: (index: number) => number): Gathered["work"] {
  switch (work.kind) {
    case "rows":
    case "fold":
      return work.over.kind === "stage" ? { kind: work.kind, over: { kind: "stage", stage: renumber(work.over.stage) } } : work;
    case "combine":
      return { ...work, of: renumber(work.of) };
    case "each":
    case "members":
      return { ...work, of: renumber(work.of) };
    case "spawn":
      return work.numbers === null ? work : { ...work, numbers: renumber(work.numbers) };
    case "branch":
      return {
        ...work,
        gives: work.gives.map((give) => ({ given: renumber(give.given), then: renumber(give.then), else: renumber(give.else) })),
      };
    case "loop":
      return {
        ...work,
        decision: renumber(work.decision),
        carried: work.carried.map(({ given, init, next, final }) => ({
          ...{ given: renumber(given), init: renumber(init) },
          ...{ next: renumber(next), final: renumber(final) },
        })),
      };
    default:
      return work;
  }
}

// --- The plan's stages ----------------------------------------------------------------------------------------------------------

function planStage(stage: Gathered, choice: Choice): PlanStage {
  const { work } = stage;
  const over = sourceOf(work);
  const inputs = stage.inputs.map((input): PlanInput => {
    if (input.kind !== "block") return input;
    return over?.kind === "stage" ? { kind: "block", stage: over.stage } : { kind: "range" };
  });
  const split = over !== null || work.kind === "each" || work.kind === "members";
  const anySlot = work.kind === "spawn" || work.kind === "members";
  const strategy: Strategy =
    work.kind === "fit"
      ? { kind: "fit", ...(choice.architecture ?? { architecture: "sequential" }) }
      : split && choice.strategy.kind === "data"
        ? choice.strategy
        : split && anySlot
          ? { kind: "data", slots: null }
          : { kind: "task" };
  const { region, cut, effect, within } = stage;
  return {
    id: stage.id,
    name: stage.name,
    ...(region === undefined ? {} : { region }),
    tasks: tasksOf(work),
    inputs,
    body: stage.body,
    output: outputOf(work),
    ...(cut ? { cut } : {}),
    ...(effect ? { effect } : {}),
    ...(within ? { within } : {}),
    ...(work.kind === "spawn" ? { actors: work.actors } : {}),
    ...(stage.keyed ? { keyed: true as const } : {}),
    strategy,
    options: choice.options,
  };
}

/** Where the blocks come from that it has a task for each of. */
function sourceOf(work: Gathered["work"]): RowSource | null {
  if (work.kind === "rows" || work.kind === "fold") return work.over;
  if (work.kind !== "spawn") return null;
  if (work.numbers !== null) return { kind: "stage", stage: work.numbers };
  return work.count && { kind: "range", rows: work.count, blocks: work.count };
}

function tasksOf(work: Gathered["work"]): TaskCount {
  const over = sourceOf(work);
  if (over?.kind === "stage") return { kind: "perBlock", of: over.stage };
  if (over) return { kind: "range", rows: over.rows, blocks: over.blocks };
  switch (work.kind) {
    case "members":
      return { kind: "perBlock", of: work.of };
    case "given":
      return { kind: "given" };
    case "each":
    case "branch":
    case "loop":
      return work;
    default:
      return { kind: "one" };
  }
}

function outputOf(work: Gathered["work"]): PlanStage["output"] {
  switch (work.kind) {
    case "source":
    case "gathered":
      return "blocks";
    case "combine":
      return work.rows ? "blocks" : "value";
    case "rows":
      return "block";
    case "fold":
      return "partial";
    case "each":
    case "members":
      return "row";
    case "spawn":
      return sourceOf(work) ? "row" : "value";
    case "given":
      return work.rows ? "block" : "value";
    default:
      return "value";
  }
}

function planOutput(from: { readonly stage: number; readonly take: "value" | "blocks" }, gathered: Gathering) {
  return { kind: "stage", stage: gathered.place[from.stage]!, take: from.take } as const;
}

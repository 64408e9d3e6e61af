// From flow to plan: each stage becomes a template of tasks under the strategy chosen for it. The arithmetic is the flow's; a
// strategy decides only which tasks do it.
import { createHash } from "node:crypto";
import type { Span } from "../../lang/ast.ts";
import type { CheckedProgram } from "../2-check/typed.ts";
import { mapInputs } from "../3-lower/draft.ts";
import type { Flow, FlowFunction, FlowInput, FlowStage, RowSource } from "../3-lower/flow.ts";
import type { AboutSpan, Expr, Plan, PlanFunction, PlanInput, PlanStage, Scalar, Strategy, TaskCount } from "../plan.ts";
import { PLAN_FORMAT } from "../plan.ts";
import type { Choice } from "./schedule.ts";
import { autoReason } from "./schedule.ts";

export interface PlanFacts {
  readonly program: CheckedProgram;
  readonly schedule: string | null;
  readonly choices: ReadonlyMap<string, Choice>;
  /** By function id. */
  readonly slices: ReadonlyMap<string, { readonly digest: string; readonly native: readonly string[] }>;
  readonly locate: (span: Span) => AboutSpan | null;
}

export function makePlan(flow: Flow, facts: PlanFacts): Plan {
  const gathered = gather(flow, facts.choices);
  const stages = gathered.stages.map((stage) => planStage(stage, facts.choices.get(stage.name)!));
  const { program, schedule, locate } = facts;
  const byId = new Map(flow.stages.map((stage) => [stage.id, stage]));
  const body = {
    format: PLAN_FORMAT,
    name: flow.name,
    params: flow.params,
    functions: Object.fromEntries(Object.entries(flow.functions).map(([id, called]) => [id, planFunction(called, facts.slices.get(id)!)])),
    stages,
    regions: [],
    outputs: flow.outputs.map(({ name, from }) => ({ name, from: from.kind === "stage" ? planOutput(from, gathered) : from })),
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
        gathered.stages.map(({ id, name, span, type }) => [
          id,
          { span: locate(span), type, why: facts.choices.get(name)!.why ?? autoReason(byId.get(id)!) },
        ]),
      ),
      functions: Object.fromEntries(Object.entries(flow.functions).map(([id, called]) => [id, aboutFunction(called, locate)])),
      params: Object.fromEntries(program.params.map(({ plan, doc, span }) => [plan.name, { doc, span: locate(span) }])),
      outputs: Object.fromEntries(flow.outputs.map(({ name, type }) => [name, { type }])),
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
    ...(tags.length > 0 ? { tags } : {}),
  };
}

function aboutFunction({ span, parameters, reaches }: FlowFunction, locate: PlanFacts["locate"]): Plan["about"]["functions"][string] {
  const places = reaches.map((one) => ({ what: one.what, name: one.name, span: locate(one.span), via: one.via }));
  return { span: locate(span), parameters, ...(places.length > 0 ? { reaches: places } : {}) };
}

/** Sorted keys, no white space: one text for one plan. */
function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return `{${fields
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, field]) => `${JSON.stringify(name)}:${canonicalJson(field)}`)
    .join(",")}}`;
}

// --- Stages that run as one task ----------------------------------------------------------------------------------------------

/** A stage of the flow, or one that has taken its blocks into one task. */
type Gathered = Omit<FlowStage, "work" | "inputs"> & {
  readonly work: FlowStage["work"] | { readonly kind: "gathered" };
  readonly inputs: readonly FlowInput[];
};

/** Under `task`, rows are worked on in one task that gives all blocks, and a fold and its combination are one. */
function gather(
  flow: Flow,
  choices: ReadonlyMap<string, Choice>,
): { readonly stages: readonly Gathered[]; readonly place: readonly number[] } {
  const isTask = (stage: FlowStage) => choices.get(stage.name)!.strategy.kind === "task";
  const joined = flow.stages.map((stage): Gathered | null => {
    const { work } = stage;
    if (!isTask(stage)) return stage;
    if (work.kind === "fold") return null;
    if (work.kind === "rows") return { ...stage, work: { kind: "gathered" }, ...overAll(stage, work.over) };
    const fold = work.kind === "combine" ? flow.stages[work.of]! : null;
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
    return { op: "input", index: found >= 0 ? found : inputs.push({ kind: "param", name: value.name }) - 1 };
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
  const { work } = stage;
  const over = (source: RowSource): RowSource => (source.kind === "stage" ? { kind: "stage", stage: renumber(source.stage) } : source);
  return {
    ...stage,
    work:
      work.kind === "rows" || work.kind === "fold"
        ? { kind: work.kind, over: over(work.over) }
        : work.kind === "combine"
          ? { ...work, of: renumber(work.of) }
          : work,
    inputs: stage.inputs.map((input) => ("stage" in input ? { ...input, stage: renumber(input.stage) } : input)),
  };
}

// --- The plan's stages ----------------------------------------------------------------------------------------------------------

function planStage(stage: Gathered, choice: Choice): PlanStage {
  const { work } = stage;
  const over = work.kind === "rows" || work.kind === "fold" ? work.over : null;
  const tasks: TaskCount =
    over === null
      ? { kind: "one" }
      : over.kind === "stage"
        ? { kind: "perBlock", of: over.stage }
        : { kind: "range", rows: over.rows, blocks: over.blocks };
  const inputs = stage.inputs.map((input): PlanInput => {
    if (input.kind !== "block") return input;
    return over?.kind === "stage" ? { kind: "block", stage: over.stage } : { kind: "range" };
  });
  const outputs = {
    value: "value",
    source: "blocks",
    gathered: "blocks",
    rows: "block",
    fold: "partial",
    combine: "value",
    fit: "value",
  } as const;
  const strategy: Strategy =
    work.kind === "fit"
      ? { kind: "fit", architecture: "sequential" }
      : over && choice.strategy.kind === "data"
        ? choice.strategy
        : { kind: "task" };
  return {
    id: stage.id,
    name: stage.name,
    tasks,
    inputs,
    body: stage.body,
    output: work.kind === "combine" && work.rows ? "blocks" : outputs[work.kind],
    ...(stage.keyed ? { keyed: true as const } : {}),
    strategy,
    options: choice.options,
  };
}

function planOutput(from: { readonly stage: number; readonly take: "value" | "blocks" }, gathered: ReturnType<typeof gather>) {
  return { kind: "stage", stage: gathered.place[from.stage]!, take: from.take } as const;
}

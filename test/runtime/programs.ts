// Plans with regions, written by hand: stages with what they compute, and the user's functions as one module.
import { createHash } from "node:crypto";
import type { CodeStore, Expr, Plan, PlanInput, PlanRegion, PlanStage } from "../../compiler/plan.ts";

export interface Program {
  readonly plan: Plan;
  readonly code: CodeStore;
}

export type Written = Partial<Omit<PlanStage, "name">> & { readonly id: string };

function stage({ id, ...more }: Written): PlanStage {
  return {
    id,
    name: id,
    tasks: { kind: "one" },
    inputs: [],
    body: constant(null),
    output: "value",
    strategy: { kind: "task" },
    options: {},
    ...more,
  };
}

/** A function of the module may be asynchronous where its name ends so. */
export function program(
  stages: readonly Written[],
  {
    results,
    module = "",
    onFailure,
  }: { readonly results: readonly number[]; readonly module?: string; readonly onFailure?: readonly Written[] },
): Program {
  const digest = createHash("sha256").update(module).digest("hex");
  const planned = stages.map(stage);
  const names = [...module.matchAll(/export (?:async )?function (\w+)/g)].map(([, name]) => name!);
  return {
    code: { [digest]: { module, map: null } },
    plan: {
      format: "headrace-plan/1",
      hash: "",
      name: "written",
      params: [],
      functions: Object.fromEntries(
        names.map((name) => [name, { digest, export: name, async: name.endsWith("Async"), iterates: "no", native: [] }]),
      ),
      stages: planned,
      regions: regionsOf(planned),
      outputs: results.map((index) => ({
        name: planned[index]!.id,
        from: { kind: "stage", stage: index, take: planned[index]!.output === "value" ? "value" : "blocks" },
      })),
      ...(onFailure ? { onFailure: { param: "failure", stages: onFailure.map(stage), regions: regionsOf(onFailure.map(stage)) } } : {}),
      about: { file: "", entry: "", schedule: null, doc: null, stages: {}, functions: {}, params: {}, outputs: {}, onTheWay: [] },
    },
  };
}

/** By what control stages name; their own region is the one around. */
function regionsOf(stages: readonly PlanStage[]): PlanRegion[] {
  const around = new Map<number, number | null>();
  for (const { tasks, region = null } of stages) {
    if (tasks.kind === "each" || tasks.kind === "loop") around.set(tasks.region, region);
    if (tasks.kind === "branch") for (const one of [tasks.then, tasks.else]) around.set(one, region);
  }
  return Array.from({ length: around.size }, (_, index) => ({
    around: around.get(index) ?? null,
    stages: stages.flatMap(({ region }, at) => (region === index ? [at] : [])),
  }));
}

export const constant = (value: Extract<Expr, { op: "const" }>["value"]): Expr => ({ op: "const", value });
export const input = (index: number): Expr => ({ op: "input", index });
export const call = (name: string, ...args: Expr[]): Expr => ({
  op: "call",
  function: name,
  args,
  passing: args.map(() => "share" as const),
});
const rows = (list: Expr): Expr => ({ op: "dataset", list });
export const sum = (source: Expr): Expr => ({ op: "reduce", name: "sum", source, by: null });
export const plus = (left: Expr, right: Expr): Expr => ({ op: "binary", operator: "+", left, right, int: false });

export const value = (of: number): PlanInput => ({ kind: "value", stage: of });
export const block = (of: number): PlanInput => ({ kind: "block", stage: of });
export const blocks = (of: number): PlanInput => ({ kind: "blocks", stage: of });
export const item = (of: number): PlanInput => ({ kind: "item", stage: of });
export const done = (of: number): PlanInput => ({ kind: "after", stage: of });
export const param = (name: string): PlanInput => ({ kind: "param", name });

/** Items that a `for` goes over. */
export const items = (id: string, list: Expr, more: Partial<Written> = {}): Written => ({
  id,
  body: rows(list),
  output: "blocks",
  cut: "rows",
  ...more,
});

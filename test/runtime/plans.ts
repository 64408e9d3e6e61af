// Plans for the scheduler's tests: stages as edges, without anything to compute.
import type { Plan, PlanInput, PlanStage, TaskCount } from "../../compiler/plan.ts";

export interface Shape {
  readonly id: string;
  readonly tasks?: number | { readonly perBlock: number };
  readonly reads?: readonly PlanInput[];
  readonly output?: PlanStage["output"];
  readonly slots?: number | null;
  readonly retries?: number;
}

export function planOf(shapes: readonly Shape[], results: readonly number[] = [shapes.length - 1]): Plan {
  const stages = shapes.map(({ id, tasks = 1, reads = [], output, slots, retries }): PlanStage => {
    const count: TaskCount =
      typeof tasks === "object"
        ? { kind: "perBlock", of: tasks.perBlock }
        : tasks === 1 && slots === undefined
          ? { kind: "one" }
          : { kind: "range", rows: { kind: "const", value: tasks }, blocks: { kind: "const", value: tasks } };
    return {
      id,
      name: id,
      tasks: count,
      inputs: reads,
      body: { op: "const", value: null },
      output: output ?? (count.kind === "one" ? "value" : "block"),
      strategy: count.kind === "one" ? { kind: "task" } : { kind: "data", slots: slots ?? null },
      options: retries === undefined ? {} : { retries },
    };
  });
  return {
    format: "headrace-plan/1",
    hash: "",
    name: "test",
    params: [],
    functions: {},
    stages,
    regions: [],
    outputs: results.map((stage) => ({
      name: shapes[stage]!.id,
      from: { kind: "stage", stage, take: stages[stage]!.output === "value" ? "value" : "blocks" },
    })),
    about: { file: "", entry: "", schedule: null, doc: null, stages: {}, functions: {}, params: {}, outputs: {}, onTheWay: [] },
  };
}

export const block = (stage: number): PlanInput => ({ kind: "block", stage });
export const value = (stage: number): PlanInput => ({ kind: "value", stage });
export const blocks = (stage: number): PlanInput => ({ kind: "blocks", stage });

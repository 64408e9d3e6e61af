// The flow: a program as stages over blocks and values, before anybody has said how they run. Plain JSON. Made by `3-lower`, read by
// `4-plan`, which adds strategies and a hash.

import type { Span } from "../../lang/ast.ts";
import type { Reached } from "../module.ts";
import type { ControlTasks, Expr, Json, PlanActors, PlanInput, PlanParam, PlanRegion, PlanStage, Scalar } from "../plan.ts";
import type { FitFacts } from "./fit-facts.ts";

export interface Flow {
  readonly name: string;
  readonly params: readonly PlanParam[];
  readonly functions: Readonly<Record<string, FlowFunction>>;
  /** In an order in which every stage stands after those it reads. */
  readonly stages: readonly FlowStage[];
  readonly regions: readonly PlanRegion[];
  readonly outputs: readonly FlowOutput[];
  /** Names of values without a stage: whoever reads them computes them, or nobody needs them. A schedule that names rows among them gives them one. */
  readonly onTheWay: readonly string[];
  /** What is done when the run has failed, the failure being a param. */
  readonly onFailure: { readonly param: string; readonly stages: readonly FlowStage[]; readonly regions: readonly PlanRegion[] } | null;
}

export interface FlowFunction {
  readonly file: string;
  readonly export: string;
  readonly async: boolean;
  readonly iterates: "no" | "sync" | "async";
  readonly span: Span;
  readonly parameters: readonly string[];
  readonly reaches: readonly Reached[];
  readonly tags: readonly string[];
  readonly resource: boolean;
  /** Gives an `int`. */
  readonly integer: boolean;
}

export interface FlowStage {
  /** Unique; helpers of a stage have its name and a suffix. */
  readonly id: string;
  readonly name: string;
  readonly span: Span;
  /** Printed type of what it gives. */
  readonly type: string;
  readonly work: FlowWork;
  readonly inputs: readonly FlowInput[];
  readonly body: Expr;
  /** Blocks are stored with the keys of their rows. */
  readonly keyed: boolean;
  readonly region?: number;
  readonly cut?: "rows";
  readonly effect?: true;
  readonly within?: NonNullable<PlanStage["within"]>;
}

export type FlowWork =
  /** One task gives one value. */
  | { readonly kind: "value" }
  /** One task gives a list, which is cut into blocks. */
  | { readonly kind: "source" }
  /** The body works on each block by itself: `input` 0 is the block. */
  | { readonly kind: "rows"; readonly over: RowSource }
  /** A `rows` stage whose body folds its block; the stage after it, `combine`, puts the partials together. */
  | { readonly kind: "fold"; readonly over: RowSource }
  /** `rows`: these give a list, which is cut into blocks. */
  | { readonly kind: "combine"; readonly of: number; readonly rows: boolean }
  | { readonly kind: "fit"; readonly facts: FitFacts }
  /** A task for each actor: `count` of them, as many as there are `numbers`, else one. */
  | { readonly kind: "spawn"; readonly count: Scalar | null; readonly numbers: number | null; readonly actors: PlanActors }
  /** A task for each actor of that stage. */
  | { readonly kind: "members"; readonly of: number }
  /** Stands for another stage; `rows`: for one in blocks. */
  | { readonly kind: "given"; readonly rows: boolean }
  /** Control stages, as the plan has them. */
  | ControlTasks;

export type RowSource =
  | { readonly kind: "stage"; readonly stage: number }
  | { readonly kind: "range"; readonly rows: Scalar; readonly blocks: Scalar };

export type FlowInput =
  | { readonly kind: "value"; readonly stage: number }
  /** The block of `work.over`. */
  | { readonly kind: "block" }
  /** All blocks or partials of a stage. */
  | { readonly kind: "blocks"; readonly stage: number }
  | Extract<PlanInput, { kind: "item" | "iteration" | "after" | "actor" }>
  | { readonly kind: "param"; readonly name: string };

export interface FlowOutput {
  readonly name: string;
  readonly type: string;
  readonly from:
    | { readonly kind: "stage"; readonly stage: number; readonly take: "value" | "blocks" }
    | { readonly kind: "param"; readonly name: string }
    | { readonly kind: "const"; readonly value: Json };
}

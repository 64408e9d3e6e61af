// Stages while they are being made: objects that refer to each other, inputs that aren't settled yet. `finish` turns what the
// outputs need into a `Flow`.
import type { Span } from "../../lang/ast.ts";
import type { Type } from "../../lang/types.ts";
import { print } from "../../lang/types.ts";
import { GraphIndex } from "../graph.ts";
import type { Expr, Scalar } from "../plan.ts";
import type { FlowInput, FlowStage, FlowWork, RowSource } from "./flow.ts";

export type DraftSource =
  | { readonly kind: "stage"; readonly stage: Draft }
  | { readonly kind: "range"; readonly rows: Scalar; readonly blocks: Scalar };

export type DraftInput =
  | { readonly kind: "block" }
  /** A value, as a list where its stage turns out to be cut into blocks. */
  | { readonly kind: "value"; readonly of: Draft }
  | { readonly kind: "blocks"; readonly of: Draft }
  | { readonly kind: "param"; readonly name: string };

export class Draft {
  readonly id: string;
  readonly name: string;
  readonly span: Span;
  readonly type: Type;
  readonly inputs: DraftInput[] = [];
  body: Expr = { op: "const", value: null };
  /** What it is; a `value` becomes a `source` when somebody wants its list in blocks. */
  work:
    | { kind: "value" | "source" | "fit" }
    | { readonly kind: "rows" | "fold"; readonly over: DraftSource }
    /** `rows`: what is combined is a list of rows, which is cut into blocks. */
    | { readonly kind: "combine"; readonly of: Draft; readonly rows: boolean };
  keyed = false;
  /** Whose rows these are, where a stage that isn't row-wise hands them on with their keys. */
  handsOn: Draft | null = null;

  constructor(id: string, name: string, span: Span, type: Type, work: Draft["work"]) {
    this.id = id;
    this.name = name;
    this.span = span;
    this.type = type;
    this.work = work;
  }

  /** The place of an input; the same one twice is one. */
  use(input: DraftInput): Expr {
    const found = this.inputs.findIndex(
      (one) =>
        one.kind === input.kind &&
        ("of" in one ? "of" in input && one.of === input.of : "name" in one ? "name" in input && one.name === input.name : true),
    );
    return { op: "input", index: found >= 0 ? found : this.inputs.push(input) - 1 };
  }

  /** Rows whose keys somebody reads: they are stored by every stage on the way from where they are made. */
  needKeys(): void {
    if (this.keyed) return;
    this.keyed = true;
    if ((this.work.kind === "rows" || this.work.kind === "fold") && this.work.over.kind === "stage") this.work.over.stage.needKeys();
    this.handsOn?.needKeys();
  }
}

/** The stages that `needed` reach, in an order in which each stands after those it reads. */
export function finish(needed: readonly Draft[]): {
  readonly stages: FlowStage[];
  readonly drafts: readonly Draft[];
  readonly indexOf: (draft: Draft) => number;
} {
  const order = new GraphIndex(needed, readsOf).order();
  const index = new Map(order.map((draft, i) => [draft, i]));
  const indexOf = (draft: Draft): number => index.get(draft)!;
  return { stages: order.map((draft) => settle(draft, indexOf)), drafts: order, indexOf };
}

function readsOf(draft: Draft): Draft[] {
  const inputs = draft.inputs.flatMap((input) => ("of" in input ? [input.of] : []));
  const { work } = draft;
  const over = (work.kind === "rows" || work.kind === "fold") && work.over.kind === "stage" ? [work.over.stage] : [];
  return [...over, ...inputs];
}

/** Gives blocks, not one value. */
export const inBlocks = ({ work }: Draft): boolean =>
  work.kind === "source" || work.kind === "rows" || (work.kind === "combine" && work.rows);

function settle(draft: Draft, indexOf: (draft: Draft) => number): FlowStage {
  const lists = new Set<number>();
  const inputs = draft.inputs.map((input, i): FlowInput => {
    if (input.kind === "value" && inBlocks(input.of)) {
      lists.add(i);
      return { kind: "blocks", stage: indexOf(input.of) };
    }
    return "of" in input ? { kind: input.kind, stage: indexOf(input.of) } : input;
  });
  return {
    id: draft.id,
    name: draft.name,
    span: draft.span,
    type: print(draft.type),
    work: settledWork(draft, indexOf),
    inputs,
    body: lists.size > 0 ? collected(draft.body, lists) : draft.body,
    keyed: draft.keyed && inBlocks(draft),
  };
}

function settledWork(draft: Draft, indexOf: (draft: Draft) => number): FlowWork {
  const { work } = draft;
  if (work.kind === "combine") return { kind: "combine", of: indexOf(work.of), rows: work.rows };
  if (work.kind === "rows" || work.kind === "fold") {
    const over: RowSource = work.over.kind === "stage" ? { kind: "stage", stage: indexOf(work.over.stage) } : work.over;
    return { kind: work.kind, over };
  }
  return { kind: work.kind };
}

/** Inputs that come in blocks, and are wanted as a list. */
function collected(expr: Expr, inputs: ReadonlySet<number>): Expr {
  return mapInputs(expr, (input) => (inputs.has(input.index) ? { op: "data", name: "collect", source: input, args: {} } : input));
}

/** The expression with each input replaced. */
export function mapInputs(expr: Expr, change: (input: Expr & { op: "input" }) => Expr): Expr {
  const visit = (node: unknown): unknown => {
    if (typeof node !== "object" || node === null) return node;
    if (Array.isArray(node)) return node.map(visit);
    if ("op" in node && node.op === "const") return node;
    if ("op" in node && node.op === "input") return change(node as Expr & { op: "input" });
    return Object.fromEntries(Object.entries(node).map(([name, child]) => [name, visit(child)]));
  };
  return visit(expr) as Expr;
}

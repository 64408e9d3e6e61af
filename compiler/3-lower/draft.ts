// Stages while they are being made: objects that refer to each other, inputs that aren't settled yet, regions that are still open. `finish`
// turns what is needed into the stages and regions of a `Flow`.

import type { Span } from "../../lang/ast.ts";
import type { Type } from "../../lang/types.ts";
import { print } from "../../lang/types.ts";
import { GraphIndex } from "../graph.ts";
import type { ActorChoice, Expr, PlanActors, PlanRegion, Scalar } from "../plan.ts";
import { orderCalls } from "./calls.ts";
import type { FitFacts } from "./fit-facts.ts";
import type { FlowInput, FlowStage, FlowWork, RowSource } from "./flow.ts";

export type DraftSource =
  | { readonly kind: "stage"; readonly stage: Draft }
  | { readonly kind: "range"; readonly rows: Scalar; readonly blocks: Scalar };

export type DraftInput =
  | { readonly kind: "block" }
  /** A value, as a list where its stage turns out to be cut into blocks. */
  | { readonly kind: "value"; readonly of: Draft }
  | { readonly kind: "blocks"; readonly of: Draft }
  /** The row of these items that this instance, or task, is for. */
  | { readonly kind: "item"; readonly of: Draft }
  | { readonly kind: "after"; readonly of: Draft }
  | { readonly kind: "iteration"; readonly region: Region }
  | { readonly kind: "actor"; readonly of: Draft }
  | { readonly kind: "param"; readonly name: string };

/** Where drafts are made: the run itself (`around` is null), or what a control stage brings to life. */
export class Region {
  readonly around: Region | null;
  /** The stage that brings it to life; the run itself has none. */
  control: Draft | null = null;
  /** Run though nobody reads them: effects, expectations, tracked numbers, and control stages with such inside. */
  readonly roots: Draft[] = [];
  /** The last effect so far, for which the next one waits. */
  effect: Draft | null;

  constructor(around: Region | null) {
    this.around = around;
    this.effect = around?.effect ?? null;
  }

  isInside(other: Region): boolean {
    return this === other || (this.around?.isInside(other) ?? false);
  }
}

export interface Carried {
  readonly given: Draft;
  readonly init: Draft;
  readonly next: Draft;
  readonly final: Draft;
}
interface Give {
  readonly given: Draft;
  readonly then: Draft;
  readonly else: Draft;
}

export type DraftWork =
  | { readonly kind: "value" | "source" }
  | { readonly kind: "fit"; readonly facts: FitFacts }
  /** `count`, or one for each of `numbers`; without either it is one. */
  | { readonly kind: "spawn"; readonly count: Scalar | null; readonly numbers: Draft | null; readonly actors: PlanActors }
  | { readonly kind: "members"; readonly of: Draft }
  | { readonly kind: "rows" | "fold"; readonly over: DraftSource }
  /** `rows`: what is combined is a list of rows, which is cut into blocks. */
  | { readonly kind: "combine"; readonly of: Draft; readonly rows: boolean }
  /** Stands for what `by`, its control stage, says; null inside a `loop`, for what is carried. `rows`: for blocks. */
  | { readonly kind: "given"; readonly by: Draft | null; readonly rows: boolean }
  | { readonly kind: "each"; readonly of: Draft; readonly region: Region }
  | { readonly kind: "branch"; readonly then: Region; readonly else: Region; readonly gives: Give[] }
  | { readonly kind: "loop"; readonly region: Region; readonly carried: Carried[]; decision: Draft | null };

export class Draft {
  readonly id: string;
  readonly name: string;
  readonly span: Span;
  readonly type: Type;
  readonly region: Region;
  readonly inputs: DraftInput[] = [];
  body: Expr = { op: "const", value: null };
  /** What it is; a `value` becomes a `source` when somebody wants its list in blocks. */
  work: DraftWork;
  /** Somebody else stands for it as one value, so it is never cut into blocks. */
  single = false;
  keyed = false;
  /** Whose rows these are, where a stage that isn't row-wise hands them on with their keys. */
  readonly handsOn: Draft[] = [];
  cut: "rows" | null = null;
  effect = false;
  within: FlowStage["within"] | null = null;

  /** The actors that its tasks ask. */
  asks: { readonly of: Draft; readonly which: ActorChoice; reads: boolean; overlaps: boolean } | null = null;
  /** Drafts are made in the order of the text. */
  readonly made: number;

  constructor(made: number, id: string, name: string, span: Span, type: Type, region: Region, work: DraftWork) {
    this.made = made;
    this.id = id;
    this.name = name;
    this.span = span;
    this.type = type;
    this.region = region;
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

  /** In blocks, whoever reads them. */
  get inBlocks(): boolean {
    const { work } = this;
    if (work.kind === "given" || work.kind === "combine") return work.rows;
    return work.kind === "source" || work.kind === "rows" || work.kind === "each" || work.kind === "members";
  }

  /** Rows whose keys somebody reads: they are stored by every stage on the way from where they are made. */
  needKeys(): void {
    if (this.keyed) return;
    this.keyed = true;
    if ((this.work.kind === "rows" || this.work.kind === "fold") && this.work.over.kind === "stage") this.work.over.stage.needKeys();
    for (const source of this.handsOn) source.needKeys();
  }
}

export interface Finished {
  readonly stages: FlowStage[];
  readonly regions: PlanRegion[];
  readonly drafts: readonly Draft[];
  readonly indexOf: (draft: Draft) => number;
}

/** The stages that `needed` reach, in an order in which each stands after those it reads. */
export function finish(needed: readonly Draft[]): Finished {
  orderCalls(new GraphIndex(needed, readsOf).order(), readsOf);
  const reached = new GraphIndex(needed, readsOf).order();
  // A loop ends for all that it carries, whether anybody reads it or not.
  const finals = reached.flatMap(({ work }) => (work.kind === "loop" ? work.carried.map(({ final }) => final) : []));
  const order = finals.every((final) => reached.includes(final)) ? reached : new GraphIndex([...needed, ...finals], readsOf).order();
  const index = new Map(order.map((draft, i) => [draft, i]));
  const indexOf = (draft: Draft): number => index.get(draft)!;
  const regions: Region[] = [];
  const number = (region: Region): number => {
    if (region.around?.around) number(region.around);
    const known = regions.indexOf(region);
    return known >= 0 ? known : regions.push(region) - 1;
  };
  for (const draft of order) {
    if (draft.region.around) number(draft.region);
    for (const region of regionsOf(draft)) number(region);
  }
  for (const draft of order) capture(draft);
  const stages = order.map((draft) => settle(draft, indexOf, number));
  return {
    stages,
    regions: regions.map(({ around }, region) => ({
      around: around?.around ? number(around) : null,
      stages: stages.flatMap((stage, i) => (stage.region === region ? [i] : [])),
    })),
    drafts: order,
    indexOf,
  };
}

const regionsOf = ({ work }: Draft): readonly Region[] =>
  work.kind === "branch" ? [work.then, work.else] : work.kind === "each" || work.kind === "loop" ? [work.region] : [];

function readsOf(draft: Draft): Draft[] {
  const inputs = draft.inputs.flatMap((input) => ("of" in input ? [input.of] : []));
  return [...workReads(draft), ...inputs];
}

function workReads({ work }: Draft): Draft[] {
  switch (work.kind) {
    case "rows":
    case "fold":
      return work.over.kind === "stage" ? [work.over.stage] : [];
    case "given":
      return work.by ? [work.by] : [];
    case "members":
      return [work.of];
    case "spawn":
      return work.numbers ? [work.numbers] : [];
    case "each":
      return [work.of, ...work.region.roots];
    case "branch":
      return [...work.gives.flatMap((give) => [give.then, give.else]), ...work.then.roots, ...work.else.roots];
    case "loop":
      return [
        ...work.carried.flatMap(({ given, init, next }) => [given, init, next]),
        ...(work.decision ? [work.decision] : []),
        ...work.region.roots,
      ];
    default:
      return [];
  }
}

/** What is read inside a region and stands outside of it is kept by its control stage, which may bring the region to life again. */
function capture(draft: Draft): void {
  for (let region: Region | null = draft.region; region?.control; region = region.around) {
    const { control } = region;
    const items = draft.inputs.flatMap((input) => (input.kind === "item" ? [input.of] : []));
    for (const read of readsOf(draft)) {
      // An item is kept by the `each` that it is for.
      if (items.includes(read)) continue;
      const outside = !read.region.isInside(region);
      if (outside && read !== control && !control.inputs.some((input) => "of" in input && input.of === read))
        control.use({ kind: "after", of: read });
    }
  }
}

function settle(draft: Draft, indexOf: (draft: Draft) => number, number: (region: Region) => number): FlowStage {
  const lists = new Set<number>();
  const inputs = draft.inputs.map((input, i): FlowInput => {
    if (input.kind === "value" && input.of.inBlocks) {
      lists.add(i);
      return { kind: "blocks", stage: indexOf(input.of) };
    }
    if (input.kind === "actor") {
      const { which, reads, overlaps } = draft.asks!;
      return { kind: "actor", stage: indexOf(input.of), which, reads, overlaps: reads && overlaps };
    }
    if (input.kind === "iteration") return { kind: "iteration", region: number(input.region) };
    return "of" in input ? { kind: input.kind, stage: indexOf(input.of) } : input;
  });
  const whole = (body: Expr) => (lists.size > 0 ? collected(body, lists) : body);
  return {
    id: draft.id,
    name: draft.name,
    span: draft.span,
    type: print(draft.type),
    ...(draft.region.around ? { region: number(draft.region) } : {}),
    work: settledWork(draft, indexOf, number),
    inputs,
    body: whole(draft.body),
    keyed: draft.keyed && draft.inBlocks,
    ...(draft.cut ? { cut: draft.cut } : {}),
    ...(draft.effect ? { effect: true as const } : {}),
    ...(draft.within ? { within: { ...draft.within, otherwise: whole(draft.within.otherwise) } } : {}),
  };
}

function settledWork(draft: Draft, indexOf: (draft: Draft) => number, number: (region: Region) => number): FlowWork {
  const { work } = draft;
  switch (work.kind) {
    case "combine":
      return { kind: "combine", of: indexOf(work.of), rows: work.rows };
    case "rows":
    case "fold": {
      const over: RowSource = work.over.kind === "stage" ? { kind: "stage", stage: indexOf(work.over.stage) } : work.over;
      return { kind: work.kind, over };
    }
    case "members":
      return { kind: "members", of: indexOf(work.of) };
    case "spawn":
      return { kind: "spawn", count: work.count, numbers: work.numbers && indexOf(work.numbers), actors: work.actors };
    case "given":
      return { kind: "given", rows: work.rows };
    case "each":
      return { kind: "each", of: indexOf(work.of), region: number(work.region) };
    case "branch":
      return {
        kind: "branch",
        then: number(work.then),
        else: number(work.else),
        // What nobody reads is given to nobody.
        gives: work.gives.flatMap((give) =>
          indexOf(give.given) === undefined ? [] : [{ given: indexOf(give.given), then: indexOf(give.then), else: indexOf(give.else) }],
        ),
      };
    case "loop":
      return {
        kind: "loop",
        region: number(work.region),
        carried: work.carried.map(({ given, init, next, final }) => ({
          given: indexOf(given),
          init: indexOf(init),
          next: indexOf(next),
          final: indexOf(final),
        })),
        decision: indexOf(work.decision!),
      };
    default:
      return work;
  }
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

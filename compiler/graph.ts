// The index over whatever reads each other: pipelines that call pipelines, stages of a flow, stages of a plan. Gives order, cycles,
// levels, critical path. Holds no facts of its own: flow and plan stay plain JSON. The only user of graphology.
import type { DirectedGraph as DirectedGraphType } from "graphology";
import graphology from "graphology";
import dag from "graphology-dag";
import type { Flow, FlowInput, FlowStage } from "./3-lower/flow.ts";
import type { ControlTasks, Plan, PlanInput, PlanStage } from "./plan.ts";

export class GraphIndex<T> {
  private readonly graph: DirectedGraphType = new graphology.DirectedGraph({ allowSelfLoops: true });
  private readonly items: T[] = [];
  private readonly keys = new Map<T, string>();

  /** Of these items and all that they reach. An edge leads from what is read to its reader. */
  constructor(from: Iterable<T>, reads: (item: T) => Iterable<T>) {
    for (const item of from) this.keyOf(item);
    // `items` grows while it is walked.
    for (const item of this.items) {
      const key = this.keyOf(item);
      for (const read of reads(item)) this.graph.mergeEdge(this.keyOf(read), key);
    }
  }

  private keyOf(item: T): string {
    const known = this.keys.get(item);
    if (known !== undefined) return known;
    const key = String(this.items.length);
    this.items.push(item);
    this.keys.set(item, key);
    this.graph.addNode(key);
    return key;
  }
  private itemOf(key: string): T {
    return this.items[Number(key)]!;
  }

  reads(item: T): T[] {
    return this.graph.inNeighbors(this.keyOf(item)).map((key) => this.itemOf(key));
  }
  readers(item: T): T[] {
    return this.graph.outNeighbors(this.keyOf(item)).map((key) => this.itemOf(key));
  }

  /** Each item right after what it reads, else in the order in which they were given. Items of a cycle stand in some order. */
  order(): T[] {
    const order: T[] = [];
    const seen = new Set<string>();
    for (const root of this.graph.nodes()) {
      // Without recursion: chains of stages may be thousands long.
      const open: { readonly key: string; readonly reads: readonly string[]; next: number }[] = [];
      const enter = (key: string) => {
        if (seen.has(key)) return;
        seen.add(key);
        open.push({ key, reads: this.graph.inNeighbors(key), next: 0 });
      };
      enter(root);
      while (open.length > 0) {
        const top = open[open.length - 1]!;
        const read = top.reads[top.next++];
        if (read !== undefined) enter(read);
        else {
          open.pop();
          order.push(this.itemOf(top.key));
        }
      }
    }
    return order;
  }

  /** Items that reach themselves. */
  inCycles(): T[] {
    if (!dag.hasCycle(this.graph)) return [];
    return this.items.filter((item) => {
      const seen = new Set<string>();
      const open = this.graph.outNeighbors(this.keyOf(item));
      for (let key = open.pop(); key !== undefined; key = open.pop()) {
        if (seen.has(key)) continue;
        seen.add(key);
        open.push(...this.graph.outNeighbors(key));
      }
      return seen.has(this.keyOf(item));
    });
  }

  /** What could run at once if every item took as long: first those that read nothing. Not for graphs with cycles. */
  levels(): T[][] {
    return dag.topologicalGenerations(this.graph).map((level) => level.map((key) => this.itemOf(key)));
  }

  /** The costliest chain of items that read each other; with equal costs the longest. Not for graphs with cycles. */
  criticalPath(cost: (item: T) => number = () => 1): { readonly items: T[]; readonly cost: number } {
    const until = new Map<T, { readonly cost: number; readonly before: T | null }>();
    let last: T | null = null;
    for (const item of this.levels().flat()) {
      let before: T | null = null;
      for (const read of this.reads(item)) if (before === null || until.get(read)!.cost > until.get(before)!.cost) before = read;
      until.set(item, { cost: cost(item) + (before === null ? 0 : until.get(before)!.cost), before });
      if (last === null || until.get(item)!.cost > until.get(last)!.cost) last = item;
    }
    const items: T[] = [];
    for (let item = last; item !== null; item = until.get(item)!.before) items.unshift(item);
    return { items, cost: last === null ? 0 : until.get(last)!.cost };
  }
}

export function flowGraph(flow: Flow): GraphIndex<FlowStage> {
  return new GraphIndex(flow.stages, (stage) => {
    const { work } = stage;
    const over = (work.kind === "rows" || work.kind === "fold") && work.over.kind === "stage" ? [work.over.stage] : [];
    const of = work.kind === "combine" ? [work.of] : [];
    return [...over, ...of, ...controlReads(work), ...inputStages(stage.inputs)].map((i) => flow.stages[i]!);
  });
}

export function planGraph(plan: Plan): GraphIndex<PlanStage> {
  const controls = new Map(
    plan.stages.flatMap(({ tasks }, index) =>
      tasks.kind === "branch" || tasks.kind === "loop" ? givenBy(tasks).map((given) => [given, index] as const) : [],
    ),
  );
  return new GraphIndex(plan.stages, (stage) => {
    const over = stage.tasks.kind === "perBlock" ? [stage.tasks.of] : [];
    const control = stage.tasks.kind === "given" ? controls.get(plan.stages.indexOf(stage)) : undefined;
    return [...over, ...controlReads(stage.tasks), ...inputStages(stage.inputs), ...(control === undefined ? [] : [control])].map(
      (i) => plan.stages[i]!,
    );
  });
}

const inputStages = (inputs: readonly PlanInput[] | readonly FlowInput[]): number[] =>
  inputs.flatMap((input) => ("stage" in input ? [input.stage] : []));

/** What stands for others once the control stage has spoken. */
const givenBy = (tasks: ControlTasks & { kind: "branch" | "loop" }): number[] =>
  tasks.kind === "branch" ? tasks.gives.map(({ given }) => given) : tasks.carried.map(({ final }) => final);

/** Stages that a control stage waits for, inside its regions too. */
function controlReads(tasks: { readonly kind: string } | ControlTasks): number[] {
  if (!isControl(tasks)) return [];
  if (tasks.kind === "each") return [tasks.of];
  if (tasks.kind === "branch") return tasks.gives.flatMap((give) => [give.then, give.else]);
  return [...tasks.carried.flatMap(({ given, init, next }) => [given, init, next]), tasks.decision];
}

const isControl = (tasks: { readonly kind: string }): tasks is ControlTasks => ["each", "branch", "loop"].includes(tasks.kind);

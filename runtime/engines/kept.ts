// Results that outlive their run: values by lineage, so that a notebook's next cell doesn't train its model again. A value's key says
// all that it was made from: bodies, slices, params and the keys of what was read. Small values only; they lie with the engine.
import { createHash } from "node:crypto";
import type { Json, Plan, PlanInput, PlanStage, Scalar } from "../../compiler/plan.ts";
import { neededFunctions } from "../data/stage.ts";
import type { Column } from "../hosts/link.ts";
import { identityOf } from "./files.ts";

const MOST_BYTES = 256 * 1024 * 1024;

/** Where each stage was asked for, by its id: another place, another value. */
export type Origins = Readonly<Record<string, string>>;

/** Values kept between runs, the least recently used dropped beyond 256 MiB. Stages are taken to be pure, as everywhere. */
export class KeptResults {
  readonly #store: Store;
  readonly #origins: Origins;

  constructor(of?: KeptResults, origins: Origins = {}) {
    this.#store = of ? of.#store : new Store();
    this.#origins = origins;
  }

  /**
   * The same store for one run, whose stages' keys say too where they were asked for: a notebook's cell that is run again does its
   * work again, and what was made of its older values is made again.
   */
  by(origins: Origins): KeptResults {
    return new KeptResults(this, origins);
  }

  originOf(stage: string): string | null {
    return Object.hasOwn(this.#origins, stage) ? this.#origins[stage]! : null;
  }

  get(key: string): Column | null {
    return this.#store.get(key);
  }

  put(key: string, value: Column): void {
    this.#store.put(key, value);
  }
}

class Store {
  /** In the order of their last use. */
  readonly #values = new Map<string, Column>();
  #bytes = 0;

  get(key: string): Column | null {
    const found = this.#values.get(key);
    if (!found) return null;
    this.#values.delete(key);
    this.#values.set(key, found);
    return found;
  }

  put(key: string, value: Column): void {
    const before = this.#values.get(key);
    if (before) this.#bytes -= bytesOf(before);
    this.#values.delete(key);
    this.#values.set(key, value);
    this.#bytes += bytesOf(value);
    for (const [oldest, column] of this.#values) {
      if (this.#bytes <= MOST_BYTES) break;
      this.#values.delete(oldest);
      this.#bytes -= bytesOf(column);
    }
  }
}

const bytesOf = (column: Column) => (column.kind === "packed" ? column.bytes.length : column.values.byteLength);

/** Of each stage, in the plan's order. */
function lineageKeys(plan: Plan, params: { readonly [name: string]: Json }, kept: KeptResults): string[] {
  const keys: string[] = [];
  const controls = controlsOf(plan);
  // A secret decides who may do something, not what comes of it, and would lie open in its hash.
  const secrets = new Set(plan.params.flatMap(({ name, type }) => (type === "secret" ? [name] : [])));
  plan.stages.forEach((stage, index) => {
    const read = (input: PlanInput): unknown => {
      if (input.kind === "param") return ["param", secrets.has(input.name) ? "" : identityOf(params[input.name] ?? null)];
      return "stage" in input ? [input.kind, keys[input.stage]] : input;
    };
    const scalar = (value: Scalar) =>
      value.kind === "const" ? value.value : Math.min(params[value.name] as number, value.atMost ?? Number.POSITIVE_INFINITY);
    const tasks = (): unknown => {
      switch (stage.tasks.kind) {
        case "range":
          return [scalar(stage.tasks.rows), scalar(stage.tasks.blocks)];
        case "perBlock":
          return keys[stage.tasks.of];
        case "given":
          return ["given", controls.get(index)?.place ?? index, keys[controls.get(index)?.control ?? -1] ?? null];
        case "each":
        case "branch":
        case "loop":
          // What it brings to life is part of it.
          return [stage.tasks.kind, partsOf(plan, stage.tasks).map((part) => keys[part])];
        default:
          return null;
      }
    };
    const slices = neededFunctions(plan, index).map((id) => [id, plan.functions[id]!.digest, plan.functions[id]!.export]);
    const facts = [
      stage.body,
      stage.within ?? null,
      stage.output,
      stage.cut ?? null,
      stage.keyed ?? false,
      stage.strategy.kind === "fit" ? stage.strategy : null,
      tasks(),
      stage.inputs.map(read),
      slices,
      kept.originOf(stage.id),
    ];
    keys.push(createHash("sha256").update(JSON.stringify(facts)).digest("hex"));
  });
  return keys;
}

type Control = Extract<PlanStage["tasks"], { kind: "each" | "branch" | "loop" }>;

/** Stages that a control stage names, and those of its regions, in one order. What it gives comes after it, and isn't among them. */
function partsOf(plan: Plan, tasks: Control): number[] {
  const inside = (region: number): readonly number[] => plan.regions[region]!.stages;
  switch (tasks.kind) {
    case "each":
      return [tasks.of, ...inside(tasks.region)];
    case "branch":
      return [...tasks.gives.flatMap((give) => [give.then, give.else]), ...inside(tasks.then), ...inside(tasks.else)];
    case "loop":
      return [...tasks.carried.flatMap(({ given, init, next }) => [given, init, next]), tasks.decision, ...inside(tasks.region)];
  }
}

/** Which control stage says what a `given` stands for, and as which of those that it names. */
function controlsOf(plan: Plan): ReadonlyMap<number, { readonly control: number; readonly place: number }> {
  const found = new Map<number, { readonly control: number; readonly place: number }>();
  plan.stages.forEach(({ tasks }, control) => {
    const given =
      tasks.kind === "branch" ? tasks.gives.map((give) => give.given) : tasks.kind === "loop" ? tasks.carried.map((one) => one.final) : [];
    given.forEach((stage, place) => {
      found.set(stage, { control, place });
    });
  });
  return found;
}

/** A plan that takes kept values as given, and leaves out what only they needed. */
export interface Reduced {
  readonly plan: Plan;
  /** By stage of that plan. */
  readonly given: ReadonlyMap<number, Column>;
  readonly keys: readonly string[];
}

/** Whether a stage's value may be kept: one value, made once a run by one task that does nothing else. */
export function isKept({ output, tasks, region, effect }: PlanStage): boolean {
  return output === "value" && tasks.kind === "one" && region === undefined && !effect;
}

export function reduce(plan: Plan, params: { readonly [name: string]: Json }, kept: KeptResults): Reduced {
  const keys = lineageKeys(plan, params, kept);
  const found = plan.stages.map((stage, index) => (isKept(stage) ? kept.get(keys[index]!) : null));
  if (found.every((column) => column === null)) return { plan, given: new Map(), keys };
  const needed = neededStages(plan, (index) => found[index] !== null);
  const order = [...needed].sort((a, b) => a - b);
  const place = new Map(order.map((old, index) => [old, index]));
  const renumber = (old: number) => place.get(old)!;
  const stages = order.map((old): PlanStage => {
    const stage = plan.stages[old]!;
    if (found[old]) return { ...stage, inputs: [], body: { op: "const", value: null } };
    const inputs = stage.inputs.map((input) => ("stage" in input ? { ...input, stage: renumber(input.stage) } : input));
    return { ...stage, inputs, tasks: renumbered(stage.tasks, renumber) };
  });
  const regions = plan.regions.map((region) => ({ ...region, stages: region.stages.filter((old) => needed.has(old)).map(renumber) }));
  const outputs = plan.outputs.map((output) =>
    output.from.kind === "stage" ? { ...output, from: { ...output.from, stage: place.get(output.from.stage)! } } : output,
  );
  const given = new Map(order.flatMap((old, index): [number, Column][] => (found[old] ? [[index, found[old]]] : [])));
  // It is another plan than the one that the hash names.
  return { plan: { ...plan, hash: "", stages, regions, outputs }, given, keys: order.map((old) => keys[old]!) };
}

/** All but what only kept values were made from. What nobody reads is there for what it does. */
function neededStages(plan: Plan, isGiven: (index: number) => boolean): ReadonlySet<number> {
  const controls = controlsOf(plan);
  const readsOf = (index: number): number[] => {
    const { inputs, tasks } = plan.stages[index]!;
    const read = inputs.flatMap((input) => ("stage" in input ? [input.stage] : []));
    if (tasks.kind === "perBlock") read.push(tasks.of);
    if (tasks.kind === "given") read.push(...(controls.has(index) ? [controls.get(index)!.control] : []));
    if (tasks.kind === "each" || tasks.kind === "branch" || tasks.kind === "loop") read.push(...partsOf(plan, tasks));
    // A loop ends for all that it carries.
    if (tasks.kind === "loop") read.push(...tasks.carried.map(({ final }) => final));
    if (tasks.kind === "branch") read.push(...tasks.gives.map(({ given }) => given));
    return read;
  };
  const reads = (index: number): number[] => (isGiven(index) ? [] : readsOf(index));
  const isRead = new Set(plan.stages.flatMap((_, index) => readsOf(index)));
  const results = plan.outputs.flatMap(({ from }) => (from.kind === "stage" ? [from.stage] : []));
  const needed = new Set<number>();
  const open = [...results, ...plan.stages.flatMap((_, index) => (isRead.has(index) && !acts(plan, index) ? [] : [index]))];
  for (let index = open.pop(); index !== undefined; index = open.pop()) {
    if (needed.has(index)) continue;
    needed.add(index);
    open.push(...reads(index));
  }
  return needed;
}

/** A control stage whose regions act on the world, or may fail the run: what it gives may be read by nobody. */
function acts(plan: Plan, index: number): boolean {
  const { tasks, effect, body, region } = plan.stages[index]!;
  if (tasks.kind === "each" || tasks.kind === "branch" || tasks.kind === "loop")
    return partsOf(plan, tasks).some((part) => acts(plan, part));
  return region !== undefined && (effect === true || body.op === "expect" || body.op === "track");
}

function renumbered(tasks: PlanStage["tasks"], renumber: (old: number) => number): PlanStage["tasks"] {
  switch (tasks.kind) {
    case "perBlock":
    case "each":
      return { ...tasks, of: renumber(tasks.of) };
    case "branch":
      return {
        ...tasks,
        gives: tasks.gives.map((give) => ({ given: renumber(give.given), then: renumber(give.then), else: renumber(give.else) })),
      };
    case "loop":
      return {
        ...tasks,
        decision: renumber(tasks.decision),
        carried: tasks.carried.map(({ given, init, next, final }) => ({
          ...{ given: renumber(given), init: renumber(init) },
          ...{ next: renumber(next), final: renumber(final) },
        })),
      };
    default:
      return tasks;
  }
}

// Results that outlive their run: values by lineage, so that a notebook's next cell doesn't train its model again. A value's key says
// all that it was made from: bodies, slices, params and the keys of what was read. Small values only; they lie with the engine.
import { createHash } from "node:crypto";
import type { Json, Plan, PlanInput, PlanStage } from "../../compiler/plan.ts";
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
  plan.stages.forEach((stage, index) => {
    const read = (input: PlanInput): unknown => {
      if (input.kind === "param") return ["param", identityOf(params[input.name] ?? null)];
      return "stage" in input ? [input.kind, keys[input.stage]] : input;
    };
    const scalar = (value: { kind: "const"; value: number } | { kind: "param"; name: string }) =>
      value.kind === "const" ? value.value : params[value.name];
    const tasks =
      stage.tasks.kind === "range"
        ? [scalar(stage.tasks.rows), scalar(stage.tasks.blocks)]
        : stage.tasks.kind === "perBlock"
          ? keys[stage.tasks.of]
          : null;
    const slices = neededFunctions(plan, index).map((id) => [id, plan.functions[id]!.digest, plan.functions[id]!.export]);
    const facts = [
      stage.body,
      stage.output,
      stage.keyed ?? false,
      stage.strategy.kind === "fit" ? stage.strategy : null,
      tasks,
      stage.inputs.map(read),
      slices,
      kept.originOf(stage.id),
    ];
    keys.push(createHash("sha256").update(JSON.stringify(facts)).digest("hex"));
  });
  return keys;
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
  const needed = new Set<number>();
  const need = (index: number): void => {
    if (needed.has(index)) return;
    needed.add(index);
    if (found[index]) return;
    const { inputs, tasks } = plan.stages[index]!;
    for (const input of inputs) if ("stage" in input) need(input.stage);
    if (tasks.kind === "perBlock") need(tasks.of);
  };
  for (const { from } of plan.outputs) if (from.kind === "stage") need(from.stage);
  const order = [...needed].sort((a, b) => a - b);
  const place = new Map(order.map((old, index) => [old, index]));
  const stages = order.map((old): PlanStage => {
    const stage = plan.stages[old]!;
    if (found[old]) return { ...stage, inputs: [], body: { op: "const", value: null } };
    const inputs = stage.inputs.map((input) => ("stage" in input ? { ...input, stage: place.get(input.stage)! } : input));
    return {
      ...stage,
      inputs,
      tasks: stage.tasks.kind === "perBlock" ? { kind: "perBlock", of: place.get(stage.tasks.of)! } : stage.tasks,
    };
  });
  const outputs = plan.outputs.map((output) =>
    output.from.kind === "stage" ? { ...output, from: { ...output.from, stage: place.get(output.from.stage)! } } : output,
  );
  const given = new Map(order.flatMap((old, index): [number, Column][] => (found[old] ? [[index, found[old]]] : [])));
  // It is another plan than the one that the hash names.
  return { plan: { ...plan, hash: "", stages, outputs }, given, keys: order.map((old) => keys[old]!) };
}

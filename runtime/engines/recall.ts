// What earlier runs left for this one, in memory or on disk, and what this one leaves: which stages needn't run at all, which tasks of the
// others, and under which key a result is put away. Decides nothing of what runs where.
import { createHash } from "node:crypto";
import type { Json, Plan, PlanStage } from "../../compiler/plan.ts";
import type { Instance, Restored, Stage, State } from "../core/model.ts";
import { DISK, ENGINE } from "../core/model.ts";
import { lookUp } from "../core/regions.ts";
import type { Column, OutputFeed } from "../hosts/link.ts";
import { columnBytes, columnFrom, columnReader, encode } from "../objects/codec.ts";
import { dropCheckpoint } from "../results/checkpoints.ts";
import type { RecordPlace } from "../results/segments.ts";
import type { ResultStore, StoredTasks } from "../results/store.ts";
import { StoreError } from "../results/store.ts";
import type { KeptResults } from "./kept.ts";
import type { Lineage } from "./lineage.ts";
import { instanceKey, lineageOf } from "./lineage.ts";
import { acts, narrowed, neededStages } from "./narrowing.ts";
import { InlineValues } from "./values.ts";

interface Kept {
  readonly keep: KeptResults | null;
  readonly store: ResultStore | null;
  readonly fresh: boolean;
  /** A stage of the plan whose results are taken for gone. */
  readonly again?: number;
}

type Params = { readonly [name: string]: Json };

interface Found {
  readonly tasks: number;
  readonly column: Column | null;
  readonly stored: StoredTasks | null;
}

export class Recall {
  /** Without what only kept results were made from. */
  readonly plan: Plan;
  /** Stages of the whole plan whose results are all there, and those that nobody needs any more. */
  readonly reused: readonly PlanStage[];
  readonly skipped: readonly PlanStage[];
  readonly #lineage: readonly Lineage[];
  readonly #keep: KeptResults | null;
  readonly #store: ResultStore | null;
  readonly #fresh: boolean;
  readonly #again: string | null;
  /** Stages of this plan whose tasks wait for what acts: there is no going without them. */
  readonly #acting: ReadonlySet<number>;
  /** Objects on disk, by stage of the state and block. */
  readonly #objects = new Map<number, Map<number, RecordPlace>>();

  /** `fresh`: results are put away and none is taken. */
  constructor(plan: Plan, params: Params, { keep, store, fresh, again = -1 }: Kept) {
    this.#keep = keep;
    this.#store = store;
    this.#fresh = fresh;
    this.#again = plan.stages[again]?.id ?? null;
    const lineage = keep || store ? lineageOf(plan, params, (stage) => keep?.originOf(stage) ?? null) : [];
    const found = plan.stages.map((stage, index) => {
      const there = lineage[index] && index !== again ? this.#whole(stage, lineage[index]) : null;
      return there && isAlone(plan, index) ? there : null;
    });
    if (found.every((one) => one === null)) {
      this.plan = plan;
      this.reused = this.skipped = [];
      this.#lineage = lineage;
      this.#acting = actingIn(plan);
      return;
    }
    const order = neededStages(plan, (index) => found[index] !== null);
    const given = {
      ...plan,
      stages: plan.stages.map((stage, index) => (found[index] ? givenStage(stage, found[index].tasks) : stage)),
    };
    this.plan = narrowed(given, order);
    this.#lineage = order.map((old) => lineage[old]!);
    this.#acting = actingIn(this.plan);
    const isNeeded = new Set(order);
    this.reused = order.flatMap((old) => (found[old] ? [plan.stages[old]!] : []));
    this.skipped = plan.stages.filter((_, index) => !isNeeded.has(index));
  }

  /** Nothing is there, and nothing is kept. */
  static ofNothing(plan: Plan): Recall {
    return new Recall(plan, {}, { keep: null, store: null, fresh: false });
  }

  /** Where slots put results away. */
  get folder(): string | null {
    return this.#store?.folder ?? null;
  }

  /** Whether memory wants small values. */
  get keeps(): boolean {
    return this.#keep !== null;
  }

  /** Whether all that is left to do is to hand over what is there. */
  get isComplete(): boolean {
    const { stages } = this.plan;
    return this.reused.length === stages.length && stages.length > 0;
  }

  /** The key under which results of that stage's tasks are put away; null: they aren't. */
  keyOf({ template, instance }: Stage): string | null {
    const lineage = this.#lineage[template.index];
    if (!this.#store || !lineage || lineage.unkept || this.#acting.has(template.index)) return null;
    return template.region === null ? lineage.key : instanceKey(lineage, this.#around(instance));
  }

  /** Of a run that has begun: how the values of items are known. */
  knows(valuesOf: (stage: number) => InlineValues, state: State): void {
    this.#valuesOf = valuesOf;
    this.#state = state;
  }
  #valuesOf: (stage: number) => InlineValues = () => new InlineValues();
  #state: State | null = null;

  /** Items by what they are, so that another list with the same item in it finds what was made for that; iterations by their number. */
  #around(instance: Instance | null): readonly string[] {
    if (instance === null) return [];
    const known = this.#instances.get(instance);
    if (known) return known;
    const around = [...this.#around(instance.around), this.#step(instance)];
    this.#instances.set(instance, around);
    return around;
  }
  readonly #instances = new WeakMap<Instance, readonly string[]>();

  #step({ owner, number, around }: Instance): string {
    const { tasks } = this.plan.stages[this.#state!.stages[owner]!.template.index]!;
    if (tasks.kind !== "each") return String(number);
    const items = lookUp(this.#state!, around, tasks.of);
    if (items.holder[number] === ENGINE) return fingerprint(this.#valuesOf(items.index).value(number));
    // What is too large for the engine goes by where it comes from.
    return `${this.#lineage[items.template.index]!.key}[${number}]`;
  }

  /** For the core. Small values are handed to `values` as they lie, to be read when they are asked for. */
  restored(stage: Stage, values: InlineValues): readonly Restored[] {
    const planned = this.plan.stages[stage.template.index]!;
    const lineage = this.#lineage[stage.template.index];
    if (!lineage || planned.id === this.#again || planned.tasks.kind === "branch" || planned.tasks.kind === "loop") return [];
    const kept = stage.template.region === null && isKept(planned) ? (this.#keep?.get(lineage.key) ?? null) : null;
    if (kept) {
      values.add(0, kept);
      return [{ first: 0, count: 1, holder: ENGINE, ...(stage.template.decides ? { value: numberIn(kept)! } : {}) }];
    }
    const key = this.#fresh ? null : this.keyOf(stage);
    if (key === null) return [];
    const stored = this.#store!.find(key);
    // Of a stage in a region the number of tasks is known only now.
    if (!stored || stored.tasks !== stage.tasks) return [];
    const [head] = stored.records;
    if (head?.kind === "list") return this.#restoredList(stage, stored, head, values);
    return stored.records.map((record): Restored => {
      const { kind, first, count } = record;
      if (kind === "object") {
        this.#objectsOf(stage.index).set(first, record);
        return { first, count, holder: DISK };
      }
      const read = () => this.#column(planned.name, record);
      values.addLater(first, count, read);
      return { first, count, holder: ENGINE, ...(stage.template.decides ? { value: numberIn(read())! } : {}) };
    });
  }

  #restoredList(stage: Stage, stored: StoredTasks, list: RecordPlace, values: InlineValues): readonly Restored[] {
    const blocks = list.count;
    if (list.bytes > 0) {
      values.addLater(0, blocks, () => this.#column(stage.id, list));
      return [{ first: 0, count: 1, holder: ENGINE, blocks }];
    }
    const objects = stored.records.slice(1);
    if (objects.length !== blocks) return [];
    for (const record of objects) this.#objectsOf(stage.index).set(record.first, record);
    return [{ first: 0, count: 1, holder: DISK, blocks }];
  }

  #objectsOf(stage: number): Map<number, RecordPlace> {
    let found = this.#objects.get(stage);
    if (!found) this.#objects.set(stage, (found = new Map()));
    return found;
  }

  #column(stage: string, record: RecordPlace): Column {
    return columnFrom(this.#body(stage, record));
  }

  #body(stage: string, record: RecordPlace): Uint8Array {
    const body = this.#store!.read(record);
    if (!body)
      throw new StoreError(
        `what was kept of \`${stage}\` in ${this.#store!.folder} is damaged: run again with --fresh, which makes every result anew`,
      );
    return body;
  }

  /** The bytes of an object that DISK holds. */
  object(stage: Stage, block: number): Uint8Array {
    const record = this.#objects.get(stage.index)?.get(block);
    if (!record) throw new Error(`bug: block ${block} of ${stage.id} isn't on disk`);
    return this.#body(stage.id, record);
  }

  forget(stages: readonly number[]): void {
    for (const stage of stages) this.#objects.delete(stage);
  }

  /** Puts small results away before anybody is told of them; larger ones have been by their slot. */
  put(stage: Stage, first: number, count: number, outputs: OutputFeed): void {
    const isFit = this.plan.stages[stage.template.index]!.strategy.kind === "fit";
    if (outputs.kind === "objects" && !isFit) return;
    const key = this.keyOf(stage);
    if (key === null || stage.late.has(first)) return;
    if (outputs.kind !== "objects") this.#append(stage, key, first, count, outputs);
    if (isFit) dropCheckpoint(this.#store!.folder, key);
  }

  #append(stage: Stage, key: string, first: number, count: number, outputs: Exclude<OutputFeed, { kind: "objects" }>): void {
    const { tasks } = stage;
    if (outputs.kind === "column") this.#store!.append({ kind: "column", key, first, count, tasks }, columnBytes(outputs.column));
    else {
      const body = outputs.inline ? columnBytes(outputs.inline) : new Uint8Array(0);
      this.#store!.append({ kind: "list", key, first: 0, count: outputs.count, tasks }, body);
    }
  }

  /** Of one task, by what they are; gives the key. */
  putInputs(inputs: readonly unknown[]): string {
    const body = encode(inputs);
    const key = createHash("sha256").update(body).digest("hex");
    this.#store!.append({ kind: "object", key, first: 0, count: 1, tasks: 1 }, body);
    return key;
  }

  /** Keeps in memory what it may. */
  keep(index: number, value: Column): void {
    if (isKept(this.plan.stages[index]!)) this.#keep?.put(this.#lineage[index]!.key, value);
  }

  #whole(stage: PlanStage, { key, unkept }: Lineage): Found | null {
    const column = isKept(stage) ? (this.#keep?.get(key) ?? null) : null;
    if (column) return { tasks: 1, column, stored: null };
    if (!this.#store || this.#fresh || unkept || stage.region !== undefined) return null;
    const stored = this.#store.find(key);
    return stored && isWhole(stored) ? { tasks: stored.tasks, column: null, stored } : null;
  }
}

/** A stage whose results stand for themselves: nothing in it acts, and nobody has to say what it is. */
function isAlone(plan: Plan, index: number): boolean {
  const { tasks } = plan.stages[index]!;
  return tasks.kind !== "given" && tasks.kind !== "branch" && tasks.kind !== "loop" && !(tasks.kind === "each" && acts(plan, index));
}

function actingIn(plan: Plan): ReadonlySet<number> {
  return new Set(plan.stages.flatMap(({ tasks }, index) => (tasks.kind === "each" && acts(plan, index) ? [index] : [])));
}

function isWhole({ tasks, records }: StoredTasks): boolean {
  const [head] = records;
  if (head?.kind === "list") return head.bytes > 0 || records.length - 1 === head.count;
  return records.reduce((sum, { count }) => sum + count, 0) === tasks;
}

/** Reads nothing, and has as many tasks as there are results. */
function givenStage(stage: PlanStage, tasks: number): PlanStage {
  const count = { kind: "const", value: tasks } as const;
  const many = stage.tasks.kind === "one" ? stage.tasks : ({ kind: "range", rows: count, blocks: count } as const);
  return { ...stage, inputs: [], body: { op: "const", value: null }, tasks: many };
}

/** Whether memory may keep a stage's value: one value, made once a run by one task that does nothing else. */
export function isKept({ output, tasks, region, effect }: PlanStage): boolean {
  return output === "value" && tasks.kind === "one" && region === undefined && !effect;
}

/** Of what a value is, by its bytes. */
const fingerprint = (value: unknown) => createHash("sha256").update(encode(value)).digest("hex");

/** What the run decides by. */
export function numberIn(column: Column): number | null {
  const value = columnReader(column, { share: true })(0);
  return typeof value === "number" ? value : typeof value === "boolean" ? Number(value) : null;
}

/** A value by which the run decides is small: it is told with the answer. */
export function decidingValue(outputs: OutputFeed): number {
  const value = outputs.kind === "column" ? numberIn(outputs.column) : null;
  if (value === null) throw new Error("bug: a stage by whose value the run decides gave no number");
  return value;
}

// What tasks read, brought to where they run: small values inside messages, once to each worker where many tasks read them; objects
// from worker to worker, by a way of their own where there is one. Keeps the small values of a run while they are needed. Decides nothing of what runs where.
import type { Json, Plan } from "../../compiler/plan.ts";
import type { CoreEvent, Stage, State } from "../core/model.ts";
import { DISK, ENGINE } from "../core/model.ts";
import { iterationOf } from "../core/regions.ts";
import type { InputFeed, ProvidedValue } from "../hosts/link.ts";
import { columnReader, encode } from "../objects/codec.ts";
import type { PoolWorker, WorkerPool } from "./pool.ts";
import { InlineValues } from "./values.ts";

export interface FeedingOptions {
  readonly plan: Plan;
  readonly state: State;
  readonly params: { readonly [name: string]: Json };
  readonly pool: WorkerPool;
  /** The bytes of an object that an earlier run left. */
  readonly onDisk: (stage: Stage, block: number) => Uint8Array;
  readonly step: (event: CoreEvent) => void;
  readonly over: () => boolean;
  /** A worker holds an object that another made. */
  readonly copied: (to: PoolWorker, stage: number, block: number) => void;
}

export class Feeding {
  readonly #plan: Plan;
  readonly #state: State;
  readonly #params: { readonly [name: string]: Json };
  readonly #pool: WorkerPool;
  readonly #onDisk: FeedingOptions["onDisk"];
  readonly #step: (event: CoreEvent) => void;
  readonly #over: () => boolean;
  readonly #copied: FeedingOptions["copied"];
  /** By stage of the state. */
  readonly #values: (InlineValues | undefined)[] = [];
  /** Per worker: keys of values that it has been provided with. */
  readonly #provided = new Map<number, Set<string>>();
  /** As the pool numbers runs. */
  #run = -1;

  constructor({ plan, state, params, pool, onDisk, step, over, copied }: FeedingOptions) {
    this.#plan = plan;
    this.#state = state;
    this.#params = params;
    this.#pool = pool;
    this.#onDisk = onDisk;
    this.#step = step;
    this.#over = over;
    this.#copied = copied;
  }

  begin(run: number): void {
    this.#run = run;
  }
  joined(worker: number): void {
    this.#provided.set(worker, new Set());
  }
  lost(worker: number): void {
    this.#provided.delete(worker);
  }

  /** What was said of where a stage's output is doesn't hold any more. */
  void(stage: number): void {
    for (const keys of this.#provided.values()) keys.delete(String(stage));
  }

  valuesOf(stage: number): InlineValues {
    return (this.#values[stage] ??= new InlineValues());
  }

  /** Small values of instances go when nobody needs them any more: there may be very many. Those of the run itself may be kept. */
  freed(index: number): void {
    const stage = this.#state.stages[index];
    if (stage?.instance && stage.available === 0) this.forget([index]);
  }

  forget(stages: readonly number[]): void {
    for (const stage of stages) delete this.#values[stage];
    const keys = stages.map(String);
    for (const [worker, known] of this.#provided) {
      const here = keys.filter((key) => known.delete(key));
      if (here.length > 0) this.#pool.workers.get(worker)?.link.send({ type: "forget", run: this.#run, keys: here });
    }
  }

  /** One input of a batch. Objects that the worker lacks are on their way then: `waits`. */
  feed(worker: PoolWorker, stage: Stage, place: number, first: number, count: number, waits: Promise<boolean>[]): InputFeed {
    const { inputs, tasks } = this.#plan.stages[stage.template.index]!;
    const input = inputs[place]!;
    const producer = stage.producers[place]!;
    switch (input.kind) {
      case "param":
        return { kind: "param" };
      case "range": {
        if (tasks.kind !== "range") throw new Error(`bug: ${stage.id} reads a range and has none`);
        const rows = tasks.rows.kind === "const" ? tasks.rows.value : (this.#params[tasks.rows.name] as number);
        return { kind: "range", rows, blocks: stage.tasks };
      }
      case "block":
        return this.#feedBlocks(worker, producer, first, count, waits);
      case "item": {
        const point = stage.points.find((one) => one.producer === producer);
        return point ? this.#feedBlock(worker, point, waits) : this.#feedBlocks(worker, producer, first, count, waits);
      }
      case "iteration":
        return { kind: "constant", value: iterationOf(stage, input.region) };
      case "after":
        return { kind: "constant", value: null };
      case "actor":
        return { kind: "actors", run: this.#run, stage: producer, which: input.which };
      case "value":
      case "blocks": {
        const made = this.#inside(stage, place, first);
        return this.#feedWhole(worker, stage, made ?? producer, input.kind, made !== null, waits);
      }
    }
  }

  /** What an input of an `each` names inside its region. */
  #inside({ control }: Stage, place: number, task: number): number | null {
    if (control?.kind !== "each") return null;
    const at = control.reads.findIndex(({ input }) => input === place);
    return at < 0 ? null : control.instances.get(task)!.reads[at]!;
  }

  #feedBlocks(worker: PoolWorker, stage: number, first: number, count: number, waits: Promise<boolean>[]): InputFeed {
    if (this.#state.stages[stage]!.holder[first] === ENGINE) return { kind: "column", column: this.valuesOf(stage).column(first, count) };
    for (let block = first; block < first + count; block++) this.#bring(worker, stage, block, waits);
    return { kind: "objects", run: this.#run, stage };
  }

  #feedBlock(worker: PoolWorker, { producer, block }: Stage["points"][number], waits: Promise<boolean>[]): InputFeed {
    if (this.#state.stages[producer]!.holder[block] === ENGINE) return { kind: "sent", value: this.#inline(producer, block) };
    this.#bring(worker, producer, block, waits);
    return { kind: "object", ref: { run: this.#run, stage: producer, block, bytes: 0 } };
  }

  /** A value that many tasks read goes to each worker once; one that a single task reads goes with it. */
  #feedWhole(
    worker: PoolWorker,
    stage: Stage,
    producer: number,
    kind: "value" | "blocks",
    inside: boolean,
    waits: Promise<boolean>[],
  ): InputFeed {
    const source = this.#state.stages[producer]!;
    if (source.template.isEffect) return { kind: "constant", value: null };
    for (let block = 0; block < source.blocks; block++) if (source.holder[block] !== ENGINE) this.#bring(worker, producer, block, waits);
    if (kind === "value" && source.holder[0] !== ENGINE)
      return { kind: "object", ref: { run: this.#run, stage: producer, block: 0, bytes: 0 } };
    const alone = inside || (stage.tasks === 1 && source.instance === stage.instance && (stage.instance !== null || readers(source) === 1));
    if (alone) return { kind: "sent", value: this.#providedValue(producer, kind) };
    const key = String(producer);
    const keys = this.#provided.get(worker.index)!;
    if (!keys.has(key)) {
      keys.add(key);
      worker.link.send({ type: "provide", run: this.#run, key, value: this.#providedValue(producer, kind) });
    }
    return { kind: "provided", key };
  }

  #inline(stage: number, block: number): ProvidedValue {
    const column = this.valuesOf(stage).column(block, 1);
    return { kind: "inline", bytes: column.kind === "packed" ? column.bytes : encode(columnReader(column, { share: true })(0)) };
  }

  #providedValue(stage: number, kind: "value" | "blocks"): ProvidedValue {
    if (kind === "value") return this.#inline(stage, 0);
    const values = this.valuesOf(stage);
    const { holder, blocks } = this.#state.stages[stage]!;
    const runs: (ProvidedValue & { kind: "blocks" })["runs"][number][] = [];
    let block = 0;
    while (block < blocks) {
      const inline = holder[block] === ENGINE;
      const first = block;
      while (block < blocks && (holder[block] === ENGINE) === inline) block++;
      if (inline) runs.push(...values.runs(first, block - first));
      else runs.push({ first, count: block - first, stage });
    }
    return { kind: "blocks", runs };
  }

  /** Objects on their way, by worker, stage and block: two tasks that read one wait for one copy. */
  readonly #moving = new Map<string, Promise<boolean>>();

  /** Sees to it that a worker holds an object; false where that came to nothing. */
  async bring(to: PoolWorker, stage: number, block: number): Promise<boolean> {
    const waits: Promise<boolean>[] = [];
    this.#bring(to, stage, block, waits);
    return (await Promise.all(waits)).every((arrived) => arrived);
  }

  #bring(to: PoolWorker, stage: number, block: number, waits: Promise<boolean>[]): void {
    const source = this.#state.stages[stage]!;
    const holder = source.holder[block]!;
    if (holder === to.index || source.copies.get(block)?.includes(to.index)) return;
    const key = `${to.index}:${stage}:${block}`;
    let moving = this.#moving.get(key);
    if (!moving) {
      moving = this.#copy(to, holder, stage, block).finally(() => this.#moving.delete(key));
      this.#moving.set(key, moving);
    }
    waits.push(moving);
  }

  async #copy(to: PoolWorker, holder: number, stage: number, block: number): Promise<boolean> {
    const ref = { run: this.#run, stage, block, bytes: 0 };
    const source = this.#state.stages[stage]!;
    if (holder !== DISK) {
      const holders = [holder, ...(source.copies.get(block) ?? [])].flatMap((index) => this.#pool.workers.get(index) ?? []);
      const how = holders.length > 0 ? await to.pull(ref, holders) : null;
      if (this.#over() || (how !== null && this.#pool.workers.get(to.index) !== to)) return false;
      if (how === "placed") {
        this.#copied(to, stage, block);
        return true;
      }
      if (how === "missing") {
        for (const { index } of holders) this.#step({ type: "objectMissing", stage, block, from: index });
        return false;
      }
    }
    // There is no way between them: it goes through here.
    const bytes = holder === DISK ? this.#onDisk(source, block) : ((await this.#pool.workers.get(holder)?.fetch(ref)) ?? null);
    if (this.#over()) return false;
    if (bytes === null) {
      this.#step({ type: "objectMissing", stage, block, from: holder });
      return false;
    }
    to.link.send({ type: "place", ref: { ...ref, bytes: bytes.length }, bytes });
    this.#copied(to, stage, block);
    return true;
  }
}

/** Stages that read any of it, as far as they are there. */
const readers = ({ wholeConsumers, oneToOneConsumers, pointConsumers, taskConsumers }: Stage) =>
  wholeConsumers.length + oneToOneConsumers.length + pointConsumers.size + taskConsumers.length;

// One run on a pool of workers: feeds the core with what the workers say, performs its commands, keeps small values, and tells the
// story as events. The only place where the core meets clocks, randomness and links; shared by all engines.
import type { CodeStore, Json, Plan, PlanInput } from "../../compiler/plan.ts";
import type { Command, CoreEvent, Outcome, State } from "../core/model.ts";
import { ENGINE, Live } from "../core/model.ts";
import { createState, StartError } from "../core/state.ts";
import { step } from "../core/step.ts";
import type { StoredBlock } from "../data/stage.ts";
import { storedRows } from "../data/stage.ts";
import type { RunEvent, RunStatus, TaskError, Unstamped } from "../events/events.ts";
import { EVENTS_FORMAT } from "../events/events.ts";
import type { FromHost, InputFeed, ProvidedValue } from "../hosts/link.ts";
import { columnReader, columnValues, decode, encode } from "../objects/codec.ts";
import type { KeptResults, Reduced } from "./kept.ts";
import { reduce } from "./kept.ts";
import type { PoolWorker, RunListener, WorkerPool } from "./pool.ts";
import { InlineValues } from "./values.ts";

export interface DriverOptions {
  readonly engine: "local" | "nats";
  readonly run: string;
  readonly params: { readonly [name: string]: Json };
  readonly onEvent: (event: RunEvent) => void;
  readonly signal: AbortSignal | undefined;
  readonly keep: KeptResults | undefined;
}

export interface DriverResult {
  readonly status: RunStatus;
  readonly outputs: { readonly [name: string]: unknown };
  readonly error: TaskError | null;
  readonly ms: number;
}

export function drive(pool: WorkerPool, plan: Plan, code: CodeStore, options: DriverOptions): Promise<DriverResult> {
  return new Promise((resolve, reject) => {
    try {
      new RunDriver(pool, plan, code, options, resolve, reject).start();
    } catch (error) {
      if (error instanceof StartError) resolve(neverStarted(plan, options, error));
      else reject(error);
    }
  });
}

/** Params that no check of types can refuse, such as a negative number of rows. */
function neverStarted(plan: Plan, { engine, run, params, onEvent }: DriverOptions, { message, stage }: StartError): DriverResult {
  const error: TaskError = { kind: "thrown", name: "RangeError", message, stack: [], stage, block: null, attempt: null };
  onEvent({ atMs: 0, type: "run.started", format: EVENTS_FORMAT, run, plan: plan.name, hash: plan.hash, engine, params });
  onEvent({ atMs: 0, type: "run.finished", status: "failed", ms: 0, error });
  return { status: "failed", outputs: {}, error, ms: 0 };
}

class RunDriver implements RunListener {
  readonly #pool: WorkerPool;
  /** As it was given, for events; what is run may lack what was kept. */
  readonly #whole: Plan;
  readonly #plan: Plan;
  readonly #keep: KeptResults | null;
  readonly #reduced: Reduced;
  readonly #code: CodeStore;
  readonly #options: DriverOptions;
  readonly #resolve: (result: DriverResult) => void;
  readonly #reject: (error: unknown) => void;
  readonly #state: State;
  readonly #values: readonly InlineValues[];
  /** Per worker: keys of values that it has been provided with. */
  readonly #provided = new Map<number, Set<string>>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #stageStartMs: number[];
  readonly #startMs = performance.now();
  #run = -1;
  #over = false;

  constructor(
    pool: WorkerPool,
    plan: Plan,
    code: CodeStore,
    options: DriverOptions,
    resolve: (result: DriverResult) => void,
    reject: (error: unknown) => void,
  ) {
    this.#pool = pool;
    this.#keep = options.keep ?? null;
    const reduced = this.#keep ? reduce(plan, options.params, this.#keep) : { plan, given: new Map(), keys: [] };
    this.#plan = reduced.plan;
    this.#whole = plan;
    this.#reduced = reduced;
    this.#code = code;
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#state = createState({ plan: reduced.plan, params: options.params, given: new Set(reduced.given.keys()) });
    this.#values = reduced.plan.stages.map(() => new InlineValues());
    for (const [stage, column] of reduced.given) this.#values[stage]!.add(0, column);
    this.#stageStartMs = reduced.plan.stages.map(() => 0);
  }

  start(): void {
    const { signal, engine, run, params } = this.#options;
    this.#event({ type: "run.started", format: EVENTS_FORMAT, run, plan: this.#whole.name, hash: this.#whole.hash, engine, params });
    for (const stage of this.#reduced.given.keys()) this.#event({ type: "stage.reused", ...this.#stage(stage) });
    this.#run = this.#pool.enter(this);
    if (signal?.aborted) {
      this.#step({ type: "cancel" });
      return;
    }
    signal?.addEventListener("abort", this.#onAbort, { once: true });
    for (const worker of this.#pool.workers.values()) this.joined(worker);
    this.#step({ type: "begin" });
  }

  readonly #onAbort = () => this.#step({ type: "cancel" });

  #event(event: Unstamped<RunEvent>): void {
    try {
      this.#options.onEvent({ atMs: performance.now() - this.#startMs, ...event } as RunEvent);
    } catch (error) {
      // The listener's own mistake ends its run, and nobody else's.
      this.#leave();
      this.#reject(error);
    }
  }
  #stage(index: number): { readonly stage: string; readonly name: string } {
    const { id, name } = this.#plan.stages[index]!;
    return { stage: id, name };
  }

  // --- What workers say ------------------------------------------------------------------------------------------------------------

  joined(worker: PoolWorker): void {
    if (this.#over) return;
    const { link, index } = worker;
    this.#provided.set(index, new Set());
    worker.prepare(this.#run, this.#plan, this.#code, this.#options.params);
    this.#event({ type: "worker.joined", worker: link.id, slots: link.slots });
    this.#step({ type: "workerJoined", worker: index, slots: link.slots });
  }

  lost(worker: PoolWorker, reason: string): void {
    if (this.#over) return;
    this.#provided.delete(worker.index);
    const queued =
      this.#state.workers
        .get(worker.index)
        ?.slots.reduce((sum, { queue }) => sum + queue.reduce((tasks, batch) => tasks + batch.end - batch.next, 0), 0) ?? 0;
    this.#event({ type: "worker.lost", worker: worker.link.id, reason, tasks: queued });
    this.#step({ type: "workerLost", worker: worker.index, cause: lostError(reason) });
  }

  stranded(reason: string): void {
    this.#finish("infrastructure", {}, { ...lostError(reason), kind: "infrastructure", name: "InfrastructureError" });
  }

  message(worker: PoolWorker, message: FromHost): void {
    if (this.#over) return;
    switch (message.type) {
      case "finished": {
        const { slot, stage, first, count, attempt, runMs, outputs } = message;
        const batch = this.#state.workers.get(worker.index)?.slots[slot]?.queue[0];
        if (!batch || batch.stage !== stage || batch.attempt !== attempt || batch.next !== first) return;
        if (outputs.kind === "column") this.#values[stage]!.add(first, outputs.column);
        else if (outputs.kind === "blocks" && outputs.inline) this.#values[stage]!.add(0, outputs.inline);
        const inline = outputs.kind === "column" || (outputs.kind === "blocks" && (outputs.inline !== null || outputs.count === 0));
        const spentMs = Math.max(0, runMs - batch.reportedMs);
        const atMs = performance.now() - this.#startMs;
        this.#event({
          type: "tasks.finished",
          stage: this.#plan.stages[stage]!.id,
          worker: worker.link.id,
          slot,
          first,
          count,
          startMs: Math.max(0, atMs - spentMs),
          runMs: spentMs,
        });
        this.#step({
          type: "finished",
          worker: worker.index,
          slot,
          stage,
          first,
          count,
          attempt,
          runMs,
          held: inline ? "engine" : "worker",
          ...(outputs.kind === "blocks" ? { blocks: outputs.count } : {}),
        });
        return;
      }
      case "failed": {
        const { slot, stage, block, attempt, transient, error } = message;
        if (error.kind === "lost") this.#step({ type: "inputMissing", worker: worker.index, slot, stage, block, attempt });
        else
          this.#step({ type: "failed", worker: worker.index, slot, stage, block, attempt, transient, cause: error, jitter: Math.random() });
        return;
      }
      case "slotLost": {
        const blame = message.reason.kind === "timeout" ? "failure" : message.reason.kind === "cancelled" ? "none" : "death";
        this.#step({ type: "slotLost", worker: worker.index, slot: message.slot, blame, cause: message.reason, jitter: Math.random() });
        return;
      }
      case "recalled": {
        const { slot, stage, first, count, attempt } = message;
        this.#step({ type: "recalled", worker: worker.index, slot, stage, first, count, attempt });
        return;
      }
      case "metric":
        this.#event({
          type: "metric",
          ...this.#stage(message.stage),
          name: message.name,
          steps: Array.from(message.steps),
          values: Array.from(message.values),
          stage: this.#plan.stages[message.stage]!.id,
        });
        return;
      case "progress": {
        const { done, total, unit } = message;
        this.#event({ type: "stage.progress", ...this.#stage(message.stage), done, total, unit });
        return;
      }
      case "log":
        this.#event({ type: "log", ...this.#stage(message.stage), stream: message.stream, text: message.text });
        return;
      default:
        return;
    }
  }

  // --- What the core commands ---------------------------------------------------------------------------------------------------------

  #step(event: CoreEvent): void {
    if (this.#over) return;
    try {
      for (const command of step(this.#state, event)) this.#perform(command);
    } catch (error) {
      this.#leave();
      this.#reject(error);
    }
  }

  #perform(command: Command): void {
    switch (command.type) {
      case "assign":
        this.#assign(command);
        return;
      case "recall": {
        const { worker, slot, stage, first, count, attempt } = command;
        this.#pool.workers.get(worker)?.link.send({ type: "recall", run: this.#run, slot, stage, first, count, attempt });
        return;
      }
      case "free":
        if (command.holder !== ENGINE)
          this.#pool.workers
            .get(command.holder)
            ?.link.send({ type: "free", run: this.#run, objects: [{ stage: command.stage, first: command.first, count: command.count }] });
        return;
      case "delay": {
        const { stage, block, attempt } = command;
        const timer = setTimeout(() => {
          this.#timers.delete(timer);
          this.#step({ type: "delayOver", stage, block, attempt });
        }, command.delayMs);
        this.#timers.add(timer);
        return;
      }
      case "stageStarted":
        this.#stageStartMs[command.stage] = performance.now();
        this.#event({
          type: "stage.started",
          ...this.#stage(command.stage),
          tasks: command.tasks,
          strategy: strategyText(this.#plan, command.stage),
        });
        return;
      case "stageFinished":
        this.#event({
          type: "stage.finished",
          ...this.#stage(command.stage),
          tasks: command.tasks,
          ms: performance.now() - this.#stageStartMs[command.stage]!,
        });
        return;
      case "taskFailed": {
        const { stage, block, attempt, retried } = command;
        this.#event({
          type: "task.failed",
          ...this.#stage(stage),
          block,
          attempt,
          error: this.#located(command.cause as TaskError, command),
          retried,
        });
        return;
      }
      case "objectsLost":
        for (const keys of this.#provided.values()) keys.delete(String(command.stage));
        this.#event({ type: "object.lost", stage: this.#plan.stages[command.stage]!.id, blocks: command.blocks });
        return;
      case "tasksReturned":
        return;
      case "collect":
        void this.#collect();
        return;
      case "end":
        this.#end(command.outcome);
        return;
    }
  }

  #assign({ worker: index, slot, stage, first, count, attempt }: Extract<Command, { type: "assign" }>): void {
    const worker = this.#pool.workers.get(index);
    // Its loss is on its way to the core.
    if (!worker) return;
    const planned = this.#plan.stages[stage]!;
    const waits: Promise<boolean>[] = [];
    const inputs = planned.inputs.map((input) => this.#feed(worker, input, stage, first, count, waits));
    // A slot works off what it gets in the order in which the core gave it: nothing overtakes what waits.
    const key = `${index}.${slot}`;
    const before = this.#waiting.get(key);
    const send = () => worker.link.send({ type: "assign", run: this.#run, slot, stage, first, count, attempt, inputs });
    if (waits.length === 0 && !before) {
      send();
      return;
    }
    // Objects come from other workers first. Where one is gone the batch goes back to the core.
    const sent = Promise.all([Promise.all(waits), before]).then(([arrived]) => {
      if (this.#waiting.get(key) === sent) this.#waiting.delete(key);
      const queue = this.#state.workers.get(index)?.slots[slot]?.queue ?? [];
      const wanted = queue.some((batch) => batch.stage === stage && batch.attempt === attempt && batch.next === first);
      if (this.#over || !this.#pool.workers.has(index) || !wanted) return;
      if (arrived.every((one) => one)) send();
      else this.#step({ type: "unsent", worker: index, slot, stage, first, count, attempt });
    });
    this.#waiting.set(key, sent);
  }
  /** By worker and slot: the last batch that waits for objects, or for a batch that does. */
  readonly #waiting = new Map<string, Promise<void>>();

  #feed(worker: PoolWorker, input: PlanInput, stage: number, first: number, count: number, waits: Promise<boolean>[]): InputFeed {
    switch (input.kind) {
      case "param":
        return { kind: "param" };
      case "range": {
        const { tasks } = this.#plan.stages[stage]!;
        if (tasks.kind !== "range") throw new Error(`bug: ${this.#plan.stages[stage]!.id} reads a range and has none`);
        const scalar = (value: typeof tasks.rows) => (value.kind === "const" ? value.value : (this.#options.params[value.name] as number));
        return { kind: "range", rows: scalar(tasks.rows), blocks: scalar(tasks.blocks) };
      }
      case "block": {
        const source = this.#state.stages[input.stage]!;
        if (source.holder[first] === ENGINE) return { kind: "column", column: this.#values[input.stage]!.column(first, count) };
        for (let block = first; block < first + count; block++) this.#bring(worker, input.stage, block, waits);
        return { kind: "objects", run: this.#run, stage: input.stage };
      }
      case "value":
      case "blocks":
        return this.#provide(worker, input, waits);
      case "item":
      case "iteration":
      case "after":
        throw new Error(`bug: regions aren't run yet`);
    }
  }

  /** A value that all tasks of a stage read goes to each worker once. */
  #provide(worker: PoolWorker, input: PlanInput & { kind: "value" | "blocks" }, waits: Promise<boolean>[]): InputFeed {
    const { stage } = input;
    const source = this.#state.stages[stage]!;
    for (let block = 0; block < source.blocks; block++) if (source.holder[block] !== ENGINE) this.#bring(worker, stage, block, waits);
    if (input.kind === "value" && source.holder[0] !== ENGINE)
      return { kind: "object", ref: { run: this.#run, stage, block: 0, bytes: 0 } };
    const key = String(stage);
    const keys = this.#provided.get(worker.index)!;
    if (!keys.has(key)) {
      keys.add(key);
      worker.link.send({ type: "provide", run: this.#run, key, value: this.#providedValue(input) });
    }
    return { kind: "provided", key };
  }

  #providedValue(input: PlanInput & { kind: "value" | "blocks" }): ProvidedValue {
    const values = this.#values[input.stage]!;
    if (input.kind === "value") {
      const column = values.column(0, 1);
      return { kind: "inline", bytes: column.kind === "packed" ? column.bytes : encode(columnReader(column, { share: true })(0)) };
    }
    const { holder, blocks } = this.#state.stages[input.stage]!;
    const runs: (ProvidedValue & { kind: "blocks" })["runs"][number][] = [];
    let block = 0;
    while (block < blocks) {
      const inline = holder[block] === ENGINE;
      const first = block;
      while (block < blocks && (holder[block] === ENGINE) === inline) block++;
      if (inline) runs.push(...values.runs(first, block - first));
      else runs.push({ first, count: block - first, stage: input.stage });
    }
    return { kind: "blocks", runs };
  }

  /** Objects on their way, by worker, stage and block: two tasks that read one wait for one copy. */
  readonly #moving = new Map<string, Promise<boolean>>();

  /** Sees to it that the worker holds an object. */
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
    const bytes = (await this.#pool.workers.get(holder)?.fetch(ref)) ?? null;
    if (this.#over) return false;
    if (bytes === null) {
      this.#step({ type: "objectMissing", stage, block, from: holder });
      return false;
    }
    to.link.send({ type: "place", ref: { ...ref, bytes: bytes.length }, bytes });
    this.#step({ type: "copied", stage, block, to: to.index });
    return true;
  }

  // --- The end --------------------------------------------------------------------------------------------------------------------------

  async #collect(): Promise<void> {
    const outputs: Record<string, unknown> = {};
    try {
      for (const { name, from } of this.#plan.outputs) {
        if (from.kind === "param") outputs[name] = this.#options.params[from.name] ?? null;
        else if (from.kind === "const") outputs[name] = from.value;
        else {
          const found = from.take === "value" ? await this.#read(from.stage, 0) : await this.#readRows(from.stage);
          // Lost meanwhile: the core makes it again, and will say `collect` once more.
          if (found === MISSING) return;
          outputs[name] = found;
        }
      }
    } catch (error) {
      this.#leave();
      this.#reject(error);
      return;
    }
    if (this.#state.status !== "collecting") return;
    this.#outputs = outputs;
    this.#step({ type: "collected" });
  }
  #outputs: { readonly [name: string]: unknown } = {};

  async #read(stage: number, block: number): Promise<unknown> {
    const { holder, output } = this.#state.stages[stage]!;
    if (output[block] !== Live) return MISSING;
    const at = holder[block]!;
    if (at === ENGINE) return this.#values[stage]!.value(block);
    const bytes = (await this.#pool.workers.get(at)?.fetch({ run: this.#run, stage, block, bytes: 0 })) ?? null;
    if (this.#over) return MISSING;
    if (bytes === null) {
      this.#step({ type: "objectMissing", stage, block, from: at });
      return MISSING;
    }
    return decode(bytes, { share: false });
  }

  async #readRows(stage: number): Promise<unknown> {
    const { holder, blocks } = this.#state.stages[stage]!;
    const rows: unknown[] = [];
    let block = 0;
    while (block < blocks) {
      if (holder[block] !== ENGINE) {
        const stored = await this.#read(stage, block++);
        if (stored === MISSING) return MISSING;
        append(rows, storedRows(stored as StoredBlock));
        continue;
      }
      const first = block;
      while (block < blocks && holder[block] === ENGINE) block++;
      for (const { column } of this.#values[stage]!.runs(first, block - first)) {
        if (column.kind === "rows") append(rows, column.values);
        else for (const stored of columnValues(column, { share: false })) append(rows, storedRows(stored as StoredBlock));
      }
    }
    return rows;
  }

  #keepValues(): void {
    if (!this.#keep) return;
    this.#plan.stages.forEach((stage, index) => {
      const { holder, output } = this.#state.stages[index]!;
      // Values that were freed meanwhile are still in hand.
      const here = output[0] === Live ? holder[0] === ENGINE : this.#values[index]!.has(0);
      if (stage.output === "value" && stage.tasks.kind === "one" && here)
        this.#keep!.put(this.#reduced.keys[index]!, this.#values[index]!.column(0, 1));
    });
  }

  #end(outcome: Outcome): void {
    if (outcome.status === "ok") {
      this.#keepValues();
      this.#finish("ok", this.#outputs, null);
      return;
    }
    if (outcome.status === "cancelled") {
      this.#finish(
        "cancelled",
        {},
        { kind: "cancelled", name: "Cancelled", message: "the run was cancelled", stack: [], stage: null, block: null, attempt: null },
      );
      return;
    }
    const { why } = outcome;
    if (why.kind === "nondeterministic") {
      const message = `it gave ${why.before} blocks, and ${why.blocks} when a lost result had to be made again: a stage has to give the same for the same inputs`;
      this.#finish("failed", {}, this.#located({ ...lostError(message), kind: "thrown", name: "NondeterministicStage" }, outcome));
      return;
    }
    const cause = why.cause as TaskError;
    if (why.kind === "failure") {
      this.#finish("failed", {}, this.#located(cause, outcome));
      return;
    }
    const message = `whatever ran this task ended ${why.deaths} times (${cause.message}), so it isn't tried again`;
    this.#finish("failed", {}, this.#located({ ...cause, kind: "lost", name: "WorkerLost", message }, outcome));
  }

  #located(
    error: TaskError,
    { stage, block, attempt }: { readonly stage: number; readonly block: number; readonly attempt: number },
  ): TaskError {
    return { ...error, stage: this.#plan.stages[stage]!.name, block, attempt };
  }

  #finish(status: RunStatus, outputs: { readonly [name: string]: unknown }, error: TaskError | null): void {
    if (this.#over) return;
    const ms = performance.now() - this.#startMs;
    this.#leave();
    this.#event({ type: "run.finished", status, ms, ...(status === "ok" ? { outputs } : {}), ...(error ? { error } : {}) });
    this.#resolve({ status, outputs, error, ms });
  }

  #leave(): void {
    this.#over = true;
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    for (const timer of this.#timers) clearTimeout(timer);
    this.#pool.leave(this.#run);
  }
}

const MISSING = Symbol("missing");

/** Spread would overflow the stack with very many. */
function append(rows: unknown[], more: ArrayLike<unknown>): void {
  for (let i = 0; i < more.length; i++) rows.push(more[i]);
}

function lostError(message: string): TaskError {
  return { kind: "lost", name: "WorkerLost", message, stack: [], stage: null, block: null, attempt: null };
}

function strategyText(plan: Plan, index: number): string {
  const { strategy } = plan.stages[index]!;
  if (strategy.kind === "data") return strategy.slots === null ? "data" : `data(${strategy.slots})`;
  return strategy.kind === "fit" ? strategy.architecture : "task";
}

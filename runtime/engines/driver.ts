// One run on a pool of workers: feeds the core with what the workers say, performs its commands, keeps small values, and tells the
// story as events. The only place where the core meets clocks, randomness and links; shared by all engines.
import { randomUUID } from "node:crypto";
import type { CodeStore, Json, Plan, PlanStage } from "../../compiler/plan.ts";
import type { Command, CoreEvent, Outcome, Stage, State } from "../core/model.ts";
import { DISK, ENGINE, Live } from "../core/model.ts";
import { keyText, lookUp } from "../core/regions.ts";
import { fresh } from "../core/speculation.ts";
import { createState, StartError } from "../core/state.ts";
import { step } from "../core/step.ts";
import { isRepeatable } from "../data/stage.ts";
import type { RunEvent, RunStatus, TaskError, Unstamped } from "../events/events.ts";
import { EVENTS_FORMAT } from "../events/events.ts";
import { UnmetError } from "../hosts/errors.ts";
import type { FromHost, OutputFeed } from "../hosts/link.ts";
import { StoreError } from "../results/store.ts";
import { redactor } from "../secrets.ts";
import { Departures } from "./departures.ts";
import { Feeding } from "./feeding.ts";
import type { RunJournal } from "./past.ts";
import { Places } from "./places.ts";
import type { PoolWorker, RunListener, WorkerPool } from "./pool.ts";
import { MISSING, Reading } from "./reading.ts";
import { decidingValue, isKept, Recall } from "./recall.ts";
import type { InHand } from "./succession.ts";
import { Succession } from "./succession.ts";
import { Telling } from "./telling.ts";
import type { Ended } from "./verdicts.ts";
import { actorLost, CANCELLED, failureValue, finalError, lostError, neverStarted, nondeterministic } from "./verdicts.ts";

export interface DriverOptions {
  readonly engine: "local" | "nats";
  readonly run: string;
  /** Names the run among all there are, whoever leads it; default: a new one. */
  readonly uuid?: string;
  readonly params: { readonly [name: string]: Json };
  readonly check: boolean;
  readonly onEvent: (event: RunEvent) => void;
  readonly signal: AbortSignal | undefined;
  /** What earlier runs left for the plan. */
  readonly recall: Recall;
  /** Where what is done is written down, for whoever may have to go on with the run. */
  readonly journal?: RunJournal;
  /** What workers have in hand of it already. */
  readonly inHand?: InHand;
  /** Before a stage's tasks are sent to a worker; with the items and iterations around it. */
  readonly onAssign?: (stage: number, path: string) => void;
}

export interface DriverResult {
  readonly status: RunStatus;
  readonly outputs: { readonly [name: string]: unknown };
  readonly error: TaskError | null;
  /** What went wrong in what was to be done on failure, besides. */
  readonly onFailure: TaskError | null;
  readonly ms: number;
}

/** Runs the plan; where it failed, then what is to be done on failure, on the same workers. */
export async function drive(pool: WorkerPool, plan: Plan, code: CodeStore, options: DriverOptions): Promise<DriverResult> {
  const startMs = performance.now();
  const { onEvent, engine, run, params } = options;
  // Nothing that is told, or handed to what is done on failure, holds a secret.
  const redact = redactor(plan, params);
  const log: Log = { startMs, tell: (event) => onEvent(redact({ atMs: performance.now() - startMs, ...event } as RunEvent)) };
  log.tell({ type: "run.started", format: EVENTS_FORMAT, run, plan: plan.name, hash: plan.hash, engine, params });
  const { status, outputs, error, inputs } = redact(await driveOne(pool, code, options, log));
  const after = status === "failed" && error && plan.onFailure ? failurePlan(plan, plan.onFailure) : null;
  const { journal: _journal, inHand: _inHand, ...rest } = options;
  const known = after && {
    ...rest,
    params: { ...params, [plan.onFailure!.param]: failureValue(error!) },
    recall: Recall.ofNothing(after),
  };
  const onFailure = after && known ? redact((await driveOne(pool, code, known, log)).error) : null;
  const ms = performance.now() - startMs;
  log.tell({
    type: "run.finished",
    status,
    ms,
    ...(status === "ok" ? { outputs } : {}),
    ...(error ? { error } : {}),
    ...(inputs === null ? {} : { inputs }),
    ...(onFailure ? { onFailure } : {}),
  });
  return { status, outputs, error, onFailure, ms };
}

/** Stages of their own, which read params only. */
function failurePlan(plan: Plan, { stages, regions }: NonNullable<Plan["onFailure"]>): Plan {
  const { format, name, params, functions, about } = plan;
  return { format, hash: "", name, params, functions, about, stages, regions, outputs: [] };
}

/** Nobody could tell that a task of it ran twice. */
function mayBeDoubled(plan: Plan, index: number): boolean {
  const { effect, body } = plan.stages[index]!;
  return !effect && body.op !== "track" && body.op !== "expect" && isRepeatable(plan, index);
}

/** Workers that are about to come are waited for so long where those that are there are too few. */
const COMING_MS = 3000;
/** So often it is seen to that no slot idles while another takes too long. */
const LOOK_EVERY_MS = 50;

/** A run's events, stamped by its clock. */
interface Log {
  readonly startMs: number;
  tell(event: Unstamped<RunEvent>): void;
}

function driveOne(pool: WorkerPool, code: CodeStore, options: DriverOptions, log: Log): Promise<Ended> {
  return new Promise((resolve, reject) => {
    try {
      new RunDriver(pool, code, options, log, resolve, reject).start();
    } catch (error) {
      if (error instanceof StartError) resolve(neverStarted(error));
      else reject(error);
    }
  });
}

class RunDriver implements RunListener {
  readonly #pool: WorkerPool;
  /** May lack what an earlier run left. */
  readonly #plan: Plan;
  readonly #recall: Recall;
  readonly #code: CodeStore;
  readonly #options: DriverOptions;
  readonly #log: Log;
  readonly #resolve: (result: Ended) => void;
  readonly #reject: (error: unknown) => void;
  readonly #state: State;
  readonly #telling: Telling;
  readonly #feeding: Feeding;
  readonly #reading: Reading;
  readonly #succession: Succession;
  readonly #places: Places;
  readonly #departures: Departures;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #uuid: string;
  #run = -1;
  #over = false;

  constructor(
    pool: WorkerPool,
    code: CodeStore,
    options: DriverOptions,
    log: Log,
    resolve: (result: Ended) => void,
    reject: (error: unknown) => void,
  ) {
    this.#pool = pool;
    this.#recall = options.recall;
    this.#plan = this.#recall.plan;
    this.#code = code;
    this.#options = options;
    this.#uuid = options.uuid ?? randomUUID();
    this.#log = log;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#succession = new Succession(options.journal ?? null, options.inHand ?? [], pool, this.#plan);
    const { past } = this.#succession;
    this.#state = createState({
      plan: this.#plan,
      params: options.params,
      mayDouble: (stage) => mayBeDoubled(this.#plan, stage),
      restored: (stage) => (past ? this.#succession : this.#recall).restored(stage, this.#feeding.valuesOf(stage.index)),
      ...(past ? { past } : {}),
    });
    this.#feeding = new Feeding({
      plan: this.#plan,
      state: this.#state,
      params: options.params,
      pool,
      onDisk: (stage, block) => this.#recall.object(stage, block),
      step: (event) => this.#step(event),
      over: () => this.#over,
      copied: (to, stage, block) => {
        this.#succession.copied(stage, block, to);
        this.#step({ type: "copied", stage, block, to: to.index });
      },
    });
    this.#reading = new Reading({
      plan: this.#plan,
      state: this.#state,
      params: options.params,
      valuesOf: (stage) => this.#feeding.valuesOf(stage),
      onDisk: (stage, block) => this.#recall.object(stage, block),
      fetch: (holder, stage, block) => this.#fetch(holder, stage, block),
    });
    this.#recall.knows((stage) => this.#feeding.valuesOf(stage), this.#state);
    this.#places = new Places(options.engine, this.#plan, pool);
    this.#departures = new Departures(this.#state, pool, (to, stage, block) => this.#feeding.bring(to, stage, block));
    this.#telling = new Telling(this.#plan, this.#state, (event) => this.#event(event));
  }

  #planned({ template }: Stage): PlanStage {
    return this.#plan.stages[template.index]!;
  }

  start(): void {
    const { signal } = this.#options;
    for (const { id, name } of this.#recall.skipped) this.#event({ type: "stage.skipped", stage: id, name });
    this.#run = this.#pool.enter(this);
    this.#feeding.begin(this.#run);
    if (signal?.aborted) {
      this.#step({ type: "cancel" });
      return;
    }
    signal?.addEventListener("abort", this.#onAbort, { once: true });
    for (const worker of this.#pool.workers.values()) this.joined(worker);
    this.#begin(performance.now());
  }

  #begin(sinceMs: number): void {
    if (this.#over) return;
    // A run that is under way had a place, and waits for another.
    const unplaced = this.#succession.past ? null : this.#places.unplaced();
    if (unplaced && this.#options.engine === "nats" && performance.now() - sinceMs < COMING_MS) {
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        this.#begin(sinceMs);
      }, LOOK_EVERY_MS);
      this.#timers.add(timer);
      return;
    }
    if (unplaced) {
      this.#finish("infrastructure", {}, unplaced);
      return;
    }
    this.#telling.isAgain = this.#succession.past !== null;
    this.#step(this.#succession.beginning());
    this.#telling.isAgain = false;
    if (!this.#over) this.#looking = setInterval(() => this.#look(performance.now()), LOOK_EVERY_MS);
  }
  #looking: NodeJS.Timeout | null = null;

  #look(nowMs: number): void {
    this.#step({ type: "looked", nowMs });
    if (this.#over) return;
    this.#departures.look(nowMs);
    const lonely = this.#places.lonely(this.#state, nowMs);
    if (lonely) this.#finish("infrastructure", {}, lonely);
  }

  readonly #onAbort = () => this.#step({ type: "cancel" });

  #event(event: Unstamped<RunEvent>): void {
    try {
      this.#log.tell(event);
    } catch (error) {
      // The listener's own mistake ends its run, and nobody else's.
      this.#leave();
      this.#reject(error);
    }
  }

  // --- What workers say ------------------------------------------------------------------------------------------------------------

  joined(worker: PoolWorker): void {
    if (this.#over) return;
    const { link, index } = worker;
    this.#feeding.joined(index);
    const { params, check } = this.#options;
    worker.prepare(this.#run, this.#plan, this.#code, { params, check, results: this.#recall.folder });
    this.#event({ type: "worker.joined", worker: link.id, slots: link.slots });
    this.#step({ type: "workerJoined", worker: index, slots: link.slots, labels: this.#places.labelsOf(worker) });
    if (link.isLeaving) this.leaving(worker);
  }

  leaving(worker: PoolWorker): void {
    if (this.#over) return;
    this.#step({ type: "workerLeaving", worker: worker.index });
  }

  lost(worker: PoolWorker, reason: string): void {
    if (this.#over) return;
    this.#feeding.lost(worker.index);
    const queued =
      this.#state.workers
        .get(worker.index)
        ?.slots.reduce((sum, { queue }) => sum + queue.reduce((tasks, batch) => tasks + batch.end - batch.next, 0), 0) ?? 0;
    this.#event({ type: "worker.lost", worker: worker.link.id, reason, tasks: queued });
    const cause = lostError(reason);
    this.#succession.lost(this.#state, worker, () => this.#step({ type: "workerLost", worker: worker.index, cause }));
  }

  stranded(reason: string): void {
    this.#finish("infrastructure", {}, { ...lostError(reason), kind: "infrastructure", name: "InfrastructureError" });
  }

  message(worker: PoolWorker, message: FromHost): void {
    if (this.#over) return;
    const blame = message.type === "slotLost" ? this.#blame(worker.index, message) : "none";
    this.#succession.said(this.#state, worker, message, blame, () => this.#heard(worker, message));
  }

  #heard(worker: PoolWorker, message: FromHost): void {
    if (this.#over) return;
    switch (message.type) {
      case "finished": {
        const { slot, stage, first, count, attempt, runMs, outputs } = message;
        const batch = this.#state.workers.get(worker.index)?.slots[slot]?.queue[0];
        if (!batch || batch.stage !== stage || batch.attempt !== attempt || batch.next !== first) return;
        if ((batch.rank ?? 0) > 0) {
          this.#memberFinished(worker, message);
          this.#step({ type: "finished", worker: worker.index, slot, stage, first, count, attempt, runMs, held: "engine" });
          return;
        }
        const made = this.#state.stages[stage]!;
        const counted = fresh(made, batch, first, first + count).reduce((sum, [from, to]) => sum + to - from, 0);
        if (outputs.kind === "column") this.#feeding.valuesOf(stage).add(first, outputs.column);
        else if (outputs.kind === "blocks" && outputs.inline) this.#feeding.valuesOf(stage).add(0, outputs.inline);
        const inline = outputs.kind === "column" || (outputs.kind === "blocks" && (outputs.inline !== null || outputs.count === 0));
        const spentMs = Math.max(0, runMs - batch.reportedMs);
        const atMs = performance.now() - this.#log.startMs;
        const path = this.#telling.path(made.instance);
        if (!this.#putAway(made, first, count, outputs)) return;
        this.#telling.working(made);
        // Another copy may have been the first.
        if (counted > 0)
          this.#event({
            type: "tasks.finished",
            stage: this.#planned(made).id,
            ...(path === "" ? {} : { instance: path }),
            worker: worker.link.id,
            slot,
            first,
            count: counted,
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
          ...(made.template.decides ? { value: decidingValue(outputs) } : {}),
        });
        return;
      }
      case "failed": {
        const { slot, stage, block, attempt, transient, error } = message;
        if (error.kind === "infrastructure") this.#finish("infrastructure", {}, error);
        else if (error.kind === "lost") this.#step({ type: "inputMissing", worker: worker.index, slot, stage, block, attempt });
        else
          this.#step({ type: "failed", worker: worker.index, slot, stage, block, attempt, transient, cause: error, jitter: Math.random() });
        return;
      }
      case "slotLost": {
        const blame = this.#blame(worker.index, message);
        this.#step({ type: "slotLost", worker: worker.index, slot: message.slot, blame, cause: message.reason, jitter: Math.random() });
        return;
      }
      case "recalled": {
        const { slot, stage, first, count, attempt } = message;
        this.#step({ type: "recalled", worker: worker.index, slot, stage, first, count, attempt });
        return;
      }
      case "metric":
      case "progress":
      case "log": {
        const named = this.#telling.name(message.stage);
        if (!named) return;
        if (message.type === "progress") {
          const { done, total, unit } = message;
          this.#event({ type: "stage.progress", ...named, done, total, unit });
        } else if (message.type === "log") this.#event({ type: "log", ...named, stream: message.stream, text: message.text });
        else {
          const { name: _stage, ...where } = named;
          this.#event({
            type: "metric",
            ...where,
            name: message.name,
            steps: Array.from(message.steps),
            values: Array.from(message.values),
          });
        }
        return;
      }
      default:
        return;
    }
  }

  /** Of a gang: its task is the first member's, its work is all of theirs. */
  #memberFinished(worker: PoolWorker, { slot, stage, runMs }: Extract<FromHost, { type: "finished" }>): void {
    const made = this.#state.stages[stage]!;
    const path = this.#telling.path(made.instance);
    const startMs = Math.max(0, performance.now() - this.#log.startMs - runMs);
    const where = { stage: this.#planned(made).id, ...(path === "" ? {} : { instance: path }), worker: worker.link.id, slot };
    this.#event({ type: "tasks.finished", ...where, first: 0, count: 0, startMs, runMs });
  }

  /** Whose doing it is that a slot ended. */
  #blame(worker: number, { slot, reason }: Extract<FromHost, { type: "slotLost" }>): "failure" | "death" | "late" | "memory" | "none" {
    if (reason.kind === "cancelled") return "none";
    if (reason.kind === "memory") return "memory";
    if (reason.kind !== "timeout") return "death";
    const batch = this.#state.workers.get(worker)?.slots[slot]?.queue[0];
    const stage = batch ? this.#state.stages[batch.stage] : null;
    if (!batch || !stage) return "failure";
    const { within, options } = this.#planned(stage);
    const first = within && !stage.late.has(batch.next) && within.limitMs <= (options.timeoutMs ?? Number.POSITIVE_INFINITY);
    return first ? "late" : "failure";
  }

  /** Before anybody is told that they are finished. False: it can't be done, and the run is over. */
  #putAway(stage: Stage, first: number, count: number, outputs: OutputFeed): boolean {
    try {
      this.#recall.put(stage, first, count, outputs);
      return true;
    } catch (error) {
      this.#broken(error);
      return false;
    }
  }

  /** What ends the run and is no stage's fault. */
  #broken(error: unknown): void {
    if (error instanceof StoreError || error instanceof UnmetError)
      this.#finish("infrastructure", {}, { ...lostError(error.message), kind: "infrastructure", name: error.name });
    else {
      this.#leave();
      this.#reject(error);
    }
  }

  // --- What the core commands ---------------------------------------------------------------------------------------------------------

  #step(event: CoreEvent): void {
    if (this.#over) return;
    try {
      for (const command of step(this.#state, event)) this.#perform(command);
    } catch (error) {
      this.#broken(error);
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
      case "abort": {
        const { stage, attempt } = command;
        this.#pool.workers.get(command.worker)?.link.send({ type: "abort", run: this.#run, stage, attempt });
        return;
      }
      case "free":
        if (command.holder !== ENGINE && command.holder !== DISK)
          this.#pool.workers
            .get(command.holder)
            ?.link.send({ type: "free", run: this.#run, objects: [{ stage: command.stage, first: command.first, count: command.count }] });
        this.#feeding.freed(command.stage);
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
        this.#telling.started(command.stage, command.tasks);
        return;
      case "tasksRestored":
        this.#telling.restored(command.stage, command.tasks);
        return;
      case "stageFinished":
        this.#telling.finished(command.stage);
        return;
      case "taskFailed": {
        const { stage, block, attempt, retried, late } = command;
        const named = this.#telling.name(stage);
        const error = this.#located(command.cause as TaskError, command);
        if (named) this.#event({ type: "task.failed", ...named, block, attempt, error, retried, ...(late ? { late } : {}) });
        return;
      }
      case "loopExhausted": {
        const named = this.#telling.name(command.stage);
        if (named) this.#event({ type: "loop.exhausted", ...named, rounds: command.rounds });
        return;
      }
      case "objectsLost": {
        this.#feeding.void(command.stage);
        // One that isn't made again ends the run, which says so.
        if (this.#state.stages[command.stage]!.template.spawns === "lost") return;
        const named = this.#telling.name(command.stage);
        if (!named) return;
        const { name: _name, ...where } = named;
        this.#event({ type: "object.lost", ...where, blocks: command.blocks });
        return;
      }
      case "retired":
        this.#feeding.forget(command.stages);
        this.#recall.forget(command.stages);
        return;
      case "tasksReturned":
        return;
      case "estranged": {
        // It begins anew, with nothing in hand.
        const link = this.#pool.workers.get(command.worker)?.link;
        void link?.close().then(() => link.onLost("it had something in hand that nobody knows of"));
        return;
      }
      case "collect":
        void this.#collect();
        return;
      case "end":
        this.#end(command.outcome);
        return;
    }
  }

  #assign(command: Extract<Command, { type: "assign" }>): void {
    const { worker: index, slot, stage: number, first, count, attempt, late, rank, workers, again } = command;
    const worker = this.#pool.workers.get(index);
    // Its loss is on its way to the core.
    if (!worker) return;
    const stage = this.#state.stages[number]!;
    const planned = this.#planned(stage);
    const path = this.#telling.path(stage.instance);
    this.#options.onAssign?.(number, path);
    if (stage.instance) this.#succession.opened(stage.instance);
    const results = late ? null : this.#recall.keyOf(stage);
    const waits: Promise<boolean>[] = [];
    const inputs = planned.inputs.map((_, place) => this.#feeding.feed(worker, stage, place, first, count, waits));
    const gang = workers.some((one) => one !== index) ? this.#places.meeting(workers, number, attempt) : undefined;
    // Its loss is on its way to the core.
    if (gang === null) waits.push(Promise.resolve(false));
    // A slot works off what it gets in the order in which the core gave it: nothing overtakes what waits.
    const key = `${index}.${slot}`;
    const before = this.#waiting.get(key);
    const send = () =>
      worker.link.send({
        type: "assign",
        run: this.#run,
        slot,
        stage: number,
        planned: stage.template.index,
        ...(stage.instance ? { instance: keyText(stage.instance.key) } : {}),
        first,
        count,
        attempt,
        inputs,
        ...(late ? { late } : {}),
        ...(rank === null ? {} : { rank }),
        ...(gang ? { gang } : {}),
        ...(again ? { again } : {}),
        ...(planned.effect || planned.actors ? { key: `${this.#uuid}/${planned.id}/${path}` } : {}),
        ...(results === null ? {} : { results: { key: results, tasks: stage.tasks } }),
      });
    if (waits.length === 0 && !before) {
      send();
      return;
    }
    // Objects come from other workers first. Where one is gone the batch goes back to the core.
    const sent = Promise.all([Promise.all(waits), before]).then(([arrived]) => {
      if (this.#waiting.get(key) === sent) this.#waiting.delete(key);
      const queue = this.#state.workers.get(index)?.slots[slot]?.queue ?? [];
      const wanted = queue.some((batch) => batch.stage === number && batch.attempt === attempt && batch.next === first);
      if (this.#over || !this.#pool.workers.has(index) || !wanted) return;
      if (arrived.every((one) => one)) send();
      else this.#step({ type: "unsent", worker: index, slot, stage: number, first, count, attempt });
    });
    this.#waiting.set(key, sent);
  }
  /** By worker and slot: the last batch that waits for objects, or for a batch that does. */
  readonly #waiting = new Map<string, Promise<void>>();

  // --- The end --------------------------------------------------------------------------------------------------------------------------

  async #collect(): Promise<void> {
    const outputs: Record<string, unknown> = {};
    try {
      for (const { name, from } of this.#plan.outputs) {
        if (from.kind === "param") outputs[name] = this.#options.params[from.name] ?? null;
        else if (from.kind === "const") outputs[name] = from.value;
        else {
          const { index } = lookUp(this.#state, null, from.stage);
          const found = from.take === "value" ? await this.#reading.value(index, 0) : await this.#reading.rows(index);
          // Lost meanwhile: the core makes it again, and will say `collect` once more.
          if (found === MISSING) return;
          outputs[name] = found;
        }
      }
    } catch (error) {
      this.#broken(error);
      return;
    }
    if (this.#state.status !== "collecting") return;
    this.#outputs = outputs;
    this.#step({ type: "collected" });
  }
  #outputs: { readonly [name: string]: unknown } = {};

  async #fetch(holder: number, stage: number, block: number): Promise<Uint8Array | null> {
    const bytes = (await this.#pool.workers.get(holder)?.fetch({ run: this.#run, stage, block, bytes: 0 })) ?? null;
    if (bytes === null) this.#step({ type: "objectMissing", stage, block, from: holder });
    return bytes;
  }

  /**
   * What a task that failed for good read, put away for `replay` where it can't be had again: some of it was made by what nobody keeps.
   */
  async #keepInputs(number: number, block: number): Promise<string | null> {
    const stage = this.#state.stages[number]!;
    const planned = this.#planned(stage);
    const unkept = planned.inputs.some(
      (input, place) =>
        "stage" in input && input.kind !== "after" && this.#recall.keyOf(this.#state.stages[stage.producers[place]!]!) === null,
    );
    if (!unkept || this.#recall.folder === null) return null;
    const inputs = await this.#reading.inputs(stage, block);
    return inputs === MISSING ? null : this.#recall.putInputs(inputs);
  }

  #keepValues(): void {
    if (!this.#recall.keeps) return;
    this.#plan.stages.forEach((stage, index) => {
      if (!isKept(stage)) return;
      const made = lookUp(this.#state, null, index);
      // Values that were freed meanwhile are still in hand.
      const here = made.output[0] === Live ? made.holder[0] === ENGINE : this.#feeding.valuesOf(made.index).has(0);
      if (here) this.#recall.keep(index, this.#feeding.valuesOf(made.index).column(0, 1));
    });
  }

  #end(outcome: Outcome): void {
    if (outcome.status === "ok") {
      this.#keepValues();
      this.#finish("ok", this.#outputs, null);
      return;
    }
    if (outcome.status === "cancelled") {
      this.#finish("cancelled", {}, CANCELLED);
      return;
    }
    const { why } = outcome;
    if (why.kind === "nondeterministic") {
      this.#finish("failed", {}, this.#located(nondeterministic(why), outcome));
      return;
    }
    const error =
      why.kind === "actorLost"
        ? this.#actorLost(why.cause as TaskError, outcome)
        : this.#located(finalError(why, why.cause as TaskError), outcome);
    void this.#keepInputs(outcome.stage, outcome.block).then(
      (inputs) => this.#finish("failed", {}, error, inputs),
      (failure: unknown) => this.#broken(failure),
    );
  }

  #actorLost(cause: TaskError, { stage, block }: { readonly stage: number; readonly block: number }): TaskError {
    const error = actorLost(this.#plan, this.#planned(this.#state.stages[stage]!), block, cause);
    return { ...error, stage: cause.stage ?? this.#telling.title(stage) };
  }

  #located(
    error: TaskError,
    { stage, block, attempt }: { readonly stage: number; readonly block: number; readonly attempt: number },
  ): TaskError {
    return { ...error, stage: this.#telling.title(stage), block, attempt };
  }

  #finish(status: RunStatus, outputs: { readonly [name: string]: unknown }, error: TaskError | null, inputs: string | null = null): void {
    if (this.#over) return;
    this.#leave();
    this.#resolve({ status, outputs, error, inputs });
  }

  #leave(): void {
    this.#over = true;
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    for (const timer of this.#timers) clearTimeout(timer);
    if (this.#looking) clearInterval(this.#looking);
    this.#pool.leave(this.#run);
  }
}

// A slot: a thread that runs user code, one task at a time, in the order in which its engine assigned them. It talks to the engine
// over a socket of its own, and to its host only about shared objects. Must not know which stages exist besides those it was
// handed, nor what anybody does with its results.
import { createHash } from "node:crypto";
import { writeSync } from "node:fs";
import type { Socket } from "node:net";
import { connect } from "node:net";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parentPort, workerData } from "node:worker_threads";
import type { Json, Plan, PlanActors, PlanStage } from "../../compiler/plan.ts";
import { membersOf } from "../../compiler/plan.ts";
import type { StageRunner, TaskContext, UserFunction } from "../data/stage.ts";
import { calledMethods, neededFunctions, prepareStage } from "../data/stage.ts";
import type { TaskError } from "../events/events.ts";
import { columnReader, columnValues, decode, partsBytes, writeParts } from "../objects/codec.ts";
import { CheckpointFile } from "../results/checkpoints.ts";
import type { SegmentWriter } from "../results/segments.ts";
import { appendTo, newSegment, StoreError } from "../results/store.ts";
import { GangAborted, SharedCollective } from "../training/collective.ts";
import { Place, publishPlace } from "../training/placed.ts";
import { Wire } from "../training/wire.ts";
import { SlotActors, sideBySide, Turns } from "./actors.ts";
import { CallPlaces } from "./calls.ts";
import { SLOT_FIELD } from "./entry.ts";
import { GoneError, inUserTerms, isTransient, thrownError, UnmetError } from "./errors.ts";
import { FrameReader, frame } from "./frames.ts";
import type { FromSlot, Hello, SharedValue, SlotAnswer, SlotSettings, StoredValue, SupervisorToSlot, ToSlot } from "./inside.ts";
import { Claims, isCacheable, Watch } from "./inside.ts";
import type { InputFeed, ProvidedValue } from "./link.ts";
import { Collector, ObjectTable, ObjectWriter, readShared, sharedParts, TensorMemory } from "./objects.ts";
import type { Answer } from "./outputs.ts";
import { blocksAnswer, Outputs } from "./outputs.ts";
import { capturePrinting, Reports } from "./reports.ts";
import { Resources } from "./resources.ts";

/** So long a slot works without sending what is finished and looking at its messages. */
const TURN_MS = 20;
/** Where a stage has a limit, its code may take this long to load, or as long as the limit if that is more. */
const LOAD_LIMIT_MS = 60_000;
/** Answers gather for so long at most while tasks run. */
const GATHER_MS = 1;

/** Becomes a slot of the host that started this thread. */
export function startSlot(): void {
  const settings = (workerData as { [SLOT_FIELD]: SlotSettings })[SLOT_FIELD];
  process.setSourceMapsEnabled(true);
  const socket = connect({ path: settings.socket, allowHalfOpen: true });
  const slot = new Slot(settings, socket);
  socket.on("connect", () => slot.begin());
  socket.on("end", () => void slot.leave());
  socket.on("close", () => process.exit(0));
  socket.on("error", () => process.exit(0));
}

type Assign = Extract<ToSlot, { type: "assign" }>;
type Joined = Extract<SupervisorToSlot, { type: "joined" }>;
type ReadInput = (block: number) => unknown;

/** Part of an assignment: blocks `next … end - 1` haven't begun. */
interface Work {
  readonly assign: Assign;
  /** It can't be taken back as a whole any more. */
  claimed: boolean;
  next: number;
  end: number;
}

interface PreparedStage {
  readonly stage: PlanStage;
  readonly runner: StageRunner;
}

interface PreparedPlan {
  readonly plan: Plan;
  /** By stage of the plan; apart, what stands in the place of bodies that took too long. */
  readonly stages: Map<number, PreparedStage>;
  readonly late: Map<number, PreparedStage>;
}

interface Run extends PreparedPlan {
  readonly check: boolean;
  /** Folder for results that outlive the run. */
  readonly results: string | null;
  readonly resources: Resources;
  readonly context: TaskContext;
  readonly params: { readonly [name: string]: Json };
  readonly provided: Map<string, { readonly value: ProvidedValue; read: { readonly value: unknown } | null }>;
}

class Slot {
  readonly #settings: SlotSettings;
  readonly #socket: Socket;
  readonly #port = parentPort!;
  readonly #watch: Watch;
  readonly #claims: Claims;
  readonly #collector = new Collector();
  readonly #tensors = new TensorMemory(this.#collector);
  readonly #writer = new ObjectWriter(this.#tensors);
  readonly #reports: Reports;
  readonly #actors = new SlotActors();
  readonly #callPlaces: CallPlaces;
  readonly #turns = new Turns();
  readonly #runs = new Map<number, Run>();
  /** Loaded slices by digest. */
  readonly #slices = new Map<string, Promise<{ readonly [name: string]: unknown }>>();
  /** Handles of shared objects that this thread has made or read. */
  readonly #objects = new ObjectTable();
  readonly #read = new WeakMap<SharedValue, { readonly value: unknown }>();
  readonly #requests = new Map<number, (values: readonly (SharedValue | null)[]) => void>();
  #lastRequest = 0;
  #queue: Work[] = [];
  #current: Work | null = null;
  #working = false;
  #turnMs = 0;
  #pending: Uint8Array[] = [];
  #flushedMs = 0;

  constructor(settings: SlotSettings, socket: Socket) {
    this.#settings = settings;
    this.#socket = socket;
    this.#watch = new Watch(settings.shared);
    this.#claims = new Claims(settings.shared);
    this.#callPlaces = new CallPlaces(settings, settings.tellsCalls ? (message) => this.#say(message) : null);
    this.#reports = new Reports((report) => {
      this.#send(report);
      this.#flush();
    });
  }

  begin(): void {
    const { token, slot, life, folder } = this.#settings;
    this.#socket.write(frame({ type: "hello", token, from: "slot", slot, life } satisfies Hello));
    const reader = new FrameReader((message) => this.#heard(message as ToSlot));
    this.#socket.on("data", (chunk: Uint8Array) => {
      reader.push(chunk);
      if (!this.#working) void this.#work();
    });
    this.#port.on("message", (message: SupervisorToSlot) => {
      if (message.type === "joined") {
        const key = `${message.run}:${message.stage}:${message.attempt}`;
        this.#joining.get(key)?.(message);
        this.#joining.delete(key);
        return;
      }
      this.#requests.get(message.request)?.(message.values);
      this.#requests.delete(message.request);
    });
    (globalThis as { [key: symbol]: unknown })[Symbol.for("headrace.allocate")] = this.#tensors.allocate;
    capturePrinting((stream, text) => this.#reports.text(stream, inUserTerms(text, folder)));
    process.on("exit", () => {
      this.#reports.flush();
      this.#flush();
    });
    this.#tell({ type: "begun" });
  }

  // --- Gangs -----------------------------------------------------------------------------------------------------------------

  readonly #joining = new Map<string, (joined: Joined) => void>();

  /** With the other members of its gang, once all are there. */
  async #join({ run, stage, attempt, rank = 0, gang: plan }: Assign, members: number): Promise<SharedCollective> {
    const { gang, refused } = await new Promise<Joined>((resolve) => {
      this.#joining.set(`${run}:${stage}:${attempt}`, resolve);
      this.#tell({ type: "join", run, stage, attempt, rank, members, plan: plan ?? null });
    });
    if (refused !== undefined) throw new UnmetError(refused);
    if (!gang) throw new GangAborted("another member of the gang is gone");
    const { control, ports, wire } = gang;
    return new SharedCollective(control, ports, rank, wire && new Wire(wire.port, wire.here, wire.places));
  }

  /** Of a fit: with whom it is trained, and where it goes on after a loss. */
  async #training(assign: Assign, stage: PlanStage, context: TaskContext): Promise<TaskContext> {
    if (stage.strategy.kind !== "fit") return context;
    const { strategy, options } = stage;
    const size = membersOf(strategy);
    const { results: folder } = this.#run(assign.run);
    const key = assign.results?.key;
    const members = size > 1 ? await this.#join(assign, size) : null;
    const inPlaces = strategy.architecture === "pipelined" || strategy.architecture === "tensor";
    const place = inPlaces || options.memoryBytes !== undefined ? new Place(members, strategy, options.memoryBytes ?? Infinity) : null;
    // What the fit begins with is made there already.
    publishPlace(place);
    return {
      ...context,
      training: {
        members,
        place,
        checkpoints: folder !== null && key !== undefined ? new CheckpointFile(folder, key) : null,
        checkpointSteps: stage.options.checkpointSteps,
      },
    };
  }

  // --- Messages ------------------------------------------------------------------------------------------------------------

  #heard(message: ToSlot): void {
    switch (message.type) {
      case "several":
        for (const one of message.messages) this.#heard(one);
        return;
      case "prepare":
        this.#runs.set(message.run, this.#begun(message));
        return;
      case "provide":
        this.#runs.get(message.run)?.provided.set(message.key, { value: message.value, read: null });
        return;
      case "forget":
        for (const key of message.keys) this.#runs.get(message.run)?.provided.delete(key);
        return;
      case "assign":
        this.#queue.push({ assign: message, claimed: false, next: message.first, end: message.first + message.count });
        return;
      case "recall":
        this.#recall(message);
        return;
      case "calls":
        this.#callPlaces.heard(message);
        return;
      case "free":
        for (const { stage, first, count } of message.objects) {
          this.#collector.released(this.#objects.free(message.run, stage, first, count));
          if (this.#actors.live(message.run, stage)) this.#left.push(() => this.#actors.free(message.run, stage, first, count));
        }
        if (!this.#working) void this.#dispose();
        return;
      case "finish":
        this.#finish(message.run);
        this.#collector.released(this.#objects.finish(message.run));
        this.#queue = this.#queue.filter(({ assign }) => assign.run !== message.run);
        if (this.#current?.assign.run === message.run) this.#current.end = this.#current.next;
        return;
    }
  }

  #begun({ plan, params, check, results }: Extract<ToSlot, { type: "prepare" }>): Run {
    const { metric, progress } = this.#reports;
    const resources = new Resources();
    const resource: TaskContext["resource"] = (name, args, make) => resources.get(name, args, (...given) => make(...given));
    const prepared = this.#planned(plan);
    // What is watched is compiled in another way.
    const apart = check ? { stages: new Map(), late: new Map() } : {};
    return { ...prepared, ...apart, params, check, results, resources, context: { metric, progress, resource }, provided: new Map() };
  }

  // --- Resources -----------------------------------------------------------------------------------------------------------

  /** Resources of runs that are over, and actors that nobody asks any more, to be disposed of between two tasks. */
  readonly #left: (() => Promise<void>)[] = [];
  #disposing: Promise<void> = Promise.resolve();

  #finish(run: number): void {
    const resources = this.#runs.get(run)?.resources;
    this.#runs.delete(run);
    if (!resources) return;
    this.#turns.finish(run);
    this.#left.push(() => this.#actors.finish(run));
    if (!resources.isEmpty)
      this.#left.push(async () => {
        for (const { name, error } of await resources.dispose()) unheard(`the resource \`${name}\` couldn't be disposed of`, error);
      });
    if (!this.#working) void this.#dispose();
  }

  #dispose(): Promise<void> {
    const left = this.#left.splice(0);
    if (left.length > 0)
      this.#disposing = this.#disposing.then(async () => {
        for (const leave of left) await leave().catch((error: unknown) => unheard("an actor couldn't be disposed of", error));
      });
    return this.#disposing;
  }

  /** Nothing more will come: the thread ends when what it holds is disposed of. */
  async leave(): Promise<void> {
    for (const run of [...this.#runs.keys()]) this.#finish(run);
    this.#queue = [];
    while (this.#working) await new Promise((resolve) => setTimeout(resolve, TURN_MS));
    await this.#dispose();
    this.#socket.end();
  }

  /** Plans that are run again and again are read and compiled once. */
  readonly #plans = new Map<string, PreparedPlan>();
  #planned(plan: Plan | string): PreparedPlan {
    if (typeof plan !== "string") {
      const prepared: PreparedPlan = { plan, stages: new Map(), late: new Map() };
      if (isCacheable(plan)) this.#plans.set(plan.hash, prepared);
      return prepared;
    }
    const known = this.#plans.get(plan);
    if (!known) throw new Error(`bug: this slot was never sent the plan ${plan}`);
    return known;
  }

  #recall({ run, slot, stage, first, count, attempt }: Extract<ToSlot, { type: "recall" }>): void {
    const recalled = (from: number, blocks: number) => {
      this.#send({ type: "recalled", run, slot, stage, first: from, count: blocks, attempt });
      this.#flush();
    };
    const holds = (work: Work) =>
      work.assign.run === run &&
      work.assign.stage === stage &&
      work.assign.attempt === attempt &&
      first < work.end &&
      work.next < first + count &&
      (work.claimed || !this.#claims.isTakenBack(work.assign.order));
    const work = this.#current && holds(this.#current) ? this.#current : this.#queue.find(holds);
    if (!work) {
      recalled(first + count, 0);
      return;
    }
    const from = Math.max(first, work.next);
    const end = Math.min(first + count, work.end);
    if (end < work.end)
      this.#queue.splice(this.#queue.indexOf(work) + 1, 0, { assign: work.assign, claimed: work.claimed, next: end, end: work.end });
    work.end = from;
    recalled(from, end - from);
  }

  /** Gathered; sent by `#flush`, at the latest when this slot has nothing more to do. */
  #send(message: SlotAnswer): void {
    this.#pending.push(frame(message));
  }

  #say(message: SlotAnswer): void {
    this.#send(message);
    // What waits for an answer mustn't wait here.
    if (message.type === "callsWanted") this.#flush();
  }

  #flush(): void {
    const frames = this.#pending;
    if (frames.length === 0) return;
    this.#pending = [];
    if (frames.length === 1) this.#socket.write(frames[0]!);
    else {
      this.#socket.cork();
      for (const one of frames) this.#socket.write(one);
      this.#socket.uncork();
    }
  }

  #tell(message: FromSlot): void {
    this.#port.postMessage(message);
  }

  // --- Work ----------------------------------------------------------------------------------------------------------------

  async #work(): Promise<void> {
    this.#working = true;
    this.#turnMs = this.#flushedMs = performance.now();
    for (let work = this.#queue.shift(); work; work = this.#queue.shift()) {
      if (!work.claimed && !this.#claims.begin(work.assign.order)) {
        this.#send({ type: "dropped", order: work.assign.order });
        continue;
      }
      this.#current = work;
      work.claimed = true;
      await this.#workOff(work);
      if (this.#left.length > 0) await this.#dispose();
    }
    this.#current = null;
    this.#working = false;
    this.#reports.flush();
    this.#flush();
    this.#tensors.settle();
  }

  /** Lets messages in, once they have waited for TURN_MS. */
  async #turn(): Promise<void> {
    this.#reports.flush();
    this.#flush();
    this.#tensors.settle();
    await new Promise((resolve) => setImmediate(resolve));
    this.#turnMs = this.#flushedMs = performance.now();
  }

  async #workOff(work: Work): Promise<void> {
    const { run, slot, stage, planned, attempt, late = false, key, results } = work.assign;
    const startMs = performance.now();
    const answer = (outputs: Answer | null) => {
      if (outputs === null || !this.#runs.has(run)) return;
      if (outputs.stored.length > 0) {
        const folder = this.#run(run).results;
        if (results && folder !== null && !this.#putAway(folder, results, outputs.stored, (error) => failed(outputs.first, false, error)))
          return;
        for (const { block, value } of outputs.stored) this.#objects.set(run, stage, block, value);
        this.#tell({ type: "stored", values: outputs.stored });
      }
      // What a task told comes before its end.
      this.#reports.flush();
      const { first, count } = outputs;
      const nowMs = performance.now();
      this.#send({ type: "finished", run, slot, stage, first, count, attempt, runMs: nowMs - startMs, outputs: outputs.outputs });
      if (nowMs - this.#flushedMs > GATHER_MS) {
        this.#flushedMs = nowMs;
        this.#flush();
      }
    };
    const failed = (block: number, transient: boolean, error: Omit<TaskError, "stage" | "block" | "attempt">) => {
      const id = this.#runs.get(run)?.plan.stages[planned]?.id;
      if (id === undefined) return;
      this.#reports.flush();
      this.#send({ type: "failed", run, slot, stage, block, attempt, transient, error: { ...error, stage: id, block, attempt } });
    };

    this.#reports.begin(run, stage);
    const limitMs = timeLimit(this.#runs.get(run)?.plan.stages[planned], late);
    let prepared: PreparedStage;
    let inputs: readonly ReadInput[];
    let context: TaskContext;
    try {
      const known = this.#runs.get(run)?.[late ? "late" : "stages"].get(planned);
      this.#watch.begin(run, planned, work.next, attempt, Math.max(limitMs, LOAD_LIMIT_MS));
      prepared = known ?? (await this.#prepare(run, planned, late));
      const reading = this.#inputs(work.assign, prepared.stage);
      inputs = reading instanceof Promise ? await reading : reading;
      context = await this.#training(work.assign, prepared.stage, this.#run(run).context);
    } catch (error) {
      // Nothing of this can run: not the code, or not its inputs.
      for (; work.next < work.end; work.next++) failed(work.next, isTransient(error), thrownError(error, this.#settings.folder));
      return;
    } finally {
      this.#watch.end();
    }

    const { runner } = prepared;
    const { members } = context.training ?? {};
    const { params } = this.#run(run);
    const isLeader = (work.assign.rank ?? 0) === 0;
    const { cut } = prepared.stage;
    const cutsIntoBlocks = prepared.stage.output === "blocks";
    const outputs = new Outputs(run, stage, this.#writer, work.next);
    const values: unknown[] = new Array(inputs.length);
    const { actors } = prepared.stage;
    const asks = prepared.stage.inputs.find((input) => input.kind === "actor");
    const inTurn = asks?.which === "one" && !asks.reads;
    const begun = asks?.overlaps
      ? sideBySide(work.next, work.end, (block) =>
          runner.run(
            block,
            inputs.map((read) => read(block)),
            params,
            context,
          ),
        )
      : null;
    while (work.next < work.end) {
      const block = work.next++;
      this.#watch.begin(run, planned, block, attempt, limitMs);
      if (key !== undefined) publishTask({ idempotencyKey: taskKey(key, block), attempt });
      if (asks) this.#actors.begin(stage, block);
      try {
        if (inTurn) this.#turns.take(run, stage, block);
        for (let i = 0; i < inputs.length && !begun; i++) values[i] = inputs[i]!(block);
        let value = begun ? begun.get(block)!() : runner.run(block, values, params, context);
        if (actors) value = this.#born(work.assign, actors, block, value);
        if (value instanceof Promise) {
          this.#flush();
          value = await value;
          this.#turnMs = performance.now();
        }
        if (cutsIntoBlocks) {
          const whole = blocksAnswer({ run, stage, task: block, items: cut === "rows" }, value as readonly unknown[], this.#writer);
          answer(outputs.skip());
          answer(whole);
        } else answer(outputs.add(isLeader ? value : null));
        if (outputs.full) answer(outputs.take());
      } catch (error) {
        answer(outputs.skip());
        if (inTurn) this.#turns.broken(run, stage, block);
        const asked = asks && begun === null ? this.#asked(run, planned, asks.stage) : {};
        failed(block, isTransient(error), { ...thrownError(error, this.#settings.folder), ...asked });
      }
      this.#watch.end();
      if (key !== undefined) publishTask(undefined);
      if (performance.now() - this.#turnMs > TURN_MS) {
        answer(outputs.take());
        await this.#turn();
      }
    }
    answer(outputs.take());
    if (this.#actors.areBehind) await this.#checkpoint();
    publishPlace(null);
    if (members instanceof SharedCollective) members.close();
  }

  // --- Actors ----------------------------------------------------------------------------------------------------------------

  async #born({ run, stage, key = "", again }: Assign, actors: PlanActors, block: number, made: unknown): Promise<null> {
    const instance = (await made) as object;
    const { results } = this.#run(run);
    const { replayed, reads, named } = actors;
    const calls = replayed ? { place: this.#callPlaces.calls(taskKey(key, block), results), reads } : null;
    const keep = named === undefined ? null : this.#callPlaces.kept(`${named}.${block}`, results);
    await this.#actors.born(instance, { run, stage, block, calls, keep, again: again === true });
    return null;
  }

  /** What an error says of the actor whose call threw it. */
  #asked(run: number, planned: number, made: number): Pick<TaskError, "actor"> {
    const plan = this.#runs.get(run)?.plan;
    if (!plan) return {};
    const { number, call } = this.#actors.last;
    const { name, output } = plan.stages[made]!;
    return { actor: { name, number: output === "row" ? number : null, methods: calledMethods(plan, planned), call } };
  }

  /** Only calls whose answers have gone out needn't be told apart from new ones. */
  async #checkpoint(): Promise<void> {
    this.#reports.flush();
    this.#flush();
    if (this.#socket.writableLength === 0) await this.#actors.checkpoint();
  }

  /** In a segment of this thread's own. False where there was no room, which ends the run. */
  #putAway(
    folder: string,
    { key, tasks }: NonNullable<Assign["results"]>,
    stored: readonly StoredValue[],
    failed: (error: Omit<TaskError, "stage" | "block" | "attempt">) => void,
  ): boolean {
    let segment = this.#segments.get(folder);
    if (!segment) this.#segments.set(folder, (segment = newSegment(folder)));
    try {
      for (const { block, value } of stored) {
        const parts = sharedParts(value);
        const body = new Uint8Array(partsBytes(parts));
        writeParts(parts, body);
        appendTo(segment, { kind: "object", key, first: block, count: 1, tasks }, body);
      }
      return true;
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      failed({ kind: "infrastructure", name: error.name, message: error.message, stack: [] });
      return false;
    }
  }
  readonly #segments = new Map<string, SegmentWriter>();

  // --- Code ----------------------------------------------------------------------------------------------------------------

  async #prepare(runNumber: number, index: number, late: boolean): Promise<PreparedStage> {
    const run = this.#run(runNumber);
    const { plan } = run;
    const functions = new Map<string, UserFunction>();
    for (const id of neededFunctions(plan, index)) {
      const { digest, export: name } = plan.functions[id]!;
      const found = (await this.#slice(digest))[name];
      if (typeof found !== "function") throw new Error(`bug: the slice of \`${id}\` exports no function \`${name}\``);
      functions.set(id, found as UserFunction);
    }
    const stage = plan.stages[index]!;
    const prepared = { stage, runner: prepareStage(plan, index, functions, { late, check: run.check }) };
    run[late ? "late" : "stages"].set(index, prepared);
    return prepared;
  }

  #slice(digest: string): Promise<{ readonly [name: string]: unknown }> {
    let slice = this.#slices.get(digest);
    if (!slice) {
      slice = import(pathToFileURL(join(this.#settings.folder, `${digest}.mjs`)).href) as Promise<{ readonly [name: string]: unknown }>;
      this.#slices.set(digest, slice);
    }
    return slice;
  }

  #run(run: number): Run {
    const found = this.#runs.get(run);
    if (!found) throw new GoneError(`run ${run} is over`);
    return found;
  }

  // --- Inputs --------------------------------------------------------------------------------------------------------------

  #inputs(assign: Assign, stage: PlanStage): readonly ReadInput[] | Promise<readonly ReadInput[]> {
    if (assign.inputs.length !== stage.inputs.length)
      throw new Error(`bug: \`${stage.id}\` reads ${stage.inputs.length} inputs and was fed ${assign.inputs.length}`);
    const readers = assign.inputs.map((feed) => this.#input(assign, feed));
    return readers.some((reader) => reader instanceof Promise) ? Promise.all(readers) : (readers as ReadInput[]);
  }

  #input(assign: Assign, feed: InputFeed): ReadInput | Promise<ReadInput> {
    switch (feed.kind) {
      case "provided": {
        const provided = this.#run(assign.run).provided.get(feed.key);
        if (!provided) throw new Error(`bug: \`${feed.key}\` was never provided`);
        if (provided.read) return always(provided.read.value);
        return this.#provided(assign.run, provided.value).then((value) => {
          provided.read = { value };
          return always(value);
        });
      }
      case "column": {
        const read = columnReader(feed.column, { share: true });
        return (block) => read(block - assign.first);
      }
      case "object": {
        const { run, stage, block } = feed.ref;
        const known = this.#objects.get(run, stage, block);
        if (known) return always(this.#readOnce(known));
        return this.#shared(run, stage, [block]).then(([value]) => always(this.#readOnce(value!)));
      }
      case "objects": {
        const { run, stage } = feed;
        const { first, count } = assign;
        const missing: number[] = [];
        for (let block = first; block < first + count; block++) if (!this.#objects.get(run, stage, block)) missing.push(block);
        const read: ReadInput = (block) => {
          const value = this.#objects.get(run, stage, block);
          if (!value) throw new GoneError(`block ${block} of stage ${stage} of run ${run} is gone`);
          return readShared(value);
        };
        return missing.length === 0 ? read : this.#shared(run, stage, missing).then(() => read);
      }
      case "param":
        return always(null);
      case "range":
        return always({ rows: feed.rows, blocks: feed.blocks });
      case "constant":
        return always(feed.value);
      case "actors":
        return (block) => this.#actors.ask(feed.run, feed.stage, feed.which, block);
      case "sent":
        if (feed.value.kind === "inline") return always(decode(feed.value.bytes, { share: true }));
        return this.#provided(assign.run, feed.value).then(always);
    }
  }

  async #provided(run: number, value: ProvidedValue): Promise<unknown> {
    if (value.kind === "inline") return decode(value.bytes, { share: true });
    const blocks: unknown[] = [];
    for (const part of value.runs) {
      if ("column" in part) blocks.push(...columnValues(part.column, { share: true }));
      else {
        const numbers = Array.from({ length: part.count }, (_, index) => part.first + index);
        for (const shared of await this.#shared(run, part.stage, numbers)) blocks.push(readShared(shared));
      }
    }
    return blocks;
  }

  /** Handles of objects, asked of the host where this thread hasn't got them. */
  async #shared(run: number, stage: number, blocks: readonly number[]): Promise<SharedValue[]> {
    const missing = blocks.filter((block) => !this.#objects.get(run, stage, block));
    if (missing.length > 0) {
      const request = ++this.#lastRequest;
      const values = await new Promise<readonly (SharedValue | null)[]>((resolve) => {
        this.#requests.set(request, resolve);
        this.#tell({ type: "wanted", request, run, stage, blocks: missing });
      });
      values.forEach((value, index) => {
        if (value) this.#objects.set(run, stage, missing[index]!, value);
      });
    }
    return blocks.map((block) => {
      const value = this.#objects.get(run, stage, block);
      if (!value) throw new GoneError(`block ${block} of stage ${stage} of run ${run} is gone`);
      return value;
    });
  }

  /** For a value that all tasks of a batch read. */
  #readOnce(shared: SharedValue): unknown {
    let read = this.#read.get(shared);
    if (!read) this.#read.set(shared, (read = { value: readShared(shared) }));
    return read.value;
  }
}

/** Nobody is there any more to report to. */
function unheard(what: string, error: unknown): void {
  writeSync(2, `${what}: ${error instanceof Error ? error.message : String(error)}\n`);
}

function timeLimit(stage: PlanStage | undefined, late: boolean): number {
  const limitMs = stage?.options.timeoutMs ?? Infinity;
  return stage?.within && !late ? Math.min(limitMs, stage.within.limitMs) : limitMs;
}

/** What an effect can know of the task that it runs in: by the key, whatever it calls can tell a repetition from another task. */
interface TaskFacts {
  readonly idempotencyKey: string;
  readonly attempt: number;
}
function publishTask(task: TaskFacts | undefined): void {
  (globalThis as { [key: symbol]: unknown })[Symbol.for("headrace.task")] = task;
}

function taskKey(key: string, block: number): string {
  return createHash("sha256").update(`${key}/${block}`).digest("hex").slice(0, 32);
}

function always(value: unknown): ReadInput {
  return () => value;
}

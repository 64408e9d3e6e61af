// A worker inside this very process, with one slot and no threads: for one task again, under a debugger, where a host would be in the way.
// Speaks what all workers speak. Must not know why it is asked.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Json, Plan } from "../../compiler/plan.ts";
import type { StageRunner, TaskContext, UserFunction } from "../data/stage.ts";
import { neededFunctions, prepareStage } from "../data/stage.ts";
import { columnReader, columnValues, decode, encode, writeColumn } from "../objects/codec.ts";
import { SlotActors } from "./actors.ts";
import { GoneError, isTransient, thrownError } from "./errors.ts";
import type { FromHost, InputFeed, OutputFeed, ProvidedValue, ToHost, WorkerLink } from "./link.ts";
import { INLINE_LIMIT_BYTES } from "./link.ts";
import { Resources } from "./resources.ts";

type Assign = Extract<ToHost, { type: "assign" }>;

export interface InlineOptions {
  /** Before a task runs: `skip` says that it gave null; `stop` halts a debugger where it calls the user's functions. */
  readonly before: (assign: Assign, block: number) => "run" | "skip" | "stop";
  /** After a task that was stopped at. `inputs` are its own, by the stage's inputs. */
  readonly after: (inputs: readonly unknown[], ended: { readonly value: unknown } | { readonly error: unknown }) => void;
  readonly print: (text: string) => void;
}

interface Run {
  readonly plan: Plan;
  readonly params: { readonly [name: string]: Json };
  readonly provided: Map<string, ProvidedValue>;
  readonly resources: Resources;
  readonly context: TaskContext;
}

export class InlineWorker implements WorkerLink {
  readonly id = "here";
  readonly slots = 1;
  readonly meets = null;
  onMessage: (message: FromHost) => void = () => {};
  onLost: (reason: string) => void = () => {};
  readonly #options: InlineOptions;
  readonly #folder = mkdtempSync(join(tmpdir(), "headrace-replay-"));
  readonly #runs = new Map<number, Run>();
  readonly #objects = new Map<string, Uint8Array>();
  readonly #actors = new SlotActors();
  readonly #functions = new Map<string, Promise<{ readonly [name: string]: unknown }>>();
  #working: Promise<void> = Promise.resolve();

  constructor(options: InlineOptions) {
    this.#options = options;
    process.setSourceMapsEnabled(true);
  }

  send(message: ToHost): void {
    switch (message.type) {
      case "prepare": {
        const { run, plan, params, code } = message;
        for (const { digest, module, map } of code) {
          const mapped = map === null ? "" : `\n//# sourceMappingURL=data:application/json;base64,${Buffer.from(map).toString("base64")}\n`;
          writeFileSync(join(this.#folder, `${digest}.mjs`), module + mapped);
        }
        const resources = new Resources();
        const context: TaskContext = {
          metric: () => {},
          progress: () => {},
          resource: (name, args, make) => resources.get(name, args, (...given) => make(...given)),
        };
        this.#runs.set(run, { plan, params, provided: new Map(), resources, context });
        return;
      }
      case "provide":
        this.#runs.get(message.run)?.provided.set(message.key, message.value);
        return;
      case "place":
        this.#objects.set(nameOf(message.ref), message.bytes);
        return;
      case "fetch":
        this.onMessage({ type: "object", request: message.request, bytes: this.#objects.get(nameOf(message.ref)) ?? null });
        return;
      case "assign":
        this.#working = this.#working.then(() => this.#work(message));
        return;
      // Nothing is given back, and what is freed goes with the process.
      case "recall":
        this.onMessage({ ...message, type: "recalled", first: message.first + message.count, count: 0 });
        return;
      default:
        return;
    }
  }

  /** One task of a prepared run, with the inputs that it had. */
  async again(number: number, planned: number, block: number, inputs: readonly unknown[]): Promise<void> {
    const run = this.#runs.get(number)!;
    try {
      const runner = await this.#runner(run, planned, false, true);
      this.#options.after(inputs, { value: await runner.run(block, inputs, run.params, run.context) });
    } catch (error) {
      this.#options.after(inputs, { error });
    }
  }

  async #work(assign: Assign): Promise<void> {
    const { run: number, slot, stage, planned, first, count, attempt, late = false } = assign;
    const run = this.#runs.get(number)!;
    const startMs = performance.now();
    for (let block = first; block < first + count; block++) {
      const wanted = this.#options.before(assign, block);
      if (wanted === "skip") {
        const outputs: OutputFeed = { kind: "column", column: writeColumn([null]) };
        this.onMessage({ type: "finished", run: number, slot, stage, first: block, count: 1, attempt, runMs: 0, outputs });
        continue;
      }
      let values: unknown[] = [];
      try {
        values = assign.inputs.map((feed, place) => this.#input(run, assign, feed, place, block));
        const runner = await this.#runner(run, planned, late, wanted === "stop");
        let value = await runner.run(block, values, run.params, run.context);
        const { actors } = run.plan.stages[planned]!;
        if (actors) {
          // Nothing here is lost, or kept.
          await this.#actors.born(value as object, { run: number, stage, block, calls: null, keep: null, again: false });
          value = null;
        }
        if (wanted === "stop") this.#options.after(values, { value });
        const outputs = this.#outputs(run, assign, block, value);
        this.onMessage({
          type: "finished",
          run: number,
          slot,
          stage,
          first: block,
          count: 1,
          attempt,
          runMs: performance.now() - startMs,
          outputs,
        });
      } catch (error) {
        if (wanted === "stop") this.#options.after(values, { error });
        const told = thrownError(error, this.#folder);
        const where = { stage: run.plan.stages[planned]!.id, block, attempt };
        this.onMessage({
          type: "failed",
          run: number,
          slot,
          stage,
          block,
          attempt,
          transient: isTransient(error),
          error: { ...told, ...where },
        });
      }
    }
  }

  async #runner({ plan }: Run, stage: number, late: boolean, stop: boolean): Promise<StageRunner> {
    const functions = new Map<string, UserFunction>();
    for (const id of neededFunctions(plan, stage)) {
      const { digest, export: name } = plan.functions[id]!;
      let slice = this.#functions.get(digest);
      if (!slice) this.#functions.set(digest, (slice = import(pathToFileURL(join(this.#folder, `${digest}.mjs`)).href)));
      const found = (await slice)[name] as UserFunction;
      functions.set(id, stop ? stopping(found) : found);
    }
    return prepareStage(plan, stage, functions, { late });
  }

  #input(run: Run, assign: Assign, feed: InputFeed, place: number, block: number): unknown {
    switch (feed.kind) {
      case "provided": {
        const provided = run.provided.get(feed.key);
        if (!provided) throw new Error(`bug: input ${place} was never provided`);
        return this.#provided(assign.run, provided);
      }
      case "sent":
        return this.#provided(assign.run, feed.value);
      case "column":
        return columnReader(feed.column, { share: false })(block - assign.first);
      case "object":
        return this.#object(feed.ref);
      case "objects":
        return this.#object({ run: feed.run, stage: feed.stage, block });
      case "range":
        return { rows: feed.rows, blocks: feed.blocks };
      case "constant":
        return feed.value;
      case "actors":
        return this.#actors.ask(feed.run, feed.stage, feed.which, block);
      case "param":
        return null;
    }
  }

  #provided(run: number, value: ProvidedValue): unknown {
    if (value.kind === "inline") return decode(value.bytes, { share: false });
    return value.runs.flatMap((part) =>
      "column" in part
        ? columnValues(part.column, { share: false })
        : Array.from({ length: part.count }, (_, i) => this.#object({ run, stage: part.stage, block: part.first + i })),
    );
  }

  #object(ref: { readonly run: number; readonly stage: number; readonly block: number }): unknown {
    const bytes = this.#objects.get(nameOf(ref));
    if (!bytes) throw new GoneError(`block ${ref.block} of stage ${ref.stage} isn't here`);
    return decode(bytes, { share: false });
  }

  #outputs({ plan }: Run, { run, stage, planned }: Assign, block: number, value: unknown): OutputFeed {
    if (plan.stages[planned]!.output === "blocks") {
      const blocks = value as unknown[];
      return { kind: "blocks", count: blocks.length, bytes: Float64Array.from(blocks, () => 0), inline: writeColumn(blocks) };
    }
    const bytes = encode(value);
    if (bytes.length <= INLINE_LIMIT_BYTES) return { kind: "column", column: writeColumn([value]) };
    this.#objects.set(nameOf({ run, stage, block }), bytes);
    return { kind: "objects", bytes: Float64Array.of(bytes.length) };
  }

  async close(): Promise<void> {
    for (const { resources } of this.#runs.values())
      for (const { name, error } of await resources.dispose()) this.#options.print(`${name}: ${error}\n`);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** The user's stack of what a task threw, in the user's own lines. */
  stackOf(error: unknown): ReturnType<typeof thrownError> {
    return thrownError(error, this.#folder);
  }
}

const nameOf = ({ run, stage, block }: { readonly run: number; readonly stage: number; readonly block: number }) =>
  `${run}:${stage}:${block}`;

/** A debugger that is attached halts here: one step into the call, and it is in the user's own lines. */
function stopping(called: UserFunction): UserFunction {
  const stopped = ((...args: never[]) => {
    // biome-ignore lint/suspicious/noDebugger: this is what it is for
    debugger;
    return (called as (...args: never[]) => unknown)(...args);
  }) as unknown as UserFunction;
  return stopped;
}

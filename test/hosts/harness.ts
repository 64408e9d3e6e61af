// A host under test with hand-written plans: what it said is kept, and tests wait for what they expect to hear.
import { createHash } from "node:crypto";
import type { Expr, Plan, PlanInput, PlanStage } from "../../compiler/plan.ts";
import { startHost } from "../../runtime/hosts/host.ts";
import type { FromHost, InputFeed, ToHost, WorkerLink } from "../../runtime/hosts/link.ts";
import { columnValues, decode, encode } from "../../runtime/objects/codec.ts";

export type Heard<T extends FromHost["type"]> = Extract<FromHost, { type: T }>;

export interface TestStage {
  readonly id: string;
  readonly body: Expr;
  readonly inputs?: readonly PlanInput[];
  readonly output?: PlanStage["output"];
  readonly timeoutMs?: number;
}

export const input = (index: number): Expr => ({ op: "input", index });
export const call = (name: string, ...args: Expr[]): Expr => ({ op: "call", function: name, args, passing: args.map(() => "share") });

export const digestOf = (module: string): string => createHash("sha256").update(module).digest("hex");

/** A plan over one module of functions; stage tasks are whatever the test assigns. */
export function plan(functions: Record<string, { readonly async?: boolean }>, stages: readonly TestStage[], module: string): Plan {
  const digest = digestOf(module);
  return {
    format: "headrace-plan/1",
    hash: "",
    name: "test",
    params: [],
    functions: Object.fromEntries(
      Object.entries(functions).map(([name, { async = false }]) => [name, { digest, export: name, async, iterates: "no", native: [] }]),
    ),
    stages: stages.map(({ id, body, inputs = [], output = "value", timeoutMs }) => ({
      id,
      name: id,
      tasks: { kind: "one" },
      inputs,
      body,
      output,
      strategy: { kind: "task" },
      options: timeoutMs === undefined ? {} : { timeoutMs },
    })),
    regions: [],
    outputs: [],
    about: { file: "", entry: "", schedule: null, doc: null, stages: {}, functions: {}, params: {}, outputs: {}, onTheWay: [] },
  };
}

export class TestHost {
  readonly link: WorkerLink;
  readonly heard: FromHost[] = [];
  lost: string | null = null;
  #changed: (() => void)[] = [];

  constructor(link: WorkerLink) {
    this.link = link;
    link.onMessage = (message) => {
      this.heard.push(message);
      this.#wake();
    };
    link.onLost = (reason) => {
      this.lost = reason;
      this.#wake();
    };
  }

  static async start(slots: number): Promise<TestHost> {
    return new TestHost(await startHost({ slots }));
  }

  #wake(): void {
    for (const one of this.#changed.splice(0)) one();
  }

  /** Waits until `found` gives something. */
  async until<T>(what: string, found: () => T | null | undefined | false): Promise<T> {
    const endMs = Date.now() + 10_000;
    for (;;) {
      const value = found();
      if (value !== null && value !== undefined && value !== false) return value;
      if (Date.now() > endMs) throw new Error(`waited for ${what}; heard ${JSON.stringify(this.heard)}, lost: ${this.lost}`);
      await new Promise<void>((resolve) => {
        const late = setTimeout(resolve, 500);
        this.#changed.push(() => {
          clearTimeout(late);
          resolve();
        });
      });
    }
  }

  all<T extends FromHost["type"]>(type: T): Heard<T>[] {
    return this.heard.filter((message): message is Heard<T> => message.type === type);
  }

  async one<T extends FromHost["type"]>(type: T, fits: (message: Heard<T>) => boolean = () => true): Promise<Heard<T>> {
    return this.until(type, () => this.all(type).find(fits));
  }

  async pid(): Promise<number> {
    return (await this.one("ready")).pid;
  }

  prepare(run: number, plan: Plan, module: string, map: string | null = null): void {
    const digest = digestOf(module);
    this.link.send({ type: "prepare", run, plan, params: {}, check: false, results: null, code: [{ digest, module, map }] });
  }

  assign(run: number, stage: number, blocks: { first?: number; count?: number; slot?: number; inputs?: readonly InputFeed[] } = {}): void {
    const { first = 0, count = 1, slot = 0, inputs = [] } = blocks;
    this.link.send({ type: "assign", run, slot, stage, planned: stage, first, count, attempt: 0, inputs } satisfies ToHost);
  }

  /** Values by block of what was finished of a stage, in columns. */
  values(run: number, stage: number): Map<number, unknown> {
    const values = new Map<number, unknown>();
    for (const { run: ofRun, stage: ofStage, first, outputs } of this.all("finished")) {
      if (ofRun !== run || ofStage !== stage || outputs.kind !== "column") continue;
      columnValues(outputs.column, { share: true }).forEach((value, index) => {
        values.set(first + index, value);
      });
    }
    return values;
  }

  async finished(run: number, stage: number, tasks = 1): Promise<Heard<"finished">[]> {
    const fits = () => this.all("finished").filter((message) => message.run === run && message.stage === stage);
    return this.until(`${tasks} tasks of stage ${stage}`, () => {
      const found = fits();
      return found.reduce((sum, { count }) => sum + count, 0) >= tasks && found;
    });
  }

  provide(run: number, key: string, value: unknown): void {
    this.link.send({ type: "provide", run, key, value: { kind: "inline", bytes: encode(value) } });
  }

  async fetch(run: number, stage: number, block: number, request = 1): Promise<unknown> {
    this.link.send({ type: "fetch", request, ref: { run, stage, block, bytes: 0 } });
    const { bytes } = await this.one("object", (message) => message.request === request);
    return bytes && decode(bytes, { share: false });
  }
}

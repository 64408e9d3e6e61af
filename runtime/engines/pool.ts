// The workers of an engine, shared by its runs: who is there, what each has been given already, and whose answer a message is. The
// local engine has one worker, its host; over NATS there are many. Decides nothing.
import type { CodeStore, Plan } from "../../compiler/plan.ts";
import type { FromHost, ObjectRef, ToHost, WorkerLink } from "../hosts/link.ts";

type Prepare = Extract<ToHost, { type: "prepare" }>;

/** A run, as its workers' messages reach it. */
export interface RunListener {
  joined(worker: PoolWorker): void;
  lost(worker: PoolWorker, reason: string): void;
  /** It is to get nothing new. */
  leaving(worker: PoolWorker): void;
  message(worker: PoolWorker, message: FromHost): void;
  /** No worker is left, and none will come. */
  stranded(reason: string): void;
}

export class PoolWorker {
  readonly index: number;
  readonly link: WorkerLink;
  /** Slices it holds. */
  readonly #digests = new Set<string>();
  readonly #requests = new Map<number, (bytes: Uint8Array | null) => void>();
  #nextRequest = 0;
  /** What waits for objects that it may give. */
  readonly #whenGone = new Set<() => void>();

  constructor(index: number, link: WorkerLink) {
    this.index = index;
    this.link = link;
  }

  prepare(run: number, plan: Plan, code: CodeStore, options: Pick<Prepare, "params" | "check" | "results">): void {
    const digests = [...new Set(Object.values(plan.functions).map(({ digest }) => digest))].filter((digest) => !this.#digests.has(digest));
    const slices = digests.map((digest) => {
      const slice = code[digest];
      if (!slice) throw new Error(`the code of the plan lacks the slice ${digest}`);
      return { digest, ...slice };
    });
    for (const digest of digests) this.#digests.add(digest);
    // Of what is for people, a worker needs what a breach of `run --check` is told by.
    const about = { ...plan.about, stages: {}, params: {} };
    this.link.send({ type: "prepare", run, plan: { ...plan, about }, ...options, code: slices });
  }

  /** Bytes of an object that this worker holds; null where it doesn't. */
  fetch(ref: ObjectRef): Promise<Uint8Array | null> {
    const request = this.#nextRequest++;
    return new Promise((resolve) => {
      this.#requests.set(request, resolve);
      this.link.send({ type: "fetch", request, ref });
    });
  }
  answer(request: number, bytes: Uint8Array | null): void {
    this.#requests.get(request)?.(bytes);
    this.#requests.delete(request);
  }
  /** Has it fetch an object from others; null where they can't be reached by each other. Once all of those are gone there is nothing to wait for. */
  async pull(ref: ObjectRef, holders: readonly PoolWorker[]): Promise<"placed" | "missing" | "failed" | null> {
    const pulled =
      this.link.pull?.(
        ref,
        holders.map(({ link }) => link),
      ) ?? null;
    if (pulled === null) return null;
    let left = holders.length;
    let oneGone = () => {};
    const allGone = new Promise<"failed">((resolve) => {
      oneGone = () => {
        if (--left === 0) resolve("failed");
      };
    });
    for (const holder of holders) holder.#whenGone.add(oneGone);
    try {
      return await Promise.race([pulled, allGone]);
    } finally {
      for (const holder of holders) holder.#whenGone.delete(oneGone);
    }
  }
  /** Nothing will be answered any more. */
  gone(): void {
    for (const tell of [...this.#whenGone]) tell();
    for (const resolve of this.#requests.values()) resolve(null);
    this.#requests.clear();
  }
}

export class WorkerPool {
  readonly workers = new Map<number, PoolWorker>();
  readonly #runs = new Map<number, RunListener>();
  #nextWorker = 0;
  #nextRun = 0;

  add(link: WorkerLink, onLost: (reason: string) => void = () => {}): PoolWorker {
    const worker = new PoolWorker(this.#nextWorker++, link);
    this.workers.set(worker.index, worker);
    link.onMessage = (message) => this.#route(worker, message);
    link.onLost = (reason) => {
      if (!this.workers.delete(worker.index)) return;
      worker.gone();
      for (const run of [...this.#runs.values()]) run.lost(worker, reason);
      onLost(reason);
    };
    link.onLeaving = () => {
      for (const run of [...this.#runs.values()]) run.leaving(worker);
    };
    for (const run of [...this.#runs.values()]) run.joined(worker);
    return worker;
  }

  /** No worker will come any more. */
  strand(reason: string): void {
    for (const run of [...this.#runs.values()]) run.stranded(reason);
  }

  enter(listener: RunListener): number {
    const run = this.#nextRun++;
    this.#runs.set(run, listener);
    return run;
  }
  leave(run: number): void {
    this.#runs.delete(run);
    for (const { link } of this.workers.values()) link.send({ type: "finish", run });
  }

  #route(worker: PoolWorker, message: FromHost): void {
    switch (message.type) {
      case "ready":
      case "beat":
      // Hosts that tell them belong to workers, who keep what was called before anybody hears of it.
      case "called":
      case "callsWanted":
        return;
      case "object":
        worker.answer(message.request, message.bytes);
        return;
      case "slotLost":
        // Which run it worked for isn't always known; those with nothing there aren't moved by it.
        for (const [run, listener] of [...this.#runs]) if (message.run === null || message.run === run) listener.message(worker, message);
        return;
      default:
        // Messages of a run that has ended may still be on their way.
        this.#runs.get(message.run)?.message(worker, message);
    }
  }
}

// The local engine: one supervised host on this machine, kept warm between runs and replaced when it dies. Nothing to install.
import { availableParallelism } from "node:os";
import type { CodeStore, Plan } from "../../../compiler/plan.ts";
import { startHost } from "../../hosts/host.ts";
import type { WorkerLink } from "../../hosts/link.ts";
import type { Engine, RunOptions, RunResult } from "../../index.ts";
import { ResultStore } from "../../results/store.ts";
import { drive } from "../driver.ts";
import { runOptions } from "../options.ts";
import { WorkerPool } from "../pool.ts";
import { Recall } from "../recall.ts";

/** A host that dies this often in a row without finishing a task is not started again. */
const MAX_DEATHS_IN_A_ROW = 12;

export interface LocalEngineOptions {
  /** Threads; as many as there are processors unless told. */
  readonly slots?: number | undefined;
}

/** Starts a host and gives an engine for any number of runs, one after another or at once. Rejects where no host can be started. */
export async function localEngine({ slots = availableParallelism() }: LocalEngineOptions = {}): Promise<Engine> {
  const engine = new LocalEngine(slots);
  await engine.replaceHost();
  return engine;
}

/** The same, whose host is started for the first run that has anything to do. */
export function lazyEngine({ slots = availableParallelism() }: LocalEngineOptions = {}): Engine {
  return new LocalEngine(slots);
}

/** No host could be started, so nothing ran. */
export class NotStarted extends Error {
  override readonly name = "NotStarted";
}

class LocalEngine implements Engine {
  readonly kind = "local";
  readonly #slots: number;
  readonly #pool = new WorkerPool();
  #host: WorkerLink | null = null;
  #closed = false;
  #deaths = 0;
  #nextRun = 1;

  constructor(slots: number) {
    this.#slots = slots;
  }

  async replaceHost(): Promise<void> {
    const host = await startHost({ slots: this.#slots });
    if (this.#closed) {
      await host.close();
      return;
    }
    this.#host = host;
    this.#pool.add(host, () => this.#hostLost());
  }

  #hostLost(): void {
    this.#host = null;
    if (this.#closed) return;
    this.#deaths++;
    if (this.#deaths > MAX_DEATHS_IN_A_ROW) {
      this.#pool.strand(`the host on this machine died ${this.#deaths} times`);
      return;
    }
    this.replaceHost().catch((error: unknown) =>
      this.#pool.strand(`no host could be started on this machine: ${error instanceof Error ? error.message : String(error)}`),
    );
  }

  async run(plan: Plan, code: CodeStore, options: Omit<RunOptions, "engine">): Promise<RunResult> {
    if (this.#closed) throw new Error("the engine is closed");
    const { keep = null, cache, ...known } = await runOptions(plan, options);
    const store = cache ? new ResultStore(cache.folder) : null;
    try {
      const recall = new Recall(plan, known.params, { keep, store, fresh: cache?.fresh ?? false });
      if (!this.#host && this.#pool.workers.size === 0 && !recall.isComplete) await this.#start();
      const run = `r${this.#nextRun++}`;
      const result = await drive(this.#pool, plan, code, { engine: "local", run, ...known, recall });
      if (result.status === "ok") this.#deaths = 0;
      return { run, ...result };
    } finally {
      store?.close();
    }
  }

  /** Where none was started yet, or the last one died too often. */
  #start(): Promise<void> {
    if (this.#deaths > MAX_DEATHS_IN_A_ROW) this.#deaths = 0;
    this.#starting ??= this.replaceHost()
      .catch((error: unknown) => {
        throw new NotStarted(error instanceof Error ? error.message : String(error));
      })
      .finally(() => {
        this.#starting = null;
      });
    return this.#starting;
  }
  #starting: Promise<void> | null = null;

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#host?.close();
  }
}

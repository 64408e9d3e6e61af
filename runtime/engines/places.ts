// Whether there are workers for all stages, and what is said where there aren't; and where the members of a gang that is on several workers find
// each other. Must not know what members do together, nor who places them.
import { createHmac, randomBytes } from "node:crypto";
import type { Plan, PlanStage } from "../../compiler/plan.ts";
import { meetsInMemory, membersOf } from "../../compiler/plan.ts";
import type { State } from "../core/model.ts";
import type { TaskError } from "../events/events.ts";
import { UnmetError } from "../hosts/errors.ts";
import type { GangPlan } from "../hosts/link.ts";
import type { PoolWorker, WorkerPool } from "./pool.ts";

/** So long a stage waits for workers to come back while nothing else is going on. */
const LONELY_MS = 60_000;

export class Places {
  readonly #engine: "local" | "nats";
  readonly #plan: Plan;
  readonly #pool: WorkerPool;
  /** From which each attempt's token is made: who knows one doesn't know the next. */
  readonly #secret = randomBytes(32);
  #lonelySinceMs: number | null = null;

  constructor(engine: "local" | "nats", plan: Plan, pool: WorkerPool) {
    this.#engine = engine;
    this.#plan = plan;
    this.#pool = pool;
  }

  /** Null where one of the workers is gone. Throws where one can't be met. */
  meeting(workers: readonly number[], stage: number, attempt: number): GangPlan | null {
    const on = [...new Set(workers)];
    const hosts: GangPlan["hosts"][number][] = [];
    for (const index of on) {
      const worker = this.#pool.workers.get(index);
      if (!worker) return null;
      const { id, meets } = worker.link;
      if (!meets)
        throw new UnmetError(
          `the worker ${id} has no address where those of other machines could meet it: start it with --address, or one with enough slots for all members`,
        );
      hosts.push({ ...meets, name: id });
    }
    const token = createHmac("sha256", this.#secret).update(`${stage}:${attempt}`).digest();
    return { token, hosts, places: workers.map((worker) => on.indexOf(worker)) };
  }

  labelsOf({ link }: PoolWorker): readonly string[] {
    // One machine has what it has.
    return this.#engine === "local" ? this.#plan.stages.flatMap(({ options }) => options.label ?? []) : (link.labels ?? []);
  }

  /** A stage that no worker could have would wait for ever. Before anything runs. */
  unplaced(): TaskError | null {
    const workers = [...this.#pool.workers.values()].map((worker) => ({ slots: worker.link.slots, labels: this.labelsOf(worker) }));
    const stage = workers.length === 0 ? undefined : this.#plan.stages.find((one) => !isPlaced(one, workers));
    return stage ? this.#error(stage, workers) : null;
  }

  /** The same while it runs, once nobody has come for long. */
  lonely({ workers, ready }: State, nowMs: number): TaskError | null {
    const here = [...workers.values()].map(({ slots, labels }) => ({ slots: slots.length, labels: [...labels] }));
    const isIdle = [...workers.values()].every((worker) => worker.slots.every(({ queue }) => queue.length === 0));
    const stage = ready.find(({ readyCount, template }) => readyCount > 0 && !isPlaced(this.#plan.stages[template.index]!, here));
    if (!stage || !isIdle || here.length === 0) {
      this.#lonelySinceMs = null;
      return null;
    }
    this.#lonelySinceMs ??= nowMs;
    if (nowMs - this.#lonelySinceMs < LONELY_MS) return null;
    return this.#error(this.#plan.stages[stage.template.index]!, here);
  }

  #error(stage: PlanStage, workers: readonly Offer[]): TaskError {
    const message = this.#message(stage, workers);
    return { kind: "infrastructure", name: "InfrastructureError", message, stack: [], stage: stage.id, block: null, attempt: null };
  }

  #message({ strategy, options: { label } }: PlanStage, workers: readonly Offer[]): string {
    const wanted = membersOf(strategy);
    const slots = slotsFor(label, workers);
    if (slots.length === 0) {
      const none = workers.length === 1 ? "the one worker there is hasn't got it" : `none of the ${workers.length} workers has it`;
      return `it wants workers with the label \`${label}\`, and ${none}: start one with --label ${label}, or take the label out of its schedule`;
    }
    const most = Math.max(...slots);
    const all = slots.reduce((sum, one) => sum + one, 0);
    const countOf = (count: number) => (count === 1 ? "1 slot" : `${count} slots`);
    const those = label === undefined ? "" : ` with the label \`${label}\``;
    if (this.#engine === "local")
      return `its ${wanted} members run side by side, and there ${most === 1 ? "is" : "are"} ${countOf(most)}: run it with --slots ${wanted}, or give it fewer in its schedule`;
    return meetsInMemory(strategy)
      ? `its ${wanted} members write one memory, and no worker${those} has more than ${countOf(most)}: start one with --slots ${wanted}, or give it another architecture`
      : `its ${wanted} members run side by side, and all workers${those} together have ${countOf(all)}: start more of them, or give it fewer in its schedule`;
  }
}

/** What a worker has. */
export interface Offer {
  readonly slots: number;
  readonly labels: readonly string[];
}

export function isPlaced({ strategy, options: { label }, inputs }: PlanStage, workers: readonly Offer[]): boolean {
  // What asks an actor runs where that lives.
  const slots = slotsFor(inputs.some(({ kind }) => kind === "actor") ? undefined : label, workers);
  if (slots.length === 0) return false;
  const has = meetsInMemory(strategy) ? Math.max(...slots) : slots.reduce((sum, one) => sum + one, 0);
  return membersOf(strategy) <= has;
}

const slotsFor = (label: string | undefined, workers: readonly Offer[]): readonly number[] =>
  workers.filter(({ labels }) => label === undefined || labels.includes(label)).map(({ slots }) => slots);

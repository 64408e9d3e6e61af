// Where the members of a gang that is on several workers find each other, and what is said where there are too few slots for one. Must not
// know what members do together, nor who places them.
import { createHmac, randomBytes } from "node:crypto";
import type { Plan, Strategy } from "../../compiler/plan.ts";
import { meetsInMemory, membersOf } from "../../compiler/plan.ts";
import type { State } from "../core/model.ts";
import type { TaskError } from "../events/events.ts";
import { UnmetError } from "../hosts/errors.ts";
import type { GangPlan } from "../hosts/link.ts";
import type { WorkerPool } from "./pool.ts";

/** So long a gang waits for workers to come back while nothing else is going on. */
const LONELY_MS = 60_000;

export class Gangs {
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

  /** A gang that the workers don't have the slots for would wait for ever. Before anything runs. */
  tooLarge(): TaskError | null {
    const slots = [...this.#pool.workers.values()].map(({ link }) => link.slots);
    const stage = slots.length === 0 ? undefined : this.#plan.stages.find(({ strategy }) => !fits(strategy, slots));
    return stage ? this.#error(stage.id, stage.strategy, slots) : null;
  }

  /** The same while it runs, once nobody has come for long. */
  lonely({ workers, ready }: State, nowMs: number): TaskError | null {
    const slots = [...workers.values()].map((worker) => worker.slots.length);
    const isIdle = [...workers.values()].every((worker) => worker.slots.every(({ queue }) => queue.length === 0));
    const stage = ready.find(({ readyCount, template }) => readyCount > 0 && !fits(this.#plan.stages[template.index]!.strategy, slots));
    if (!stage || !isIdle || slots.length === 0) {
      this.#lonelySinceMs = null;
      return null;
    }
    this.#lonelySinceMs ??= nowMs;
    if (nowMs - this.#lonelySinceMs < LONELY_MS) return null;
    const { id, strategy } = this.#plan.stages[stage.template.index]!;
    return this.#error(id, strategy, slots);
  }

  #error(stage: string, strategy: Strategy, slots: readonly number[]): TaskError {
    const wanted = membersOf(strategy);
    const most = Math.max(...slots);
    const all = slots.reduce((sum, one) => sum + one, 0);
    const countOf = (count: number) => (count === 1 ? "1 slot" : `${count} slots`);
    const message =
      this.#engine === "local"
        ? `its ${wanted} members run side by side, and there ${most === 1 ? "is" : "are"} ${countOf(most)}: run it with --slots ${wanted}, or give it fewer in its schedule`
        : meetsInMemory(strategy)
          ? `its ${wanted} members write one memory, and no worker has more than ${countOf(most)}: start one with --slots ${wanted}, or give it another architecture`
          : `its ${wanted} members run side by side, and all workers together have ${countOf(all)}: start more of them, or give it fewer in its schedule`;
    return { kind: "infrastructure", name: "InfrastructureError", message, stack: [], stage, block: null, attempt: null };
  }
}

export function fits(strategy: Strategy, slots: readonly number[]): boolean {
  const has = meetsInMemory(strategy) ? Math.max(...slots) : slots.reduce((sum, one) => sum + one, 0);
  return membersOf(strategy) <= has;
}

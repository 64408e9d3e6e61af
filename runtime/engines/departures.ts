// Workers that want to go: each is let go once it has nothing to do, no actor lives there, and what only it holds lies elsewhere too. Must not know
// why they go, nor how objects move.
import type { Stage, State, Worker } from "../core/model.ts";
import { Live } from "../core/model.ts";
import type { PoolWorker, WorkerPool } from "./pool.ts";

/** Objects on their way at a time. */
const AT_ONCE = 4;
/** Others may have come, and not have been heard of yet. */
const OTHERS_MS = 3000;

export class Departures {
  readonly #state: State;
  readonly #pool: WorkerPool;
  readonly #bring: (to: PoolWorker, stage: number, block: number) => Promise<boolean>;
  readonly #handingOver = new Set<number>();
  /** Since when each has had nothing to do. */
  readonly #idleSinceMs = new Map<number, number>();

  constructor(state: State, pool: WorkerPool, bring: (to: PoolWorker, stage: number, block: number) => Promise<boolean>) {
    this.#state = state;
    this.#pool = pool;
    this.#bring = bring;
  }

  /** Now and then. */
  look(nowMs: number): void {
    for (const [index, worker] of this.#state.workers) {
      if (!worker.isLeaving || this.#handingOver.has(index) || !isIdle(worker)) continue;
      const idleMs = nowMs - (this.#idleSinceMs.get(index) ?? nowMs);
      if (idleMs === 0) this.#idleSinceMs.set(index, nowMs);
      if (this.#others(index).length > 0 || idleMs > OTHERS_MS) void this.#letGo(index);
    }
  }

  #others(index: number): readonly PoolWorker[] {
    return [...this.#pool.workers.values()].filter((one) => one.index !== index && !this.#state.workers.get(one.index)?.isLeaving);
  }

  async #letGo(index: number): Promise<void> {
    this.#handingOver.add(index);
    const left = this.#onlyThere(index);
    const lane = async () => {
      for (let next = left.pop(); next; next = left.pop()) {
        const others = [...this.#pool.workers.values()].filter(
          (one) => one.index !== index && !this.#state.workers.get(one.index)?.isLeaving,
        );
        // Where nobody is left, or it can't be had, it is made again by whoever comes. What one stage gave stays together.
        const to = others[next.stage % others.length];
        if (to && holds(this.#state.stages[next.stage], next.block, index)) await this.#bring(to, next.stage, next.block);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    this.#pool.workers.get(index)?.link.release?.();
  }

  #onlyThere(worker: number): { readonly stage: number; readonly block: number }[] {
    const found: { readonly stage: number; readonly block: number }[] = [];
    for (const stage of this.#state.stages)
      for (let block = 0; stage && block < stage.blocks; block++)
        if (holds(stage, block, worker)) found.push({ stage: stage.index, block });
    return found;
  }
}

const isIdle = ({ slots }: Worker): boolean => slots.every(({ queue, actors }) => queue.length === 0 && actors.size === 0);

/** Alone. */
function holds(stage: Stage | null | undefined, block: number, worker: number): boolean {
  return stage?.output[block] === Live && stage.holder[block] === worker && (stage.copies.get(block) ?? []).length === 0;
}

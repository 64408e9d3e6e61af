// A run that outlives whoever leads it: what one leader writes down before it acts, and how the next takes it up. Without a journal nothing is
// written, and all happens at once. Must not know where a journal lies, nor how leaders come and go.
import type { Plan } from "../../compiler/plan.ts";
import type { Adopted, CoreEvent, Instance, Restored, Stage, State, Strike } from "../core/model.ts";
import { keyText } from "../core/regions.ts";
import type { FromHost } from "../hosts/link.ts";
import type { Entry, Past, RunJournal } from "./past.ts";
import type { PoolWorker, WorkerPool } from "./pool.ts";
import type { InlineValues } from "./values.ts";

/** What workers have in hand of a run that another led before. */
export type InHand = readonly { readonly home: string; readonly batches: readonly Omit<Adopted, "worker">[] }[];

/** A holder that isn't there. */
const GONE = -10;

export class Succession {
  readonly #journal: RunJournal | null;
  readonly #inHand: InHand;
  readonly #pool: WorkerPool;
  readonly #opened = new WeakSet<Instance>();

  constructor(journal: RunJournal | null, inHand: InHand, pool: WorkerPool, plan: Plan) {
    const past = journal?.past;
    for (const { planned, stage, key } of past ? inHand.flatMap(({ batches }) => batches) : []) {
      const { region } = plan.stages[planned]!;
      if (region === undefined) continue;
      const { stages } = plan.regions[region]!;
      past!.opened(stage - stages.indexOf(planned), stages.length, key);
    }
    this.#journal = journal;
    this.#inHand = inHand;
    this.#pool = pool;
  }

  /** Null: nothing has happened yet. */
  get past(): Past | null {
    const past = this.#journal?.past;
    return past && (!past.isEmpty || this.#inHand.some(({ batches }) => batches.length > 0)) ? past : null;
  }

  restored(stage: Stage, values: InlineValues): readonly Restored[] {
    return this.past!.restored(stage, values, this.#holderOf);
  }

  readonly #holderOf = (homes: readonly string[]): number => {
    for (const home of homes) for (const { index, link } of this.#pool.workers.values()) if (link.home === home) return index;
    return GONE;
  };

  /** What the core hears first, once it has heard of all workers that are there. */
  beginning(): CoreEvent {
    if (!this.past) return { type: "begin" };
    const adopted = this.#inHand.flatMap(({ home, batches }) => {
      const worker = this.#holderOf([home]);
      return batches.map((batch) => ({ ...batch, worker }));
    });
    return { type: "begin", adopted };
  }

  /** Its numbers are known to whoever comes next before anything that is made under them. */
  opened(instance: Instance): void {
    if (!this.#journal || this.#opened.has(instance)) return;
    this.#opened.add(instance);
    const { base, stages, key } = instance;
    const text = keyText(key);
    if (this.#journal.past.baseOf(text) !== base) this.#journal.append({ type: "opened", base, stages, key: text }, () => {});
  }

  /** Behind all that was said before; `then` once it is written down what is to be known of it. */
  said(state: State, worker: PoolWorker, message: FromHost, blame: Strike["what"] | "none", then: () => void): void {
    if (!this.#journal || !changesTheRun(message)) {
      then();
      return;
    }
    for (const entry of entriesOf(state, worker, message, blame)) this.#journal.append(entry, () => {});
    this.#journal.append(null, () => {
      worker.link.settled?.();
      then();
    });
  }

  /** A worker has got what another made. */
  copied(stage: number, block: number, { link: { home = "" } }: PoolWorker): void {
    this.#journal?.append({ type: "copied", home, stage, block }, () => {});
  }

  /** The same of a worker's end, for which the tasks that ran there may be to blame. */
  lost(state: State, { index }: PoolWorker, then: () => void): void {
    if (!this.#journal) {
      then();
      return;
    }
    for (const { slot } of state.workers.get(index)?.slots ?? [])
      for (const entry of strike(state, index, slot, "death")) this.#journal.append(entry, () => {});
    this.#journal.append(null, then);
  }
}

/** What others of its kind mustn't overtake. */
const changesTheRun = ({ type }: FromHost): boolean =>
  type === "finished" || type === "failed" || type === "recalled" || type === "slotLost";

function entriesOf(
  state: State,
  { index, link: { home = "" } }: PoolWorker,
  message: FromHost,
  blame: Strike["what"] | "none",
): readonly Entry[] {
  switch (message.type) {
    case "slotLost":
      return [...(blame === "none" ? [] : strike(state, index, message.slot, blame)), { type: "slotLost", home, slot: message.slot }];
    case "failed": {
      const { error, stage, block } = message;
      return error.kind === "infrastructure" || error.kind === "lost" ? [] : [{ type: "strike", stage, block, what: "failure" }];
    }
    case "finished": {
      const { slot, stage, first, count, attempt, outputs } = message;
      const batch = state.workers.get(index)?.slots[slot]?.queue.find((one) => one.stage === stage && one.attempt === attempt);
      // Of an attempt that was given up; of a gang the first member's answer counts.
      if (count === 0 || !batch || (batch.rank ?? 0) > 0) return [];
      return [{ type: "done", home, slot, stage, first, count, outputs }];
    }
    default:
      return [];
  }
}

/** Against the task that runs in a slot. */
function strike(state: State, worker: number, slot: number, what: Strike["what"]): readonly Entry[] {
  const [running] = state.workers.get(worker)?.slots[slot]?.queue ?? [];
  if (!running || running.doubled || (running.rank ?? 0) > 0) return [];
  return [{ type: "strike", stage: running.stage, block: running.next, what }];
}

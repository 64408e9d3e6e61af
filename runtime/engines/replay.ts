// One task of an earlier run again, in this process, from the inputs that the run left: those of a task that failed, or kept results. What it
// reads and nobody kept is made again first.
import type { CodeStore, Json, Plan } from "../../compiler/plan.ts";
import { membersOf } from "../../compiler/plan.ts";
import type { TaskError } from "../events/events.ts";
import { InlineWorker } from "../hosts/inline.ts";
import { decode } from "../objects/codec.ts";
import { ResultStore } from "../results/store.ts";
import { drive } from "./driver.ts";
import { planOfStage } from "./narrowing.ts";
import { runOptions } from "./options.ts";
import { WorkerPool } from "./pool.ts";
import { Recall } from "./recall.ts";

export interface Replay {
  readonly plan: Plan;
  readonly code: CodeStore;
  readonly params: { readonly [name: string]: Json };
  /** Where results lie; null: everything that the task reads is made again. */
  readonly results: string | null;
  /** By its id in the plan; of one in a region with its instance, such as `3.1`. */
  readonly stage: string;
  readonly instance: string | null;
  readonly block: number;
  /** The key of what the task read, where the run kept that; null: it is taken from kept results or made again. */
  readonly inputs: string | null;
  readonly print: (text: string) => void;
}

export interface Replayed {
  /** What it read, by the stage's inputs. */
  readonly inputs: readonly unknown[];
  readonly ended: { readonly value: unknown } | { readonly error: ReturnType<InlineWorker["stackOf"]> };
  /** Stages whose results weren't there, and were made again. */
  readonly remade: readonly string[];
}

/** Null with the reason where the run has no such task. */
export async function replay(wanted: Replay): Promise<Replayed | { readonly missing: string }> {
  const { stage, instance, block, print } = wanted;
  const asked = wanted.plan.stages.find(({ id }) => id === stage);
  if (asked && membersOf(asked.strategy) > 1)
    return { missing: `\`${stage}\` is trained by ${membersOf(asked.strategy)} members side by side, and one task is run again alone` };
  // A stage in a region comes to life with all that is around it; one of the run itself needs only what it reads.
  const index = wanted.plan.stages.findIndex(({ id }) => id === stage);
  const alone = wanted.plan.stages[index]?.region === undefined;
  const { onFailure: _onFailure, ...whole } = wanted.plan;
  // Nobody wants what comes of it: others of its tasks aren't run, and stand for nothing.
  const plan: Plan = { ...(alone ? planOfStage(wanted.plan, index) : whole), hash: "", outputs: [] };
  const params = (await runOptions(plan, { params: wanted.params })).params;
  const store = wanted.results === null ? null : new ResultStore(wanted.results);
  // It is done again whatever is there.
  const again = plan.stages.findIndex(({ id }) => id === stage);
  const recall = new Recall(plan, params, { keep: null, store, fresh: false, again });
  const asks = asked?.inputs.some(({ kind }) => kind === "actor") ?? false;
  const found = new AbortController();
  const remade = new Set<string>();
  let inputs: readonly unknown[] = [];
  let ended: { readonly value: unknown } | { readonly error: unknown } | null = null;
  const paths = new Map<number, string>();
  const worker = new InlineWorker({
    before: ({ stage: number, planned }, at) => {
      if (found.signal.aborted) return "skip";
      const { id, name, effect } = recall.plan.stages[planned]!;
      if (id === stage) {
        if (at === block && paths.get(number) === (instance ?? "")) return "stop";
        // What an actor was asked before is part of what it is.
        return alone && !(asks && at < block) ? "skip" : "run";
      }
      if (effect) return "skip";
      remade.add(name);
      return "run";
    },
    after: (read, how) => {
      inputs = read;
      ended = how;
      found.abort();
    },
    print,
  });
  const pool = new WorkerPool();
  const only = pool.add(worker);
  let error: TaskError | null = null;
  try {
    const kept = wanted.inputs === null || asks ? null : inputsIn(store, wanted.inputs);
    if (kept) {
      only.prepare(0, plan, wanted.code, { params, check: false, results: null });
      await worker.again(0, again, block, kept);
    } else
      ({ error } = await drive(pool, plan, wanted.code, {
        ...{ engine: "local", run: "replay", params, check: false, signal: found.signal, recall, onEvent: () => {} },
        onAssign: (number, path) => paths.set(number, path),
      }));
    if (ended !== null) {
      const how = ended as { readonly value: unknown } | { readonly error: unknown };
      return { inputs, remade: [...remade], ended: "error" in how ? { error: worker.stackOf(how.error) } : how };
    }
  } finally {
    store?.close();
    await worker.close();
  }
  const where = `${stage}${instance === null ? "" : `[${instance}]`}[${block}]`;
  return {
    missing: error ? `what \`${where}\` reads can't be made again: ${error.message}` : `the run has no task \`${where}\``,
  };
}

function inputsIn(store: ResultStore | null, key: string): readonly unknown[] | null {
  const [record] = store?.find(key)?.records ?? [];
  const body = record ? store!.read(record) : null;
  return body ? (decode(body, { share: false }) as readonly unknown[]) : null;
}

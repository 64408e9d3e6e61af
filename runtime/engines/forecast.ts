// What a run would do, without doing it: which stages are reused, which run, and what each is made from. Opens the results of earlier runs and
// changes nothing.
import type { Json, Plan, PlanStage } from "../../compiler/plan.ts";
import { ResultStore } from "../results/store.ts";
import type { Ingredients, Unkept } from "./lineage.ts";
import { lineageOf } from "./lineage.ts";
import { fullParams } from "./options.ts";
import { Recall } from "./recall.ts";

export interface StageForecast {
  readonly stage: PlanStage;
  /**
   * `reused`: all that it gives is there. `skipped`: only what is reused was made from it. `runs`, but for `restored` of its tasks. `may`: how many
   * of its instances there are, and which of them are there, turns out as the run goes on.
   */
  readonly fate: "reused" | "skipped" | "runs" | "may";
  readonly restored: number;
  /** Why its results are never reused. */
  readonly unkept: Unkept | null;
  readonly made: Ingredients;
}

/** Of each stage, in the plan's order. `given` are params as `openFiles` gives them. Throws `ParamError`. */
export function forecast(
  plan: Plan,
  given: { readonly [name: string]: Json },
  cache: { readonly folder: string; readonly fresh?: boolean } | null,
): readonly StageForecast[] {
  const params = fullParams(plan, given);
  const lineage = lineageOf(plan, params);
  const store = cache ? new ResultStore(cache.folder) : null;
  try {
    const recall = new Recall(plan, params, { keep: null, store, fresh: cache?.fresh ?? false });
    const reused = new Set(recall.reused.map(({ id }) => id));
    const skipped = new Set(recall.skipped.map(({ id }) => id));
    return plan.stages.map((stage, index): StageForecast => {
      const { key, unkept, made } = lineage[index]!;
      const about = { stage, unkept, made, restored: 0 };
      if (reused.has(stage.id)) return { ...about, fate: "reused" };
      if (skipped.has(stage.id)) return { ...about, fate: "skipped" };
      if (stage.region !== undefined) return { ...about, fate: "may" };
      const there = unkept || cache?.fresh ? null : store?.find(key);
      return {
        ...about,
        fate: "runs",
        restored: there?.records.reduce((sum, { kind, count }) => sum + (kind === "list" ? 0 : count), 0) ?? 0,
      };
    });
  } finally {
    store?.close();
  }
}

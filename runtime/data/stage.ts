// A stage of a plan, ready to run its tasks in a slot: what it needs loaded, and what it stores of what it computed. The only door
// to `runtime/data` for hosts and engines.
import type { Plan } from "../../compiler/plan.ts";
import type { Body, Params, TaskContext, UserFunction } from "./expressions.ts";
import { calledFunctions, compileBody } from "./expressions.ts";
import type { StoredBlock } from "./rows.ts";
import { DataSet, eachRow, fromAsyncIterable, fromIterable, storeBlock } from "./rows.ts";

export type { TaskContext, UserFunction } from "./expressions.ts";
export { type StoredBlock, storedRows } from "./rows.ts";

export interface StageRunner {
  /**
   * One task. `inputs[i]`, by the kind of the plan's input i: `value` the value, `block` and `item` the stored block, `blocks` all
   * stored blocks or partials in order, `range` `{ rows, blocks }`, `iteration` its number; of `param` and `after` nothing is read.
   * Gives what is to be stored: a value, a block, a partial, or for the output `blocks` a list of blocks; a promise only where a
   * called function is asynchronous.
   */
  run(block: number, inputs: readonly unknown[], params: Params, context: TaskContext): unknown;
}

/** Ids (of `Plan.functions`) to load before `prepareStage`. */
export function neededFunctions(plan: Plan, stage: number): string[] {
  return calledFunctions(plan, stage);
}

/** `late`: what a stage with `within` evaluates once that time is over. */
export function prepareStage(plan: Plan, stage: number, functions: ReadonlyMap<string, UserFunction>, late = false): StageRunner {
  const { output, keyed = false, cut, effect, within, body: own } = plan.stages[stage]!;
  const body: Body = compileBody(plan, stage, functions, late && within ? within.otherwise : own);
  const storeAll = (set: DataSet) => {
    const blocks = cut === "rows" ? set.blocks.flatMap(eachRow) : set.blocks;
    return blocks.map((block): StoredBlock => storeBlock(block, keyed));
  };
  const store = (value: unknown, block: number): unknown => {
    // What an effect gives is nobody's: it can't be asked for again.
    if (effect) return null;
    switch (output) {
      case "value":
        return value instanceof DataSet ? value.blocks.flatMap((block) => block.rows) : value;
      case "partial":
        return value;
      case "block":
        return storeBlock(onlyBlock(value), keyed);
      case "row":
        return storeBlock({ rows: [value], keys: { kind: "from", first: block } }, keyed);
      case "blocks":
        if (isAsyncIterable(value)) return fromAsyncIterable(value).then(storeAll);
        return storeAll(fromIterable(value));
    }
  };
  return {
    run(block, inputs, params, context) {
      const value = body(inputs, block, params, context);
      return value instanceof Promise ? value.then((one) => store(one, block)) : store(value, block);
    },
  };
}

function isAsyncIterable(value: unknown): boolean {
  return typeof value === "object" && value !== null && !(value instanceof DataSet) && Symbol.asyncIterator in value;
}

function onlyBlock(value: unknown) {
  const block = value instanceof DataSet && value.blocks.length === 1 ? value.blocks[0] : undefined;
  if (!block) throw new Error("bug: a task of a stage of blocks gave something else");
  return block;
}

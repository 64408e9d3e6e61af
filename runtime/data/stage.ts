// A stage of a plan, ready to run its tasks in a slot: what it needs loaded, and what it stores of what it computed. The only door
// to `runtime/data` for hosts and engines.
import type { Plan } from "../../compiler/plan.ts";
import { calledFunctions } from "./called.ts";
import { CheckFailed, fingerprint } from "./checks.ts";
import type { Body, Params, TaskContext, UserFunction } from "./expressions.ts";
import { compileBody } from "./expressions.ts";
import type { StoredBlock } from "./rows.ts";
import { DataSet, eachRow, fromAsyncIterable, fromIterable, storeBlock } from "./rows.ts";

export { calledMethods } from "./called.ts";
export { CheckFailed } from "./checks.ts";
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

/**
 * `late`: what a stage with `within` evaluates once that time is over. `check`: functions that change what they only read fail, and so does
 * a pure stage that gives something else for its first blocks when asked again.
 */
export function prepareStage(
  plan: Plan,
  stage: number,
  functions: ReadonlyMap<string, UserFunction>,
  { late = false, check = false }: { readonly late?: boolean; readonly check?: boolean } = {},
): StageRunner {
  const { output, keyed = false, cut, effect, within, actors, body: own } = plan.stages[stage]!;
  const body: Body = compileBody(plan, stage, functions, late && within ? within.otherwise : own, check);
  const storeAll = (set: DataSet) => {
    const blocks = cut === "rows" ? set.blocks.flatMap(eachRow) : set.blocks;
    return blocks.map((block): StoredBlock => storeBlock(block, keyed));
  };
  const store = (value: unknown, block: number): unknown => {
    // What an effect gives is nobody's: it can't be asked for again.
    if (effect) return null;
    // An actor stays where it was made: its slot keeps it.
    if (actors) return value;
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
  const run: StageRunner["run"] = (block, inputs, params, context) => {
    const value = body(inputs, block, params, context);
    return value instanceof Promise ? value.then((one) => store(one, block)) : store(value, block);
  };
  if (!check || !isRepeatable(plan, stage)) return { run };
  return {
    run: (block, inputs, params, context) =>
      block < REPEATED_BLOCKS ? repeated(() => run(block, inputs, params, context), plan, stage) : run(block, inputs, params, context),
  };
}

/** So many blocks of a stage are computed twice. */
const REPEATED_BLOCKS = 4;

/** Whether nobody could tell that it was computed twice: a fit is long and tells its numbers; what reaches outside itself gives what it finds there. */
export function isRepeatable(plan: Plan, stage: number): boolean {
  const called = calledFunctions(plan, stage).map((id) => plan.functions[id]!);
  return (
    called.length > 0 &&
    plan.stages[stage]!.strategy.kind !== "fit" &&
    called.every((one) => !one.reaches && !one.resource && !one.tags?.some((tag) => tag !== "associative"))
  );
}

async function repeated(run: () => unknown, plan: Plan, stage: number): Promise<unknown> {
  const value = await run();
  if (fingerprint(value) === fingerprint(await run())) return value;
  const functions = calledFunctions(plan, stage).map((id) => plan.functions[id]!.export);
  const named = functions.map((name) => `\`${name}\``).join(", ");
  throw new CheckFailed("unsteady", functions, null, `${named} gave something else for the same arguments`);
}

function isAsyncIterable(value: unknown): boolean {
  return typeof value === "object" && value !== null && !(value instanceof DataSet) && Symbol.asyncIterator in value;
}

function onlyBlock(value: unknown) {
  const block = value instanceof DataSet && value.blocks.length === 1 ? value.blocks[0] : undefined;
  if (!block) throw new Error("bug: a task of a stage of blocks gave something else");
  return block;
}

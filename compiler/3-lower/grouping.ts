// `groupBy` and `agg` between tasks: a fold of each block, and one task that puts the groups of all blocks together.
import type { Type } from "../../lang/types.ts";
import type { Typed } from "../2-check/typed.ts";
import type { Env, Groups, Lowering, RowStep, Rows, Value } from "./lower.ts";
import { labelOf } from "./names.ts";
import { callsUser, TaskWriter } from "./tasks.ts";

const isGroups = (type: Type): boolean => (type.kind === "list" || type.kind === "dataset") && type.groups === true;

/** Groups fold like anything else: of each block what it has of each group, and the groups of all blocks put together. */
export function lowerAggregate(
  lowering: Lowering,
  typed: Typed & { kind: "aggregate" },
  env: Env,
  name: string,
  path: string,
  helper: string | null,
): Value {
  const source = lowering.rows(typed.source, env, name, path, labelOf(typed.source));
  const { grouping } = typed;
  const groups: Groups | null =
    grouping.kind === "by"
      ? { rows: source, key: grouping.key, keyFields: grouping.keyFields, env }
      : grouping.kind === "named"
        ? (source.groups ?? null)
        : null;
  // Groups that have become rows of their own are worked on row by row.
  if (grouping.kind === "named" && !groups) {
    const step: RowStep = {
      heavy: typed.aggregates.some(({ by }) => by !== null && callsUser(by.body)),
      needsKeys: false,
      write: (writer, from) => writer.aggregateEach(from, typed.aggregates, grouping.keyFields, env),
    };
    return { kind: "rows", rows: lowering.step(source, step, typed, name, helper) };
  }
  const over = groups?.rows ?? source;
  lowering.settleElsewhere(over);
  // Whole groups hold all rows anyway, and their rows may be reduced elsewhere too.
  if (isGroups(typed.type) && over.steps.some((step) => step.heavy)) lowering.materialise(over);
  const fold = lowering.draft(name, helper === null ? "blocks" : `${helper}/blocks`, typed.span, typed.type, {
    kind: "fold",
    over: over.material ? { kind: "stage", stage: over.material } : over.source,
  });
  const writer = new TaskWriter(lowering, fold);
  const block = fold.use({ kind: "block" });
  const grouped = !groups ? "no" : groups.keyFields && !isGroups(typed.type) ? "fields" : "key";
  fold.body = {
    op: "aggregate",
    step: "fold",
    source: over.material ? block : writer.steps(over, block),
    grouped,
    key: groups && writer.lambda(groups.key, groups.env),
    aggregates: writer.aggregates(typed.aggregates, env, () => true),
  };
  const combine = lowering.draft(name, helper, typed.span, typed.type, { kind: "combine", of: fold, rows: groups !== null });
  combine.body = {
    op: "aggregate",
    step: "combine",
    source: combine.use({ kind: "blocks", of: fold }),
    grouped,
    key: null,
    aggregates: new TaskWriter(lowering, combine).aggregates(typed.aggregates, env, ({ name: reduction }) => reduction === "reduce"),
  };
  if (!groups) return { kind: "stage", draft: combine };
  const rows: Rows = {
    source: { kind: "stage", stage: combine },
    steps: [],
    material: combine,
    name,
    helper,
    span: typed.span,
    type: typed.type,
    region: lowering.region,
    ...(isGroups(typed.type) ? { groups } : {}),
  };
  return { kind: "rows", rows };
}

// `groupBy` and `agg`: rows by a key, and several reductions of each group, or of all rows, at once.
import { report } from "../../lang/diagnostics.ts";
import type { FieldType, Type } from "../../lang/types.ts";
import { print } from "../../lang/types.ts";
import type { Argument, Expr } from "../module.ts";
import { operands, reducedType } from "./calls.ts";
import type { Context } from "./expressions.ts";
import { errorAt, isNumber, partly } from "./expressions.ts";
import { whole } from "./fitting.ts";
import type { OperationParameter } from "./operations.ts";
import { reductions } from "./operations.ts";
import type { Scope } from "./scope.ts";
import { meant, primary, secondary } from "./scope.ts";
import type { Typed, TypedAggregate } from "./typed.ts";

type Call = Expr & { kind: "call" };
type Again = (row: Type) => Type;

const KEY: OperationParameter = { name: "key", takes: { kind: "function", of: 1, gives: "any" } };
const BY: OperationParameter = { name: "by", takes: { kind: "function", of: 1, gives: "any" }, optional: true };

/** Rows of the form `{ key, rows }`, or what `agg` makes of them. */
export function callGroupBy(call: Call, source: Typed, row: Type, again: Again, scope: Scope, context: Context): Typed {
  const found = operands(call, [KEY], row, scope, context);
  if (!found) return errorAt(call.span);
  const key = found.lambdas.key!;
  const is = key.body.type;
  if (!isKey(is)) {
    context.diagnostics.push(
      report("HR212", { is: print(is) }, [primary(key.body.span, `gives ${print(is)}`)], {
        help: "a key is text, a number, a bool, a time, or a record or list of those",
      }),
    );
    return errorAt(call.span);
  }
  const keyFields = is.kind === "record" ? is.fields.map((field) => field.name) : null;
  const group: Type = {
    kind: "record",
    name: null,
    fields: [
      { name: "key", type: is, optional: false },
      { name: "rows", type: { kind: "list", item: row }, optional: false },
    ],
  };
  return {
    kind: "aggregate",
    source,
    grouping: { kind: "by", key, keyFields },
    aggregates: [{ field: "rows", name: "collect", by: null, type: { kind: "list", item: row } }],
    type: asGroups(again(group)),
    span: call.span,
  };
}

/** Plain data that can be compared. */
function isKey(type: Type): boolean {
  switch (type.kind) {
    case "int":
    case "float":
    case "bool":
    case "string":
    case "timestamp":
    case "literal":
    case "null":
    case "any":
    case "error":
      return true;
    case "union":
      return type.members.every(isKey);
    case "list":
      return isKey(type.item);
    case "record":
      return type.fields.every((field) => isKey(field.type));
    default:
      return false;
  }
}

/** Marks what `agg` is to read group by group. Whatever is done with the groups makes a new type, without the mark. */
function asGroups(type: Type): Type {
  if (type.kind === "part") return { kind: "part", of: asGroups(type.of) };
  return type.kind === "list" || type.kind === "dataset" ? { ...type, groups: true } : type;
}

const EXAMPLE = "agg(n: count(), late: mean(r => r.delay))";

/** `agg(n: count(), late: mean(r => r.delay))`: a row for each group after `groupBy`, else one record. */
export function callAgg(call: Call, source: Typed, row: Type, again: Again, scope: Scope, context: Context): Typed {
  const of = whole(source.type);
  const grouped = (of.kind === "list" || of.kind === "dataset") && of.groups === true && row.kind === "record";
  const [key, rows] = grouped ? row.fields : [];
  const member = rows?.type.kind === "list" ? rows.type.item : row;
  const aggregates: TypedAggregate[] = [];
  const fields: FieldType[] = key ? (key.type.kind === "record" ? [...key.type.fields] : [key]) : [];
  let ok = true;
  for (const arg of call.args) {
    const found = aggregate(arg, member, source, scope, context);
    if (!found) {
      ok = false;
      continue;
    }
    const before = fields.find((field) => field.name === found.aggregate.field);
    if (before) {
      const what = aggregates.some((one) => one.field === before.name)
        ? `\`${before.name}\` of \`agg\` is given twice`
        : `\`${before.name}\` is a field of the key already`;
      context.diagnostics.push(report("HR110", { what }, [primary(arg.name!.span, "once more")], { help: "give it another name" }));
      ok = false;
      continue;
    }
    aggregates.push(found.aggregate);
    fields.push({ name: found.aggregate.field, type: found.type, optional: false });
  }
  if (call.args.length === 0) {
    context.diagnostics.push(
      report("HR109", { callee: "agg", missing: "what to compute" }, [primary(call.span, "nothing is computed")], { help: EXAMPLE }),
    );
    ok = false;
  }
  if (!ok) return errorAt(call.span);
  const record: Type = { kind: "record", name: null, fields };
  if (!grouped) {
    return {
      kind: "aggregate",
      source,
      grouping: { kind: "none" },
      aggregates,
      type: partly(record, source),
      span: call.span,
    };
  }
  const direct = source.kind === "aggregate" && source.grouping.kind === "by" ? source : null;
  const keyFields = key!.type.kind === "record" ? key!.type.fields.map((field) => field.name) : null;
  return {
    kind: "aggregate",
    source: direct ? direct.source : source,
    grouping: direct ? direct.grouping : { kind: "named", keyFields },
    aggregates,
    type: again(record),
    span: call.span,
  };
}

/** One argument of `agg`: a reduction without its rows. */
function aggregate(
  arg: Argument,
  row: Type,
  source: Typed,
  scope: Scope,
  context: Context,
): { readonly aggregate: TypedAggregate; readonly type: Type } | null {
  const { value, name } = arg;
  if (value.kind === "error") return null;
  if (!name) {
    context.diagnostics.push(
      report("HR110", { what: "what `agg` computes has names" }, [primary(arg.span, "under which name?")], { help: EXAMPLE }),
    );
    return null;
  }
  if (value.kind !== "call" || value.receiver || !Object.hasOwn(reductions, value.callee.text)) {
    const uncalled = value.kind === "name" && Object.hasOwn(reductions, value.name) ? `${value.name}()` : null;
    const near =
      uncalled !== null
        ? { help: `it is called: \`${name.text}: ${uncalled}\``, fix: { span: value.span, text: uncalled } }
        : value.kind === "call" && !value.receiver
          ? meant(value.callee.text, Object.keys(reductions), value.callee.span)
          : {};
    context.diagnostics.push(
      report(
        "HR213",
        { name: name.text },
        [primary(value.span, "not a reduction")],
        near.help
          ? near
          : { help: `reductions: ${Object.keys(reductions).join(" ")}; what is computed from them comes after: \`|> map(…)\`` },
      ),
    );
    return null;
  }
  const reduction = value.callee.text;
  const parameters = reduction === "collect" ? [BY] : reductions[reduction]!.parameters;
  const found = operands(value, parameters, row, scope, context);
  if (!found) return null;
  const by = found.lambdas.by ?? found.lambdas.f ?? null;
  if (!by && reductions[reduction]!.wants !== "any" && row.kind === "record") {
    context.diagnostics.push(
      report("HR210", { callee: reduction, is: print(row) }, [primary(value.span, "of what?"), secondary(source.span, "these rows")], {
        help: `say of what: \`${reduction}(r => r.${(row.fields.find((field) => isNumber(field.type)) ?? row.fields[0])?.name ?? "field"})\``,
      }),
    );
    return null;
  }
  const type = reducedType(reduction, by, row, value.span, context);
  return type && { aggregate: { field: name.text, name: reduction, by, type }, type };
}

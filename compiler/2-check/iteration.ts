// `for`, `loop` and `within`: blocks that become stages while a run goes on. Their bodies are blocks like a pipeline's own.
import { report } from "../../lang/diagnostics.ts";
import type { Type } from "../../lang/types.ts";
import { join, print } from "../../lang/types.ts";
import type { Expr } from "../module.ts";
import { millisecondsOf } from "../units.ts";
import { CarriedNames, carriedType } from "./carried.ts";
import type { Context } from "./expressions.ts";
import { check, errorAt, partly } from "./expressions.ts";
import { expectType, whole } from "./fitting.ts";
import { ERROR, FLOAT, INT } from "./operations.ts";
import { primary, Scope } from "./scope.ts";
import { bindName, bindPattern, checkBlock, checkStatement, inTaskOfItsOwn } from "./statements.ts";
import type { Binding, Typed, TypedStatement } from "./typed.ts";

/** What is stored of a value: a data set as its list. */
function storedType(type: Type): Type {
  if (type.kind === "dataset") return { kind: "list", item: type.row };
  if (type.kind !== "record") return type;
  return { ...type, fields: type.fields.map((field) => ({ ...field, type: storedType(field.type) })) };
}

export function checkFor(expr: Expr & { kind: "for" }, around: Scope, context: Context): Typed {
  const source = check(expr.in, around, context);
  const rows = whole(source.type);
  const row: Type = rows.kind === "dataset" ? rows.row : rows.kind === "list" ? rows.item : rows.kind === "any" ? rows : ERROR;
  if (row.kind === "error" && rows.kind !== "error" && rows.kind !== "list" && rows.kind !== "dataset") {
    context.diagnostics.push(
      report("HR205", { callee: "for … in", is: print(rows) }, [primary(source.span, `is ${print(rows)}`)], {
        help: rows.kind === "int" ? `for … in range(${context.textOf(source.span) ?? "n"})` : "a list or a data set has rows",
      }),
    );
  }
  const scope = new Scope(around);
  const item = bindPattern(expr.pattern, partly(row, source), scope, context, null);
  const body = checkBlock(expr.body, scope, context);
  const value = whole(body.value.type);
  const type: Type = value.kind === "void" || value.kind === "error" ? value : { kind: "list", item: storedType(value) };
  if (source.type.kind === "error" || row.kind === "error")
    return { kind: "error", type: type.kind === "list" ? type : ERROR, span: expr.span };
  return { kind: "for", item, in: source, body, type: partly(type, source, body.value), span: expr.span };
}

export function checkLoop(expr: Expr & { kind: "loop" }, around: Scope, context: Context): Typed {
  const inits = expr.carried.map(({ init }) => check(init, around, context));
  const max = check(expr.max, around, context);
  expectType(max, INT, "`max` of `loop`", context);
  const scope = new Scope(around);
  const carried = expr.carried.map(({ name }, i) => ({
    binding: bindName(name, storedType(whole(inits[i]!.type)), "carried", scope, context),
    init: inits[i]!,
  }));
  if (carried.length === 0) return errorAt(expr.span);
  const names = new CarriedNames(
    "loop",
    carried.map(({ binding }) => binding),
    context,
  );
  const body = expr.body.statements.flatMap((statement): TypedStatement[] => {
    names.notLate(statement);
    if (statement.kind === "next") {
      const binding = names.give(statement);
      const value = check(statement.value, scope, context);
      if (!binding) return [];
      if (!names.fits(value, binding)) names.ok = false;
      return [{ kind: "next", carried: binding, value }];
    }
    if (statement.kind === "track") {
      const value = check(statement.value, scope, context);
      expectType(value, FLOAT, `\`${statement.name.text}\``, context);
      return [{ kind: "track", name: statement.name.text, value, span: statement.span }];
    }
    // What couldn't be read may have been the next value.
    if (statement.kind === "expression" && statement.value.kind === "error") names.ok = false;
    const typed = checkStatement(statement, scope, context);
    return typed ? [typed] : [];
  });
  names.allGiven();
  // What is tested is what the body made: a carried name stands for its new value.
  const after = new Scope(scope);
  const nexts = carried.map(({ binding }): Binding => ({ ...binding }));
  for (const next of nexts) after.add(next);
  const until = check(expr.until, after, context);
  expectType(until, { kind: "bool" }, "`until` of `loop`", context);
  const type = carriedType(carried);
  if (!names.ok || type.kind === "error" || until.type.kind === "error") return { kind: "error", type, span: expr.span };
  return { kind: "loop", carried: carried.map((one, i) => ({ ...one, next: nexts[i]! })), body, until, max, type, span: expr.span };
}

export function checkWithin(expr: Expr & { kind: "within" }, scope: Scope, context: Context): Typed {
  const { limit, span } = expr;
  inTaskOfItsOwn("`within`", "only a task of its own can be ended when its time is over", span, scope, context);
  const value = check(expr.value, scope, context);
  const otherwise = check(expr.otherwise, scope, context);
  const limitMs = limit.kind === "quantity" ? millisecondsOf(limit) : null;
  if (limitMs === null && limit.kind !== "error")
    context.diagnostics.push(report("HR215", {}, [primary(limit.span, "no time")], { help: "within 20ms" }));
  if (limitMs === null || value.type.kind === "error" || otherwise.type.kind === "error") return errorAt(span);
  return { kind: "within", value, limitMs, otherwise, type: storedType(join(whole(value.type), whole(otherwise.type))), span };
}

// `attempt`: failures of rows as data. What failed may not be dropped in silence, so leaving `failed` unread is an error.
import type { Span } from "../../lang/ast.ts";
import { report } from "../../lang/diagnostics.ts";
import type { Type } from "../../lang/types.ts";
import { print } from "../../lang/types.ts";
import type { Expr } from "../module.ts";
import { eachChild } from "../walk.ts";
import type { Context } from "./expressions.ts";
import { check, checkLambda, errorAt, partly } from "./expressions.ts";
import { whole } from "./fitting.ts";
import { STRING } from "./operations.ts";
import type { Scope } from "./scope.ts";
import { primary, secondary } from "./scope.ts";
import type { Binding, CheckedPipeline, Typed } from "./typed.ts";

const THROWN: Type = {
  kind: "record",
  name: null,
  fields: [
    { name: "name", type: STRING, optional: false },
    { name: "message", type: STRING, optional: false },
  ],
};

/** `rows |> attempt(f)`: `{ ok, failed }`. */
export function callAttempt(call: Expr & { kind: "call" }, scope: Scope, context: Context): Typed {
  const [first, second, ...more] = call.args;
  if (!first || !second || more.length > 0) {
    const missing = !first ? "the rows" : "the function";
    if (more.length > 0)
      context.diagnostics.push(report("HR110", { what: "`attempt` takes one function" }, [primary(more[0]!.span, "one too many")]));
    else
      context.diagnostics.push(
        report("HR109", { callee: "attempt", missing }, [primary(call.span, `lacks ${missing}`)], { help: "rows |> attempt(parse)" }),
      );
    return errorAt(call.span);
  }
  const source = check(first.value, scope, context);
  const rows = whole(source.type);
  if (rows.kind === "error") return errorAt(call.span);
  const row = rows.kind === "dataset" ? rows.row : rows.kind === "list" ? rows.item : rows.kind === "any" ? rows : null;
  if (row === null) {
    context.diagnostics.push(
      report("HR205", { callee: "attempt", is: print(rows) }, [
        primary(source.span, `is ${print(rows)}`),
        secondary(call.callee.span, "needs rows"),
      ]),
    );
    return errorAt(call.span);
  }
  const f = checkLambda(second.value, [row], scope, context);
  if (!f || f.body.type.kind === "error") return errorAt(call.span);
  const again = (item: Type): Type => (rows.kind === "list" ? { kind: "list", item } : { kind: "dataset", row: item });
  const failed: Type = {
    kind: "record",
    name: null,
    fields: [
      { name: "row", type: row, optional: false },
      { name: "error", type: THROWN, optional: false },
    ],
  };
  const type: Type = {
    kind: "record",
    name: null,
    fields: [
      { name: "ok", type: again(whole(f.body.type)), optional: false },
      { name: "failed", type: again(failed), optional: false },
    ],
  };
  return { kind: "attempt", source, f, type: partly(type, source, f.body), span: call.span };
}

/** Attempts whose `failed` rows nobody reads. */
export function reportIgnoredFailures(pipeline: CheckedPipeline, context: Context): void {
  const reads = new Map<Binding, Set<string>>();
  const attempts: { readonly span: Span; readonly read: () => boolean }[] = [];
  const visit = (node: unknown, field: string): void => {
    if (typeof node !== "object" || node === null) return;
    if ("kind" in node) {
      if (node.kind === "local" && "binding" in node) {
        const binding = node.binding as Binding;
        reads.set(binding, (reads.get(binding) ?? new Set()).add(field));
        return;
      }
      if (node.kind === "field" && "of" in node && "name" in node) {
        visit(node.of, String(node.name));
        return;
      }
      if (node.kind === "attempt" && "span" in node) {
        if (field === "ok") attempts.push({ span: node.span as Span, read: () => false });
      }
      if (node.kind === "let" && "pattern" in node && "value" in node) named(node as { pattern: Pattern; value: Typed });
    }
    eachChild(node, (child) => visit(child, WHOLE), ["type", "span", "function", "pipeline", "parameter", "pattern"]);
  };
  const named = ({ pattern, value }: { readonly pattern: Pattern; readonly value: Typed }) => {
    if (value.kind !== "attempt") return;
    const { span } = value;
    if (pattern.kind === "name") {
      const { binding } = pattern;
      attempts.push({ span, read: () => [...(reads.get(binding) ?? [])].some((read) => read !== "ok") });
    } else if (pattern.kind === "fields") {
      // What it doesn't have may have been meant for either.
      if (pattern.fields.some(({ field }) => field !== "ok" && field !== "failed")) return;
      const failed = pattern.fields.find((one) => one.field === "failed");
      attempts.push({ span, read: () => failed !== undefined && reads.has(failed.binding) });
    }
  };
  visit(pipeline.body, WHOLE);
  for (const { span, read } of attempts)
    if (!read())
      context.diagnostics.push(
        report("HR117", {}, [primary(span, "its `failed` is read by nobody")], {
          help: 'expect count(failed) == 0, "…", or read `failed` as data',
        }),
      );
}

const WHOLE = "*";
type Pattern = Extract<NonNullable<CheckedPipeline["body"]>["statements"][number], { kind: "let" }>["pattern"];

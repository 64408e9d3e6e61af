// What a condition tells of values that may be null: names and fields of names (`row.name`) by their path.
import type { Expr } from "../module.ts";

/** `row.name` as text; null for what isn't a name or a field of one. A name means one value wherever it is read. */
export function pathOf(expr: Expr): string | null {
  if (expr.kind === "name") return expr.name;
  if (expr.kind !== "field") return null;
  const of = pathOf(expr.of);
  return of === null ? null : `${of}.${expr.name.text}`;
}

/** Paths that aren't null where the condition is `truth`. */
export function nonNullPaths(condition: Expr, truth: boolean): string[] {
  if (condition.kind === "unary" && condition.operator === "!") return nonNullPaths(condition.operand, !truth);
  if (condition.kind !== "binary") return [];
  const { operator, left, right } = condition;
  if (operator === (truth ? "&&" : "||")) return [...nonNullPaths(left, truth), ...nonNullPaths(right, truth)];
  if (operator !== (truth ? "!=" : "==")) return [];
  const value = right.kind === "null" ? left : left.kind === "null" ? right : null;
  return value ? withRoots(value) : [];
}

/** Where `a?.b` isn't null, `a` isn't either. */
function withRoots(expr: Expr): string[] {
  const path = pathOf(expr);
  if (path === null) return [];
  return expr.kind === "field" && expr.optional ? [path, ...withRoots(expr.of)] : [path];
}

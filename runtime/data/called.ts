// Questions about a plan's expressions that need no values: which functions are called, and what has a say in them.
import type { Expr, Plan } from "../../compiler/plan.ts";

/** Whether nothing but what the task is given has a say in these values. */
export function isSettled(args: readonly Expr[]): boolean {
  const settled = (node: unknown): boolean => {
    if (typeof node !== "object" || node === null) return true;
    if ("op" in node && node.op === "const") return true;
    if ("op" in node && (node.op === "local" || node.op === "call" || node.op === "method" || node.op === "resource")) return false;
    return Object.values(node).every(settled);
  };
  return args.every(settled);
}

/** Ids of the functions that the stage calls. */
export function calledFunctions(plan: Plan, stageIndex: number): string[] {
  const found = new Set<string>();
  const visit = (node: unknown): void => {
    if (typeof node !== "object" || node === null) return;
    if ("op" in node && node.op === "const") return;
    if (
      "op" in node &&
      (node.op === "call" || node.op === "resource" || node.op === "spawn") &&
      "function" in node &&
      typeof node.function === "string"
    )
      found.add(node.function);
    for (const child of Object.values(node)) visit(child);
  };
  visit(plan.stages[stageIndex]?.body);
  visit(plan.stages[stageIndex]?.within?.otherwise);
  return [...found];
}

/** Names of the methods that the stage asks actors by. */
export function calledMethods(plan: Plan, stageIndex: number): string[] {
  const found = new Set<string>();
  const visit = (node: unknown): void => {
    if (typeof node !== "object" || node === null) return;
    if ("op" in node && node.op === "const") return;
    if ("op" in node && node.op === "method" && "name" in node) found.add(String(node.name));
    for (const child of Object.values(node)) visit(child);
  };
  visit(plan.stages[stageIndex]?.body);
  return [...found];
}

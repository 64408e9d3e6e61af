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
export const calledFunctions = (plan: Plan, stageIndex: number): string[] =>
  namesIn(plan, stageIndex, ({ op, function: id }) => (op === "call" || op === "resource" || op === "spawn" ? id : undefined));

/** Names of the methods that the stage asks actors by. */
export const calledMethods = (plan: Plan, stageIndex: number): string[] =>
  namesIn(plan, stageIndex, ({ op, name }) => (op === "method" ? name : undefined));

/** What the nodes of its expressions are asked for, once each, in the order in which it was found. */
function namesIn(plan: Plan, stageIndex: number, nameOf: (node: { readonly [field: string]: unknown }) => unknown): string[] {
  const found = new Set<string>();
  const visit = (node: unknown): void => {
    if (typeof node !== "object" || node === null) return;
    if ("op" in node && node.op === "const") return;
    const name = nameOf(node as { readonly [field: string]: unknown });
    if (typeof name === "string") found.add(name);
    for (const child of Object.values(node)) visit(child);
  };
  visit(plan.stages[stageIndex]?.body);
  visit(plan.stages[stageIndex]?.within?.otherwise);
  return [...found];
}

// What differs between two plans, in the user's own names: stages by the names of their `let`s, helpers folded in, so that a schedule
// that takes a stage apart differently isn't taken for another program. Data in, data out; equal hashes are the caller's to see.
import type { Expr, Json, Plan, PlanParam, PlanStage } from "./plan.ts";
import { architectureText } from "./plan.ts";

export type Change =
  | {
      readonly kind: "added" | "removed";
      readonly what: "stage" | "param" | "result" | "function";
      readonly name: string;
      readonly detail: string;
    }
  | { readonly kind: "renamed"; readonly name: string; readonly before: string }
  /** Of a function: its code. */
  | {
      readonly kind: "changed";
      readonly what: "stage" | "param" | "result" | "function" | "program";
      readonly name: string;
      readonly details: readonly string[];
    };

export function comparePlans(before: Plan, after: Plan): Change[] {
  const changes: Change[] = [];
  if (before.name !== after.name)
    changes.push({ kind: "changed", what: "program", name: after.name, details: [`its entry was ${before.name}`] });
  changes.push(...params(before, after), ...stages(before, after), ...functions(before, after));
  return changes;
}

// --- Params -------------------------------------------------------------------------------------------------------------------

function params(before: Plan, after: Plan): Change[] {
  const shown = ({ type, optional, default: value }: PlanParam) =>
    `${type}${optional ? "?" : ""}${value === undefined ? "" : ` = ${JSON.stringify(value)}`}`;
  return byName(before.params, after.params, ({ name }) => name).flatMap(([name, was, is]): Change[] => {
    if (!is) return [{ kind: "removed", what: "param", name, detail: shown(was!) }];
    if (!was) return [{ kind: "added", what: "param", name, detail: shown(is) }];
    const range = ({ min, max }: PlanParam) => (min === undefined && max === undefined ? "any" : `${min ?? ""}..${max ?? ""}`);
    const details = [
      ...differs("type", `${was.type}${was.optional ? "?" : ""}`, `${is.type}${is.optional ? "?" : ""}`),
      ...differs("default", JSON.stringify(was.default) ?? "none", JSON.stringify(is.default) ?? "none"),
      ...differs("range", range(was), range(is)),
    ];
    return details.length === 0 ? [] : [{ kind: "changed", what: "param", name, details }];
  });
}

const differs = (what: string, before: string, after: string) => (before === after ? [] : [`${what} ${before} → ${after}`]);

function byName<T>(before: readonly T[], after: readonly T[], nameOf: (one: T) => string): [string, T | undefined, T | undefined][] {
  const was = new Map(before.map((one) => [nameOf(one), one]));
  const is = new Map(after.map((one) => [nameOf(one), one]));
  return [...new Set([...is.keys(), ...was.keys()])].map((name) => [name, was.get(name), is.get(name)]);
}

// --- Functions ----------------------------------------------------------------------------------------------------------------

function functions(before: Plan, after: Plan): Change[] {
  const callers = (plan: Plan, id: string) => [...new Set(plan.stages.filter(({ body }) => calls(body).has(id)).map(({ name }) => name))];
  return byName(Object.keys(before.functions), Object.keys(after.functions), (id) => id).flatMap(([id, was, is]): Change[] => {
    if (!is) return [{ kind: "removed", what: "function", name: id, detail: "" }];
    const where = after.about.functions[id]?.span;
    const place = where ? `${where.file}:${where.line}` : "";
    if (!was) return [{ kind: "added", what: "function", name: id, detail: place }];
    const [old, now] = [before.functions[id]!, after.functions[id]!];
    const used = `used by ${callers(after, id).join(", ")}`;
    if (old.digest !== now.digest)
      return [{ kind: "changed", what: "function", name: id, details: [`its code${place === "" ? "" : ` (${place})`}`, used] }];
    return same(old, now) ? [] : [{ kind: "changed", what: "function", name: id, details: ["what is known of it", used] }];
  });
}

function calls(body: unknown, found = new Set<string>()): Set<string> {
  visit(body, (node) => {
    if (node.op === "call" && typeof node.function === "string") found.add(node.function);
  });
  return found;
}

function visit(node: unknown, each: (node: { readonly [field: string]: unknown }) => void): void {
  if (Array.isArray(node)) for (const one of node) visit(one, each);
  else if (typeof node === "object" && node !== null) {
    each(node as { readonly [field: string]: unknown });
    for (const field of Object.values(node)) visit(field, each);
  }
}

// --- Stages -------------------------------------------------------------------------------------------------------------------

/** A stage as its writer knows it: with all its helpers. */
interface Whole {
  readonly name: string;
  readonly parts: readonly PlanStage[];
  readonly runs: string;
}

function wholes(plan: Plan): Map<string, Whole> {
  const found = new Map<string, { name: string; parts: PlanStage[] }>();
  for (const stage of plan.stages) {
    const whole = found.get(stage.name) ?? { name: stage.name, parts: [] };
    whole.parts.push(stage);
    found.set(stage.name, whole);
  }
  return new Map([...found].map(([name, whole]) => [name, { ...whole, runs: runs(whole.parts) }]));
}

function runs(parts: readonly PlanStage[]): string {
  const texts = parts.map(({ strategy, tasks }) => {
    if (tasks.kind === "each" || tasks.kind === "branch" || tasks.kind === "loop")
      return { each: "for each", branch: "if", loop: "loop" }[tasks.kind];
    if (strategy.kind === "data") return strategy.slots === null ? "data" : `data(${strategy.slots})`;
    return strategy.kind === "fit" ? `fit, ${architectureText(strategy)}` : "task";
  });
  return texts.find((text) => text !== "task") ?? "task";
}

function stages(before: Plan, after: Plan): Change[] {
  const was = wholes(before);
  const is = wholes(after);
  /** Names of before, by those of after. */
  const names = new Map([...is.keys()].filter((name) => was.has(name)).map((name) => [name, name]));
  const lost = new Map([...was].filter(([name]) => !is.has(name)));
  const renamed: Change[] = [];
  for (const [name, whole] of is) {
    if (names.has(name)) continue;
    const old = [...lost.values()].find((one) => same(signature(one, before, new Map()), signature(whole, after, names)));
    if (!old) continue;
    names.set(name, old.name);
    lost.delete(old.name);
    renamed.push({ kind: "renamed", name, before: old.name });
  }
  const changes: Change[] = [...is.values()].flatMap((whole): Change[] => {
    const old = was.get(names.get(whole.name) ?? "");
    if (!old) return [{ kind: "added", what: "stage", name: whole.name, detail: whole.runs }];
    const details = stageDetails(old, before, whole, after, names);
    return details.length === 0 ? [] : [{ kind: "changed", what: "stage", name: whole.name, details }];
  });
  const gone = [...lost.values()].map(({ name, runs: detail }): Change => ({ kind: "removed", what: "stage", name, detail }));
  return [...gone, ...renamed, ...changes, ...results(before, after, names)];
}

function stageDetails(old: Whole, before: Plan, now: Whole, after: Plan, names: ReadonlyMap<string, string>): string[] {
  const details = differs("runs as", old.runs, now.runs);
  // Another strategy takes a stage apart in other ways: only what it computes is compared then.
  const taken = details.length > 0 && old.parts.length !== now.parts.length;
  const changed = taken
    ? !same(essence(old), essence(now))
    : !same(
        old.parts.map(({ body }) => body),
        now.parts.map(({ body }) => body),
      );
  if (changed) {
    const pairs = taken ? [] : old.parts.flatMap((part, i) => (now.parts[i] ? differences(part.body, now.parts[i].body) : []));
    details.push(
      pairs.length > 0 && pairs.length <= 4 && pairs.every((pair) => !pair.includes(NAMELESS))
        ? `computes ${pairs.join(", ")}`
        : "computes something else",
    );
  }
  const reads = (whole: Whole, plan: Plan, known: ReadonlyMap<string, string> | null) =>
    [...new Set(whole.parts.flatMap((part) => inputNames(part, plan, known)))]
      .filter((name) => name !== whole.name && name !== known?.get(whole.name))
      .sort();
  const [read, reading] = [reads(old, before, null), reads(now, after, names)].map((all) => new Set(all)) as [Set<string>, Set<string>];
  const [more, fewer] = [[...reading].filter((name) => !read.has(name)), [...read].filter((name) => !reading.has(name))];
  if (more.length > 0) details.push(`now reads ${more.join(", ")}`);
  if (fewer.length > 0) details.push(`no longer reads ${fewer.join(", ")}`);
  for (const option of ["timeoutMs", "memoryBytes", "retries", "label"] as const) {
    const value = ({ parts }: Whole) => String(parts.find(({ options }) => options[option] !== undefined)?.options[option] ?? "none");
    details.push(...differs(option, value(old), value(now)));
  }
  if (details.length === 0 && !same(shape(old, before, null), shape(now, after, names))) details.push("is taken apart in another way");
  return details;
}

/** All that a whole is, but for the names of its stages. */
function shape(whole: Whole, plan: Plan, names: ReadonlyMap<string, string> | null): Json {
  const own = new Map(whole.parts.map((part, i) => [part, i]));
  const nameOf = (index: number) => {
    const stage = plan.stages[index]!;
    const inside = own.get(stage);
    return inside !== undefined ? `own ${inside}` : (names?.get(stage.name) ?? stage.name);
  };
  const parts = whole.parts.map(({ id: _, name: __, region, tasks, inputs, ...rest }) => ({
    ...rest,
    region: region === undefined ? null : 0,
    tasks: "of" in tasks ? { ...tasks, of: nameOf(tasks.of) } : tasks.kind,
    inputs: inputs.map((input) => ("stage" in input ? { ...input, stage: nameOf(input.stage) } : input)),
  }));
  return JSON.parse(JSON.stringify(parts));
}

/** What makes two stages one under two names. */
function signature(whole: Whole, plan: Plan, names: ReadonlyMap<string, string>): Json {
  return shape(whole, plan, names);
}

function inputNames(stage: PlanStage, plan: Plan, names: ReadonlyMap<string, string> | null): string[] {
  const nameOf = (index: number) => names?.get(plan.stages[index]!.name) ?? plan.stages[index]!.name;
  return stage.inputs.flatMap((input) =>
    "stage" in input ? [nameOf(input.stage)] : input.kind === "param" ? [`the param ${input.name}`] : [],
  );
}

/** Functions, constants and operations, however they are spread over helpers. */
function essence({ parts }: Whole): Json {
  const found = new Set<string>();
  const helpers = new Set(["input", "local", "fold", "combine", "reduce", "const", "list"]);
  for (const { body } of parts)
    visit(body, (node) => {
      if (node.op === "const") found.add(`const ${JSON.stringify(node.value)}`);
      else if (typeof node.op === "string" && !helpers.has(node.op) && !(node.op === "data" && node.name === "range"))
        found.add(`${node.op} ${String(node.name ?? node.function ?? node.operator ?? "")}`);
    });
  return [...found].sort();
}

function results(before: Plan, after: Plan, names: ReadonlyMap<string, string>): Change[] {
  const source = (plan: Plan, { from }: Plan["outputs"][number], known: ReadonlyMap<string, string> | null) => {
    if (from.kind === "const") return JSON.stringify(from.value);
    if (from.kind === "param") return `the param ${from.name}`;
    const { name } = plan.stages[from.stage]!;
    return known?.get(name) ?? name;
  };
  return byName(before.outputs, after.outputs, ({ name }) => name).flatMap(([name, was, is]): Change[] => {
    if (!is) return [{ kind: "removed", what: "result", name, detail: "" }];
    if (!was) return [{ kind: "added", what: "result", name, detail: `from ${source(after, is, null)}` }];
    const details = differs("comes from", source(before, was, null), source(after, is, names));
    return details.length === 0 ? [] : [{ kind: "changed", what: "result", name, details }];
  });
}

// --- Expressions ----------------------------------------------------------------------------------------------------------------

/** Equal as JSON, whatever the order of fields. */
function same(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return Object.is(a, b);
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const fields = (value: object) => Object.entries(value).filter(([, field]) => field !== undefined);
  const [left, right] = [fields(a), new Map(fields(b))];
  return left.length === right.size && left.every(([name, value]) => right.has(name) && same(value, right.get(name)));
}

const isLocal = (name: unknown) => typeof name === "string" && /^v\d+$/.test(name);

/** The smallest parts that differ, as `64 → 128`. */
function differences(before: unknown, after: unknown): string[] {
  if (same(before, after)) return [];
  const isNode = (value: unknown): value is Expr => typeof value === "object" && value !== null && "op" in value;
  if (
    isNode(before) &&
    isNode(after) &&
    (before.op !== after.op || before.op === "const" || before.op === "local" || before.op === "input")
  )
    return [`${exprText(before)} → ${exprText(after)}`];
  if (typeof before !== "object" || typeof after !== "object" || before === null || after === null)
    return [isLocal(before) && isLocal(after) ? NAMELESS : `${String(before)} → ${String(after)}`];
  if (Array.isArray(before) && Array.isArray(after) && before.length !== after.length) return [`${before.length} parts → ${after.length}`];
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const values = (value: object, key: string) => (value as { readonly [key: string]: unknown })[key];
  return keys.flatMap((key) => differences(values(before, key), values(after, key)));
}

/** A plan has no names for what is inside a stage: where these differ there is nothing to be told. */
const NAMELESS = "\0";

/** Short words for an expression; what is deeper stays `…`. */
function exprText(expr: Expr, depth = 2): string {
  const inner = (one: Expr) => (depth === 0 ? "…" : exprText(one, depth - 1));
  switch (expr.op) {
    case "const":
      return JSON.stringify(expr.value);
    case "call":
      return `${expr.function}(${expr.args.map(inner).join(", ")})`;
    case "builtin":
      return `${expr.name}(${expr.args.map(inner).join(", ")})`;
    case "field":
      return `${inner(expr.of)}.${expr.name}`;
    case "binary":
      return `${inner(expr.left)} ${expr.operator} ${inner(expr.right)}`;
    case "unary":
      return `${expr.operator}${inner(expr.operand)}`;
    case "data":
      return `${expr.name}(…)`;
    case "fold":
    case "combine":
    case "reduce":
      return `${expr.name}(…)`;
    case "input":
    case "local":
      return NAMELESS;
    default:
      return `${/^[aeiou]/.test(expr.op) ? "an" : "a"} ${expr.op}`;
  }
}

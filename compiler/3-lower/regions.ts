// `for`, `loop` and `if` as control stages and the regions that these bring to life, and what acts: effects in their order, expectations,
// deadlines. What a stage computes is `tasks.ts`'s; which values there are is `lower.ts`'s.
import type { Span } from "../../lang/ast.ts";
import type { Type } from "../../lang/types.ts";
import { acts, asksActors } from "../2-check/statements.ts";
import type { Binding, Typed, TypedBlock, TypedLet, TypedStatement } from "../2-check/typed.ts";
import type { Expr } from "../plan.ts";
import { eachChild } from "../walk.ts";
import type { Draft } from "./draft.ts";
import { Region } from "./draft.ts";
import type { Lowering, Value } from "./lower.ts";
import { Env, fieldType } from "./lower.ts";
import { join, labelOf } from "./names.ts";
import { callsUser, isOneTask, TaskWriter } from "./tasks.ts";

/** What a value made here is called: see `Lowering.value`. */
export interface Naming {
  readonly name: string;
  readonly path: string;
  readonly helper: string | null;
}

const VOID: Type = { kind: "void" };
const BOOL: Type = { kind: "bool" };
const INT: Type = { kind: "int" };
const NULL: Expr = { op: "const", value: null };

const helperOf = (helper: string | null, suffix: string): string => (helper === null ? suffix : `${helper}/${suffix}`);

// --- for ----------------------------------------------------------------------------------------------------------------------

export function lowerFor(lowering: Lowering, typed: Typed & { kind: "for" }, env: Env, { name, path, helper }: Naming): Value {
  const items = lowering.draft(name, helperOf(helper, "items"), typed.in.span, typed.in.type, { kind: "source" });
  items.cut = "rows";
  items.body = new TaskWriter(lowering, items).rows(typed.in, env);
  const outer = lowering.region;
  const region = new Region(outer);
  const each = lowering.draft(name, helper, typed.span, typed.type, { kind: "each", of: items, region });
  region.control = each;
  lowering.inside(region, () => {
    const inner = new Env(env);
    bindPattern(lowering, typed.item, { kind: "item", items }, typed.in, inner);
    const writer = new TaskWriter(lowering, each);
    if (isOneChain(typed.body) && !lowering.isNamedInside(path)) each.body = writer.block(typed.body, inner);
    else {
      lowerStatements(lowering, typed.body.statements, inner, path);
      each.body = typed.body.value.type.kind === "void" ? NULL : writer.write(typed.body.value, inner);
    }
  });
  for (const root of region.roots) each.use({ kind: "after", of: root });
  if (region.roots.length > 0) outer.roots.push(each);
  if (region.effect !== outer.effect) outer.effect = each;
  return { kind: "stage", draft: each };
}

/** A block of calls of which each needs the one before: nothing in it could run side by side, so that one task may do it all. */
function isOneChain(block: TypedBlock): boolean {
  const values: Typed[] = [];
  const names = new Map<Binding, number>();
  for (const statement of block.statements) {
    if (statement.kind !== "let") return false;
    for (const binding of bindingsOf(statement.pattern)) names.set(binding, values.length);
    values.push(statement.value);
  }
  values.push(block.value);
  if (!values.every(isOneTask)) return false;
  // For each value the calls that it waits for; all calls before it must be among them.
  const waits: Set<number>[] = [];
  const calls: number[] = [];
  for (const [index, value] of values.entries()) {
    const before = new Set<number>();
    for (const read of readsOf(value, names)) for (const one of [read, ...waits[read]!]) before.add(one);
    waits.push(before);
    if (!callsUser(value)) continue;
    if (calls.some((call) => !before.has(call))) return false;
    calls.push(index);
  }
  return true;
}

function readsOf(value: Typed, names: ReadonlyMap<Binding, number>): number[] {
  const found: number[] = [];
  const visit = (node: object): void => {
    if ("kind" in node && node.kind === "local" && "binding" in node) {
      const at = names.get(node.binding as Binding);
      if (at !== undefined) found.push(at);
      return;
    }
    eachChild(node, visit, ["type", "span", "function"]);
  };
  visit(value);
  return found;
}

const bindingsOf = (pattern: TypedLet["pattern"]): readonly Binding[] =>
  pattern.kind === "name" ? [pattern.binding] : pattern.kind === "fields" ? pattern.fields.map(({ binding }) => binding) : pattern.bindings;

function bindPattern(lowering: Lowering, pattern: TypedLet["pattern"], value: Value, written: Typed, env: Env): void {
  if (pattern.kind === "name") {
    env.set(pattern.binding, value);
    return;
  }
  if (pattern.kind === "fields") {
    for (const { field, binding } of pattern.fields) env.set(binding, lowering.field(value, field, binding.type, written));
    return;
  }
  pattern.bindings.forEach((binding, i) => {
    env.set(binding, lowering.item(value, i, binding.type, written));
  });
}

// --- if -----------------------------------------------------------------------------------------------------------------------

export function lowerIf(lowering: Lowering, typed: Typed & { kind: "if" }, env: Env, { name, path, helper }: Naming): Value {
  const condition = lowering.draft(name, helperOf(helper, "condition"), typed.condition.span, BOOL, { kind: "value" });
  condition.body = new TaskWriter(lowering, condition).write(typed.condition, env);
  const outer = lowering.region;
  const [then, otherwise] = [new Region(outer), new Region(outer)];
  const control = lowering.draft(name, helperOf(helper, "if"), typed.span, VOID, { kind: "branch", then, else: otherwise, gives: [] });
  control.use({ kind: "value", of: condition });
  const side = (region: Region, block: TypedBlock, which: string): Value => {
    region.control = control;
    return lowering.inside(region, () => {
      const inner = new Env(env);
      lowerStatements(lowering, block.statements, inner, path);
      if (typed.type.kind === "void")
        return { kind: "cheap", typed: { kind: "const", value: null, type: VOID, span: block.value.span }, env: inner };
      return lowering.value(block.value, inner, name, path, helperOf(helper, which));
    });
  };
  const branch = new Branch(lowering, control, then, otherwise, typed.span);
  const value = branch.give(side(then, typed.then, "then"), side(otherwise, typed.else, "else"), typed.type, { name, path, helper });
  if (then.roots.length > 0 || otherwise.roots.length > 0) outer.roots.push(control);
  if (then.effect !== outer.effect || otherwise.effect !== outer.effect) {
    const last = (region: Region) =>
      region.effect ?? lowering.inside(region, () => lowering.constant(name, helperOf(helper, "nothing"), typed.span));
    outer.effect = branch.stage(last(then), last(otherwise), VOID, false, { name, path, helper: helperOf(helper, "done") });
  }
  return value;
}

class Branch {
  private readonly lowering: Lowering;
  private readonly control: Draft;
  private readonly then: Region;
  private readonly otherwise: Region;
  private readonly span: Span;

  constructor(lowering: Lowering, control: Draft, then: Region, otherwise: Region, span: Span) {
    this.lowering = lowering;
    this.control = control;
    this.then = then;
    this.otherwise = otherwise;
    this.span = span;
  }

  /** What stands for one of two values. Records of the same fields are given field by field, so that each field is made where it is needed. */
  give(then: Value, otherwise: Value, type: Type, naming: Naming): Value {
    if (type.kind === "void") return then;
    if (then.kind === "record" && otherwise.kind === "record" && type.kind === "record" && sameNames(then.fields, otherwise.fields)) {
      const fields = [...then.fields].map(([field, value]): [string, Value] => {
        const name = join(naming.path, field);
        return [field, this.give(value, otherwise.fields.get(field)!, fieldType(type, field), { name, path: name, helper: null })];
      });
      return { kind: "record", fields: new Map(fields), type };
    }
    const rows = type.kind === "dataset" || (then.kind === "rows" && otherwise.kind === "rows");
    const made = (region: Region, value: Value) =>
      this.lowering.inside(region, () =>
        rows ? this.lowering.rowsStage(value, type, this.span, naming) : this.lowering.valueStage(value, type, this.span, naming),
      );
    return { kind: "stage", draft: this.stage(made(this.then, then), made(this.otherwise, otherwise), type, rows, naming) };
  }

  stage(then: Draft, otherwise: Draft, type: Type, rows: boolean, { name, helper }: Naming): Draft {
    const given = this.lowering.draft(name, helper, this.span, type, { kind: "given", by: this.control, rows });
    given.handsOn.push(then, otherwise);
    if (this.control.work.kind === "branch") this.control.work.gives.push({ given, then, else: otherwise });
    return given;
  }
}

const sameNames = (a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>): boolean =>
  a.size === b.size && [...a.keys()].every((name) => b.has(name));

// --- loop ---------------------------------------------------------------------------------------------------------------------

export function lowerLoop(lowering: Lowering, typed: Typed & { kind: "loop" }, env: Env, { name, path, helper }: Naming): Value {
  const outer = lowering.region;
  const region = new Region(outer);
  const several = typed.carried.length > 1;
  const nameOf = (binding: Binding) => (several ? join(path, binding.name) : name);
  const inits = typed.carried.map(({ binding, init }) => {
    const naming = { name: nameOf(binding), helper: helperOf(helper, "init") };
    return lowering.valueStage(lowering.value(init, env, naming.name, path, naming.helper), binding.type, init.span, naming);
  });
  const max = lowering.value(typed.max, env, name, path, helperOf(helper, "max"));
  const control = lowering.draft(name, helperOf(helper, "loop"), typed.span, VOID, { kind: "loop", region, carried: [], decision: null });
  region.control = control;
  const { givens, nexts, decision } = lowering.inside(region, () => {
    const inner = new Env(env);
    const givens = typed.carried.map(({ binding }) => {
      const given = lowering.draft(nameOf(binding), helperOf(helper, "carried"), binding.span, binding.type, {
        kind: "given",
        by: null,
        rows: false,
      });
      inner.set(binding, { kind: "stage", draft: given });
      return given;
    });
    const nexts = new Map<Binding, Draft>();
    lowerStatements(lowering, typed.body, inner, path, (carried, value) => {
      const naming = { name: nameOf(carried), helper: helperOf(helper, "next") };
      const found = lowering.value(value, inner, naming.name, path, naming.helper);
      const next = lowering.valueStage(found, carried.type, value.span, naming);
      nexts.set(carried, next);
      inner.set(typed.carried.find(({ binding }) => binding === carried)!.next, { kind: "stage", draft: next });
    });
    const decision = lowering.draft(name, helperOf(helper, "until"), typed.until.span, INT, { kind: "value" });
    const writer = new TaskWriter(lowering, decision);
    const rounds: Expr = {
      op: "binary",
      operator: "+",
      left: decision.use({ kind: "iteration", region }),
      right: { op: "const", value: 1 },
      int: true,
    };
    decision.body = {
      op: "if",
      condition: writer.write(typed.until, inner),
      then: { op: "const", value: 1 },
      else: {
        op: "if",
        condition: { op: "binary", operator: ">=", left: rounds, right: writer.read(max), int: false },
        then: { op: "const", value: 2 },
        else: { op: "const", value: 0 },
      },
    };
    // The effects of a round come before those of the next.
    if (region.effect && region.effect !== outer.effect) decision.use({ kind: "after", of: region.effect });
    return { givens, nexts, decision };
  });
  const finals = typed.carried.map(({ binding }) =>
    lowering.draft(nameOf(binding), helper, typed.span, binding.type, { kind: "given", by: control, rows: false }),
  );
  if (control.work.kind !== "loop") throw new Error("bug: a loop that isn't one");
  control.work.decision = decision;
  control.work.carried.push(
    ...typed.carried.map(({ binding }, i) => ({ given: givens[i]!, init: inits[i]!, next: nexts.get(binding)!, final: finals[i]! })),
  );
  if (region.roots.length > 0) outer.roots.push(control);
  if (region.effect !== outer.effect) outer.effect = finals[0]!;
  if (!several) return { kind: "stage", draft: finals[0]! };
  const fields = typed.carried.map(({ binding }, i): [string, Value] => [binding.name, { kind: "stage", draft: finals[i]! }]);
  return { kind: "record", fields: new Map(fields), type: typed.type };
}

// --- What acts ----------------------------------------------------------------------------------------------------------------

/** The statements of a block between tasks. `next` says what becomes of a `<-`. */
export function lowerStatements(
  lowering: Lowering,
  statements: readonly TypedStatement[],
  env: Env,
  path: string,
  next: (carried: Binding, value: Typed) => void = () => {
    throw new Error("bug: `<-` outside of a loop");
  },
): void {
  for (const statement of statements) {
    switch (statement.kind) {
      case "let":
        lowering.let(statement, env, path);
        break;
      case "run":
        run(lowering, statement.value, env, path);
        break;
      case "do":
        effect(lowering, statement.call, env, path);
        break;
      case "expect": {
        const draft = root(lowering, join(path, "expect"), statement.span);
        const writer = new TaskWriter(lowering, draft);
        const condition = writer.write(statement.condition, env);
        draft.body = { op: "expect", condition, message: writer.write(statement.message, env), body: NULL };
        break;
      }
      case "track": {
        const draft = root(lowering, join(path, statement.name), statement.span);
        const step = draft.use({ kind: "iteration", region: lowering.region });
        draft.body = { op: "track", name: statement.name, step, value: new TaskWriter(lowering, draft).write(statement.value, env) };
        break;
      }
      case "next":
        next(statement.carried, statement.value);
    }
  }
}

/** A stage that runs though nobody reads it. */
function root(lowering: Lowering, name: string, span: Span): Draft {
  const draft = lowering.draft(name, null, span, VOID, { kind: "value" });
  lowering.region.roots.push(draft);
  return draft;
}

/** A block's value that is there for what it does. */
function run(lowering: Lowering, typed: Typed, env: Env, path: string): void {
  if (acts(typed)) lowering.value(typed, env, join(path, labelOf(typed)), join(path, labelOf(typed)), null);
}

function effect(lowering: Lowering, call: Typed, env: Env, path: string): void {
  if (call.kind === "pipeline") {
    lowering.value(call, env, join(path, call.pipeline.name), join(path, call.pipeline.name), null);
    return;
  }
  const name = join(path, labelOf(call));
  // Calls of actors are never left out, and have an order of their own; an effect that is given what one gives is an effect.
  if (call.kind !== "call" && call.kind !== "write" && asksActors(call)) {
    lowering.value(call, env, name, name, null);
    return;
  }
  const draft = root(lowering, name, call.span);
  draft.effect = true;
  draft.body = new TaskWriter(lowering, draft).write(call, env);
  const { region } = lowering;
  if (region.effect) draft.use({ kind: "after", of: region.effect });
  region.effect = draft;
}

/** A task with a deadline, and what takes its place. */
export function lowerWithin(lowering: Lowering, typed: Typed & { kind: "within" }, env: Env, { name, helper }: Naming): Value {
  const draft = lowering.draft(name, helper, typed.span, typed.type, { kind: "value" });
  const writer = new TaskWriter(lowering, draft);
  draft.body = writer.within(typed.value, env);
  draft.within = { limitMs: typed.limitMs, otherwise: writer.within(typed.otherwise, env) };
  return { kind: "stage", draft };
}

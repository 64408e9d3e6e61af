// What happens inside one task, as the plan's expressions: names become inputs or locals, arguments get their passing. Locals are
// numbered in the order in which they come, so that two programs that differ in names alone have one plan.

import { report } from "../../lang/diagnostics.ts";
import type { Type } from "../../lang/types.ts";
import { whole } from "../2-check/fitting.ts";
import { readsKeys } from "../2-check/operations.ts";
import { acts } from "../2-check/statements.ts";
import type {
  Binding,
  Typed,
  TypedAggregate,
  TypedBlock,
  TypedEpochStatement,
  TypedFitStatement,
  TypedLambda,
  TypedLet,
  TypedStatement,
} from "../2-check/typed.ts";
import type { AggregateExpr, EpochStatement, Expr, FitStatement, LoopExpr, Passing, ReadExpr } from "../plan.ts";
import { someChild } from "../walk.ts";
import { actorsIn } from "./actors.ts";
import type { Draft } from "./draft.ts";
import type { Lowering, Rows, Value } from "./lower.ts";
import { Env } from "./lower.ts";
import { labelOf } from "./names.ts";
import { isFresh, isHeldAfter, lends, onlyRead } from "./ownership.ts";

/** Work that deserves stages of its own, where it isn't inside a task. */
const STAGES: readonly string[] = [
  "pipeline",
  "fit",
  "data",
  "reduce",
  "aggregate",
  "range",
  "read",
  "split",
  "for",
  "loop",
  "attempt",
  "within",
  "spawn",
  "callAll",
];

/** Computed wherever it is read: no call of the user's, no rows, nothing that acts. */
export function isCheap(typed: Typed): boolean {
  return !some(typed, ({ kind }) => kind === "call" || kind === "method" || STAGES.includes(kind)) && !acts(typed);
}
/** Of calls at most: nothing is gained by taking it apart. */
export function isOneTask(typed: Typed): boolean {
  return !some(typed, ({ kind }) => STAGES.includes(kind)) && !acts(typed);
}
/** Worth a task of its own, and worth doing once. */
export function callsUser(typed: Typed): boolean {
  return some(typed, ({ kind }) => kind === "call" || kind === "method" || kind === "pipeline" || kind === "read");
}

export function readStep({ format, shape, separator }: Typed & { kind: "read" }, step: ReadExpr["step"], source: Expr): ReadExpr {
  return { op: "read", step, format, source, shape, separator };
}

/** Where no expression stands. */
const UNTYPED = ["type", "span", "binding", "function", "parameter"];

/** What a plan calls a reduction: the runtime knows no types, and a sum of `int`s is held to be one. */
export const reductionOf = ({ name, type }: { readonly name: string; readonly type: Type }): string =>
  name === "sum" && whole(type).kind === "int" ? "sumInt" : name;

export function some(typed: Typed, test: (one: Typed) => boolean): boolean {
  const visit = (node: object): boolean =>
    ("kind" in node && "span" in node && "type" in node && test(node as Typed)) || someChild(node, visit, UNTYPED);
  return visit(typed);
}

export class TaskWriter {
  private readonly lowering: Lowering;
  private readonly draft: Draft;
  private readonly locals = new Map<Binding, string>();
  /** Names of resources: these are written out where they are read. */
  private readonly resources = new Map<Binding, Expr>();
  private count = 0;
  /** Lambdas and branches compute where they stand; elsewhere what deserves tasks of its own gets them. */
  private inline = 0;
  /** Writing what a `fit` goes over. */
  private inOver = false;
  private inFit = false;
  /** Of what a `loop` inside this task carries: the binding of its new value. */
  private readonly nexts = new Map<Binding, Binding>();
  /** Arguments whose callee is the last to see them. */
  private readonly moves = new Set<Typed>();

  constructor(lowering: Lowering, draft: Draft) {
    this.lowering = lowering;
    this.draft = draft;
  }

  private local(binding: Binding): string {
    const name = `v${this.count++}`;
    this.locals.set(binding, name);
    return name;
  }

  private inlined<T>(write: () => T): T {
    this.inline++;
    const result = write();
    this.inline--;
    return result;
  }

  write(typed: Typed, env: Env): Expr {
    const inner = (one: Typed) => this.write(one, env);
    switch (typed.kind) {
      case "const":
        return { op: "const", value: typed.value };
      case "param":
        return this.draft.use({ kind: "param", name: typed.name });
      case "local": {
        const resource = this.resources.get(typed.binding);
        if (resource) return resource;
        const local = this.locals.get(typed.binding);
        if (local !== undefined) return { op: "local", name: local };
        const value = env.get(typed.binding);
        if (!value) throw new Error(`bug: \`${typed.binding.name}\` has no value inside a task`);
        return this.read(value);
      }
      case "field":
        return { op: "field", of: inner(typed.of), name: typed.name, optional: typed.optional };
      case "index":
        return { op: "index", of: inner(typed.of), index: inner(typed.index) };
      case "record":
        return {
          op: "record",
          fields: typed.fields.map((field) =>
            "spread" in field ? { spread: inner(field.spread) } : { name: field.name, value: inner(field.value) },
          ),
        };
      case "list":
        return { op: "list", items: typed.items.map(inner) };
      case "template":
        return { op: "template", parts: typed.parts.map((part) => (typeof part === "string" ? part : inner(part))) };
      case "if":
        // Only the branch that is taken may run.
        if (this.inline === 0 && isBranch(typed)) return this.hoisted(typed, env);
        return {
          op: "if",
          condition: inner(typed.condition),
          then: this.inlined(() => this.block(typed.then, env)),
          else: this.inlined(() => this.block(typed.else, env)),
        };
      case "unary":
        return { op: "unary", operator: typed.operator, operand: inner(typed.operand), int: typed.int };
      case "binary":
        return { op: "binary", operator: typed.operator, left: inner(typed.left), right: inner(typed.right), int: typed.int };
      case "builtin":
        return { op: "builtin", name: typed.name, args: typed.args.map(inner) };
      case "call":
        this.lowering.functions.set(typed.function.id, typed.function);
        return this.call(
          typed,
          typed.args.map(({ value }) => inner(value)),
        );
      case "resource":
        this.lowering.functions.set(typed.function.id, typed.function);
        return { op: "resource", function: typed.function.id, args: typed.args.map(({ value }) => inner(value)) };
      case "pipeline":
        return this.inline > 0 ? this.writtenOut(typed, env) : this.hoisted(typed, env);
      case "write": {
        const source = this.rows(typed.source, env);
        return { op: "write", format: typed.format, source, path: inner(typed.path), columns: typed.columns };
      }
      case "range":
      case "read":
      case "data":
      case "split":
      case "attempt":
      case "reduce":
      case "aggregate":
        return this.inline > 0 || this.lowering.isSmall(typed, env) ? this.computed(typed, env) : this.hoisted(typed, env);
      case "for":
        return this.inline > 0 ? this.forEach(typed, env) : this.hoisted(typed, env);
      case "loop":
        return this.inline > 0 || isSimpleLoop(typed) ? this.loop(typed, env) : this.hoisted(typed, env);
      case "within":
        if (this.inline === 0) return this.hoisted(typed, env);
        this.needsItsOwn("`within`", "only a task of its own can be ended when its time is over", typed.span);
        return this.write(typed.value, env);
      case "combine":
        return { op: "combine", name: reductionOf(typed), partials: inner(typed.part), by: null };
      case "fit":
        return this.draft.work.kind === "fit" || this.inline > 0 ? this.fit(typed, env) : this.hoisted(typed, env);
      case "method":
        return this.method(typed, env);
      case "callAll":
      case "spawn":
        return this.hoisted(typed, env);
      case "error":
        throw new Error("bug: an expression with an error reached the plan");
    }
  }

  private call(typed: Typed & { kind: "call" }, written: readonly Expr[]): Expr {
    const { args } = typed;
    const passing = args.map(({ parameter, value }, i) =>
      written[i]!.op === "resource" ? "share" : this.passing(parameter.mutable, value),
    );
    return { op: "call", function: typed.function.id, args: written, passing, ...(lends(typed) ? { lends: true as const } : {}) };
  }

  // --- Actors ---------------------------------------------------------------------------------------------------------------

  /** What makes an actor, by its number. */
  spawn(typed: Typed & { kind: "spawn" }, env: Env): Expr {
    const write = (): Expr => ({
      op: "spawn",
      function: typed.actor.made.id,
      args: typed.args.map(({ value }) => this.write(value, env)),
    });
    if (!typed.count) return write();
    const block = this.draft.use({ kind: "block" });
    if (!typed.index) return write();
    const number: Expr = { op: "index", of: collect(block), index: { op: "const", value: 0 } };
    const name = this.local(typed.index);
    return { op: "let", name, value: number, body: this.inlined(write) };
  }

  /** What each actor of a pool is asked. */
  members({ f }: Typed & { kind: "callAll" }, of: Draft, env: Env): Expr {
    this.member.set(f.parameters[0]!, of);
    return this.inlined(() => this.write(f.body, env));
  }
  /** Names that stand for the actor of this task. */
  private readonly member = new Map<Binding, Draft>();

  private method(typed: Typed & { kind: "method" }, env: Env): Expr {
    const { receiver, function: called } = typed;
    // What it asks may live inside the region, which its own task comes after.
    if (this.draft.work.kind === "each" && this.inline === 0) return this.hoisted(typed, env);
    const member = receiver.kind === "local" ? this.member.get(receiver.binding) : undefined;
    const of = member ?? actorsIn(this.lowering.value(receiver, env, this.draft.name, this.draft.name, "actor"));
    const which = member ? "each" : receiver.type.kind === "pool" ? "free" : "one";
    const { asks } = this.draft;
    if (asks && (asks.of !== of || asks.which !== which)) {
      if (this.inline === 0) return this.hoisted(typed, env);
      const [first, other] = [asks.of.name, of.name];
      this.lowering.problem(
        report("HR312", { stage: this.draft.name, first, other }, [{ span: typed.span, label: `asks \`${other}\``, role: "primary" }], {
          help: "ask one of them for all rows first: … |> map(…) |> map(…)",
        }),
      );
    }
    const reads = called.signature.tags.includes("reads");
    this.draft.asks ??= { of, which, reads: true, overlaps: true };
    if (!called.signature.async) this.draft.asks.overlaps = false;
    if (!reads && this.draft.asks.reads) {
      this.draft.asks.reads = false;
      // It changes what later calls find, whether anybody reads what it gives or not.
      if (!this.draft.region.roots.includes(this.draft)) this.draft.region.roots.push(this.draft);
    }
    const args = typed.args.map(({ value }) => this.write(value, env));
    const { async, returns, overloads, name } = called.signature;
    const target = this.draft.use({ kind: "actor", of });
    return { op: "method", of: target, name, args, async, integer: returns.kind === "int" && overloads.length === 0 };
  }

  /** A stage of its own, which this one reads. */
  private hoisted(typed: Typed, env: Env): Expr {
    const { name } = this.draft;
    return this.read(this.lowering.value(typed, env, name, name, labelOf(typed)));
  }

  read(value: Value): Expr {
    switch (value.kind) {
      case "cheap":
        return this.write(value.typed, value.env);
      case "stage":
        return this.draft.use({ kind: "value", of: value.draft });
      case "item":
        return this.draft.use({ kind: "item", of: value.items });
      case "rows":
        return { op: "data", name: "collect", source: this.wholeRows(value.rows, false), args: {} };
      case "record":
        return { op: "record", fields: [...value.fields].map(([name, field]) => ({ name, value: this.read(field) })) };
    }
  }

  /** Memory may be shared with a reader; a value that its callee may change is moved where nobody else can see it, else copied. */
  private passing(mutable: boolean, value: Typed): Passing {
    if (!mutable) return "share";
    return this.moves.has(value) || isFresh(value) ? "move" : "copy";
  }

  /** A block inside this task. */
  block(block: TypedBlock, env: Env): Expr {
    return this.sequence(block.statements, env, () => this.write(block.value, env));
  }

  private sequence(statements: readonly TypedStatement[], env: Env, last: () => Expr): Expr {
    const [first, ...others] = statements;
    if (!first) return last();
    const rest = () => this.sequence(others, env, last);
    switch (first.kind) {
      case "let":
        return this.bound(first, env, rest);
      case "expect": {
        const condition = this.write(first.condition, env);
        return { op: "expect", condition, message: this.write(first.message, env), body: rest() };
      }
      case "run":
        return { op: "let", name: `v${this.count++}`, value: this.write(first.value, env), body: rest() };
      case "next": {
        const next = this.nexts.get(first.carried)!;
        const value = this.write(first.value, env);
        return { op: "let", name: this.local(next), value, body: rest() };
      }
      case "do":
        this.needsItsOwn("`do`", "an effect there could happen again, or for each row in any order", first.span);
        return rest();
      case "track":
        this.needsItsOwn("`track`", "a number along a loop needs the loop to be a stage", first.span);
        return rest();
    }
  }

  private needsItsOwn(what: string, why: string, span: Typed["span"]): void {
    const where = this.inFit ? "a `fit`" : "a function of rows";
    this.lowering.problem(report("HR120", { what, where, why }, [{ span, label: `comes to stand inside ${where}`, role: "primary" }]));
  }

  private bound({ pattern, value }: TypedLet, env: Env, rest: () => Expr): Expr {
    const written = this.write(value, env);
    if (pattern.kind === "name" && written.op === "resource") {
      this.resources.set(pattern.binding, written);
      return rest();
    }
    if (pattern.kind === "name") return { op: "let", name: this.local(pattern.binding), value: written, body: rest() };
    const name = `v${this.count++}`;
    return { op: "let", name, value: written, body: this.taken(pattern, { op: "local", name }, rest) };
  }

  /** The names of a pattern, bound to what they take of a value. */
  private taken(pattern: TypedLet["pattern"], of: Expr, rest: () => Expr): Expr {
    const parts: [Binding, Expr][] =
      pattern.kind === "name"
        ? [[pattern.binding, of]]
        : pattern.kind === "fields"
          ? pattern.fields.map(({ field, binding }) => [binding, { op: "field", of, name: field, optional: false }])
          : pattern.bindings.map((binding, i) => [binding, { op: "index", of, index: { op: "const", value: i } }]);
    const nest = (index: number): Expr => {
      const part = parts[index];
      if (!part) return rest();
      const local = this.local(part[0]);
      return { op: "let", name: local, value: part[1], body: nest(index + 1) };
    };
    return nest(0);
  }

  /** A pipeline called inside a task: its body stands in the call's place. */
  private writtenOut(typed: Typed & { kind: "pipeline" }, env: Env): Expr {
    const args = typed.args.map((arg) => this.write(arg, env));
    const nest = (index: number): Expr => {
      const parameter = typed.pipeline.parameters[index];
      if (!parameter) return this.block(typed.pipeline.body!, new Env(null));
      if (args[index]!.op === "resource") {
        this.resources.set(parameter.binding, args[index]!);
        return nest(index + 1);
      }
      const name = this.local(parameter.binding);
      return { op: "let", name, value: args[index]!, body: nest(index + 1) };
    };
    return nest(0);
  }

  lambda(lambda: TypedLambda, env: Env): Expr {
    const parameters = lambda.parameters.map((binding) => this.local(binding));
    return { op: "lambda", parameters, body: this.inlined(() => this.write(lambda.body, env)) };
  }

  // --- Rows inside a task -----------------------------------------------------------------------------------------------

  /** All rows, as the source of an operation. */
  rows(typed: Typed, env: Env): Expr {
    if (typed.kind === "data" || typed.kind === "range" || typed.kind === "read") {
      if (this.inline > 0 && !this.sameInEveryEpoch(typed)) return this.data(typed, env);
      return this.wholeRows(this.lowering.rows(typed, env, this.draft.name, this.draft.name, labelOf(typed)), false);
    }
    if (typed.kind === "local" && !this.locals.has(typed.binding)) {
      const value = env.get(typed.binding);
      if (value?.kind === "rows") return this.wholeRows(value.rows, false);
      if (value?.kind === "stage" && value.draft.work.kind !== "value")
        return this.wholeRows(this.lowering.rows(typed, env, this.draft.name, this.draft.name, null), false);
    }
    return { op: "dataset", list: this.write(typed, env) };
  }

  /** Rows that a task reads all of. Chains with the user's functions run over the slots first. */
  wholeRows(rows: Rows, needsKeys: boolean): Expr {
    if (rows.material === null && rows.steps.some((step) => step.heavy)) this.lowering.materialise(rows);
    if (rows.material) {
      if (needsKeys) rows.material.needKeys();
      return this.draft.use({ kind: "blocks", of: rows.material });
    }
    const { source } = rows;
    if (source.kind === "range") {
      const scalar = (one: typeof source.rows): Expr =>
        one.kind === "const" ? { op: "const", value: one.value } : this.draft.use({ kind: "param", name: one.name });
      return this.applied(rows, {
        op: "data",
        name: "range",
        source: { op: "list", items: [] },
        args: { rows: scalar(source.rows), blocks: scalar(source.blocks) },
      });
    }
    if (needsKeys) source.stage.needKeys();
    return this.applied(rows, this.draft.use({ kind: "blocks", of: source.stage }));
  }

  /** The steps of rows, applied to one block or to all. */
  steps(rows: Rows, source: Expr): Expr {
    return this.applied(rows, source);
  }

  private applied(rows: Rows, source: Expr): Expr {
    if (rows.source.kind === "stage" && rows.steps.some((step) => step.needsKeys)) rows.source.stage.needKeys();
    return rows.steps.reduce((from, step) => step.write(this, from), source);
  }

  /** Reductions of one `agg`; `wanted` are those whose function is needed. */
  aggregates(aggregates: readonly TypedAggregate[], env: Env, wanted: (one: TypedAggregate) => boolean): AggregateExpr["aggregates"] {
    return aggregates.map((one) => ({
      field: one.field,
      name: reductionOf(one),
      by: one.by && wanted(one) ? this.lambda(one.by, env) : null,
    }));
  }

  /** `agg` over groups that lie as rows `{ key, rows }`. */
  aggregateEach(groups: Expr, aggregates: readonly TypedAggregate[], keyFields: readonly string[] | null, env: Env): Expr {
    const name = `v${this.count++}`;
    const group: Expr = { op: "local", name };
    const field = (of: string): Expr => ({ op: "field", of: group, name: of, optional: false });
    const reduced: Expr = {
      op: "aggregate",
      step: "reduce",
      source: { op: "dataset", list: field("rows") },
      grouped: "no",
      key: null,
      aggregates: this.aggregates(aggregates, env, () => true),
    };
    const key = keyFields ? { spread: field("key") } : { name: "key", value: field("key") };
    const body: Expr = { op: "record", fields: [key, { spread: reduced }] };
    return { op: "data", name: "map", source: groups, args: { f: { op: "lambda", parameters: [name], body } } };
  }

  private aggregated(typed: Typed & { kind: "aggregate" }, env: Env): Expr {
    const { grouping } = typed;
    const source = this.rows(typed.source, env);
    if (grouping.kind === "named") return collect(this.aggregateEach(source, typed.aggregates, grouping.keyFields, env));
    const isWhole = (typed.type.kind === "list" || typed.type.kind === "dataset") && typed.type.groups === true;
    return {
      op: "aggregate",
      step: "reduce",
      source,
      grouped: grouping.kind === "none" ? "no" : grouping.keyFields && !isWhole ? "fields" : "key",
      key: grouping.kind === "by" ? this.lambda(grouping.key, env) : null,
      aggregates: this.aggregates(typed.aggregates, env, () => true),
    };
  }

  private computed(typed: Typed & { kind: "range" | "read" | "data" | "split" | "reduce" | "attempt" | "aggregate" }, env: Env): Expr {
    return this.inlined(() => this.computedHere(typed, env));
  }

  private computedHere(typed: Typed & { kind: "range" | "read" | "data" | "split" | "reduce" | "attempt" | "aggregate" }, env: Env): Expr {
    if (typed.kind === "aggregate") return this.aggregated(typed, env);
    if (typed.kind === "attempt") {
      const name = `v${this.count++}`;
      const tagged: Expr = { op: "data", name: "attempt", source: this.rows(typed.source, env), args: { f: this.lambda(typed.f, env) } };
      const list: Expr = { op: "dataset", list: { op: "local", name } };
      const part = (of: "ok" | "failed") => ({ name: of, value: collect(attemptPart(list, of)) });
      return { op: "let", name, value: collect(tagged), body: { op: "record", fields: [part("ok"), part("failed")] } };
    }
    if (typed.kind === "reduce") {
      const source = this.rows(typed.source, env);
      if (typed.name === "collect") return collect(source);
      return { op: "reduce", name: reductionOf(typed), source, by: typed.by && this.lambda(typed.by, env) };
    }
    if (typed.kind === "split") {
      const source = this.rows(typed.source, env);
      const seed = this.write(typed.seed, env);
      return {
        op: "record",
        fields: typed.parts.map(({ name, from, to }) => ({
          name,
          value: collect({
            op: "data",
            name: "splitPart",
            source,
            args: { seed, from: { op: "const", value: from }, to: { op: "const", value: to } },
          }),
        })),
      };
    }
    return collect(this.data(typed, env));
  }

  /** A `for` inside this task. */
  private forEach(typed: Typed & { kind: "for" }, env: Env): Expr {
    const source = this.rows(typed.in, env);
    const row = `v${this.count++}`;
    const body = this.inlined(() => this.taken(typed.item, { op: "local", name: row }, () => this.block(typed.body, env)));
    return collect({ op: "data", name: "map", source, args: { f: { op: "lambda", parameters: [row], body } } });
  }

  /** A `loop` inside this task. */
  loop(typed: Typed & { kind: "loop" }, env: Env): LoopExpr {
    const inits = typed.carried.map(({ init }) => this.write(init, env));
    const max = this.write(typed.max, env);
    const carried = typed.carried.map(({ binding, next }, i) => {
      this.nexts.set(binding, next);
      return { name: this.local(binding), field: binding.name, init: inits[i]! };
    });
    const round = this.inlined(() =>
      this.sequence(typed.body, env, () => ({
        op: "list",
        items: [...typed.carried.map(({ next }): Expr => ({ op: "local", name: this.locals.get(next)! })), this.write(typed.until, env)],
      })),
    );
    return { op: "loop", carried, round, max };
  }

  private data(typed: Typed & { kind: "range" | "read" | "data" }, env: Env): Expr {
    if (typed.kind === "read") {
      const steps: readonly ReadExpr["step"][] = ["ranges", "scan", "places", "rows"];
      return steps.reduce((source: Expr, step) => readStep(typed, step, source), this.write(typed.files, env));
    }
    if (typed.kind === "range") return this.range(typed, env);
    const source = readsKeys(typed.name) ? this.keyedRows(typed.source, env) : this.rows(typed.source, env);
    return {
      op: "data",
      name: typed.name,
      source,
      args: Object.fromEntries([
        ...Object.entries(typed.args).map(([arg, value]): [string, Expr] => [
          arg,
          arg === "other" ? this.rows(value, env) : this.write(value, env),
        ]),
        ...Object.entries(typed.lambdas).map(([arg, lambda]): [string, Expr] => [arg, this.lambda(lambda, env)]),
      ]),
    };
  }

  /** A range that is made inside this task. */
  range(typed: Typed & { kind: "range" }, env: Env): Expr {
    const rows = this.write(typed.rows, env);
    const blocks: Expr = typed.blocks
      ? this.write(typed.blocks, env)
      : { op: "builtin", name: "min", args: [rows, { op: "const", value: 1024 }] };
    return { op: "data", name: "range", source: { op: "list", items: [] }, args: { rows, blocks } };
  }

  /** Computed inside this task, whatever it is. */
  within(typed: Typed, env: Env): Expr {
    return this.inlined(() => this.write(typed, env));
  }

  /** Rows of `over` that don't know the epoch are worth computing once, over all slots, where the user's functions make them. */
  private sameInEveryEpoch(typed: Typed): boolean {
    return this.inOver && callsUser(typed) && !some(typed, (one) => one.kind === "local" && this.locals.has(one.binding));
  }

  private keyedRows(typed: Typed, env: Env): Expr {
    if (this.sameInEveryEpoch(typed))
      return this.wholeRows(this.lowering.rows(typed, env, this.draft.name, this.draft.name, labelOf(typed)), true);
    if (typed.kind === "local" && !this.locals.has(typed.binding)) {
      const value = env.get(typed.binding);
      if (value?.kind === "rows") return this.wholeRows(value.rows, true);
      if (value?.kind === "stage" && value.draft.work.kind !== "value")
        return this.wholeRows(this.lowering.rows(typed, env, this.draft.name, this.draft.name, labelOf(typed)), true);
    }
    if (typed.kind === "data" && typed.name !== "shuffle" && typed.name !== "batches" && typed.name !== "sortBy")
      return this.data(typed, env);
    return this.rows(typed, env);
  }

  // --- Fit ------------------------------------------------------------------------------------------------------------------

  private fit(typed: Typed & { kind: "fit" }, env: Env): Expr {
    const inits = typed.carried.map(({ init }) => this.write(init, env));
    const epochs = this.write(typed.epochs, env);
    // These two the runtime binds itself.
    this.locals.set(typed.epoch, "epoch");
    this.locals.set(typed.step, "step");
    this.inOver = true;
    const over = this.inlined(() => this.rows(typed.over, env));
    this.inOver = false;
    const carried = typed.carried.map(({ binding }, i) => ({ name: this.local(binding), field: binding.name, init: inits[i]! }));
    const batch = this.local(typed.batch);
    for (const statement of typed.body) {
      if (statement.kind !== "next" || isHeldAfter(statement.carried, typed.body, statement)) continue;
      const last = onlyRead(statement.value, statement.carried);
      if (last) this.moves.add(last);
    }
    const outer = this.inFit;
    this.inFit = true;
    const body = this.inlined(() => typed.body.map((statement) => this.fitStatement(statement, env)));
    const eachEpoch = this.inlined(() => (typed.eachEpoch ?? []).map((statement) => this.epochStatement(statement, env)));
    this.inFit = outer;
    return { op: "fit", carried, batch, over, epochs, body, eachEpoch };
  }

  private fitStatement(statement: TypedFitStatement, env: Env): FitStatement {
    if (statement.kind !== "next") return this.stepStatement(statement, env);
    return { kind: "next", name: this.locals.get(statement.carried)!, value: this.write(statement.value, env), at: "update" };
  }

  private stepStatement(statement: Exclude<TypedFitStatement, { kind: "next" }>, env: Env): Exclude<FitStatement, { kind: "next" }> {
    switch (statement.kind) {
      case "let": {
        const value = this.write(statement.value, env);
        return { kind: "let", name: this.local(statement.binding), value, at: statement.value.type.kind === "part" ? "worker" : "update" };
      }
      case "track":
        return { kind: "track", name: statement.name, value: this.write(statement.value, env), at: "update" };
      case "expect": {
        const condition = this.write(statement.condition, env);
        return { kind: "expect", condition, message: this.write(statement.message, env), at: "update" };
      }
    }
  }

  private epochStatement(statement: TypedEpochStatement, env: Env): EpochStatement {
    const { kind } = statement;
    if (kind === "keep") return { kind, value: this.write(statement.value, env), direction: statement.direction, metric: statement.metric };
    if (kind === "stop") return { kind, after: this.write(statement.after, env), direction: statement.direction, metric: statement.metric };
    return this.stepStatement(statement, env);
  }
}

const collect = (source: Expr): Expr => ({ op: "data", name: "collect", source, args: {} });

/** The rows of an attempt that went well, or those that didn't. */
export const attemptPart = (source: Expr, part: "ok" | "failed"): Expr => ({ op: "data", name: `attempt.${part}`, source, args: {} });

/** Whether the branches of an `if` hold stages; else it is computed where it is read. */
export function isBranch({ then, else: otherwise }: Typed & { kind: "if" }): boolean {
  return ![then, otherwise].every(
    ({ statements, value }) =>
      isOneTask(value) &&
      statements.every((statement) => (statement.kind === "let" || statement.kind === "run") && isOneTask(statement.value)),
  );
}

/** A loop whose rounds are one task each at most is one task as a whole: between its rounds there is nothing to run beside. */
export function isSimpleLoop(typed: Typed & { kind: "loop" }): boolean {
  return ![...typed.body, { kind: "run" as const, value: typed.until }].some((statement) => {
    if (statement.kind === "do" || statement.kind === "track") return true;
    return statement.kind !== "expect" && !isOneTask(statement.value);
  });
}

// What happens inside one task, as the plan's expressions: names become inputs or locals, arguments get their passing. Locals are
// numbered in the order in which they come, so that two programs that differ in names alone have one plan.
import { readsKeys } from "../2-check/operations.ts";
import type { Binding, Typed, TypedAggregate, TypedBlock, TypedFitStatement, TypedLambda, TypedLet } from "../2-check/typed.ts";
import type { AggregateExpr, Expr, FitStatement, Passing } from "../plan.ts";
import type { Draft } from "./draft.ts";
import type { Lowering, Rows, Value } from "./lower.ts";
import { Env, labelOf } from "./lower.ts";
import { isFresh, onlyRead } from "./ownership.ts";

/** Computed wherever it is read: no call of the user's, no rows. */
export function isCheap(typed: Typed): boolean {
  return !some(typed, (one) => ["call", "pipeline", "fit", "data", "reduce", "aggregate", "range", "split"].includes(one.kind));
}
export function callsUser(typed: Typed): boolean {
  return some(typed, (one) => one.kind === "call" || one.kind === "pipeline");
}

function some(typed: Typed, test: (one: Typed) => boolean): boolean {
  const visit = (node: unknown): boolean => {
    if (typeof node !== "object" || node === null) return false;
    if ("kind" in node && "span" in node && "type" in node && test(node as Typed)) return true;
    return Object.entries(node).some(
      ([name, child]) =>
        name !== "type" && name !== "span" && name !== "binding" && name !== "function" && name !== "parameter" && visit(child),
    );
  };
  return visit(typed);
}

const collected = (source: Expr): Expr => ({ op: "data", name: "collect", source, args: {} });

export class TaskWriter {
  private readonly lowering: Lowering;
  private readonly draft: Draft;
  private readonly locals = new Map<Binding, string>();
  private count = 0;
  /** Lambdas and branches compute where they stand; elsewhere what deserves tasks of its own gets them. */
  private inline = 0;
  /** Writing what a `fit` goes over. */
  private inOver = false;
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
        return {
          op: "call",
          function: typed.function.id,
          args: typed.args.map(({ value }) => inner(value)),
          passing: typed.args.map(({ parameter, value }) => this.passing(parameter.mutable, value)),
        };
      case "pipeline":
        return this.inline > 0 ? this.writtenOut(typed, env) : this.hoisted(typed, env);
      case "range":
      case "data":
      case "split":
      case "reduce":
      case "aggregate":
        return this.inline > 0 ? this.computed(typed, env) : this.hoisted(typed, env);
      case "combine":
        return { op: "combine", name: typed.name, partials: inner(typed.part), by: null };
      case "fit":
        return this.draft.work.kind === "fit" || this.inline > 0 ? this.fit(typed, env) : this.hoisted(typed, env);
      case "error":
        throw new Error("bug: an expression with an error reached the plan");
    }
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

  private block(block: TypedBlock, env: Env): Expr {
    const write = (index: number): Expr => {
      const each = block.lets[index];
      return each ? this.bound(each, env, () => write(index + 1)) : this.write(block.value, env);
    };
    return write(0);
  }

  private bound({ pattern, value }: TypedLet, env: Env, rest: () => Expr): Expr {
    const written = this.write(value, env);
    if (pattern.kind === "name") {
      const name = this.local(pattern.binding);
      return { op: "let", name, value: written, body: rest() };
    }
    const name = `v${this.count++}`;
    const parts: [Binding, Expr][] =
      pattern.kind === "fields"
        ? pattern.fields.map(({ field, binding }) => [binding, { op: "field", of: { op: "local", name }, name: field, optional: false }])
        : pattern.bindings.map((binding, i) => [binding, { op: "index", of: { op: "local", name }, index: { op: "const", value: i } }]);
    const nest = (index: number): Expr => {
      const part = parts[index];
      if (!part) return rest();
      const local = this.local(part[0]);
      return { op: "let", name: local, value: part[1], body: nest(index + 1) };
    };
    return { op: "let", name, value: written, body: nest(0) };
  }

  /** A pipeline called inside a task: its body stands in the call's place. */
  private writtenOut(typed: Typed & { kind: "pipeline" }, env: Env): Expr {
    const args = typed.args.map((arg) => this.write(arg, env));
    const nest = (index: number): Expr => {
      const parameter = typed.pipeline.parameters[index];
      if (!parameter) return this.block(typed.pipeline.body!, new Env(null));
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
    if (typed.kind === "data" || typed.kind === "range") {
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
      name: one.name,
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
    if (grouping.kind === "named") return collected(this.aggregateEach(source, typed.aggregates, grouping.keyFields, env));
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

  private computed(typed: Typed & { kind: "range" | "data" | "split" | "reduce" | "aggregate" }, env: Env): Expr {
    if (typed.kind === "aggregate") return this.aggregated(typed, env);
    if (typed.kind === "reduce") {
      const source = this.rows(typed.source, env);
      if (typed.name === "collect") return { op: "data", name: "collect", source, args: {} };
      return { op: "reduce", name: typed.name, source, by: typed.by && this.lambda(typed.by, env) };
    }
    if (typed.kind === "split") {
      const source = this.rows(typed.source, env);
      const seed = this.write(typed.seed, env);
      return {
        op: "record",
        fields: typed.parts.map(({ name, from, to }) => ({
          name,
          value: {
            op: "data",
            name: "collect",
            source: {
              op: "data",
              name: "splitPart",
              source,
              args: { seed, from: { op: "const", value: from }, to: { op: "const", value: to } },
            },
            args: {},
          },
        })),
      };
    }
    return { op: "data", name: "collect", source: this.data(typed, env), args: {} };
  }

  private data(typed: Typed & { kind: "range" | "data" }, env: Env): Expr {
    if (typed.kind === "range") {
      const rows = this.write(typed.rows, env);
      return {
        op: "data",
        name: "range",
        source: { op: "list", items: [] },
        args: { rows, blocks: typed.blocks ? this.write(typed.blocks, env) : rows },
      };
    }
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
    const init = this.write(typed.init, env);
    const epochs = this.write(typed.epochs, env);
    // These two the runtime binds itself.
    this.locals.set(typed.epoch, "epoch");
    this.locals.set(typed.step, "step");
    this.inOver = true;
    const over = this.inlined(() => this.rows(typed.over, env));
    this.inOver = false;
    const carried = this.local(typed.carried);
    const batch = this.local(typed.batch);
    const next = typed.body.find((statement) => statement.kind === "next");
    const last = next && onlyRead(next.value, typed.carried);
    if (last) this.moves.add(last);
    const body = this.inlined(() => typed.body.map((statement) => this.fitStatement(statement, carried, env)));
    return { op: "fit", carried: { name: carried, init }, batch, over, epochs, body };
  }

  private fitStatement(statement: TypedFitStatement, carried: string, env: Env): FitStatement {
    const value = this.write(statement.value, env);
    switch (statement.kind) {
      case "let":
        return { kind: "let", name: this.local(statement.binding), value, at: statement.value.type.kind === "part" ? "worker" : "update" };
      case "track":
        return { kind: "track", name: statement.name, value, at: "update" };
      case "next":
        return { kind: "next", name: carried, value, at: "update" };
    }
  }
}

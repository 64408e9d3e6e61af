// A plan's expressions as JavaScript: one generated function a stage. Asynchronous only where a called function is, and a value
// is copied only where the plan says that its callee may change it and somebody else may still see it. Must not know hosts,
// sockets or how inputs came here.
import type { AggregateExpr, Expr, LoopExpr, Plan, PlanFunction, PlanInput, PlanStage } from "../../compiler/plan.ts";
import type { Collective } from "../training/collective.ts";
import type { Checkpoints } from "../training/fit.ts";
import type { Place } from "../training/placed.ts";
import { isSettled } from "./called.ts";
import type { Watched } from "./checks.ts";
import type { OpenPhase } from "./fits.ts";
import { FitWriter } from "./fits.ts";
import { helpers } from "./helpers.ts";
import { reductionNames } from "./reductions.ts";
import { builtins } from "./scalars.ts";

export interface TaskContext {
  /** A number tracked by a `fit`. */
  metric(name: string, step: number, value: number): void;
  progress(done: number, total: number, unit: string): void;
  /** A resource of this slot, made by the first who asks: what its factory gave, which may be a promise. */
  resource(name: string, args: readonly unknown[], make: UserFunction): unknown;
  /** Of a `fit`: whom it is trained with, and where it goes on after a loss. */
  readonly training?: {
    readonly members: Collective | null;
    readonly checkpoints: Checkpoints | null;
    readonly checkpointSteps: number | undefined;
    readonly place: Place | null;
  };
}

// biome-ignore lint/complexity/noBannedTypes: the user's own functions; their types were checked by the compiler
export type UserFunction = Function;

/** Runs one task's body over its inputs, as they were stored. */
export type Body = (inputs: readonly unknown[], block: number, params: Params, context: TaskContext) => unknown;

/** A run's params, by name. */
export type Params = { readonly [name: string]: unknown };

/** A name that is bound around an expression. `own`: nothing outside this task sees its memory. */
export interface Local {
  readonly js: string;
  readonly own: boolean;
}
export type Scope = ReadonlyMap<string, Local>;

/** One JavaScript function being written. */
export interface Frame {
  async: boolean;
  /** Variables of `let` expressions, declared at its top. */
  readonly hoisted: string[];
}

export const quote = (value: unknown): string => JSON.stringify(value);
export const bug = (what: string): Error => new Error(`bug: ${what}`);

/** `check`: watches what functions do with arguments that others may see. */
export function compileBody(
  plan: Plan,
  stageIndex: number,
  functions: ReadonlyMap<string, UserFunction>,
  expression: Expr,
  check: boolean,
): Body {
  const stage = plan.stages[stageIndex];
  if (!stage) throw bug(`the plan has no stage ${stageIndex}`);
  const writer = new Writer(plan, stage, functions, check);
  const frame: Frame = { async: false, hoisted: [] };
  const inputs = stage.inputs.map((input, i) => `const i${i} = ${writer.input(input, i)};`);
  const body = writer.expression(expression, new Map(), frame);
  const resources = writer.resourcesFirst(frame);
  const source = [
    `"use strict";`,
    ...writer.callees.map((id, i) => `const f${i} = functions.get(${quote(id)});`),
    `return ${frame.async ? "async " : ""}(inputs, block, params, context) => {`,
    ...inputs,
    ...resources,
    ...declarations(frame),
    `return ${body};`,
    "};",
  ].join("\n");
  // The text holds the plan's structure only: names and values of the program stand in it as JSON strings.
  return new Function("h", "functions", source)(helpers, functions) as Body;
}

export function declarations(frame: Frame): string[] {
  return frame.hoisted.length > 0 ? [`let ${frame.hoisted.join(", ")};`] : [];
}

export class Writer {
  /** Functions that are called, in the order in which they got names. */
  readonly callees: string[] = [];
  private readonly plan: Plan;
  private readonly inputs: readonly PlanInput[];
  private readonly functions: ReadonlyMap<string, UserFunction>;
  private names = 0;
  /** Inside a fit's body `combine` marks where parts of a batch come together; where batches aren't cut, a batch is one part. */
  inFit = false;
  private readonly check: boolean;
  /** The fit that is written carries one value. */
  alone = true;
  /** Of a fit whose batches are cut: what is being written of a step. */
  phase: OpenPhase | null = null;
  /** What is about to be written is an argument that its callee only reads. */
  private borrowed = false;
  readonly stage: PlanStage;
  /** Writing what may not run: a branch, the right side of `&&`. */
  private maybe = 0;
  /** Resources that are asked for once a task, by their expression. */
  private readonly first = new Map<string, { readonly js: string; readonly expr: Expr & { op: "resource" } }>();

  constructor(plan: Plan, stage: PlanStage, functions: ReadonlyMap<string, UserFunction>, check: boolean) {
    this.check = check;
    this.plan = plan;
    this.stage = stage;
    this.inputs = stage.inputs;
    this.functions = functions;
  }

  input(input: PlanInput, at: number): string {
    switch (input.kind) {
      case "value":
        return `inputs[${at}]`;
      case "param":
        return `(params[${quote(input.name)}] ?? null)`;
      case "range":
        return `h.rangeBlock(inputs[${at}].rows, inputs[${at}].blocks, block)`;
      case "block":
        return `h.blockSet(inputs[${at}])`;
      case "item":
        return `h.itemRow(inputs[${at}])`;
      case "iteration":
        return `inputs[${at}]`;
      case "after":
        return "null";
      case "actor":
        return `inputs[${at}]`;
      case "blocks":
        return this.plan.stages[input.stage]?.output === "partial" ? `inputs[${at}]` : `h.blocksSet(inputs[${at}])`;
    }
  }

  fresh(): string {
    return `v${this.names++}`;
  }

  /** Whether nobody outside this task can see the value's memory. */
  own(expr: Expr, scope: Scope): boolean {
    switch (expr.op) {
      case "input":
        return this.inputs[expr.index]?.kind === "range";
      case "local":
        return scope.get(expr.name)?.own ?? false;
      case "let":
        return this.own(expr.body, new Map([...scope, [expr.name, { js: "", own: this.own(expr.value, scope) }]]));
      case "field":
      case "index":
        return this.own(expr.of, scope);
      case "record":
        return expr.fields.every((field) => this.own("spread" in field ? field.spread : field.value, scope));
      case "list":
        return expr.items.every((item) => this.own(item, scope));
      case "if":
        return this.own(expr.then, scope) && this.own(expr.else, scope);
      case "binary":
        return expr.operator !== "??" || (this.own(expr.left, scope) && this.own(expr.right, scope));
      case "combine":
        return this.inFit ? this.own(expr.partials, scope) : true;
      case "dataset":
        return this.own(expr.list, scope);
      case "data":
        // New lists, of rows that somebody else may hold.
        return false;
      case "fold":
      case "reduce":
      case "aggregate":
      case "resource":
        return false;
      case "expect":
        return this.own(expr.body, scope);
      case "read":
      case "write":
        return true;
      case "call":
        return !expr.lends;
      case "const":
      case "template":
      case "unary":
      case "builtin":
      case "lambda":
      case "track":
      case "loop":
      case "fit":
      case "spawn":
      case "method":
        return true;
    }
  }

  /** Whether nothing else in this task holds the value's memory either, under another name. */
  sole(expr: Expr, scope: Scope): boolean {
    switch (expr.op) {
      case "local":
      case "field":
      case "index":
      case "let":
      case "if":
      case "binary":
      case "expect":
        return false;
      case "record":
        return expr.fields.every((field) => this.sole("spread" in field ? field.spread : field.value, scope));
      case "list":
        return expr.items.every((item) => this.sole(item, scope));
      default:
        return this.own(expr, scope);
    }
  }

  expression(expr: Expr, scope: Scope, frame: Frame): string {
    const write = (one: Expr) => this.expression(one, scope, frame);
    switch (expr.op) {
      case "const":
        return typeof expr.value === "object" && expr.value !== null ? `JSON.parse(${quote(quote(expr.value))})` : `(${quote(expr.value)})`;
      case "input":
        return `i${expr.index}`;
      case "local": {
        const local = scope.get(expr.name);
        if (!local) throw bug(`the plan reads ${expr.name}, which nothing binds`);
        return local.js;
      }
      case "let": {
        const js = this.fresh();
        frame.hoisted.push(js);
        const value = write(expr.value);
        const inner = new Map([...scope, [expr.name, { js, own: this.own(expr.value, scope) }]]);
        return `(${js} = ${value}, ${this.expression(expr.body, inner, frame)})`;
      }
      case "field":
        return `(${write(expr.of)}${expr.optional ? "?." : ""}[${quote(expr.name)}] ?? null)`;
      case "index":
        return `h.index(${write(expr.of)}, ${write(expr.index)})`;
      case "record":
        return `({${expr.fields.map((field) => ("spread" in field ? `...${write(field.spread)}` : `[${quote(field.name)}]: ${write(field.value)}`)).join(", ")}})`;
      case "list":
        return `[${expr.items.map(write).join(", ")}]`;
      case "template":
        return `(${expr.parts.map((part) => (typeof part === "string" ? quote(part) : `h.text(${write(part)})`)).join(" + ") || '""'})`;
      case "if":
        return `(${write(expr.condition)} ? ${this.perhaps(() => write(expr.then))} : ${this.perhaps(() => write(expr.else))})`;
      case "unary":
        return `(${expr.operator}${write(expr.operand)})`;
      case "binary":
        return this.binary(expr, scope, frame);
      case "builtin":
        if (!Object.hasOwn(builtins, expr.name)) throw bug(`there is no scalar function ${expr.name}`);
        return `h.builtins[${quote(expr.name)}](${expr.args.map(write).join(", ")})`;
      case "call":
        return this.call(expr, scope, frame);
      case "resource":
        return this.resource(expr, scope, frame);
      case "spawn":
        return `(new ${this.callee(expr.function).js}(${this.kept(expr.args, scope, frame)}))`;
      case "method": {
        if (expr.async) frame.async = true;
        const called = `${write(expr.of)}[${quote(expr.name)}](${this.kept(expr.args, scope, frame)})`;
        // It may be a part of what the actor is.
        const value = `h.copy(${expr.async ? "await " : ""}${called} ?? null)`;
        return expr.integer ? `h.integer(${value}, ${quote(expr.name)})` : value;
      }
      case "lambda":
        return this.lambda(expr, scope, frame).js;
      case "dataset":
        return this.dataset(expr.list, scope, frame);
      case "data":
        return this.data(expr, scope, frame);
      case "fold":
        return `h.fold(${quote(this.reduction(expr.name))}, ${this.reduced(expr, scope, frame, (values) => `${values}.flat()`)}, ${this.combiner(expr, scope, frame)})`;
      case "combine": {
        const { borrowed } = this;
        this.borrowed = false;
        if (this.inFit && this.phase) {
          // Computed at every worker, whether or not this place comes to need it.
          const { parts, partials, combined, member } = this.phase;
          const js = this.expression(expr.partials, new Map([...scope, ...member]), parts);
          return `${combined}[${partials.push({ name: expr.name, js, borrowed }) - 1}]`;
        }
        if (this.inFit) return write(expr.partials);
        return `h.combine(${quote(this.reduction(expr.name))}, ${write(expr.partials)}, ${this.combiner(expr, scope, frame)})`;
      }
      case "reduce": {
        const name = quote(this.reduction(expr.name));
        const by = this.combiner(expr, scope, frame);
        const partials = this.reduced(expr, scope, frame, (values) => `${values}.map((values) => h.fold(${name}, values, ${by}))`);
        return `h.combine(${name}, ${partials}, ${by})`;
      }
      case "aggregate":
        return this.aggregate(expr, scope, frame);
      case "expect":
        return `(${this.expectation(expr, scope, frame)}, ${write(expr.body)})`;
      case "track":
        return `(context.metric(${quote(expr.name)}, ${write(expr.step)}, h.metricValue(${quote(expr.name)}, ${write(expr.value)})), null)`;
      case "loop":
        return this.loop(expr, scope, frame);
      case "write": {
        const how = quote({ format: expr.format, columns: expr.columns });
        return `h.writeRows(${write(expr.source)}, ${write(expr.path)}, ${how})`;
      }
      case "read": {
        const source = write(expr.source);
        if (expr.step === "ranges") return `h.fileRanges(${source})`;
        if (expr.step === "scan") return `h.scanned(${source}, ${quote(expr.format)})`;
        const how = quote({ format: expr.format, shape: expr.shape, separator: expr.separator });
        return `h.${expr.step === "places" ? "placed" : "readRows"}(${source}, ${how})`;
      }
      case "fit":
        return new FitWriter(this).write(expr, scope, frame);
    }
  }

  expectation(expr: { readonly condition: Expr; readonly message: Expr }, scope: Scope, frame: Frame): string {
    const condition = this.expression(expr.condition, scope, frame);
    const own: Frame = { async: false, hoisted: frame.hoisted };
    const message = this.expression(expr.message, scope, own);
    // The message is made where it is needed; one that has to wait is made before.
    if (!own.async) return `h.expect(${condition}, () => ${message})`;
    frame.async = true;
    const made = this.fresh();
    frame.hoisted.push(made);
    return `(${made} = ${message}, h.expect(${condition}, () => ${made}))`;
  }

  private binary(expr: Expr & { op: "binary" }, scope: Scope, frame: Frame): string {
    const left = this.expression(expr.left, scope, frame);
    const { operator } = expr;
    const always = operator !== "&&" && operator !== "||" && operator !== "??";
    const right = always ? this.expression(expr.right, scope, frame) : this.perhaps(() => this.expression(expr.right, scope, frame));
    if (operator === "==") return `h.equal(${left}, ${right})`;
    if (operator === "!=") return `!h.equal(${left}, ${right})`;
    if (!expr.int || !["+", "-", "*", "%"].includes(operator)) return `(${left} ${operator} ${right})`;
    const a = this.fresh();
    const b = this.fresh();
    frame.hoisted.push(a, b);
    return `(${a} = ${left}, ${b} = ${right}, h.int(${a} ${operator} ${b}, ${a}, ${quote(operator)}, ${b}))`;
  }

  private call(expr: Expr & { op: "call" }, scope: Scope, frame: Frame): string {
    const { called, js: f } = this.callee(expr.function);
    const args = expr.args.map((arg, i) => {
      const passing = expr.passing[i] ?? "copy";
      this.borrowed = arg.op === "combine" && passing === "share" && !expr.lends;
      const js = this.expression(arg, scope, frame);
      this.borrowed = false;
      const mine = passing === "share" || (passing === "move" && this.own(arg, scope));
      return mine ? js : `h.copy(${js})`;
    });
    if (called.async) frame.async = true;
    const value = `(${called.async ? "await " : ""}${this.check ? this.watched(expr, f, args) : `${f}(${args.join(", ")})`} ?? null)`;
    return called.integer ? `h.integer(${value}, ${quote(called.export)})` : value;
  }

  /** Arguments that an actor may keep: nobody else sees their memory. */
  private kept(args: readonly Expr[], scope: Scope, frame: Frame): string {
    return args
      .map((arg) => {
        const js = this.expression(arg, scope, frame);
        return this.sole(arg, scope) ? js : `h.copy(${js})`;
      })
      .join(", ");
  }

  private callee(id: string): { readonly called: PlanFunction; readonly js: string } {
    const called = this.plan.functions[id];
    if (!called || !this.functions.has(id)) throw bug(`function ${id} isn't loaded`);
    let place = this.callees.indexOf(id);
    if (place < 0) place = this.callees.push(id) - 1;
    return { called, js: `f${place}` };
  }

  private watched(expr: Expr & { op: "call" }, f: string, args: readonly string[]): string {
    const watched: Watched = {
      name: this.plan.functions[expr.function]!.export,
      parameters: this.plan.about.functions[expr.function]?.parameters ?? [],
      // A resource is no data, and is its functions' own business.
      shared: expr.args.map((arg, i) => expr.passing[i] === "share" && arg.op !== "resource"),
    };
    return `h.callWatched(${f}, ${quote(watched)}, [${args.join(", ")}])`;
  }

  private perhaps<T>(write: () => T): T {
    this.maybe++;
    const written = write();
    this.maybe--;
    return written;
  }

  /** Asked for once a task, before its rows, unless rows or conditions have a say in it. */
  private resource(expr: Expr & { op: "resource" }, scope: Scope, frame: Frame): string {
    if (this.maybe > 0 || !isSettled(expr.args)) return this.asked(expr, scope, frame);
    const key = quote(expr);
    let known = this.first.get(key);
    if (!known) this.first.set(key, (known = { js: this.fresh(), expr }));
    return known.js;
  }

  private asked(expr: Expr & { op: "resource" }, scope: Scope, frame: Frame): string {
    const { called, js } = this.callee(expr.function);
    const args = expr.args.map((arg) => this.expression(arg, scope, frame));
    if (called.async) frame.async = true;
    return `(${called.async ? "await " : ""}context.resource(${quote(called.export)}, [${args.join(", ")}], ${js}))`;
  }

  /** Statements that stand before a task's body. */
  resourcesFirst(frame: Frame): string[] {
    return [...this.first.values()].map(({ js, expr }) => `const ${js} = ${this.asked(expr, new Map(), frame)};`);
  }

  private lambda(expr: Expr, scope: Scope, _frame: Frame): { js: string; async: boolean } {
    if (expr.op !== "lambda") throw bug("an operation on rows wants a lambda");
    const names = expr.parameters.map(() => this.fresh());
    const inner = new Map([...scope, ...expr.parameters.map((name, i): [string, Local] => [name, { js: names[i]!, own: false }])]);
    const own: Frame = { async: false, hoisted: [] };
    const body = this.expression(expr.body, inner, own);
    const statements = own.hoisted.length > 0 ? `{ ${declarations(own).join(" ")} return ${body}; }` : `(${body})`;
    return { js: `${own.async ? "async " : ""}(${names.join(", ")}) => ${statements}`, async: own.async };
  }

  private dataset(list: Expr, scope: Scope, frame: Frame): string {
    const js = this.expression(list, scope, frame);
    const iterates = list.op === "call" ? this.plan.functions[list.function]?.iterates : "no";
    if (iterates !== "async") return `h.fromIterable(${js})`;
    frame.async = true;
    return `(await h.fromAsyncIterable(${js}))`;
  }

  /** A lambda's value for each row, by block. */
  private values(set: string, f: Expr | undefined, scope: Scope, frame: Frame): string {
    if (!f) throw bug("an operation on rows lacks its function");
    const { js, async } = this.lambda(f, scope, frame);
    if (!async) return `h.computedNow(${set}, ${js})`;
    frame.async = true;
    return `(await h.computed(${set}, ${js}))`;
  }

  private data(expr: Expr & { op: "data" }, scope: Scope, frame: Frame): string {
    const { args } = expr;
    const set = expr.name === "range" ? "" : this.expression(expr.source, scope, frame);
    const scalar = (name: string, fallback?: string) => {
      const arg = args[name];
      if (arg) return this.expression(arg, scope, frame);
      if (fallback === undefined) throw bug(`\`${expr.name}\` lacks its argument ${name}`);
      return fallback;
    };
    switch (expr.name) {
      case "map":
      case "filter":
      case "flatMap":
      case "sortBy": {
        const source = this.fresh();
        frame.hoisted.push(source);
        return `h.${expr.name}(${source} = ${set}, ${this.values(source, expr.name === "sortBy" ? args.key : args.f, scope, frame)})`;
      }
      case "range":
        return `h.rangeSet(${scalar("rows")}, ${scalar("blocks")})`;
      case "attempt": {
        const { js, async } = this.lambda(args.f ?? { op: "const", value: null }, scope, frame);
        if (async) frame.async = true;
        return async ? `(await h.attempt(${set}, ${js}))` : `h.attemptNow(${set}, ${js})`;
      }
      case "attempt.ok":
        return `h.attemptPart(${set}, "ok")`;
      case "attempt.failed":
        return `h.attemptPart(${set}, "failed")`;
      case "withIndex":
        return `h.withIndex(${set})`;
      case "mapBatches": {
        const [source, size] = [this.fresh(), this.fresh()];
        frame.hoisted.push(source, size);
        const made = this.values(`h.runs(${source}, ${size})`, args.f, scope, frame);
        return `(${source} = ${set}, ${size} = ${scalar("size")}, h.mapBatches(${source}, ${size}, ${made}))`;
      }
      case "sample":
        return args.share
          ? `h.sampleShare(${set}, ${scalar("seed")}, ${scalar("share")})`
          : `h.sampleRows(${set}, ${scalar("seed")}, ${scalar("n")})`;
      case "splitPart":
        return `h.splitPart(${set}, ${scalar("seed")}, ${scalar("from")}, ${scalar("to")})`;
      case "shuffle":
        return `h.shuffle(${set}, ${scalar("seed")})`;
      case "batches":
        return `h.batches(${set}, ${scalar("n")}, ${scalar("dropLast", "false")})`;
      case "first":
      case "take":
        return `h.take(${set}, ${scalar("n")})`;
      case "concat":
      case "zip":
        return `h.${expr.name}(${set}, ${scalar("other")})`;
      case "collect":
        return `h.allRows(${set})`;
      default:
        throw bug(`there is no operation ${expr.name} on data sets`);
    }
  }

  private reduction(name: string): string {
    if (!reductionNames.includes(name)) throw bug(`there is no reduction ${name}`);
    return name;
  }

  /** Rows, or `by` of each of them, by block. Of `reduce`, `by` is the combiner instead. */
  private reduced(expr: Expr & { op: "fold" | "reduce" }, scope: Scope, frame: Frame, then: (values: string) => string): string {
    const set = this.expression(expr.source, scope, frame);
    if (expr.by === null || expr.name === "reduce") return then(`${set}.blocks.map((block) => block.rows)`);
    return then(this.values(set, expr.by, scope, frame));
  }

  private aggregate(expr: AggregateExpr, scope: Scope, frame: Frame): string {
    const { step, grouped, key, aggregates } = expr;
    const columns = (values: (by: Expr | null, name: string) => string) =>
      `[${aggregates
        .map(({ field, name, by }) => {
          const combiner = this.combiner({ op: "fold", name, source: expr.source, by }, scope, frame);
          return `{ field: ${quote(field)}, name: ${quote(this.reduction(name))}, values: ${values(by, name)}, by: ${combiner} }`;
        })
        .join(", ")}]`;
    if (step === "combine") {
      const partials = this.expression(expr.source, scope, frame);
      return `h.combineGroups(${partials}, ${columns(() => "null")}, ${quote(grouped)})`;
    }
    const [source, folded] = [this.fresh(), this.fresh()];
    frame.hoisted.push(source, folded);
    const set = this.expression(expr.source, scope, frame);
    const keys = key ? this.values(source, key, scope, frame) : "null";
    const written = columns((by, name) => (by === null || name === "reduce" ? "null" : this.values(source, by, scope, frame)));
    const partials = `h.foldGroups(${source}, ${keys}, ${folded})`;
    const then = step === "fold" ? `${partials}[0]` : `h.combineGroups(${partials}, ${folded}, ${quote(grouped)})`;
    return `(${source} = ${set}, ${folded} = ${written}, ${then})`;
  }

  private combiner(expr: Expr & { op: "fold" | "combine" | "reduce" }, scope: Scope, frame: Frame): string {
    if (expr.name !== "reduce") return "null";
    if (!expr.by) throw bug("`reduce` lacks its function");
    const { js, async } = this.lambda(expr.by, scope, frame);
    if (async) throw bug("the function of `reduce` is asynchronous");
    return js;
  }

  /** Statements in a function of their own, asynchronous where one of them is. */
  called(code: readonly string[], own: Frame, frame: Frame): string {
    const body = [...declarations(own), ...code].join("\n");
    if (!own.async) return `(() => {\n${body}\n})()`;
    frame.async = true;
    return `(await (async () => {\n${body}\n})())`;
  }

  /** Starts as this task's own: what a round may change nobody else sees. */
  starts(carried: readonly { readonly name: string; readonly init: Expr }[], scope: Scope, own: Frame) {
    const names = carried.map(() => this.fresh());
    const code = carried.map(({ init }, i) => {
      const js = this.expression(init, scope, own);
      return `let ${names[i]} = ${this.sole(init, scope) ? js : `h.copy(${js})`};`;
    });
    const locals = carried.map(({ name }, i): [string, Local] => [name, { js: names[i]!, own: true }]);
    return { names, code, locals };
  }

  ends(carried: readonly { readonly field: string }[], names: readonly string[]): string {
    if (carried.length === 1) return names[0]!;
    return `{${carried.map(({ field }, i) => `[${quote(field)}]: ${names[i]}`).join(", ")}}`;
  }

  private loop(expr: LoopExpr, scope: Scope, frame: Frame): string {
    const own: Frame = { async: false, hoisted: [] };
    const { names, code, locals } = this.starts(expr.carried, scope, own);
    const [max, round, next] = [this.fresh(), this.fresh(), this.fresh()];
    const limit = this.expression(expr.max, scope, own);
    const body = this.expression(expr.round, new Map([...scope, ...locals]), own);
    const lines = [
      ...code,
      `const ${max} = h.atLeastOne(${limit});`,
      `for (let ${round} = 0; ${round} < ${max}; ${round}++) {`,
      `const ${next} = ${body};`,
      ...names.map((name, i) => `${name} = ${next}[${i}];`),
      `if (${next}[${names.length}] === true) break;`,
      "}",
      `return ${this.ends(expr.carried, names)};`,
    ];
    return this.called(lines, own, frame);
  }
}

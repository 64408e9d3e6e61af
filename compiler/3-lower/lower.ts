// From the checked program to its flow. Pipelines are written out where they are called; cheap values are computed where they are
// read; chains of row-wise operations join the stage that consumes them, unless they call the user's functions for several; a
// reduction is a fold of each block and one combination. What no output needs is left out.
//
// Three parts: `Lowering` gives values that stand between tasks; `regions.ts` the stages that come to life while a run goes on; `tasks.ts` writes
// what happens inside a task.
import type { Span } from "../../lang/ast.ts";
import type { Diagnostic } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import type { Type } from "../../lang/types.ts";
import { print } from "../../lang/types.ts";
import { isRowWise, readsKeys } from "../2-check/operations.ts";
import type { Binding, CheckedProgram, StageFunction, Typed, TypedBlock, TypedLambda, TypedLet } from "../2-check/typed.ts";
import type { Expr, Scalar } from "../plan.ts";
import { eachChild, someChild } from "../walk.ts";
import { lowerEach, lowerSpawn } from "./actors.ts";
import { crossing } from "./crossing.ts";
import type { DraftSource, DraftWork } from "./draft.ts";
import { Draft, finish, Region } from "./draft.ts";
import { fitFacts } from "./fit-facts.ts";
import type { Flow, FlowFunction, FlowOutput, FlowStage } from "./flow.ts";
import { lowerAggregate } from "./grouping.ts";
import { join, labelOf, scalar, sourceName } from "./names.ts";
import { lowerRead } from "./reading.ts";
import type { Naming } from "./regions.ts";
import { lowerFor, lowerIf, lowerLoop, lowerStatements, lowerWithin } from "./regions.ts";
import { attemptPart, callsUser, isBranch, isCheap, isSimpleLoop, reductionOf, some, TaskWriter } from "./tasks.ts";

/** A value between tasks. */
export type Value =
  /** Computed wherever it is read. */
  | { readonly kind: "cheap"; readonly typed: Typed; readonly env: Env }
  | { readonly kind: "stage"; readonly draft: Draft }
  | { readonly kind: "rows"; readonly rows: Rows }
  /** What an instance of a `for` is for. */
  | { readonly kind: "item"; readonly items: Draft }
  | { readonly kind: "record"; readonly fields: ReadonlyMap<string, Value>; readonly type: Type };

/** A data set between tasks: where its blocks come from, and what is still to be done to each. */
export interface Rows {
  readonly source: DraftSource;
  readonly steps: readonly RowStep[];
  /** Stands for these rows once they are a stage of their own. */
  material: Draft | null;
  /** Where they would be made. */
  readonly region: Region;
  readonly name: string;
  /** Tells that stage from the named one, if it only serves that. */
  readonly helper: string | null;
  readonly span: Span;
  readonly type: Type;
  /** What they were made of, where they are groups. */
  readonly groups?: Groups;
}
/** Rows and the key by which a `groupBy` puts them in groups. */
export interface Groups {
  readonly rows: Rows;
  readonly key: TypedLambda;
  readonly keyFields: readonly string[] | null;
  readonly env: Env;
}
export interface RowStep {
  readonly write: (writer: TaskWriter, source: Expr) => Expr;
  /** Calls the user's functions: worth a task of its own. */
  readonly heavy: boolean;
  readonly needsKeys: boolean;
}

/** Values of names; names of lambdas and of a task's inside aren't here. */
export class Env {
  private readonly around: Env | null;
  private readonly held = new Map<Binding, Value>();
  constructor(around: Env | null) {
    this.around = around;
  }
  get(binding: Binding): Value | null {
    return this.held.get(binding) ?? this.around?.get(binding) ?? null;
  }
  set(binding: Binding, value: Value): void {
    this.held.set(binding, value);
  }
}

export interface Lowered {
  readonly flow: Flow;
  /** Values that can't leave the process which made them, where they would have to. */
  readonly diagnostics: readonly Diagnostic[];
}

/** `apart`: rows that get a stage of their own though their consumer could compute them on the way, since a schedule names them. */
export function lower(program: CheckedProgram, apart: ReadonlySet<string> = new Set()): Lowered {
  const lowering = new Lowering(program, apart);
  const { body, onFailure } = program.entry;
  const result = lowering.block(body!, new Env(null), "");
  const outputs = lowering.outputs(result, body!.value);
  const drafts = [...outputs.flatMap((output) => (output.from.kind === "stage" ? [output.from.draft] : [])), ...lowering.region.roots];
  const finished = finish(drafts);
  const { stages, regions, indexOf } = finished;
  const failure = onFailure && lowerOnFailure(lowering, onFailure);
  const diagnostics = [
    ...lowering.problems,
    ...[...finished.drafts, ...(failure?.drafts ?? [])].flatMap((draft) => [...crossing(draft), ...tooDeep(draft)]),
  ];
  const named = new Set(stages.map(({ name }) => name));
  const called = new Set([...stages, ...(failure?.stages ?? [])].flatMap(calledIds));
  const flow: Flow = {
    name: program.entry.name,
    params: program.params.map(({ plan }) => plan),
    functions: Object.fromEntries(
      [...lowering.functions]
        .filter(([id]) => called.has(id))
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([id, stage]) => [id, flowFunction(stage)]),
    ),
    stages,
    regions,
    outputs: outputs.map(
      ({ name, type, from }): FlowOutput => ({
        name,
        type,
        from: from.kind === "stage" ? { kind: "stage", stage: indexOf(from.draft), take: from.draft.inBlocks ? "blocks" : "value" } : from,
      }),
    ),
    onTheWay: [...lowering.onTheWay].filter((name) => !named.has(name)),
    onFailure: failure && onFailure ? { param: onFailure.binding.name, stages: failure.stages, regions: failure.regions } : null,
  };
  return { flow, diagnostics };
}

/** What is done after a failure stands apart from the run that failed: it reads params alone, of which the failure is one. */
function lowerOnFailure(lowering: Lowering, { binding, statements }: NonNullable<CheckedProgram["entry"]["onFailure"]>) {
  const region = new Region(null);
  lowering.inside(region, () => {
    const env = new Env(null);
    const typed: Typed = { kind: "param", name: binding.name, type: binding.type, span: binding.span };
    env.set(binding, { kind: "cheap", typed, env });
    lowerStatements(lowering, statements, env, "onFailure");
  });
  return finish(region.roots);
}

function flowFunction({ file, signature, resource }: StageFunction): FlowFunction {
  const { name, async, iterates, span, reaches, tags } = signature;
  // Which of several signatures a call went by isn't the function's own.
  const integer = signature.returns.kind === "int" && signature.overloads.length === 0;
  const parameters = signature.parameters.map((one) => one.name);
  return { file, export: name, async, iterates, span, parameters, reaches, tags, resource, integer };
}

function calledIds({ body, within }: FlowStage): string[] {
  const found: string[] = [];
  const visit = (node: object): void => {
    if (
      "op" in node &&
      (node.op === "call" || node.op === "resource" || node.op === "spawn") &&
      "function" in node &&
      typeof node.function === "string"
    )
      found.push(node.function);
    eachChild(node, visit);
  };
  visit(body);
  if (within) visit(within.otherwise);
  return found;
}

interface DraftOutput {
  readonly name: string;
  readonly type: string;
  readonly from: { readonly kind: "stage"; readonly draft: Draft } | Exclude<FlowOutput["from"], { kind: "stage" }>;
}

/** Where no name of a value stands. */
const NAMELESS = ["type", "span", "function"];
/** In a call of a pipeline that has been walked. */
const CALLED = [...NAMELESS, "pipeline"];

export class Lowering {
  readonly functions = new Map<string, StageFunction>();
  private readonly ids = new Map<string, number>();
  private readonly reads = new Map<Binding, number>();
  private readonly apart: ReadonlySet<string>;
  /** Names of values; those that turn out to be stages are left out at the end. */
  readonly onTheWay = new Set<string>();
  private drafts = 0;
  /** Where stages are made now. */
  region = new Region(null);
  readonly problems: Diagnostic[] = [];

  constructor(program: CheckedProgram, apart: ReadonlySet<string>) {
    this.apart = apart;
    this.countReads(program.entry.body!);
  }

  problem(diagnostic: Diagnostic): void {
    this.problems.push(diagnostic);
  }

  /** Makes stages in a region. */
  inside<T>(region: Region, make: () => T): T {
    const outer = this.region;
    this.region = region;
    try {
      return make();
    } finally {
      this.region = outer;
    }
  }

  /** A schedule names something inside this one. */
  isNamedInside(path: string): boolean {
    return [...this.apart].some((name) => name.startsWith(path === "" ? "" : `${path}.`) && name !== path);
  }

  /** Rows of a list that one item of a `for` has at hand, without the user's functions: not worth stages of their own. */
  isSmall(typed: Typed, env: Env): boolean {
    if (typed.kind !== "data" && typed.kind !== "reduce" && typed.kind !== "split") return false;
    if (this.region.control?.work.kind !== "each" || callsUser(typed)) return false;
    let source: Typed = typed;
    while (source.kind === "data" || source.kind === "reduce" || source.kind === "split") source = source.source;
    return source.type.kind === "list" && isCheap(source) && this.isFromHere(source, env);
  }

  /** Made of this region's own values alone. */
  private isFromHere(typed: Typed, env: Env): boolean {
    return !some(typed, (one) => {
      const value = one.kind === "local" ? env.get(one.binding) : null;
      switch (value?.kind) {
        case "stage":
          return value.draft.region !== this.region;
        case "rows":
        case "record":
          return true;
        case "cheap":
          return !this.isFromHere(value.typed, value.env);
        default:
          return false;
      }
    });
  }

  /** How often each name is read in the text; a name of a pipeline counts once however often that is called. */
  private countReads(body: object): void {
    const seen = new Set<unknown>();
    const visit = (node: object): void => {
      if ("pipeline" in node) {
        if (seen.has(node.pipeline)) {
          eachChild(node, visit, CALLED);
          return;
        }
        seen.add(node.pipeline);
      }
      if ("kind" in node && node.kind === "local" && "binding" in node) {
        const binding = node.binding as Binding;
        this.reads.set(binding, (this.reads.get(binding) ?? 0) + 1);
        return;
      }
      // Types and spans hold no names.
      eachChild(node, visit, NAMELESS);
    };
    visit(body);
  }

  private id(name: string): string {
    const before = this.ids.get(name) ?? 0;
    this.ids.set(name, before + 1);
    return before === 0 ? name : `${name}#${before + 1}`;
  }

  draft(name: string, suffix: string | null, span: Span, type: Type, work: Draft["work"]): Draft {
    return new Draft(this.drafts++, this.id(suffix === null ? name : `${name}/${suffix}`), name, span, type, this.region, work);
  }

  constant(name: string, suffix: string, span: Span): Draft {
    return this.draft(name, suffix, span, { kind: "null" }, { kind: "value" });
  }

  /** Values of a block's names, then the block's own. `path` is that of the name which the block's value gets. */
  block(block: TypedBlock, env: Env, path: string): Value {
    lowerStatements(this, block.statements, env, path);
    return this.value(block.value, env, path === "" ? "result" : path, path, null);
  }

  let({ pattern, value }: TypedLet, env: Env, path: string): void {
    if (pattern.kind === "name") {
      const name = join(path, pattern.binding.name);
      const found = this.value(value, env, name, name, null);
      env.set(pattern.binding, this.named(found, name, this.reads.get(pattern.binding) ?? 0));
      return;
    }
    const first = pattern.kind === "fields" ? pattern.fields[0]?.binding : pattern.bindings[0];
    const apart = value.kind === "split" || value.kind === "attempt";
    const name = join(path, apart ? sourceName(value) : (first?.name ?? "value"));
    const found = this.value(value, env, name, name, null);
    if (pattern.kind === "fields") {
      for (const { field, binding } of pattern.fields) {
        const part = this.field(found, field, value.type.kind === "record" ? fieldType(value.type, field) : binding.type, value);
        env.set(binding, this.named(part, join(path, binding.name), this.reads.get(binding) ?? 0));
      }
      return;
    }
    pattern.bindings.forEach((binding, i) => {
      env.set(binding, this.item(found, i, binding.type, value));
    });
  }

  item(value: Value, index: number, type: Type, written: Typed): Value {
    const of = this.typedOf(value, written);
    const at: Typed = { kind: "const", value: index, type: { kind: "int" }, span: written.span };
    return { kind: "cheap", typed: { kind: "index", of: of.typed, index: at, type, span: written.span }, env: of.env };
  }

  /** Rows that cost something and are read more than once are made once; so is what would be long to write out at each reader. */
  private named(value: Value, name: string, reads: number): Value {
    this.onTheWay.add(name);
    const most = reads > 1 ? MOST_WRITTEN_OUT : MOST_WRITTEN_ONCE;
    if (value.kind === "cheap" && value.typed.kind !== "resource" && sizeOf(value, most) > most)
      return { kind: "stage", draft: this.task(value.typed, value.env, name, null) };
    if (value.kind !== "rows") return value;
    const rows: Rows = { ...value.rows, name, helper: null };
    const costly = reads > 1 && rows.steps.some((step) => step.heavy);
    if (rows.material === null && (costly || this.apart.has(name))) this.materialise(rows);
    return { kind: "rows", rows };
  }

  /** An expression that reads a value. */
  private typedOf(value: Value, written: Pick<Typed, "type" | "span">): { typed: Typed; env: Env } {
    if (value.kind === "cheap") return { typed: value.typed, env: value.env };
    const binding: Binding = { name: "", type: written.type, span: written.span, kind: "let", depth: 0, doc: null };
    const env = new Env(null);
    env.set(binding, value);
    return { typed: { kind: "local", binding, type: written.type, span: written.span }, env };
  }

  field(value: Value, name: string, type: Type, written: Typed): Value {
    if (value.kind === "record") {
      const found = value.fields.get(name);
      if (found) return found;
    }
    const of = this.typedOf(value, written);
    return { kind: "cheap", typed: { kind: "field", of: of.typed, name, optional: false, type, span: written.span }, env: of.env };
  }

  /**
   * `name` is what a stage made here is called, `path` what the names inside a pipeline called here begin with. `helper` tells a
   * stage that serves the named one from that one itself.
   */
  value(typed: Typed, env: Env, name: string, path: string, helper: string | null): Value {
    switch (typed.kind) {
      case "local": {
        const found = env.get(typed.binding);
        if (found) return found;
        throw new Error(`bug: \`${typed.binding.name}\` has no value between tasks`);
      }
      case "record": {
        const fields = new Map<string, Value>();
        for (const field of typed.fields) {
          if ("name" in field) fields.set(field.name, this.value(field.value, env, join(path, field.name), join(path, field.name), null));
          else {
            const spread = this.value(field.spread, env, name, path, "spread");
            const type = field.spread.type;
            if (type.kind === "record")
              for (const one of type.fields) fields.set(one.name, this.field(spread, one.name, one.type, field.spread));
          }
        }
        return { kind: "record", fields, type: typed.type };
      }
      case "field": {
        const of = this.value(typed.of, env, name, path, helper ?? labelOf(typed.of));
        if (of.kind === "record" && of.fields.has(typed.name)) return of.fields.get(typed.name)!;
        const source = this.typedOf(of, typed.of);
        return { kind: "cheap", typed: { ...typed, of: source.typed }, env: source.env };
      }
      case "pipeline": {
        const inner = new Env(null);
        typed.pipeline.parameters.forEach(({ binding }, i) => {
          inner.set(
            binding,
            this.named(
              this.value(typed.args[i]!, env, join(path, binding.name), join(path, binding.name), null),
              join(path, binding.name),
              this.reads.get(binding) ?? 0,
            ),
          );
        });
        return this.block(typed.pipeline.body!, inner, path);
      }
      case "split": {
        // The parts have names of their own; what they are parts of goes by what made it.
        const rows = this.rows(typed.source, env, name, path, helper);
        // Every part reads them: what functions made of them is the same for each, and made once.
        if (rows.steps.some((step) => step.heavy)) this.materialise(rows);
        const fields = typed.parts.map(({ name: part, from, to }): [string, Value] => {
          const step: RowStep = {
            heavy: false,
            needsKeys: true,
            write: (writer, source) => ({
              op: "data",
              name: "splitPart",
              source,
              args: { seed: writer.write(typed.seed, env), from: { op: "const", value: from }, to: { op: "const", value: to } },
            }),
          };
          const type = typed.type.kind === "record" ? fieldType(typed.type, part) : typed.type;
          return [part, { kind: "rows", rows: this.step(rows, step, { span: typed.span, type }, join(path, part), null) }];
        });
        return { kind: "record", fields: new Map(fields), type: typed.type };
      }
      case "resource":
        return this.resource(typed, env, name, path);
      case "range":
      case "data":
        if (this.isSmall(typed, env)) return { kind: "stage", draft: this.task(typed, env, name, helper) };
        return { kind: "rows", rows: this.rows(typed, env, name, path, helper) };
      case "read":
        return { kind: "rows", rows: this.rows(typed, env, name, path, helper) };
      case "reduce":
        if (this.isSmall(typed, env)) return { kind: "stage", draft: this.task(typed, env, name, helper) };
        return this.reduction(typed, env, name, path, helper);
      case "aggregate":
        return lowerAggregate(this, typed, env, name, path, helper);
      case "attempt":
        return this.attempt(typed, env, { name, path, helper });
      case "for":
        return lowerFor(this, typed, env, { name, path, helper });
      case "if":
        if (isBranch(typed)) return lowerIf(this, typed, env, { name, path, helper });
        break;
      case "loop":
        if (!isSimpleLoop(typed)) return lowerLoop(this, typed, env, { name, path, helper });
        break;
      case "within":
        return lowerWithin(this, typed, env, { name, path, helper });
      case "spawn":
        return lowerSpawn(this, typed, env, { name, path, helper });
      case "callAll":
        return lowerEach(this, typed, env, { name, path, helper });
    }
    return isCheap(typed) ? { kind: "cheap", typed, env } : { kind: "stage", draft: this.task(typed, env, name, helper) };
  }

  /** The rows, tagged with how they went by one stage, and two ways of reading them. */
  private attempt(typed: Typed & { kind: "attempt" }, env: Env, { name, path, helper }: Naming): Value {
    const source = this.rows(typed.source, env, name, path, labelOf(typed.source));
    const type: Type = { kind: "dataset", row: { kind: "any" } };
    const step: RowStep = {
      heavy: true,
      needsKeys: false,
      write: (writer, from) => ({ op: "data", name: "attempt", source: from, args: { f: writer.lambda(typed.f, env) } }),
    };
    const tagged = this.step(source, step, { span: typed.span, type }, name, helper);
    this.materialise(tagged);
    const part = (of: "ok" | "failed"): [string, Value] => {
      const read: RowStep = { heavy: false, needsKeys: false, write: (_, from) => attemptPart(from, of) };
      const type = typed.type.kind === "record" ? fieldType(typed.type, of) : typed.type;
      return [of, { kind: "rows", rows: this.step(tagged, read, { span: typed.span, type }, join(path, of), null) }];
    };
    return { kind: "record", fields: new Map([part("ok"), part("failed")]), type: typed.type };
  }

  /** A stage of one value. */
  valueStage(value: Value, type: Type, span: Span, { name, helper }: Pick<Naming, "name" | "helper">): Draft {
    const { typed, env } = this.typedOf(value, { type, span });
    const draft = value.kind === "stage" && !value.draft.inBlocks ? value.draft : this.task(typed, env, name, helper);
    draft.single = true;
    return draft;
  }

  /** A stage of rows in blocks. */
  rowsStage(value: Value, type: Type, span: Span, { name, helper }: Pick<Naming, "name" | "helper">): Draft {
    return this.materialise(this.rowsOf(value, { type, span }, name, helper));
  }

  /** Made where it is read; what its arguments cost is paid once, before. */
  private resource(typed: Typed & { kind: "resource" }, env: Env, name: string, path: string): Value {
    const held = new Env(env);
    const args = typed.args.map(({ parameter, value }) => {
      if (isCheap(value)) return { parameter, value };
      const { type, span } = value;
      const binding: Binding = { name: "", type, span, kind: "let", depth: 0, doc: null };
      held.set(binding, this.value(value, env, name, path, labelOf(value)));
      return { parameter, value: { kind: "local", binding, type, span } as const };
    });
    return { kind: "cheap", typed: { ...typed, args }, env: held };
  }

  /** A stage of one task. */
  private task(typed: Typed, env: Env, name: string, helper: string | null): Draft {
    // A call that gives a data set may give an iterator, which is cut into blocks where it is made.
    const work: DraftWork =
      typed.kind === "fit" ? { kind: "fit", facts: fitFacts(typed) } : { kind: typed.type.kind === "dataset" ? "source" : "value" };
    const draft = this.draft(name, helper, typed.span, typed.type, work);
    draft.body = new TaskWriter(this, draft).write(typed, env);
    return draft;
  }

  // --- Rows -----------------------------------------------------------------------------------------------------------

  rows(typed: Typed, env: Env, name: string, path: string, helper: string | null): Rows {
    if (typed.kind === "range") {
      const rows = scalar(typed.rows);
      const blocks = typed.blocks ? scalar(typed.blocks) : rows && defaultBlocks(rows);
      // Of a size that is known only while it runs: one task counts.
      if (!rows || !blocks) return this.rowsOf({ kind: "stage", draft: this.countedRange(typed, env, name, helper) }, typed, name, helper);
      const source: DraftSource = { kind: "range", rows, blocks };
      return { source, steps: [], material: null, name, helper, span: typed.span, type: typed.type, region: this.region };
    }
    if (typed.kind === "read") return lowerRead(this, typed, env, name, helper);
    if (typed.kind === "data") return this.dataRows(typed, env, name, path, helper);
    return this.rowsOf(this.value(typed, env, name, path, helper), typed, name, helper);
  }

  private countedRange(typed: Typed & { kind: "range" }, env: Env, name: string, helper: string | null): Draft {
    const draft = this.draft(name, helper, typed.span, typed.type, { kind: "source" });
    const writer = new TaskWriter(this, draft);
    draft.body = writer.range(typed, env);
    return draft;
  }

  private dataRows(typed: Typed & { kind: "data" }, env: Env, name: string, path: string, helper: string | null): Rows {
    const source = this.rows(typed.source, env, name, path, labelOf(typed.source));
    const lambdas = Object.entries(typed.lambdas);
    const write: RowStep["write"] = (writer, from) => ({
      op: "data",
      name: typed.name,
      source: from,
      args: Object.fromEntries([
        ...Object.entries(typed.args).map(([arg, value]): [string, Expr] => [
          arg,
          arg === "other" ? writer.rows(value, env) : writer.write(value, env),
        ]),
        ...lambdas.map(([arg, lambda]): [string, Expr] => [arg, writer.lambda(lambda, env)]),
      ]),
    });
    const heavy = lambdas.some(([, lambda]) => callsUser(lambda.body));
    const needsKeys = readsKeys(typed.name);
    if (isRowWise(typed.name, typed.args)) {
      const rows = this.step(source, { write, heavy, needsKeys }, typed, name, helper);
      // Actors are asked where the text says so, not where somebody comes to read what they gave.
      if (lambdas.some(([, lambda]) => some(lambda.body, ({ kind }) => kind === "method"))) this.materialise(rows);
      return rows;
    }
    // Rows leave their blocks: one task, whose list is cut anew.
    const draft = this.draft(name, helper, typed.span, typed.type, { kind: "source" });
    const writer = new TaskWriter(this, draft);
    draft.body = write(writer, writer.wholeRows(source, needsKeys));
    const from = source.material ?? (source.source.kind === "stage" ? source.source.stage : null);
    if (handsOnKeys(typed.name) && from) draft.handsOn.push(from);
    const { span, type } = typed;
    return { source: { kind: "stage", stage: draft }, steps: [], material: draft, name, helper, span, type, region: this.region };
  }

  step(rows: Rows, step: RowStep, { span, type }: { readonly span: Span; readonly type: Type }, name: string, helper: string | null): Rows {
    this.settleElsewhere(rows);
    const before = rows.material ? { source: { kind: "stage", stage: rows.material } as const, steps: [] } : rows;
    return { source: before.source, steps: [...before.steps, step], material: null, name, helper, span, type, region: this.region };
  }

  /** What calls the user's functions is made once where it stands, not in each instance of a region that reads it. */
  settleElsewhere(rows: Rows): void {
    if (rows.region !== this.region && rows.steps.some((step) => step.heavy)) this.materialise(rows);
  }

  private rowsOf(value: Value, typed: Pick<Typed, "type" | "span">, name: string, helper: string | null): Rows {
    const of = (draft: Draft): Rows => ({
      source: { kind: "stage", stage: draft },
      steps: [],
      material: draft,
      name,
      helper,
      span: typed.span,
      type: typed.type,
      region: this.region,
    });
    if (value.kind === "rows") return value.rows;
    if (value.kind === "stage") {
      if (value.draft.work.kind === "value" && value.draft.within === null && !value.draft.single) value.draft.work = { kind: "source" };
      if (value.draft.inBlocks) return of(value.draft);
    }
    // A list inside another value, or one that is written out.
    const { typed: read, env } = this.typedOf(value, typed);
    const draft = this.draft(name, "rows", typed.span, typed.type, { kind: "source" });
    draft.body = { op: "dataset", list: new TaskWriter(this, draft).write(read, env) };
    return of(draft);
  }

  /** A stage that holds these rows. */
  materialise(rows: Rows): Draft {
    if (rows.material) return rows.material;
    return this.inside(rows.region, () => {
      const draft = this.draft(rows.name, rows.helper, rows.span, rows.type, { kind: "rows", over: rows.source });
      const writer = new TaskWriter(this, draft);
      draft.body = writer.steps(rows, draft.use({ kind: "block" }));
      rows.material = draft;
      return draft;
    });
  }

  /** Each block folded where it lies; the partials combined by one task. */
  private reduction(typed: Typed & { kind: "reduce" }, env: Env, name: string, path: string, helper: string | null): Value {
    const rows = this.rows(typed.source, env, name, path, labelOf(typed.source));
    if (typed.name === "collect") return { kind: "rows", rows: { ...rows, type: typed.type } };
    this.settleElsewhere(rows);
    const source: DraftSource = rows.material ? { kind: "stage", stage: rows.material } : rows.source;
    const fold = this.draft(name, helper === null ? "blocks" : `${helper}/blocks`, typed.span, typed.type, { kind: "fold", over: source });
    const writer = new TaskWriter(this, fold);
    const block = fold.use({ kind: "block" });
    fold.body = {
      op: "fold",
      name: reductionOf(typed),
      source: rows.material ? block : writer.steps(rows, block),
      by: typed.by && writer.lambda(typed.by, env),
    };
    const combine = this.draft(name, helper, typed.span, typed.type, { kind: "combine", of: fold, rows: false });
    combine.body = {
      op: "combine",
      name: reductionOf(typed),
      partials: combine.use({ kind: "blocks", of: fold }),
      by: typed.name === "reduce" && typed.by ? new TaskWriter(this, combine).lambda(typed.by, env) : null,
    };
    return { kind: "stage", draft: combine };
  }

  // --- Outputs ---------------------------------------------------------------------------------------------------------

  outputs(result: Value, written: Typed): DraftOutput[] {
    if (result.kind !== "record") return [this.output("result", result, written.type)];
    return [...result.fields].map(([name, value]) =>
      this.output(name, value, result.type.kind === "record" ? fieldType(result.type, name) : written.type),
    );
  }

  private output(name: string, value: Value, type: Type): DraftOutput {
    const shown = print(type);
    if (value.kind === "stage") return { name, type: shown, from: value };
    if (value.kind === "rows") return { name, type: shown, from: { kind: "stage", draft: this.materialise(value.rows) } };
    if (value.kind === "cheap") {
      if (value.typed.kind === "param") return { name, type: shown, from: { kind: "param", name: value.typed.name } };
      if (value.typed.kind === "const") return { name, type: shown, from: { kind: "const", value: value.typed.value } };
      return { name, type: shown, from: { kind: "stage", draft: this.task(value.typed, value.env, name, null) } };
    }
    const { typed, env } = this.typedOf(value, { type, span: { file: "", start: 0, end: 0 } });
    return { name, type: shown, from: { kind: "stage", draft: this.task(typed, env, name, null) } };
  }
}

export function fieldType(type: Type & { kind: "record" }, name: string): Type {
  return type.fields.find((field) => field.name === name)?.type ?? { kind: "any" };
}

/** Plans are sent as messages, which are at most 500 levels deep. */
const DEEPEST = 400;

function tooDeep({ body, name, span }: Draft): Diagnostic[] {
  const deeper = (node: object, most: number): boolean => most === 0 || someChild(node, (child) => deeper(child, most - 1));
  if (!deeper(body, DEEPEST)) return [];
  return [
    report("HR410", { stage: name }, [{ span: { ...span, end: span.start + 1 }, label: "starts here", role: "primary" }], {
      help: "give parts of it names with `let`, or compute it in TypeScript",
    }),
  ];
}

/** Values that are read several times are written out at each reader up to this many nodes, those that are read once up to more. */
const MOST_WRITTEN_OUT = 40;
const MOST_WRITTEN_ONCE = 200;

/** Nodes of a cheap value with all that it reads written out; stops counting above `most`. */
function sizeOf(value: Value & { kind: "cheap" }, most: number): number {
  let size = 0;
  const visit = (node: object, env: Env): void => {
    if (size > most) return;
    if ("kind" in node && "span" in node) size++;
    if ("kind" in node && node.kind === "local" && "binding" in node) {
      const read = env.get(node.binding as Binding);
      if (read?.kind === "cheap") visit(read.typed, read.env);
      return;
    }
    eachChild(node, (child) => visit(child, env), ["type", "span"]);
  };
  visit(value.typed, value.env);
  return size;
}

/** Operations on all rows that leave each its key; the others give rows in a new order, whose places are their keys. */
const handsOnKeys = (operation: string): boolean => ["take", "first", "sample"].includes(operation);

function defaultBlocks(rows: Scalar): Scalar {
  return rows.kind === "const" ? { kind: "const", value: Math.min(rows.value, 1024) } : { ...rows, atMost: 1024 };
}

// From the checked program to its flow. Pipelines are written out where they are called; cheap values are computed where they are
// read; chains of row-wise operations join the stage that consumes them, unless they call the user's functions for several; a
// reduction is a fold of each block and one combination. What no output needs is left out.
//
// Two levels: `Lowering` gives values that stand between tasks; `tasks.ts` writes what happens inside one.
import type { Span } from "../../lang/ast.ts";
import type { Diagnostic } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import type { Type } from "../../lang/types.ts";
import { print } from "../../lang/types.ts";
import { isRowWise, readsKeys } from "../2-check/operations.ts";
import type { Binding, CheckedProgram, StageFunction, Typed, TypedBlock, TypedLambda, TypedLet } from "../2-check/typed.ts";
import type { Expr, Scalar } from "../plan.ts";
import { crossing } from "./crossing.ts";
import type { DraftSource } from "./draft.ts";
import { Draft, finish, inBlocks } from "./draft.ts";
import type { Flow, FlowFunction, FlowOutput } from "./flow.ts";
import { callsUser, isCheap, TaskWriter } from "./tasks.ts";

/** A value between tasks. */
export type Value =
  /** Computed wherever it is read. */
  | { readonly kind: "cheap"; readonly typed: Typed; readonly env: Env }
  | { readonly kind: "stage"; readonly draft: Draft }
  | { readonly kind: "rows"; readonly rows: Rows }
  | { readonly kind: "record"; readonly fields: ReadonlyMap<string, Value>; readonly type: Type };

/** A data set between tasks: where its blocks come from, and what is still to be done to each. */
export interface Rows {
  readonly source: DraftSource;
  readonly steps: readonly RowStep[];
  /** Stands for these rows once they are a stage of their own. */
  material: Draft | null;
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
  const env = new Env(null);
  const result = lowering.block(program.entry.body!, env, "");
  const outputs = lowering.outputs(result, program.entry.body!.value);
  const { stages, drafts, indexOf } = finish(outputs.flatMap((output) => (output.from.kind === "stage" ? [output.from.draft] : [])));
  const diagnostics = drafts.flatMap((draft) => [...crossing(draft), ...tooDeep(draft)]);
  const called = new Set(stages.flatMap((stage) => calledIds(stage.body)));
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
    outputs: outputs.map(
      ({ name, type, from }): FlowOutput => ({
        name,
        type,
        from:
          from.kind === "stage"
            ? {
                kind: "stage",
                stage: indexOf(from.draft),
                take: inBlocks(from.draft) ? "blocks" : "value",
              }
            : from,
      }),
    ),
    onTheWay: [...lowering.onTheWay].filter((name) => !stages.some((stage) => stage.name === name)),
  };
  return { flow, diagnostics };
}

function flowFunction({ file, signature }: StageFunction): FlowFunction {
  const { name, async, iterates, span, reaches, tags } = signature;
  return { file, export: name, async, iterates, span, parameters: signature.parameters.map((one) => one.name), reaches, tags };
}

function calledIds(body: Expr): string[] {
  const found: string[] = [];
  const visit = (node: unknown): void => {
    if (typeof node !== "object" || node === null) return;
    if ("op" in node && node.op === "call" && "function" in node && typeof node.function === "string") found.push(node.function);
    for (const child of Object.values(node)) visit(child);
  };
  visit(body);
  return found;
}

interface DraftOutput {
  readonly name: string;
  readonly type: string;
  readonly from: { readonly kind: "stage"; readonly draft: Draft } | Exclude<FlowOutput["from"], { kind: "stage" }>;
}

const join = (path: string, name: string): string => (path === "" ? name : `${path}.${name}`);

export class Lowering {
  readonly functions = new Map<string, StageFunction>();
  private readonly ids = new Map<string, number>();
  private readonly reads = new Map<Binding, number>();
  private readonly apart: ReadonlySet<string>;
  /** Names of values; those that turn out to be stages are left out at the end. */
  readonly onTheWay = new Set<string>();

  constructor(program: CheckedProgram, apart: ReadonlySet<string>) {
    this.apart = apart;
    this.countReads(program.entry.body);
  }

  /** How often each name is read in the text; a name of a pipeline counts once however often that is called. */
  private countReads(body: unknown): void {
    const seen = new Set<unknown>();
    const visit = (node: unknown): void => {
      if (typeof node !== "object" || node === null || seen.has(node)) return;
      seen.add(node);
      if ("kind" in node && node.kind === "local" && "binding" in node) {
        const binding = node.binding as Binding;
        this.reads.set(binding, (this.reads.get(binding) ?? 0) + 1);
        return;
      }
      // Types and spans hold no names.
      for (const [name, child] of Object.entries(node)) if (name !== "type" && name !== "span" && name !== "function") visit(child);
    };
    visit(body);
  }

  private id(name: string): string {
    const before = this.ids.get(name) ?? 0;
    this.ids.set(name, before + 1);
    return before === 0 ? name : `${name}#${before + 1}`;
  }

  draft(name: string, suffix: string | null, span: Span, type: Type, work: Draft["work"]): Draft {
    return new Draft(this.id(suffix === null ? name : `${name}/${suffix}`), name, span, type, work);
  }

  /** Values of a block's names, then the block's own. `path` is that of the name which the block's value gets. */
  block(block: TypedBlock, env: Env, path: string): Value {
    for (const each of block.lets) this.let(each, env, path);
    return this.value(block.value, env, path === "" ? "result" : path, path, null);
  }

  private let({ pattern, value }: TypedLet, env: Env, path: string): void {
    if (pattern.kind === "name") {
      const name = join(path, pattern.binding.name);
      const found = this.value(value, env, name, name, null);
      env.set(pattern.binding, this.named(found, name, this.reads.get(pattern.binding) ?? 0));
      return;
    }
    const first = pattern.kind === "fields" ? pattern.fields[0]?.binding : pattern.bindings[0];
    const name = join(path, value.kind === "split" ? sourceName(value) : (first?.name ?? "value"));
    const found = this.value(value, env, name, name, null);
    if (pattern.kind === "fields") {
      for (const { field, binding } of pattern.fields) {
        const part = this.field(found, field, value.type.kind === "record" ? fieldType(value.type, field) : binding.type, value);
        env.set(binding, this.named(part, join(path, binding.name), this.reads.get(binding) ?? 0));
      }
      return;
    }
    pattern.bindings.forEach((binding, i) => {
      const of = this.typedOf(found, value);
      const at: Typed = { kind: "const", value: i, type: { kind: "int" }, span: value.span };
      env.set(binding, {
        kind: "cheap",
        typed: { kind: "index", of: of.typed, index: at, type: binding.type, span: value.span },
        env: of.env,
      });
    });
  }

  /** Rows that cost something and are read more than once are made once; so is what would be long to write out at each reader. */
  private named(value: Value, name: string, reads: number): Value {
    this.onTheWay.add(name);
    const most = reads > 1 ? MOST_WRITTEN_OUT : MOST_WRITTEN_ONCE;
    if (value.kind === "cheap" && sizeOf(value, most) > most)
      return { kind: "stage", draft: this.task(value.typed, value.env, name, null) };
    if (value.kind !== "rows") return value;
    const rows: Rows = { ...value.rows, name, helper: null };
    const costly = reads > 1 && rows.steps.some((step) => step.heavy);
    if (rows.material === null && (costly || this.apart.has(name))) this.materialise(rows);
    return { kind: "rows", rows };
  }

  /** An expression that reads a value. */
  private typedOf(value: Value, written: Typed): { typed: Typed; env: Env } {
    if (value.kind === "cheap") return { typed: value.typed, env: value.env };
    const binding: Binding = { name: "", type: written.type, span: written.span, kind: "let", depth: 0, doc: null };
    const env = new Env(null);
    env.set(binding, value);
    return { typed: { kind: "local", binding, type: written.type, span: written.span }, env };
  }

  private field(value: Value, name: string, type: Type, written: Typed): Value {
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
      case "range":
      case "data":
        return { kind: "rows", rows: this.rows(typed, env, name, path, helper) };
      case "reduce":
        return this.reduction(typed, env, name, path, helper);
      case "aggregate":
        return this.aggregate(typed, env, name, path, helper);
      default:
        return isCheap(typed) ? { kind: "cheap", typed, env } : { kind: "stage", draft: this.task(typed, env, name, helper) };
    }
  }

  /** A stage of one task. */
  private task(typed: Typed, env: Env, name: string, helper: string | null): Draft {
    // A call that gives a data set may give an iterator, which is cut into blocks where it is made.
    const kind = typed.kind === "fit" ? "fit" : typed.type.kind === "dataset" ? "source" : "value";
    const draft = this.draft(name, helper, typed.span, typed.type, { kind });
    draft.body = new TaskWriter(this, draft).write(typed, env);
    return draft;
  }

  // --- Rows -----------------------------------------------------------------------------------------------------------

  rows(typed: Typed, env: Env, name: string, path: string, helper: string | null): Rows {
    if (typed.kind === "range") {
      const rows = scalar(typed.rows);
      const source: DraftSource = { kind: "range", rows, blocks: typed.blocks ? scalar(typed.blocks) : defaultBlocks(rows) };
      return { source, steps: [], material: null, name, helper, span: typed.span, type: typed.type };
    }
    if (typed.kind === "data") return this.dataRows(typed, env, name, path, helper);
    return this.rowsOf(this.value(typed, env, name, path, helper), typed, name, helper);
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
    if (isRowWise(typed.name, typed.args)) return this.step(source, { write, heavy, needsKeys }, typed, name, helper);
    // Rows leave their blocks: one task, whose list is cut anew.
    const draft = this.draft(name, helper, typed.span, typed.type, { kind: "source" });
    const writer = new TaskWriter(this, draft);
    draft.body = write(writer, writer.wholeRows(source, needsKeys));
    if (handsOnKeys(typed.name)) draft.handsOn = source.material ?? (source.source.kind === "stage" ? source.source.stage : null);
    return { source: { kind: "stage", stage: draft }, steps: [], material: draft, name, helper, span: typed.span, type: typed.type };
  }

  private step(
    rows: Rows,
    step: RowStep,
    { span, type }: { readonly span: Span; readonly type: Type },
    name: string,
    helper: string | null,
  ): Rows {
    const before = rows.material ? { source: { kind: "stage", stage: rows.material } as const, steps: [] } : rows;
    return { source: before.source, steps: [...before.steps, step], material: null, name, helper, span, type };
  }

  private rowsOf(value: Value, typed: Typed, name: string, helper: string | null): Rows {
    const of = (draft: Draft): Rows => ({
      source: { kind: "stage", stage: draft },
      steps: [],
      material: draft,
      name,
      helper,
      span: typed.span,
      type: typed.type,
    });
    if (value.kind === "rows") return value.rows;
    if (value.kind === "stage") {
      if (value.draft.work.kind === "value") value.draft.work = { kind: "source" };
      if (inBlocks(value.draft)) return of(value.draft);
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
    const draft = this.draft(rows.name, rows.helper, rows.span, rows.type, { kind: "rows", over: rows.source });
    const writer = new TaskWriter(this, draft);
    draft.body = writer.steps(rows, draft.use({ kind: "block" }));
    rows.material = draft;
    return draft;
  }

  /** Groups fold like anything else: of each block what it has of each group, and the groups of all blocks put together. */
  private aggregate(typed: Typed & { kind: "aggregate" }, env: Env, name: string, path: string, helper: string | null): Value {
    const source = this.rows(typed.source, env, name, path, labelOf(typed.source));
    const { grouping } = typed;
    const groups: Groups | null =
      grouping.kind === "by"
        ? { rows: source, key: grouping.key, keyFields: grouping.keyFields, env }
        : grouping.kind === "named"
          ? (source.groups ?? null)
          : null;
    // Groups that have become rows of their own are worked on row by row.
    if (grouping.kind === "named" && !groups) {
      const step: RowStep = {
        heavy: typed.aggregates.some(({ by }) => by !== null && callsUser(by.body)),
        needsKeys: false,
        write: (writer, from) => writer.aggregateEach(from, typed.aggregates, grouping.keyFields, env),
      };
      return { kind: "rows", rows: this.step(source, step, typed, name, helper) };
    }
    const over = groups?.rows ?? source;
    // Whole groups hold all rows anyway, and their rows may be reduced elsewhere too.
    if (isGroups(typed.type) && over.steps.some((step) => step.heavy)) this.materialise(over);
    const fold = this.draft(name, helper === null ? "blocks" : `${helper}/blocks`, typed.span, typed.type, {
      kind: "fold",
      over: over.material ? { kind: "stage", stage: over.material } : over.source,
    });
    const writer = new TaskWriter(this, fold);
    const block = fold.use({ kind: "block" });
    const grouped = !groups ? "no" : groups.keyFields && !isGroups(typed.type) ? "fields" : "key";
    fold.body = {
      op: "aggregate",
      step: "fold",
      source: over.material ? block : writer.steps(over, block),
      grouped,
      key: groups && writer.lambda(groups.key, groups.env),
      aggregates: writer.aggregates(typed.aggregates, env, () => true),
    };
    const combine = this.draft(name, helper, typed.span, typed.type, { kind: "combine", of: fold, rows: groups !== null });
    combine.body = {
      op: "aggregate",
      step: "combine",
      source: combine.use({ kind: "blocks", of: fold }),
      grouped,
      key: null,
      aggregates: new TaskWriter(this, combine).aggregates(typed.aggregates, env, ({ name: reduction }) => reduction === "reduce"),
    };
    if (!groups) return { kind: "stage", draft: combine };
    const rows: Rows = {
      source: { kind: "stage", stage: combine },
      steps: [],
      material: combine,
      name,
      helper,
      span: typed.span,
      type: typed.type,
      ...(isGroups(typed.type) ? { groups } : {}),
    };
    return { kind: "rows", rows };
  }

  /** Each block folded where it lies; the partials combined by one task. */
  private reduction(typed: Typed & { kind: "reduce" }, env: Env, name: string, path: string, helper: string | null): Value {
    const rows = this.rows(typed.source, env, name, path, labelOf(typed.source));
    if (typed.name === "collect") return { kind: "rows", rows: { ...rows, type: typed.type } };
    const source: DraftSource = rows.material ? { kind: "stage", stage: rows.material } : rows.source;
    const fold = this.draft(name, helper === null ? "blocks" : `${helper}/blocks`, typed.span, typed.type, { kind: "fold", over: source });
    const writer = new TaskWriter(this, fold);
    const block = fold.use({ kind: "block" });
    fold.body = {
      op: "fold",
      name: typed.name,
      source: rows.material ? block : writer.steps(rows, block),
      by: typed.by && writer.lambda(typed.by, env),
    };
    const combine = this.draft(name, helper, typed.span, typed.type, { kind: "combine", of: fold, rows: false });
    combine.body = {
      op: "combine",
      name: typed.name,
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
    const { typed, env } = this.typedOf(value, { kind: "error", type, span: { file: "", start: 0, end: 0 } });
    return { name, type: shown, from: { kind: "stage", draft: this.task(typed, env, name, null) } };
  }
}

const isGroups = (type: Type): boolean => (type.kind === "list" || type.kind === "dataset") && type.groups === true;

function fieldType(type: Type & { kind: "record" }, name: string): Type {
  return type.fields.find((field) => field.name === name)?.type ?? { kind: "any" };
}

/** Plans are sent as messages, which are at most 500 levels deep. */
const DEEPEST = 400;

function tooDeep({ body, name, span }: Draft): Diagnostic[] {
  const depth = (node: unknown, most: number): number => {
    if (typeof node !== "object" || node === null || most === 0) return 0;
    return 1 + Math.max(0, ...Object.values(node).map((child) => depth(child, most - 1)));
  };
  if (depth(body, DEEPEST + 1) <= DEEPEST) return [];
  return [
    report("HR410", { stage: name }, [{ span: { ...span, end: span.start + 1 }, label: "starts here", role: "primary" }], {
      help: "give parts of it names with `let`, or compute it in TypeScript",
    }),
  ];
}

/** What a helper is called beside the stage that it serves: by what makes it. */
export function labelOf(typed: Typed): string {
  if (typed.kind === "data" || typed.kind === "reduce") return typed.name;
  if (typed.kind === "aggregate") return typed.grouping.kind === "none" ? "agg" : "groups";
  if (typed.kind === "call") return typed.function.signature.name;
  return typed.kind === "field" || typed.kind === "index" ? labelOf(typed.of) : typed.kind;
}

/** Values that are read several times are written out at each reader up to this many nodes, those that are read once up to more. */
const MOST_WRITTEN_OUT = 40;
const MOST_WRITTEN_ONCE = 200;

/** Nodes of a cheap value with all that it reads written out; stops counting above `most`. */
function sizeOf(value: Value & { kind: "cheap" }, most: number): number {
  let size = 0;
  const visit = (node: unknown, env: Env): void => {
    if (typeof node !== "object" || node === null || size > most) return;
    if ("kind" in node && "span" in node) size++;
    if ("kind" in node && node.kind === "local" && "binding" in node) {
      const read = env.get(node.binding as Binding);
      if (read?.kind === "cheap") visit(read.typed, read.env);
      return;
    }
    for (const [name, child] of Object.entries(node)) if (name !== "type" && name !== "span") visit(child, env);
  };
  visit(value.typed, value.env);
  return size;
}

/** Operations on all rows that leave each its key; the others give rows in a new order, whose places are their keys. */
const handsOnKeys = (operation: string): boolean => ["take", "first", "sample"].includes(operation);

/** The stage of a data set that has no name of its own goes by the function that makes it. */
function sourceName(typed: Typed): string {
  if (typed.kind === "split" || typed.kind === "data" || typed.kind === "reduce" || typed.kind === "aggregate")
    return sourceName(typed.source);
  if (typed.kind === "call") return typed.function.signature.name;
  return typed.kind === "local" ? typed.binding.name : "rows";
}

function scalar(typed: Typed): Scalar {
  if (typed.kind === "param") return { kind: "param", name: typed.name };
  if (typed.kind === "const" && typeof typed.value === "number") return { kind: "const", value: typed.value };
  throw new Error("bug: a range of a size that isn't known");
}

function defaultBlocks(rows: Scalar): Scalar {
  return rows.kind === "const" ? { kind: "const", value: Math.min(rows.value, 1024) } : rows;
}

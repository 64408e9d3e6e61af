// Cells as one growing program: what a cell declares joins what earlier ones did, a name that is given again takes the place of its
// older self, and a cell is compiled with just what it needs of the others. Pure; must not know how programs are run or shown.
import { readPipe, readStatements } from "../compiler/1-read/pipe.ts";
import type { Block, Expr, Module, Pattern, Pipeline, Schedule, Statement } from "../compiler/module.ts";
import type { Name, Span } from "../lang/ast.ts";
import type { Diagnostic } from "../lang/diagnostics.ts";
import { report } from "../lang/diagnostics.ts";
import { parseStatements } from "../lang/parse.ts";

/** No pipeline of a user's can be called this. */
export const ENTRY = "this notebook";

export type Let = Statement & { readonly kind: "let" };

/** All that counts so far, in the order in which it was given. */
export interface Program extends Pick<Module, "imports" | "types" | "params" | "pipelines" | "schedules"> {
  readonly lets: readonly Let[];
}

export const EMPTY: Program = { imports: [], types: [], params: [], pipelines: [], schedules: [], lets: [] };

export interface Cell {
  readonly file: string;
  readonly declared: Program;
  /** The cell's own, in order, `let`s among them. */
  readonly statements: readonly Statement[];
  readonly span: Span;
}

/** A cell's text. With an error among the diagnostics, the cell is what could be read of it. */
export function readCell(file: string, text: string): { readonly cell: Cell; readonly diagnostics: readonly Diagnostic[] } {
  const span: Span = { file, start: 0, end: text.length };
  const parsed = parseStatements(text, file);
  const declared = readPipe({ doc: null, declarations: parsed.declarations, span });
  const { statements, diagnostics } = readStatements(parsed.statements);
  const { imports, types, params, pipelines, schedules } = declared.module;
  return {
    cell: { file, declared: { imports, types, params, pipelines, schedules, lets: statements.filter(isLet) }, statements, span },
    diagnostics: [...parsed.diagnostics, ...declared.diagnostics, ...diagnostics],
  };
}

const isLet = (statement: Statement): statement is Let => statement.kind === "let";

/** Names that a `let` gives to values. */
export function boundNames({ pattern }: Let): readonly string[] {
  return namesOf(pattern).map(({ text }) => text);
}

function namesOf(pattern: Pattern): readonly Name[] {
  if (pattern.kind === "name") return [pattern.name];
  return pattern.kind === "fields" ? pattern.fields.map(({ name }) => name) : pattern.names;
}

export const textOf = ({ name }: { readonly name: Name }): string => name.text;
export const localOf = ({ local }: { readonly local: Name }): string => local.text;

// --- A cell joins ----------------------------------------------------------------------------------------------------------

/**
 * The program with a cell in it. What is declared again takes the place of its older self, whatever that was: imports, types and
 * pipelines share one name space, params and `let`s another.
 */
export function join(before: Program, { declared: now }: Cell): Program {
  const declarations = new Set([...now.imports.map(localOf), ...now.types.map(textOf), ...now.pipelines.map(textOf)]);
  const values = new Set([...now.params.map(textOf), ...now.lets.flatMap(boundNames)]);
  const schedules = new Set(now.schedules.map(textOf));
  return {
    imports: [...before.imports.filter((each) => !declarations.has(localOf(each))), ...now.imports],
    types: [...before.types.filter((each) => !declarations.has(textOf(each))), ...now.types],
    params: [...before.params.filter((each) => !values.has(textOf(each))), ...now.params],
    pipelines: [...before.pipelines.filter((each) => !declarations.has(textOf(each))), ...now.pipelines],
    schedules: [...before.schedules.filter((schedule) => !schedules.has(textOf(schedule))), ...now.schedules],
    lets: [...before.lets.flatMap((each) => without(each, values)), ...now.lets],
  };
}

/** A `let` of several names goes on giving those that nobody gave again. */
function without(each: Let, again: ReadonlySet<string>): readonly Let[] {
  const names = boundNames(each);
  if (names.every((name) => again.has(name))) return [];
  const { pattern } = each;
  if (pattern.kind === "fields")
    return [{ ...each, pattern: { ...pattern, fields: pattern.fields.filter(({ name }) => !again.has(name.text)) } }];
  if (pattern.kind !== "items") return [each];
  // Items go by place: one that was given again keeps its place under a name that can't be written.
  const renamed = pattern.names.map((name) => (again.has(name.text) ? { ...name, text: `older ${name.text}` } : name));
  return [{ ...each, pattern: { ...pattern, names: renamed } }];
}

/** What is wrong with names that the cell would make from themselves, at once or by way of other cells. */
export function circles(program: Program, { declared }: Cell): readonly Diagnostic[] {
  const owner = ownersOf(program.lets);
  return declared.lets.flatMap((own) => {
    const seen = new Set<Let>();
    const open = [own];
    for (let each = open.pop(); each; each = open.pop()) {
      const sources = [...reads(each.value)].flatMap((name) => owner.get(name) ?? []);
      if (sources.includes(own)) {
        const [name] = namesOf(own.pattern);
        const from = each === own ? [] : [{ span: namesOf(each.pattern)[0]!.span, label: "is made from it", role: "secondary" } as const];
        const help = "give the new one another name";
        return [report("HR113", { name: name!.text }, [{ span: name!.span, label: "needs itself", role: "primary" }, ...from], { help })];
      }
      open.push(...sources.filter((source) => !seen.has(source) && seen.add(source)));
    }
    return [];
  });
}

// --- A cell is compiled ----------------------------------------------------------------------------------------------------

export interface CellModule {
  readonly module: Module;
  /** False where the cell only declares, and nothing has to run. */
  readonly runs: boolean;
  /** False where there is nothing to show. */
  readonly shows: boolean;
}

/**
 * The module that runs a cell: of the whole program just what the cell names, at once or by way of others, so that a name which
 * doesn't fit any more harms only those who read it. Of the rows whose names are in `previews` (`result` for a single value) only
 * the number of rows and the first ones are asked for.
 */
export function moduleOf(
  program: Program,
  cell: Cell,
  { previews = new Set() }: { readonly previews?: ReadonlySet<string> } = {},
): CellModule {
  const shown = shownOf(cell, previews);
  const others = othersOf(cell);
  const used = needed(program, cell.declared, [...others, ...shown.before, shown.value]);
  const value = shown.value ?? { kind: "bool", value: true, span: cell.span };
  const module = entry(used, cell, [...inOrder(used.lets), ...others, ...shown.before], value);
  return { module, runs: cell.statements.length > 0, shows: shown.value !== null };
}

/** All that the notebook has, with a cell's schedules: for what can be said of a cell only by one who knows every name and stage. */
export function wholeOf(program: Program, cell: Cell): Module {
  const { value } = shownOf(cell, new Set());
  const names = program.lets.flatMap(boundNames).filter(isWritten);
  const held = value ? [letOf("what the cell shows", value)] : [];
  const all = names.length > 0 ? recordOf(names, cell.span) : ({ kind: "bool", value: true, span: cell.span } as const);
  return { ...entry(program, cell, [...inOrder(program.lets), ...othersOf(cell), ...held], all), schedules: cell.declared.schedules };
}

function entry(used: Program, { file, span }: Cell, before: readonly Statement[], value: Expr): Module {
  const body = { statements: [...before, { kind: "expression", value, span: value.span } as const], span };
  const returns = { kind: "type", type: { kind: "any" } } as const;
  const name = { text: ENTRY, span };
  const main: Pipeline = { kind: "pipeline", name, doc: null, parameters: [], returns, body, span };
  const { imports, types, params, pipelines } = used;
  return { file, frontEnd: "pipe", doc: null, imports, types, params, pipelines: [...pipelines, main], schedules: [] };
}

/** What a cell does beside naming and showing. */
function othersOf({ statements }: Cell): readonly Statement[] {
  const last = statements.at(-1);
  return statements.filter((statement) => statement.kind !== "let" && !(statement === last && statement.kind === "expression"));
}

/** Names of ours have spaces. */
export const isWritten = (name: string): boolean => !name.includes(" ");

function letOf(text: string, value: Expr): Let {
  const { span } = value;
  return { kind: "let", doc: null, pattern: { kind: "name", name: { text, span }, span }, type: null, value, span };
}

const PREVIEW_ROWS = 20;
/** Names a single value that is previewed; another stage's name where the notebook has one of that. */
const RESULT = "result";

/** What a cell shows: its last expression, or what its `let`s named. */
function shownOf(
  { statements, declared, span }: Cell,
  previews: ReadonlySet<string>,
): { readonly before: readonly Let[]; readonly value: Expr | null } {
  const last = statements.at(-1);
  const own = declared.lets.flatMap(boundNames);
  const single = own.length === 1 ? own[0]! : null;
  if (last?.kind === "expression") {
    if (!previews.has(RESULT)) return { before: [], value: last.value };
    if (last.value.kind === "name") return { before: [], value: previewOf(last.value) };
    return { before: [letOf(RESULT, last.value)], value: previewOf({ kind: "name", name: RESULT, span }) };
  }
  if (own.length === 0) return { before: [], value: null };
  if (single !== null && previews.has(RESULT)) return { before: [], value: previewOf({ kind: "name", name: single, span }) };
  return { before: [], value: recordOf(own, span, previews) };
}

function recordOf(names: readonly string[], span: Span, previews: ReadonlySet<string> = new Set()): Expr {
  const read = (name: string): Expr => {
    const value: Expr = { kind: "name", name, span };
    return previews.has(name) ? previewOf(value) : value;
  };
  if (names.length === 1) return read(names[0]!);
  return { kind: "record", fields: names.map((text) => ({ kind: "field", name: { text, span }, value: read(text), span })), span };
}

/** Of a data set or list, `{ rows, first }`. */
function previewOf(rows: Expr): Expr {
  const { span } = rows;
  const call = (callee: string, ...values: readonly Expr[]): Expr => ({
    kind: "call",
    callee: { text: callee, span },
    receiver: null,
    args: values.map((value) => ({ name: null, value, span })),
    span,
  });
  const field = (text: string, value: Expr) => ({ kind: "field", name: { text, span }, value, span }) as const;
  const first = call("first", rows, { kind: "number", value: PREVIEW_ROWS, numeric: "int", span });
  return { kind: "record", fields: [field("rows", call("count", rows)), field("first", call("collect", first))], span };
}

/** What the cell declares, and what that and the nodes name, and so on. */
function needed(program: Program, declared: Program, nodes: readonly unknown[]): Program {
  const { imports, types, params, pipelines, lets } = program;
  const declarations = [
    ...imports.map((node) => ({ node, name: localOf(node) })),
    ...[...types, ...pipelines].map((node) => ({ node, name: textOf(node) })),
  ];
  const values = [...params.map((node) => ({ node, names: [textOf(node)] })), ...lets.map((node) => ({ node, names: boundNames(node) }))];
  const wanted = new Set<unknown>();
  const open: unknown[] = [...nodes];
  const want = (node: unknown): void => {
    if (wanted.has(node)) return;
    wanted.add(node);
    open.push(node);
  };
  for (const own of [declared.imports, declared.types, declared.params, declared.pipelines, declared.lets].flat()) want(own);
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    const mentioned = mentions(node);
    for (const { node: item, name } of declarations) if (mentioned.has(name)) want(item);
    const read = reads(node);
    for (const { node: item, names } of values) if (names.some((name) => read.has(name))) want(item);
  }
  const kept = <T>(all: readonly T[]) => all.filter((node) => wanted.has(node));
  return { imports: kept(imports), types: kept(types), params: kept(params), pipelines: kept(pipelines), schedules: [], lets: kept(lets) };
}

const ownersOf = (lets: readonly Let[]) => new Map(lets.flatMap((each) => boundNames(each).map((name) => [name, each] as const)));

/** Each after those of other cells whose names it reads: a cell that was run again may stand behind its readers. */
function inOrder(lets: readonly Let[]): readonly Let[] {
  const owner = ownersOf(lets);
  const order: Let[] = [];
  const seen = new Set<Let>();
  const visit = (each: Let): void => {
    if (seen.has(each)) return;
    seen.add(each);
    for (const name of reads(each.value)) {
      const source = owner.get(name);
      // Within a cell the order is its writer's, for better or worse.
      if (source && (source.span.file !== each.span.file || source.span.start < each.span.start)) visit(source);
    }
    order.push(each);
  };
  for (const each of lets) visit(each);
  return order;
}

/** Names of values that a node reads of what is around it. */
function reads(node: unknown, bound: ReadonlySet<string> = new Set(), found = new Set<string>()): Set<string> {
  if (typeof node !== "object" || node === null) return found;
  const known = node as Block | Expr | Pattern | Pipeline;
  const within = (inner: unknown, ...names: readonly Name[]) => reads(inner, new Set([...bound, ...names.map(({ text }) => text)]), found);
  if ("statements" in known) {
    const names: Name[] = [];
    for (const statement of known.statements) {
      within(statement, ...names, ...(statement.kind === "onFailure" ? [statement.name] : []));
      if (statement.kind === "let") names.push(...namesOf(statement.pattern));
    }
    return found;
  }
  switch (known.kind) {
    case "name":
      if (typeof known.name === "string" && !bound.has(known.name)) found.add(known.name);
      return found;
    case "pipeline":
    case "service":
      return within(known.body, ...known.parameters.map(({ name }) => name));
    case "lambda":
      return within(known.body, ...known.parameters);
    case "for":
      within(known.in);
      return within(known.body, ...namesOf(known.pattern));
    case "fit": {
      const counters = ["epoch", "step"].map((text) => ({ text, span: known.span }));
      const inside = [...counters, known.batch, ...known.carried.map(({ name }) => name)];
      within([known.carried, known.epochs]);
      within(known.over, ...counters);
      return within([known.body, known.eachEpoch], ...inside);
    }
    case "loop": {
      const carried = known.carried.map(({ name }) => name);
      const made = known.body.statements.filter(isLet).flatMap(({ pattern }) => namesOf(pattern));
      within([known.carried, known.max]);
      within(known.until, ...carried, ...made);
      return within(known.body, ...carried);
    }
    default:
      for (const [key, child] of Object.entries(known)) if (key !== "span" && key !== "type") within(child);
      return found;
  }
}

/** Every name that stands in a node: a field's or an argument's too, which costs no more than a needless import. */
function mentions(node: unknown, found = new Set<string>()): Set<string> {
  if (typeof node !== "object" || node === null) return found;
  for (const [key, child] of Object.entries(node)) {
    if (typeof child === "string") {
      if (key === "name" || key === "text") found.add(child);
    } else if (key !== "span") mentions(child, found);
  }
  return found;
}

// --- Schedules -------------------------------------------------------------------------------------------------------------

/** The one that counts: the last that was declared for the notebook itself. */
export function scheduleOf(program: Program): Schedule | null {
  return program.schedules.findLast(({ pipeline }) => pipeline === null) ?? null;
}

/** A schedule's entries for the stages that there are, the others being of cells that this one doesn't need. */
export function scheduleFor(schedule: Schedule, stages: readonly string[]): Schedule {
  const here = (path: readonly string[]) => {
    const prefix = `${path.slice(0, -1).join(".")}.`;
    return path.at(-1) === "*" ? path.length === 1 || stages.some((name) => name.startsWith(prefix)) : stages.includes(path.join("."));
  };
  const entries = schedule.entries.map((entry) => ({ ...entry, selectors: entry.selectors.filter(({ path }) => here(path)) }));
  return { ...schedule, entries: entries.filter(({ selectors }) => selectors.length > 0) };
}

// Cells as one growing program: what a cell declares joins what earlier ones did, a name that is given again takes the place of its
// older self, and a cell is compiled with just what it needs of the others. Pure; must not know how programs are run or shown.
import { readPipe, readStatements } from "../compiler/1-read/pipe.ts";
import type { Expr, Module, Schedule, Statement } from "../compiler/module.ts";
import type { Name, Span } from "../lang/ast.ts";
import type { Diagnostic } from "../lang/diagnostics.ts";
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
  if (pattern.kind === "name") return [pattern.name.text];
  return pattern.kind === "fields" ? pattern.fields.map(({ name }) => name.text) : pattern.names.map(({ text }) => text);
}

export const textOf = ({ name }: { readonly name: Name }): string => name.text;
export const localOf = ({ local }: { readonly local: Name }): string => local.text;

// --- A cell joins ----------------------------------------------------------------------------------------------------------

/** The program with a cell in it. What is declared again takes the place of its older self, whatever that was. */
export function join(before: Program, { declared: now }: Cell): Program {
  const again = new Set([
    ...now.imports.map(localOf),
    ...now.types.map(textOf),
    ...now.params.map(textOf),
    ...now.pipelines.map(textOf),
    ...now.lets.flatMap(boundNames),
  ]);
  const schedules = new Set(now.schedules.map(textOf));
  const kept = <T>(items: readonly T[], nameOf: (item: T) => string) => items.filter((item) => !again.has(nameOf(item)));
  return {
    imports: [...kept(before.imports, localOf), ...now.imports],
    types: [...kept(before.types, textOf), ...now.types],
    params: [...kept(before.params, textOf), ...now.params],
    pipelines: [...kept(before.pipelines, textOf), ...now.pipelines],
    schedules: [...before.schedules.filter((schedule) => !schedules.has(textOf(schedule))), ...now.schedules],
    lets: [...before.lets.flatMap((each) => without(each, again)), ...now.lets],
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
 * doesn't fit any more harms only those who read it. A cell with schedules is checked against the whole program, others if `all`. Of the
 * rows whose names are in `previews` (`result` for a single value) only the number of rows and the first ones are asked for.
 */
export function moduleOf(
  program: Program,
  cell: Cell,
  { all = false, previews = new Set() }: { readonly all?: boolean; readonly previews?: ReadonlySet<string> } = {},
): CellModule {
  const { statements, declared, span } = cell;
  const last = statements.at(-1);
  const schedules = declared.schedules.length > 0;
  const shown = shownOf(cell, previews);
  const others = statements.filter((statement) => statement.kind !== "let" && !(statement === last && statement.kind === "expression"));
  const used = schedules || all ? program : needed(program, declared, [...others, ...shown.before, shown.value]);
  const everything = used.lets.flatMap(boundNames).filter((name) => !name.startsWith("older "));
  const value: Expr =
    shown.value ?? (schedules && everything.length > 0 ? recordOf(everything, span) : { kind: "bool", value: true, span });
  const module: Module = {
    ...used,
    schedules: declared.schedules,
    file: cell.file,
    frontEnd: "pipe",
    doc: null,
    pipelines: [
      ...used.pipelines,
      {
        kind: "pipeline",
        name: { text: ENTRY, span },
        doc: null,
        parameters: [],
        returns: { kind: "type", type: { kind: "any" } },
        body: { statements: [...inOrder(used.lets), ...others, ...shown.before, { kind: "expression", value, span: value.span }], span },
        span,
      },
    ],
  };
  return { module, runs: statements.length > 0, shows: shown.value !== null };
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
    const pattern = { kind: "name", name: { text: RESULT, span: last.span }, span: last.span } as const;
    const held: Let = { kind: "let", doc: null, pattern, type: null, value: last.value, span: last.span };
    return { before: [held], value: previewOf({ kind: "name", name: RESULT, span }) };
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
  const items = [
    ...program.imports.map((node) => ({ node, names: [localOf(node)] })),
    ...program.types.map((node) => ({ node, names: [textOf(node)] })),
    ...program.params.map((node) => ({ node, names: [textOf(node)] })),
    ...program.pipelines.map((node) => ({ node, names: [textOf(node)] })),
    ...program.lets.map((node) => ({ node, names: boundNames(node) })),
  ];
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
    for (const item of items) if (item.names.some((name) => mentioned.has(name))) want(item.node);
  }
  const kept = <T>(all: readonly T[]) => all.filter((node) => wanted.has(node));
  return {
    imports: kept(program.imports),
    types: kept(program.types),
    params: kept(program.params),
    pipelines: kept(program.pipelines),
    schedules: [],
    lets: kept(program.lets),
  };
}

/** Each after those whose names it reads: a cell that was run again may stand behind cells that read it. */
function inOrder(lets: readonly Let[]): readonly Let[] {
  const owner = new Map(lets.flatMap((each) => boundNames(each).map((name) => [name, each] as const)));
  const order: Let[] = [];
  const seen = new Set<Let>();
  const visit = (each: Let): void => {
    if (seen.has(each)) return;
    seen.add(each);
    for (const name of mentions(each.value)) {
      const source = owner.get(name);
      if (source) visit(source);
    }
    order.push(each);
  };
  for (const each of lets) visit(each);
  return order;
}

/** Every name that stands in a node; a field's or an argument's too, which costs no more than a needless `let`. */
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

// Cells as one growing program: what a cell declares joins what earlier ones did, a name that is given again replaces its older
// self, and the last expression is what is run. Knows the compiler and an engine; must not know Jupyter.

import { readPipe, readStatements } from "../compiler/1-read/pipe.ts";
import type { Compiled } from "../compiler/compile.ts";
import { compileModule } from "../compiler/compile.ts";
import type { Expr, Module, Statement } from "../compiler/module.ts";
import type { Sources } from "../compiler/sources.ts";
import { memorySources, nodeSources } from "../compiler/sources.ts";
import type { Span } from "../lang/ast.ts";
import type { Diagnostic } from "../lang/diagnostics.ts";
import { parseStatements } from "../lang/parse.ts";
import type { RunEvent, TaskError } from "../runtime/events/events.ts";
import type { Engine } from "../runtime/index.ts";
import { localEngine } from "../runtime/index.ts";

const ENTRY = "notebook";

export type CellResult =
  /** `value` is what is to be shown; null where the cell only declares. */
  | {
      readonly kind: "ok";
      readonly value: { readonly shown: unknown; readonly type: string } | null;
      readonly remarks: readonly Diagnostic[];
    }
  | { readonly kind: "wrong"; readonly diagnostics: readonly Diagnostic[] }
  | { readonly kind: "failed"; readonly error: TaskError };

type Let = Statement & { kind: "let" };
type Parts = Pick<Module, "imports" | "types" | "params" | "pipelines" | "schedules"> & { readonly lets: readonly Let[] };

const EMPTY: Parts = { imports: [], types: [], params: [], pipelines: [], schedules: [], lets: [] };

export class Session {
  readonly #folder: string;
  readonly #texts: Record<string, string> = {};
  #program: Parts = EMPTY;
  #engine: Engine | null = null;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Text of a cell or file, for frames. */
  read(file: string): string | null {
    return this.#sources().read(file);
  }

  /** Names of values and functions, for completion. */
  names(): string[] {
    const { imports, params, pipelines, lets } = this.#program;
    return [
      ...imports.map(({ local }) => local.text),
      ...params.map(({ name }) => name.text),
      ...pipelines.map(({ name }) => name.text),
      ...lets.flatMap(boundNames),
    ];
  }

  #sources(): Sources {
    return memorySources(this.#texts, nodeSources(this.#folder));
  }

  /** What a cell would be if it were run now: its problems, and the program that it makes. */
  async #compile(
    cell: string,
    text: string,
  ): Promise<{ program: Parts; compiled: Compiled | null; diagnostics: readonly Diagnostic[]; shows: boolean }> {
    this.#texts[cell] = text;
    const parsed = parseStatements(text, cell);
    const span: Span = { file: cell, start: 0, end: text.length };
    const declared = readPipe({ doc: null, declarations: parsed.declarations, span });
    const read = readStatements(parsed.statements);
    const problems = [...parsed.diagnostics, ...declared.diagnostics, ...read.diagnostics];
    const last = read.statements.at(-1);
    const lets = read.statements.filter((statement): statement is Let => statement.kind === "let");
    const program = merge(this.#program, { ...declared.module, lets });
    if (problems.some(({ severity }) => severity === "error")) return { program, compiled: null, diagnostics: problems, shows: false };

    const rest = read.statements.filter((statement) => statement.kind !== "let" && statement !== last);
    const shown =
      last?.kind === "expression" ? last : lets.length > 0 ? ({ kind: "expression", value: recordOf(lets, span), span } as const) : null;
    const nothing = { kind: "expression", value: { kind: "bool", value: true, span }, span } as const;
    const unshown = last && last.kind !== "let" && last.kind !== "expression" ? [last] : [];
    const module: Module = {
      ...program,
      file: cell,
      frontEnd: "pipe",
      doc: null,
      pipelines: [
        ...program.pipelines,
        {
          kind: "pipeline",
          name: { text: ENTRY, span },
          doc: null,
          parameters: [],
          returns: { kind: "type", type: { kind: "any" } },
          body: { statements: [...inOrder(program.lets), ...rest, ...unshown, shown ?? nothing], span },
          span,
        },
      ],
    };
    const compiled = await compileModule(module, { sources: this.#sources(), entry: ENTRY });
    return { program, compiled, diagnostics: [...problems, ...compiled.diagnostics], shows: shown !== null };
  }

  /** Runs a cell. What it declares counts from then on, unless it is wrong. */
  async run(cell: string, text: string, options: { onEvent: (event: RunEvent) => void; signal: AbortSignal }): Promise<CellResult> {
    const { program, compiled, diagnostics, shows } = await this.#compile(cell, text);
    if (!compiled?.plan) return { kind: "wrong", diagnostics };
    this.#program = program;
    if (!shows) return { kind: "ok", value: null, remarks: diagnostics };
    this.#engine ??= await localEngine();
    const result = await this.#engine.run(compiled.plan, compiled.code, options);
    if (result.error || result.status !== "ok") return { kind: "failed", error: result.error! };
    const { outputs } = result;
    const single = Object.keys(outputs).length === 1 && "result" in outputs;
    const types = compiled.plan.about.outputs;
    return {
      kind: "ok",
      value: single
        ? { shown: outputs.result, type: types.result?.type ?? "" }
        : {
            shown: outputs,
            type: `{ ${Object.entries(types)
              .map(([name, { type }]) => `${name}: ${type}`)
              .join(", ")} }`,
          },
      remarks: diagnostics,
    };
  }

  /** Whether a cell can be run as it is, or waits for a closing bracket. */
  static state(text: string): "complete" | "incomplete" | "invalid" {
    const { diagnostics } = parseStatements(text, "cell");
    if (diagnostics.some(({ code }) => code === "HR007" || code === "HR003")) return "incomplete";
    return diagnostics.some(({ severity }) => severity === "error") ? "invalid" : "complete";
  }

  async close(): Promise<void> {
    await this.#engine?.[Symbol.asyncDispose]();
    this.#engine = null;
  }
}

function boundNames({ pattern }: Let): string[] {
  if (pattern.kind === "name") return [pattern.name.text];
  return pattern.kind === "fields" ? pattern.fields.map(({ name }) => name.text) : pattern.names.map(({ text }) => text);
}

/** A cell that ends in a `let` shows what it named. */
function recordOf(lets: readonly Let[], span: Span): Expr {
  const names = lets.flatMap(boundNames);
  const read = (name: string): Expr => ({ kind: "name", name, span });
  if (names.length === 1) return read(names[0]!);
  return { kind: "record", fields: names.map((text) => ({ kind: "field", name: { text, span }, value: read(text), span })), span };
}

/** What is declared again takes the place of its older self. */
function merge(before: Parts, now: Parts): Parts {
  const names = new Set([
    ...now.imports.map(({ local }) => local.text),
    ...now.types.map(({ name }) => name.text),
    ...now.params.map(({ name }) => name.text),
    ...now.pipelines.map(({ name }) => name.text),
    ...now.lets.flatMap(boundNames),
  ]);
  const schedules = new Set(now.schedules.map(({ name }) => name.text));
  const kept = <T>(items: readonly T[], nameOf: (item: T) => string) => items.filter((item) => !names.has(nameOf(item)));
  return {
    imports: [...kept(before.imports, ({ local }) => local.text), ...now.imports],
    types: [...kept(before.types, ({ name }) => name.text), ...now.types],
    params: [...kept(before.params, ({ name }) => name.text), ...now.params],
    pipelines: [...kept(before.pipelines, ({ name }) => name.text), ...now.pipelines],
    schedules: [...before.schedules.filter(({ name }) => !schedules.has(name.text)), ...now.schedules],
    lets: [...before.lets.filter((each) => !boundNames(each).some((name) => names.has(name))), ...now.lets],
  };
}

/** Each after those whose names it reads: a cell that was run again may stand behind cells that read it. */
function inOrder(lets: readonly Let[]): Let[] {
  const owner = new Map(lets.flatMap((each) => boundNames(each).map((name) => [name, each] as const)));
  const order: Let[] = [];
  const seen = new Set<Let>();
  const visit = (each: Let): void => {
    if (seen.has(each)) return;
    seen.add(each);
    for (const name of readNames(each.value)) {
      const source = owner.get(name);
      if (source) visit(source);
    }
    order.push(each);
  };
  for (const each of lets) visit(each);
  return order;
}

function readNames(expr: Expr): string[] {
  const found: string[] = [];
  const walk = (node: unknown): void => {
    if (typeof node !== "object" || node === null) return;
    if ("kind" in node && node.kind === "name" && "name" in node && typeof node.name === "string") found.push(node.name);
    for (const child of Object.values(node)) walk(child);
  };
  walk(expr);
  return found;
}

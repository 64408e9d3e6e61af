// A notebook's session: compiles each cell with the program that the cells before it made, and runs it on an engine that stays warm.
// Knows the compiler and an engine; must not know Jupyter.
import type { Compiled } from "../compiler/compile.ts";
import { compileModule } from "../compiler/compile.ts";
import type { Module } from "../compiler/module.ts";
import type { Sources } from "../compiler/sources.ts";
import { memorySources, nodeSources } from "../compiler/sources.ts";
import type { Span } from "../lang/ast.ts";
import type { Diagnostic } from "../lang/diagnostics.ts";
import { parseStatements } from "../lang/parse.ts";
import type { RunEvent, TaskError } from "../runtime/events/events.ts";
import type { Engine } from "../runtime/index.ts";
import { KeptResults, localEngine, ParamError } from "../runtime/index.ts";
import { DataSetPreview } from "./display.ts";
import type { Cell, Program } from "./program.ts";
import { boundNames, EMPTY, ENTRY, join, localOf, moduleOf, readCell, scheduleFor, scheduleOf, textOf } from "./program.ts";

export type CellResult =
  | {
      readonly kind: "ok";
      /** What is to be shown; null where the cell only declares or does. */
      readonly value: { readonly shown: unknown } | null;
      readonly remarks: readonly Diagnostic[];
      /** Names that the cell gave to stages of its own. */
      readonly names: readonly string[];
    }
  | { readonly kind: "wrong"; readonly diagnostics: readonly Diagnostic[] }
  | { readonly kind: "failed"; readonly error: TaskError };

export interface SessionOptions {
  /** Where relative imports start. */
  readonly folder: string;
  /** Started when a cell first has something to run. */
  readonly engine?: () => Promise<Engine>;
}

export class Session implements AsyncDisposable {
  readonly #folder: string;
  readonly #startEngine: () => Promise<Engine>;
  readonly #texts: Record<string, string> = {};
  readonly #types = new Map<string, string>();
  #program: Program = EMPTY;
  #engine: Promise<Engine> | null = null;
  /** What a cell computed needn't be computed again by the next. */
  readonly #kept = new KeptResults();

  constructor({ folder, engine = () => localEngine() }: SessionOptions) {
    this.#folder = folder;
    this.#startEngine = engine;
  }

  /** Text of a cell or file, for frames. */
  read(file: string): string | null {
    return this.#sources().read(file);
  }

  /** Names of values and functions, for completion. */
  names(): readonly string[] {
    const { imports, types, params, pipelines, lets } = this.#program;
    return [
      ...imports.map(localOf),
      ...types.map(textOf),
      ...params.map(textOf),
      ...pipelines.map(textOf),
      ...lets.flatMap(boundNames).filter((name) => /^[\w$]+$/.test(name)),
    ];
  }

  /** What a name of this notebook is: its type where it was shown, and how it was declared. Null for a name of nobody's. */
  describe(name: string): string | null {
    const { imports, types, params, pipelines, lets } = this.#program;
    const imported = imports.find(({ local }) => local.text === name);
    if (imported) {
      const { exported, from, what } = imported;
      const renamed = exported.text === name ? "" : ` as ${name}`;
      return `import { ${what === "function" ? "" : `${what} `}${exported.text}${renamed} } from ${JSON.stringify(from.text)}`;
    }
    const found =
      [...types, ...params, ...pipelines].find((each) => each.name.text === name) ?? lets.find((each) => boundNames(each).includes(name));
    if (!found) return null;
    const type = this.#types.get(name);
    const doc = "doc" in found && found.doc ? [found.doc] : [];
    return [...(type ? [`${name}: ${type}`] : []), ...doc, this.#textAt(found.span), `(${found.span.file})`].join("\n");
  }

  #textAt({ file, start, end }: Span): string {
    return (this.read(file) ?? "").slice(start, end);
  }

  #sources(): Sources {
    return memorySources(this.#texts, nodeSources(this.#folder));
  }

  /**
   * Runs a cell. `file` is what its messages call it, another one for each text. What the cell declares counts from then on,
   * unless it is wrong. Rejects only for bugs of ours.
   */
  async run(
    file: string,
    text: string,
    options: { readonly onEvent: (event: RunEvent) => void; readonly signal: AbortSignal },
  ): Promise<CellResult> {
    this.#texts[file] = text;
    const { cell, diagnostics } = readCell(file, text);
    if (diagnostics.some(isError)) return { kind: "wrong", diagnostics };
    const program = join(this.#program, cell);
    const { module, runs, shows } = moduleOf(program, cell);
    const compiled = await this.#compile(module, program, cell);
    const problems = [...diagnostics, ...compiled.diagnostics];
    if (!compiled.plan) return { kind: "wrong", diagnostics: await this.#knowing(problems, moduleOf(program, cell, { all: true }).module) };

    this.#program = program;
    const own = cell.declared.lets.flatMap(boundNames);
    for (const name of own) this.#types.delete(name);
    // What older cells were told isn't said again.
    const remarks = problems.filter(({ frames }) => frames.length === 0 || frames[0]!.span.file === file);
    const names = [...own, "result"];
    if (!runs) return { kind: "ok", value: null, remarks, names };
    if (options.signal.aborted) return { kind: "failed", error: CANCELLED };
    const types = compiled.plan.about.outputs;
    const previews = new Set(shows ? Object.keys(types).filter((name) => ROWS.test(types[name]!.type)) : []);
    // Whole data sets stay where they are. Where the preview can't be made (a user's own `result`), rows come as they are.
    const preview = previews.size > 0 ? await this.#compile(moduleOf(program, cell, { previews }).module, program, cell) : null;
    const ran = await this.#execute(preview?.plan ? preview : compiled, options);
    if (ran.kind === "failed") return ran;
    if (!shows) return { kind: "ok", value: null, remarks, names };
    const single = Object.keys(types).length === 1 && "result" in types;
    if (cell.statements.at(-1)?.kind === "let") for (const name of own) this.#note(name, types[single ? "result" : name]?.type);
    const { outputs } = ran;
    if (!preview?.plan) return { kind: "ok", value: { shown: single ? outputs.result : outputs }, remarks, names };
    const shorten = ([name, value]: [string, unknown]) => [name, previews.has(name) ? new DataSetPreview(value) : value];
    const shown = single ? new DataSetPreview(outputs) : Object.fromEntries(Object.entries(outputs).map(shorten));
    return { kind: "ok", value: { shown }, remarks, names };
  }

  #note(name: string, type: string | undefined): void {
    if (type !== undefined) this.#types.set(name, type);
  }

  /** The same problems, as they are told by one who knows all names of the notebook and so the nearest to a misspelt one. */
  async #knowing(problems: readonly Diagnostic[], whole: Module): Promise<readonly Diagnostic[]> {
    const { diagnostics } = await compileModule(whole, { sources: this.#sources(), entry: ENTRY });
    const place = ({ code, frames }: Diagnostic) => JSON.stringify([code, frames[0]?.span]);
    const better = new Map(diagnostics.map((one) => [place(one), one]));
    return problems.map((one) => better.get(place(one)) ?? one);
  }

  /** Under the notebook's schedule, as far as it speaks of stages that this cell has. */
  async #compile(module: Module, program: Program, cell: Cell): Promise<Compiled> {
    const sources = this.#sources();
    const plain = await compileModule(module, { sources, entry: ENTRY });
    const schedule = scheduleOf(program);
    if (!plain.flow || !plain.plan || !schedule || cell.declared.schedules.length > 0) return plain;
    const fitting = scheduleFor(
      schedule,
      plain.flow.stages.map(({ name }) => name),
    );
    if (fitting.entries.length === 0) return plain;
    return compileModule({ ...module, schedules: [fitting] }, { sources, entry: ENTRY, schedule: fitting.name.text });
  }

  async #execute(
    { plan, code }: Compiled,
    options: { readonly onEvent: (event: RunEvent) => void; readonly signal: AbortSignal },
  ): Promise<{ kind: "ok"; outputs: { readonly [name: string]: unknown } } | { kind: "failed"; error: TaskError }> {
    let engine: Engine;
    try {
      this.#engine ??= this.#startEngine();
      engine = await this.#engine;
    } catch (error) {
      // The next cell may find what this one missed: memory, files, processes.
      this.#engine = null;
      return { kind: "failed", error: { ...CANCELLED, kind: "infrastructure", name: "InfrastructureError", message: messageOf(error) } };
    }
    try {
      const { status, outputs, error } = await engine.run(plan!, code, { ...options, keep: this.#kept });
      return status === "ok" ? { kind: "ok", outputs } : { kind: "failed", error: error ?? CANCELLED };
    } catch (error) {
      if (!(error instanceof ParamError)) throw error;
      const message = `${error.message.replace(` of ${ENTRY}`, "")}: give it a default, \`param name: type = value\``;
      return { kind: "failed", error: { ...CANCELLED, kind: "thrown", name: error.name, message } };
    }
  }

  /** Whether a cell can be run as it is, or waits for its end. */
  static state(text: string): "complete" | "incomplete" | "invalid" {
    const errors = parseStatements(text, "cell").diagnostics.filter(isError);
    const end = text.trimEnd().length;
    const atEnd = errors.some(({ code, frames }) => code === "HR007" || code === "HR003" || (frames[0]?.span.start ?? 0) >= end);
    return errors.length === 0 ? "complete" : atEnd ? "incomplete" : "invalid";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const engine = await this.#engine;
    this.#engine = null;
    await engine?.[Symbol.asyncDispose]();
  }
}

/** Types, as printed, of data sets and lists that aren't null. */
const ROWS = /^(Dataset<|\[).*[^?]$/s;

const CANCELLED: TaskError = {
  kind: "cancelled",
  name: "Cancelled",
  message: "the run was cancelled",
  stack: [],
  stage: null,
  block: null,
  attempt: null,
};

const isError = ({ severity }: Diagnostic): boolean => severity === "error";
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

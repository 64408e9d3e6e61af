// A notebook's session: compiles each cell with the program that the cells before it made, and runs it on an engine that stays warm.
// Knows the compiler and an engine; must not know Jupyter.
import type { Compiled } from "../compiler/compile.ts";
import { compileModule } from "../compiler/compile.ts";
import type { Module } from "../compiler/module.ts";
import type { Plan } from "../compiler/plan.ts";
import type { Sources } from "../compiler/sources.ts";
import { memorySources, nodeSources } from "../compiler/sources.ts";
import type { Span } from "../lang/ast.ts";
import type { Diagnostic } from "../lang/diagnostics.ts";
import { parseStatements } from "../lang/parse.ts";
import type { RunEvent, TaskError } from "../runtime/events/events.ts";
import type { Engine, Origins } from "../runtime/index.ts";
import { KeptResults, localEngine, ParamError } from "../runtime/index.ts";
import { DataSetPreview } from "./display.ts";
import type { Cell, Program } from "./program.ts";
import {
  boundNames,
  circles,
  EMPTY,
  ENTRY,
  isWritten,
  join,
  localOf,
  moduleOf,
  readCell,
  scheduleFor,
  scheduleOf,
  textOf,
  wholeOf,
} from "./program.ts";

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
      ...lets.flatMap(boundNames).filter(isWritten),
    ];
  }

  /** What a name of this notebook is: its type where it was shown, and how it was declared. Null for a name of nobody's. */
  describe(name: string): string | null {
    const { imports, types, params, pipelines, lets } = this.#program;
    const told: string[] = [];
    const value = lets.find((each) => boundNames(each).includes(name));
    const type = value && this.#types.get(name);
    if (type) told.push(`${name}: ${type}`);
    const declared = [...params, ...types, ...pipelines].filter((each) => each.name.text === name);
    for (const each of [...(value ? [value] : []), ...declared]) {
      if ("doc" in each && each.doc) told.push(each.doc);
      told.push(this.#textAt(each.span), `(${each.span.file})`);
    }
    for (const { local, exported, from, what } of imports) {
      if (local.text !== name) continue;
      const renamed = exported.text === name ? "" : ` as ${name}`;
      told.push(`import { ${what === "function" ? "" : `${what} `}${exported.text}${renamed} } from ${JSON.stringify(from.text)}`);
    }
    return told.length > 0 ? told.join("\n") : null;
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
    const circular = circles(program, cell);
    if (circular.length > 0) return { kind: "wrong", diagnostics: [...diagnostics, ...circular] };
    const { module, runs, shows } = moduleOf(program, cell);
    const compiled = await this.#compile(module, program);
    const ofSchedules = await this.#ofSchedules(program, cell);
    const problems = [...diagnostics, ...compiled.diagnostics, ...ofSchedules];
    if (!compiled.plan) return { kind: "wrong", diagnostics: await this.#knowing(problems, program, cell) };
    if (ofSchedules.some(isError)) return { kind: "wrong", diagnostics: problems };

    this.#program = program;
    const own = cell.declared.lets.flatMap(boundNames);
    for (const name of own) this.#types.delete(name);
    // What older cells were told isn't said again.
    const remarks = problems.filter(isOf(file));
    const names = [...own, "result"];
    if (!runs) return { kind: "ok", value: null, remarks, names };
    if (options.signal.aborted) return { kind: "failed", error: CANCELLED };
    const types = compiled.plan.about.outputs;
    const previews = new Set(shows ? Object.keys(types).filter((name) => ROWS.test(types[name]!.type)) : []);
    // Whole data sets stay where they are. Where the preview can't be made (a user's own `result`), rows come as they are.
    const preview = previews.size > 0 ? await this.#compile(moduleOf(program, cell, { previews }).module, program) : null;
    const ran = await this.#execute(preview?.plan ? preview : compiled, program, options);
    if (ran.kind === "failed") return ran;
    const nothing = Object.values(types).every(({ type }) => type === "void");
    if (!shows || nothing) return { kind: "ok", value: null, remarks, names };
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
  async #knowing(problems: readonly Diagnostic[], program: Program, cell: Cell): Promise<readonly Diagnostic[]> {
    const place = ({ code, frames }: Diagnostic) => JSON.stringify([code, frames[0]?.span]);
    const better = new Map((await this.#whole(program, cell)).map((one) => [place(one), one]));
    return problems.map((one) => better.get(place(one)) ?? one);
  }

  /** What is wrong or odd with the cell's schedules, which speak of stages of all cells. */
  async #ofSchedules(program: Program, cell: Cell): Promise<readonly Diagnostic[]> {
    const spans = cell.declared.schedules.map(({ span }) => span);
    if (spans.length === 0) return [];
    const inside = ({ file, start }: Span) => spans.some((span) => span.file === file && span.start <= start && start < span.end);
    return (await this.#whole(program, cell)).filter(({ frames }) => frames[0] && inside(frames[0].span));
  }

  async #whole(program: Program, cell: Cell): Promise<readonly Diagnostic[]> {
    return (await compileModule(wholeOf(program, cell), { sources: this.#sources(), entry: ENTRY })).diagnostics;
  }

  /** Under the notebook's schedule, as far as it speaks of stages that this module has. */
  async #compile(module: Module, program: Program): Promise<Compiled> {
    const sources = this.#sources();
    const plain = await compileModule(module, { sources, entry: ENTRY });
    const schedule = scheduleOf(program);
    if (!plain.flow || !plain.plan || !schedule) return plain;
    const fitting = scheduleFor(
      schedule,
      plain.flow.stages.map(({ name }) => name),
    );
    if (fitting.entries.length === 0) return plain;
    return compileModule({ ...module, schedules: [fitting] }, { sources, entry: ENTRY, schedule: fitting.name.text });
  }

  async #execute(
    { plan, code }: Compiled,
    program: Program,
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
      const { status, outputs, error } = await engine.run(plan!, code, { ...options, keep: this.#kept.by(originsOf(plan!, program)) });
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

/** The cell whose run a stage's value is of: that of the `let` that it belongs to, else that in whose text it stands. */
function originsOf({ stages, about }: Plan, { lets }: Program): Origins {
  const cells = new Map(lets.flatMap((each) => boundNames(each).map((name) => [name, each.span.file] as const)));
  return Object.fromEntries(
    stages.flatMap(({ id }) => {
      const origin = cells.get(id.split(/[./#]/)[0]!) ?? about.stages[id]?.span?.file;
      return origin === undefined ? [] : [[id, origin]];
    }),
  );
}

/** Whether the problem is the cell's own; those of nobody's text are everybody's. */
const isOf =
  (file: string) =>
  ({ frames }: Diagnostic): boolean =>
    frames.length === 0 || frames[0]!.span.file === file;
const isError = ({ severity }: Diagnostic): boolean => severity === "error";
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

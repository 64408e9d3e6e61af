// The whole way of a program, one line a phase: read, check, lower, plan, code. Stops where an error stands in the way of the next
// phase, never before it has said all it knows.
import type { Span } from "../lang/ast.ts";
import type { Diagnostic } from "../lang/diagnostics.ts";
import { report } from "../lang/diagnostics.ts";
import { parse } from "../lang/parse.ts";
import { nearest } from "../lang/suggest.ts";
import { readPipe } from "./1-read/pipe.ts";
import { askTypeScript, checkImports, readSignatures } from "./1-read/signatures.ts";
import type { OpenQuestion } from "./2-check/fitting.ts";
import { checkModule } from "./2-check/program.ts";
import type { CheckedProgram } from "./2-check/typed.ts";
import type { Flow } from "./3-lower/flow.ts";
import { lower } from "./3-lower/lower.ts";
import { makePlan } from "./4-plan/plan.ts";
import { checkSchedules, choose, namedStages } from "./4-plan/schedule.ts";
import { buildSlices } from "./code.ts";
import type { Module, Schedule } from "./module.ts";
import type { AboutSpan, CodeStore, Plan } from "./plan.ts";
import type { Sources } from "./sources.ts";
import { fileName, importedFile, nodeSources } from "./sources.ts";

export interface CompileOptions {
  /** The disk, from the working folder on, unless told. */
  readonly sources?: Sources;
  /** A schedule of the program; `auto` unless told. */
  readonly schedule?: string | undefined;
  /** The pipeline to run, where neither its name nor its callers say it. */
  readonly entry?: string | undefined;
}

export interface Compiled {
  /** Errors, warnings and remarks, by file and place. With an error there is no plan. */
  readonly diagnostics: readonly Diagnostic[];
  readonly module: Module | null;
  readonly flow: Flow | null;
  readonly plan: Plan | null;
  readonly code: CodeStore;
  /** Names of the program's schedules. */
  readonly schedules: readonly string[];
}

/** From a file to its plan and code. Problems of the program are diagnostics; nothing is thrown for them. */
export async function compile(file: string, options: CompileOptions = {}): Promise<Compiled> {
  const sources = options.sources ?? nodeSources();
  const read = await readProgram(file, sources, options);
  return finish(read, sources, options, true);
}

/** All that `compile` says of a program, but for its code: no plan is made. */
export async function check(file: string, options: CompileOptions = {}): Promise<Compiled> {
  const sources = options.sources ?? nodeSources();
  return finish(await readProgram(file, sources, options), sources, options, false);
}

/** From a module that is made already: a notebook's growing program, in which a name that nobody reads yet is nothing odd. */
export async function compileModule(module: Module, options: CompileOptions = {}): Promise<Compiled> {
  const compiled = await finish({ module, diagnostics: [] }, options.sources ?? nodeSources(), options, true);
  return { ...compiled, diagnostics: compiled.diagnostics.filter(({ code }) => code !== "HR116") };
}

interface Read {
  readonly module: Module | null;
  readonly diagnostics: readonly Diagnostic[];
}

async function readProgram(path: string, sources: Sources, options: CompileOptions): Promise<Read> {
  const file = fileName(sources.root, path);
  if (/\.[mc]?tsx?$/.test(file)) {
    const { readTypeScript } = await import("./1-read/typescript.ts");
    return readTypeScript(file, sources, options.entry ?? null);
  }
  const text = sources.read(file);
  if (text === null) {
    const folder = file.includes("/") ? file.slice(0, file.lastIndexOf("/")) : ".";
    const near = nearest(file.slice(file.lastIndexOf("/") + 1), sources.list(folder));
    return {
      module: null,
      diagnostics: [report("HR501", { file }, [], near ? { help: `did you mean ${folder === "." ? near : `${folder}/${near}`}?` } : {})],
    };
  }
  const parsed = parse(text, file);
  const { module, diagnostics } = readPipe(parsed.file);
  return { module, diagnostics: [...parsed.diagnostics, ...diagnostics] };
}

async function finish(read: Read, sources: Sources, options: CompileOptions, withCode: boolean): Promise<Compiled> {
  const diagnostics: Diagnostic[] = [...read.diagnostics];
  const { module } = read;
  const schedules = module?.schedules.map(({ name }) => name.text) ?? [];
  const end = (flow: Flow | null, plan: Plan | null, code: CodeStore = {}): Compiled => ({
    // What nobody reads says little where reading it may be what is wrong.
    diagnostics: sorted(hasError(diagnostics) ? diagnostics.filter(({ code }) => code !== "HR116") : diagnostics),
    module,
    flow,
    plan,
    code,
    schedules,
  });
  if (!module) return end(null, null);

  const checked = await checkProgram(module, sources, options, !withCode, diagnostics);
  if (!checked || hasError(diagnostics)) return end(null, null);
  const schedule = pickSchedule(module, checked.entry.name, options.schedule, sources, diagnostics);
  const { flow, diagnostics: stuck } = lower(checked, namedStages(schedule));
  const { choices, diagnostics: said } = choose(schedule, flow);
  diagnostics.push(...stuck, ...checkSchedules(module, checked.entry.name, schedule, flow), ...said);
  if (!withCode || hasError(diagnostics)) return end(flow, null);

  const ids = Object.keys(flow.functions);
  const built = await buildSlices(
    ids.map((id) => ({ file: flow.functions[id]!.file, export: flow.functions[id]!.export })),
    sources,
  );
  diagnostics.push(...built.diagnostics);
  if (hasError(diagnostics)) return end(flow, null);
  const slices = new Map(ids.map((id, i) => [id, built.slices[i]!]));
  const plan = makePlan(flow, { program: checked, schedule: schedule?.name.text ?? null, choices, slices, locate: locator(sources) });
  return end(flow, plan, Object.fromEntries(built.slices.map(({ digest, module: text, map }) => [digest, { module: text, map }])));
}

async function checkProgram(
  module: Module,
  sources: Sources,
  options: CompileOptions,
  library: boolean,
  diagnostics: Diagnostic[],
): Promise<CheckedProgram | null> {
  const files = module.imports.filter(({ from }) => !from.text.endsWith(".pipe")).map(({ from }) => importedFile(module.file, from.text));
  const { signatures, diagnostics: unread } = await readSignatures(files, sources);
  diagnostics.push(...unread, ...checkImports(module, signatures, sources, nearest));
  const texts = new Map<string, string | null>();
  const textOf = ({ file, start, end }: Span) => {
    if (!texts.has(file)) texts.set(file, sources.read(file));
    return texts.get(file)?.slice(start, end) ?? null;
  };
  const { program, diagnostics: found, questions } = checkModule(module, signatures, { entry: options.entry, library, textOf });
  // Where brackets don't match, what stands between them is guesswork: only the parser speaks of that pipeline.
  const torn = diagnostics.filter(({ code }) => code === "HR007" || code === "HR008" || code === "HR010").map(startOf);
  const guessed = module.pipelines.filter(({ span }) => torn.some((at) => at !== null && at >= span.start && at <= span.end));
  const readable = (one: Diagnostic) => {
    const at = one.frames[0]?.span.file === module.file ? startOf(one) : null;
    return at === null || !guessed.some(({ span }) => at >= span.start && at <= span.end);
  };
  diagnostics.push(...[...found, ...(await answers(questions, sources))].filter(readable));
  return program;
}

/** What TypeScript says of the types that only it understands; where it can't name one, the names decided already. */
async function answers(questions: readonly OpenQuestion[], sources: Sources): Promise<Diagnostic[]> {
  const verdicts = await askTypeScript(
    questions.map(({ from, to }) => ({ from, to })),
    sources,
  );
  return questions.flatMap(({ problem }, i) => {
    const verdict = verdicts[i]!;
    if (verdict.kind === "assignable") return [];
    return [problem(verdict.kind === "unknown" ? null : verdict.why)];
  });
}

/** The schedule asked for: `laptop` is the program's own, `lab.pipe` and `lab.pipe:night` stand in a file of schedules. */
function pickSchedule(
  module: Module,
  entry: string,
  asked: string | undefined,
  sources: Sources,
  diagnostics: Diagnostic[],
): Schedule | null {
  if (asked === undefined || asked === "auto") return null;
  const [, path, part] = /^(.+\.pipe)(?::(\w+))?$/.exec(asked) ?? [];
  let schedules = module.schedules;
  if (path !== undefined) {
    const file = fileName(sources.root, path);
    const text = sources.read(file);
    if (text === null) {
      diagnostics.push(report("HR501", { file }, []));
      return null;
    }
    const parsed = parse(text, file);
    const read = readPipe(parsed.file);
    diagnostics.push(...parsed.diagnostics, ...read.diagnostics);
    schedules = read.module.schedules;
  }
  const fitting = schedules.filter(({ pipeline }) => pipeline === null || pipeline.text === entry);
  const name = path === undefined ? asked : part;
  const found = name === undefined && fitting.length === 1 ? fitting[0] : schedules.find((schedule) => schedule.name.text === name);
  if (!found) {
    const names = [...schedules.map((schedule) => schedule.name.text), ...(path === undefined ? ["auto"] : [])];
    const near = name === undefined ? null : nearest(name, names);
    diagnostics.push(
      report("HR401", { name: asked }, [], { help: near ? `did you mean \`${near}\`?` : `schedules: ${names.join(", ") || "none"}` }),
    );
    return null;
  }
  if (found.pipeline !== null && found.pipeline.text !== entry) {
    diagnostics.push(
      report("HR409", { what: `the schedule \`${asked}\` is for \`${found.pipeline.text}\`, and \`${entry}\` is to run` }, [
        { span: found.pipeline.span, label: "for this one", role: "primary" },
      ]),
    );
    return null;
  }
  return found;
}

const startOf = ({ frames }: Diagnostic): number | null => frames[0]?.span.start ?? null;

const hasError = (diagnostics: readonly Diagnostic[]) => diagnostics.some(({ severity }) => severity === "error");

/** By file and place, those without one first; each once. */
function sorted(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const unique = [...new Map(diagnostics.map((one) => [JSON.stringify([one.code, one.message, one.frames[0]?.span]), one])).values()];
  const place = (one: Diagnostic) => one.frames[0]?.span;
  return unique.sort((a, b) => {
    const [x, y] = [place(a), place(b)];
    if (!x || !y) return x ? 1 : y ? -1 : 0;
    return x.file === y.file ? x.start - y.start : x.file < y.file ? -1 : 1;
  });
}

function locator(sources: Sources): (span: Span) => AboutSpan | null {
  const starts = new Map<string, number[]>();
  return ({ file, start }) => {
    let lines = starts.get(file);
    if (!lines) {
      const text = sources.read(file);
      if (text === null) return null;
      lines = [0];
      for (let i = text.indexOf("\n"); i >= 0; i = text.indexOf("\n", i + 1)) lines.push(i + 1);
      starts.set(file, lines);
    }
    let low = 0;
    let high = lines.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (lines[middle]! <= start) low = middle;
      else high = middle - 1;
    }
    return { file, line: low + 1, column: start - lines[low]! + 1 };
  };
}

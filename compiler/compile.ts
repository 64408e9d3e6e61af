// The whole way of a program, one line a phase: read, link, check, lower, plan, code. Stops where an error stands in the way of the next
// phase, never before it has said all it knows.
import type { Span } from "../lang/ast.ts";
import type { Diagnostic } from "../lang/diagnostics.ts";
import { report } from "../lang/diagnostics.ts";
import { nearest } from "../lang/suggest.ts";
import type { Linked, Read } from "./1-read/link.ts";
import { link, readPipeFile } from "./1-read/link.ts";
import { pickSchedule } from "./1-read/schedule.ts";
import { askTypeScript } from "./1-read/signatures.ts";
import type { OpenQuestion } from "./2-check/fitting.ts";
import { checkProgram } from "./2-check/program.ts";
import type { CheckedProgram } from "./2-check/typed.ts";
import type { Flow } from "./3-lower/flow.ts";
import { lower } from "./3-lower/lower.ts";
import { makePlan } from "./4-plan/plan.ts";
import { checkEntries, checkNames, checkOthers, checkSchedules, choose, namedStages } from "./4-plan/schedule.ts";
import { buildSlices } from "./code.ts";
import { addAll, hasError, locator, told, withoutGuesses } from "./findings.ts";
import type { Module } from "./module.ts";
import type { CodeStore, Plan } from "./plan.ts";
import type { Sources } from "./sources.ts";
import { fileName, nodeSources } from "./sources.ts";

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
  const compiled = await finish({ module, diagnostics: [], unread: [] }, options.sources ?? nodeSources(), options, true);
  return { ...compiled, diagnostics: compiled.diagnostics.filter(({ code }) => code !== "HR116") };
}

async function readProgram(path: string, sources: Sources, options: CompileOptions): Promise<Read> {
  const file = fileName(sources.root, path);
  if (/\.[mc]?tsx?$/.test(file)) {
    const { readTypeScript } = await import("./1-read/typescript.ts");
    return { ...(await readTypeScript(file, sources, options.entry ?? null)), unread: [] };
  }
  const read = readPipeFile(file, sources);
  if (read) return read;
  const inside = sources.list(file);
  if (inside.length > 0) {
    const program = inside.find((name) => /\.pipe(line\.ts)?$/.test(name));
    const help = program ? { help: `${file}/${program}` } : {};
    return { module: null, diagnostics: [report("HR501", { file, folder: true }, [], help)], unread: [] };
  }
  const folder = file.includes("/") ? file.slice(0, file.lastIndexOf("/")) : ".";
  const near = nearest(file.slice(file.lastIndexOf("/") + 1), sources.list(folder));
  const help = near ? { help: `did you mean ${folder === "." ? near : `${folder}/${near}`}?` } : {};
  return { module: null, diagnostics: [report("HR501", { file }, [], help)], unread: [] };
}

async function finish(read: Read, sources: Sources, options: CompileOptions, withCode: boolean): Promise<Compiled> {
  const { module } = read;
  const diagnostics = [...read.diagnostics];
  const end = (made: Partial<Pick<Compiled, "flow" | "plan" | "code">> = {}): Compiled => ({
    ...{ module, flow: null, plan: null, code: {}, schedules: module?.schedules.map(({ name }) => name.text) ?? [] },
    ...made,
    diagnostics: told(diagnostics),
  });
  if (!module) return end();

  const linked = await link(module, read.unread, sources);
  const { program, entry } = await checkLinked(linked, sources, options, !withCode, diagnostics);
  const schedule = entry === null ? null : pickSchedule(linked.program, entry, options.schedule, sources, diagnostics);
  if (schedule && !module.schedules.includes(schedule)) addAll(diagnostics, checkEntries(schedule));
  if (!program) return end();

  const { flow, diagnostics: stuck } = lower(program, namedStages(schedule));
  const { choices, diagnostics: illegal } = choose(schedule, flow);
  addAll(diagnostics, [...stuck, ...checkOthers(linked.program, program.entry.name, schedule, flow), ...illegal]);
  if (!withCode || hasError(diagnostics)) return end({ flow });

  const { slices, code, diagnostics: unbuilt } = await buildCode(flow, sources);
  addAll(diagnostics, unbuilt);
  if (hasError(diagnostics)) return end({ flow });
  const plan = makePlan(flow, { program, schedule: schedule?.name.text ?? null, choices, slices, locate: locator(sources) });
  return end({ flow, plan, code });
}

/** The program is null where more than its schedules is wrong. */
async function checkLinked(
  linked: Linked,
  sources: Sources,
  options: CompileOptions,
  library: boolean,
  diagnostics: Diagnostic[],
): Promise<{ program: CheckedProgram | null; entry: string | null }> {
  const texts = new Map<string, string | null>();
  const textOf = ({ file, start, end }: Span) => {
    if (!texts.has(file)) texts.set(file, sources.read(file));
    return texts.get(file)?.slice(start, end) ?? null;
  };
  const { entry: module } = linked.program;
  const { program, entry, diagnostics: found, questions } = checkProgram(linked.program, { entry: options.entry, library, textOf });
  const all = [...linked.unlinked, ...found, ...(await answers(questions, sources))];
  addAll(diagnostics, linked.diagnostics);
  // Which stages there are is known once the program is right; until then a wrong name is one that nothing has.
  const right = program !== null && !hasError([...diagnostics, ...all]);
  addAll(all, checkSchedules(module));
  if (!right)
    addAll(
      all,
      module.schedules.flatMap((schedule) => checkNames(schedule, linked.program, linked.unread)),
    );
  addAll(diagnostics, withoutGuesses(all, linked.unread, textOf));
  return { program: right ? program : null, entry };
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

/** A slice for each function that the flow calls, by the function's id. */
async function buildCode(flow: Flow, sources: Sources) {
  const functions = Object.entries(flow.functions);
  const { slices, diagnostics } = await buildSlices(
    functions.map(([, { file, export: name }]) => ({ file, export: name })),
    sources,
  );
  const code: CodeStore = Object.fromEntries(slices.map(({ digest, module, map }) => [digest, { module, map }]));
  return { slices: new Map(functions.map(([id], i) => [id, slices[i]!])), code, diagnostics };
}

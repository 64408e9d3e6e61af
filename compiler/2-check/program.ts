// A whole program: its params, its pipelines, and which of them is the entry. Never stops at the first problem.
import type { Name, Span } from "../../lang/ast.ts";
import type { Diagnostic } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import type { Type } from "../../lang/types.ts";
import { bind, knowing, mayBeNull, optionalOf, presentOf, print, substitute } from "../../lang/types.ts";
import { GraphIndex } from "../graph.ts";
import type { Carried, Expr, Module, Parameter, Pattern, Pipeline, Program, Statement } from "../module.ts";
import type { Json, PlanParam } from "../plan.ts";
import { eachChild } from "../walk.ts";
import { reportIgnoredFailures } from "./attempt.ts";
import { checkConfined } from "./confined.ts";
import type { Context } from "./expressions.ts";
import { check } from "./expressions.ts";
import type { OpenQuestion } from "./fitting.ts";
import { expectType, whole } from "./fitting.ts";
import { ERROR, INT, STRING } from "./operations.ts";
import { Declarations, inTypeScript, meant, primary, Scope, StageIds, secondary } from "./scope.ts";
import { asksActors, bindName, checkBlock, checkStatement, reportUnused } from "./statements.ts";
import type { Binding, CheckedPipeline, CheckedProgram, TypedLet } from "./typed.ts";

export interface CheckOptions {
  /** The pipeline to run, where the program says it (`file.pipe:name`). */
  readonly entry?: string | undefined;
  /** Nothing is to run, so a file of several pipelines, or of none, is fine. */
  readonly library?: boolean;
  readonly textOf: (span: Span) => string | null;
}

/** Names, types, parts and purity of a program's pipelines, in all of its files. */
export function checkProgram({ entry: module, files }: Program, options: CheckOptions): Checked {
  const diagnostics: Diagnostic[] = [];
  const questions: OpenQuestion[] = [];
  const ids = new StageIds();
  const spaces = new Map(files.map((file) => [file.module.file, new Declarations(file, ids, diagnostics)]));
  for (const space of spaces.values()) space.linkTypes(spaces);
  for (const space of spaces.values()) space.types.checkAll();

  const read = new Set<Binding>();
  const contexts = files.map(({ module: of }): FileContext => {
    const params = new Map<string, Param>();
    const declarations = spaces.get(of.file)!;
    const context: Context = {
      ...{ declarations, params, diagnostics, questions, textOf: options.textOf },
      ...{ read, readParams: new Set(), calls: new Set(), unused: [], doing: null, alone: null },
    };
    for (const param of of.params) addParam(param, context, params);
    return { module: of, context, params };
  });

  const entry = findEntry(module, options, diagnostics);
  // Files that are imported come first, so that defaults of parameters find the pipelines that they call.
  const declared = contexts.toReversed().flatMap(({ module: of, context, params }) => {
    context.declarations.linkPipelines(spaces);
    return of.pipelines.map((pipeline) => ({ ...declare(pipeline, pipeline === entry, context, params), context }));
  });
  for (const space of spaces.values()) space.linkPipelines(spaces);

  const reach = new Map<CheckedPipeline, Reach>();
  for (const { pipeline, shell, scope, context } of calleesFirst(declared)) {
    const own = { ...context, readParams: new Set<string>(), calls: new Set<CheckedPipeline>() };
    checkBody(pipeline, shell, scope, own);
    for (const name of own.readParams) context.readParams.add(name);
    reach.set(shell, { calls: own.calls, params: own.readParams, file: pipeline.span.file });
  }
  for (const { context } of contexts) for (const value of context.unused) reportUnused(value, context);
  diagnostics.push(...checkConfined(declared.map(({ shell: one }) => one)));
  for (const { shell: one, context } of declared) reportIgnoredFailures(one, context);
  remarkOnFailure(declared, entry, reach);
  reportCycles(reach, diagnostics);

  const shell = declared.find(({ pipeline }) => pipeline === entry)?.shell;
  const params = shell ? programParams(module, shell, reach, contexts, diagnostics) : [];
  const failed = diagnostics.some(({ severity }) => severity === "error");
  if (!failed) for (const { shell: one, context } of declared) reportUnread(one, context);
  for (const { context, params: own } of failed ? [] : contexts)
    for (const { plan, span } of own.values()) if (!context.readParams.has(plan.name)) diagnostics.push(unread(plan.name, span));
  const found = { entry: entry?.name.text ?? null, diagnostics, questions };
  if (!shell?.body || failed) return { program: null, ...found };
  return { program: { module, entry: shell, params: params.map(({ plan, doc, span }) => ({ plan, doc, span })) }, ...found };
}

interface FileContext {
  readonly module: Module;
  readonly context: Context;
  readonly params: Map<string, Param>;
}

/** What a pipeline calls and reads, besides its own values. */
interface Reach {
  readonly calls: ReadonlySet<CheckedPipeline>;
  /** Params of its file. */
  readonly params: ReadonlySet<string>;
  readonly file: string;
}

/** The flags: all params of the entry's file, and of others those that what runs reads. */
function programParams(
  module: Module,
  entry: CheckedPipeline,
  reach: ReadonlyMap<CheckedPipeline, Reach>,
  contexts: readonly FileContext[],
  diagnostics: Diagnostic[],
): Param[] {
  const of = new Map(contexts.map(({ module: { file }, params }) => [file, params]));
  const found = new Map(of.get(module.file)!);
  // One message a pair of declarations.
  const clashing = new Set<Param>();
  // Each pipeline once; the set grows while it is walked.
  const reached = new Set([entry]);
  for (const pipeline of reached) {
    const { calls, params, file } = reach.get(pipeline)!;
    for (const callee of calls) reached.add(callee);
    for (const name of params) {
      const param = of.get(file)!.get(name)!;
      const before = found.get(name);
      if (!before) found.set(name, param);
      else if (before !== param && !alike(before, param) && !clashing.has(param)) {
        clashing.add(param);
        diagnostics.push(
          report("HR122", { name }, [primary(param.span, shownParam(param)), secondary(before.span, shownParam(before))], {
            help: `declare both alike, or make \`${name}\` a parameter of \`${pipeline.name}\``,
          }),
        );
      }
    }
  }
  return [...found.values()];
}

function alike(a: Param, b: Param): boolean {
  const [x, y] = [a.plan, b.plan];
  return x.type === y.type && x.optional === y.optional && x.default === y.default && x.min === y.min && x.max === y.max;
}

function shownParam({ plan }: Param): string {
  const from = plan.default === undefined ? "" : ` = ${JSON.stringify(plan.default)}`;
  const range = plan.min === undefined ? "" : ` in ${plan.min}..${plan.max}`;
  return `here ${plan.type}${plan.optional ? "?" : ""}${from}${range}`;
}

export interface Checked {
  /** Null where an error stands in the way of a plan; the diagnostics then say which. */
  readonly program: CheckedProgram | null;
  /** The name of the pipeline that is to run. */
  readonly entry: string | null;
  readonly diagnostics: Diagnostic[];
  /** The program is right if TypeScript says yes to these. */
  readonly questions: readonly OpenQuestion[];
}

const unread = (name: string, span: Span): Diagnostic =>
  report("HR116", { name }, [primary(span, "read by nobody")], { help: "leave it out, or use it" });

/** Values that were given a name for nothing: they are left out of the plan, which their author should know. */
function reportUnread(pipeline: CheckedPipeline, context: Context): void {
  const visit = (node: object): void => {
    // What it does counts, whether anybody reads what it gives or not.
    if ("kind" in node && node.kind === "let" && "pattern" in node && asksActors((node as TypedLet).value)) return;
    if ("kind" in node && node.kind === "let" && "depth" in node) {
      const binding = node as Binding;
      if (!context.read.has(binding)) context.diagnostics.push(unread(binding.name, binding.span));
      return;
    }
    // A name where it is read, types, and other pipelines have their own turn.
    if (!("kind" in node && node.kind === "local")) eachChild(node, visit, ["type", "span", "function", "pipeline"]);
  };
  if (pipeline.body) visit(pipeline.body);
}

interface Param {
  readonly plan: PlanParam;
  readonly type: Type;
  readonly doc: string | null;
  readonly span: Span;
}

function addParam(param: Parameter, context: Context, params: Map<string, Param>): void {
  const { diagnostics, declarations } = context;
  const type = declarations.declared(param.type);
  const { text: name, span } = param.name;
  const before = params.get(name);
  if (before) {
    diagnostics.push(
      report("HR104", { name }, [primary(span, "declared again"), secondary(before.span, "first here")], {
        help: "give one of them another name",
      }),
    );
    return;
  }
  const kind = presentOf(type).kind;
  const isFile = kind === "file" || kind === "files";
  if (kind !== "int" && kind !== "float" && kind !== "bool" && kind !== "string" && kind !== "secret" && !isFile) {
    if (kind !== "error")
      diagnostics.push(
        report("HR114", { name, is: print(type) }, [primary(span, `is ${print(type)}`)], {
          help: "params are `int`, `float`, `bool`, `string`, `file` or `files`; a stage makes the rest of them",
        }),
      );
    declarations.broken.add(name);
    return;
  }
  if (kind === "secret" && param.default) {
    const why = "what is written in a program is no secret";
    const help = { help: `param ${name}: secret` };
    diagnostics.push(report("HR115", { what: `the default of \`${name}\``, why }, [primary(param.default.span, "written out")], help));
    declarations.broken.add(name);
    return;
  }
  // The default of a file is its path, that of files a pattern.
  const written: Type = isFile ? (mayBeNull(type) ? optionalOf({ kind: "string" }) : { kind: "string" }) : type;
  const fallback = param.default ? constant(param.default, written, `the default of \`${name}\``, context) : undefined;
  const agrees = !param.default || fallback !== undefined;
  const low = param.range && agrees ? constant(param.range.low, type, `the range of \`${name}\``, context) : undefined;
  const high = param.range && agrees ? constant(param.range.high, type, `the range of \`${name}\``, context) : undefined;
  const number = (value: Json | undefined) => (typeof value === "number" ? value : undefined);
  const [min, max] = [number(low), number(high)];
  const at = number(fallback);
  if (at !== undefined && ((min !== undefined && at < min) || (max !== undefined && at > max))) {
    diagnostics.push(
      report("HR115", { what: `the default of \`${name}\``, why: `${at} lies outside ${min}..${max}` }, [
        primary(param.default!.span, "outside"),
        secondary({ ...param.range!.low.span, end: param.range!.high.span.end }, "its range"),
      ]),
    );
  }
  params.set(name, {
    plan: {
      name,
      type: kind,
      optional: mayBeNull(type),
      ...(fallback !== undefined ? { default: fallback } : {}),
      ...(min !== undefined ? { min } : {}),
      ...(max !== undefined ? { max } : {}),
    },
    // Where the type and the default disagree, either may be meant.
    type: agrees ? type : { kind: "error" },
    doc: param.doc,
    span,
  });
}

/** A value that is known before the program runs. */
function constant(expr: Expr, type: Type, what: string, context: Context): Json | undefined {
  if (expr.kind === "error") return undefined;
  const inner = expr.kind === "unary" && expr.operator === "-" && expr.operand.kind === "number" ? expr.operand : expr;
  const written = inner.kind === "number" || inner.kind === "string" || inner.kind === "bool" || inner.kind === "null";
  if (!written) {
    context.diagnostics.push(
      report("HR115", { what, why: "it has to be written out" }, [primary(expr.span, "computed")], {
        help: "a number, a string, `true`, `false` or `null`; what is computed is a `let` of the pipeline",
      }),
    );
    return undefined;
  }
  if (!expectType(check(expr, new Scope(null), context), type, what, context)) return undefined;
  const value = inner.kind === "null" ? null : inner.value;
  return inner !== expr && typeof value === "number" ? -value : value;
}

/** The pipeline named like the file, else the only one that nobody calls. */
function findEntry(module: Module, { entry: asked, library }: CheckOptions, diagnostics: Diagnostic[]): Pipeline | null {
  const named = (name: string) => module.pipelines.find((pipeline) => pipeline.name.text === name) ?? null;
  const names = module.pipelines.map((pipeline) => pipeline.name.text);
  const start: Span = { file: module.file, start: 0, end: 0 };
  if (asked !== undefined) {
    const found = named(asked);
    if (!found) {
      const near = meant(asked, names);
      const listed = names.length > 0 && !near.help ? { help: `it has ${names.map((name) => `\`${name}\``).join(", ")}` } : near;
      diagnostics.push(report("HR106", { what: `there is no pipeline \`${asked}\` in ${module.file}` }, [], listed));
    }
    return found;
  }
  const file = module.file.slice(module.file.lastIndexOf("/") + 1).split(".")[0]!;
  const like = named(file);
  if (like) return like;
  const all = new Set(names);
  const called = new Set(module.pipelines.flatMap((pipeline) => calledPipelines(pipeline, all)));
  const free = module.pipelines.filter((pipeline) => !called.has(pipeline.name.text));
  if (free.length === 1) return free[0]!;
  if (library) return null;
  if (module.pipelines.length === 0) {
    diagnostics.push(
      report("HR106", { what: `${module.file} has no pipeline to run` }, [primary(start, "")], {
        help: `pipeline ${file.replace(/\W/g, "_")}() -> float { … }`,
      }),
    );
  } else {
    diagnostics.push(
      report(
        "HR106",
        { what: `${module.file} has several pipelines that nobody calls` },
        free.map((pipeline, i) => (i === 0 ? primary(pipeline.name.span, "this one") : secondary(pipeline.name.span, "or this one"))),
        {
          help: `say which one runs: \`headrace run ${module.file}:${free[0]?.name.text ?? names[0]}\`, or name it \`${file}\` like the file`,
        },
      ),
    );
  }
  return null;
}

/** Every name that stands for a value somewhere in a pipeline. */
function boundNames(pipeline: Pipeline): Set<string> {
  const found = new Set(pipeline.parameters.map(({ name }) => name.text));
  const visit = (node: object): void => {
    if ("kind" in node && (node.kind === "let" || node.kind === "for") && "pattern" in node) {
      const { pattern } = node as { readonly pattern: Pattern };
      const names =
        pattern.kind === "name" ? [pattern.name] : pattern.kind === "fields" ? pattern.fields.map(({ name }) => name) : pattern.names;
      for (const { text } of names) found.add(text);
    }
    if ("kind" in node && (node.kind === "fit" || node.kind === "loop") && "carried" in node)
      for (const { name } of node.carried as readonly Carried[]) found.add(name.text);
    if ("kind" in node && node.kind === "fit" && "batch" in node) found.add((node.batch as Name).text);
    if ("kind" in node && node.kind === "lambda" && "parameters" in node)
      for (const { text } of node.parameters as readonly { readonly text: string }[]) found.add(text);
    eachChild(node, visit, ["span"]);
  };
  visit(pipeline.body);
  return found;
}

function calledPipelines(pipeline: Pipeline, names: ReadonlySet<string>): string[] {
  const found = new Set<string>();
  // Functions and values are two name spaces: `let line = …` in `pipeline line` is a value, and reading it is no call.
  const values = boundNames(pipeline);
  const visit = (node: object): void => {
    if ("kind" in node && node.kind === "call" && "callee" in node) {
      const callee = node.callee as { readonly text: string };
      if (names.has(callee.text)) found.add(callee.text);
    }
    if (
      "kind" in node &&
      node.kind === "name" &&
      "name" in node &&
      typeof node.name === "string" &&
      names.has(node.name) &&
      !values.has(node.name)
    )
      found.add(node.name);
    eachChild(node, visit, ["span"]);
  };
  visit(pipeline.body);
  return [...found];
}

function declare(
  pipeline: Pipeline,
  isEntry: boolean,
  context: Context,
  params: Map<string, Param>,
): { pipeline: Pipeline; shell: CheckedPipeline; scope: Scope } {
  const { declarations } = context;
  const scope = new Scope(null);
  const parameters: { binding: Binding; default: CheckedPipeline["parameters"][number]["default"] }[] = [];
  for (const parameter of pipeline.parameters) {
    // What the entry takes is given on the command line; in annotated TypeScript these are the program's params already.
    if (isEntry) {
      if (!params.has(parameter.name.text)) addParam(parameter, context, params);
      continue;
    }
    const type = declarations.declared(parameter.type);
    const fallback = parameter.default && check(parameter.default, new Scope(null), context);
    const fits = fallback === null || expectType(fallback, type, `the default of \`${parameter.name.text}\``, context);
    const binding = bindName(parameter.name, fits ? type : { kind: "error" }, "parameter", scope, context);
    parameters.push({ binding, default: fallback });
  }
  if (pipeline.kind === "service") declarations.later("`service`", pipeline.span);
  let returns: Type = { kind: "any" };
  if (pipeline.returns) returns = declarations.declared(pipeline.returns);
  else if (pipelineNeedsType(pipeline)) returns = ERROR;
  const shell: CheckedPipeline = {
    ...{ name: pipeline.name.text, doc: pipeline.doc, span: pipeline.name.span, parameters, returns },
    ...{ body: null, onFailure: null },
  };
  if (!declarations.pipelines.has(shell.name)) declarations.pipelines.set(shell.name, shell);
  return { pipeline, shell, scope };
}

/** Each after those that it calls: what a pipeline in TypeScript gives is inferred from its body. */
function calleesFirst<D extends { readonly pipeline: Pipeline; readonly shell: CheckedPipeline; readonly context: Context }>(
  declared: readonly D[],
): D[] {
  if (declared.every(({ pipeline }) => pipeline.returns !== null)) return [...declared];
  const of = new Map(declared.map((one) => [one.shell, one]));
  const calls = ({ pipeline, context: { declarations } }: D) =>
    calledPipelines(pipeline, new Set(declarations.pipelines.keys())).flatMap((name) => of.get(declarations.pipelines.get(name)!) ?? []);
  return new GraphIndex(declared, calls).order();
}

/** Only `.pipe` text writes result types; TypeScript infers them. */
function pipelineNeedsType(pipeline: Pipeline): boolean {
  return !inTypeScript(pipeline.span);
}

function checkBody(pipeline: Pipeline, shell: CheckedPipeline, scope: Scope, context: Context): void {
  const body = checkBlock(pipeline.body, scope, context, true);
  shell.body = body;
  const failure = pipeline.body.statements.at(-1);
  if (failure?.kind === "onFailure") shell.onFailure = checkOnFailure(failure, scope, context);
  const is = whole(body.value.type);
  if (pipeline.returns === null && pipelineNeedsType(pipeline)) reportUntold(pipeline, is, context);
  if (pipeline.returns === null && !pipelineNeedsType(pipeline)) {
    shell.returns = is.kind === "void" ? ERROR : is;
    return;
  }
  if (is.kind === "error") return;
  // A notebook's cell, which may be there for what it does.
  if (is.kind === "void" && pipeline.returns?.kind === "type" && shell.returns.kind === "any") return;
  if (is.kind === "void") {
    context.diagnostics.push(
      report(
        "HR202",
        { what: `the result of \`${shell.name}\``, is: "nothing", needs: print(shell.returns) },
        [primary(pipeline.name.span, "ends without a value")],
        { help: "a block's value is its last expression" },
      ),
    );
    return;
  }
  const declared = pipeline.returns?.kind === "node" ? pipeline.returns.node.span : null;
  // A dimension that stands in no argument is whatever the body makes it.
  const bound = knowing(scope.sizes());
  bind(shell.returns, is, bound);
  expectType(body.value, substitute(shell.returns, bound, "kept"), `the result of \`${shell.name}\``, context, declared);
}

const FAILURE: Type = {
  kind: "record",
  name: null,
  fields: [
    { name: "stage", type: { kind: "union", members: [STRING, { kind: "null" }] }, optional: false },
    { name: "block", type: { kind: "union", members: [INT, { kind: "null" }] }, optional: false },
    { name: "name", type: STRING, optional: false },
    { name: "message", type: STRING, optional: false },
  ],
};

/** Reads params and the failure alone: what else there was may not have been made. */
function checkOnFailure(
  { name, body }: Statement & { kind: "onFailure" },
  around: Scope,
  context: Context,
): NonNullable<CheckedPipeline["onFailure"]> {
  const unavailable = {
    names: new Set(around.names()),
    why: `\`on failure\` reads params and \`${name.text}\` alone: other values may not have been made`,
  };
  const scope = new Scope(null, 0, false, unavailable);
  const binding = bindName(name, FAILURE, "failure", scope, context);
  const statements = body.statements.flatMap((statement) => checkStatement(statement, scope, context) ?? []);
  return { binding, statements };
}

function remarkOnFailure(
  declared: readonly { readonly pipeline: Pipeline; readonly shell: CheckedPipeline; readonly context: Context }[],
  entry: Pipeline | null,
  reach: ReadonlyMap<CheckedPipeline, Reach>,
): void {
  const called = new Set([...reach.values()].flatMap(({ calls }) => [...calls]));
  for (const { pipeline, shell, context } of declared) {
    const failure = pipeline.body.statements.at(-1);
    if (pipeline === entry || failure?.kind !== "onFailure" || !called.has(shell)) continue;
    context.diagnostics.push(
      report("HR121", { name: shell.name }, [primary(failure.name.span, "not run")], {
        help: "what is to happen stands in the `on failure` of the pipeline that runs",
      }),
    );
  }
}

/** What a pipeline gives is known from its body, but has to be written. */
function reportUntold({ name, body }: Pipeline, is: Type, context: Context): void {
  const known = is.kind === "void" || /"kind":"(error|any|opaque|variable)"/.test(JSON.stringify(is)) ? null : print(is);
  const at = { ...body.span, end: body.span.start };
  context.diagnostics.push(
    report("HR107", { name: name.text }, [primary(name.span, "gives what?")], {
      help: `pipeline ${name.text}(…) -> ${known ?? "{ model: Weights, accuracy: float }"} {`,
      // A type with a name may have to be imported first.
      ...(known !== null && !/[A-Z]/.test(known) ? { fix: { span: at, text: `-> ${known} ` } } : {}),
    }),
  );
}

/** Pipelines are written out where they are called; one that reaches itself would have no end. */
function reportCycles(reach: ReadonlyMap<CheckedPipeline, Reach>, diagnostics: Diagnostic[]): void {
  for (const { name, span } of new GraphIndex(reach.keys(), (pipeline) => reach.get(pipeline)!.calls).inCycles())
    diagnostics.push(report("HR113", { name }, [primary(span, "calls itself")], { help: "repeat with `loop` or `fit`, or in TypeScript" }));
}

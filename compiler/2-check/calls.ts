// Calls: of the user's functions against their TypeScript signatures, of pipelines, and of the language's own operations.
import type { Name, Span } from "../../lang/ast.ts";
import type { Frame } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import { parseTime } from "../../lang/times.ts";
import type { Bindings, Type } from "../../lang/types.ts";
import { bindings, join, mismatch, optionalOf, print, substitute } from "../../lang/types.ts";
import type { Argument, Expr, FunctionSignature, SignatureParameter } from "../module.ts";
import { callEach, calledClass, callMethod, callSpawn } from "./actors.ts";
import { tellSwapped } from "./argument-order.ts";
import { callAttempt } from "./attempt.ts";
import type { Context } from "./expressions.ts";
import { check, checkLambda, errorAt, isInt, isNumber, later, partly } from "./expressions.ts";
import { expectType, isAtLeast, needs, whole } from "./fitting.ts";
import { callAgg, callGroupBy } from "./grouping.ts";
import type { OperationParameter } from "./operations.ts";
import {
  combiners,
  dataOperations,
  ERROR,
  FLOAT,
  INT,
  laterOperations,
  operationNames,
  readers,
  reductions,
  rowForms,
  scalars,
  TIME,
  writers,
} from "./operations.ts";
import { place } from "./placing.ts";
import { remarkReaches } from "./purity.ts";
import { callReader, refuseTypes } from "./readers.ts";
import { callSample } from "./sampling.ts";
import type { Scope } from "./scope.ts";
import { inTypeScript, meant, primary, secondary } from "./scope.ts";
import type { Sizes } from "./signature-choice.ts";
import { bindSizes, chooseSignature, complete, sizeFrames, wantedOf } from "./signature-choice.ts";
import type { CheckedPipeline, StageFunction, Typed, TypedArgument, TypedLambda } from "./typed.ts";
import { callWriter } from "./writers.ts";

type Call = Expr & { kind: "call" };

export function checkCall(call: Call, scope: Scope, context: Context): Typed {
  const { declarations } = context;
  const name = call.callee.text;
  const isKnown = declarations.functions.has(name) || declarations.pipelines.has(name) || operationNames.includes(name);
  if (isKnown && !readers.includes(name)) refuseTypes(call, context);
  if (call.receiver) return callMethod(call, scope, context);
  const stage = declarations.functions.get(name);
  if (stage) return callFunction(call, stage, scope, context);
  const actor = declarations.actors.get(name);
  if (actor) return calledClass(call, actor, scope, context);
  const pipeline = declarations.pipelines.get(name);
  if (pipeline) return callPipeline(call, pipeline, scope, context);
  if (declarations.broken.has(name)) {
    checkLoosely(call.args, scope, context);
    return errorAt(call.span);
  }
  if (
    Object.hasOwn(dataOperations, name) ||
    Object.hasOwn(reductions, name) ||
    rowForms.includes(name) ||
    writers.includes(name) ||
    combiners.includes(name)
  )
    return callOnRows(call, scope, context);
  if (name === "attempt") return callAttempt(spreadOptions(call), scope, context);
  if (readers.includes(name)) return callReader(call, scope, context);
  if (name === "spawn") return callSpawn(call, scope, context);
  if (name === "each") return callEach(call, scope, context);
  if (name === "range") return callRange(call, scope, context);
  if (name === "dataset") return callDataset(call, scope, context);
  if (Object.hasOwn(scalars, name))
    return callScalar(
      call,
      call.args.map((arg) => check(arg.value, scope, context)),
      context,
    );
  checkLoosely(call.args, scope, context);
  if (laterOperations.includes(name)) return later(`\`${name}\``, call.callee.span, context);
  const known = [...declarations.functions.keys(), ...declarations.pipelines.keys(), ...operationNames];
  const from = declarations.fileWith(name);
  const near = from === null ? meant(name, known, call.callee.span) : {};
  context.diagnostics.push(
    report(
      "HR103",
      { name },
      [primary(call.callee.span, "no such function")],
      near.help ? near : { help: `import { ${name} } from "${from ?? "./stages.ts"}"` },
    ),
  );
  return errorAt(call.span);
}

/** A call whose arguments don't fit its parameters, which has been told. */
export function wrongly(call: Call, scope: Scope, context: Context): Typed {
  checkLoosely(call.args, scope, context);
  return errorAt(call.span);
}

/** Arguments of a call that is wrong already: their own problems, as far as they don't follow from it. */
export function checkLoosely(args: readonly Argument[], scope: Scope, context: Context): void {
  const { functions, pipelines } = context.declarations;
  for (const { value } of args) {
    if (value.kind === "error") continue;
    if (value.kind === "lambda") {
      checkLambda(
        value,
        value.parameters.map(() => ERROR),
        scope,
        context,
      );
      continue;
    }
    // As in `agg`.
    const [first] = value.kind === "call" && Object.hasOwn(reductions, value.callee.text) ? value.args : [null];
    if (value.kind === "call" && (first === undefined || first?.value.kind === "lambda")) {
      checkLoosely(value.args, scope, context);
      continue;
    }
    const functionName =
      value.kind === "name" && (functions.has(value.name) || pipelines.has(value.name) || operationNames.includes(value.name));
    if (!functionName || scope.find(value.name)) check(value, scope, context);
  }
}

// --- The user's functions ---------------------------------------------------------------------------------------------------

export function callFunction(call: Call, declared: StageFunction, scope: Scope, context: Context): Typed {
  const placeIn = (one: FunctionSignature, to: Context) =>
    place(call, one.parameters, one.span, to, one.parameters.find((parameter) => parameter.rest) ?? null);
  const signature = chooseSignature(declared.signature, placeIn, scope, context);
  const stage: StageFunction = signature === declared.signature ? declared : { ...declared, signature };
  if (signature.tags.includes("effect") && context.doing !== call) {
    const text = context.textOf(call.span);
    context.diagnostics.push(
      report("HR302", { callee: signature.name }, [primary(call.callee.span, "an effect"), secondary(signature.span, "tagged `@effect`")], {
        ...(text === null || text.includes("\n") ? {} : { help: inTypeScript(call.span) ? `perform(${text})` : `do ${text}` }),
        // A statement of its own; elsewhere its value is wanted.
        ...(context.alone === call && !inTypeScript(call.span)
          ? { fix: { span: { ...call.span, end: call.span.start }, text: "do " } }
          : {}),
      }),
    );
  }
  remarkReaches(stage, call.callee.span, context);
  const placed = placeIn(signature, context);
  if (!placed) {
    checkLoosely(call.args, scope, context);
    // What it gives is known all the same, but for whether it is one for all parts of a batch.
    const known = !hasVariable(signature.returns) && !scope.holdsParts();
    return { kind: "error", type: known ? signature.returns : ERROR, span: call.span };
  }
  const bound = bindings();
  const sizes: Sizes = new Map();
  const args = placed.map(({ parameter, arg }): TypedArgument => {
    if (arg.value.kind === "lambda") {
      context.diagnostics.push(
        report(
          "HR206",
          { what: `\`${signature.name}\` is TypeScript, and gets no functions of a pipeline` },
          [primary(arg.span, "a function")],
          { help: "write that function in TypeScript" },
        ),
      );
      checkLoosely([arg], scope, context);
      return { parameter, value: errorAt(arg.span) };
    }
    const value = check(arg.value, scope, context);
    bindSizes(wantedOf(parameter), value, bound, sizes);
    return { parameter, value };
  });
  complete(signature, bound);
  const swapped = tellSwapped(call, signature, args, (parameter) => typeAt(parameter, bound), context);
  let fits = swapped === null;
  for (const { parameter, value } of args) {
    if (!swapped?.some((one) => one.value === value) && !checkArgument(stage, parameter, value, bound, sizes, context)) fits = false;
    remarkCopies(stage, parameter, value, scope, context);
  }
  const ordered = args.toSorted((a, b) => signature.parameters.indexOf(a.parameter) - signature.parameters.indexOf(b.parameter));
  // Parameters left out before one that is given arrive as `null`.
  const full = fillGaps(ordered, signature.parameters, call.span);
  const returns = signature.returns.kind === "void" ? ({ kind: "null" } as const) : substitute(signature.returns, bound);
  const failed = !fits || args.some(({ value }) => value.type.kind === "error");
  if (stage.resource) return { kind: "resource", function: stage, args: full, type: { kind: "resource", of: returns }, span: call.span };
  return {
    kind: "call",
    function: stage,
    args: full,
    // What is wrong may be what makes it one value for each part of a batch.
    type: failed && (hasVariable(signature.returns) || scope.holdsParts()) ? ERROR : partly(returns, ...args.map(({ value }) => value)),
    span: call.span,
  };
}

function hasVariable(type: Type): boolean {
  return JSON.stringify(type).includes('"kind":"variable"');
}

function fillGaps(args: readonly TypedArgument[], parameters: readonly SignatureParameter[], span: Span): TypedArgument[] {
  const last = args.reduce((most, { parameter }) => Math.max(most, parameters.indexOf(parameter)), -1);
  return parameters.slice(0, last + 1).flatMap((parameter) => {
    const given = args.filter((arg) => arg.parameter === parameter);
    return given.length > 0 ? given : [{ parameter, value: { kind: "const", value: null, type: { kind: "null" }, span } as const }];
  });
}

function typeAt(parameter: SignatureParameter, bound: Bindings): Type {
  const wanted = substitute(wantedOf(parameter), bound, "kept");
  return parameter.optional ? optionalOf(wanted) : wanted;
}

function checkArgument(
  stage: StageFunction,
  parameter: SignatureParameter,
  value: Typed,
  bound: Bindings,
  sizes: Sizes,
  context: Context,
): boolean {
  const to = typeAt(parameter, bound);
  const frames = sizeFrames(wantedOf(parameter), value, bound, sizes);
  return argumentNeeds(value, to, { callee: stage.signature.name, parameter: parameter.name, span: parameter.span, frames }, context);
}

function argumentNeeds(
  value: Typed,
  to: Type,
  at: { readonly callee: string; readonly parameter: string; readonly span: Span; readonly frames: readonly Frame[] },
  context: Context,
): boolean {
  return needs(value, to, context, ({ span, is, needs: needed, inside, help }) =>
    report(
      "HR201",
      { callee: at.callee, parameter: at.parameter, inside, is, needs: needed },
      [primary(span, `is ${is}, needs ${needed}`), ...at.frames, secondary(at.span, "needed here")],
      help,
    ),
  );
}

/** A value from outside a lambda that its callee may change has to be copied for each row. */
function remarkCopies(stage: StageFunction, parameter: SignatureParameter, value: Typed, scope: Scope, context: Context): void {
  if (!parameter.mutable || scope.depth === 0 || value.type.kind === "resource") return;
  const root = rootOf(value);
  const captured = root?.kind === "local" ? root.binding.depth < scope.depth && root.binding.kind !== "lambda" : false;
  if (!captured || !holdsMemory(whole(value.type))) return;
  context.diagnostics.push(
    report(
      "HR301",
      { callee: stage.signature.name, parameter: parameter.name },
      [primary(value.span, "copied for each row"), secondary(parameter.span, "may be changed by the function")],
      {
        help: `a read-only parameter shares its memory: \`${parameter.name}: View<${print(whole(value.type))}>\``,
      },
    ),
  );
}

function rootOf(value: Typed): Typed | null {
  if (value.kind === "field" || value.kind === "index") return rootOf(value.of);
  return value;
}

function holdsMemory(type: Type): boolean {
  return !["int", "float", "bool", "string", "null", "literal", "error", "any", "timestamp"].includes(type.kind);
}

function callPipeline(call: Call, pipeline: CheckedPipeline, scope: Scope, context: Context): Typed {
  context.calls.add(pipeline);
  const parameters = pipeline.parameters.map(({ binding, default: fallback }) => ({
    name: binding.name,
    optional: fallback !== null,
    binding,
    fallback,
  }));
  const placed = place(call, parameters, pipeline.span, context);
  if (!placed) {
    checkLoosely(call.args, scope, context);
    return { kind: "error", type: pipeline.returns, span: call.span };
  }
  // Dimension symbols of its signature stand for something else in every call.
  const bound = bindings();
  const sizes: Sizes = new Map();
  const given = placed.map(({ parameter, arg }) => {
    const value = check(arg.value, scope, context);
    bindSizes(parameter.binding.type, value, bound, sizes);
    return { parameter, value };
  });
  for (const { parameter, value } of given)
    argumentNeeds(
      value,
      substitute(parameter.binding.type, bound, "kept"),
      {
        callee: pipeline.name,
        parameter: parameter.name,
        span: parameter.binding.span,
        frames: sizeFrames(parameter.binding.type, value, bound, sizes),
      },
      context,
    );
  const args = parameters.map(
    (parameter): Typed => given.find((one) => one.parameter === parameter)?.value ?? parameter.fallback ?? errorAt(call.span),
  );
  return { kind: "pipeline", pipeline, args, type: partly(substitute(pipeline.returns, bound), ...args), span: call.span };
}

// --- The language's own ---------------------------------------------------------------------------------------------------

/** TypeScript's options, `batches(64, { dropLast: true })`, are named arguments here. */
function spreadOptions(call: Call): Call {
  const args = call.args.flatMap((arg, i): readonly Argument[] => {
    if (i === 0 || arg.name || arg.value.kind !== "record" || arg.value.fields.some((field) => field.kind === "spread")) return [arg];
    return arg.value.fields.flatMap((field) =>
      field.kind === "field" ? [{ name: field.name, value: field.value, span: field.span }] : [],
    );
  });
  return { ...call, args };
}

function callOnRows(written: Call, scope: Scope, context: Context): Typed {
  const call = spreadOptions(written);
  const name = call.callee.text;
  const [first, ...others] = call.args;
  if (!first) {
    context.diagnostics.push(
      report("HR109", { callee: name, missing: "the rows" }, [primary(call.span, "of what?")], {
        help: `rows come by a pipe: \`rows |> ${name}\``,
      }),
    );
    return errorAt(call.span);
  }
  const source = check(first.value, scope, context);
  const of = source.type;
  if (of.kind === "error") {
    // Reductions inside `agg` have no rows of their own.
    if (name !== "agg") checkLoosely(others, scope, context);
    return errorAt(call.span);
  }
  if (of.kind === "part" && combiners.includes(name) && others.length === 0) return combineParts(name, source, call.span, context);
  const rows = whole(of);
  const row = rowOf(rows);
  if (row === null) {
    if (Object.hasOwn(scalars, name)) return callScalar(call, [source, ...others.map((arg) => check(arg.value, scope, context))], context);
    checkLoosely(others, scope, context);
    return notRows(name, source, call.callee, context);
  }
  const again = (item: Type): Type =>
    partly(rows.kind === "list" || rows.kind === "files" ? { kind: "list", item } : { kind: "dataset", row: item }, source);
  if (name === "split") return callSplit(call, source, again(row), scope, context);
  const rest = { ...call, args: others };
  if (writers.includes(name)) return callWriter(written, rest, source, row, scope, context);
  if (name === "sample") return callSample(rest, source, again(row), scope, context);
  if (name === "groupBy") return callGroupBy(rest, source, row, again, scope, context);
  if (name === "agg") return callAgg(rest, source, row, again, scope, context);
  // Without a number, `first` is the first row.
  if (name === "first" && others.length === 0) return callReduction(rest, source, row, scope, context);
  if (Object.hasOwn(dataOperations, name)) return callData(rest, source, row, again, scope, context);
  if (Object.hasOwn(reductions, name)) return callReduction(rest, source, row, scope, context);
  return notRows(name, source, call.callee, context);
}

/** What a row of these is; null where there are none. The files of a `files` are rows too. */
function rowOf(type: Type): Type | null {
  switch (type.kind) {
    case "dataset":
      return type.row;
    case "list":
      return type.item;
    case "files":
      return { kind: "file" };
    default:
      return type.kind === "any" ? type : null;
  }
}

function notRows(name: string, source: Typed, callee: Name, context: Context): Typed {
  const is = print(whole(source.type));
  context.diagnostics.push(report("HR205", { callee: name, is }, [primary(source.span, `is ${is}`), secondary(callee.span, "needs rows")]));
  return errorAt(source.span);
}

function combineParts(name: string, part: Typed, span: Span, context: Context): Typed {
  const of = whole(part.type);
  const fine =
    name === "concat" ? of.kind === "list" || of.kind === "any" : name === "min" || name === "max" ? isNumber(of) : isAdditive(of);
  if (!fine) {
    context.diagnostics.push(report("HR210", { callee: name, is: print(of) }, [primary(part.span, `each part is ${print(of)}`)]));
    return errorAt(span);
  }
  return { kind: "combine", name, part, type: name === "mean" && isInt(of) ? FLOAT : of, span };
}

/** A number, an array of floats, or a record or list of those. */
function isAdditive(type: Type): boolean {
  switch (type.kind) {
    case "array":
      return type.dtype === "f32" || type.dtype === "f64";
    case "tensor":
      return type.dtype === "f32" || type.dtype === "f64";
    case "record":
      return type.fields.every((field) => !field.optional && isAdditive(field.type));
    case "list":
      return isAdditive(type.item);
    case "any":
    case "error":
    case "opaque":
      return true;
    default:
      return isNumber(type);
  }
}

export interface Operands {
  readonly values: Record<string, Typed>;
  readonly lambdas: Record<string, TypedLambda>;
}

export function operands(
  call: Call,
  parameters: readonly OperationParameter[],
  row: Type,
  scope: Scope,
  context: Context,
): Operands | null {
  const placed = place(call, parameters, null, context);
  if (!placed) {
    checkLoosely(call.args, scope, context);
    return null;
  }
  const found: Operands = { values: {}, lambdas: {} };
  let ok = true;
  for (const { parameter, arg } of placed) {
    const { takes, name } = parameter;
    if (takes.kind === "function") {
      const lambda = checkLambda(
        arg.value,
        takes.of === "run" ? [{ kind: "list", item: row }] : Array.from({ length: takes.of }, () => row),
        scope,
        context,
      );
      if (!lambda) {
        ok = false;
        continue;
      }
      found.lambdas[name] = lambda;
      const gives = lambda.body.type;
      const wanted: Type | null =
        takes.gives === "any"
          ? null
          : takes.gives === "row"
            ? row
            : takes.gives === "list"
              ? { kind: "list", item: { kind: "any" } }
              : takes.gives;
      if (wanted) expectType(lambda.body, wanted, `what the function of \`${call.callee.text}\` gives`, context);
      if (gives.kind === "error") ok = false;
    } else {
      const value = check(arg.value, scope, context);
      found.values[name] = value;
      if (value.type.kind === "error") ok = false;
      if (takes.kind === "value") {
        const fits = expectType(value, takes.type, `\`${name}\` of \`${call.callee.text}\``, context);
        if (!fits || !isAtLeast(value, takes.least, `\`${name}\` of \`${call.callee.text}\``, context))
          found.values[name] = errorAt(value.span);
      } else if (whole(value.type).kind !== "list" && whole(value.type).kind !== "dataset" && value.type.kind !== "error") {
        notRows(call.callee.text, value, call.callee, context);
        ok = false;
      }
    }
  }
  return ok ? found : null;
}

function callData(call: Call, source: Typed, row: Type, again: (row: Type) => Type, scope: Scope, context: Context): Typed {
  const name = call.callee.text;
  const operation = dataOperations[name]!;
  const found = operands(call, operation.parameters, row, scope, context);
  if (!found) return errorAt(call.span);
  const gives = found.lambdas.f?.body.type ?? row;
  const other = found.values.other ? whole(found.values.other.type) : row;
  const otherRow = other.kind === "list" ? other.item : other.kind === "dataset" ? other.row : other;
  const rows: Record<(typeof operation)["rows"], () => Type> = {
    same: () => row,
    lambda: () => gives,
    lambdaItems: () => (gives.kind === "list" ? gives.item : gives),
    indexed: () => ({
      kind: "record",
      name: null,
      fields: [
        { name: "index", type: INT, optional: false },
        { name: "row", type: row, optional: false },
      ],
    }),
    batches: () => ({ kind: "list", item: row }),
    pairs: () => ({ kind: "list", item: join(row, otherRow), items: [row, otherRow] }),
    joined: () => join(row, otherRow),
  };
  return { kind: "data", name, source, args: found.values, lambdas: found.lambdas, type: again(rows[operation.rows]()), span: call.span };
}

function callReduction(call: Call, source: Typed, row: Type, scope: Scope, context: Context): Typed {
  const name = call.callee.text;
  const reduction = reductions[name]!;
  const found = operands(call, reduction.parameters, row, scope, context);
  if (!found) return errorAt(call.span);
  const by = found.lambdas.by ?? found.lambdas.f ?? null;
  const gives = reducedType(name, by, row, source.span, context);
  return gives ? { kind: "reduce", name, source, by, type: partly(gives, source), span: call.span } : errorAt(call.span);
}

/** Blocks are folded one by one and put together afterwards: the same result as one fold for an associative function alone. */
function remarkOrder({ body, parameters }: TypedLambda, context: Context): void {
  if (body.kind !== "call" || body.function.signature.tags.includes("associative")) return;
  // A call inside another value is the lambda's own business.
  if (body.args.length !== 2 || !body.args.every(({ value }, i) => value.kind === "local" && value.binding === parameters[i])) return;
  const { signature } = body.function;
  const frames = [primary(body.span, "combines blocks"), secondary(signature.span, "not tagged")];
  context.diagnostics.push(
    report("HR310", { callee: signature.name }, frames, { help: "if it is, say so above the function: `/** @associative */`" }),
  );
}

/** What a reduction gives, of rows or of `by` of each; null, with a message, where it can't be. `rowSpan` is where the rows stand. */
export function reducedType(name: string, by: TypedLambda | null, row: Type, rowSpan: Span, context: Context): Type | null {
  const { wants, gives } = reductions[name]!;
  if (name === "reduce" && by) remarkOrder(by, context);
  const value = name === "reduce" || !by ? row : by.body.type;
  const fine =
    wants === "any" ||
    (wants === "bool"
      ? mismatch(value, { kind: "bool" }) === null
      : wants === "number"
        ? isNumber(value) || mismatch(value, TIME) === null
        : isAdditive(value));
  if (!fine) {
    context.diagnostics.push(
      report(
        "HR210",
        { callee: name, is: print(value) },
        [primary(by?.body.span ?? rowSpan, by ? `gives ${print(value)}` : `each row is ${print(value)}`)],
        by ? {} : { help: `say of what: \`${name}(x => x.field)\`` },
      ),
    );
    return null;
  }
  if (gives === "value") return value;
  if (gives === "mean") return isNumber(value) ? FLOAT : value;
  return gives === "rows" ? { kind: "list", item: value } : gives;
}

/** `split(train: 0.8, test: 0.2, seed: seed)`. */
function callSplit(call: Call, source: Typed, type: Type, scope: Scope, context: Context): Typed {
  const parts: { name: string; from: number; to: number }[] = [];
  let seed: Typed = { kind: "const", value: 0, type: INT, span: call.span };
  let total = 0;
  let ok = true;
  for (const arg of call.args.slice(1)) {
    if (!arg.name) {
      context.diagnostics.push(
        report("HR110", { what: "the parts of `split` have names" }, [primary(arg.span, "which part?")], {
          help: "split(train: 0.8, test: 0.2, seed: 1)",
        }),
      );
      checkLoosely([arg], scope, context);
      ok = false;
      continue;
    }
    const value = check(arg.value, scope, context);
    if (arg.name.text === "seed") {
      expectType(value, INT, "`seed` of `split`", context);
      seed = value;
    } else if (value.kind !== "const" || typeof value.value !== "number" || !(value.value > 0 && value.value <= 1)) {
      if (value.type.kind !== "error")
        context.diagnostics.push(
          report(
            "HR202",
            { what: `the share of \`${arg.name.text}\``, is: print(value.type), needs: "a number from 0 to 1, written out" },
            [primary(value.span, "not such a number")],
            meant(arg.name.text, ["seed"], arg.name.span),
          ),
        );
      ok = false;
    } else {
      parts.push({ name: arg.name.text, from: total, to: total + value.value });
      total += value.value;
    }
  }
  if (ok && parts.length === 0) {
    context.diagnostics.push(
      report("HR109", { callee: "split", missing: "the parts" }, [primary(call.span, "no parts")], {
        help: "split(train: 0.8, test: 0.2, seed: 1)",
      }),
    );
    ok = false;
  }
  if (ok && total > 1 + 1e-9) {
    context.diagnostics.push(
      report("HR202", { what: "the shares of `split`", is: String(total), needs: "at most 1 together" }, [
        primary(call.span, `add up to ${Number(total.toPrecision(6))}`),
      ]),
    );
    ok = false;
  }
  if (!ok) return errorAt(call.span);
  // 0.8 + 0.2 is to be all there is, whatever rounding says.
  if (Math.abs(total - 1) < 1e-9) parts[parts.length - 1]!.to = 1;
  const fields = parts.map((part) => ({ name: part.name, type, optional: false }));
  return { kind: "split", source, seed, parts, type: { kind: "record", name: null, fields }, span: call.span };
}

function callRange(written: Call, scope: Scope, context: Context): Typed {
  const call = spreadOptions(written);
  const placed = place(call, [{ name: "n" }, { name: "blocks", optional: true }], null, context);
  if (!placed) return wrongly(call, scope, context);
  const value = (name: string): Typed | null => {
    const found = placed.find((one) => one.parameter.name === name);
    if (!found) return null;
    const typed = check(found.arg.value, scope, context);
    const what = `\`${name}\` of \`range\``;
    return expectType(typed, INT, what, context) && isAtLeast(typed, name === "n" ? 0 : 1, what, context) ? typed : errorAt(typed.span);
  };
  const rows = value("n")!;
  const blocks = value("blocks");
  if (rows.type.kind === "error" || blocks?.type.kind === "error") return errorAt(call.span);
  return { kind: "range", rows, blocks, type: { kind: "dataset", row: INT }, span: call.span };
}

/** A list seen as a data set. */
function callDataset(call: Call, scope: Scope, context: Context): Typed {
  const placed = place(call, [{ name: "source" }], null, context);
  if (!placed) return wrongly(call, scope, context);
  const source = check(placed[0]!.arg.value, scope, context);
  const type = whole(source.type);
  if (type.kind === "list") return { ...source, type: partly({ kind: "dataset", row: type.item }, source) };
  if (type.kind === "dataset" || type.kind === "error" || type.kind === "any") return source;
  return notRows("dataset", source, call.callee, context);
}

function callScalar(call: Call, args: readonly Typed[], context: Context): Typed {
  const name = call.callee.text;
  const scalar = scalars[name]!;
  const needed = scalar.parameters.length;
  if (args.length < needed || (args.length > needed && !scalar.many) || call.args.some((arg) => arg.name)) {
    context.diagnostics.push(
      report(
        "HR110",
        { what: `\`${name}\` takes ${scalar.many ? "at least " : ""}${needed === 1 ? "one argument" : `${needed} arguments`} by place` },
        [primary(call.span, `has ${args.length}`)],
      ),
    );
    return errorAt(call.span);
  }
  args.forEach((arg, i) => {
    expectType(arg, scalar.parameters[Math.min(i, needed - 1)]!, `an argument of \`${name}\``, context);
  });
  const [time] = args;
  if ((name === "timestamp" || name === "date") && time?.kind === "const" && typeof time.value === "string" && !parseTime(time.value))
    context.diagnostics.push(
      report(
        "HR202",
        { what: `an argument of \`${name}\``, is: JSON.stringify(time.value), needs: "a date or time" },
        [primary(time.span, "no time")],
        { help: 'a date such as "2020-01-31", or a time such as "2020-01-31T12:30:00Z"' },
      ),
    );
  const same: Type = args.every((arg) => isInt(whole(arg.type))) ? INT : FLOAT;
  return { kind: "builtin", name, args, type: partly(scalar.gives === "same" ? same : scalar.gives, ...args), span: call.span };
}

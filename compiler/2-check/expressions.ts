// Types of expressions: each becomes a `Typed` one, problems are collected, and an expression whose problem has been reported has the
// type `error`, which silences all that follows from it. Calls are `calls.ts`'s, statements
// `statements.ts`'s, what repeats `iteration.ts`'s and `fit.ts`'s.
import type { Span } from "../../lang/ast.ts";
import type { Diagnostic } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import type { Type } from "../../lang/types.ts";
import { join, mayBeNull, mismatch, optionalOf, presentOf, print } from "../../lang/types.ts";
import type { Expr } from "../module.ts";
import type { PlanParam } from "../plan.ts";
import { eachChild } from "../walk.ts";
import { checkCall } from "./calls.ts";
import { checkFit } from "./fit.ts";
import type { OpenQuestion } from "./fitting.ts";
import { expectType, whole } from "./fitting.ts";
import { checkFor, checkLoop, checkWithin } from "./iteration.ts";
import { nonNullPaths, pathOf } from "./narrowing.ts";
import { BOOL, ERROR, FLOAT, INT, NULL, STRING, TIME } from "./operations.ts";
import type { Declarations } from "./scope.ts";
import { meant, primary, Scope } from "./scope.ts";
import { bindName, checkBlock, noField } from "./statements.ts";
import type { Binding, CheckedPipeline, Typed, TypedBlock, TypedLambda } from "./typed.ts";

/** What all checks share. */
export interface Context {
  readonly declarations: Declarations;
  readonly params: ReadonlyMap<string, { readonly plan: PlanParam; readonly type: Type; readonly span: Span }>;
  readonly diagnostics: Diagnostic[];
  /** What only TypeScript can tell. */
  readonly questions: OpenQuestion[];
  /** Statements that are expressions: told as unused at the end, unless they turn out to act. */
  readonly unused: Typed[];
  /** The call that stands behind a `do`. */
  readonly doing: Expr | null;
  /** The expression that is a statement. */
  readonly alone: Expr | null;
  /** Names that somebody reads. */
  readonly read: Set<Binding>;
  readonly readParams: Set<string>;
  /** Pipelines that somebody calls. */
  readonly calls: Set<CheckedPipeline>;
  /** The text at a span, for fixes. */
  readonly textOf: (span: Span) => string | null;
}

export const errorAt = (span: Span): Typed => ({ kind: "error", type: ERROR, span });
/** A value made of these is a part if one of them is. */
export function partly(type: Type, ...of: readonly Typed[]): Type {
  return type.kind !== "part" && type.kind !== "error" && of.some((one) => one.type.kind === "part") ? { kind: "part", of: type } : type;
}
export const isNumber = (type: Type): boolean => mismatch(type, FLOAT) === null;
const isTime = (type: Type): boolean => type.kind === "timestamp";
export const isInt = (type: Type): boolean => type.kind !== "error" && mismatch(type, INT) === null;
const silent = (type: Type): boolean => type.kind === "error" || type.kind === "any";

export function check(expr: Expr, scope: Scope, context: Context): Typed {
  const { span } = expr;
  const inner = (one: Expr) => check(one, scope, context);
  switch (expr.kind) {
    case "error":
      return errorAt(span);
    case "number":
      return { kind: "const", value: expr.value, type: expr.numeric === "float" || !Number.isInteger(expr.value) ? FLOAT : INT, span };
    case "string":
      return { kind: "const", value: expr.value, type: STRING, span };
    case "bool":
      return { kind: "const", value: expr.value, type: BOOL, span };
    case "null":
      return { kind: "const", value: null, type: NULL, span };
    case "name":
      return narrowed(expr, checkName(expr.name, span, scope, context), scope);
    case "template": {
      const parts = expr.parts.map((part) => (typeof part === "string" ? part : inner(part)));
      return { kind: "template", parts, type: partly(STRING, ...parts.filter((part) => typeof part !== "string")), span };
    }
    case "list": {
      const items = expr.items.map(inner);
      const item = items.map((one) => whole(one.type)).reduce(join, items.length === 0 ? ({ kind: "any" } as Type) : whole(items[0]!.type));
      return { kind: "list", items, type: partly({ kind: "list", item }, ...items), span };
    }
    case "record":
      return checkRecord(expr, scope, context);
    case "field":
      return narrowed(expr, checkField(expr, inner(expr.of), context), scope);
    case "index":
      return checkIndex(inner(expr.of), inner(expr.index), span, context);
    case "unary": {
      const operand = inner(expr.operand);
      const type = whole(operand.type);
      const wanted = expr.operator === "!" ? BOOL : FLOAT;
      if (mismatch(type, wanted) !== null)
        context.diagnostics.push(
          report("HR203", { operator: expr.operator, operands: print(type) }, [primary(operand.span, `is ${print(type)}`)]),
        );
      return {
        kind: "unary",
        operator: expr.operator,
        operand,
        int: isInt(type),
        type: partly(expr.operator === "!" ? BOOL : type.kind === "error" ? ERROR : isInt(type) ? INT : FLOAT, operand),
        span,
      };
    }
    case "binary":
      return checkBinary(expr, inner(expr.left), checkRight(expr, scope, context), context);
    case "if": {
      const condition = inner(expr.condition);
      expectType(condition, BOOL, "the condition of `if`", context);
      const then = checkBlock(expr.then, scope.knowing(nonNullPaths(expr.condition, true)), context);
      const otherwise: TypedBlock = expr.else
        ? checkBlock(expr.else, scope.knowing(nonNullPaths(expr.condition, false)), context)
        : { statements: [], value: { kind: "const", value: null, type: NULL, span } };
      const [left, right] = [whole(then.value.type), whole(otherwise.value.type)];
      // A branch without a value: the whole is there for what it does.
      const type: Type = left.kind === "void" || right.kind === "void" ? { kind: "void" } : join(left, right);
      return { kind: "if", condition, then, else: otherwise, type: partly(type, condition, then.value, otherwise.value), span };
    }
    case "call":
      return checkCall(expr, scope, context);
    case "fit":
      return checkFit(expr, scope, context);
    case "lambda":
      context.diagnostics.push(report("HR206", { what: "a lambda stands only as an argument" }, [primary(span, "not an argument")]));
      return errorAt(span);
    case "quantity":
      return later(`a quantity such as \`${expr.value}${expr.unit}\` as a value`, span, context);
    case "for":
      return checkFor(expr, scope, context);
    case "loop":
      return checkLoop(expr, scope, context);
    case "within":
      return checkWithin(expr, scope, context);
    case "search":
      return later("`search`", span, context);
  }
}

export function later(form: string, span: Span, context: Context): Typed {
  context.declarations.later(form, span);
  return errorAt(span);
}

function checkName(name: string, span: Span, scope: Scope, context: Context): Typed {
  const binding = scope.find(name);
  if (binding) {
    context.read.add(binding);
    return { kind: "local", binding, type: binding.type, span };
  }
  const param = context.params.get(name);
  if (param) context.readParams.add(name);
  if (param) return { kind: "param", name, type: param.type, span };
  const { declarations } = context;
  if (declarations.broken.has(name)) return errorAt(span);
  if (declarations.functions.has(name) || declarations.pipelines.has(name)) {
    context.diagnostics.push(
      report("HR206", { what: `\`${name}\` is a function, and stands here as a value` }, [primary(span, "a function")], {
        help: `call it: \`${name}(…)\``,
      }),
    );
    return errorAt(span);
  }
  if (scope.unavailable?.names.has(name)) {
    const help = { help: scope.unavailable.why };
    context.diagnostics.push(report("HR102", { name }, [primary(span, "not known here")], help));
    return errorAt(span);
  }
  context.diagnostics.push(
    report("HR102", { name }, [primary(span, "no such value")], meant(name, [...scope.names(), ...context.params.keys()], span)),
  );
  return errorAt(span);
}

/** A value that a condition around it has found to be there. */
function narrowed(expr: Expr, value: Typed, scope: Scope): Typed {
  const path = mayBeNull(whole(value.type)) ? pathOf(expr) : null;
  if (path === null || !scope.isPresent(path)) return value;
  const present = presentOf(whole(value.type));
  return { ...value, type: value.type.kind === "part" ? { kind: "part", of: present } : present };
}

/** What stands to the right of `&&` is computed where the left is true, of `||` where it is false. */
function checkRight(expr: Expr & { kind: "binary" }, scope: Scope, context: Context): Typed {
  const known = expr.operator === "&&" ? nonNullPaths(expr.left, true) : expr.operator === "||" ? nonNullPaths(expr.left, false) : [];
  return check(expr.right, known.length > 0 ? scope.knowing(known) : scope, context);
}

function checkRecord(expr: Expr & { kind: "record" }, scope: Scope, context: Context): Typed {
  const types = new Map<string, { type: Type; optional: boolean }>();
  const children: Typed[] = [];
  let broken = false;
  const fields = expr.fields.map((field) => {
    const value = check(field.value, scope, context);
    children.push(value);
    if (field.kind === "field") {
      types.set(field.name.text, { type: whole(value.type), optional: false });
      return { name: field.name.text, value };
    }
    const of = whole(value.type);
    if (of.kind === "record") for (const one of of.fields) types.set(one.name, { type: one.type, optional: one.optional });
    else {
      broken = true;
      if (!silent(of))
        context.diagnostics.push(
          report("HR202", { what: "what is spread", is: print(of), needs: "a record" }, [primary(field.span, `is ${print(of)}`)]),
        );
    }
    return { spread: value };
  });
  const type: Type = broken ? ERROR : { kind: "record", name: null, fields: [...types].map(([name, field]) => ({ name, ...field })) };
  return { kind: "record", fields, type: partly(type, ...children), span: expr.span };
}

function checkField(expr: Expr & { kind: "field" }, of: Typed, context: Context): Typed {
  const name = expr.name.text;
  const type = whole(of.type);
  const built = (found: Type): Typed => ({ kind: "field", of, name, optional: expr.optional, type: partly(found, of), span: expr.span });
  if (silent(type)) return built(type);
  if (mayBeNull(type) && !expr.optional) {
    context.diagnostics.push(
      report("HR208", { what: `.${name}` }, [primary(of.span, `is ${print(type)}`)], {
        help: `${context.textOf(of.span) ?? "x"}?.${name} is null where there is nothing`,
      }),
    );
    return errorAt(expr.span);
  }
  const present = presentOf(type);
  // Arrays and tensors have their own few fields.
  if (present.kind === "tensor" && name === "shape") return built({ kind: "list", item: INT });
  // Where it lies is no part of what a file is.
  if (present.kind === "file" && (name === "name" || name === "sha256")) return built(STRING);
  if (present.kind === "file" && name === "bytes") return built(INT);
  if (present.kind === "record") {
    const field = present.fields.find((one) => one.name === name);
    if (field) {
      const found = field.optional ? optionalOf(field.type) : field.type;
      return built(expr.optional ? optionalOf(found) : found);
    }
    noField(expr.name, present, context);
    return errorAt(expr.span);
  }
  if (present.kind === "union") {
    // A field that all of them have.
    const fields = present.members.map((member) => (member.kind === "record" ? member.fields.find((one) => one.name === name) : undefined));
    if (fields.every((field) => field !== undefined)) {
      const found = fields.map((field) => (field.optional ? optionalOf(field.type) : field.type)).reduce(join);
      return built(expr.optional ? optionalOf(found) : found);
    }
  }
  if (present.kind === "opaque") return built({ kind: "any" });
  const help =
    present.kind === "file"
      ? { help: "a file has `name`, `bytes` and `sha256`; `text`, `csv` and `jsonLines` read it" }
      : present.kind === "list" || present.kind === "dataset"
        ? { help: `each row is read in a function: \`xs |> map(x => x.${name})\`` }
        : {};
  context.diagnostics.push(report("HR111", { name, type: print(type) }, [primary(expr.name.span, "no such field")], help));
  return errorAt(expr.span);
}

function checkIndex(of: Typed, index: Typed, span: Span, context: Context): Typed {
  const type = whole(of.type);
  const give = (found: Type): Typed => ({ kind: "index", of, index, type: partly(found, of, index), span });
  if (silent(type)) return give(type);
  if (type.kind === "list" || type.kind === "array") {
    expectType(index, INT, "an index", context);
    if (type.kind === "list") return give((index.kind === "const" ? type.items?.[Number(index.value)] : undefined) ?? type.item);
    return give(type.dtype === "f32" || type.dtype === "f64" ? FLOAT : INT);
  }
  if (type.kind === "record" && index.kind === "const" && typeof index.value === "string") {
    const field = type.fields.find((one) => one.name === index.value);
    if (field) return give(field.type);
  }
  context.diagnostics.push(report("HR205", { callee: "[…]", is: print(type) }, [primary(of.span, `is ${print(type)}`)]));
  return errorAt(span);
}

function checkBinary(expr: Expr & { kind: "binary" }, left: Typed, right: Typed, context: Context): Typed {
  const { operator, span } = expr;
  const [a, b] = [whole(left.type), whole(right.type)];
  const give = (type: Type, int = false): Typed => ({ kind: "binary", operator, left, right, int, type: partly(type, left, right), span });
  const wrong = (): Typed => {
    context.diagnostics.push(
      report(
        "HR203",
        { operator, operands: `${print(a)} and ${print(b)}` },
        [primary(span, `${print(a)} ${operator} ${print(b)}`)],
        helpFor(operator, a, b),
      ),
    );
    return errorAt(span);
  };
  switch (operator) {
    case "==":
    case "!=":
      return mismatch(a, b) === null || mismatch(b, a) === null || mayBeNull(a) || mayBeNull(b) ? give(BOOL) : wrong();
    case "&&":
    case "||":
      return mismatch(a, BOOL) === null && mismatch(b, BOOL) === null ? give(BOOL) : wrong();
    case "??":
      return give(join(presentOf(a), b));
    case "<":
    case "<=":
    case ">":
    case ">=":
      return (isNumber(a) && isNumber(b)) || (isTime(a) && isTime(b)) || (mismatch(a, STRING) === null && mismatch(b, STRING) === null)
        ? give(BOOL)
        : wrong();
    case "+":
      if (a.kind === "string" && b.kind === "string") return give(STRING);
      break;
    case "-":
      // Milliseconds between them.
      if (isTime(a) && isTime(b)) return give(INT);
      break;
  }
  if (isTime(a) && isNumber(b) && b.kind !== "error" && (operator === "+" || operator === "-"))
    return {
      kind: "builtin",
      name: operator === "+" ? "time.plus" : "time.minus",
      args: [left, right],
      type: partly(TIME, left, right),
      span,
    };
  if (!isNumber(a) || !isNumber(b)) return wrong();
  if (a.kind === "error" || b.kind === "error") return errorAt(span);
  if (silent(a) || silent(b)) return give(FLOAT);
  return operator !== "/" && isInt(a) && isInt(b) ? give(INT, true) : give(FLOAT);
}

function helpFor(operator: string, a: Type, b: Type): { help?: string } {
  if (operator === "+" && (a.kind === "string" || b.kind === "string"))
    return { help: "text is put together by a template, in backticks, as in TypeScript" };
  const rows = [a, b].filter((type) => type.kind === "list" || type.kind === "dataset").length;
  if (operator === "+" && rows === 2) return { help: "one after the other: `rows |> concat(more)`" };
  if (rows > 0) return { help: `row by row: \`rows |> map(x => x ${operator} …)\`` };
  return mayBeNull(a) || mayBeNull(b) ? { help: "say what stands for null: `(x ?? 0)`" } : {};
}

// --- Functions ------------------------------------------------------------------------------------------------------

/** A function for rows: a lambda, or the name of a function. */
export function checkLambda(expr: Expr, parameters: readonly Type[], scope: Scope, context: Context): TypedLambda | null {
  if (expr.kind === "lambda") {
    const inner = new Scope(scope, scope.depth + 1);
    if (expr.parameters.length > parameters.length) {
      const extra = expr.parameters[parameters.length]!;
      context.diagnostics.push(
        report(
          "HR206",
          { what: `the function gets ${parameters.length === 1 ? "one value" : `${parameters.length} values`}` },
          [primary(extra.span, "one too many")],
          parameters.length === 1 && expr.parameters.length === 2
            ? { help: "a row with its number: `rows |> withIndex |> map(x => …)`, where `x` has `index` and `row`" }
            : {},
        ),
      );
      for (const [i, name] of expr.parameters.entries()) bindName(name, parameters[i] ?? ERROR, "lambda", inner, context);
      check(expr.body, inner, context);
      return null;
    }
    const bindings = expr.parameters.map((name, i) => bindName(name, parameters[i]!, "lambda", inner, context));
    return { parameters: bindings, body: check(expr.body, inner, context) };
  }
  if (expr.kind === "error") return null;
  // No value is a function, so here a name that is both means the function.
  const { functions, pipelines } = context.declarations;
  const known = expr.kind === "name" && (functions.has(expr.name) || pipelines.has(expr.name));
  const callable = expr.kind === "name" && (known || (scope.find(expr.name) === null && !context.params.has(expr.name)));
  if (callable) {
    // `map(f)` is `map(x => f(x))`.
    const names = parameters.map((_, i) => ({ text: `it${i}`, span: expr.span }));
    const inner = new Scope(null, scope.depth + 1);
    const bindings = names.map(
      (name, i): Binding => ({ name: name.text, type: parameters[i]!, span: expr.span, kind: "lambda", depth: inner.depth, doc: null }),
    );
    for (const binding of bindings) inner.add(binding);
    const args = names.map((name) => ({ name: null, value: { kind: "name" as const, name: name.text, span: expr.span }, span: expr.span }));
    return {
      parameters: bindings,
      body: checkCall(
        { kind: "call", callee: { text: expr.name, span: expr.span }, receiver: null, args, span: expr.span },
        inner,
        context,
      ),
    };
  }
  const rows = strangersIn(expr, scope, context);
  const text = context.textOf(expr.span);
  if (rows.length > 0 && rows.length <= parameters.length && text !== null && !text.includes("\n")) {
    const fixed = `${rows.length === 1 ? rows[0]! : `(${rows.join(", ")})`} => ${text}`;
    context.diagnostics.push(
      report("HR206", { what: "a function is wanted here" }, [primary(expr.span, "names the row, and doesn't say so")], {
        help: fixed,
        fix: { span: expr.span, text: fixed },
      }),
    );
    return null;
  }
  const told = context.diagnostics.length;
  const typed = check(expr, scope, context);
  if (typed.type.kind !== "error" && context.diagnostics.length === told) {
    context.diagnostics.push(
      report("HR206", { what: "a function is wanted here" }, [primary(expr.span, `is ${print(typed.type)}`)], {
        help: "a lambda, as in `x => x.a`, or the name of a function",
      }),
    );
  }
  return null;
}

/** Names in an expression that stand for nothing: of rows, where a lambda's `row =>` was forgotten. */
function strangersIn(expr: Expr, scope: Scope, context: Context): string[] {
  const { functions, pipelines, broken } = context.declarations;
  const found = new Set<string>();
  const visit = (node: object): void => {
    if ("kind" in node && node.kind === "lambda") return;
    if ("kind" in node && node.kind === "name" && "name" in node) {
      const name = String(node.name);
      const known = functions.has(name) || pipelines.has(name) || broken.has(name) || context.params.has(name);
      if (!known && scope.find(name) === null && !scope.unavailable?.names.has(name)) found.add(name);
    }
    eachChild(node, visit, ["span"]);
  };
  visit(expr);
  return [...found];
}

// Blocks and their statements: names, effects, expectations, and the value that a block ends in. What an expression is, `expressions.ts`
// says; what `fit` and `loop` carry, their own files.
import type { Name, Span } from "../../lang/ast.ts";
import { report } from "../../lang/diagnostics.ts";
import { nearest } from "../../lang/suggest.ts";
import type { Type } from "../../lang/types.ts";
import { bind, knowing, optionalOf, print, substitute, symbolsOf } from "../../lang/types.ts";
import type { Block, Expr, Pattern, Statement } from "../module.ts";
import { someChild } from "../walk.ts";
import type { Context } from "./expressions.ts";
import { check, errorAt, partly } from "./expressions.ts";
import { expectType, whole } from "./fitting.ts";
import { BOOL, ERROR, STRING } from "./operations.ts";
import type { Scope } from "./scope.ts";
import { meant, primary, secondary } from "./scope.ts";
import type { Binding, Typed, TypedBlock, TypedLet, TypedStatement } from "./typed.ts";

const VOID: Type = { kind: "void" };

/** `ofPipeline`: the whole body of one, which may end in `on failure`. */
export function checkBlock(block: Block, scope: Scope, context: Context, ofPipeline = false): TypedBlock {
  const statements: TypedStatement[] = [];
  let value: Typed | null = null;
  const last = block.statements.findLastIndex((statement) => statement.kind !== "onFailure");
  block.statements.forEach((statement, index) => {
    if (statement.kind === "expression" && index === last) {
      const typed = check(statement.value, scope, { ...context, alone: statement.value });
      if (typed.type.kind === "void") statements.push({ kind: "run", value: typed });
      else value = typed;
      return;
    }
    if (statement.kind === "onFailure" && ofPipeline && index === block.statements.length - 1) return;
    const typed = checkStatement(statement, scope, context);
    if (typed) statements.push(typed);
    // The value was to come of it, or stands before it.
    else value ??= errorAt(statement.span);
  });
  // A block that ends in a `let` has no value; whoever wants one says so.
  return { statements, value: value ?? { kind: "const", value: null, type: VOID, span: block.span } };
}

/** Null for a statement that can't stand in a block of this kind; its problem has been told. */
export function checkStatement(statement: Statement, scope: Scope, context: Context): TypedStatement | null {
  switch (statement.kind) {
    case "let":
      return checkLet(statement, scope, context);
    case "do":
      return checkDo(statement, scope, context);
    case "expect":
      return checkExpect(statement, scope, context);
    case "expression": {
      const value = check(statement.value, scope, { ...context, alone: statement.value });
      // Whether a pipeline acts is known when all are checked.
      context.unused.push(value);
      return { kind: "run", value };
    }
    default:
      misplaced(statement, context);
      return null;
  }
}

/** Where nothing acts. */
const STILL = ["type", "span", "binding", "function", "parameter"];

/** There for what it does: an effect, an expectation or a tracked number lies in it. */
export function acts(typed: Typed): boolean {
  const seen = new Set<unknown>();
  const visit = (node: object): boolean => {
    if (seen.has(node)) return false;
    if ("kind" in node) {
      if (node.kind === "do" || node.kind === "expect" || node.kind === "track") return true;
      // What is reached by several ways.
      if (node.kind === "pipeline") seen.add(node);
    }
    return someChild(node, visit, STILL);
  };
  return visit(typed);
}

/** A call of an actor lies in it, which changes what later calls find. */
export function asksActors(value: Typed): boolean {
  const visit = (node: object): boolean => {
    if ("kind" in node && node.kind === "method" && !(node as Typed & { kind: "method" }).function.signature.tags.includes("reads"))
      return true;
    return someChild(node, visit, [...STILL, "pipeline"]);
  };
  return visit(value);
}

export function reportUnused(value: Typed, context: Context): void {
  if (value.type.kind === "error" || value.type.kind === "void" || acts(value)) return;
  const called =
    value.kind === "call" || value.kind === "method" ? value.function.signature.name : value.kind === "callAll" ? "each" : null;
  const text = context.textOf(value.span);
  const shown = text === null || text.includes("\n") ? "…" : text;
  const isAsked = value.kind === "method" || value.kind === "callAll";
  const givesNothing = (value.kind === "call" || value.kind === "method") && value.function.signature.returns.kind === "void";
  context.diagnostics.push(
    report(
      "HR112",
      { what: called === null ? "this value" : `the result of \`${called}\`` },
      [primary(value.span, "nobody uses it")],
      givesNothing
        ? { help: `it gives nothing; as an effect: do ${shown}` }
        : {
            help:
              called === null ? `let x = ${shown}` : `let x = ${shown}, or ${isAsked ? "for what it does" : "as an effect"}: do ${shown}`,
          },
    ),
  );
}

function misplaced(statement: Exclude<Statement, { kind: "let" | "expression" | "do" | "expect" }>, context: Context): void {
  if (statement.kind === "next" || statement.kind === "track") {
    const shown = statement.kind === "next" ? "`<-`" : "`track`";
    context.diagnostics.push(
      report("HR209", { what: `${shown} stands in the body of a \`fit\` or \`loop\`` }, [primary(statement.span, "not in one")]),
    );
    return;
  }
  const what = { keep: "`keep`", stop: "`stop after`", onFailure: "`on failure`" }[statement.kind];
  const where = statement.kind === "onFailure" ? "at the end of a pipeline" : "in the `each epoch` of a `fit`";
  context.diagnostics.push(report("HR118", { what, where }, [primary(statement.span, "not there")]));
}

// --- Effects and expectations ----------------------------------------------------------------------------------------------

function checkDo(statement: Statement & { kind: "do" }, scope: Scope, context: Context): TypedStatement {
  const { value, span } = statement;
  inTaskOfItsOwn("`do`", "an effect there could happen again, or for each row in any order", span, scope, context);
  const call = check(value, scope, { ...context, doing: value });
  if (!isCall(value) && call.type.kind !== "error") {
    const text = context.textOf(value.span);
    context.diagnostics.push(
      report("HR119", {}, [primary(value.span, "no call")], text === null || text.includes("\n") ? {} : { help: `do f(${text})` }),
    );
  }
  return { kind: "do", call, span };
}

const isCall = (value: Expr): boolean => value.kind === "call";

const insteadOf = (where: string): string =>
  where === "a `fit`" ? "before or after the `fit`, or in a `loop`" : "for each row in a task of its own: for row in rows { … }";

/** Says so where a statement would have to run inside another's task. */
export function inTaskOfItsOwn(what: string, why: string, span: Span, scope: Scope, context: Context): boolean {
  const where = scope.depth > 0 ? "a function of rows" : scope.inFit ? "a `fit`" : null;
  if (where === null) return true;
  context.diagnostics.push(report("HR120", { what, where, why }, [primary(span, `inside ${where}`)], { help: insteadOf(where) }));
  return false;
}

export function checkExpect(
  statement: Statement & { kind: "expect" },
  scope: Scope,
  context: Context,
): TypedStatement & { readonly kind: "expect" } {
  const condition = check(statement.condition, scope, context);
  expectType(condition, BOOL, "what is expected", context);
  const text = context.textOf(statement.condition.span)?.replace(/\s+/g, " ") ?? "the condition";
  const message: Typed = statement.message
    ? check(statement.message, scope, context)
    : { kind: "const", value: `${text} was expected`, type: STRING, span: statement.span };
  expectType(message, STRING, "the message of `expect`", context);
  return { kind: "expect", condition, message, span: statement.span };
}

// --- Names -----------------------------------------------------------------------------------------------------------------

/** A new name, which may not hide another value. */
export function bindName(
  name: { readonly text: string; readonly span: Span },
  type: Type,
  kind: Binding["kind"],
  scope: Scope,
  context: Context,
  doc: string | null = null,
): Binding {
  const before = scope.find(name.text)?.span ?? context.params.get(name.text)?.span;
  if (before) {
    context.diagnostics.push(
      report("HR104", { name: name.text }, [primary(name.span, "hides it"), secondary(before, "the value of that name")], {
        help: "no value hides another; give this one another name",
      }),
    );
  }
  // Who reads a name that was given twice may mean either.
  const same = !before || kind === "lambda" || JSON.stringify(type) === JSON.stringify(scope.find(name.text)?.type);
  const binding: Binding = { name: name.text, type: same ? type : ERROR, span: name.span, kind, depth: scope.depth, doc };
  scope.add(binding);
  return binding;
}

function checkLet(statement: Statement & { kind: "let" }, scope: Scope, context: Context): TypedLet {
  const value = check(statement.value, scope, context);
  const pattern = bindPattern(statement.pattern, declaredType(statement, value, scope, context), scope, context, statement.doc);
  return { kind: "let", pattern, value };
}

/** What a `let` gives: the type written there, if there is one. Where value and type disagree, either may be meant. */
export function declaredType(statement: Statement & { kind: "let" }, value: Typed, scope: Scope, context: Context): Type {
  const declared = statement.type && context.declarations.declared(statement.type);
  if (!declared) return value.type;
  // A dimension that no value in sight has is what it is here.
  const bound = knowing(scope.sizes());
  bind(declared, whole(value.type), bound);
  if (!expectType(value, substitute(declared, bound, "kept"), "this value", context)) return ERROR;
  for (const symbol of symbolsOf(declared)) if (!bound.dims.has(symbol)) bound.dims.set(symbol, knowing([symbol]).dims.get(symbol)!);
  return partly(substitute(declared, bound, "kept"), value);
}

export function bindPattern(pattern: Pattern, type: Type, scope: Scope, context: Context, doc: string | null): TypedLet["pattern"] {
  const of = whole(type);
  const silent = of.kind === "error" || of.kind === "any";
  const part = (one: Type): Type => (type.kind === "part" && one.kind !== "error" ? { kind: "part", of: one } : one);
  switch (pattern.kind) {
    case "name":
      return { kind: "name", binding: bindName(pattern.name, type, "let", scope, context, doc) };
    case "fields": {
      /** Fields that it doesn't have, and none like them: one message for all of them. */
      const lost: Name[] = [];
      const fields: TypedLet["pattern"] = {
        kind: "fields",
        fields: pattern.fields.map(({ field, name }) => {
          let found: Type = ERROR;
          if (of.kind === "record") {
            const known = of.fields.find((one) => one.name === field.text);
            if (known) found = known.optional ? optionalOf(known.type) : known.type;
            else if (
              nearest(
                field.text,
                of.fields.map((one) => one.name),
              ) === null
            )
              lost.push(field);
            else {
              const near = noField(field, of, context);
              // Who reads the right name is right.
              if (near && field.text === name.text && scope.find(near) === null)
                scope.add({ name: near, type: ERROR, span: field.span, kind: "let", depth: scope.depth, doc: null });
            }
          } else if (!silent) {
            context.diagnostics.push(
              report("HR202", { what: "what is taken apart", is: print(of), needs: "a record" }, [
                primary(pattern.span, `the value is ${print(of)}`),
              ]),
            );
          }
          return { field: field.text, binding: bindName(name, part(found), "let", scope, context, doc) };
        }),
      };
      if (lost.length > 0 && of.kind === "record") noFields(lost, of, context);
      return fields;
    }
    case "items": {
      const item: Type = of.kind === "list" ? of.item : ERROR;
      if (of.kind !== "list" && !silent)
        context.diagnostics.push(
          report("HR202", { what: "what is taken apart", is: print(of), needs: "a list" }, [
            primary(pattern.span, `the value is ${print(of)}`),
          ]),
        );
      const at = (i: number): Type => (of.kind === "list" ? (of.items?.[i] ?? item) : item);
      return { kind: "items", bindings: pattern.names.map((name, i) => bindName(name, part(at(i)), "let", scope, context, doc)) };
    }
  }
}

function noFields([first, ...others]: readonly Name[], of: Type & { kind: "record" }, context: Context): void {
  const names = of.fields.map((one) => one.name);
  const has = `it has ${names.map((one) => `\`${one}\``).join(", ") || "none"}`;
  context.diagnostics.push(
    report(
      "HR111",
      { name: first!.text, type: print(of) },
      [primary(first!.span, "no such field"), ...others.map(({ span }) => secondary(span, "nor this one"))],
      { help: names.length > 0 ? `${has}; by a name of your own: \`{ ${names[0]}: ${first!.text} }\`` : has },
    ),
  );
}

/** Says that a record has no such field, and gives the one that was likely meant. */
export function noField(field: Name, of: Type & { kind: "record" }, context: Context): string | null {
  const names = of.fields.map((one) => one.name);
  const near = meant(field.text, names, field.span);
  // A misspelt value gave its own name to the field: `{ modle }`.
  if (near.fix && of.fields.some(({ name, type }) => name === near.fix?.text && type.kind === "error")) return near.fix.text;
  const help = { help: `it has ${names.map((one) => `\`${one}\``).join(", ") || "none"}` };
  const frames = [primary(field.span, "no such field")];
  context.diagnostics.push(report("HR111", { name: field.text, type: print(of) }, frames, near.fix ? near : help));
  return near.fix?.text ?? null;
}

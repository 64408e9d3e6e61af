// `fit`: what depends on the batch is a part, computed where the batch is; combining parts is the one boundary to the update. Holds
// that line, whatever the schedule.
import type { Name, Span } from "../../lang/ast.ts";
import type { Frame } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import type { Type } from "../../lang/types.ts";
import { print } from "../../lang/types.ts";
import type { Block, Expr, Statement } from "../module.ts";
import { someChild } from "../walk.ts";
import { CarriedNames, carriedType } from "./carried.ts";
import type { Context } from "./expressions.ts";
import { check, errorAt } from "./expressions.ts";
import { expectType, whole } from "./fitting.ts";
import { ERROR, FLOAT, INT } from "./operations.ts";
import { meant, primary, Scope, secondary } from "./scope.ts";
import { bindName, bindPattern, checkExpect, checkStatement, declaredType } from "./statements.ts";
import type { Binding, Typed, TypedEpochStatement, TypedFitStatement } from "./typed.ts";

type Fit = Expr & { kind: "fit" };

export function checkFit(fit: Fit, around: Scope, context: Context): Typed {
  const inits = fit.carried.map(({ init }) => check(init, around, context));
  if (inits.length === 0) return errorAt(fit.span);
  const epochs = check(fit.epochs, around, context);
  expectType(epochs, INT, "the number of epochs", context);

  const scope = new Scope(around, around.depth, true);
  const word = (text: string) => ({ text, span: fit.span });
  const epoch = bindName(word("epoch"), INT, "epoch", scope, context);
  const over = check(fit.over, scope, context);
  const rows = whole(over.type);
  const row = rows.kind === "dataset" ? rows.row : rows.kind === "list" ? rows.item : null;
  if (row === null && rows.kind !== "error" && rows.kind !== "any") {
    context.diagnostics.push(
      report("HR205", { callee: "fit … over", is: print(rows) }, [primary(over.span, `is ${print(rows)}`)], {
        help: "`rows |> batches(64)` makes batches of rows",
      }),
    );
  }
  remarkSameOrder(over, epochs, epoch, context);
  const step = bindName(word("step"), INT, "step", scope, context);
  const carried = fit.carried.map(({ name }, i) => ({
    binding: bindName(name, inits[i]!.type, "carried", scope, context),
    init: inits[i]!,
  }));
  const inBody = new Scope(scope);
  const batch = bindName(fit.batch, { kind: "part", of: row ?? ERROR }, "batch", inBody, context);

  const bindings = carried.map(({ binding }) => binding);
  const body = checkBody(fit, bindings, inBody, context);
  const eachEpoch = fit.eachEpoch && checkEachEpoch(fit.eachEpoch, new Scope(scope), context);
  const keep = eachEpoch?.find((statement) => statement.kind === "keep");
  const type = keep ? whole(keep.value.type) : carriedType(carried);
  const failed = inits.some((init) => init.type.kind === "error") || over.type.kind === "error" || body === null;
  if (failed || (fit.eachEpoch && eachEpoch === null) || type.kind === "error") return { kind: "error", type, span: fit.span };
  return { kind: "fit", carried, batch, epoch, step, over, epochs, body, eachEpoch, type, span: fit.span };
}

/** A shuffle that doesn't know the epoch gives each the same order. */
function remarkSameOrder(over: Typed, epochs: Typed, epoch: Binding, context: Context): void {
  if (epochs.kind === "const" && epochs.value === 1) return;
  if (over.kind !== "data") return;
  const seed = over.name === "shuffle" ? over.args.seed : undefined;
  if (seed && seed.type.kind !== "error" && !readsBinding(seed, epoch)) {
    const text = seed.kind === "const" ? "epoch" : `${context.textOf(seed.span) ?? "seed"} + epoch`;
    context.diagnostics.push(report("HR211", {}, [primary(seed.span, "the same in every epoch")], { help: `shuffle(seed: ${text})` }));
  }
  remarkSameOrder(over.source, epochs, epoch, context);
}

function readsBinding(value: object, binding: Binding): boolean {
  if ("kind" in value && value.kind === "local" && "binding" in value) return value.binding === binding;
  return someChild(value, (child) => readsBinding(child, binding), ["type", "span"]);
}

function checkBody(fit: Fit, carried: readonly Binding[], scope: Scope, context: Context): TypedFitStatement[] | null {
  const body: TypedFitStatement[] = [];
  const names = new CarriedNames("fit", carried, context);
  let ok = true;
  for (const statement of fit.body.statements) {
    names.notLate(statement);
    if (statement.kind === "next") {
      const binding = names.give(statement);
      const value = check(statement.value, scope, context);
      if (!binding) continue;
      if (value.type.kind === "part") {
        if (binding.type.kind !== "error") wholeWanted(value, statement, binding.type, context);
        ok = false;
      } else if (!names.fits(value, binding)) ok = false;
      body.push({ kind: "next", carried: binding, value });
    } else if (statement.kind === "expression") {
      const value = check(statement.value, scope, context);
      ok = false;
      if (value.type.kind !== "error") {
        context.diagnostics.push(
          report("HR112", { what: "this value" }, [primary(value.span, "nobody uses it")], {
            help: `the next value of \`${carried[0]!.name}\` is given by \`${carried[0]!.name} <- …\``,
          }),
        );
      }
    } else {
      const typed = checkFitStatement(statement, scope, context);
      if (typed) body.push(...typed);
      else ok = false;
    }
  }
  if (ok) names.allGiven();
  return ok && names.ok ? body : null;
}

/** What may stand in the body and in the epoch block alike; null where its problem has been told. */
function checkFitStatement(
  statement: Exclude<Statement, { kind: "next" | "expression" }>,
  scope: Scope,
  context: Context,
): Exclude<TypedFitStatement, { kind: "next" }>[] | null {
  switch (statement.kind) {
    case "let": {
      const value = check(statement.value, scope, context);
      const type = declaredType(statement, value, scope, context);
      const bound = lets(statement, type === value.type ? value : { ...value, type }, scope, context);
      return type.kind === "error" ? null : bound;
    }
    case "track": {
      const value = check(statement.value, scope, context);
      if (whole(value.type).kind === "error") return null;
      if (value.type.kind === "part") {
        wholeWanted(value, statement, FLOAT, context);
        return null;
      }
      expectType(value, FLOAT, `\`${statement.name.text}\``, context);
      return [{ kind: "track", name: statement.name.text, value }];
    }
    case "expect": {
      const typed = checkExpect(statement, scope, context);
      if (typed.condition.type.kind !== "part") return [typed];
      wholeWanted(typed.condition, statement, typed.condition.type, context);
      return null;
    }
    default:
      checkStatement(statement, scope, context);
      return null;
  }
}

// --- After each epoch ---------------------------------------------------------------------------------------------------------

function checkEachEpoch(block: Block, scope: Scope, context: Context): TypedEpochStatement[] | null {
  const tracked = block.statements.flatMap((statement) => (statement.kind === "track" ? [statement.name] : []));
  const metric = (name: Name): boolean => {
    if (tracked.some(({ text }) => text === name.text)) return true;
    const names = tracked.map(({ text }) => text);
    context.diagnostics.push(
      report("HR214", { name: name.text }, [primary(name.span, "not tracked")], {
        help: `track ${name.text} = …`,
        ...meant(name.text, names, name.span),
      }),
    );
    return false;
  };
  let ok = true;
  let keep: Extract<Statement, { kind: "keep" }> | null = null;
  const found: TypedEpochStatement[] = [];
  for (const statement of block.statements) {
    if (statement.kind === "keep") {
      const value = check(statement.value, scope, context);
      if (keep) {
        context.diagnostics.push(
          report("HR209", { what: "a `fit` keeps one value" }, [primary(statement.span, "once more"), secondary(keep.span, "first here")]),
        );
        ok = false;
      }
      keep = statement;
      if (!metric(statement.metric) || value.type.kind === "error") ok = false;
      found.push({ kind: "keep", value, direction: statement.direction, metric: statement.metric.text });
    } else if (statement.kind === "stop") {
      const after = check(statement.after, scope, context);
      expectType(after, INT, "the number of epochs of `stop after`", context);
      if (!metric(statement.metric)) ok = false;
      found.push({ kind: "stop", after, direction: directionOf(statement.metric.text, block), metric: statement.metric.text });
    } else if (statement.kind === "expression") {
      const value = check(statement.value, scope, context);
      ok = false;
      if (value.type.kind !== "error")
        context.diagnostics.push(
          report("HR112", { what: "this value" }, [primary(value.span, "nobody uses it")], {
            help: "an epoch block tracks, keeps and stops; name this value, or leave it out",
          }),
        );
    } else if (statement.kind === "next") {
      context.diagnostics.push(
        report("HR209", { what: "`<-` stands in the body of a `fit`, not in its epoch block" }, [
          primary(statement.span, "after the epoch"),
        ]),
      );
      ok = false;
    } else {
      const typed = checkFitStatement(statement, scope, context);
      if (typed) found.push(...typed);
      else ok = false;
    }
  }
  return ok ? found : null;
}

/** Less is better, unless `keep` says otherwise of the same metric. */
function directionOf(metric: string, block: Block): "minimizing" | "maximizing" {
  const keep = block.statements.find((statement) => statement.kind === "keep" && statement.metric.text === metric);
  return keep?.kind === "keep" ? keep.direction : "minimizing";
}

/** A value taken apart is a hidden name and a field each. */
function lets(
  statement: Statement & { kind: "let" },
  value: Typed,
  scope: Scope,
  context: Context,
): Extract<TypedFitStatement, { kind: "let" }>[] {
  const { pattern } = statement;
  if (pattern.kind === "name") {
    return [{ kind: "let", binding: bindName(pattern.name, value.type, "let", scope, context, statement.doc), value }];
  }
  const bound = bindPattern(pattern, value.type, scope, context, statement.doc);
  if (bound.kind === "name") throw new Error("bug: a pattern of one name");
  const whole: Binding = { name: "", type: value.type, span: pattern.span, kind: "let", depth: scope.depth, doc: null };
  context.read.add(whole);
  const of: Typed = { kind: "local", binding: whole, type: value.type, span: pattern.span };
  const parts =
    bound.kind === "fields"
      ? bound.fields.map(({ field, binding }): [Binding, Typed] => [
          binding,
          { kind: "field", of, name: field, optional: false, type: binding.type, span: binding.span },
        ])
      : bound.bindings.map((binding, i): [Binding, Typed] => [
          binding,
          { kind: "index", of, index: { kind: "const", value: i, type: INT, span: binding.span }, type: binding.type, span: binding.span },
        ]);
  return [{ kind: "let", binding: whole, value }, ...parts.map(([binding, part]) => ({ kind: "let" as const, binding, value: part }))];
}

/** The message that this file exists for: a value that is one per part stands where there is one for all. */
function wholeWanted(value: Typed, statement: Statement & { kind: "next" | "track" | "expect" }, wanted: Type, context: Context): void {
  // The innermost argument that is a part tells more than the call as a whole.
  const culprit = partArgument(value);
  const at = culprit?.value ?? value;
  const needs = culprit?.needs ?? wanted;
  const root = rootBinding(at);
  const frames: Frame[] = [primary(at.span, `is ${print(at.type)}, needs ${print(whole(needs))}`)];
  if (root) frames.push(secondary(root.span, root.kind === "batch" ? "a batch may be computed in parts" : "one per part of the batch"));
  if (culprit?.declared) frames.push(secondary(culprit.declared, "needed here"));
  const text = context.textOf(at.span);
  const into = culprit
    ? `\`${culprit.callee}\``
    : statement.kind === "next"
      ? `the next value of \`${statement.name.text}\``
      : statement.kind === "track"
        ? `\`track ${statement.name.text}\``
        : "`expect`";
  const more = text === null ? {} : { help: mended(statement.span, at.span, text, context), fix: { span: at.span, text: `mean(${text})` } };
  context.diagnostics.push(report("HR204", { what: text ?? "a value", into }, frames, more));
}

/** The statement as it should be, if it stands on one line. */
function mended(statement: Span, at: Span, text: string, context: Context): string {
  const before = context.textOf({ ...statement, end: at.start }) ?? "";
  const after = context.textOf({ ...statement, start: at.end }) ?? "";
  const whole = `${before}mean(${text})${after}`;
  return whole.includes("\n") ? `mean(${text})` : whole;
}

function partArgument(value: Typed): { value: Typed; needs: Type; declared: Frame["span"]; callee: string } | null {
  if (value.kind !== "call") return null;
  for (const { parameter, value: arg } of value.args) {
    if (arg.type.kind !== "part") continue;
    return partArgument(arg) ?? { value: arg, needs: whole(arg.type), declared: parameter.span, callee: value.function.signature.name };
  }
  return null;
}

function rootBinding(value: Typed): Binding | null {
  if (value.kind === "local") return value.binding;
  return value.kind === "field" || value.kind === "index" ? rootBinding(value.of) : null;
}

// `fit`: what depends on the batch is a part, computed where the batch is; combining parts is the one boundary to the update. Holds
// that line, whatever the schedule.
import type { Span } from "../../lang/ast.ts";
import type { Frame } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import type { Type } from "../../lang/types.ts";
import { print } from "../../lang/types.ts";
import type { Expr, Statement } from "../module.ts";
import type { Context } from "./expressions.ts";
import { bindName, bindPattern, check, errorAt, later } from "./expressions.ts";
import { expectType, needs, whole } from "./fitting.ts";
import { ERROR, FLOAT, INT } from "./operations.ts";
import { primary, Scope, secondary } from "./scope.ts";
import type { Binding, Typed, TypedFitStatement } from "./typed.ts";

type Fit = Expr & { kind: "fit" };

export function checkFit(fit: Fit, around: Scope, context: Context): Typed {
  const [carried, ...more] = fit.carried;
  if (!carried) return errorAt(fit.span);
  if (more.length > 0) return later("`fit` with several carried values", fit.span, context);
  const init = check(carried.init, around, context);
  const epochs = check(fit.epochs, around, context);
  expectType(epochs, INT, "the number of epochs", context);

  const scope = new Scope(around);
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
  const binding = bindName(carried.name, init.type, "carried", scope, context);
  const batch = bindName(fit.batch, { kind: "part", of: row ?? ERROR }, "batch", scope, context);

  const body = checkBody(fit, binding, scope, context);
  if (fit.eachEpoch) later("`each epoch`", fit.eachEpoch.span, context);
  if (init.type.kind === "error" || over.type.kind === "error" || body === null) return errorAt(fit.span);
  return { kind: "fit", carried: binding, init, batch, epoch, step, over, epochs, body, type: init.type, span: fit.span };
}

/** A shuffle that doesn't know the epoch gives each the same order. */
function remarkSameOrder(over: Typed, epochs: Typed, epoch: Binding, context: Context): void {
  if (epochs.kind === "const" && epochs.value === 1) return;
  if (over.kind !== "data") return;
  const seed = over.name === "shuffle" ? over.args.seed : undefined;
  if (seed && !readsBinding(seed, epoch)) {
    const text = seed.kind === "const" ? "epoch" : `${context.textOf(seed.span) ?? "seed"} + epoch`;
    context.diagnostics.push(report("HR211", {}, [primary(seed.span, "the same in every epoch")], { help: `shuffle(seed: ${text})` }));
  }
  remarkSameOrder(over.source, epochs, epoch, context);
}

function readsBinding(value: unknown, binding: Binding): boolean {
  if (typeof value !== "object" || value === null) return false;
  if ("kind" in value && value.kind === "local" && "binding" in value) return value.binding === binding;
  return Object.entries(value).some(([name, child]) => name !== "type" && name !== "span" && readsBinding(child, binding));
}

function checkBody(fit: Fit, carried: Binding, scope: Scope, context: Context): TypedFitStatement[] | null {
  const body: TypedFitStatement[] = [];
  let next: Statement | null = null;
  let ok = true;
  const wrong = (statement: Statement, what: string, label: string, more: Frame[] = []) => {
    context.diagnostics.push(report("HR209", { what }, [primary(statement.span, label), ...more]));
    ok = false;
  };
  for (const statement of fit.body.statements) {
    const late = next !== null ? nameIn(statement, carried.name) : null;
    if (next !== null && late !== null) {
      context.diagnostics.push(
        report("HR209", { what: `\`${carried.name}\` is read after its next value was given` }, [
          primary(late, "reads the old one"),
          secondary(next.span, "given here"),
        ]),
      );
      ok = false;
    }
    switch (statement.kind) {
      case "let": {
        const value = check(statement.value, scope, context);
        const declared = statement.type && context.declarations.declared(statement.type);
        if (declared) expectType(value, declared, "this value", context);
        if (value.type.kind === "error") ok = false;
        body.push(...lets(statement, value, scope, context));
        break;
      }
      case "track": {
        const value = check(statement.value, scope, context);
        if (whole(value.type).kind === "error") ok = false;
        else if (value.type.kind === "part") {
          wholeWanted(value, statement, FLOAT, context);
          ok = false;
        } else expectType(value, FLOAT, `\`${statement.name.text}\``, context);
        body.push({ kind: "track", name: statement.name.text, value });
        break;
      }
      case "next": {
        if (statement.name.text !== carried.name) {
          context.diagnostics.push(
            report("HR209", { what: `\`${statement.name.text} <-\` gives a value that this \`fit\` doesn't carry` }, [
              primary(statement.name.span, "not carried"),
              secondary(carried.span, `it carries \`${carried.name}\``),
            ]),
          );
          ok = false;
        } else if (next !== null)
          wrong(statement, `\`${carried.name} <-\` stands twice`, "once more", [secondary(next.span, "first here")]);
        const value = check(statement.value, scope, context);
        if (!checkNext(value, statement, carried, context)) ok = false;
        body.push({ kind: "next", value });
        next = statement;
        break;
      }
      case "expression": {
        const value = check(statement.value, scope, context);
        ok = false;
        if (value.type.kind !== "error") {
          context.diagnostics.push(
            report("HR112", { what: "this value" }, [primary(value.span, "nobody uses it")], {
              help: `the next value of \`${carried.name}\` is given by \`${carried.name} <- …\``,
            }),
          );
        }
        break;
      }
      default:
        later(`\`${statement.kind === "onFailure" ? "on failure" : statement.kind}\` inside \`fit\``, statement.span, context);
        ok = false;
    }
  }
  if (next === null && ok) {
    context.diagnostics.push(
      report("HR209", { what: `this \`fit\` never gives \`${carried.name}\` its next value` }, [primary(carried.span, "stays as it is")], {
        help: `${carried.name} <- update(${carried.name}, …)`,
      }),
    );
    ok = false;
  }
  return ok ? body : null;
}

/** A value taken apart is a hidden name and a field each. */
function lets(statement: Statement & { kind: "let" }, value: Typed, scope: Scope, context: Context): TypedFitStatement[] {
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
  return [
    { kind: "let", binding: whole, value },
    ...parts.map(([binding, part]): TypedFitStatement => ({ kind: "let", binding, value: part })),
  ];
}

function checkNext(value: Typed, statement: Statement & { kind: "next" }, carried: Binding, context: Context): boolean {
  if (value.type.kind === "error" || carried.type.kind === "error") return false;
  if (value.type.kind === "part") {
    wholeWanted(value, statement, carried.type, context);
    return false;
  }
  return needs(value, carried.type, context, ({ span, is, needs: needed, inside, help }) =>
    report(
      "HR202",
      { what: `${inside}the next value of \`${carried.name}\``, is, needs: needed },
      [primary(span, `is ${is}, needs ${needed}`), secondary(carried.span, `begins as ${print(carried.type)}`)],
      help,
    ),
  );
}

/** The message that this file exists for: a value that is one per part stands where there is one for all. */
function wholeWanted(value: Typed, statement: Statement & { kind: "next" | "track" }, wanted: Type, context: Context): void {
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
      : `\`track ${statement.name.text}\``;
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

/** Where a statement reads a name. */
function nameIn(statement: Statement, name: string): Span | null {
  const visit = (node: unknown): Span | null => {
    if (typeof node !== "object" || node === null) return null;
    if ("kind" in node && node.kind === "name" && "name" in node && node.name === name && "span" in node) return node.span as Span;
    for (const child of Object.values(node)) {
      const found = visit(child);
      if (found) return found;
    }
    return null;
  };
  return visit(statement.kind === "next" ? statement.value : statement);
}

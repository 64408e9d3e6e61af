// Two arguments of a call that stand in each other's place: one message for both, and the fix. Must not know how else a call may be wrong.
import { report } from "../../lang/diagnostics.ts";
import type { Type } from "../../lang/types.ts";
import { print } from "../../lang/types.ts";
import type { Expr, FunctionSignature, SignatureParameter } from "../module.ts";
import type { Context } from "./expressions.ts";
import { mayFit, whole } from "./fitting.ts";
import { primary, secondary } from "./scope.ts";
import type { TypedArgument } from "./typed.ts";

type Call = Expr & { kind: "call" };
type Pair = readonly [TypedArgument, TypedArgument];

/** The pair that was told of; null where no two arguments are swapped. */
export function tellSwapped(
  call: Call,
  signature: FunctionSignature,
  args: readonly TypedArgument[],
  typeAt: (parameter: SignatureParameter) => Type,
  context: Context,
): Pair | null {
  // Who names them has the order right, whatever else is wrong.
  if (call.receiver || call.args.some(({ name }) => name !== null)) return null;
  const astray = args.filter(({ parameter, value }) => value.type.kind !== "error" && !mayFit(value, typeAt(parameter)));
  const [first, second] = astray;
  if (astray.length !== 2 || !first || !second) return null;
  if (!mayFit(first.value, typeAt(second.parameter)) || !mayFit(second.value, typeAt(first.parameter))) return null;
  const spanOf = (one: TypedArgument) => call.args.find(({ value }) => value.span.start === one.value.span.start)?.span ?? one.value.span;
  const [from, to] = [spanOf(first), spanOf(second)];
  // What a pipe brought stands before the call.
  if (from.start < call.callee.span.end || to.start < from.end) return null;
  const between = { ...from, start: from.end, end: to.start };
  const text = [to, between, from].map((span) => context.textOf(span));
  const is = (one: TypedArgument, place: TypedArgument) =>
    primary(one.value.span, `is ${print(whole(one.value.type))}, which \`${place.parameter.name}\` needs`);
  const parameters = { first: first.parameter.name, second: second.parameter.name };
  // Text that isn't at hand, as of a notebook's earlier cell, can't be put right.
  const head = context.textOf({ ...call.span, end: from.start });
  const tail = context.textOf({ ...call.span, start: to.end });
  const fix = text.includes(null)
    ? {}
    : { help: [head, ...text, tail].join(""), fix: { span: { ...from, end: to.end }, text: text.join("") } };
  context.diagnostics.push(
    report(
      "HR125",
      { callee: signature.name, ...parameters },
      [is(first, second), is(second, first), secondary(signature.span, "declared here")],
      fix,
    ),
  );
  return [first, second];
}

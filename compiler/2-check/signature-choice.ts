// Which of a TypeScript function's signatures a call means, and what its type parameters stand for there. Must not know how a call
// is reported.
import type { Frame } from "../../lang/diagnostics.ts";
import type { Bindings, Type } from "../../lang/types.ts";
import { bind, bindings, differsInSize, mismatch, optionalOf, printDim, substitute, symbolsOf } from "../../lang/types.ts";
import type { Argument, FunctionSignature, SignatureParameter } from "../module.ts";
import type { Context } from "./expressions.ts";
import { check } from "./expressions.ts";
import { hasOpaque, mayFit, whole } from "./fitting.ts";
import type { Scope } from "./scope.ts";
import { secondary } from "./scope.ts";
import type { Typed } from "./typed.ts";

/** What one argument of this parameter is: each of `...more: number[]` is a number. */
export function wantedOf(parameter: SignatureParameter): Type {
  return parameter.rest && parameter.type.kind === "list" ? parameter.type.item : parameter.type;
}

/** Type parameters that the arguments say nothing of, or something that isn't allowed, are what their declaration says. */
export function complete(signature: FunctionSignature, bound: Bindings): void {
  for (const { name, constraint, fallback } of signature.typeParameters) {
    const given = bound.types.get(name);
    if (given === undefined) {
      const known = fallback ?? constraint;
      if (known !== null) bound.types.set(name, substitute(known, bound));
      continue;
    }
    const wanted = constraint && substitute(constraint, bound, "kept");
    if (wanted !== null && !isTypeScripts(given, wanted) && mismatch(given, wanted) !== null) bound.types.set(name, wanted);
  }
}

/** Only TypeScript knows what a value of its own has: a text and a list have a `length`. */
function isTypeScripts(given: Type, wanted: Type): boolean {
  const members = ["string", "list", "array", "bytes", "timestamp", "tensor", "union"].includes(given.kind) && wanted.kind === "record";
  return members || hasOpaque(given) || hasOpaque(wanted);
}

/** Which argument said how large a dimension is. */
export type Sizes = Map<string, Typed>;

export function bindSizes(wanted: Type, value: Typed, bound: Bindings, sizes: Sizes): void {
  bind(wanted, whole(value.type), bound);
  for (const symbol of bound.dims.keys()) if (!sizes.has(symbol)) sizes.set(symbol, value);
}

/** Where sizes disagree: the arguments that they disagree with. */
export function sizeFrames(wanted: Type, value: Typed, bound: Bindings, sizes: Sizes): Frame[] {
  if (!differsInSize(whole(value.type), substitute(wanted, bound, "kept"))) return [];
  return [...symbolsOf(wanted)].flatMap((symbol) => {
    const [by, dim] = [sizes.get(symbol), bound.dims.get(symbol)];
    return by === undefined || by === value || dim === undefined ? [] : [secondary(by.span, `\`${symbol}\` is ${printDim(dim)} here`)];
  });
}

type Place = (
  signature: FunctionSignature,
  context: Context,
) => readonly { readonly parameter: SignatureParameter; readonly arg: Argument }[] | null;

/** The first signature that takes the arguments, as in TypeScript; where none does, the nearest. */
export function chooseSignature(signature: FunctionSignature, place: Place, scope: Scope, context: Context): FunctionSignature {
  if (signature.overloads.length === 0) return signature;
  const values = new Map<Argument, Typed>();
  // What is found here is found again when the call is checked by the signature that is chosen.
  const quiet = (): Context => ({ ...context, diagnostics: [], questions: [] });
  const typed = (arg: Argument): Typed | null => {
    if (arg.value.kind === "lambda") return null;
    const value = values.get(arg) ?? check(arg.value, scope, quiet());
    values.set(arg, value);
    return value;
  };
  let nearest = { signature, misfits: Number.POSITIVE_INFINITY };
  for (const one of [signature, ...signature.overloads]) {
    const placed = place(one, quiet());
    if (placed === null) continue;
    const bound = bindings();
    for (const { parameter, arg } of placed) {
      const value = typed(arg);
      if (value) bind(wantedOf(parameter), whole(value.type), bound);
    }
    complete(one, bound);
    const misfits = placed.filter(({ parameter, arg }) => {
      const value = typed(arg);
      const wanted = substitute(parameter.optional ? optionalOf(wantedOf(parameter)) : wantedOf(parameter), bound, "kept");
      return value !== null && !mayFit(value, wanted);
    }).length;
    if (misfits === 0) return one;
    if (misfits < nearest.misfits) nearest = { signature: one, misfits };
  }
  return nearest.signature;
}

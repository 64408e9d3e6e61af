// `sample`: a share of the rows, each drawn by itself, or a number of them drawn from all. One argument means either, by its type.
import { report } from "../../lang/diagnostics.ts";
import type { Type } from "../../lang/types.ts";
import { print } from "../../lang/types.ts";
import type { Expr } from "../module.ts";
import { wrongly } from "./calls.ts";
import type { Context } from "./expressions.ts";
import { check, errorAt, isInt } from "./expressions.ts";
import { constantOf, expectType, isAtLeast, whole } from "./fitting.ts";
import { FLOAT, INT } from "./operations.ts";
import { place } from "./placing.ts";
import type { Scope } from "./scope.ts";
import { primary } from "./scope.ts";
import type { Typed } from "./typed.ts";

/** `sample(0.1, seed: 1)`, `sample(100, seed: 1)`; by name `share` and `n`. */
export function callSample(call: Expr & { kind: "call" }, source: Typed, type: Type, scope: Scope, context: Context): Typed {
  const named = call.args.find((arg) => arg.name?.text === "share" || arg.name?.text === "n")?.name?.text ?? null;
  const placed = place(call, [{ name: named ?? "n" }, { name: "seed" }], null, context);
  if (!placed) return wrongly(call, scope, context);
  const value = (name: string) => check(placed.find((one) => one.parameter.name === name)!.arg.value, scope, context);
  const much = value(named ?? "n");
  const seed = value("seed");
  expectType(seed, INT, "`seed` of `sample`", context);
  const isShare = named === "share" || (named === null && !isInt(whole(much.type)));
  expectType(much, isShare ? FLOAT : INT, isShare ? "the share of `sample`" : "`n` of `sample`", context);
  if (much.type.kind === "error" || seed.type.kind === "error") return errorAt(call.span);
  const number = constantOf(much);
  if (isShare && number !== null && !(number >= 0 && number <= 1)) {
    context.diagnostics.push(
      report("HR202", { what: "the share of `sample`", is: String(number), needs: "a number from 0 to 1" }, [
        primary(much.span, `is ${print(much.type)} ${number}`),
      ]),
    );
    return errorAt(call.span);
  }
  if (!isShare && !isAtLeast(much, 0, "`n` of `sample`", context)) return errorAt(call.span);
  return { kind: "data", name: "sample", source, args: { [isShare ? "share" : "n"]: much, seed }, lambdas: {}, type, span: call.span };
}

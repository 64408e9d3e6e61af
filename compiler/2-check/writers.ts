// `writeCsv`, `writeJsonLines` and `writeText`: effects, so they stand behind `do`. Knows which rows a format can hold.
import { report } from "../../lang/diagnostics.ts";
import type { Type } from "../../lang/types.ts";
import { mismatch, print } from "../../lang/types.ts";
import type { Expr } from "../module.ts";
import type { Context } from "./expressions.ts";
import { check, errorAt } from "./expressions.ts";
import { expectType } from "./fitting.ts";
import { NULL, STRING } from "./operations.ts";
import { place } from "./placing.ts";
import { unfitForCsv, unfitForJson } from "./readers.ts";
import type { Scope } from "./scope.ts";
import { inTypeScript, primary } from "./scope.ts";
import type { Typed } from "./typed.ts";

const formats = { writeCsv: "csv", writeJsonLines: "jsonLines", writeText: "text" } as const;

/** `do rows |> writeCsv("out.csv")`; `whole` is the call with its rows, `rest` without. */
export function callWriter(
  whole: Expr & { kind: "call" },
  rest: typeof whole,
  source: Typed,
  row: Type,
  scope: Scope,
  context: Context,
): Typed {
  const name = whole.callee.text as keyof typeof formats;
  const format = formats[name];
  const placed = place(rest, [{ name: "path" }], null, context);
  if (!placed) return errorAt(whole.span);
  const path = check(placed[0]!.arg.value, scope, context);
  expectType(path, STRING, `the path of \`${name}\``, context);
  if (context.doing !== whole) {
    const text = context.textOf(whole.span);
    context.diagnostics.push(
      report(
        "HR302",
        { callee: name },
        [primary(whole.callee.span, "an effect")],
        text === null || text.includes("\n") ? {} : { help: inTypeScript(whole.span) ? `perform(${text})` : `do ${text}` },
      ),
    );
    return errorAt(whole.span);
  }
  const unfit =
    format === "text" ? (mismatch(row, STRING) === null ? null : print(row)) : format === "csv" ? unfitForCsv(row) : unfitForJson(row);
  // A field whose own problem has been told may be anything.
  if (unfit !== null && !JSON.stringify(row).includes(`"kind":"error"`)) {
    context.diagnostics.push(
      report("HR222", { callee: name, unfit }, [primary(source.span, `rows of ${print(row)}`)], {
        help: format === "text" ? "make text of each row: rows |> map(r => `…`)" : "make plain rows of them first: rows |> map(r => { … })",
      }),
    );
    return errorAt(whole.span);
  }
  if (path.type.kind === "error") return errorAt(whole.span);
  const columns = format === "csv" && row.kind === "record" ? row.fields.map((field) => field.name) : null;
  return { kind: "write", format, source, path, columns, type: NULL, span: whole.span };
}

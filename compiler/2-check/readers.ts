// `text`, `csv` and `jsonLines`: what they read, and the type that their rows are held to. Knows which types a format can give.
import { report } from "../../lang/diagnostics.ts";
import type { Type } from "../../lang/types.ts";
import { mismatch, print } from "../../lang/types.ts";
import type { Expr } from "../module.ts";
import type { Shape } from "../plan.ts";
import { wrongly } from "./calls.ts";
import type { Context } from "./expressions.ts";
import { check, errorAt } from "./expressions.ts";
import { whole } from "./fitting.ts";
import { ERROR, STRING } from "./operations.ts";
import { place } from "./placing.ts";
import type { Scope } from "./scope.ts";
import { inTypeScript, primary } from "./scope.ts";
import type { Typed } from "./typed.ts";

type Call = Expr & { kind: "call" };

/** Only readers are told their rows' type; elsewhere types are inferred. */
export function refuseTypes(call: Call, context: Context): void {
  const [first] = call.types ?? [];
  if (!first) return;
  const span = first.kind === "node" ? first.node.span : (first.span ?? call.callee.span);
  context.diagnostics.push(
    report("HR110", { what: `\`${call.callee.text}\` takes no types` }, [primary(span, "inferred from its arguments")], {
      help: "types stand behind readers: csv<Row>(file)",
    }),
  );
}

/** `csv<Flight>(flights)`, `jsonLines<Row>(logs)`, `text(log)`. */
export function callReader(call: Call, scope: Scope, context: Context): Typed {
  const format = call.callee.text as "text" | "csv" | "jsonLines";
  const parameters = [{ name: "file" }, ...(format === "csv" ? [{ name: "separator", optional: true }] : [])];
  const row = rowType(call, format, context);
  const placed = place(call, parameters, null, context);
  if (!placed) return wrongly(call, scope, context);
  const value = (name: string) => placed.find((one) => one.parameter.name === name)?.arg.value;
  const separator = value("separator");
  const files = check(value("file")!, scope, context);
  if (!isFile(files, format, context) || row.kind === "error") return errorAt(call.span);
  if (separator && !(separator.kind === "string" && /^[^"\r\n]$/.test(separator.value))) {
    const typed = check(separator, scope, context);
    if (typed.type.kind !== "error")
      context.diagnostics.push(
        report("HR202", { what: "`separator` of `csv`", is: print(typed.type), needs: "one character, written out" }, [
          primary(separator.span, "not that"),
        ]),
      );
    return errorAt(call.span);
  }
  const shape = format === "text" ? null : shapeOf(row);
  if (shape === null && format !== "text") return errorAt(call.span);
  return {
    kind: "read",
    format,
    files,
    shape,
    separator: separator?.kind === "string" ? separator.value : ",",
    type: { kind: "dataset", row },
    span: call.span,
  };
}

function isFile(files: Typed, format: string, context: Context): boolean {
  const type = whole(files.type);
  if (type.kind === "error") return false;
  if (
    files.type.kind !== "part" &&
    (mismatch(type, { kind: "file" }) === null || mismatch(type, { kind: "list", item: { kind: "file" } }) === null)
  )
    return true;
  const written = files.kind === "const" && typeof files.value === "string" ? files.value : null;
  const several = written !== null && /[*?[{]/.test(written);
  const input = inTypeScript(files.span)
    ? `input: ${several ? "InputFiles" : "InputFile"}${written === null ? "" : ` = ${several ? "files" : "file"}(${JSON.stringify(written)})`} as a parameter`
    : `param input: ${several ? "files" : "file"}${written === null ? "" : ` = ${JSON.stringify(written)}`}`;
  context.diagnostics.push(
    report("HR220", { format, is: print(files.type) }, [primary(files.span, `is ${print(files.type)}`)], {
      help: `${input}, then ${format}${format === "text" ? "" : "<Row>"}(input)`,
    }),
  );
  return false;
}

/** Of one row, by the type that the call is given. */
function rowType(call: Call, format: string, context: Context): Type {
  const { callee } = call;
  const [first, ...more] = call.types ?? [];
  if (format === "text") {
    refuseTypes(call, context);
    return STRING;
  }
  if (!first) {
    context.diagnostics.push(
      report("HR221", { format, why: "doesn't say of what type its rows are" }, [primary(callee.span, "rows of what?")], {
        help: `type Row = { id: int, name: string }, then ${format}<Row>(…)`,
      }),
    );
    return ERROR;
  }
  const type = context.declarations.declared(first);
  const span = first.kind === "node" ? first.node.span : (first.span ?? callee.span);
  if (more.length > 0) {
    context.diagnostics.push(report("HR110", { what: `\`${format}\` takes one type` }, [primary(span, "one too many")]));
    return ERROR;
  }
  // A type with a part whose own problem has been told may be anything.
  if (JSON.stringify(type).includes(`"kind":"error"`)) return type;
  const why = format === "csv" ? unfitForCsv(type) : unfitForJson(type);
  if (why === null) return type;
  context.diagnostics.push(
    report("HR221", { format, why: `can't give ${why}` }, [primary(span, `is ${print(type)}`)], {
      help:
        format === "csv"
          ? "fields are int, float, bool, string, timestamp or literals, with `?` where they may be empty"
          : "what isn't plain data is made of it in a `map`",
    }),
  );
  return ERROR;
}

/** What of a row CSV has no place for. */
export function unfitForCsv(type: Type): string | null {
  if (type.kind !== "record") return `${print(type)}: a row is a record, with a field for each column that is wanted`;
  const wrong = type.fields.find((field) => !isField(field.type));
  return wrong ? `\`${wrong.name}\`, which is ${print(wrong.type)}` : null;
}

function isField(type: Type): boolean {
  if (type.kind === "union") return type.members.every(isField);
  return ["int", "float", "bool", "string", "timestamp", "literal", "null"].includes(type.kind);
}

export function unfitForJson(type: Type): string | null {
  const inside = (types: readonly Type[]) => types.reduce<string | null>((found, one) => found ?? unfitForJson(one), null);
  switch (type.kind) {
    case "list":
      return inside([type.item]);
    case "record":
      return inside(type.fields.map((field) => field.type));
    case "union":
      return inside(type.members);
    default:
      return shapeOf(type) ? null : print(type);
  }
}

function shapeOf(type: Type): Shape | null {
  switch (type.kind) {
    case "int":
    case "float":
    case "bool":
    case "string":
    case "timestamp":
    case "any":
    case "null":
      return { kind: type.kind };
    case "literal":
      return { kind: "literal", value: type.value };
    case "list": {
      const item = shapeOf(type.item);
      return item && { kind: "list", item };
    }
    case "record": {
      const fields = type.fields.map(({ name, type: of, optional }) => {
        const shape = shapeOf(of);
        return shape && { name, shape: optional && shape.kind !== "optional" ? { kind: "optional" as const, of: shape } : shape };
      });
      return fields.includes(null) ? null : { kind: "record", fields: fields.filter((field) => field !== null) };
    }
    case "union": {
      const rest = type.members.filter((member) => member.kind !== "null").map(shapeOf);
      if (rest.includes(null)) return null;
      const members = rest.filter((member) => member !== null);
      const of: Shape = members.length === 1 ? members[0]! : { kind: "union", members };
      return rest.length < type.members.length ? { kind: "optional", of } : of;
    }
    default:
      return null;
  }
}

// Whether a value fits the place where it stands: by our own types, else by asking TypeScript once all is read. Points at the field of
// a written record that is wrong, not at the record.
import type { Span } from "../../lang/ast.ts";
import type { Diagnostic } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import { nearest } from "../../lang/suggest.ts";
import type { Type } from "../../lang/types.ts";
import { mayBeNull, mismatch, presentOf, print } from "../../lang/types.ts";
import type { Context } from "./expressions.ts";
import { primary, secondary } from "./scope.ts";
import type { Typed } from "./typed.ts";

/** Only TypeScript can tell whether `from` fits `to`; if it says no, `problem` gives the message, with TypeScript's reason. */
export interface OpenQuestion {
  readonly from: Type;
  readonly to: Type;
  readonly problem: (why: string | null) => Diagnostic;
}

/** What doesn't fit, and how it is said. */
export interface Misfit {
  readonly span: Span;
  readonly is: string;
  readonly needs: string;
  /** `field \`a.b\` of `, where the misfit lies inside a record that is written out. */
  readonly inside: string;
  readonly help: { readonly help?: string };
}

/** Without `Part`, what one part is; of a resource, what its factory gives. */
export const whole = (type: Type): Type => (type.kind === "part" || type.kind === "resource" ? whole(type.of) : type);

/** True where the value fits, or where TypeScript will have the last word. */
export function needs(value: Typed, to: Type, context: Context, problem: (misfit: Misfit) => Diagnostic): boolean {
  const is = whole(value.type);
  if (mismatch(is, to) === null || mismatch(literally(value), to) === null) return true;
  const misfits = innermost(value, to).map(({ culprit, wanted, path }) => {
    // A constant among literals is shown as it is written.
    const from = culprit.kind === "const" && literals(wanted).length > 0 ? literally(culprit) : whole(culprit.type);
    const inside = path.length > 0 ? `field \`${path.join(".")}\` of ` : "";
    return { from, wanted, shown: { span: culprit.span, is: print(from), needs: inWords(wanted), inside } };
  });
  let fits = true;
  for (const { from, wanted, shown } of misfits) {
    if (followsFromMisspelling(from, wanted)) continue;
    if (hasOpaque(from) || hasOpaque(wanted)) {
      const ask = (words: string | null) => problem({ ...shown, help: words === null ? {} : { help: words } });
      context.questions.push({ from, to: wanted, problem: ask });
    } else {
      context.diagnostics.push(problem({ ...shown, help: reason(from, wanted) }));
      fits = false;
    }
  }
  return fits;
}

/** A list whatever its items are has no name among types. */
const inWords = (wanted: Type): string => (wanted.kind === "list" && wanted.item.kind === "any" ? "a list" : print(wanted));

/** `{ modle }`: that there is no such value has been told, and who reads that knows that the field `model` is missing. */
function followsFromMisspelling(from: Type, to: Type): boolean {
  if (from.kind === "list" && to.kind === "list") return followsFromMisspelling(from.item, to.item);
  if (from.kind === "dataset" && to.kind === "dataset") return followsFromMisspelling(from.row, to.row);
  if (from.kind !== "record" || to.kind !== "record") return false;
  const unknown = from.fields.filter(({ name, type }) => type.kind === "error" && !to.fields.some((one) => one.name === name));
  const lacks = to.fields.filter(({ name, optional }) => !optional && !from.fields.some((one) => one.name === name));
  return lacks.length > 0 && lacks.length <= unknown.length;
}

/** As far as it can be known without asking TypeScript. */
export function mayFit(value: Typed, to: Type): boolean {
  const is = whole(value.type);
  return mismatch(is, to) === null || mismatch(literally(value), to) === null || hasOpaque(is) || hasOpaque(to);
}

/** Reports a type that doesn't fit, and gives false; `what` names the value in the message. */
export function expectType(value: Typed, wanted: Type, what: string, context: Context, declared: Span | null = null): boolean {
  return needs(value, wanted, context, ({ span, is, needs: needed, inside, help }) =>
    report(
      "HR202",
      { what: `${inside}${what}`, is, needs: needed },
      [primary(span, `is ${is}, needs ${needed}`), ...(declared ? [secondary(declared, "declared here")] : [])],
      help,
    ),
  );
}

/** Reports a constant that is too small to work, and gives false. What is computed is known only when it runs. */
export function isAtLeast(value: Typed, least: number | undefined, what: string, context: Context): boolean {
  const number = constantOf(value);
  if (least === undefined || number === null || number >= least) return true;
  context.diagnostics.push(
    report("HR202", { what, is: String(number), needs: `at least ${least}` }, [primary(value.span, `less than ${least}`)]),
  );
  return false;
}

/** A number that is written out, with its sign. */
export function constantOf(value: Typed): number | null {
  if (value.kind === "unary" && value.operator === "-") {
    const operand = constantOf(value.operand);
    return operand === null ? null : -operand;
  }
  return value.kind === "const" && typeof value.value === "number" ? value.value : null;
}

/** The inner reason, where it says more than the two types, or what was likely meant. */
function reason(from: Type, to: Type): { help?: string } {
  const misspelt = misspeltField(from, to);
  if (misspelt) return { help: misspelt };
  if (from.kind === "literal") {
    const near = nearest(String(from.value), literals(to).map(String));
    return near === null ? {} : { help: `did you mean ${JSON.stringify(near)}?` };
  }
  const why = mismatch(from, to);
  return why === null || why === `${print(from)} isn't ${print(to)}` ? {} : { help: why.replace(print(to), inWords(to)) };
}

function literals(type: Type): (string | number | boolean)[] {
  if (type.kind === "literal") return [type.value];
  return type.kind === "union" ? type.members.flatMap(literals) : [];
}

function misspeltField(from: Type, to: Type): string | null {
  if (from.kind !== "record" || to.kind !== "record") return null;
  const missing = to.fields.find(
    (field) => !field.optional && !mayBeNull(field.type) && !from.fields.some((one) => one.name === field.name),
  );
  if (!missing) return null;
  const extra = from.fields.map(({ name }) => name).filter((name) => !to.fields.some((one) => one.name === name));
  const near = nearest(missing.name, extra);
  return near === null ? null : `field \`${missing.name}\` is missing; is \`${near}\` meant?`;
}

interface Culprit {
  readonly culprit: Typed;
  readonly wanted: Type;
  readonly path: readonly string[];
}

/** Down into records that are written out, as far as it is their fields that don't fit. */
function innermost(value: Typed, to: Type): readonly Culprit[] {
  const wanted = presentOf(to);
  const itself = [{ culprit: value, wanted: to, path: [] }];
  if (value.kind !== "record" || wanted.kind !== "record") return itself;
  const written = value.fields.flatMap((field) => ("name" in field ? [field] : []));
  const lacks = wanted.fields.some((field) => !field.optional && !mayBeNull(field.type) && !written.some((one) => one.name === field.name));
  if (lacks || written.length < value.fields.length) return itself;
  const found = written.flatMap((field) => {
    const declared = wanted.fields.find((one) => one.name === field.name);
    if (!declared || mismatch(literally(field.value), declared.type) === null) return [];
    return innermost(field.value, declared.type).map((inner) => ({ ...inner, path: [field.name, ...inner.path] }));
  });
  return found.length > 0 ? found : itself;
}

/** The type of a value whose constants are taken at their word: `"fast"` is the literal, where a `string` wouldn't do. */
function literally(value: Typed): Type {
  switch (value.kind) {
    case "const":
      return value.value === null || typeof value.value === "object" ? value.type : { kind: "literal", value: value.value as string };
    case "record":
      if (value.fields.some((field) => !("name" in field))) return whole(value.type);
      return {
        kind: "record",
        name: null,
        fields: value.fields.flatMap((field) =>
          "name" in field ? [{ name: field.name, type: literally(field.value), optional: false }] : [],
        ),
      };
    case "list":
      return value.items.length === 0
        ? value.type
        : { kind: "list", item: { kind: "union", members: value.items.map(literally) }, items: value.items.map(literally) };
    case "if":
      return { kind: "union", members: [literally(value.then.value), literally(value.else.value)] };
    default:
      return whole(value.type);
  }
}

export function hasOpaque(type: Type): boolean {
  switch (type.kind) {
    case "opaque":
      return true;
    case "list":
      return hasOpaque(type.item);
    case "dataset":
      return hasOpaque(type.row);
    case "part":
      return hasOpaque(type.of);
    case "record":
      return type.fields.some((field) => hasOpaque(field.type));
    case "union":
      return type.members.some(hasOpaque);
    default:
      return false;
  }
}

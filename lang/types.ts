// The types of values on edges: what they are, how they print, when one fits another. Knows nothing of files, TypeScript or
// syntax; both front ends and the signature reader produce these.

export type Dim = { readonly kind: "any" } | { readonly kind: "product"; readonly literal: number; readonly symbols: readonly string[] };

export type Dtype = "f32" | "f64" | "i8" | "u8" | "i16" | "u16" | "i32" | "u32" | "i64" | "u64";

export interface FieldType {
  readonly name: string;
  readonly type: Type;
  readonly optional: boolean;
}

export type Type =
  | { readonly kind: "int" }
  | { readonly kind: "float" }
  | { readonly kind: "bool" }
  | { readonly kind: "string" }
  | { readonly kind: "bytes" }
  | { readonly kind: "timestamp" }
  | { readonly kind: "file" }
  | { readonly kind: "files" }
  | { readonly kind: "secret" }
  | { readonly kind: "null" }
  | { readonly kind: "void" }
  | { readonly kind: "literal"; readonly value: string | number | boolean }
  | { readonly kind: "union"; readonly members: readonly Type[] }
  | { readonly kind: "list"; readonly item: Type }
  | { readonly kind: "record"; readonly name: string | null; readonly fields: readonly FieldType[] }
  /** A JavaScript typed array, such as `Float32Array`. */
  | { readonly kind: "array"; readonly dtype: Dtype }
  /** `dims: null` where TypeScript doesn't say. */
  | { readonly kind: "tensor"; readonly dtype: Dtype; readonly dims: readonly Dim[] | null }
  | { readonly kind: "dataset"; readonly row: Type }
  | { readonly kind: "part"; readonly of: Type }
  | { readonly kind: "function"; readonly parameters: readonly Type[]; readonly returns: Type }
  /** A TypeScript type that only TypeScript understands, by the name it has in the file that declares it. */
  | {
      readonly kind: "opaque";
      readonly name: string;
      readonly file: string;
      readonly crosses: boolean /** Why it can't cross a process boundary. */;
      readonly why?: string;
    }
  /** A type parameter of a TypeScript function. */
  | { readonly kind: "variable"; readonly name: string }
  /** `unknown` or `any` in TypeScript: fits everything. */
  | { readonly kind: "any" }
  /** Stands for a value whose own problem has been reported; silences everything that follows from it. */
  | { readonly kind: "error" };

// --- As text -----------------------------------------------------------------------------------------------------------

/** As a user would write it in `.pipe`, where there is a form for it. */
export function print(type: Type): string {
  switch (type.kind) {
    case "literal":
      return JSON.stringify(type.value);
    case "union":
      return printUnion(type.members);
    case "list":
      return `[${print(type.item)}]`;
    case "record":
      return type.name ?? `{ ${type.fields.map((field) => `${field.name}${field.optional ? "?" : ""}: ${print(field.type)}`).join(", ")} }`;
    case "array":
      return arrayNames[type.dtype];
    case "tensor":
      return type.dims === null ? `Tensor<${type.dtype}>` : `Tensor<${type.dtype}, [${type.dims.map(printDim).join(", ")}]>`;
    case "dataset":
      return `Dataset<${print(type.row)}>`;
    case "part":
      return `Part<${print(type.of)}>`;
    case "function":
      return `(${type.parameters.map(print).join(", ")}) => ${print(type.returns)}`;
    case "opaque":
    case "variable":
      return type.name;
    case "any":
      return "unknown";
    case "error":
      return "?";
    default:
      return type.kind;
  }
}

const arrayNames: Readonly<Record<Dtype, string>> = {
  f32: "Float32Array",
  f64: "Float64Array",
  i8: "Int8Array",
  u8: "Uint8Array",
  i16: "Int16Array",
  u16: "Uint16Array",
  i32: "Int32Array",
  u32: "Uint32Array",
  i64: "BigInt64Array",
  u64: "BigUint64Array",
};

function printUnion(members: readonly Type[]): string {
  const rest = members.filter((member) => member.kind !== "null");
  const text = rest.map(print).join(" | ");
  if (rest.length === members.length) return text;
  return rest.length === 1 ? `${text}?` : `${text} | null`;
}

function printDim(dim: Dim): string {
  if (dim.kind === "any") return "?";
  const factors = [...(dim.literal === 1 && dim.symbols.length > 0 ? [] : [String(dim.literal)]), ...dim.symbols];
  return factors.join("*");
}

// --- Unions --------------------------------------------------------------------------------------------------------------

/** The type of a value that is one or the other. */
export function join(left: Type, right: Type): Type {
  if (left.kind === "error" || right.kind === "error") return { kind: "error" };
  if (fits(left, right)) return right;
  if (fits(right, left)) return left;
  const members = [left, right].flatMap((type) => (type.kind === "union" ? type.members : [type]));
  return unionOf(members);
}

export function unionOf(members: readonly Type[]): Type {
  const kept = members.filter(
    (member, index) => !members.some((other, place) => place !== index && fits(member, other) && (place < index || !fits(other, member))),
  );
  return kept.length === 1 ? kept[0]! : { kind: "union", members: kept };
}

export const optionalOf = (type: Type): Type => join(type, { kind: "null" });

/** Without `null`. */
export function presentOf(type: Type): Type {
  return type.kind === "union" ? unionOf(type.members.filter((member) => member.kind !== "null")) : type;
}

export function mayBeNull(type: Type): boolean {
  return type.kind === "null" || (type.kind === "union" && type.members.some(mayBeNull));
}

// --- What fits where ------------------------------------------------------------------------------------------------------

const fits = (from: Type, to: Type): boolean => mismatch(from, to) === null;

/** Why a value of `from` can't stand where `to` is wanted, innermost reason; null where it can. */
export function mismatch(from: Type, to: Type): string | null {
  if (from.kind === "error" || to.kind === "error" || from.kind === "any" || to.kind === "any" || to.kind === "variable") return null;
  if (from.kind === "union") return first(from.members, (member) => mismatch(member, to));
  if (to.kind === "union") {
    if (to.members.some((member) => fits(from, member))) return null;
    return `${print(from)} is none of ${print(to)}`;
  }
  const no = `${print(from)} isn't ${print(to)}`;
  switch (to.kind) {
    case "float":
      return from.kind === "float" || from.kind === "int" || isNumberLiteral(from) ? null : no;
    case "int":
      return from.kind === "int" || (isNumberLiteral(from) && Number.isInteger(from.value)) ? null : no;
    case "string":
      return from.kind === "string" || (from.kind === "literal" && typeof from.value === "string") ? null : no;
    case "bool":
      return from.kind === "bool" || (from.kind === "literal" && typeof from.value === "boolean") ? null : no;
    case "literal":
      return from.kind === "literal" && from.value === to.value ? null : no;
    case "list":
      return from.kind === "list"
        ? mismatch(from.item, to.item)
        : from.kind === "dataset"
          ? `${no}; \`collect\` makes a list of a data set`
          : no;
    case "dataset":
      if (from.kind === "dataset") return mismatch(from.row, to.row);
      return from.kind === "list" ? mismatch(from.item, to.row) : no;
    case "record":
      return from.kind === "record" ? mismatchOfFields(from, to) : no;
    case "array":
      return from.kind === "array" && from.dtype === to.dtype ? null : no;
    case "tensor":
      if (from.kind !== "tensor" || from.dtype !== to.dtype) return no;
      return dimsAgree(from.dims, to.dims) ? null : no;
    case "part":
      return from.kind === "part" ? mismatch(from.of, to.of) : mismatch(from, to.of);
    case "function":
      return from.kind === "function" ? null : no;
    case "opaque":
      return from.kind === "opaque" && from.name === to.name && from.file === to.file ? null : no;
    default:
      return from.kind === to.kind ? null : no;
  }
}

function first<T, R>(items: readonly T[], ask: (item: T) => R | null): R | null {
  for (const item of items) {
    const answer = ask(item);
    if (answer !== null) return answer;
  }
  return null;
}

const isNumberLiteral = (type: Type): type is Type & { kind: "literal"; value: number } =>
  type.kind === "literal" && typeof type.value === "number";

function mismatchOfFields(from: Type & { kind: "record" }, to: Type & { kind: "record" }): string | null {
  return first(to.fields, (wanted) => {
    const given = from.fields.find((field) => field.name === wanted.name);
    if (!given) return wanted.optional || mayBeNull(wanted.type) ? null : `field \`${wanted.name}\` is missing`;
    if (given.optional && !wanted.optional && !mayBeNull(wanted.type)) return `field \`${wanted.name}\` may be missing`;
    const why = mismatch(given.type, wanted.type);
    return why === null ? null : `field \`${wanted.name}\`: ${why}`;
  });
}

function dimsAgree(from: readonly Dim[] | null, to: readonly Dim[] | null): boolean {
  if (from === null || to === null) return true;
  if (from.length !== to.length) return false;
  return from.every((dim, i) => {
    const other = to[i]!;
    if (dim.kind === "any" || other.kind === "any") return true;
    // A symbol may stand for any number; only two numbers can disagree.
    if (dim.symbols.length > 0 || other.symbols.length > 0) return true;
    return dim.literal === other.literal;
  });
}

// --- Type parameters -----------------------------------------------------------------------------------------------------

/** Binds the type parameters of `pattern` so that `given` fits; what is bound already is widened. */
export function bind(pattern: Type, given: Type, bound: Map<string, Type>): void {
  switch (pattern.kind) {
    case "variable": {
      const before = bound.get(pattern.name);
      bound.set(pattern.name, before ? join(before, given) : given);
      return;
    }
    case "list":
      if (given.kind === "list") bind(pattern.item, given.item, bound);
      return;
    case "dataset":
      if (given.kind === "dataset") bind(pattern.row, given.row, bound);
      else if (given.kind === "list") bind(pattern.row, given.item, bound);
      return;
    case "record":
      if (given.kind !== "record") return;
      for (const field of pattern.fields) {
        const found = given.fields.find((one) => one.name === field.name);
        if (found) bind(field.type, found.type, bound);
      }
      return;
    case "union": {
      const open = pattern.members.find((member) => member.kind === "variable");
      for (const member of pattern.members) if (member !== open) bind(member, given, bound);
      if (open) bind(open, pattern.members.some((member) => member.kind === "null") ? presentOf(given) : given, bound);
      return;
    }
    case "function":
      if (given.kind !== "function") return;
      pattern.parameters.forEach((parameter, i) => {
        const found = given.parameters[i];
        if (found) bind(parameter, found, bound);
      });
      bind(pattern.returns, given.returns, bound);
      return;
    default:
      return;
  }
}

/** With its type parameters replaced; unbound ones become `any`. */
export function substitute(type: Type, bound: ReadonlyMap<string, Type>): Type {
  switch (type.kind) {
    case "variable":
      return bound.get(type.name) ?? { kind: "any" };
    case "list":
      return { kind: "list", item: substitute(type.item, bound) };
    case "dataset":
      return { kind: "dataset", row: substitute(type.row, bound) };
    case "record":
      return { ...type, fields: type.fields.map((field) => ({ ...field, type: substitute(field.type, bound) })) };
    case "union":
      return unionOf(type.members.map((member) => substitute(member, bound)));
    case "function":
      return {
        kind: "function",
        parameters: type.parameters.map((one) => substitute(one, bound)),
        returns: substitute(type.returns, bound),
      };
    default:
      return type;
  }
}

// The types of values on edges: what they are, how they print, when one fits another. Knows nothing of files, TypeScript or
// syntax; both front ends and the signature reader produce these.

export type Dim =
  | { readonly kind: "any" }
  | {
      readonly kind: "product";
      readonly literal: number;
      readonly symbols: readonly string[] /** As the user wrote it, where that says more: `28*28`. */;
      readonly written?: string /** Some symbol is still to be found: it may be any size. */;
      readonly free?: true;
    };

export type Dtype = "f32" | "f64" | "i8" | "u8" | "i16" | "u16" | "i32" | "u32" | "i64" | "u64";

export interface FieldType {
  readonly name: string;
  readonly type: Type;
  readonly optional: boolean;
}

/** What an alias with parameters is given. */
export type TypeArgument = { readonly kind: "type"; readonly type: Type } | { readonly kind: "dim"; readonly dim: Dim };

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
  | {
      readonly kind: "list";
      readonly item: Type /** Of a tuple, each at its place. */;
      readonly items?: readonly Type[] /** Made by `groupBy`: each row is a group. */;
      readonly groups?: true;
    }
  /** `args`: of the alias that it is named by. */
  | {
      readonly kind: "record";
      readonly name: string | null;
      readonly fields: readonly FieldType[];
      readonly args?: readonly TypeArgument[];
    }
  /** A JavaScript typed array, such as `Float32Array`. */
  | { readonly kind: "array"; readonly dtype: Dtype }
  /** `dims: null` where TypeScript doesn't say. */
  | { readonly kind: "tensor"; readonly dtype: Dtype; readonly dims: readonly Dim[] | null }
  | { readonly kind: "dataset"; readonly row: Type; readonly groups?: true }
  | { readonly kind: "part"; readonly of: Type }
  /** What a resource's factory gives; it stays in the slot that made it. */
  | { readonly kind: "resource"; readonly of: Type }
  /** A class whose instances keep state between calls, by the name that it is exported by: one of them, or several. */
  | { readonly kind: "actor" | "pool"; readonly name: string; readonly file: string }
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
      return type.items ? `[${type.items.map(print).join(", ")}]` : `[${print(type.item)}]`;
    case "record":
      return type.name !== null
        ? type.name + printArguments(type.args ?? [])
        : `{ ${type.fields.map((field) => `${field.name}${field.optional ? "?" : ""}: ${print(field.type)}`).join(", ")} }`;
    case "array":
      return arrayNames[type.dtype];
    case "tensor":
      return type.dims === null ? `Tensor<${type.dtype}>` : `Tensor<${type.dtype}, [${type.dims.map(printDim).join(", ")}]>`;
    case "dataset":
      return `Dataset<${print(type.row)}>`;
    case "part":
      return `Part<${print(type.of)}>`;
    case "resource":
      return print(type.of);
    case "function":
      return `(${type.parameters.map(print).join(", ")}) => ${print(type.returns)}`;
    case "actor":
      return `Actor<${type.name}>`;
    case "pool":
      return `Pool<${type.name}>`;
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

function printArguments(args: readonly TypeArgument[]): string {
  if (args.length === 0) return "";
  return `<${args.map((arg) => (arg.kind === "type" ? print(arg.type) : printDim(arg.dim))).join(", ")}>`;
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

export function printDim(dim: Dim): string {
  if (dim.kind === "any") return "?";
  if (dim.written !== undefined) return dim.written;
  const factors = [...(dim.literal === 1 && dim.symbols.length > 0 ? [] : [String(dim.literal)]), ...dim.symbols];
  return factors.join("*");
}

// --- Unions --------------------------------------------------------------------------------------------------------------

/** The type of a value that is one or the other. */
export function join(left: Type, right: Type): Type {
  if (left.kind === "error" || right.kind === "error") return { kind: "error" };
  return covers(right, left) ? right : covers(left, right) ? left : unionOf([left, right]);
}

export function unionOf(members: readonly Type[]): Type {
  const flat = members.flatMap((member) => (member.kind === "union" ? member.members : [member]));
  // Literals cover nothing but themselves, and there may be thousands.
  const written = new Set<unknown>();
  const wide = flat.filter((member) => member.kind !== "literal");
  const kept = flat.filter((member) => {
    if (member.kind === "literal") {
      if (written.has(member.value)) return false;
      written.add(member.value);
      return !wide.some((other) => covers(other, member));
    }
    const index = wide.indexOf(member);
    return !wide.some((other, place) => place !== index && covers(other, member) && (place < index || !covers(member, other)));
  });
  return kept.length === 1 ? kept[0]! : { kind: "union", members: kept };
}

/** All that `part` says is said by `all`. A type parameter says only itself, whatever it may turn out to be. */
function covers(all: Type, part: Type): boolean {
  if (all.kind === "variable" || part.kind === "variable") return all.kind === part.kind && print(all) === print(part);
  return fits(part, all);
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

const literals = new WeakMap<Type, ReadonlySet<unknown>>();
function literalsOf(union: Type & { readonly kind: "union" }): ReadonlySet<unknown> {
  const known = literals.get(union) ?? new Set(union.members.flatMap((member) => (member.kind === "literal" ? [member.value] : [])));
  literals.set(union, known);
  return known;
}

const fits = (from: Type, to: Type): boolean => mismatch(from, to) === null;

/** Why a value of `from` can't stand where `to` is wanted, innermost reason; null where it can. */
export function mismatch(from: Type, to: Type): string | null {
  if (from.kind === "error" || to.kind === "error" || from.kind === "any" || to.kind === "any" || to.kind === "variable") return null;
  if (from.kind === "resource") return mismatch(from.of, to.kind === "resource" ? to.of : to);
  if (from.kind === "union") return first(from.members, (member) => mismatch(member, to));
  if (to.kind === "union") {
    if (from.kind === "literal" && literalsOf(to).has(from.value)) return null;
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
      // Where secrets may go isn't a matter of types: effects and resources take them as the strings they are.
      return from.kind === "string" || from.kind === "secret" || (from.kind === "literal" && typeof from.value === "string") ? null : no;
    case "bool":
      return from.kind === "bool" || (from.kind === "literal" && typeof from.value === "boolean") ? null : no;
    case "literal":
      return from.kind === "literal" && from.value === to.value ? null : no;
    case "list":
      if (from.kind === "files") return mismatch({ kind: "file" }, to.item);
      return from.kind === "list"
        ? mismatchOfItems(from, to)
        : from.kind === "dataset"
          ? `${no}; \`collect\` makes a list of a data set`
          : no;
    case "dataset":
      if (from.kind === "dataset") return mismatch(from.row, to.row);
      if (from.kind === "files") return mismatch({ kind: "file" }, to.row);
      return from.kind === "list" ? mismatch(from.item, to.row) : no;
    case "record":
      return from.kind === "record" ? mismatchOfFields(from, to) : no;
    case "array":
      return from.kind === "array" && from.dtype === to.dtype ? null : no;
    case "tensor":
      if (from.kind !== "tensor" || from.dtype !== to.dtype) return no;
      return mismatchOfDims(from.dims, to.dims);
    case "part":
      return from.kind === "part" ? mismatch(from.of, to.of) : mismatch(from, to.of);
    case "function":
      return from.kind === "function" ? null : no;
    case "actor":
    case "pool":
    case "opaque":
      return from.kind === to.kind && from.name === to.name && from.file === to.file ? null : no;
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

/** Where a place is wanted for each item, the list has to have as many. */
function mismatchOfItems(from: Type & { kind: "list" }, to: Type & { kind: "list" }): string | null {
  if (!to.items) return from.items ? first(from.items, (item) => mismatch(item, to.item)) : mismatch(from.item, to.item);
  if (!from.items) return `${print(from)} isn't ${print(to)}`;
  if (from.items.length !== to.items.length) return `it has ${from.items.length} items, not ${to.items.length}`;
  return first(
    to.items.map((item, i) => [from.items![i]!, item] as const),
    ([is, wanted]) => mismatch(is, wanted),
  );
}

function mismatchOfFields(from: Type & { kind: "record" }, to: Type & { kind: "record" }): string | null {
  return first(to.fields, (wanted) => {
    const given = from.fields.find((field) => field.name === wanted.name);
    if (!given) return wanted.optional || mayBeNull(wanted.type) ? null : `field \`${wanted.name}\` is missing`;
    if (given.optional && !wanted.optional && !mayBeNull(wanted.type)) return `field \`${wanted.name}\` may be missing`;
    const why = mismatch(given.type, wanted.type);
    return why === null ? null : `field \`${wanted.name}\`: ${why}`;
  });
}

/** Only what can't be equal, whatever the symbols stand for, disagrees. */
function mismatchOfDims(from: readonly Dim[] | null, to: readonly Dim[] | null): string | null {
  if (from === null || to === null) return null;
  if (from.length !== to.length) return `it has ${dimensions(from.length)}, not ${to.length}`;
  for (const [i, dim] of from.entries()) {
    const other = to[i]!;
    if (!dimsAgree(dim, other)) return `its dimension ${i + 1} is ${sized(dim)}, not ${sized(other)}`;
  }
  return null;
}

const dimensions = (n: number): string => (n === 1 ? "1 dimension" : `${n} dimensions`);

/** `28*28 (784)`. */
function sized(dim: Dim): string {
  const known = dim.kind === "product" && dim.written !== undefined && dim.symbols.length === 0;
  return known ? `${printDim(dim)} (${dim.literal})` : printDim(dim);
}

/** A symbol is one size, which may be any: in one place it is no other symbol's size, and no number. One that is still free may be made to fit. */
function dimsAgree(left: Dim, right: Dim): boolean {
  if (left.kind === "any" || right.kind === "any") return true;
  if (!left.free && !right.free)
    return left.literal === right.literal && [...left.symbols].sort().join() === [...right.symbols].sort().join();
  if (left.symbols.length > 0 && right.symbols.length > 0)
    return left.literal === right.literal || [...left.symbols].sort().join() !== [...right.symbols].sort().join();
  if (left.symbols.length === 0 && right.symbols.length === 0) return left.literal === right.literal;
  const [number, product] = left.symbols.length === 0 ? [left, right] : [right, left];
  return number.literal % product.literal === 0;
}

// --- Type parameters -----------------------------------------------------------------------------------------------------

/** What the type parameters and the dimension symbols of a signature stand for in one call. */
export interface Bindings {
  readonly types: Map<string, Type>;
  readonly dims: Map<string, Dim>;
}
export const bindings = (): Bindings => ({ types: new Map(), dims: new Map() });

/**
 * Binds the type parameters and dimension symbols of `pattern` so that `given` fits. A type that is bound already is widened; a dimension
 * stays what it was first, so that an argument that disagrees with an earlier one doesn't fit.
 */
export function bind(pattern: Type, given: Type, bound: Bindings): void {
  switch (pattern.kind) {
    case "variable": {
      const before = bound.types.get(pattern.name);
      bound.types.set(pattern.name, before ? join(before, given) : given);
      return;
    }
    case "tensor":
      if (given.kind !== "tensor" || pattern.dims?.length !== given.dims?.length) return;
      pattern.dims?.forEach((dim, i) => {
        bindDim(dim, given.dims![i]!, bound.dims);
      });
      return;
    case "list":
      if (given.kind !== "list") return;
      if (!pattern.items) bind(pattern.item, given.item, bound);
      pattern.items?.forEach((item, i) => {
        bind(item, given.items?.[i] ?? given.item, bound);
      });
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
      for (const member of pattern.members) if (member !== open) bind(member, presentOf(given), bound);
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

/** Solves a product with one open symbol: `2*B` against 128 binds `B` to 64. */
function bindDim(pattern: Dim, given: Dim, bound: Map<string, Dim>): void {
  if (pattern.kind === "any" || given.kind === "any") return;
  const open = pattern.symbols.filter((symbol) => !bound.has(symbol));
  if (open.length !== 1) return;
  const known = substituteDim({ ...pattern, symbols: pattern.symbols.filter((symbol) => symbol !== open[0]) }, bound, "any");
  if (known.kind === "any" || given.literal % known.literal !== 0) return;
  const rest = [...given.symbols];
  for (const symbol of known.symbols) {
    const place = rest.indexOf(symbol);
    if (place < 0) return;
    rest.splice(place, 1);
  }
  const itself = pattern.literal === 1 && pattern.symbols.length === 1;
  bound.set(open[0]!, itself ? given : { kind: "product", literal: given.literal / known.literal, symbols: rest });
}

/** Unbound symbols make the dimension unknown, or stay as they are. */
function substituteDim(dim: Dim, bound: ReadonlyMap<string, Dim>, open: "any" | "kept"): Dim {
  if (dim.kind === "any" || dim.symbols.length === 0) return dim;
  const [only] = dim.symbols;
  if (dim.literal === 1 && dim.symbols.length === 1 && bound.has(only!)) return bound.get(only!)!;
  let { literal } = dim;
  const symbols: string[] = [];
  let free = false;
  for (const symbol of dim.symbols) {
    const found = bound.get(symbol);
    if (!found && open === "kept") {
      symbols.push(symbol);
      free = true;
    } else if (!found || found.kind === "any") return { kind: "any" };
    else {
      literal *= found.literal;
      symbols.push(...found.symbols);
    }
  }
  return { kind: "product", literal, symbols, ...(free ? { free } : {}) };
}

/** Bindings in which these symbols stand for themselves: sizes that are known by name where a type is read. */
export function knowing(symbols: Iterable<string>): Bindings {
  const dims = new Map([...symbols].map((symbol) => [symbol, { kind: "product", literal: 1, symbols: [symbol] } as const]));
  return { types: new Map(), dims };
}

/** The dimension symbols that a type names. */
export function symbolsOf(type: Type): ReadonlySet<string> {
  const found = new Set<string>();
  const visit = (one: unknown): void => {
    if (typeof one !== "object" || one === null) return;
    if ("symbols" in one && Array.isArray(one.symbols)) for (const symbol of one.symbols) found.add(String(symbol));
    for (const child of Object.values(one)) visit(child);
  };
  visit(type);
  return found;
}

/** True where it is only a tensor's sizes that don't fit. */
export function differsInSize(from: Type, to: Type): boolean {
  return mismatch(from, to) !== null && mismatch(sizeless(from), sizeless(to)) === null;
}

function sizeless(type: Type): Type {
  return JSON.parse(JSON.stringify(type, (key, value) => (key === "dims" ? null : value)));
}

/**
 * With its type parameters replaced; unbound ones become `any`. Unbound dimension symbols become `?`, so that a result doesn't carry the
 * callee's symbols to its caller; for a parameter that is still to be compared they are `kept`.
 */
export function substitute(type: Type, bound: Bindings, open: "any" | "kept" = "any"): Type {
  const inner = (one: Type): Type => substitute(one, bound, open);
  switch (type.kind) {
    case "variable":
      return bound.types.get(type.name) ?? { kind: "any" };
    case "tensor":
      return { ...type, dims: type.dims?.map((dim) => substituteDim(dim, bound.dims, open)) ?? null };
    case "list":
      return { kind: "list", item: inner(type.item), ...(type.items ? { items: type.items.map(inner) } : {}) };
    case "dataset":
      return { kind: "dataset", row: inner(type.row) };
    case "part":
      return { kind: "part", of: inner(type.of) };
    case "record": {
      const fields = type.fields.map((field) => ({ ...field, type: inner(field.type) }));
      if (!type.args) return { ...type, fields };
      const args = type.args.map(
        (arg): TypeArgument =>
          arg.kind === "type" ? { kind: "type", type: inner(arg.type) } : { kind: "dim", dim: substituteDim(arg.dim, bound.dims, open) },
      );
      return { ...type, fields, args };
    }
    case "union":
      return unionOf(type.members.map(inner));
    case "function":
      return { kind: "function", parameters: type.parameters.map(inner), returns: inner(type.returns) };
    default:
      return type;
  }
}

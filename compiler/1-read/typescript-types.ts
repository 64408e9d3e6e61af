// TypeScript's types as ours: what a pipeline's checks need of them, and by name what only TypeScript understands. Must not know
// where in a signature a type stands, or what will be checked.
import { ts } from "ts-morph";
import type { Dim, Dtype, FieldType, Type } from "../../lang/types.ts";
import type { DeclaredType } from "../module.ts";
import { fileName, packageRoot } from "../sources.ts";
import type { TypeScriptProgram } from "./typescript-program.ts";

const TYPED_ARRAYS: Readonly<Record<string, Dtype>> = {
  Float32Array: "f32",
  Float64Array: "f64",
  Int8Array: "i8",
  Uint8ClampedArray: "u8",
  Int16Array: "i16",
  Uint16Array: "u16",
  Int32Array: "i32",
  Uint32Array: "u32",
  BigInt64Array: "i64",
  BigUint64Array: "u64",
};
const DTYPES: readonly string[] = ["f32", "f64", "i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64"];
const SYNC_ITERATORS = [
  "Iterable",
  "Iterator",
  "IterableIterator",
  "IteratorObject",
  "Generator",
  "ArrayIterator",
  "MapIterator",
  "SetIterator",
];
const ASYNC_ITERATORS = ["AsyncIterable", "AsyncIterator", "AsyncIterableIterator", "AsyncIteratorObject", "AsyncGenerator"];
/** Of the language itself, and made anew on the other side. */
const CROSSING = ["Map", "ReadonlyMap", "Set", "ReadonlySet"];

/** Memory of a kind that isn't known. */
const ANY_MEMORY = "anything";

/** Deep enough for any data; deeper is a library's own structure. */
const MAX_DEPTH = 12;

export class TypeReader {
  readonly #program: TypeScriptProgram;
  readonly #checker: ts.TypeChecker;
  readonly #home: ts.SourceFile;

  /** `home`: the file whose signatures are read, where the names of its types mean something. */
  constructor(program: TypeScriptProgram, home: string) {
    this.#program = program;
    this.#home = program.file(home);
    this.#checker = program.checker;
  }

  read(type: ts.Type, within: readonly ts.Type[] = []): Type {
    const { flags } = type;
    if (flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown)) return { kind: "any" };
    if (flags & ts.TypeFlags.StringLiteral) return { kind: "literal", value: (type as ts.StringLiteralType).value };
    if (flags & ts.TypeFlags.NumberLiteral) return { kind: "literal", value: (type as ts.NumberLiteralType).value };
    if (flags & ts.TypeFlags.BooleanLiteral) return { kind: "literal", value: this.#checker.typeToString(type) === "true" };
    if (flags & ts.TypeFlags.NumberLike && !(flags & ts.TypeFlags.Union)) return { kind: "float" };
    if (flags & (ts.TypeFlags.String | ts.TypeFlags.TemplateLiteral | ts.TypeFlags.StringMapping)) return { kind: "string" };
    if (flags & ts.TypeFlags.Boolean) return { kind: "bool" };
    if (flags & (ts.TypeFlags.Null | ts.TypeFlags.Undefined)) return { kind: "null" };
    if (flags & ts.TypeFlags.Void) return { kind: "void" };
    if (flags & ts.TypeFlags.TypeParameter) return { kind: "variable", name: type.symbol.name };
    // What TypeScript says of a type parameter behind a promise.
    if (type.aliasSymbol?.name === "Awaited" && type.aliasTypeArguments?.[0] !== undefined)
      return this.read(type.aliasTypeArguments[0], within);
    const number = this.#numberBrand(type);
    if (number !== null) return { kind: number };
    if (this.#isSecret(type)) return { kind: "secret" };
    const primitive = type.isIntersection()
      ? type.types.find((member) => member.flags & (ts.TypeFlags.StringLike | ts.TypeFlags.BooleanLike))
      : undefined;
    if (primitive !== undefined) return this.read(primitive, within);
    if (within.includes(type) || within.length > MAX_DEPTH) return this.#opaque(type, true);
    const inside = [...within, type];
    if (type.isUnion()) return this.#union(type.types, inside);
    if (flags & (ts.TypeFlags.Object | ts.TypeFlags.Intersection)) return this.#object(type, inside);
    const constraint = flags & ts.TypeFlags.Instantiable ? this.#checker.getBaseConstraintOfType(type) : undefined;
    if (constraint !== undefined && constraint !== type) return this.read(constraint, inside);
    if (flags & ts.TypeFlags.ESSymbolLike) return this.#opaque(type, false, "a symbol is itself only in the process that made it");
    return this.#opaque(type, !(flags & ts.TypeFlags.Never));
  }

  /** Without the `undefined` that `?` adds. */
  readPresent(type: ts.Type, within: readonly ts.Type[] = []): Type {
    if (!type.isUnion()) return this.read(type, within);
    return this.#union(
      type.types.filter((member) => !(member.flags & ts.TypeFlags.Undefined)),
      within,
    );
  }

  /** What a caller gets: promises unwrapped, iterators as data sets. */
  readReturned(type: ts.Type): { returns: Type; async: boolean; iterates: "no" | "sync" | "async" } {
    const result = this.#checker.getAwaitedType(type) ?? type;
    // Of a type parameter TypeScript only says `Awaited<T>`.
    const awaited = result.aliasSymbol?.name === "Awaited" ? (result.aliasTypeArguments?.[0] ?? result) : result;
    const async = awaited !== type;
    const name = this.#libraryName(awaited);
    const iterates = SYNC_ITERATORS.includes(name) ? "sync" : ASYNC_ITERATORS.includes(name) ? "async" : "no";
    if (iterates === "no") return { returns: this.read(awaited), async, iterates };
    const [row] = this.#checker.getTypeArguments(awaited as ts.TypeReference);
    return { returns: { kind: "dataset", row: row === undefined ? { kind: "any" } : this.read(row) }, async, iterates };
  }

  /** Of `csv<Flight>(…)`: the type that is written, or that TypeScript finds where it isn't (`const rows: Dataset<Flight> = csv(…)`). */
  readRows(call: ts.CallExpression): (DeclaredType & { kind: "type" }) | null {
    const [written] = call.typeArguments ?? [];
    if (written !== undefined) return { kind: "type", type: this.readNode(written), span: this.#program.span(written) };
    const given = this.#checker.getTypeAtLocation(call);
    const [row] = this.isDataset(given) ? this.#checker.getTypeArguments(given as ts.TypeReference) : [];
    return row === undefined || row.flags & (ts.TypeFlags.Unknown | ts.TypeFlags.Any) ? null : { kind: "type", type: this.read(row) };
  }

  /** A type as written, which keeps the name of `T` in `View<T>`: TypeScript itself forgets it. */
  readNode(node: ts.TypeNode): Type {
    if (ts.isParenthesizedTypeNode(node)) return this.readNode(node.type);
    if (ts.isArrayTypeNode(node)) return { kind: "list", item: this.readNode(node.elementType) };
    if (ts.isTypeOperatorNode(node) && node.operator === ts.SyntaxKind.ReadonlyKeyword) return this.readNode(node.type);
    if (ts.isTypeReferenceNode(node) && node.typeArguments?.length === 1 && isOwn(this.#resolved(node.typeName), "View")) {
      return this.readNode(node.typeArguments[0]!);
    }
    return this.read(this.#checker.getTypeFromTypeNode(node));
  }

  /** True where nothing can be changed through the type, all the way down. */
  isReadonly(type: ts.Type, within: readonly ts.Type[] = []): boolean {
    const scalar =
      ts.TypeFlags.NumberLike | ts.TypeFlags.StringLike | ts.TypeFlags.BooleanLike | ts.TypeFlags.BigIntLike | ts.TypeFlags.ESSymbolLike;
    if (type.flags & (scalar | ts.TypeFlags.Null | ts.TypeFlags.Undefined | ts.TypeFlags.Void | ts.TypeFlags.Never)) return true;
    if (type.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown | ts.TypeFlags.Instantiable)) return false;
    if (within.includes(type)) return true;
    const inside = [...within, type];
    if (type.isUnion()) return type.types.every((member) => this.isReadonly(member, inside));
    if (type.isIntersection() && type.types.some((member) => member.flags & scalar)) return true;
    if (this.#isArrayView(type) || isOwn(type.symbol, "Dataset") || isOwn(type.symbol, "ReadonlyTensor")) return true;
    if (isOwn(type.symbol, "Tensor")) return false;
    if (this.#checker.isTupleType(type)) {
      const { target } = type as ts.TupleTypeReference;
      return target.readonly && this.#checker.getTypeArguments(type as ts.TypeReference).every((item) => this.isReadonly(item, inside));
    }
    if (this.#checker.isArrayType(type)) {
      return type.symbol.name === "ReadonlyArray" && this.isReadonly(this.#checker.getTypeArguments(type as ts.TypeReference)[0]!, inside);
    }
    const library = this.#libraryName(type);
    if (library === "ReadonlySet" || library === "ReadonlyMap") {
      return this.#checker.getTypeArguments(type as ts.TypeReference).every((item) => this.isReadonly(item, inside));
    }
    if (library !== "" || type.isClass()) return false;
    if (type.getCallSignatures().length > 0) return true;
    return (
      this.#checker.getIndexInfosOfType(type).every((index) => index.isReadonly && this.isReadonly(index.type, inside)) &&
      this.#checker
        .getPropertiesOfType(type)
        .every((field) => isReadonlyField(field) && this.isReadonly(this.#checker.getTypeOfSymbol(field), inside))
    );
  }

  /** Kinds of memory in a returned type that a value of a read-only type may be given for, without a cast. */
  lendable(type: ts.Type): readonly string[] {
    const kinds = new Set<string>();
    this.#lend(this.#checker.getAwaitedType(type) ?? type, kinds, []);
    return [...kinds].sort();
  }

  /** Adds the kinds; true where something inside may be changed that `View` keeps from being changed, so that no view fits here. */
  #lend(type: ts.Type, kinds: Set<string>, within: readonly ts.Type[]): boolean {
    const scalar = ts.TypeFlags.NumberLike | ts.TypeFlags.StringLike | ts.TypeFlags.BooleanLike | ts.TypeFlags.BigIntLike;
    if (type.flags & (scalar | ts.TypeFlags.Null | ts.TypeFlags.Undefined | ts.TypeFlags.Void | ts.TypeFlags.Never)) return false;
    if (within.includes(type)) return false;
    const inside = [...within, type];
    const all = (types: readonly ts.Type[]) => types.map((one) => this.#lend(one, kinds, inside)).some((guarded) => guarded);
    if (type.isUnion()) return all(type.types);
    if (type.isIntersection() && type.types.some((member) => member.flags & scalar)) return false;
    const view = this.#isArrayView(type) ? type.aliasTypeArguments?.[0] : undefined;
    const dtype =
      TYPED_ARRAYS[this.#libraryName(view ?? type)] ??
      (["Uint8Array", "Buffer"].includes(this.#libraryName(view ?? type)) ? "u8" : undefined);
    if (dtype !== undefined) {
      if (view !== undefined) kinds.add(dtype);
      return view === undefined;
    }
    if (isOwn(type.symbol, "Tensor")) return true;
    if (this.#checker.isArrayType(type) || this.#checker.isTupleType(type)) {
      const guarded = all(this.#checker.getTypeArguments(type as ts.TypeReference));
      const fixed = this.#checker.isTupleType(type)
        ? (type as ts.TupleTypeReference).target.readonly
        : type.symbol.name === "ReadonlyArray";
      if (fixed && !guarded) kinds.add("list");
      return !fixed || guarded;
    }
    const library = this.#libraryName(type);
    if ([...SYNC_ITERATORS, ...ASYNC_ITERATORS].includes(library))
      return all(this.#checker.getTypeArguments(type as ts.TypeReference).slice(0, 1));
    if (type.getCallSignatures().length > 0) return false;
    const fields = this.#checker.getPropertiesOfType(type);
    if (library !== "" || type.isClass() || fields.length === 0 || within.length > MAX_DEPTH || isOwn(type.symbol, "ReadonlyTensor")) {
      kinds.add(ANY_MEMORY);
      return false;
    }
    const guarded = all(fields.map((field) => this.#checker.getTypeOfSymbol(field)));
    if (!guarded) kinds.add("record");
    return guarded;
  }

  isDataset(type: ts.Type): boolean {
    return isOwn(type.symbol, "Dataset") || isOwn(type.symbol, "Groups");
  }

  #union(members: readonly ts.Type[], within: readonly ts.Type[]): Type {
    const read: Type[] = [];
    for (const member of members) {
      const type = this.read(member, within);
      if (!read.some((seen) => JSON.stringify(seen) === JSON.stringify(type))) read.push(type);
    }
    const both = (value: boolean) => read.findIndex((type) => type.kind === "literal" && type.value === value);
    if (both(true) >= 0 && both(false) >= 0) {
      read.splice(both(true), 1);
      read.splice(both(false), 1, { kind: "bool" });
    }
    return read.length === 1 ? read[0]! : { kind: "union", members: read };
  }

  #object(type: ts.Type, within: readonly ts.Type[]): Type {
    const checker = this.#checker;
    const view = this.#isArrayView(type) ? (type.aliasTypeArguments?.[0] ?? null) : null;
    if (view !== null) return this.read(view, within);
    if (checker.isTupleType(type)) return this.#tuple(type as ts.TupleTypeReference, within);
    if (checker.isArrayType(type)) return { kind: "list", item: this.read(checker.getTypeArguments(type as ts.TypeReference)[0]!, within) };
    if (isOwn(type.symbol, "Dataset"))
      return { kind: "dataset", row: this.read(checker.getTypeArguments(type as ts.TypeReference)[0]!, within) };
    if (isOwn(type.symbol, "InputFile")) return { kind: "file" };
    if (isOwn(type.symbol, "Tensor") || isOwn(type.symbol, "ReadonlyTensor")) return this.#tensor(type);

    const living = ["Actor", "Pool"].find((name) => isOwn(type.aliasSymbol, name));
    const instance = living === undefined ? undefined : type.aliasTypeArguments?.[0]?.symbol;
    const declared = instance?.valueDeclaration;
    if (instance !== undefined && declared !== undefined)
      return { kind: living === "Pool" ? "pool" : "actor", name: instance.name, file: this.#program.span(declared).file };

    const library = this.#libraryName(type);
    const dtype = TYPED_ARRAYS[library];
    if (dtype !== undefined) return { kind: "array", dtype };
    if (library === "Date") return { kind: "timestamp" };
    if (library === "Uint8Array" || library === "Buffer") return { kind: "bytes" };
    if (CROSSING.includes(library)) return this.#opaque(type, true);
    if (library === "Promise" || library === "PromiseLike") return this.#opaque(type, false, "a promise inside a value is never awaited");
    if ([...SYNC_ITERATORS, ...ASYNC_ITERATORS].includes(library))
      return this.#opaque(type, false, "an iterator inside a value can't be read elsewhere");
    if (library !== "") return this.#opaque(type, false, `a ${library} belongs to the process that made it`);

    const [call] = type.getCallSignatures();
    if (call !== undefined) {
      const parameters = call.parameters.map((parameter) => this.read(checker.getTypeOfSymbol(parameter), within));
      return {
        kind: "function",
        parameters,
        returns: this.read(checker.getAwaitedType(call.getReturnType()) ?? call.getReturnType(), within),
      };
    }
    if (type.getConstructSignatures().length > 0) return this.#opaque(type, false, "a class can't be sent, its instances' data can");
    if (type.isClass()) return this.#opaque(type, false, "an instance of a class loses its methods when it is sent");
    if (checker.getIndexInfosOfType(type).length > 0) return this.#opaque(type, true);
    return this.#record(type, within);
  }

  /** Items each at their place, unless some may be left out or repeat. */
  #tuple(type: ts.TupleTypeReference, within: readonly ts.Type[]): Type {
    const of = this.#checker.getTypeArguments(type);
    const item = this.#union(of, within);
    const fixed = type.target.elementFlags.every((flag) => flag === ts.ElementFlags.Required);
    return fixed && of.length > 0 ? { kind: "list", item, items: of.map((each) => this.read(each, within)) } : { kind: "list", item };
  }

  #record(type: ts.Type, within: readonly ts.Type[]): Type {
    const fields: FieldType[] = [];
    for (const field of this.#checker.getPropertiesOfType(type)) {
      const fieldType = this.#checker.getTypeOfSymbol(field);
      const optional = (field.flags & ts.SymbolFlags.Optional) !== 0;
      const read = optional ? this.readPresent(fieldType, within) : this.read(fieldType, within);
      if (read.kind === "function") return this.#opaque(type, false, `its field \`${field.name}\` is a function`);
      fields.push({ name: field.name, type: read, optional });
    }
    return { kind: "record", name: this.#name(type), fields };
  }

  #tensor(type: ts.Type): Type {
    const [dtype, dims] = this.#checker.getTypeArguments(type as ts.TypeReference);
    const named = dtype?.isStringLiteral() ? dtype.value : null;
    if (named === null || !DTYPES.includes(named)) return this.#opaque(type, true);
    const tuple = dims !== undefined && this.#checker.isTupleType(dims);
    return {
      kind: "tensor",
      dtype: named as Dtype,
      dims: tuple ? this.#checker.getTypeArguments(dims as ts.TypeReference).map(dimension) : null,
    };
  }

  /** `Secret` is a string with a mark that has no value. */
  #isSecret(type: ts.Type): boolean {
    const fields = type.isIntersection() ? this.#checker.getPropertiesOfType(type) : [];
    return fields.some((field) => field.escapedName.toString().startsWith("__@secret"));
  }

  /** `int` and `float` are numbers with a mark that has no value. */
  #numberBrand(type: ts.Type): "int" | "float" | null {
    if (!type.isIntersection() || !type.types.some((member) => member.flags & ts.TypeFlags.NumberLike)) return null;
    const marks = type.types
      .flatMap((member) => (member.flags & ts.TypeFlags.Object ? this.#checker.getPropertiesOfType(member) : []))
      .filter((field) => field.escapedName.toString().startsWith("__@numeric"))
      .flatMap((field) => {
        const mark = this.#checker.getNonNullableType(this.#checker.getTypeOfSymbol(field));
        return mark.isUnion() ? mark.types : [mark];
      })
      .map((mark) => (mark.isStringLiteral() ? mark.value : ""));
    return marks.length > 0 && marks.every((mark) => mark === "int") ? "int" : "float";
  }

  #opaque(type: ts.Type, crosses: boolean, why?: string): Type {
    // `Map<K, V>` of a generic function: any map, as far as its own checks go.
    if (crosses && isOpen(type)) return { kind: "any" };
    const symbol = type.aliasSymbol ?? type.symbol;
    const declared = symbol?.declarations?.[0]?.getSourceFile();
    // What the language itself declares is known by name everywhere, but its arguments (`Map<string, Row>`) only at home.
    const general = declared === undefined || this.#program.isLibrary(declared);
    const place = general ? this.#home : declared;
    const name = this.#checker.typeToString(type, place, ts.TypeFormatFlags.NoTruncation).replace(/import\("[^"]*"\)\./g, "");
    return { kind: "opaque", name, file: this.#program.name(place), crosses, ...(why === undefined ? {} : { why }) };
  }

  #name(type: ts.Type): string | null {
    const symbol = type.aliasSymbol ?? type.symbol;
    if (symbol === undefined || symbol.name.startsWith("__")) return null;
    // `View<…>` and its like say what may be done with a value, not what it is.
    if (type.aliasSymbol !== undefined && isOwn(type.aliasSymbol, type.aliasSymbol.name)) return null;
    return this.#checker.typeToString(type, symbol.declarations?.[0]?.getSourceFile());
  }

  #resolved(name: ts.EntityName): ts.Symbol | undefined {
    const symbol = this.#checker.getSymbolAtLocation(name);
    return symbol !== undefined && symbol.flags & ts.SymbolFlags.Alias ? this.#checker.getAliasedSymbol(symbol) : symbol;
  }

  #isArrayView(type: ts.Type): boolean {
    return isOwn(type.aliasSymbol, "ArrayView");
  }

  /** The name of a type of the language or of Node; empty for any other. */
  #libraryName(type: ts.Type): string {
    const { symbol } = type;
    if (symbol === undefined || symbol.name.startsWith("__")) return "";
    // Packages add to the language's types; one declaration of its own is enough.
    const ours = symbol.declarations?.some((declaration) => {
      const file = declaration.getSourceFile();
      return this.#program.isLibrary(file) || file.fileName.includes("/node_modules/@types/node/");
    });
    return ours ? symbol.name : "";
  }
}

/** Declared by Headrace's own `api`. */
export function isOwn(symbol: ts.Symbol | undefined, name: string): boolean {
  if (symbol?.name !== name) return false;
  const declared = symbol.declarations?.[0]?.getSourceFile().fileName;
  if (declared === undefined) return false;
  const inside = fileName(packageRoot(), declared);
  return inside.startsWith("api/") || inside.startsWith("dist/types/api/");
}

/** True where a type parameter stands in its arguments, or in place of it. */
function isOpen(type: ts.Type): boolean {
  if (type.flags & ts.TypeFlags.TypeParameter) return true;
  const reference = type.flags & ts.TypeFlags.Object && (type as ts.ObjectType).objectFlags & ts.ObjectFlags.Reference;
  const args = type.aliasTypeArguments ?? (reference ? (type as ts.TypeReference).typeArguments : undefined) ?? [];
  return args.some(isOpen) || (type.isUnionOrIntersection() && type.types.some(isOpen)) || (type.flags & ts.TypeFlags.Conditional) !== 0;
}

/** `784`, `"B"`, `"2*B"`, `"?"`, and a type parameter by its name. */
function dimension(type: ts.Type): Dim {
  if (type.flags & ts.TypeFlags.TypeParameter) return { kind: "product", literal: 1, symbols: [type.symbol.name] };
  if (type.isNumberLiteral()) return { kind: "product", literal: type.value, symbols: [] };
  if (!type.isStringLiteral() || type.value === "?") return { kind: "any" };
  const factors = type.value.split("*").map((factor) => factor.trim());
  const literal = factors.filter((factor) => /^\d+$/.test(factor)).reduce((product, factor) => product * Number(factor), 1);
  const symbols = factors.filter((factor) => !/^\d+$/.test(factor)).sort();
  return { kind: "product", literal, symbols, ...(factors.length - symbols.length > 1 ? { written: factors.join("*") } : {}) };
}

function isReadonlyField(field: ts.Symbol): boolean {
  // A mapped type (`Readonly<T>`, `View<T>`) marks the fields that it makes; TypeScript's declarations keep that to themselves.
  const READONLY = 8;
  const SYNTHETIC = 2 | 4;
  const { links } = field as ts.Symbol & { readonly links?: { readonly checkFlags?: number } };
  const flags = links?.checkFlags ?? 0;
  if (flags & READONLY) return true;
  const declaration = field.valueDeclaration;
  if (declaration === undefined || flags & SYNTHETIC) return false;
  const getterOnly = (field.flags & ts.SymbolFlags.GetAccessor) !== 0 && (field.flags & ts.SymbolFlags.SetAccessor) === 0;
  return getterOnly || (ts.getCombinedModifierFlags(declaration) & ts.ModifierFlags.Readonly) !== 0;
}

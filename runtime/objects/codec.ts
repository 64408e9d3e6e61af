// Values as bytes and back: MessagePack for structure, typed arrays out of band and 8-byte aligned, so that large data is copied
// once or, over shared memory, not at all. Decoding never runs code and never makes class instances. Must not know plans, tasks,
// sockets or files.
import { addExtension, Packr } from "msgpackr";
import type { Column } from "../hosts/link.ts";

const LONGEST_PATH = 60;

/** A value that can't leave its process. `path` says where inside the value, as `.model.layers[2]`. */
export class Unsendable extends Error {
  override readonly name = "Unsendable";
  readonly path: string;
  constructor(path: string, what: string) {
    const whole = path.replace(/^\./, "");
    // That of a value which holds itself goes on and on.
    const shown = whole.length > LONGEST_PATH ? `${whole.slice(0, LONGEST_PATH)}…` : whole;
    super(`${path === "" ? "the value" : `\`${shown}\``} is ${what}, which can't cross a process boundary`);
    this.path = path;
  }
}

/** A value cut in two: its structure, and the typed arrays that it names by place. */
export interface Parts {
  readonly structure: Uint8Array;
  readonly arrays: readonly ArrayBufferView[];
}

// --- Structure --------------------------------------------------------------------------------------------------------

/** Stands in the structure for typed array number `index`. */
class ArraySlot {
  readonly index: number;
  constructor(index: number) {
    this.index = index;
  }
}
/** MessagePack would turn these into plain objects. */
class MapEntries {
  readonly entries: readonly (readonly [unknown, unknown])[];
  constructor(entries: readonly (readonly [unknown, unknown])[]) {
    this.entries = entries;
  }
}

/** MessagePack has lists only. */
class SetItems {
  readonly items: readonly unknown[];
  constructor(items: readonly unknown[]) {
    this.items = items;
  }
}
/** MessagePack's integers have no `-0`, and results are the same bits wherever they were made. */
class NegativeZero {}
const isNegativeZero = (value: number): boolean => value === 0 && 1 / value < 0;

// Both are module state of the library; set only during one synchronous call.
let written: ArrayBufferView[] = [];
let given: readonly ArrayBufferView[] = [];
function readSlot(index: number): ArrayBufferView {
  const array = given[index];
  if (array === undefined) throw new Error(`corrupt value: there is no array ${index}`);
  return array;
}
const TypedArrayBase = Object.getPrototypeOf(Uint8Array) as new () => ArrayBufferView;

addExtension({
  Class: TypedArrayBase as new (...args: unknown[]) => ArrayBufferView,
  type: 0x10,
  write: (array: ArrayBufferView) => written.push(array) - 1,
  read: readSlot,
});
addExtension({
  Class: ArraySlot as new (...args: unknown[]) => unknown,
  type: 0x11,
  write: (slot: ArraySlot) => slot.index,
  read: readSlot,
} as never);
addExtension({
  Class: MapEntries as new (...args: unknown[]) => unknown,
  type: 0x12,
  write: (map: MapEntries) => map.entries,
  read: (entries: [unknown, unknown][]) => new Map(entries),
} as never);

addExtension({
  Class: NegativeZero as new (...args: unknown[]) => unknown,
  type: 0x13,
  write: () => null,
  read: () => -0,
} as never);

addExtension({
  Class: SetItems as new (...args: unknown[]) => unknown,
  type: 0x14,
  write: (set: SetItems) => set.items,
  read: (items: unknown[]) => new Set(items),
} as never);

const packer = new Packr({
  useRecords: false,
  mapsAsObjects: true,
  encodeUndefinedAsNil: true,
  moreTypes: false,
  useToJSON: false,
} as ConstructorParameters<typeof Packr>[0]);

const DEEPEST = 500;

/** Throws `Unsendable` for what MessagePack would drop or bend in silence. Gives whether there is something in it to be replaced. */
function check(value: unknown, path: () => string, depth: number): boolean {
  switch (typeof value) {
    case "function":
      throw new Unsendable(path(), "a function");
    case "symbol":
      throw new Unsendable(path(), "a symbol");
    case "object":
      break;
    case "number":
      return isNegativeZero(value);
    case "bigint":
      if (BigInt.asIntN(64, value) !== value && BigInt.asUintN(64, value) !== value)
        throw new Unsendable(path(), "an integer of more than 64 bits");
      return false;
    default:
      return false;
  }
  if (value === null) return false;
  if (depth > DEEPEST) throw new Unsendable(path(), `nested more than ${DEEPEST} deep (or holds itself)`);
  if (Array.isArray(value)) {
    let special = false;
    for (let i = 0; i < value.length; i++) {
      const item: unknown = value[i];
      if (typeof item === "string") continue;
      if (typeof item === "number") {
        if (isNegativeZero(item)) special = true;
        continue;
      }
      if (check(item, () => `${path()}[${i}]`, depth + 1)) special = true;
    }
    return special;
  }
  if (ArrayBuffer.isView(value)) return !(value instanceof TypedArrayBase) || Buffer.isBuffer(value);
  const prototype = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) {
    let special = false;
    for (const name of Object.keys(value)) {
      const field: unknown = (value as Record<string, unknown>)[name];
      if (name === "__proto__") throw new Unsendable(`${path()}.__proto__`, "a field that changes an object's kind");
      if (typeof field === "string") continue;
      if (typeof field === "number") {
        if (isNegativeZero(field)) special = true;
        continue;
      }
      if (check(field, () => `${path()}.${name}`, depth + 1)) special = true;
    }
    return special || prototype === null;
  }
  if (value instanceof Date) return false;
  if (value instanceof Set) {
    for (const item of value) check(item, () => `${path()}{…}`, depth + 1);
    return true;
  }
  if (value instanceof Map) {
    for (const [key, item] of value) {
      check(key, () => `${path()}{key}`, depth + 1);
      check(item, () => `${path()}{${String(key)}}`, depth + 1);
    }
    return true;
  }
  const made = (prototype as { constructor?: { name?: string } }).constructor?.name;
  throw new Unsendable(path(), `an instance of ${made ? `the class ${made}` : "a class"}`);
}

/** What MessagePack has no form for, replaced by what it has. Copies only where it must. */
function replaced(value: unknown): unknown {
  if (typeof value === "number") return isNegativeZero(value) ? new NegativeZero() : value;
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  if (Array.isArray(value)) return value.map(replaced);
  if (ArrayBuffer.isView(value)) {
    if (value instanceof DataView || Buffer.isBuffer(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    return value;
  }
  if (value instanceof Set) return new SetItems([...value].map(replaced));
  if (value instanceof Map) return new MapEntries([...value].map(([key, item]) => [replaced(key), replaced(item)] as const));
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, replaced(field)]));
}

/**
 * Cuts a value into structure and typed arrays, copying neither. `undefined` becomes `null`, a `Buffer` or `DataView` a
 * `Uint8Array`. Throws `Unsendable`.
 */
export function split(value: unknown): Parts {
  const sendable = check(value, () => "", 0) ? replaced(value) : value;
  written = [];
  try {
    // `pack` hands out a part of its own pool; that may be kept, since it moves on.
    return { structure: packer.pack(sendable), arrays: written };
  } finally {
    written = [];
  }
}

/** The value whose typed arrays are the given ones themselves. */
export function join(structure: Uint8Array, arrays: readonly ArrayBufferView[]): unknown {
  given = arrays;
  try {
    // Text can't be decoded straight out of shared memory.
    return packer.unpack(structure.buffer instanceof SharedArrayBuffer ? Uint8Array.from(structure) : structure);
  } finally {
    given = [];
  }
}

// --- One run of bytes -------------------------------------------------------------------------------------------------
//
//   u32 bytes of structure · u32 number of arrays · per array: u32 element type, u32 0, f64 bytes · structure · arrays
//
// The structure and every array are padded to 8 bytes, so that an array can be read in place.

const elementTypes = [
  Uint8Array,
  Int8Array,
  Uint8ClampedArray,
  Uint16Array,
  Int16Array,
  Uint32Array,
  Int32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
] as const;
const codeOf = new Map<unknown, number>(elementTypes.map((type, code) => [type, code]));

/** Which of the typed arrays this is, as a small number. */
export function elementCode(array: ArrayBufferView): number {
  const code = codeOf.get(array.constructor);
  if (code === undefined) throw new Unsendable("", `a ${array.constructor.name}`);
  return code;
}

/** A typed array over memory that somebody else owns. */
export function viewOf(code: number, buffer: ArrayBufferLike, byteOffset: number, byteLength: number): ArrayBufferView {
  const type = elementTypes[code];
  if (type === undefined || byteLength % type.BYTES_PER_ELEMENT !== 0)
    throw new Error("corrupt value: an array of an unknown type or size");
  return new type(buffer as ArrayBuffer, byteOffset, byteLength / type.BYTES_PER_ELEMENT);
}

const HEADER_BYTES = 8;
const ENTRY_BYTES = 16;
const padded = (bytes: number) => (bytes + 7) & ~7;
/** Beyond 2 GiB the bit trick above is wrong. */
const paddedArray = (bytes: number) => Math.ceil(bytes / 8) * 8;

export function partsBytes(parts: Parts): number {
  let bytes = HEADER_BYTES + ENTRY_BYTES * parts.arrays.length + padded(parts.structure.length);
  for (const array of parts.arrays) bytes += paddedArray(array.byteLength);
  return bytes;
}

/** Writes `partsBytes(parts)` bytes to where `into` begins, which must be 8-byte aligned. */
export function writeParts(parts: Parts, into: Uint8Array): void {
  const { structure, arrays } = parts;
  const view = new DataView(into.buffer, into.byteOffset, into.byteLength);
  view.setUint32(0, structure.length, true);
  view.setUint32(4, arrays.length, true);
  let at = HEADER_BYTES;
  for (const array of arrays) {
    view.setUint32(at, elementCode(array), true);
    view.setUint32(at + 4, 0, true);
    view.setFloat64(at + 8, array.byteLength, true);
    at += ENTRY_BYTES;
  }
  into.set(structure, at);
  at += padded(structure.length);
  for (const array of arrays) {
    into.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), at);
    at += paddedArray(array.byteLength);
  }
}

export function encode(value: unknown): Uint8Array {
  const parts = split(value);
  const bytes = new Uint8Array(partsBytes(parts));
  writeParts(parts, bytes);
  return bytes;
}

/**
 * The value in `bytes`. With `share` its typed arrays are views into that memory wherever its alignment allows; otherwise they are copies.
 * Throws on bytes that `encode` didn't write.
 */
export function decode(bytes: Uint8Array, { share }: { readonly share: boolean }): unknown {
  if (bytes.length < HEADER_BYTES) throw new Error("corrupt value: too short");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const structureBytes = view.getUint32(0, true);
  const count = view.getUint32(4, true);
  const structureAt = HEADER_BYTES + ENTRY_BYTES * count;
  let at = structureAt + padded(structureBytes);
  if (at > bytes.length) throw new Error("corrupt value: too short");
  const arrays: ArrayBufferView[] = new Array(count);
  for (let i = 0; i < count; i++) {
    const entry = HEADER_BYTES + ENTRY_BYTES * i;
    const code = view.getUint32(entry, true);
    const length = view.getFloat64(entry + 8, true);
    if (!(length >= 0 && at + length <= bytes.length)) throw new Error("corrupt value: an array runs past its end");
    arrays[i] =
      share && (bytes.byteOffset + at) % 8 === 0
        ? viewOf(code, bytes.buffer, bytes.byteOffset + at, length)
        : viewOf(code, Uint8Array.from(bytes.subarray(at, at + length)).buffer, 0, length);
    at += paddedArray(length);
  }
  return join(bytes.subarray(structureAt, structureAt + structureBytes), arrays);
}

// --- Columns: many small values in one piece ----------------------------------------------------------------------------

/** Throws `Unsendable`, with the value's place as the first step of its path. */
export function writeColumn(values: readonly unknown[]): Column {
  const first = values[0];
  if (typeof first === "number") {
    const column = numbers(values);
    if (column) return { kind: "numbers", values: column };
  } else if (Array.isArray(first)) {
    const column = rows(values);
    if (column) return column;
  }
  return pack(values);
}

/** Each value by itself. */
function pack(values: readonly unknown[]): Column & { kind: "packed" } {
  const encoded = values.map((value) => encode(value));
  const lengths = new Uint32Array(encoded.length);
  let total = 0;
  for (let i = 0; i < encoded.length; i++) total += lengths[i] = encoded[i]!.length;
  const bytes = new Uint8Array(total);
  let at = 0;
  for (const one of encoded) {
    bytes.set(one, at);
    at += one.length;
  }
  return { kind: "packed", lengths, bytes };
}

function numbers(values: readonly unknown[]): Float64Array | null {
  const column = new Float64Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (typeof value !== "number") return null;
    column[i] = value;
  }
  return column;
}

function rows(values: readonly unknown[]): Column | null {
  let total = 0;
  let single = true;
  for (const value of values) {
    if (!Array.isArray(value)) return null;
    total += value.length;
    if (value.length !== 1) single = false;
  }
  const column = new Float64Array(total);
  let at = 0;
  for (const value of values as readonly unknown[][]) {
    for (let i = 0; i < value.length; i++) {
      const row = value[i];
      if (typeof row !== "number") return null;
      column[at++] = row;
    }
  }
  return {
    kind: "rows",
    lengths: single ? null : Uint32Array.from(values as readonly unknown[][], (value) => value.length),
    values: column,
  };
}

export function columnLength(column: Column): number {
  if (column.kind === "numbers") return column.values.length;
  return column.lengths?.length ?? (column as { values: Float64Array }).values.length;
}

/** Where each of the pieces begins, and where the last one ends. */
function starts(lengths: Uint32Array): Float64Array {
  const found = new Float64Array(lengths.length + 1);
  for (let i = 0; i < lengths.length; i++) found[i + 1] = found[i]! + lengths[i]!;
  return found;
}

/** A reader of single values, for which the column's layout is worked out once. `share` as in `decode`. */
export function columnReader(column: Column, { share }: { readonly share: boolean }): (index: number) => unknown {
  if (column.kind === "numbers") return (index) => column.values[index];
  const { lengths } = column;
  if (column.kind === "rows") {
    if (lengths === null) return (index) => [column.values[index]];
    const at = starts(lengths);
    return (index) => Array.from(column.values.subarray(at[index], at[index + 1]));
  }
  const at = starts(column.lengths);
  return (index) => decode(column.bytes.subarray(at[index], at[index + 1]), { share });
}

/** All values in order. */
export function columnValues(column: Column, how: { readonly share: boolean }): unknown[] {
  const read = columnReader(column, how);
  return Array.from({ length: columnLength(column) }, (_, index) => read(index));
}

/** Of long columns that are read in many small pieces. */
const knownStarts = new WeakMap<Uint32Array, Float64Array>();
const LONG_COLUMN = 64;

function startOf(lengths: Uint32Array, index: number): number {
  let at = 0;
  if (index <= LONG_COLUMN) {
    for (let i = 0; i < index; i++) at += lengths[i]!;
    return at;
  }
  let known = knownStarts.get(lengths);
  if (!known) knownStarts.set(lengths, (known = starts(lengths)));
  return known[index]!;
}

/** Values `from … to - 1`, over the same memory. */
export function sliceColumn(column: Column, from: number, to: number): Column {
  if (column.kind === "numbers") return { kind: "numbers", values: column.values.subarray(from, to) };
  if (column.kind === "rows" && column.lengths === null) return { kind: "rows", lengths: null, values: column.values.subarray(from, to) };
  const lengths = column.lengths!;
  const begin = startOf(lengths, from);
  let end = begin;
  for (let i = from; i < to; i++) end += lengths[i]!;
  const kept = lengths.subarray(from, to);
  return column.kind === "rows"
    ? { kind: "rows", lengths: kept, values: column.values.subarray(begin, end) }
    : { kind: "packed", lengths: kept, bytes: column.bytes.subarray(begin, end) };
}

/** One after another. */
export function joinColumns(columns: readonly Column[]): Column {
  if (columns.length > 0 && columns.every((column) => column.kind === "numbers"))
    return { kind: "numbers", values: joinFloats(columns.map(({ values }) => values)) };
  if (columns.length > 0 && columns.every((column) => column.kind === "rows")) {
    const single = columns.every(({ lengths }) => lengths === null);
    const lengths = single ? null : joinLengths(columns.map((column) => column.lengths ?? new Uint32Array(column.values.length).fill(1)));
    return { kind: "rows", lengths, values: joinFloats(columns.map(({ values }) => values)) };
  }
  const packed = columns.map((column) => (column.kind === "packed" ? column : pack(columnValues(column, { share: true }))));
  const bytes = new Uint8Array(packed.reduce((sum, column) => sum + column.bytes.length, 0));
  let at = 0;
  for (const column of packed) {
    bytes.set(column.bytes, at);
    at += column.bytes.length;
  }
  return { kind: "packed", lengths: joinLengths(packed.map(({ lengths }) => lengths)), bytes };
}

function joinFloats(parts: readonly Float64Array[]): Float64Array {
  const joined = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
function joinLengths(parts: readonly Uint32Array[]): Uint32Array {
  const joined = new Uint32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

// --- Columns as bytes ------------------------------------------------------------------------------------------------------------

const COLUMN_KINDS = ["numbers", "packed", "rows"] as const;

/** A column by itself. Numbers and single values, which are the many, without a detour: kind, count, and then what it holds. */
export function columnBytes(column: Column): Uint8Array {
  const kind = COLUMN_KINDS.indexOf(column.kind);
  const body =
    column.kind === "numbers"
      ? new Uint8Array(column.values.buffer, column.values.byteOffset, column.values.byteLength)
      : column.kind === "packed"
        ? column.bytes
        : encode(column);
  const lengths = column.kind === "packed" ? column.lengths : NO_LENGTHS;
  const start = 8 + padded(lengths.byteLength);
  const bytes = new Uint8Array(start + body.length);
  const head = new DataView(bytes.buffer);
  head.setUint32(0, kind, true);
  head.setUint32(4, lengths.length, true);
  bytes.set(new Uint8Array(lengths.buffer, lengths.byteOffset, lengths.byteLength), 8);
  bytes.set(body, start);
  return bytes;
}

const NO_LENGTHS = new Uint32Array(0);

/** What `columnBytes` wrote, in memory of its own. */
export function columnFrom(bytes: Uint8Array): Column {
  const head = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kind = COLUMN_KINDS[head.getUint32(0, true)];
  const count = head.getUint32(4, true);
  const start = 8 + padded(count * 4);
  const body = bytes.slice(start);
  switch (kind) {
    case "numbers":
      return { kind, values: new Float64Array(body.buffer, 0, body.length / 8) };
    case "packed":
      return { kind, lengths: new Uint32Array(bytes.slice(8, 8 + count * 4).buffer), bytes: body };
    case "rows":
      return decode(body, { share: true }) as Column;
    default:
      throw new Error("corrupt value: no such column");
  }
}

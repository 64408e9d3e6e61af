// Values whose numbers can be added, as one run of numbers and back: what gradients and states of training are. Where the numbers lie in such
// a value is its layout; two parts of one batch have the same. Knows values only.

export type FloatArray = Float32Array | Float64Array;

/** A value's structure, with what isn't a number as it is. */
type Shape =
  | { readonly kind: "number" }
  | { readonly kind: "array"; readonly type: "f32" | "f64"; readonly length: number }
  | { readonly kind: "list"; readonly items: readonly Shape[] }
  | { readonly kind: "record"; readonly fields: readonly (readonly [name: string, shape: Shape])[] }
  | { readonly kind: "other"; readonly value: unknown };

export interface Layout {
  readonly shape: Shape;
  readonly numbers: number;
  readonly arrays: readonly { readonly type: "f32" | "f64"; readonly length: number }[];
  /** The same for values of the same layout, as far as numbers go. */
  readonly key: string;
}

/** The numbers of a value: its own arrays, and a list of all that stand alone. */
export interface Flat {
  readonly numbers: number[];
  readonly arrays: FloatArray[];
}

/** `strict`: all of it is to be added, so that what can't be is an error; else what has no numbers stays as it is. */
export function layoutOf(value: unknown, { strict }: { readonly strict: boolean }): Layout {
  const arrays: { type: "f32" | "f64"; length: number }[] = [];
  let numbers = 0;
  const words: string[] = [];
  const visit = (one: unknown): Shape => {
    if (typeof one === "number") {
      numbers++;
      words.push("n");
      return { kind: "number" };
    }
    if (one instanceof Float32Array || one instanceof Float64Array) {
      const array = { type: one instanceof Float32Array ? ("f32" as const) : ("f64" as const), length: one.length };
      arrays.push(array);
      words.push(`${array.type}:${array.length}`);
      return { kind: "array", ...array };
    }
    if (Array.isArray(one)) {
      words.push("[");
      const items = one.map(visit);
      words.push("]");
      return { kind: "list", items };
    }
    if (isRecord(one)) {
      words.push("{");
      const tensor = isTensor(one);
      const fields = Object.entries(one).map(([name, field]): readonly [string, Shape] => {
        words.push(name);
        return [name, tensor && name !== "data" ? { kind: "other", value: field } : visit(field)];
      });
      words.push("}");
      return { kind: "record", fields };
    }
    const isMade = typeof one === "object" && one !== null && !ArrayBuffer.isView(one) && !(one instanceof Date);
    // What a class has made might hold numbers that would be left out without a word.
    if (strict || isMade)
      throw new TypeError(
        `training over several members adds up numbers, \`Float32Array\` and \`Float64Array\`, and records and lists of those, not ${isMade ? `a \`${one.constructor?.name ?? "value"}\`` : one === null ? "null" : ArrayBuffer.isView(one) ? `a \`${one.constructor.name}\`` : `a ${typeof one}`}`,
      );
    words.push("-");
    return { kind: "other", value: one };
  };
  const shape = visit(value);
  return { shape, numbers, arrays, key: words.join(" ") };
}

/** Of a list: to which of its items each number and each array belongs. */
export function ownersOf({ shape }: Layout): { readonly numbers: readonly number[]; readonly arrays: readonly number[] } {
  if (shape.kind !== "list") throw new Error("bug: parts that aren't a list");
  const owners = { numbers: [] as number[], arrays: [] as number[] };
  const visit = (one: Shape, item: number): void => {
    if (one.kind === "number") owners.numbers.push(item);
    else if (one.kind === "array") owners.arrays.push(item);
    else if (one.kind === "list") for (const inner of one.items) visit(inner, item);
    else if (one.kind === "record") for (const [, field] of one.fields) visit(field, item);
  };
  shape.items.forEach((item, i) => void visit(item, i));
  return owners;
}

/** Null where the value has another layout. */
export function flatten(value: unknown, layout: Layout): Flat | null {
  const flat: Flat = { numbers: [], arrays: [] };
  return gather(value, layout.shape, flat) ? flat : null;
}

function gather(value: unknown, shape: Shape, into: Flat): boolean {
  switch (shape.kind) {
    case "number":
      if (typeof value !== "number") return false;
      into.numbers.push(value);
      return true;
    case "array":
      if (!(value instanceof (shape.type === "f32" ? Float32Array : Float64Array)) || value.length !== shape.length) return false;
      into.arrays.push(value);
      return true;
    case "list":
      return Array.isArray(value) && value.length === shape.items.length && shape.items.every((item, i) => gather(value[i], item, into));
    case "record":
      return isRecord(value) && shape.fields.every(([name, field]) => gather(value[name], field, into));
    case "other":
      return true;
  }
}

/** A value of that layout. Its arrays are those that are given; what isn't a number is that of `like`. */
export function unflatten({ shape }: Layout, { numbers, arrays }: Flat, like?: unknown): unknown {
  let [nextNumber, nextArray] = [0, 0];
  const build = (one: Shape, other: unknown): unknown => {
    switch (one.kind) {
      case "number":
        return numbers[nextNumber++];
      case "array":
        return arrays[nextArray++];
      case "list":
        return one.items.map((item, i) => build(item, Array.isArray(other) ? other[i] : undefined));
      case "record": {
        const from = isRecord(other) ? other : undefined;
        return Object.fromEntries(one.fields.map(([name, field]) => [name, build(field, from?.[name])]));
      }
      case "other":
        return other === undefined ? one.value : other;
    }
  };
  return build(shape, like);
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" &&
  value !== null &&
  !ArrayBuffer.isView(value) &&
  !Array.isArray(value) &&
  [Object.prototype, null].includes(Object.getPrototypeOf(value) as null);

/** Its shape isn't to be added. */
export const isTensor = (value: Record<string, unknown>) =>
  typeof value.dtype === "string" && Array.isArray(value.shape) && ArrayBuffer.isView(value.data);

/** Neighbours pairwise, level by level: the one tree in which all parts and partials are put together. */
export function inTree<T>(parts: readonly T[], merged: (left: T, right: T) => T): T | undefined {
  let level = parts;
  while (level.length > 1) {
    const next: T[] = new Array((level.length + 1) >> 1);
    for (let i = 0; i < next.length; i++) next[i] = 2 * i + 1 < level.length ? merged(level[2 * i]!, level[2 * i + 1]!) : level[2 * i]!;
    level = next;
  }
  return level[0];
}

export const sumInTree = (numbers: readonly number[]): number => inTree(numbers, (left, right) => left + right)!;

export const newArray = ({ type, length }: { readonly type: "f32" | "f64"; readonly length: number }): FloatArray =>
  type === "f32" ? new Float32Array(length) : new Float64Array(length);

/** Numbers and arrays of a layout in one piece of memory that threads share, each array from a multiple of 64 bytes on. */
export class Plot {
  readonly numbers: Float64Array;
  readonly arrays: readonly FloatArray[];

  constructor(layout: Layout, memory: SharedArrayBuffer, at = 0) {
    this.numbers = new Float64Array(memory, at, layout.numbers);
    let next = at + padded(layout.numbers * 8);
    this.arrays = layout.arrays.map(({ type, length }) => {
      const array = type === "f32" ? new Float32Array(memory, next, length) : new Float64Array(memory, next, length);
      next += padded(array.byteLength);
      return array;
    });
  }

  /** The first byte of each array. */
  static begins({ numbers, arrays }: Layout): number[] {
    let next = padded(numbers * 8);
    return arrays.map(({ type, length }) => {
      const at = next;
      next += padded(length * (type === "f32" ? 4 : 8));
      return at;
    });
  }

  static bytes({ numbers, arrays }: Layout): number {
    return padded(numbers * 8) + arrays.reduce((sum, { type, length }) => sum + padded(length * (type === "f32" ? 4 : 8)), 0);
  }

  write({ numbers, arrays }: Flat): void {
    this.numbers.set(numbers);
    arrays.forEach((array, i) => {
      // What lies here already needs no copy.
      if (array !== this.arrays[i]) this.arrays[i]!.set(array);
    });
  }

  /** A copy that nobody else sees. */
  copy(): Flat {
    return { numbers: [...this.numbers], arrays: this.arrays.map((array) => array.slice()) };
  }
}

export const bytesOf = ({ numbers, arrays }: Flat): number => arrays.reduce((sum, { byteLength }) => sum + byteLength, 8 * numbers.length);

const padded = (bytes: number) => (bytes + 63) & ~63;

/** Elements `from … to - 1` of an array as one of so many equal ranges. */
export const rangeOf = (length: number, index: number, of: number): readonly [from: number, to: number] => [
  Math.floor((index * length) / of),
  Math.floor(((index + 1) * length) / of),
];

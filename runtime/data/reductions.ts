// Reductions: a block folded in its order, partial results combined in one fixed binary tree by block, and the finish. Rounding
// is therefore the same under every schedule. Knows values only.

import { inTree, isTensor } from "../training/additive.ts";
import { int } from "./scalars.ts";

/** How one reduction works on plain values. `null` as a partial stands for no rows at all. */
interface Reduction {
  readonly fold: (values: readonly unknown[], by: Combiner | null) => unknown;
  readonly merge: (left: never, right: never, by: Combiner | null) => unknown;
  readonly finish: (whole: never, name: string) => unknown;
}
export type Combiner = (left: unknown, right: unknown) => unknown;
interface MeanPartial {
  readonly sum: unknown;
  readonly count: number;
}

const addInt = (left: number, right: number): number => int(left + right, left, "+", right);
const same = (whole: unknown) => whole;
const present = (whole: unknown, name: string) => {
  if (whole === null) throw new RangeError(`\`${name}\` of a data set without rows`);
  return whole;
};
/** Of numbers, or of times. */
const extreme = (pick: (a: number, b: number) => number): Reduction => {
  const of = (a: unknown, b: unknown): unknown =>
    a instanceof Date && b instanceof Date ? new Date(pick(a.getTime(), b.getTime())) : pick(number(a), number(b));
  return { fold: (values) => (values.length === 0 ? null : values.reduce(of)), merge: of as Reduction["merge"], finish: present };
};

const reductions: Readonly<Record<string, Reduction>> = {
  count: {
    fold: (values) => values.length,
    merge: (left: number, right: number) => left + right,
    finish: (whole: number | null) => whole ?? 0,
  },
  sum: {
    fold: (values) => (values.length === 0 ? null : values.reduce(add)),
    merge: (left: unknown, right: unknown) => add(left, right),
    finish: (whole: unknown) => whole ?? 0,
  },
  // Arithmetic on `int`s fails where it isn't exact.
  sumInt: {
    fold: (values) => (values.length === 0 ? null : (values as readonly number[]).reduce(addInt)),
    merge: (left: number, right: number) => addInt(left, right),
    finish: (whole: number | null) => whole ?? 0,
  },
  mean: {
    fold: (values) => (values.length === 0 ? null : { sum: values.reduce(add), count: values.length }),
    merge: (left: MeanPartial, right: MeanPartial) => ({ sum: add(left.sum, right.sum), count: left.count + right.count }),
    finish: (whole: MeanPartial | null, name) => {
      present(whole, name);
      return scale(whole!.sum, whole!.count);
    },
  },
  min: extreme(Math.min),
  max: extreme(Math.max),
  any: {
    fold: (values) => values.some((value) => value === true),
    merge: (left: boolean, right: boolean) => left || right,
    finish: (whole) => whole ?? false,
  },
  all: {
    fold: (values) => values.every((value) => value === true),
    merge: (left: boolean, right: boolean) => left && right,
    finish: (whole) => whole ?? true,
  },
  // In a list of its own, since `null` may be a row.
  reduce: {
    fold: (values, by) => (values.length === 0 ? null : [values.reduce((left, right) => by!(left, right))]),
    merge: (left: readonly unknown[], right: readonly unknown[], by) => [by!(left[0], right[0])],
    finish: (whole: readonly unknown[] | null, name) => (present(whole, name) as readonly unknown[])[0],
  },
  // In a list too.
  first: {
    fold: (values) => (values.length === 0 ? null : [values[0]]),
    merge: (left: unknown) => left,
    finish: (whole: readonly unknown[] | null, name) => (present(whole, name) as readonly unknown[])[0],
  },
  collect: {
    fold: same,
    merge: (left: readonly unknown[], right: readonly unknown[]) => [...left, ...right],
    finish: (whole) => whole ?? [],
  },
};

export const reductionNames: readonly string[] = Object.keys(reductions);

function find(name: string): Reduction {
  const found = Object.hasOwn(reductions, name) ? reductions[name] : undefined;
  if (!found) throw new Error(`bug: there is no reduction ${name}`);
  return found;
}

/** Of one block. */
export function fold(name: string, values: readonly unknown[], by: Combiner | null): unknown {
  return find(name).fold(values, by);
}

/** Of all partials, in block order. */
export function combine(name: string, partials: readonly unknown[], by: Combiner | null): unknown {
  if (name === "collect") return (partials as readonly unknown[][]).flat();
  return finish(name, inTree(partials, (left, right) => merge(name, left, right, by)) ?? null);
}

/** Two partials, either of which may be of no rows. */
export function merge(name: string, left: unknown, right: unknown, by: Combiner | null): unknown {
  return left === null ? right : right === null ? left : find(name).merge(left as never, right as never, by);
}

/** What the whole partial says. */
export function finish(name: string, whole: unknown): unknown {
  return find(name).finish(whole as never, name);
}

// --- Additive values: numbers, typed arrays, records and lists of those ---------------------------------------------------

type NumberArray = Float32Array | Float64Array;
const isArray = (value: unknown): value is NumberArray => value instanceof Float32Array || value instanceof Float64Array;

function number(value: unknown): number {
  if (typeof value !== "number") throw new TypeError(`a number was wanted, not ${value === null ? "null" : typeof value}`);
  return value;
}

function add(left: unknown, right: unknown): unknown {
  if (typeof left === "number" && typeof right === "number") return left + right;
  return together(left, right, (a, b) => a + b);
}

/** Every number divided by `count`. */
function scale(value: unknown, count: number): unknown {
  if (typeof value === "number") return value / count;
  return together(value, value, (a) => a / count);
}

function together(left: unknown, right: unknown, f: (a: number, b: number) => number): unknown {
  if (typeof left === "number" && typeof right === "number") return f(left, right);
  if (isArray(left) && isArray(right) && left.constructor === right.constructor) {
    sameLength(left.length, right.length);
    const sum = new (left.constructor as new (length: number) => NumberArray)(left.length);
    for (let i = 0; i < sum.length; i++) sum[i] = f(left[i]!, right[i]!);
    return sum;
  }
  if (Array.isArray(left) && Array.isArray(right)) {
    sameLength(left.length, right.length);
    return left.map((item, i) => together(item, right[i], f));
  }
  if (isRecord(left) && isRecord(right)) {
    if (isTensor(left)) return { ...left, data: together(left.data, right.data, f) };
    return Object.fromEntries(Object.keys(left).map((name) => [name, together(left[name], right[name], f)]));
  }
  throw new TypeError("`mean` and `sum` want numbers, `Float32Array` or `Float64Array`, or records and lists of those");
}
function sameLength(left: number, right: number): void {
  if (left !== right) throw new RangeError(`\`mean\` and \`sum\` want values of one length, not ${left} and ${right}`);
}
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !ArrayBuffer.isView(value) && !Array.isArray(value);

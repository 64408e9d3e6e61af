// Scalar arithmetic and built-in functions of expressions: what JavaScript's own operators don't promise (safe integers,
// structural equality, bounds). Called by the JavaScript that `expressions.ts` writes.

import { timeFunctions } from "./times.ts";

/** The result of arithmetic on `int`s. */
export function int(value: number, left: number, operator: string, right: number): number {
  if (Number.isSafeInteger(value)) return value;
  if (operator === "%" && right === 0) throw new RangeError(`${left} % 0 has no result`);
  throw new RangeError(`${left} ${operator} ${right} is ${value}, which is no safe integer: beyond ±2^53 integers aren't exact`);
}

/** Of plain data; `NaN` equals nothing, as everywhere. */
export function equal(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) return (left ?? null) === (right ?? null);
  if (Array.isArray(left)) return Array.isArray(right) && left.length === right.length && left.every((item, i) => equal(item, right[i]));
  if (ArrayBuffer.isView(left)) {
    if (!ArrayBuffer.isView(right) || left.constructor !== right.constructor) return false;
    const a = left as Float64Array;
    const b = right as Float64Array;
    return a.length === b.length && a.every((item, i) => item === b[i]);
  }
  if (left instanceof Date) return right instanceof Date && left.getTime() === right.getTime();
  if (left instanceof Map)
    return (
      right instanceof Map && left.size === right.size && [...left].every(([key, item]) => right.has(key) && equal(item, right.get(key)))
    );
  if (left instanceof Set) return right instanceof Set && left.size === right.size && [...left].every((item) => right.has(item));
  if (Array.isArray(right) || ArrayBuffer.isView(right) || right instanceof Map || right instanceof Set || right instanceof Date)
    return false;
  const names = new Set([...Object.keys(left), ...Object.keys(right)]);
  return [...names].every((name) =>
    equal((left as Record<string, unknown>)[name] ?? null, (right as Record<string, unknown>)[name] ?? null),
  );
}

/** `of[index]`: of a list or typed array within its bounds, or a record's field, `null` where it has none. */
export function index(of: unknown, at: unknown): unknown {
  if (typeof at === "string")
    return typeof of === "object" && of !== null && Object.hasOwn(of, at) ? ((of as Record<string, unknown>)[at] ?? null) : null;
  const list = of as ArrayLike<unknown>;
  const place = at as number;
  if (Number.isInteger(place) && place >= 0 && place < list.length) return list[place] ?? null;
  throw new RangeError(`there is no item ${place} in a list of ${list.length}`);
}

export function text(value: unknown): string {
  if (typeof value === "string") return value;
  if (value instanceof Date) return value.toISOString();
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value ?? null);
}

/** An own copy of plain data, down to its typed arrays. Those that lie on shared memory become private. */
export function copy(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copy);
  if (ArrayBuffer.isView(value)) {
    return value instanceof DataView ? new DataView(value.buffer.slice(0)) : (value as Float64Array).slice();
  }
  if (value instanceof Date) return new Date(value);
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [copy(key), copy(item)]));
  if (value instanceof Set) return new Set([...value].map(copy));
  const own: Record<string, unknown> = {};
  for (const name of Object.keys(value)) own[name] = copy((value as Record<string, unknown>)[name]);
  return own;
}

type Scalar = (...args: never[]) => unknown;
const whole = (value: number, name: string): number => {
  if (Number.isSafeInteger(value)) return value;
  throw new RangeError(`\`${name}\` gave ${value}, which is no safe integer`);
};

/** By the name that programs use. */
export const builtins: Readonly<Record<string, Scalar>> = {
  abs: Math.abs,
  sign: Math.sign,
  exp: Math.exp,
  log: Math.log,
  log2: Math.log2,
  log10: Math.log10,
  sqrt: Math.sqrt,
  pow: Math.pow,
  sin: Math.sin,
  cos: Math.cos,
  tanh: Math.tanh,
  round: (value: number) => whole(Math.round(value), "round"),
  floor: (value: number) => whole(Math.floor(value), "floor"),
  ceil: (value: number) => whole(Math.ceil(value), "ceil"),
  min: (...values: number[]) => Math.min(...values),
  max: (...values: number[]) => Math.max(...values),
  len: (value: ArrayLike<unknown>) => value.length,
  lower: (value: string) => value.toLowerCase(),
  upper: (value: string) => value.toUpperCase(),
  trim: (value: string) => value.trim(),
  contains: (value: string | readonly unknown[], part: unknown) =>
    typeof value === "string" ? value.includes(part as string) : value.some((item) => equal(item, part)),
  startsWith: (value: string, part: string) => value.startsWith(part),
  endsWith: (value: string, part: string) => value.endsWith(part),
  replace: (value: string, what: string, by: string) => value.replaceAll(what, by),
  ...timeFunctions,
  float: (value: number) => value,
  int: (value: number) => whole(Math.trunc(value), "int"),
  string: text,
};

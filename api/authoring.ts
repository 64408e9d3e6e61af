// The forms of annotated TypeScript: an exported function tagged `@pipeline` composes them, the compiler reads it into the
// same program as `.pipe` text, and nothing here ever runs. Types only, as exact as plain `tsc` can check; that parts are
// combined before they reach an update is the compiler's own check.

declare const numeric: unique symbol;

/** A safe integer. Any `number` may be given where one is wanted; the runtime holds it to the promise. */
export type int = number & { readonly [numeric]?: "int" };
/** A 64-bit floating-point number; an `int` widens to it. */
export type float = number & { readonly [numeric]?: "int" | "float" };

/** What `mean` and `sum` combine: numbers, typed arrays, and records and lists of those. */
export type Additive = number | Float32Array | Float64Array | readonly Additive[] | { readonly [field: string]: Additive };

/** The shares of `split`, by the name of each part; `seed` chooses the rows. */
export type Parts = { readonly [part: string]: float };

type MaybePromise<T> = T | PromiseLike<T>;
/** Additive all the way down; also for interfaces, which have no index signature. */
type AdditiveOf<T> = T extends number | Float32Array | Float64Array ? T : T extends object ? { [K in keyof T]: AdditiveOf<T[K]> } : never;

/**
 * An ordered sequence of rows in blocks that its source fixes. Only the compiler gives one a meaning: methods are read, not
 * called. Row-wise methods keep the blocks, so they run in parallel under any schedule with the same result.
 */
export interface Dataset<T> {
  map<U>(f: (row: T) => MaybePromise<U>): Dataset<U>;
  filter(keep: (row: T) => boolean): Dataset<T>;
  flatMap<U>(f: (row: T) => readonly U[]): Dataset<U>;
  withIndex(): Dataset<{ readonly index: int; readonly row: T }>;
  concat(other: Dataset<T>): Dataset<T>;
  zip<U>(other: Dataset<U>): Dataset<readonly [T, U]>;

  /** Deals the rows into named parts by a hash of the seed and the row's place: `split({ train: 0.8, test: 0.2, seed })`. */
  split<const P extends Parts>(parts: P): { readonly [K in Exclude<keyof P, "seed">]: Dataset<T> };
  /** Another order, fixed by the seed and the rows' places. */
  shuffle(seed: int): Dataset<T>;
  sortBy(key: (row: T) => number | string): Dataset<T>;
  first(n: int): Dataset<T>;
  take(n: int): Dataset<T>;
  /** Runs of `n` rows, each a batch; the last may be shorter. */
  batches(n: int, options?: { readonly dropLast?: boolean }): Dataset<readonly T[]>;

  count(): int;
  sum(by: (row: T) => number): float;
  mean(by: (row: T) => number): float;
  min(by: (row: T) => number): float;
  max(by: (row: T) => number): float;
  any(test: (row: T) => boolean): boolean;
  all(test: (row: T) => boolean): boolean;
  reduce(f: (left: T, right: T) => T): T;
  /** All rows in one list: the only way from a data set to an array. */
  collect(): readonly T[];
}

/** A list, an iterator or a generator of rows as a data set. */
export function dataset<T>(source: MaybePromise<Iterable<T> | AsyncIterable<T>>): Dataset<T> {
  return onlyRead("dataset", source);
}

/** The integers from 0 up to `n`, in `blocks` blocks. */
export function range(n: int, options?: { readonly blocks?: int }): Dataset<int> {
  return onlyRead("range", n, options);
}

/**
 * The sequential stochastic-gradient fold: `update` is applied to the carried state and one batch after another, for each of
 * `epochs` passes over `over(epoch)`. Gives the last state. `epoch` counts from 0.
 */
export function fit<S, B>(
  init: MaybePromise<S>,
  over: (epoch: int) => Dataset<B>,
  epochs: int,
  update: (state: S, batch: B) => MaybePromise<S>,
): S {
  return onlyRead("fit", init, over, epochs, update);
}

/** Records a number along the run of a `fit`, under a name. */
export function track(name: string, value: float): void {
  onlyRead("track", name, value);
}

/** The mean over the parts of a batch, weighted by their rows. */
export function mean<T>(part: T & AdditiveOf<T>): T {
  return onlyRead("mean", part);
}
/** The sum over the parts of a batch. */
export function sum<T>(part: T & AdditiveOf<T>): T {
  return onlyRead("sum", part);
}
/** The least over the parts of a batch. */
export function min(part: float): float {
  return onlyRead("min", part);
}
/** The greatest over the parts of a batch. */
export function max(part: float): float {
  return onlyRead("max", part);
}
/** The lists of all parts of a batch, in order. */
export function concat<T>(part: readonly T[]): readonly T[] {
  return onlyRead("concat", part);
}

function onlyRead(form: string, ..._arguments: readonly unknown[]): never {
  throw new Error(
    `\`${form}\` of "headrace" was called as a plain function: a function tagged @pipeline is read by the compiler, never called. ` +
      `Run its file with \`headrace run FILE\`, or compile it with \`compile\` of "headrace/engine".`,
  );
}

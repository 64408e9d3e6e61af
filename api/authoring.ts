// The forms of annotated TypeScript: an exported function tagged `@pipeline` composes them, the compiler reads it into the
// same program as `.pipe` text, and nothing here ever runs. Types only, as exact as plain `tsc` can check; that parts are
// combined before they reach an update is the compiler's own check.

import type { InputFile, InputFiles } from "./file.ts";

declare const numeric: unique symbol;

/** A safe integer. Any `number` may be given where one is wanted; the runtime holds it to the promise. */
export type int = number & { readonly [numeric]?: "int" };
/** A 64-bit floating-point number; an `int` widens to it. */
export type float = number & { readonly [numeric]?: "int" | "float" };

/** What `mean` and `sum` combine: numbers, typed arrays, and records and lists of those. */
export type Additive = number | Float32Array | Float64Array | readonly Additive[] | { readonly [field: string]: Additive };

/** The shares of `split`, by the name of each part; `seed` chooses the rows. */
export type Parts = { readonly [part: string]: float };

/** A row that a function threw on, and what it said. */
export interface Failed<T> {
  readonly row: T;
  readonly error: { readonly name: string; readonly message: string };
}

/** Why a run failed, and where: a block of a data set, or null for a stage that has none. */
export interface Failure {
  readonly stage: string;
  readonly block: int | null;
  readonly name: string;
  readonly message: string;
}

/** Rows by their key, in the order in which the keys first appear. */
export interface Groups<K, T> extends Omit<Dataset<{ readonly key: K; readonly rows: T[] }>, "agg"> {
  /** A row for each group: `rows.groupBy((r) => r.city).agg((city) => ({ n: city.count(), late: city.mean((r) => r.delay) }))`. */
  agg<A extends object>(of: (group: Dataset<T>) => A): Dataset<{ readonly key: K } & A>;
}

/** A time with its unit: `"20ms"`, `"1.5s"`, `"10m"`. */
export type Duration = `${number}${"ms" | "s" | "m" | "h" | "d"}`;

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
  /** What `f` gives, and apart from it the rows that it threw on. Leaving `failed` unread is an error. */
  attempt<U>(f: (row: T) => MaybePromise<U>): { readonly ok: Dataset<U>; readonly failed: Dataset<Failed<T>> };
  withIndex(): Dataset<{ readonly index: int; readonly row: T }>;
  concat(other: Dataset<T>): Dataset<T>;
  zip<U>(other: Dataset<U>): Dataset<[T, U]>;

  /** Deals the rows into named parts by a hash of the seed and the row's place: `split({ train: 0.8, test: 0.2, seed })`. */
  split<const P extends Parts>(parts: P): { readonly [K in Exclude<keyof P, "seed">]: Dataset<T> };
  /** Another order, fixed by the seed and the rows' places. */
  shuffle(seed: int): Dataset<T>;
  sortBy(key: (row: T) => number | string | Date): Dataset<T>;
  /** The first row, or the first `n`. */
  first(): T;
  first(n: int): Dataset<T>;
  take(n: int): Dataset<T>;
  /** About that share of the rows, chosen by a hash of the seed and the row's place. */
  sample(share: float, options: { readonly seed: int }): Dataset<T>;
  groupBy<K>(key: (row: T) => K): Groups<K, T>;
  /** What `f` makes of runs of `size` rows, one after the other. */
  mapBatches<U>(size: int, f: (rows: T[]) => MaybePromise<readonly U[]>): Dataset<U>;
  /** Runs of `n` rows, each a batch; the last may be shorter. */
  batches(n: int, options?: { readonly dropLast?: boolean }): Dataset<T[]>;

  count(): int;
  sum(by: (row: T) => number): float;
  sum<A>(by: (row: T) => A & AdditiveOf<A>): A;
  mean(by: (row: T) => number): float;
  mean<A>(by: (row: T) => A & AdditiveOf<A>): A;
  min(by: (row: T) => number): float;
  min(by: (row: T) => Date): Date;
  max(by: (row: T) => number): float;
  max(by: (row: T) => Date): Date;
  any(test: (row: T) => boolean): boolean;
  all(test: (row: T) => boolean): boolean;
  reduce(f: (left: T, right: T) => T): T;
  /** Several reductions at once: `rows.agg((all) => ({ n: all.count(), late: all.mean((r) => r.delay) }))`. */
  agg<A extends object>(of: (all: Dataset<T>) => A): A;
  /** All rows in one list: the only way from a data set to an array. */
  collect(): T[];

  /** Writes a file with a header, as an effect: `perform(rows.writeCsv("out.csv"))`. */
  writeCsv(path: string): void;
  /** One JSON value a line. */
  writeJsonLines(path: string): void;
  /** Rows of text, a line each. */
  writeText(path: string): void;
}

/** A list, an iterator or a generator of rows as a data set. */
export function dataset<T>(source: MaybePromise<Iterable<T> | AsyncIterable<T>>): Dataset<T> {
  return onlyRead("dataset", source);
}

/** The integers from 0 up to `n`, in `blocks` blocks. */
export function range(n: int, options?: { readonly blocks?: int }): Dataset<int> {
  return onlyRead("range", n, options);
}

/** The default of a parameter that is a file, from the folder of the program: `flights: InputFile = file("flights.csv")`. */
export function file(path: string): InputFile {
  return onlyRead("file", path);
}

/** The default of a parameter that is all files that a pattern finds: `logs: InputFiles = files("logs/*.jsonl")`. */
export function files(pattern: string): InputFiles {
  return onlyRead("files", pattern);
}

/** The rows of a CSV file, held to the type that is named: `csv<Flight>(flights)`. Columns are found by their names in the header. */
export function csv<Row>(from: InputFile | InputFiles, options?: { readonly separator?: string }): Dataset<Row> {
  return onlyRead("csv", from, options);
}

/** The JSON values of a file, one a line, held to the type that is named: `jsonLines<Event>(logs)`. */
export function jsonLines<Row>(from: InputFile | InputFiles): Dataset<Row> {
  return onlyRead("jsonLines", from);
}

/** The lines of a file. */
export function text(from: InputFile | InputFiles): Dataset<string> {
  return onlyRead("text", from);
}

/**
 * The sequential stochastic-gradient fold: `update` is applied to the carried state and one batch after another, for each of
 * `epochs` passes over `over(epoch)`. Gives the last state. `epoch` and `step` count from 0. Several values are carried by name:
 * `fit({ w: init(1), m: zeros() }, …, ({ w, m }, batch) => …)`.
 */
export function fit<S, B>(
  init: MaybePromise<S>,
  over: (epoch: int) => Dataset<B>,
  epochs: int,
  update: (state: S, batch: B, at: { readonly epoch: int; readonly step: int }) => MaybePromise<S>,
  options?: { readonly eachEpoch?: (state: S, epoch: int) => void },
): S {
  return onlyRead("fit", init, over, epochs, update, options);
}

/** Records a number along the run of a `fit`, under a name. */
export function track(name: string, value: float): void {
  onlyRead("track", name, value);
}

/** After an epoch: keeps this value where the tracked number is the best so far. A tracked number may be given by its name. */
export function keep(value: unknown, by: { readonly minimizing: float | string } | { readonly maximizing: float | string }): void {
  onlyRead("keep", value, by);
}

/** After an epoch: ends the `fit` where the tracked number hasn't improved for so many. */
export function stopAfter(epochs: int, options: { readonly withoutImprovementOf: float | string }): void {
  onlyRead("stopAfter", epochs, options);
}

/**
 * From state to state until `until` is true, `max` times at most. `until` compares what was with what comes next:
 * `loop(start, { max: 50 }, (c) => { const next = move(c); return { next, until: distance(c, next) < 1e-4 }; })`.
 */
export function loop<S>(
  init: MaybePromise<S>,
  options: { readonly max: int },
  step: (state: S) => MaybePromise<{ readonly next: S; readonly until: boolean }>,
): S {
  return onlyRead("loop", init, options, step);
}

/** Runs the block for each item, in parallel and sized at run time; the list of what the blocks give, in order. Any stages may stand in it. */
export function forEach<T, U>(items: Dataset<T> | Iterable<T>, block: (item: T) => MaybePromise<U>): U[] {
  return onlyRead("forEach", items, block);
}

/** The value, or the other one where it takes longer. */
export function within<T, U>(limit: Duration, value: MaybePromise<T>, otherwise: { readonly else: MaybePromise<U> }): T | U {
  return onlyRead("within", limit, value, otherwise);
}

/** Fails the run where the condition is false. */
export function expect(condition: boolean, message?: string): void {
  onlyRead("expect", condition, message);
}

/** A call for its effect: never left out, and in order with the others: `perform(notify(x))`. */
export function perform(effect: unknown): void {
  onlyRead("perform", effect);
}

/** What to do when the run fails. */
export function onFailure(block: (failure: Failure) => void): void {
  onlyRead("onFailure", block);
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
export function concat<T>(part: readonly T[]): T[] {
  return onlyRead("concat", part);
}

declare const living: unique symbol;

/** What can be asked of an actor: the public methods of its class. */
type Asked<C> = {
  readonly [M in keyof C as C[M] extends (...args: never[]) => unknown ? M : never]: C[M] extends (...args: infer A) => infer R
    ? (...args: A) => Awaited<R>
    : never;
};
/** An instance of a class that lives in one slot and keeps its state between calls. */
export type Actor<C> = Asked<C> & { readonly [living]: "one" };
/** Several of them; a call of a pool goes to whichever is free. */
export type Pool<C> = Asked<C> & { readonly [living]: "several" };

/** `spawn(new Sim(7))`, or `spawn(4, (i) => new Sim(i))`; `named`: kept under that name for the next run. */
export function spawn<C extends object>(made: C, options?: { readonly named: string }): Actor<C>;
export function spawn<C extends object>(count: int, make: (number: int) => C, options?: { readonly named: string }): Pool<C>;
export function spawn(...given: readonly unknown[]): never {
  return onlyRead("spawn", ...given);
}

/** What all actors of a pool give, in their order: `each(sims, (sim) => sim.rollout(policy))`. */
export function each<C, R>(pool: Pool<C>, ask: (actor: Actor<C>) => R): R[] {
  return onlyRead("each", pool, ask);
}

// Times are those of UTC, to the millisecond.

/** From ISO 8601 (`"2020-01-31T12:30:00Z"`), or from milliseconds since 1970. */
export function timestamp(of: string | Date | int): Date {
  return onlyRead("timestamp", of);
}
/** The beginning of a time's day. */
export function date(of: string | Date | int): Date {
  return onlyRead("date", of);
}
export function year(of: Date): int {
  return onlyRead("year", of);
}
/** 1 is January. */
export function month(of: Date): int {
  return onlyRead("month", of);
}
export function day(of: Date): int {
  return onlyRead("day", of);
}
export function hour(of: Date): int {
  return onlyRead("hour", of);
}
export function minute(of: Date): int {
  return onlyRead("minute", of);
}
export function second(of: Date): int {
  return onlyRead("second", of);
}
/** 1 is Monday. */
export function weekday(of: Date): int {
  return onlyRead("weekday", of);
}

function onlyRead(form: string, ..._arguments: readonly unknown[]): never {
  throw new Error(
    `\`${form}\` of "headrace" was called as a plain function: a function tagged @pipeline is read by the compiler, never called. ` +
      `Run its file with \`headrace run FILE\`, or compile it with \`compile\` of "headrace/engine".`,
  );
}

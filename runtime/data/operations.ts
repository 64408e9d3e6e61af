// What the data-set operations do to rows: row-wise ones block by block, others over the whole set. Called by the JavaScript that
// `expressions.ts` writes. Knows rows and keys; must not know plans, tasks or where blocks lie.
import type { Block } from "./rows.ts";
import { allRows, chance, DataSet, fromList, keyReader, mix } from "./rows.ts";

type RowFunction = (row: unknown, index: number) => unknown;

/** Rows of one block that may be in the hands of an asynchronous function at a time. */
const IN_FLIGHT = 16;

/** In order, whatever finishes first. */
export async function mapRows(rows: readonly unknown[], f: RowFunction): Promise<unknown[]> {
  const results: unknown[] = new Array(rows.length);
  let next = 0;
  const lane = async () => {
    while (next < rows.length) {
      const index = next++;
      results[index] = await f(rows[index], index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(IN_FLIGHT, rows.length) }, lane));
  return results;
}

/** Each row's value by a function that is asynchronous; all else is the same as for one that isn't. */
export async function computed(set: DataSet, f: RowFunction): Promise<unknown[][]> {
  const values: unknown[][] = [];
  for (const block of set.blocks) values.push(await mapRows(block.rows, f));
  return values;
}
export function computedNow(set: DataSet, f: RowFunction): unknown[][] {
  return set.blocks.map((block) => block.rows.map(f));
}

const eachBlock = (set: DataSet, change: (block: Block, index: number) => Block) => new DataSet(set.blocks.map(change));

export function map(set: DataSet, values: readonly unknown[][]): DataSet {
  return eachBlock(set, (block, index) => ({ rows: values[index]!, keys: block.keys }));
}

export function filter(set: DataSet, values: readonly unknown[][]): DataSet {
  return eachBlock(set, (block, index) => keepWhere(block, (row) => values[index]![row] === true));
}

function keepWhere(block: Block, keep: (index: number) => boolean): Block {
  const kept: number[] = [];
  for (let i = 0; i < block.rows.length; i++) if (keep(i)) kept.push(i);
  if (kept.length === block.rows.length) return block;
  const rows = kept.map((i) => block.rows[i]);
  if (block.keys.kind === "none") return { rows, keys: block.keys };
  const key = keyReader(block);
  return { rows, keys: { kind: "each", values: Float64Array.from(kept, key) } };
}

/** How a row went: what the function gave, or what it threw beside the row. */
type Attempted =
  | { readonly ok: unknown }
  | { readonly failed: { readonly row: unknown; readonly error: { readonly name: string; readonly message: string } } };

function failedRow(row: unknown, thrown: unknown): Attempted {
  // What may pass by itself is no data: the task is tried again.
  if (thrown instanceof Error && thrown.name === "TransientError") throw thrown;
  const error = thrown instanceof Error ? { name: thrown.name, message: thrown.message } : { name: "Error", message: String(thrown) };
  return { failed: { row, error } };
}

export function attemptNow(set: DataSet, f: RowFunction): DataSet {
  const values = computedNow(set, (row, index): Attempted => {
    try {
      return { ok: f(row, index) };
    } catch (thrown) {
      return failedRow(row, thrown);
    }
  });
  return map(set, values);
}
export async function attempt(set: DataSet, f: RowFunction): Promise<DataSet> {
  const values = await computed(set, async (row, index): Promise<Attempted> => {
    try {
      return { ok: await f(row, index) };
    } catch (thrown) {
      return failedRow(row, thrown);
    }
  });
  return map(set, values);
}
export function attemptPart(set: DataSet, part: "ok" | "failed"): DataSet {
  const kept = eachBlock(set, (block) => keepWhere(block, (row) => part in (block.rows[row] as Attempted)));
  return eachBlock(kept, ({ rows, keys }) => ({ rows: rows.map((row) => (row as Record<string, unknown>)[part] ?? null), keys }));
}

/** Several rows may come of one: each gets the key of the row that it came from. */
export function flatMap(set: DataSet, values: readonly unknown[][]): DataSet {
  return eachBlock(set, (block, index) => {
    const rows: unknown[] = [];
    const from: number[] = [];
    const keyed = block.keys.kind !== "none";
    values[index]!.forEach((list, i) => {
      if (!Array.isArray(list)) throw new TypeError("`flatMap` wants a list for each row");
      for (const row of list) {
        rows.push(row ?? null);
        if (keyed) from.push(i);
      }
    });
    if (!keyed) return { rows, keys: block.keys };
    return { rows, keys: { kind: "each", values: Float64Array.from(from, keyReader(block)) } };
  });
}

/** Runs of at most `size` rows; none crosses the end of its block. */
export function runs(set: DataSet, size: number): DataSet {
  if (!Number.isSafeInteger(size) || size < 1) throw new RangeError(`\`mapBatches\` wants a size of at least 1, not ${size}`);
  return eachBlock(set, ({ rows }) => ({
    rows: Array.from({ length: Math.ceil(rows.length / size) }, (_, i) => rows.slice(i * size, (i + 1) * size)),
    keys: { kind: "none" },
  }));
}

/** What was made of each run, one row for each. */
export function mapBatches(set: DataSet, size: number, made: readonly unknown[][]): DataSet {
  return eachBlock(set, (block, index) => {
    const rows: unknown[] = [];
    made[index]!.forEach((list, run) => {
      const wanted = Math.min(size, block.rows.length - run * size);
      if (!Array.isArray(list)) throw new TypeError("`mapBatches` wants a list of rows for each run of rows");
      if (list.length !== wanted)
        throw new RangeError(`\`mapBatches\` wants a row for each row: of ${wanted} its function made ${list.length}`);
      for (const row of list) rows.push(row ?? null);
    });
    return { rows, keys: block.keys };
  });
}

export function withIndex(set: DataSet): DataSet {
  return eachBlock(set, (block) => {
    const key = keyReader(block);
    return { rows: block.rows.map((row, i) => ({ index: key(i), row })), keys: block.keys };
  });
}

/** The rows whose chance, given the seed and their keys, lies in `from … to`. */
export function splitPart(set: DataSet, seed: number, from: number, to: number): DataSet {
  return eachBlock(set, (block) => {
    const key = keyReader(block);
    return keepWhere(block, (i) => {
      const at = chance(seed, SPLIT, key(i));
      return from <= at && at < to;
    });
  });
}

/** Each row is drawn by itself, with the chance `share`. */
export function sampleShare(set: DataSet, seed: number, share: number): DataSet {
  if (!(share >= 0 && share <= 1)) throw new RangeError(`\`sample\` wants a share from 0 to 1, not ${share}`);
  return eachBlock(set, (block) => {
    const key = keyReader(block);
    return keepWhere(block, (i) => chance(seed, SAMPLE, key(i)) < share);
  });
}

/** The `count` rows whose hashes of the seed and their keys are least, in the order in which they were. */
export function sampleRows(set: DataSet, seed: number, count: number): DataSet {
  if (!Number.isSafeInteger(count) || count < 0) throw new RangeError(`\`sample\` wants a number of rows, not ${count}`);
  const all = set.blocks.map((block) => {
    const key = keyReader(block);
    return Float64Array.from(block.rows, (_, i) => chance(seed, SAMPLE, key(i)));
  });
  const total = all.reduce((sum, chances) => sum + chances.length, 0);
  if (count >= total) return set;
  const sorted = new Float64Array(total);
  let at = 0;
  for (const chances of all) {
    sorted.set(chances, at);
    at += chances.length;
  }
  sorted.sort();
  const limit = sorted[count]!;
  // Rows with the same key, made by `flatMap`, have the same chance: the first of them are taken.
  let ties = count - sorted.indexOf(limit);
  return eachBlock(set, (block, index) => keepWhere(block, (i) => all[index]![i]! < limit || (all[index]![i] === limit && ties-- > 0)));
}
const SAMPLE = 0x5a3;
const SPLIT = 0x5b1;
const SHUFFLE = 0x54f;

/** By a hash of the seed and the row's key; equal hashes stay in the order of the rows. */
export function shuffle(set: DataSet, seed: number): DataSet {
  const rows = allRows(set);
  const hashes = new Float64Array(rows.length);
  let at = 0;
  for (const block of set.blocks) {
    const key = keyReader(block);
    for (let i = 0; i < block.rows.length; i++) hashes[at++] = mix(seed, SHUFFLE, key(i), 0);
  }
  return fromList(order(hashes).map((i) => rows[i]));
}

/** Places in the order of their 32-bit hashes. */
function order(hashes: Float64Array): number[] {
  const PLACES = 2 ** 21;
  if (hashes.length > PLACES) return Array.from(hashes.keys()).sort((a, b) => hashes[a]! - hashes[b]! || a - b);
  // Hash and place in one exact number: typed arrays sort numbers without a comparison function.
  const both = hashes.map((hash, place) => hash * PLACES + place).sort();
  return Array.from(both, (value) => value % PLACES);
}

/** Stable; numbers by size, text by code points, `null` last. */
export function sortBy(set: DataSet, values: readonly unknown[][]): DataSet {
  const rows = allRows(set);
  const keys = values.flat();
  const places = Array.from(rows.keys()).sort((a, b) => compare(keys[a], keys[b]) || a - b);
  return fromList(places.map((i) => rows[i]));
}

export function compare(a: unknown, b: unknown): number {
  if (a === b) return 0;
  if (a === null || a === undefined) return b === null || b === undefined ? 0 : 1;
  if (b === null || b === undefined) return -1;
  if (typeof a === "number" && typeof b === "number") return Number.isNaN(a) ? (Number.isNaN(b) ? 0 : 1) : Number.isNaN(b) ? -1 : a - b;
  return (a as string) < (b as string) ? -1 : (a as string) > (b as string) ? 1 : 0;
}

export function batches(set: DataSet, size: number, dropLast: boolean): DataSet {
  if (!Number.isSafeInteger(size) || size < 1) throw new RangeError(`\`batches\` wants a size of at least 1, not ${size}`);
  const rows = allRows(set);
  const found: unknown[][] = [];
  for (let at = 0; at < rows.length; at += size) {
    if (dropLast && at + size > rows.length) break;
    found.push(rows.slice(at, at + size));
  }
  return fromList(found);
}

export function take(set: DataSet, count: number): DataSet {
  if (!Number.isSafeInteger(count) || count < 0) throw new RangeError(`\`take\` wants a number of rows, not ${count}`);
  let left = count;
  return eachBlock(set, (block) => {
    const here = Math.min(left, block.rows.length);
    left -= here;
    return here === block.rows.length ? block : keepWhere(block, (i) => i < here);
  });
}

export function concat(set: DataSet, other: DataSet): DataSet {
  return fromList([...allRows(set), ...allRows(other)]);
}

export function zip(set: DataSet, other: DataSet): DataSet {
  const left = allRows(set);
  const right = allRows(other);
  if (left.length !== right.length)
    throw new RangeError(`\`zip\` wants data sets of one length, not ${left.length} and ${right.length} rows`);
  return fromList(left.map((row, i) => [row, right[i]]));
}

// A data set as one task sees it: a block, or all blocks in order, with the keys of its rows where the plan asks for them. Owns
// how a list is cut into blocks, how blocks are stored, and what a row's key is. The same arithmetic under every schedule and on
// every engine; must not know either.

const MAX_BLOCKS = 1024;
/** Rows of a block of an iterator, whose length nobody knows. */
const ITERATOR_BLOCK_ROWS = 256;

/** Rows in order. Row i's key is `keys[i]`, or `first + i`; keys that nobody asked for are not there. */
export interface Block {
  readonly rows: readonly unknown[];
  readonly keys:
    | { readonly kind: "none" }
    | { readonly kind: "from"; readonly first: number }
    | { readonly kind: "each"; readonly values: Float64Array };
}

/** A data set inside a task. */
export class DataSet {
  readonly blocks: readonly Block[];
  constructor(blocks: readonly Block[]) {
    this.blocks = blocks;
  }
}

/** What a stage stores of a block: its rows, or where the plan says `keyed`, rows and keys. */
export type StoredBlock =
  | readonly unknown[]
  | { readonly rows: readonly unknown[]; readonly first: number }
  | { readonly rows: readonly unknown[]; readonly keys: Float64Array };

const NONE = { kind: "none" } as const;

export function storedRows(stored: StoredBlock): readonly unknown[] {
  return "rows" in stored ? stored.rows : stored;
}

export function readBlock(stored: StoredBlock): Block {
  if (!("rows" in stored)) return { rows: stored, keys: NONE };
  return { rows: stored.rows, keys: "keys" in stored ? { kind: "each", values: stored.keys } : { kind: "from", first: stored.first } };
}

export function storeBlock(block: Block, keyed: boolean): StoredBlock {
  if (!keyed) return block.rows;
  if (block.keys.kind === "each") return { rows: block.rows, keys: block.keys.values };
  return { rows: block.rows, first: firstKey(block) };
}

/** Each row as a block of its own. */
export function eachRow({ rows, keys }: Block): Block[] {
  return rows.map((row, i): Block => {
    if (keys.kind === "none") return { rows: [row], keys };
    return {
      rows: [row],
      keys: keys.kind === "from" ? { kind: "from", first: keys.first + i } : { kind: "each", values: keys.values.slice(i, i + 1) },
    };
  });
}

function firstKey(block: Block): number {
  if (block.keys.kind !== "from") throw new Error("bug: the plan stores keys of rows that have none");
  return block.keys.first;
}

/** Key of each row. */
export function keyReader(block: Block): (index: number) => number {
  const { keys } = block;
  if (keys.kind === "each") return (index) => keys.values[index]!;
  const first = firstKey(block);
  return (index) => first + index;
}

/** Rows ⌊iN/b⌋ up to ⌊(i+1)N/b⌋. Exact for N·b below 2^53. */
function blockStart(rows: number, blocks: number, index: number): number {
  return Math.floor((index * rows) / blocks);
}

/** A list as a data set: min(N, 1024) blocks, a row's key being its place. */
export function fromList(list: readonly unknown[]): DataSet {
  const blocks = Math.min(list.length, MAX_BLOCKS);
  return new DataSet(
    Array.from({ length: blocks }, (_, index) => {
      const first = blockStart(list.length, blocks, index);
      return { rows: list.slice(first, blockStart(list.length, blocks, index + 1)), keys: { kind: "from", first } };
    }),
  );
}

/** A list, or runs of 256 of an iterator. */
export function fromIterable(source: unknown): DataSet {
  if (source instanceof DataSet) return source;
  if (Array.isArray(source)) return fromList(source);
  if (ArrayBuffer.isView(source) && Symbol.iterator in source) return fromList(Array.from(source as unknown as Iterable<unknown>));
  if (typeof source !== "object" || source === null || !(Symbol.iterator in source)) throw notASource(source);
  const cutter = createCutter();
  for (const row of source as Iterable<unknown>) cutter.add(row);
  return cutter.finish();
}

export async function fromAsyncIterable(source: unknown): Promise<DataSet> {
  if (typeof source !== "object" || source === null || !(Symbol.asyncIterator in source)) return fromIterable(source);
  const cutter = createCutter();
  for await (const row of source as AsyncIterable<unknown>) cutter.add(row);
  return cutter.finish();
}

function createCutter(): { add(row: unknown): void; finish(): DataSet } {
  const blocks: Block[] = [];
  let rows: unknown[] = [];
  let first = 0;
  const cut = () => {
    blocks.push({ rows, keys: { kind: "from", first } });
    first += rows.length;
    rows = [];
  };
  return {
    add(row) {
      rows.push(row ?? null);
      if (rows.length === ITERATOR_BLOCK_ROWS) cut();
    },
    finish() {
      if (rows.length > 0) cut();
      return new DataSet(blocks);
    },
  };
}

function notASource(source: unknown): TypeError {
  const what = source === null || source === undefined ? "nothing" : `a ${typeof source}`;
  return new TypeError(`a data set was wanted, a list or an iterator, but the stage gave ${what}`);
}

/** The integers of block `index` of `range(rows, blocks: blocks)`. */
export function rangeBlock(rows: number, blocks: number, index: number): DataSet {
  const first = blockStart(rows, blocks, index);
  const length = blockStart(rows, blocks, index + 1) - first;
  const integers: number[] = new Array(length);
  for (let i = 0; i < length; i++) integers[i] = first + i;
  return new DataSet([{ rows: integers, keys: { kind: "from", first } }]);
}

/** All of them, in one task. Says of wrong numbers what the scheduler says of those that it is given. */
export function rangeSet(rows: number, blocks: number): DataSet {
  if (!Number.isSafeInteger(rows) || rows < 0) throw new RangeError(`\`range\` wants a number of rows, not ${rows}`);
  if (!Number.isSafeInteger(blocks) || blocks < 0 || (blocks === 0 && rows > 0))
    throw new RangeError(`\`range\` wants 1 block or more, not ${blocks}`);
  return new DataSet(Array.from({ length: blocks }, (_, index) => rangeBlock(rows, blocks, index).blocks[0]!));
}

export function allRows(set: DataSet): readonly unknown[] {
  return set.blocks.length === 1 ? set.blocks[0]!.rows : set.blocks.flatMap((block) => block.rows);
}

// --- Chance that doesn't depend on timing -----------------------------------------------------------------------------

/** 53 well-mixed bits of (seed, row key) in [0, 1). `salt` keeps operations apart that share a seed. */
export function chance(seed: number, salt: number, key: number): number {
  const high = mix(seed, salt, key, 0x9e3779b9);
  const low = mix(seed, salt, key, 0x85ebca6b);
  return (high * 0x200000 + (low >>> 11)) / 0x20000000000000;
}

/** 32 well-mixed bits: the finalizer of MurmurHash3 over each word in turn. */
export function mix(seed: number, salt: number, key: number, start: number): number {
  let h = start ^ salt;
  h = scramble(h ^ (seed | 0));
  h = scramble(h ^ Math.floor(seed / 0x100000000));
  h = scramble(h ^ (key | 0));
  return scramble(h ^ Math.floor(key / 0x100000000)) >>> 0;
}

function scramble(word: number): number {
  let h = (word + 0x9e3779b9) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

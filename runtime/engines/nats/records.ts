// Entries of a journal as bytes: numbers of many small batches in a few arrays, since a long run has millions of them; all else as it is. Must
// not know what an entry means.
import type { Entry } from "../past.ts";

/** Batches whose values are plain numbers, in columns. */
export interface PackedEntries {
  /** In their order: a number is how many of the packed ones come next. */
  readonly order: readonly (number | Entry)[];
  readonly homes: readonly string[];
  /** Five of each: home, slot, stage, first, count. */
  readonly where: Uint32Array;
  readonly values: Float64Array;
}

type Done = Extract<Entry, { type: "done" }>;
type Numbers = Done & {
  readonly outputs: { readonly kind: "column"; readonly column: { readonly kind: "numbers"; readonly values: Float64Array } };
};

const isNumbers = (entry: Entry): entry is Numbers =>
  entry.type === "done" && entry.outputs.kind === "column" && entry.outputs.column.kind === "numbers";

export function pack(entries: readonly Entry[]): PackedEntries {
  const homes = new Map<string, number>();
  const order: (number | Entry)[] = [];
  const where: number[] = [];
  let [rows, numbers] = [0, 0];
  for (const entry of entries) {
    if (!isNumbers(entry)) {
      if (rows > 0) order.push(rows);
      rows = 0;
      order.push(entry);
      continue;
    }
    rows++;
    numbers += entry.count;
    let home = homes.get(entry.home);
    if (home === undefined) homes.set(entry.home, (home = homes.size));
    where.push(home, entry.slot, entry.stage, entry.first, entry.count);
  }
  if (rows > 0) order.push(rows);
  const values = new Float64Array(numbers);
  let at = 0;
  for (const entry of entries) {
    if (!isNumbers(entry)) continue;
    values.set(entry.outputs.column.values, at);
    at += entry.count;
  }
  return { order, homes: [...homes.keys()], where: Uint32Array.from(where), values };
}

export function* unpack({ order, homes, where, values }: PackedEntries): Generator<Entry> {
  let [at, value] = [0, 0];
  for (const one of order) {
    if (typeof one !== "number") {
      yield one;
      continue;
    }
    for (const end = at + 5 * one; at < end; at += 5) {
      const count = where[at + 4]!;
      const column = { kind: "numbers", values: values.subarray(value, value + count) } as const;
      value += count;
      const [home, slot, stage, first] = [homes[where[at]!]!, where[at + 1]!, where[at + 2]!, where[at + 3]!];
      yield { type: "done", home, slot, stage, first, count, outputs: { kind: "column", column } };
    }
  }
}

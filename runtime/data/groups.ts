// Rows by key, and several reductions of each group at once: what a block has of each group, and the groups of all blocks put together in
// the tree that every reduction goes by. So a group's arithmetic is that of the same reduction over all rows. Knows values only.

import { inTree } from "../training/additive.ts";
import type { Combiner } from "./reductions.ts";
import { finish, fold, merge } from "./reductions.ts";
import type { DataSet } from "./rows.ts";

/** One reduction of an `agg`. */
interface Column {
  readonly field: string;
  readonly name: string;
  /** What is reduced, by block; null: the rows themselves. */
  readonly values: readonly (readonly unknown[])[] | null;
  readonly by: Combiner | null;
}

/** Groups in the order of their first appearance, and for each reduction the partial of each group. */
interface GroupPartial {
  readonly keys: readonly unknown[];
  readonly states: readonly (readonly unknown[])[];
}

/** One partial a block. Without keys all rows are one group, which is there even where no row is. */
export function foldGroups(set: DataSet, keys: readonly (readonly unknown[])[] | null, columns: readonly Column[]): GroupPartial[] {
  return set.blocks.map(({ rows }, block): GroupPartial => {
    const valuesOf = ({ values }: Column) => values?.[block] ?? rows;
    if (!keys) return { keys: [null], states: columns.map((column) => [fold(column.name, valuesOf(column), column.by)]) };
    const groups = new Groups();
    const members: number[][] = [];
    keys[block]!.forEach((key, row) => {
      const group = groups.place(key);
      if (group === members.length) members.push([row]);
      else members[group]!.push(row);
    });
    const states = columns.map((column) => {
      const values = valuesOf(column);
      if (column.name === "count") return members.map((places) => places.length);
      return members.map((places) =>
        fold(
          column.name,
          places.map((row) => values[row]),
          column.by,
        ),
      );
    });
    return { keys: groups.keys, states };
  });
}

/** A row for each group, or the one record. */
export function combineGroups(partials: readonly GroupPartial[], columns: readonly Column[], grouped: "no" | "key" | "fields"): unknown {
  const whole = inTree(partials, (left, right) => together(left, right, columns));
  const row = (key: unknown, states: readonly unknown[]): Record<string, unknown> => {
    const record: Record<string, unknown> = grouped === "fields" ? { ...(key as object) } : grouped === "key" ? { key } : {};
    columns.forEach(({ field, name }, i) => {
      record[field] = finish(name, states[i] ?? null);
    });
    return record;
  };
  if (grouped === "no")
    return row(
      null,
      columns.map((column, i) => whole?.states[i]?.[0] ?? fold(column.name, [], column.by)),
    );
  return (
    whole?.keys.map((key, group) =>
      row(
        key,
        whole.states.map((states) => states[group]),
      ),
    ) ?? []
  );
}

function together(left: GroupPartial, right: GroupPartial, columns: readonly Column[]): GroupPartial {
  const groups = new Groups();
  for (const key of left.keys) groups.place(key);
  const places = right.keys.map((key) => groups.place(key));
  const states = columns.map(({ name, by }, i) => {
    const all = [...left.states[i]!];
    right.states[i]!.forEach((state, at) => {
      const place = places[at]!;
      all[place] = place < left.keys.length ? merge(name, all[place], state, by) : state;
    });
    return all;
  });
  return { keys: groups.keys, states };
}

/** Keys, equal ones being one: numbers and text by themselves, other plain data by what it says. */
class Groups {
  readonly keys: unknown[] = [];
  readonly #simple = new Map<unknown, number>();
  readonly #structured = new Map<string, number>();

  /** The place of a key's group; a new one is the last. */
  place(given: unknown): number {
    const key = given ?? null;
    const [held, name] = typeof key === "object" && key !== null ? [this.#structured, nameOf(key)] : [this.#simple, key];
    const known = (held as Map<unknown, number>).get(name);
    if (known !== undefined) return known;
    (held as Map<unknown, number>).set(name, this.keys.length);
    return this.keys.push(key) - 1;
  }
}

/** A text that equal values have in common, and no others. */
function nameOf(value: unknown): string {
  if (value === null || value === undefined) return "n";
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value !== "object") return Object.is(value, -0) ? "0" : String(value);
  if (value instanceof Date) return `t${value.getTime()}`;
  if (Array.isArray(value)) return `[${value.map(nameOf).join(",")}]`;
  const fields = Object.entries(value).filter(([, field]) => field !== null && field !== undefined);
  return `{${fields
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, field]) => `${JSON.stringify(name)}:${nameOf(field)}`)
    .join(",")}}`;
}

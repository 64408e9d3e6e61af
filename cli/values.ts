// Values as people look at them: rows as a table, the first ones or some from all over; anything else by its fields; and of any value its shape,
// with ranges of the numbers in it. Knows values and text only.
import { show } from "./show.ts";
import type { Column } from "./table.ts";
import { table } from "./table.ts";

interface ValueOptions {
  readonly most: number;
  /** Rows from all over it, at equal distances. */
  readonly sample: boolean;
  readonly width: number;
}

export function valueText(value: unknown, { most, sample, width }: ValueOptions): string {
  if (isNumbers(value)) return [shapeText(value), ...numberLines(value, most, sample)].join("\n");
  if (!Array.isArray(value)) return isRecord(value) ? fieldsText(value, width) : show(value, width);
  if (value.length === 0) return "no rows";
  const places = placesOf(value.length, most, sample);
  const rows = places.map((place) => value[place] as unknown);
  const left = value.length - places.length;
  const more = left > 0 ? [sample ? `${value.length} rows in all` : `… ${left} more of ${value.length} rows`] : [];
  const names = fieldNames(rows);
  const columns: Column[] = [
    { title: "", elide: "end", least: 1 },
    ...(names ?? ["value"]).map((title): Column => ({ title, elide: "end", least: Math.min(8, title.length + 2) })),
  ];
  const cells = rows.map((row, i) => [
    String(places[i]),
    ...(names ? names.map((name) => cell((row as Record<string, unknown>)[name])) : [cell(row)]),
  ]);
  return [...table(columns, cells, width).lines, ...more].join("\n");
}

const CELL_CHARACTERS = 60;
const cell = (value: unknown): string => show(value, CELL_CHARACTERS).replaceAll("\n", "⏎");

function fieldsText(value: Readonly<Record<string, unknown>>, width: number): string {
  const names = Object.keys(value);
  const longest = Math.max(0, ...names.map((name) => name.length));
  return names
    .map((name) => {
      const field = value[name];
      const text = isNumbers(field) || Array.isArray(field) ? shapeText(field) : show(field, Math.max(20, width - longest - 2));
      return `${name.padEnd(longest)}  ${text}`;
    })
    .join("\n");
}

function numberLines(value: Numbers, most: number, sample: boolean): string[] {
  const data = dataOf(value);
  const places = placesOf(data.length, most, sample);
  const shown = places.map((place) => `${String(place).padStart(String(data.length).length)}  ${show(Number(data[place]))}`);
  return data.length > places.length ? [...shown, `… ${data.length - places.length} more`] : shown;
}

/** Which of `count` are shown. */
function placesOf(count: number, most: number, sample: boolean): number[] {
  const shown = Math.min(count, most);
  return Array.from({ length: shown }, (_, i) => (sample ? Math.floor(((i + 0.5) * count) / shown) : i));
}

/** Of rows that are records, the fields of any of them. */
function fieldNames(rows: readonly unknown[]): readonly string[] | null {
  if (!rows.every(isRecord)) return null;
  return [...new Set(rows.flatMap((row) => Object.keys(row as object)))];
}

/** `1000 rows of { pixels: Float32Array(784) 0 … 1, label: 0 … 9 }` */
export function shapeText(value: unknown): string {
  if (isNumbers(value)) {
    const data = dataOf(value);
    const name = "shape" in value ? `Tensor<${value.dtype}, [${value.shape.join(", ")}]>` : `${value.constructor.name}(${data.length})`;
    return `${name}${range(data)}`;
  }
  if (Array.isArray(value)) return value.length === 0 ? "no rows" : `${value.length} rows of ${mergedShape(value)}`;
  if (isRecord(value))
    return `{ ${Object.entries(value)
      .map(([name, field]) => `${name}: ${shapeText(field)}`)
      .join(", ")} }`;
  return value === null || value === undefined ? "null" : typeof value === "number" ? show(value) : typeof value;
}

/** What rows have in common. */
function mergedShape(rows: readonly unknown[]): string {
  if (rows.every((row) => typeof row === "number")) return `numbers${range(rows as number[])}`;
  if (rows.every((row) => typeof row === "string")) {
    const different = new Set(rows).size;
    return `strings, ${different} different`;
  }
  if (rows.every(isRecord)) {
    const names = fieldNames(rows)!;
    return `{ ${names.map((name) => `${name}: ${mergedShape(rows.map((row) => (row as Record<string, unknown>)[name]))}`).join(", ")} }`;
  }
  if (rows.every(isNumbers)) {
    const all = (rows as readonly Numbers[]).map(dataOf);
    const lengths = all.map(({ length }) => length);
    const [shortest, longest] = [lowest(lengths), highest(lengths)];
    const size = shortest === longest ? `${shortest}` : `${shortest} … ${longest}`;
    return `${(rows[0] as Numbers).constructor.name}(${size}) ${show(lowest(all.map(lowest)))} … ${show(highest(all.map(highest)))}`;
  }
  const kinds = [...new Set(rows.map((row) => (row === null || row === undefined ? "null" : Array.isArray(row) ? "lists" : typeof row)))];
  return kinds.join(" | ");
}

type Numbers = ArrayLike<number | bigint> & object & ({ readonly shape: readonly number[]; readonly dtype: string } | object);

function isNumbers(value: unknown): value is Numbers {
  if (ArrayBuffer.isView(value)) return !(value instanceof DataView);
  return isRecord(value) && "shape" in value && "dtype" in value && ArrayBuffer.isView(value.data);
}

function dataOf(value: Numbers): ArrayLike<number | bigint> {
  return "data" in value && ArrayBuffer.isView(value.data) ? (value.data as unknown as ArrayLike<number>) : value;
}

function range(data: ArrayLike<number | bigint>): string {
  if (data.length === 0) return "";
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += Number(data[i]);
  return ` ${show(lowest(data))} … ${show(highest(data))}, mean ${show(sum / data.length)}`;
}

const lowest = (data: ArrayLike<number | bigint>): number => {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < data.length; i++) least = Math.min(least, Number(data[i]));
  return least;
};
const highest = (data: ArrayLike<number | bigint>): number => {
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < data.length; i++) most = Math.max(most, Number(data[i]));
  return most;
};

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value) && !(value instanceof Date);
}

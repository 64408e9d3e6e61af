// CSV as RFC 4180 has it: fields between separators, in quotes where they hold separators, quotes (doubled) or line ends. Reads the records
// of a text into rows of a shape, and rows into text. Knows neither files nor ranges.
import type { Shape } from "../../compiler/plan.ts";
import type { FieldReader } from "./shapes.ts";
import { describeShape, fieldReader, NOTHING } from "./shapes.ts";

const QUOTE = 34;
const LINE_END = 10;
const RETURN = 13;

/** What is wrong, and where in the text. */
export class CsvProblem extends Error {
  readonly at: number;
  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}

/** A field as text, and where the next one begins. */
interface Field {
  text: string;
  quoted: boolean;
  /** At a separator, at a line end, or at the end of the text. */
  end: number;
}

function readField(text: string, start: number, separator: number, field: Field): void {
  if (text.charCodeAt(start) === QUOTE) {
    readQuoted(text, start, separator, field);
    return;
  }
  const { length } = text;
  let at = start;
  for (; at < length; at++) {
    const code = text.charCodeAt(at);
    if (code === separator || code === LINE_END) break;
    if (code === QUOTE) throw new CsvProblem("a quote stands inside a field that doesn't begin with one", at);
  }
  const end = text.charCodeAt(at - 1) === RETURN && at > start && (at === length || text.charCodeAt(at) === LINE_END) ? at - 1 : at;
  field.text = text.slice(start, end);
  field.quoted = false;
  field.end = at;
}

function readQuoted(text: string, start: number, separator: number, field: Field): void {
  let end = text.indexOf('"', start + 1);
  let doubled = false;
  while (end >= 0 && text.charCodeAt(end + 1) === QUOTE) {
    doubled = true;
    end = text.indexOf('"', end + 2);
  }
  if (end < 0) throw new CsvProblem("a quote that opens here is never closed", start);
  const inner = text.slice(start + 1, end);
  field.text = doubled ? inner.replaceAll('""', '"') : inner;
  field.quoted = true;
  let after = end + 1;
  if (text.charCodeAt(after) === RETURN && (after + 1 === text.length || text.charCodeAt(after + 1) === LINE_END)) after++;
  const code = text.charCodeAt(after);
  if (after < text.length && code !== separator && code !== LINE_END)
    throw new CsvProblem("text stands behind the quote that closes a field", after);
  field.end = after;
}

/** The first record's fields, and where the next record begins; null where the text has none. */
export function readHeader(text: string, separator: string): { readonly names: readonly string[]; readonly end: number } | null {
  if (text.length === 0) return null;
  const names: string[] = [];
  const field: Field = { text: "", quoted: false, end: 0 };
  let at = 0;
  for (;;) {
    readField(text, at, separator.charCodeAt(0), field);
    names.push(field.text);
    if (field.end >= text.length) return { names, end: text.length };
    at = field.end + 1;
    if (text.charCodeAt(field.end) === LINE_END) return { names, end: at };
  }
}

/** How the columns of one file become rows. */
export interface Columns {
  readonly names: readonly string[];
  /** By field of the row: its column; -1 where the file has none. */
  readonly places: readonly number[];
}

/** Places of a shape's fields among a file's columns. */
export function placeColumns(names: readonly string[], shape: Shape): Columns {
  if (shape.kind !== "record") throw new Error("bug: a row of CSV is a record");
  const places = shape.fields.map(({ name, shape: of }) => {
    const place = names.indexOf(name);
    if (place < 0 && of.kind !== "optional")
      throw new CsvProblem(`there is no column ${JSON.stringify(name)}; there are ${listed(names)}`, 0);
    if (place >= 0 && names.indexOf(name, place + 1) >= 0) throw new CsvProblem(`two columns are called ${JSON.stringify(name)}`, 0);
    return place;
  });
  return { names, places };
}

const listed = (names: readonly string[]) =>
  names.length > 20 ? `${names.slice(0, 20).join(", ")} and ${names.length - 20} more` : names.join(", ");

/** Reads whole records. `skipped` are the places, among the records, of blank lines, which are no rows where rows have several columns. */
export type RecordReader = (text: string) => { readonly rows: unknown[]; readonly skipped: readonly number[] };

export function recordReader(shape: Shape, { names, places }: Columns, separator: string): RecordReader {
  if (shape.kind !== "record") throw new Error("bug: a row of CSV is a record");
  const { fields } = shape;
  // By column: which field it is, if any.
  const readers: (FieldReader | null)[] = names.map(() => null);
  const slots: number[] = names.map(() => -1);
  places.forEach((column, i) => {
    if (column < 0) return;
    readers[column] = fieldReader(fields[i]!.shape);
    slots[column] = i;
  });
  const make = rowMaker(fields.map(({ name }) => name));
  const width = names.length;
  const code = separator.charCodeAt(0);
  const problem = (column: number, text: string, at: number) =>
    new CsvProblem(
      `column ${JSON.stringify(names[column])} ${text === "" ? "is empty" : `holds ${shown(text)}`}, and ${describeShape(fields[slots[column]!]!.shape)} was wanted`,
      at,
    );
  return (text) => {
    const rows: unknown[] = [];
    const skipped: number[] = [];
    const values: unknown[] = fields.map(() => null);
    const field: Field = { text: "", quoted: false, end: 0 };
    const { length } = text;
    let at = 0;
    while (at < length) {
      if (width > 1 && isBlank(text, at)) {
        skipped.push(rows.length + skipped.length);
        at = text.indexOf("\n", at) + 1 || length;
        continue;
      }
      const start = at;
      let column = 0;
      for (;;) {
        readField(text, at, code, field);
        const read = column < width ? readers[column] : null;
        if (read) {
          const value = read(field.text, field.quoted);
          if (value === NOTHING) throw problem(column, field.text, at);
          values[slots[column]!] = value;
        }
        column++;
        at = field.end + 1;
        if (field.end >= length || text.charCodeAt(field.end) !== code) break;
      }
      if (column !== width) throw new CsvProblem(`a record has ${fieldsOf(column)}, and the header ${fieldsOf(width)}`, start);
      rows.push(make(values));
    }
    return { rows, skipped };
  };
}

const fieldsOf = (count: number) => (count === 1 ? "1 field" : `${count} fields`);
const shown = (text: string) => JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}…` : text);

function isBlank(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code === LINE_END || (code === RETURN && (at + 1 === text.length || text.charCodeAt(at + 1) === LINE_END));
}

/** Rows made by one literal have one layout in memory, which makes all that reads them fast. */
function rowMaker(names: readonly string[]): (values: readonly unknown[]) => unknown {
  // The text holds names as JSON strings only. `__proto__` in brackets is a field like any other.
  const literal = names.map((name, i) => `[${JSON.stringify(name)}]: values[${i}]`).join(", ");
  return new Function("values", `return { ${literal} };`) as (values: readonly unknown[]) => unknown;
}

/** Where a quote first stands where none can, in a whole file's text: what makes its quotes odd in number. */
export function badQuote(text: string, separator: string): CsvProblem | null {
  const field: Field = { text: "", quoted: false, end: 0 };
  try {
    for (let at = 0; at < text.length; at = field.end + 1) readField(text, at, separator.charCodeAt(0), field);
  } catch (error) {
    if (error instanceof CsvProblem) return error;
    throw error;
  }
  return null;
}

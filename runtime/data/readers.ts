// Rows of files, range by range: which ranges a file has, where records begin in them, and the rows of each. Ranges are fixed by the file, so
// rows, blocks and keys are the same whoever reads them. Knows formats' outlines; fields and values are `csv.ts`'s and `shapes.ts`'s.
//
// A line end inside the quotes of a CSV field ends no record. Whether a range begins inside quotes depends on all quotes before it, so each
// range is scanned for both cases at once; the cases are chosen when all have been scanned, by whether the quotes before are odd in number.
import { isUtf8 } from "node:buffer";
import type { ReadExpr, Shape } from "../../compiler/plan.ts";
import type { Columns } from "./csv.ts";
import { badQuote, CsvProblem, placeColumns, readHeader, recordReader } from "./csv.ts";
import type { FileValue, OpenFile } from "./files.ts";
import { DataError, isFileValue, shownPath, withFile } from "./files.ts";
import type { Block } from "./rows.ts";
import { DataSet } from "./rows.ts";
import { jsonChecker, Misfit } from "./shapes.ts";

const RANGE_BYTES = 4 * 1024 * 1024;

/** Bytes `start … end - 1`: a line end there means that a record begins inside the range, which lies one byte further on. */
interface Tile {
  readonly file: FileValue;
  /** Among the tiles of its file. */
  readonly index: number;
  readonly start: number;
  readonly end: number;
}

/** Line ends that end a record, if the tile begins outside quotes, or inside. */
interface Side {
  readonly count: number;
  /** Place of the first in the file, and how many lines of the tile end up to it. */
  readonly first: number | null;
  readonly lines: number;
}
interface ScannedTile extends Tile {
  readonly oddQuotes: boolean;
  readonly lines: number;
  readonly outside: Side;
  readonly inside: Side;
}

/** Whole records: `start … end - 1`, the first of which is record `first` of all, and begins on line `line`. */
interface PlacedRange {
  readonly file: FileValue;
  readonly start: number;
  readonly end: number;
  readonly first: number;
  readonly line: number;
  readonly columns: Columns | null;
}

export type Format = Pick<ReadExpr, "format" | "shape" | "separator">;

const oneRow = (row: unknown, first: number): Block => ({ rows: [row], keys: { kind: "from", first } });

// --- Ranges -----------------------------------------------------------------------------------------------------------------

/** One row and block a range, of files in their order. */
export function fileRanges(files: unknown, rangeBytes = RANGE_BYTES): DataSet {
  const list = Array.isArray(files) ? files : [files];
  const tiles = list.flatMap((file): Tile[] => {
    if (!isFileValue(file)) throw new TypeError("a reader wants a file");
    const count = Math.max(1, Math.ceil(file.bytes / rangeBytes));
    return Array.from({ length: count }, (_, i) => ({
      file,
      index: i,
      start: Math.max(0, i * rangeBytes - 1),
      end: i === count - 1 ? file.bytes : (i + 1) * rangeBytes - 1,
    }));
  });
  return new DataSet(tiles.map(oneRow));
}

const tilesOf = <T>(set: DataSet): T[] => set.blocks.flatMap(({ rows }) => rows as readonly T[]);

// --- Scan -------------------------------------------------------------------------------------------------------------------

export function scanned(set: DataSet, format: Format["format"]): DataSet {
  return new DataSet(
    set.blocks.map((block) => ({
      rows: (block.rows as readonly Tile[]).map((tile) =>
        withFile(tile.file, (open) => scan(tile, open.read(tile.start, tile.end), format)),
      ),
      keys: block.keys,
    })),
  );
}

const QUOTE = 34;
const LINE_END = 10;

function scan(tile: Tile, read: Buffer, format: Format["format"]): ScannedTile {
  const { start, file } = tile;
  // Behind the line end that ends the file no record begins.
  const last = tile.end === file.bytes && read[read.length - 1] === LINE_END;
  const bytes = last ? read.subarray(0, -1) : read;
  const lines = [0, 0];
  const firsts: (number | null)[] = [null, null];
  const upTo = [0, 0];
  let odd = 0;
  if (format !== "csv" || !bytes.includes(QUOTE)) {
    for (let at = bytes.indexOf(LINE_END); at >= 0; at = bytes.indexOf(LINE_END, at + 1)) {
      if (lines[0]!++ === 0) [firsts[0], upTo[0]] = [start + at, 1];
    }
  } else {
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at];
      if (byte === QUOTE) odd ^= 1;
      else if (byte === LINE_END && lines[odd]!++ === 0) {
        firsts[odd] = start + at;
        upTo[odd] = lines[0]! + lines[1]!;
      }
    }
  }
  const side = (of: 0 | 1): Side => ({ count: lines[of]!, first: firsts[of]!, lines: upTo[of]! });
  return { ...tile, oddQuotes: odd === 1, lines: lines[0]! + lines[1]!, outside: side(0), inside: side(1) };
}

// --- Places -----------------------------------------------------------------------------------------------------------------

/** What stands before the first record of a file. */
interface Start {
  readonly bytes: number;
  readonly lines: number;
  readonly columns: Columns | null;
}

export function placed(set: DataSet, format: Format): DataSet {
  const tiles = tilesOf<ScannedTile>(set);
  const ranges: PlacedRange[] = [];
  let records = 0;
  for (let at = 0; at < tiles.length; ) {
    const { file } = tiles[at]!;
    let end = at + 1;
    while (end < tiles.length && tiles[end]!.index > 0) end++;
    const start = withFile(file, (open) => readStart(open, format));
    records = placeFile(tiles.slice(at, end), start, format, records, ranges);
    at = end;
  }
  return new DataSet(ranges.map((range) => oneRow(range, range.first)));
}

/** Adds the file's ranges; gives the number of records up to its end. */
function placeFile(tiles: readonly ScannedTile[], start: Start, format: Format, before: number, ranges: PlacedRange[]): number {
  const { file } = tiles[0]!;
  let records = before;
  let lines = 0;
  let inside = false;
  const found = tiles.map((tile, i) => {
    const side = inside ? tile.inside : tile.outside;
    const first =
      i === 0
        ? { start: start.bytes, line: 1 + start.lines }
        : { start: side.first === null ? null : side.first + 1, line: 1 + lines + side.lines };
    const range = { file, ...first, first: records };
    // The header is a record, but no row.
    const begun = i === 0 ? Number(start.columns === null && file.bytes > start.bytes) : 0;
    records += side.count + begun;
    lines += tile.lines;
    if (tile.oddQuotes) inside = !inside;
    return range;
  });
  if (inside) throw openQuote(file, format);
  let end = file.bytes;
  const placed: PlacedRange[] = [];
  for (const range of found.toReversed()) {
    const from = Math.max(range.start ?? end, start.bytes);
    placed.push({ ...range, start: from, end, columns: start.columns });
    end = from;
  }
  ranges.push(...placed.reverse());
  return records;
}

const HEADER_BYTES = 64 * 1024;

function readStart(open: OpenFile, format: Format): Start {
  const { file } = open;
  const mark = open.read(0, Math.min(3, file.bytes));
  const bom = mark.length === 3 && mark[0] === 0xef && mark[1] === 0xbb && mark[2] === 0xbf ? 3 : 0;
  if (format.format !== "csv") return { bytes: bom, lines: 0, columns: null };
  for (let size = HEADER_BYTES; ; size *= 4) {
    const end = Math.min(bom + size, file.bytes);
    // One byte is one character, so that places in the text are places in the file; names are decoded by themselves.
    const text = open.read(bom, end).toString("latin1");
    try {
      const header = readHeader(text, format.separator);
      if (!header) throw new CsvProblem("the file is empty, and a header with the names of its columns was wanted", 0);
      // A header that fills all of it may go on.
      if (header.end === text.length && end < file.bytes) continue;
      const names = header.names.map((name) => Buffer.from(name, "latin1").toString("utf8"));
      const lines = countLines(text.slice(0, header.end));
      return { bytes: bom + header.end, lines, columns: placeColumns(names, format.shape!) };
    } catch (error) {
      if (!(error instanceof CsvProblem)) throw error;
      // Its end may lie further on.
      if (end < file.bytes && size < MOST_HEADER_BYTES) continue;
      throw new DataError(`${shownPath(file)}:1: ${error.message}`);
    }
  }
}
const MOST_HEADER_BYTES = 64 * 1024 * 1024;

function openQuote(file: FileValue, { separator }: Format): DataError {
  const text = withFile(file, (open) => open.read(0, file.bytes)).toString("latin1");
  const problem = badQuote(text, separator);
  return problem ? located(file, text, problem.at, 1, problem.message) : new DataError(`${shownPath(file)} has an odd number of quotes`);
}

const countLines = (text: string): number => {
  let lines = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) lines++;
  return lines;
};

/** `flights.csv:17:4: …`: lines and columns from 1. */
function located(file: FileValue, text: string, at: number, line: number, message: string): DataError {
  const before = text.slice(0, at);
  return new DataError(`${shownPath(file)}:${line + countLines(before)}:${at - before.lastIndexOf("\n")}: ${message}`);
}

// --- Rows -------------------------------------------------------------------------------------------------------------------

export function readRows(set: DataSet, format: Format): DataSet {
  const read = rangeReader(format);
  return new DataSet(set.blocks.map(({ rows }) => joined((rows as readonly PlacedRange[]).map(read))));
}

function rangeReader(format: Format): (range: PlacedRange) => Block {
  const parse = format.format === "csv" ? csvRows(format.shape!, format.separator) : lineRows(format);
  return (range) => {
    const { file, start, end } = range;
    const bytes = withFile(file, (open) => open.read(start, end));
    if (!isUtf8(bytes)) throw notUtf8(range, bytes);
    const text = bytes.toString("utf8");
    try {
      return parse(text, range);
    } catch (error) {
      if (error instanceof CsvProblem) throw located(file, text, error.at, range.line, error.message);
      throw error;
    }
  };
}

function joined(blocks: readonly Block[]): Block {
  if (blocks.length === 1) return blocks[0]!;
  const rows = blocks.flatMap((block) => block.rows);
  const keys = blocks.flatMap((block) =>
    block.rows.map((_, i) => (block.keys.kind === "each" ? block.keys.values[i]! : block.keys.kind === "from" ? block.keys.first + i : 0)),
  );
  return { rows, keys: { kind: "each", values: Float64Array.from(keys) } };
}

/** Each row's number among the records, those that were left out counted too. */
function numbered(rows: readonly unknown[], first: number, skipped: readonly number[]): Block {
  if (skipped.length === 0) return { rows, keys: { kind: "from", first } };
  const left = new Set(skipped);
  const values = new Float64Array(rows.length);
  for (let record = 0, row = 0; row < rows.length; record++) if (!left.has(record)) values[row++] = first + record;
  return { rows, keys: { kind: "each", values } };
}

function csvRows(shape: Shape, separator: string): (text: string, range: PlacedRange) => Block {
  // Files of one data set mostly have one header.
  const readers = new Map<string, ReturnType<typeof recordReader>>();
  return (text, { columns, first }) => {
    const header = JSON.stringify(columns!.names);
    let read = readers.get(header);
    if (!read) readers.set(header, (read = recordReader(shape, columns!, separator)));
    const { rows, skipped } = read(text);
    return numbered(rows, first, skipped);
  };
}

function lineRows({ format, shape }: Format): (text: string, range: PlacedRange) => Block {
  const check = format === "jsonLines" ? jsonChecker(shape!) : null;
  return (text, { file, first, line }) => {
    const rows: unknown[] = [];
    const skipped: number[] = [];
    for (let at = 0; at < text.length; ) {
      const next = text.indexOf("\n", at);
      const end = next < 0 ? text.length : next;
      const written = text.slice(at, end > at && text.charCodeAt(end - 1) === 13 ? end - 1 : end);
      if (!check) rows.push(written);
      else if (/^\s*$/.test(written)) skipped.push(rows.length + skipped.length);
      else rows.push(jsonRow(written, check, (message) => located(file, text, at, line, message)));
      at = end + 1;
    }
    return numbered(rows, first, skipped);
  };
}

function jsonRow(written: string, check: ReturnType<typeof jsonChecker>, problem: (message: string) => DataError): unknown {
  let value: unknown;
  try {
    value = JSON.parse(written);
  } catch (error) {
    throw problem(`the line isn't JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const row = check(value, "");
  if (!(row instanceof Misfit)) return row;
  const { path, found, wanted } = row;
  const where = path === "" ? "the row" : `\`${path.replace(/^\./, "")}\``;
  throw problem(`${where} is ${found}, and ${wanted} was wanted`);
}

function notUtf8({ file, line }: PlacedRange, bytes: Buffer): DataError {
  let at = 0;
  let lines = 0;
  for (let end = bytes.indexOf(LINE_END); end >= 0 && isUtf8(bytes.subarray(at, end)); end = bytes.indexOf(LINE_END, at)) {
    at = end + 1;
    lines++;
  }
  return new DataError(`${shownPath(file)}:${line + lines}: the line isn't UTF-8 text`);
}

// Rows into a file: beside it under another name first, which takes its place when all is written, so that nobody ever sees half a file and
// a task that runs again does no harm. Knows values and formats.
import { randomUUID } from "node:crypto";
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { WriteExpr } from "../../compiler/plan.ts";
import { DataError } from "./files.ts";
import type { DataSet } from "./rows.ts";

/** Text is written out when this much has gathered. */
const GATHER_CHARACTERS = 1 << 20;

/** A relative path starts at the working folder. Gives null. */
export function writeRows(set: DataSet, path: string, how: Pick<WriteExpr, "format" | "columns">): null {
  const target = resolve(path);
  const unfinished = join(dirname(target), `.${basename(target)}.${randomUUID()}.part`);
  let file: number;
  try {
    file = openSync(unfinished, "wx");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new DataError(`${path} can't be written: there is no folder ${dirname(target)}`);
  }
  try {
    try {
      for (const text of texts(set, how)) writeSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(unfinished, target);
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw error;
  }
  return null;
}

function* texts(set: DataSet, { format, columns }: Pick<WriteExpr, "format" | "columns">): Generator<string> {
  let gathered = format === "csv" ? `${columns!.map(csvText).join(",")}\n` : "";
  let at = 0;
  for (const { rows } of set.blocks) {
    for (const row of rows) {
      gathered += format === "csv" ? csvLine(row, columns!) : format === "jsonLines" ? jsonLine(row, at) : textLine(row, at);
      at++;
      if (gathered.length < GATHER_CHARACTERS) continue;
      yield gathered;
      gathered = "";
    }
  }
  yield gathered;
}

function csvLine(row: unknown, columns: readonly string[]): string {
  let line = "";
  columns.forEach((name, i) => {
    if (i > 0) line += ",";
    line += csvField((row as Record<string, unknown>)[name] ?? null);
  });
  return `${line}\n`;
}

/** `null` is an empty field, and empty text a quoted one, so that both are read again as what they were. */
function csvField(value: unknown): string {
  if (value === null) return "";
  if (typeof value === "string") return csvText(value);
  if (value instanceof Date) return value.toISOString();
  return Object.is(value, -0) ? "-0" : String(value);
}

const csvText = (text: string): string => (text === "" || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

function jsonLine(row: unknown, at: number): string {
  return `${JSON.stringify(row, (name, value: unknown) => {
    if (typeof value === "number" && !Number.isFinite(value))
      throw new DataError(`row ${at} can't be written as JSON, which has no ${value}${name === "" ? "" : `: it is its \`${name}\``}`);
    return value;
  })}\n`;
}

function textLine(row: unknown, at: number): string {
  if (typeof row !== "string")
    throw new DataError(`row ${at} can't be written as text: it is ${row === null ? "null" : `a ${typeof row}`}`);
  return `${row}\n`;
}

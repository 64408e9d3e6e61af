// Files as values: known by their content, read by their path. Owns what a file's value holds and how its bytes are read; must not know
// who found it. Whoever reads one makes sure that it is still the file that the run began with.
import { createHash } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { hostname } from "node:os";
import { isAbsolute, relative } from "node:path";

/** What a param of type `file` is while a run goes on. Path and time say where it lies, and are no part of what it is. */
export type FileValue = {
  readonly path: string;
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly modifiedMs: number;
};

export function isFileValue(value: unknown): value is FileValue {
  return typeof value === "object" && value !== null && "sha256" in value && "path" in value && "modifiedMs" in value;
}

/** Data that isn't what it was said to be, or isn't there. */
export class DataError extends Error {
  override readonly name = "DataError";
}

/** A path as somebody who stands in the working folder would type it. */
export function shownPath({ path }: Pick<FileValue, "path">): string {
  const inside = relative(process.cwd(), path);
  return inside.startsWith("..") || isAbsolute(inside) ? path : inside;
}

export class OpenFile {
  readonly file: FileValue;
  readonly #fd: number;

  constructor(file: FileValue) {
    this.file = file;
    try {
      this.#fd = openSync(file.path, "r");
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code !== "ENOENT" && code !== "EACCES") throw error;
      const why = code === "ENOENT" ? `isn't on ${hostname()}` : `can't be read on ${hostname()}`;
      throw new DataError(`${shownPath(file)} ${why}: a worker reads a file at the path that it has where the run was started`);
    }
    try {
      this.#sameAsBefore();
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
  }

  /** From `start` up to `end`, all of it. */
  read(start: number, end: number): Buffer {
    const bytes = Buffer.allocUnsafe(end - start);
    let at = 0;
    while (at < bytes.length) {
      const count = readSync(this.#fd, bytes, at, bytes.length - at, start + at);
      if (count === 0) throw new DataError(`${shownPath(this.file)} was cut while it was read`);
      at += count;
    }
    return bytes;
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** Size and time tell that nothing was written to it; where only the time differs, as in a copy on another machine, the content does. */
  #sameAsBefore(): void {
    const { bytes, modifiedMs, sha256 } = this.file;
    const { size, mtimeMs } = fstatSync(this.#fd);
    if (size === bytes && mtimeMs === modifiedMs) return;
    const seen = `${this.file.path}\n${size}\n${mtimeMs}\n${sha256}`;
    if (size === bytes && (verified.has(seen) || this.#hash() === sha256)) {
      verified.add(seen);
      return;
    }
    throw new DataError(`${shownPath(this.file)} isn't what it was when the run began: it has been written to since, or is another one`);
  }

  #hash(): string {
    const hash = createHash("sha256");
    for (let at = 0; at < this.file.bytes; at += CHUNK_BYTES) hash.update(this.read(at, Math.min(at + CHUNK_BYTES, this.file.bytes)));
    return hash.digest("hex");
  }
}
const CHUNK_BYTES = 4 * 1024 * 1024;
const verified = new Set<string>();

/** The file is closed whatever happens. */
export function withFile<T>(file: FileValue, use: (open: OpenFile) => T): T {
  const open = new OpenFile(file);
  try {
    return use(open);
  } finally {
    open.close();
  }
}

// Results that outlive their run, on disk: a folder of segments, and in memory where each record lies. Any number of processes may read and
// write one folder. Must not know plans: a key says all that a result was made from.
import { randomBytes } from "node:crypto";
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { RecordHead, RecordPlace } from "./segments.ts";
import { readBody, SegmentWriter, scanSegment } from "./segments.ts";

const ENDING = ".results";
export const CHECKPOINT_ENDING = ".checkpoint";
/** What an actor was asked, as long as it may be lost. */
export const CALLS_ENDING = ".calls";
/** Inside the folder: actors that outlive their run, by name. */
export const ACTORS_FOLDER = "actors";

/** Results can't be put away, or aren't what was put away. For whoever runs it, with what to do. */
export class StoreError extends Error {
  override readonly name = "StoreError";
}

/** What is there for one key. */
export interface StoredTasks {
  readonly tasks: number;
  /** In the order of their blocks, none twice. Of a list, its `list` first and then its objects. */
  readonly records: readonly RecordPlace[];
}

export interface StoreSize {
  readonly segments: number;
  readonly bytes: number;
}

export class ResultStore {
  readonly folder: string;
  readonly #places = new Map<string, RecordPlace[]>();
  /** Open as long as the store is, so that what was found stays there when another process prunes. */
  readonly #files = new Map<string, number>();
  readonly #used = new Set<string>();
  readonly #writer: SegmentWriter;

  /** Looks through what is there. */
  constructor(folder: string) {
    this.folder = folder;
    this.#writer = newSegment(folder);
    for (const path of segmentsIn(folder)) {
      try {
        scanSegment(path, (record) => {
          const known = this.#places.get(record.key);
          if (known) known.push(record);
          else this.#places.set(record.key, [record]);
        });
      } catch (error) {
        // Another process has pruned it since.
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      }
    }
  }

  /** Where there is something for that key, and it can still be read. */
  find(key: string): StoredTasks | null {
    const records = this.#places.get(key)?.filter(({ segment }) => this.#open(segment) !== null) ?? [];
    const last = records.at(-1);
    if (!last) return null;
    for (const { segment } of records) this.#used.add(segment);
    // Two runs beside each other may have written the same.
    const whole = records.filter(({ tasks }) => tasks === last.tasks);
    const list = whole.findLast(({ kind }) => kind === "list");
    if (list) {
      const objects = new Map(whole.flatMap((one) => (one.kind === "object" && one.first < list.count ? [[one.first, one]] : [])));
      return { tasks: list.tasks, records: [list, ...[...objects.values()].sort((a, b) => a.first - b.first)] };
    }
    const ordered = whole.sort((a, b) => a.first - b.first || b.count - a.count);
    let next = 0;
    return {
      tasks: last.tasks,
      records: ordered.filter(({ first, count }) => {
        if (first < next) return false;
        next = first + count;
        return true;
      }),
    };
  }

  /** Null where it is damaged; then it won't be found again. */
  read(record: RecordPlace): Uint8Array | null {
    const file = this.#open(record.segment);
    const body = file === null ? null : readBody(file, record);
    if (body === null) this.#places.delete(record.key);
    return body;
  }

  #open(segment: string): number | null {
    const known = this.#files.get(segment);
    if (known !== undefined) return known;
    const file = openOrNull(segment);
    if (file !== null) this.#files.set(segment, file);
    return file;
  }

  /** It outlives this process when this returns. Throws `StoreError`, with nothing half written. */
  append(head: RecordHead, body: Uint8Array): void {
    appendTo(this.#writer, head, body);
  }

  close(): void {
    this.#writer.close();
    for (const file of this.#files.values()) closeSync(file);
    this.#files.clear();
    const now = new Date();
    // By this the least recently used is known.
    for (const segment of this.#used) {
      try {
        utimesSync(segment, now, now);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      }
    }
  }
}

/** Throws `StoreError`. */
export function appendTo(writer: SegmentWriter, head: RecordHead, body: Uint8Array): void {
  try {
    writer.append(head, body);
  } catch (error) {
    throw storeProblem(error, dirname(writer.path));
  }
}

/** What the file system said, for whoever runs it; anything else as it is. */
export function storeProblem(error: unknown, folder: string): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined) return error;
  return new StoreError(
    code === "ENOSPC" || code === "EDQUOT"
      ? `there is no room left for results in ${folder}: make some, with \`headrace cache prune\` for one, and run again; all that was finished is kept`
      : `results can't be kept in ${folder}: ${message}`,
  );
}

/** A segment of one's own. */
export function newSegment(folder: string): SegmentWriter {
  return new SegmentWriter(join(folder, `${Date.now().toString(36)}-${process.pid}-${randomBytes(4).toString("hex")}${ENDING}`));
}

const segmentsIn = (folder: string): string[] => filesIn(folder, [ENDING]);

function filesIn(folder: string, endings: readonly string[]): string[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return [];
  }
  return names
    .filter((name) => endings.some((ending) => name.endsWith(ending)))
    .sort()
    .map((name) => join(folder, name));
}

export function storeSize(folder: string): StoreSize {
  const sizes = filesIn(folder, [ENDING, CHECKPOINT_ENDING, CALLS_ENDING]).flatMap((path) => statOf(path) ?? []);
  return { segments: sizes.length, bytes: sizes.reduce((sum, { bytes }) => sum + bytes, 0) };
}

function statOf(path: string): { readonly path: string; readonly bytes: number; readonly usedMs: number } | null {
  try {
    const { size: bytes, mtimeMs: usedMs } = statSync(path);
    return { path, bytes, usedMs };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** From so many on, small ones are put together. */
const MANY_SEGMENTS = 100;
const SMALL_BYTES = 4 * 1024 * 1024;
/** Whoever wrote to a segment so long ago, and isn't there any more, won't again. */
const SETTLED_MS = 60 * 60 * 1000;

/**
 * Puts small segments together that nobody writes to any more, where there are many: each run leaves some, and each takes time to open. Runs
 * that read them meanwhile keep what they have found. What actors were asked by engines that are gone goes too.
 */
export function tidyStore(folder: string, nowMs: number, many = MANY_SEGMENTS, settledMs = SETTLED_MS): void {
  // Left by engines that were killed: their actors are gone, and with them whoever could ask for these.
  for (const path of filesIn(folder, [CALLS_ENDING])) if (!isWriting(path)) rmSync(path, { force: true });
  const all = segmentsIn(folder).flatMap((path) => statOf(path) ?? []);
  if (all.length <= many) return;
  const small = all.filter((one) => one.bytes < SMALL_BYTES && nowMs - one.usedMs > settledMs && !isWriting(one.path));
  if (small.length < 2) return;
  const whole = newSegment(folder);
  // Nobody sees it before it is whole.
  const writer = new SegmentWriter(`${whole.path}.part`);
  for (const { path } of small) {
    const file = openOrNull(path);
    if (file === null) continue;
    scanSegment(path, (record) => {
      const body = readBody(file, record);
      if (body) appendTo(writer, record, body);
    });
    closeSync(file);
  }
  writer.close();
  if (existsSync(writer.path)) renameSync(writer.path, whole.path);
  for (const { path } of small) rmSync(path, { force: true });
}

/** Its name has the process that made it. */
function isWriting(path: string): boolean {
  const pid = Number.parseInt(basename(path).split("-")[1] ?? "", 10);
  if (Number.isNaN(pid)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function openOrNull(path: string): number | null {
  try {
    return openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** Removes the segments that were used least recently until no more than `keepBytes` are left. Runs that use them now keep what they found. */
export function pruneStore(folder: string, keepBytes: number): StoreSize {
  mkdirSync(folder, { recursive: true });
  const all = filesIn(folder, [ENDING, CHECKPOINT_ENDING, CALLS_ENDING])
    .flatMap((path) => statOf(path) ?? [])
    .sort((a, b) => a.usedMs - b.usedMs);
  let left = all.reduce((sum, { bytes }) => sum + bytes, 0);
  let [segments, bytes] = [0, 0];
  for (const one of all) {
    if (left <= keepBytes) break;
    rmSync(one.path, { force: true });
    left -= one.bytes;
    segments++;
    bytes += one.bytes;
  }
  return { segments, bytes };
}

// Segments: files of records that only one thread ever appends to, so that runs beside each other, and slots of one run, never wait for
// each other. A record is whole or doesn't count: whoever is killed while it writes loses that record and none before it. Knows bytes and
// keys only, not what they mean.
//
// A segment is a magic word and records; a record is a header and a body, padded to 8 bytes. Numbers are little-endian. Header, by byte:
//   0 mark   4 kind   8 key (32)   40 first   44 count   48 tasks   52 CRC-32 of the body   56 length of the body (f64)   64 CRC-32 of 0–63
import { closeSync, ftruncateSync, mkdirSync, openSync, readSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";

const MAGIC = Buffer.from("headrace results 1\n\0\0\0\0\0", "latin1");
const MARK = 0x31525248;
const HEADER_BYTES = 72;
const KEY_BYTES = 32;
/** So much is read at a time while a segment is looked through. */
const WINDOW_BYTES = 256 * 1024;

/** `column`: small values of blocks `first … first + count - 1`. `object`: the value of block `first`. `list`: how many blocks a list has. */
export const KINDS = ["column", "object", "list"] as const;
export type RecordKind = (typeof KINDS)[number];

export interface RecordHead {
  readonly kind: RecordKind;
  /** SHA-256, in hex. */
  readonly key: string;
  readonly first: number;
  readonly count: number;
  /** How many its stage has, with these. */
  readonly tasks: number;
}

/** Where a record's body lies. */
export interface RecordPlace extends RecordHead {
  readonly segment: string;
  readonly offset: number;
  readonly bytes: number;
  readonly crc: number;
}

/** A segment that grows. Its file is made by the first record; after a failed write it is as it was before. */
export class SegmentWriter {
  readonly path: string;
  #file: number | null = null;
  #end = 0;

  constructor(path: string) {
    this.path = path;
  }

  /** Has reached the file's memory when it returns: it outlives this process, though not a loss of power. Throws what the system says. */
  append(head: RecordHead, body: Uint8Array): void {
    this.#file ??= this.#create();
    const bytes = this.#scratch;
    bytes.writeUInt32LE(MARK, 0);
    bytes.writeUInt32LE(KINDS.indexOf(head.kind), 4);
    bytes.write(head.key, 8, "hex");
    bytes.writeUInt32LE(head.first, 40);
    bytes.writeUInt32LE(head.count, 44);
    bytes.writeUInt32LE(head.tasks, 48);
    bytes.writeUInt32LE(crc32(body), 52);
    bytes.writeDoubleLE(body.length, 56);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 64)), 64);
    const end = HEADER_BYTES + body.length;
    const padded = end + padding(body.length);
    try {
      if (padded <= bytes.length) {
        bytes.set(body, HEADER_BYTES);
        bytes.fill(0, end, padded);
        this.#write(bytes, padded);
      } else {
        this.#write(bytes, HEADER_BYTES);
        this.#write(body, body.length);
        this.#write(PADDING, padded - end);
      }
    } catch (error) {
      // What was written of it would hide all that comes behind.
      ftruncateSync(this.#file, this.#end);
      this.#at = this.#end;
      throw error;
    }
    this.#end += padded;
  }
  #at = 0;

  /** Small records are put together here, so that each is one write. */
  readonly #scratch = Buffer.alloc(16 * 1024);

  #write(bytes: Uint8Array, count: number): void {
    let done = 0;
    while (done < count) {
      const written = writeSync(this.#file!, bytes, done, count - done, this.#at);
      done += written;
      this.#at += written;
    }
  }

  #create(): number {
    mkdirSync(dirname(this.path), { recursive: true });
    const file = openSync(this.path, "wx");
    writeSync(file, MAGIC, 0, MAGIC.length, 0);
    this.#at = this.#end = MAGIC.length;
    return file;
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }
}

const PADDING = new Uint8Array(8);
const padding = (bytes: number) => (8 - (bytes % 8)) % 8;

/** The records of a segment, as far as it is whole. */
export function scanSegment(path: string, found: (record: RecordPlace) => void): void {
  const file = openSync(path, "r");
  try {
    const window = new Window(file);
    if (!window.at(0, MAGIC.length)?.equals(MAGIC)) return;
    // Records of one stage follow each other.
    const lastKey = Buffer.alloc(KEY_BYTES);
    let key = "";
    for (let from = MAGIC.length; ; ) {
      const head = window.at(from, HEADER_BYTES);
      if (!head || head.readUInt32LE(0) !== MARK || head.readUInt32LE(64) !== crc32(head.subarray(0, 64))) return;
      const kind = KINDS[head.readUInt32LE(4)];
      if (kind === undefined) return;
      if (key === "" || head.compare(lastKey, 0, KEY_BYTES, 8, 8 + KEY_BYTES) !== 0) {
        head.copy(lastKey, 0, 8, 8 + KEY_BYTES);
        key = lastKey.toString("hex");
      }
      const bytes = head.readDoubleLE(56);
      const record: RecordPlace = {
        kind,
        key,
        first: head.readUInt32LE(40),
        count: head.readUInt32LE(44),
        tasks: head.readUInt32LE(48),
        segment: path,
        offset: from + HEADER_BYTES,
        bytes,
        crc: head.readUInt32LE(52),
      };
      from += HEADER_BYTES + bytes + padding(bytes);
      // The end of its body may not be written yet, or never. To look there takes the header's bytes away.
      if (bytes > 0 && !window.at(from - 1, 1)) return;
      found(record);
    }
  } finally {
    closeSync(file);
  }
}

/** Reads here and there, mostly forward. */
class Window {
  readonly #file: number;
  readonly #bytes = Buffer.allocUnsafe(WINDOW_BYTES);
  #start = 0;
  #length = 0;

  constructor(file: number) {
    this.#file = file;
  }

  /** Null where the file ends before. Good until the next call. */
  at(offset: number, count: number): Buffer | null {
    if (offset < this.#start || offset + count > this.#start + this.#length) {
      this.#start = offset;
      this.#length = readSync(this.#file, this.#bytes, 0, WINDOW_BYTES, offset);
    }
    const from = offset - this.#start;
    return from + count <= this.#length ? this.#bytes.subarray(from, from + count) : null;
  }
}

/** The body of a record; null where it isn't what was written. */
export function readBody(file: number, { offset, bytes, crc }: RecordPlace): Uint8Array | null {
  const body = new Uint8Array(bytes);
  let done = 0;
  while (done < bytes) {
    const read = readSync(file, body, done, bytes - done, offset + done);
    if (read === 0) return null;
    done += read;
  }
  return crc32(body) === crc ? body : null;
}

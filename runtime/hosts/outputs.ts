// Results of consecutive tasks, gathered into as few answers as their kinds allow: small values in one column, large ones in
// shared memory. Must not know sockets or who waits for them.
import type { Parts } from "../objects/codec.ts";
import { partsBytes, split, writeColumn, writeParts } from "../objects/codec.ts";
import type { StoredValue } from "./inside.ts";
import type { Column, OutputFeed } from "./link.ts";
import { INLINE_LIMIT_BYTES } from "./link.ts";
import type { ObjectWriter } from "./objects.ts";

const FULL_BYTES = 1024 * 1024;
const FULL_COUNT = 16_384;
/** Rows of plain numbers up to here are surely small. */
const SURELY_SMALL_ROWS = 4096;

export interface Answer {
  readonly first: number;
  readonly count: number;
  readonly outputs: OutputFeed;
  /** To be shared with the host before the answer is sent. */
  readonly stored: readonly StoredValue[];
}

/** Outputs of one stage's tasks in the order of their blocks. */
export class Outputs {
  readonly #run: number;
  readonly #stage: number;
  readonly #writer: ObjectWriter;
  #next: number;
  #first: number;
  #values: unknown[] = [];
  /** In place of a value, its parts where they are known; made when the first value isn't plain numbers. */
  #parts: (Parts | null)[] | null = null;
  #stored: StoredValue[] = [];
  #bytes = 0;

  constructor(run: number, stage: number, writer: ObjectWriter, first: number) {
    this.#run = run;
    this.#stage = stage;
    this.#writer = writer;
    this.#first = first;
    this.#next = first;
  }

  get count(): number {
    return this.#next - this.#first;
  }

  /** Enough for an answer. */
  get full(): boolean {
    return this.#bytes >= FULL_BYTES || this.count >= FULL_COUNT;
  }

  /** The next task's value. Gives an answer to send where this value can't join those before it. Throws `Unsendable`. */
  add(value: unknown): Answer | null {
    if (isPlainNumbers(value)) {
      const before = this.#stored.length > 0 ? this.take() : null;
      this.#parts?.push(null);
      this.#push(value, typeof value === "number" ? 8 : (value as number[]).length * 8);
      return before;
    }
    const parts = split(value);
    const bytes = partsBytes(parts);
    const large = bytes > INLINE_LIMIT_BYTES;
    const before = this.count > 0 && large !== this.#stored.length > 0 ? this.take() : null;
    if (large) {
      this.#stored.push({ run: this.#run, stage: this.#stage, block: this.#next++, value: this.#writer.write(parts) });
      return before;
    }
    this.#parts ??= new Array<null>(this.#values.length).fill(null);
    this.#parts.push(parts);
    this.#push(value, bytes);
    return before;
  }

  #push(value: unknown, bytes: number): void {
    this.#values.push(value);
    this.#bytes += bytes;
    this.#next++;
  }

  /** A task that gave nothing: the next value is the one behind it. */
  skip(): Answer | null {
    const before = this.take();
    this.#first = ++this.#next;
    return before;
  }

  /** What is there so far. */
  take(): Answer | null {
    if (this.count === 0) return null;
    const [first, count, stored] = [this.#first, this.count, this.#stored];
    const outputs: OutputFeed =
      stored.length > 0
        ? { kind: "objects", bytes: Float64Array.from(stored, ({ value }) => value.bytes) }
        : { kind: "column", column: this.#parts ? packColumn(this.#values, this.#parts) : writeColumn(this.#values) };
    this.#first = this.#next;
    this.#values = [];
    this.#parts = null;
    this.#stored = [];
    this.#bytes = 0;
    return { first, count, outputs, stored };
  }
}

/** Items, each a block of its own, travel inside the answer as long as they are small and not too many: objects cost more than that. */
const SMALL_ITEM_BYTES = 4096;
const MOST_ITEMS_BYTES = 32 * 1024 * 1024;

/** The answer for a list that its stage cut into blocks. */
export function blocksAnswer(
  { run, stage, task, items }: { readonly run: number; readonly stage: number; readonly task: number; readonly items: boolean },
  blocks: readonly unknown[],
  writer: ObjectWriter,
): Answer {
  const parts = blocks.map((block) => split(block));
  const bytes = Float64Array.from(parts, partsBytes);
  const whole = bytes.reduce((sum, one) => sum + one, 0);
  const count = blocks.length;
  const limit = items ? Math.min(SMALL_ITEM_BYTES * count, MOST_ITEMS_BYTES) : 0;
  if (whole <= Math.max(INLINE_LIMIT_BYTES, limit)) {
    const inline = blocks.every(isPlainNumbers) ? writeColumn(blocks) : packColumn(blocks, parts);
    return { first: task, count: 1, outputs: { kind: "blocks", count, bytes, inline }, stored: [] };
  }
  const stored = parts.map((part, block) => ({ run, stage, block, value: writer.write(part) }));
  return { first: task, count: 1, outputs: { kind: "blocks", count, bytes, inline: null }, stored };
}

function isPlainNumbers(value: unknown): boolean {
  if (typeof value === "number") return true;
  if (!Array.isArray(value) || value.length > SURELY_SMALL_ROWS) return false;
  for (let i = 0; i < value.length; i++) if (typeof value[i] !== "number") return false;
  return true;
}

function packColumn(values: readonly unknown[], known: readonly (Parts | null)[]): Column {
  const parts = values.map((value, index) => known[index] ?? split(value));
  const lengths = Uint32Array.from(parts, partsBytes);
  const bytes = new Uint8Array(lengths.reduce((sum, one) => sum + one, 0));
  let at = 0;
  for (let i = 0; i < parts.length; i++) {
    writeParts(parts[i]!, bytes.subarray(at, at + lengths[i]!));
    at += lengths[i]!;
  }
  return { kind: "packed", lengths, bytes };
}

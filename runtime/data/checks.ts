// What `run --check` watches: that functions leave alone what they said they only read, and that pure ones give the same again. Hashes
// values; must not know slots, plans or what is done about it.
import type { Hash } from "node:crypto";
import { createHash } from "node:crypto";

/** A function whose arguments are watched. */
export interface Watched {
  /** As its file exports it. */
  readonly name: string;
  readonly parameters: readonly string[];
  /** Which arguments lie in memory that others may see. */
  readonly shared: readonly boolean[];
}

/** A function isn't what its type and its tags say. */
export class CheckFailed extends Error {
  override readonly name = "CheckFailed";
  readonly kind: "mutated" | "unsteady";
  /** Names of the functions that may be meant, and of the one's parameter. */
  readonly functions: readonly string[];
  readonly parameter: string | null;

  constructor(kind: "mutated" | "unsteady", functions: readonly string[], parameter: string | null, message: string) {
    super(message);
    this.kind = kind;
    this.functions = functions;
    this.parameter = parameter;
  }
}

// biome-ignore lint/complexity/noBannedTypes: the user's own functions; their types were checked by the compiler
export function callWatched(f: Function, watched: Watched, args: readonly unknown[]): unknown {
  const before = args.map((arg, i) => (watched.shared[i] ? fingerprint(arg) : null));
  const check = () => {
    before.forEach((hash, i) => {
      if (hash !== null && hash !== fingerprint(args[i])) throw mutated(watched, i);
    });
  };
  const result: unknown = f(...args);
  if (result instanceof Promise)
    return result.then((value: unknown) => {
      check();
      return value;
    });
  // The code of a generator runs while it is read.
  if (isIterator(result)) return watchedRows(result, check);
  if (isAsyncIterator(result)) return watchedAsyncRows(result, check);
  check();
  return result;
}

function mutated({ name, parameters }: Watched, index: number): CheckFailed {
  const parameter = parameters[index] ?? `argument ${index + 1}`;
  return new CheckFailed(
    "mutated",
    [name],
    parameter,
    `\`${name}\` changed its \`${parameter}\`, which it takes as read-only: others read the same memory`,
  );
}

const isIterator = (value: unknown): value is Iterable<unknown> & Iterator<unknown> =>
  typeof value === "object" && value !== null && Symbol.iterator in value && "next" in value;
const isAsyncIterator = (value: unknown): value is AsyncIterable<unknown> =>
  typeof value === "object" && value !== null && Symbol.asyncIterator in value;

function* watchedRows(rows: Iterable<unknown>, check: () => void): Generator<unknown> {
  yield* rows;
  check();
}
async function* watchedAsyncRows(rows: AsyncIterable<unknown>, check: () => void): AsyncGenerator<unknown> {
  yield* rows;
  check();
}

/** Equal for equal data, down to the bits of its numbers. */
export function fingerprint(value: unknown): string {
  const hash = createHash("sha1");
  let text: string[] = [];
  const settle = () => {
    if (text.length > 0) hash.update(text.join(""));
    text = [];
  };
  const add = (one: unknown): void => {
    if (typeof one === "string") text.push("s", String(one.length), ":", one);
    else if (typeof one === "number") text.push(Object.is(one, -0) ? "n-0" : `n${one}`, ";");
    else if (typeof one !== "object" || one === null) text.push(typeof one === "bigint" ? `b${one};` : `${String(one)};`);
    else if (ArrayBuffer.isView(one) || one instanceof ArrayBuffer || one instanceof SharedArrayBuffer) {
      text.push(one.constructor.name, String(one.byteLength), ":");
      settle();
      addBytes(hash, one);
    } else if (one instanceof Date) text.push("d", String(one.getTime()), ";");
    else if (Array.isArray(one) || one instanceof Set || one instanceof Map) {
      text.push(one.constructor.name, "[");
      for (const item of one) add(item);
      text.push("]");
    } else {
      text.push("{");
      for (const name of Object.keys(one)) {
        add(name);
        add((one as Record<string, unknown>)[name]);
      }
      text.push("}");
    }
    if (text.length > 4096) settle();
  };
  add(value);
  settle();
  return hash.digest("base64");
}

function addBytes(hash: Hash, value: ArrayBufferView | ArrayBufferLike): void {
  const view = ArrayBuffer.isView(value)
    ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
    : new Uint8Array(value as ArrayBuffer);
  hash.update(view);
}

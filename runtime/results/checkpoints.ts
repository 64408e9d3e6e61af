// Where a long fit goes on after a loss: one file beside the results, named by the key that its result will have, and gone when that is there.
// Replaced as a whole, so that whoever is killed while it writes leaves the one before. Knows bytes and keys only.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { decode, encode } from "../objects/codec.ts";
import { CHECKPOINT_ENDING, storeProblem } from "./store.ts";

const HEADER_BYTES = 8;

const pathOf = (folder: string, key: string) => join(folder, `${key}${CHECKPOINT_ENDING}`);

export class CheckpointFile {
  readonly #folder: string;
  readonly #path: string;

  constructor(folder: string, key: string) {
    this.#folder = folder;
    this.#path = pathOf(folder, key);
  }

  /** Null where there is none, or one that isn't whole. */
  load(): unknown {
    if (!existsSync(this.#path)) return null;
    const bytes = readFileSync(this.#path);
    if (bytes.length < HEADER_BYTES) return null;
    const body = bytes.subarray(HEADER_BYTES);
    return crc32(body) === bytes.readUInt32LE(0) ? decode(Uint8Array.from(body), { share: false }) : null;
  }

  /** Throws `StoreError`. */
  save(value: unknown): void {
    const body = encode(value);
    const head = Buffer.alloc(HEADER_BYTES);
    head.writeUInt32LE(crc32(body), 0);
    try {
      mkdirSync(this.#folder, { recursive: true });
      writeFileSync(`${this.#path}.part`, Buffer.concat([head, body]));
      renameSync(`${this.#path}.part`, this.#path);
    } catch (error) {
      throw storeProblem(error, this.#folder);
    }
  }
}

/** Its result is there. */
export function dropCheckpoint(folder: string, key: string): void {
  rmSync(pathOf(folder, key), { force: true });
}

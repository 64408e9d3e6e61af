// Bytes of objects on their way from worker to worker: one kind of frame, whether over a connection of its own or over NATS, and how both ends of
// such a connection prove that they know its token. Bounded whatever comes; nothing here is ever run. Must not know what objects are.
//
//   kind u8 · ver u8 · object u16 | transfer u32 | chunk u32 | bytes u32 | number f64 | hash 32 bytes | object's name, or bytes of the chunk
//
// `get` asks for one chunk: `number` is how long chunks are, and where `chunk` isn't the first one that is asked for, `hash` may stand for the
// hashes of all before it. `chunk` has its own SHA-256, and how long the whole object is.
import { createHash, createHmac, timingSafeEqual } from "node:crypto";

const VERSION = 1;
export const HEAD_BYTES = 56;
/** Over NATS an answer's head is in this header, which takes up no more than so much. */
export const NATS_HEAD = "Hr-Bulk";
export const NATS_HEAD_BYTES = 128;
const HASH_BYTES = 32;
const LONGEST_NAME_BYTES = 1024;
/** Of one object. */
export const MOST_BYTES = 0xffff_fff8;
export const LONGEST_CHUNK_BYTES = 512 * 1024;
export const SHORTEST_CHUNK_BYTES = 1024;

export const KINDS = {
  /** Asks for a chunk. */
  get: 1,
  /** No more will be asked of this transfer. */
  done: 2,
  chunk: 3,
  /** The object isn't here. */
  missing: 4,
  /** What the asker has of it isn't what this holder has. */
  differs: 5,
  /** It can't be had this way. */
  refused: 6,
} as const;

export interface BulkHead {
  readonly kind: number;
  readonly transfer: number;
  readonly chunk: number;
  /** Of what follows. */
  readonly bytes: number;
  readonly number: number;
  readonly hash: Uint8Array;
}

const NO_HASH = new Uint8Array(HASH_BYTES);
export const isHash = (hash: Uint8Array): boolean => hash.some((byte) => byte !== 0);
export const hashOf = (bytes: Uint8Array): Uint8Array => createHash("sha256").update(bytes).digest();

/** Stands for a list of chunks' hashes. */
export function hashOfList(hashes: readonly Uint8Array[]): Uint8Array {
  const hash = createHash("sha256");
  for (const one of hashes) hash.update(one);
  return hash.digest();
}

export function bulkHead({ kind, transfer, chunk = 0, bytes = 0, number = 0, hash = NO_HASH }: Partial<BulkHead>): Uint8Array {
  const head = new Uint8Array(HEAD_BYTES);
  const view = new DataView(head.buffer);
  view.setUint8(0, kind!);
  view.setUint8(1, VERSION);
  view.setUint32(4, transfer!, true);
  view.setUint32(8, chunk, true);
  view.setUint32(12, bytes, true);
  view.setFloat64(16, number, true);
  head.set(hash, 24);
  return head;
}

/** A request, whole. */
export function request(head: Partial<BulkHead>, object: string): Uint8Array {
  const name = Buffer.from(object);
  return Buffer.concat([bulkHead({ ...head, bytes: name.length }), name]);
}

/** Throws for what no head begins with. */
export function readBulkHead(bytes: Uint8Array): BulkHead {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < HEAD_BYTES || view.getUint8(1) !== VERSION) throw new Error("what came isn't a frame of this version");
  return {
    kind: view.getUint8(0),
    transfer: view.getUint32(4, true),
    chunk: view.getUint32(8, true),
    bytes: view.getUint32(12, true),
    number: view.getFloat64(16, true),
    hash: bytes.slice(24, HEAD_BYTES),
  };
}

export interface BulkRequest {
  readonly kind: number;
  readonly transfer: number;
  readonly chunk: number;
  readonly chunkBytes: number;
  readonly hash: Uint8Array;
  readonly object: string;
}

/** What may be asked. Throws for all else. */
export function checkRequest({ kind, bytes, number }: BulkHead): void {
  if (kind !== KINDS.get && kind !== KINDS.done) throw new Error(`it asks by frames of kind ${kind}`);
  if (bytes === 0 || bytes > LONGEST_NAME_BYTES) throw new Error(`it asks for a name of ${bytes} bytes`);
  if (kind === KINDS.get && !(Number.isInteger(number) && number >= SHORTEST_CHUNK_BYTES && number <= LONGEST_CHUNK_BYTES))
    throw new Error(`it asks for chunks of ${number} bytes`);
}

export function readRequest(head: BulkHead, name: Uint8Array): BulkRequest {
  checkRequest(head);
  if (name.length !== head.bytes) throw new Error("what came is a piece of a frame");
  const { kind, transfer, chunk, number, hash } = head;
  return { kind, transfer, chunk, chunkBytes: number, hash, object: Buffer.from(name).toString() };
}

/** Cuts a byte stream into frames whose bytes go where they belong: nobody allocates for what is merely claimed. */
export class Inlet {
  readonly #into: (head: BulkHead) => Uint8Array;
  readonly #heard: (head: BulkHead, body: Uint8Array) => void;
  readonly #headBytes = new Uint8Array(HEAD_BYTES);
  #greeted: ((greeting: Uint8Array) => void) | null;
  #head: BulkHead | null = null;
  #filling: Uint8Array;
  #got = 0;

  /** Before all frames there are `greetingBytes`. `into` gives memory for what follows a head, or throws. */
  constructor(
    greetingBytes: number,
    greeted: (greeting: Uint8Array) => void,
    { into, heard }: { into: (head: BulkHead) => Uint8Array; heard: (head: BulkHead, body: Uint8Array) => void },
  ) {
    this.#filling = new Uint8Array(greetingBytes);
    this.#greeted = greeted;
    this.#into = into;
    this.#heard = heard;
  }

  /** Where the next bytes go. */
  get room(): Uint8Array {
    return this.#got === 0 ? this.#filling : this.#filling.subarray(this.#got);
  }

  /** So many have come there. Throws for what mustn't come. */
  came(bytes: number): void {
    this.#got += bytes;
    while (this.#got === this.#filling.length) {
      const whole = this.#filling;
      const head = this.#head;
      this.#got = 0;
      this.#filling = this.#headBytes;
      this.#head = null;
      if (this.#greeted) {
        const greeted = this.#greeted;
        this.#greeted = null;
        greeted(whole);
      } else if (head) this.#heard(head, whole);
      else {
        this.#head = readBulkHead(whole);
        this.#filling = this.#into(this.#head);
      }
    }
  }

  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      const { room } = this;
      const taken = Math.min(room.length, chunk.length - at);
      room.set(chunk.subarray(at, at + taken));
      at += taken;
      this.came(taken);
    }
  }
}

// --- Who is there ----------------------------------------------------------------------------------------------------------------

export const NONCE_BYTES = 16;
export const PROOF_BYTES = 32;
/** The asker's nonce, and its proof. */
export const HELLO_BYTES = NONCE_BYTES + PROOF_BYTES;

/** That one of both sides knows the token, for this connection alone. */
export function proofOf(token: Uint8Array, side: "asker" | "holder", ...nonces: readonly Uint8Array[]): Uint8Array {
  const mac = createHmac("sha256", token).update(`headrace bulk ${VERSION} ${side}`);
  for (const nonce of nonces) mac.update(nonce);
  return mac.digest();
}

export const isProof = (given: Uint8Array, right: Uint8Array): boolean => given.length === right.length && timingSafeEqual(given, right);

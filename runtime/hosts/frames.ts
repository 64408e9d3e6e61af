// Messages as frames on a byte stream: how an engine, the slots of its host and the host's own thread talk over Unix sockets.
// A frame is `u32 bytes, u32 0` and then one encoded value, padded to 8 bytes, so that its typed arrays are read in place. Must not
// know what the messages mean.
import type { Parts } from "../objects/codec.ts";
import { decode, partsBytes, split, writeParts } from "../objects/codec.ts";

const HEADER_BYTES = 8;
const LARGEST_FRAME_BYTES = 0xffff_fff8;

/** One message, ready to be written; the same bytes may be written to many sockets. */
export function frame(message: unknown): Uint8Array {
  const parts: Parts = split(message);
  const bytes = partsBytes(parts);
  if (bytes > LARGEST_FRAME_BYTES) throw new RangeError(`a message of ${bytes} bytes is larger than a frame can be (4 GiB)`);
  const whole = new Uint8Array(HEADER_BYTES + bytes);
  new DataView(whole.buffer).setUint32(0, bytes, true);
  writeParts(parts, whole.subarray(HEADER_BYTES));
  return whole;
}

/** The message of one frame that has come whole. Throws on all else: nothing is made room for that is merely claimed. */
export function unframe(whole: Uint8Array): unknown {
  const claimed = whole.length < HEADER_BYTES ? Number.NaN : new DataView(whole.buffer, whole.byteOffset).getUint32(0, true);
  if (claimed !== whole.length - HEADER_BYTES) throw new Error("what came isn't a frame");
  // In memory of its own, aligned for what is read in place.
  return decode(whole.slice(HEADER_BYTES), { share: true });
}

/** Cuts a byte stream into messages. Each gets memory of its own, so what is decoded may be kept. */
export class FrameReader {
  readonly #onMessage: (message: unknown) => void;
  readonly #header = new Uint8Array(HEADER_BYTES);
  #headerBytes = 0;
  #body: Uint8Array | null = null;
  #bodyBytes = 0;

  constructor(onMessage: (message: unknown) => void) {
    this.#onMessage = onMessage;
  }

  /** Throws on bytes that no frame begins with. */
  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#body === null) {
        const taken = Math.min(HEADER_BYTES - this.#headerBytes, chunk.length - at);
        this.#header.set(chunk.subarray(at, at + taken), this.#headerBytes);
        this.#headerBytes += taken;
        at += taken;
        if (this.#headerBytes < HEADER_BYTES) return;
        const bytes = new DataView(this.#header.buffer).getUint32(0, true);
        if (bytes % 8 !== 0 || bytes === 0) throw new Error("bug: what came isn't a frame");
        this.#body = new Uint8Array(bytes);
        this.#bodyBytes = 0;
      }
      const body: Uint8Array = this.#body;
      const taken = Math.min(body.length - this.#bodyBytes, chunk.length - at);
      body.set(chunk.subarray(at, at + taken), this.#bodyBytes);
      this.#bodyBytes += taken;
      at += taken;
      if (this.#bodyBytes < body.length) return;
      this.#body = null;
      this.#headerBytes = 0;
      this.#onMessage(decode(body, { share: true }));
    }
  }
}

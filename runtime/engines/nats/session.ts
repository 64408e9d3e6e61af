// A conversation between engine and worker over a network that may lose, repeat, delay and reorder: every message arrives once, in
// order, or the conversation is over. Pure: frames in, frames out; its owner sends them, keeps the clock and says when it beats.
//
//   ver u8 · kind u8 · flags u16 | epoch u32 | incarnation u32 | seq u32 | received u32 | bytes of a part
//
// `epoch` names the engine's conversation and `incarnation` the worker's turn in it; frames of others are void. `received` is the
// highest sequence number that came in order. Long messages travel in parts, the last of which has their SHA-256 behind it.
import { createHash } from "node:crypto";

const VERSION = 1;
const HEADER_BYTES = 20;
const DIGEST_BYTES = 32;

const KINDS = { beat: 1, data: 2, bye: 3 } as const;
const MORE = 1;
const DIGEST = 2;
/** The other side is asked to send again what follows `received`. */
const GAP = 4;

/** What may be on its way without an answer. */
const WINDOW_BYTES = 8 * 1024 * 1024;
/** An answer goes out at the latest after so much, whatever the beat. */
const ANSWER_BYTES = WINDOW_BYTES / 4;

/** Frames ahead of one that is missing: of the smallest kind, what a window holds. */
const MOST_EARLY = WINDOW_BYTES / HEADER_BYTES;

export interface SessionOptions {
  readonly epoch: number;
  readonly incarnation: number;
  /** Largest frame. */
  readonly frameBytes: number;
  /** Frames to be sent, in order. */
  readonly send: (frame: Uint8Array) => void;
  /** A whole message. */
  readonly deliver: (message: Uint8Array) => void;
}

interface Sent {
  readonly seq: number;
  readonly frame: Uint8Array;
}

export class Session {
  readonly #options: SessionOptions;
  /** Frames without an answer. */
  #outbox: Sent[] = [];
  #outboxBytes = 0;
  /** Parts that don't fit the window yet. */
  #waiting: { readonly flags: number; readonly part: Uint8Array }[] = [];
  #lastSeq = 0;
  #received = 0;
  /** Frames that came too early, by sequence number. */
  readonly #early = new Map<number, { readonly flags: number; readonly part: Uint8Array }>();
  #parts: Uint8Array[] = [];
  #unanswered = 0;
  /** The last `received` heard at a beat: one that stands still asks for sending again. */
  #lastBeatReceived = -1;
  #over = false;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** True where all that was sent has been answered. */
  get settled(): boolean {
    return this.#outbox.length === 0 && this.#waiting.length === 0;
  }

  send(message: Uint8Array): void {
    if (this.#over) return;
    const room = this.#options.frameBytes - HEADER_BYTES - DIGEST_BYTES;
    if (message.length <= room) this.#waiting.push({ flags: 0, part: message });
    else {
      const digest = createHash("sha256").update(message).digest();
      for (let at = 0; at < message.length; at += room) {
        const last = at + room >= message.length;
        const part = message.subarray(at, at + room);
        this.#waiting.push(last ? { flags: DIGEST, part: Buffer.concat([part, digest]) } : { flags: MORE, part });
      }
    }
    this.#pump();
  }

  #pump(): void {
    let taken = 0;
    while (taken < this.#waiting.length && (this.#outbox.length === 0 || this.#outboxBytes < WINDOW_BYTES)) {
      const { flags, part } = this.#waiting[taken++]!;
      const seq = ++this.#lastSeq;
      const frame = this.#frame(KINDS.data, flags, seq, part);
      this.#outbox.push({ seq, frame });
      this.#outboxBytes += frame.length;
      this.#options.send(frame);
    }
    if (taken > 0) this.#waiting = this.#waiting.slice(taken);
  }

  #frame(kind: number, flags: number, seq: number, part: Uint8Array | null): Uint8Array {
    const frame = new Uint8Array(HEADER_BYTES + (part?.length ?? 0));
    const view = new DataView(frame.buffer);
    view.setUint8(0, VERSION);
    view.setUint8(1, kind);
    view.setUint16(2, flags, true);
    view.setUint32(4, this.#options.epoch, true);
    view.setUint32(8, this.#options.incarnation, true);
    view.setUint32(12, seq, true);
    view.setUint32(16, this.#received, true);
    if (part) frame.set(part, HEADER_BYTES);
    this.#unanswered = 0;
    return frame;
  }

  /** Told now and then: says what came, and so keeps both sides alive. */
  beat(): void {
    if (!this.#over) this.#options.send(this.#frame(KINDS.beat, this.#early.size > 0 ? GAP : 0, this.#lastSeq, null));
  }

  /** After a reconnection nothing is known of what was on its way. */
  resend(): void {
    for (const { frame } of this.#outbox) this.#options.send(this.#fresh(frame));
  }

  /** What is sent again says what has come meanwhile. The old bytes may still be in the client's hands. */
  #fresh(frame: Uint8Array): Uint8Array {
    const copy = frame.slice();
    new DataView(copy.buffer).setUint32(16, this.#received, true);
    return copy;
  }

  bye(): void {
    if (this.#over) return;
    this.#options.send(this.#frame(KINDS.bye, 0, this.#lastSeq, null));
    this.#over = true;
  }

  /** Frames of this conversation; `over` where the other side has ended it. Throws where a message arrives damaged. */
  receive(frame: Uint8Array): { readonly over: boolean } {
    const head = readHead(frame);
    if (this.#over || head === null || head.epoch !== this.#options.epoch || head.incarnation !== this.#options.incarnation)
      return { over: false };
    if (head.kind === KINDS.bye) {
      this.#over = true;
      return { over: true };
    }
    this.#answered(head.received);
    if (head.kind === KINDS.data) this.#data(head.seq, head.flags, frame.subarray(HEADER_BYTES));
    else this.#beaten(head);
    return { over: false };
  }

  #answered(received: number): void {
    let done = 0;
    while (done < this.#outbox.length && this.#outbox[done]!.seq <= received) this.#outboxBytes -= this.#outbox[done++]!.frame.length;
    if (done === 0) return;
    this.#outbox = this.#outbox.slice(done);
    this.#pump();
  }

  #beaten(head: Head): void {
    // The same answer at two beats, and something is still out: it was lost.
    const stuck = this.#outbox.length > 0 && head.received === this.#lastBeatReceived;
    if ((head.flags & GAP) !== 0 || stuck) {
      this.resend();
      this.#lastBeatReceived = -1;
    } else this.#lastBeatReceived = head.received;
  }

  #data(seq: number, flags: number, part: Uint8Array): void {
    if (seq <= this.#received) return;
    if (seq > this.#received + 1) {
      if (this.#early.size >= MOST_EARLY) throw new Error("more is on its way than may be");
      const first = this.#early.size === 0;
      this.#early.set(seq, { flags, part });
      if (first) this.#options.send(this.#frame(KINDS.beat, GAP, this.#lastSeq, null));
      return;
    }
    this.#accept(flags, part);
    for (let next = this.#early.get(this.#received + 1); next; next = this.#early.get(this.#received + 1)) {
      this.#early.delete(this.#received + 1);
      this.#accept(next.flags, next.part);
    }
    if (this.#unanswered >= ANSWER_BYTES) this.#options.send(this.#frame(KINDS.beat, 0, this.#lastSeq, null));
  }

  #accept(flags: number, part: Uint8Array): void {
    this.#received++;
    this.#unanswered += part.length;
    if (flags & MORE) {
      this.#parts.push(part.slice());
      return;
    }
    if (!(flags & DIGEST)) {
      this.#options.deliver(part);
      return;
    }
    const parts = [...this.#parts, part.subarray(0, part.length - DIGEST_BYTES)];
    this.#parts = [];
    const whole = Buffer.concat(parts);
    const digest = createHash("sha256").update(whole).digest();
    if (!digest.equals(part.subarray(part.length - DIGEST_BYTES))) throw new Error("a message arrived damaged: its SHA-256 differs");
    this.#options.deliver(whole);
  }
}

interface Head {
  readonly kind: number;
  readonly flags: number;
  readonly epoch: number;
  readonly incarnation: number;
  readonly seq: number;
  readonly received: number;
}

/** Null for what isn't a frame of this version. */
export function readHead(frame: Uint8Array): Head | null {
  if (frame.length < HEADER_BYTES || frame[0] !== VERSION) return null;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  return {
    kind: view.getUint8(1),
    flags: view.getUint16(2, true),
    epoch: view.getUint32(4, true),
    incarnation: view.getUint32(8, true),
    seq: view.getUint32(12, true),
    received: view.getUint32(16, true),
  };
}

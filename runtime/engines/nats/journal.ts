// A run's journal: records one after another, each of which is stored or not, whoever else writes and whatever the network does. One append is
// on its way at a time; records gather meanwhile. Pure but for the log that it is given: no clock, no randomness, no sockets.
//
// A leader's first record has its epoch. Records of an epoch below the highest before them are void: a leader that was thought gone wrote them.
// Every append expects the log to end where its writer believes it to: whoever was overtaken finds that out by its next.
import { decode, encode } from "../../objects/codec.ts";
import type { Entry } from "../past.ts";
import { Past } from "../past.ts";
import type { PackedEntries } from "./records.ts";
import { pack, unpack } from "./records.ts";

export interface LogMessage {
  readonly epoch: number;
  /** Tells this very message from all others. */
  readonly nonce: string;
  /** Of a record that is too long for one message: which part, of how many. */
  readonly part: number;
  readonly parts: number;
  readonly bytes: Uint8Array;
}

export interface Stored extends Pick<LogMessage, "epoch" | "nonce"> {
  readonly seq: number;
}

export type Appended =
  | { readonly how: "stored"; readonly seq: number }
  /** It ends elsewhere. */
  | { readonly how: "refused" }
  /** Nothing was heard: it may be stored, now or later. */
  | { readonly how: "unknown" };

/** Messages of one run, numbered upwards with gaps. */
export interface Log {
  /** `after`: the number of the last message there is; 0 for none. */
  append(message: LogMessage, after: number): Promise<Appended>;
  /** The last message; null where there is none. Waits until somebody answers. */
  tail(): Promise<Stored | null>;
}

export type LogRecord<Header = unknown> =
  /** What is to be run, and all that whoever leads the run has to know of it. */
  | { readonly type: "plan"; readonly header: Header }
  | { readonly type: "epoch"; readonly leader: string }
  | { readonly type: "entries"; readonly entries: PackedEntries }
  | { readonly type: "cancel" }
  | { readonly type: "finished"; readonly end: RunEnd };

/** How a run ended; `outputs` are beside the journal, in so many parts. */
export interface RunEnd {
  readonly status: "ok" | "failed" | "infrastructure" | "cancelled";
  readonly error: unknown;
  readonly onFailure: unknown;
  readonly ms: number;
  readonly outputs: { readonly parts: number; readonly digest: string } | null;
}

/** Something that was acknowledged isn't there any more. */
export class LogLost extends Error {
  override readonly name = "LogLost";
}

/** What stands there was never written by one of us. */
export class Unreadable extends Error {
  override readonly name = "Unreadable";
}

/** The messages of a record. `nonce` gives a new one each time. */
export function messagesOf(record: object, epoch: number, partBytes: number, nonce: () => string): readonly LogMessage[] {
  const bytes = encode(record);
  const parts = Math.max(1, Math.ceil(bytes.length / partBytes));
  return Array.from({ length: parts }, (_, part) => ({
    ...{ epoch, part, parts, nonce: nonce() },
    bytes: bytes.subarray(part * partBytes, (part + 1) * partBytes),
  }));
}

/** Appends one message, whatever it takes. Null: another leader has come. Throws `LogLost`. */
export async function appendTo(log: Log, message: LogMessage, after: number): Promise<number | null> {
  let last = after;
  for (;;) {
    const appended = await log.append(message, last);
    if (appended.how === "stored") return appended.seq;
    const tail = await log.tail();
    if ((tail?.seq ?? 0) < last) throw new LogLost("the server has lost what it had stored of this run");
    if (!tail || tail.seq === last) continue;
    if (tail.nonce === message.nonce) return tail.seq;
    if (tail.epoch >= message.epoch) return null;
    // Of a leader that was thought gone, which wrote before it found out: void, since this one's epoch stands before it.
    last = tail.seq;
  }
}

interface Gathering {
  readonly entry: Entry | null;
  readonly then: () => void;
}
interface Alone {
  readonly record: LogRecord;
  readonly then: (stored: boolean) => void;
}

export interface JournalOptions {
  readonly log: Log;
  readonly epoch: number;
  /** Number of the last message: the one with this leader's epoch. */
  readonly after: number;
  readonly past: Past;
  /** Longest message. */
  readonly partBytes: number;
  readonly nonce: () => string;
  /** Another leader has come, or nothing more can be stored: nothing of what waits will happen. */
  readonly over: (why: "deposed" | Error) => void;
}

/** What one leader writes. */
export class Journal {
  readonly #options: JournalOptions;
  #after: number;
  #waiting: (Gathering | Alone)[] = [];
  #writing = false;
  #over = false;

  constructor(options: JournalOptions) {
    this.#options = options;
    this.#after = options.after;
  }

  get past(): Past {
    return this.#options.past;
  }

  append(entry: Entry | null, then: () => void): void {
    if (this.#over) return;
    if (entry === null && !this.#writing && this.#waiting.length === 0) {
      then();
      return;
    }
    this.#waiting.push({ entry, then });
    if (!this.#writing) this.#write();
  }

  /** A record that stands for itself, behind all that waits. False: this leader's time is over. */
  async record(record: LogRecord): Promise<boolean> {
    return new Promise((resolve) => {
      if (this.#over) return resolve(false);
      this.#waiting.push({ record, then: resolve });
      if (!this.#writing) this.#write();
    });
  }

  #write(): void {
    this.#writing = true;
    void this.#drain();
  }

  async #drain(): Promise<void> {
    // All that is said in one turn goes together.
    await null;
    while (this.#waiting.length > 0 && !this.#over) {
      const alone = this.#waiting.findIndex((one) => "record" in one);
      if (alone === 0) {
        const { record, then } = this.#waiting.shift() as Alone;
        then(await this.#store(record));
        continue;
      }
      const gathered = this.#waiting.splice(0, alone < 0 ? this.#waiting.length : alone) as Gathering[];
      const entries = gathered.flatMap(({ entry }) => (entry === null ? [] : [entry]));
      if (entries.length > 0 && !(await this.#store({ type: "entries", entries: pack(entries) }))) break;
      for (const { then } of gathered) then();
    }
    this.#writing = false;
    for (const one of this.#over ? this.#waiting.splice(0) : []) if ("record" in one) one.then(false);
  }

  async #store(record: LogRecord): Promise<boolean> {
    const { log, epoch, partBytes, nonce, over } = this.#options;
    try {
      for (const message of messagesOf(record, epoch, partBytes, nonce)) {
        const seq = await appendTo(log, message, this.#after);
        if (seq === null) {
          this.#over = true;
          over("deposed");
          return false;
        }
        this.#after = seq;
      }
      return true;
    } catch (error) {
      // Whoever has hung up doesn't mind what becomes of it.
      if (this.#over) return false;
      this.#over = true;
      over(error instanceof Error ? error : new Error(String(error)));
      return false;
    }
  }

  close(): void {
    this.#over = true;
  }
}

/** Records out of messages that are read in the order of their numbers, but for those that are void. */
export class Records {
  epoch = 0;
  #parts: LogMessage[] = [];

  /** The record that it ends; null where there is none. */
  take(message: LogMessage): unknown {
    if (message.epoch < this.epoch) return null;
    this.epoch = message.epoch;
    if (message.part === 0) this.#parts = [];
    // The beginning was another writer's, who didn't come to the end.
    else if (this.#parts.length !== message.part || this.#parts[0]!.epoch !== message.epoch) return null;
    this.#parts.push(message);
    if (this.#parts.length < message.parts) return null;
    const bytes = join(this.#parts.map((part) => part.bytes));
    this.#parts = [];
    try {
      return decode(bytes, { share: true });
    } catch (error) {
      throw new Unreadable(`a record can't be read: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

/** What a journal says, as far as it has been read. */
export class Reader<Header> {
  readonly past = new Past();
  header: Header | null = null;
  end: RunEnd | null = null;
  cancelled = false;
  /** Number of the last message that was read. */
  after = 0;
  /** Leaders that came and went since anything was last finished. */
  idleEpochs = 0;
  readonly #records = new Records();

  get epoch(): number {
    return this.#records.epoch;
  }

  /** In the order of their numbers. */
  read(seq: number, message: LogMessage): void {
    this.after = seq;
    const record = this.#records.take(message) as LogRecord<Header> | null;
    if (record) this.#add(record);
  }

  #add(record: LogRecord<Header>): void {
    switch (record.type) {
      case "plan":
        this.header = record.header;
        return;
      case "epoch":
        this.idleEpochs++;
        return;
      case "entries":
        for (const entry of unpack(record.entries)) {
          if (entry.type === "done") this.idleEpochs = 0;
          this.past.add(entry);
        }
        return;
      case "cancel":
        this.cancelled = true;
        return;
      case "finished":
        this.end ??= record.end;
        return;
    }
  }
}

/** In memory of its own, aligned as what is read in place has to be. */
function join(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

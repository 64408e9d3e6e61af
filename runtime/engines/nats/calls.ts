// What the actors of one host were asked, kept where it outlives their machine: one log an actor, written by whoever it lives with and fenced as
// a run's journal is, each life being an epoch. Must not know what a call is, nor who asks.
//
// A checkpoint isn't read instead of what stands before it while answers from before it may be lost: their tasks would ask again, and the actor would
// have forgotten that they did. Once they are durable a `cut` says so, and what stands before it may go.
import type { FromHost } from "../../hosts/link.ts";
import type { Log, LogMessage } from "./journal.ts";
import { appendTo, messagesOf, Records } from "./journal.ts";

type Called = Extract<FromHost, { type: "called" }>;

/** Logs of the actors of one run, by their names. */
export interface CallLogs {
  log(actor: string): Log;
  /** Messages up to a number, in order. */
  read(actor: string, last: number, each: (seq: number, message: LogMessage) => void): Promise<void>;
  /** All below that number may go. */
  cut(actor: string, below: number): Promise<void>;
}

type CallRecord =
  /** A life begins: what an earlier one says later is void. `anew`: and all that it said before. */
  | { readonly type: "life"; readonly anew: boolean }
  | { readonly type: "calls" | "checkpoint"; readonly bytes: Uint8Array }
  /** Nothing before the checkpoint of that number is read any more. */
  | { readonly type: "cut"; readonly from: number };

export interface CallKeeperOptions {
  readonly logs: CallLogs;
  /** Longest message. */
  readonly partBytes: number;
  readonly nonce: () => string;
  /** `then` once no answer that was heard before can be lost any more. */
  readonly whenDurable: (then: () => void) => void;
  /** An actor lives elsewhere by now, or its log is lost: nothing more of what it says counts. */
  readonly over: (reason: string) => void;
}

export class CallKeeper {
  readonly #options: CallKeeperOptions;
  readonly #actors = new Map<string, Kept>();

  constructor(options: CallKeeperOptions) {
    this.#options = options;
  }

  said({ actor, message }: Called): void {
    this.#kept(actor).said(message);
  }

  /** All since the last checkpoint that counts, for a new life of the actor. Null: nothing is kept. */
  read(actor: string): Promise<Uint8Array | null> {
    return this.#kept(actor).read();
  }

  /** Resolves when all that was said before is kept; null: it is. */
  get stored(): Promise<unknown> | null {
    const behind = [...this.#actors.values()].flatMap(({ stored }) => stored ?? []);
    return behind.length === 0 ? null : Promise.all(behind);
  }

  #kept(actor: string): Kept {
    let kept = this.#actors.get(actor);
    if (!kept) this.#actors.set(actor, (kept = new Kept(actor, this.#options)));
    return kept;
  }
}

/** The log of one actor. */
class Kept {
  readonly #actor: string;
  readonly #options: CallKeeperOptions;
  readonly #log: Log;
  #epoch = 0;
  #after = 0;
  /** One thing after another. */
  #doing: Promise<void> = Promise.resolve();
  #behind = 0;
  /** Calls that go with an append that hasn't begun. */
  #gathering: Uint8Array[] | null = null;

  constructor(actor: string, options: CallKeeperOptions) {
    this.#actor = actor;
    this.#options = options;
    this.#log = options.logs.log(actor);
  }

  get stored(): Promise<void> | null {
    return this.#behind === 0 ? null : this.#doing;
  }

  said(message: Called["message"]): void {
    if (message.how === "calls" && this.#gathering) {
      this.#gathering.push(message.bytes);
      return;
    }
    this.#gathering = null;
    switch (message.how) {
      case "born":
        this.#next(() => this.#live(true));
        return;
      case "calls": {
        const gathering = [message.bytes];
        this.#gathering = gathering;
        this.#next(async () => {
          if (this.#gathering === gathering) this.#gathering = null;
          await this.#append({ type: "calls", bytes: joined(gathering) });
        });
        return;
      }
      case "checkpoint": {
        let from = 0;
        this.#next(async () => {
          from = await this.#append({ type: "checkpoint", bytes: message.bytes });
        });
        this.#options.whenDurable(() => this.#next(() => this.#cut(from)));
        return;
      }
    }
  }

  read(): Promise<Uint8Array | null> {
    this.#gathering = null;
    return new Promise((resolve) => this.#next(async () => resolve(await this.#read())));
  }

  /** Nothing is done any more after one that failed, and what waits for it waits for good: whoever hears of it gives all up. */
  #next(act: () => Promise<void>): void {
    this.#behind++;
    this.#doing = this.#doing.then(act).then(
      () => void this.#behind--,
      (error: unknown) => {
        this.#options.over(error instanceof Error ? error.message : String(error));
        return new Promise(() => {});
      },
    );
  }

  /** Whoever came later is obeyed; where two come at once, the last one. */
  async #live(anew: boolean): Promise<void> {
    const { partBytes, nonce } = this.#options;
    for (;;) {
      const tail = await this.#log.tail();
      this.#epoch = (tail?.epoch ?? 0) + 1;
      const [message] = messagesOf({ type: "life", anew } satisfies CallRecord, this.#epoch, partBytes, nonce);
      const after = await appendTo(this.#log, message!, tail?.seq ?? 0);
      if (after === null) continue;
      this.#after = after;
      return;
    }
  }

  /** Gives the number of its first message. */
  async #append(record: CallRecord): Promise<number> {
    const { partBytes, nonce } = this.#options;
    let first: number | null = null;
    for (const message of messagesOf(record, this.#epoch, partBytes, nonce)) {
      const seq = await appendTo(this.#log, message, this.#after);
      if (seq === null) throw new Error("an actor that lived here has been made again elsewhere");
      first ??= seq;
      this.#after = seq;
    }
    return first!;
  }

  async #cut(from: number): Promise<void> {
    await this.#append({ type: "cut", from });
    await this.#options.logs.cut(this.#actor, from);
  }

  async #read(): Promise<Uint8Array | null> {
    if (!(await this.#log.tail())) return null;
    await this.#live(false);
    const records = new Records();
    let first = 0;
    let kept: { readonly seq: number; readonly type: "calls" | "checkpoint"; readonly bytes: Uint8Array }[] = [];
    await this.#options.logs.read(this.#actor, this.#after, (seq, message) => {
      if (message.part === 0) first = seq;
      const record = records.take(message) as CallRecord | null;
      if (record?.type === "life" && record.anew) kept = [];
      else if (record?.type === "cut") kept = kept.filter((one) => one.seq >= record.from);
      else if (record?.type === "calls" || record?.type === "checkpoint") kept.push({ ...record, seq: first });
    });
    return joined(kept.filter(({ type }, place) => type === "calls" || place === 0).map(({ bytes }) => bytes));
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? parts[0]! : Uint8Array.from(Buffer.concat(parts));
}

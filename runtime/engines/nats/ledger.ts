// What a worker's host has in hand for a run, as its leader knows it too: what it was given, less what was said of it and is known to be
// durable. With what was said since, it is all that the next leader needs. Pure.
import type { FromHost, ToHost } from "../../hosts/link.ts";

/** Tasks in a slot's queue. */
export interface InHand {
  readonly slot: number;
  readonly stage: number;
  readonly planned: number;
  readonly key: string;
  readonly first: number;
  readonly end: number;
  readonly attempt: number;
  readonly rank: number | null;
  readonly reportedMs: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What changes what a slot has in hand, or what has been committed. */
export type Account = Extract<FromHost, { type: "finished" | "failed" | "recalled" | "slotLost" }>;

export const isAccount = (message: FromHost): message is Account =>
  message.type === "finished" || message.type === "failed" || message.type === "recalled" || message.type === "slotLost";

export class Ledger {
  /** In the order in which they were given. */
  #inHand: Mutable<InHand>[] = [];
  /** Said, and not known to be durable; in order. */
  #open: (Account & { readonly number: number })[] = [];
  #said = 0;
  /** What happens once all that was said before is durable. */
  readonly #awaiting: { readonly said: number; readonly then: () => void }[] = [];

  get inHand(): readonly InHand[] {
    return this.#inHand;
  }
  /** For another leader: what was said since. */
  takeOpen(): readonly Account[] {
    this.#open = this.#open.filter(({ type }) => type !== "recalled");
    this.#look();
    return this.#open.map(({ number: _number, ...account }) => account as Account);
  }

  given({ slot, stage, planned, instance = "", first, count, attempt, rank }: Extract<ToHost, { type: "assign" }>): void {
    this.#inHand.push({
      ...{ slot, stage, planned, first, attempt },
      key: instance,
      end: first + count,
      rank: rank ?? null,
      reportedMs: 0,
    });
  }

  said(message: Account): void {
    this.#open.push({ ...message, number: this.#said++ });
    // What was given back may be another's by now, whether anybody knows that it was or not.
    if (message.type === "recalled") this.#settle(message);
  }

  /** So many more of what was said. */
  durable(count: number): void {
    for (const message of this.#open.splice(0, count)) if (message.type !== "recalled") this.#settle(message);
    this.#look();
  }

  whenDurable(then: () => void): void {
    this.#awaiting.push({ said: this.#said, then });
    this.#look();
  }

  #look(): void {
    const durable = this.#open[0]?.number ?? this.#said;
    while (this.#awaiting.length > 0 && this.#awaiting[0]!.said <= durable) this.#awaiting.shift()!.then();
  }

  #settle(message: Account): void {
    if (message.type === "slotLost") {
      this.#inHand = this.#inHand.filter(({ slot }) => slot !== message.slot);
      return;
    }
    const place = this.#inHand.findIndex((one) => isOf(one, message));
    const found = this.#inHand[place];
    // Of a batch that went with its slot.
    if (!found) return;
    if (message.type === "finished") {
      found.first = message.first + message.count;
      found.reportedMs = message.runMs;
    } else if (message.type === "failed") found.first = message.block + 1;
    else found.end -= message.count;
    if (found.first >= found.end) this.#inHand.splice(place, 1);
  }
}

/** A slot may have two batches of one stage. */
function isOf(one: InHand, message: Exclude<Account, { type: "slotLost" }>): boolean {
  const { slot, stage, attempt } = message;
  if (one.slot !== slot || one.stage !== stage || one.attempt !== attempt) return false;
  if (message.type === "recalled") return one.end === message.first + message.count;
  return one.first === (message.type === "finished" ? message.first : message.block);
}

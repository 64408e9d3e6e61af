// A log that loses appends, stores them unheard, or stores them late, by dice. Knows nothing of who writes it.
import type { Appended, Log, LogMessage, Stored } from "../../runtime/engines/nats/journal.ts";

/** One stream for several runs, so that a run's numbers have gaps. Turns are taken by dice. */
export class FaultyLog {
  readonly stored: { readonly seq: number; readonly message: LogMessage }[] = [];
  readonly #dice: () => number;
  readonly #late: (() => void)[] = [];
  #seq = 0;

  constructor(dice: () => number) {
    this.#dice = dice;
  }

  store(message: LogMessage, after: number): Appended {
    if ((this.stored.at(-1)?.seq ?? 0) !== after) return { how: "refused" };
    this.#seq += 1 + (this.#dice() % 3);
    this.stored.push({ seq: this.#seq, message });
    return { how: "stored", seq: this.#seq };
  }

  readonly asLog: Log = {
    append: async (message, after) => {
      await this.turns();
      const luck = this.#dice() % 100;
      if (luck < 10) return { how: "unknown" };
      if (luck < 20) {
        this.#late.push(() => void this.store(message, after));
        return { how: "unknown" };
      }
      const appended = this.store(message, after);
      await this.turns();
      return luck < 35 ? { how: "unknown" } : appended;
    },
    tail: async (): Promise<Stored | null> => {
      await this.turns();
      const last = this.stored.at(-1);
      return last ? { seq: last.seq, epoch: last.message.epoch, nonce: last.message.nonce } : null;
    },
  };

  async turns(): Promise<void> {
    for (let i = this.#dice() % 4; i >= 0; i--) await null;
    if (this.#dice() % 3 === 0) this.#late.shift()?.();
  }
}

// What is told of a run, to whoever listens now or later: events, gathered while those before them are being stored, in order and none twice.
import type { Plan } from "../../../compiler/plan.ts";
import type { RunEvent } from "../../events/events.ts";
import { decode, encode } from "../../objects/codec.ts";
import type { RunEnd } from "./journal.ts";
import type { Streams } from "./streams.ts";

/** First what is run, in parts, by whoever submits it; then several events at a time; then the last one with what the run gave. */
export type Telling =
  | { readonly plan: Uint8Array; readonly parts: number }
  | { readonly events: readonly RunEvent[] }
  | { readonly finished: RunEvent; readonly outputs: RunEnd["outputs"] };

/** What is run, for whoever is to see how it goes when nobody needs the journal any more. */
export async function tellPlan(streams: Streams, run: string, plan: Plan, mostBytes: number): Promise<void> {
  const bytes = Buffer.from(JSON.stringify(plan));
  // What says that it is a part takes some room too.
  const partBytes = mostBytes - 1024;
  const parts = Math.ceil(bytes.length / partBytes);
  for (let part = 0; part < parts; part++) {
    const telling: Telling = { plan: Uint8Array.from(bytes.subarray(part * partBytes, (part + 1) * partBytes)), parts };
    await streams.tell(run, `${run}-plan-${part}`, encode(telling));
  }
}

/** Events that are told together at most, and how long the first of them waits for others. */
const TOGETHER = 256;
const GATHERING_MS = 20;

export class Teller {
  readonly #streams: Streams;
  readonly #run: string;
  /** Tells its messages from those of others. */
  readonly #name: string;
  readonly #mostBytes: number;
  #waiting: RunEvent[] = [];
  #told = 0;
  #busy: Promise<void> | null = null;
  readonly #failed: (error: unknown) => void;

  /** `failed`: what is said can't be stored, and nothing more is. */
  constructor(streams: Streams, run: string, name: string, mostBytes: number, failed: (error: unknown) => void) {
    this.#failed = failed;
    this.#streams = streams;
    this.#run = run;
    this.#name = name;
    this.#mostBytes = mostBytes;
  }

  tell(event: RunEvent): void {
    this.#waiting.push(event);
    this.#busy ??= this.#drain()
      .catch(this.#failed)
      .finally(() => {
        this.#busy = null;
      });
  }

  /** Resolves once all that was told is stored; somebody else tells what comes after it. */
  async leave(): Promise<void> {
    this.#isEnding = true;
    while (this.#busy) await this.#busy;
  }

  /** Resolves once all is stored. */
  async end(telling: Extract<Telling, { readonly finished: RunEvent }>): Promise<void> {
    await this.leave();
    await this.#put(encode(telling));
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      // People see it soon enough, and the server has better to do than to store each event by itself.
      if (!this.#isEnding && this.#waiting.length < TOGETHER) await new Promise((resolve) => setTimeout(resolve, GATHERING_MS));
      await this.#store(this.#waiting.splice(0, TOGETHER));
    }
  }
  #isEnding = false;

  async #store(events: readonly RunEvent[]): Promise<void> {
    const bytes = encode({ events } satisfies Telling);
    if (bytes.length <= this.#mostBytes) {
      await this.#put(bytes);
      return;
    }
    const [only] = events;
    if (events.length > 1 && only) {
      const half = events.length >> 1;
      await this.#store(events.slice(0, half));
      await this.#store(events.slice(half));
      return;
    }
    await this.#put(encode({ events: [shortened(only!, this.#mostBytes)] } satisfies Telling));
  }

  async #put(bytes: Uint8Array): Promise<void> {
    await this.#streams.tell(this.#run, `${this.#name}-${this.#told++}`, bytes);
  }
}

/** One that no message has room for loses the end of its texts and lists. */
function shortened(event: RunEvent, mostBytes: number): RunEvent {
  const most = mostBytes >> 4;
  const cut = (value: unknown): unknown => {
    if (typeof value === "string") return value.length > most ? `${value.slice(0, most)} … (${value.length} characters)` : value;
    if (Array.isArray(value)) return value.slice(0, most >> 4).map(cut);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, cut(one)]));
  };
  return cut(event) as RunEvent;
}

export const readTelling = (bytes: Uint8Array): Telling => decode(Uint8Array.from(bytes), { share: false }) as Telling;

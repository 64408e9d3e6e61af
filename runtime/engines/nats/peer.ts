// The other side of a conversation, watched: silence, then a question, then a verdict. Shared by engine and worker.
import type { NatsConnection } from "@nats-io/transport-node";
import { BEAT_MS, DOUBT_MS, HUNG_MS, isAway, isGone, OWN_GAP_MS } from "./connect.ts";

export interface PeerOptions {
  readonly connection: NatsConnection;
  /** Name under which the other side answers `alive`. */
  readonly who: string;
  readonly beat: () => void;
  readonly onLost: (reason: string) => void;
}

export class Peer {
  readonly #options: PeerOptions;
  readonly #timer: NodeJS.Timeout;
  #heardMs = performance.now();
  #tickMs = performance.now();
  #asking = false;
  #stopped = false;

  constructor(options: PeerOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#tick(), BEAT_MS);
  }

  heard(): void {
    this.#heardMs = performance.now();
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
  }

  #tick(): void {
    const nowMs = performance.now();
    if (nowMs - this.#tickMs > BEAT_MS + OWN_GAP_MS || isAway(this.#options.connection)) this.#heardMs = nowMs;
    this.#tickMs = nowMs;
    this.#options.beat();
    const silentMs = nowMs - this.#heardMs;
    if (silentMs > HUNG_MS) this.#lost(`nothing was heard for ${Math.round(silentMs / 1000)} s`);
    else if (silentMs > DOUBT_MS && !this.#asking) void this.#ask();
  }

  async #ask(): Promise<void> {
    this.#asking = true;
    const sinceMs = this.#heardMs;
    const gone = await isGone(this.#options.connection, this.#options.who);
    this.#asking = false;
    if (gone && this.#heardMs === sinceMs && !this.#stopped) this.#lost("its process has ended");
  }

  #lost(reason: string): void {
    this.stop();
    this.#options.onLost(reason);
  }
}

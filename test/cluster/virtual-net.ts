// A NATS server on a virtual clock, as far as Headrace uses one: subjects, requests and streams, for processes that are killed and cut off. It
// loses, repeats, delays and reorders what core NATS may; appends are stored and not acknowledged, or stored late. By dice alone.
import type { NatsConnection } from "@nats-io/transport-node";
import { matches } from "../../runtime/engines/nats/connect.ts";
import type { Appended, Log, LogMessage, Stored } from "../../runtime/engines/nats/journal.ts";
import type { RunSummary, Streams } from "../../runtime/engines/nats/streams.ts";

/** Of a thousand; none where nothing goes wrong. */
export interface Weather {
  readonly lost: number;
  readonly twice: number;
  readonly late: number;
  /** Appends: lost, stored without an answer, stored after somebody has given up. */
  readonly appendLost: number;
  readonly appendSilent: number;
  readonly appendLate: number;
}
export const CALM: Weather = { lost: 0, twice: 0, late: 0, appendLost: 0, appendSilent: 0, appendLate: 0 };

export class VirtualProcess {
  isDead = false;
  isCut = false;
}

interface Subscription {
  readonly connection: VirtualConnection;
  readonly tokens: readonly string[];
  readonly queue: string | undefined;
  readonly callback: (error: Error | null, message: unknown) => void;
}

export class VirtualNet {
  readonly subscriptions = new Set<Subscription>();
  readonly runs = new Map<string, RunSummary>();
  readonly logs = new Map<string, { readonly seq: number; readonly message: LogMessage }[]>();
  readonly told = new Map<string, { readonly id: string; readonly bytes: Uint8Array }[]>();
  /** Wait for what is told next. */
  readonly readers: (() => void)[] = [];
  readonly dice: () => number;
  weather: Weather;
  seq = 0;

  constructor(dice: () => number, weather: Weather) {
    this.dice = dice;
    this.weather = weather;
  }

  delayMs(): number {
    return this.dice() < this.weather.late ? 20 + this.dice() / 5 : 0.1 + this.dice() / 2000;
  }

  route(from: VirtualConnection, subject: string, data: Uint8Array, reply: string | undefined): number {
    if (from.isOff) return 1;
    const tokens = subject.split(".");
    const found = [...this.subscriptions].filter(
      (one) => one.connection !== from && !one.connection.isClosed() && matches(one.tokens, tokens),
    );
    const queues = new Map<string, Subscription[]>();
    const all = found.filter((one) => one.queue === undefined);
    for (const one of found) if (one.queue !== undefined) queues.set(one.queue, [...(queues.get(one.queue) ?? []), one]);
    for (const group of queues.values()) all.push(group[this.dice() % group.length]!);
    const bytes = Uint8Array.from(data);
    for (const one of all) {
      if (this.dice() < this.weather.lost) continue;
      const times = this.dice() < this.weather.twice ? 2 : 1;
      for (let i = 0; i < times; i++) setTimeout(() => this.#deliver(one, subject, bytes, reply), this.delayMs());
    }
    return all.length;
  }

  #deliver(to: Subscription, subject: string, data: Uint8Array, reply: string | undefined): void {
    if (!this.subscriptions.has(to) || to.connection.isOff) return;
    const respond = (answer: Uint8Array | string = "") => {
      if (reply !== undefined) this.route(to.connection, reply, Buffer.from(answer), undefined);
      return true;
    };
    to.callback(null, { subject, data, reply, respond, json: () => JSON.parse(Buffer.from(data).toString()) as unknown });
  }
}

export class VirtualConnection {
  readonly info = { max_payload: 64 * 1024 };
  readonly net: VirtualNet;
  readonly process: VirtualProcess;
  readonly #own = new Set<Subscription>();
  #closed = false;
  #whenClosed: () => void = () => {};
  readonly #ended = new Promise<void>((resolve) => {
    this.#whenClosed = resolve;
  });
  static #inboxes = 0;

  constructor(net: VirtualNet, process: VirtualProcess) {
    this.net = net;
    this.process = process;
  }

  /** Nothing comes out of it, and nothing into it. */
  get isOff(): boolean {
    return this.#closed || this.process.isDead || this.process.isCut;
  }
  isClosed(): boolean {
    return this.#closed || this.process.isDead;
  }

  publish(subject: string, data: Uint8Array | string = "", { reply }: { readonly reply?: string } = {}): void {
    this.net.route(this, subject, typeof data === "string" ? Buffer.from(data) : data, reply);
  }

  subscribe(subject: string, { callback, queue }: Pick<Subscription, "callback"> & { readonly queue?: string }): { unsubscribe(): void } {
    const one: Subscription = { connection: this, tokens: subject.split("."), queue, callback };
    this.net.subscriptions.add(one);
    this.#own.add(one);
    return { unsubscribe: () => void this.net.subscriptions.delete(one) };
  }

  request(subject: string, data?: Uint8Array | string, { timeout = 1000 }: { readonly timeout?: number } = {}): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const inbox = `_INBOX.${VirtualConnection.#inboxes++}`;
      const late = setTimeout(() => {
        subscription.unsubscribe();
        reject(new Error("timeout"));
      }, timeout);
      const subscription = this.subscribe(inbox, {
        callback: (_error, message) => {
          clearTimeout(late);
          subscription.unsubscribe();
          resolve(message);
        },
      });
      const heard = this.net.route(this, subject, typeof data === "string" ? Buffer.from(data) : (data ?? new Uint8Array(0)), inbox);
      if (heard > 0) return;
      clearTimeout(late);
      subscription.unsubscribe();
      setTimeout(() => reject(new Error("no responders")), this.net.delayMs());
    });
  }

  async *status(): AsyncGenerator<{ readonly type: string }> {
    await this.#ended;
    yield { type: "close" };
  }
  async drain(): Promise<void> {}
  async close(): Promise<void> {
    this.#closed = true;
    for (const one of this.#own) this.net.subscriptions.delete(one);
    this.#whenClosed();
  }
  closed(): Promise<void> {
    return this.#ended;
  }
}

/** Of a process that is gone: what it waits for never comes. */
const never = <T>() => new Promise<T>(() => {});
const after = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const PATIENCE_MS = 2000;

export function streamsOver(connection: VirtualConnection): Streams {
  const { net } = connection;
  /** Waits until the server is reached. */
  const reached = async (): Promise<void> => {
    do {
      if (connection.isClosed()) return never();
      await after(net.delayMs());
    } while (connection.isOff);
  };
  const kept = <T>(map: Map<string, T[]>, run: string): T[] => {
    let found = map.get(run);
    if (!found) map.set(run, (found = []));
    return found;
  };
  const put = async (subject: string, id: string, bytes: Uint8Array): Promise<void> => {
    await reached();
    const list = kept(net.told, subject);
    if (!list.some((one) => one.id === id)) list.push({ id, bytes: Uint8Array.from(bytes) });
    for (const wake of net.readers.splice(0)) wake();
    await reached();
  };
  const follow = async (subject: string, each: (bytes: Uint8Array, seq: number) => boolean): Promise<void> => {
    for (let at = 0; ; ) {
      await reached();
      const list = kept(net.told, subject);
      while (at < list.length) if (each(list[at++]!.bytes, at)) return;
      await new Promise<void>((resolve) => net.readers.push(resolve));
    }
  };
  const log = (run: string): Log => ({
    append: async (message, expected): Promise<Appended> => {
      const log = kept(net.logs, run);
      const store = (): Appended => {
        if ((log.at(-1)?.seq ?? 0) !== expected) return { how: "refused" };
        // Numbers belong to the whole stream, so that those of one run have gaps.
        net.seq += 1 + (net.dice() % 3);
        log.push({ seq: net.seq, message: { ...message, bytes: Uint8Array.from(message.bytes) } });
        return { how: "stored", seq: net.seq };
      };
      const silent = async (): Promise<Appended> => {
        await after(PATIENCE_MS);
        return connection.isClosed() ? never() : { how: "unknown" };
      };
      await after(net.delayMs());
      if (connection.isClosed()) return never();
      const luck = net.dice();
      const { appendLost, appendSilent, appendLate } = net.weather;
      if (connection.isOff || luck < appendLost) return silent();
      if (luck < appendLost + appendLate) {
        setTimeout(store, PATIENCE_MS + net.dice() * 2);
        return silent();
      }
      const appended = store();
      if (luck < appendLost + appendLate + appendSilent) return silent();
      await after(net.delayMs());
      return connection.isOff ? silent() : appended;
    },
    tail: async (): Promise<Stored | null> => {
      await reached();
      const last = net.logs.get(run)?.at(-1);
      await reached();
      return last ? { seq: last.seq, epoch: last.message.epoch, nonce: last.message.nonce } : null;
    },
  });
  const readLog: Streams["readLog"] = async (run, from, last, each) => {
    await reached();
    for (const { seq, message } of net.logs.get(run) ?? []) if (seq > from && seq <= last) each(seq, message);
  };
  return {
    log,
    readLog,
    calls: (run) => {
      const nameOf = (actor: string) => `${run}.${actor}`;
      return {
        log: (actor) => log(nameOf(actor)),
        read: (actor, last, each) => readLog(nameOf(actor), 0, last, each),
        cut: async () => {
          await reached();
        },
      };
    },
    forgetLog: async () => {
      await reached();
    },
    tell: (run, id, bytes) => put(`e.${run}`, id, bytes),
    putOutput: (run, id, bytes) => put(`out.${run}`, id, bytes),
    events: (run, each) => follow(`e.${run}`, each),
    lastTold: async (run) => {
      await reached();
      return kept(net.told, `e.${run}`).length;
    },
    outputs: async (run, parts) => {
      const found: Uint8Array[] = [];
      await follow(`out.${run}`, (bytes) => found.push(bytes) >= parts);
      return found;
    },
    summarize: async (summary) => {
      await reached();
      net.runs.set(summary.run, summary);
      connection.publish(`hr.v1.run.${summary.run}`, JSON.stringify(summary));
    },
    summary: async (run) => {
      await reached();
      return net.runs.get(run) ?? null;
    },
    summaries: async () => {
      await reached();
      return [...net.runs.values()];
    },
  };
}

/** As the client's own type, of which Headrace uses so much. */
export const asConnection = (connection: VirtualConnection): NatsConnection => connection as unknown as NatsConnection;

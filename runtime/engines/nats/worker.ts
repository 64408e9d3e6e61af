// The worker's side of NATS: offers this machine's slots to the runs of all leaders, each with a host of its own, so that one can't touch
// another; and leads runs itself, where it is asked or nobody else does.
import { randomBytes } from "node:crypto";
import type { NatsConnection } from "@nats-io/transport-node";
import { startHost } from "../../hosts/host.ts";
import type { WorkerLink } from "../../hosts/link.ts";
import { Bulk } from "./bulk.ts";
import { Candidate } from "./candidate.ts";
import type { ConnectOptions, Introduction } from "./connect.ts";
import { connectTo, identityOf, listen, meetsAt, onForbiddenToListen, onReconnect, subjects } from "./connect.ts";
import { Conversation } from "./conversation.ts";
import type { Open } from "./lead.ts";
import { readObjectName } from "./link.ts";
import type { Streams } from "./streams.ts";
import { openStreams } from "./streams.ts";

export interface WorkerOptions extends ConnectOptions {
  readonly slots: number;
  /** What people see. */
  readonly name: string;
  /** What schedules may ask for. */
  readonly labels?: readonly string[] | undefined;
  /** What other workers reach this machine by; default: where the server sees it. */
  readonly address?: string | undefined;
  /** How other workers' objects come here, and those here to others: straight, unless told, or by way of the server alone. */
  readonly bulk?: "direct" | "nats" | undefined;
  /** Lines for people. */
  readonly say: (line: string) => void;
}

export interface RunningWorker {
  /** Leaves: leaders hear of it at once. */
  stop(): Promise<void>;
  /** Takes nothing new, finishes what it has begun, and resolves once others have what is needed of what it holds; then it may stop. */
  drain(): Promise<void>;
  /** Somebody has asked for that. */
  onDrain: (() => void) | null;
  /** Resolves when it can't go on, with why: the connection has ended for good, or the server refuses what a worker has to do. */
  readonly ended: Promise<string>;
}

export async function startWorker(options: WorkerOptions): Promise<RunningWorker> {
  const open: Open = async (name) => {
    const connection = await connectTo(options, name);
    try {
      return { connection, streams: await openStreams(connection) };
    } catch (error) {
      await connection.close();
      throw error;
    }
  };
  const { slots, address, name, bulk } = options;
  // Under its own name alone credentials let it speak.
  const id = `${identityOf(options)}.${randomBytes(8).toString("hex")}`;
  return runWorker({
    ...options,
    id,
    open,
    startBulk: async (bytesOf) => {
      const connection = await connectTo(options, `headrace-bulk-${name}`);
      const at = bulk === "nats" ? null : meetsAt(connection, address);
      const started = await Bulk.start({ worker: id, connection, at, bytesOf }).catch((error: unknown) => {
        const why = error instanceof Error ? error.message : String(error);
        options.say(`others can't pull objects straight from here, but over NATS: ${why}`);
        return Bulk.start({ worker: id, connection, at: null, bytesOf });
      });
      return {
        bulk: started,
        async close() {
          started.close();
          await connection.close();
        },
      };
    },
    startHost: (connection) => startHost({ slots, meetsAt: meetsAt(connection, address), tellsCalls: true }),
  });
}

export interface WorkerParts extends Pick<WorkerOptions, "slots" | "name" | "labels" | "say"> {
  /** Tells it from all others. */
  readonly id: string;
  readonly open: Open;
  readonly startHost: (connection: NatsConnection) => Promise<WorkerLink>;
  /** Absent: objects go through whoever leads. */
  readonly startBulk?: (bytesOf: BytesOf) => Promise<OpenBulk>;
}

/** The bytes of an object here, by its name; null where it isn't. */
type BytesOf = (object: string) => Promise<Uint8Array | null>;
interface OpenBulk {
  readonly bulk: Bulk;
  close(): Promise<void>;
}

/** The same, over whatever connects processes, with whatever runs tasks. */
export async function runWorker(parts: WorkerParts): Promise<RunningWorker> {
  const { id, open, name, say } = parts;
  const { connection, streams } = await open(`headrace-worker-${name}`);
  const conversations = new Map<string, Conversation>();
  const bulk = parts.startBulk
    ? await parts.startBulk(async (object) => {
        const asked = readObjectName(object);
        return (asked && (await conversations.get(asked.run)?.bytesOf(asked.home, asked.ref))) ?? null;
      })
    : null;
  const worker = new Worker(connection, streams, parts, conversations, bulk?.bulk ?? null);
  const candidate = await Candidate.start({ connection, streams, open, worker: id, name, say });
  const running: RunningWorker = {
    onDrain: null,
    async drain() {
      // Whoever leads sees to it that nothing is lost, even if that is this worker.
      candidate.retire();
      await worker.drain();
    },
    async stop() {
      await candidate.stop();
      await worker.stop();
      await bulk?.close();
    },
    ended: Promise.race([
      connection.closed().then(() => "the connection has ended"),
      new Promise<string>((resolve) => void onForbiddenToListen(connection, ({ message }) => resolve(message))),
    ]),
  };
  listen(connection, subjects.drain(id), (message) => {
    message.respond();
    running.onDrain?.();
  });
  return running;
}

class Worker {
  readonly #connection: NatsConnection;
  readonly #streams: Streams;
  readonly #parts: WorkerParts;
  readonly #conversations: Map<string, Conversation>;
  readonly #bulk: Bulk | null;
  /** Started before anybody asks, so that a run doesn't wait for it. */
  #spare: Promise<WorkerLink | null> | null = null;

  constructor(
    connection: NatsConnection,
    streams: Streams,
    parts: WorkerParts,
    conversations: Map<string, Conversation>,
    bulk: Bulk | null,
  ) {
    this.#connection = connection;
    this.#streams = streams;
    this.#parts = parts;
    this.#conversations = conversations;
    this.#bulk = bulk;
    const { id, slots, name, labels = [] } = parts;
    listen(connection, subjects.alive(id), (message) => void message.respond());
    listen(connection, subjects.allToWorker(id), ({ subject, data }) => this.#heard(subject.split(".")[2]!, data));
    listen(connection, subjects.discover, (message) => {
      const leaving = this.#drained ? [...this.#conversations.keys()] : null;
      message.respond(JSON.stringify({ worker: id, name, slots, labels, leaving } satisfies Introduction));
    });
    void onReconnect(connection, () => {
      for (const conversation of this.#conversations.values()) conversation.resend();
    });
    this.#makeSpare();
  }

  #heard(run: string, data: Uint8Array): void {
    let conversation = this.#conversations.get(run);
    if (!conversation) {
      conversation = new Conversation({
        ...{ connection: this.#connection, calls: this.#streams.calls(run), run, worker: this.#parts.id },
        ...{ startHost: () => this.#host(), bulk: this.#bulk, say: this.#parts.say },
        onEnd: (reason) => {
          this.#conversations.delete(run);
          if (this.#conversations.size === 0) this.#drained?.();
          this.#parts.say(`done with run ${run}: ${reason}`);
        },
      });
      this.#conversations.set(run, conversation);
      this.#parts.say(`works for run ${run}`);
    }
    conversation.heard(data);
  }

  async #host(): Promise<WorkerLink> {
    // Whoever comes meanwhile has another.
    const spare = this.#spare;
    this.#spare = null;
    const host = (await spare) ?? (await this.#startHost());
    host.onLost = () => {};
    this.#makeSpare();
    return host;
  }

  #startHost(): Promise<WorkerLink> {
    return this.#parts.startHost(this.#connection);
  }

  #makeSpare(): void {
    if (this.#stopped || this.#spare) return;
    const spare = this.#startHost().then(
      (host) => {
        // It has nothing to say before it is given anything.
        host.onMessage = () => {};
        host.onLost = () => {
          if (this.#spare === spare) this.#spare = null;
        };
        return host;
      },
      // Whoever needs one tries again, and is told why there is none.
      () => null,
    );
    this.#spare = spare;
  }
  #stopped = false;

  async drain(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#drained = resolve;
      for (const conversation of this.#conversations.values()) conversation.depart();
      if (this.#conversations.size === 0) resolve();
    });
  }
  #drained: (() => void) | null = null;

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([...this.#conversations.values()].map((conversation) => conversation.leave()));
    await (await this.#spare)?.close();
    await Promise.race([this.#connection.drain(), new Promise((resolve) => setTimeout(resolve, 1000))]);
    await this.#connection.close();
  }
}

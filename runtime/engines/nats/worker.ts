// The worker's side of NATS: offers this machine's slots. Each engine that speaks to it gets a host of its own, so that runs of one
// can't touch those of another; the host ends with the conversation.
import { createHash, randomBytes } from "node:crypto";
import type { NatsConnection } from "@nats-io/transport-node";
import { FrameReader, frame } from "../../hosts/frames.ts";
import { startHost } from "../../hosts/host.ts";
import type { ToHost, WorkerLink } from "../../hosts/link.ts";
import type { ConnectOptions, Introduction } from "./connect.ts";
import { connectTo, frameBytes, onReconnect, subjects } from "./connect.ts";
import { Peer } from "./peer.ts";
import { readHead, Session } from "./session.ts";

export interface WorkerOptions extends ConnectOptions {
  readonly slots: number;
  /** What people see. */
  readonly name: string;
  /** Lines for people. */
  readonly say: (line: string) => void;
}

export interface RunningWorker {
  /** Leaves: engines hear of it at once. */
  stop(): Promise<void>;
  /** Resolves when the connection has ended for good. */
  readonly ended: Promise<void>;
}

export async function startWorker(options: WorkerOptions): Promise<RunningWorker> {
  const id = randomBytes(8).toString("hex");
  const connection = await connectTo(options, `headrace-worker-${options.name}`);
  const worker = new Worker(connection, id, options);
  return { stop: () => worker.stop(), ended: connection.closed().then(() => {}) };
}

class Worker {
  readonly #connection: NatsConnection;
  readonly #id: string;
  readonly #options: WorkerOptions;
  readonly #conversations = new Map<string, Conversation>();
  /** The last turn that is over, by engine: whoever hasn't heard so is told again. */
  readonly #ended = new Map<string, number>();

  constructor(connection: NatsConnection, id: string, options: WorkerOptions) {
    this.#connection = connection;
    this.#id = id;
    this.#options = options;
    const { slots, name } = options;
    connection.subscribe(subjects.alive(id), { callback: (_error, message) => void message.respond() });
    connection.subscribe(subjects.allToWorker(id), {
      callback: (error, message) => {
        if (!error) this.#heard(message.subject.split(".")[2]!, message.data);
      },
    });
    connection.subscribe(subjects.discover, {
      callback: (error, message) => {
        if (!error) message.respond(JSON.stringify({ worker: id, name, slots } satisfies Introduction));
      },
    });
    void onReconnect(connection, () => {
      for (const conversation of this.#conversations.values()) conversation.session.resend();
    });
  }

  #heard(engine: string, data: Uint8Array): void {
    const head = readHead(data);
    if (!head) return;
    let conversation = this.#conversations.get(engine);
    // Only the highest incarnation counts: an older one was given up by its engine.
    if (conversation && conversation.incarnation < head.incarnation) {
      conversation.end("the engine began anew");
      conversation = undefined;
    }
    if (!conversation && (this.#ended.get(engine) ?? 0) >= head.incarnation) {
      farewell(this.#connection, {
        engine,
        worker: this.#id,
        epoch: head.epoch,
        incarnation: head.incarnation,
        slots: this.#options.slots,
      }).bye();
      return;
    }
    if (!conversation) {
      const { incarnation } = head;
      conversation = new Conversation(
        this.#connection,
        { engine, worker: this.#id, epoch: head.epoch, incarnation: head.incarnation, slots: this.#options.slots },
        (reason) => {
          this.#ended.set(engine, incarnation);
          if (this.#conversations.get(engine) === conversation) this.#conversations.delete(engine);
          this.#options.say(`engine ${engine.slice(0, 8)} left: ${reason}`);
        },
      );
      this.#conversations.set(engine, conversation);
      this.#options.say(`engine ${engine.slice(0, 8)} came`);
    }
    conversation.heard(data);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#conversations.values()].map((conversation) => conversation.leave()));
    await Promise.race([this.#connection.drain(), new Promise((resolve) => setTimeout(resolve, 1000))]);
    await this.#connection.close();
  }
}

interface Facts {
  readonly engine: string;
  readonly worker: string;
  readonly epoch: number;
  readonly incarnation: number;
  readonly slots: number;
}

/** A conversation that has nothing more to say. */
function farewell(connection: NatsConnection, { engine, worker, epoch, incarnation }: Facts): Session {
  return new Session({
    epoch,
    incarnation,
    frameBytes: frameBytes(connection),
    send: (bytes) => connection.publish(subjects.toEngine(engine, worker), bytes),
    deliver: () => {},
  });
}

class Conversation {
  readonly incarnation: number;
  readonly session: Session;
  readonly #slots: number;
  readonly #peer: Peer;
  readonly #onEnd: (reason: string) => void;
  #host: WorkerLink | null = null;
  /** Messages that came before the host was up. */
  #early: ToHost[] = [];
  #over = false;

  constructor(connection: NatsConnection, facts: Facts, onEnd: (reason: string) => void) {
    this.incarnation = facts.incarnation;
    this.#slots = facts.slots;
    this.#onEnd = onEnd;
    const subject = subjects.toEngine(facts.engine, facts.worker);
    const reader = new FrameReader((message) => this.#toHost(message as ToHost));
    this.session = new Session({
      epoch: facts.epoch,
      incarnation: facts.incarnation,
      frameBytes: frameBytes(connection),
      send: (bytes) => {
        if (!connection.isClosed()) connection.publish(subject, bytes);
      },
      deliver: (message) => reader.push(message),
    });
    this.#peer = new Peer({ connection, who: facts.engine, beat: () => this.session.beat(), onLost: (reason) => this.end(reason) });
    this.session.beat();
    startHost({ slots: facts.slots }).then(
      (host) => this.#started(host),
      (error: unknown) => this.end(`no host could be started: ${error instanceof Error ? error.message : String(error)}`),
    );
  }

  #started(host: WorkerLink): void {
    if (this.#over) {
      void host.close();
      return;
    }
    if (host.slots !== this.#slots) throw new Error("bug: a host of another size");
    this.#host = host;
    host.onMessage = (message) => this.session.send(frame(message));
    // With its host the worker loses all objects: to the engine that is a new worker.
    host.onLost = (reason) => this.end(reason);
    for (const message of this.#early) host.send(message);
    this.#early = [];
  }

  #toHost(message: ToHost): void {
    // Code is loaded only if it is what its name says.
    if (message.type === "prepare") {
      for (const { digest, module } of message.code) {
        if (createHash("sha256").update(module).digest("hex") !== digest) throw new Error(`the slice ${digest} arrived with other code`);
      }
    }
    if (this.#host) this.#host.send(message);
    else this.#early.push(message);
  }

  heard(data: Uint8Array): void {
    if (this.#over) return;
    this.#peer.heard();
    try {
      if (this.session.receive(data).over) this.end("it said goodbye");
    } catch (error) {
      this.end(error instanceof Error ? error.message : String(error));
    }
  }

  end(reason: string): void {
    if (this.#over) return;
    void this.#close();
    this.#onEnd(reason);
  }

  async leave(): Promise<void> {
    if (!this.#over) await this.#close();
  }

  async #close(): Promise<void> {
    this.#over = true;
    this.session.bye();
    this.#peer.stop();
    await this.#host?.close();
  }
}

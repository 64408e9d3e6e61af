// The engine's side of NATS: finds workers, holds a conversation with each, and is a `WorkerLink` for each to the driver that the
// local engine uses too. The same core, the same plan, the same bits.
import { randomBytes } from "node:crypto";
import type { NatsConnection } from "@nats-io/transport-node";
import type { CodeStore, Plan } from "../../../compiler/plan.ts";
import { FrameReader, frame } from "../../hosts/frames.ts";
import type { FromHost, ToHost, WorkerLink } from "../../hosts/link.ts";
import type { Engine, RunOptions, RunResult } from "../../index.ts";
import { drive } from "../driver.ts";
import { runOptions } from "../options.ts";
import { WorkerPool } from "../pool.ts";
import { Recall } from "../recall.ts";
import type { ConnectOptions, Introduction } from "./connect.ts";
import { connectTo, frameBytes, onReconnect, subjects } from "./connect.ts";
import { Peer } from "./peer.ts";
import { readHead, Session } from "./session.ts";

export interface NatsEngineOptions extends ConnectOptions {
  /** How long to wait for the first worker. */
  readonly waitMs?: number;
}

const DISCOVER_EVERY_MS = 1000;
/** Without any worker for so long a run gives up. */
const STRANDED_MS = 60_000;

/** Connects, and waits for a worker. Rejects where there is no server or no worker. */
export async function natsEngine(options: NatsEngineOptions): Promise<Engine> {
  const id = randomBytes(8).toString("hex");
  const connection = await connectTo(options, `headrace-engine-${id}`);
  const engine = new NatsEngine(connection, id);
  const waitMs = options.waitMs ?? 3000;
  if (!(await engine.firstWorker(waitMs))) {
    await engine[Symbol.asyncDispose]();
    throw new Error(
      `no worker answers at ${options.url} (waited ${(waitMs / 1000).toFixed(0)} s); start one: headrace worker --nats ${options.url}`,
    );
  }
  return engine;
}

class NatsEngine implements Engine {
  readonly kind = "nats";
  readonly #connection: NatsConnection;
  readonly #id: string;
  readonly #pool = new WorkerPool();
  readonly #links = new Map<string, NatsLink>();
  /** Turns that each worker has had with this engine. */
  readonly #incarnations = new Map<string, number>();
  readonly #epoch = randomBytes(4).readUInt32LE(0);
  readonly #timer: NodeJS.Timeout;
  #aloneSinceMs = performance.now();
  #nextRun = 1;
  #met: () => void = () => {};

  constructor(connection: NatsConnection, id: string) {
    this.#connection = connection;
    this.#id = id;
    connection.subscribe(subjects.alive(id), { callback: (_error, message) => void message.respond() });
    connection.subscribe(subjects.allToEngine(id), {
      callback: (error, message) => {
        if (!error) this.#heard(message.subject.slice(message.subject.lastIndexOf(".") + 1), message.data);
      },
    });
    void onReconnect(connection, () => {
      for (const link of this.#links.values()) link.session.resend();
    });
    const inbox = `hr.v1.in.${id}`;
    connection.subscribe(inbox, {
      callback: (error, message) => {
        // Where nobody is there the server itself answers, with nothing.
        if (!error && message.data.length > 0) this.#introduced(message.json<Introduction>());
      },
    });
    const ask = () => {
      connection.publish(subjects.discover, undefined, { reply: inbox });
      this.#stranded();
    };
    this.#timer = setInterval(ask, DISCOVER_EVERY_MS);
    ask();
  }

  async firstWorker(waitMs: number): Promise<boolean> {
    if (this.#pool.workers.size > 0) return true;
    return new Promise((resolve) => {
      const late = setTimeout(() => resolve(false), waitMs);
      this.#met = () => {
        clearTimeout(late);
        // Others answer at the same time; a moment lets the first run begin with them.
        setTimeout(() => resolve(true), 50);
      };
    });
  }

  #introduced({ worker, slots, name }: Introduction): void {
    if (this.#links.has(worker)) return;
    const incarnation = (this.#incarnations.get(worker) ?? 0) + 1;
    this.#incarnations.set(worker, incarnation);
    const link = new NatsLink(this.#connection, { engine: this.#id, worker, name, slots, epoch: this.#epoch, incarnation }, () =>
      this.#links.delete(worker),
    );
    this.#links.set(worker, link);
    this.#pool.add(link, () => {
      if (this.#pool.workers.size === 0) this.#aloneSinceMs = performance.now();
    });
    this.#met();
  }

  #heard(worker: string, data: Uint8Array): void {
    const link = this.#links.get(worker);
    // One that was given up, and has come to again: its results are void, and it is told to begin anew.
    if (link && readHead(data)?.incarnation === link.incarnation) link.heard(data);
  }

  #stranded(): void {
    if (this.#pool.workers.size === 0 && performance.now() - this.#aloneSinceMs > STRANDED_MS)
      this.#pool.strand(`no worker has been there for ${STRANDED_MS / 1000} s`);
  }

  async run(plan: Plan, code: CodeStore, options: Omit<RunOptions, "engine">): Promise<RunResult> {
    const run = `r${this.#nextRun++}`;
    // Results on disk are this machine's, which may have none of the workers.
    const { keep = null, cache: _cache, ...known } = await runOptions(plan, options);
    const recall = new Recall(plan, known.params, { keep, store: null, fresh: false });
    return { run, ...(await drive(this.#pool, plan, code, { engine: "nats", run, ...known, recall })) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    for (const link of [...this.#links.values()]) await link.close();
    // A server that is away can't be drained to.
    await Promise.race([this.#connection.drain(), new Promise((resolve) => setTimeout(resolve, 1000))]);
    await this.#connection.close();
  }
}

interface LinkFacts {
  readonly engine: string;
  readonly worker: string;
  readonly name: string;
  readonly slots: number;
  readonly epoch: number;
  readonly incarnation: number;
}

class NatsLink implements WorkerLink {
  readonly id: string;
  readonly slots: number;
  readonly incarnation: number;
  readonly session: Session;
  onMessage: (message: FromHost) => void = () => {};
  onLost: (reason: string) => void = () => {};
  readonly #peer: Peer;
  readonly #onGone: () => void;
  #over = false;

  constructor(connection: NatsConnection, facts: LinkFacts, onGone: () => void) {
    this.id = facts.name;
    this.slots = facts.slots;
    this.incarnation = facts.incarnation;
    this.#onGone = onGone;
    const subject = subjects.toWorker(facts.engine, facts.worker);
    const reader = new FrameReader((message) => this.onMessage(message as FromHost));
    this.session = new Session({
      epoch: facts.epoch,
      incarnation: facts.incarnation,
      frameBytes: frameBytes(connection),
      send: (bytes) => {
        if (!connection.isClosed()) connection.publish(subject, bytes);
      },
      deliver: (message) => reader.push(message),
    });
    this.#peer = new Peer({ connection, who: facts.worker, beat: () => this.session.beat(), onLost: (reason) => this.#lost(reason) });
    // The first beat opens the conversation.
    this.session.beat();
  }

  heard(data: Uint8Array): void {
    this.#peer.heard();
    try {
      if (this.session.receive(data).over) this.#lost("it left");
    } catch (error) {
      this.#lost(error instanceof Error ? error.message : String(error));
    }
  }

  send(message: ToHost): void {
    if (!this.#over) this.session.send(frame(message));
  }

  #lost(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.session.bye();
    this.#peer.stop();
    this.#onGone();
    this.onLost(reason);
  }

  async close(): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    this.session.bye();
    this.#peer.stop();
    this.#onGone();
  }
}

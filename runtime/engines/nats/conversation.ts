// A worker's part in one run: its host there, and the conversation with whoever leads the run. The host outlives a leader: the next one hears
// what it has in hand. Must not know who leads, nor what a run is made of.
import { createHash, randomBytes } from "node:crypto";
import type { NatsConnection } from "@nats-io/transport-node";
import { frame, unframe } from "../../hosts/frames.ts";
import type { FromHost, ObjectRef, ToHost, WorkerLink } from "../../hosts/link.ts";
import type { Bulk, Pulled } from "./bulk.ts";
import type { CallKeeperOptions, CallLogs } from "./calls.ts";
import { CallKeeper } from "./calls.ts";
import { frameBytes, subjects } from "./connect.ts";
import { isAccount, Ledger } from "./ledger.ts";
import type { FromWorker, ToWorker } from "./link.ts";
import { Peer } from "./peer.ts";
import { readHead, Session } from "./session.ts";

/** A run without a leader keeps its host for so long. */
const LEADERLESS_MS = 60_000;

export interface ConversationOptions {
  readonly connection: NatsConnection;
  readonly run: string;
  readonly worker: string;
  readonly calls: CallLogs;
  readonly startHost: () => Promise<WorkerLink>;
  /** Null: objects go through whoever leads. */
  readonly bulk: Pick<Bulk, "address" | "pull"> | null;
  /** Lines for people. */
  readonly say: (line: string) => void;
  /** Nothing of the run is left here. */
  readonly onEnd: (reason: string) => void;
}

interface Turn {
  readonly epoch: number;
  readonly incarnation: number;
  readonly session: Session;
  readonly peer: Peer;
}

export class Conversation {
  readonly #options: ConversationOptions;
  /** With the leader that is obeyed. */
  #turn: Turn | null = null;
  /** The last turn that is over: whoever hasn't heard so is told again. */
  #last: { readonly epoch: number; readonly incarnation: number } = { epoch: 0, incarnation: 0 };
  #host: Host | null = null;
  #starting: Promise<void> | null = null;
  /** The leader has been told what is in hand; until then it hears nothing else. */
  #isOpen = false;
  #leaderless: NodeJS.Timeout | null = null;
  #over = false;
  /** What came from other workers. */
  readonly #pulled = { objects: 0, directBytes: 0, natsBytes: 0 };

  constructor(options: ConversationOptions) {
    this.#options = options;
  }

  heard(data: Uint8Array): void {
    const head = readHead(data);
    if (!head || this.#over) return;
    const { epoch, incarnation } = head;
    const newest = this.#turn ?? this.#last;
    if (epoch < newest.epoch || (epoch === newest.epoch && incarnation < newest.incarnation)) return;
    const isNext = epoch > newest.epoch || incarnation > newest.incarnation;
    if (!this.#turn && !isNext) {
      this.#session(epoch, incarnation, () => {}).bye();
      return;
    }
    if (isNext) this.#begin(epoch, incarnation);
    const turn = this.#turn!;
    turn.peer.heard();
    try {
      if (turn.session.receive(data).over) this.end("the run is over");
    } catch (error) {
      this.end(error instanceof Error ? error.message : String(error));
    }
  }

  /** Only the highest epoch counts, and of that the highest incarnation: an older one was given up. */
  #begin(epoch: number, incarnation: number): void {
    this.#turn?.peer.stop();
    this.#isOpen = false;
    if (this.#leaderless) clearTimeout(this.#leaderless);
    this.#leaderless = null;
    const session = this.#session(epoch, incarnation, (message) => {
      if (this.#turn?.session === session) this.#told(unframe(message) as ToWorker);
    });
    const { connection, run } = this.#options;
    const peer = new Peer({ connection, who: run, beat: () => session.beat(), onLost: () => this.#leaderLost() });
    this.#turn = { epoch, incarnation, session, peer };
    session.beat();
  }

  #session(epoch: number, incarnation: number, deliver: (message: Uint8Array) => void): Session {
    const { connection, run, worker } = this.#options;
    const subject = subjects.toLeader(run, worker);
    return new Session({
      epoch,
      incarnation,
      frameBytes: frameBytes(connection),
      send: (bytes) => {
        if (!connection.isClosed()) connection.publish(subject, bytes);
      },
      deliver,
    });
  }

  /** What is under way goes on; the next leader hears of it. */
  #leaderLost(): void {
    const turn = this.#turn!;
    this.#last = turn;
    this.#turn = null;
    this.#leaderless = setTimeout(() => this.end("nobody has led the run for a minute"), LEADERLESS_MS);
  }

  #told(message: ToWorker): void {
    if (message.type === "open") void this.#open(message.adopt);
    else if (message.type === "durable") this.#host?.ledger.durable(message.count);
    else if (message.type === "pull") void this.#pull(message);
    else this.#host?.send(message);
  }

  async #open(adopt: boolean): Promise<void> {
    const { session } = this.#turn!;
    if (this.#host && !adopt && this.#host.isUsed) await this.#drop();
    if (!this.#host) {
      try {
        // A leader before this one may have asked for it, too.
        await (this.#starting ??= this.#start().finally(() => {
          this.#starting = null;
        }));
      } catch (error) {
        this.end(`no host could be started: ${error instanceof Error ? error.message : String(error)}`);
        return;
      }
    }
    if (this.#over || this.#turn?.session !== session) return;
    const host = this.#host!;
    host.forgetRequests();
    this.#isOpen = true;
    this.#say({
      type: "hello",
      home: host.home,
      meets: host.link.meets,
      bulk: this.#options.bulk?.address ?? null,
      inHand: [...host.ledger.inHand],
      isLeaving: this.#isLeaving,
    });
    for (const account of host.ledger.takeOpen()) this.#say(account);
  }

  async #start(): Promise<void> {
    const link = await this.#options.startHost();
    if (this.#over) {
      await link.close();
      return;
    }
    const { worker, calls, connection } = this.#options;
    const keeping = { logs: calls, partBytes: frameBytes(connection), over: (reason: string) => this.end(reason) };
    const host = new Host(link, worker, keeping, (message) => this.#say(message));
    this.#host = host;
    // With its host the worker loses all objects: to the leader that is a new worker.
    link.onLost = () => {
      if (this.#host !== host) return;
      this.#host = null;
      host.gone();
      this.#endTurn();
    };
  }

  async #drop(): Promise<void> {
    const host = this.#host;
    this.#host = null;
    host?.gone();
    await host?.link.close();
  }

  /** The leader begins anew with this worker when it likes. */
  #endTurn(): void {
    if (!this.#turn) return;
    this.#last = this.#turn;
    this.#turn.session.bye();
    this.#turn.peer.stop();
    this.#turn = null;
    this.#leaderless = setTimeout(() => this.end("nobody has led the run for a minute"), LEADERLESS_MS);
  }

  /** What an earlier leader asked for comes to nothing: the next one doesn't know of it. */
  async #pull({ request, ref, sources }: Extract<ToWorker, { type: "pull" }>): Promise<void> {
    const turn = this.#turn;
    const host = this.#host;
    // It never rejects but for what no leader says.
    const pulled = await this.#options.bulk?.pull(sources).catch((error: unknown): Pulled => ({ how: "failed", why: String(error) }));
    if (this.#over || this.#turn !== turn || this.#host !== host || !host) return;
    if (pulled?.how === "whole") {
      const { bytes, directBytes, natsBytes, release } = pulled;
      // Framed when this returns.
      host.send({ type: "place", ref: { ...ref, bytes: bytes.length }, bytes });
      release();
      this.#pulled.objects++;
      this.#pulled.directBytes += directBytes;
      this.#pulled.natsBytes += natsBytes;
    } else if (pulled?.how === "failed") this.#options.say(`an object couldn't be pulled from another worker: ${pulled.why}`);
    const how = pulled?.how === "whole" ? "placed" : (pulled?.how ?? "failed");
    this.#say({ type: "pulled", request, how });
  }

  /** The bytes of an object that lies in this memory; null where it doesn't. */
  async bytesOf(home: string, ref: ObjectRef): Promise<Uint8Array | null> {
    const host = this.#host;
    return host?.home === home ? host.fetch(ref) : null;
  }

  #say(message: FromWorker): void {
    if (this.#isOpen) this.#turn?.session.send(frame(message));
  }

  /** Nothing new is wanted; the leader ends the conversation once nothing here is needed. */
  depart(): void {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    this.#say({ type: "leaving" });
  }
  #isLeaving = false;

  resend(): void {
    this.#turn?.session.resend();
  }

  end(reason: string): void {
    if (this.#over) return;
    void this.leave();
    this.#options.onEnd(reason);
  }

  async leave(): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    const { objects, directBytes, natsBytes } = this.#pulled;
    const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
    if (objects > 0)
      this.#options.say(
        `pulled ${objects} ${objects === 1 ? "object" : "objects"} from other workers: ${megabytes(directBytes)} straight, ${megabytes(natsBytes)} over NATS`,
      );
    this.#endTurn();
    if (this.#leaderless) clearTimeout(this.#leaderless);
    await this.#drop();
  }
}

/** A run's host on this machine, with the account that is kept of it. */
class Host {
  readonly link: WorkerLink;
  /** Names its memory, with the worker that has it: another host has another. */
  readonly home: string;
  readonly ledger = new Ledger();
  readonly #say: (message: FromHost) => void;
  readonly #prepared = new Set<number>();
  /** By the host's number of a request: the leader's. Those of an earlier leader are answered to nobody. */
  readonly #requests = new Map<number, number>();
  /** Likewise, those of other workers. */
  readonly #fetches = new Map<number, (bytes: Uint8Array | null) => void>();
  #nextRequest = 0;
  readonly #calls: CallKeeper;
  /** What waits until the calls that were told before it are kept, in order. */
  #inOrder: Promise<void> = Promise.resolve();
  #waiting = 0;
  #isGone = false;

  constructor(
    link: WorkerLink,
    worker: string,
    keeping: Pick<CallKeeperOptions, "logs" | "partBytes" | "over">,
    say: (message: FromHost) => void,
  ) {
    this.#calls = new CallKeeper({
      ...keeping,
      nonce: () => randomBytes(12).toString("base64url"),
      whenDurable: (then) => this.#afterCalls(() => this.ledger.whenDurable(then)),
    });
    this.link = link;
    this.home = `${worker}.${randomBytes(4).toString("hex")}`;
    this.#say = say;
    link.onMessage = (message) => this.#heard(message);
  }

  get isUsed(): boolean {
    return this.#prepared.size > 0;
  }

  send(message: ToHost): void {
    switch (message.type) {
      case "prepare":
        // The next leader doesn't know what the one before has sent.
        if (this.#prepared.has(message.run)) return;
        this.#prepared.add(message.run);
        // Code is loaded only if it is what its name says.
        for (const { digest, module } of message.code) {
          if (createHash("sha256").update(module).digest("hex") !== digest) throw new Error(`the slice ${digest} arrived with other code`);
        }
        break;
      case "assign":
        this.ledger.given(message);
        break;
      case "fetch": {
        const request = this.#nextRequest++;
        this.#requests.set(request, message.request);
        this.link.send({ ...message, request });
        return;
      }
      default:
        break;
    }
    this.link.send(message);
  }

  #heard(message: FromHost): void {
    if (message.type === "object") {
      const request = this.#requests.get(message.request);
      this.#requests.delete(message.request);
      if (request !== undefined) this.#say({ ...message, request });
      this.#fetches.get(message.request)?.(message.bytes);
      this.#fetches.delete(message.request);
      return;
    }
    if (message.type === "called") this.#calls.said(message);
    else if (message.type === "callsWanted") void this.#recalled(message);
    else if (isAccount(message))
      this.#afterCalls(() => {
        this.ledger.said(message);
        this.#say(message);
      });
    else this.#say(message);
  }

  /** An answer counts once what it may depend on can't be lost. */
  #afterCalls(act: () => void): void {
    const { stored } = this.#calls;
    if (stored === null && this.#waiting === 0) {
      act();
      return;
    }
    this.#waiting++;
    this.#inOrder = this.#inOrder
      .then(() => stored)
      .then(() => {
        this.#waiting--;
        if (!this.#isGone) act();
      });
  }

  async #recalled({ slot, life, request, actor }: Extract<FromHost, { type: "callsWanted" }>): Promise<void> {
    const bytes = await this.#calls.read(actor);
    if (!this.#isGone) this.link.send({ type: "calls", slot, life, request, bytes });
  }

  /** For another worker, whoever leads. */
  fetch(ref: ObjectRef): Promise<Uint8Array | null> {
    const request = this.#nextRequest++;
    return new Promise((resolve) => {
      this.#fetches.set(request, resolve);
      this.link.send({ type: "fetch", request, ref });
    });
  }

  /** With all that it held. */
  gone(): void {
    this.#isGone = true;
    for (const resolve of this.#fetches.values()) resolve(null);
    this.#fetches.clear();
  }

  forgetRequests(): void {
    this.#requests.clear();
  }
}

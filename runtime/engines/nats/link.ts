// A leader's side of its conversation with one worker: a `WorkerLink` for the driver, and what is said besides before and between. Must not
// know what a run is made of.
import type { NatsConnection } from "@nats-io/transport-node";
import { frame, unframe } from "../../hosts/frames.ts";
import type { FromHost, MeetingPoint, ObjectRef, ToHost, WorkerLink } from "../../hosts/link.ts";
import type { BulkAddress, BulkSource } from "./bulk.ts";
import { frameBytes, subjects } from "./connect.ts";
import type { InHand } from "./ledger.ts";
import { checkFromWorker } from "./messages.ts";
import { Peer } from "./peer.ts";
import { readHead, Session } from "./session.ts";

/** Beside what is for its host. */
export type ToWorker =
  | ToHost
  /** First of all. `adopt`: what the worker has in hand of the run is wanted; otherwise it begins with a new host. */
  | { readonly type: "open"; readonly adopt: boolean }
  /** So many more of what was said of batches and slots can't be lost any more. */
  | { readonly type: "durable"; readonly count: number }
  /** To fetch an object from one of those that hold it, and place it in its host: answered by `pulled`. */
  | { readonly type: "pull"; readonly request: number; readonly ref: ObjectRef; readonly sources: readonly BulkSource[] };

export type PullEnd = "placed" | "missing" | "failed";

/** The answer to `open`. What was said since what is `inHand` follows. */
export interface WorkerHello {
  readonly type: "hello";
  readonly home: string;
  readonly meets: MeetingPoint | null;
  /** Where others pull its objects from; null where they can't. */
  readonly bulk: BulkAddress | null;
  readonly inHand: readonly InHand[];
  readonly isLeaving: boolean;
}
export type FromWorker =
  | FromHost
  | WorkerHello
  | { readonly type: "pulled"; readonly request: number; readonly how: PullEnd }
  /** It wants to go. */
  | { readonly type: "leaving" };

/** What an object is called between workers: a host that has taken another's place is asked for nothing that the other had. */
export const objectName = (run: string, home: string, { run: number, stage, block }: ObjectRef): string =>
  [run, home, number, stage, block].join("/");

/** Null for what isn't such a name. */
export function readObjectName(name: string): { readonly run: string; readonly home: string; readonly ref: ObjectRef } | null {
  const [, run, home, ...numbers] = /^([\w-]+)\/([\w.-]+)\/(\d{1,15})\/(\d{1,15})\/(\d{1,15})$/.exec(name) ?? [];
  if (run === undefined || home === undefined) return null;
  const [number, stage, block] = numbers.map(Number) as [number, number, number];
  return { run, home, ref: { run: number, stage, block, bytes: 0 } };
}

export interface LinkFacts {
  readonly run: string;
  readonly worker: string;
  readonly name: string;
  readonly slots: number;
  readonly labels: readonly string[];
  readonly epoch: number;
  readonly incarnation: number;
  readonly adopt: boolean;
}

/** What is known to be durable is told at the latest then. */
const DURABLE_AFTER_MS = 10;

export class NatsLink implements WorkerLink {
  readonly id: string;
  readonly worker: string;
  readonly slots: number;
  readonly labels: readonly string[];
  readonly incarnation: number;
  readonly session: Session;
  home = "";
  meets: MeetingPoint | null = null;
  bulk: BulkAddress | null = null;
  inHand: readonly InHand[] = [];
  onMessage: (message: FromHost) => void = () => {};
  onLost: (reason: string) => void = () => {};
  onLeaving: () => void = () => {};
  isLeaving = false;
  readonly #epoch: number;
  readonly #peer: Peer;
  readonly #onHello: () => void;
  readonly #onGone: (reason: string) => void;
  readonly #onDeposed: () => void;
  /** Until there is somebody to hear them. */
  #early: FromHost[] | null = [];
  readonly #run: string;
  readonly #pulls = new Map<number, (how: PullEnd) => void>();
  #nextPull = 0;
  #durable = 0;
  #telling: NodeJS.Timeout | null = null;
  #over = false;

  constructor(
    connection: NatsConnection,
    facts: LinkFacts,
    { onHello, onGone, onDeposed }: { onHello: () => void; onGone: (reason: string) => void; onDeposed: () => void },
  ) {
    this.id = facts.name;
    this.worker = facts.worker;
    this.slots = facts.slots;
    this.labels = facts.labels;
    this.incarnation = facts.incarnation;
    this.#epoch = facts.epoch;
    this.#run = facts.run;
    this.#onHello = onHello;
    this.#onGone = onGone;
    this.#onDeposed = onDeposed;
    const subject = subjects.toWorker(facts.run, facts.worker);
    this.session = new Session({
      epoch: facts.epoch,
      incarnation: facts.incarnation,
      frameBytes: frameBytes(connection),
      send: (bytes) => {
        if (!connection.isClosed()) connection.publish(subject, bytes);
      },
      deliver: (message) => this.#deliver(checkFromWorker(unframe(message))),
    });
    this.#peer = new Peer({ connection, who: facts.worker, beat: () => this.session.beat(), onLost: (reason) => this.#lost(reason) });
    this.#say({ type: "open", adopt: facts.adopt });
  }

  #deliver(message: FromWorker): void {
    if (message.type === "hello") {
      this.home = message.home;
      this.meets = message.meets;
      this.bulk = message.bulk;
      this.inHand = message.inHand;
      this.isLeaving = message.isLeaving;
      this.#onHello();
    } else if (message.type === "pulled") {
      this.#pulls.get(message.request)?.(message.how);
      this.#pulls.delete(message.request);
    } else if (message.type === "leaving") {
      this.isLeaving = true;
      this.onLeaving();
    } else if (this.#early) this.#early.push(message);
    else this.onMessage(message);
  }

  /** From now on somebody hears what is said. */
  begin(): void {
    const early = this.#early ?? [];
    this.#early = null;
    for (const message of early) this.onMessage(message);
  }

  heard(data: Uint8Array): void {
    const head = readHead(data);
    if (!head || this.#over) return;
    // The worker obeys another.
    if (head.epoch > this.#epoch) this.#onDeposed();
    // One that was given up, and has come to again: its results are void, and it is told to begin anew.
    if (head.epoch !== this.#epoch || head.incarnation !== this.incarnation) return;
    this.#peer.heard();
    try {
      if (this.session.receive(data).over) this.#lost("it left");
    } catch (error) {
      this.#lost(error instanceof Error ? error.message : String(error));
    }
  }

  send(message: ToHost): void {
    if (this.#over) return;
    this.#tellDurable();
    this.#say(message);
  }

  pull(ref: ObjectRef, holders: readonly WorkerLink[]): Promise<PullEnd> | null {
    if (this.bulk === null || this.#over) return null;
    const sources: BulkSource[] = [];
    for (const holder of holders) {
      if (!(holder instanceof NatsLink) || holder.bulk === null) return null;
      sources.push({ ...holder.bulk, object: objectName(this.#run, holder.home, ref) });
    }
    const request = this.#nextPull++;
    return new Promise((resolve) => {
      this.#pulls.set(request, resolve);
      this.#tellDurable();
      this.#say({ type: "pull", request, ref, sources });
    });
  }

  settled(): void {
    this.#durable++;
    this.#telling ??= setTimeout(() => this.#tellDurable(), DURABLE_AFTER_MS);
  }

  /** Before what follows from it. */
  #tellDurable(): void {
    if (this.#telling) clearTimeout(this.#telling);
    this.#telling = null;
    if (this.#durable === 0) return;
    const count = this.#durable;
    this.#durable = 0;
    this.#say({ type: "durable", count });
  }

  #say(message: ToWorker): void {
    if (!this.#over) this.session.send(frame(message));
  }

  #lost(reason: string): void {
    if (this.#over) return;
    this.#end(true);
    this.#onGone(reason);
    this.onLost(reason);
  }

  release(): void {
    if (this.#over) return;
    void this.close();
    this.onLost("it has left, as it was asked to");
  }

  async close(): Promise<void> {
    if (this.#over) return;
    this.#tellDurable();
    this.#end(true);
    this.#onGone("closed");
  }

  /** Another leads the run: the worker is left as it is. */
  abandon(): void {
    if (!this.#over) this.#end(false);
  }

  #end(farewell: boolean): void {
    if (farewell) this.session.bye();
    this.#over = true;
    for (const resolve of this.#pulls.values()) resolve("failed");
    this.#pulls.clear();
    if (this.#telling) clearTimeout(this.#telling);
    this.#peer.stop();
  }
}

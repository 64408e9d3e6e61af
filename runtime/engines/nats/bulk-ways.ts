// The ways to a worker that holds objects: a connection of its own, and NATS. Each asks for chunks, so many at a time, sees that what comes was asked for,
// and that whoever answers is who it should be. Must not know what is done where a way leads nowhere.
import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { connect } from "node:net";
import type { Msg, NatsConnection } from "@nats-io/transport-node";
import type { Arrival } from "./bulk-arrival.ts";
import type { BulkHead } from "./bulk-wire.ts";
import { Inlet, isProof, KINDS, NATS_HEAD, NONCE_BYTES, PROOF_BYTES, proofOf, readBulkHead, request } from "./bulk-wire.ts";
import { listen, subjects } from "./connect.ts";

/** Over NATS so many chunks are on their way from one holder. */
const NATS_CHUNKS = 4;
const CONNECT_MS = 2000;
const WATCH_EVERY_MS = 500;
/** A holder that says nothing for so long gives nothing. Its host may take a while to find out that it hasn't got something. */
const SILENT_MS = 8000;
/** Connections that nobody uses end then. */
const IDLE_MS = 30_000;
/** What was asked over NATS may be lost: it is asked again. */
const AGAIN_MS = 2000;
const MOST_TRIES = 4;

/** Of a chunk that was asked for. */
export type Given = "chunk" | "missing" | "differs";

/** A chunk that is on its way. */
interface Asked {
  readonly arrival: Arrival;
  readonly given: (how: Given) => void;
  readonly failed: (error: Error) => void;
}

/** One way to one holder. */
export interface Way {
  /** Rejects where it leads nowhere, or what came that way mustn't be trusted; nothing more comes into the arrival then. */
  get(object: string, transfer: number, chunk: number, hash: Uint8Array | undefined, arrival: Arrival): Promise<Given>;
  done(object: string, transfer: number): void;
}

/** So many at a time, in the order in which they came. */
export class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(most: number) {
    this.#free = most;
  }
  async take(): Promise<void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
  give(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#free++;
  }
}

/** A connection to one holder, for all that is pulled from it. */
export class Direct implements Way {
  readonly #socket: Socket;
  readonly #turns: Turns;
  readonly #asked = new Map<string, Asked>();
  readonly #onEnd: (wasReached: boolean) => void;
  readonly #ready: Promise<void>;
  #isOpen: (error: Error | null) => void = () => {};
  #wasReached = false;
  #error: Error | null = null;
  readonly #watching: NodeJS.Timeout;
  #heardMs = performance.now();

  constructor(
    { host, port, token }: { readonly host: string; readonly port: number; readonly token: Uint8Array },
    most: number,
    onEnd: (wasReached: boolean) => void,
  ) {
    this.#turns = new Turns(most);
    this.#onEnd = onEnd;
    this.#ready = new Promise((resolve, reject) => {
      this.#isOpen = (error) => (error ? reject(error) : resolve());
    });
    // Those that ask hear of it; there may be nobody just now.
    this.#ready.catch(() => {});
    this.#watching = setInterval(() => this.#watch(), WATCH_EVERY_MS);
    const own = randomBytes(NONCE_BYTES);
    // First its nonce, then its proof; what it gives goes where it belongs without a stop between.
    let theirs: Uint8Array | null = null;
    const inlet = new Inlet(
      NONCE_BYTES + PROOF_BYTES,
      (greeting) => {
        if (!isProof(greeting.subarray(NONCE_BYTES), proofOf(token, "holder", own, theirs!))) throw new Error("it doesn't know its token");
        this.#wasReached = true;
        this.#heardMs = performance.now();
        this.#isOpen(null);
      },
      { into: (head) => this.#into(head), heard: (head, bytes) => this.#given(head, bytes) },
    );
    let greeted = 0;
    const nonce = new Uint8Array(NONCE_BYTES);
    this.#socket = connect({
      host,
      port,
      noDelay: true,
      onread: {
        buffer: () => inlet.room,
        callback: (bytes, buffer) => {
          try {
            if (greeted < NONCE_BYTES) {
              nonce.set(buffer.subarray(0, Math.min(bytes, NONCE_BYTES - greeted)), greeted);
              greeted += bytes;
              if (greeted >= NONCE_BYTES) {
                theirs = nonce;
                this.#socket.write(Buffer.concat([own, proofOf(token, "asker", theirs, own)]));
              }
            }
            inlet.came(bytes);
          } catch (error) {
            this.#end(error instanceof Error ? error : new Error(String(error)));
          }
          return !this.#error;
        },
      },
    });
    this.#socket.on("error", (error) => this.#end(error));
    this.#socket.once("close", () => this.#end(new Error("the connection is gone")));
  }

  async get(object: string, transfer: number, chunk: number, hash: Uint8Array | undefined, arrival: Arrival): Promise<Given> {
    await this.#turns.take();
    try {
      await this.#ready;
      if (this.#error) throw this.#error;
      return await new Promise<Given>((given, failed) => {
        this.#asked.set(`${transfer}.${chunk}`, { arrival, given, failed });
        if (this.#asked.size === 1) this.#heardMs = performance.now();
        this.#socket.write(request({ kind: KINDS.get, transfer, chunk, number: arrival.chunkBytes, ...(hash ? { hash } : {}) }, object));
      });
    } finally {
      this.#turns.give();
    }
  }

  done(object: string, transfer: number): void {
    if (!this.#error && this.#wasReached) this.#socket.write(request({ kind: KINDS.done, transfer }, object));
  }

  #watch(): void {
    const limitMs = !this.#wasReached ? CONNECT_MS : this.#asked.size > 0 ? SILENT_MS : IDLE_MS;
    if (performance.now() - this.#heardMs > limitMs) this.#end(new Error("it says nothing"));
  }

  #into(head: BulkHead): Uint8Array {
    this.#heardMs = performance.now();
    if (head.kind !== KINDS.chunk) {
      if (head.bytes !== 0) throw new Error(`it sends ${head.bytes} bytes with what has none`);
      return new Uint8Array(0);
    }
    return this.#which(head).arrival.room(head);
  }

  #which({ transfer, chunk }: BulkHead): Asked {
    const asked = this.#asked.get(`${transfer}.${chunk}`);
    if (!asked) throw new Error("it answers what wasn't asked");
    return asked;
  }

  #given(head: BulkHead, bytes: Uint8Array): void {
    const asked = this.#which(head);
    if (head.kind === KINDS.chunk) asked.arrival.filled(head, bytes, "direct");
    const how = givenOf(head.kind);
    this.#asked.delete(`${head.transfer}.${head.chunk}`);
    asked.given(how);
  }

  /** Whoever waits hears of it. */
  #end(error: Error): void {
    if (this.#error) return;
    this.#error = error;
    clearInterval(this.#watching);
    this.#socket.destroy();
    this.#isOpen(error);
    for (const { failed } of this.#asked.values()) failed(error);
    this.#asked.clear();
    this.#onEnd(this.#wasReached);
  }

  close(): void {
    this.#end(new Error("this worker leaves"));
  }
}

/** Throws where there is no such answer. */
function givenOf(kind: number): Given {
  if (kind === KINDS.chunk) return "chunk";
  if (kind === KINDS.missing) return "missing";
  if (kind === KINDS.differs) return "differs";
  throw new Error(kind === KINDS.refused ? "it refuses" : `it answers by frames of kind ${kind}`);
}

/** All holders, each by its own subject. */
export class OverNats {
  readonly #connection: NatsConnection;
  readonly #worker: string;
  /** By the end of the subject that the answer comes to. */
  readonly #asked = new Map<string, Asked & { readonly chunk: number }>();
  readonly #turns = new Map<string, Turns>();

  constructor(connection: NatsConnection, worker: string) {
    this.#connection = connection;
    this.#worker = worker;
    listen(connection, subjects.bulkAnswers(worker, "*", "*"), (message) => this.#given(message));
  }

  to(holder: string): Way {
    let turns = this.#turns.get(holder);
    if (!turns) this.#turns.set(holder, (turns = new Turns(NATS_CHUNKS)));
    const mine = turns;
    const say = (bytes: Uint8Array, reply?: string) => {
      if (this.#connection.isClosed()) throw new Error("the connection to NATS has ended");
      this.#connection.publish(subjects.bulk(holder), bytes, reply === undefined ? {} : { reply });
    };
    return {
      get: async (object, transfer, chunk, hash, arrival) => {
        await mine.take();
        const offset = chunk * arrival.chunkBytes;
        const key = `${transfer}.${offset}`;
        const reply = subjects.bulkAnswers(this.#worker, String(transfer), String(offset));
        const asking = request({ kind: KINDS.get, transfer, chunk, number: arrival.chunkBytes, ...(hash ? { hash } : {}) }, object);
        let again: NodeJS.Timeout | undefined;
        try {
          return await new Promise<Given>((given, failed) => {
            this.#asked.set(key, { arrival, given, failed, chunk });
            let tries = 0;
            const ask = () => {
              try {
                if (++tries > MOST_TRIES) throw new Error("it doesn't answer over NATS");
                say(asking, reply);
              } catch (error) {
                failed(error instanceof Error ? error : new Error(String(error)));
              }
            };
            again = setInterval(ask, AGAIN_MS);
            ask();
          });
        } finally {
          clearInterval(again);
          this.#asked.delete(key);
          mine.give();
        }
      },
      done: (object, transfer) => {
        if (!this.#connection.isClosed())
          say(request({ kind: KINDS.done, transfer }, object), subjects.bulkAnswers(this.#worker, "0", "0"));
      },
    };
  }

  #given({ subject, data, headers }: Msg): void {
    const key = subject.split(".").slice(-2).join(".");
    const asked = this.#asked.get(key);
    // Asked twice, it has answered twice.
    if (!asked) return;
    this.#asked.delete(key);
    try {
      // Where nobody is there the server itself answers, with nothing.
      const told = headers?.get(NATS_HEAD);
      if (!told) throw new Error("nobody is there");
      const head = readBulkHead(Buffer.from(told, "base64"));
      const how = givenOf(head.kind);
      if (head.chunk !== asked.chunk || head.bytes !== data.length) throw new Error("it answers what wasn't asked");
      if (how === "chunk") {
        asked.arrival.room(head).set(data);
        asked.arrival.filled(head, data, "nats");
      }
      asked.given(how);
    } catch (error) {
      asked.failed(error instanceof Error ? error : new Error(String(error)));
    }
  }

  close(): void {
    for (const { failed } of this.#asked.values()) failed(new Error("this worker leaves"));
  }
}

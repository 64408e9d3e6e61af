// Objects from worker to worker: asked for, never pushed, straight from whoever holds them, over a connection of their own or, where there is no way,
// over NATS. Every chunk is checked by its hash, and what one holder gave another goes on with. Must not know what objects are, nor who reads them.
import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { connect } from "node:net";
import type { Msg, NatsConnection } from "@nats-io/transport-node";
import { BulkServer } from "./bulk-server.ts";
import type { BulkHead } from "./bulk-wire.ts";
import {
  hashOf,
  hashOfList,
  Inlet,
  isProof,
  KINDS,
  LONGEST_CHUNK_BYTES,
  MOST_BYTES,
  NATS_HEAD,
  NATS_HEAD_BYTES,
  NONCE_BYTES,
  PROOF_BYTES,
  proofOf,
  readBulkHead,
  request,
  SHORTEST_CHUNK_BYTES,
} from "./bulk-wire.ts";
import { subjects } from "./connect.ts";

/** On their way from one holder. */
const WINDOW_BYTES = 8 * 1024 * 1024;
/** Over NATS so many chunks are. */
const NATS_CHUNKS = 4;
/** Memory for one object of up to so many bytes is kept for a while. */
const SPARE_BYTES = 64 * 1024 * 1024;
const SPARED_FROM_BYTES = 1024 * 1024;
const SPARE_MS = 10_000;
const TOKEN_BYTES = 32;
const CONNECT_MS = 2000;
const WATCH_EVERY_MS = 500;
/** A holder that says nothing for so long gives nothing. Its host may take a while to find out that it hasn't got something. */
const SILENT_MS = 8000;
/** A holder that wasn't reached isn't called again before. */
const UNREACHED_MS = 30_000;
/** Connections that nobody uses end then. */
const IDLE_MS = 30_000;
/** What was asked over NATS may be lost: it is asked again. */
const AGAIN_MS = 2000;
const MOST_TRIES = 4;

/** Where a worker's objects are had. */
export interface BulkAddress {
  readonly worker: string;
  /** Null: over NATS alone. */
  readonly direct: { readonly host: string; readonly port: number; readonly token: Uint8Array } | null;
}

/** A worker that holds an object, under that name. */
export interface BulkSource extends BulkAddress {
  readonly object: string;
}

export type Pulled =
  | {
      readonly how: "whole";
      readonly bytes: Uint8Array;
      /** Each chunk came over a connection of its own, or over NATS. */
      readonly directBytes: number;
      readonly natsBytes: number;
      /** The bytes aren't read any more: another object comes to lie there. */
      readonly release: () => void;
    }
  /** All holders were reached, and none has it. */
  | { readonly how: "missing" }
  | { readonly how: "failed"; readonly why: string };

export interface BulkOptions {
  readonly worker: string;
  /** Of its own: bulk holds up nothing else. */
  readonly connection: NatsConnection;
  /** Where others reach this machine; null: over NATS alone. */
  readonly at: { readonly listen: string; readonly host: string } | null;
  /** The bytes of an object here; null where it isn't. Never rejects. */
  readonly bytesOf: (object: string) => Promise<Uint8Array | null>;
}

/** An object that is coming. */
class Arrival {
  readonly chunkBytes: number;
  total = -1;
  readonly hashes: (Uint8Array | undefined)[] = [];
  readonly #grounds: Grounds;
  #memory: Growing | null = null;
  directBytes = 0;
  natsBytes = 0;

  constructor(chunkBytes: number, grounds: Grounds) {
    this.chunkBytes = chunkBytes;
    this.#grounds = grounds;
  }

  get chunks(): number {
    return Math.max(1, Math.ceil(this.total / this.chunkBytes));
  }

  /** So many chunks are there, without a gap. */
  get begun(): number {
    const gap = this.hashes.indexOf(undefined);
    return gap < 0 ? this.hashes.length : gap;
  }

  /** What came behind a gap is asked for again. */
  close(): void {
    this.hashes.length = this.begun;
  }

  startOver(): void {
    this.hashes.length = 0;
    this.total = -1;
    this.#memory = null;
    this.directBytes = 0;
    this.natsBytes = 0;
  }

  /** Memory for a chunk. It grows by what comes, whatever is claimed. Throws for a chunk that can't be one. */
  room({ chunk, bytes, number: total }: BulkHead): Uint8Array {
    if (this.total < 0) {
      if (!Number.isInteger(total) || total < 0 || total > MOST_BYTES) throw new Error(`it claims an object of ${total} bytes`);
      this.total = total;
      this.#memory = this.#grounds.take(total);
    }
    const at = chunk * this.chunkBytes;
    if (total !== this.total || chunk >= this.chunks || bytes !== Math.min(this.chunkBytes, total - at))
      throw new Error(`it gives ${bytes} bytes of ${total} as chunk ${chunk}`);
    const memory = this.#memory!;
    if (memory.byteLength < at + bytes) memory.resize(Math.min(total, Math.ceil((at + bytes) / WINDOW_BYTES) * WINDOW_BYTES));
    return new Uint8Array(memory, at, bytes);
  }

  /** Throws where it arrived damaged. */
  filled({ chunk, hash }: BulkHead, bytes: Uint8Array, way: "direct" | "nats"): void {
    if (!Buffer.from(hash).equals(hashOf(bytes))) throw new Error(`chunk ${chunk} arrived damaged: its SHA-256 differs`);
    this.hashes[chunk] = hash;
    if (way === "direct") this.directBytes += bytes.length;
    else this.natsBytes += bytes.length;
  }

  get whole(): Extract<Pulled, { how: "whole" }> {
    const memory = this.#memory!;
    const { directBytes, natsBytes } = this;
    const release = () => this.#grounds.give(memory);
    return { how: "whole", bytes: new Uint8Array(memory, 0, this.total), directBytes, natsBytes, release };
  }
}

type Growing = ArrayBuffer & { readonly maxByteLength: number; resize(bytes: number): void };
/** Addresses are set aside for all of it, memory only for what is there. */
const growing = (most: number): Growing =>
  new (ArrayBuffer as unknown as new (bytes: number, options: { maxByteLength: number }) => Growing)(0, { maxByteLength: most });

/** Memory that objects come to. To have new pages of it costs as much as to move them, so some is kept for the next one. */
class Grounds {
  #spare: Growing | null = null;
  #letGo: NodeJS.Timeout | null = null;

  take(bytes: number): Growing {
    if (bytes < SPARED_FROM_BYTES || bytes > SPARE_BYTES) return growing(bytes);
    const spare = this.#spare;
    this.clear();
    return spare ?? growing(SPARE_BYTES);
  }

  give(memory: Growing): void {
    if (memory.maxByteLength !== SPARE_BYTES) return;
    this.clear();
    this.#spare = memory;
    this.#letGo = setTimeout(() => this.clear(), SPARE_MS);
  }

  clear(): void {
    if (this.#letGo) clearTimeout(this.#letGo);
    this.#letGo = null;
    this.#spare = null;
  }
}

/** Of a chunk that was asked for. */
type Given = "chunk" | "missing" | "differs";

/** A chunk that is on its way. */
interface Asked {
  readonly arrival: Arrival;
  readonly given: (how: Given) => void;
  readonly failed: (error: Error) => void;
}

/** One way to one holder. */
interface Way {
  /** Rejects where it leads nowhere, or what came that way mustn't be trusted; nothing more comes into the arrival then. */
  get(object: string, transfer: number, chunk: number, hash: Uint8Array | undefined, arrival: Arrival): Promise<Given>;
  done(object: string, transfer: number): void;
}

/** So many at a time, in the order in which they came. */
class Turns {
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

export class Bulk {
  readonly address: BulkAddress;
  readonly #server: BulkServer;
  readonly #chunkBytes: number;
  readonly #overNats: OverNats;
  readonly #grounds = new Grounds();
  readonly #callees = new Map<string, Direct>();
  /** Holders that couldn't be reached, until when they aren't called. */
  readonly #unreached = new Map<string, number>();
  #nextTransfer = 0;

  /** Rejects where it can't listen there. */
  static async start(options: BulkOptions): Promise<Bulk> {
    const { worker, connection, at, bytesOf } = options;
    const token = randomBytes(TOKEN_BYTES);
    const server = new BulkServer({ token, bytesOf });
    const direct = at === null ? null : { host: at.host, port: await server.listen(at.listen), token };
    server.serve(connection, worker);
    // Whoever asks over NATS is heard from now on.
    await connection.flush();
    return new Bulk(options, server, { worker, direct });
  }

  private constructor({ connection, worker }: BulkOptions, server: BulkServer, address: BulkAddress) {
    this.#server = server;
    this.address = address;
    const most = Math.floor((connection.info?.max_payload ?? 2 * LONGEST_CHUNK_BYTES) / 2);
    this.#chunkBytes = Math.max(SHORTEST_CHUNK_BYTES, Math.min(LONGEST_CHUNK_BYTES, most) - NATS_HEAD_BYTES);
    this.#overNats = new OverNats(connection, worker);
  }

  /** Asks holders one after another, each by the best way first; what one has given needn't be given by the next. Never rejects. */
  async pull(sources: readonly BulkSource[]): Promise<Pulled> {
    const arrival = new Arrival(this.#chunkBytes, this.#grounds);
    const why: string[] = [];
    for (const source of sources) {
      for (const way of this.#waysTo(source)) {
        try {
          const how = await this.#from(source.object, way, arrival);
          if (how === "whole") return arrival.whole;
          // The other way leads to the same holder.
          break;
        } catch (error) {
          why.push(`${source.worker}: ${error instanceof Error ? error.message : String(error)}`);
        }
      }
    }
    return why.length === 0 ? { how: "missing" } : { how: "failed", why: why.join("; ") };
  }

  *#waysTo({ worker, direct }: BulkSource): Generator<Way> {
    if (direct && performance.now() >= (this.#unreached.get(worker) ?? 0)) {
      let callee = this.#callees.get(worker);
      if (!callee) {
        callee = new Direct(direct, Math.floor(WINDOW_BYTES / this.#chunkBytes), (wasReached) => {
          this.#callees.delete(worker);
          if (!wasReached) this.#unreached.set(worker, performance.now() + UNREACHED_MS);
        });
        this.#callees.set(worker, callee);
      }
      yield callee;
    }
    yield this.#overNats.to(worker);
  }

  async #from(object: string, way: Way, arrival: Arrival): Promise<"whole" | "missing"> {
    const transfer = this.#nextTransfer++;
    try {
      // The first answer tells how long it is.
      let first: Given;
      for (;;) {
        arrival.close();
        const begun = arrival.begun;
        if (begun === 0) arrival.startOver();
        if (begun > 0 && begun === arrival.chunks) return "whole";
        const hash = begun === 0 ? undefined : hashOfList(arrival.hashes as Uint8Array[]);
        first = await way.get(object, transfer, begun, hash, arrival);
        if (first !== "differs") break;
        if (begun === 0) throw new Error("it answers what wasn't asked");
        arrival.hashes.length = 0;
      }
      if (first === "missing") return first;
      let next = arrival.begun;
      let isStopped = false;
      const lane = async () => {
        while (next < arrival.chunks && !isStopped) {
          const how = await way.get(object, transfer, next++, undefined, arrival).catch((error: unknown) => {
            isStopped = true;
            throw error;
          });
          if (how === "chunk") continue;
          isStopped = true;
          return how;
        }
        return "chunk";
      };
      // Nobody else writes into it before all of them have an end.
      const most = Math.floor(WINDOW_BYTES / this.#chunkBytes);
      const ends = await Promise.allSettled(Array.from({ length: Math.min(most, arrival.chunks - next) }, lane));
      for (const end of ends) if (end.status === "rejected") throw end.reason;
      if (ends.some((end) => end.status === "fulfilled" && end.value !== "chunk")) return "missing";
      return "whole";
    } finally {
      way.done(object, transfer);
    }
  }

  close(): void {
    this.#server.close();
    this.#overNats.close();
    this.#grounds.clear();
    for (const callee of [...this.#callees.values()]) callee.close();
  }
}

/** A connection to one holder, for all that is pulled from it. */
class Direct implements Way {
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

  constructor({ host, port, token }: NonNullable<BulkAddress["direct"]>, most: number, onEnd: (wasReached: boolean) => void) {
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
class OverNats {
  readonly #connection: NatsConnection;
  readonly #worker: string;
  /** By the end of the subject that the answer comes to. */
  readonly #asked = new Map<string, Asked & { readonly transfer: number; readonly chunk: number }>();
  readonly #turns = new Map<string, Turns>();

  constructor(connection: NatsConnection, worker: string) {
    this.#connection = connection;
    this.#worker = worker;
    connection.subscribe(subjects.bulkAnswers(worker, "*", "*"), {
      callback: (error, message) => {
        if (!error) this.#given(message);
      },
    });
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
            this.#asked.set(key, { arrival, given, failed, transfer, chunk });
            let tries = 0;
            const ask = () => {
              if (++tries > MOST_TRIES) failed(new Error("it doesn't answer over NATS"));
              else say(asking, reply);
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
    const asked = this.#asked.get(subject.split(".").slice(-2).join("."));
    // Asked twice, it has answered twice.
    if (!asked) return;
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

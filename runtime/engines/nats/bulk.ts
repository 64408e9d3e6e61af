// Objects from worker to worker: asked for, never pushed, straight from whoever holds them, over a connection of their own or, where there is no way,
// over NATS. Every chunk is checked by its hash, and what one holder gave another goes on with. Must not know what objects are, nor who reads them.
import { randomBytes } from "node:crypto";
import type { NatsConnection } from "@nats-io/transport-node";
import type { Whole } from "./bulk-arrival.ts";
import { Arrival, Spares } from "./bulk-arrival.ts";
import { BulkServer } from "./bulk-server.ts";
import type { Given, Way } from "./bulk-ways.ts";
import { Direct, OverNats, Turns } from "./bulk-ways.ts";
import { hashOfList, LONGEST_CHUNK_BYTES, NATS_HEAD_BYTES, SHORTEST_CHUNK_BYTES } from "./bulk-wire.ts";

/** On their way from one holder. */
const WINDOW_BYTES = 8 * 1024 * 1024;
/** Pulled from one holder at a time. */
const MOST_OBJECTS = 8;
const TOKEN_BYTES = 32;
/** A holder that wasn't reached isn't called again before. */
const UNREACHED_MS = 30_000;

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
  | Whole
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

export class Bulk {
  readonly address: BulkAddress;
  readonly #server: BulkServer;
  readonly #chunkBytes: number;
  readonly #overNats: OverNats;
  readonly #spares = new Spares();
  readonly #turns = new Map<string, Turns>();
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
    const arrival = new Arrival(this.#chunkBytes, this.#spares);
    const why: string[] = [];
    for (const source of sources) {
      const turns = this.#turnsAt(source.worker);
      await turns.take();
      for (const way of this.#waysTo(source)) {
        try {
          const how = await this.#from(source.object, way, arrival);
          if (how === "whole") {
            turns.give();
            return arrival.whole;
          }
          // The other way leads to the same holder.
          break;
        } catch (error) {
          why.push(`${source.worker}: ${error instanceof Error ? error.message : String(error)}`);
        }
      }
      turns.give();
    }
    return why.length === 0 ? { how: "missing" } : { how: "failed", why: why.join("; ") };
  }

  #turnsAt(holder: string): Turns {
    let turns = this.#turns.get(holder);
    if (!turns) this.#turns.set(holder, (turns = new Turns(MOST_OBJECTS)));
    return turns;
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
    this.#spares.clear();
    for (const callee of [...this.#callees.values()]) callee.close();
  }
}

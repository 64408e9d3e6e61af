// The holder's side of bulk: gives chunks of objects to workers that ask for them, over connections of its own and over NATS. Whoever connects
// proves that it knows the token before it is read any further. Must not know where objects lie, nor who asks for what.
import { randomBytes } from "node:crypto";
import type { Server, Socket } from "node:net";
import { createServer } from "node:net";
import type { NatsConnection } from "@nats-io/transport-node";
import { headers } from "@nats-io/transport-node";
import type { BulkHead, BulkRequest } from "./bulk-wire.ts";
import {
  bulkHead,
  checkRequest,
  HEAD_BYTES,
  HELLO_BYTES,
  hashOf,
  hashOfList,
  Inlet,
  isHash,
  isProof,
  KINDS,
  NATS_HEAD,
  NATS_HEAD_BYTES,
  NONCE_BYTES,
  proofOf,
  readBulkHead,
  readRequest,
} from "./bulk-wire.ts";
import { listen, subjects } from "./connect.ts";

/** So many may have connected without having proved anything, each for so long. */
const MOST_STRANGERS = 64;
const STRANGER_MS = 5000;
/** Requests of one connection without an answer. */
const MOST_ASKED = 1024;
/** Objects that are being given away at a time; what nobody asks for any more is let go after so long. */
const MOST_HELD = 256;
const HELD_MS = 10_000;
/** After so many hashes others have their turn. */
const HASHES_AT_ONCE = 16;

export interface BulkServerOptions {
  readonly token: Uint8Array;
  /** Null where it isn't here. */
  readonly bytesOf: (object: string) => Promise<Uint8Array | null>;
}

/** An object that somebody pulls. */
interface Held {
  readonly bytes: Promise<Uint8Array | null>;
  chunkBytes: number;
  hashes: (Uint8Array | undefined)[];
  /** Transfers that aren't done. */
  readonly users: Set<string>;
  timer: NodeJS.Timeout;
}

interface Answer {
  readonly head: Uint8Array;
  readonly bytes: Uint8Array | null;
}

export class BulkServer {
  readonly #options: BulkServerOptions;
  readonly #held = new Map<string, Held>();
  readonly #sockets = new Set<Socket>();
  #strangers = 0;
  #server: Server | null = null;
  #nextPeer = 0;

  constructor(options: BulkServerOptions) {
    this.#options = options;
  }

  /** Gives the port. */
  listen(address: string): Promise<number> {
    const server = (this.#server = createServer((socket) => this.#came(socket)));
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host: address, port: 0 }, () => resolve((server.address() as { port: number }).port));
    });
  }

  /** Answers what `worker` is asked for over NATS. */
  serve(connection: NatsConnection, worker: string): void {
    listen(connection, subjects.bulk(worker), (message) => {
      const { reply } = message;
      if (!reply) return;
      let asked: BulkRequest;
      try {
        asked = readRequest(readBulkHead(message.data), message.data.subarray(HEAD_BYTES));
      } catch {
        // Whoever says what nobody says gets no answer.
        return;
      }
      // The subject of replies is the asker's own, but for which transfer and offset it is.
      const user = `${reply.split(".").slice(0, -2).join(".")}.${asked.transfer}`;
      if (asked.kind === KINDS.done) {
        this.#done(asked.object, user);
        return;
      }
      const most = Math.floor((connection.info?.max_payload ?? 0) / 2);
      const answer = NATS_HEAD_BYTES + asked.chunkBytes > most ? Promise.resolve(refusal(asked, KINDS.refused)) : this.#answer(asked, user);
      void answer.then(({ head, bytes }) => {
        if (connection.isClosed()) return;
        // In a header, so that the bytes needn't be copied behind it.
        const told = headers();
        told.set(NATS_HEAD, Buffer.from(head).toString("base64"));
        connection.publish(reply, bytes ?? undefined, { headers: told });
      });
    });
  }

  close(): void {
    this.#server?.close();
    for (const socket of this.#sockets) socket.destroy();
    for (const { timer } of this.#held.values()) clearTimeout(timer);
    this.#held.clear();
  }

  // --- Connections -------------------------------------------------------------------------------------------------------------

  #came(socket: Socket): void {
    // What it means, `close` tells.
    socket.on("error", () => {});
    if (this.#strangers >= MOST_STRANGERS) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    this.#strangers++;
    let isStranger = true;
    const known = () => {
      if (!isStranger) return;
      isStranger = false;
      this.#strangers--;
      clearTimeout(late);
    };
    const late = setTimeout(() => socket.destroy(), STRANGER_MS);
    const users = new Map<string, string>();
    socket.once("close", () => {
      known();
      this.#sockets.delete(socket);
      for (const [user, object] of users) this.#done(object, user);
    });
    socket.setNoDelay(true);
    const nonce = randomBytes(NONCE_BYTES);
    socket.write(nonce);
    const peer = `#${this.#nextPeer++}`;
    let open = 0;
    const answered = ({ head, bytes }: Answer) => {
      if (socket.destroyed) return;
      const sent = () => void open--;
      socket.cork();
      socket.write(head, bytes === null ? sent : undefined);
      if (bytes !== null) socket.write(bytes, sent);
      socket.uncork();
    };
    const { token } = this.#options;
    const inlet = new Inlet(
      HELLO_BYTES,
      (hello) => {
        const [theirs, proof] = [hello.subarray(0, NONCE_BYTES), hello.subarray(NONCE_BYTES)];
        if (!isProof(proof, proofOf(token, "asker", nonce, theirs))) throw new Error("it doesn't know the token");
        known();
        socket.write(proofOf(token, "holder", theirs, nonce));
      },
      {
        into: (head) => {
          checkRequest(head);
          return new Uint8Array(head.bytes);
        },
        heard: (head: BulkHead, name) => {
          const asked = readRequest(head, name);
          const user = `${peer}.${asked.transfer}`;
          if (asked.kind === KINDS.done) {
            users.delete(user);
            this.#done(asked.object, user);
            return;
          }
          if (++open > MOST_ASKED) throw new Error("it asks for more than it takes");
          users.set(user, asked.object);
          void this.#answer(asked, user).then(answered);
        },
      },
    );
    socket.on("data", (chunk: Uint8Array) => {
      if (socket.destroyed) return;
      try {
        inlet.push(chunk);
      } catch {
        // A stranger, or one that says what nobody says, is told nothing.
        socket.destroy();
      }
    });
  }

  // --- Objects -----------------------------------------------------------------------------------------------------------------

  async #answer(asked: BulkRequest, user: string): Promise<Answer> {
    const { object, chunk, chunkBytes, hash, transfer } = asked;
    const held = this.#hold(object, user);
    if (!held) return refusal(asked, KINDS.refused);
    const bytes = await held.bytes;
    if (bytes === null) {
      this.#letGo(object, held);
      return refusal(asked, KINDS.missing);
    }
    if (held.chunkBytes !== chunkBytes) {
      held.chunkBytes = chunkBytes;
      held.hashes = [];
    }
    const at = chunk * chunkBytes;
    if (chunk > 0 && at >= bytes.length) return refusal(asked, KINDS.differs);
    if (isHash(hash) && !(await this.#begins(held, bytes, asked))) return refusal(asked, KINDS.differs);
    const part = bytes.subarray(at, at + chunkBytes);
    const own = this.#hashOf(held, bytes, chunkBytes, chunk);
    return { head: bulkHead({ kind: KINDS.chunk, transfer, chunk, bytes: part.length, number: bytes.length, hash: own }), bytes: part };
  }

  #hold(object: string, user: string): Held | null {
    const known = this.#held.get(object);
    if (known) {
      known.users.add(user);
      known.timer.refresh();
      return known;
    }
    if (this.#held.size >= MOST_HELD) return null;
    const held: Held = {
      bytes: this.#options.bytesOf(object),
      chunkBytes: 0,
      hashes: [],
      users: new Set([user]),
      timer: setTimeout(() => this.#letGo(object, held), HELD_MS),
    };
    this.#held.set(object, held);
    return held;
  }

  #done(object: string, user: string): void {
    const held = this.#held.get(object);
    if (held?.users.delete(user) && held.users.size === 0) this.#letGo(object, held);
  }

  #letGo(object: string, held: Held): void {
    clearTimeout(held.timer);
    if (this.#held.get(object) === held) this.#held.delete(object);
  }

  #hashOf(held: Held, bytes: Uint8Array, chunkBytes: number, chunk: number): Uint8Array {
    if (held.chunkBytes !== chunkBytes) return hashOf(bytes.subarray(chunk * chunkBytes, (chunk + 1) * chunkBytes));
    return (held.hashes[chunk] ??= hashOf(bytes.subarray(chunk * chunkBytes, (chunk + 1) * chunkBytes)));
  }

  /** Whether what the asker has of it, from another holder, is how it begins here. */
  async #begins(held: Held, bytes: Uint8Array, { chunk, chunkBytes, hash }: BulkRequest): Promise<boolean> {
    const hashes: Uint8Array[] = [];
    for (let before = 0; before < chunk; before++) {
      if (before % HASHES_AT_ONCE === HASHES_AT_ONCE - 1) await new Promise((resolve) => setImmediate(resolve));
      hashes.push(this.#hashOf(held, bytes, chunkBytes, before));
    }
    return Buffer.from(hashOfList(hashes)).equals(hash);
  }
}

const refusal = ({ transfer, chunk }: BulkRequest, kind: number): Answer => ({ head: bulkHead({ kind, transfer, chunk }), bytes: null });

// The host's end of what a gang's members say to other hosts, for one attempt: moves bytes between shared memory and the connections to those
// hosts, wakes who waits for them, and knows where each piece of guarded state is. Runs in the host's own thread, which never waits. Must not
// know how the connections were made, nor what the bytes mean.
import type { Socket } from "node:net";
import type { MessagePort } from "node:worker_threads";
import { cameCell, tellOfMail } from "../training/collective.ts";
import { grow } from "../training/ground.ts";
import type { FrameHead, Put, Span, ToBridge } from "../training/wire.ts";
import {
  ALL_HOSTS,
  CONTROL,
  FRAME_HEAD_BYTES,
  frameHead,
  HERE,
  KINDS,
  LOCK,
  LOCK_CELLS,
  LONGEST_VALUE_BYTES,
  readFrameHead,
  WANTED,
} from "../training/wire.ts";

export interface BridgeOptions {
  readonly attempt: number;
  /** Which of the gang's hosts this is. */
  readonly here: number;
  /** At which host each member is. */
  readonly places: readonly number[];
  readonly control: SharedArrayBuffer;
  /** Of each member here: what it hears others by, and what it says. */
  readonly members: readonly { readonly rank: number; readonly ports: readonly (MessagePort | null)[]; readonly wire: MessagePort }[];
  /** Open connections, by host. */
  readonly sockets: ReadonlyMap<number, Socket>;
  /** A connection is gone before the gang's end, or says what it mustn't. */
  readonly onBroken: (host: number, reason: string) => void;
  /** Everybody has said all. */
  readonly onOver: () => void;
}

interface Area {
  readonly memory: SharedArrayBuffer;
  readonly bytes: Uint8Array;
  readonly cells: Int32Array;
  readonly pieces: readonly Piece[];
}

interface Piece {
  readonly spans: readonly Span[];
  readonly bytes: number;
  /** Of the first host: who has asked last, and so will have it last. */
  last: number;
  /** Who gets it from here. */
  next: number | null;
}

export class Bridge {
  readonly #options: BridgeOptions;
  readonly #areas = new Map<number, Area>();
  readonly #peers = new Map<number, Peer>();
  #saying: number;
  #closed = false;

  constructor(options: BridgeOptions) {
    this.#options = options;
    this.#name(CONTROL, options.control, []);
    this.#saying = options.members.length;
    for (const [host, socket] of options.sockets) {
      const peer = new Peer(socket, {
        attempt: options.attempt,
        into: (head) => this.#into(host, head),
        heard: (head, bytes) => this.#heard(host, head, bytes),
        over: () => this.#leave(),
        broken: (reason) => {
          if (!this.#closed) options.onBroken(host, reason);
        },
      });
      this.#peers.set(host, peer);
    }
    for (const { rank, wire } of options.members) wire.on("message", (message: ToBridge) => this.#said(rank, message));
    for (const peer of this.#peers.values()) peer.begin();
  }

  /** The gang is given up, or its run is over. */
  close(): void {
    this.#silence();
    for (const { socket } of this.#peers.values()) socket.destroy();
  }

  /** Once nobody has anything more to say: a connection that ended before might take along what is on its way. */
  #leave(): void {
    if (this.#saying > 0 || [...this.#peers.values()].some(({ isOver }) => !isOver)) return;
    this.#silence();
    for (const { socket } of this.#peers.values()) socket.end();
    this.#options.onOver();
  }

  #silence(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#areas.clear();
    for (const { ports, wire } of this.#options.members) for (const port of [...ports, wire]) port?.close();
  }

  // --- What members here say -------------------------------------------------------------------------------------------------

  #said(rank: number, message: ToBridge): void {
    if (this.#closed) return;
    switch (message.type) {
      case "area":
        this.#name(message.area, message.memory, message.pieces);
        return;
      case "raise":
        for (const [host, peer] of this.#peers) {
          peer.socket.cork();
          for (const put of message.puts) if (put.host === ALL_HOSTS || put.host === host) this.#put(peer, rank, put);
          peer.send({ kind: KINDS.cell, from: rank, area: message.area, at: message.cell, value: message.value, bytes: 0 });
          peer.socket.uncork();
        }
        return;
      case "value":
        for (const peer of this.#peers.values())
          peer.send({ kind: KINDS.value, from: rank, area: 0, at: 0, value: 0, bytes: message.bytes.length }, message.bytes);
        return;
      case "mail": {
        const { to, numbers } = message;
        const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
        this.#peers
          .get(this.#options.places[to]!)
          ?.send({ kind: KINDS.mail, from: rank, area: 0, at: to, value: 0, bytes: bytes.length }, bytes);
        return;
      }
      case "want":
        if (this.#options.here === 0) this.#asked(message.area, message.piece, 0);
        else this.#peers.get(0)?.send({ kind: KINDS.want, from: rank, area: message.area, at: message.piece, value: 0, bytes: 0 });
        return;
      case "unlocked":
        this.#give(message.area, message.piece);
        return;
      case "over":
        if (--this.#saying > 0) return;
        for (const peer of this.#peers.values()) peer.over();
        this.#leave();
        return;
    }
  }

  #put(peer: Peer, from: number, { area, spans }: Put): void {
    const { bytes } = this.#areas.get(area)!;
    for (const [at, length] of spans)
      peer.send({ kind: KINDS.put, from, area, at, value: 0, bytes: length }, bytes.subarray(at, at + length));
  }

  #name(area: number, memory: SharedArrayBuffer, pieces: readonly (readonly Span[])[]): void {
    this.#areas.set(area, {
      memory,
      bytes: new Uint8Array(memory),
      cells: new Int32Array(memory, 0, Math.floor(memory.byteLength / 4)),
      pieces: pieces.map((spans) => ({ spans, bytes: spans.reduce((sum, [, length]) => sum + length, 0), last: 0, next: null })),
    });
  }

  // --- What other hosts say ----------------------------------------------------------------------------------------------------

  /** Where what follows a head belongs; null: it is gathered. Throws for what doesn't belong here. */
  #into(host: number, { kind, from, area, at, bytes }: FrameHead): readonly Uint8Array[] | null {
    const { places } = this.#options;
    if (places[from] !== host) throw new Error(`it speaks for member ${from}, which isn't there`);
    if (kind === KINDS.put) {
      const into = this.#area(area).bytes;
      if (area === CONTROL || at + bytes > into.length)
        throw new Error(`it puts ${bytes} bytes at ${at} of area ${area}, which has ${into.length}`);
      return [into.subarray(at, at + bytes)];
    }
    if (kind === KINDS.piece) {
      const into = this.#area(area);
      const piece = this.#piece(area, at);
      if (piece.bytes !== bytes) throw new Error(`it hands on ${bytes} bytes of a piece that has ${piece.bytes}`);
      return piece.spans.map(([begin, length]) => into.bytes.subarray(begin, begin + length));
    }
    if (bytes > LONGEST_VALUE_BYTES) throw new Error(`it sends a value of ${bytes} bytes`);
    if (bytes > 0 && kind !== KINDS.value && kind !== KINDS.mail) throw new Error(`it sends ${bytes} bytes with what has none`);
    return null;
  }

  #heard(host: number, { kind, from, area, at, value }: FrameHead, bytes: Uint8Array<ArrayBuffer>): void {
    const { members, places, control, here } = this.#options;
    switch (kind) {
      case KINDS.put:
        return;
      case KINDS.cell: {
        const { cells } = this.#area(area);
        if (area === CONTROL ? at !== cameCell(from) : at >= cells.length) throw new Error(`it raises cell ${at} of area ${area}`);
        grow(cells, at, value);
        return;
      }
      case KINDS.value:
        for (const { ports } of members) ports[from]!.postMessage(bytes);
        return;
      case KINDS.mail: {
        const member = members.find(({ rank }) => rank === at);
        if (!member || bytes.length % 4 !== 0) throw new Error(`it sends numbers to member ${at}, which isn't here`);
        const numbers = new Float32Array(bytes.buffer, 0, bytes.length / 4);
        member.ports[from]!.postMessage(numbers, [numbers.buffer]);
        tellOfMail(control, from, at, places.length);
        return;
      }
      case KINDS.want:
        if (here !== 0) throw new Error("it asks another than the first host for a piece");
        this.#asked(area, at, host);
        return;
      case KINDS.pass:
        if (host !== 0) throw new Error("it isn't the first host, and says who has a piece next");
        this.#pass(area, at, value);
        return;
      case KINDS.piece: {
        const { cells } = this.#area(area);
        Atomics.store(cells, LOCK_CELLS * at + HERE, 1);
        Atomics.notify(cells, LOCK_CELLS * at + HERE);
        return;
      }
      default:
        throw new Error(`it says something of kind ${kind}`);
    }
  }

  #area(area: number): Area {
    const found = this.#areas.get(area);
    if (!found) throw new Error(`it names area ${area}, which isn't here`);
    return found;
  }

  #piece(area: number, piece: number): Piece {
    const found = this.#area(area).pieces[piece];
    if (!found) throw new Error(`it names piece ${piece} of area ${area}, which isn't there`);
    return found;
  }

  // --- Pieces that move --------------------------------------------------------------------------------------------------------

  /** At the first host: pieces go round in the order in which they were asked for. */
  #asked(area: number, at: number, host: number): void {
    const piece = this.#piece(area, at);
    const before = piece.last;
    piece.last = host;
    if (before === 0) this.#pass(area, at, host);
    else {
      const from = this.#options.members[0]!.rank;
      this.#peers.get(before)?.send({ kind: KINDS.pass, from, area, at, value: host, bytes: 0 });
    }
  }

  #pass(area: number, at: number, host: number): void {
    if (!this.#peers.has(host)) throw new Error(`host ${host} is to have piece ${at} of area ${area} next`);
    this.#piece(area, at).next = host;
    Atomics.store(this.#area(area).cells, LOCK_CELLS * at + WANTED, 1);
    this.#give(area, at);
  }

  /** As soon as it is here, and nobody has it: its last holder says so otherwise. It stays locked until its bytes have left. */
  #give(area: number, at: number): void {
    const { cells, bytes } = this.#area(area);
    const piece = this.#piece(area, at);
    const lock = LOCK_CELLS * at;
    if (piece.next === null || Atomics.load(cells, lock + HERE) !== 1) return;
    if (Atomics.compareExchange(cells, lock + LOCK, 0, 1) !== 0) return;
    const peer = this.#peers.get(piece.next)!;
    piece.next = null;
    Atomics.store(cells, lock + HERE, 0);
    Atomics.store(cells, lock + WANTED, 0);
    Atomics.notify(cells, lock + WANTED);
    const from = this.#options.members[0]!.rank;
    const parts = piece.spans.map(([begin, length]) => bytes.subarray(begin, begin + length));
    peer.send({ kind: KINDS.piece, from, area, at, value: 0, bytes: piece.bytes }, ...parts, () => {
      Atomics.store(cells, lock + LOCK, 0);
      Atomics.notify(cells, lock + LOCK);
    });
  }
}

interface PeerOptions {
  readonly attempt: number;
  readonly into: (head: FrameHead) => readonly Uint8Array[] | null;
  readonly heard: (head: FrameHead, bytes: Uint8Array<ArrayBuffer>) => void;
  readonly over: () => void;
  readonly broken: (reason: string) => void;
}

/** One other host: frames out, frames in. */
class Peer {
  readonly socket: Socket;
  readonly #options: PeerOptions;
  readonly #headBytes = new Uint8Array(FRAME_HEAD_BYTES);
  #headGot = 0;
  #head: FrameHead | null = null;
  /** Where the rest of the frame goes, and how much of the first of those is there. */
  #into: Uint8Array[] = [];
  #got = 0;
  #gathered = new Uint8Array(0);
  /** It has said all. */
  isOver = false;

  constructor(socket: Socket, options: PeerOptions) {
    this.socket = socket;
    this.#options = options;
  }

  begin(): void {
    const read = (chunk: Uint8Array) => {
      if (this.socket.destroyed) return;
      try {
        this.#read(chunk);
      } catch (error) {
        this.socket.destroy();
        this.#options.broken(error instanceof Error ? error.message : String(error));
      }
    };
    this.socket.on("data", read);
    this.socket.once("close", () => {
      if (!this.isOver) this.#options.broken("the connection is gone");
    });
    // What it means, `close` tells.
    this.socket.on("error", () => {});
    this.socket.resume();
  }

  send(head: FrameHead, ...rest: readonly (Uint8Array | (() => void))[]): void {
    const parts = rest.filter((one) => typeof one !== "function");
    const sent = rest.find((one) => typeof one === "function");
    this.socket.cork();
    this.socket.write(frameHead(this.#options.attempt, head), parts.length === 0 ? sent : undefined);
    // As long as it isn't on its way nobody changes it: what members put stays until the other host has come further.
    parts.forEach(
      (part, at) =>
        void this.socket.write(Buffer.from(part.buffer, part.byteOffset, part.byteLength), at === parts.length - 1 ? sent : undefined),
    );
    this.socket.uncork();
  }

  over(): void {
    this.send({ kind: KINDS.over, from: 0, area: 0, at: 0, value: 0, bytes: 0 });
  }

  #read(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#head === null) {
        const taken = Math.min(FRAME_HEAD_BYTES - this.#headGot, chunk.length - at);
        this.#headBytes.set(chunk.subarray(at, at + taken), this.#headGot);
        this.#headGot += taken;
        at += taken;
        if (this.#headGot < FRAME_HEAD_BYTES) return;
        this.#headGot = 0;
        const head = readFrameHead(this.#headBytes, this.#options.attempt);
        if (head.kind === KINDS.over) {
          this.isOver = true;
          this.#options.over();
          continue;
        }
        const into = this.#options.into(head);
        this.#gathered = new Uint8Array(into ? 0 : head.bytes);
        this.#into = (into ?? [this.#gathered]).filter(({ length }) => length > 0);
        this.#got = 0;
        this.#head = head;
      }
      while (this.#into.length > 0 && at < chunk.length) {
        const [first] = this.#into as [Uint8Array];
        const taken = Math.min(first.length - this.#got, chunk.length - at);
        first.set(chunk.subarray(at, at + taken), this.#got);
        this.#got += taken;
        at += taken;
        if (this.#got < first.length) return;
        this.#into.shift();
        this.#got = 0;
      }
      if (this.#into.length > 0) return;
      const head = this.#head;
      this.#head = null;
      this.#options.heard(head, this.#gathered as Uint8Array<ArrayBuffer>);
    }
  }
}

// Jupyter's sockets: signed messages over ZeroMQ, by the messaging protocol 5.4. The only user of zeromq; knows of a kernel that it
// answers requests, not how.
import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import { Reply, Router, XPublisher } from "zeromq";
import type { Content, Next, Outlet, Request } from "./kernel.ts";

/** What Jupyter writes into the connection file. */
export interface Connection {
  readonly transport: string;
  readonly ip: string;
  readonly shell_port: number;
  readonly control_port: number;
  readonly stdin_port: number;
  readonly iopub_port: number;
  readonly hb_port: number;
  readonly key: string;
  readonly signature_scheme: string;
}

/** Throws, saying what is missing, for text that is no connection file. */
export function readConnection(text: string): Connection {
  const found: unknown = JSON.parse(text);
  const fields = (typeof found === "object" && found !== null ? found : {}) as Record<string, unknown>;
  for (const name of ["transport", "ip", "key"]) if (typeof fields[name] !== "string") throw new Error(`it has no text \`${name}\``);
  for (const name of ["shell_port", "control_port", "stdin_port", "iopub_port", "hb_port"])
    if (!Number.isInteger(fields[name])) throw new Error(`it has no number \`${name}\``);
  // Without a key nothing is signed, and no scheme need be named.
  const scheme = fields.signature_scheme ?? "hmac-sha256";
  if (fields.key !== "" && scheme !== "hmac-sha256") throw new Error(`this kernel signs by hmac-sha256, not by ${String(scheme)}`);
  return fields as unknown as Connection;
}

export interface Server {
  handle(request: Request, outlet: Outlet): Promise<Next>;
  abort(outlet: Outlet): void;
}

const DELIMITER = "<IDS|MSG>";
const PROTOCOL = "5.4";
/** First byte of what a subscriber's socket tells XPUB. */
const SUBSCRIBES = 1;

interface Message {
  readonly identities: readonly Buffer[];
  readonly header: Content;
  readonly content: Content;
}

/** Serves a kernel until it is shut down, or the signal says so. Rejects where a port is taken. */
export async function serve(kernel: Server, connection: Connection, signal: AbortSignal): Promise<void> {
  const wire = new Wire(kernel, connection);
  await wire.serve(signal);
}

class Wire {
  readonly #kernel: Server;
  readonly #connection: Connection;
  readonly #shell = new Router();
  readonly #control = new Router();
  readonly #stdin = new Router();
  /** Told of every subscription, not of the first to a topic alone: each is welcomed, so that its client knows when it hears. */
  readonly #iopub = new XPublisher({ verbosity: "allSubs" });
  readonly #heartbeat = new Reply();
  readonly #session = randomUUID();
  /** A socket sends one message at a time. */
  readonly #sending = new Map<Router | XPublisher, Promise<void>>();
  #end: () => void = () => {};

  constructor(kernel: Server, connection: Connection) {
    this.#kernel = kernel;
    this.#connection = connection;
  }

  async serve(signal: AbortSignal): Promise<void> {
    const { transport, ip, shell_port, control_port, stdin_port, iopub_port, hb_port } = this.#connection;
    const address = (port: number) => (transport === "ipc" ? `ipc://${ip}-${port}` : `${transport}://${ip}:${port}`);
    const ended = new Promise<void>((resolve) => {
      this.#end = resolve;
    });
    signal.addEventListener("abort", () => this.#end(), { once: true });
    const sockets = [this.#shell, this.#control, this.#stdin, this.#iopub, this.#heartbeat];
    try {
      await Promise.all([
        this.#shell.bind(address(shell_port)),
        this.#control.bind(address(control_port)),
        this.#stdin.bind(address(stdin_port)),
        this.#iopub.bind(address(iopub_port)),
        this.#heartbeat.bind(address(hb_port)),
      ]);
      this.#publish("status", { execution_state: "starting" }, {});
      await Promise.race([ended, Promise.all([this.#requests(this.#shell), this.#requests(this.#control), this.#welcome(), this.#beat()])]);
      await Promise.all(this.#sending.values());
    } finally {
      for (const socket of sockets) socket.close();
    }
  }

  async #beat(): Promise<void> {
    for await (const frames of this.#heartbeat) await this.#heartbeat.send(frames);
  }

  async #welcome(): Promise<void> {
    for await (const [frame] of this.#iopub) {
      if (!frame || frame[0] !== SUBSCRIBES) continue;
      const topic = frame.subarray(1);
      this.#send(this.#iopub, [topic], "iopub_welcome", { subscription: topic.toString() }, {});
    }
  }

  /** Requests of a socket one after another; those of control don't wait for those of shell. */
  async #requests(socket: Router): Promise<void> {
    const waiting: Message[] = [];
    let working = Promise.resolve();
    // Reading goes on while a cell runs: what waits behind one that fails must be known, to be aborted.
    for await (const frames of socket) {
      const message = this.#read(frames);
      if (!message) continue;
      waiting.push(message);
      working = working.then(() => this.#next(socket, waiting));
    }
    await working;
  }

  async #next(socket: Router, waiting: Message[]): Promise<void> {
    const message = waiting.shift();
    if (!message) return;
    const next = await this.#kernel.handle(
      { type: String(message.header.msg_type), content: message.content },
      this.#outlet(socket, message),
    );
    if (next === "shutdown") this.#end();
    if (next !== "abort waiting") return;
    // What the same sender had on its way is here by the next turn of the loop.
    await new Promise((resolve) => setImmediate(resolve));
    for (let i = 0; i < waiting.length; ) {
      if (waiting[i]!.header.msg_type !== "execute_request") i++;
      else this.#kernel.abort(this.#outlet(socket, waiting.splice(i, 1)[0]!));
    }
  }

  #outlet(socket: Router, { identities, header }: Message): Outlet {
    return {
      reply: (type, content) => this.#send(socket, identities, type, content, header),
      publish: (type, content) => this.#publish(type, content, header),
    };
  }

  #sign(parts: readonly Buffer[]): Buffer {
    const { key } = this.#connection;
    if (key === "") return Buffer.alloc(0);
    const hmac = createHmac("sha256", key);
    for (const part of parts) hmac.update(part);
    return Buffer.from(hmac.digest("hex"));
  }

  /** Null for what isn't signed by who started this kernel, or is no message. */
  #read(frames: readonly Buffer[]): Message | null {
    const at = frames.findIndex((frame) => frame.toString() === DELIMITER);
    const [signature, header, parent, metadata, content] = frames.slice(at + 1);
    const refuse = (why: string): null => {
      process.stderr.write(`headrace: a message was refused: ${why}\n`);
      return null;
    };
    if (at < 0 || !signature || !header || !parent || !metadata || !content) return refuse("it has too few parts");
    const expected = this.#sign([header, parent, metadata, content]);
    if (expected.length !== signature.length || !timingSafeEqual(expected, signature)) return refuse("its signature is wrong");
    try {
      return { identities: frames.slice(0, at), header: JSON.parse(header.toString()), content: JSON.parse(content.toString()) };
    } catch (error) {
      return refuse(error instanceof Error ? error.message : String(error));
    }
  }

  #publish(type: string, content: object, parent: object): void {
    this.#send(this.#iopub, [Buffer.from(type)], type, content, parent);
  }

  #send(socket: Router | XPublisher, identities: readonly Buffer[], type: string, content: object, parent: object): void {
    const header = {
      msg_id: randomUUID(),
      session: this.#session,
      username: "kernel",
      date: new Date().toISOString(),
      msg_type: type,
      version: PROTOCOL,
    };
    const parts = [header, parent, {}, content].map((part) => Buffer.from(JSON.stringify(part)));
    const frames = [...identities, Buffer.from(DELIMITER), this.#sign(parts), ...parts];
    const before = this.#sending.get(socket) ?? Promise.resolve();
    const sent = before
      .then(() => socket.send(frames))
      // One that can't be reached doesn't keep the others from hearing.
      .catch((error: unknown) => {
        process.stderr.write(`headrace: a ${type} could not be sent: ${error instanceof Error ? error.message : String(error)}\n`);
      });
    this.#sending.set(socket, sent);
  }
}

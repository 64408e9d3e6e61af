// Jupyter's sockets: signed messages over ZeroMQ. The only user of zeromq.
import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import { Publisher, Reply, Router } from "zeromq";
import type { Kernel, Outlet } from "./kernel.ts";

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

const DELIMITER = "<IDS|MSG>";

interface Message {
  readonly identities: readonly Buffer[];
  readonly header: Readonly<Record<string, unknown>>;
  readonly content: Readonly<Record<string, unknown>>;
}

/** Serves a kernel until it is shut down. */
export async function serve(kernel: Kernel, connection: Connection): Promise<void> {
  const wire = new Wire(kernel, connection);
  await wire.serve();
}

class Wire {
  readonly #kernel: Kernel;
  readonly #connection: Connection;
  readonly #shell = new Router();
  readonly #control = new Router();
  readonly #stdin = new Router();
  readonly #iopub = new Publisher();
  readonly #heartbeat = new Reply();
  readonly #session = randomUUID();
  /** A socket sends one message at a time. */
  readonly #sending = new Map<Router | Publisher, Promise<void>>();
  #end: () => void = () => {};

  constructor(kernel: Kernel, connection: Connection) {
    if (connection.signature_scheme !== "hmac-sha256")
      throw new Error(`this kernel signs by hmac-sha256, not ${connection.signature_scheme}`);
    this.#kernel = kernel;
    this.#connection = connection;
  }

  async serve(): Promise<void> {
    const { transport, ip, shell_port, control_port, stdin_port, iopub_port, hb_port } = this.#connection;
    const address = (port: number) => (transport === "ipc" ? `ipc://${ip}-${port}` : `${transport}://${ip}:${port}`);
    await Promise.all([
      this.#shell.bind(address(shell_port)),
      this.#control.bind(address(control_port)),
      this.#stdin.bind(address(stdin_port)),
      this.#iopub.bind(address(iopub_port)),
      this.#heartbeat.bind(address(hb_port)),
    ]);
    const ended = new Promise<void>((resolve) => {
      this.#end = resolve;
    });
    this.#publish("status", { execution_state: "starting" }, {});
    const loops = [this.#requests(this.#shell), this.#requests(this.#control), this.#beat()];
    await Promise.race([ended, Promise.all(loops)]);
    await Promise.all(this.#sending.values());
    for (const socket of [this.#shell, this.#control, this.#stdin, this.#iopub, this.#heartbeat]) socket.close();
  }

  async #beat(): Promise<void> {
    for await (const frames of this.#heartbeat) await this.#heartbeat.send(frames);
  }

  /** Shell requests one after another; control ones don't wait for them. */
  async #requests(socket: Router): Promise<void> {
    for await (const frames of socket) {
      const message = this.#read(frames);
      if (!message) continue;
      const outlet: Outlet = {
        reply: (type, content) => this.#send(socket, message.identities, type, content, message.header),
        publish: (type, content) => this.#publish(type, content, message.header),
      };
      const next = await this.#kernel.handle({ type: String(message.header.msg_type), content: message.content }, outlet);
      if (next === "shutdown") {
        this.#end();
        return;
      }
    }
  }

  #sign(parts: readonly Buffer[]): Buffer {
    const { key } = this.#connection;
    if (key === "") return Buffer.alloc(0);
    const hmac = createHmac("sha256", key);
    for (const part of parts) hmac.update(part);
    return Buffer.from(hmac.digest("hex"));
  }

  /** Null for what isn't signed by who started this kernel. */
  #read(frames: readonly Buffer[]): Message | null {
    const at = frames.findIndex((frame) => frame.toString() === DELIMITER);
    const [signature, header, parent, metadata, content] = frames.slice(at + 1);
    if (at < 0 || !signature || !header || !parent || !metadata || !content) return null;
    const expected = this.#sign([header, parent, metadata, content]);
    if (expected.length !== signature.length || !timingSafeEqual(expected, signature)) return null;
    return { identities: frames.slice(0, at), header: JSON.parse(header.toString()), content: JSON.parse(content.toString()) };
  }

  #publish(type: string, content: object, parent: object): void {
    this.#send(this.#iopub, [Buffer.from(type)], type, content, parent);
  }

  #send(socket: Router | Publisher, identities: readonly Buffer[], type: string, content: object, parent: object): void {
    const header = {
      msg_id: randomUUID(),
      session: this.#session,
      username: "kernel",
      date: new Date().toISOString(),
      msg_type: type,
      version: "5.4",
    };
    const parts = [header, parent, {}, content].map((part) => Buffer.from(JSON.stringify(part)));
    const frames = [...identities, Buffer.from(DELIMITER), this.#sign(parts), ...parts];
    const before = this.#sending.get(socket) ?? Promise.resolve();
    this.#sending.set(
      socket,
      before.then(() => socket.send(frames)),
    );
  }
}

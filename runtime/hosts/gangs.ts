// Brings the members of a gang together, in the host's own thread: those of this host by shared memory and ports, those of other hosts by a
// connection to each, on which both sides prove that they know the attempt's token. Gives up what the engine gives up. Must not know what
// members say to each other.
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Server, Socket } from "node:net";
import { connect, createServer } from "node:net";
import type { MessagePort, Worker } from "node:worker_threads";
import { MessageChannel } from "node:worker_threads";
import { abortCollective, CONTROL_BYTES, MOST_SPANNING } from "../training/collective.ts";
import { Bridge } from "./bridge.ts";
import type { Member, SupervisorToSlot } from "./inside.ts";
import type { GangPlan } from "./link.ts";

const MAGIC = 0x31475248;
const NAMES_BYTES = 36;
const MAC_BYTES = 32;
const HELLO_BYTES = NAMES_BYTES + MAC_BYTES;
/** So many may have connected without having proved anything, each for so long. */
const MOST_STRANGERS = 256;
const STRANGER_MS = 30_000;
const AGAIN_MS = 100;
/** A worker that has ended is known as lost by then: whoever can't be reached for longer never could. */
const UNREACHABLE_MS = 15_000;
/** Where a connection breaks, the engine says by then what is lost. */
const BROKEN_MS = 15_000;

type Joined = Extract<SupervisorToSlot, { type: "joined" }>;

interface Gang {
  readonly control: SharedArrayBuffer;
  readonly plan: GangPlan | null;
  readonly names: Pick<Member, "run" | "stage" | "attempt">;
  /** By rank. */
  readonly joined: (Worker | undefined)[];
  /** All members of this host are there. */
  isGathered: boolean;
  isGivenUp: boolean;
  /** Connections that have proved themselves, by host, and calls that haven't been answered. */
  readonly sockets: Map<number, Socket>;
  readonly calls: Set<Socket>;
  bridge: Bridge | null;
  isBroken: boolean;
  readonly timers: Set<NodeJS.Timeout>;
}

interface Stranger {
  readonly socket: Socket;
  readonly key: string;
  readonly hello: Buffer;
}

export class Gangs {
  readonly #gangs = new Map<string, Gang>();
  readonly #strangers = new Set<Socket>();
  /** They have said whom they want, who isn't here yet. */
  readonly #early: Stranger[] = [];
  #server: Server | null = null;

  /** Gives the port. Only those that know a gang's token come any further. */
  listen(address: string): Promise<number> {
    const server = (this.#server = createServer((socket) => this.#came(socket)));
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host: address, port: 0 }, () => resolve((server.address() as { port: number }).port));
    });
  }

  /** The last member to come to this host brings them together. */
  join(worker: Worker, member: Member): void {
    const { run, stage, attempt, rank, members, plan } = member;
    const key = nameOf(member);
    const before = this.#gangs.get(key);
    // An attempt of that number that another leader had begun is over: this one has another token.
    if (before?.plan && plan && !Buffer.from(before.plan.token).equals(plan.token)) {
      this.#end(before);
      this.#gangs.delete(key);
    }
    const gang: Gang = this.#gangs.get(key) ?? {
      control: new SharedArrayBuffer(CONTROL_BYTES),
      plan,
      names: { run, stage, attempt },
      joined: [],
      isGathered: false,
      isGivenUp: false,
      sockets: new Map(),
      calls: new Set(),
      bridge: null,
      isBroken: false,
      timers: new Set(),
    };
    this.#gangs.set(key, gang);
    if (gang.isGivenUp) {
      tell(worker, member, null);
      return;
    }
    gang.joined[rank] = worker;
    const here = gang.joined.filter((one) => one !== undefined).length;
    const awaited = plan ? plan.places.filter((place) => place === plan.places[rank]).length : members;
    if (here < awaited) return;
    gang.isGathered = true;
    if (!plan) {
      this.#begin(gang, members);
      return;
    }
    if (members > MOST_SPANNING) {
      this.#refuse(gang, `a gang on several workers has ${MOST_SPANNING} members at most`);
      return;
    }
    const place = plan.places[rank]!;
    for (let host = 0; host < place; host++) this.#reach(gang, place, host);
    for (const early of this.#early.filter((one) => one.key === key)) {
      this.#early.splice(this.#early.indexOf(early), 1);
      this.#greet(gang, early);
    }
  }

  giveUp(names: Gang["names"]): void {
    const key = nameOf(names);
    const known = this.#gangs.get(key);
    // Members that haven't come yet will ask.
    if (!known) {
      const nobody = { control: new SharedArrayBuffer(0), plan: null, joined: [], isGathered: false, bridge: null, isBroken: false };
      this.#gangs.set(key, { ...nobody, names, isGivenUp: true, sockets: new Map(), calls: new Set(), timers: new Set() });
      return;
    }
    known.isGivenUp = true;
    this.#end(known);
    for (const worker of known.joined) if (worker) tell(worker, names, null);
  }

  finish(run: number): void {
    for (const [key, gang] of this.#gangs) {
      if (gang.names.run !== run) continue;
      gang.isGivenUp = true;
      this.#end(gang);
      this.#gangs.delete(key);
    }
  }

  #end(gang: Gang): void {
    if (gang.control.byteLength > 0) abortCollective(gang.control);
    for (const timer of gang.timers) clearTimeout(timer);
    gang.bridge?.close();
    for (const socket of [...gang.sockets.values(), ...gang.calls]) socket.destroy();
  }

  #refuse(gang: Gang, reason: string): void {
    gang.isGivenUp = true;
    this.#end(gang);
    for (const worker of gang.joined) if (worker) tell(worker, gang.names, null, reason);
  }

  /** Memory that all of this host share, and a port for each two; from members of other hosts the bridge posts. */
  #begin(gang: Gang, members: number): void {
    const { control, joined, plan, names } = gang;
    const ports: (MessagePort | null)[][] = Array.from({ length: members }, () => Array.from({ length: members }, () => null));
    for (let a = 0; a < members; a++)
      for (let b = a + 1; b < members; b++) {
        if (!joined[a] && !joined[b]) continue;
        const { port1, port2 } = new MessageChannel();
        ports[a]![b] = port1;
        ports[b]![a] = port2;
      }
    const wires = joined.map((one) => (one && plan ? new MessageChannel() : null));
    if (plan) {
      const here = plan.places[joined.findIndex((one) => one !== undefined)]!;
      const own = joined.flatMap((one, rank) => {
        // The other ends of ports that lead elsewhere.
        const others = ports.map((of, other) => (joined[other] ? null : of[rank]!));
        return one ? [{ rank, ports: others, wire: wires[rank]!.port2 }] : [];
      });
      gang.bridge = new Bridge({
        ...{ attempt: names.attempt, here, places: plan.places, control, members: own, sockets: gang.sockets },
        onBroken: (host, reason) => this.#broken(gang, host, reason),
        onOver: () => {
          for (const timer of gang.timers) clearTimeout(timer);
          gang.sockets.clear();
          gang.bridge = null;
        },
      });
    }
    joined.forEach((worker, rank) => {
      if (!worker) return;
      const wire = plan ? { port: wires[rank]!.port1, here: plan.places[rank]!, places: plan.places } : null;
      tell(worker, names, { control, ports: ports[rank]!, wire });
    });
  }

  #broken(gang: Gang, host: number, reason: string): void {
    if (gang.isGivenUp || gang.isBroken) return;
    gang.isBroken = true;
    this.#later(gang, BROKEN_MS, () => {
      process.stderr.write(`a gang is given up: a member of it is at ${gang.plan!.hosts[host]!.name}, and ${reason}\n`);
      this.giveUp(gang.names);
    });
  }

  #later(gang: Gang, ms: number, what: () => void): void {
    const timer = setTimeout(() => {
      gang.timers.delete(timer);
      if (!gang.isGivenUp) what();
    }, ms);
    gang.timers.add(timer);
  }

  // --- Connections ---------------------------------------------------------------------------------------------------------------

  /** Whoever stands later in the gang's list of hosts calls those before it. */
  #reach(gang: Gang, place: number, host: number): void {
    const plan = gang.plan!;
    const { host: address, port, name } = plan.hosts[host]!;
    let connected = false;
    let failure = "";
    const attempt = () => {
      const socket = connect({ host: address, port, noDelay: true });
      gang.calls.add(socket);
      const names = helloNames(gang.names, place);
      socket.once("connect", () => {
        connected = true;
        socket.write(Buffer.concat([names, macOf(plan.token, names, "hello")]));
      });
      socket.on("error", (error) => {
        failure = error.message;
      });
      const again = () => {
        gang.calls.delete(socket);
        if (gang.isGivenUp) return;
        this.#later(gang, AGAIN_MS, attempt);
      };
      socket.once("close", again);
      readOnce(socket, MAC_BYTES, (welcome) => {
        if (gang.isGivenUp || !timingSafeEqual(welcome, macOf(plan.token, names, "welcome"))) {
          socket.destroy();
          return;
        }
        socket.removeListener("close", again);
        gang.calls.delete(socket);
        this.#proved(gang, host, socket);
      });
    };
    attempt();
    this.#later(gang, UNREACHABLE_MS, () => {
      if (!connected)
        this.#refuse(
          gang,
          `the workers ${plan.hosts[place]!.name} and ${name} can't reach each other: ${failure || "nobody answers"} (${address}:${port}); let them through, or start each with --address and an address that the others reach`,
        );
    });
  }

  #came(socket: Socket): void {
    socket.on("error", () => {});
    if (this.#strangers.size >= MOST_STRANGERS) {
      socket.destroy();
      return;
    }
    this.#strangers.add(socket);
    const late = setTimeout(() => socket.destroy(), STRANGER_MS);
    const known = () => {
      clearTimeout(late);
      this.#strangers.delete(socket);
    };
    this.#leaves.set(socket, known);
    socket.once("close", () => {
      known();
      const at = this.#early.findIndex((one) => one.socket === socket);
      if (at >= 0) this.#early.splice(at, 1);
    });
    socket.setNoDelay(true);
    readOnce(socket, HELLO_BYTES, (hello) => {
      if (hello.readUInt32LE(0) !== MAGIC) {
        socket.destroy();
        return;
      }
      const key = nameOf({ run: hello.readUInt32LE(4), stage: hello.readUInt32LE(8), attempt: hello.readUInt32LE(12) });
      const gang = this.#gangs.get(key);
      if (gang?.isGathered || gang?.isGivenUp) this.#greet(gang, { socket, key, hello });
      else this.#early.push({ socket, key, hello });
    });
  }
  /** What is to be done when a stranger has proved himself. */
  readonly #leaves = new WeakMap<Socket, () => void>();

  #greet(gang: Gang, { socket, hello }: Stranger): void {
    const { plan } = gang;
    const names = hello.subarray(0, NAMES_BYTES);
    const host = hello.readUInt32LE(16);
    const isKnown = plan && !gang.isGivenUp && timingSafeEqual(hello.subarray(NAMES_BYTES), macOf(plan.token, names, "hello"));
    if (!isKnown || host >= plan.hosts.length || gang.sockets.has(host)) {
      socket.destroy();
      return;
    }
    this.#leaves.get(socket)?.();
    socket.write(macOf(plan.token, names, "welcome"));
    this.#proved(gang, host, socket);
  }

  #proved(gang: Gang, host: number, socket: Socket): void {
    gang.sockets.set(host, socket);
    socket.once("close", () => {
      if (!gang.bridge && gang.sockets.has(host)) this.#broken(gang, host, "the connection is gone");
    });
    if (gang.sockets.size === gang.plan!.hosts.length - 1) this.#begin(gang, gang.plan!.places.length);
  }
}

function tell(worker: Worker, { run, stage, attempt }: Gang["names"], gang: Joined["gang"], refused?: string): void {
  const ports = gang ? [...gang.ports, gang.wire?.port ?? null].filter((port) => port !== null) : [];
  const message: SupervisorToSlot = { type: "joined", run, stage, attempt, gang, ...(refused === undefined ? {} : { refused }) };
  worker.postMessage(message, ports);
}

const nameOf = ({ run, stage, attempt }: Gang["names"]) => `${run}:${stage}:${attempt}`;

/** Who calls, for which attempt, with a number that is used once. */
function helloNames({ run, stage, attempt }: Gang["names"], host: number): Buffer {
  const names = Buffer.alloc(NAMES_BYTES);
  [MAGIC, run, stage, attempt, host].forEach((number, at) => void names.writeUInt32LE(number, 4 * at));
  randomBytes(16).copy(names, 20);
  return names;
}

const macOf = (token: Uint8Array, names: Uint8Array, what: "hello" | "welcome"): Buffer =>
  createHmac("sha256", token).update(what).update(names).digest();

/** So many bytes; what follows stays in the socket. */
function readOnce(socket: Socket, bytes: number, then: (read: Buffer) => void): void {
  const look = () => {
    const read = socket.read(bytes) as Buffer | null;
    if (read === null) return;
    socket.removeListener("readable", look);
    if (read.length === bytes) then(read);
    else socket.destroy();
  };
  socket.on("readable", look);
}

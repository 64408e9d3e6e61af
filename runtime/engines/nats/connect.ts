// A connection to a NATS server, and the subjects and times that engine and worker share. With `session.ts`'s neighbours the only
// user of the NATS client.

import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import type { NatsConnection } from "@nats-io/transport-node";
import { connect, credsAuthenticator } from "@nats-io/transport-node";

/** How often each side beats. */
export const BEAT_MS = 500;
/** Silence after which the other side is asked for; without anybody there it is lost, and after `HUNG_MS` in any case. */
export const DOUBT_MS = 800;
/** Whoever is told that nobody is there asks once more then: it may be coming back. */
const AGAIN_MS = 250;
const ANSWER_MS = 1000;
export const HUNG_MS = 7500;
/** A run whose leader is silent for so long gets another. */
export const LEADER_HUNG_MS = 5000;
/** A loop that was held up longer than this judges nobody by silence: its own ears were shut. */
export const OWN_GAP_MS = 1000;

/** A run stands in the subjects of its leader and its workers, so that permissions can be given by it; a worker in those of what it says. */
export const subjects = {
  /** Leaders ask who is there; so does whoever wants to know. */
  discover: "hr.v1.discover",
  toWorker: (run: string, worker: string) => `hr.v1.${run}.w.${worker}`,
  allToWorker: (worker: string) => `hr.v1.*.w.${worker}`,
  toLeader: (run: string, worker: string) => `hr.v1.${run}.c.${worker}`,
  allToLeader: (run: string) => `hr.v1.${run}.c.*`,
  /** Answered while the process is there, or while somebody leads that run. */
  alive: (who: string) => `hr.v1.alive.${who}`,
  /** One worker is to lead a run. */
  lead: "hr.v1.lead",
  /** A run's leader says that it is there. */
  led: (run: string) => `hr.v1.led.${run}`,
  allLed: "hr.v1.led.*",
  /** A worker is asked to leave, once others have what it has. */
  drain: (worker: string) => `hr.v1.drain.${worker}`,
  /** A run's leader is asked for something: to cancel it. */
  ask: (run: string) => `hr.v1.ask.${run}`,
  /** Whoever submitted a run is asked for its secrets, which are stored nowhere. */
  secrets: (run: string) => `hr.v1.secrets.${run}`,
  summaries: "hr.v1.run.*",
  /** A worker is asked for chunks of objects, where it can't be reached by itself. */
  bulk: (worker: string) => `hr.v1.o.${worker}.get`,
  bulkAnswers: (worker: string, transfer: string, offset: string) => `hr.v1.in.${worker}.${transfer}.${offset}`,
};

/** What a run's leader says of itself, now and then. `over`: nobody has to lead it any more. `gone`: somebody else has to. */
export interface Led {
  readonly epoch: number;
  readonly worker: string;
  readonly name: string;
  readonly how: "leading" | "over" | "gone";
}

/** A worker's answer to `discover`. */
export interface Introduction {
  readonly worker: string;
  readonly name: string;
  readonly slots: number;
  readonly labels: readonly string[];
  /** It wants to go, and takes part in these runs still; null: it stays. */
  readonly leaving: readonly string[] | null;
}

export interface ConnectOptions {
  /** `nats://host:port`, with `user:password@` or `token@` where the server wants them. */
  readonly url: string;
  /** A credentials file. */
  readonly creds?: string | undefined;
}

/** Rejects with a message for people where no server is there. */
export async function connectTo({ url, creds }: ConnectOptions, name: string): Promise<NatsConnection> {
  let address: URL;
  try {
    address = new URL(url.includes("://") ? url : `nats://${url}`);
  } catch (error) {
    throw new Error(`\`${url}\` is no address of a NATS server; one is \`nats://localhost:4222\``, { cause: error });
  }
  const { username, password } = address;
  const auth = password
    ? { user: decodeURIComponent(username), pass: decodeURIComponent(password) }
    : username
      ? { token: decodeURIComponent(username) }
      : {};
  const key = creds === undefined ? null : readCredentials(creds);
  try {
    return await connect({
      servers: address.host,
      name,
      ...auth,
      ...(key ? { authenticator: credsAuthenticator(key) } : {}),
      // The broker may be away for long; runs wait for it.
      maxReconnectAttempts: -1,
      pingInterval: 2000,
      reconnectTimeWait: 100,
      reconnectJitter: 500,
      noEcho: true,
    });
  } catch (error) {
    throw new Error(
      `no NATS server answers at ${address.protocol}//${address.host}: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}

/**
 * Where members of gangs at other workers meet those of this one: at `address` where that is told, else where the server sees this machine, if
 * that is one of its own addresses.
 */
export function meetsAt({ info }: NatsConnection, address: string | undefined): { readonly listen: string; readonly host: string } | null {
  const own = new Set(Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map((one) => one.address)));
  const host = address ?? info?.client_ip;
  if (host === undefined) return null;
  // An address that others are told and this machine doesn't have leads here by ways of its own.
  if (address !== undefined) return { host, listen: own.has(address) ? address : "0.0.0.0" };
  return own.has(host) ? { host, listen: host } : null;
}

function readCredentials(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new Error(`the NATS credentials \`${file}\` can't be read (${(error as NodeJS.ErrnoException).code})`, { cause: error });
  }
}

/** Frames leave room for headers, and never hold up others for long. */
export function frameBytes(connection: NatsConnection): number {
  return Math.min(256 * 1024, Math.floor((connection.info?.max_payload ?? 1024 * 1024) / 2));
}

/** When connections came back last. */
const backSinceMs = new WeakMap<NatsConnection, number>();
/** After a server comes back its clients do one by one. */
const SETTLING_MS = 3000;

/** Nobody listens there, twice. */
export async function isGone(connection: NatsConnection, who: string): Promise<boolean> {
  if (performance.now() - (backSinceMs.get(connection) ?? Number.NEGATIVE_INFINITY) < SETTLING_MS) return false;
  if ((await isThere(connection, who)) !== false) return false;
  await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  return (await isThere(connection, who)) === false;
}

/** Whether anybody listens there; `null` where the question itself got no answer. */
export async function isThere(connection: NatsConnection, who: string): Promise<boolean | null> {
  try {
    await connection.request(subjects.alive(who), undefined, { timeout: ANSWER_MS });
    return true;
  } catch (error) {
    // The server itself says that nobody has subscribed; all else is silence.
    const cause = error instanceof Error ? (error.cause as Error | undefined) : undefined;
    return [error, cause].some((one) => one instanceof Error && /no ?responders/i.test(`${one.name} ${one.message}`)) ? false : null;
  }
}

/** Calls back after each reconnection, until the connection closes. */
export async function onReconnect(connection: NatsConnection, then: () => void): Promise<void> {
  for await (const { type } of connection.status()) {
    if (type !== "reconnect") continue;
    backSinceMs.set(connection, performance.now());
    then();
  }
}

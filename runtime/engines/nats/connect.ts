// A connection to a NATS server, and the subjects and times that engine and worker share. With `session.ts`'s neighbours the only
// user of the NATS client.

import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import type { Msg, NatsConnection } from "@nats-io/transport-node";
import { connect, credsAuthenticator, PermissionViolationError } from "@nats-io/transport-node";

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
  /** What whoever has that identity asked for, and gets in several pieces or from several. */
  answersTo: (identity: string) => `hr.v1.in.${identity}.>`,
  answers: (asker: string, what: string) => `hr.v1.in.${asker}.${what}`,
  toWorker: (run: string, worker: string) => `hr.v1.${run}.w.${worker}`,
  allToWorker: (worker: string) => `hr.v1.*.w.${worker}`,
  toLeader: (run: string, worker: string) => `hr.v1.${run}.c.${worker}`,
  allToLeader: (run: string) => `hr.v1.${run}.c.>`,
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

/** Whether a pattern stands for a subject, both cut at their dots. */
export function matches(pattern: readonly string[], subject: readonly string[]): boolean {
  const isOpen = pattern.at(-1) === ">";
  const fixed = isOpen ? pattern.length - 1 : pattern.length;
  if (isOpen ? subject.length <= fixed : subject.length !== fixed) return false;
  return pattern.slice(0, fixed).every((one, i) => one === "*" || one === subject[i]);
}

/**
 * All that is sent to such subjects. Whoever may read a stream can have the server send what is stored there anywhere, past all permissions: it keeps
 * the subject that it was stored under, and isn't heard.
 */
export function listen(
  connection: NatsConnection,
  pattern: string,
  heard: (message: Msg) => void,
  queue?: string,
): { unsubscribe(): void } {
  const wanted = pattern.split(".");
  return connection.subscribe(pattern, {
    ...(queue === undefined ? {} : { queue }),
    callback: (error, message) => {
      if (!error && matches(wanted, message.subject.split("."))) heard(message);
    },
  });
}

/** The worker that a message to a leader is from. */
export const senderOf = (toLeader: string): string => toLeader.split(".").slice(4).join(".");

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

/** Where nobody is told apart from others. */
const ANYBODY = "any";

/** One word, by which credentials keep one from speaking for others: the user of a credentials file, or of the address. */
export function identityOf({ url, creds }: ConnectOptions): string {
  const { username, password } = addressOf(url);
  const user = creds !== undefined ? userOf(readCredentials(creds), creds) : password ? decodeURIComponent(username) : "";
  return user === "" ? ANYBODY : user.replaceAll(/[^\w-]/g, "_");
}

function addressOf(url: string): URL {
  try {
    return new URL(url.includes("://") ? url : `nats://${url}`);
  } catch (error) {
    throw new Error(`\`${url}\` is no address of a NATS server; one is \`nats://localhost:4222\``, { cause: error });
  }
}

/** Rejects with a message for people where no server is there, or it doesn't let this one in. */
export async function connectTo(options: ConnectOptions, name: string): Promise<NatsConnection> {
  const { creds } = options;
  const { protocol, host, username, password } = addressOf(options.url);
  const auth = password
    ? { user: decodeURIComponent(username), pass: decodeURIComponent(password) }
    : username
      ? { token: decodeURIComponent(username) }
      : {};
  const identity = identityOf(options);
  try {
    return await connect({
      servers: host,
      name,
      ...auth,
      ...(creds === undefined ? {} : { authenticator: credsAuthenticator(readCredentials(creds)) }),
      inboxPrefix: identity === ANYBODY ? "_INBOX" : inboxesOf(identity),
      // The broker may be away for long; runs wait for it.
      maxReconnectAttempts: -1,
      pingInterval: 2000,
      reconnectTimeWait: 100,
      reconnectJitter: 500,
      noEcho: true,
    });
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    const known = creds !== undefined || password || username;
    const why = known ? "it doesn't know these credentials" : "it wants credentials: --creds FILE, or a user in its address";
    throw new Error(
      /authorization|authentication/i.test(said)
        ? `the NATS server at ${protocol}//${host} doesn't let this one in: ${why} (${said})`
        : `no NATS server answers at ${protocol}//${host}: ${said}`,
      { cause: error },
    );
  }
}

/** Where whoever has that identity is answered, so that nobody else hears it. */
export const inboxesOf = (identity: string): string => `_INBOX_${identity}`;

/** What the server doesn't let this one do. */
export class NotAllowed extends Error {
  override readonly name = "NotAllowed";
}

/** The server's refusal, in words for people; null for all else that goes wrong. */
export function refusalOf(error: unknown): NotAllowed | null {
  for (let one = error; one instanceof Error; one = one.cause) {
    if (one instanceof NotAllowed) return one;
    if (!(one instanceof PermissionViolationError)) continue;
    const { operation, subject } = one;
    const what = operation === "publish" ? "speak" : "listen";
    return new NotAllowed(
      `the NATS server doesn't let these credentials ${what} on \`${subject}\`: they are of another role; \`headrace credentials\` makes others`,
    );
  }
  return null;
}

/** Throws what the server doesn't let this one do; whoever calls deals with all else. */
export function throwRefusal(error: unknown): void {
  const refusal = refusalOf(error);
  if (refusal) throw refusal;
}

/**
 * Calls back where the server doesn't let this one listen where it has to. Where it doesn't let it speak is no matter: whoever asks says where to answer, and
 * may say anything.
 */
export async function onForbiddenToListen(connection: NatsConnection, then: (refusal: NotAllowed) => void): Promise<void> {
  for await (const status of connection.status()) {
    if (status.type !== "error" || !(status.error instanceof PermissionViolationError) || status.error.operation !== "subscription")
      continue;
    then(refusalOf(status.error)!);
    return;
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

/** The name that a credentials file was made for: it stands in its token, which the server checks. */
function userOf(creds: Uint8Array, file: string): string {
  try {
    const [, token] = /BEGIN NATS USER JWT-+\s*(\S+)/.exec(Buffer.from(creds).toString())!;
    const { name } = JSON.parse(Buffer.from(token!.split(".")[1]!, "base64url").toString()) as { readonly name?: unknown };
    return typeof name === "string" ? name : "";
  } catch (error) {
    throw new Error(`\`${file}\` holds no NATS credentials`, { cause: error });
  }
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

/** Those whose server is away. */
const away = new WeakSet<NatsConnection>();
/** Nobody can be heard over it just now, so nobody is judged by silence. */
export const isAway = (connection: NatsConnection): boolean => connection.isClosed() || away.has(connection);

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
    if (type === "disconnect") away.add(connection);
    if (type !== "reconnect") continue;
    away.delete(connection);
    backSinceMs.set(connection, performance.now());
    then();
  }
}

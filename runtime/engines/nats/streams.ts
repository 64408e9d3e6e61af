// What survives in JetStream: journals of runs, what is told of them, what they gave, and one summary of each. The only user of the JetStream
// client. Must not know what a record means, nor when one is written.
import type { JetStreamManager, StreamConfig } from "@nats-io/jetstream";
import { DeliverPolicy, DiscardPolicy, jetstream, jetstreamManager, RetentionPolicy, StorageType } from "@nats-io/jetstream";
import type { Msg, NatsConnection } from "@nats-io/transport-node";
import { headers } from "@nats-io/transport-node";
import type { CallLogs } from "./calls.ts";
import { refusalOf, throwRefusal } from "./connect.ts";
import type { Appended, Log, LogMessage, Stored } from "./journal.ts";
import { readSummary } from "./messages.ts";

const JOURNAL = "HRJ";
const EVENTS = "HRE";
const RUNS = "HRR";
const CALLS = "HRC";

const DAY_NS = 24 * 60 * 60 * 1e9;
const ANSWER_LIMIT_MS = 2000;
const AGAIN_MS = 250;
const WRONG_SEQUENCE = 10071;
const NOT_FOUND = 10037;

const journalOf = (run: string) => `hr.v1.j.${run}`;
const eventsOf = (run: string) => `hr.v1.e.${run}`;
const outputsOf = (run: string) => `hr.v1.out.${run}`;
const callsOf = (run: string, actor: string) => `hr.v1.calls.${run}.${actor}`;
const summaryOf = (run: string) => `hr.v1.run.${run}`;

/** What is stored under which subjects, of all runs. */
export const streamSubjects = {
  journals: journalOf("*"),
  calls: callsOf("*", "*"),
  events: eventsOf("*"),
  outputs: outputsOf("*"),
  summaries: summaryOf("*"),
};

/** `endsWithRun`: what a run has there goes when it is over. */
export const STREAMS: readonly { readonly name: string; readonly endsWithRun: boolean }[] = [
  { name: JOURNAL, endsWithRun: true },
  { name: CALLS, endsWithRun: true },
  { name: EVENTS, endsWithRun: false },
  { name: RUNS, endsWithRun: false },
];

const CONFIGS: readonly (Partial<StreamConfig> & { readonly name: string })[] = [
  { name: JOURNAL, subjects: [streamSubjects.journals], storage: StorageType.File, retention: RetentionPolicy.Limits, allow_direct: false },
  { name: CALLS, subjects: [streamSubjects.calls], storage: StorageType.File, retention: RetentionPolicy.Limits, allow_direct: false },
  {
    ...{
      name: EVENTS,
      subjects: [streamSubjects.events, streamSubjects.outputs],
      storage: StorageType.File,
      retention: RetentionPolicy.Limits,
    },
    ...{ max_age: 3 * DAY_NS, discard: DiscardPolicy.Old, allow_direct: false },
  },
  {
    ...{ name: RUNS, subjects: [streamSubjects.summaries], storage: StorageType.File, retention: RetentionPolicy.Limits },
    ...{ max_msgs_per_subject: 1, max_age: 30 * DAY_NS, allow_direct: false },
  },
];

/** A run as anybody may see it. */
export interface RunSummary {
  readonly run: string;
  readonly plan: string;
  readonly file: string;
  readonly submittedAtMs: number;
  readonly status: "waiting" | "running" | "ok" | "failed" | "infrastructure" | "cancelled";
  /** Name of the worker that leads it. */
  readonly leader: string | null;
  readonly endedAtMs: number | null;
  /** In one line, where it didn't end well. */
  readonly why: string | null;
}

/** All that outlives processes. */
export interface Streams {
  log(run: string): Log;
  /** Messages behind a number, up to another, in order. */
  readLog(run: string, after: number, last: number, each: (seq: number, message: LogMessage) => void): Promise<void>;
  /** What the actors of a run were asked. */
  calls(run: string): CallLogs;
  /** A run that is over leaves no journal, and nothing of its actors. */
  forgetLog(run: string): Promise<void>;
  /** `id`: the same message, told again after silence, is kept once. */
  tell(run: string, id: string, bytes: Uint8Array): Promise<void>;
  putOutput(run: string, id: string, bytes: Uint8Array): Promise<void>;
  /** From the first on, with their numbers, until `each` says that it has had enough. */
  events(run: string, each: (bytes: Uint8Array, seq: number) => boolean): Promise<void>;
  /** Number of the last thing that was told; 0: nothing was, or it isn't kept any more. */
  lastTold(run: string): Promise<number>;
  outputs(run: string, parts: number): Promise<readonly Uint8Array[]>;
  summarize(summary: RunSummary): Promise<void>;
  summary(run: string): Promise<RunSummary | null>;
  /** Oldest first. */
  summaries(): Promise<readonly RunSummary[]>;
}

/** Makes the streams that aren't there. Rejects with a message for people where the server keeps nothing. */
export async function openStreams(connection: NatsConnection): Promise<Streams> {
  let manager: JetStreamManager;
  try {
    manager = await jetstreamManager(connection, { timeout: 5000 });
  } catch (error) {
    throw (
      refusalOf(error) ??
      new Error(
        `the NATS server at ${connection.getServer()} keeps nothing: start it with JetStream (\`nats-server -js -sd FOLDER\`), or let \`headrace up\` do so (${said(error)})`,
        { cause: error },
      )
    );
  }
  for (const config of CONFIGS) {
    try {
      await manager.streams.info(config.name);
    } catch (error) {
      if (!/not found/i.test(said(error))) throw refusalOf(error) ?? error;
      await manager.streams.add(config).catch((reason: unknown) => {
        if (!refusalOf(reason)) throw reason;
        throw new Error(
          `the NATS server has no stream \`${config.name}\` yet, and these credentials may not make it: once, with those of an admin, \`headrace workers --nats URL --creds FILE\` makes all that is needed`,
          { cause: reason },
        );
      });
    }
  }
  return new JetStreams(connection, manager);
}

class JetStreams implements Streams {
  readonly #connection: NatsConnection;
  readonly #manager: JetStreamManager;

  constructor(connection: NatsConnection, manager: JetStreamManager) {
    this.#connection = connection;
    this.#manager = manager;
  }

  // --- Journals ----------------------------------------------------------------------------------------------------------------

  log(run: string): Log {
    return this.#log(JOURNAL, journalOf(run));
  }

  #log(stream: string, subject: string): Log {
    return {
      append: (message, after) => this.#append(subject, message, after),
      tail: () => this.#again(() => this.#tail(stream, subject)),
    };
  }

  async #append(subject: string, { epoch, nonce, part, parts, bytes }: LogMessage, after: number): Promise<Appended> {
    const head = headers();
    head.set("Nats-Expected-Last-Subject-Sequence", String(after));
    head.set("Hr-Epoch", String(epoch));
    head.set("Hr-Nonce", nonce);
    head.set("Hr-Part", `${part}/${parts}`);
    let answer: Msg;
    try {
      answer = await this.#connection.request(subject, bytes, { headers: head, timeout: ANSWER_LIMIT_MS });
    } catch (error) {
      throwRefusal(error);
      // Whatever went wrong on the way says nothing of whether it is stored: the log is asked.
      if (!this.#connection.isClosed()) await pause(AGAIN_MS);
      return { how: "unknown" };
    }
    const { seq, error } = answer.json<{
      readonly seq?: number;
      readonly error?: { readonly err_code: number; readonly description: string };
    }>();
    if (error?.err_code === WRONG_SEQUENCE) return { how: "refused" };
    if (error) throw new Error(`the NATS server can't keep this run's journal: ${error.description}`);
    return { how: "stored", seq: seq! };
  }

  async #tail(stream: string, subject: string): Promise<Stored | null> {
    const found = await this.#manager.streams.getMessage(stream, { last_by_subj: subject });
    return found && { seq: found.seq, epoch: Number(found.header.get("Hr-Epoch")), nonce: found.header.get("Hr-Nonce") };
  }

  async readLog(run: string, after: number, last: number, each: (seq: number, message: LogMessage) => void): Promise<void> {
    await this.#readLog(JOURNAL, journalOf(run), after, last, each);
  }

  async #readLog(
    stream: string,
    subject: string,
    after: number,
    last: number,
    each: (seq: number, message: LogMessage) => void,
  ): Promise<void> {
    if (last <= after) return;
    await this.#follow(stream, subject, after + 1, (message) => {
      const [part, parts] = message.headers!.get("Hr-Part").split("/").map(Number) as [number, number];
      const epoch = Number(message.headers!.get("Hr-Epoch"));
      each(message.seq, { epoch, nonce: message.headers!.get("Hr-Nonce"), part, parts, bytes: message.data });
      return message.seq >= last;
    });
  }

  async forgetLog(run: string): Promise<void> {
    await this.#again(() => this.#manager.streams.purge(JOURNAL, { filter: journalOf(run) }));
    await this.#again(() => this.#manager.streams.purge(CALLS, { filter: callsOf(run, "*") }));
  }

  calls(run: string): CallLogs {
    return {
      log: (actor) => this.#log(CALLS, callsOf(run, actor)),
      read: (actor, last, each) => this.#readLog(CALLS, callsOf(run, actor), 0, last, each),
      cut: async (actor, below) => {
        await this.#again(() => this.#manager.streams.purge(CALLS, { filter: callsOf(run, actor), seq: below }));
      },
    };
  }

  // --- What is told ------------------------------------------------------------------------------------------------------------

  async tell(run: string, id: string, bytes: Uint8Array): Promise<void> {
    await this.#put(eventsOf(run), id, bytes);
  }

  async putOutput(run: string, id: string, bytes: Uint8Array): Promise<void> {
    await this.#put(outputsOf(run), id, bytes);
  }

  async #put(subject: string, id: string, bytes: Uint8Array): Promise<void> {
    const head = headers();
    head.set("Nats-Msg-Id", id);
    for (;;) {
      try {
        const answer = await this.#connection.request(subject, bytes, { headers: head, timeout: ANSWER_LIMIT_MS });
        const { error } = answer.json<{ readonly error?: { readonly description: string } }>();
        if (error) throw new Refused(error.description);
        return;
      } catch (error) {
        if (error instanceof Refused || this.#connection.isClosed()) throw error;
        throwRefusal(error);
        await pause(AGAIN_MS);
      }
    }
  }

  async events(run: string, each: (bytes: Uint8Array, seq: number) => boolean): Promise<void> {
    await this.#follow(EVENTS, eventsOf(run), 0, ({ data, seq }) => each(data, seq));
  }

  async lastTold(run: string): Promise<number> {
    const found = await this.#again(() => this.#manager.streams.getMessage(EVENTS, { last_by_subj: eventsOf(run) }));
    return found?.seq ?? 0;
  }

  async outputs(run: string, parts: number): Promise<readonly Uint8Array[]> {
    const found: Uint8Array[] = [];
    await this.#follow(EVENTS, outputsOf(run), 0, ({ data }) => found.push(data) >= parts);
    return found;
  }

  async #follow(
    stream: string,
    subject: string,
    from: number,
    each: (message: { readonly seq: number; readonly data: Uint8Array; readonly headers?: Msg["headers"] }) => boolean,
  ): Promise<void> {
    const consumer = await this.#again(() =>
      jetstream(this.#connection).consumers.get(stream, {
        filter_subjects: subject,
        ...(from > 0 ? { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: from } : { deliver_policy: DeliverPolicy.All }),
      }),
    );
    const messages = await consumer.consume({ max_bytes: READ_AHEAD_BYTES, expires: 4 * SILENCE_MS, idle_heartbeat: SILENCE_MS });
    try {
      for await (const message of messages) if (each(message)) return;
    } finally {
      messages.stop();
      await consumer.delete().catch(() => {
        // It goes by itself where nobody asks it any more.
      });
    }
    throw new Error("the connection to the NATS server has ended");
  }

  // --- Summaries ---------------------------------------------------------------------------------------------------------------

  async summarize(summary: RunSummary): Promise<void> {
    await this.#put(summaryOf(summary.run), `${summary.run}-${summary.status}-${summary.leader}`, Buffer.from(JSON.stringify(summary)));
  }

  async summary(run: string): Promise<RunSummary | null> {
    const found = await this.#again(() => this.#manager.streams.getMessage(RUNS, { last_by_subj: summaryOf(run) }));
    return found && readSummary(found.data);
  }

  async summaries(): Promise<readonly RunSummary[]> {
    const { state } = await this.#again(() => this.#manager.streams.info(RUNS, { subjects_filter: summaryOf("*") }));
    const names = Object.keys(state.subjects ?? {}).map((subject) => subject.slice(subject.lastIndexOf(".") + 1));
    const found = await Promise.all(names.map((run) => this.summary(run)));
    return found.flatMap((one) => one ?? []).sort((a, b) => a.submittedAtMs - b.submittedAtMs);
  }

  /** A server that is away, or has no leader for a stream, comes back. */
  async #again<T>(ask: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        const { code } = error as { readonly code?: unknown };
        if (this.#connection.isClosed() || code === NOT_FOUND) throw error;
        throwRefusal(error);
        await pause(AGAIN_MS);
      }
    }
  }
}

/** A server that was started again knows nothing of who was reading: after twice as long without a sign of it the reader begins again. */
const SILENCE_MS = 1000;
const READ_AHEAD_BYTES = 8 * 1024 * 1024;

class Refused extends Error {}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const said = (error: unknown): string => (error instanceof Error ? error.message : String(error));

// Which runs a worker leads: those that it is asked to, and those that nobody leads any more. Hears who leads what; a leader that is silent is
// asked for, and two answers that nobody is there, or silence for long, are enough. Safety is the journal's alone: two may lead for a moment, and
// one of them finds out.
import type { Msg, NatsConnection } from "@nats-io/transport-node";
import type { Led } from "./connect.ts";
import { BEAT_MS, DOUBT_MS, isAway, isGone, LEADER_HUNG_MS, listen, OWN_GAP_MS, subjects } from "./connect.ts";
import type { Open } from "./lead.ts";
import { lead } from "./lead.ts";
import { readLead, readLed, readSummary } from "./messages.ts";
import type { RunSummary, Streams } from "./streams.ts";

export interface CandidateOptions {
  readonly connection: NatsConnection;
  readonly streams: Streams;
  readonly open: Open;
  readonly worker: string;
  readonly name: string;
  /** Lines for people. */
  readonly say: (line: string) => void;
}

/** A run that somebody should lead. */
interface Watched {
  /** The highest that was heard of. */
  epoch: number;
  heardMs: number;
  /** When another was heard of that leads it, or is about to. */
  rivalMs: number;
  asking: boolean;
}

/** Candidates don't all begin at once. */
const SPREAD_MS = 200;

export class Candidate {
  readonly #options: CandidateOptions;
  readonly #watched = new Map<string, Watched>();
  /** Runs that this worker leads, and how to have it stop. */
  readonly #leading = new Map<string, AbortController>();
  readonly #ends = new Set<Promise<void>>();
  readonly #timer: NodeJS.Timeout;
  readonly #asked: { unsubscribe(): void };
  #tickMs = performance.now();
  #stopped = false;

  static async start(options: CandidateOptions): Promise<Candidate> {
    const candidate = new Candidate(options);
    for (const { run, status } of await options.streams.summaries()) if (isGoingOn(status)) candidate.#watch(run);
    return candidate;
  }

  private constructor(options: CandidateOptions) {
    this.#options = options;
    const { connection } = options;
    const asked = (message: Msg) => {
      const run = readLead(message.data);
      if (run === null) return;
      message.respond(JSON.stringify({ worker: options.worker, name: options.name }));
      this.#lead(run);
    };
    this.#asked = listen(connection, subjects.lead, asked, "workers");
    listen(connection, subjects.allLed, ({ subject, data }) => {
      const led = readLed(data);
      if (led) this.#heard(subject.slice(subject.lastIndexOf(".") + 1), led);
    });
    listen(connection, subjects.summaries, ({ data }) => {
      const summary = readSummary(data);
      if (!summary) return;
      if (isGoingOn(summary.status)) this.#watch(summary.run);
      else this.#watched.delete(summary.run);
    });
    this.#timer = setInterval(() => this.#tick(), BEAT_MS);
  }

  #watch(run: string): void {
    const watched = this.#watched.get(run);
    if (watched) watched.heardMs = performance.now();
    else this.#watched.set(run, { epoch: 0, heardMs: performance.now(), rivalMs: 0, asking: false });
  }

  #heard(run: string, { how, epoch, worker }: Led): void {
    if (how === "over") {
      this.#watched.delete(run);
      return;
    }
    // What a leader says that was overtaken means nothing.
    if (epoch < (this.#watched.get(run)?.epoch ?? 0)) return;
    this.#watch(run);
    const watched = this.#watched.get(run)!;
    // Of two that come at once, one goes on.
    if (how === "leading" && (epoch > watched.epoch || worker < this.#options.worker)) watched.rivalMs = performance.now();
    watched.epoch = epoch;
    if (how === "gone") this.#leadSoon(run, watched);
  }

  #tick(): void {
    const nowMs = performance.now();
    const wasAway = nowMs - this.#tickMs > BEAT_MS + OWN_GAP_MS || isAway(this.#options.connection);
    this.#tickMs = nowMs;
    for (const [run, watched] of this.#watched) {
      if (wasAway) watched.heardMs = nowMs;
      const silentMs = nowMs - watched.heardMs;
      if (this.#leading.has(run) || silentMs <= DOUBT_MS) continue;
      if (silentMs > LEADER_HUNG_MS) this.#leadIfNobodyDoes(run, watched, watched.heardMs);
      else if (!watched.asking) void this.#ask(run, watched);
    }
  }

  async #ask(run: string, watched: Watched): Promise<void> {
    watched.asking = true;
    const sinceMs = watched.heardMs;
    const gone = await isGone(this.#options.connection, run);
    watched.asking = false;
    if (gone && watched.heardMs === sinceMs) this.#leadSoon(run, watched);
  }

  #leadSoon(run: string, watched: Watched): void {
    const sinceMs = watched.heardMs;
    setTimeout(() => this.#leadIfNobodyDoes(run, watched, sinceMs), Math.random() * SPREAD_MS);
  }

  /** Unless somebody was heard of since. */
  #leadIfNobodyDoes(run: string, watched: Watched, sinceMs: number): void {
    if (this.#watched.get(run) !== watched || watched.heardMs > sinceMs || this.#leading.has(run)) return;
    watched.heardMs = performance.now();
    this.#lead(run);
  }

  #lead(run: string): void {
    if (this.#stopped || this.#leading.has(run)) return;
    this.#watch(run);
    const stopping = new AbortController();
    this.#leading.set(run, stopping);
    const { connection, open, worker, name, say } = this.#options;
    // Others needn't try while this one finds out what there is to lead.
    const coming: Led = { epoch: this.#watched.get(run)!.epoch, worker, name, how: "leading" };
    connection.publish(subjects.led(run), JSON.stringify(coming));
    const sinceMs = performance.now();
    const isWanted = () => (this.#watched.get(run)?.rivalMs ?? 0) < sinceMs;
    const end = lead({ open, run, worker, name, say, isWanted, signal: stopping.signal })
      .then(
        (how) => {
          if (how === "over") this.#watched.delete(run);
        },
        (error: unknown) =>
          say(`run ${run} can't be led from here: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`),
      )
      .finally(() => {
        this.#leading.delete(run);
        this.#ends.delete(end);
        const watched = this.#watched.get(run);
        if (watched) watched.heardMs = performance.now();
      });
    this.#ends.add(end);
  }

  /** Takes no more runs. */
  retire(): void {
    this.#stopped = true;
    this.#asked.unsubscribe();
  }

  /** Leaves its runs to others. */
  async stop(): Promise<void> {
    this.retire();
    clearInterval(this.#timer);
    for (const stopping of this.#leading.values()) stopping.abort();
    await Promise.all(this.#ends);
  }
}

const isGoingOn = (status: RunSummary["status"]): boolean => status === "waiting" || status === "running";

// Leads one run: reads its journal, makes itself the one whose records count, hears of workers what they have in hand, and drives the run from
// there to its end. Whoever is overtaken stops, and tells nobody anything more.
import { createHash, randomBytes } from "node:crypto";
import type { NatsConnection } from "@nats-io/transport-node";
import type { CodeStore, Json, Plan } from "../../../compiler/plan.ts";
import type { RunEvent, TaskError } from "../../events/events.ts";
import { encode } from "../../objects/codec.ts";
import { secretVariable } from "../../secrets.ts";
import type { DriverResult } from "../driver.ts";
import { drive } from "../driver.ts";
import { isPlaced } from "../places.ts";
import { WorkerPool } from "../pool.ts";
import { Recall } from "../recall.ts";
import type { Introduction, Led } from "./connect.ts";
import { BEAT_MS, frameBytes, isThere, listen, onReconnect, senderOf, subjects } from "./connect.ts";
import type { RunEnd } from "./journal.ts";
import { appendTo, Journal, messagesOf, Reader, Unreadable } from "./journal.ts";
import { NatsLink } from "./link.ts";
import { isHeaderOf, readIntroduction, readTexts } from "./messages.ts";
import type { RunSummary, Streams } from "./streams.ts";
import { Teller } from "./teller.ts";

/** What the journal begins with: all that anybody needs in order to lead the run, but for its secrets. */
export interface RunHeader {
  readonly run: string;
  /** Of the run, among all there ever are: effects and actors are known by it. */
  readonly uuid: string;
  readonly plan: Plan;
  readonly code: CodeStore;
  readonly params: { readonly [name: string]: Json };
  readonly check: boolean;
  readonly submittedAtMs: number;
}

/** A connection of its own for each leader: what a worker says to itself is heard, and bulk holds up nothing else. */
export type Open = (name: string) => Promise<{ readonly connection: NatsConnection; readonly streams: Streams }>;

export interface LeadOptions {
  readonly open: Open;
  readonly run: string;
  /** Who leads. */
  readonly worker: string;
  readonly name: string;
  readonly say: (line: string) => void;
  /** Nobody else has come meanwhile. */
  readonly isWanted: () => boolean;
  /** To leave the run to somebody else. */
  readonly signal: AbortSignal;
}

type Departure = "over" | "left" | "deposed";

/** So many leaders may come and go without anything done between them. */
const IDLE_EPOCHS = 5;
/** Workers that are there say so within it. */
const GATHERING_MS = 500;
/** So long after it began a plan that no worker has the slots for is refused. */
const PLACES_MS = 2500;
const DISCOVER_EVERY_MS = 1000;
/** Without any worker for so long a run gives up. */
const STRANDED_MS = 60_000;
/** So long what was told may take to be stored before another leads. */
const LEAVING_MS = 1000;
/** A run whose journal is being written by whoever submits it. */
const HEADER_LIMIT_MS = 5000;

/** Resolves when the run is over, or was left to somebody else; or somebody else has taken it. Rejects where it can't be led from here. */
export async function lead(options: LeadOptions): Promise<Departure> {
  const { open, run, say } = options;
  const { connection, streams } = await open(`headrace-leader-${run}`);
  try {
    const leader = new Leader(options, connection, streams);
    const how = await leader.lead();
    if (how === "over") say(`led run ${run} to its end`);
    return how;
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    // Whoever leads it next would find the same.
    const why = `run ${run} can't be led by anybody: ${error.message}`;
    say(why);
    const before = await streams.summary(run);
    if (before) await streams.summarize({ ...before, status: "infrastructure", endedAtMs: Date.now(), why });
    await streams.forgetLog(run);
    return "over";
  } finally {
    await Promise.race([connection.drain(), new Promise((resolve) => setTimeout(resolve, 1000))]);
    await connection.close();
  }
}

class Leader {
  readonly #options: LeadOptions;
  readonly #connection: NatsConnection;
  readonly #streams: Streams;
  readonly #reader = new Reader<RunHeader>();
  readonly #pool = new WorkerPool();
  readonly #links = new Map<string, NatsLink>();
  /** Turns that each worker has had with this leader. */
  readonly #incarnations = new Map<string, number>();
  #epoch = 0;
  #driving = false;
  #telling: Teller | null = null;
  #aloneSinceMs = performance.now();
  #met: () => void = () => {};
  readonly #timers = new Set<NodeJS.Timeout>();
  /** Settles with the first thing that ends this leader's time. */
  readonly #left: Promise<Departure>;
  #leave: (how: Departure) => void = () => {};
  readonly #cancelling = new AbortController();

  constructor(options: LeadOptions, connection: NatsConnection, streams: Streams) {
    this.#options = options;
    this.#connection = connection;
    this.#streams = streams;
    this.#left = new Promise((resolve) => {
      this.#leave = resolve;
    });
  }

  async lead(): Promise<Departure> {
    const { run, signal } = this.#options;
    const leave = () => this.#leave("left");
    if (signal.aborted) leave();
    signal.addEventListener("abort", leave, { once: true });
    // A server that is away may be so for long.
    const journal = await Promise.race([this.#fence(), this.#left]);
    if (typeof journal === "string") return journal;
    if (!journal) return this.#reader.header ? "deposed" : "over";
    const { header, end } = this.#reader;
    if (!header) throw new Error(`bug: run ${run} is led, and nobody knows what it is`);
    this.#beat("leading");
    const beating = setInterval(() => this.#beat("leading"), BEAT_MS);
    this.#timers.add(beating);
    const alive = listen(this.#connection, subjects.alive(run), (message) => void message.respond());
    try {
      const how = await Promise.race([end ? this.#tellEnd(header, end, null) : this.#drive(header, journal), this.#left]);
      if (how !== "over") {
        journal.close();
        for (const link of this.#links.values()) link.abandon();
      }
      if (how === "left" && this.#telling)
        await Promise.race([this.#telling.leave(), new Promise((resolve) => setTimeout(resolve, LEAVING_MS))]);
      if (how !== "deposed") this.#beat(how === "over" ? "over" : "gone");
      return how;
    } catch (error) {
      for (const link of this.#links.values()) link.abandon();
      this.#beat("gone");
      throw error;
    } finally {
      alive.unsubscribe();
      for (const timer of this.#timers) clearInterval(timer);
    }
  }

  /** What is done from now on is done by this leader, or not at all; all that was done before is known. Null: somebody else was sooner. */
  async #fence(): Promise<Journal | null> {
    const { run, worker } = this.#options;
    const log = this.#streams.log(run);
    const read = async (last: number) =>
      this.#streams.readLog(run, this.#reader.after, last, (seq, message) => this.#reader.read(seq, message));
    const beginMs = performance.now();
    // Whoever submits it may not have written it all yet.
    while (!this.#reader.header && performance.now() - beginMs < HEADER_LIMIT_MS) {
      const tail = await log.tail();
      if (tail) await read(tail.seq);
      if (!this.#reader.header) await new Promise((resolve) => setTimeout(resolve, 20));
    }
    if (this.#reader.header !== null && !isHeaderOf(run, this.#reader.header))
      throw new Unreadable("its journal begins as that of no run does");
    const partBytes = frameBytes(this.#connection);
    const nonce = () => randomBytes(12).toString("base64url");
    this.#epoch = this.#reader.epoch + 1;
    // One that is over has left no journal.
    if (!this.#reader.header || !this.#options.isWanted()) return null;
    const [message] = messagesOf({ type: "epoch", leader: worker }, this.#epoch, partBytes, nonce);
    const after = await appendTo(log, message!, this.#reader.after);
    if (after === null) return null;
    await read(after);
    return new Journal({
      ...{ log, epoch: this.#epoch, after, past: this.#reader.past, partBytes, nonce },
      over: (why) => {
        if (why !== "deposed") this.#options.say(`run ${run}: ${why.message}`);
        this.#leave(why === "deposed" ? why : "left");
      },
    });
  }

  #teller(): Teller {
    const { run } = this.#options;
    return new Teller(this.#streams, run, `${run}-${this.#epoch}`, frameBytes(this.#connection), this.#cantTell);
  }

  readonly #cantTell = (error: unknown): void => {
    // One whose time is over has hung up.
    if (this.#connection.isClosed()) return;
    this.#options.say(`run ${this.#options.run}: ${error instanceof Error ? error.message : String(error)}`);
    this.#leave("left");
  };

  #beat(how: Led["how"]): void {
    const { run, worker, name } = this.#options;
    if (this.#connection.isClosed()) return;
    const led: Led = { epoch: this.#epoch, worker, name, how };
    this.#connection.publish(subjects.led(run), JSON.stringify(led));
  }

  async #drive(header: RunHeader, journal: Journal): Promise<Departure> {
    const { run, name } = this.#options;
    const { plan } = header;
    const teller = (this.#telling = this.#teller());
    // The clock of the run is that of whoever submitted it, as far as those of machines agree.
    const sinceMs = this.#epoch === 1 ? 0 : Math.max(0, Date.now() - header.submittedAtMs);
    if (this.#reader.cancelled) this.#cancelling.abort();
    this.#listen(journal);
    this.#summarize(header, "running", null).catch(this.#cantTell);
    const isFirst = this.#reader.past.isEmpty && this.#epoch === 1;
    if (!isFirst) teller.tell({ type: "leader.changed", worker: name, epoch: this.#epoch, atMs: sinceMs });
    const end = (result: Omit<RunEnd, "outputs">, outputs: DriverResult["outputs"] | null) =>
      this.#end(header, journal, teller, result, outputs);
    if (this.#reader.idleEpochs > IDLE_EPOCHS) {
      const message = `${IDLE_EPOCHS} workers began to lead this run one after another, and each was gone before anything was done: it isn't tried again`;
      return end({ status: "infrastructure", error: infrastructure(message), onFailure: null, ms: sinceMs }, null);
    }
    const damaged = damagedCode(header);
    if (damaged !== null) return end({ status: "infrastructure", error: infrastructure(damaged), onFailure: null, ms: sinceMs }, null);
    const params = await this.#withSecrets(header);
    if (typeof params === "string")
      return end({ status: "infrastructure", error: infrastructure(params), onFailure: null, ms: sinceMs }, null);
    await this.#gather(plan);
    const links = [...this.#links.values()].filter(({ home }) => home !== "");
    for (const link of links) this.#take(link);
    this.#driving = true;
    const running = drive(this.#pool, plan, header.code, {
      ...{ engine: "nats", run, uuid: header.uuid, params, check: header.check, journal, recall: Recall.ofNothing(plan) },
      inHand: links.map(({ home, inHand }) => ({ home, batches: inHand })),
      signal: this.#cancelling.signal,
      onEvent: (event) => {
        // The end is told when it is known to everybody.
        if (event.type === "run.finished" || (event.type === "run.started" && !isFirst)) return;
        const atMs = event.atMs + sinceMs;
        teller.tell(event.type === "tasks.finished" ? { ...event, atMs, startMs: event.startMs + sinceMs } : { ...event, atMs });
      },
    });
    for (const link of links) link.begin();
    const { status, outputs, error, onFailure, ms } = await running;
    return end({ status, error, onFailure, ms: ms + sinceMs }, status === "ok" ? outputs : null);
  }

  // --- Workers -----------------------------------------------------------------------------------------------------------------

  #listen(journal: Journal): void {
    const { run } = this.#options;
    listen(this.#connection, subjects.allToLeader(run), ({ subject, data }) => this.#links.get(senderOf(subject))?.heard(data));
    void onReconnect(this.#connection, () => {
      for (const link of this.#links.values()) link.session.resend();
    });
    listen(this.#connection, subjects.ask(run), (message) => {
      // Whoever asks is answered once nothing can bring the run back.
      void journal.record({ type: "cancel" }).then((stored) => {
        if (!stored) return;
        message.respond();
        this.#cancelling.abort();
      });
    });
    const inbox = subjects.answers(this.#options.worker, `${run}.${this.#epoch}`);
    listen(this.#connection, inbox, ({ data }) => {
      // Where nobody is there the server itself answers, with nothing.
      const introduction = readIntroduction(data);
      if (introduction) this.#introduced(introduction);
    });
    const ask = () => {
      if (!this.#connection.isClosed()) this.#connection.publish(subjects.discover, undefined, { reply: inbox });
      if (this.#driving && this.#pool.workers.size === 0 && performance.now() - this.#aloneSinceMs > STRANDED_MS)
        this.#pool.strand(`no worker has been there for ${STRANDED_MS / 1000} s`);
    };
    this.#timers.add(setInterval(ask, DISCOVER_EVERY_MS));
    ask();
  }

  #introduced({ worker, slots, name, labels, leaving }: Introduction): void {
    if (this.#links.has(worker) || (leaving && !leaving.includes(this.#options.run))) return;
    const incarnation = (this.#incarnations.get(worker) ?? 0) + 1;
    this.#incarnations.set(worker, incarnation);
    const facts = { run: this.#options.run, worker, name, slots, labels, epoch: this.#epoch, incarnation };
    const link: NatsLink = new NatsLink(
      this.#connection,
      { ...facts, adopt: !this.#driving && incarnation === 1 },
      {
        onHello: () => {
          if (!this.#driving) {
            this.#met();
            return;
          }
          this.#take(link);
          link.begin();
        },
        onGone: () => this.#links.delete(worker),
        onDeposed: () => this.#leave("deposed"),
      },
    );
    this.#links.set(worker, link);
  }

  #take(link: NatsLink): void {
    this.#pool.add(link, () => {
      if (this.#pool.workers.size === 0) this.#aloneSinceMs = performance.now();
    });
  }

  /** Whoever is there has said what it has in hand; where there is nothing to be had, the first is enough. */
  async #gather({ stages }: Plan): Promise<void> {
    const { past } = this.#reader;
    const beginMs = performance.now();
    const gone = new Set<string>();
    // Nobody waits for workers that are known to be gone.
    for (const worker of new Set([...past.homes].filter((home) => home !== "").map(workerOf)))
      void isThere(this.#connection, worker).then((there) => {
        if (there === false) gone.add(worker);
        this.#met();
      });
    for (;;) {
      const here = [...this.#links.values()].filter(({ home }) => home !== "");
      const homes = new Set(here.map(({ home }) => home));
      const all = past.isEmpty
        ? here.length > 0
        : [...past.homes].every((home) => home === "" || homes.has(home) || gone.has(workerOf(home)));
      const waitedMs = performance.now() - beginMs;
      // A worker that is large enough may not have been heard yet.
      const arePlaced = waitedMs > PLACES_MS || stages.every((stage) => isPlaced(stage, here));
      if (all && arePlaced && here.length === this.#links.size && here.length > 0) break;
      if (here.length > 0 && arePlaced && waitedMs > GATHERING_MS) break;
      if (waitedMs > STRANDED_MS) break;
      await new Promise<void>((resolve) => {
        this.#met = resolve;
        setTimeout(resolve, 50);
      });
    }
    // Others say so at the same time.
    if (past.isEmpty) await new Promise((resolve) => setTimeout(resolve, 30));
  }

  /** A text says what is missing. */
  async #withSecrets({ plan, params }: RunHeader): Promise<RunHeader["params"] | string> {
    const names = plan.params.filter(({ type }) => type === "secret").map(({ name }) => name);
    if (names.length === 0) return params;
    let told: { readonly [name: string]: string } = {};
    try {
      const answer = await this.#connection.request(subjects.secrets(this.#options.run), undefined, { timeout: 2000 });
      told = readTexts(answer.data);
    } catch {
      // Whoever submitted the run isn't there any more: this machine may have them itself.
    }
    const found: Record<string, string> = {};
    for (const name of names) {
      const value = told[name] ?? process.env[secretVariable(name)];
      if (value !== undefined) found[name] = value;
      else if (!plan.params.find((param) => param.name === name)?.optional)
        return `the secret \`${name}\` isn't known to ${this.#options.name}, which leads the run now, and whoever submitted the run isn't there to be asked: set \`${secretVariable(name)}\` on the workers`;
    }
    return { ...params, ...found };
  }

  // --- The end -----------------------------------------------------------------------------------------------------------------

  /** What it gave is stored first, then that it is over; then it is told. */
  async #end(
    header: RunHeader,
    journal: Journal,
    teller: Teller,
    result: Omit<RunEnd, "outputs">,
    outputs: DriverResult["outputs"] | null,
  ): Promise<Departure> {
    const { run } = this.#options;
    let stored: RunEnd["outputs"] = null;
    if (outputs) {
      const bytes = encode(outputs);
      const partBytes = frameBytes(this.#connection);
      const parts = Math.max(1, Math.ceil(bytes.length / partBytes));
      const digest = createHash("sha256").update(bytes).digest("hex");
      for (let part = 0; part < parts; part++)
        await this.#streams.putOutput(run, `${run}-${digest}-${part}`, bytes.subarray(part * partBytes, (part + 1) * partBytes));
      stored = { parts, digest };
    }
    const end: RunEnd = { ...result, outputs: stored };
    if (!(await journal.record({ type: "finished", end }))) return "deposed";
    return this.#tellEnd(header, end, teller);
  }

  async #tellEnd(header: RunHeader, { status, error, onFailure, ms, outputs }: RunEnd, before: Teller | null): Promise<"over"> {
    const { run } = this.#options;
    const teller = before ?? this.#teller();
    const finished = {
      ...{ type: "run.finished", status, ms, atMs: ms },
      ...(error ? { error: error as TaskError } : {}),
      ...(onFailure ? { onFailure: onFailure as TaskError } : {}),
    } as RunEvent;
    await teller.end({ finished, outputs });
    await this.#summarize(header, status, (error as TaskError | null)?.message ?? null);
    for (const link of [...this.#links.values()]) await link.close();
    await this.#streams.forgetLog(run);
    return "over";
  }

  async #summarize({ run, plan, submittedAtMs }: RunHeader, status: RunSummary["status"], why: string | null): Promise<void> {
    const endedAtMs = status === "running" ? null : Date.now();
    const { file } = plan.about;
    await this.#streams.summarize({ run, plan: plan.name, file, submittedAtMs, status, leader: this.#options.name, endedAtMs, why });
  }
}

/** Code runs only if it is what its name says; workers look once more. */
function damagedCode({ plan, code }: RunHeader): string | null {
  for (const [name, { digest }] of Object.entries(plan.functions)) {
    const slice = Object.hasOwn(code, digest) ? code[digest] : undefined;
    if (!slice) return `the code of \`${name}\` isn't with the run`;
    if (createHash("sha256").update(slice.module).digest("hex") !== digest) return `the code of \`${name}\` isn't what its digest says`;
  }
  return null;
}

const workerOf = (home: string): string => home.slice(0, home.lastIndexOf("."));

function infrastructure(message: string): TaskError {
  return { kind: "infrastructure", name: "InfrastructureError", message, stack: [], stage: null, block: null, attempt: null };
}

// Whoever submits runs to the workers behind a NATS server, and follows them: writes what is to be run into a journal, asks a worker to lead it,
// and hears what is told. Runs go on without it.
import { createHash, randomBytes, randomUUID } from "node:crypto";
import type { NatsConnection } from "@nats-io/transport-node";
import type { CodeStore, Plan } from "../../../compiler/plan.ts";
import type { RunEvent, RunStatus, TaskError } from "../../events/events.ts";
import type { Engine, RunOptions, RunResult } from "../../index.ts";
import { decode } from "../../objects/codec.ts";
import { runOptions } from "../options.ts";
import type { ConnectOptions, Introduction } from "./connect.ts";
import { connectTo, frameBytes, identityOf, listen, subjects, throwRefusal } from "./connect.ts";
import type { RunEnd } from "./journal.ts";
import { appendTo, messagesOf } from "./journal.ts";
import type { RunHeader } from "./lead.ts";
import { readIntroduction } from "./messages.ts";
import type { RunSummary, Streams } from "./streams.ts";
import { openStreams } from "./streams.ts";
import type { Telling } from "./teller.ts";
import { readTelling, tellPlan } from "./teller.ts";

export interface NatsEngineOptions extends ConnectOptions {
  /** How long to wait for the first worker. */
  readonly waitMs?: number;
}

const ASK_MS = 1000;

/** Hears of a run. */
export interface Listener {
  /** First of all. */
  readonly onPlan?: (plan: Plan) => void;
  readonly onEvent: (event: RunEvent) => void;
}

/** Runs on a cluster, for whoever submitted them or comes to them later. */
export interface Cluster extends Engine {
  readonly kind: "nats";
  /** Hands a run over, and gives its name: whoever wants to may follow it. */
  submit(plan: Plan, code: CodeStore, options: Omit<RunOptions, "engine" | "onEvent" | "signal">): Promise<string>;
  /** Everything that is told of a run, from its beginning, until it ends. Rejects where there is no such run, or it is too old. */
  follow(run: string, listener: Listener): Promise<RunResult>;
  /** The same as far as it goes by now. */
  told(run: string, listener: Listener): Promise<void>;
  /** Resolves once nothing can bring it back. Rejects where it isn't going on. */
  cancel(run: string): Promise<void>;
  /** Oldest first. */
  runs(): Promise<readonly RunSummary[]>;
  workers(): Promise<readonly Introduction[]>;
  /** A worker takes nothing new from then on, and leaves once others have what it has. Rejects where it doesn't answer. */
  drain(worker: string): Promise<void>;
  /** Whether a worker is there, or comes within the time. */
  hasWorker(waitMs: number): Promise<boolean>;
}

/** Connects, and waits for a worker. Rejects where there is no server, or it keeps nothing, or no worker is there. */
export async function natsEngine(options: NatsEngineOptions): Promise<Cluster> {
  const cluster = await openCluster(options);
  const waitMs = options.waitMs ?? 3000;
  if (!(await cluster.hasWorker(waitMs))) {
    await cluster[Symbol.asyncDispose]();
    throw new Error(
      `no worker answers at ${options.url} (waited ${(waitMs / 1000).toFixed(0)} s); start one: headrace worker --nats ${options.url}`,
    );
  }
  return cluster;
}

/** The same, whether there is a worker or not. */
export async function openCluster(options: ConnectOptions): Promise<Cluster> {
  const connection = await connectTo(options, `headrace-client-${randomBytes(4).toString("hex")}`);
  try {
    return clusterOver(connection, await openStreams(connection), identityOf(options));
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** Over whatever connects processes. */
export const clusterOver = (connection: NatsConnection, streams: Streams, identity = "any"): Cluster =>
  new NatsCluster(connection, streams, identity);

class NatsCluster implements Cluster {
  readonly kind = "nats";
  readonly #connection: NatsConnection;
  readonly #streams: Streams;

  readonly #identity: string;

  constructor(connection: NatsConnection, streams: Streams, identity: string) {
    this.#connection = connection;
    this.#streams = streams;
    this.#identity = identity;
  }

  async hasWorker(waitMs: number): Promise<boolean> {
    const beginMs = performance.now();
    while (performance.now() - beginMs < waitMs) {
      try {
        const answer = await this.#connection.request(subjects.discover, undefined, { timeout: ASK_MS });
        if (readIntroduction(answer.data)?.leaving === null) return true;
      } catch (error) {
        throwRefusal(error);
        // Nobody is there yet.
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return false;
  }

  async drain(worker: string): Promise<void> {
    await this.#connection.request(subjects.drain(worker), undefined, { timeout: ASK_MS }).catch((error: unknown) => {
      throwRefusal(error);
      throw error;
    });
  }

  async workers(): Promise<readonly Introduction[]> {
    const found: Introduction[] = [];
    const inbox = subjects.answers(this.#identity, randomBytes(8).toString("hex"));
    const listening = listen(this.#connection, inbox, ({ data }) => {
      const introduction = readIntroduction(data);
      if (introduction) found.push(introduction);
    });
    this.#connection.publish(subjects.discover, undefined, { reply: inbox });
    await new Promise((resolve) => setTimeout(resolve, 500));
    listening.unsubscribe();
    return found.sort((a, b) => a.name.localeCompare(b.name));
  }

  async submit(plan: Plan, code: CodeStore, options: Omit<RunOptions, "engine" | "onEvent" | "signal">): Promise<string> {
    // Results on disk are this machine's, which may have none of the workers.
    const { params, check } = await runOptions(plan, options);
    const run = `${plan.name.replaceAll(/[^\w-]/g, "_")}-${randomBytes(4).toString("hex")}`;
    const isSecret = new Set(plan.params.filter(({ type }) => type === "secret").map(({ name }) => name));
    const open = Object.fromEntries(Object.entries(params).filter(([name]) => !isSecret.has(name)));
    const submittedAtMs = Date.now();
    const header: RunHeader = { run, uuid: randomUUID(), plan, code: codeOf(plan, code), params: open, check, submittedAtMs };
    const log = this.#streams.log(run);
    let after = 0;
    for (const message of messagesOf({ type: "plan", header }, 0, frameBytes(this.#connection), () =>
      randomBytes(12).toString("base64url"),
    )) {
      const seq = await appendTo(log, message, after);
      if (seq === null) throw new Error(`bug: run ${run} was there before it was submitted`);
      after = seq;
    }
    if (isSecret.size > 0) {
      const secrets = Object.fromEntries(Object.entries(params).filter(([name]) => isSecret.has(name)));
      listen(this.#connection, subjects.secrets(run), (message) => void message.respond(JSON.stringify(secrets)));
    }
    // Whoever leads the run tells what comes after it.
    await tellPlan(this.#streams, run, plan, frameBytes(this.#connection));
    const { file } = plan.about;
    await this.#streams.summarize({
      run,
      plan: plan.name,
      file,
      submittedAtMs,
      status: "waiting",
      leader: null,
      endedAtMs: null,
      why: null,
    });
    await this.#askToLead(run);
    return run;
  }

  /** Where nobody hears it, whoever comes next leads the run. */
  async #askToLead(run: string): Promise<void> {
    try {
      await this.#connection.request(subjects.lead, JSON.stringify({ run }), { timeout: ASK_MS });
    } catch (error) {
      throwRefusal(error);
      if (this.#connection.isClosed()) throw error;
    }
  }

  async follow(run: string, listener: Listener): Promise<RunResult> {
    const end = await this.#hear(run, listener, Number.POSITIVE_INFINITY);
    const { finished, outputs } = end!;
    const last = finished as Extract<RunEvent, { type: "run.finished" }>;
    const values = outputs === null ? {} : await this.#outputs(run, outputs);
    listener.onEvent(last.status === "ok" ? { ...last, outputs: values } : last);
    const {
      status,
      ms,
      error = null,
      onFailure = null,
    } = last as {
      readonly status: RunStatus;
      readonly ms: number;
      readonly error?: TaskError;
      readonly onFailure?: TaskError;
    };
    return { run, status, outputs: values, error, onFailure, ms };
  }

  async told(run: string, listener: Listener): Promise<void> {
    const end = await this.#hear(run, listener, await this.#streams.lastTold(run));
    if (end) listener.onEvent(end.finished);
  }

  /** Up to the last event, which it gives, or up to that number. */
  async #hear(run: string, { onPlan, onEvent }: Listener, last: number): Promise<Extract<Telling, { readonly finished: RunEvent }> | null> {
    const summary = await this.#streams.summary(run);
    if (!summary) throw new Error(`there is no run \`${run}\` on this cluster`);
    const gone = `what run ${run} told isn't kept any more: it stays for three days`;
    if ((await this.#streams.lastTold(run)) === 0 && summary.endedAtMs !== null) throw new Error(gone);
    if (last === 0) return null;
    let end: Extract<Telling, { readonly finished: RunEvent }> | null = null;
    const plan: Uint8Array[] = [];
    let planned = false;
    await this.#streams.events(run, (bytes, seq) => {
      const telling = readTelling(bytes);
      if ("plan" in telling) {
        plan.push(telling.plan);
        planned = plan.length === telling.parts;
        if (planned) onPlan?.(JSON.parse(Buffer.concat(plan).toString()) as Plan);
      } else if (onPlan && !planned) throw new Error(gone);
      else if ("events" in telling) {
        for (const event of telling.events) onEvent(event);
      } else end = telling;
      return end !== null || seq >= last;
    });
    return end;
  }

  async #outputs(run: string, { parts, digest }: NonNullable<RunEnd["outputs"]>): Promise<RunResult["outputs"]> {
    const bytes = Buffer.concat(await this.#streams.outputs(run, parts));
    if (createHash("sha256").update(bytes).digest("hex") !== digest)
      throw new Error(`what run ${run} gave arrived damaged: its SHA-256 differs`);
    return decode(Uint8Array.from(bytes), { share: false }) as RunResult["outputs"];
  }

  async cancel(run: string): Promise<void> {
    for (;;) {
      const summary = await this.#streams.summary(run);
      if (!summary) throw new Error(`there is no run \`${run}\` on this cluster`);
      if (summary.status !== "waiting" && summary.status !== "running") throw new Error(`run ${run} is over: ${summary.status}`);
      try {
        await this.#connection.request(subjects.ask(run), undefined, { timeout: ASK_MS });
        return;
      } catch (error) {
        // Nobody leads it just now.
        if (this.#connection.isClosed()) throw error;
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    }
  }

  async runs(): Promise<readonly RunSummary[]> {
    return this.#streams.summaries();
  }

  async run(plan: Plan, code: CodeStore, options: Omit<RunOptions, "engine">): Promise<RunResult> {
    const { onEvent = () => {}, signal, ...rest } = options;
    const run = await this.submit(plan, code, rest);
    const cancel = () => {
      // One that is over meanwhile needs no cancelling.
      this.cancel(run).catch(() => {});
    };
    if (signal?.aborted) cancel();
    signal?.addEventListener("abort", cancel, { once: true });
    try {
      return await this.follow(run, { onEvent });
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A server that is away can't be drained to.
    await Promise.race([this.#connection.drain(), new Promise((resolve) => setTimeout(resolve, 1000))]);
    await this.#connection.close();
  }
}

/** What the plan names, and nothing else. */
function codeOf(plan: Plan, code: CodeStore): CodeStore {
  const digests = new Set(Object.values(plan.functions).map(({ digest }) => digest));
  return Object.fromEntries([...digests].map((digest) => [digest, code[digest]!]));
}

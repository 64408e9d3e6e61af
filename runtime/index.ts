// The only door to the runtime: a plan and its code in, a run out.
/// <reference lib="esnext.disposable" preserve="true" />
import type { CodeStore, Json, Plan } from "../compiler/plan.ts";
import type { KeptResults } from "./engines/kept.ts";
import { lazyEngine, NotStarted } from "./engines/local/engine.ts";
import type { ConnectOptions } from "./engines/nats/connect.ts";
import type { Cluster, NatsEngineOptions } from "./engines/nats/engine.ts";
import type { Permissions, Role } from "./engines/nats/permissions.ts";
import type { RunningWorker, WorkerOptions } from "./engines/nats/worker.ts";
import type { RunEvent, RunStatus, TaskError } from "./events/events.ts";

export type { CodeStore } from "../compiler/plan.ts";
export { type FileProblem, openFiles } from "./engines/files.ts";
export { forecast, type StageForecast } from "./engines/forecast.ts";
export type { Origins } from "./engines/kept.ts";
export { KeptResults } from "./engines/kept.ts";
export type { Ingredients, Unkept } from "./engines/lineage.ts";
export { localEngine } from "./engines/local/engine.ts";
export { onlyStage } from "./engines/narrowing.ts";
export type { ConnectOptions } from "./engines/nats/connect.ts";
export type { Cluster } from "./engines/nats/engine.ts";
export type { Permissions, Role } from "./engines/nats/permissions.ts";
export type { RunSummary } from "./engines/nats/streams.ts";
export { fileTrouble, ParamError } from "./engines/options.ts";
export { replay } from "./engines/replay.ts";
export { startedAsHost } from "./hosts/roles.ts";
export { pruneStore, storeSize, tidyStore } from "./results/store.ts";
export { secretVariable } from "./secrets.ts";

export interface RunOptions {
  readonly params?: { readonly [name: string]: Json };
  /** `"local"` by default; or a started engine to keep hosts warm between runs. */
  readonly engine?: "local" | { readonly nats: string /** A file of NATS credentials. */; readonly creds?: string } | Engine;
  /** Where relative paths start that are defaults of params; the program's folder unless told. Given paths start at the working folder. */
  readonly folder?: string;
  /** Threads of this machine's host; default: as many as there are processors. */
  readonly slots?: number;
  readonly onEvent?: (event: RunEvent) => void;
  readonly signal?: AbortSignal;
  /**
   * Watches that functions leave alone what they take as read-only, and that pure stages give the same for the same arguments; what breaks
   * its promise fails the run. Slow.
   */
  readonly check?: boolean;
  /** Small values of earlier runs, used where nothing that they were made from has changed; this run's are added. */
  readonly keep?: KeptResults;
  /**
   * Results of earlier runs in a folder, used where nothing that they were made from has changed; this run's are added as its tasks finish, so
   * that whatever ends it loses none. `fresh`: they are added and not used. Of runs on this machine.
   */
  readonly cache?: { readonly folder: string; readonly fresh?: boolean };
}

export interface RunResult {
  readonly run: string;
  readonly status: RunStatus;
  /** Values by name; present when `status` is `ok`. Lists for data sets. */
  readonly outputs: { readonly [name: string]: unknown };
  readonly error: TaskError | null;
  /** What went wrong in what was to be done on failure, besides. */
  readonly onFailure: TaskError | null;
  readonly ms: number;
}

/** Hosts kept warm between runs: `await using engine = await localEngine()`. */
export interface Engine extends AsyncDisposable {
  readonly kind: "local" | "nats";
  run(plan: Plan, code: CodeStore, options: Omit<RunOptions, "engine">): Promise<RunResult>;
}

/**
 * Runs a plan to its end. What stages do wrong is told by the result's status, with the error; throws only for misuse: params that
 * the plan doesn't have, or code that it lacks.
 */
export async function run(plan: Plan, code: CodeStore, options: RunOptions = {}): Promise<RunResult> {
  const { engine = "local", ...rest } = options;
  if (typeof engine === "object" && "run" in engine) return engine.run(plan, code, rest);
  let started: Engine;
  try {
    started = engine === "local" ? lazyEngine({ slots: options.slots }) : await natsEngine({ url: engine.nats, creds: engine.creds });
  } catch (error) {
    return notStarted(error, options.onEvent);
  }
  try {
    return await started.run(plan, code, rest);
  } catch (error) {
    if (error instanceof NotStarted) return notStarted(error, options.onEvent);
    throw error;
  } finally {
    await started[Symbol.asyncDispose]();
  }
}

/** The NATS client is loaded for those who use it. */
export async function natsEngine(options: NatsEngineOptions): Promise<Cluster> {
  const { natsEngine: start } = await import("./engines/nats/engine.ts");
  return start(options);
}

/** Runs on a cluster, whether a worker is there or not. Rejects where no server answers, or it keeps nothing. */
export async function openCluster(options: ConnectOptions): Promise<Cluster> {
  const { openCluster: open } = await import("./engines/nats/engine.ts");
  return open(options);
}

/** Offers this machine's slots to engines, until it is stopped. Rejects where no server answers. */
export async function startWorker(options: WorkerOptions): Promise<RunningWorker> {
  const { startWorker: start } = await import("./engines/nats/worker.ts");
  return start(options);
}

/** What a role may say and hear on a NATS server, under a name that is one word. */
export async function permissionsOf(role: Role, identity: string): Promise<Permissions> {
  const { permissionsOf: find } = await import("./engines/nats/permissions.ts");
  return find(role, identity);
}

/** Nothing ran, but whoever reads the events is told the end all the same. */
function notStarted(thrown: unknown, onEvent: RunOptions["onEvent"]): RunResult {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const error: TaskError = {
    kind: "infrastructure",
    name: "InfrastructureError",
    message,
    stack: [],
    stage: null,
    block: null,
    attempt: null,
  };
  onEvent?.({ atMs: 0, type: "run.finished", status: "infrastructure", ms: 0, error });
  return { run: "", status: "infrastructure", outputs: {}, error, onFailure: null, ms: 0 };
}

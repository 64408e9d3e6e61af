// The only door to the runtime: a plan and its code in, a run out.
/// <reference lib="esnext.disposable" preserve="true" />
import type { CodeStore, Json, Plan } from "../compiler/plan.ts";
import type { RunEvent, RunStatus, TaskError } from "./events/events.ts";

export type { CodeStore } from "../compiler/plan.ts";
export { startedAsHost } from "./hosts/roles.ts";

export interface RunOptions {
  readonly params?: { readonly [name: string]: Json };
  /** `"local"` by default; or a started engine to keep hosts warm between runs. */
  readonly engine?: "local" | { readonly nats: string } | Engine;
  /** Threads of this machine's host; default: as many as there are processors. */
  readonly slots?: number;
  readonly onEvent?: (event: RunEvent) => void;
  readonly signal?: AbortSignal;
}

export interface RunResult {
  readonly run: string;
  readonly status: RunStatus;
  /** Values by name; present when `status` is `ok`. Lists for data sets. */
  readonly outputs: { readonly [name: string]: unknown };
  readonly error: TaskError | null;
  readonly ms: number;
}

/** Hosts kept warm between runs: `await using engine = await localEngine()`. */
export interface Engine extends AsyncDisposable {
  readonly kind: "local" | "nats";
  run(plan: Plan, code: CodeStore, options: Omit<RunOptions, "engine">): Promise<RunResult>;
}

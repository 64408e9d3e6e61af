// Records of runs, in `.headrace/runs`: what ran, from what it was made, and all that happened, so that it can be asked about while it goes on
// and later. A record is a folder `NAME-N`; code lies beside them by its digest. Knows files and events, not how runs work.
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { CodeStore, Json, Plan } from "../compiler/plan.ts";
import type { RunEvent, RunStatus } from "../runtime/events/events.ts";
import type { Ingredients, StageForecast, Unkept } from "../runtime/index.ts";
import { packageVersion } from "./package.ts";
import { plain } from "./show.ts";

const FORMAT = 1;
/** The newest that stay. */
const KEPT_RUNS = 50;
/** Events gather for so long, or until there are so many bytes of them. */
const FLUSH_MS = 200;
const FLUSH_BYTES = 1 << 16;
const BEGINNING_MS = 60_000;

export interface RunHead {
  readonly format: number;
  /** `digits-3` */
  readonly id: string;
  readonly file: string;
  readonly plan: string;
  readonly hash: string;
  readonly schedule: string | null;
  /** Without secrets. */
  readonly params: { readonly [name: string]: Json };
  readonly argv: readonly string[];
  readonly engine: "local" | "nats";
  /** ISO 8601. */
  readonly startedAt: string;
  readonly pid: number;
  readonly headrace: string;
  readonly node: string;
  readonly machine: string;
  readonly end: RunEnd | null;
}

export interface RunEnd {
  readonly status: RunStatus;
  readonly ms: number;
  /** Tasks that ran, and that needn't. */
  readonly ran: number;
  readonly reused: number;
  readonly error: string | null;
}

/** From what a stage was made. */
export interface RecordedStage {
  readonly id: string;
  readonly name: string;
  readonly unkept: Unkept | null;
  readonly made: Ingredients;
}

export interface RunRecord {
  readonly head: RunHead;
  readonly plan: Plan;
  readonly stages: readonly RecordedStage[];
}

export interface Recorder {
  readonly id: string;
  readonly event: (event: RunEvent) => void;
  close(): void;
}

interface Begun {
  readonly plan: Plan;
  readonly code: CodeStore;
  readonly params: { readonly [name: string]: Json };
  readonly argv: readonly string[];
  readonly engine: "local" | "nats";
  readonly stages: readonly StageForecast[];
}

/** Begins a record. Nothing of it may hold a secret: `params` come without. */
export function startRecord(runs: string, { plan, code, params, argv, engine, stages }: Begun): Recorder {
  const id = newId(runs, plan.name);
  const folder = join(runs, id);
  const head: RunHead = {
    ...{ format: FORMAT, id, file: plan.about.file, plan: plan.name, hash: plan.hash, schedule: plan.about.schedule, params, argv, engine },
    ...{ startedAt: new Date().toISOString(), pid: process.pid, headrace: packageVersion(), node: process.versions.node },
    machine: `${process.platform} ${process.arch}`,
    end: null,
  };
  writeJson(join(folder, "plan.json"), plan);
  const recorded = stages.map(({ stage, unkept, made }): RecordedStage => ({ id: stage.id, name: stage.name, unkept, made }));
  writeJson(join(folder, "stages.json"), recorded);
  keepCode(runs, code);
  writeJson(join(folder, "run.json"), head);
  prune(runs);
  const file = openSync(join(folder, "events.jsonl"), "w");
  let waiting = "";
  let timer: NodeJS.Timeout | null = null;
  let [ran, reused] = [0, 0];
  let end: RunEnd | null = null;
  let broken = false;
  /** What goes wrong with the record is told once, and is no reason to end the run. */
  const put = (write: () => void) => {
    if (broken) return;
    try {
      write();
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === undefined) throw error;
      broken = true;
      process.stderr.write(`the record of this run, ${id}, ends here: ${message}\n`);
    }
  };
  const flush = () => {
    if (timer) clearTimeout(timer);
    timer = null;
    const text = waiting;
    waiting = "";
    if (text !== "") put(() => writeSync(file, text));
  };
  return {
    id,
    event(event) {
      if (event.type === "tasks.finished") ran += event.count;
      if (event.type === "stage.reused") reused += event.tasks;
      if (event.type === "run.finished") end = { status: event.status, ms: event.ms, ran, reused, error: event.error?.message ?? null };
      // What came of it is found by its stage; it may be large.
      const { outputs: _outputs, ...rest } = event as RunEvent & { readonly outputs?: unknown };
      waiting += `${JSON.stringify(plain(rest))}\n`;
      if (waiting.length > FLUSH_BYTES) flush();
      else timer ??= setTimeout(flush, FLUSH_MS).unref();
    },
    close() {
      flush();
      closeSync(file);
      if (end) put(() => writeJson(join(folder, "run.json"), { ...head, end }));
    },
  };
}

/** An exclusive `mkdir` takes the number, whoever else is about to. */
function newId(runs: string, name: string): string {
  mkdirSync(runs, { recursive: true });
  for (let number = Math.max(0, ...idsIn(runs).map((id) => (nameOf(id) === name ? numberOf(id) : 0))) + 1; ; number++) {
    try {
      mkdirSync(join(runs, `${name}-${number}`));
      return `${name}-${number}`;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

const nameOf = (id: string) => id.slice(0, id.lastIndexOf("-"));
const numberOf = (id: string) => Number(id.slice(id.lastIndexOf("-") + 1));

function idsIn(runs: string): string[] {
  return existsSync(runs) ? readdirSync(runs).filter((name) => /-\d+$/.test(name)) : [];
}

/** Whole or not at all, for whoever reads it meanwhile. */
function writeJson(path: string, value: unknown): void {
  const part = `${path}.${process.pid}.part`;
  writeFileSync(part, JSON.stringify(value));
  renameSync(part, path);
}

function keepCode(runs: string, code: CodeStore): void {
  const folder = join(runs, "code");
  mkdirSync(folder, { recursive: true });
  for (const [digest, slice] of Object.entries(code)) {
    const path = join(folder, `${digest}.json`);
    if (!existsSync(path)) writeJson(path, slice);
  }
}

export function readCode(runs: string, digest: string): CodeStore[string] | null {
  return readJson(join(runs, "code", `${digest}.json`)) as CodeStore[string] | null;
}

/** The newest first. Those that are being begun, or were written by another version, are left out. */
export function listRuns(runs: string): readonly RunHead[] {
  return idsIn(runs)
    .flatMap((id) => readHead(runs, id) ?? [])
    .sort((a, b) => (a.startedAt < b.startedAt ? 1 : a.startedAt > b.startedAt ? -1 : numberOf(b.id) - numberOf(a.id)));
}

function readHead(runs: string, id: string): RunHead | null {
  const head = readJson(join(runs, id, "run.json")) as RunHead | null;
  return head?.format === FORMAT ? head : null;
}

export function readRun(runs: string, id: string): RunRecord | null {
  const head = readHead(runs, id);
  const plan = readJson(join(runs, id, "plan.json")) as Plan | null;
  const stages = readJson(join(runs, id, "stages.json")) as readonly RecordedStage[] | null;
  return head && plan && stages ? { head, plan, stages } : null;
}

/** The last line may be on its way. */
export function readEvents(runs: string, id: string): readonly RunEvent[] {
  const path = join(runs, id, "events.jsonl");
  if (!existsSync(path)) return [];
  const text = readFileSync(path, "utf8");
  return text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .flatMap((line) => (line === "" ? [] : [JSON.parse(line) as RunEvent]));
}

/** Whether the process that began it is still at it; one that was killed leaves no end. */
export function isGoing({ end, pid }: RunHead): boolean {
  if (end) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw error;
  }
}

/** Oldest first, with the code that only they had. */
function prune(runs: string): void {
  const heads = listRuns(runs);
  const old = heads.slice(KEPT_RUNS).filter((head) => !isGoing(head));
  if (old.length === 0) return;
  for (const { id } of old) rmSync(join(runs, id), { recursive: true, force: true });
  const used = new Set(
    heads.slice(0, KEPT_RUNS).flatMap(({ id }) => Object.values(readRun(runs, id)?.plan.functions ?? {}).map(({ digest }) => digest)),
  );
  const code = join(runs, "code");
  for (const name of readdirSync(code)) {
    const path = join(code, name);
    // A run that is just beginning has put its code there, and isn't listed yet.
    if (!used.has(name.replace(".json", "")) && statSync(path).mtimeMs < Date.now() - BEGINNING_MS) rmSync(path, { force: true });
  }
}

/** The last run of the same program, or the last before that one. */
export function lastRunOf(runs: string, plan: Plan, before: RunHead | null = null): RunRecord | null {
  for (const head of listRuns(runs)) {
    if (before && (head.id === before.id || head.startedAt >= before.startedAt)) continue;
    if (head.file !== plan.about.file || head.plan !== plan.name) continue;
    const record = readRun(runs, head.id);
    if (record) return record;
  }
  return null;
}

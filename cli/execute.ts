// Runs a compiled program for a person or a script: typed flags, progress, results, Ctrl-C, exit codes. `headrace run` and the
// files that `headrace build` writes both end here, so both take the same flags. Knows nothing of sources and compilers.
import { closeSync, openSync, writeFileSync, writeSync } from "node:fs";
import { availableParallelism } from "node:os";
import type { Program } from "../compiler/bundle.ts";
import type { Plan } from "../compiler/plan.ts";
import type { Diagnostic } from "../lang/diagnostics.ts";
import type { RunEvent, RunStatus, TaskError } from "../runtime/events/events.ts";
import { askedText } from "../runtime/events/events.ts";
import type { RunOptions } from "../runtime/index.ts";
import { forecast, onlyStage, pruneStore, run, tidyStore } from "../runtime/index.ts";
import { checkFailed } from "./checked.ts";
import { dryJson, dryRun, dryText } from "./dry.ts";
import type { Flag } from "./flags.ts";
import type { Home } from "./home.ts";
import { NOWHERE, writable } from "./home.ts";
import type { Invocation } from "./invocation.ts";
import { noStage, readInvocation } from "./invocation.ts";
import { packageVersion } from "./package.ts";
import { printProblems } from "./problems.ts";
import { lastRunOf, readCode, startRecord } from "./records.ts";
import type { ReportFacts } from "./report.ts";
import { duration, plain, show } from "./show.ts";
import { painter, wantsColor, widthOf } from "./terminal.ts";
import type { Trace } from "./trace.ts";
import { createTrace } from "./trace.ts";
import { createView } from "./view.ts";

export const runFlags: readonly Flag[] = [
  { name: "schedule", value: "NAME", summary: "how stages run: a schedule of the program (default: auto)" },
  { name: "slots", value: "N", summary: "threads on this machine (default: one a processor)" },
  { name: "nats", value: "URL", summary: "run on the workers that listen there" },
  { name: "check", value: null, summary: "watch what functions do with their arguments, and compute pure blocks twice; slow" },
  { name: "fresh", value: null, summary: "make every result anew, whatever earlier runs left" },
  {
    name: "only",
    value: "STAGE",
    summary: "that stage alone, with what it needs: what it gives is the result, and nothing acts on the world",
  },
  { name: "dry", value: null, summary: "say what would run and which change makes it, and run nothing" },
  { name: "trace", value: "FILE", summary: "what ran when on which slot, for ui.perfetto.dev or chrome://tracing" },
  { name: "report", value: "FILE.html", summary: "one page that shows the run: timeline, graph, curves, slowest tasks" },
  { name: "json", value: null, summary: "events on stdout, one a line; the last has the outputs" },
];

const exitCodes: Record<RunStatus, number> = { ok: 0, failed: 1, infrastructure: 2, cancelled: 130 };

export interface Execution extends Pick<RunOptions, "engine" | "folder"> {
  /** Where results and records are kept. */
  readonly home?: Home;
  /** Ends the run as Ctrl-C does. */
  readonly signal?: AbortSignal;
}

/** Gives the exit code; results and, with `--json`, events are on stdout, all else on stderr. */
export async function execute(
  program: Program,
  argv: readonly string[],
  { home: wanted = NOWHERE, signal, ...runtime }: Execution = {},
): Promise<number> {
  const read = await readInvocation(program, argv, runFlags, runtime.folder);
  const plan = "problems" in read ? null : partOf(read);
  const problems = "problems" in read ? read.problems : plan && "code" in plan ? [plan] : [];
  if ("problems" in read || !plan || "code" in plan) {
    printProblems(problems, () => null);
    return 3;
  }
  const { given, params, open, slots } = read;
  const { home, trouble } = given.flags.has("dry") ? { home: wanted, trouble: null } : writable(wanted);
  if (trouble !== null) process.stderr.write(`nothing of this run is kept: ${trouble}\n`);
  const cache = home.results === null ? null : { folder: home.results, fresh: given.flags.has("fresh") };
  const json = given.flags.has("json");
  const nats = given.flags.get("nats");
  if (given.flags.has("dry")) {
    tellDry(plan, program, params, home, typeof nats === "string" ? null : cache, json);
    return 0;
  }
  const interruption = new AbortController();
  const stopListening = onInterrupt(() => interruption.abort());
  signal?.addEventListener("abort", () => interruption.abort(), { once: true });
  const live = !json && process.stderr.isTTY === true && process.env.TERM !== "dumb";
  const view = createView(plan, {
    write: (text) => process.stderr.write(text),
    live,
    color: wantsColor(process.stderr),
    // A terminal that doesn't know its size says 0.
    size: () => ({ columns: process.stderr.columns || 80, rows: process.stderr.rows || 24 }),
  });
  const path = given.flags.get("trace");
  const trace = typeof path === "string" ? openTrace(path) : null;
  const reportPath = given.flags.get("report");
  const told: RunEvent[] = [];
  // Where it can't be written is known before anything runs.
  if (typeof reportPath === "string") writeFileSync(reportPath, "");
  const record =
    home.runs === null
      ? null
      : startRecord(home.runs, {
          plan,
          code: program.code,
          params: open,
          argv,
          engine: typeof nats === "string" ? "nats" : "local",
          stages: forecast(plan, params, null),
        });
  const show = json ? (event: RunEvent) => process.stdout.write(eventLine(event)) : view.event;
  try {
    const result = await run(plan, program.code, {
      params,
      check: given.flags.has("check"),
      ...runtime,
      ...(cache ? { cache } : {}),
      ...(typeof nats === "string" ? { engine: { nats } } : {}),
      ...(slots === null ? {} : { slots }),
      onEvent: (event) => {
        record?.event(event);
        trace?.event(event);
        if (typeof reportPath === "string") told.push(event);
        show(event);
      },
      signal: interruption.signal,
    });
    view.close();
    if (result.error) process.stderr.write(failure(result.error));
    const broken = result.error && checkFailed(result.error, plan);
    if (broken) printProblems([broken], () => null);
    if (result.onFailure) process.stderr.write(`on failure, this went wrong too:\n${failure(result.onFailure)}`);
    if (!json && result.status === "ok") {
      process.stdout.write(outputs(result.outputs));
      process.stderr.write(painter(wantsColor(process.stderr))("dim", `${plan.name} done in ${duration(result.ms)}\n`));
    }
    return exitCodes[result.status];
  } finally {
    view.close();
    trace?.close();
    record?.close();
    if (home.results !== null) {
      pruneStore(home.results, home.resultsLimitBytes);
      tidyStore(home.results, Date.now());
    }
    stopListening();
    if (typeof reportPath === "string")
      writeFileSync(reportPath, await reportOf({ plan, events: told, params: open, environment: environmentOf(plan, argv) }));
  }
}

/** What draws and lays out is loaded for those who ask for it. */
async function reportOf(facts: Omit<ReportFacts, "draw">): Promise<string> {
  const [{ reportHtml }, { drawSvg }] = await Promise.all([import("./report.ts"), import("./verbs/graph.ts")]);
  return reportHtml({ ...facts, draw: drawSvg });
}

function environmentOf(plan: Plan, argv: readonly string[]): ReportFacts["environment"] {
  return [
    ["command", ["headrace run", plan.about.file, ...argv].join(" ")],
    ["began", new Date().toISOString()],
    ["schedule", plan.about.schedule ?? "auto"],
    ["plan", plan.hash.slice(0, 12)],
    ["Headrace", packageVersion()],
    ["Node", process.versions.node],
    ["machine", `${process.platform} ${process.arch}, ${availableParallelism()} processors`],
  ];
}

/** Throws where the file can't be written, before anything runs. */
function openTrace(path: string): Trace {
  const file = openSync(path, "w");
  let waiting = "";
  const flush = () => {
    writeSync(file, waiting);
    waiting = "";
  };
  const trace = createTrace((text) => {
    waiting += text;
    if (waiting.length > TRACE_PIECE) flush();
  });
  return {
    event: trace.event,
    close() {
      trace.close();
      flush();
      closeSync(file);
    },
  };
}
const TRACE_PIECE = 1 << 16;

/** With `--only`, the part of the plan that is asked for, or what is wrong with that. */
function partOf({ plan, given }: Invocation): Plan | Diagnostic {
  const wanted = given.flags.get("only");
  return typeof wanted === "string" ? (onlyStage(plan, wanted) ?? noStage(plan, wanted, "--only ")) : plan;
}

function tellDry(
  plan: Plan,
  program: Program,
  params: Invocation["params"],
  home: Home,
  cache: RunOptions["cache"] | null,
  json: boolean,
): void {
  const before = home.runs === null ? null : lastRunOf(home.runs, plan);
  const named = dryRun(
    forecast(plan, params, cache ?? null),
    { plan, code: (digest) => program.code[digest] ?? null },
    before && {
      stages: before.stages.map((stage) => ({ ...stage, runs: false })),
      code: (digest) => readCode(home.runs!, digest),
    },
    cache?.fresh ?? false,
  );
  const text = () => dryText(plan.name, named, widthOf(process.stdout), painter(wantsColor(process.stdout)));
  process.stdout.write(json ? dryJson(plan.name, named) : text());
}

function eventLine(event: RunEvent): string {
  return `${JSON.stringify(plain(event))}\n`;
}

function outputs(values: { readonly [name: string]: unknown }): string {
  const names = Object.keys(values);
  const width = Math.max(...names.map((name) => name.length));
  return names.map((name) => `${name.padEnd(width)}  ${show(values[name])}\n`).join("");
}

function failure(error: TaskError): string {
  const paint = painter(wantsColor(process.stderr));
  if (error.kind === "cancelled") return "interrupted\n";
  const where = [
    error.stage === null ? "" : `stage \`${error.stage}\``,
    error.block === null ? "" : `block ${error.block}`,
    error.attempt === null ? "" : `attempt ${error.attempt}`,
    askedText(error),
  ].filter((text) => text !== "");
  const head = `${paint(["bold", "red"], "failed")}${where.length > 0 ? `: ${where.join(", ")}` : ""}`;
  return `${[head, `  ${error.name}: ${error.message}`, ...error.stack.map((line) => `    ${line.trim()}`)].join("\n")}\n`;
}

/** The first Ctrl-C asks, the second ends the process at once. */
function onInterrupt(ask: () => void): () => void {
  let asked = false;
  const listener = () => {
    if (asked) process.exit(130);
    asked = true;
    process.stderr.write("\nstopping; once more to force\n");
    ask();
  };
  process.on("SIGINT", listener);
  process.on("SIGTERM", listener);
  return () => {
    process.off("SIGINT", listener);
    process.off("SIGTERM", listener);
  };
}

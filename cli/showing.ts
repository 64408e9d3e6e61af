// One run as it is told to whoever asked for it: view or events, `--trace`, `--report`, results on stdout, exit code. `headrace run` and `headrace
// attach` both end here, so both say the same. Knows events and what came of a run, not who runs it.
import { closeSync, openSync, writeFileSync, writeSync } from "node:fs";
import { availableParallelism } from "node:os";
import type { Json, Plan } from "../compiler/plan.ts";
import type { RunEvent, RunStatus, TaskError } from "../runtime/events/events.ts";
import { askedText } from "../runtime/events/events.ts";
import type { RunResult } from "../runtime/index.ts";
import { checkFailed } from "./checked.ts";
import type { Arguments, Flag } from "./flags.ts";
import { packageVersion } from "./package.ts";
import { printProblems } from "./problems.ts";
import type { ReportFacts } from "./report.ts";
import { duration, plain, show } from "./show.ts";
import { painter, wantsColor } from "./terminal.ts";
import type { Trace } from "./trace.ts";
import { createTrace } from "./trace.ts";
import { createView } from "./view.ts";

/** How a run may be told. */
export const shownFlags: readonly Flag[] = [
  { name: "trace", value: "FILE", summary: "what ran when on which slot, for ui.perfetto.dev or chrome://tracing" },
  { name: "report", value: "FILE.html", summary: "one page that shows the run: timeline, graph, curves, slowest tasks" },
  { name: "json", value: null, summary: "events on stdout, one a line; the last has the outputs" },
];

const exitCodes: Record<RunStatus, number> = { ok: 0, failed: 1, infrastructure: 2, cancelled: 130 };

export interface Shown {
  readonly plan: Plan;
  readonly given: Arguments;
  /** Without secrets; null: as the run itself tells them. */
  readonly params: { readonly [name: string]: Json } | null;
  /** What was typed. */
  readonly command: string;
}

export interface Showing {
  event(event: RunEvent): void;
  /** Prints what came of it, and gives the exit code. */
  end(result: RunResult): number;
  /** However it ended. */
  close(): Promise<void>;
}

/** Throws where a file that is asked for can't be written. */
export function showRun({ plan, given, params, command }: Shown): Showing {
  const json = given.flags.has("json");
  const view = createView(plan, {
    write: (text) => process.stderr.write(text),
    live: !json && process.stderr.isTTY === true && process.env.TERM !== "dumb",
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
  const tell = json ? (event: RunEvent) => process.stdout.write(eventLine(event)) : view.event;
  return {
    event(event) {
      trace?.event(event);
      if (typeof reportPath === "string") told.push(event);
      tell(event);
    },
    end({ status, error, onFailure, outputs: values, ms }) {
      view.close();
      if (error) process.stderr.write(failure(error));
      const broken = error && checkFailed(error, plan);
      if (broken) printProblems([broken], () => null);
      if (onFailure) process.stderr.write(`on failure, this went wrong too:\n${failure(onFailure)}`);
      if (!json && status === "ok") {
        process.stdout.write(outputs(values));
        process.stderr.write(painter(wantsColor(process.stderr))("dim", `${plan.name} done in ${duration(ms)}\n`));
      }
      return exitCodes[status];
    },
    async close() {
      view.close();
      trace?.close();
      if (typeof reportPath !== "string") return;
      const begun = told.find((event) => event.type === "run.started");
      const known = params ?? (begun?.type === "run.started" ? begun.params : {});
      writeFileSync(reportPath, await reportOf({ plan, events: told, params: known, environment: environmentOf(plan, command) }));
    },
  };
}

/** What draws and lays out is loaded for those who ask for it. */
async function reportOf(facts: Omit<ReportFacts, "draw">): Promise<string> {
  const [{ reportHtml }, { drawSvg }] = await Promise.all([import("./report.ts"), import("./verbs/graph.ts")]);
  return reportHtml({ ...facts, draw: drawSvg });
}

function environmentOf(plan: Plan, command: string): ReportFacts["environment"] {
  return [
    ["command", command],
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

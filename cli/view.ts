// A run as people watch it, on stderr: on a terminal one line a stage, redrawn; elsewhere a plain line when a stage starts and
// ends. What stages print goes above it, prefixed with the stage's name. Made from events alone; results are not its business.
import type { Plan } from "../compiler/plan.ts";
import type { RunEvent } from "../runtime/events/events.ts";
import { duration, show } from "./show.ts";
import { painter } from "./terminal.ts";

const REDRAW_MS = 80;
/** Off a terminal a stage that goes on says so this often, by the run's clock. */
const PLAIN_PROGRESS_MS = 10_000;

export interface ViewTarget {
  write(text: string): void;
  /** Lines are redrawn in place. */
  readonly live: boolean;
  readonly color: boolean;
  readonly size: () => { readonly columns: number; readonly rows: number };
}

/** All that one line shows: the stage that the user named, with its helpers. */
interface Line {
  readonly name: string;
  readonly parts: Map<string, { tasks: number; done: number }>;
  /** Tasks that an earlier run has done, by stage of the plan. */
  readonly reused: Map<string, number>;
  /** Stages of the plan under this name that will run, or have begun, and haven't finished: what stands in a region may never begin. */
  left: number;
  strategy: string;
  state:
    | { readonly kind: "waiting" }
    | { readonly kind: "running"; readonly startMs: number }
    | { readonly kind: "done"; readonly ms: number }
    /** An earlier run has done all of it. */
    | { readonly kind: "reused" };
  failed: boolean;
  progress: string | null;
  /** When a plain line last told of it. */
  toldMs: number;
  readonly metrics: Map<string, number>;
}

export interface View {
  event(event: RunEvent): void;
  /** Draws for the last time and lets the cursor be. */
  close(): void;
}

export function createView(plan: Plan, target: ViewTarget): View {
  const paint = painter(target.color);
  const lines = new Map<string, Line>();
  const lineOf = new Map<string, Line>();
  /** Stages that are counted by beginning. */
  const maybe = new Set<string>();
  for (const stage of [...plan.stages, ...(plan.onFailure?.stages ?? [])]) {
    let line = lines.get(stage.name);
    if (!line) {
      line = {
        name: stage.name,
        parts: new Map(),
        reused: new Map(),
        left: 0,
        strategy: "",
        state: { kind: "waiting" },
        failed: false,
        progress: null,
        toldMs: 0,
        metrics: new Map(),
      };
      lines.set(stage.name, line);
    }
    lineOf.set(stage.id, line);
    if (stage.region !== undefined || !plan.stages.includes(stage)) maybe.add(stage.id);
    else if (stage.tasks.kind !== "given") line.left++;
  }
  const nameWidth = Math.max(0, ...[...lines.keys()].map((name) => name.length));

  let drawn = 0;
  let closed = false;
  let timer: NodeJS.Timeout | null = null;
  /** Added to this process's clock, gives the run's. */
  let offsetMs = -performance.now();
  const nowMs = () => performance.now() + offsetMs;

  function describe(line: Line): string {
    const parts = [...line.parts.values()];
    // What a stage gathers or combines in one task is no progress worth counting beside its blocks.
    const counted = parts.some((part) => part.tasks > 1) ? parts.filter((part) => part.tasks > 1) : parts;
    const tasks = counted.reduce((sum, part) => sum + part.tasks, 0);
    const done = counted.reduce((sum, part) => sum + part.done, 0);
    const count = line.progress ?? (tasks > 1 ? `${done}/${tasks}` : "");
    const metrics = [...line.metrics].map(([name, value]) => `${name} ${show(value)}`).join("  ");
    const time =
      line.state.kind === "running"
        ? `▸ ${duration(nowMs() - line.state.startMs)}`
        : line.state.kind === "done"
          ? duration(line.state.ms)
          : "";
    const reused = [...line.reused.values()].reduce((sum, one) => sum + one, 0);
    const before = reused === 0 ? "" : line.strategy === "" || tasks <= 1 ? "reused" : `${reused} reused`;
    return [line.strategy, count, before, time, metrics].filter((text) => text !== "").join("  ");
  }

  function draw(): void {
    const { columns, rows } = target.size();
    const shown = [...lines.values()].filter((line) => line.state.kind !== "waiting").slice(-Math.max(1, rows - 1));
    const text = shown.map((line) => {
      const mark = line.failed
        ? paint("red", "✗")
        : line.state.kind === "done" || line.state.kind === "reused"
          ? paint("green", "✓")
          : paint("cyan", "·");
      const name = line.name.slice(0, columns - 4).padEnd(nameWidth);
      return `${mark} ${paint("bold", name)}  ${describe(line).slice(0, Math.max(0, columns - nameWidth - 5))}\n`;
    });
    target.write(erase() + text.join(""));
    drawn = shown.length;
  }

  function erase(): string {
    const up = drawn > 0 ? `\x1b[${drawn}A\r\x1b[J` : "";
    drawn = 0;
    return up;
  }

  function changed(): void {
    if (!target.live) return;
    timer ??= setInterval(draw, REDRAW_MS).unref();
  }

  function above(text: string): void {
    if (target.live) target.write(erase());
    target.write(text);
    if (target.live) draw();
  }

  function plainLine(line: Line, atMs: number, what: string): void {
    line.toldMs = atMs;
    if (!target.live) target.write(`${line.name.padEnd(nameWidth)}  ${what}\n`);
  }

  function plainProgress(line: Line, atMs: number): void {
    if (!target.live && line.state.kind === "running" && atMs - line.toldMs >= PLAIN_PROGRESS_MS) plainLine(line, atMs, describe(line));
  }

  /** One of the stages under a name is done with. */
  function less(line: Line, atMs: number): void {
    if (--line.left > 0) return;
    if (line.state.kind === "running") {
      line.state = { kind: "done", ms: atMs - line.state.startMs };
      plainLine(line, atMs, `${describe(line)}  done`);
    } else if (line.state.kind === "waiting" && line.reused.size > 0) {
      line.state = { kind: "reused" };
      plainLine(line, atMs, describe(line));
    }
  }

  function event(event: RunEvent): void {
    offsetMs = event.atMs - performance.now();
    switch (event.type) {
      case "stage.started": {
        const line = lineOf.get(event.stage);
        if (!line) return;
        if (maybe.has(event.stage)) line.left++;
        line.parts.set(event.stage, { tasks: event.tasks, done: line.reused.get(event.stage) ?? 0 });
        // What prepares or combines runs as one task; how the stage itself runs is worth saying.
        if (line.strategy === "" || event.strategy !== "task") line.strategy = event.strategy;
        if (line.state.kind === "waiting") {
          line.state = { kind: "running", startMs: event.atMs };
          plainLine(
            line,
            event.atMs,
            [event.strategy, event.tasks > 1 ? `${event.tasks} tasks` : "", "started"].filter((text) => text !== "").join("  "),
          );
        }
        break;
      }
      case "stage.grew": {
        const part = lineOf.get(event.stage)?.parts.get(event.stage);
        if (part) part.tasks = event.tasks;
        break;
      }
      case "tasks.finished": {
        const line = lineOf.get(event.stage);
        const part = line?.parts.get(event.stage);
        if (!line || !part) return;
        part.done += event.count;
        plainProgress(line, event.atMs);
        break;
      }
      case "stage.progress": {
        const line = lineOf.get(event.stage);
        if (!line) return;
        line.progress = `${event.done}/${event.total} ${event.unit}`;
        plainProgress(line, event.atMs);
        break;
      }
      case "metric": {
        const value = event.values.at(-1);
        if (value !== undefined) lineOf.get(event.stage)?.metrics.set(event.name, value);
        break;
      }
      case "stage.finished": {
        const line = lineOf.get(event.stage);
        if (line) less(line, event.atMs);
        break;
      }
      case "stage.reused": {
        const line = lineOf.get(event.stage);
        if (!line) return;
        line.reused.set(event.stage, (line.reused.get(event.stage) ?? 0) + event.tasks);
        const part = line.parts.get(event.stage);
        if (part) part.done += event.tasks;
        if (event.whole) less(line, event.atMs);
        break;
      }
      case "stage.skipped": {
        const line = lineOf.get(event.stage);
        if (line) less(line, event.atMs);
        break;
      }
      case "task.failed": {
        const line = lineOf.get(event.stage);
        if (line && !event.retried) line.failed = true;
        if (event.retried) {
          const where = `${paint("yellow", titleOf(event))} block ${event.block}, attempt ${event.attempt}`;
          above(`${where}: ${event.error.message}; ${event.late ? "what stands in its place is done" : "trying again"}\n`);
        }
        break;
      }
      case "worker.lost":
        above(`${paint("yellow", `worker ${event.worker} lost`)}: ${event.reason}; ${event.tasks} tasks go elsewhere\n`);
        break;
      case "object.lost":
        above(`${paint("yellow", titleOf({ ...event, name: event.stage }))}: ${event.blocks} lost results are made again\n`);
        break;
      case "loop.exhausted":
        above(`${paint("yellow", titleOf(event))} has done its ${event.rounds} rounds without meeting its condition\n`);
        break;
      case "log": {
        const prefix = paint("dim", `${titleOf(event)} │ `);
        const text = event.text.endsWith("\n") ? event.text.slice(0, -1) : event.text;
        above(
          text
            .split("\n")
            .map((one) => `${prefix}${one}\n`)
            .join(""),
        );
        break;
      }
      case "run.started":
      case "worker.joined":
      case "run.finished":
        break;
    }
    changed();
  }

  return {
    event,
    close() {
      if (closed) return;
      closed = true;
      if (timer) clearInterval(timer);
      if (target.live) draw();
    },
  };
}

function titleOf({ name, instance }: { readonly name: string; readonly instance?: string }): string {
  return instance === undefined ? name : `${name}[${instance}]`;
}

// A run as people watch it, on stderr: on a terminal one line a stage, redrawn; elsewhere a plain line when a stage starts and
// ends. What stages print goes above it, prefixed with the stage's name. Made from events alone; results are not its business.
import type { Plan } from "../compiler/plan.ts";
import type { RunEvent } from "../runtime/events/events.ts";
import { duration, show } from "./show.ts";
import { painter } from "./terminal.ts";

const REDRAW_MS = 80;
/** Off a terminal a stage that goes on says so this often, by the run's clock. */
const PLAIN_PROGRESS_MS = 10_000;

/** From so many columns on there is room for bars. */
const WIDE = 100;
const BAR = 20;
/** What is left out of a line that is too long, step by step; numbers that are tracked are cut short. */
const LEFT_OUT = [[], ["strategy"], ["strategy", "reused"], ["strategy", "reused", "count"]] as readonly (readonly string[])[];
const LEAST_METRICS = 10;

export interface ViewTarget {
  write(text: string): void;
  /** Lines are redrawn in place. */
  readonly live: boolean;
  readonly color: boolean;
  readonly size: () => { readonly columns: number; readonly rows: number };
}

interface Part {
  tasks: number;
  done: number;
  /** Whoever leads the run next tells it again. */
  finished: boolean;
}

/** All that one line shows: the stage that the user named, with its helpers. */
interface Line {
  readonly name: string;
  readonly parts: Map<string, Part>;
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
  progress: { readonly done: number; readonly total: number; readonly unit: string } | null;
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

  /** Columns of each line that stands there. */
  let drawn: readonly number[] = [];
  let closed = false;
  /** What the last leader of a run hadn't told when it went is told by nobody. */
  let ledAgain = false;
  let timer: NodeJS.Timeout | null = null;
  /** Added to this process's clock, gives the run's. */
  let offsetMs = -performance.now();
  const nowMs = () => performance.now() + offsetMs;

  /** What is known of a line, in parts. */
  function partsOf(line: Line): Readonly<Record<"strategy" | "count" | "reused" | "time" | "metrics", string>> {
    const parts = [...line.parts.values()];
    const { tasks, done } = countOf(line);
    const reused = [...line.reused.values()].reduce((sum, one) => sum + one, 0);
    const { state, progress } = line;
    const counted = progress ? `${progress.done}/${progress.total} ${progress.unit}` : tasks > 1 ? `${done}/${tasks}` : "";
    return {
      strategy: line.strategy,
      count: counted,
      reused: reused === 0 ? "" : parts.length === 0 || tasks <= 1 ? "reused" : `${reused} reused`,
      time: state.kind === "running" ? `▸ ${duration(nowMs() - state.startMs)}` : state.kind === "done" ? duration(state.ms) : "",
      metrics: [...line.metrics].map(([name, value]) => `${name} ${show(value)}`).join("  "),
    };
  }

  /** What a stage gathers or combines in one task is no progress worth counting beside its blocks. */
  function countOf(line: Line): { readonly tasks: number; readonly done: number } {
    const parts = [...line.parts.values()];
    const counted = parts.some((part) => part.tasks > 1) ? parts.filter((part) => part.tasks > 1) : parts;
    return { tasks: counted.reduce((sum, part) => sum + part.tasks, 0), done: counted.reduce((sum, part) => sum + part.done, 0) };
  }

  function describe(line: Line, width = Number.POSITIVE_INFINITY): string {
    const { metrics, ...parts } = partsOf(line);
    for (const left of LEFT_OUT) {
      const text = (["strategy", "count", "reused", "time"] as const)
        .filter((part) => !left.includes(part) && parts[part] !== "")
        .map((part) => parts[part])
        .join("  ");
      const room = width - text.length - 2;
      if (metrics.length <= room && metrics !== "") return `${text}  ${metrics}`;
      if (metrics !== "" && room >= LEAST_METRICS && left.length > 0) return `${text}  ${metrics.slice(0, room - 1)}…`;
      if (text.length <= width && (metrics === "" || left.length > 0)) return text;
    }
    return "";
  }

  /** How much of a stage is done, where there is room to draw it; null: nothing to count. */
  function bar(line: Line): string | null {
    const { tasks, done } = line.progress ? { tasks: line.progress.total, done: line.progress.done } : countOf(line);
    if (tasks <= 1 || line.state.kind === "reused") return null;
    const full = Math.round((BAR * Math.min(done, tasks)) / tasks);
    return paint(line.state.kind === "done" ? "green" : "cyan", "━".repeat(full)) + paint("dim", "─".repeat(BAR - full));
  }

  function draw(): void {
    const { columns, rows } = target.size();
    const begun = [...lines.values()].filter((line) => line.state.kind !== "waiting");
    const shown = mostWorthShowing(begun, Math.max(1, rows - 1));
    const names = Math.min(nameWidth, Math.max(8, Math.floor(columns / 3)));
    const bars = columns >= WIDE && shown.some((line) => bar(line) !== null);
    const room = Math.max(0, columns - names - 5 - (bars ? BAR + 2 : 0));
    const drawnLines = shown.map((line) => {
      const mark = line.failed
        ? paint("red", "✗")
        : line.state.kind === "done" || line.state.kind === "reused"
          ? paint("green", "✓")
          : paint("cyan", "·");
      const name = (line.name.length <= names ? line.name : `${line.name.slice(0, names - 1)}…`).padEnd(names);
      const text = describe(line, room);
      const drawing = bars ? `${bar(line) ?? " ".repeat(BAR)}  ` : "";
      return { text: `${mark} ${paint("bold", name)}  ${drawing}${text}`, columns: names + 4 + (bars ? BAR + 2 : 0) + text.length };
    });
    if (shown.length < begun.length) {
      const done = begun.filter(({ state }) => state.kind !== "running").length;
      const text = `  ${done} of ${lines.size} stages are done`.slice(0, columns - 1);
      drawnLines.push({ text: paint("dim", text), columns: text.length });
    }
    target.write(erase() + drawnLines.map(({ text }) => `${text}\n`).join(""));
    drawn = drawnLines.map((one) => one.columns);
  }

  /** A terminal that became narrower since has broken lines in two. */
  function erase(): string {
    const { columns } = target.size();
    const up = drawn.reduce((sum, width) => sum + Math.max(1, Math.ceil(width / Math.max(1, columns))), 0);
    drawn = [];
    return up > 0 ? `\x1b[${up}A\r\x1b[J` : "";
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

  function begun(line: Line, stage: string, tasks: number): Part {
    if (maybe.has(stage)) line.left++;
    const part = { tasks, done: line.reused.get(stage) ?? 0, finished: false };
    line.parts.set(stage, part);
    return part;
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
        const known = line.parts.get(event.stage);
        if (known) {
          known.tasks = Math.max(known.tasks, event.tasks);
          break;
        }
        begun(line, event.stage, event.tasks);
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
        // A leader that came later hasn't seen all that there was.
        if (part) part.tasks = Math.max(part.tasks, event.tasks);
        break;
      }
      case "tasks.finished": {
        const line = lineOf.get(event.stage);
        const part = line?.parts.get(event.stage) ?? (ledAgain && line ? begun(line, event.stage, 1) : null);
        if (!line || !part) return;
        if (line.state.kind === "waiting") line.state = { kind: "running", startMs: event.startMs };
        part.done += event.count;
        part.tasks = Math.max(part.tasks, part.done);
        plainProgress(line, event.atMs);
        break;
      }
      case "stage.progress": {
        const line = lineOf.get(event.stage);
        if (!line) return;
        line.progress = { done: event.done, total: event.total, unit: event.unit };
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
        if (!line) return;
        const part = line.parts.get(event.stage) ?? begun(line, event.stage, event.tasks);
        if (part.finished) break;
        part.finished = true;
        if (ledAgain) {
          part.tasks = Math.max(part.tasks, event.tasks);
          part.done = part.tasks;
          if (line.state.kind === "waiting") line.state = { kind: "running", startMs: event.atMs - event.ms };
        }
        less(line, event.atMs);
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
      case "leader.changed":
        ledAgain = true;
        above(`${event.worker} leads the run now\n`);
        break;
      case "object.lost":
        above(
          `${paint("yellow", titleOf({ ...event, name: event.stage }))}: ${event.blocks === 1 ? "a lost result is" : `${event.blocks} lost results are`} made again\n`,
        );
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

/** All that is being worked on, as far as there are rows, and what was done last; one row is for the sum. In the order of the plan. */
function mostWorthShowing(begun: readonly Line[], rows: number): readonly Line[] {
  if (begun.length <= rows) return begun;
  const places = new Map(begun.map((line, place) => [line, place]));
  const rank = ({ state, failed }: Line) => (failed ? 0 : state.kind === "running" ? 1 : 2);
  const chosen = [...begun].sort((a, b) => rank(a) - rank(b) || places.get(b)! - places.get(a)!).slice(0, Math.max(0, rows - 1));
  return chosen.sort((a, b) => places.get(a)! - places.get(b)!);
}

function titleOf({ name, instance }: { readonly name: string; readonly instance?: string }): string {
  return instance === undefined ? name : `${name}[${instance}]`;
}

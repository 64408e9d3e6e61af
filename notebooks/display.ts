// Values and runs as notebooks show them: MIME bundles. Data in, data out.
import type { RunEvent } from "../runtime/events/events.ts";

export type MimeBundle = Readonly<Record<string, unknown>>;

const SHOWN_ROWS = 20;
const SHOWN_COLUMNS = 12;

/** A data set's size and its first rows, where the rest stayed with the engine. */
export class DataSetPreview {
  readonly rows: number;
  readonly first: readonly unknown[];

  constructor(of: unknown) {
    const { rows, first } = of as { rows: number; first: readonly unknown[] };
    this.rows = rows;
    this.first = first;
  }
}

/** A value as text, and as a table where it is rows of records. */
export function displayValue(value: unknown): MimeBundle {
  const text = { "text/plain": showText(value) };
  const items = value instanceof DataSetPreview ? value.first : value;
  const count = value instanceof DataSetPreview ? value.rows : Array.isArray(value) ? value.length : 0;
  const rows = Array.isArray(items) && items.length > 0 && items.every(isRecord) ? (items as Record<string, unknown>[]) : null;
  if (!rows) return text;
  const columns = [...new Set(rows.slice(0, SHOWN_ROWS).flatMap((row) => Object.keys(row)))];
  const shown = columns.slice(0, SHOWN_COLUMNS);
  const head = shown.map((name) => `<th>${inHtml(name)}</th>`).join("");
  const body = rows
    .slice(0, SHOWN_ROWS)
    .map((row) => `<tr>${shown.map((name) => `<td>${inHtml(showText(row[name], 1))}</td>`).join("")}</tr>`);
  const more = [
    ...(count > SHOWN_ROWS ? [`${count - SHOWN_ROWS} more rows`] : []),
    ...(columns.length > shown.length ? [`${columns.length - shown.length} more columns`] : []),
  ];
  const note = more.length > 0 ? `<p>${more.join(", ")}</p>` : "";
  return { ...text, "text/html": `<table><thead><tr>${head}</tr></thead><tbody>${body.join("")}</tbody></table>${note}` };
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value) && !(value instanceof Date);

function inHtml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[character]!);
}

/** Short enough to read: long lists and arrays by their size. */
function showText(value: unknown, depth = 3): string {
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)));
  if (typeof value === "string") return depth === 3 ? value : JSON.stringify(value);
  if (typeof value !== "object" || value === null) return String(value ?? null);
  if (value instanceof Date) return value.toISOString();
  const { dtype, shape, data } = value as { dtype?: unknown; shape?: unknown; data?: unknown };
  if (typeof dtype === "string" && Array.isArray(shape) && ArrayBuffer.isView(data))
    return `Tensor<${dtype}, [${shape.join(", ")}]> ${someOf(data)}`;
  if (ArrayBuffer.isView(value)) return `${value.constructor.name}(${lengthOf(value)}) ${someOf(value)}`;
  if (value instanceof Map || value instanceof Set) return `${value.constructor.name}(${value.size}) ${showText([...value], depth)}`;
  if (value instanceof DataSetPreview) return showItems(value.first, value.rows, depth);
  if (Array.isArray(value)) return showItems(value, value.length, depth);
  const fields = Object.entries(value);
  if (depth === 0) return `{ ${fields.map(([name]) => name).join(", ")} }`;
  return fields.length === 0 ? "{}" : `{ ${fields.map(([name, field]) => `${name}: ${showText(field, depth - 1)}`).join(", ")} }`;
}

function showItems(items: readonly unknown[], count: number, depth: number): string {
  if (depth === 0) return `[${count} items]`;
  const shown = items.slice(0, 10).map((item) => showText(item, depth - 1));
  return `[${shown.join(", ")}${count > shown.length ? `, … ${count - shown.length} more` : ""}]`;
}

const lengthOf = (array: ArrayBufferView): number => ("length" in array ? Number(array.length) : array.byteLength);

/** The first numbers of a typed array. */
function someOf(array: ArrayBufferView): string {
  if (!(Symbol.iterator in array)) return "";
  const some: string[] = [];
  for (const item of array as ArrayBufferView & Iterable<unknown>) {
    if (some.length === 5) break;
    some.push(showText(item, 0));
  }
  return `[${some.join(", ")}${lengthOf(array) > some.length ? ", …" : ""}]`;
}

interface StageLine {
  tasks: number;
  done: number;
  progress: string;
  ms: number | null;
  readonly metrics: Map<string, { steps: number[]; values: number[] }>;
}

/** Follows a run's events, and shows how far it is. */
export class Progress {
  readonly #stages = new Map<string, StageLine>();
  /** By stage of the plan: tasks that are counted in its line. */
  readonly #counted = new Map<string, number>();

  /** True where there is something new to show. */
  event(event: RunEvent): boolean {
    switch (event.type) {
      case "stage.started": {
        const line = this.#line(event.name);
        line.tasks += event.tasks;
        line.ms = null;
        this.#counted.set(event.stage, event.tasks);
        return true;
      }
      case "stage.grew":
        this.#line(event.name).tasks += event.tasks - (this.#counted.get(event.stage) ?? 0);
        this.#counted.set(event.stage, event.tasks);
        return true;
      case "tasks.finished": {
        // Helpers of a stage go by its name and a suffix.
        const line = this.#stages.get(event.stage.replace(/[/#].*$/, ""));
        if (line) line.done += event.count;
        return true;
      }
      case "stage.progress":
        this.#line(event.name).progress = `${event.done}/${event.total} ${event.unit}`;
        return true;
      case "metric": {
        const { metrics } = this.#line(event.stage.replace(/[/#].*$/, ""));
        const points = metrics.get(event.name) ?? { steps: [], values: [] };
        points.steps.push(...event.steps);
        points.values.push(...event.values);
        metrics.set(event.name, points);
        return true;
      }
      case "stage.finished":
        this.#line(event.name).ms = event.ms;
        return true;
      default:
        return false;
    }
  }

  #line(name: string): StageLine {
    let line = this.#stages.get(name);
    if (!line) this.#stages.set(name, (line = { tasks: 0, done: 0, progress: "", ms: null, metrics: new Map() }));
    return line;
  }

  display(): MimeBundle {
    const width = Math.max(0, ...[...this.#stages.keys()].map((name) => name.length));
    const lines = [...this.#stages].map(([name, { tasks, done, progress, ms, metrics }]) => {
      const far = progress || (tasks > 1 ? `${done}/${tasks}` : "");
      const last = [...metrics].map(([metric, { values }]) => `${metric} ${showText(values.at(-1))}`).join("  ");
      return [`${ms === null ? "▸" : "✓"} ${name.padEnd(width)}`, far, ms === null ? "" : `${(ms / 1000).toFixed(1)} s`, last]
        .filter((text) => text !== "")
        .join("  ");
    });
    return { "text/plain": lines.join("\n") };
  }

  /** Curves of the numbers that stages of these names, or stages within them, tracked; at most so many points each. */
  curves(of: readonly string[], points = 500): MimeBundle | null {
    const values: { stage: string; metric: string; step: number; value: number }[] = [];
    for (const [stage, { metrics }] of this.#stages) {
      if (!of.includes(stage.split(".")[0]!)) continue;
      for (const [metric, { steps, values: tracked }] of metrics) {
        const every = Math.max(1, Math.ceil(steps.length / points));
        for (let i = 0; i < steps.length; i += every) values.push({ stage, metric, step: steps[i]!, value: tracked[i]! });
        const end = steps.length - 1;
        if (end % every !== 0) values.push({ stage, metric, step: steps[end]!, value: tracked[end]! });
      }
    }
    if (values.length < 2) return null;
    const stages = new Set(values.map(({ stage }) => stage));
    // Two stages may track the same name: each has a curve of its own.
    const named = values.map((point) => ({ ...point, curve: stages.size > 1 ? `${point.stage} ${point.metric}` : point.metric }));
    const names = [...new Set(named.map(({ curve }) => curve))];
    return {
      "application/vnd.vegalite.v5+json": {
        $schema: "https://vega.github.io/schema/vega-lite/v5.json",
        data: { values: named },
        width: 420,
        height: 200,
        mark: { type: "line", interpolate: "monotone" },
        encoding: {
          x: { field: "step", type: "quantitative" },
          y: { field: "value", type: "quantitative", title: [...new Set(values.map(({ metric }) => metric))].join(", ") },
          ...(names.length > 1 ? { color: { field: "curve", type: "nominal" } } : {}),
        },
      },
      "text/plain": names
        .map((name) => {
          const points = named.filter(({ curve }) => curve === name);
          return `${name}: ${showText(points[0]?.value)} to ${showText(points.at(-1)?.value)}`;
        })
        .join("\n"),
    };
  }
}

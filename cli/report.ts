// A run as one page of HTML that needs nothing else: how it went, a timeline of stages and of slots, the graph, curves, the slowest tasks,
// failures, params and environment. Made from a plan and its events; knows nothing of files or browsers.
import { grouped } from "../compiler/picture/groups.ts";
import { pictureOf } from "../compiler/picture/picture.ts";
import type { Json, Plan } from "../compiler/plan.ts";
import type { RunEvent } from "../runtime/events/events.ts";
import { duration, show } from "./show.ts";
import type { Batch, Curve, RunStory, StageStory } from "./story.ts";
import { storyOf } from "./story.ts";

export interface ReportFacts {
  readonly plan: Plan;
  readonly events: readonly RunEvent[];
  /** Without secrets. */
  readonly params: { readonly [name: string]: Json };
  /** What was typed, and where: rows of name and value. */
  readonly environment: readonly (readonly [name: string, value: string])[];
  /** Draws a picture as SVG. */
  readonly draw: (picture: ReturnType<typeof pictureOf>) => Promise<string>;
}

export async function reportHtml({ plan, events, params, environment, draw }: ReportFacts): Promise<string> {
  const story = storyOf(plan, events);
  const stages = namedStages(plan, story);
  const colors = new Map(stages.map(({ name }, index) => [name, index]));
  const nameOf = new Map(plan.stages.map(({ id, name }) => [id, name]));
  const graph = await draw(grouped(pictureOf(plan), { expand: [], all: false }).shown);
  const status = story.end?.status ?? "unfinished";
  const sections = [
    section("Timeline", ganttChart(stages, story, colors) + slotChart(story, colors, nameOf)),
    section("Graph", `<div class="graph">${graph.replace(/^<\?xml[^>]*>\s*/, "")}</div>`),
    story.curves.length > 0 ? section("Curves", `<div class="curves">${story.curves.map(curveChart).join("")}</div>`) : "",
    section("Slowest tasks", slowest(story)),
    failures(story, nameOf),
    section("Params", facts(Object.entries(allParams(plan, params)).map(([name, value]) => [name, show(value)]))),
    section("Environment", facts(environment)),
    story.log.length > 0 ? section("What stages printed", log(story)) : "",
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${text(plan.name)} · Headrace</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<header><h1>${text(plan.name)}</h1><span class="status ${status}">${text(STATUS[status] ?? status)}</span></header>
${plan.about.doc ? `<p class="doc">${text(plan.about.doc)}</p>` : ""}
${summary(story)}
${sections.join("\n")}
</main>
</body>
</html>
`;
}

const STATUS: Readonly<Record<string, string>> = {
  ok: "done",
  failed: "failed",
  cancelled: "interrupted",
  infrastructure: "ended by trouble outside the program",
  unfinished: "unfinished",
};

interface NamedStage {
  readonly name: string;
  readonly state: StageStory["state"];
  readonly startMs: number | null;
  readonly endMs: number | null;
  readonly busyMs: number;
  readonly done: number;
  readonly reused: number;
}

/** A stage with its helpers; what has begun first comes first. */
function namedStages(plan: Plan, story: RunStory): readonly NamedStage[] {
  const names = new Map<string, StageStory[]>();
  for (const { id, name, tasks } of plan.stages) {
    if (tasks.kind === "given") continue;
    names.set(name, [...(names.get(name) ?? []), story.stages.get(id)!]);
  }
  const found = Array.from(names, ([name, parts]): NamedStage => {
    const starts = parts.flatMap(({ startMs, state }) => (startMs === null || state === "reused" ? [] : [startMs]));
    const ends = parts.flatMap(({ endMs, state }) => (endMs === null || state === "reused" ? [] : [endMs]));
    const sum = (of: (part: StageStory) => number) => parts.reduce((all, part) => all + of(part), 0);
    const open = parts.some(({ state }) => state === "running" || state === "failed");
    return {
      name,
      state: (["failed", "running", "finished", "reused", "skipped", "waiting"] as const).find((state) =>
        parts.some((part) => part.state === state),
      )!,
      startMs: starts.length > 0 ? Math.min(...starts) : null,
      endMs: open ? story.atMs : ends.length > 0 ? Math.max(...ends) : null,
      busyMs: sum(({ busyMs }) => busyMs),
      done: sum(({ done }) => done),
      reused: sum(({ reused }) => reused),
    };
  });
  return found.sort((a, b) => (a.startMs ?? Number.POSITIVE_INFINITY) - (b.startMs ?? Number.POSITIVE_INFINITY));
}

// --- Parts of the page ------------------------------------------------------------------------------------------------------------

const text = (value: string): string =>
  value.replace(/[&<>"']/g, (found) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" })[found]!);

const section = (title: string, body: string): string => `<section><h2>${text(title)}</h2>${body}</section>`;

function facts(rows: readonly (readonly [string, string])[]): string {
  if (rows.length === 0) return `<p class="none">none</p>`;
  return `<table class="facts">${rows.map(([name, value]) => `<tr><th>${text(name)}</th><td>${text(value)}</td></tr>`).join("")}</table>`;
}

function summary(story: RunStory): string {
  const all = [...story.stages.values()];
  const ran = story.batches.reduce((sum, { count }) => sum + count, 0);
  const reused = all.reduce((sum, one) => sum + one.reused, 0);
  const slots = story.workers.reduce((sum, one) => sum + one.slots, 0);
  const tookMs = story.end?.ms ?? story.atMs;
  const busyMs = story.batches.reduce((sum, { runMs }) => sum + runMs, 0);
  const numbers: (readonly [string, string])[] = [
    ["took", duration(tookMs)],
    ["tasks run", ran.toLocaleString("en")],
    ["tasks reused", reused.toLocaleString("en")],
    ["slots", String(slots)],
    ...(slots > 0 && tookMs > 0 ? [["slots busy", `${Math.round((100 * busyMs) / (tookMs * slots))} %`] as const] : []),
  ];
  const error = story.end?.error;
  const told = error ? `<p class="error">${text(`${error.stage ? `${error.stage}: ` : ""}${error.name}: ${error.message}`)}</p>` : "";
  const led = story.leaders.map(({ worker, atMs }) => `<p>${text(`${worker} led it from ${duration(atMs)} on`)}</p>`).join("");
  return `<dl class="summary">${numbers.map(([name, value]) => `<div><dt>${text(name)}</dt><dd>${text(value)}</dd></div>`).join("")}</dl>${led}${told}`;
}

function allParams(plan: Plan, params: { readonly [name: string]: Json }): { readonly [name: string]: unknown } {
  return Object.fromEntries(
    plan.params.map(({ name, type, default: fallback }) => [name, type === "secret" ? "(secret)" : (params[name] ?? fallback ?? null)]),
  );
}

function slowest({ batches }: RunStory): string {
  const each = ({ runMs, count }: Batch) => runMs / count;
  const rows = [...batches].sort((a, b) => each(b) - each(a)).slice(0, SLOWEST);
  if (rows.length === 0) return `<p class="none">no task ran</p>`;
  const cells = rows.map((batch) => {
    const { stage, instance, first, count, worker, slot, startMs } = batch;
    const blocks = count === 1 ? `${first}` : `${first} … ${first + count - 1}, on average`;
    const name = `${stage}${instance === null ? "" : `[${instance}]`}`;
    return [name, blocks, milliseconds(each(batch)), `at ${duration(startMs)}`, `${worker} slot ${slot}`];
  });
  return `<table class="rows"><tr>${["stage", "block", "took", "began", "where"].map((one) => `<th>${one}</th>`).join("")}</tr>${cells
    .map((row) => `<tr>${row.map((cell) => `<td>${text(cell)}</td>`).join("")}</tr>`)
    .join("")}</table>`;
}
const SLOWEST = 12;

const milliseconds = (ms: number): string => (ms >= 1000 ? duration(ms) : `${Number(ms.toPrecision(3))} ms`);

function failures(story: RunStory, nameOf: ReadonlyMap<string, string>): string {
  const all = [...story.stages.values()].flatMap(({ stage, failures: some }) => some.map((one) => ({ stage, ...one })));
  if (all.length === 0) return "";
  const shown = all.slice(-FAILURES);
  const items = shown.map(({ stage, block, attempt, retried, error }) => {
    const head = `${nameOf.get(stage) ?? stage}, block ${block}, attempt ${attempt}${retried ? ", tried again" : ""}`;
    return `<details${retried ? "" : " open"}><summary>${text(head)}</summary><pre>${text([`${error.name}: ${error.message}`, ...error.stack].join("\n"))}</pre></details>`;
  });
  const left = all.length - shown.length;
  return section("Failures", items.join("") + (left > 0 ? `<p class="none">… and ${left} before them</p>` : ""));
}
const FAILURES = 20;

function log({ log: lines }: RunStory): string {
  const shown = lines.slice(-LOG_LINES);
  const left = lines.length - shown.length;
  const body = shown.map(({ atMs, stage, text: said }) => `${duration(atMs).padStart(8)}  ${stage} │ ${said.trimEnd()}`).join("\n");
  return `<pre class="log">${text((left > 0 ? `… ${left} before\n` : "") + body)}</pre>`;
}
const LOG_LINES = 300;

// --- Charts -------------------------------------------------------------------------------------------------------------------------

const WIDTH = 1000;
const LABELS = 190;
const ROW = 20;

/** Neighbours differ, and all can be told from the page, light or dark. */
const color = (index: number): string => `hsl(${Math.round((index * 137.5 + 205) % 360)} 62% 52%)`;

const scaleOf = (endMs: number) => (ms: number) => LABELS + (Math.max(0, ms) / Math.max(endMs, 1e-3)) * (WIDTH - LABELS - 8);

function axis(endMs: number, height: number): string {
  const x = scaleOf(endMs);
  const step = niceStep(endMs / 6);
  let lines = "";
  for (let ms = 0; ms <= endMs; ms += step) {
    const at = x(ms);
    const label = step < 100 ? `${Math.round(ms * 100) / 100} ms` : duration(ms);
    const where = at > WIDTH - 30 ? `class="time end" x="${WIDTH - 2}"` : `class="time" x="${at.toFixed(1)}"`;
    lines += `<line class="tick" x1="${at.toFixed(1)}" x2="${at.toFixed(1)}" y1="14" y2="${height}"/><text ${where} y="10">${label}</text>`;
  }
  return lines;
}

function niceStep(about: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(about, 1e-3)));
  return power * ([1, 2, 5, 10].find((one) => one * power >= about) ?? 10);
}

function chart(height: number, body: string, label: string): string {
  return `<div class="chart"><svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${text(label)}">${body}</svg></div>`;
}

/** A row a stage, from its first task's turn to its last one's end; how full of work, by the darker part. */
function ganttChart(stages: readonly NamedStage[], story: RunStory, colors: ReadonlyMap<string, number>): string {
  const endMs = story.end?.ms ?? story.atMs;
  const x = scaleOf(endMs);
  const slots = Math.max(
    1,
    story.workers.reduce((sum, one) => sum + one.slots, 0),
  );
  const height = 18 + stages.length * ROW;
  const rows = stages.map(({ name, state, startMs, endMs: stageEndMs, busyMs, done, reused }, index) => {
    const y = 18 + index * ROW;
    const label = `<text class="label" x="${LABELS - 8}" y="${y + 14}">${text(shortened(name, 26))}</text>`;
    if (startMs === null) {
      const why = state === "reused" ? "reused" : state === "skipped" ? "not needed" : "never began";
      return `${label}<text class="quiet" x="${LABELS + 4}" y="${y + 14}">${why}</text>`;
    }
    const from = x(startMs);
    const width = Math.max(1.5, x(stageEndMs ?? endMs) - from);
    const share = Math.min(1, busyMs / Math.max(1e-6, ((stageEndMs ?? endMs) - startMs) * slots));
    const told = `${name}: ${done - reused} tasks${reused > 0 ? `, ${reused} reused` : ""}, ${duration((stageEndMs ?? endMs) - startMs)}, slots ${Math.round(share * 100)} % at it`;
    const fill = color(colors.get(name)!);
    return `${label}<g><title>${text(told)}</title><rect x="${from.toFixed(1)}" y="${y + 3}" width="${width.toFixed(1)}" height="14" rx="2" fill="${fill}" opacity="0.35"/><rect x="${from.toFixed(1)}" y="${(y + 3 + 14 * (1 - share)).toFixed(1)}" width="${width.toFixed(1)}" height="${(14 * share).toFixed(1)}" rx="2" fill="${fill}"/>${state === "failed" ? `<text class="bad" x="${(from + width + 4).toFixed(1)}" y="${y + 14}">failed</text>` : ""}</g>`;
  });
  return `<h3>Stages</h3>${chart(height, axis(endMs, height) + rows.join(""), "when each stage ran")}`;
}

/** A row a slot: what it worked on when. Batches of one stage that stand closer than anybody could see are drawn as one. */
function slotChart(story: RunStory, colors: ReadonlyMap<string, number>, nameOf: ReadonlyMap<string, string>): string {
  const endMs = story.end?.ms ?? story.atMs;
  const x = scaleOf(endMs);
  const rows = story.workers.flatMap(({ id, slots }) => Array.from({ length: slots }, (_, slot) => ({ worker: id, slot })));
  if (rows.length === 0) return "";
  const bySlot = new Map<string, Batch[]>();
  for (const batch of story.batches) {
    const key = `${batch.worker}.${batch.slot}`;
    const list = bySlot.get(key);
    if (list) list.push(batch);
    else bySlot.set(key, [batch]);
  }
  const height = 18 + rows.length * ROW;
  const several = story.workers.length > 1;
  const body = rows.map(({ worker, slot }, index) => {
    const y = 18 + index * ROW;
    const label = `<text class="label" x="${LABELS - 8}" y="${y + 14}">${text(several ? `${worker} slot ${slot}` : `slot ${slot}`)}</text>`;
    const drawn: { name: string; from: number; to: number; tasks: number; ms: number }[] = [];
    for (const batch of (bySlot.get(`${worker}.${slot}`) ?? []).sort((a, b) => a.startMs - b.startMs)) {
      const name = nameOf.get(batch.stage) ?? batch.stage;
      const [from, to] = [x(batch.startMs), x(batch.startMs + batch.runMs)];
      const last = drawn.at(-1);
      if (last?.name === name && from - last.to < 0.6) {
        last.to = Math.max(last.to, to);
        last.tasks += batch.count;
        last.ms += batch.runMs;
      } else if (!last || to - Math.max(from, last.to) > 0.05 || to - from > 0.3)
        drawn.push({ name, from: Math.max(from, last?.to ?? 0), to, tasks: batch.count, ms: batch.runMs });
    }
    const rects = drawn.map(({ name, from, to, tasks, ms }) => {
      const title = text(`${name}: ${tasks} ${tasks === 1 ? "task" : "tasks"}, ${milliseconds(ms)}`);
      return `<rect x="${from.toFixed(1)}" y="${y + 3}" width="${Math.max(0.4, to - from).toFixed(1)}" height="14" fill="${color(colors.get(name) ?? 0)}"><title>${title}</title></rect>`;
    });
    return label + rects.join("");
  });
  return `<h3>Slots</h3>${chart(height, axis(endMs, height) + body.join(""), "what each slot worked on")}`;
}

const shortened = (name: string, most: number): string => (name.length <= most ? name : `${name.slice(0, most - 1)}…`);

const POINTS = 400;

function curveChart({ name, steps, values }: Curve): string {
  const [width, height, left, bottom] = [320, 150, 44, 20];
  const finite = values.filter(Number.isFinite);
  if (finite.length === 0) return "";
  // Far more points than pixels: of each run of them, the lowest and the highest.
  const every = Math.max(1, Math.ceil(values.length / POINTS));
  const shown: [number, number][] = [];
  for (let i = 0; i < values.length; i += every) {
    const slice = values
      .slice(i, i + every)
      .flatMap((value, j) => (Number.isFinite(value) ? [[steps[i + j]!, value] as [number, number]] : []));
    if (slice.length === 0) continue;
    const low = slice.reduce((a, b) => (b[1] < a[1] ? b : a));
    const high = slice.reduce((a, b) => (b[1] > a[1] ? b : a));
    shown.push(...(low === high ? [low] : low[0] < high[0] ? [low, high] : [high, low]));
  }
  const [least, most] = finite.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity]);
  const [firstStep, lastStep] = steps.reduce(([a, b], step) => [Math.min(a, step), Math.max(b, step)], [Infinity, -Infinity]);
  const x = (step: number) => left + ((step - firstStep) / Math.max(1e-12, lastStep - firstStep)) * (width - left - 8);
  const y = (value: number) => 8 + (1 - (value - least) / Math.max(1e-12, most - least)) * (height - bottom - 16);
  const points = shown.map(([step, value]) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  const last = values.findLast(Number.isFinite)!;
  return `<figure><figcaption>${text(name)} <b>${text(show(last))}</b></figcaption><svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${text(name)}">
<text class="time end" x="${left - 6}" y="${y(most) + 4}">${text(show(Number(most.toPrecision(3))))}</text><text class="time end" x="${left - 6}" y="${y(least) + 4}">${text(show(Number(least.toPrecision(3))))}</text>
<line class="tick" x1="${left}" x2="${width - 8}" y1="${height - bottom}" y2="${height - bottom}"/><text class="time start" x="${left}" y="${height - 6}">${firstStep}</text><text class="time end" x="${width - 8}" y="${height - 6}">${lastStep}</text>
<polyline points="${points}" fill="none" stroke="${color(0)}" stroke-width="1.5" stroke-linejoin="round"/></svg></figure>`;
}

const STYLE = `
:root{color-scheme:light dark;--page:#fff;--ink:#1c2330;--quiet:#68707f;--line:#dfe3ea;--soft:#f5f6f9;--good:#1a7f4b;--bad:#c4342d}
@media(prefers-color-scheme:dark){:root{--page:#14171d;--ink:#e4e7ee;--quiet:#98a1b1;--line:#2d333f;--soft:#1b1f27;--good:#4cc38a;--bad:#ff8078}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1120px;margin:0 auto;padding:28px 24px 64px}
header{display:flex;align-items:center;gap:14px;flex-wrap:wrap}
h1{font-size:26px;margin:0}
h2{font-size:18px;margin:36px 0 10px;padding-bottom:6px;border-bottom:1px solid var(--line)}
h3{font-size:13px;font-weight:600;color:var(--quiet);margin:14px 0 4px}
.status{font-size:13px;font-weight:600;padding:2px 10px;border-radius:99px;border:1px solid currentColor;color:var(--bad)}
.status.ok{color:var(--good)}
.doc{color:var(--quiet);margin:6px 0 0}
.summary{display:flex;flex-wrap:wrap;gap:10px 36px;margin:18px 0 0}
.summary dt{font-size:12px;color:var(--quiet)}
.summary dd{margin:0;font-size:20px;font-variant-numeric:tabular-nums}
.error{color:var(--bad);white-space:pre-wrap;overflow-wrap:anywhere}
.chart{max-height:520px;overflow:auto;border:1px solid var(--line);border-radius:8px;padding:8px;background:var(--soft)}
.chart svg{display:block;width:100%;min-width:640px;height:auto}
.graph{border:1px solid var(--line);border-radius:8px;padding:8px;overflow:auto;max-height:640px}
.graph svg{display:block;max-width:100%;height:auto;margin:0 auto}
:is(.chart,figure) svg text{font:11px system-ui,sans-serif;fill:var(--ink)}
:is(.chart,figure) svg .label{text-anchor:end}
:is(.chart,figure) svg .time{fill:var(--quiet);text-anchor:middle;font-size:10px}
:is(.chart,figure) svg .time.end{text-anchor:end}
:is(.chart,figure) svg .time.start{text-anchor:start}
:is(.chart,figure) svg .quiet{fill:var(--quiet);font-style:italic}
:is(.chart,figure) svg .bad{fill:var(--bad);font-weight:600}
:is(.chart,figure) svg .tick{stroke:var(--line)}
.curves{display:grid;grid-template-columns:repeat(auto-fill,minmax(300px,1fr));gap:16px}
figure{margin:0;border:1px solid var(--line);border-radius:8px;padding:8px 10px}
figcaption{font-size:13px;overflow-wrap:anywhere}
figure svg{display:block;width:100%;height:auto}
table{border-collapse:collapse;font-size:14px;width:100%}
th,td{text-align:left;padding:4px 16px 4px 0;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
th{font-weight:500;color:var(--quiet);overflow-wrap:normal}
.facts th{width:190px}
pre{background:var(--soft);border:1px solid var(--line);border-radius:8px;padding:10px 12px;overflow:auto;max-height:420px;font-size:12.5px}
details{margin:6px 0}
.none{color:var(--quiet)}
`;

// What runs of one program under several schedules say of each other: a table of times, last values and speed-ups, and one picture of the
// curves by time. Knows numbers and text; the verb knows runs.
import { duration, show } from "./show.ts";
import type { Column } from "./table.ts";
import { table } from "./table.ts";

/** A tracked number of one run; points in the order of time. */
export interface TimedCurve {
  /** Since the fit began. */
  readonly atMs: readonly number[];
  readonly values: readonly number[];
}

export interface Sample {
  readonly fitMs: number;
  readonly curves: ReadonlyMap<string, TimedCurve>;
  /** Numbers among the run's results. */
  readonly results: ReadonlyMap<string, number>;
}

export interface Contender {
  readonly schedule: string;
  /** `data(2) allreduce` */
  readonly runsAs: string;
  readonly members: number;
  /** How much more so many threads do than one, of plain arithmetic. */
  readonly ceiling: number;
  /** One a repetition, the same seeds in each. */
  readonly samples: readonly Sample[];
}

export interface Standing {
  readonly schedule: string;
  readonly runsAs: string;
  readonly fitMs: number;
  /** Null: it never got there. */
  readonly toTargetMs: number | null;
  readonly last: number | null;
  readonly results: Readonly<Record<string, number>>;
  readonly exchangedMB: number | null;
  readonly staleness: { readonly mean: number; readonly most: number } | null;
  readonly speedUp: number;
  /** Of what the machine has to give. */
  readonly share: number;
}

export interface Comparison {
  readonly metric: string | null;
  /** What all but those that never got there have reached. */
  readonly target: number | null;
  readonly standings: readonly Standing[];
}

/** These say how training went, not what it came to. */
const ABOUT_TRAINING = ["staleness", "exchangedMB"];
/** So large a part of a curve is averaged: single batches say little. */
const WINDOW_SHARE = 0.05;

/** The metric that is compared where nobody says which: the first that is tracked. */
export function firstMetric(contenders: readonly Contender[]): string | null {
  const names = contenders.flatMap(({ samples }) => samples.flatMap(({ curves }) => [...curves.keys()]));
  return names.find((name) => !ABOUT_TRAINING.includes(name)) ?? null;
}

/** `target`: null for the least that all of them come to. Less is better. */
export function compared(contenders: readonly Contender[], metric: string | null, wanted: number | null): Comparison {
  const curveOf = ({ curves }: Sample): TimedCurve | null => {
    const curve = metric === null ? undefined : curves.get(metric);
    return curve && curve.values.length > 0 ? smooth(curve) : null;
  };
  const lasts = contenders.map(({ samples }) => median(samples.flatMap((sample) => curveOf(sample)?.values.at(-1) ?? [])));
  const reached = lasts.filter((last): last is number => last !== null && Number.isFinite(last));
  const target = wanted ?? (reached.length > 0 ? Math.max(...reached) : null);
  const baseMs = median(contenders[0]!.samples.map(({ fitMs }) => fitMs))!;
  const standings = contenders.map(({ schedule, runsAs, members, ceiling, samples }, i): Standing => {
    const fitMs = median(samples.map((sample) => sample.fitMs))!;
    const times = samples.map((sample) => {
      const curve = curveOf(sample);
      const at = curve && target !== null ? curve.values.findIndex((value) => value <= target) : -1;
      return at < 0 ? null : curve!.atMs[at]!;
    });
    const names = [...new Set(samples.flatMap(({ results }) => [...results.keys()]))];
    const stale = samples.flatMap(({ curves }) => curves.get("staleness")?.values ?? []);
    const exchanged = samples.flatMap(({ curves }) => curves.get("exchangedMB")?.values ?? []);
    const speedUp = baseMs / fitMs;
    return {
      ...{ schedule, runsAs, fitMs, speedUp },
      toTargetMs: times.includes(null) ? null : median(times as number[]),
      last: lasts[i]!,
      results: Object.fromEntries(names.map((name) => [name, median(samples.flatMap(({ results }) => results.get(name) ?? []))!])),
      exchangedMB: median(exchanged),
      staleness:
        stale.length === 0
          ? null
          : { mean: stale.reduce((sum, one) => sum + one, 0) / stale.length, most: stale.reduce((a, b) => Math.max(a, b)) },
      share: speedUp / (members > 1 ? ceiling : 1),
    };
  });
  return { metric, target, standings };
}

/** Each point with those before it, over a share of the curve. */
function smooth({ atMs, values }: TimedCurve): TimedCurve {
  const window = Math.max(1, Math.round(values.length * WINDOW_SHARE));
  const from = window - 1;
  let sum = 0;
  const means: number[] = [];
  values.forEach((value, i) => {
    sum += value - (i >= window ? values[i - window]! : 0);
    // What isn't finite would stay in the sum for good.
    if (!Number.isFinite(sum)) sum = values.slice(Math.max(0, i - window + 1), i + 1).reduce((total, one) => total + one, 0);
    if (i >= from) means.push(sum / window);
  });
  return { atMs: atMs.slice(from), values: means };
}

function median(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

// --- As text ---------------------------------------------------------------------------------------------------------------------

const column = (title: string, least: number): Column => ({ title, elide: "end", least });
const three = (value: number): string => show(Number(value.toPrecision(3)));

export function comparisonText({ metric, target, standings }: Comparison, width: number): string {
  const results = [...new Set(standings.flatMap(({ results: own }) => Object.keys(own)))];
  const stale = standings.some(({ staleness }) => staleness !== null);
  const exchanged = standings.some(({ exchangedMB }) => exchangedMB !== null);
  const columns = [
    column("schedule", 8),
    column("runs as", 10),
    column("fit", 6),
    ...(metric === null || target === null ? [] : [column(`to ${three(target)}`, 7), column(metric, 6)]),
    ...results.map((name) => column(name, 6)),
    ...(exchanged ? [column("exchanged", 9)] : []),
    ...(stale ? [column("staleness", 9)] : []),
    column("speed-up", 8),
    column("of the ceiling", 6),
  ];
  const rows = standings.map((one, i) => [
    one.schedule,
    one.runsAs,
    duration(one.fitMs),
    ...(metric === null || target === null
      ? []
      : [one.toTargetMs === null ? "never" : duration(one.toTargetMs), one.last === null ? "-" : three(one.last)]),
    ...results.map((name) => (one.results[name] === undefined ? "-" : three(one.results[name]!))),
    ...(exchanged ? [one.exchangedMB === null ? "-" : `${three(one.exchangedMB)} MB`] : []),
    ...(stale ? [one.staleness ? `${one.staleness.mean.toFixed(1)}, at most ${one.staleness.most}` : "-"] : []),
    i === 0 ? "1" : `${one.speedUp.toFixed(2)}`,
    i === 0 ? "-" : `${Math.round(100 * one.share)} %`,
  ]);
  return table(columns, rows, width).lines.join("\n");
}

// --- As a picture ----------------------------------------------------------------------------------------------------------------

const COLORS = ["#2563c9", "#d1492e", "#1a8a5a", "#8b4fc4", "#b57b00", "#0f8aa6", "#c23d83", "#5b6472"];
const POINTS = 300;

/** The curves of the first repetition by the time since the fit began, as SVG. */
export function comparisonPicture(contenders: readonly Contender[], { metric, target }: Comparison, title: string): string {
  const lines = contenders.flatMap(({ schedule, runsAs, samples }, i) => {
    const curve = metric === null ? undefined : samples[0]!.curves.get(metric);
    return curve && curve.values.length > 0 ? [{ schedule, runsAs, color: COLORS[i % COLORS.length]!, ...smooth(curve) }] : [];
  });
  const finite = lines.flatMap(({ values }) => values.filter(Number.isFinite));
  const [width, height, left, right, top, bottom] = [760, 400, 64, 190, 44, 44];
  const endMs = Math.max(1, ...lines.map(({ atMs }) => atMs.at(-1) ?? 0));
  const most = percentileOf(finite, 0.99);
  const least = finite.reduce((a, b) => Math.min(a, b), target ?? Number.POSITIVE_INFINITY);
  // Where the best is far below the worst, what matters would be a line at the bottom.
  const isLog = least > 0 && most / least > 20;
  const scale = (value: number) => (isLog ? Math.log(value) : value);
  const x = (ms: number) => left + (ms / endMs) * (width - left - right);
  const y = (value: number) => {
    const at = (scale(Math.min(Math.max(value, least), most)) - scale(least)) / Math.max(1e-12, scale(most) - scale(least));
    return height - bottom - at * (height - top - bottom);
  };
  const ticks = ticksOf(endMs, 5).map(
    (ms) =>
      `<line class="grid" x1="${x(ms).toFixed(1)}" x2="${x(ms).toFixed(1)}" y1="${top}" y2="${height - bottom}"/><text x="${x(ms).toFixed(1)}" y="${height - bottom + 18}" text-anchor="middle">${escaped(`${show(ms / 1000)} s`)}</text>`,
  );
  const levels = (isLog ? decades(least, most) : ticksOf(most - least, 5, least)).map((value) => {
    return `<line class="grid" x1="${left}" x2="${width - right}" y1="${y(value).toFixed(1)}" y2="${y(value).toFixed(1)}"/><text x="${left - 8}" y="${(y(value) + 4).toFixed(1)}" text-anchor="end">${escaped(three(value))}</text>`;
  });
  const drawn = lines.map(({ color, atMs, values }) => {
    const every = Math.max(1, Math.ceil(values.length / POINTS));
    const points = values.flatMap((value, i) =>
      (i % every === 0 || i === values.length - 1) && Number.isFinite(value) ? [`${x(atMs[i]!).toFixed(1)},${y(value).toFixed(1)}`] : [],
    );
    return `<polyline points="${points.join(" ")}" fill="none" stroke="${color}" stroke-width="2" stroke-linejoin="round"/>`;
  });
  const names = lines.map(
    ({ schedule, runsAs, color }, i) =>
      `<rect x="${width - right + 16}" y="${top + 6 + i * 36}" width="14" height="4" rx="2" fill="${color}"/><text class="name" x="${width - right + 38}" y="${top + 13 + i * 36}">${escaped(schedule)}</text><text x="${width - right + 38}" y="${top + 27 + i * 36}">${escaped(runsAs)}</text>`,
  );
  const goal =
    target === null || lines.length === 0
      ? ""
      : `<line x1="${left}" x2="${width - right}" y1="${y(target).toFixed(1)}" y2="${y(target).toFixed(1)}" stroke="#5b6472" stroke-dasharray="4 4"/>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="12">
<style>text{fill:#5b6472}.title{fill:#1c2330;font-size:16px;font-weight:600}.name{fill:#1c2330;font-weight:600}.grid{stroke:#e3e6ec}</style>
<rect width="${width}" height="${height}" fill="#fff"/>
<text class="title" x="${left}" y="26">${escaped(`${metric ?? "nothing is tracked"} by time, ${title}`)}</text>
${[...levels, ...ticks].join("")}${goal}${drawn.join("")}${names.join("")}
</svg>
`;
}

/** Round numbers from a first one on. */
function ticksOf(length: number, about: number, from = 0): number[] {
  const power = 10 ** Math.floor(Math.log10(Math.max(length, 1e-12) / about));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => length / one <= about + 1)!;
  const first = Math.ceil(from / step);
  return Array.from({ length: Math.floor((from + length) / step) - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

function decades(least: number, most: number): number[] {
  const [first, last] = [Math.floor(Math.log10(least)), Math.ceil(Math.log10(most))];
  const all = Array.from({ length: last - first + 1 }, (_, i) => first + i);
  return all.flatMap((power) => [1, 3].map((one) => one * 10 ** power)).filter((value) => value >= least && value <= most);
}

function percentileOf(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 1;
}

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

// What a run would do, as text and as data: what is reused, what runs and what may, and of each that runs what has changed and at which line.
// Knows forecasts and causes, not where they come from.
import type { StageForecast } from "../runtime/index.ts";
import type { Cause, MadeStage, Program } from "./causes.ts";
import { causesOf } from "./causes.ts";
import { wrapped } from "./table.ts";
import type { Paint } from "./terminal.ts";

/** All that goes by one name: a stage with its helpers. */
interface Named {
  readonly name: string;
  readonly fate: StageForecast["fate"];
  readonly restored: number;
  readonly causes: readonly Cause[];
}

const MARKS = { runs: "runs", may: "may run", reused: "reused", skipped: "not needed" } as const;

export function dryRun(
  stages: readonly StageForecast[],
  now: Omit<Program, "stages">,
  before: Pick<Program, "stages" | "code"> | null,
  fresh: boolean,
): readonly Named[] {
  const made = stages.map(
    ({ stage, unkept, made: from, fate }): MadeStage => ({
      id: stage.id,
      name: stage.name,
      unkept,
      made: from,
      runs: fate === "runs",
    }),
  );
  const names = new Map<string, Named>();
  // The named stage comes after its helpers, and is told by the first of them that runs.
  for (const one of stages) {
    const { stage, fate, restored } = one;
    if (stage.tasks.kind === "given") continue;
    const known = names.get(stage.name);
    const runs = fate === "runs" || fate === "may";
    const causes = !runs
      ? []
      : fresh
        ? [{ text: "is made anew, since --fresh says so", at: null }]
        : causesOf(stage.id, { ...now, stages: made }, before);
    if (!known || RANK[fate] < RANK[known.fate] || (fate === known.fate && saysMore(causes, known.causes)))
      names.set(stage.name, { name: stage.name, fate, restored: restored + (known?.restored ?? 0), causes });
  }
  return [...names.values()];
}

const RANK = { runs: 0, may: 1, reused: 2, skipped: 3 } as const;
/** A line is worth more than none. */
const saysMore = (a: readonly Cause[], b: readonly Cause[]) => a.some(({ at }) => at !== null) && !b.some(({ at }) => at !== null);

export function dryText(plan: string, named: readonly Named[], width: number, paint: Paint): string {
  const nameWidth = Math.max(0, ...named.map(({ name }) => name.length));
  const markWidth = Math.max(0, ...named.map(({ fate }) => MARKS[fate].length));
  const lines = named.flatMap(({ name, fate, restored, causes }) => {
    const mark = MARKS[fate].padEnd(markWidth);
    const shown = fate === "runs" ? paint("yellow", mark) : fate === "may" ? paint("cyan", mark) : paint("dim", mark);
    const head = `  ${shown}  ${paint("bold", name.padEnd(nameWidth))}`;
    const told = causes.map(({ text, at }) => `${text}${at === null ? "" : `: ${at}`}`);
    if (restored > 0) told.push(`${restored} of its tasks are done already`);
    const indent = " ".repeat(markWidth + nameWidth + 6);
    if (told.length === 0) return [head.trimEnd()];
    const room = Math.max(24, width - indent.length);
    return told.flatMap((one, i) => wrapped(one, room).map((line, j) => (i === 0 && j === 0 ? `${head}  ${line}` : indent + line)));
  });
  const count = (fate: StageForecast["fate"]) => named.filter((one) => one.fate === fate).length;
  const sums = (["runs", "may", "reused", "skipped"] as const)
    .filter((fate) => count(fate) > 0)
    .map((fate) => `${count(fate)} ${SUMS[fate]}`)
    .join(", ");
  return [`${paint("bold", plan)}: ${sums}; nothing was run`, "", ...lines, ""].join("\n");
}

const SUMS = { runs: "to run", may: "that may run", reused: "reused", skipped: "not needed" } as const;

export function dryJson(plan: string, named: readonly Named[]): string {
  return `${JSON.stringify({ plan, stages: named })}\n`;
}

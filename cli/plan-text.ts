// A plan as people read it: a table of stages, what decided each, how long its value is held, the longest chain, and sums. At any width
// of the terminal; in a narrow one reasons stand under their stages. Knows plans and text; the verb knows the terminal.
import type { PlanFacts, StageFacts, TaskNumber } from "../compiler/facts.ts";
import { paramValue, planFacts } from "../compiler/facts.ts";
import type { Expr, Json, Plan, PlanStage } from "../compiler/plan.ts";
import { architectureText } from "../compiler/plan.ts";
import type { Column } from "./table.ts";
import { table, wrapped } from "./table.ts";
import type { Paint } from "./terminal.ts";

export interface PlanTextOptions {
  /** Params that were given; the others have their defaults. */
  readonly params: { readonly [name: string]: Json };
  /** Infinite where nobody's terminal is written to. */
  readonly width: number;
  readonly paint: Paint;
}

/** From here on there is room for types; reasons get a line of their own wherever they don't fit. */
const WIDE = 120;
const STAGES: readonly Column[] = [
  { title: "", elide: "end", least: 1 },
  { title: "stage", elide: "middle", least: 12 },
  { title: "runs as", elide: "end", least: 10 },
  { title: "tasks", elide: "middle", least: 10 },
  { title: "slots", elide: "end", least: 5 },
  { title: "held until", elide: "middle", least: 10 },
];
const GIVES: Column = { title: "gives", elide: "end", least: 10 };
const BECAUSE: Column = { title: "because", elide: "end", least: 24 };

export function planText(plan: Plan, { params, width, paint }: PlanTextOptions): string {
  const facts = planFacts(plan, params);
  const cells = facts.stages.map((one) => stageCells(one, plan, params));
  const whole = table(
    [...STAGES, GIVES, BECAUSE],
    cells.map(({ basic, gives, because }) => [...basic, gives, because]),
    width,
  );
  // A reason that is cut short is none.
  const wide = !whole.shortened;
  const roomy = width >= WIDE;
  const under = () =>
    table(
      roomy ? [...STAGES, GIVES] : STAGES,
      cells.map(({ basic, gives }) => (roomy ? [...basic, gives] : basic)),
      width,
    );
  const shown = wide ? whole : under();
  const [head, ...rows] = shown.lines;
  const indent = "     ";
  const body = rows.flatMap((row, i) => {
    const { critical, stage } = facts.stages[i]!;
    const line = critical ? paint("bold", row) : row;
    const { because } = cells[i]!;
    const reason = wide || because === "" ? [] : wrapped(because, width - indent.length).map((text) => paint("dim", indent + text));
    return [...(startsRegion(plan, i, stage) ? [paint("dim", regionLine(plan, stage.region!))] : []), line, ...reason];
  });
  return [
    `${paint("bold", plan.name)} under ${plan.about.schedule ?? "auto"}, plan ${plan.hash.slice(0, 12)}`,
    ...paramLines(plan, params, width),
    "",
    paint("dim", head!),
    ...body,
    "",
    ...pathLines(facts, width),
    ...wrapped(`in all: ${totals(facts, plan)}`, width, "  "),
    ...(shown.shortened ? [paint("dim", "… marks what this terminal is too narrow for; --json has all")] : []),
    "",
  ].join("\n");
}

function stageCells(facts: StageFacts, plan: Plan, params: PlanTextOptions["params"]) {
  const { stage, tasks, slots, heldUntil, critical } = facts;
  const about = plan.about.stages[stage.id];
  const works = tasks.kind !== "none" && stage.tasks.kind !== "each";
  return {
    basic: [
      critical ? "●" : "",
      "  ".repeat(depthOf(plan, stage.region)) + stage.id,
      runsAs(stage, plan, params),
      taskText(tasks, stage),
      works ? (slots === null ? "all" : String(slots)) : "-",
      heldUntil === null ? "the end: a result" : heldUntil.length === 0 ? "nobody reads it" : heldUntil.join(", "),
    ],
    gives: about?.type ?? "",
    because: [about?.why ?? "", sidesText(stage, plan), decisionText(facts)].filter((text) => text !== "").join("; "),
  };
}

function runsAs({ strategy, tasks, body, inputs, effect, within }: PlanStage, plan: Plan, params: PlanTextOptions["params"]): string {
  const more = [...(effect ? ["effect"] : []), ...(within ? [`within ${within.limitMs} ms`] : [])];
  const told = (...words: readonly string[]) => [...words, ...more].join(", ");
  if (tasks.kind === "each") return told("for each");
  if (tasks.kind === "branch") return told("if");
  if (tasks.kind === "loop") return told("loop");
  if (tasks.kind === "given") return told("no task");
  if (strategy.kind === "data") return told(strategy.slots === null ? "data" : `data(${strategy.slots})`);
  if (strategy.kind === "task") return told("task");
  const epochs = body.op === "fit" ? numberOf(body.epochs, inputs, plan, params) : null;
  return told("fit", architectureText(strategy), ...(epochs === null ? [] : [`${epochs} ${epochs === 1 ? "epoch" : "epochs"}`]));
}

function numberOf(expr: Expr, inputs: PlanStage["inputs"], plan: Plan, params: PlanTextOptions["params"]): number | null {
  if (expr.op === "const") return typeof expr.value === "number" ? expr.value : null;
  const input = expr.op === "input" ? inputs[expr.index] : undefined;
  const value = input?.kind === "param" ? paramValue(plan, input.name, params) : null;
  return typeof value === "number" ? value : null;
}

function taskText(tasks: TaskNumber, { tasks: { kind } }: PlanStage): string {
  if (tasks.kind === "known") return String(tasks.tasks);
  if (tasks.kind === "param") return `--${tasks.name}`;
  if (tasks.kind === "none") return "-";
  return kind === "each" ? `per row of ${tasks.stage}` : `per block of ${tasks.stage}`;
}

/** What of a fit's step is computed of each part of a batch, and what once. */
function sidesText({ body }: PlanStage, { functions }: Plan): string {
  if (body.op !== "fit") return "";
  const calls = (side: "worker" | "update") => {
    const found = new Set<string>();
    const visit = (node: unknown): void => {
      if (typeof node !== "object" || node === null) return;
      if ("op" in node && node.op === "call") found.add(functions[(node as Expr & { op: "call" }).function]!.export);
      for (const child of Object.values(node)) visit(child);
    };
    for (const statement of body.body) if (statement.at === side) visit(statement);
    return [...found];
  };
  const [members, update] = [calls("worker"), calls("update")];
  if (members.length === 0 || update.length === 0) return "";
  return `of each part ${members.join(", ")}; once ${update.join(", ")}`;
}

/** The number and the edge that decided into how many tasks a stage is cut. */
function decisionText({ decidedBy, slots, tasks }: StageFacts): string {
  if (!decidedBy) return "";
  const { kind, of, count } = decidedBy;
  const number = count.kind === "known" ? count.tasks.toLocaleString("en") : count.kind === "param" ? `--${count.name}` : null;
  const most = slots !== null && tasks.kind === "known" && slots < tasks.tasks ? `, at most ${slots} at once` : "";
  const counted = (one: string) => `${number} ${one}${number === "1" ? "" : "s"}`;
  switch (kind) {
    case "blocks":
      if (of === null) return `its source has ${counted("block")}${most}`;
      return number === null ? `a task a block of ${of}` : `${of} has ${counted("block")}${most}`;
    case "rows":
      return `a region a row of ${of}`;
    case "partials":
      return number === null ? `a partial a block of ${of}` : `${of} has ${counted("partial")}`;
    case "whole":
      return number === null ? `needs all of ${of}` : `needs all ${counted("block")} of ${of}`;
  }
}

const depthOf = (plan: Plan, region: number | null | undefined): number =>
  region === undefined || region === null ? 0 : 1 + depthOf(plan, plan.regions[region]!.around);
const startsRegion = (plan: Plan, index: number, { region }: PlanStage) =>
  region !== undefined && plan.stages[index - 1]?.region !== region && plan.stages.findIndex((stage) => stage.region === region) === index;

function regionLine(plan: Plan, region: number): string {
  const owner = plan.stages.find(
    ({ tasks }) =>
      ((tasks.kind === "each" || tasks.kind === "loop") && tasks.region === region) ||
      (tasks.kind === "branch" && (tasks.then === region || tasks.else === region)),
  );
  const { tasks } = owner ?? {};
  const indent = "  ".repeat(depthOf(plan, region) - 1);
  if (tasks?.kind === "each") return `   ${indent}for each row of ${plan.stages[tasks.of]!.id}, as ${owner!.id}:`;
  if (tasks?.kind === "branch") return `   ${indent}${tasks.then === region ? "then" : "else"} of ${owner!.id}:`;
  return `   ${indent}each iteration of ${owner?.id ?? "a loop"}:`;
}

function paramLines(plan: Plan, params: PlanTextOptions["params"], width: number): string[] {
  if (plan.params.length === 0) return [];
  const texts = plan.params.map(({ name }) => {
    const value = paramValue(plan, name, params);
    const given = Object.hasOwn(params, name) ? " (given)" : "";
    return `${name} ${value === undefined ? "is missing" : `= ${JSON.stringify(value)}${given}`}`.replaceAll(" ", "\u00a0");
  });
  return wrapped(`with ${texts.join(", ")}`, width, "  ").map((line) => line.replaceAll("\u00a0", " "));
}

/** Of a long chain its ends, and how many stand between. */
const MOST_LINKS = 24;
function pathLines({ criticalPath }: PlanFacts, width: number): string[] {
  const left = criticalPath.length - MOST_LINKS;
  const half = MOST_LINKS / 2;
  const shown = left <= 1 ? criticalPath : [...criticalPath.slice(0, half), `${left} more`, ...criticalPath.slice(-half)];
  return wrapped(`● longest chain: ${shown.join(" → ")}`, width, "  ");
}

function totals({ stages, known, open }: PlanFacts, plan: Plan): string {
  const inside = stages.filter(({ stage }) => stage.region !== undefined).length;
  const count = (n: number, one: string) => `${n} ${one}${n === 1 ? "" : "s"}`;
  // Stages by what says how many tasks they have.
  const byWait = new Map<string, string[]>();
  for (const { stage, tasks } of open) {
    const wait = tasks.kind === "after" ? `${tasks.stage} is done` : `--${(tasks as { name: string }).name} is given`;
    byWait.set(wait, [...(byWait.get(wait) ?? []), stage.id]);
  }
  const more = [...byWait].map(([wait, ids]) => `${ids.join(", ")} (known once ${wait})`);
  return [
    `${count(stages.length, "stage")}${inside > 0 ? `, ${inside} of them in ${count(plan.regions.length, "region")}` : ""}`,
    `${count(known, "task")}${more.length > 0 ? `, and those of ${more.join(", of ")}` : ""}`,
  ].join("; ");
}

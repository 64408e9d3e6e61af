// Schedules: which strategy and options each stage gets, and whether it may. Legality never depends on the cluster at hand.
import type { Name, Span } from "../../lang/ast.ts";
import type { Diagnostic, Frame } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import type { Unread } from "../../lang/recover.ts";
import { nearest } from "../../lang/suggest.ts";
import type { Flow, FlowStage } from "../3-lower/flow.ts";
import type { Expr, Module, Program, Schedule, ScheduleEntry } from "../module.ts";
import type { Architecture, PlanStage } from "../plan.ts";
import { isLabel } from "../plan.ts";
import { bytesOf, millisecondsOf } from "../units.ts";
import { architectureReason, architectures, readArchitecture, unfitFor } from "./architectures.ts";

/** How one named stage, with its helpers, runs. */
export interface Choice {
  /** `task` gathers the stage's blocks in one task. */
  readonly strategy: { readonly kind: "task" } | { readonly kind: "data"; readonly slots: number | null };
  /** Of a fit. */
  readonly architecture?: Architecture;
  readonly options: PlanStage["options"];
  /** Null where nobody asked. */
  readonly why: string | null;
}

export interface Chosen {
  readonly choices: ReadonlyMap<string, Choice>;
  readonly diagnostics: readonly Diagnostic[];
}

/** What no schedule speaks of. */
export const AUTO: Choice = { strategy: { kind: "data", slots: null }, options: {}, why: null };

/** Names that a schedule says of by themselves, not by a `*`. */
export function namedStages(schedule: Schedule | null): ReadonlySet<string> {
  return new Set((schedule?.entries ?? []).flatMap(({ selectors }) => selectors.map(({ path }) => path.join("."))));
}

/** What is wrong with schedules by themselves: their words, and names that no stage can have. Needs no stages, so that a program that has none yet is told of it too. */
export function checkSchedules(module: Module): Diagnostic[] {
  const pipelines = module.pipelines.map(({ name }) => name.text);
  const names = new Map<string, Name>();
  return module.schedules.flatMap((schedule) => {
    const { name, pipeline } = schedule;
    const found: Diagnostic[] = [];
    const before = names.get(name.text);
    if (before)
      found.push(
        report("HR104", { name: name.text }, [
          at(name.span, "declared again"),
          { span: before.span, label: "first here", role: "secondary" },
        ]),
      );
    names.set(name.text, name);
    if (pipeline !== null && !pipelines.includes(pipeline.text)) {
      const imported = module.imports.find(({ local }) => local.text === pipeline.text);
      const caller = pipelines[0] === undefined ? "the pipeline that calls it" : `\`${pipelines[0]}\``;
      const near = imported ? null : nearest(pipeline.text, pipelines);
      found.push(
        report(
          "HR409",
          {
            what: `the schedule \`${name.text}\` is for \`${pipeline.text}\`, ${imported ? "which is imported" : "and there is no such pipeline"}`,
          },
          imported
            ? [
                at(pipeline.span, "not a pipeline of this file"),
                { span: imported.from.span, label: "imported from here", role: "secondary" },
              ]
            : [at(pipeline.span, "no such pipeline")],
          imported
            ? {
                help: `a schedule for ${caller} names those stages by their path: \`headrace plan\` lists them`,
              }
            : near
              ? { help: `did you mean \`${near}\`?`, fix: { span: pipeline.span, text: near } }
              : {},
        ),
      );
    }
    return [...found, ...checkEntries(schedule)];
  });
}

/** Strategies and options that there aren't, whatever the stages are. */
export function checkEntries(schedule: Schedule): Diagnostic[] {
  const diagnostics: Diagnostic[] = [];
  const before = new Map<string, Span>();
  for (const entry of schedule.entries) {
    for (const { path, span } of entry.selectors) {
      const text = path.join(".");
      const first = before.get(text);
      if (first)
        diagnostics.push(report("HR408", { path: text }, [at(span, "again"), { span: first, label: "first here", role: "secondary" }]));
      else before.set(text, span);
    }
    const wrong = entry.strategy && wrongWords(entry.strategy, entry.selectors[0]?.path.join(".") ?? "*");
    if (wrong) diagnostics.push(wrong);
    readOptions(entry, diagnostics);
  }
  return diagnostics;
}

/** Errors of the schedules that weren't chosen; a program is right or wrong whichever is. */
export function checkOthers(program: Program, entry: string, chosen: Schedule | null, flow: Flow): Diagnostic[] {
  return program.entry.schedules.flatMap((schedule) => {
    if (schedule.pipeline !== null && schedule.pipeline.text !== entry) return checkNames(schedule, program);
    return schedule === chosen ? [] : choose(schedule, flow, false).diagnostics;
  });
}

/** Selectors that name what no pipeline has, where the stages aren't known. */
export function checkNames(schedule: Schedule, program: Program, unread: readonly Unread[] = []): Diagnostic[] {
  // Text that couldn't be read may have given any name, or those that stand in it.
  if (unread.some(({ gives }) => gives === "value")) return [];
  const names = [...givenNames(program), ...unread.flatMap((one) => [...one.names])];
  return schedule.entries.flatMap(({ selectors }) =>
    selectors.flatMap(({ path, span }) => {
      const place = path.findIndex((step) => step !== "*" && !names.includes(step));
      if (place < 0) return [];
      const near = nearest(path[place]!, names);
      return [noStage(path, span, near && [...path.slice(0, place), near, ...path.slice(place + 1)].join("."), names)];
    }),
  );
}

/** Every name that a step of a stage's path may be. */
function givenNames({ files }: Program): Set<string> {
  const found = new Set<string>();
  const visit = (node: unknown): void => {
    if (typeof node !== "object" || node === null) return;
    const named = node as { readonly kind?: unknown; readonly name?: unknown; readonly names?: unknown };
    for (const one of [named.name, ...(Array.isArray(named.names) ? named.names : [])])
      if (typeof one === "object" && one !== null && "text" in one && named.kind !== "next") found.add(String(one.text));
    for (const [key, child] of Object.entries(node)) if (key !== "span") visit(child);
  };
  for (const { module } of files) for (const { body } of module.pipelines) visit(body);
  return found.add("result");
}

/** How each stage runs. Falling back, and demands that this version can't meet, are said of the chosen schedule alone. */
export function choose(schedule: Schedule | null, flow: Flow, chosen = true): Chosen {
  const diagnostics: Diagnostic[] = [];
  const named = new Map<string, FlowStage[]>();
  for (const stage of flow.stages) {
    const before = named.get(stage.name);
    if (before) before.push(stage);
    else named.set(stage.name, [stage]);
  }
  const entries = schedule?.entries ?? [];
  const names = [...named.keys(), ...flow.onTheWay];
  for (const entry of entries) checkSelectors(entry, names, diagnostics);
  const choices = new Map(
    [...named].map(([name, stages]) => [name, choiceOf(name, stages, bestEntry(entries, name), flow, chosen, diagnostics)]),
  );
  return { choices, diagnostics };
}

const at = (span: Span, label: string): Frame => ({ span, label, role: "primary" });

// --- Selectors -----------------------------------------------------------------------------------------------------------------

/** How exactly a selector names a stage: 0 not at all, more is more exact. */
function match(path: readonly string[], name: string): number {
  const last = path.length - 1;
  if (path[last] === "*") return last === 0 || name.startsWith(`${path.slice(0, last).join(".")}.`) ? path.length : 0;
  return path.join(".") === name ? 1000 : 0;
}

/** The most specific one wins. */
function bestEntry(entries: readonly ScheduleEntry[], name: string): ScheduleEntry | null {
  let best: ScheduleEntry | null = null;
  let most = 0;
  for (const entry of entries) {
    const score = Math.max(...entry.selectors.map(({ path }) => match(path, name)));
    if (score > 0 && score >= most) {
      best = entry;
      most = score;
    }
  }
  return best;
}

function checkSelectors(entry: ScheduleEntry, names: readonly string[], diagnostics: Diagnostic[]): void {
  for (const { path, span } of entry.selectors) {
    if (path.join(".") === "*" || names.some((name) => match(path, name) > 0)) continue;
    diagnostics.push(noStage(path, span, meant(path, names), names));
  }
}

function noStage(path: readonly string[], span: Span, near: string | null, names: readonly string[]): Diagnostic {
  return report("HR402", { path: path.join(".") }, [at(span, "no such stage")], {
    help: near ? `${near}: …` : `stages: ${names.slice(0, 12).join(", ")}`,
    ...(near ? { fix: { span, text: near } } : {}),
  });
}

/** The selector that a wrong one was likely to be: a stage by its full path, all inside a pipeline, a misspelt one. */
function meant(path: readonly string[], names: readonly string[]): string | null {
  const text = path.join(".");
  const inside = [
    ...new Set(
      names.flatMap((name) =>
        name
          .split(".")
          .slice(0, -1)
          .map((_, i, steps) => `${steps.slice(0, i + 1).join(".")}.*`),
      ),
    ),
  ];
  if (inside.includes(`${text}.*`)) return `${text}.*`;
  const candidates = path[path.length - 1] === "*" ? inside : names;
  const full = candidates.find((name) => name.endsWith(`.${text}`));
  return full ?? nearest(text, candidates);
}

// --- Strategies ----------------------------------------------------------------------------------------------------------------

function choiceOf(
  name: string,
  stages: readonly FlowStage[],
  entry: ScheduleEntry | null,
  flow: Flow,
  chosen: boolean,
  diagnostics: Diagnostic[],
): Choice {
  // What is wrong with the entry itself has been told.
  const options = entry ? readOptions(entry, []) : {};
  const checkpoint = entry?.options.find((one) => one.name.text === "checkpoint");
  if (checkpoint && !stages.some(isFit) && entry?.selectors.some(({ path }) => path.join(".") === name))
    diagnostics.push(
      report("HR407", { name: "checkpoint", wants: `for a \`fit\`, and \`${name}\` isn't one` }, [
        at(checkpoint.name.span, "nothing to go on from"),
      ]),
    );
  const strategy = entry?.strategy;
  if (!strategy || wrongWords(strategy, name)) return { ...AUTO, options };
  const problem = (diagnostic: Diagnostic): Choice => {
    diagnostics.push(diagnostic);
    return { ...AUTO, options };
  };
  const named = strategy.architecture?.name;
  if (named) {
    const fit = stages.find(isFit);
    if (fit?.work.kind !== "fit")
      return problem(
        report("HR403", { what: `\`${name}\` isn't a \`fit\`, so it has no training architecture` }, [at(named.span, "for a `fit`")], {
          help: `${name}: data(2)`,
        }),
      );
    const architecture = readArchitecture(strategy, name);
    // Of `data` it has been told.
    if (architecture && "code" in architecture) return strategy.name.text === "data" ? { ...AUTO, options } : problem(architecture);
    if (!architecture) return { ...AUTO, options, why: "by the schedule" };
    const unfit = unfitFor(architecture, name, fit.body, fit.work.facts, flow.functions);
    if (unfit)
      return problem(
        report(
          "HR411",
          { stage: name, architecture: named.text, why: unfit.why },
          [at(strategy.span, "named here"), { span: fit.span, label: "trained so", role: "secondary" }],
          { help: unfit.help },
        ),
      );
    return { ...AUTO, options, architecture, why: architectureReason(architecture, fit.work.facts) };
  }
  switch (strategy.name.text) {
    case "task":
    case "sequential":
      return { strategy: { kind: "task" }, options, why: "by the schedule" };
    case "data": {
      const slots = strategy.args[0] ? count(strategy.args[0].value) : null;
      const why = unsplittable(stages);
      if (why === null) return { strategy: { kind: "data", slots }, options, why: "by the schedule" };
      if (strategy.demanded)
        return problem(report("HR404", { stage: name, why }, [at(strategy.span, "demanded here")], { help: `${name}: task` }));
      if (chosen) diagnostics.push(report("HR405", { stage: name, why }, [at(strategy.span, "can't be split")]));
      const strategyLeft = stages.some(isFit) ? AUTO.strategy : ({ kind: "task" } as const);
      return { strategy: strategyLeft, options, why: `one task: ${why}` };
    }
    case "model":
      return problem(
        report("HR403", { what: "`model(n)` says over how many places, and not how" }, [at(strategy.span, "how?")], {
          help: `${name}: model(2) pipelined(microbatches: 8), or ${name}: model(2) tensor`,
        }),
      );
    default:
      return { ...AUTO, options };
  }
}

type Strategy = NonNullable<ScheduleEntry["strategy"]>;
const strategies: readonly string[] = ["task", "data", "auto", "model", "sequential"];

/** What is wrong with a strategy whatever the stage is. */
function wrongWords({ name, args, architecture, span, demanded }: Strategy, stage: string): Diagnostic | null {
  if (!strategies.includes(name.text)) {
    const near = nearest(name.text, strategies);
    return report("HR403", { what: `there is no strategy \`${name.text}\`` }, [at(name.span, "no such strategy")], {
      help: near ? `did you mean \`${near}\`?` : "`task`, `data(n)`, `data!(n)`, `auto`",
      ...(near ? { fix: { span: name.span, text: near } } : {}),
    });
  }
  if (architecture && !architectures.includes(architecture.name.text)) {
    const { text, span: place } = architecture.name;
    const near = nearest(text, architectures);
    return report("HR403", { what: `there is no training architecture \`${text}\`` }, [at(place, "no such architecture")], {
      help: near ? `did you mean \`${near}\`?` : `architectures: ${architectures.join(", ")}`,
      ...(near ? { fix: { span: place, text: near } } : {}),
    });
  }
  const [arg] = args;
  const trained = readArchitecture({ name, args, architecture, span, demanded }, stage);
  if (name.text === "data" && trained && "code" in trained) return trained;
  if (name.text === "data" && (args.length > 1 || (arg && count(arg.value) === null)))
    return report("HR403", { what: "`data(n)` takes a number of slots, from 1" }, [at(arg?.span ?? span, "not such a number")], {
      help: `${stage}: data(2)`,
    });
  return null;
}

const isSplit = ({ work }: FlowStage) => work.kind === "rows" || work.kind === "fold" || work.kind === "each";

const isFit = (stage: FlowStage) => stage.work.kind === "fit";

/** Why a stage runs as it does where no schedule speaks of it. */
export function autoReason(stage: FlowStage): string {
  if (stage.work.kind === "each") return "auto: item by item, over all slots";
  if (isSplit(stage)) return "auto: row by row, over all slots";
  if (stage.work.kind === "branch") return "auto: says which branch is taken";
  if (stage.work.kind === "loop") return "auto: one round after another";
  if (stage.work.kind === "given") return "no work of its own: its `if`, `for` or `loop` gives it its value";
  if (stage.work.kind === "combine") return "auto: combines what the slots folded";
  return isFit(stage) ? "auto: a fit runs sequentially" : "auto: nothing to split";
}

/** Where actors live, and how long, and so where whoever asks them runs; null for other stages. */
export function actorReason({ work, inputs }: FlowStage, stages: readonly FlowStage[]): string | null {
  if (work.kind === "spawn") {
    const { named, replayed, checkpoints } = work.actors;
    const kept = named === undefined ? "" : `; kept as \`${named}\` for the next run`;
    const since = checkpoints ? "with its calls since its last checkpoint" : "with all its calls";
    const lost = replayed ? `one that is lost is made again ${since}` : "one that is lost fails the run";
    return `${work.count || work.numbers !== null ? "spread evenly over the slots; " : ""}${lost}${kept}`;
  }
  const asked = inputs.find((input) => input.kind === "actor");
  if (asked?.kind !== "actor") return null;
  const { name } = stages[asked.stage]!;
  const order = asked.reads ? "changes nothing" : asked.which === "free" ? "in any order" : "in the order of the text";
  return asked.which === "free"
    ? `at whichever of \`${name}\` is free; ${order}`
    : `where ${asked.which === "each" ? "each of " : ""}\`${name}\` lives; ${order}`;
}

function unsplittable(stages: readonly FlowStage[]): string | null {
  if (stages.some(isFit)) return "a `fit` is split by naming a training architecture";
  if (stages.some(isSplit)) return null;
  const stage = stages[stages.length - 1]!;
  let { body } = stage;
  while (body.op === "let") body = body.body;
  const rows = stage.work.kind === "source";
  if (body.op === "call") return rows ? `one call of \`${body.function}\` makes its rows` : `it is one call of \`${body.function}\``;
  if (body.op === "data") return `\`${body.name}\` needs all rows at once`;
  return rows ? "its rows are one list" : "it computes one value";
}

function count(value: Expr): number | null {
  return value.kind === "number" && Number.isInteger(value.value) && value.value >= 1 ? value.value : null;
}

// --- Options -------------------------------------------------------------------------------------------------------------------

function readOptions(entry: ScheduleEntry, diagnostics: Diagnostic[]): PlanStage["options"] {
  const found: { timeoutMs?: number; memoryBytes?: number; retries?: number; checkpointSteps?: number; label?: string } = {};
  for (const { name, value } of entry.options) {
    const wrong = (wants: string) => diagnostics.push(report("HR407", { name: name.text, wants }, [at(value.span, "not that")]));
    // A unit that there isn't has been told.
    if (value.kind === "error" || (value.kind === "quantity" && millisecondsOf(value) === null && bytesOf(value) === null)) continue;
    switch (name.text) {
      case "timeout": {
        const ms = value.kind === "quantity" ? millisecondsOf(value) : null;
        if (ms === null) wrong("a time, such as `10m`");
        else found.timeoutMs = ms;
        break;
      }
      case "memory": {
        const bytes = value.kind === "quantity" ? bytesOf(value) : null;
        if (bytes === null) wrong("a size, such as `2gb`");
        else found.memoryBytes = bytes;
        break;
      }
      case "checkpoint":
        if (value.kind === "number" && Number.isInteger(value.value) && value.value >= 1) found.checkpointSteps = value.value;
        else wrong("a number of steps, such as `200`");
        break;
      case "label":
        if (value.kind === "name") found.label = value.name;
        else if (value.kind === "string" && isLabel(value.value)) found.label = value.value;
        else wrong("a word, such as `gpu`, or one in quotes");
        break;
      case "retries":
        if (value.kind === "number" && Number.isInteger(value.value) && value.value >= 0) found.retries = value.value;
        else wrong("a whole number, such as `3`");
        break;
      default: {
        const near = nearest(name.text, ["timeout", "memory", "retries", "checkpoint", "label"]);
        diagnostics.push(
          report("HR406", { name: name.text }, [at(name.span, "no such option")], {
            help: near ? `did you mean \`${near}\`?` : "options: `timeout`, `memory`, `retries`, `checkpoint`, `label`",
            ...(near ? { fix: { span: name.span, text: near } } : {}),
          }),
        );
      }
    }
  }
  return found;
}

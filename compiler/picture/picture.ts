// What a picture of a plan holds: the stages that the user named with their helpers folded in, params and results at the ends, what
// flows between them, and the groups they stand in. Knows neither how large a picture may be (`groups.ts`) nor how one is drawn.
import type { Expr, Json, Plan, PlanInput, PlanParam, PlanRegion, PlanStage } from "../plan.ts";
import { architectureText } from "../plan.ts";

export interface Picture {
  readonly name: string;
  /** The schedule and the plan's hash, in short. */
  readonly caption: string;
  readonly boxes: readonly Box[];
  readonly groups: readonly Group[];
  readonly edges: readonly Edge[];
}

export interface Box {
  readonly id: string;
  /** `closed`: a group that is drawn as one box. */
  readonly kind: "param" | "stage" | "output" | "closed";
  /** The innermost group it stands in. */
  readonly group: string | null;
  readonly title: string;
  readonly type: string;
  /** How it runs, in words. Empty but for stages and closed groups. */
  readonly runs: string;
  readonly strategy: "task" | "data" | "fit" | "control" | null;
  /** Params that so many read that they are named here rather than led here. */
  readonly params: readonly string[];
  /** All that there is to say, for whoever points at it. */
  readonly about: string;
}

export interface Group {
  readonly id: string;
  readonly group: string | null;
  /** `region`: comes to life while the run goes on. `path`: a common beginning of names. `levels`: made to keep a picture readable. `ends`: params, or results. */
  readonly kind: "region" | "path" | "levels" | "ends";
  /** As it is asked for by name. */
  readonly name: string;
  readonly title: string;
}

export interface Edge {
  readonly from: string;
  readonly to: string;
  /** What flows, where the boxes don't say it: `block by block`, `split 0–0.8`. */
  readonly label: string;
  /** `block`: task by task. `back`: from one iteration of a loop to the next. `order`: nothing flows, but the one waits for the other. */
  readonly kind: "value" | "block" | "param" | "order" | "back";
}

/** All of a plan, every group open. */
export function pictureOf(plan: Plan): Picture {
  const drawer = new Drawer(plan);
  drawer.stages(plan.stages, plan.regions, null);
  if (plan.onFailure) drawer.failure(plan.onFailure);
  drawer.outputs();
  return drawer.picture();
}

class Drawer {
  readonly #plan: Plan;
  readonly #boxes = new Map<string, Box>();
  readonly #groups = new Map<string, Group>();
  readonly #edges = new Map<string, { readonly edge: Edge; readonly labels: Set<string> }>();

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  picture(): Picture {
    const { name, hash, about } = this.#plan;
    return {
      name,
      caption: `under ${about.schedule ?? "auto"}, plan ${hash.slice(0, 12)}`,
      boxes: [...this.#boxes.values()],
      groups: this.#filled(),
      edges: [...this.#edges.values()].map(({ edge, labels }) => ({ ...edge, label: [...labels].join(", ") })),
    };
  }

  /** A region whose body its control stage computes itself holds no box, and layouts place no empty groups. */
  #filled(): Group[] {
    const filled = new Set<string>();
    for (const { group } of this.#boxes.values())
      for (let at = group; at !== null && !filled.has(at); at = this.#groups.get(at)!.group) filled.add(at);
    return [...this.#groups.values()].filter(({ id }) => filled.has(id));
  }

  #edge(from: string, to: string, label = "", kind: Edge["kind"] = "value"): void {
    if (from === to) return;
    const key = `${from}\0${to}\0${kind === "back"}`;
    const known = this.#edges.get(key);
    const labels = known?.labels ?? new Set();
    if (label !== "") labels.add(label);
    // What flows says more than that one waits.
    this.#edges.set(key, { edge: { from, to, label: "", kind: known && known.edge.kind !== "order" ? known.edge.kind : kind }, labels });
  }

  failure({ param, stages, regions }: NonNullable<Plan["onFailure"]>): void {
    const id = "group:on failure";
    this.#groups.set(id, { id, group: null, kind: "region", name: "onFailure", title: "on failure" });
    const failure = `param:${param}`;
    this.#boxes.set(failure, { ...plainBox(failure, "param", param, "what failed"), group: id, about: `${param}: what failed` });
    this.stages(stages, regions, id);
  }

  stages(stages: readonly PlanStage[], regions: readonly PlanRegion[], around: string | null): void {
    const regionGroups = regions.map((_, index) => `group:${around ?? ""}region ${index}`);
    const groupOfRegion = (region: number | undefined | null) => (region === undefined || region === null ? around : regionGroups[region]!);
    const owners = ownersOf(stages);
    regions.forEach((region, index) => {
      const { name, title } = owners.get(index) ?? { name: `region${index}`, title: `region ${index}` };
      const id = regionGroups[index]!;
      this.#groups.set(id, { id, group: groupOfRegion(region.around), kind: "region", name, title });
    });
    const paths = pathsOf(stages);
    const boxOf = (index: number) => {
      const { name, region } = stages[index]!;
      return `stage:${around ?? ""}${region === undefined ? "" : `${region}/`}${name}`;
    };
    stages.forEach((stage, index) => {
      const inside = this.#pathGroup(stage, groupOfRegion(stage.region), paths);
      this.#stageBox(boxOf(index), stage, inside);
      this.#inputs(stage, boxOf, boxOf(index));
      this.#control(stage, boxOf, boxOf(index));
    });
  }

  /** The group of `report.accuracy.mean` is `report.accuracy`, if others stand there too. */
  #pathGroup({ name, region }: PlanStage, around: string | null, paths: ReadonlySet<string>): string | null {
    let group = around;
    const parts = name.split(".");
    for (let length = 1; length < parts.length; length++) {
      const path = parts.slice(0, length).join(".");
      if (!paths.has(pathKey(region, path))) continue;
      const id = `group:${around ?? ""}path ${path}`;
      if (!this.#groups.has(id)) this.#groups.set(id, { id, group, kind: "path", name: path, title: path });
      group = id;
    }
    return group;
  }

  #stageBox(id: string, stage: PlanStage, group: string | null): void {
    const before = this.#boxes.get(id);
    const about = this.#plan.about.stages[stage.id];
    const { strategy, runs } = howItRuns(stage);
    // Of a stage's helpers the last gives its value, and the most telling says how it runs.
    const telling = before && weight(before.strategy) > weight(strategy) ? before : { strategy, runs };
    // What a tracked number of the same name gives is nothing.
    const type = before && about?.type === "void" ? before.type : (about?.type ?? "");
    const where = about?.span ? `${about.span.file}:${about.span.line}` : "";
    this.#boxes.set(id, {
      ...{ id, kind: "stage", group, title: stage.name, type, params: [] },
      ...{ strategy: telling.strategy, runs: telling.runs },
      about: [stage.name, type, telling.runs, about?.why ?? "", where].filter((line) => line !== "").join("\n"),
    });
  }

  #inputs(stage: PlanStage, boxOf: (index: number) => string, to: string): void {
    const control = stage.tasks.kind === "branch" || stage.tasks.kind === "loop" || stage.tasks.kind === "each";
    stage.inputs.forEach((input, index) => {
      if (input.kind === "param") this.#edge(this.#paramBox(input.name), to, "", "param");
      else if (input.kind === "after") {
        // A control stage waits for what is read inside; the readers there show it.
        if (!control) this.#edge(boxOf(input.stage), to, "", "order");
      } else if ("stage" in input)
        this.#edge(boxOf(input.stage), to, flowLabel(stage, input, index), input.kind === "block" ? "block" : "value");
    });
    if (stage.tasks.kind === "range")
      for (const scalar of [stage.tasks.rows, stage.tasks.blocks])
        if (scalar.kind === "param") this.#edge(this.#paramBox(scalar.name), to, "", "param");
  }

  #control({ tasks }: PlanStage, boxOf: (index: number) => string, to: string): void {
    if (tasks.kind === "branch") {
      for (const { given, then, else: other } of tasks.gives) {
        this.#edge(boxOf(then), boxOf(given), "then");
        this.#edge(boxOf(other), boxOf(given), "else");
      }
    } else if (tasks.kind === "loop") {
      for (const { given, init, next, final } of tasks.carried) {
        // Where the loop makes its beginning itself, that comes from below.
        this.#edge(boxOf(init), boxOf(given), "first", boxOf(init) === to ? "back" : "value");
        this.#edge(boxOf(next), boxOf(given), "next", "back");
        this.#edge(boxOf(next), boxOf(final), "last");
      }
      this.#edge(boxOf(tasks.decision), to, "until");
    }
  }

  #paramBox(name: string): string {
    const id = `param:${name}`;
    if (this.#boxes.has(id)) return id;
    const param = this.#plan.params.find((one) => one.name === name);
    const doc = this.#plan.about.params[name]?.doc ?? "";
    const type = param ? paramText(param) : "";
    const about = [`${name}: ${type}`, doc].filter((line) => line !== "").join("\n");
    this.#boxes.set(id, { ...plainBox(id, "param", name, type), about });
    return id;
  }

  outputs(): void {
    const { stages, outputs, about } = this.#plan;
    for (const { name, from } of outputs) {
      const id = `output:${name}`;
      const type = about.outputs[name]?.type ?? "";
      this.#boxes.set(id, { ...plainBox(id, "output", name, type), about: `result ${name}${type === "" ? "" : `: ${type}`}` });
      if (from.kind === "stage") this.#edge(`stage:${stages[from.stage]!.name}`, id);
      else if (from.kind === "param") this.#edge(this.#paramBox(from.name), id, "", "param");
    }
  }
}

function plainBox(id: string, kind: Box["kind"], title: string, type: string): Box {
  return { id, kind, group: null, title, type, runs: "", strategy: null, params: [], about: title };
}

function paramText({ type, optional, default: fallback, min, max }: PlanParam): string {
  const range = min === undefined && max === undefined ? "" : ` in ${min ?? ""}..${max ?? ""}`;
  return `${type}${optional ? "?" : ""}${fallback === undefined ? "" : ` = ${json(fallback)}`}${range}`;
}
const json = (value: Json): string => JSON.stringify(value);

/** Beginnings of names that more than one stage of a region shares. */
function pathsOf(stages: readonly PlanStage[]): ReadonlySet<string> {
  const members = new Map<string, Set<string>>();
  for (const { name, region } of stages) {
    const parts = name.split(".");
    for (let length = 1; length < parts.length; length++) {
      const path = pathKey(region, parts.slice(0, length).join("."));
      members.set(path, (members.get(path) ?? new Set()).add(name));
    }
  }
  return new Set([...members].filter(([, names]) => names.size > 1).map(([path]) => path));
}
const pathKey = (region: number | undefined, path: string) => `${region ?? ""}/${path}`;

/** Who brings each region to life. */
function ownersOf(stages: readonly PlanStage[]): ReadonlyMap<number, { readonly name: string; readonly title: string }> {
  const owners = new Map<number, { name: string; title: string }>();
  for (const { name, tasks } of stages) {
    if (tasks.kind === "each") {
      const of = stages[tasks.of]!.name;
      // Rows that the `for` makes itself have its name.
      owners.set(tasks.region, { name, title: of === name ? `${name}: for each` : `${name}: for each of ${of}` });
    } else if (tasks.kind === "loop") owners.set(tasks.region, { name, title: `${name}: loop` });
    else if (tasks.kind === "branch") {
      owners.set(tasks.then, { name: `${name}.then`, title: `${name}: then` });
      owners.set(tasks.else, { name: `${name}.else`, title: `${name}: else` });
    }
  }
  return owners;
}

const weight = (strategy: Box["strategy"]) => ["task", "data", "fit", "control"].indexOf(strategy ?? "task");

function howItRuns({ tasks, strategy, effect, within }: PlanStage): Pick<Box, "strategy" | "runs"> {
  const more = [effect ? "effect" : "", within ? `within ${within.limitMs} ms` : ""].filter((text) => text !== "");
  const told = (kind: Box["strategy"], ...words: readonly string[]) => ({ strategy: kind, runs: [...words, ...more].join(" · ") });
  if (tasks.kind === "each") return told("control", "for each");
  if (tasks.kind === "branch") return told("control", "if");
  if (tasks.kind === "loop") return told("control", "loop");
  if (strategy.kind === "fit") return told("fit", "fit", architectureText(strategy));
  if (strategy.kind === "task") return told("task", "task");
  const count = tasks.kind === "range" && tasks.blocks.kind === "const" ? [`${tasks.blocks.value} blocks`] : [];
  return told("data", strategy.slots === null ? "data" : `data(${strategy.slots})`, ...count);
}

/** What the reader's box and the source's box don't say. */
function flowLabel(stage: PlanStage, input: Extract<PlanInput, { stage: number }>, index: number): string {
  if (stage.tasks.kind === "branch" && index === 0) return "condition";
  const part = splitPart(stage.body, index);
  const how = input.kind === "item" ? "each item" : input.kind === "block" ? "block by block" : "";
  return [part, how].filter((text) => text !== "").join(", ");
}

/** `split 0–0.8` where the body takes that part of this input. */
function splitPart(body: Expr, index: number): string {
  const found = new Set<string>();
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) for (const one of node) visit(one);
    else if (typeof node === "object" && node !== null) {
      const expr = node as Partial<Extract<Expr, { op: "data" }>>;
      if (expr.op === "data" && expr.name === "splitPart" && expr.source?.op === "input" && expr.source.index === index) {
        const { from, to } = expr.args ?? {};
        if (from?.op === "const" && to?.op === "const") found.add(`split ${from.value}–${to.value}`);
      }
      for (const field of Object.values(node)) visit(field);
    }
  };
  visit(body);
  return [...found].join(", ");
}

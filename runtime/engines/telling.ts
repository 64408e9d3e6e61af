// What is told of stages while a run goes on: a stage of the run itself by name; one of a region by name and instance, and what all its
// instances do together, since they may be very many. Decides nothing.
import type { Plan } from "../../compiler/plan.ts";
import { architectureText } from "../../compiler/plan.ts";
import type { Instance, Stage, State } from "../core/model.ts";
import { lookUp } from "../core/regions.ts";
import type { RunEvent, Unstamped } from "../events/events.ts";

/** So often the tasks of more instances are told. */
const GREW_EVERY_MS = 50;

interface Total {
  tasks: number;
  toldTasks: number;
  toldMs: number;
  readonly startMs: number;
}

export class Telling {
  readonly #plan: Plan;
  readonly #state: State;
  readonly #tell: (event: Unstamped<RunEvent>) => void;
  /** By stage of the plan: tasks that needn't run, not told yet. */
  readonly #restored = new Map<number, number>();
  /** By stage of the plan, once it has begun. */
  readonly #totals = new Map<number, Total>();
  /** What is restored has been told of by an earlier leader of the run. */
  isAgain = false;
  readonly #before = new Set<number>();
  readonly #paths = new WeakMap<Instance, string>();

  constructor(plan: Plan, state: State, tell: (event: Unstamped<RunEvent>) => void) {
    this.#plan = plan;
    this.#state = state;
    this.#tell = tell;
  }

  /** Null for one that is retired. */
  name(stage: number): { readonly stage: string; readonly name: string; readonly instance?: string } | null {
    const found = this.#state.stages[stage];
    if (!found) return null;
    const { id, name } = this.#plan.stages[found.template.index]!;
    const path = this.path(found.instance);
    return path === "" ? { stage: id, name } : { stage: id, name, instance: path };
  }

  /** Items and iterations around, from the outermost to the innermost; what an `if` chose is no number worth telling. */
  path(instance: Instance | null): string {
    if (instance === null) return "";
    const known = this.#paths.get(instance);
    if (known !== undefined) return known;
    const around = this.path(instance.around);
    const chosen = this.#state.stages[instance.owner]?.control?.kind === "branch";
    const path = chosen ? around : around === "" ? String(instance.number) : `${around}.${instance.number}`;
    this.#paths.set(instance, path);
    return path;
  }

  /** For people: `model[3]`. */
  title(stage: number): string | null {
    const named = this.name(stage);
    if (!named) return null;
    return named.instance === undefined ? named.name : `${named.name}[${named.instance}]`;
  }

  started(index: number, tasks: number): void {
    const template = this.#state.stages[index]?.template;
    if (!template) return;
    const total = this.#totals.get(template.index);
    const nowMs = performance.now();
    if (!total || template.region === null) {
      this.#totals.set(template.index, { tasks, toldTasks: tasks, toldMs: nowMs, startMs: nowMs });
      const { id, name } = this.#plan.stages[template.index]!;
      if (!this.#before.has(template.index))
        this.#tell({ type: "stage.started", stage: id, name, tasks, strategy: strategyText(this.#plan, template.index) });
    } else total.tasks += tasks;
  }

  /** Of instances, which may be many, with what is told of them next. */
  restored(index: number, tasks: number): void {
    const template = this.#state.stages[index]?.template;
    if (!template) return;
    if (this.isAgain) {
      this.#before.add(template.index);
      return;
    }
    this.#restored.set(template.index, (this.#restored.get(template.index) ?? 0) + tasks);
    if (template.region === null) this.#tellRestored(template.index);
  }

  #tellRestored(index: number): void {
    const tasks = this.#restored.get(index);
    if (!this.#restored.delete(index)) return;
    const { id, name } = this.#plan.stages[index]!;
    const whole = this.#state.templates[index]!.region === null && lookUp(this.#state, null, index).tasks === tasks;
    this.#tell({ type: "stage.reused", stage: id, name, tasks: tasks!, whole });
  }

  /** Before a finished task is told, those that are there besides are. */
  working({ template }: Stage): void {
    if (template.region === null) return;
    const total = this.#totals.get(template.index);
    if (total && performance.now() - total.toldMs >= GREW_EVERY_MS) this.#grew(template.index, total);
  }

  #grew(index: number, total: Total): void {
    total.toldMs = performance.now();
    if (total.tasks === total.toldTasks) return;
    total.toldTasks = total.tasks;
    const { id, name } = this.#plan.stages[index]!;
    this.#tell({ type: "stage.grew", stage: id, name, tasks: total.tasks });
  }

  /** What stands in regions is finished with the control stage of the run itself that all of them hang on. */
  finished(index: number): void {
    const template = this.#state.stages[index]?.template;
    if (template?.region !== null) return;
    for (const inside of this.#inside(template.index)) this.#ended(inside);
    this.#ended(template.index);
  }

  #ended(index: number): void {
    this.#tellRestored(index);
    const total = this.#totals.get(index);
    if (!total) return;
    this.#grew(index, total);
    const { id, name } = this.#plan.stages[index]!;
    this.#tell({ type: "stage.finished", stage: id, name, tasks: total.tasks, ms: performance.now() - total.startMs });
  }

  /** Stages of the plan in the regions of a control stage, however deep. */
  #inside(index: number): number[] {
    const { tasks } = this.#plan.stages[index]!;
    const regions =
      tasks.kind === "branch" ? [tasks.then, tasks.else] : tasks.kind === "each" || tasks.kind === "loop" ? [tasks.region] : [];
    return regions.flatMap((region) => this.#plan.regions[region]!.stages.flatMap((stage) => [...this.#inside(stage), stage]));
  }
}

function strategyText(plan: Plan, index: number): string {
  const { strategy } = plan.stages[index]!;
  if (strategy.kind === "data") return strategy.slots === null ? "data" : `data(${strategy.slots})`;
  return strategy.kind === "fit" ? architectureText(strategy) : "task";
}

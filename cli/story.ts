// What the events of a run say of each of its stages, gathered: for questions about a run and for its report. Knows events, not where they lie.
import type { Plan, PlanStage } from "../compiler/plan.ts";
import type { RunEvent, TaskError } from "../runtime/events/events.ts";

export interface Batch {
  readonly stage: string;
  readonly instance: string | null;
  readonly worker: string;
  readonly slot: number;
  readonly first: number;
  readonly count: number;
  readonly startMs: number;
  readonly runMs: number;
}

export interface StageStory {
  readonly stage: string;
  state: "waiting" | "running" | "finished" | "failed" | "reused" | "skipped";
  /** With those that are reused. */
  tasks: number;
  done: number;
  reused: number;
  startMs: number | null;
  endMs: number | null;
  /** Time of slots. */
  busyMs: number;
  readonly failures: { readonly block: number; readonly attempt: number; readonly retried: boolean; readonly error: TaskError }[];
  lost: number;
}

export interface Curve {
  readonly name: string;
  readonly steps: number[];
  readonly values: number[];
}

export interface RunStory {
  readonly stages: ReadonlyMap<string, StageStory>;
  readonly batches: readonly Batch[];
  /** By stage and metric, such as `model loss`. */
  readonly curves: readonly Curve[];
  readonly workers: readonly { readonly id: string; readonly slots: number }[];
  /** Of a run over NATS: who led it later on. */
  readonly leaders: readonly { readonly worker: string; readonly atMs: number }[];
  readonly log: readonly { readonly atMs: number; readonly stage: string; readonly text: string }[];
  readonly atMs: number;
  readonly end: Extract<RunEvent, { type: "run.finished" }> | null;
}

export function storyOf(plan: Plan, events: readonly RunEvent[]): RunStory {
  const found = new Map<string, StageStory>(plan.stages.map(({ id }) => [id, blank(id)]));
  const iterating = loopStages(plan);
  const of = (stage: string): StageStory => {
    const known = found.get(stage) ?? blank(stage);
    found.set(stage, known);
    return known;
  };
  const batches: Batch[] = [];
  const curves = new Map<string, Curve>();
  const workers: { id: string; slots: number }[] = [];
  const log: { atMs: number; stage: string; text: string }[] = [];
  const leaders: { worker: string; atMs: number }[] = [];
  let end: RunStory["end"] = null;
  for (const event of events) {
    switch (event.type) {
      case "worker.joined":
        // One that was away, or that a new leader of the run tells of again.
        if (!workers.some(({ id }) => id === event.worker)) workers.push({ id: event.worker, slots: event.slots });
        break;
      case "leader.changed":
        leaders.push({ worker: event.worker, atMs: event.atMs });
        break;
      case "stage.started": {
        const story = of(event.stage);
        if (story.endMs === null) story.state = "running";
        story.startMs ??= event.atMs;
        story.tasks = Math.max(story.tasks, event.tasks);
        break;
      }
      case "stage.grew": {
        const story = of(event.stage);
        story.tasks = Math.max(story.tasks, event.tasks);
        break;
      }
      case "stage.reused": {
        const story = of(event.stage);
        story.reused += event.tasks;
        story.done += event.tasks;
        if (event.whole) Object.assign(story, { state: "reused", tasks: event.tasks, startMs: event.atMs, endMs: event.atMs });
        break;
      }
      case "stage.skipped":
        of(event.stage).state = "skipped";
        break;
      case "tasks.finished": {
        const { stage, instance = null, worker, slot, first, count, startMs, runMs } = event;
        batches.push({ stage, instance, worker, slot, first, count, startMs, runMs });
        const story = of(stage);
        story.done += count;
        story.busyMs += runMs;
        break;
      }
      case "task.failed": {
        const story = of(event.stage);
        story.failures.push({ block: event.block, attempt: event.attempt, retried: event.retried, error: event.error });
        if (!event.retried) story.state = "failed";
        break;
      }
      case "stage.finished": {
        const story = of(event.stage);
        if (story.state === "running" || (story.state === "waiting" && leaders.length > 0)) story.state = "finished";
        story.startMs ??= event.atMs - event.ms;
        story.endMs ??= event.atMs;
        story.tasks = Math.max(story.tasks, event.tasks);
        break;
      }
      case "object.lost":
        of(event.stage).lost += event.blocks;
        break;
      case "metric": {
        // The iterations of a loop are one curve; items of a `for` have one each.
        const numbers = event.instance?.split(".").slice(0, iterating.has(event.stage) ? -1 : undefined) ?? [];
        const stage = event.stage.endsWith(`.${event.name}`) ? event.stage.slice(0, -event.name.length - 1) : event.stage;
        const name = `${stage}${numbers.length === 0 ? "" : `[${numbers.join(".")}]`} ${event.name}`;
        const curve = curves.get(name) ?? { name, steps: [], values: [] };
        curves.set(name, curve);
        for (let i = 0; i < event.steps.length; i++) {
          curve.steps.push(event.steps[i]!);
          curve.values.push(event.values[i]!);
        }
        break;
      }
      case "log":
        log.push({ atMs: event.atMs, stage: event.name, text: event.text });
        break;
      case "run.finished":
        end = event;
        break;
      default:
        break;
    }
  }
  return { stages: found, batches, curves: [...curves.values()].map(byStep), workers, leaders, log, atMs: events.at(-1)?.atMs ?? 0, end };
}

/** Stages whose innermost instance is an iteration. */
function loopStages(plan: Plan): ReadonlySet<string> {
  const owners = new Map<number, PlanStage>();
  for (const stage of plan.stages) {
    const { tasks } = stage;
    if (tasks.kind === "each" || tasks.kind === "loop") owners.set(tasks.region, stage);
    if (tasks.kind === "branch") for (const region of [tasks.then, tasks.else]) owners.set(region, stage);
  }
  const kindOf = (region: number | undefined): "each" | "loop" | null => {
    const owner = region === undefined ? undefined : owners.get(region);
    if (!owner) return null;
    return owner.tasks.kind === "each" || owner.tasks.kind === "loop" ? owner.tasks.kind : kindOf(owner.region);
  };
  return new Set(plan.stages.flatMap(({ id, region }) => (kindOf(region) === "loop" ? [id] : [])));
}

const blank = (stage: string): StageStory => ({
  ...{ stage, state: "waiting", tasks: 0, done: 0, reused: 0, startMs: null, endMs: null, busyMs: 0, failures: [], lost: 0 },
});

/** Members of a gang tell what they tracked one after another. */
function byStep(curve: Curve): Curve {
  const { name, steps, values } = curve;
  if (steps.every((step, i) => i === 0 || steps[i - 1]! <= step)) return curve;
  const order = steps.map((_, i) => i).sort((a, b) => steps[a]! - steps[b]!);
  return { name, steps: order.map((i) => steps[i]!), values: order.map((i) => values[i]!) };
}

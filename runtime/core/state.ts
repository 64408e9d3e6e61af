// A run's state at its start, made from the plan: the stages of the run itself, none of which has begun.
import type { Plan } from "../../compiler/plan.ts";
import type { Restored, Settings, Stage, State, Strike } from "./model.ts";
import { DEFAULTS } from "./model.ts";
import { addStages } from "./regions.ts";
import type { Params } from "./templates.ts";
import { templatesOf } from "./templates.ts";

export { StartError } from "./templates.ts";

export interface Start {
  readonly plan: Plan;
  readonly params: Params;
  readonly settings?: Partial<Settings>;
  /** What earlier runs left; nothing, unless told. */
  readonly restored?: (stage: Stage) => readonly Restored[];
  /** What an earlier leader of this run has left; nothing, unless told. */
  readonly past?: {
    strikes(stage: Stage): readonly Strike[];
    baseOf(key: string): number | null;
    wasDone(stage: number, first: number, end: number): boolean;
    readonly freshFrom: number;
  };
  /** Whether tasks of a stage of the plan may have second copies; none, unless told. */
  readonly mayDouble?: (stage: number) => boolean;
}

const NO_PAST: NonNullable<Start["past"]> = { strikes: () => [], baseOf: () => null, wasDone: () => false, freshFrom: 0 };

export function createState({ plan, params, settings, restored = () => [], past = NO_PAST, mayDouble = () => false }: Start): State {
  const state: State = {
    settings: { ...DEFAULTS, ...settings },
    plan,
    mayDouble,
    restored,
    strikes: (stage) => past.strikes(stage),
    baseOf: (key) => past.baseOf(key),
    wasDone: (stage, first, end) => past.wasDone(stage, first, end),
    freshFrom: past.freshFrom,
    templates: templatesOf(plan, params),
    stages: [],
    workers: new Map(),
    ready: [],
    expandable: [],
    due: [],
    over: [],
    gangs: [],
    strays: [],
    broken: null,
    suspects: [],
    shares: new Int32Array(plan.stages.length),
    guessMs: Number.NaN,
    unfinished: 0,
    begun: false,
    isBeginning: false,
    status: "running",
    story: [],
  };
  const ofRun = state.templates.filter(({ region }) => region === null).map(({ index }) => index);
  addStages(state, ofRun, null, 0, []);
  const ofPlan = (index: number) => state.stages[state.templates[index]!.place]!;
  for (const { from } of plan.outputs) if (from.kind === "stage") ofPlan(from.stage).pinned = true;
  return state;
}

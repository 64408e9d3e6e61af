// `headrace/engine`: to compile and run programs from code. Typed; loads compiler and runtime, unlike `headrace` itself.
export { type Compiled, type CompileOptions, check, compile } from "./compiler/compile.ts";
export type { CodeStore, Json, Plan, PlanParam, PlanStage } from "./compiler/plan.ts";
export { memorySources, nodeSources, type Sources } from "./compiler/sources.ts";
export type { Diagnostic, Frame, Severity } from "./lang/diagnostics.ts";
export { render } from "./lang/render.ts";
export type { RunEvent, RunStatus, TaskError } from "./runtime/events/events.ts";
export {
  type Cluster,
  type Engine,
  KeptResults,
  localEngine,
  natsEngine,
  openCluster,
  ParamError,
  type RunOptions,
  type RunResult,
  type RunSummary,
  run,
} from "./runtime/index.ts";

// The core as tests see it: events in, commands as lines of text, invariants after each.
import type { Plan } from "../../compiler/plan.ts";
import { checkInvariants } from "../../runtime/core/invariants.ts";
import type { Command, CoreEvent, Settings } from "../../runtime/core/model.ts";
import { createState } from "../../runtime/core/state.ts";
import { step } from "../../runtime/core/step.ts";

export function schedulerOf(plan: Plan, settings: Partial<Settings> = {}, mayDouble: (stage: number) => boolean = () => false) {
  const state = createState({ plan, params: {}, settings, mayDouble });
  /** By number; of those that are retired too. */
  const names: string[] = [];
  const learn = () => {
    for (const stage of state.stages) if (stage) names[stage.index] = stage.id;
  };
  learn();
  const say = (command: Command): string => {
    const stage = "stage" in command ? names[command.stage]! : "";
    switch (command.type) {
      case "assign":
        return `assign ${stage}[${command.first}+${command.count}] #${command.attempt} to ${command.worker}.${command.slot}${command.late ? " late" : ""}${command.rank === null ? "" : ` as ${command.rank}`}`;
      case "abort":
        return `abort ${stage} #${command.attempt} at ${command.worker}`;
      case "recall":
        return `recall ${stage}[${command.first}+${command.count}] #${command.attempt} of ${command.worker}.${command.slot}`;
      case "free":
        return `free ${stage}[${command.first}+${command.count}] at ${command.holder}`;
      case "delay":
        return `delay ${stage}[${command.block}] #${command.attempt} ${Math.round(command.delayMs)}`;
      case "stageStarted":
      case "stageFinished":
      case "tasksRestored":
        return `${command.type} ${stage} ${command.tasks}`;
      case "taskFailed":
        return `taskFailed ${stage}[${command.block}] #${command.attempt}${command.retried ? " retried" : ""}${command.late ? " late" : ""}`;
      case "loopExhausted":
        return `loopExhausted ${stage} ${command.rounds}`;
      case "estranged":
        return `estranged ${command.worker}`;
      case "tasksReturned":
        return `tasksReturned ${command.tasks} of ${command.worker}`;
      case "objectsLost":
        return `objectsLost ${stage} ${command.blocks}`;
      case "retired":
        return `retired ${command.stages.map((index) => names[index]).join(" ")}`;
      case "collect":
        return "collect";
      case "end":
        return `end ${command.outcome.status}${command.outcome.status === "failed" ? ` ${names[command.outcome.stage]}[${command.outcome.block}] #${command.outcome.attempt} ${command.outcome.why.kind}` : ""}`;
    }
  };
  const on = (event: CoreEvent): string[] => {
    const commands = step(state, event);
    learn();
    checkInvariants(state);
    return commands.map(say);
  };
  const at = (id: string) => names.lastIndexOf(id);
  return {
    state,
    on,
    at,
    begin: (...slots: number[]) => [
      ...slots.flatMap((count, worker) => on({ type: "workerJoined", worker, slots: count })),
      ...on({ type: "begin" }),
    ],
    done: (
      id: string,
      first = 0,
      count = 1,
      more: {
        worker?: number;
        slot?: number;
        attempt?: number;
        held?: "engine" | "worker";
        blocks?: number;
        runMs?: number;
        value?: number;
      } = {},
    ) => on({ type: "finished", worker: 0, slot: 0, stage: at(id), first, count, attempt: 1, runMs: 1, held: "engine", ...more }),
    failed: (id: string, task: number, transient = false, attempt = 1, slot = 0) =>
      on({ type: "failed", worker: 0, slot, stage: at(id), block: task, attempt, transient, cause: "no", jitter: 1 }),
  };
}

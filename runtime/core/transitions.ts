// How a task's state changes: by the table of the model and nothing else, each change being written into the run's story. Must not know
// why a change is wanted, nor what follows from it.
import type { Cause, Stage, State } from "./model.ts";
import { TASK_STATES, TRANSITIONS } from "./model.ts";

const STORY_ENTRIES = 4096;

/** The only place where a task's state changes. */
export function move(state: State, stage: Stage, first: number, last: number, cause: Cause): void {
  const { from, to } = TRANSITIONS[cause];
  const column = stage.state;
  for (let i = first; i < last; i++) if (column[i] !== from) throw illegal(state, stage, i, cause);
  column.fill(to, first, last);
  if (state.story.length >= STORY_ENTRIES) state.story.splice(0, STORY_ENTRIES / 2);
  state.story.push({ stage: stage.index, first, end: last, cause });
}

export function illegal(state: State, stage: Stage, task: number, cause: Cause): Error {
  const story = state.story
    .filter((entry) => entry.stage === stage.index && entry.first <= task && task < entry.end)
    .map((entry) => entry.cause);
  return new Error(
    `bug: task ${task} of ${stage.id} is ${TASK_STATES[stage.state[task]!]} and can't be \`${cause}\`; its story: ${story.join(", ")}`,
  );
}

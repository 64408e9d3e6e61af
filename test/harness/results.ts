// Results of programs, run by the real engine under several schedules: a schedule never changes a bit.

import type { RunEvent } from "headrace/engine";
import { expect } from "vitest";
import type { Engine } from "../../runtime/index.ts";
import { compileFiles, shown } from "./programs.ts";

const SCHEDULES = "\nschedule tasks {\n  *: task\n}\nschedule one {\n  *: data(1)\n}\n";

type Params = Record<string, number | string | boolean | null>;

/** Outputs of `main.pipe`, the same whatever the schedule. */
export async function outputsOf(
  engine: Engine,
  files: Readonly<Record<string, string>>,
  params: Params = {},
): Promise<Record<string, unknown>> {
  const found: Record<string, unknown>[] = [];
  for (const schedule of ["auto", "tasks", "one"]) {
    const { result } = await runOf(engine, files, params, schedule);
    expect(result.error, schedule).toBeNull();
    found.push(result.outputs as Record<string, unknown>);
  }
  expect(found[1], "as tasks").toEqual(found[0]);
  expect(found[2], "on one slot").toEqual(found[0]);
  return found[0]!;
}

/** One run of `main.pipe`, with all that it told. */
export async function runOf(engine: Engine, files: Readonly<Record<string, string>>, params: Params = {}, schedule = "auto") {
  const whole = { ...files, "main.pipe": files["main.pipe"]! + SCHEDULES };
  const compiled = await compileFiles(whole, "main.pipe", { schedule });
  expect(compiled.plan, shown(compiled, whole)).not.toBeNull();
  const events: RunEvent[] = [];
  const result = await engine.run(compiled.plan!, compiled.code, { params, onEvent: (event) => events.push(event) });
  return { result, events, compiled };
}

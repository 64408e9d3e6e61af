// What people see of a run, from events alone: redrawn lines on a terminal, plain lines elsewhere.
import { describe, expect, it } from "vitest";
import { createView } from "../../cli/view.ts";
import type { Plan } from "../../compiler/plan.ts";
import type { RunEvent } from "../../runtime/events/events.ts";

const stage = (id: string) => ({ id, name: id.split("/")[0]!, tasks: { kind: "one" } });
// All that the view reads of a plan.
const plan = { stages: ["load", "model", "accuracy/list", "accuracy/blocks", "accuracy"].map(stage) } as unknown as Plan;
const withRegion = {
  stages: [
    stage("scores/items"),
    { ...stage("tuned"), region: 0 },
    { ...stage("never"), region: 0 },
    { ...stage("scores"), tasks: { kind: "each" } },
  ],
} as unknown as Plan;

function watch(events: readonly RunEvent[], live = false, of = plan): string {
  let text = "";
  const view = createView(of, {
    write: (more) => {
      text += more;
    },
    live,
    color: false,
    size: () => ({ columns: 60, rows: 24 }),
  });
  for (const event of events) view.event(event);
  view.close();
  return text;
}
const started = (atMs: number, id: string, tasks: number, strategy: string): RunEvent => ({
  atMs,
  type: "stage.started",
  stage: id,
  name: id.split("/")[0]!,
  tasks,
  strategy,
});
const finished = (atMs: number, id: string): RunEvent => ({
  atMs,
  type: "stage.finished",
  stage: id,
  name: id.split("/")[0]!,
  tasks: 1,
  ms: 1,
});
const done = (atMs: number, id: string, count: number): RunEvent => ({
  atMs,
  type: "tasks.finished",
  stage: id,
  worker: "w",
  slot: 0,
  first: 0,
  count,
  startMs: 0,
  runMs: 1,
});

describe("off a terminal", () => {
  it("a line when a stage starts and one when it ends, helpers counted to their stage", () => {
    const text = watch([
      started(0, "load", 1, "task"),
      done(900, "load", 1),
      finished(1000, "load"),
      started(1000, "accuracy/list", 1, "task"),
      finished(1100, "accuracy/list"),
      started(1100, "accuracy/blocks", 8, "data(2)"),
      done(1500, "accuracy/blocks", 8),
      finished(1500, "accuracy/blocks"),
      started(1500, "accuracy", 1, "task"),
      done(1600, "accuracy", 1),
      finished(1600, "accuracy"),
    ]);
    expect(text).toBe(
      ["load      task  started", "load      task  1.0 s  done", "accuracy  task  started", "accuracy  data(2)  8/8  0.6 s  done", ""].join(
        "\n",
      ),
    );
  });

  it("instances of stages in a region are one line, whose number grows; what was never taken isn't waited for", () => {
    const text = watch(
      [
        started(0, "scores/items", 1, "task"),
        done(10, "scores/items", 1),
        finished(10, "scores/items"),
        started(20, "tuned", 1, "task"),
        done(30, "tuned", 1),
        started(40, "scores", 50, "data"),
        done(50, "scores", 12),
        { atMs: 60, type: "stage.grew", stage: "tuned", name: "tuned", tasks: 13 },
        done(60, "tuned", 11),
        { atMs: 70, type: "log", stage: "tuned", name: "tuned", instance: "12.1", stream: "stdout", text: "hot" },
        {
          atMs: 80,
          type: "task.failed",
          ...{ stage: "tuned", name: "tuned", instance: "12.1", block: 0, attempt: 1, retried: true, late: true },
          error: { kind: "timeout", name: "Timeout", message: "took too long", stack: [], stage: "tuned[12.1]", block: 0, attempt: 1 },
        },
        { atMs: 90, type: "loop.exhausted", stage: "tuned", name: "tuned", instance: "3", rounds: 20 },
        done(100, "tuned", 1),
        finished(100, "tuned"),
        done(100, "scores", 38),
        finished(110, "scores"),
      ],
      false,
      withRegion,
    );
    expect(text.split("\n").slice(1)).toEqual([
      "tuned   task  started",
      "tuned[12.1] │ hot",
      "tuned[12.1] block 0, attempt 1: took too long; what stands in its place is done",
      "tuned[3] has done its 20 rounds without meeting its condition",
      "tuned   task  13/13  0.1 s  done",
      "scores  data  50/50  0.1 s  done",
      "",
    ]);
  });

  it("a long stage says how far it is, now and then", () => {
    const progress = (atMs: number, step: number): RunEvent => ({
      atMs,
      type: "stage.progress",
      stage: "model",
      name: "model",
      done: step,
      total: 100,
      unit: "epochs",
    });
    const text = watch([
      started(0, "model", 1, "sequential"),
      { atMs: 10, type: "metric", stage: "model", name: "loss", steps: [0, 1], values: [2.5, 0.25] },
      ...Array.from({ length: 25 }, (_, i) => progress((i + 1) * 1000, i + 1)),
    ]);
    expect(text.split("\n").slice(1, -1)).toEqual([
      expect.stringMatching(/^model {5}sequential {2}10\/100 epochs {2}▸ 10\.0 s {2}loss 0\.25$/),
      expect.stringMatching(/^model {5}sequential {2}20\/100 epochs {2}▸ 20\.0 s {2}loss 0\.25$/),
    ]);
  });

  it("what stages print has their name, line by line; losses and second attempts are told", () => {
    const text = watch([
      { atMs: 1, type: "log", stage: "model", name: "model", stream: "stdout", text: "one\ntwo\n" },
      { atMs: 2, type: "worker.lost", worker: "w", reason: "it was killed", tasks: 3 },
      {
        atMs: 3,
        type: "task.failed",
        stage: "accuracy/blocks",
        name: "accuracy",
        block: 4,
        attempt: 1,
        retried: true,
        error: { kind: "lost", name: "Lost", message: "its host is gone", stack: [], stage: "accuracy", block: 4, attempt: 1 },
      },
      { atMs: 4, type: "object.lost", stage: "load", blocks: 2 },
    ]);
    expect(text).toBe(
      [
        "model │ one",
        "model │ two",
        "worker w lost: it was killed; 3 tasks go elsewhere",
        "accuracy block 4, attempt 1: its host is gone; trying again",
        "load: 2 lost results are made again",
        "",
      ].join("\n"),
    );
  });
});

describe("on a terminal", () => {
  it("redraws one line a stage, and leaves the last state standing", () => {
    const text = watch(
      [
        started(0, "load", 1, "task"),
        { atMs: 5, type: "log", stage: "load", name: "load", stream: "stderr", text: "reading" },
        done(900, "load", 1),
        finished(1000, "load"),
      ],
      true,
    );
    expect(text.startsWith("load │ reading\n· load")).toBe(true);
    expect(text.endsWith("\x1b[1A\r\x1b[J✓ load      task  1.0 s\n")).toBe(true);
  });

  it("never draws a line wider than the terminal", () => {
    const long: RunEvent[] = Array.from({ length: 9 }, (_, i) => ({
      atMs: 1,
      type: "metric",
      stage: "model",
      name: `aVeryLongNameOfAMetric${i}`,
      steps: [0],
      values: [1 / 3],
    }));
    const lines = watch([started(0, "model", 1, "sequential"), ...long], true).split("\n");
    expect(lines.some((line) => line.includes("aVeryLong"))).toBe(true);
    for (const line of lines) expect(line.length).toBeLessThan(60);
  });
});

describe("a run that another worker leads from some moment on", () => {
  const led: RunEvent = { atMs: 1000, type: "leader.changed", worker: "b", epoch: 2 };
  it("is told so, and what the new leader tells again counts once", () => {
    const text = watch([
      started(0, "load", 1, "task"),
      done(100, "load", 1),
      finished(100, "load"),
      started(100, "model", 4, "data"),
      done(500, "model", 2),
      led,
      finished(1000, "load"),
      started(1000, "model", 4, "data"),
      done(1500, "model", 2),
      finished(1500, "model"),
    ]);
    expect(text.split("\n")).toEqual([
      "load      task  started",
      "load      task  0.1 s  done",
      "model     data  4 tasks  started",
      "b leads the run now",
      "model     data  4/4  1.4 s  done",
      "",
    ]);
  });
  it("is shown whole, though the old one went before it told all", () => {
    const text = watch([led, done(1100, "load", 1), { ...finished(1200, "load"), tasks: 3 } as RunEvent]);
    expect(text.split("\n")).toEqual(["b leads the run now", "load      3/3  1.2 s  done", ""]);
  });
});

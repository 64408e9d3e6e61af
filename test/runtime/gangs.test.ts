// Gangs in the scheduler's core: events in, exact commands out, invariants after each.
import { describe, expect, it } from "vitest";
import type { Written } from "./programs.ts";
import { program, value } from "./programs.ts";
import { schedulerOf } from "./scheduler.ts";

const of = (members: number): Written["strategy"] => ({ kind: "fit", architecture: "allreduce", members, perWorker: false });
const inMemory: Written["strategy"] = { kind: "fit", architecture: "hogwild", members: 2, atomic: false };
const scheduler = (...stages: readonly Written[]) => schedulerOf(program(stages, { results: stages.map((_, stage) => stage) }).plan);

describe("a gang begins", () => {
  it("on one worker that has the slots, however many others are idle", () => {
    const run = scheduler({ id: "fit", strategy: of(2) });
    expect(run.begin(1, 1, 2)).toEqual(["stageStarted fit 1", "assign fit[0+1] #1 to 2.0 as 0", "assign fit[0+1] #1 to 2.1 as 1"]);
  });

  it("else on the fewest that have them together", () => {
    const run = scheduler({ id: "fit", strategy: of(5) });
    expect(run.begin(1, 3, 1, 2)).toEqual([
      "stageStarted fit 1",
      ...["1.0", "1.1", "1.2", "3.0", "3.1"].map((slot, rank) => `assign fit[0+1] #1 to ${slot} as ${rank}`),
    ]);
  });

  it("on one worker alone where members write one memory", () => {
    const run = scheduler({ id: "fit", strategy: inMemory });
    expect(run.begin(1, 1)).toEqual([]);
    expect(run.on({ type: "workerJoined", worker: 2, slots: 2 })).toEqual([
      "stageStarted fit 1",
      "assign fit[0+1] #1 to 2.0 as 0",
      "assign fit[0+1] #1 to 2.1 as 1",
    ]);
  });

  it("once slots that work are free, and those get nothing new until then", () => {
    const run = scheduler(
      { id: "before" },
      { id: "long" },
      { id: "fit", strategy: of(2), inputs: [value(0)] },
      { id: "more", inputs: [value(0)] },
    );
    run.begin(1, 1);
    // `more` might run where `before` did, and waits: both slots are kept for the gang.
    expect(run.done("before").filter((line) => line.startsWith("assign"))).toEqual([]);
    const begun = run.done("long", 0, 1, { worker: 1 }).filter((line) => line.startsWith("assign"));
    expect(begun.slice(0, 2)).toEqual(["assign fit[0+1] #1 to 0.0 as 0", "assign fit[0+1] #1 to 1.0 as 1"]);
  });
});

describe("a gang is given up", () => {
  const begun = () => {
    const run = scheduler({ id: "fit", strategy: of(3) });
    run.begin(1, 1, 1);
    return run;
  };

  it("at every other worker when one is lost, and begins again once there are enough", () => {
    const run = begun();
    expect(run.on({ type: "workerLost", worker: 1, cause: "gone" })).toEqual([
      "tasksReturned 1 of 1",
      "abort fit #1 at 0",
      "abort fit #1 at 2",
    ]);
    expect(run.on({ type: "inputMissing", worker: 0, slot: 0, stage: run.at("fit"), block: 0, attempt: 1 })).toEqual([]);
    expect(run.on({ type: "workerJoined", worker: 3, slots: 1 })).toEqual([]);
    expect(run.on({ type: "inputMissing", worker: 2, slot: 0, stage: run.at("fit"), block: 0, attempt: 1 })).toEqual(
      [0, 2, 3].map((worker, rank) => `assign fit[0+1] #2 to ${worker}.0 as ${rank}`),
    );
  });

  it("when a member is lost after the first one's result: the others may wait for it, and nothing is done again", () => {
    const run = begun();
    run.on({ type: "finished", worker: 0, slot: 0, stage: run.at("fit"), first: 0, count: 1, attempt: 1, runMs: 1, held: "engine" });
    expect(run.state.status).toBe("collecting");
    expect(run.on({ type: "workerLost", worker: 1, cause: "gone" })).toEqual(["tasksReturned 1 of 1"]);
    expect(run.on({ type: "collected" })).toEqual(["end ok"]);
  });

  it("the same while the run goes on", () => {
    const run = scheduler({ id: "fit", strategy: of(3) }, { id: "next", inputs: [value(0)] });
    run.begin(1, 1, 1);
    run.on({ type: "finished", worker: 0, slot: 0, stage: run.at("fit"), first: 0, count: 1, attempt: 1, runMs: 1, held: "engine" });
    expect(run.on({ type: "workerLost", worker: 1, cause: "gone" })).toEqual(["tasksReturned 1 of 1", "abort fit #1 at 2"]);
    expect(run.on({ type: "inputMissing", worker: 2, slot: 0, stage: run.at("fit"), block: 0, attempt: 1 })).toEqual([]);
  });
});

describe("under another leader", () => {
  const member = (worker: number, rank: number) => ({
    ...{ worker, slot: 0, stage: 0, planned: 0, key: "", first: 0, end: 1, attempt: 4, rank, reportedMs: 0 },
  });
  const taken = (adopted: readonly ReturnType<typeof member>[]) => {
    const run = scheduler({ id: "fit", strategy: of(2) });
    for (const worker of [0, 1, 2]) run.on({ type: "workerJoined", worker, slots: 1 });
    return run.on({ type: "begin", adopted });
  };

  it("a gang that is all there goes on", () => {
    expect(taken([member(0, 0), member(2, 1)])).toEqual(["stageStarted fit 1"]);
  });

  it("one that isn't is given up, and begins again", () => {
    expect(taken([member(2, 1)])).toEqual([
      "stageStarted fit 1",
      "assign fit[0+1] #5 to 0.0 as 0",
      "assign fit[0+1] #5 to 1.0 as 1",
      "abort fit #4 at 2",
    ]);
  });
});

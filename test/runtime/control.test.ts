// Control stages in the scheduler's core: events in, exact commands out, invariants after each.
import { describe, expect, it } from "vitest";
import { blocks, constant, done, item, items, program, value } from "./programs.ts";
import { schedulerOf } from "./scheduler.ts";

const DATA = { kind: "data", slots: null } as const;
/** Two stages an item, the second of which reads a value from around. */
function forTwo(settings = {}, slots: number | null = null) {
  const { plan } = program(
    [
      items("xs", constant(null)),
      { id: "around" },
      { id: "a", region: 0, inputs: [item(0)] },
      { id: "b", region: 0, inputs: [value(2), value(1)] },
      {
        id: "all",
        tasks: { kind: "each", of: 0, region: 0 },
        inputs: [value(3), done(1)],
        output: "row",
        strategy: { kind: "data", slots },
      },
      { id: "sum", inputs: [blocks(4)] },
    ],
    { results: [5] },
  );
  return schedulerOf(plan, settings);
}

describe("each", () => {
  it("brings as many instances to life as there are slots for, and ends what it has begun first", () => {
    const run = forTwo();
    run.begin(2);
    run.done("around");
    expect(run.done("xs", 0, 1, { blocks: 3, slot: 1 })).toEqual([
      "stageFinished xs 1",
      "stageStarted a[0] 1",
      "assign a[0][0+1] #1 to 0.0",
      "stageStarted a[1] 1",
      "assign a[1][0+1] #1 to 0.1",
    ]);
    // How long it takes is known: more is queued. `b` of the first item goes before all that is younger.
    expect(run.done("a[0]", 0, 1, { runMs: 8 }).slice(0, 3)).toEqual([
      "stageFinished a[0] 1",
      "stageStarted b[0] 1",
      "assign b[0][0+1] #1 to 0.0",
    ]);
    expect(run.done("b[0]")).toContain("assign all[0+1] #1 to 0.0");
    // What the item's stages gave is freed, and they are forgotten.
    const commands = run.done("all");
    expect(commands).toContain("free b[0][0+1] at -1");
    expect(commands).toContain("retired a[0] b[0]");
    expect(commands).toContain("free xs[0+1] at -1");
  });

  it("has as many items at a time as its schedule says", () => {
    const run = forTwo({}, 1);
    run.begin(2);
    run.done("around");
    expect(run.done("xs", 0, 1, { blocks: 3, slot: 1 }).filter((line) => line.startsWith("assign"))).toEqual([
      "assign a[0][0+1] #1 to 0.0",
    ]);
    run.done("a[0]");
    run.done("b[0]");
    expect(run.done("all").at(-1)).toBe("assign a[1][0+1] #1 to 0.0");
  });

  it("over nothing is done at once", () => {
    const run = forTwo();
    run.begin(2);
    run.done("around");
    expect(run.done("xs", 0, 1, { blocks: 0, slot: 1 })).toEqual([
      "stageFinished xs 1",
      "stageStarted all 0",
      "stageFinished all 0",
      "free around[0+1] at -1",
      "stageStarted sum 1",
      "assign sum[0+1] #1 to 0.0",
    ]);
  });

  it("a row that is lost is made again from its item, with what stands around", () => {
    const run = forTwo();
    run.begin(1);
    run.done("around");
    run.done("xs", 0, 1, { blocks: 1, held: "engine" });
    run.done("a[0]");
    run.done("b[0]");
    expect(run.done("all", 0, 1, { held: "worker" })).toContain("retired a[0] b[0]");
    expect(run.on({ type: "workerLost", worker: 0, cause: "gone" })).toEqual([
      "tasksReturned 1 of 0",
      "objectsLost xs 1",
      "objectsLost around 1",
      "objectsLost all 1",
    ]);
    run.on({ type: "workerJoined", worker: 1, slots: 4 });
    run.done("around", 0, 1, { worker: 1, slot: 0, attempt: 2 });
    expect(run.state.stages.filter((stage) => stage?.id === "a[0]")).toHaveLength(1);
  });
});

describe("branch", () => {
  const build = () =>
    schedulerOf(
      program(
        [
          { id: "if" },
          { id: "then", region: 0 },
          { id: "else", region: 1 },
          { id: "branch", tasks: { kind: "branch", then: 0, else: 1, gives: [{ given: 4, then: 1, else: 2 }] }, inputs: [value(0)] },
          { id: "chosen", tasks: { kind: "given" } },
          {
            id: "rows",
            tasks: { kind: "range", rows: { kind: "const", value: 2 }, blocks: { kind: "const", value: 2 } },
            inputs: [value(4)],
            output: "block",
            strategy: DATA,
          },
        ],
        { results: [4, 5] },
      ).plan,
    );

  it.each([
    [1, "then"],
    [0, "else"],
  ])("with the condition %i brings one side to life, whose value stands for the choice", (met, side) => {
    const run = build();
    run.begin(1);
    expect(run.done("if", 0, 1, { value: met })).toEqual(
      [
        "stageFinished if 1",
        "stageStarted branch 1",
        "free if[0+1] at -1",
        `stageStarted ${side}[0] 1`,
        `assign ${side}[0][0+1] #1 to 0.0`,
      ].filter((line) => !line.startsWith("free")),
    );
    expect(run.done(`${side}[0]`)).toEqual([
      `stageFinished ${side}[0] 1`,
      "stageFinished branch 1",
      "free if[0+1] at -1",
      "stageStarted rows 2",
      "assign rows[0+1] #1 to 0.0",
    ]);
    expect(run.done("rows", 0)).toEqual(["assign rows[1+1] #1 to 0.0"]);
    // A result of the run isn't freed.
    expect(run.done("rows", 1)).toEqual(["stageFinished rows 2", "collect"]);
  });
});

describe("loop", () => {
  const build = () =>
    schedulerOf(
      program(
        [
          { id: "init" },
          { id: "w", region: 0, tasks: { kind: "given" } },
          { id: "next", region: 0, inputs: [value(1)] },
          { id: "decision", region: 0, inputs: [value(2)] },
          { id: "loop", tasks: { kind: "loop", region: 0, carried: [{ given: 1, init: 0, next: 2, final: 5 }], decision: 3 } },
          { id: "last", tasks: { kind: "given" } },
          { id: "report", inputs: [value(5)] },
        ],
        { results: [6] },
      ).plan,
    );

  it("one round after another, each from what the one before gave", () => {
    const run = build();
    run.begin(1);
    expect(run.done("init")).toEqual([
      "stageFinished init 1",
      "stageStarted loop 1",
      "stageStarted next[0] 1",
      "assign next[0][0+1] #1 to 0.0",
    ]);
    run.done("next[0]");
    expect(run.done("decision[0]", 0, 1, { value: 0 })).toEqual([
      "stageFinished decision[0] 1",
      "free decision[0][0+1] at -1",
      "stageStarted next[1] 1",
      "assign next[1][0+1] #1 to 0.0",
    ]);
    expect(run.done("next[1]")).toContain("free next[0][0+1] at -1");
    expect(run.done("decision[1]", 0, 1, { value: 1 })).toEqual([
      "stageFinished decision[1] 1",
      "free decision[1][0+1] at -1",
      "stageFinished loop 1",
      "free init[0+1] at -1",
      "stageStarted report 1",
      "assign report[0+1] #1 to 0.0",
    ]);
    expect(run.done("report")).toEqual(["stageFinished report 1", "free next[1][0+1] at -1", "collect"]);
  });

  it("says when it has done all its rounds", () => {
    const run = build();
    run.begin(1);
    run.done("init");
    run.done("next[0]");
    expect(run.done("decision[0]", 0, 1, { value: 2 })).toContain("loopExhausted loop 1");
  });

  it("what its last round gave, lost, is made again round by round", () => {
    const run = build();
    run.begin(1);
    run.done("init", 0, 1, { held: "worker" });
    run.done("next[0]", 0, 1, { held: "worker" });
    run.done("decision[0]", 0, 1, { value: 0 });
    run.done("next[1]", 0, 1, { held: "worker" });
    run.done("decision[1]", 0, 1, { value: 1 });
    // All three are wanted: `report` needs the last, which needs the one before, and so on.
    expect(
      run
        .on({ type: "workerLost", worker: 0, cause: "gone" })
        .filter((line) => line.startsWith("objectsLost"))
        .sort(),
    ).toEqual(["objectsLost init 1", "objectsLost next[0] 1", "objectsLost next[1] 1"]);
    const more = { worker: 1, attempt: 2 };
    expect(run.on({ type: "workerJoined", worker: 1, slots: 1 })).toEqual(["assign init[0+1] #2 to 1.0"]);
    run.done("init", 0, 1, more);
    run.done("next[0]", 0, 1, more);
    run.done("next[1]", 0, 1, more);
    expect(run.done("report", 0, 1, more).at(-1)).toBe("collect");
  });
});

describe("effects", () => {
  it("aren't had again when their item's row is lost", () => {
    const run = schedulerOf(
      program(
        [
          items("xs", constant(null)),
          { id: "act", region: 0, inputs: [item(0)], effect: true },
          { id: "a", region: 0, inputs: [done(1)] },
          { id: "all", tasks: { kind: "each", of: 0, region: 0 }, inputs: [value(2)], output: "row", strategy: DATA },
        ],
        { results: [3] },
      ).plan,
    );
    run.begin(1);
    run.done("xs", 0, 1, { blocks: 1 });
    run.done("act[0]");
    run.done("a[0]");
    run.done("all", 0, 1, { held: "worker" });
    run.on({ type: "workerLost", worker: 0, cause: "gone" });
    const joined = run.on({ type: "workerJoined", worker: 1, slots: 1 });
    const more = { worker: 1, attempt: 2 };
    // The list is made again for its item; then what has no effect is.
    const listed = run.done("xs", 0, 1, { ...more, blocks: 1 });
    const made = run.done("a[0]", 0, 1, { worker: 1 });
    expect([...joined, ...listed, ...made].filter((line) => line.startsWith("assign"))).toEqual([
      "assign xs[0+1] #2 to 1.0",
      "assign a[0][0+1] #1 to 1.0",
      "assign all[0+1] #2 to 1.0",
    ]);
    expect(run.done("all", 0, 1, more)).toContain("collect");
  });
});

describe("within", () => {
  it("a task that takes too long evaluates what stands in its place, whatever happens then", () => {
    const run = schedulerOf(program([{ id: "a", within: { limitMs: 5, otherwise: constant(0) } }], { results: [0] }).plan);
    run.begin(1);
    expect(run.on({ type: "slotLost", worker: 0, slot: 0, blame: "late", cause: "late", jitter: 0 })).toEqual([
      "tasksReturned 1 of 0",
      "taskFailed a[0] #1 retried late",
      "assign a[0+1] #2 to 0.0 late",
    ]);
    run.on({ type: "workerLost", worker: 0, cause: "gone" });
    expect(run.on({ type: "workerJoined", worker: 1, slots: 1 })).toEqual(["assign a[0+1] #3 to 1.0 late"]);
  });
});

// The scheduler's core: events in, exact commands out, invariants after each.
import { describe, expect, it } from "vitest";
import type { Settings } from "../../runtime/core/model.ts";
import type { Shape } from "./plans.ts";
import { block, blocks, planOf, value } from "./plans.ts";
import { schedulerOf } from "./scheduler.ts";

const scheduler = (shapes: readonly Shape[], settings: Partial<Settings> = {}, results?: readonly number[]) =>
  schedulerOf(planOf(shapes, results), settings);

describe("a run", () => {
  it("of one task", () => {
    const run = scheduler([{ id: "a" }]);
    expect(run.begin(1)).toEqual(["stageStarted a 1", "assign a[0+1] #1 to 0.0"]);
    expect(run.done("a")).toEqual(["stageFinished a 1", "collect"]);
    expect(run.on({ type: "collected" })).toEqual(["end ok"]);
    expect(run.on({ type: "cancel" })).toEqual([]);
  });

  it("of a chain: a value is freed when its last reader is done", () => {
    const run = scheduler([{ id: "a" }, { id: "b", reads: [value(0)] }]);
    run.begin(2);
    expect(run.done("a", 0, 1, { held: "worker" })).toEqual(["stageFinished a 1", "stageStarted b 1", "assign b[0+1] #1 to 0.0"]);
    expect(run.done("b")).toEqual(["stageFinished b 1", "free a[0+1] at 0", "collect"]);
  });

  it("of a list that is cut into blocks, worked on by block and gathered", () => {
    const run = scheduler([
      { id: "load", output: "blocks" },
      { id: "rows", tasks: { perBlock: 0 }, reads: [block(0)], output: "partial" },
      { id: "all", reads: [blocks(1)] },
    ]);
    run.begin(2);
    // One task of unknown length for each slot; the rest when it is known.
    expect(run.done("load", 0, 1, { blocks: 4 })).toEqual([
      "stageFinished load 1",
      "stageStarted rows 4",
      "assign rows[0+1] #1 to 0.0",
      "assign rows[1+1] #1 to 0.1",
    ]);
    expect(run.done("rows", 0)).toEqual(["free load[0+1] at -1", "assign rows[2+1] #1 to 0.0", "assign rows[3+1] #1 to 0.1"]);
    run.done("rows", 1, 1, { slot: 1 });
    run.done("rows", 2);
    expect(run.done("rows", 3, 1, { slot: 1 })).toEqual([
      "free load[3+1] at -1",
      "stageFinished rows 4",
      "stageStarted all 1",
      "assign all[0+1] #1 to 0.0",
    ]);
    expect(run.done("all")).toEqual(["stageFinished all 1", "free rows[0+4] at -1", "collect"]);
  });

  it("of a list without rows", () => {
    const run = scheduler([
      { id: "load", output: "blocks" },
      { id: "rows", tasks: { perBlock: 0 }, reads: [block(0)], output: "partial" },
      { id: "all", reads: [blocks(1)] },
    ]);
    run.begin(1);
    expect(run.done("load", 0, 1, { blocks: 0 })).toEqual([
      "stageFinished load 1",
      "stageStarted rows 0",
      "stageFinished rows 0",
      "stageStarted all 1",
      "assign all[0+1] #1 to 0.0",
    ]);
  });
});

describe("credit", () => {
  it("small tasks go out in batches of at most 20 ms, long ones singly", () => {
    const run = scheduler([{ id: "a", tasks: 1000, slots: null }]);
    expect(run.begin(2)).toEqual(["stageStarted a 1000", "assign a[0+1] #1 to 0.0", "assign a[1+1] #1 to 0.1"]);
    // 0.1 ms a task: 200 of them are 20 ms.
    const commands = run.done("a", 0, 1, { runMs: 0.1 });
    expect(commands[0]).toBe("assign a[2+200] #1 to 0.0");
    const long = scheduler([{ id: "a", tasks: 10, slots: null }]);
    long.begin(1);
    expect(long.done("a", 0, 1, { runMs: 500 })).toEqual(["assign a[1+1] #1 to 0.0"]);
  });

  it("data(1) keeps to one slot", () => {
    const run = scheduler([{ id: "a", tasks: 4, slots: 1 }]);
    expect(run.begin(2)).toEqual(["stageStarted a 4", "assign a[0+1] #1 to 0.0"]);
  });
});

describe("stages beside each other", () => {
  it("share the slots, however many tasks the first has", () => {
    const run = scheduler(
      [
        { id: "a", tasks: 100 },
        { id: "b", tasks: 100 },
      ],
      {},
      [0, 1],
    );
    expect(run.begin(2)).toEqual(["stageStarted b 100", "assign b[0+1] #1 to 0.0", "stageStarted a 100", "assign a[0+1] #1 to 0.1"]);
    expect(run.done("b", 0, 1, { runMs: 30 })).toEqual(["assign b[1+1] #1 to 0.0"]);
  });

  it("yield to what more waits for", () => {
    const run = scheduler(
      [
        { id: "a", tasks: 100 },
        { id: "all", reads: [blocks(0)] },
        { id: "b", tasks: 100 },
      ],
      {},
      [1, 2],
    );
    expect(run.begin(2)).toEqual(["stageStarted a 100", "assign a[0+1] #1 to 0.0", "assign a[1+1] #1 to 0.1"]);
  });
});

describe("recall", () => {
  /** Finishes whatever a worker's slot has; gives the last commands. */
  function drain(run: ReturnType<typeof scheduler>, worker: number): string[] {
    const { queue } = run.state.workers.get(worker)!.slots[0]!;
    let commands: string[] = [];
    for (let batch = queue[0]; batch; batch = queue[0]) {
      const count = batch.end - batch.next;
      commands = run.done("a", batch.next, count, { worker, attempt: batch.attempt, runMs: count / 10 });
    }
    return commands;
  }
  /** Worker 0 has two batches, worker 1 has done all the others. */
  function uneven() {
    const run = scheduler([{ id: "a", tasks: 201, slots: null }], { batchTasks: 100 });
    run.begin(1);
    expect(run.done("a", 0, 1, { runMs: 0.1 })).toEqual(["assign a[1+100] #1 to 0.0", "assign a[101+50] #1 to 0.0"]);
    run.on({ type: "workerJoined", worker: 1, slots: 1 });
    return { run, commands: drain(run, 1) };
  }

  it("of what stands behind a slot's batch, when another slot is idle", () => {
    const { run, commands } = uneven();
    expect(commands).toEqual(["recall a[101+50] #1 of 0.0"]);
    // It is asked once, whatever else happens meanwhile.
    expect(run.done("a", 1, 50, { runMs: 5 })).toEqual([]);
    expect(run.on({ type: "recalled", worker: 0, slot: 0, stage: 0, first: 101, count: 50, attempt: 1 })).toEqual([
      "assign a[101+13] #1 to 1.0",
      "assign a[114+10] #1 to 0.0",
      "assign a[124+7] #1 to 1.0",
    ]);
  });

  it("of half of the batch that a slot works on, and not of the task that runs", () => {
    const run = scheduler([{ id: "a", tasks: 101, slots: null }], { batchesQueued: 1, creditMs: 1000 });
    run.begin(1);
    run.done("a", 0, 1, { runMs: 1 });
    expect(run.on({ type: "workerJoined", worker: 1, slots: 1 })).toEqual(["assign a[51+13] #1 to 1.0"]);
    expect(drain(run, 1)).toEqual(["recall a[26+25] #1 of 0.0"]);
    // The slot has gone on meanwhile: ten are done, and it gives back what hadn't begun.
    run.done("a", 1, 10, { runMs: 10 });
    expect(run.on({ type: "recalled", worker: 0, slot: 0, stage: 0, first: 26, count: 25, attempt: 1 })[0]).toBe(
      "assign a[26+7] #1 to 1.0",
    );
  });

  it("is no use for what ends in a moment, nor twice for what has begun", () => {
    const quick = scheduler([{ id: "a", tasks: 40, slots: null }]);
    quick.begin(1);
    quick.done("a", 0, 1, { runMs: 0.01 });
    quick.on({ type: "workerJoined", worker: 1, slots: 1 });
    expect(drain(quick, 1)).toEqual([]);
    const { run } = uneven();
    expect(run.on({ type: "recalled", worker: 0, slot: 0, stage: 0, first: 151, count: 0, attempt: 1 })).toEqual([]);
  });

  it("of what waits behind a task of a stage that has never run", () => {
    const shapes: Shape[] = [{ id: "first" }, ...["a", "b", "c", "d"].map((id) => ({ id, reads: [value(0)] }))];
    const run = scheduler(shapes, {}, [1, 2, 3, 4]);
    run.begin(2);
    // Nothing is known before anything has run; then stages that haven't are taken to be as quick.
    expect(run.done("first", 0, 1, { runMs: 0.1 }).filter((line) => line.startsWith("assign"))).toEqual([
      "assign d[0+1] #1 to 0.0",
      "assign c[0+1] #1 to 0.1",
      "assign b[0+1] #1 to 0.0",
      "assign a[0+1] #1 to 0.1",
    ]);
    run.done("c", 0, 1, { slot: 1 });
    // However short it may be, `d` may not be.
    expect(run.done("a", 0, 1, { slot: 1 })).toContain("recall b[0+1] #1 of 0.0");
    const again = run.on({ type: "recalled", worker: 0, slot: 0, stage: 2, first: 0, count: 1, attempt: 1 });
    expect(again).toEqual(["assign b[0+1] #1 to 0.1"]);
  });

  it("of a stage that keeps to one slot helps nobody", () => {
    const run = scheduler([{ id: "a", tasks: 100, slots: 1 }]);
    run.begin(2);
    expect(run.done("a", 0, 1, { runMs: 1 }).filter((command) => command.startsWith("recall"))).toEqual([]);
  });

  it("is void when the slot is lost before it answers", () => {
    const { run } = uneven();
    run.on({ type: "slotLost", worker: 0, slot: 0, blame: "none", cause: "gone", jitter: 0 });
    expect(run.on({ type: "recalled", worker: 0, slot: 0, stage: 0, first: 101, count: 50, attempt: 1 })).toEqual([]);
  });
});

describe("a straggler", () => {
  /** Eight tasks on two slots, seven of which are done after 10 ms each; the last one takes its time at slot 0. */
  function straggling() {
    const run = schedulerOf(planOf([{ id: "a", tasks: 8, slots: null }]), { creditMs: 1 }, () => true);
    run.begin(2);
    for (let task = 1; task < 8; task++) run.done("a", task, 1, { slot: 1, runMs: 10, held: "worker" });
    return run;
  }

  it("gets a second copy on a slot that has nothing else to do, and the first to be done commits", () => {
    const run = straggling();
    expect(run.on({ type: "looked", nowMs: 1000 })).toEqual([]);
    expect(run.on({ type: "looked", nowMs: 1150 })).toEqual([]);
    expect(run.on({ type: "looked", nowMs: 1250 })).toEqual(["assign a[0+1] #1 to 0.1"]);
    expect(run.on({ type: "looked", nowMs: 9000 })).toEqual([]);
    expect(run.done("a", 0, 1, { slot: 1, held: "worker" })).toEqual(["stageFinished a 8", "collect"]);
    expect(run.done("a", 0, 1, { slot: 0, held: "worker" })).toEqual([]);
  });

  /** Slot 0 has the tasks 1 to 8 and has told nothing of them; all others are done, and it has been asked for the last four. */
  function deaf() {
    const settings = { batchesQueued: 1, creditMs: 1000, speculateAt: 0.4 };
    const run = schedulerOf(planOf([{ id: "a", tasks: 17, slots: null }]), settings, () => true);
    run.begin(1);
    run.done("a", 0, 1, { runMs: 10, held: "worker" });
    run.on({ type: "workerJoined", worker: 1, slots: 1 });
    const { queue } = run.state.workers.get(1)!.slots[0]!;
    let said: string[] = [];
    for (let batch = queue[0]; batch; batch = queue[0])
      said = run.done("a", batch.next, batch.end - batch.next, { worker: 1, runMs: 10, held: "worker" });
    expect(said).toEqual(["recall a[5+4] #1 of 0.0"]);
    run.on({ type: "looked", nowMs: 1000 });
    expect(run.on({ type: "looked", nowMs: 9000 })).toEqual(["assign a[1+8] #1 to 1.0"]);
    return run;
  }

  it("gets one though its thread hears nothing, not even that it is to give something back", () => {
    const run = deaf();
    expect(run.done("a", 1, 8, { worker: 1, held: "worker" })).toEqual(["stageFinished a 17", "collect"]);
  });

  it("gives back what its copy has as well: neither of them commits what a third one is given", () => {
    const run = deaf();
    run.done("a", 1, 5, { worker: 1, held: "worker" });
    // The copy has done one of the four.
    expect(run.on({ type: "recalled", worker: 0, slot: 0, stage: 0, first: 5, count: 4, attempt: 1 })).toEqual([]);
    const assigned = (said: readonly string[]) => said.filter((line) => line.startsWith("assign"));
    expect(assigned(run.done("a", 6, 3, { worker: 1, held: "worker" }))).toEqual(["assign a[6+1] #2 to 1.0"]);
    expect(assigned(run.done("a", 1, 4, { held: "worker" }))).toEqual(["assign a[7+1] #2 to 0.0"]);
    expect(run.done("a", 6, 1, { worker: 1, attempt: 2, held: "worker" })).toEqual(["assign a[8+1] #2 to 1.0"]);
    run.done("a", 7, 1, { attempt: 2, held: "worker" });
    expect(run.done("a", 8, 1, { worker: 1, attempt: 2, held: "worker" })).toEqual(["stageFinished a 17", "collect"]);
  });

  it("isn't blamed for its copy, and the copy is void when it is given to another", () => {
    const run = straggling();
    run.on({ type: "looked", nowMs: 1000 });
    run.on({ type: "looked", nowMs: 1250 });
    expect(run.failed("a", 0, false, 1, 1)).toEqual([]);
    run.on({ type: "slotLost", worker: 0, slot: 0, blame: "death", cause: "slot", jitter: 0 });
    expect(run.state.status).toBe("running");
    expect(run.done("a", 0, 1, { attempt: 2 })).toEqual(["stageFinished a 8", "collect"]);
  });

  it("is none where a copy could be told, or too little is done", () => {
    const once = schedulerOf(planOf([{ id: "a", tasks: 8, slots: null }]), { creditMs: 1 });
    const early = schedulerOf(planOf([{ id: "a", tasks: 80, slots: null }]), { creditMs: 1 }, () => true);
    for (const run of [once, early]) {
      run.begin(2);
      for (let task = 1; task < 8; task++) run.done("a", task, 1, { slot: 1, runMs: 10 });
      run.on({ type: "looked", nowMs: 1000 });
      expect(run.on({ type: "looked", nowMs: 5000 })).toEqual([]);
    }
  });
});

describe("failures", () => {
  it("end the run, unless they are transient", () => {
    const run = scheduler([{ id: "a" }]);
    run.begin(1);
    expect(run.failed("a", 0)).toEqual(["taskFailed a[0] #1", "end failed a[0] #1 failure"]);

    const again = scheduler([{ id: "a" }], { transientRetries: 1 });
    again.begin(1);
    expect(again.failed("a", 0, true)).toEqual(["taskFailed a[0] #1 retried", "delay a[0] #2 100"]);
    expect(again.on({ type: "delayOver", stage: 0, block: 0, attempt: 2 })).toEqual(["assign a[0+1] #2 to 0.0"]);
    expect(again.failed("a", 0, true, 2)).toEqual(["taskFailed a[0] #2", "end failed a[0] #2 failure"]);
  });

  it("are retried as often as the schedule says", () => {
    const run = scheduler([{ id: "a", retries: 1 }]);
    run.begin(1);
    expect(run.failed("a", 0)).toEqual(["taskFailed a[0] #1 retried", "delay a[0] #2 100"]);
  });

  it("a late answer of an older attempt changes nothing", () => {
    const run = scheduler([{ id: "a" }], { transientRetries: 1 });
    run.begin(1);
    run.failed("a", 0, true);
    expect(run.done("a", 0, 1, { attempt: 1 })).toEqual([]);
  });
});

describe("losses", () => {
  it("a lost worker's tasks run elsewhere", () => {
    const run = scheduler([{ id: "a", tasks: 2, slots: null }]);
    run.begin(1, 1);
    expect(run.on({ type: "workerLost", worker: 1, cause: "gone" })).toEqual(["tasksReturned 1 of 1"]);
    // It died under that task: nobody runs beside it.
    expect(run.done("a", 0)).toEqual(["assign a[1+1] #2 to 0.0"]);
    expect(run.done("a", 1, 1, { attempt: 2 })).toEqual(["stageFinished a 2", "collect"]);
  });

  it("a task that ends three workers is blamed", () => {
    const run = scheduler([{ id: "a" }]);
    run.begin(1);
    for (const worker of [0, 1]) {
      run.on({ type: "workerLost", worker, cause: "crash" });
      expect(run.on({ type: "workerJoined", worker: worker + 1, slots: 1 })).toEqual([`assign a[0+1] #${worker + 2} to ${worker + 1}.0`]);
    }
    expect(run.on({ type: "workerLost", worker: 2, cause: "crash" })).toEqual(["tasksReturned 1 of 2", "end failed a[0] #3 poisoned"]);
  });

  it("a task that used up its memory is tried once more, where there is more, alone; then it fails", () => {
    const run = scheduler([{ id: "a", tasks: 3, slots: null }]);
    run.begin(2);
    const starve = (slot: number) => run.on({ type: "slotLost", worker: 0, slot, blame: "memory", cause: "memory", jitter: 0 });
    expect(starve(1)).toEqual(["tasksReturned 1 of 0", "taskFailed a[1] #1 retried"]);
    // The other slot ends what it is at first.
    expect(run.done("a", 0)).toEqual(["assign a[1+1] #2 to 0.1"]);
    expect(starve(1)).toEqual(["tasksReturned 1 of 0", "taskFailed a[1] #2", "end failed a[1] #2 starved"]);
  });

  it("an innocent neighbour of a killer isn't blamed: suspects run alone", () => {
    const run = scheduler([{ id: "a", tasks: 2, slots: null }]);
    run.begin(2);
    run.on({ type: "workerLost", worker: 0, cause: "crash" });
    expect(run.on({ type: "workerJoined", worker: 1, slots: 2 })).toEqual(["assign a[0+1] #2 to 1.0"]);
    expect(run.done("a", 0, 1, { worker: 1, attempt: 2 })).toEqual(["assign a[1+1] #2 to 1.0"]);
  });

  it("a lost object is made again, with what that needs", () => {
    const run = scheduler([{ id: "a" }, { id: "b", reads: [value(0)] }, { id: "c", reads: [value(1)] }]);
    run.begin(1);
    run.done("a", 0, 1, { held: "worker" });
    run.done("b", 0, 1, { held: "worker" });
    // b's value is lost while c reads it; a's was freed long ago, and is made again first.
    expect(run.on({ type: "workerLost", worker: 0, cause: "gone" })).toEqual([
      "tasksReturned 1 of 0",
      "objectsLost a 1",
      "objectsLost b 1",
    ]);
    expect(run.on({ type: "workerJoined", worker: 1, slots: 1 })).toEqual(["assign a[0+1] #2 to 1.0"]);
    expect(run.done("a", 0, 1, { worker: 1, attempt: 2 })).toEqual(["stageFinished a 1", "assign b[0+1] #2 to 1.0"]);
  });

  it("a copy elsewhere makes that needless", () => {
    const run = scheduler([{ id: "a" }, { id: "b", reads: [value(0)] }]);
    run.begin(1, 1);
    run.done("a", 0, 1, { held: "worker" });
    run.on({ type: "copied", stage: 0, block: 0, to: 1 });
    expect(run.on({ type: "workerLost", worker: 0, cause: "gone" })).toEqual(["tasksReturned 1 of 0", "assign b[0+1] #2 to 1.0"]);
  });

  it("a result that is lost while it is collected is made again", () => {
    const run = scheduler([{ id: "a" }]);
    run.begin(1, 1);
    expect(run.done("a", 0, 1, { held: "worker" })).toEqual(["stageFinished a 1", "collect"]);
    expect(run.on({ type: "workerLost", worker: 0, cause: "gone" })).toEqual(["objectsLost a 1", "assign a[0+1] #2 to 1.0"]);
    expect(run.done("a", 0, 1, { worker: 1, attempt: 2 })).toEqual(["stageFinished a 1", "collect"]);
  });

  it("a batch that was never sent goes back, from behind one that was", () => {
    const run = scheduler([
      { id: "a", tasks: 9, slots: null },
      { id: "b", tasks: 2, slots: null },
    ]);
    run.begin(1);
    run.done("b", 0, 1, { runMs: 1 });
    const queued = run.state.workers
      .get(0)!
      .slots[0]!.queue.map(({ stage, next, end, attempt }) => ({ stage, first: next, count: end - next, attempt }));
    expect(queued).toHaveLength(2);
    const last = queued[1]!;
    const commands = run.on({ type: "unsent", worker: 0, slot: 0, ...last });
    expect(commands[0]).toMatch(/^assign /);
    expect(run.on({ type: "unsent", worker: 0, slot: 0, ...last })).toEqual([]);
  });

  it("a stage that cuts its list otherwise the second time is nondeterministic", () => {
    const run = scheduler([
      { id: "load", output: "blocks" },
      { id: "rows", tasks: { perBlock: 0 }, reads: [block(0)] },
    ]);
    run.begin(1);
    run.done("load", 0, 1, { blocks: 3, held: "worker" });
    run.on({ type: "workerLost", worker: 0, cause: "gone" });
    run.on({ type: "workerJoined", worker: 1, slots: 1 });
    expect(run.done("load", 0, 1, { worker: 1, attempt: 2, blocks: 4 })).toEqual(["end failed load[0] #2 nondeterministic"]);
  });

  it("a timeout is the running task's own failure; what was behind it goes back", () => {
    const run = scheduler([{ id: "a", tasks: 3, slots: 1 }]);
    run.begin(1);
    run.done("a", 0, 1, { runMs: 1 });
    expect(run.on({ type: "slotLost", worker: 0, slot: 0, blame: "failure", cause: "late", jitter: 0 })).toEqual([
      "tasksReturned 1 of 0",
      "taskFailed a[1] #1",
      "end failed a[1] #1 failure",
    ]);
  });
});

it("an illegal transition tells the task's story", () => {
  const run = scheduler([{ id: "a" }]);
  run.begin(1);
  run.state.stages[0]!.state[0] = 0;
  expect(() => run.done("a")).toThrow("bug: task 0 of a is Waiting and can't be `committed`; its story: inputsPresent, assigned");
});

describe("a worker that wants to go", () => {
  it("gets nothing new, and gives back what it hasn't begun", () => {
    const run = scheduler([{ id: "a", tasks: 201, slots: null }], { batchTasks: 100 });
    run.begin(1);
    run.done("a", 0, 1, { runMs: 0.1 });
    expect(run.on({ type: "workerLeaving", worker: 0 })).toEqual(["recall a[101+50] #1 of 0.0"]);
    expect(run.on({ type: "recalled", worker: 0, slot: 0, stage: 0, first: 101, count: 50, attempt: 1 })).toEqual([
      "recall a[2+99] #1 of 0.0",
    ]);
    expect(run.on({ type: "recalled", worker: 0, slot: 0, stage: 0, first: 3, count: 98, attempt: 1 })).toEqual([
      "recall a[2+1] #1 of 0.0",
    ]);
    expect(run.on({ type: "recalled", worker: 0, slot: 0, stage: 0, first: 3, count: 0, attempt: 1 })).toEqual([]);
    expect(run.on({ type: "workerJoined", worker: 1, slots: 1 })[0]).toMatch(/^assign a\[\d+\+\d+\] #1 to 1.0$/);
    expect(run.done("a", 1, 2, { runMs: 0.2 })).toEqual([]);
  });
});

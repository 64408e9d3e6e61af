// Models of layers: their slopes beside differences, and a `fit` over one in several places beside the same in one.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Layer, Loss } from "headrace";
import { dense, embedding, layers, matrix, relu, softmaxCrossEntropy, tanh } from "headrace";
import { compile } from "headrace/engine";
import { describe, expect, it } from "vitest";
import type { RunOptions } from "../harness/engine.ts";
import { hostProcesses, metricOf, TestEngine } from "../harness/engine.ts";

const file = fileURLToPath(new URL("./fixtures/layers.pipe", import.meta.url));
const engine = new TestEngine(4, "layers");

interface State {
  readonly w: readonly Float32Array[];
  readonly steps: number;
}

const run = (schedule: string, params: { [name: string]: number } = {}, more: RunOptions = {}) => {
  const [entry, chosen] = schedule.split("_");
  return engine.run(file, entry!, { ...more, params, schedule: chosen && schedule });
};

async function state(...args: Parameters<typeof run>): Promise<State> {
  const { outputs, error } = await run(...args);
  expect(error).toBeNull();
  return (outputs.model ?? outputs.result) as State;
}

/** Relative, in L2 norm, layer by layer together. */
function distance(a: State, b: State): number {
  let [apart, all] = [0, 0];
  expect(a.w.map(({ length }) => length)).toEqual(b.w.map(({ length }) => length));
  a.w.forEach((one, layer) => {
    one.forEach((value, i) => {
      apart += (value - b.w[layer]![i]!) ** 2;
      all += value ** 2;
    });
  });
  expect(all).toBeGreaterThan(0);
  return Math.sqrt(apart / all);
}

describe("slopes are those of the loss", () => {
  const mean: Loss = softmaxCrossEntropy();
  const cases: [string, Layer[], number[][]][] = [
    [
      "dense",
      [dense(3, 4)],
      [
        [0.3, -1, 2],
        [1, 0, 0.5],
      ],
    ],
    [
      "dense, tanh, dense",
      [dense(3, 5), tanh(), dense(5, 4)],
      [
        [0.3, -1, 2],
        [1, 0, 0.5],
      ],
    ],
    [
      "dense, relu, dense",
      [dense(3, 6), relu(), dense(6, 4)],
      [
        [0.31, -1, 2],
        [1, 0.2, 0.5],
      ],
    ],
    [
      "embedding, dense",
      [embedding(6, 2), dense(4, 4)],
      [
        [0, 5],
        [2, 2],
      ],
    ],
  ];
  it.each(cases)("%s", (_name, all, rows) => {
    const net = layers(all, mean);
    const w = net.init(5);
    const [x, labels] = [matrix(rows), [1, 3]];
    const { gradients } = net.gradients(w, x, labels);
    w.forEach((one, layer) => {
      for (let i = 0; i < one.length; i++) {
        const [at, by] = [one[i]!, 1e-2];
        const lossAt = (value: number) => {
          one[i] = value;
          const { loss } = net.gradients(w, x, labels);
          one[i] = at;
          return loss;
        };
        expect(gradients[layer]![i]!).toBeCloseTo((lossAt(at + by) - lossAt(at - by)) / (2 * by), 2);
      }
    });
  });

  it("labels, words and rows that there aren't are told", () => {
    const net = layers([embedding(6, 2), dense(4, 4)], mean);
    const w = net.init(1);
    expect(() => net.gradients(w, matrix([[0, 6]]), [0])).toThrow("embedding(6, 2) has no row 6");
    expect(() => net.gradients(w, matrix([[0, 1]]), [4])).toThrow("label 4 isn't one of 4 classes");
    expect(() => net.gradients(w.slice(1), matrix([[0, 1]]), [0])).toThrow(/learns 12 numbers here, and is given/);
    expect(() => net.gradients(w, matrix([]), [])).toThrow("a batch without rows has no slope");
    expect(() => matrix([[1], [1, 2]])).toThrow("row 1 has 2 numbers, and row 0 has 1");
  });
});

describe("a step in places", () => {
  it.each([
    ["step_pipelined", [2, 1]],
    ["step_four", [4, 3, 2, 1]],
    ["step_few", [1, 1, 1]],
    ["step_tensor", null],
    ["step_three", null],
  ] as const)("%s has the slopes of the fold, and keeps as many microbatches as it should", async (schedule, stash) => {
    const fold = await run("step");
    const { outputs, events, error } = await run(schedule);
    expect(error).toBeNull();
    expect(distance(fold.outputs.model as State, outputs.model as State)).toBeLessThan(1e-5);
    expect(metricOf(events, "loss").values[0]).toBeCloseTo(metricOf(fold.events, "loss").values[0]!, 5);
    expect(metricOf(events, "loss").values[0]).toBeCloseTo(outputs.loss as number, 4);
    if (stash) expect(metricOf(events, "stash")).toEqual({ steps: stash.map((_, i) => i), values: stash });
  });
});

describe("a fit in places", () => {
  it.each(["train_pipelined", "train_four", "train_tensor", "train_allreduce"])(
    "%s comes to what the fold comes to, the same bits each time",
    async (schedule) => {
      const fold = await state("train");
      const first = await state(schedule);
      expect(distance(fold, first)).toBeLessThan(1e-4);
      expect(first.steps).toBe(fold.steps);
      expect(await state(schedule)).toEqual(first);
    },
  );

  it.each(["table_pipelined", "table_tensor"])("%s: a table of words", async (schedule) => {
    expect(distance(await state("table"), await state(schedule))).toBeLessThan(1e-4);
  });

  it.each(["before_pipelined", "before_tensor"])("%s takes its own of what another stage made", async (schedule) => {
    expect(distance(await state("before"), await state(schedule))).toBeLessThan(1e-4);
  });

  it("each place has its own layers alone, or its part of each", async () => {
    const held = async (schedule: string) => metricOf((await run(schedule, { size: 64 })).events, "heldMB").values;
    const [first, second] = await held("train_pipelined");
    const parts = await held("train_tensor");
    const whole = 2 * 4 * (64 + 5 * (64 * 64 + 64) + 64 * 4 + 4);
    expect(first! + second!).toBeGreaterThan(whole / 1e6);
    for (const part of [first!, second!, ...parts]) expect(part).toBeLessThan((0.75 * whole) / 1e6);
  });

  it("what is too large for one place trains in two", async () => {
    const params = { size: 160, epochs: 1 };
    const { status, error } = await run("train_small", params);
    expect(status).toBe("failed");
    expect(error).toMatchObject({ name: "OutOfMemory", stage: "model" });
    expect(error!.message).toMatch(
      /^the model needs 1\.\d MB for its weights, their slopes and what it keeps of 1 batch, and may have 1\.0 MB \(`memory`\)$/,
    );
    expect((await state("train_halves", params)).steps).toBe(19);
  });

  it.each(["train_pipelined", "train_tensor"])("%s: a host is killed in the middle", async (schedule) => {
    const params = { epochs: 30 };
    const whole = await state(schedule, params);
    let killed = false;
    const result = await run(schedule, params, {
      results: join(engine.folder, schedule),
      onEvent(event) {
        if (event.type !== "stage.progress" || event.done < 3 || killed) return;
        killed = true;
        for (const pid of hostProcesses()) process.kill(pid, "SIGKILL");
      },
    });
    expect(killed).toBe(true);
    expect(result.error).toBeNull();
    expect(result.outputs.result).toEqual(whole);
  });
});

describe("schedules that a fit can't have", () => {
  it.each([
    ["whole_pipelined", "HR411", /`clipped` isn't tagged `@elementwise`/],
    ["plain_pipelined", "HR411", /none of its functions is given a `Model` of layers/],
  ])("%s", async (schedule, code, message) => {
    const { diagnostics } = await compile(file, { entry: schedule.split("_")[0]!, schedule });
    expect(diagnostics.find((one) => one.code === code)?.message).toMatch(message);
  });
});

// `fit` under its architectures, in real slots: what each promises of its result, what is told on the way, and what happens to it when members
// and hosts are lost.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { RunEvent, RunResult } from "headrace/engine";
import { compile, localEngine } from "headrace/engine";
import { describe, expect, it } from "vitest";
import type { RunOptions } from "../harness/engine.ts";
import { hostProcesses, TestEngine } from "../harness/engine.ts";

const file = fileURLToPath(new URL("./fixtures/fits.pipe", import.meta.url));
const engine = new TestEngine(3, "training");

interface Weights {
  readonly w: Float64Array;
  readonly t: number;
}
interface Trained {
  readonly model: Weights;
  readonly result: RunResult;
  readonly events: readonly RunEvent[];
}

const run = (schedule: string, params: { [name: string]: number } = {}, more: RunOptions = {}) => {
  const [entry, chosen] = schedule.split("_");
  return engine.run(file, entry!, { ...more, params, schedule: chosen && schedule });
};

async function trained(...args: Parameters<typeof run>): Promise<Trained> {
  const result = await run(...args);
  expect(result.error).toBeNull();
  const model = result.outputs.model as Weights | { readonly at: Weights };
  return { model: "at" in model ? model.at : model, result, events: result.events };
}

/** Relative, in L2 norm. */
function distance(a: Weights, b: Weights): number {
  return Math.hypot(...a.w.map((value, i) => value - b.w[i]!)) / Math.hypot(...b.w);
}

const tracked = (events: readonly RunEvent[], name: string): [step: number, value: number][] =>
  events.flatMap((event) =>
    event.type === "metric" && event.name === name ? event.steps.map((step, i): [number, number] => [step, event.values[i]!]) : [],
  );
const STEP = { rows: 33, epochs: 1 };
const EPOCH = { rows: 331, epochs: 1 };

describe("batches in parts", () => {
  it.each(["model", "plain", "twice", "later"])("%s: allreduce is the fold, to rounding, and the same each time", async (name) => {
    const schedule = `${name}_allreduce`;
    expect(distance((await trained(schedule, STEP)).model, (await trained(name, STEP)).model)).toBeLessThan(1e-6);
    // The last batch has one row, so that one member has none.
    const once = (await trained(schedule, EPOCH)).model;
    expect(distance(once, (await trained(name, EPOCH)).model)).toBeLessThan(1e-4);
    expect((await trained(schedule, EPOCH)).model).toEqual(once);
  });

  it.each(["plain_ps", "plain_ranges"])("%s: servers without staleness give the bits of allreduce", async (schedule) => {
    expect((await trained(schedule, EPOCH)).model).toEqual((await trained("plain_allreduce", EPOCH)).model);
  });

  it("a rate goes by the batch's step, whoever applies the batch", async () => {
    const params = { rows: 1000, epochs: 3, batch: 10 };
    const [parts, ranges] = [await trained("falling_allreduce", params), await trained("falling_ranges", params)];
    expect(ranges.model).toEqual(parts.model);
    const stale = await trained("falling_stale", params);
    const rates = tracked(stale.events, "rate").sort(([a], [b]) => a - b);
    expect(rates.map(([step]) => step)).toEqual(Array.from({ length: 300 }, (_, step) => step));
    for (const [step, rate] of rates) expect(rate).toBeCloseTo(0.5 / (1 + 0.2 * step), 12);
  });

  it("a batch may be of any size, and without rows", async () => {
    const [parts, fold] = [await trained("gaps_allreduce", EPOCH), await trained("gaps", EPOCH)];
    expect(distance(parts.model, fold.model)).toBeLessThan(1e-4);
    expect((await trained("gaps_ranges", EPOCH)).model).toEqual(parts.model);
  });

  it("what a class keeps to itself is refused, not left out", async () => {
    await trained("opaque", STEP);
    const { error } = await run("opaque_allreduce", STEP);
    expect(error).toMatchObject({ stage: "model", message: expect.stringContaining("not a `Hidden`") });
  });

  it("an update that only says that it works number by number is found out", async () => {
    const { status, error } = await run("unlawful_ranges");
    expect(status).toBe("failed");
    expect(error).toMatchObject({ stage: "model", message: expect.stringContaining("isn't made number by number") });
    await trained("unlawful", STEP);
  });

  it("fits of a `for` take their turns", async () => {
    const [parts, fold] = [await run("several_allreduce", EPOCH), await run("several", EPOCH)];
    expect(parts.error).toBeNull();
    const [found, wanted] = [parts.outputs.models as Weights[], fold.outputs.models as Weights[]];
    expect(found.length).toBe(3);
    for (const [i, model] of found.entries()) expect(distance(model, wanted[i]!)).toBeLessThan(1e-4);
  });

  it("parts may wait, at servers too", async () => {
    expect((await trained("later_ps", EPOCH)).model).toEqual((await trained("later_allreduce", EPOCH)).model);
  });

  it("three parts are the fold too, and all that is combined is told as one", async () => {
    const [three, fold] = [await trained("model_three", EPOCH), await trained("model", EPOCH)];
    expect(distance(three.model, fold.model)).toBeLessThan(1e-4);
    for (const name of ["loss", "most"]) {
      const [found, wanted] = [tracked(three.events, name), tracked(fold.events, name)];
      expect(found.map(([step]) => step)).toEqual(wanted.map(([step]) => step));
      for (const [i, [, value]] of wanted.entries()) expect(found[i]![1]).toBeCloseTo(value, 9);
    }
    // One list a part.
    expect(tracked(three.events, "seen").map(([, value]) => value)).toEqual([...Array<number>(10).fill(3), 1]);
  });

  it("a batch a member takes half as many steps", async () => {
    const { model } = await trained("model_perWorker", { rows: 330, epochs: 1 });
    expect(model.t).toBe(5);
  });

  it("what is kept, and when it stops, is what the fold says", async () => {
    const [parts, fold] = [await trained("kept_allreduce"), await trained("kept")];
    expect(distance(parts.model, fold.model)).toBeLessThan(1e-4);
    expect(tracked(parts.events, "loss").length).toBe(tracked(fold.events, "loss").length);
    expect(tracked(fold.events, "loss").length).toBeLessThan(40);
  });
});

describe("folds side by side", () => {
  it("one average at the end keeps the bias of short folds; many averages lose most of it", async () => {
    // Zinkevich et al. 2010: averaging takes away variance, not that each fold has seen half of the data.
    const params = { rows: 2000, epochs: 1, batch: 10, rate: 0.2 };
    const [fold, once, often] = [
      await trained("plain", params),
      await trained("plain_average", params),
      await trained("plain_every", params),
    ];
    const loss = async ({ model }: Trained) => Math.hypot(...model.w);
    // The further from where it began, the longer the fold.
    const [whole, half, mixed] = [await loss(fold), await loss(once), await loss(often)];
    expect(half).toBeLessThan(0.75 * whole);
    expect(Math.abs(mixed - half)).toBeLessThan(0.1 * whole);
    expect(once.model.t).toBe(100);
  });

  it("an epoch's end is about the average, and members go on from their own", async () => {
    const { events } = await trained("kept_average");
    expect(tracked(events, "loss").length).toBeGreaterThan(2);
  });
});

describe("one state for all", () => {
  it.each(["plain_hogwild", "fresh_hogwild", "fresh_atomic", "plain_downpour", "later_downpour", "plain_stale", "plain_async"])(
    "%s learns what the fold learns",
    async (schedule) => {
      const params = { rows: 1000, epochs: 12, batch: 10, rate: 0.3 };
      const [fold, shared] = [await trained(schedule.split("_")[0]!, params), await trained(schedule, params)];
      const along = shared.model.w.reduce((sum, value, i) => sum + value * fold.model.w[i]!, 0);
      const cosine = along / (Math.hypot(...shared.model.w) * Math.hypot(...fold.model.w));
      expect(cosine).toBeGreaterThan(0.97);
    },
  );

  it("no member is further ahead than it may be", async () => {
    const { events } = await trained("plain_stale", { rows: 1000, epochs: 3, batch: 10 });
    const stale = tracked(events, "staleness").map(([, value]) => value);
    expect(stale.length).toBe(2 * 3 * 100);
    expect(Math.max(...stale)).toBeLessThanOrEqual(2);
    expect(Math.min(...stale)).toBeGreaterThanOrEqual(0);
    const exact = await trained("plain_ranges", EPOCH);
    expect(new Set(tracked(exact.events, "staleness").map(([, value]) => value))).toEqual(new Set([0]));
  });

  it("old gradients make plain descent run away, where Adagrad holds", async () => {
    // Dean et al. 2012. A rate at which the fold itself is fine.
    const params = { rows: 6000, epochs: 12, batch: 125, rate: 4 };
    const [fold, slow] = [await trained("steep", params), await trained("steep_slow", params)];
    const careful = await trained("careful_slow", { ...params, rate: 0.2 });
    const size = ({ model }: Trained) => Math.hypot(...model.w);
    expect(size(fold)).toBeLessThan(4);
    expect(size(slow)).not.toBeLessThan(10 * size(fold));
    expect(size(careful)).toBeLessThan(4);
  });
});

describe("losses", () => {
  it.each(["plain", "plain_allreduce", "plain_ranges", "plain_average", "plain_hogwild", "plain_downpour", "plain_stale"])(
    "%s: a host killed in the middle ends in what it would have given",
    async (schedule) => {
      // Long enough that the host is still at it when it is killed.
      const isQuick = schedule !== "plain_allreduce" && schedule !== "plain_ranges";
      const params = { rows: 3000, epochs: isQuick ? 160 : 40, batch: 20, rate: 0.3 };
      const calm = await trained(schedule, params);
      let killed = false;
      const { model, events } = await trained(schedule, params, {
        onEvent: (event) => {
          if (killed || event.type !== "stage.progress" || event.done < 3) return;
          killed = true;
          for (const pid of hostProcesses()) process.kill(pid, "SIGKILL");
        },
      });
      expect(killed && events.some(({ type }) => type === "worker.lost")).toBe(true);
      const isExact = ["plain", "plain_allreduce", "plain_ranges", "plain_average"].includes(schedule);
      if (isExact) expect(model).toEqual(calm.model);
      else expect(distance(model, calm.model)).toBeLessThan(0.3);
    },
    60_000,
  );

  it("goes on from its last checkpoint, in another run too, and leaves none when it is done", async () => {
    const results = join(engine.folder, "resumed");
    const params = { rows: 3000, epochs: 40, batch: 20, rate: 0.3 };
    const calm = await trained("plain_allreduce", params);
    const stop = new AbortController();
    const broken = await run("plain_allreduce", params, {
      results,
      signal: stop.signal,
      onEvent: (event) => {
        if (event.type === "stage.progress" && event.done >= 3) stop.abort();
      },
    });
    expect(broken.status).toBe("cancelled");
    expect(readdirSync(results).some((name) => name.endsWith(".checkpoint"))).toBe(true);
    const { model, events } = await trained("plain_allreduce", params, { results });
    expect(model).toEqual(calm.model);
    expect(Math.min(...tracked(events, "loss").map(([step]) => step))).toBeGreaterThan(300);
    expect(readdirSync(results).some((name) => name.endsWith(".checkpoint"))).toBe(false);
    // What an architecture gives that rounds in another way is never taken for the fold's.
    const fold = await trained("plain", params, { results });
    expect(tracked(fold.events, "loss").length).toBe(40 * 150);
  }, 60_000);

  it("what a member throws is the stage's failure, and the engine lives", async () => {
    const { status, error } = await run("failing_allreduce");
    expect(status).toBe("failed");
    expect(error).toMatchObject({ stage: "model", message: expect.stringMatching(/^no more of 1[67]$/) });
    expect(error?.stack[0]).toMatch(/^at fail \(.*fits\.ts:\d+/);
    const gone = await run("leaving_allreduce");
    expect(gone.error).toMatchObject({ stage: "model", name: "WorkerLost", message: expect.stringContaining("process.exit(3)") });
    await trained("plain_allreduce", STEP);
  }, 60_000);

  it("says so where there are too few slots", async () => {
    const small = await localEngine({ slots: 2 });
    try {
      const { plan, code } = await compile(file, { entry: "model", schedule: "model_three" });
      const { status, error } = await small.run(plan!, code, {});
      expect(status).toBe("infrastructure");
      expect(error).toMatchObject({ stage: "model", message: expect.stringContaining("--slots 3") });
    } finally {
      await small[Symbol.asyncDispose]();
    }
  });
});

// The driver over workers made of timers: objects that take their time between them, answers in every order that the link allows.
import { describe, expect, it } from "vitest";
import { drive } from "../../runtime/engines/driver.ts";
import { WorkerPool } from "../../runtime/engines/pool.ts";
import { Recall } from "../../runtime/engines/recall.ts";
import type { FromHost, ToHost, WorkerLink } from "../../runtime/hosts/link.ts";
import { encode } from "../../runtime/objects/codec.ts";
import { planOf, value } from "./plans.ts";

/** Works off what it gets in order; stage 0 makes an object, all others numbers. */
class FakeWorker implements WorkerLink {
  readonly meets = null;
  readonly slots = 1;
  readonly id: string;
  onMessage: (message: FromHost) => void = () => {};
  onLost: (reason: string) => void = () => {};
  readonly holds = new Set<string>();
  readonly #delayMs: () => number;
  #queue: Extract<ToHost, { type: "assign" }>[] = [];
  #busy = false;
  readonly problems: string[] = [];

  constructor(id: string, delayMs: () => number) {
    this.id = id;
    this.#delayMs = delayMs;
  }
  send(message: ToHost): void {
    switch (message.type) {
      case "assign":
        this.#queue.push(message);
        this.#next();
        return;
      case "place":
        this.holds.add(`${message.ref.stage}:${message.ref.block}`);
        return;
      case "fetch": {
        const { request, ref } = message;
        setTimeout(
          () => this.onMessage({ type: "object", request, bytes: this.holds.has(`${ref.stage}:${ref.block}`) ? encode(1) : null }),
          this.#delayMs() * 4,
        );
        return;
      }
      default:
        return;
    }
  }
  #next(): void {
    const work = this.#queue[0];
    if (this.#busy || !work) return;
    this.#busy = true;
    setTimeout(() => {
      this.#busy = false;
      this.#queue.shift();
      const { run, slot, stage, first, count, attempt, inputs } = work;
      for (const input of inputs)
        if (input.kind === "object" && !this.holds.has(`${input.ref.stage}:${input.ref.block}`))
          this.problems.push(`stage ${stage} reads what isn't there`);
      if (stage === 0) this.holds.add("0:0");
      this.onMessage({
        type: "finished",
        run,
        slot,
        stage,
        first,
        count,
        attempt,
        runMs: 0.5,
        outputs:
          stage === 0
            ? { kind: "objects", bytes: Float64Array.of(1e6) }
            : { kind: "column", column: { kind: "rows", lengths: null, values: new Float64Array(count) } },
      });
      this.#next();
    }, this.#delayMs());
  }
  async close(): Promise<void> {}
}

describe("driver", () => {
  it("what a slot gets keeps its order while objects are on their way to it", async () => {
    let state = 1;
    const chance = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    // Rows that read nothing would overtake those that wait for the object.
    const plan = planOf(
      [
        { id: "object" },
        { id: "others", tasks: 60, slots: null, output: "block" },
        { id: "readers", tasks: 3, reads: [value(0)], slots: null, output: "block" },
      ],
      [1, 2],
    );
    for (let round = 0; round < 25; round++) {
      const pool = new WorkerPool();
      const workers = ["a", "b"].map((id) => new FakeWorker(id, () => chance() * 3));
      for (const worker of workers) pool.add(worker);
      const result = await Promise.race([
        drive(
          pool,
          plan,
          {},
          { engine: "nats", run: "r", params: {}, onEvent: () => {}, signal: undefined, check: false, recall: Recall.ofNothing(plan) },
        ),
        new Promise<null>((resolve) => setTimeout(() => resolve(null), 3000)),
      ]);
      expect(result?.status).toBe("ok");
      expect(result?.outputs.readers).toHaveLength(3);
      expect(result?.outputs.others).toHaveLength(60);
      expect(workers.flatMap(({ problems }) => problems)).toEqual([]);
    }
  }, 30_000);

  it("a listener that throws ends its run with what it threw", async () => {
    const pool = new WorkerPool();
    pool.add(new FakeWorker("a", () => 0));
    const plan = planOf([{ id: "object" }]);
    const listening = drive(
      pool,
      plan,
      {},
      {
        engine: "nats",
        run: "r",
        params: {},
        onEvent: (event) => {
          if (event.type === "tasks.finished") throw new Error("listener's own");
        },
        signal: undefined,
        check: false,
        recall: Recall.ofNothing(plan),
      },
    );
    await expect(listening).rejects.toThrow("listener's own");
    expect(pool.workers.size).toBe(1);
  });
});

// A slot that keeps dying under a stream of work: what it answered before counts, nothing comes after its loss was told, and
// what is assigned from then on runs on the next thread, which knows all that the last one knew.
import { expect, it } from "vitest";
import { writeColumn } from "../../runtime/objects/codec.ts";
import { call, input, plan, TestHost } from "./harness.ts";

const module = `
export const step = (x, table) => {
  if (x < 0) process.exit(1);
  return table[x % table.length] + x;
};
`;
const program = plan(
  { step: {} },
  [
    {
      id: "step",
      body: call("step", input(0), input(1)),
      inputs: [
        { kind: "value", stage: 0 },
        { kind: "value", stage: 0 },
      ],
    },
  ],
  module,
);
const TASKS = 600;
const BATCH = 25;
/** Blocks at which a thread dies, the first time. */
const deadly = (block: number) => block % 83 === 41;

it("every task is answered exactly once or lost with its slot", async () => {
  const host = await TestHost.start(2);
  try {
    host.prepare(1, program, module);
    host.provide(1, "table", [1000, 2000, 3000]);
    const answered = new Set<number>();
    const attempts = new Map<number, number>();
    /** Blocks that each slot still owes. */
    const owed: Set<number>[] = [new Set(), new Set()];
    const todo = Array.from({ length: TASKS }, (_, block) => block);
    const feed = (slot: number): void => {
      while (owed[slot]!.size < 2 * BATCH && todo.length > 0) {
        const first = todo.shift()!;
        let count = 1;
        while (count < BATCH && todo[0] === first + count) {
          todo.shift();
          count++;
        }
        const blocks = Array.from({ length: count }, (_, index) => first + index);
        for (const block of blocks) {
          owed[slot]!.add(block);
          attempts.set(block, (attempts.get(block) ?? 0) + 1);
        }
        const values = blocks.map((block) => (deadly(block) && attempts.get(block) === 1 ? -1 : block));
        host.assign(1, 0, {
          slot,
          first,
          count,
          inputs: [
            { kind: "column", column: writeColumn(values) },
            { kind: "provided", key: "table" },
          ],
        });
      }
    };
    feed(0);
    feed(1);
    let read = 0;
    await host.until("all answers", () => {
      for (; read < host.heard.length; read++) {
        const message = host.heard[read]!;
        if (message.type === "finished") {
          for (let block = message.first; block < message.first + message.count; block++) {
            // Owed until just now: not answered before, nor after its loss was told.
            expect(owed[message.slot]!.delete(block)).toBe(true);
            answered.add(block);
          }
        } else if (message.type === "slotLost") {
          expect(message.reason).toMatchObject({ kind: "lost", stage: "step" });
          expect(deadly(message.reason.block!)).toBe(true);
          todo.unshift(...[...owed[message.slot]!].sort((a, b) => a - b));
          owed[message.slot]!.clear();
        } else continue;
        feed(message.slot);
      }
      return answered.size === TASKS;
    });
    const values = host.values(1, 0);
    expect(values.size).toBe(TASKS);
    for (const [block, value] of values) expect(value).toBe([1000, 2000, 3000][block % 3]! + block);
    // Fewer than there are deadly blocks: some were lost with another one's thread, and are harmless the second time.
    expect(host.all("slotLost").length).toBeGreaterThanOrEqual(2);
  } finally {
    await host.link.close();
  }
});

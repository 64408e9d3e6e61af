// Assignments that are begun by a slot or taken back by its host, never both.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Claims, SHARED_BYTES } from "../../runtime/hosts/inside.ts";

describe("an assignment", () => {
  it("that has begun isn't taken back, and one that was taken back isn't begun", () => {
    const claims = new Claims(new SharedArrayBuffer(SHARED_BYTES));
    expect(claims.begin(1)).toBe(true);
    expect(claims.takeBack(1)).toBe(false);
    expect(claims.takeBack(2)).toBe(true);
    expect(claims.begin(2)).toBe(false);
    expect(claims.isTakenBack(2)).toBe(true);
    expect(claims.isTakenBack(1)).toBe(false);
  });

  it("is decided once, in whatever order, however many there were and where numbers wrap", () => {
    const starts = fc.constantFrom(1, 1000, 2 ** 30 - 40, 2 ** 31 - 40, 2 ** 32 - 40);
    const decisions = fc.array(fc.record({ ahead: fc.nat(64), by: fc.constantFrom("slot", "host") }), { maxLength: 200 });
    fc.assert(
      fc.property(starts, decisions, (start, asked) => {
        const memory = new SharedArrayBuffer(SHARED_BYTES);
        const claims = new Claims(memory);
        // All of a slot's life went before: its last 1024 assignments, which stand at the end of that memory.
        const cells = new Int32Array(memory, SHARED_BYTES - 4 * 1024);
        for (let order = Math.max(1, start - 1024); order < start; order++) cells[order % 1024] = order * 2;
        const begun = new Set<number>();
        const taken = new Set<number>();
        asked.forEach(({ ahead, by }, moment) => {
          const order = start + Math.floor(moment / 8) + ahead;
          if (by === "host" ? claims.takeBack(order) : claims.begin(order)) (by === "host" ? taken : begun).add(order);
          else expect((by === "host" ? begun : taken).has(order) || taken.has(order)).toBe(true);
        });
        for (const order of taken) expect(begun.has(order)).toBe(false);
      }),
    );
  });
});

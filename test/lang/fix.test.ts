// Edits of a text: those that lie apart are made at once, the others wait, and nothing else changes.
import fc from "fast-check";
import { expect, it } from "vitest";
import { mend } from "../../lang/fix.ts";

const fix = (start: number, end: number, text: string) => ({ span: { file: "a.pipe", start, end }, text });

it("of two edits that overlap one is made, and the other has its turn later", () => {
  expect(mend("abcdef", [fix(0, 3, "X"), fix(2, 5, "Y")])).toEqual({ text: "abYf", mended: 1 });
  expect(mend("abcdef", [fix(1, 2, "X"), fix(1, 2, "X")])).toEqual({ text: "aXcdef", mended: 1 });
  expect(mend("abcdef", [fix(3, 3, "do "), fix(3, 3, "let ")])).toMatchObject({ mended: 1 });
  expect(mend("abcdef", [fix(0, 2, "X"), fix(2, 4, "Y")])).toEqual({ text: "XYef", mended: 2 });
});

it("whatever the edits are, what stands outside of them stays as it was", () => {
  const edits = fc.array(fc.tuple(fc.nat(20), fc.nat(5), fc.constantFrom("", "#", "##")), { maxLength: 6 });
  fc.assert(
    fc.property(edits, (made) => {
      const text = "abcdefghijklmnopqrstuvwxyz";
      const done = mend(
        text,
        made.map(([start, length, put]) => fix(start, start + length, put)),
      );
      expect(done.mended).toBeLessThanOrEqual(made.length);
      const kept = done.text.replaceAll("#", "");
      // In order, and without anything that no edit covers missing.
      expect([...kept].join("")).toBe([...kept].sort().join(""));
      const covered = new Set(made.flatMap(([start, length]) => Array.from({ length }, (_, i) => text[start + i])));
      for (const letter of text) if (!covered.has(letter)) expect(kept).toContain(letter);
    }),
  );
});

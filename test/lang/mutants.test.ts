// One message for one mistake.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parse } from "../../lang/parse.ts";
import { mutantsOf } from "../harness/mutants.ts";
import { EVERYTHING } from "./everything.ts";

const digits = readFileSync(fileURLToPath(new URL("../../examples/digits/digits.pipe", import.meta.url)), "utf8");
describe.each([
  ["digits", digits],
  ["every form", EVERYTHING],
])("mutants of %s", (_, program) => {
  it("are told by one message, with few exceptions", () => {
    expect(parse(program, "main.pipe").diagnostics).toEqual([]);
    const counts = mutantsOf(program).map((mutant) => parse(mutant, "main.pipe").diagnostics.length);
    const broken = counts.filter((count) => count > 0);
    // Most of the others are right too: a name left out or doubled may leave another program.
    expect(broken.length / counts.length).toBeGreaterThan(0.75);
    expect(broken.filter((count) => count === 1).length / broken.length).toBeGreaterThan(0.98);
  });
});

// One message for one mistake: whole programs with one token left out, doubled, replaced, put in or swapped. Which tokens replace others
// is fixed, so that a run is like the one before.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parse } from "../../lang/parse.ts";
import { EVERYTHING } from "./everything.ts";

const digits = readFileSync(fileURLToPath(new URL("../../examples/digits/digits.pipe", import.meta.url)), "utf8");
const TOKEN =
  /[A-Za-z_]\w*|\d+(?:\.\d+)?(?:e-?\d+)?|"[^"\n]*"|\|>|=>|<-|->|==|!=|<=|>=|&&|\|\||\?\?|\?\.|\.\.\.|\.\.|[{}()[\],.:=+*/<>|!?-]/g;

interface Piece {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Tokens outside of comments, by a pattern of this test's own. */
function pieces(program: string): Piece[] {
  return [...program.matchAll(TOKEN)]
    .map(({ index, 0: text }) => ({ start: index, end: index + text.length, text }))
    .filter(({ start }) => !program.slice(program.lastIndexOf("\n", start) + 1, start).includes("//"));
}

function mutantsOf(program: string): string[] {
  const all = pieces(program);
  const words = [...new Set(all.map(({ text }) => text))];
  let state = 7;
  const anyWord = () => {
    state = (state * 1_103_515_245 + 12_345) & 0x7fffffff;
    return words[state % words.length]!;
  };
  return all.flatMap(({ start, end, text }, i) => {
    const [before, after] = [program.slice(0, start), program.slice(end)];
    const next = all[i + 1];
    return [
      before + after,
      `${before}${text} ${text}${after}`,
      `${before} ${anyWord()} ${after}`,
      `${before} ${anyWord()} ${text}${after}`,
      ...(next ? [before + next.text + program.slice(end, next.start) + text + program.slice(next.end)] : []),
    ];
  });
}

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

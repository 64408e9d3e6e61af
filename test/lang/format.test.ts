// The formatter keeps tokens, comments and meaning, and has nothing to say of what it wrote.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { format } from "../../lang/format.ts";
import { parse } from "../../lang/parse.ts";
import { render } from "../../lang/render.ts";
import { lex } from "../../lang/scan.ts";
import { program } from "./generated.ts";

const digits = readFileSync(fileURLToPath(new URL("../../examples/digits/digits.pipe", import.meta.url)), "utf8");
const MESSY = `///   Doc.
import {f,type T as U}   from "./x.ts" // an import


/* a block */ param n:int=3 in 0..10 /// how many
type Batch<B> ={x:Tensor<f32,[B,28*28]>,note?:string?}
pipeline all( rows:[T],k:int=-3 )->Dataset<U>{
// first
      let {a,b:c}=split( rows,a:0.5,c:0.5 )
  let y=a
  |>map( r=>{...r,speed:r.km/r.h} )
        |> filter((l)=>!l.ok&&l.x!=null) // trailing
  let t=\`n is \${ n+1 }\`
  let w=fit s=init( seed:7 )
    over batch in rows|>batches(64)
        for 30{
    s<-step(s,-mean(s.g)*2)
  }


  let list=[
1,
  2 ]
  if n<3{w}else{ y }
}
schedule lab for all{
w:data!(2){timeout:10m}
  *:auto
}
// the end`;

const CLEAN = `/// Doc.
import { f, type T as U } from "./x.ts" // an import

/* a block */
param n: int = 3 in 0..10 /// how many
type Batch<B> = { x: Tensor<f32, [B, 28 * 28]>, note?: string? }
pipeline all(rows: [T], k: int = -3) -> Dataset<U> {
  // first
  let { a, b: c } = split(rows, a: 0.5, c: 0.5)
  let y = a
    |> map(r => { ...r, speed: r.km / r.h })
    |> filter((l) => !l.ok && l.x != null) // trailing
  let t = \`n is \${n + 1}\`
  let w = fit s = init(seed: 7)
  over batch in rows |> batches(64)
  for 30 {
    s <- step(s, -mean(s.g) * 2)
  }

  let list = [
    1,
    2]
  if n < 3 { w } else { y }
}
schedule lab for all {
  w: data!(2) { timeout: 10m }
  *: auto
}
// the end
`;

const images = (text: string) => lex(text, "").tokens.map(({ image }) => image);
const tree = (text: string) => JSON.stringify(parse(text, "x").file, (key, value) => (key === "span" ? undefined : value));

describe("format", () => {
  it("leaves what is well alone", () => {
    expect(format(digits)).toBe(digits);
  });

  it("puts a mess in order", () => {
    expect(format(CLEAN)).toBe(CLEAN);
    // A comment that stands before a declaration on its line keeps its line; all else is as it should be.
    expect(
      format(
        MESSY.replace("/* a block */ ", "/* a block */\n").replace("///   Doc.", "/// Doc.").replaceAll("< ", "<").replace("n<3", "n < 3"),
      ),
    ).toBe(CLEAN);
  });

  it("keeps tokens, comments and meaning, whatever the spaces, and is done after once", () => {
    const sources = [digits, CLEAN, MESSY];
    fc.assert(
      fc.property(fc.constantFrom(...sources), fc.array(fc.nat(9), { minLength: 40, maxLength: 40 }), (source, dice) => {
        // More spaces, and blank lines, where there are some already.
        let at = 0;
        const text = source.replace(/(?<=\S)( |\n)(?=\S)/g, (space) =>
          space === " " ? " ".repeat(1 + (dice[at++ % 40]! % 3)) : "\n".repeat(1 + (dice[at++ % 40]! % 4)) + " ".repeat(dice[at % 40]!),
        );
        const once = format(text);
        expect(format(once)).toBe(once);
        expect(images(once)).toEqual(images(text));
        expect(tree(once)).toBe(tree(text));
        const comments = (one: string) => one.match(/\/\/.*|\/\*[\s\S]*?\*\//g)?.map((comment) => comment.trim());
        expect(comments(once)).toEqual(comments(text));
      }),
      { numRuns: 300 },
    );
  });

  const problems = (text: string) => render(parse(text, "x").diagnostics, () => text, { color: false });

  it("does so for programs of every form", () => {
    fc.assert(
      fc.property(program, (text) => {
        expect(problems(text)).toBe("");
        const once = format(text);
        expect(problems(once)).toBe("");
        expect(images(once)).toEqual(images(text));
        expect(tree(once)).toBe(tree(text));
        expect(commentsOf(once)).toEqual(commentsOf(text));
        expect(format(once)).toBe(once);
      }),
      { numRuns: 400, endOnFailure: false },
    );
  });

  it("loses no text, whatever is wrong with it", () => {
    const bare = (text: string) => text.replace(/\s+/g, "");
    const signs = fc.constantFrom("{", "}", "(", ")", "[", "]", '"', "`", "/*", "*/", "//", "${", ";", "#", "é", "=>", "let", "\r\n", "\t");
    fc.assert(
      fc.property(program, fc.array(fc.tuple(fc.nat(), signs), { maxLength: 4 }), (text, mistakes) => {
        const broken = mistakes.reduce((so, [at, sign]) => so.slice(0, at % so.length) + sign + so.slice(at % so.length), text);
        expect(bare(format(broken))).toBe(bare(broken));
      }),
      { numRuns: 400, endOnFailure: false },
    );
  });
});

/** Comments, but for what looks like one in a string or a template. */
function commentsOf(text: string): string[] {
  const { tokens } = lex(text, "");
  let end = 0;
  const found: string[] = [];
  for (const [from, to] of [
    ...tokens.map(({ startOffset, endOffset }) => [startOffset, endOffset + 1] as const),
    [text.length, text.length] as const,
  ]) {
    for (const [comment] of text.slice(end, from).matchAll(/\/\/.*|\/\*[\s\S]*?\*\//g))
      found.push(
        comment
          .replace(/\s+/g, " ")
          .replace(/^\/\/\/ */, "/// ")
          .trim(),
      );
    end = to;
  }
  return found;
}

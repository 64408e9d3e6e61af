// The parser: never throws, says one thing for one mistake, and goes on behind it.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Expression } from "../../lang/ast.ts";
import { parse, parseStatements } from "../../lang/parse.ts";

const digits = readFileSync(fileURLToPath(new URL("../../examples/digits/digits.pipe", import.meta.url)), "utf8");
const EVERYTHING = `/// The file.
import { f, actor Sim, resource session, type T as U } from "./x.ts"
type Batch<B> = { x: Tensor<f32, [B, 28 * 28]>, y: Tensor<i32, [B]>, note?: string? }
type Mode = "fast" | "slow" | -1 | null
param n: int = 3 in 0..10 /// how many
param name: string? = null
service answer(q: string) -> string { q }
pipeline all(rows: [T], k: int = 3) -> Dataset<U> {
  let { a, b: c } = split(rows, a: 0.5, c: 0.5)
  let [first, second] = [1, 2]
  let text = \`n is \${n + 1}, \${ { n }.n } and \${\`in\${n}side\`}\`
  let y = a
    |> map(r => { ...r, speed: r.km / r.h })
    |> filter((l) => !l.ok && l.x != null || l?.z ?? false)
  expect n > 0, "positive"
  do notify(y)
  let z = if n == 1 { 1.0 } else if n == 2 { -2.5e-3 } else { y[0].w }
  let best = search { lr: 1e-4..1.0 log, hidden: 16 | 32 } trials 30 minimize loss using asha(min: 1) { let loss = f(lr)
    loss }
  let c2 = loop c = f(1), d = 2
    until c.done
    max 100 { c <- g(c); d <- d + 1 }
  let each_ = for { a, b } in rows { f(a) }
  let quick = f(1) within 20ms else g(1)
  let w = fit s = init(seed: 7)
  over batch in rows |> shuffle(seed: epoch) |> batches(64)
  for 30 {
    let r = lossAndGrad(s.w, batch)
    track loss = mean(r.loss)
    track r
    s <- step(s, mean(r.grad))
  } each epoch {
    keep s.w minimizing loss
    stop after 3 without improvement of loss
  }
  let model = data(2).fit
  on failure(e) { do tell(e) }
  w
}
schedule lab for all {
  w: data(2) allreduce { checkpoint: 200 }
  y, best.*: data!(4) { timeout: 10m, memory: 2gb
    retries: 3 }
  *: auto
}
`;

const errors = (text: string) => parse(text, "main.pipe").diagnostics.map(({ code, message }) => `${code} ${message}`);

describe("parse", () => {
  it("reads every form", () => {
    const { file, diagnostics } = parse(EVERYTHING, "main.pipe");
    expect(diagnostics).toEqual([]);
    expect(file.doc).toBe("The file.");
    expect(file.declarations.map(({ kind }) => kind)).toEqual([
      "import",
      "type",
      "type",
      "param",
      "param",
      "service",
      "pipeline",
      "schedule",
    ]);
    const pipeline = file.declarations[6];
    expect(pipeline?.kind === "pipeline" && pipeline.body.statements.map(({ kind }) => kind)).toEqual([
      "let",
      "let",
      "let",
      "let",
      "expect",
      "do",
      "let",
      "let",
      "let",
      "let",
      "let",
      "let",
      "let",
      "onFailure",
      "expression",
    ]);
    const schedule = file.declarations[7];
    expect(
      schedule?.kind === "schedule" &&
        schedule.entries.map(({ selectors, options }) => [selectors.map(({ path }) => path.join(".")), options.length]),
    ).toEqual([
      [["w"], 1],
      [["y", "best.*"], 3],
      [["*"], 0],
    ]);
  });

  it("binds as one expects", () => {
    const shape = (text: string): string => {
      const statement = parseStatements(text, "cell").statements[0];
      const show = (one: Expression): string => {
        switch (one.kind) {
          case "binary":
            return `(${show(one.left)} ${one.operator} ${show(one.right)})`;
          case "unary":
            return `(${one.operator}${show(one.operand)})`;
          case "pipe":
            return `[${show(one.left)} |> ${show(one.callee)}]`;
          case "field":
            return `${show(one.of)}.${one.name.text}`;
          case "name":
            return one.name;
          case "number":
            return String(one.value);
          default:
            return one.kind;
        }
      };
      return statement?.kind === "expression" ? show(statement.value) : "?";
    };
    expect(shape("a + b * c - d")).toBe("((a + (b * c)) - d)");
    expect(shape("a || b && c == d + 1")).toBe("(a || (b && (c == (d + 1))))");
    expect(shape("a ?? b || c |> f |> g.h")).toBe("[[(a ?? (b || c)) |> f] |> g.h]");
    expect(shape("-a.b * 2")).toBe("((-a.b) * 2)");
    expect(shape("a\n  + b\n  |> f")).toBe("[(a + b) |> f]");
  });

  it.each([
    ["const x = 1", "HR009 names are given by `let`, not `const`"],
    ["return x", "HR009 a block's value is its last expression, without `return`"],
    ["let y = x ? 1 : 2", "HR009 a choice is written `if … { … } else { … }`"],
    ["x = 1", "HR009 `=` names a value with `let`, and `<-` gives a carried one its next value"],
    ["let y = xs |> count + 1", "HR009 `|>` takes everything to its left; an operator behind a step needs brackets"],
    ["let y = 1 let z = 2", "HR009 a statement stands on a line of its own"],
    ["let y = x +", "HR001 the line ends too early: a value was expected"],
    ["let y = f(1", "HR007 this `(` is never closed"],
    ["let y = f(1))", "HR008 this `)` closes nothing"],
    ['let y = "abc', 'HR003 this string has no end: `"` is missing'],
    ["let y = 5.", "HR004 `5.` isn't a number: a number needs digits on both sides of its point"],
    ["let if = 2", "HR001 `if` is a word of the language and can't be a name"],
    ["x += 1", "HR009 `+=` changes a value; values don't change"],
    ["let y = a === b", "HR006 `===` is written `==`"],
  ])("%s", (line, message) => {
    const text = `pipeline p() -> int {\n  let x = 1\n  ${line}\n  let after = 2\n  x\n}\nparam q: int = 1\n`;
    const { file, diagnostics } = parse(text, "main.pipe");
    expect(diagnostics.map(({ code, message: said }) => `${code} ${said}`)).toEqual([message]);
    expect(file.declarations.map(({ kind }) => kind)).toEqual(["pipeline", "param"]);
  });

  it("a block's brace on a line of its own is told, and read", () => {
    const text = "pipeline p() -> int\n{\n  1\n}\n";
    expect(errors(text)).toEqual(["HR010 the brace of a block stands on the line of its head"]);
  });

  it("never throws, and always ends, on any text", () => {
    const pieces = fc.constantFrom(
      ..."let fit = ( ) [ ] { } |> => <- : , . .. ... ? ! \" ` } ' \n ; a b 1 1.5 10m + - * / % == < > // /// /* */ if else for in param pipeline schedule import type".split(
        " ",
      ),
      "$".concat("{"),
      "\n",
      " ",
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(pieces, { maxLength: 60 }).map((parts) => parts.join(" ")),
          fc.string({ unit: "binary", maxLength: 200 }),
        ),
        (text) => {
          const { diagnostics, file } = parse(text, "main.pipe");
          for (const { frames } of diagnostics) for (const { span } of frames) expect(span.start).toBeLessThanOrEqual(text.length + 1);
          expect(file.span.end).toBe(text.length);
          parseStatements(text, "cell");
        },
      ),
      { numRuns: 1500 },
    );
  });

  it("says nothing of thousands of brackets but that they are too many", () => {
    expect(errors(`pipeline p() -> int {\n  ${"(".repeat(20_000)}1${")".repeat(20_000)}\n}\n`)).toEqual([
      "HR001 this is nested more deeply than can be read",
    ]);
  });

  it("a token too many or too few gives one message in nearly all cases, on its line or the next", () => {
    const tokens = [...digits.matchAll(/[A-Za-z_]\w*|\d+(?:\.\d+)?|"[^"\n]*"|\|>|=>|<-|->|==|\.\.|[{}()[\],.:=+]/g)].filter(
      ({ index }) => !digits.slice(digits.lastIndexOf("\n", index) + 1, index).includes("//"),
    );
    let broken = 0;
    let single = 0;
    for (const { index, 0: text } of tokens) {
      for (const mutant of [
        digits.slice(0, index) + digits.slice(index + text.length),
        `${digits.slice(0, index)}${text} ${digits.slice(index)}`,
      ]) {
        const { diagnostics } = parse(mutant, "main.pipe");
        if (diagnostics.length === 0) continue;
        broken++;
        if (diagnostics.length === 1) single++;
      }
    }
    expect(broken).toBeGreaterThan(200);
    expect(single / broken).toBeGreaterThan(0.95);
  });
});

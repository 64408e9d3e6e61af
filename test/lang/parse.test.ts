// The parser: never throws, says one thing for one mistake, and goes on behind it.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Expression } from "../../lang/ast.ts";
import { parse, parseStatements } from "../../lang/parse.ts";
import { EVERYTHING } from "./everything.ts";

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
    ["let y = xs |> count + 1", "HR009 `|>` takes everything to its left; what follows a step needs brackets"],
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

  it.each([
    ["f(a b)", "`b` can't stand here: `,` or `)` was expected"],
    ["[a b]", "`b` can't stand here: `,` or `]` was expected"],
    ["{ a b }", "`b` can't stand here: `,` or `}` was expected"],
    ["let { a b } = c", "`b` can't stand here: `,` or `}` was expected"],
    ["let {} = c", "`}` can't stand here: a name was expected"],
    ['import { a b } from "./x.ts"', "`b` can't stand here: `,` or `}` was expected"],
    ["type T = { a: int b: int }", "`b` can't stand here: `,` or `}` was expected"],
    ["pipeline p(a: int b: int) -> int { a }", "`b` can't stand here: `,` or `)` was expected"],
    ["search { a: 1 b: 2 } trials 3 minimize l { 1 }", "`b` can't stand here: `,` or `}` was expected"],
  ])("%s lacks a comma", (text, message) => {
    expect(parseStatements(text, "cell").diagnostics.map((one) => one.message)).toEqual([message]);
  });

  it("takes a comma behind the last item of any list", () => {
    const text = `import { a, } from "./x.ts"
type T<B,> = { a: Tensor<f32, [B,],>, }
pipeline p(a: int,) -> int {
  let { b, } = a
  let [c,] = [a,]
  xs |> map((d,) => { e: d, })
}
schedule s {
  b: data(2,) { retries: 3, }
}`;
    expect(errors(text)).toEqual([]);
  });

  it("keeps what a broken declaration was to give", () => {
    const { file } = parse(
      `import { f g, type T as U from "./x.ts"
param n int
pipeline p(a: int b: [int]) int {
  let x = f(a)
  x
}
schedule s for p q {
  x: task
}`,
      "main.pipe",
    );
    const [imported, param, pipeline, schedule] = file.declarations;
    expect(imported?.kind === "import" && imported.items.map(({ what, name, as }) => [what, name.text, as?.text])).toEqual([
      ["function", "f", undefined],
      ["function", "g", undefined],
      ["type", "T", "U"],
    ]);
    expect(param?.kind === "param" && param.type.kind).toBe("error");
    expect(pipeline?.kind === "pipeline" && pipeline.parameters.map(({ name }) => name.text)).toEqual(["a", "b"]);
    expect(pipeline?.kind === "pipeline" && pipeline.body.statements.map(({ kind }) => kind)).toEqual(["let", "expression"]);
    expect(schedule?.kind === "schedule" && schedule.entries.length).toBe(1);
  });

  it("where brackets match, indentation means nothing", () => {
    const text = "pipeline p(xs: [int]) -> int {\nlet a = f(\nxs\n|> map(x => {\n a: x })\n)\n    a }\npipeline q() -> int { 1\n}\n";
    expect(errors(text)).toEqual([]);
  });

  it("a cell mixes declarations and statements", () => {
    const { declarations, statements, diagnostics } = parseStatements(
      "param n: int = 3\nlet a = f(n)\nschedule s { a: task }\ntype + a\nlet b = \na",
      "cell",
    );
    expect(declarations.map(({ kind }) => kind)).toEqual(["param", "schedule"]);
    expect(statements.map(({ kind }) => kind)).toEqual(["let", "expression", "let"]);
    expect(diagnostics).toEqual([]);
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
});

it("types stand behind a call and a step, and `<` stays a comparison", () => {
  const value = (text: string) => {
    const { file, diagnostics } = parse(`pipeline main() -> int {\n  ${text}\n}\n`, "main.pipe");
    expect(diagnostics).toEqual([]);
    const [main] = file.declarations;
    const [statement] = main?.kind === "pipeline" ? main.body.statements : [];
    return statement?.kind === "expression" ? statement.value : null;
  };
  expect(value("csv<Row>(f)")).toMatchObject({ kind: "call", types: [{ kind: "named", name: { text: "Row" } }], args: [{}] });
  expect(value("f |> jsonLines<{ a: int? }> |> count")).toMatchObject({
    kind: "pipe",
    left: { kind: "pipe", types: [{ kind: "record" }], args: null },
  });
  expect(value("a<b")).toMatchObject({ kind: "binary", operator: "<" });
  expect(value("f(a < b, c)")).toMatchObject({ kind: "call", args: [{ value: { kind: "binary" } }, {}] });
});

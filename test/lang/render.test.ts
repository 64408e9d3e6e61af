// Messages as a terminal shows them.
import { describe, expect, it } from "vitest";
import type { Span } from "../../lang/ast.ts";
import { report } from "../../lang/diagnostics.ts";
import { render } from "../../lang/render.ts";

/** Where `part` stands in `text`. */
function at(file: string, text: string, part: string): Span {
  const start = text.indexOf(part);
  expect(start).toBeGreaterThanOrEqual(0);
  return { file, start, end: start + part.length };
}
const lines = (...all: string[]) => `${all.join("\n")}\n`;

describe("render", () => {
  it("shows a frame for each place, in two files, and the help", () => {
    const pipe = `${"\n".repeat(13)}    let g = gradient(w, batch)\n    track loss = mean(g.loss)\n    w <- sgd(w, g.grad, lr)\n`;
    const ts = `${"\n".repeat(30)}export function sgd(w: Weights, g: Grad, lr: number): Weights {\n`;
    const said = report(
      "HR204",
      { what: "the gradient", into: "sgd" },
      [
        { span: at("digits.pipe", pipe, "g.grad"), label: "is Part<Grad>, needs Grad", role: "primary" },
        { span: at("digits.pipe", pipe, "g ="), label: "one per part of the batch", role: "secondary" },
        { span: at("digits.ts", ts, "g: Grad"), label: "needed here", role: "secondary" },
      ],
      { help: "w <- sgd(w, mean(g.grad), lr)" },
    );
    const text = render([said], (file) => ({ "digits.pipe": pipe, "digits.ts": ts })[file] ?? null, { color: false });
    expect(text).toBe(
      lines(
        `error[HR204]: ${said.message}`,
        "  ┌ digits.pipe:16",
        "14│     let g = gradient(w, batch)",
        "  │         --- one per part of the batch",
        "16│     w <- sgd(w, g.grad, lr)",
        "  │                 ^^^^^^ is Part<Grad>, needs Grad",
        "  ┌ digits.ts:31",
        "31│ export function sgd(w: Weights, g: Grad, lr: number): Weights {",
        "  │                                 ------- needed here",
        "  help: w <- sgd(w, mean(g.grad), lr)",
      ),
    );
  });

  it.each([
    ["a tab", "\tlet a = x", "    let a = x", "            ^"],
    ["wide characters", 'let a = "数字" + x', 'let a = "数字" + x', "                 ^"],
    ["an emoji", 'f("🎉", x)', 'f("🎉", x)', "        ^"],
    ["a combining mark", 'f("e\u0301", x)', 'f("e\u0301", x)', "       ^"],
  ])("puts its marks right behind %s", (_, line, shown, marks) => {
    const said = report("HR102", { name: "x" }, [{ span: at("a.pipe", line, "x"), label: "", role: "primary" }]);
    const text = render([said], () => line, { color: false });
    expect(text.split("\n").slice(2, 4)).toEqual([` 1│ ${shown}`, `  │ ${marks}`]);
  });

  it("marks the first line of a span of several, and the end of a line", () => {
    const text = "let a = f(\n  x\n)\nlet b =\n";
    const spanned = report("HR102", { name: "x" }, [{ span: at("a.pipe", text, "f(\n  x\n)"), label: "here", role: "primary" }]);
    const end = text.indexOf("b =") + 3;
    const ended = report("HR102", { name: "x" }, [{ span: { file: "a.pipe", start: end, end: end + 1 }, label: "here", role: "primary" }]);
    expect(render([spanned, ended], () => text, { color: false })).toBe(
      lines(
        `error[HR102]: ${spanned.message}`,
        "  ┌ a.pipe:1",
        " 1│ let a = f(",
        "  │         ^^ here",
        "",
        `error[HR102]: ${ended.message}`,
        "  ┌ a.pipe:4",
        " 4│ let b =",
        "  │        ^ here",
      ),
    );
  });

  it("names a file that it can't read, and takes Windows' line ends", () => {
    const text = "let a = 1\r\nlet b = x\r\n";
    const said = report("HR102", { name: "x" }, [
      { span: at("a.pipe", text, "x"), label: "here", role: "primary" },
      { span: { file: "gone.ts", start: 5, end: 6 }, label: "there", role: "secondary" },
    ]);
    expect(render([said], (file) => (file === "a.pipe" ? text : null), { color: false })).toBe(
      lines(`error[HR102]: ${said.message}`, "  ┌ a.pipe:2", " 2│ let b = x", "  │         ^ here", "  ┌ gone.ts"),
    );
  });

  it("colours where it is asked to, the same text otherwise", () => {
    const text = "let b = x";
    const said = report("HR102", { name: "x" }, [{ span: at("a.pipe", text, "x"), label: "here", role: "primary" }], { help: "y" });
    const [plain, coloured] = [false, true].map((color) => render([said], () => text, { color }));
    expect(coloured).toContain("\u001b[");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escapes are what is looked for.
    expect(coloured!.replace(/\u001b\[\d+m/g, "")).toBe(plain);
  });

  it("shows of a long line the piece with the marks, and control characters as signs", () => {
    const text = `let a = ${"x + ".repeat(100)}wrong + ${"y + ".repeat(100)}\u001b[31mz`;
    const said = report("HR102", { name: "wr\u001bong" }, [{ span: at("a.pipe", text, "wrong"), label: "no such value", role: "primary" }]);
    const [head, , line, mark] = render([said], () => text, { color: false }).split("\n");
    expect(head).toBe("error[HR102]: there is no value `wr\u241bong`");
    expect(line!.length).toBeLessThan(170);
    expect(line!.slice(4)).toMatch(/^…[x +]*wrong [y +]*…$/);
    expect(mark!.indexOf("^^^^^")).toBe(line!.indexOf("wrong"));
    const short = render(
      [report("HR102", { name: "q" }, [{ span: { file: "a.pipe", start: 4, end: 5 }, label: "", role: "primary" }])],
      () => "a\u001b[0mq",
      { color: false },
    );
    expect(short).toContain("a\u241b[0mq");
  });
});

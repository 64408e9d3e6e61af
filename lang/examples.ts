// The part of the catalogue that is programs: for each message one that gives it, and the same mended. Functions are those of a file
// `stages.ts`; what stands outside of a pipeline is written out, all else is the body of one. A test compiles them all.
import type { Code } from "./diagnostics.ts";
import { catalogue } from "./diagnostics.ts";

export interface Example {
  readonly wrong: string;
  readonly right: string;
  /** Annotated TypeScript, which this message is about. */
  readonly typescript?: true;
}
/** A message that no program alone gives, and why. */
export interface Untested {
  readonly untested: string;
}

const atRun = { untested: "said of a command, not of a program" };
const byBuilder = { untested: "said by the builder of stages' code, of files beside the program" };
const whileRunning = { untested: "found while a program runs" };
const whenChosen = { untested: "said only of the schedule that a run is asked to follow" };
const sum = "load(1) |> sum(r => r.size)";
const main = (body: string) => `pipeline main() -> float {\n${body.replace(/^/gm, "  ")}\n}`;
const scheduled = (entry: string) =>
  `${main("let sizes = load(1) |> map(r => score(r, 2.0))\nsizes |> sum")}\nschedule laptop {\n  ${entry}\n}`;
const training = (over: string, update: string, after = "") =>
  `let model = fit w = init(1)\nover batch in load(1) |> ${over}\nfor 3 {\n  let g = gradient(w, batch)\n  w <- step(w, ${update}, 0.1)\n}${after}\nmodel |> norm`;
const each = (metric: string) => ` each epoch {\n  track error = load(2) |> mean(r => score(r, norm(w)))\n  keep w minimizing ${metric}\n}`;
const acting = (wrong: string, right: string): Example => {
  const whole = (body: string) => `import { actor Sim, actor Sealed } from "./sim.ts"\n${main(body)}`;
  return { wrong: whole(wrong), right: whole(right) };
};
const typescript = (wrong: string, right: string): Example => ({ wrong, right, typescript: true });

export const examples: Readonly<Record<Code, Example | Untested>> = {
  HR001: { wrong: "let x = 1.0 + * 2.0\nx", right: "let x = 1.0 + 2.0\nx" },
  HR002: { wrong: "let name = “digits”\nfloat(len(name))", right: 'let name = "digits"\nfloat(len(name))' },
  HR003: { wrong: 'let name = "digits\nfloat(len(name))', right: 'let name = "digits"\nfloat(len(name))' },
  HR004: { wrong: "let rate = 5.\nrate", right: "let rate = 5.0\nrate" },
  HR005: { wrong: scheduled("sizes: task { timeout: 10min }"), right: scheduled("sizes: task { timeout: 10m }") },
  HR006: { wrong: "if 1 === 2 { 1.0 } else { 0.0 }", right: "if 1 == 2 { 1.0 } else { 0.0 }" },
  HR007: { wrong: `let rows = load((1)\nrows |> sum(r => r.size)`, right: `let rows = load(1)\nrows |> sum(r => r.size)` },
  HR008: { wrong: `let rows = load(1))\nrows |> sum(r => r.size)`, right: `let rows = load(1)\nrows |> sum(r => r.size)` },
  HR009: { wrong: `const rows = load(1)\nrows |> sum(r => r.size)`, right: `let rows = load(1)\nrows |> sum(r => r.size)` },
  HR010: { wrong: `pipeline main() -> float\n{\n  ${sum}\n}`, right: main(sum) },
  HR101: { wrong: "(load ?? load)(1) |> sum(r => r.size)", right: sum },
  HR102: { wrong: "let rows = load(1)\nrosw |> sum(r => r.size)", right: "let rows = load(1)\nrows |> sum(r => r.size)" },
  HR103: { wrong: "laod(1) |> sum(r => r.size)", right: sum },
  HR104: {
    wrong: "let rows = load(1)\nlet rows = rows |> filter(r => r.size > 1.0)\nrows |> sum(r => r.size)",
    right: "let rows = load(1)\nlet large = rows |> filter(r => r.size > 1.0)\nlarge |> sum(r => r.size)",
  },
  HR105: { wrong: `pipeline main() -> flaot {\n  ${sum}\n}`, right: main(sum) },
  HR106: {
    wrong: "pipeline one() -> float {\n  1.0\n}\npipeline two() -> float {\n  2.0\n}",
    right: "pipeline one() -> float {\n  two() + 1.0\n}\npipeline two() -> float {\n  2.0\n}",
  },
  HR107: { wrong: `pipeline main() {\n  ${sum}\n}`, right: main(sum) },
  HR108: { wrong: "load(sed: 1) |> sum(r => r.size)", right: "load(seed: 1) |> sum(r => r.size)" },
  HR109: { wrong: "load(1) |> sum(r => score(r))", right: "load(1) |> sum(r => score(r, 2.0))" },
  HR110: { wrong: "load(1, 2) |> sum(r => r.size)", right: sum },
  HR111: { wrong: "let rows = load(1)\nrows.size", right: "let rows = load(1)\nrows |> sum(r => r.size)" },
  HR112: { wrong: `load(1)\n1.0`, right: `let rows = load(1)\nrows |> sum(r => r.size)` },
  HR113: { wrong: main("main() + 1.0"), right: main("loop x = 1.0\nuntil x > 9.0\nmax 20 {\n  x <- x + 1.0\n}") },
  HR114: { wrong: `param row: Row\n${main("row.size")}`, right: `param size: float = 1.0\n${main("size")}` },
  HR115: { wrong: `param rate: float = 1.0 / 3.0\n${main("rate")}`, right: `param rate: float = 0.333\n${main("rate")}` },
  HR116: { wrong: `let rate = 0.5\n${sum}`, right: `let rate = 0.5\nload(1) |> sum(r => score(r, rate))` },
  HR117: {
    wrong: "let { ok, failed } = load(3) |> attempt(r => score(r, 2.0))\nok |> sum",
    right: 'let { ok, failed } = load(3) |> attempt(r => score(r, 2.0))\nexpect count(failed) == 0, "some rows have no score"\nok |> sum',
  },
  HR118: { wrong: `keep rows minimizing loss\n${sum}`, right: training("batches(8)", "mean(g.grad)", each("error")) },
  HR119: { wrong: `let total = ${sum}\ndo total\ntotal`, right: `let total = ${sum}\ndo tell("done")\ntotal` },
  HR120: {
    wrong: `${main("load(3) |> map(told) |> sum")}\npipeline told(row: Row) -> float {\n  do tell("a row")\n  row.size\n}`,
    right: main('let sizes = for row in load(3) {\n  do tell("a row")\n  row.size\n}\nsizes |> sum'),
  },
  HR121: {
    wrong: `${main("total()")}\npipeline total() -> float {\n  ${sum}\n  on failure(e) {\n    do tell("failed")\n  }\n}`,
    right: `${main('total()\non failure(e) {\n  do tell("failed")\n}')}\npipeline total() -> float {\n  ${sum}\n}`,
  },
  HR122: { untested: "takes two files" },
  HR123: { wrong: `type Pair = { a: int<3> }\n${main(sum)}`, right: `type Pair = { a: int }\n${main(sum)}` },
  HR124: { wrong: `type Images = Tensor<f32, [N, 784]>\n${main(sum)}`, right: `type Images<N> = Tensor<f32, [N, 784]>\n${main(sum)}` },
  HR125: {
    wrong: 'let r = { id: 1, name: "a", size: 2.0 }\nscore(2.0, r)',
    right: 'let r = { id: 1, name: "a", size: 2.0 }\nscore(r, 2.0)',
  },
  HR201: { wrong: 'load("one") |> sum(r => r.size)', right: sum },
  HR202: { wrong: "let n: int = 1.5\nfloat(n)", right: "let n: float = 1.5\nn" },
  HR203: { wrong: "let rows = load(1)\nrows * 2.0", right: "let rows = load(1)\nrows |> sum(r => r.size * 2.0)" },
  HR204: { wrong: training("batches(8)", "g.grad"), right: training("batches(8)", "mean(g.grad)") },
  HR205: { wrong: "1.0 |> sum(x => x)", right: "[1.0, 2.0] |> sum(x => x)" },
  HR206: { wrong: "let f = score\n1.0", right: "load(1) |> sum(r => score(r, 2.0))" },
  HR207: { wrong: 'let socket = connect("localhost")\nanswer(socket)', right: 'ask("localhost")' },
  HR208: { wrong: "load(1) |> sum(r => r.place.size)", right: "load(1) |> sum(r => r.place?.size ?? 0.0)" },
  HR209: { wrong: "w <- 1.0\n1.0", right: "loop w = 1.0\nuntil w > 3.0\nmax 9 {\n  w <- w + 1.0\n}" },
  HR210: { wrong: "let all = load(1) |> mean(r => r.name)\n1.0", right: "load(1) |> mean(r => r.size)" },
  HR211: {
    wrong: training("shuffle(seed: 1) |> batches(8)", "mean(g.grad)"),
    right: training("shuffle(seed: epoch) |> batches(8)", "mean(g.grad)"),
  },
  HR212: {
    wrong:
      "let rows = range(10) |> map(i => { i, near: range(3) })\nrows |> groupBy(r => r.near) |> agg(n: count()) |> sum(g => float(g.n))",
    right: "let rows = range(10) |> map(i => { i, near: range(3) })\nrows |> groupBy(r => r.i) |> agg(n: count()) |> sum(g => float(g.n))",
  },
  HR213: {
    wrong: "load(1) |> groupBy(r => r.id) |> agg(n: 3) |> sum(g => float(g.id))",
    right: "load(1) |> groupBy(r => { id: r.id }) |> agg(n: count()) |> sum(g => float(g.n))",
  },
  HR214: { wrong: training("batches(8)", "mean(g.grad)", each("eror")), right: training("batches(8)", "mean(g.grad)", each("error")) },
  HR215: { wrong: `sum(load(3) |> map(r => r.size)) within 20 else 0.0`, right: `sum(load(3) |> map(r => r.size)) within 20s else 0.0` },
  HR220: {
    wrong: `type Line = { size: float }\n${main('csv<Line>("rows.csv") |> sum(r => r.size)')}`,
    right: `type Line = { size: float }\nparam input: file = "rows.csv"\n${main("csv<Line>(input) |> sum(r => r.size)")}`,
  },
  HR221: {
    wrong: `param input: file = "rows.csv"\n${main("csv(input) |> sum(r => r.size)")}`,
    right: `type Line = { size: float }\nparam input: file = "rows.csv"\n${main("csv<Line>(input) |> sum(r => r.size)")}`,
  },
  HR222: {
    wrong: 'do range(3) |> map(i => { near: [i] }) |> writeCsv("rows.csv")\n1.0',
    right: 'do range(3) |> map(i => { near: i }) |> writeCsv("rows.csv")\n1.0',
  },
  HR301: { wrong: "let w = init(1)\nload(1) |> sum(r => judge(w, r))", right: "let w = init(1)\nload(1) |> sum(r => score(r, norm(w)))" },
  HR302: { wrong: 'let sent = tell("ready")\n1.0', right: 'do tell("ready")\n1.0' },
  HR303: { wrong: "let x = draw()\nx", right: "let x = drawn(seed: 1)\nx" },
  HR304: { wrong: "load(1) |> sum(r => counted(r))", right: "load(1) |> withIndex |> sum(r => float(r.index))" },
  HR305: { untested: "said of a tag in a file of TypeScript" },
  HR306: {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a template of the language
    wrong: `param token: secret\n${main("float(len(`token ${token}`))")}`,
    right: `param token: secret\n${main("do send(token)\n1.0")}`,
  },
  HR307: {
    wrong:
      'import { resource session, use } from "./stages.ts"\npipeline main() -> float {\n  let kept = { s: session() }\n  use(kept.s)\n}',
    right: 'import { resource session, use } from "./stages.ts"\npipeline main() -> float {\n  let kept = session()\n  use(kept)\n}',
  },
  HR308: whileRunning,
  HR309: whileRunning,
  HR310: { wrong: "load(1) |> map(r => r.size) |> reduce(added)", right: "load(1) |> map(r => r.size) |> reduce(larger)" },
  HR130: acting("Sim(1).step(2.0)", "let sim = spawn(Sim(1))\nsim.step(2.0)"),
  HR131: acting("let sim = spawn(Sealed())\nsim.step(2.0)", "let sim = spawn(Sim(1))\nsim.step(2.0)"),
  HR311: acting("let sim = spawn(Sim(1))\nlet kept = { sim }\nkept.sim.step(2.0)", "let sim = spawn(Sim(1))\nsim.step(2.0)"),
  HR312: acting(
    "let one = spawn(Sim(1))\nlet two = spawn(2, i => Sim(i))\n[1.0] |> map(x => one.step(two.step(x))) |> sum",
    "let one = spawn(Sim(1))\nlet two = spawn(2, i => Sim(i))\n[1.0] |> map(x => two.step(x)) |> map(x => one.step(x)) |> sum",
  ),
  HR401: atRun,
  HR402: { wrong: scheduled("sises: data(2)"), right: scheduled("sizes: data(2)") },
  HR403: { wrong: scheduled("sizes: dta(2)"), right: scheduled("sizes: data(2)") },
  HR404: {
    wrong: `${main("let rows = load(1)\nrows |> sum(r => r.size)")}\nschedule laptop {\n  rows: data!(2)\n}`,
    right: `${main("let rows = load(1)\nrows |> sum(r => r.size)")}\nschedule laptop {\n  rows: task\n}`,
  },
  HR405: whenChosen,
  HR406: { wrong: scheduled("sizes: task { timeuot: 10m }"), right: scheduled("sizes: task { timeout: 10m }") },
  HR407: { wrong: scheduled("sizes: task { timeout: 2gb }"), right: scheduled("sizes: task { timeout: 10m, memory: 2gb }") },
  HR408: { wrong: scheduled("sizes: task; sizes: data(2)"), right: scheduled("sizes: task; *: data(2)") },
  HR409: {
    wrong: `${main(sum)}\nschedule lab for mian {\n  *: task\n}`,
    right: `${main(sum)}\nschedule lab for main {\n  *: task\n}`,
  },
  HR410: { untested: "takes an expression of hundreds of levels, which no page should show" },
  HR411: whenChosen,
  HR501: {
    wrong: `import { load } from "./stagse.ts"\n${main(sum)}`,
    right: `import { load } from "./stages.ts"\n${main(sum)}`,
  },
  HR502: {
    wrong: `import { laod } from "./stages.ts"\n${main("laod(1) |> sum(r => r.size)")}`,
    right: `import { load } from "./stages.ts"\n${main(sum)}`,
  },
  HR503: { untested: "said of a file of TypeScript that doesn't parse" },
  HR504: {
    wrong: `import { load, Row } from "./stages.ts"\npipeline main() -> [Row] {\n  load(1)\n}`,
    right: `import { load, type Row } from "./stages.ts"\npipeline main() -> [Row] {\n  load(1)\n}`,
  },
  HR505: typescript("export function main() {\n  return load(1);\n}", "/** @pipeline */\nexport function main() {\n  return load(1);\n}"),
  HR506: typescript(
    "/** @pipeline */\nexport function one() {\n  return load(1);\n}\n/** @pipeline */\nexport function two() {\n  return load(2);\n}",
    "/** @pipeline */\nexport function main() {\n  return load(1);\n}\n/** @pipeline */\nexport function two() {\n  return load(2);\n}",
  ),
  HR510: typescript(
    "/** @pipeline */\nexport function main() {\n  let rows = load(1);\n  return rows;\n}",
    "/** @pipeline */\nexport function main() {\n  const rows = load(1);\n  return rows;\n}",
  ),
  HR511: typescript(
    "/** @pipeline */\nexport function main({ seed }: { seed: int }) {\n  return load(seed);\n}",
    "/** @pipeline */\nexport function main(seed: int) {\n  return load(seed);\n}",
  ),
  HR512: typescript(
    "const size = (row: Row): number => row.size;\n/** @pipeline */\nexport function main() {\n  return dataset(load(1)).map((row) => size(row));\n}",
    "export const size = (row: Row): number => row.size;\n/** @pipeline */\nexport function main() {\n  return dataset(load(1)).map((row) => size(row));\n}",
  ),
  HR513: typescript(
    "/** @pipeline\n *  @param sede where to begin */\nexport function main(seed: int) {\n  return load(seed);\n}",
    "/** @pipeline\n *  @param seed where to begin */\nexport function main(seed: int) {\n  return load(seed);\n}",
  ),
  HR520: byBuilder,
  HR521: byBuilder,
  HR522: byBuilder,
  HR601: atRun,
  HR602: atRun,
  HR603: atRun,
  HR604: atRun,
  HR605: atRun,
  HR606: atRun,
  HR607: atRun,
  HR608: atRun,
  HR609: atRun,
  HR610: atRun,
  HR901: { untested: "its form has no other way to be written; a later version runs it" },
};

/** What `headrace explain CODE` and `docs/errors.md` say of a message, in Markdown. */
export function explanation(code: Code): string {
  const example = examples[code];
  const explain = catalogue[code].explain.trimEnd();
  if ("untested" in example) return explain;
  const block = (text: string) => text.replace(/^(?=.)/gm, "    ");
  return `${explain}\n\nGives it:\n\n${block(example.wrong)}\n\nDoesn't:\n\n${block(example.right)}`;
}

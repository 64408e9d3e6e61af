// Pairs of programs, and what is said to differ between them: the user's own names, and nothing that is the same.
import { describe, expect, it } from "vitest";
import { comparePlans } from "../../compiler/compare.ts";
import type { CompileOptions } from "../../compiler/compile.ts";
import { planOf } from "../harness/programs.ts";

const stages = `export function load(n: number): number[] { return [n]; }
export function half(x: number): number { return x / 2; }
export function start(): number { return 0; }
export function step(w: number, g: number): number { return w - g; }
`;
const program = `import { load, half, start, step } from "./stages.ts"
param n: float = 3.0 in 0.0..9.0
param epochs: int = 2
pipeline main() -> { total: float, model: float } {
  let rows = load(n)
  let small = rows |> map(half) |> collect
  let total = small |> map(x => x * 2.0) |> sum
  let model = fit w = start()
  over batch in small |> batches(64)
  for epochs {
    w <- step(w, sum(batch |> map(half) |> mean))
  }
  { total, model }
}
schedule one { *: task }
schedule two { total: data(2) { timeout: 10s } }
`;

async function differences(
  before: string,
  after: string,
  options: { before?: CompileOptions; after?: CompileOptions; stages?: string } = {},
) {
  const was = await planOf({ "main.pipe": before, "stages.ts": stages }, "main.pipe", options.before);
  const is = await planOf({ "main.pipe": after, "stages.ts": options.stages ?? stages }, "main.pipe", options.after);
  expect(was.hash === is.hash).toBe(comparePlans(was, is).length === 0);
  return comparePlans(was, is).map((change) => {
    if (change.kind === "renamed") return `${change.before} is ${change.name}`;
    return change.kind === "changed"
      ? `${change.what} ${change.name}: ${change.details.join("; ")}`
      : `${change.kind} ${change.what} ${change.name}: ${change.detail}`;
  });
}
const changed = (...pairs: readonly (readonly [string, string])[]) =>
  differences(
    program,
    pairs.reduce((text, [from, to]) => {
      expect(text).toContain(from);
      return text.replaceAll(from, to);
    }, program),
  );

describe("plans differ by", () => {
  it("nothing, where only names of parameters of lambdas and comments do", async () => {
    expect(await changed(["x => x * 2.0", "y => y * 2.0 /* twice */"])).toEqual([]);
  });
  it("a number, which is named with what it was", async () => {
    expect(await changed(["x * 2.0", "x * 3.0"])).toEqual(["stage total: computes 2 → 3"]);
    expect(await changed(["batches(64)", "batches(128)"])).toEqual(["stage model: computes 64 → 128"]);
  });
  it("an operation", async () => {
    expect(await changed(["|> sum\n", "|> max\n"])).toEqual([expect.stringMatching(/^stage total: computes (sum → max|.*sum.*max)/)]);
  });
  it("params: type, default, range, and who they reach", async () => {
    expect(await changed(["param epochs: int = 2", "param epochs: int = 5 in 1..9"])).toEqual([
      "param epochs: default 2 → 5; range any → 1..9",
    ]);
    expect(await changed(["param epochs: int = 2\n", ""], ["for epochs", "for 2"])).toEqual([
      "removed param epochs: int = 2",
      expect.stringMatching(/^stage model: .*no longer reads the param epochs$/),
    ]);
  });
  it("stages added, removed and renamed", async () => {
    expect(
      await changed(
        ["{ total, model }\n", "{ total, model, most }\n"],
        ["model: float }", "model: float, most: float }"],
        ["  let model", "  let most = small |> max\n  let model"],
      ),
    ).toEqual(["added stage most: data", "added result most: from most"]);
    expect(await changed(["small", "tiny"])).toEqual(["small is tiny"]);
    expect(
      await changed(
        ["let total", "let sumOfAll"],
        ["two { total", "two { sumOfAll"],
        ["{ total, model }\n", "{ total: sumOfAll, model }\n"],
      ),
    ).toEqual(["total is sumOfAll"]);
    const fewer = await changed(
      ["{ total, model }\n", "{ total }\n"],
      [", model: float }", " }"],
      ["param epochs: int = 2\n", ""],
      [program.slice(program.indexOf("  let model"), program.indexOf("  { total")), ""],
    );
    expect(fewer).toEqual([
      "removed param epochs: int = 2",
      // With one reader left it is computed on the way.
      "removed stage small: data",
      "removed stage model: fit, sequential",
      "stage total: computes something else; now reads rows; no longer reads small",
      "removed result model: ",
      "removed function start: ",
      "removed function step: ",
    ]);
  });
  it("schedules: the strategy and the options alone, though stages are taken apart in another way", async () => {
    const scheduled = (schedule: string) => differences(program, program, { after: { schedule } });
    expect(await scheduled("two")).toEqual(["stage total: runs as data → data(2); timeoutMs none → 10000"]);
    expect(await scheduled("one")).toEqual(expect.arrayContaining(["stage total: runs as data → task"]));
    expect((await scheduled("one")).every((line) => line.endsWith("runs as data → task"))).toBe(true);
  });
  it("code: which function's, and who calls it", async () => {
    expect(await differences(program, program, { stages: stages.replace("x / 2", "x / 4") })).toEqual([
      expect.stringMatching(/^function half: its code \(stages\.ts:2\); used by small, model$/),
    ]);
  });
});

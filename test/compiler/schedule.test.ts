// Schedules: which strategy each stage gets, what is legal, and that the plan says why.
import { describe, expect, it } from "vitest";
import { compileFiles, planOf, shown } from "../harness/programs.ts";

const program = `import { load, score, train, type Row } from "./stages.ts"

pipeline main() -> { report: { mean: float, best: float }, model: float, all: Dataset<float> } {
  let rows = load(1)
  let report = scored(rows)
  let model = train(report.mean)
  let light = rows |> map(r => r.size + 1.0)
  { report, model, all: light |> map(score) }
}

pipeline scored(rows: Dataset<Row>) -> { mean: float, best: float } {
  let scores = rows |> map(r => score(r.size))
  { mean: scores |> mean, best: scores |> max }
}
`;
const stages = `import type { int } from "headrace";
export interface Row { readonly size: number }
export function load(n: int): Row[] { return [{ size: n }]; }
export function score(size: number): number { return 2 * size; }
export function train(mean: number): number { return mean; }
`;
const filesOf = (schedule: string) => ({ "main.pipe": `${program}\nschedule s {\n${schedule}\n}\n`, "stages.ts": stages });

/** Strategies by stage id; several stages of one name differ only where blocks are folded and combined. */
async function strategies(schedule: string): Promise<Record<string, string>> {
  const plan = await planOf(filesOf(schedule), "main.pipe", { schedule: "s" });
  return Object.fromEntries(
    plan.stages.map(({ id, strategy, options }) => [
      id,
      [
        strategy.kind === "data" ? `data(${strategy.slots ?? ""})` : strategy.kind,
        ...Object.entries(options).map(([name, value]) => `${name}=${value}`),
      ].join(" "),
    ]),
  );
}
async function said(schedule: string, options = { schedule: "s" }): Promise<string[]> {
  const { diagnostics } = await compileFiles(filesOf(schedule), "main.pipe", options);
  return diagnostics.map(({ code, message, help }) => `${code} ${message}${help === null ? "" : ` (${help})`}`);
}

describe("strategies", () => {
  it("auto: rows over all slots, all else as one task", async () => {
    expect(await strategies("")).toEqual({
      rows: "task",
      "report.scores": "data()",
      "report.mean/blocks": "data()",
      "report.mean": "task",
      "report.best/blocks": "data()",
      "report.best": "task",
      report: "task",
      model: "task",
      all: "data()",
    });
  });

  it("task gathers blocks, and a fold with its combination", async () => {
    const found = await strategies("*: task");
    expect(found).toEqual({
      rows: "task",
      "report.scores": "task",
      "report.mean": "task",
      "report.best": "task",
      report: "task",
      model: "task",
      all: "task",
    });
  });

  it("the most specific selector wins, wherever it stands", async () => {
    const schedule = `report.mean: data(3)\nreport.*: data(2) { retries: 1 }\n*: task\nreport.best: data(5)`;
    const found = await strategies(schedule);
    expect(found["report.mean/blocks"]).toBe("data(3)");
    expect(found["report.scores"]).toBe("data(2) retries=1");
    expect(found["report.best/blocks"]).toBe("data(5)");
    expect(found.all).toBe("task");
  });

  it("several selectors share an entry; options may stand alone", async () => {
    const found = await strategies("rows, all: { timeout: 1.5s, memory: 2gib }\n*: auto");
    expect(found.rows).toBe("task timeoutMs=1500 memoryBytes=2147483648");
    expect(found.all).toBe("data() timeoutMs=1500 memoryBytes=2147483648");
  });

  it("rows that their reader computes get a stage where a schedule names them", async () => {
    expect(Object.keys(await strategies("all: data(2)"))).not.toContain("light");
    const found = await strategies("light: data!(2)\nall: data(1)");
    expect(found.light).toBe("data(2)");
    expect(found.all).toBe("data(1)");
    // A `*` names nothing.
    expect(Object.keys(await strategies("*: data(2)"))).not.toContain("light");
  });

  it("the plan says why", async () => {
    const { about } = await planOf(filesOf("all: data(2)\nmodel: data(2)"), "main.pipe", { schedule: "s" });
    expect(about.schedule).toBe("s");
    expect(Object.fromEntries(["rows", "report.scores", "all", "model"].map((id) => [id, about.stages[id]!.why]))).toEqual({
      rows: "auto: nothing to split",
      "report.scores": "auto: row by row, over all slots",
      all: "by the schedule",
      model: "one task: it is one call of `train`",
    });
  });
});

describe("legality", () => {
  it("what can't be split falls back with a remark, and is an error where it is demanded", async () => {
    expect(await said("model: data(2)")).toEqual(["HR405 `model` runs as one task: it is one call of `train`"]);
    expect(await said("model: data!(2)")).toEqual(["HR404 `model` can't be split over data: it is one call of `train` (model: task)"]);
  });

  it("holds for schedules that weren't chosen, but for falling back", async () => {
    expect(await said("model: data(2)", { schedule: "auto" })).toEqual([]);
    expect(await said("model: data!(2)\nmodle: task", { schedule: "auto" })).toHaveLength(2);
  });

  it("a misplaced name gets its full path, a name of a pipeline what is inside", async () => {
    expect(await said("scores: task\nreport.men: task\nreprot.*: task\n*: auto")).toEqual([
      "HR402 there is no stage `scores` (report.scores: …)",
      "HR402 there is no stage `report.men` (report.mean: …)",
      "HR402 there is no stage `reprot.*` (report.*: …)",
    ]);
  });
});

it("a file of schedules alone", async () => {
  const files = {
    ...filesOf(""),
    "lab.pipe": `schedule night { all: data(1) }\nschedule other for scored { mean: task }\n`,
    "two.pipe": `schedule a { *: task }\nschedule b { *: task }\n`,
  };
  const under = async (schedule: string) => {
    const compiled = await compileFiles(files, "main.pipe", { schedule });
    return compiled.plan?.stages.find(({ id }) => id === "all")?.strategy ?? shown(compiled, files).split("\n")[0];
  };
  expect(await under("lab.pipe:night")).toEqual({ kind: "data", slots: 1 });
  expect(await under("lab.pipe")).toEqual({ kind: "data", slots: 1 });
  expect(await under("lab.pipe:other")).toBe("error[HR409]: the schedule `lab.pipe:other` is for `scored`, and `main` is to run");
  expect(await under("lab.pipe:nihgt")).toBe("error[HR401]: there is no schedule `lab.pipe:nihgt`");
  expect(await under("two.pipe")).toBe("error[HR401]: there is no schedule `two.pipe`");
  expect(await under("none.pipe")).toBe("error[HR501]: there is no file `none.pipe`");
});

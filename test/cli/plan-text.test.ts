// The table of a plan as people read it, in narrow and wide terminals; and the facts in it.
import { expect, it } from "vitest";
import { planText } from "../../cli/plan-text.ts";
import { planFacts } from "../../compiler/facts.ts";
import { planOfSize, planWithRegions } from "../compiler/picture/plans.ts";
import { planOf } from "../harness/programs.ts";

const files = {
  "main.pipe": `import { load } from "./stages.ts"
param n: int = 3
param blocks: int = 4
param epochs: int = 1
pipeline main() -> { high: float, both: float, most: int, model: float } {
  let rows = load(n)
  let high = rows |> max
  let theLowestOfAllNumbersThatWereEverLoaded = rows |> min
  let most = range(n, blocks: blocks) |> max
  let model = fit w = 0.0 over batch in rows |> batches(2) for epochs { w <- w + mean(batch |> mean(x => x)) }
  { high, both: high + theLowestOfAllNumbersThatWereEverLoaded, most, model }
}
`,
  "stages.ts": "export function load(n: number): number[] { return [n]; }\n",
};
const plain = (_style: unknown, text: string) => text;
const lineOf = (text: string, id: string) => text.split("\n").find((line) => line.replace("●", " ").trim().startsWith(`${id} `));

it("says how many tasks, until when a value is held, and what the longest chain is", async () => {
  const plan = await planOf(files, "main.pipe");
  const facts = planFacts(plan, { blocks: 7 });
  const of = (id: string) => facts.stages.find(({ stage }) => stage.id === id)!;
  expect(of("rows")).toMatchObject({ tasks: { kind: "known", tasks: 1 }, slots: 1, critical: true });
  // Both folds read it, and neither waits for the other; so does the fit.
  expect(of("rows").heldUntil).toEqual(["high/blocks", "theLowestOfAllNumbersThatWereEverLoaded/blocks", "model"]);
  expect(of("high/blocks")).toMatchObject({ tasks: { kind: "after", stage: "rows" }, slots: null, heldUntil: ["high"] });
  expect(of("most/blocks").tasks).toEqual({ kind: "known", tasks: 7 });
  expect(of("model").heldUntil).toBeNull();
  expect(facts.criticalPath).toHaveLength(4);
  // One task each for rows, both combinations, most, both and model, and the seven.
  expect(facts.known).toBe(13);
  expect(facts.open.map(({ stage }) => stage.id)).toEqual(["high/blocks", "theLowestOfAllNumbersThatWereEverLoaded/blocks"]);
});

it("has all on one line where there is room, and shortens honestly where there is none", async () => {
  const plan = await planOf(files, "main.pipe");
  const text = (width: number) => planText(plan, { params: { epochs: 3 }, width, paint: plain });
  const wide = text(320);
  expect(wide).toContain("n = 3, blocks = 4, epochs = 3 (given)");
  expect(lineOf(wide, "model")).toMatch(
    /fit, sequential, 3 epochs +1 +1 +the end: a result +float +auto: a fit runs sequentially; needs all of rows$/,
  );
  expect(lineOf(wide, "high/blocks")).toMatch(
    / data +per block of rows +all +high +float +auto: row by row, over all slots; a task a block of rows$/,
  );
  expect(lineOf(wide, "most/blocks")).toMatch(/ data +4 +all .*; its source has 4 blocks$/);
  expect(lineOf(wide, "most")).toMatch(/; most\/blocks has 4 partials$/);
  expect(wide).not.toContain("…");
  const narrow = text(80);
  for (const line of narrow.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
  expect(narrow).toContain("…");
  expect(narrow).toContain("--json has all");
  expect(narrow).toContain("     auto: a fit runs sequentially; needs all of rows");
  // Reasons are whole wherever they stand.
  expect(text(130)).toContain("     auto: row by row, over all slots; a task a block of rows");
  for (const width of [40, 100, 120, 160, 200])
    for (const line of text(width).split("\n")) expect(line.length).toBeLessThanOrEqual(Math.max(80, width));
  expect(text(Number.POSITIVE_INFINITY)).not.toContain("…");
});

it("shows regions under what brings them to life, and long chains by their ends", () => {
  const text = planText(planWithRegions(), { params: {}, width: 120, paint: plain });
  expect(text).toContain("   for each row of load, as models:");
  expect(text).toContain("     then of chosen:");
  expect(text).toContain("     each iteration of centres/loop:");
  expect(lineOf(text, "models")).toMatch(/ for each +per row of load +- /);
  expect(text).toMatch(/17 stages, 12 of them in 4 regions; 4 tasks, and those of models \(known once load is done\)/);
  const long = planText(planOfSize(300), { params: {}, width: 80, paint: plain });
  expect(long.replace(/\s+/g, " ")).toMatch(/→ \d+ more →/);
});

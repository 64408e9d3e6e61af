// What is in a picture of a plan, what closes when there is much of it, and that nothing that users wrote becomes markup.
import { Graphviz } from "@hpcc-js/wasm-graphviz";
import { describe, expect, it } from "vitest";
import { drawSvg } from "../../../cli/verbs/graph.ts";
import { toDot, toMermaid } from "../../../compiler/picture/diagrams.ts";
import { grouped } from "../../../compiler/picture/groups.ts";
import type { Picture } from "../../../compiler/picture/picture.ts";
import { pictureOf } from "../../../compiler/picture/picture.ts";
import { columnsOf, endElided, middleElided } from "../../../compiler/picture/text.ts";
import type { PlanInput } from "../../../compiler/plan.ts";
import { planOf as compiled } from "../../harness/programs.ts";
import { planOf, planOfSize, planWithRegions, stage } from "./plans.ts";

const stages = `export function make(seed: number): number[] { return [seed]; }
export function half(x: number): number { return x / 2; }
`;
const picture = async (program: string) => pictureOf(await compiled({ "main.pipe": program, "stages.ts": stages }, "main.pipe"));
const names = ({ boxes }: Picture) => boxes.map(({ kind, title }) => `${kind} ${title}`).sort();
const value = (of: number): PlanInput => ({ kind: "value", stage: of });

describe("a picture", () => {
  it("shows named stages once, with params and results at the ends, and what flows", async () => {
    const found = await picture(`import { make, half } from "./stages.ts"
param seed: float = 1.0 in 0.0..9.0
pipeline main() -> { a: float, b: float } {
  let rows = make(seed)
  let { left, right } = rows |> split(left: 0.8, right: 0.2, seed: 1)
  let a = left |> map(half) |> mean
  { a, b: right |> max }
}
`);
    expect(names(found)).toEqual(["output a", "output b", "param seed", "stage a", "stage b", "stage rows"]);
    const box = (title: string) => found.boxes.find((one) => one.title === title && one.kind !== "output");
    expect(box("a")).toMatchObject({ type: "float", runs: "data", strategy: "data" });
    expect(box("a")!.about).toContain("main.pipe:6");
    expect(box("seed")).toMatchObject({ kind: "param", type: "float = 1 in 0..9" });
    expect(found.edges).toContainEqual({ from: "stage:rows", to: "stage:a", label: "split 0–0.8, block by block", kind: "block" });
    expect(found.edges).toContainEqual({ from: "param:seed", to: "stage:rows", label: "", kind: "param" });
    expect(found.edges).toContainEqual({ from: "stage:b", to: "output:b", label: "", kind: "value" });
  });

  it("puts regions into each other, and draws what a loop carries back", () => {
    const found = pictureOf(planWithRegions());
    const group = (title: string) => found.groups.find((one) => one.title === title);
    expect(group("models: for each of load")).toMatchObject({ group: null, kind: "region" });
    for (const inner of ["chosen: then", "chosen: else", "centres: loop"])
      expect(group(inner)?.group).toBe(group("models: for each of load")!.id);
    const boxIn = (title: string) =>
      found.boxes.filter((one) => one.title === title).map((one) => found.groups.find(({ id }) => id === one.group)?.title);
    expect(boxIn("moved")).toEqual(["centres: loop"]);
    expect(boxIn("chosen.sampled")).toEqual(["chosen: then"]);
    expect(boxIn("tell")).toEqual(["on failure"]);
    expect(found.edges.filter(({ kind }) => kind === "back").map(({ label }) => label)).toEqual(["first", "next"]);
    expect(found.edges.map(({ label }) => label)).toEqual(
      expect.arrayContaining(["each item", "condition", "then", "else", "until", "last"]),
    );
  });

  it("frames no region whose body its control stage computes, and can be laid out", async () => {
    const found = await picture(`import { make, half } from "./stages.ts"
param seed: float = 1.0
pipeline main() -> { a: [float], b: [[float]] } {
  let a = for x in make(seed) { half(x) }
  let b = for x in [1.0, 2.0] { for y in make(x) { half(y) } }
  { a, b }
}
`);
    expect(found.groups.map(({ title }) => title)).toEqual(["b: for each"]);
    expect(await drawSvg(found)).toContain("b: for each");
  });

  it("frames names with a common beginning, where they hang together", () => {
    const framed = grouped(
      pictureOf(planOf([stage("a", []), stage("r.x", [value(0)]), stage("r.y", [value(1)]), stage("z", [value(2)])])),
      showing(),
    );
    expect(framed.shown.groups.map(({ title }) => title)).toEqual(["r"]);
    // What leaves the group comes back to it.
    const tangled = grouped(pictureOf(planOf([stage("r.x", []), stage("a", [value(0)]), stage("r.y", [value(1)])])), showing());
    expect(tangled.shown.groups).toEqual([]);
  });

  it("names params that many read in their readers", () => {
    const many = planOf(["a", "b", "c", "d"].map((name) => stage(name, [{ kind: "param", name: "seed" }])));
    const { boxes, edges } = grouped(pictureOf(many), showing()).shown;
    expect(boxes.filter(({ params }) => params.includes("seed"))).toHaveLength(4);
    expect(edges.filter(({ kind }) => kind === "param")).toEqual([]);
  });
});

const showing = (...expand: string[]) => ({ expand, all: false });

describe("a large picture", () => {
  const report = Array.from({ length: 80 }, (_, i) => stage(`report.part${i}`, [value(0)]));
  const large = planOf([
    stage("load", []),
    ...report,
    stage(
      "done",
      report.map((_, i) => value(i + 1)),
    ),
  ]);

  it("closes what names hold together, and opens it when asked", () => {
    const { shown, names: known } = grouped(pictureOf(large), showing());
    expect(names(shown)).toEqual(["closed report.*", "output model", "stage done", "stage load"]);
    expect(shown.boxes.find(({ kind }) => kind === "closed")).toMatchObject({
      runs: "80 stages · 80 task",
      type: "report.part0 … report.part79",
    });
    expect(shown.edges).toHaveLength(3);
    expect(known).toContain("report");
    expect(grouped(pictureOf(large), { expand: [], all: true }).shown.boxes).toHaveLength(83);
    expect(grouped(pictureOf(large), showing("report")).shown.boxes).toHaveLength(83);
  });

  it("closes levels where names don't help, without a cycle, and loses no stage", () => {
    const whole = pictureOf(planOfSize(300));
    const { shown } = grouped(whole, showing());
    expect(shown.boxes.length).toBeLessThanOrEqual(60);
    const inside = shown.boxes.filter(({ kind }) => kind === "closed").map(({ runs }) => Number(/^\d+/.exec(runs)![0]));
    const open = shown.boxes.filter(({ kind }) => kind === "stage").length;
    expect(inside.reduce((sum, count) => sum + count, open)).toBe(300);
    const place = new Map(shown.boxes.map(({ id, title }) => [id, Number(/\d+/.exec(title)?.[0] ?? 999)]));
    for (const { from, to, kind } of shown.edges) if (kind !== "param") expect(place.get(from)!).toBeLessThan(place.get(to)!);
    const group = shown.boxes.find(({ title }) => title.startsWith("levels"))!;
    const name = /--expand (\S+)/.exec(group.about)![1]!;
    expect(grouped(whole, showing(name)).shown.groups.map(({ title }) => title)).toEqual([group.title]);
  });
});

describe("text", () => {
  it("is as wide as its signs, and keeps the telling end", () => {
    expect(columnsOf("模型")).toBeGreaterThan(columnsOf("model") - 1);
    expect(endElided("Dataset<int>", 8)).toBe("Dataset…");
    expect(middleElided("report.monthly.north.mean", 11)).toBe("repor….mean");
    expect(middleElided("short", 11)).toBe("short");
    // Never half a letter.
    expect(endElided("👩‍👩‍👧‍👧👩‍👩‍👧‍👧", 4)).toBe("👩‍👩‍👧‍👧…");
  });
});

describe("what users wrote is no markup", () => {
  const hostile = '<b>"hi"\\ `x` #35; [a](b) {c} |d| &amp; end\n*e*';
  const boxes = pictureOf(planOf([stage(hostile, [])])).boxes.map((box) => ({ ...box, type: hostile, about: hostile }));
  const shown: Picture = { ...pictureOf(planOf([stage("x", [])])), name: hostile, boxes };

  it("in DOT", async () => {
    const graphviz = await Graphviz.load();
    const { objects, name } = JSON.parse(graphviz.layout(toDot(shown), "json", "dot"));
    expect(name).toBe(hostile);
    expect(objects[0].tooltip.replaceAll("\\n", "\n").replaceAll("\\\\", "\\")).toBe(hostile);
  });

  it("in Mermaid", () => {
    const text = toMermaid(shown);
    const labels = [...text.matchAll(/"([^"\n]*)"/g)].map(([, label]) => label!.replaceAll("<br/>", ""));
    expect(labels).toHaveLength(2);
    for (const label of labels) {
      // Letters, spaces, and Mermaid's own numbers of signs.
      expect(label).toMatch(/^(?:[\w .,…=/:-]|#\d+;)*$/u);
      expect(label.replace(/#(\d+);/g, (_, point) => String.fromCodePoint(Number(point)))).toContain('<b>"hi"');
    }
  });
});

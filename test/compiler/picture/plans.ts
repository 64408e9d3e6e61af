// Plans to be drawn: of any size, with stages of all kinds, names of all lengths, and regions in regions.
import type { Plan, PlanInput, PlanRegion, PlanStage } from "../../../compiler/plan.ts";

const value = (stage: number): PlanInput => ({ kind: "value", stage });
const blocks = (stage: number): PlanInput => ({ kind: "blocks", stage });
const param = (name: string): PlanInput => ({ kind: "param", name });

export function stage(name: string, inputs: readonly PlanInput[], more: Partial<PlanStage> = {}): PlanStage {
  return {
    ...{ id: name, name, tasks: { kind: "one" }, inputs, body: { op: "const", value: null }, output: "value" },
    ...{ strategy: { kind: "task" }, options: {} },
    ...more,
  };
}

export function planOf(stages: readonly PlanStage[], more: Partial<Plan> = {}): Plan {
  const types = ["float", "Weights", "Dataset<{ id: int, label: string, features: Tensor<f32, [28, 28]>, weight: float }>", "[Row]"];
  return {
    ...{ format: "headrace-plan/1", hash: "0123456789abcdef".repeat(4), name: "pictured", functions: {}, stages, regions: [] },
    params: [
      { name: "seed", type: "int", optional: false, default: 1 },
      { name: "learningRateOfTheFirstOfBothModels", type: "float", optional: false, default: 0.3, min: 0, max: 1 },
    ],
    outputs: [{ name: "model", from: { kind: "stage", stage: stages.length - 1, take: "value" } }],
    about: {
      ...{ file: "pictured.pipe", entry: "pictured", schedule: null, doc: null, functions: {}, params: {} },
      stages: Object.fromEntries(
        stages.map(({ id }, i) => [id, { span: { file: "pictured.pipe", line: i + 3, column: 7 }, type: types[i % 4]!, why: "auto" }]),
      ),
      outputs: { model: { type: "Weights" } },
      onTheWay: [],
    },
    ...more,
  };
}

/** `n` stages that read one to three of those not long before, the same for the same number. */
export function planOfSize(n: number): Plan {
  let state = n;
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const names = [
    "clean",
    "features",
    "report.monthly",
    "report.byCarrierAndOriginAndDestination",
    "模型",
    "w",
    "aVeryLongNameOfAStageThatNobodyWouldEverType",
  ];
  const stages = Array.from({ length: n }, (_, i): PlanStage => {
    const reads =
      i === 0 ? [] : [...new Set([random(3), random(6), random(9)].slice(0, 1 + random(3)).map((back) => Math.max(0, i - 1 - back)))];
    const inputs = [...reads.map((read) => (random(3) === 0 ? blocks(read) : value(read))), ...(random(5) === 0 ? [param("seed")] : [])];
    const name = `${names[random(names.length)]}${i}`;
    if (random(7) === 0)
      return stage(name, [...inputs, param("learningRateOfTheFirstOfBothModels")], {
        strategy: { kind: "fit", architecture: "sequential" },
      });
    if (random(3) > 0 || reads.length === 0) return stage(name, inputs);
    const of = reads[0]!;
    return stage(name, [{ kind: "block", stage: of }, ...inputs.slice(1)], {
      ...{ tasks: { kind: "perBlock", of }, output: "block", strategy: { kind: "data", slots: random(2) === 0 ? null : 8 } },
    });
  });
  return planOf(stages);
}

/** A `for` with an `if` and a `loop` inside, and what happens on failure. */
export function planWithRegions(): Plan {
  const regions: PlanRegion[] = [
    { around: null, stages: [2, 3, 6, 7, 8, 9] },
    { around: 0, stages: [4] },
    { around: 0, stages: [5] },
    { around: 0, stages: [10, 11, 12] },
  ];
  const inside = (region: number) => ({ region });
  const stages = [
    stage("load", [param("seed")], { output: "blocks", cut: "rows" }),
    stage("scale", [value(0)]),
    stage("prepared", [{ kind: "item", stage: 0 }, value(1)], inside(0)),
    stage("large", [value(2)], inside(0)),
    stage("chosen.sampled", [value(2)], inside(1)),
    stage("chosen.whole", [value(2)], inside(2)),
    stage("chosen", [value(3)], { ...inside(0), tasks: { kind: "branch", then: 1, else: 2, gives: [{ given: 7, then: 4, else: 5 }] } }),
    stage("chosen", [], { ...inside(0), id: "chosen/value", tasks: { kind: "given" } }),
    stage("centres", [value(7)], { ...inside(0), id: "centres/init" }),
    stage("centres", [], {
      ...{ ...inside(0), id: "centres/loop" },
      tasks: { kind: "loop", region: 3, carried: [{ given: 10, init: 8, next: 11, final: 13 }], decision: 12 },
    }),
    stage("c", [], { ...inside(3), tasks: { kind: "given" } }),
    stage("moved", [value(10), value(7), { kind: "iteration", region: 3 }], inside(3)),
    stage("until", [value(11), value(10)], inside(3)),
    stage("centres", [], { ...inside(0), tasks: { kind: "given" } }),
    stage("models", [value(13), { kind: "after", stage: 1 }], { tasks: { kind: "each", of: 0, region: 0 }, output: "row" }),
    stage("best", [blocks(14)]),
    stage("told", [value(15)], { effect: true }),
  ];
  return planOf(stages, {
    regions,
    onFailure: { param: "failure", stages: [stage("tell", [param("failure")], { effect: true })], regions: [] },
  });
}

// A plan as a picture: the stages that the user named, with their helpers folded in, in the languages of graph tools. Text only: who
// draws it is somebody else's business.
import type { Plan } from "./plan.ts";

export interface Picture {
  readonly name: string;
  readonly boxes: readonly Box[];
  readonly edges: readonly { readonly from: string; readonly to: string }[];
}

export interface Box {
  readonly id: string;
  readonly kind: "param" | "stage" | "output";
  readonly title: string;
  /** Short lines under the title. */
  readonly lines: readonly string[];
}

const LONGEST = 44;
const short = (text: string) => (text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text);

/** Names of a plan as boxes, what reads what as edges, params and results at the ends. */
export function pictureOf(plan: Plan): Picture {
  const boxes = new Map<string, Box>();
  const edges = new Map<string, { from: string; to: string }>();
  const edge = (from: string, to: string) => {
    if (from !== to) edges.set(`${from}\0${to}`, { from, to });
  };
  const stageBox = (index: number) => `stage:${plan.stages[index]!.name}`;
  plan.stages.forEach((stage, index) => {
    const id = stageBox(index);
    const about = plan.about.stages[stage.id];
    const split = stage.strategy.kind === "data" ? (stage.strategy.slots === null ? "data" : `data(${stage.strategy.slots})`) : null;
    const fit = stage.strategy.kind === "fit" ? `fit, ${stage.strategy.architecture}` : null;
    const before = boxes.get(id);
    // The last helper gives the value; a split one says how the stage runs.
    const runs = split ?? fit ?? before?.lines[1] ?? "task";
    boxes.set(id, {
      id,
      kind: "stage",
      title: stage.name,
      lines: [short(about?.type ?? ""), before && before.lines[1] !== "task" && !split ? before.lines[1]! : runs],
    });
    for (const input of stage.inputs) {
      if (input.kind === "param") {
        boxes.set(`param:${input.name}`, {
          id: `param:${input.name}`,
          kind: "param",
          title: input.name,
          lines: [plan.params.find(({ name }) => name === input.name)?.type ?? ""],
        });
        edge(`param:${input.name}`, id);
      } else if ("stage" in input) edge(stageBox(input.stage), id);
    }
  });
  for (const { name, from } of plan.outputs) {
    const id = `output:${name}`;
    boxes.set(id, { id, kind: "output", title: name, lines: [short(plan.about.outputs[name]?.type ?? "")] });
    if (from.kind === "stage") edge(stageBox(from.stage), id);
    else if (from.kind === "param") edge(`param:${from.name}`, id);
  }
  return { name: plan.name, boxes: [...boxes.values()], edges: [...edges.values()] };
}

const quoted = (text: string) => `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
const FILLS = { param: "#eef2f7", stage: "#ffffff", output: "#e8f5e9" } as const;

export function toDot({ name, boxes, edges }: Picture): string {
  const lines = boxes.map(({ id, kind, title, lines: more }) => {
    const label = [title, ...more.filter((line) => line !== "")]
      .map((line) => line.replaceAll("\\", "\\\\").replaceAll('"', '\\"'))
      .join("\\n");
    return `  ${quoted(id)} [label="${label}", fillcolor="${FILLS[kind]}"${kind === "stage" ? "" : ', style="filled,rounded"'}];`;
  });
  return [
    `digraph ${quoted(name)} {`,
    "  rankdir=LR;",
    '  node [shape=box, style=filled, fontname="Helvetica", fontsize=11, margin="0.16,0.08", color="#5b6b7b"];',
    '  edge [color="#5b6b7b", arrowsize=0.7];',
    ...lines,
    ...edges.map(({ from, to }) => `  ${quoted(from)} -> ${quoted(to)};`),
    "}",
    "",
  ].join("\n");
}

export function toMermaid({ boxes, edges }: Picture): string {
  const places = new Map(boxes.map(({ id }, i) => [id, `n${i}`]));
  // Mermaid reads markup in labels.
  const text = (line: string) => line.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const ends = { param: ["([", "])"], stage: ["[", "]"], output: ["([", "])"] } as const;
  return [
    "flowchart LR",
    ...boxes.map(
      ({ id, kind, title, lines }) =>
        `  ${places.get(id)}${ends[kind][0]}"${[title, ...lines.filter((line) => line !== "")].map(text).join("<br/>")}"${ends[kind][1]}`,
    ),
    ...edges.map(({ from, to }) => `  ${places.get(from)} --> ${places.get(to)}`),
    "",
  ].join("\n");
}

// A picture in the languages of graph tools: DOT and Mermaid. Both nest groups, and keep what users wrote from being markup. Boxes of
// the DOT have the sizes that the SVG draws, so that its layout is the SVG's too.
import type { Box, Edge, Group, Picture } from "./picture.ts";
import { columnsOf, endElided, middleElided } from "./text.ts";

/** Sizes in points, which are the SVG's pixels. Columns of any fixed-width font are at most 0.62 of its size wide. */
export const FONT = { title: 13, line: 11, label: 10, column: 0.62 } as const;
const LONGEST = { title: 34, line: 42 } as const;
const PADDING = 14;

export interface BoxText {
  readonly title: string;
  readonly lines: readonly { readonly kind: "type" | "runs" | "params"; readonly text: string }[];
  readonly width: number;
  readonly height: number;
}

/** What is written in a box, and how large that makes it. */
export function boxText({ kind, title, type, runs, params }: Box): BoxText {
  const shown = middleElided(title, LONGEST.title);
  const reads = params.length === 0 ? "" : `with ${params.join(", ")}`;
  const lines = (Object.entries({ type, runs, params: reads }) as ["type" | "runs" | "params", string][])
    .filter(([, text]) => text !== "")
    .map(([kind, text]) => ({ kind, text: endElided(text, LONGEST.line) }));
  const ends = kind === "param" || kind === "output";
  const width = Math.max(
    ends ? 60 : 110,
    columnsOf(shown) * FONT.title * FONT.column,
    ...lines.map(({ text }) => columnsOf(text) * FONT.line * FONT.column),
  );
  return { title: shown, lines, width: Math.ceil(width) + 2 * PADDING, height: 30 + 16 * lines.length };
}

/** What stands in a group, in the order of the picture. */
interface Nested {
  readonly group: Group | null;
  readonly boxes: readonly Box[];
  readonly inside: readonly Nested[];
}

function nested({ boxes, groups }: Picture): Nested {
  const of = (group: Group | null): Nested => ({
    group,
    boxes: boxes.filter((box) => box.group === (group?.id ?? null)),
    inside: groups.filter((one) => one.group === (group?.id ?? null)).map(of),
  });
  return of(null);
}

// --- DOT --------------------------------------------------------------------------------------------------------------------

const FILLS = { param: "#ddf4ff", stage: "#ffffff", output: "#dafbe1", closed: "#f6f8fa" } as const;
/** Names know no escape but that of the quote. */
const named = (text: string) => `"${text.replaceAll('"', '\\"')}"`;
const quoted = (text: string) => `"${escaped(text)}"`;
const escaped = (text: string) => text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll(/\r?\n/g, "\\n");

const SPLINES = { curves: "", corners: " splines=polyline;", straight: " splines=line;" } as const;

export function toDot(picture: Picture, edges: keyof typeof SPLINES = "curves"): string {
  const lines = [
    `digraph ${named(picture.name)} {`,
    `  rankdir=TB; nodesep=0.3; ranksep=0.5; nslimit=2;${SPLINES[edges]}`,
    `  graph [fontname="Courier", fontsize=${FONT.line}, style="rounded", color="#8c959f", margin=14, labeljust=l];`,
    `  node [shape=box, style=filled, fixedsize=true, fontname="Courier", fontsize=${FONT.line}, color="#8c959f"];`,
    `  edge [color="#8c959f", arrowsize=0.7, fontname="Courier", fontsize=${FONT.label}];`,
  ];
  const within = ({ group, boxes, inside }: Nested, indent: string) => {
    if (group) lines.push(`${indent}subgraph ${named(`cluster_${group.id}`)} {`, `${indent}  label=${quoted(group.title)};`);
    const deeper = group ? `${indent}  ` : indent;
    for (const box of boxes) lines.push(`${deeper}${dotNode(box)}`);
    for (const one of inside) within(one, deeper);
    if (group) lines.push(`${indent}}`);
  };
  within(nested(picture), "  ");
  for (const edge of picture.edges) lines.push(`  ${dotEdge(edge)}`);
  return [...lines, "}", ""].join("\n");
}

function dotNode(box: Box): string {
  const { title, lines, width, height } = boxText(box);
  const label = [title, ...lines.map(({ text }) => text)].map(escaped).join("\\n");
  const style = box.kind === "stage" ? "" : box.kind === "closed" ? ', style="filled,dashed"' : ', style="filled,rounded"';
  const size = `width=${(width / 72).toFixed(4)}, height=${(height / 72).toFixed(4)}`;
  return `${named(box.id)} [label="${label}", tooltip=${quoted(box.about)}, fillcolor="${FILLS[box.kind]}", ${size}${style}];`;
}

function dotEdge({ from, to, label, kind }: Edge): string {
  const attributes = [
    ...(label === "" ? [] : [`label=${quoted(` ${label} `)}`]),
    ...(kind === "block" ? ['color="#0969da"'] : kind === "value" ? [] : ["style=dashed"]),
    ...(kind === "back" ? ["constraint=false"] : []),
    ...(kind === "param" ? ["weight=0"] : []),
  ];
  return `${named(from)} -> ${named(to)}${attributes.length === 0 ? "" : ` [${attributes.join(", ")}]`};`;
}

// --- Mermaid ----------------------------------------------------------------------------------------------------------------

/** Mermaid reads markup and Markdown in labels; its own numbered entities are safe in all places. */
const entities = (text: string) => text.replaceAll(/["#<>&`\\*_~[\](){}|;]|\r?\n/g, (c) => `#${c.codePointAt(c.length - 1)};`);

export function toMermaid(picture: Picture): string {
  const places = new Map(picture.boxes.map(({ id }, i) => [id, `n${i}`]));
  const lines = ["flowchart TB"];
  const ends = { param: ["([", "])"], stage: ["[", "]"], output: ["([", "])"], closed: ["[[", "]]"] } as const;
  let groups = 0;
  const within = ({ group, boxes, inside }: Nested, indent: string) => {
    if (group) lines.push(`${indent}subgraph g${groups++}["${entities(group.title)}"]`);
    const deeper = group ? `${indent}  ` : indent;
    for (const box of boxes) {
      const { title, lines: more } = boxText(box);
      const [open, close] = ends[box.kind];
      lines.push(`${deeper}${places.get(box.id)}${open}"${[title, ...more.map(({ text }) => text)].map(entities).join("<br/>")}"${close}`);
    }
    for (const one of inside) within(one, deeper);
    if (group) lines.push(`${indent}end`);
  };
  within(nested(picture), "  ");
  for (const { from, to, label, kind } of picture.edges) {
    const arrow = kind === "value" || kind === "block" ? "-->" : "-.->";
    lines.push(`  ${places.get(from)} ${arrow}${label === "" ? "" : `|"${entities(label)}"|`} ${places.get(to)}`);
  }
  return [...lines, ""].join("\n");
}

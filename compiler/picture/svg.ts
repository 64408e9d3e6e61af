// A picture as SVG, from the places that a layout of its DOT gave: light and dark by the reader's own setting, with the full text of
// whatever was shortened in titles. Self-contained: no script, no font, no link.
import type { BoxText } from "./diagrams.ts";
import { boxText, FONT } from "./diagrams.ts";
import type { Box, Edge, Group, Picture } from "./picture.ts";
import { columnsOf, endElided, middleElided } from "./text.ts";

/** What Graphviz gives as `json`, as far as it is read here. Lengths in points, boxes' sizes in inches, y upward. */
export interface Layout {
  readonly bb: string;
  readonly objects?: readonly {
    readonly name: string;
    readonly pos?: string;
    readonly bb?: string;
    readonly lp?: string;
  }[];
  readonly edges?: readonly {
    readonly tail: number;
    readonly head: number;
    readonly pos?: string;
    readonly lp?: string;
    readonly label?: string;
  }[];
}

interface Point {
  readonly x: number;
  readonly y: number;
}

const MARGIN = 24;
const HEADER = 58;
const LEAST_WIDTH = 260;

export function toSvg(picture: Picture, layout: Layout): string {
  const [, , right, top] = numbers(layout.bb) as [number, number, number, number];
  const width = Math.ceil(Math.max(right + 2 * MARGIN, LEAST_WIDTH));
  const height = Math.ceil(top + HEADER + MARGIN);
  const shift = Math.max(0, (LEAST_WIDTH - right) / 2 - MARGIN);
  const place = ([x, y]: readonly number[]): Point => ({ x: round(x! + MARGIN + shift), y: round(top - y! + HEADER) });
  const objects = new Map((layout.objects ?? []).map((object) => [object.name, object]));
  const names = (layout.objects ?? []).map(({ name }) => name);
  const routes = new Map<string, { pos: string; lp?: string }[]>();
  for (const { tail, head, pos, lp } of layout.edges ?? []) {
    const key = `${names[tail]}\0${names[head]}`;
    if (pos !== undefined) routes.set(key, [...(routes.get(key) ?? []), { pos, ...(lp === undefined ? {} : { lp }) }]);
  }
  const parents = new Map(picture.groups.map(({ id, group }) => [id, group]));
  const depth = (id: string): number => (parents.get(id) ? depth(parents.get(id)!) + 1 : 0);
  const frames = picture.groups.map((group) => frame(group, objects.get(`cluster_${group.id}`)!.bb!, depth(group.id), place));
  const columns = (width - 2 * MARGIN) / FONT.column;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${xml(`${picture.name}, ${picture.caption}`)}</title>`,
    `<style>${STYLE}</style>`,
    `<rect class="paper" width="${width}" height="${height}"/>`,
    text("name", { x: MARGIN, y: 26 }, middleElided(picture.name, columns / 16)),
    text("caption", { x: MARGIN, y: 44 }, endElided(picture.caption, columns / FONT.line)),
    ...frames.map(([rectangle]) => rectangle),
    ...picture.edges.map((edge) => line(edge, routes.get(`${edge.from}\0${edge.to}`)!.shift()!, place)),
    ...picture.boxes.map((box) => boxOf(box, place(numbers(objects.get(box.id)!.pos!)))),
    ...frames.map(([, heading]) => heading),
    "</svg>",
    "",
  ].join("\n");
}

const round = (value: number) => Math.round(value * 100) / 100;
const numbers = (list: string) => list.split(",").map(Number);
/** XML has no place for control characters, nor for halves of pairs. */
const xml = (value: string) =>
  value
    .replaceAll(/(?![\t\n\r])\p{Cc}|\p{Cs}|[\ufffe\uffff]/gu, "\ufffd")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");

function text(kind: string, { x, y }: Point, value: string, middle = false): string {
  return `<text class="${kind}" x="${x}" y="${y}"${middle ? ' text-anchor="middle"' : ""}>${xml(value)}</text>`;
}

/** Odd and even depths have a ground of their own. Headings come last: edges may run under them. */
function frame(
  { id, title, kind }: Group,
  bb: string,
  depth: number,
  place: (point: readonly number[]) => Point,
): readonly [string, string] {
  const [left, bottom, right, top] = numbers(bb) as [number, number, number, number];
  const at = place([left, top]);
  const width = round(right - left);
  const shown = endElided(title, (width - 20) / (FONT.line * FONT.column));
  const ground = depth % 2 === 0 ? "even" : "odd";
  return [
    `<g class="group ${kind} ${ground}" data-id="${xml(id)}"><title>${xml(title)}</title><rect x="${at.x}" y="${at.y}" width="${width}" height="${round(top - bottom)}" rx="10"/></g>`,
    `<text class="heading ${ground}" data-of="${xml(id)}" x="${at.x + 10}" y="${at.y + 17}">${xml(shown)}</text>`,
  ];
}

function boxOf(box: Box, { x, y }: Point): string {
  const written = boxText(box);
  const { width, height } = written;
  const left = round(x - width / 2);
  const upper = round(y - height / 2);
  const ends = box.kind === "param" || box.kind === "output";
  const corners = ends ? Math.min(16, height / 2) : 6;
  const shadow =
    box.kind === "closed" ? `<rect class="under" x="${left + 4}" y="${upper + 4}" width="${width}" height="${height}" rx="6"/>` : "";
  return [
    `<g class="box ${box.kind}${box.strategy ? ` ${box.strategy}` : ""}" data-id="${xml(box.id)}"><title>${xml(box.about)}</title>${shadow}`,
    `<rect class="face" x="${left}" y="${upper}" width="${width}" height="${height}" rx="${corners}"/>`,
    box.strategy ? `<path class="mark" d="M${left + 6},${upper}a6,6 0 0 0 -6,6v${height - 12}a6,6 0 0 0 6,6z"/>` : "",
    writing(written, { x, y: upper }),
    "</g>",
  ].join("");
}

function writing({ title, lines }: BoxText, { x, y }: Point): string {
  const below = lines.map(({ kind, text: line }, i) => text(kind, { x, y: y + 36 + 16 * i }, line, true));
  return text("title", { x, y: y + 20 }, title, true) + below.join("");
}

/** A B-spline as Graphviz writes it: `e,` and the arrow's point, then the start and three points a curve. */
function line(edge: Edge, { pos, lp }: { pos: string; lp?: string }, place: (point: readonly number[]) => Point): string {
  const points = pos.split(" ");
  const end = points.find((point) => point.startsWith("e,"));
  const curve = points.filter((point) => !/^[es],/.test(point)).map((point) => place(numbers(point)));
  const last = curve.at(-1)!;
  const tip = end === undefined ? last : place(numbers(end.slice(2)));
  const [start, ...rest] = curve;
  const path = `M${start!.x},${start!.y}C${rest.map(({ x, y }) => `${x},${y}`).join(" ")}`;
  const label = edge.label === "" || lp === undefined ? "" : edgeLabel(edge.label, place(numbers(lp)));
  return [
    `<g class="edge ${edge.kind}" data-from="${xml(edge.from)}" data-to="${xml(edge.to)}">`,
    `<path class="line" d="${path}"/><path class="tip" d="${arrow(last, tip)}"/>${label}</g>`,
  ].join("");
}

function edgeLabel(label: string, { x, y }: Point): string {
  const width = round(columnsOf(label) * FONT.label * FONT.column + 6);
  return `<rect class="behind" x="${round(x - width / 2)}" y="${round(y - 7)}" width="${width}" height="14" rx="3"/>${text("label", { x, y: round(y + 3.5) }, label, true)}`;
}

function arrow(from: Point, tip: Point): string {
  const length = Math.hypot(tip.x - from.x, tip.y - from.y) || 1;
  const [dx, dy] = [(tip.x - from.x) / length, (tip.y - from.y) / length];
  const side = (sign: number) => `${round(tip.x - 7 * dx - sign * 3.2 * dy)},${round(tip.y - 7 * dy + sign * 3.2 * dx)}`;
  return `M${tip.x},${tip.y}L${side(1)} ${side(-1)}z`;
}

function grounds({ even, odd, rim }: typeof COLORS, at: 0 | 1): string {
  const of = (kind: string, fill: string) => `.group.${kind} rect{fill:${fill};stroke:${rim[at]}}.heading.${kind}{stroke:${fill}}`;
  return of("even", even[at]) + of("odd", odd[at]);
}

/** Rules twice rather than variables: many that show SVG know no variables. */
function rules(c: typeof COLORS, at: 0 | 1): string {
  const marks = {
    task: ["#8c959f", "#7d8590"],
    data: ["#0969da", "#4493f8"],
    fit: ["#8250df", "#ab7df8"],
    control: ["#bc4c00", "#f0883e"],
  } as const;
  return [
    `.paper,.behind{fill:${c.paper[at]}}`,
    `.name,.title{fill:${c.ink[at]}}.caption,.type,.heading,.label{fill:${c.dim[at]}}`,
    `.face,.under{fill:${c.face[at]};stroke:${c.rim[at]}}`,
    `.param .face{fill:${c.param[at]};stroke:${marks.data[at]}}.output .face{fill:${c.output[at]};stroke:#2da44e}.closed .face,.closed .under{fill:${c.closed[at]}}`,
    `.line{stroke:${c.line[at]}}.tip{fill:${c.line[at]}}.block .line{stroke:${marks.data[at]}}.block .tip,.params{fill:${marks.data[at]}}${grounds(c, at)}.runs{fill:${c.dim[at]}}`,
    ...Object.entries(marks).map(([kind, colors]) => `.${kind} .mark,.${kind} .runs{fill:${colors[at]}}`),
  ].join("");
}
const COLORS = {
  paper: ["#ffffff", "#0d1117"],
  face: ["#ffffff", "#161b22"],
  rim: ["#c2c9d1", "#3d444d"],
  ink: ["#1f2328", "#f0f6fc"],
  dim: ["#59636e", "#9198a1"],
  line: ["#8c959f", "#7d8590"],
  even: ["#f6f8fa", "#12171e"],
  odd: ["#eceff2", "#1a2028"],
  closed: ["#f6f8fa", "#1c2128"],
  param: ["#eef6ff", "#121d2f"],
  output: ["#eafbee", "#12261e"],
} as const;
const STYLE = [
  "text{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'Liberation Mono','DejaVu Sans Mono',monospace}",
  `.name{font-size:16px;font-weight:600}.title{font-size:${FONT.title}px;font-weight:600}.label{font-size:${FONT.label}px}`,
  `.caption,.type,.runs,.params,.heading{font-size:${FONT.line}px}.heading{font-weight:600;paint-order:stroke;stroke-width:5px;stroke-linejoin:round}`,
  ".line{fill:none;stroke-width:1.3}.param .line,.order .line,.back .line{stroke-dasharray:4 3}.param .line{opacity:.7}",
  ".group rect{stroke-dasharray:2 3}.group.region rect{stroke-dasharray:none}",
  rules(COLORS, 0),
  `@media (prefers-color-scheme:dark){${rules(COLORS, 1)}}`,
].join("");

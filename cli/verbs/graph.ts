// `headrace graph FILE`: the plan as a picture.
import { writeFileSync } from "node:fs";
import { extname } from "node:path";
import { compile } from "../../compiler/compile.ts";
import { toDot, toMermaid } from "../../compiler/picture/diagrams.ts";
import { grouped } from "../../compiler/picture/groups.ts";
import type { Picture } from "../../compiler/picture/picture.ts";
import { pictureOf } from "../../compiler/picture/picture.ts";
import type { Layout } from "../../compiler/picture/svg.ts";
import { toSvg } from "../../compiler/picture/svg.ts";
import { nodeSources } from "../../compiler/sources.ts";
import { report } from "../../lang/diagnostics.ts";
import { nearest } from "../../lang/suggest.ts";
import type { Flag } from "../flags.ts";
import { describeFlags, readArguments } from "../flags.ts";
import { printProblems } from "../problems.ts";
import { isProblem, oneTarget } from "../program.ts";

const FORMATS = ["svg", "dot", "mermaid", "json"] as const;
type Format = (typeof FORMATS)[number];
const flags: readonly Flag[] = [
  { name: "format", value: "FORMAT", summary: `${FORMATS.join(", ")} (default: by the output's ending, else svg)` },
  { name: "output", short: "o", value: "FILE", summary: "where to write it (default: standard output)" },
  { name: "schedule", value: "NAME", summary: "a schedule of the program (default: auto)" },
  { name: "expand", value: "GROUP,…", summary: "groups of a large graph to open; each closed box shows its name" },
  { name: "all", value: null, summary: "open all groups, however many boxes that gives" },
];

export const help = `Draws the stages of FILE, what reads what, and how each runs: as SVG for light and dark pages, or for Graphviz, Mermaid and programs.
In a large graph stages with a common beginning of their names, and then neighbouring ones, are drawn as one box.

    headrace graph digits.pipe -o digits.svg
    headrace graph digits.pipe --format mermaid --expand report

${describeFlags(flags)}`;

export async function run(argv: readonly string[]): Promise<number> {
  const given = readArguments(argv, flags);
  const target = oneTarget(given, "graph");
  const output = given.flags.get("output");
  const asked = given.flags.get("format") ?? formatOf(output);
  const problems = [...given.problems];
  if (isProblem(target)) problems.push(target);
  const format = FORMATS.find((one) => one === asked);
  if (asked === null)
    problems.push(
      report(
        "HR602",
        {
          flag: "-o",
          wants: `a name in ${Object.keys(ENDINGS)
            .map((ending) => `.${ending}`)
            .join(" ")}`,
          given: String(output),
        },
        [],
        { help: "headrace graph FILE -o plan.svg, or say the --format" },
      ),
    );
  else if (!format) problems.push(report("HR602", { flag: "--format", wants: `one of ${FORMATS.join(", ")}`, given: String(asked) }, []));
  if (problems.length > 0 || isProblem(target) || !format) {
    printProblems(problems, () => null);
    return 3;
  }
  const sources = nodeSources();
  const schedule = given.flags.get("schedule");
  const { plan, diagnostics } = await compile(target.file, {
    sources,
    entry: target.entry,
    ...(typeof schedule === "string" ? { schedule } : {}),
  });
  printProblems(diagnostics, (file) => sources.read(file));
  if (!plan) return 3;
  const expand = names(given.flags.get("expand"));
  const { shown, names: known } = grouped(pictureOf(plan), { expand, all: given.flags.has("all") });
  const unknown = expand.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    const near = nearest(unknown, known);
    const help = near ? `--expand ${near}` : known.length > 0 ? `groups: ${known.join(" ")}` : "this graph has no groups: all is open";
    printProblems([report("HR602", { flag: "--expand", wants: "a group of this graph", given: unknown }, [], { help })], () => null);
    return 3;
  }
  const text = await draw(shown, format);
  if (typeof output === "string") writeFileSync(output, text);
  else process.stdout.write(text);
  return 0;
}

/** `report, 1-12`; `report.*` is what the box shows. */
function names(given: string | true | undefined): string[] {
  if (typeof given !== "string") return [];
  return given.split(",").flatMap((name) => (name.trim() === "" ? [] : [name.trim().replace(/\.\*$/, "")]));
}

const ENDINGS: Readonly<Record<string, Format>> = { svg: "svg", dot: "dot", gv: "dot", mmd: "mermaid", json: "json" };

/** Null: an ending that says another format, such as `.png`. */
function formatOf(output: string | true | undefined): Format | null {
  const ending = typeof output === "string" ? extname(output).slice(1) : "";
  return ending === "" ? "svg" : (ENDINGS[ending] ?? null);
}

async function draw(picture: Picture, format: Format): Promise<string> {
  switch (format) {
    case "json":
      return `${JSON.stringify(picture, null, 2)}\n`;
    case "dot":
      return toDot(picture);
    case "mermaid":
      return toMermaid(picture);
    case "svg":
      return drawSvg(picture);
  }
}

/** Where Graphviz finds no way around the boxes for a curve, it does for lines with corners, and always for straight ones. */
export async function drawSvg(picture: Picture): Promise<string> {
  const { Graphviz } = await import("@hpcc-js/wasm-graphviz");
  const graphviz = await Graphviz.load();
  for (const lines of ["curves", "corners", "straight"] as const) {
    const layout: Layout = JSON.parse(graphviz.layout(toDot(picture, lines), "json", "dot"));
    if (layout.edges?.every(({ pos }) => pos !== undefined) ?? true) return toSvg(picture, layout);
  }
  throw new Error("bug: a picture that can't be laid out");
}

// Plans as pictures: what is in them, and that boxes keep apart at any size.
import { Graphviz } from "@hpcc-js/wasm-graphviz";
import { describe, expect, it } from "vitest";
import { compile } from "../../compiler/compile.ts";
import type { Picture } from "../../compiler/picture.ts";
import { pictureOf, toDot, toMermaid } from "../../compiler/picture.ts";
import { memorySources } from "../../compiler/sources.ts";

const stages =
  "export function make(seed: number): number[] { return [seed]; }\nexport function half(x: number): number { return x / 2; }\n";
async function picture(program: string): Promise<Picture> {
  const { plan, diagnostics } = await compile("main.pipe", { sources: memorySources({ "main.pipe": program, "stages.ts": stages }) });
  expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
  return pictureOf(plan!);
}
const chain = (n: number) =>
  `import { make, half } from "./stages.ts"\nparam seed: float = 1.0\npipeline main() -> float {\n  let a0 = make(seed)\n${Array.from({ length: n }, (_, i) => `  let a${i + 1} = a${i} |> map(half) |> sortBy(x => x)`).join("\n")}\n  a${n} |> mean\n}\n`;

describe("picture", () => {
  it("shows named stages once, with params and results at the ends", async () => {
    const { boxes, edges } = await picture(chain(1));
    expect(boxes.map(({ kind, title }) => `${kind} ${title}`).sort()).toEqual([
      "output result",
      "param seed",
      "stage a0",
      "stage a1",
      "stage result",
    ]);
    expect(boxes.find(({ title, kind }) => title === "result" && kind === "stage")?.lines).toEqual(["float", "data"]);
    expect(edges).toContainEqual({ from: "stage:a1", to: "stage:result" });
  });

  it.each([5, 40, 300])(
    "boxes of %i stages don't overlap",
    async (n) => {
      const graphviz = await Graphviz.load();
      const plain = graphviz.layout(toDot(await picture(chain(n))), "plain", "dot");
      const boxes = [...plain.matchAll(/^node (?:"[^"]*"|\S+) (\S+) (\S+) (\S+) (\S+)/gm)].map(([, x, y, w, h]) => ({
        x: Number(x),
        y: Number(y),
        w: Number(w),
        h: Number(h),
      }));
      expect(boxes.length).toBeGreaterThan(n);
      for (let i = 0; i < boxes.length; i++) {
        for (let j = i + 1; j < boxes.length; j++) {
          const [a, b] = [boxes[i]!, boxes[j]!];
          expect(Math.abs(a.x - b.x) >= (a.w + b.w) / 2 || Math.abs(a.y - b.y) >= (a.h + b.h) / 2).toBe(true);
        }
      }
    },
    60_000,
  );

  it("keeps what users wrote from being markup", () => {
    const hostile: Picture = { name: 'a"b', boxes: [{ id: 'x"y', kind: "stage", title: '<b>"hi"\\', lines: [] }], edges: [] };
    expect(toDot(hostile)).toContain('label="<b>\\"hi\\"\\\\"');
    expect(toMermaid(hostile)).toContain('"&lt;b&gt;&quot;hi&quot;\\"');
  });
});

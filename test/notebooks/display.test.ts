// Values and runs as MIME bundles.
import { describe, expect, it } from "vitest";
import { displayValue, Progress } from "../../notebooks/display.ts";
import type { RunEvent } from "../../runtime/events/events.ts";

const text = (value: unknown) => displayValue(value)["text/plain"];

describe("values", () => {
  it("are short text", () => {
    expect(text(42)).toBe("42");
    expect(text(1 / 3)).toBe("0.333333");
    expect(text("abc")).toBe("abc");
    expect(text(null)).toBe("null");
    expect(text({ w: new Float32Array(7840), name: "w" })).toBe('{ w: Float32Array(7840) [0, 0, 0, 0, 0, …], name: "w" }');
    expect(text({ dtype: "f32", shape: [2, 3], data: new Float32Array([1, 2, 3, 4, 5, 6]) })).toBe(
      "Tensor<f32, [2, 3]> [1, 2, 3, 4, 5, …]",
    );
    expect(text(new BigInt64Array([1n, -2n]))).toBe("BigInt64Array(2) [1, -2]");
    expect(text(Array.from({ length: 12 }, (_, i) => i))).toBe("[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, … 2 more]");
    expect(text({ a: { b: { c: { d: { e: 1 } } } } })).toBe("{ a: { b: { c: { d } } } }");
  });

  it("are tables where they are rows, with what is left out said, and nothing of them is markup", () => {
    const rows = Array.from({ length: 25 }, (_, i) => ({ id: i, "<b>": "<script>&" }));
    const html = String(displayValue(rows)["text/html"]);
    expect(html.match(/<tr>/g)).toHaveLength(21);
    expect(html).toContain("<th>id</th><th>&lt;b&gt;</th>");
    expect(html).toContain("&lt;script&gt;&amp;");
    expect(html).not.toContain("<script>");
    expect(html).toContain("5 more rows");
    expect(displayValue([1, 2])["text/html"]).toBeUndefined();
    expect(displayValue([])["text/html"]).toBeUndefined();
  });
});

describe("a run", () => {
  const follow = (...events: RunEvent[]) => {
    const progress = new Progress();
    for (const event of events) progress.event(event);
    return progress;
  };
  const metric = (stage: string, name: string, values: readonly number[], from = 0): RunEvent => ({
    atMs: 0,
    type: "metric",
    stage,
    name,
    steps: values.map((_, i) => from + i),
    values,
  });

  it("shows each stage's state, progress and newest numbers", () => {
    const progress = follow(
      { atMs: 0, type: "stage.started", stage: "model", name: "model", tasks: 1, strategy: "task" },
      { atMs: 1, type: "stage.progress", stage: "model", name: "model", done: 2, total: 5, unit: "epochs" },
      metric("model", "loss", [2.5, 0.75]),
      { atMs: 2, type: "stage.started", stage: "score", name: "score", tasks: 4, strategy: "data" },
      { atMs: 3, type: "tasks.finished", stage: "score/blocks", worker: "w", slot: 0, first: 0, count: 4, startMs: 0, runMs: 1 },
      { atMs: 4, type: "stage.finished", stage: "score", name: "score", tasks: 4, ms: 1200 },
    );
    expect(progress.display()["text/plain"]).toBe("▸ model  2/5 epochs  loss 0.75\n✓ score  4/4  1.2 s");
  });

  it("draws the curves of the cell's own stages, thinned, and says them as text", () => {
    const values = Array.from({ length: 2000 }, (_, i) => 2 - i / 1000);
    const progress = follow(
      metric("model", "loss", values.slice(0, 1000)),
      metric("model", "loss", values.slice(1000), 1000),
      metric("other", "x", [1, 2]),
    );
    const bundle = progress.curves(["model"], 100)!;
    const spec = bundle["application/vnd.vegalite.v5+json"] as { data: { values: { stage: string; step: number; value: number }[] } };
    expect(spec.data.values.length).toBeLessThanOrEqual(101);
    expect(spec.data.values[0]).toMatchObject({ stage: "model", step: 0, value: 2 });
    // The end of a curve is what one looks for.
    expect(spec.data.values.at(-1)).toMatchObject({ step: 1999, value: values[1999] });
    expect(bundle["text/plain"]).toBe("loss: 2 to 0.001");
    expect(progress.curves(["accuracy"])).toBeNull();
  });

  it("draws a curve each where two stages track the same name", () => {
    const bundle = follow(metric("one", "loss", [3, 1]), metric("two", "loss", [4, 2])).curves(["one", "two"])!;
    const spec = bundle["application/vnd.vegalite.v5+json"] as { data: { values: { curve: string }[] }; encoding: object };
    expect(spec.data.values.map(({ curve }) => curve)).toEqual(["one loss", "one loss", "two loss", "two loss"]);
    expect(spec.encoding).toMatchObject({ color: { field: "curve" }, y: { title: "loss" } });
    expect(bundle["text/plain"]).toBe("one loss: 3 to 1\ntwo loss: 4 to 2");
  });
});

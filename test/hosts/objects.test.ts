// Large values: kept by the host, read by its other slots without a copy, fetched and placed as bytes.
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeColumn } from "../../runtime/objects/codec.ts";
import { call, input, plan, TestHost } from "./harness.ts";

const api = fileURLToPath(new URL("../../api/index.ts", import.meta.url));
const source = `
import { tensor } from ${JSON.stringify(api)};
export const big = (megabytes) => { const t = tensor("f64", [megabytes * 131072]); t.data.fill(1.5); return t; };
export const plainBig = (n) => ({ name: "plain", data: Float32Array.from({ length: n }, (_, i) => i) });
export const look = (t) => ({ sum: t.data.at(0) + t.data.at(-1), shape: t.shape ?? null, shared: t.data.buffer instanceof SharedArrayBuffer });
export const poke = (t) => { t.data[0] = 9; return 0; };
export const pass = (t) => t;
export const small = () => ({ data: tensor("i32", [3]).data });
export const rows = (n) => Array.from({ length: 3 }, (_, i) => ({ i, pixels: new Uint8Array(n).fill(i) }));
export const count = (blocks) => blocks.flat().map((row) => row.i + row.pixels[0]);
export const firstOf = (block) => block[0].i;
export const fill = () => { let last; for (let i = 0; i < 60; i++) { last = tensor("f32", [4 << 20]); last.data[0] = i; } return [last.data[0], last.data[1], process.memoryUsage.rss()]; };
`;
const value = { kind: "value", stage: 0 } as const;
const column = (...values: unknown[]) => ({ kind: "column", column: writeColumn(values) }) as const;
const stages = { big: 0, plainBig: 1, look: 2, poke: 3, pass: 4, small: 5, rows: 6, count: 7, firstOf: 8, fill: 9 };

describe("objects", () => {
  let host: TestHost;
  let run = 0;
  let begin: () => number;
  beforeAll(async () => {
    const built = await build({ stdin: { contents: source, resolveDir: process.cwd() }, bundle: true, format: "esm", write: false });
    const module = built.outputFiles[0]!.text;
    const names = Object.keys(stages);
    const program = plan(
      Object.fromEntries(names.map((name) => [name, {}])),
      names.map((name) => ({
        id: name,
        inputs: name === "small" || name === "fill" ? [] : [value],
        body: name === "small" || name === "fill" ? call(name) : call(name, input(0)),
        output: name === "rows" ? "blocks" : "value",
      })),
      module,
    );
    host = await TestHost.start(2);
    begin = () => {
      host.prepare(++run, program, module);
      return run;
    };
  });
  afterAll(async () => {
    await host.link.close();
  });
  const object = (stage: number, block = 0) => ({ kind: "object", ref: { run, stage, block, bytes: 0 } }) as const;

  it("stay where a tensor was allocated, and are read by another slot", async () => {
    begin();
    host.assign(run, stages.big, { inputs: [column(16)] });
    const [made] = await host.finished(run, stages.big);
    expect(made!.outputs.kind).toBe("objects");
    host.assign(run, stages.look, { slot: 1, inputs: [object(stages.big)] });
    await host.finished(run, stages.look);
    expect(host.values(run, stages.look).get(0)).toEqual({ sum: 3, shape: [16 * 131072], shared: true });
    // The very same memory: what one slot writes (against all rules), another sees.
    host.assign(run, stages.poke, { slot: 1, inputs: [object(stages.big)] });
    await host.finished(run, stages.poke);
    host.assign(run, stages.look, { first: 1, slot: 0, inputs: [object(stages.big)] });
    await host.finished(run, stages.look, 2);
    expect(host.values(run, stages.look).get(1)).toMatchObject({ sum: 10.5 });
  });

  it("are made of private memory too", async () => {
    begin();
    host.assign(run, stages.plainBig, { inputs: [column(100_000)] });
    await host.finished(run, stages.plainBig);
    host.assign(run, stages.look, { slot: 1, inputs: [object(stages.plainBig)] });
    await host.finished(run, stages.look);
    expect(host.values(run, stages.look).get(0)).toEqual({ sum: 99_999, shape: null, shared: true });
  });

  it("are handed on by reference and outlive the one they came from", async () => {
    begin();
    host.assign(run, stages.big, { inputs: [column(2)] });
    await host.finished(run, stages.big);
    host.assign(run, stages.pass, { slot: 1, inputs: [object(stages.big)] });
    await host.finished(run, stages.pass);
    host.link.send({ type: "free", run, objects: [{ stage: stages.big, first: 0, count: 1 }] });
    host.assign(run, stages.look, { slot: 0, inputs: [object(stages.pass)] });
    await host.finished(run, stages.look);
    expect(host.values(run, stages.look).get(0)).toMatchObject({ sum: 3 });
  });

  it("leave small values inline, on private memory", async () => {
    begin();
    host.assign(run, stages.small);
    const [made] = await host.finished(run, stages.small);
    expect(made!.outputs.kind).toBe("column");
    expect(host.values(run, stages.small).get(0)).toEqual({ data: new Int32Array(3) });
  });

  it("are the blocks of a large list, read one by one and all together", async () => {
    begin();
    host.assign(run, stages.rows, { inputs: [column(40_000)] });
    const [made] = await host.finished(run, stages.rows);
    expect(made!.outputs).toMatchObject({ kind: "blocks", count: 3, inline: null });
    host.assign(run, stages.firstOf, { count: 3, slot: 1, inputs: [{ kind: "objects", run, stage: stages.rows }] });
    await host.finished(run, stages.firstOf, 3);
    expect([...host.values(run, stages.firstOf).values()]).toEqual([0, 1, 2]);
    host.link.send({
      type: "provide",
      run,
      key: "all",
      value: { kind: "blocks", runs: [{ first: 0, count: 3, stage: stages.rows }] },
    });
    host.assign(run, stages.count, { slot: 1, inputs: [{ kind: "provided", key: "all" }] });
    await host.finished(run, stages.count);
    expect(host.values(run, stages.count).get(0)).toEqual([0, 2, 4]);
  });

  it("are inline where the whole list is small", async () => {
    begin();
    host.assign(run, stages.rows, { inputs: [column(10)] });
    const [made] = await host.finished(run, stages.rows);
    const { outputs } = made!;
    if (outputs.kind !== "blocks" || outputs.inline === null) throw new Error("not inline");
    host.assign(run, stages.firstOf, { count: 3, slot: 1, inputs: [{ kind: "column", column: outputs.inline }] });
    await host.finished(run, stages.firstOf, 3);
    expect([...host.values(run, stages.firstOf).values()]).toEqual([0, 1, 2]);
  });

  it("are fetched as bytes, and placed in another host", async () => {
    begin();
    host.assign(run, stages.plainBig, { inputs: [column(50_000)] });
    await host.finished(run, stages.plainBig);
    const ref = { run, stage: stages.plainBig, block: 0, bytes: 0 };
    host.link.send({ type: "fetch", request: run, ref });
    const { bytes } = await host.one("object", ({ request }) => request === run);
    const other = begin();
    host.link.send({ type: "place", ref: { ...ref, run: other }, bytes: bytes! });
    host.assign(other, stages.look, { slot: 1, inputs: [object(stages.plainBig)] });
    await host.finished(other, stages.look);
    expect(host.values(other, stages.look).get(0)).toMatchObject({ sum: 49_999, shared: true });
  });

  it("that are freed are gone: for a fetch, and for a task as a loss", async () => {
    begin();
    host.assign(run, stages.plainBig, { inputs: [column(50_000)] });
    await host.finished(run, stages.plainBig);
    // A task that waits for what is freed meanwhile is told at once.
    host.assign(run, stages.look, { slot: 1, inputs: [object(stages.plainBig, 7)] });
    await new Promise((resolve) => setTimeout(resolve, 30));
    host.link.send({ type: "free", run, objects: [{ stage: stages.plainBig, first: 0, count: 8 }] });
    const { error } = await host.one("failed", (message) => message.run === run);
    expect(error).toMatchObject({ kind: "lost", name: "ObjectLost" });
    host.link.send({ type: "fetch", request: 1000 + run, ref: { run, stage: stages.plainBig, block: 0, bytes: 0 } });
    await new Promise((resolve) => setTimeout(resolve, 30));
    host.link.send({ type: "finish", run });
    expect((await host.one("object", ({ request }) => request === 1000 + run)).bytes).toBeNull();
  });

  it("and large tensors made in a loop don't use up memory", async () => {
    begin();
    host.assign(run, stages.fill, { slot: 1 });
    await host.finished(run, stages.fill);
    const [last, second, rssBytes] = host.values(run, stages.fill).get(0) as [number, number, number];
    expect([last, second]).toEqual([59, 0]);
    expect(rssBytes).toBeLessThan(700e6);
  });
});

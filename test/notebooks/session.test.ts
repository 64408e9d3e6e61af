// A notebook's session without Jupyter: what cells give each other, what a wrong one harms, and what is left out.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { render } from "../../lang/render.ts";
import type { CellResult } from "../../notebooks/session.ts";
import { Session } from "../../notebooks/session.ts";
import type { RunEvent } from "../../runtime/events/events.ts";
import type { Engine } from "../../runtime/index.ts";
import { localEngine } from "../../runtime/index.ts";

let engine: Engine;
let folder: string;
beforeAll(async () => {
  engine = await localEngine({ slots: 2 });
  folder = mkdtempSync(join(tmpdir(), "headrace-session-"));
  writeFileSync(
    join(folder, "stages.ts"),
    `export function loud(x: number): number { console.log("got", x); return x; }
export function bad(x: number): number { throw new Error("bad luck " + x); }
export function leave(x: number): number { process.exit(3); return x; }
export function clock(): number { return performance.now(); }
export function forever(x: number): number { while (x < 10); return x; }
`,
  );
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

class Notebook {
  readonly session = new Session({ folder, engine: async () => engine });
  readonly events: RunEvent[] = [];
  #count = 0;

  run(text: string, signal = new AbortController().signal): Promise<CellResult> {
    this.events.length = 0;
    return this.session.run(`cell ${++this.#count}`, text, { onEvent: (event) => void this.events.push(event), signal });
  }

  /** What a cell shows. */
  async shows(text: string): Promise<unknown> {
    const result = await this.run(text);
    if (result.kind === "wrong") throw new Error(this.rendered(result));
    if (result.kind === "failed") throw new Error(result.error.message);
    return result.value?.shown;
  }

  /** The messages for a cell that is wrong. */
  async refuses(text: string): Promise<string> {
    const result = await this.run(text);
    if (result.kind !== "wrong") throw new Error(`nothing is wrong: ${JSON.stringify(result)}`);
    return this.rendered(result);
  }

  rendered({ diagnostics }: CellResult & { kind: "wrong" }): string {
    return render(diagnostics, (file) => this.session.read(file), { color: false });
  }
}

describe("cells of one program", () => {
  it("show their last expression, or what their lets name", async () => {
    const notebook = new Notebook();
    expect(await notebook.shows("let a = 20\nlet b = a + 1")).toEqual({ a: 20, b: 21 });
    expect(await notebook.shows("let c = 3\nc * b")).toBe(63);
    expect(await notebook.shows("param lr: float = 0.5 in 0.0..1.0")).toBeUndefined();
    expect(await notebook.shows("lr * 2")).toBe(1);
    expect(await notebook.shows("pipeline twice(x: int) -> int {\n  x * 2\n}")).toBeUndefined();
    expect(await notebook.shows("twice(a)")).toBe(40);
  });

  it("give a name again, which reaches what was built on its older self", async () => {
    const notebook = new Notebook();
    await notebook.shows("let { p, q } = { p: 1, q: 2 }");
    await notebook.shows("let sum = p + q");
    expect(await notebook.shows("let p = 10")).toBe(10);
    expect(await notebook.shows("sum")).toBe(12);
    await notebook.shows("param q: int = 5");
    expect(await notebook.shows("sum")).toBe(15);
  });

  it("harm nobody who doesn't read what no longer fits", async () => {
    const notebook = new Notebook();
    await notebook.shows("let a = 20");
    await notebook.shows("let b = a * 2");
    expect(await notebook.shows('let a = "text"')).toBe("text");
    const message = await notebook.refuses("b");
    expect(message).toContain("cell 2:1\n");
    expect(message).toContain("string * int");
    expect(await notebook.shows("a")).toBe("text");
  });

  it("know a value from a function, a field, a lambda's row and a carried name of the same text", async () => {
    const notebook = new Notebook();
    await notebook.shows('import { loud } from "./stages.ts"');
    expect(await notebook.shows("let loud = loud(3)")).toBe(3);
    expect(await notebook.shows("loud(loud + 1)")).toBe(4);
    expect(notebook.session.describe("loud")).toBe('loud: float\nlet loud = loud(3)\n(cell 2)\nimport { loud } from "./stages.ts"');
    await notebook.shows("let row = { total: 1 }");
    expect(await notebook.shows("let total = row.total")).toBe(1);
    expect(await notebook.shows("range(3) |> map(row => row + 1) |> sum")).toBe(6);
    const fold = "fit total = 0.0\nover row in range(4) |> batches(2)\nfor 1 {\n  total <- total + sum(row |> map(each => 1.0) |> sum)\n}";
    expect(await notebook.shows(fold)).toBe(4);
    expect(await notebook.shows("row.total + total")).toBe(2);
  });

  it("can't make a name from itself, nor read one before it is there", async () => {
    const notebook = new Notebook();
    await notebook.shows("let x = 1");
    expect(await notebook.refuses("let x = x + 1")).toContain("`x` needs itself");
    await notebook.shows("let y = x + 1");
    const message = await notebook.refuses("let x = y");
    expect(message).toContain("cell 4:1");
    expect(message).toContain("cell 3:1");
    expect(await notebook.refuses("let z = x\nlet x = 5")).toContain("there is no value `x`");
    expect(await notebook.shows("y")).toBe(2);
  });

  it("that are wrong leave nothing behind, and know every name when they say so", async () => {
    const notebook = new Notebook();
    await notebook.shows("let size = 3");
    const message = await notebook.refuses("let extra = 1\nlet next = sise + 1");
    expect(message).toContain("cell 2:2\n");
    expect(message).toContain("did you mean `size`?");
    expect(await notebook.shows("size")).toBe(3);
    expect(await notebook.refuses("extra")).toContain("there is no value `extra`");
  });

  it("show the first rows of a data set, and how many there are", async () => {
    const notebook = new Notebook();
    const first = Array.from({ length: 20 }, (_, x) => ({ x }));
    const preview = (rows: number) => expect.objectContaining({ rows, first });
    expect(await notebook.shows("let xs = range(5000) |> map(x => { x: x })")).toEqual(preview(5000));
    expect(await notebook.shows("let { big, small } = xs |> split(big: 0.8, small: 0.2, seed: 1)\nlet n = big |> count")).toEqual({
      big: expect.objectContaining({ rows: expect.any(Number) }),
      small: expect.objectContaining({ rows: expect.any(Number) }),
      n: expect.any(Number),
    });
    expect(await notebook.shows("xs |> filter(r => r.x < 4000)")).toEqual(preview(4000));
    expect(await notebook.shows("xs |> first(3) |> collect")).toEqual({ rows: 3, first: first.slice(0, 3) });
    expect(await notebook.shows('["a", "b"]')).toEqual({ rows: 2, first: ["a", "b"] });
    expect(await notebook.shows("let none = range(0) |> collect")).toEqual({ rows: 0, first: [] });
    await notebook.shows("let result = 7");
    expect(await notebook.shows("xs |> map(r => r.x + result)")).toHaveLength(5000);
    expect(notebook.session.describe("xs")).toContain("xs: Dataset<{ x: int }>");
  });

  it("import from the notebook's folder, and see a file that changed", async () => {
    const notebook = new Notebook();
    writeFileSync(join(folder, "changing.ts"), "export function now(): number { return 1; }\n");
    await notebook.shows('import { now } from "./changing.ts"');
    expect(await notebook.shows("now()")).toBe(1);
    writeFileSync(join(folder, "changing.ts"), "export function now(): number { return 2; }\n");
    expect(await notebook.shows("now()")).toBe(2);
  });

  it("run under the notebook's schedule, as far as it speaks of their stages", async () => {
    const notebook = new Notebook();
    const strategies = () =>
      notebook.events.flatMap((event) => (event.type === "stage.started" ? [`${event.name}: ${event.strategy}`] : []));
    const total = "let total = range(1000) |> map(x => x * 2) |> sum";
    await notebook.shows(total);
    const before = strategies();
    expect(await notebook.refuses("schedule calm {\n  totel: task\n}")).toContain("total");
    expect(await notebook.shows("schedule calm {\n  total: task\n}")).toBeUndefined();
    expect(await notebook.shows("1 + 1")).toBe(2);
    expect(await notebook.shows("total")).toBe(999_000);
    expect(strategies()).not.toEqual(before);
    expect(strategies().join()).toContain("task");
  });

  it("with a schedule aren't harmed by what is wrong elsewhere, and run too", async () => {
    const notebook = new Notebook();
    await notebook.shows("let a = 20");
    await notebook.shows("let b = a * 2");
    await notebook.shows('let a = "text"');
    expect(await notebook.shows("let c = range(9) |> map(x => x) |> sum\nschedule calm {\n  c: task\n}")).toBe(36);
    expect(notebook.events).toContainEqual(expect.objectContaining({ type: "stage.started", name: "c", strategy: "task" }));
  });

  it("tell what is missing: a param's value", async () => {
    const notebook = new Notebook();
    await notebook.shows("param need: int");
    expect(await notebook.shows("1 + 1")).toBe(2);
    expect(await notebook.run("need + 1")).toMatchObject({
      kind: "failed",
      error: { message: expect.stringContaining("`need` has no default") },
    });
    await notebook.shows("param need: int = 4");
    expect(await notebook.shows("need + 1")).toBe(5);
  });
});

describe("what stages do", () => {
  it("is told: lines that they print, what they throw", async () => {
    const notebook = new Notebook();
    await notebook.shows('import { loud, bad } from "./stages.ts"');
    expect(await notebook.shows("let heard = loud(3)")).toBe(3);
    expect(notebook.events).toContainEqual(
      expect.objectContaining({ type: "log", name: "heard", stream: "stdout", text: expect.stringContaining("got 3") }),
    );
    const result = await notebook.run("let unlucky = bad(2)");
    expect(result).toMatchObject({ kind: "failed", error: { kind: "thrown", message: "bad luck 2", stage: "unlucky" } });
    expect(await notebook.shows("heard + 1")).toBe(4);
  });

  it("isn't done again for a later cell, and is for one that is run again, and for what was made of that", async () => {
    const notebook = new Notebook();
    const runs = () => notebook.events.filter((event) => event.type === "log").length;
    await notebook.shows('import { loud, clock } from "./stages.ts"\nparam at: float = 3.0');
    await notebook.shows("let heard = loud(at)");
    expect(runs()).toBe(1);
    expect(await notebook.shows("heard + 1")).toBe(4);
    expect(await notebook.shows("let twice = loud(heard) * 2")).toBe(6);
    expect(runs()).toBe(1);
    expect(await notebook.shows("twice + heard")).toBe(9);
    expect(runs()).toBe(0);
    // As it is run again, so is what was made of it.
    await notebook.shows("let heard = loud(at)");
    expect(runs()).toBe(1);
    expect(await notebook.shows("twice")).toBe(6);
    expect(runs()).toBe(1);
    // Another value of a param makes another value, and the old one is still there.
    await notebook.shows("param at: float = 4.0");
    expect(await notebook.shows("twice")).toBe(8);
    expect(runs()).toBe(2);
    await notebook.shows("param at: float = 3.0");
    expect(await notebook.shows("twice")).toBe(6);
    expect(runs()).toBe(0);

    const first = await notebook.shows("let now = clock()");
    expect(await notebook.shows("now")).toBe(first);
    expect(await notebook.shows("let now = clock()")).not.toBe(first);
  });

  it("may end the host that it runs in: the next cell has another", async () => {
    const notebook = new Notebook();
    await notebook.shows('import { leave, loud } from "./stages.ts"\nlet heard = loud(3)');
    expect(await notebook.run("leave(1)")).toMatchObject({ kind: "failed", error: { kind: "lost", stage: "result" } });
    expect(await notebook.shows("loud(heard) + 1")).toBe(4);
  });

  it("ends when it is interrupted, and the next cell runs", async () => {
    const notebook = new Notebook();
    await notebook.shows('import { forever } from "./stages.ts"');
    const abort = new AbortController();
    const running = notebook.session.run("cell x", "forever(1)", {
      onEvent: (event) => event.type === "stage.started" && setTimeout(() => abort.abort(), 50),
      signal: abort.signal,
    });
    expect(await running).toMatchObject({ kind: "failed", error: { kind: "cancelled" } });
    expect(await notebook.shows("1 + 1")).toBe(2);
    expect(await notebook.run("1 + 1", AbortSignal.abort())).toMatchObject({ kind: "failed", error: { kind: "cancelled" } });
  });
});

describe("what a session says of itself", () => {
  it("names with types, documentation and their text", async () => {
    const notebook = new Notebook();
    await notebook.shows('import { loud as shout } from "./stages.ts"\nlet rate = 0.5');
    expect(notebook.session.names()).toEqual(["shout", "rate"]);
    expect(notebook.session.describe("shout")).toBe('import { loud as shout } from "./stages.ts"');
    expect(notebook.session.describe("rate")).toBe("rate: float\nlet rate = 0.5\n(cell 1)");
    expect(notebook.session.describe("nobody")).toBeNull();
  });

  it("whether a cell is complete", () => {
    const states = ["let x = 1", "let x = [1,", "let x = 1 +", "x |>", 'let s = "abc', "let = 1", ""].map((text) => Session.state(text));
    expect(states).toEqual(["complete", "incomplete", "incomplete", "incomplete", "incomplete", "invalid", "complete"]);
  });
});

describe("blocks that become stages", () => {
  it("are shown, named and read in later cells", async () => {
    const notebook = new Notebook();
    await notebook.shows('import { loud } from "./stages.ts"');
    expect(await notebook.shows("let squares = for i in range(4) { i * i }\nsquares")).toMatchObject({ rows: 4, first: [0, 1, 4, 9] });
    expect(
      await notebook.shows("let root = loop c = 1.0 until abs(c * c - 2.0) < 1e-9 max 50 {\n  c <- (c + 2.0 / c) / 2.0\n}\nroot > 1.41"),
    ).toBe(true);
    expect(await notebook.shows("if root > 1.0 { squares |> sum } else { 0 }")).toBe(14);
    // What a name stands for is computed once, whatever control stage gave it.
    expect(notebook.events.filter((event) => event.type === "metric")).toEqual([]);
  });
  it("effects happen when their cell runs, and not again for another cell", async () => {
    const notebook = new Notebook();
    await notebook.shows('import { loud } from "./stages.ts"\nlet x = 2.0');
    const logs = () => notebook.events.flatMap((event) => (event.type === "log" ? [event.text] : []));
    await notebook.shows("do loud(x)");
    expect(logs().join("")).toContain("got 2");
    await notebook.shows("for i in range(2) {\n  do loud(i)\n}");
    expect(logs().join("").match(/got/g)).toHaveLength(2);
    // What is kept of other cells doesn't do away with this one's effects.
    await notebook.shows("let y = x * 2.0");
    await notebook.shows("loop c = y until c > 7.0 max 9 {\n  do loud(c)\n  c <- c + 2.0\n}");
    expect(
      logs()
        .join("")
        .match(/got [46]/g),
    ).toEqual(["got 4", "got 6"]);
    await notebook.shows("x + 1.0");
    expect(logs()).toEqual([]);
  });
});

// Resources in real slots: made once a slot and for the same arguments, disposed of when the slot leaves the run, however that ended.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { localEngine } from "headrace/engine";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { RunResult } from "../../runtime/index.ts";
import { compileFiles } from "../harness/programs.ts";

const stages = `import { appendFileSync, existsSync, writeFileSync } from "node:fs";
import type { int } from "headrace";
import { TransientError } from "headrace";
import { threadId } from "node:worker_threads";

interface Session { readonly log: string; readonly name: string; uses: number; [Symbol.asyncDispose]?(): Promise<void>; [Symbol.dispose]?(): void }
export async function session(log: string, name: string): Promise<Session> {
  await new Promise((resolve) => setTimeout(resolve, 1));
  appendFileSync(log, "made " + name + " " + threadId + "\\n");
  return { log, name, uses: 0, async [Symbol.asyncDispose]() {
    await new Promise((resolve) => setTimeout(resolve, 5));
    appendFileSync(log, "disposed " + name + " " + threadId + " after " + this.uses + "\\n");
  } };
}
export function plain(log: string): Session {
  appendFileSync(log, "made plain " + threadId + "\\n");
  return { log, name: "plain", uses: 0, [Symbol.dispose]() { appendFileSync(log, "disposed plain " + threadId + " after " + this.uses + "\\n"); } };
}
export function broken(log: string): Session { throw new RangeError("no such model"); }
export async function later(log: string): Promise<Session> {
  if (!existsSync(log)) { writeFileSync(log, ""); throw new TransientError("busy"); }
  return plain(log);
}
export function use(s: Session, row: int): int { s.uses++; return (row * 2) as int; }
export async function refuse(s: Session, row: int): Promise<int> { s.uses++; if (row === 7) throw new Error("seven"); return row; }
export function model(): string { return "big"; }
`;

let folder: string;
let log: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "headrace-resources-"));
  log = join(folder, "log");
});
afterEach(() => rmSync(folder, { recursive: true }));

const lines = () => readFileSync(log, "utf8").trim().split("\n");
/** Of `made` and `disposed`, what was made, without the threads. */
const told = (what: string) =>
  lines()
    .filter((line) => line.startsWith(what))
    .map((line) => line.split(" ")[1]!);

async function compiled(body: string, imports: string, returns = "int") {
  const files = {
    "main.pipe": `import { ${imports} } from "./stages.ts"\nparam log: string\npipeline main() -> ${returns} {\n${body}\n}\n`,
    "stages.ts": stages,
  };
  const { plan, code } = await compileFiles(files, "main.pipe");
  return { plan: plan!, code };
}

/** Once; the engine is closed when this answers. */
async function run(body: string, imports: string, slots = 2): Promise<RunResult> {
  const { plan, code } = await compiled(body, imports);
  await using engine = await localEngine({ slots });
  return await engine.run(plan, code, { params: { log } });
}

it("one a slot, however many rows and tasks, disposed of at the end", async () => {
  const result = await run(`  let s = session(log, "a")\n  range(400, blocks: 100) |> map(r => use(s, r)) |> sum`, "resource session, use");
  expect(result.error).toBeNull();
  expect(result.outputs.result).toBe(400 * 399);
  const made = told("made");
  expect(made.length).toBeGreaterThan(0);
  expect(made.length).toBeLessThanOrEqual(2);
  const threads = lines()
    .filter((line) => line.startsWith("made"))
    .map((line) => line.split(" ")[2]);
  expect(new Set(threads).size).toBe(threads.length);
  expect(told("disposed")).toEqual(made);
  // Every row was worked on by one of them.
  const uses = lines().flatMap((line) => (line.startsWith("disposed") ? [Number(line.split(" ").pop())] : []));
  expect(uses.reduce((a, b) => a + b, 0)).toBe(400);
});

it("one for each arguments; what these cost is paid once", async () => {
  const body = `  let s = session(log, model())
  let t = session(log, "small")
  let a = range(20, blocks: 4) |> map(r => use(s, r)) |> sum
  let b = range(20, blocks: 4) |> map(r => use(t, r) + use(s, r)) |> sum
  let c = range(20, blocks: 4) |> map(r => use(session(log, if r % 2 == 0 { "even" } else { "odd" }), r)) |> sum
  a + b + c`;
  const result = await run(body, "resource session, use, model", 1);
  expect(result.error).toBeNull();
  expect(told("made").sort()).toEqual(["big", "even", "odd", "small"]);
  expect(told("disposed").sort()).toEqual(["big", "even", "odd", "small"]);
});

it("a synchronous one, and one that a pipeline is handed", async () => {
  const files = {
    "main.pipe": `import { resource plain, use, type Session } from "./stages.ts"
param log: string
pipeline score(s: Session, k: int) -> int { range(10, blocks: 2) |> map(r => use(s, r + k)) |> sum }
pipeline main() -> { a: int, b: int, each: Dataset<int> } {
  let s = plain(log)
  { a: score(s, 1), b: score(s, 2), each: [1, 2] |> map(k => score(s, k)) }
}
`,
    "stages.ts": `${stages}\nexport type { Session };`,
  };
  const { plan, code } = await compileFiles(files, "main.pipe");
  {
    await using engine = await localEngine({ slots: 1 });
    const { outputs, error } = await engine.run(plan!, code, { params: { log } });
    expect(error).toBeNull();
    expect(outputs).toEqual({ a: 110, b: 130, each: [110, 130] });
  }
  expect(told("made")).toEqual(["plain"]);
  expect(lines().pop()).toMatch(/^disposed plain \d+ after 40$/);
});

it("a resource in a branch that isn't taken isn't made", async () => {
  const body = `  range(10, blocks: 2) |> map(r => if len(log) > 0 { use(plain(log), r) } else { use(broken(log), r) }) |> sum`;
  const result = await run(body, "resource plain, resource broken, use", 1);
  expect(result.error).toBeNull();
  expect(result.outputs.result).toBe(90);
});

it("disposed of after a failure too, and made anew by the next run", async () => {
  const { plan, code } = await compiled(
    `  let s = session(log, "a")\n  range(20, blocks: 10) |> map(r => refuse(s, r)) |> sum`,
    "resource session, refuse",
  );
  {
    await using engine = await localEngine({ slots: 1 });
    for (let i = 0; i < 2; i++) {
      const { error } = await engine.run(plan, code, { params: { log } });
      expect(error).toMatchObject({ message: "seven", stage: "result" });
    }
  }
  expect(told("made")).toEqual(["a", "a"]);
  expect(told("disposed")).toEqual(["a", "a"]);
});

it("an error of the factory names the resource, and a transient one is tried again", async () => {
  const failed = await run("  let s = broken(log)\n  range(4, blocks: 2) |> map(r => use(s, r)) |> sum", "resource broken, use");
  expect(failed.error).toMatchObject({ name: "RangeError", message: "the resource `broken` couldn't be made: no such model" });
  expect(failed.error!.stack[0]).toContain("stages.ts");
  const again = await run("  let s = later(log)\n  range(4, blocks: 2) |> map(r => use(s, r)) |> sum", "resource later, use", 1);
  expect(again.error).toBeNull();
  expect(again.outputs.result).toBe(12);
  expect(told("disposed")).toEqual(["plain"]);
});

it("a plan keeps resources out of every stage's value", async () => {
  const { plan } = await compiled(
    `  let s = session(log, "a")\n  range(4, blocks: 2) |> map(r => use(s, r)) |> sum`,
    "resource session, use",
  );
  expect(plan.stages.map(({ id }) => id)).toEqual(["result/blocks", "result"]);
  expect(plan.functions.session).toMatchObject({ resource: true, async: true });
  writeFileSync(log, "");
});

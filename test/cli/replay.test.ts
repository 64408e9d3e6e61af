// One task of an earlier run again, as a user meets it: the one that failed, any other, one of an item of a `for`, from what the run left and
// from what has to be made again; and under a debugger.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const cli = join(root, "dist", "cli", "main.js");
const debuggerClient = fileURLToPath(new URL("fixtures/debugger.mjs", import.meta.url));
const env: NodeJS.ProcessEnv = { ...process.env, NO_COLOR: "1" };
delete env.HEADRACE_CACHE;
let folder: string;

const STAGES = `import { appendFileSync } from "node:fs";
export function twice(x: number): number { return x * 2; }
export function boom(x: number, at: number): number {
  if (x > at) throw new Error("too large: " + x);
  return x;
}
/** @volatile */
export function limit(): number { return 100 + (Date.now() % 2); }
/** @volatile */
export function now(): string { return process.hrtime.bigint() + "/" + "x".repeat(20_000); }
export function refuse(x: number, when: string): number { throw new Error("at " + when.split("/")[0]); }
/** @effect */
export function note(x: number): void { appendFileSync("NOTES", x + "\\n"); }
`;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "headrace-replay-test-"));
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules", "headrace"), "junction");
  writeFileSync(join(folder, "stages.ts"), STAGES.replace("NOTES", join(folder, "notes.txt")));
  writeFileSync(
    join(folder, "main.pipe"),
    `import { twice, boom, limit, note } from "./stages.ts"
param at: float = 10.0
pipeline main() -> { rows: Dataset<float>, each: [float] } {
  let most = limit()
  let rows = range(8, blocks: 8) |> map(x => twice(x)) |> map(x => boom(x, at))
  let each = for x in range(3) {
    let a = twice(x)
    do note(a)
    boom(a + 1, most)
  }
  { rows, each }
}
`,
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const headrace = (...args: string[]) => spawnSync(process.execPath, [cli, ...args], { cwd: folder, encoding: "utf8", env });

describe("replay", () => {
  it("the task that failed fails again, in the code that it had, with what it read", () => {
    const run = headrace("run", "main.pipe");
    expect(run.status).toBe(1);
    const before = readFileSync(join(folder, "stages.ts"), "utf8");
    // What the file says by now is nobody's business.
    writeFileSync(join(folder, "stages.ts"), before.replace("too large", "another message"));
    const { status, stderr } = headrace("replay", "main-1");
    writeFileSync(join(folder, "stages.ts"), before);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^rows\[[67]\] of main-1\n/);
    expect(stderr).toMatch(/Error: too large: 1[24]\n {4}at boom \(stages\.ts:4:\d+\)/);
  }, 60_000);

  it("any task, with what it gives on stdout, and no effect", () => {
    expect(headrace("run", "main.pipe", "--at", "50").status).toBe(0);
    const notes = readFileSync(join(folder, "notes.txt"), "utf8");
    const row = headrace("replay", "main-2", "rows[3]");
    expect(row).toMatchObject({ status: 0 });
    expect(row.stdout).toMatch(/^ +value\n0 +6\n$/);
    // Of an item of a \`for\`; what it reads of the world is read again, which is said.
    const item = headrace("replay", "main-2", "each[2]");
    expect(item).toMatchObject({ status: 0 });
    expect(item.stdout).toMatch(/5\n$/);
    expect(item.stderr).toContain("made again, since it wasn't there any more: `most`");
    expect(readFileSync(join(folder, "notes.txt"), "utf8")).toBe(notes);
  }, 60_000);

  it("what the task that failed read of the world is what it reads again", () => {
    writeFileSync(
      join(folder, "volatile.pipe"),
      `import { now, refuse } from "./stages.ts"
pipeline volatile() -> float {
  let when = now()
  range(3, blocks: 3) |> map(x => refuse(x, when)) |> sum
}
`,
    );
    const run = headrace("run", "volatile.pipe");
    const [, when] = /at (\d+)/.exec(run.stderr)!;
    const { status, stderr } = headrace("replay", "volatile-1");
    expect(status).toBe(1);
    expect(stderr).toContain(`Error: at ${when}\n`);
    expect(stderr).not.toContain("made again");
  }, 60_000);

  it("says what is there where a run, a stage or a task isn't", () => {
    expect(headrace("replay", "main-22", "rows[1]").stderr).toContain("headrace replay main-2");
    expect(headrace("replay", "main-2", "row[1]").stderr).toContain("headrace replay main-2 rows[0]");
    expect(headrace("replay", "main-2").stderr).toContain("no task of main-2 failed");
    const far = headrace("replay", "main-2", "rows[99]");
    expect(far).toMatchObject({ status: 2, stderr: "the run has no task `rows[99]`\n" });
  }, 60_000);

  it("--inspect halts a debugger one step before the user's own function", async () => {
    const port = await freePort();
    const child = spawn(process.execPath, [cli, "replay", "main-2", "rows[3]", "--inspect", "--port", String(port)], { cwd: folder, env });
    let err = "";
    child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    await until(() => err.includes("waiting for a debugger"));
    const address = /ws:\S+/.exec(err)![0];
    const client = spawnSync(process.execPath, ["--experimental-websocket", "--no-warnings", debuggerClient, address], {
      encoding: "utf8",
      timeout: 30_000,
    });
    // One step to the call, one into it.
    expect(client.stdout).toMatch(/^twice: return x ?\* ?2/);
    child.kill("SIGKILL");
    await ended;
  }, 60_000);
});

async function until(met: () => boolean): Promise<void> {
  for (let turn = 0; !met(); turn++) {
    if (turn > 400) throw new Error("it never came");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

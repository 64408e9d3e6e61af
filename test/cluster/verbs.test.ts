// What a user does with a cluster on the command line: runs are left to it, listed, watched, cancelled and read, while their leaders come and go.
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { findServer as findOwn } from "../../cli/nats-server.ts";
import { TestCluster, until } from "../harness/cluster.ts";
import { findServer } from "../harness/nats.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const cli = here("../../dist/cli/main.js");
const talk = here("./fixtures/talk.pipe");
const cluster = new TestCluster();
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "headrace-verbs-"));
});
afterEach(async () => {
  // What a test that failed left ends what it started.
  const left = going.splice(0).filter(({ process: one }) => one.exitCode === null && one.signalCode === null);
  for (const one of left) one.process.kill("SIGTERM");
  await Promise.all(left.map(({ code }) => code));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Typed {
  readonly process: ChildProcess;
  readonly out: () => string;
  readonly err: () => string;
  readonly code: Promise<number | null>;
}

const going: Typed[] = [];

/** In a folder of its own, with the cluster told by the environment. */
function type(args: readonly string[], env: NodeJS.ProcessEnv = {}): Typed {
  const child = spawn(process.execPath, [cli, ...args], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1", HEADRACE_NATS: cluster.url, HEADRACE_CACHE: "", ...env },
  });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    err += chunk.toString();
  });
  const code = new Promise<number | null>((resolve) => child.once("close", resolve));
  const one = { process: child, out: () => out, err: () => err, code };
  going.push(one);
  return one;
}

async function typed(...args: string[]): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }> {
  const one = type(args);
  const code = await one.code;
  return { code, out: one.out(), err: one.err() };
}

async function detached(...params: string[]): Promise<string> {
  const { code, out, err } = await typed("run", talk, "--detach", ...params);
  expect(err).toContain(`headrace attach ${out.trim()}`);
  expect(code).toBe(0);
  expect(out).toMatch(/^talk-[0-9a-f]{8}\n$/);
  return out.trim();
}

/** Without times, in any order. */
const linesOf = (text: string) =>
  text
    .replace(/\d+(\.\d+)? (ms|s)\b/g, "_")
    .split("\n")
    .filter((line) => line !== "")
    .sort();

describe("a run that is left to the cluster", () => {
  it("is there to be listed, watched from its beginning and read, while it goes on and when it is over", async () => {
    await cluster.worker("a");
    const local = type(["run", talk, "--n", "4", "--ms", "1", "--fresh"]);
    expect(await local.code).toBe(0);
    const run = await detached("--n", "4", "--ms", "300");
    const during = await typed("attach", run);
    expect(during).toMatchObject({ code: 0, out: local.out() });
    // By a beginning of its name, and from what is left of a run that is over.
    const later = await typed("attach", run.slice(0, 8), "--trace", "trace.json", "--report", "page.html");
    expect(later.out).toBe(local.out());
    expect(linesOf(later.err)).toEqual(linesOf(during.err));
    expect(linesOf(later.err)).toEqual(expect.arrayContaining(["rows  data  4 tasks  started", "rows │ row 3", "all │ 4 rows"]));
    expect(JSON.parse(readFileSync(join(folder, "trace.json"), "utf8"))).toContainEqual(expect.objectContaining({ ph: "X", name: "run" }));
    expect(readFileSync(join(folder, "page.html"), "utf8")).toContain(`headrace attach ${run}`);

    const { out } = await typed("runs");
    expect(out).toMatch(new RegExp(`^${run}  .* ok .* a  .*talk\\.pipe`, "m"));
    const [listed] = (await typed("runs", "--json")).out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(listed).toMatchObject({ run, plan: "talk", status: "ok", leader: "a" });
    expect((await typed("runs", "--local")).out).not.toContain(run);

    expect(linesOf((await typed("logs", run)).out)).toEqual([
      "all │ 4 rows",
      "rows │ row 0",
      "rows │ row 1",
      "rows │ row 2",
      "rows │ row 3",
    ]);
    expect(await typed("logs", run, "all")).toMatchObject({ code: 0, out: "4 rows\n" });
    expect(await typed("logs", run, "row")).toMatchObject({ code: 3, err: expect.stringContaining(`headrace logs ${run} rows`) });

    const over = await typed("cancel", run);
    expect(over).toMatchObject({ code: 1, err: expect.stringContaining("is over: ok") });
  }, 60_000);

  it("goes on when whoever watches it leaves, and ends when it is cancelled", async () => {
    await cluster.worker("a", 2);
    const run = await detached("--n", "400", "--ms", "200");
    const watching = type(["attach", run]);
    await until(() => watching.out() !== "" || watching.err().includes("│ row"), "something is told");
    watching.process.kill("SIGINT");
    expect(await watching.code).toBe(130);
    expect(watching.err()).toContain(`headrace cancel ${run}`);
    const workers = await typed("workers");
    expect(workers.out).toMatch(new RegExp(`^a +2 +${run}$`, "m"));
    const said = await typed("logs", run);
    expect(said.code).toBe(0);
    expect(said.out).toContain("rows │ row 0\n");
    const watched = type(["attach", run]);
    expect(await typed("cancel", run)).toMatchObject({ code: 0, err: `run ${run} is cancelled\n` });
    expect(await watched.code).toBe(130);
    expect((await typed("runs")).out).toMatch(new RegExp(`^${run}  .*cancelled`, "m"));
  }, 60_000);

  it("begins when a worker comes, and is shown whole though its leader is killed", async () => {
    const run = await detached("--n", "40", "--ms", "100");
    expect((await typed("runs")).out).toMatch(new RegExp(`^${run}  .*waiting`, "m"));
    const watching = type(["attach", run]);
    await until(() => watching.err().includes("waits for a worker"), "it says what it waits for");
    for (const name of ["a", "b"]) await cluster.worker(name);
    await until(() => watching.err().includes("│ row 8\n"), "it goes on", 30_000);
    const killed = await cluster.killLeader("SIGKILL");
    expect(await watching.code).toBe(0);
    const other = killed.name === "a" ? "b" : "a";
    expect(watching.err()).toContain(`${other} leads the run now\n`);
    const lines = linesOf(watching.err());
    for (const line of ["rows  data  40 tasks  started", "rows  data  40/40  _  done"])
      expect(lines.filter((one) => one === line)).toEqual([line]);
  }, 60_000);
});

describe("a run that is watched by whoever began it", () => {
  const begin = async (...params: string[]) => {
    const one = type(["run", talk, "--nats", cluster.url, ...params]);
    await until(() => one.err().includes("│ row"), "it goes on");
    return { one, run: /^run (talk-[0-9a-f]{8})$/m.exec(one.err())![1]! };
  };

  it("ends with Ctrl-C", async () => {
    await cluster.worker("a", 2);
    const { one, run } = await begin("--n", "400", "--ms", "200");
    one.process.kill("SIGINT");
    expect(await one.code).toBe(130);
    expect((await typed("runs")).out).toMatch(new RegExp(`^${run}  .*cancelled`, "m"));
  }, 60_000);

  it("goes on when whoever began it is killed, and gives its results to others", async () => {
    await cluster.worker("a");
    const { one, run } = await begin("--n", "12", "--ms", "200");
    one.process.kill("SIGKILL");
    const { code, out } = await typed("attach", run, "--json");
    expect(code).toBe(0);
    const events = out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(events[0]).toMatchObject({ type: "run.started", run });
    expect(events.at(-1)).toMatchObject({ type: "run.finished", status: "ok", outputs: { all: 132 } });
  }, 60_000);

  it("that fails has the same exit code and message for others", async () => {
    await cluster.worker("a");
    const fails = here("./fixtures/fails.pipe");
    const first = type(["run", fails, "--nats", cluster.url]);
    expect(await first.code).toBe(1);
    const run = /^run (\S+)$/m.exec(first.err())![1]!;
    const { code, err, out } = await typed("attach", run);
    expect([code, out]).toEqual([1, ""]);
    const failure = (text: string) => text.slice(text.indexOf("failed: stage"));
    expect(err).toContain("failed: stage `broken`");
    expect(failure(err)).toBe(failure(first.err()));
    expect((await typed("runs")).out).toMatch(new RegExp(`^${run}  .*failed.*nothing to be had`, "m"));
  }, 60_000);
});

describe("what isn't there", () => {
  it("is said with what is near, and another exit code than what is broken", async () => {
    await cluster.worker("a");
    const run = await detached("--n", "1", "--ms", "1");
    await detached("--n", "1", "--ms", "1");
    const wrong = `${run.slice(0, -2)}${run.at(-1)}${run.at(-2)}`;
    for (const verb of ["attach", "cancel", "logs"]) {
      const { code, err } = await typed(verb, wrong === run ? `${run}0` : wrong);
      expect(code).toBe(3);
      expect(err).toContain(`headrace ${verb} ${run}`);
    }
    expect(await typed("attach", "talk-")).toMatchObject({ code: 3, err: expect.stringContaining("begin with `talk-`") });
    expect(await typed("attach")).toMatchObject({ code: 3, err: expect.stringContaining("needs a RUN") });
    const nowhere = type(["workers"], { HEADRACE_NATS: "" });
    expect(await nowhere.code).toBe(3);
    expect(nowhere.err()).toContain("HEADRACE_NATS");
    const away = type(["runs", "--nats", "nats://127.0.0.1:1"]);
    expect(await away.code).toBe(2);
    expect(away.err()).toContain("no NATS server answers");
    expect(await typed("workers", "--creds", "none.creds")).toMatchObject({
      code: 2,
      err: expect.stringContaining("`none.creds` can't be read"),
    });
    expect(await typed("run", talk, "--detach", "--report", "x.html")).toMatchObject({ code: 3, err: expect.stringContaining("--report") });
  }, 60_000);
});

describe("headrace up", () => {
  const isAlive = (pid: number) => {
    try {
      process.kill(pid, 0);
      return true;
    } catch {
      // No such process.
      return false;
    }
  };
  const pidIn = (file: string) => Number(readFileSync(join(folder, file), "utf8"));

  it("starts a server and workers, which run programs, and ends them all", async () => {
    const up = type(["up", "--workers", "2", "--slots", "1", "--server", findServer()]);
    await until(() => up.out() !== "", "it is there", 40_000);
    const url = up.out().trim();
    expect(url).toMatch(/^nats:\/\/127\.0\.0\.1:\d+$/);
    expect(up.err()).toContain(`headrace run FILE --nats ${url}\n`);
    const server = pidIn(".headrace/nats/nats-server.pid");
    const second = await typed("up", "--server", findServer());
    expect(second).toMatchObject({ code: 2, out: "", err: expect.stringContaining(`process ${server}, is at work on`) });
    expect((await typed("workers", "--nats", url)).out).toMatch(/^w1 .*\nw2 /m);
    const far = await typed("run", talk, "--n", "4", "--ms", "1", "--nats", url);
    expect(far).toMatchObject({ code: 0, out: expect.stringContaining("all   12") });
    up.process.kill("SIGINT");
    expect(await up.code).toBe(0);
    expect(isAlive(server)).toBe(false);
    expect((await typed("workers", "--nats", url)).code).toBe(2);
    // What was kept is there again.
    const again = type(["up", "--slots", "1", "--server", findServer()]);
    await until(() => again.out() !== "", "it is there again", 40_000);
    expect((await typed("runs", "--nats", again.out().trim())).out).toMatch(/^talk-.* ok /m);
    again.process.kill("SIGINT");
    await until(() => again.err().includes("once more"), "it says how to force it");
    again.process.kill("SIGINT");
    expect([0, 130]).toContain(await again.code);
    await until(() => !isAlive(pidIn(".headrace/nats/nats-server.pid")), "its server has ended");
  }, 120_000);

  it("without a server says how to get one", async () => {
    expect(() => findOwn(null, ["/nowhere", folder])).toThrow(/there is no nats-server on the PATH/);
    const wrong = await typed("up", "--server", talk);
    for (const way of ["apt install nats-server", "go install", "nats.io/download", "--server PATH"]) expect(wrong.err).toContain(way);
    expect(wrong).toMatchObject({ code: 2, err: expect.stringContaining("is no nats-server") });
  });
});

// Real processes and threads that die, hang and throw where nobody catches.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterEach, describe, expect, it } from "vitest";
import { defaultEntry } from "../../runtime/hosts/entry.ts";
import { call, digestOf, plan, TestHost } from "./harness.ts";

const module = `
export const spin = () => { console.log("spinning"); for (;;); };
export const leave = () => { console.log("leaving"); process.exit(3); };
export const escape = async () => { Promise.reject(new TypeError("nobody waits")); await new Promise((done) => setTimeout(done, 500)); };
export const hang = () => new Promise(() => {});
export const kill = () => { process.kill(process.pid, "SIGKILL"); for (;;); };
export const fine = () => "fine";
export const sleep = async () => { const { execSync } = await import("node:child_process"); execSync("sleep 30"); };
export const grow = () => { const all = []; for (;;) all.push(Array.from({ length: 10_000 }, (_, i) => ({ i }))); };
export const forever = () => { for (;;); };
`;
const program = plan(
  {
    spin: {},
    leave: {},
    escape: { async: true },
    hang: { async: true },
    kill: {},
    fine: {},
    forever: {},
    sleep: { async: true },
    grow: {},
  },
  [
    { id: "spin", body: call("spin"), timeoutMs: 150 },
    { id: "leave", body: call("leave") },
    { id: "escape", body: call("escape") },
    { id: "hang", body: call("hang"), timeoutMs: 150 },
    { id: "kill", body: call("kill") },
    { id: "fine", body: call("fine") },
    { id: "forever", body: call("forever") },
    { id: "sleep", body: call("sleep"), timeoutMs: 150 },
    { id: "grow", body: call("grow") },
  ],
  module,
);
const stages = { spin: 0, leave: 1, escape: 2, hang: 3, kill: 4, fine: 5, forever: 6, sleep: 7, grow: 8 };
const code = { digest: digestOf(module), module, map: null };

const open: TestHost[] = [];
async function started(slots = 1): Promise<TestHost> {
  const host = await TestHost.start(slots);
  open.push(host);
  host.prepare(1, program, module);
  return host;
}
afterEach(async () => {
  for (const host of open.splice(0)) await host.link.close();
});

/** The slot still works, with all that it knew. */
async function works(host: TestHost): Promise<void> {
  const before = host.all("finished").length;
  host.assign(1, stages.fine);
  await host.until("work after a loss", () => host.all("finished").length > before);
}

describe("a slot that is lost", () => {
  for (const stage of ["spin", "hang"] as const) {
    it(`is ended and replaced past its time: ${stage}`, async () => {
      const host = await started();
      host.assign(1, stages[stage]);
      const { slot, reason } = await host.one("slotLost");
      expect({ slot, ...reason }).toMatchObject({ slot: 0, kind: "timeout", stage, block: 0, attempt: 0 });
      expect(reason.message).toContain("150 ms");
      await works(host);
      expect(host.lost).toBeNull();
    });
  }

  it("had its printing heard", async () => {
    const host = await started();
    host.assign(1, stages.spin);
    await host.one("slotLost");
    expect((await host.one("log")).text).toBe("spinning\n");
    host.assign(1, stages.leave);
    expect((await host.one("log", (message) => message.text === "leaving\n")).stage).toBe(stages.leave);
  });

  it("by process.exit says so, and the host lives on", async () => {
    const host = await started(2);
    const pid = await host.pid();
    host.assign(1, stages.leave);
    const { reason } = await host.one("slotLost");
    expect(reason).toMatchObject({ kind: "lost", name: "Exit", stage: "leave" });
    expect(reason.message).toContain("process.exit(3)");
    await works(host);
    expect(() => process.kill(pid, 0)).not.toThrow();
  });

  it("by a rejection that nobody handles carries the error", async () => {
    const host = await started();
    host.assign(1, stages.escape);
    const { reason } = await host.one("slotLost");
    expect(reason).toMatchObject({ kind: "lost", name: "TypeError", stage: "escape" });
    expect(reason.message).toContain("nobody waits");
    await works(host);
  });

  it("for want of memory says so", async () => {
    const before = process.env.NODE_OPTIONS;
    process.env.NODE_OPTIONS = "--max-old-space-size=120";
    try {
      const host = await started();
      host.assign(1, stages.grow);
      expect((await host.one("slotLost")).reason).toMatchObject({ kind: "memory", stage: "grow" });
      await works(host);
    } finally {
      if (before === undefined) delete process.env.NODE_OPTIONS;
      else process.env.NODE_OPTIONS = before;
    }
  });

  it("takes its queue with it, and nothing else", async () => {
    const host = await started(2);
    host.assign(1, stages.leave);
    host.assign(1, stages.fine);
    await host.one("slotLost");
    host.assign(1, stages.fine, { slot: 1 });
    await host.one("finished", (message) => message.slot === 1);
    expect(host.all("finished").filter((message) => message.slot === 0)).toEqual([]);
  });
});

describe("a host that is lost", () => {
  it("by kill -9 is told once, with the signal", async () => {
    const host = await started();
    const pid = await host.pid();
    process.kill(pid, "SIGKILL");
    expect(await host.until("the loss", () => host.lost)).toBe(`the host process ${pid} was ended by SIGKILL`);
    host.link.send({ type: "finish", run: 1 });
    await host.link.close();
  });

  it("by its own code is told as well", async () => {
    const host = await started();
    host.assign(1, stages.kill);
    expect(await host.until("the loss", () => host.lost)).toContain("SIGKILL");
  });

  it("because a thread can't be ended says so, and blames the task for its time", async () => {
    const host = await started();
    host.assign(1, stages.sleep);
    expect((await host.one("slotLost")).reason).toMatchObject({ kind: "timeout", stage: "sleep" });
    expect(await host.until("the loss", () => host.lost)).toContain("couldn't be ended");
  });

  it("ignores Ctrl-C, which is the engine's to decide", async () => {
    const host = await started();
    process.kill(await host.pid(), "SIGINT");
    await works(host);
    expect(host.lost).toBeNull();
  });

  it("ends when it is closed, and takes its folder along", async () => {
    const host = await TestHost.start(2);
    const pid = await host.pid();
    await host.link.close();
    expect(() => process.kill(pid, 0)).toThrow();
    expect(host.lost).toBeNull();
  });
});

describe("a host whose engine is gone", () => {
  const folder = mkdtempSync(join(tmpdir(), "engine-"));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("ends too, though its slots are in endless loops", async () => {
    const script = `
      import { startHost } from ${JSON.stringify(fileURLToPath(new URL("../../runtime/hosts/host.ts", import.meta.url)))};
      const link = await startHost({ slots: 2, entry: ${JSON.stringify(defaultEntry())} });
      link.onMessage = (message) => {
        if (message.type === "ready") link.send(${JSON.stringify({ type: "prepare", run: 1, plan: program, params: {}, code: [code] })});
        if (message.type === "ready")
          for (const slot of [0, 1]) link.send({ type: "assign", run: 1, slot, stage: ${stages.forever}, first: 0, count: 1, attempt: 0, inputs: [] });
        if (message.type === "ready") console.log(JSON.stringify({ pid: message.pid, folder: link.folder }));
      };
    `;
    const file = join(folder, "engine.mjs");
    await build({
      stdin: { contents: script, resolveDir: folder },
      outfile: file,
      bundle: true,
      format: "esm",
      platform: "node",
      banner: { js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);' },
    });
    const engine = spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "inherit"] });
    const [line] = (await once(engine.stdout, "data")) as [Buffer];
    const host = JSON.parse(String(line)) as { pid: number; folder: string };
    expect(existsSync(host.folder)).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 100));
    engine.kill("SIGKILL");
    const endMs = Date.now() + 5000;
    while (isAlive(host.pid) && Date.now() < endMs) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(isAlive(host.pid)).toBe(false);
    expect(existsSync(host.folder)).toBe(false);
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

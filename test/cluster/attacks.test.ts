// A secure cluster as `headrace up --secure` starts it, and those who try what they mustn't: whoever has no credentials, or those of another role, and
// whoever says on a subject what nobody says. Each must fail, and the cluster be as good as before.
import type { ChildProcess } from "node:child_process";
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { AckPolicy, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { connect, credsAuthenticator } from "@nats-io/transport-node";
import fc from "fast-check";
import { compile, natsEngine } from "headrace/engine";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Introduction } from "../../runtime/engines/nats/connect.ts";
import { appendTo, messagesOf } from "../../runtime/engines/nats/journal.ts";
import { readIntroduction } from "../../runtime/engines/nats/messages.ts";
import { openStreams } from "../../runtime/engines/nats/streams.ts";
import { frame } from "../../runtime/hosts/frames.ts";
import { encode } from "../../runtime/objects/codec.ts";
import { until } from "../harness/cluster.ts";
import { findServer } from "../harness/nats.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const cli = here("../../dist/cli/main.js");
const talk = here("./fixtures/talk.pipe");
const SECRET = "hunter2-and-more";

let folder: string;
let up: ChildProcess;
let url = "";
let said = "";

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "headrace-attacks-"));
  await begin();
  await typed("credentials", "worker", "mallory");
  await typed("credentials", "client", "eve");
}, 240_000);
afterAll(async () => {
  await ended();
  rmSync(folder, { recursive: true, force: true });
});

const environment = (): NodeJS.ProcessEnv => ({ ...process.env, NO_COLOR: "1", HEADRACE_CACHE: "", HEADRACE_NATS: "", HEADRACE_CREDS: "" });

async function begin(...flags: readonly string[]): Promise<void> {
  url = said = "";
  const args = ["up", "--secure", "--workers", "2", "--slots", "1", "--server", findServer(), ...flags];
  up = spawn(process.execPath, [cli, ...args], { cwd: folder, stdio: ["ignore", "pipe", "pipe"], env: environment() });
  up.stdout!.on("data", (chunk: Buffer) => {
    url += chunk.toString().trim();
  });
  up.stderr!.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  await until(() => url !== "", "the cluster is up", 30_000).catch((error: Error) => {
    throw new Error(`${error.message}\n${said}`);
  });
}

async function ended(): Promise<void> {
  const end = new Promise((resolve) => up.once("exit", resolve));
  up.kill("SIGINT");
  await end;
}

const creds = (name: string) =>
  join(folder, ["mallory", "eve"].some((one) => name.endsWith(one)) ? "" : ".headrace/nats/keys", `${name}.creds`);

interface Typed {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const typed = (...args: readonly string[]): Promise<Typed> => typedWith({}, ...args);
const typedWith = (env: NodeJS.ProcessEnv, ...args: readonly string[]): Promise<Typed> =>
  promisify(execFile)(process.execPath, [cli, ...args], { cwd: folder, env: { ...environment(), ...env } }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: Typed) => error,
  );

const asked = (name: string) => ["--nats", url, "--creds", creds(name)];

async function as<T>(name: string, act: (connection: NatsConnection) => Promise<T>): Promise<T> {
  const connection = await connect({
    servers: url.replace("nats://", ""),
    authenticator: credsAuthenticator(readFileSync(creds(name))),
    inboxPrefix: name.startsWith("admin") ? "_INBOX" : `_INBOX_${name}`,
    reconnect: false,
  });
  try {
    return await act(connection);
  } finally {
    await connection.close();
  }
}

/** What the server tells of what it doesn't let through; null where it does. */
async function refusal(connection: NatsConnection, act: () => void): Promise<string | null> {
  const told = (async () => {
    for await (const status of connection.status()) if (status.type === "error") return status.error.message;
    return null;
  })();
  act();
  await connection.flush();
  return Promise.race([told, new Promise<null>((resolve) => setTimeout(resolve, 300, null))]);
}

/** Both workers, as they say themselves. */
async function introductions(connection: NatsConnection, identity: string): Promise<readonly Introduction[]> {
  const found: Introduction[] = [];
  const inbox = `hr.v1.in.${identity}.introductions`;
  connection.subscribe(inbox, {
    callback: (_error, { data }) => {
      const introduction = readIntroduction(data);
      if (introduction) found.push(introduction);
    },
  });
  connection.publish("hr.v1.discover", "", { reply: inbox });
  await until(() => found.length === 2, "workers answer");
  return found;
}

/** Whether a run goes through. */
async function works(): Promise<void> {
  const { plan, code } = await compile(talk);
  const engine = await natsEngine({ url, creds: creds("client-local") });
  const { error, outputs } = await engine.run(plan!, code, { params: { n: 4, ms: 1 } });
  await engine[Symbol.asyncDispose]();
  expect(error).toBeNull();
  expect(outputs).toEqual({ rows: [0, 2, 4, 6], all: 12 });
}

describe("who isn't let in", () => {
  it("nobody without credentials, nor with those of another cluster", async () => {
    await expect(connect({ servers: url.replace("nats://", ""), reconnect: false })).rejects.toThrow(/authorization/i);
    expect(await typed("workers", "--nats", url)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("it wants credentials: --creds FILE"),
    });
    const other = mkdtempSync(join(tmpdir(), "headrace-attacks-"));
    const { makeKeys, writeCredentials } = await import("../../cli/credentials.ts");
    await makeKeys(join(other, "keys"));
    await writeCredentials(join(other, "keys"), "admin", "local", join(other, "admin.creds"));
    const refused = await typed("workers", "--nats", url, "--creds", join(other, "admin.creds"));
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining("it doesn't know these credentials") });
    writeFileSync(join(other, "nothing.creds"), "nothing");
    const nothing = await typed("workers", "--nats", url, "--creds", join(other, "nothing.creds"));
    expect(nothing).toMatchObject({ code: 2, stderr: expect.stringContaining("holds no NATS credentials") });
    rmSync(other, { recursive: true });
  });

  it("keys and credentials are for their owner's eyes alone", () => {
    const keys = join(folder, ".headrace/nats/keys");
    expect(statSync(keys).mode & 0o077).toBe(0);
    for (const file of readdirSync(keys)) expect(statSync(join(keys, file)).mode & 0o077, file).toBe(0);
    expect(statSync(creds("worker-mallory")).mode & 0o077).toBe(0);
    // No key is ever said.
    const { account } = JSON.parse(readFileSync(join(keys, "keys.json"), "utf8")) as { account: string };
    expect(account).toMatch(/^SA/);
    expect(said).not.toContain(account);
  });
});

describe("what a role mustn't", () => {
  const RUN = "talk-00000000";
  it.each([
    ["worker", "speak as another worker", `hr.v1.${RUN}.c.worker-w1.0123456789abcdef`],
    ["worker", "be alive in another's place", "hr.v1.in.worker-w1.0123456789abcdef.x"],
    ["worker", "answer into another's inbox", "_INBOX_client-local.x.y"],
    ["worker", "delete a stream", "$JS.API.STREAM.DELETE.HRJ"],
    ["worker", "change a stream", "$JS.API.STREAM.UPDATE.HRR"],
    ["worker", "make a stream", "$JS.API.STREAM.CREATE.OTHER"],
    ["worker", "empty what is told of all runs", "$JS.API.STREAM.PURGE.HRE"],
    ["worker", "take a message out of a stream", "$JS.API.STREAM.MSG.DELETE.HRE"],
    ["worker", "have another worker leave", "hr.v1.drain.worker-w1.0123456789abcdef"],
    ["client", "speak as a worker", `hr.v1.${RUN}.c.worker-w1.0123456789abcdef`],
    ["client", "speak as a leader", `hr.v1.${RUN}.w.worker-w1.0123456789abcdef`],
    ["client", "say that it leads", `hr.v1.led.${RUN}`],
    ["client", "ask for the secrets of a run", `hr.v1.secrets.${RUN}`],
    ["client", "pull objects", "hr.v1.o.worker-w1.0123456789abcdef.get"],
    ["client", "write down what an actor was asked", `hr.v1.calls.${RUN}.x`],
    ["client", "empty a journal", "$JS.API.STREAM.PURGE.HRJ"],
    ["client", "delete a stream", "$JS.API.STREAM.DELETE.HRJ"],
    ["client", "have a worker leave", "hr.v1.drain.worker-w1.0123456789abcdef"],
  ] as const)("a %s mustn't %s", async (role, _what, subject) => {
    const name = role === "worker" ? "worker-mallory" : "client-eve";
    await as(name, async (connection) => {
      expect(await refusal(connection, () => connection.publish(subject, "{}"))).toMatch(/Permissions Violation for Publish/i);
    });
  });

  it.each([
    ["worker", "hear what another worker is told", `hr.v1.${RUN}.w.worker-w1.*`],
    ["worker", "hear what others are answered", "_INBOX_client-local.>"],
    ["worker", "be asked for secrets in the place of whoever submitted a run", `hr.v1.secrets.${RUN}`],
    ["worker", "be asked for another's objects", "hr.v1.o.worker-w1.*.get"],
    ["worker", "hear all", ">"],
    ["client", "hear what workers say", `hr.v1.${RUN}.c.>`],
    ["client", "hear what is asked of workers", "hr.v1.lead"],
    ["client", "hear what others are answered", "_INBOX_worker-w1.>"],
  ] as const)("a %s mustn't %s", async (role, _what, subject) => {
    const name = role === "worker" ? "worker-mallory" : "client-eve";
    await as(name, async (connection) => {
      expect(await refusal(connection, () => void connection.subscribe(subject))).toMatch(/Permissions Violation for Subscription/i);
    });
  });

  it("nothing of it has come of it", async () => {
    await as("admin-local", async (connection) => {
      const manager = await jetstreamManager(connection);
      const names: string[] = [];
      for await (const { config } of manager.streams.list()) names.push(config.name);
      expect(names.sort()).toEqual(["HRC", "HRE", "HRJ", "HRR"]);
    });
    await works();
  }, 30_000);

  it("nor have the server say it for him: what is stored goes to any subject that a reader names", async () => {
    await as("client-eve", async (connection) => {
      const [worker] = (await introductions(connection, "client-eve")).map((one) => one.worker);
      const manager = await jetstreamManager(connection);
      const head = Buffer.alloc(20);
      head.writeUInt8(1, 0);
      head.writeUInt8(1, 1);
      head.writeUInt32LE(1, 4);
      head.writeUInt32LE(1, 8);
      for (const [run, to, data] of [
        ["stray-1", `hr.v1.stray.w.${worker}`, head],
        ["stray-2", `hr.v1.drain.${worker}`, Buffer.from("{}")],
      ] as const) {
        const before = said;
        await manager.consumers.add("HRE", {
          name: run,
          deliver_subject: to,
          filter_subject: `hr.v1.e.${run}`,
          ack_policy: AckPolicy.None,
        });
        await connection.request(`hr.v1.e.${run}`, data, { timeout: 2000 });
        await new Promise((resolve) => setTimeout(resolve, 500));
        expect(said.slice(before.length)).toBe("");
      }
    });
  }, 30_000);

  it("whoever does it by a verb is told, and nothing hangs", async () => {
    expect(await typed("worker", ...asked("client-eve"))).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/doesn't let these credentials .* of another role/),
    });
    expect(await typed("drain", "w1", ...asked("client-eve"))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("of another role"),
    });
    expect(await typed("drain", "nobody", ...asked("admin-local"))).toMatchObject({ code: 3 });
  }, 60_000);
});

describe("who says what nobody says", () => {
  const deep = Buffer.concat([Buffer.alloc(100_000, 0x91), Buffer.from([0xc0])]);
  const proto = Buffer.from('{"__proto__":{"polluted":1},"run":"x","constructor":{"prototype":{"polluted":1}}}');
  const gigabyte = Buffer.from(new Uint32Array([0x4000_0000, 0]).buffer);
  const valid = frame({ type: "hello" });
  const corrupted = Uint8Array.from(valid, (byte, at) => (at > 20 ? byte ^ 0x5a : byte));
  /** As a session would send it: of an epoch beyond all. */
  const session = (body: Uint8Array, kind = 2) => {
    const head = Buffer.alloc(20);
    head.writeUInt8(1, 0);
    head.writeUInt8(kind, 1);
    head.writeUInt32LE(4_000_000_000, 4);
    head.writeUInt32LE(1, 8);
    head.writeUInt32LE(1, 12);
    return Buffer.concat([head, body]);
  };
  const bodies: readonly Uint8Array[] = [
    ...[Buffer.alloc(0), deep, proto, gigabyte, corrupted, valid],
    ...[frame({ type: "nobody's" }), frame({ type: "open", adopt: true }), frame(null), frame([[]]), encode({ a: 1 })],
    frame({
      type: "prepare",
      run: 0,
      plan: {},
      params: {},
      check: false,
      results: null,
      code: [{ digest: "../../evil", module: "1", map: null }],
    }),
    frame({ type: "assign", run: 1e9, slot: 77, stage: -1, planned: 9, first: 0, count: 1e9, attempt: 1, inputs: [] }),
    frame({ type: "pull", request: 1, ref: {}, sources: [{ worker: "x", object: "../../etc/passwd", direct: null }] }),
    frame({ type: "place", ref: { run: 0, stage: 0, block: 0, bytes: 8 }, bytes: deep }),
  ];

  it("workers and leaders go on, whatever they hear", async () => {
    // While a run goes on, so that there is a leader, a host and a conversation.
    const { plan, code } = await compile(talk);
    const engine = await natsEngine({ url, creds: creds("client-local") });
    let run = "";
    const going = engine.run(plan!, code, {
      params: { n: 30, ms: 50 },
      onEvent: (event) => event.type === "run.started" && (run = event.run),
    });
    await until(() => run !== "", "it goes on");
    await as("admin-local", async (connection) => {
      const workers = (await introductions(connection, "any")).map(({ worker }) => worker);
      const inbox = "hr.v1.in.any.1";
      const all = [
        ...["hr.v1.lead", `hr.v1.led.${run}`, "hr.v1.led.x", `hr.v1.run.${run}x`, "hr.v1.discover", inbox],
        ...workers.flatMap((worker) => [
          ...[...bodies.keys()].map((i) => `hr.v1.${run}x${i}.w.${worker}`),
          ...[`hr.v1.${run}.c.${worker}`, `hr.v1.${run}.w.${worker}`, `hr.v1.o.${worker}.get`],
          ...[`hr.v1.alive.${worker}`, `hr.v1.in.${worker}.${run}.1`, `hr.v1.in.${worker}.0.0`],
        ]),
      ];
      const random = fc.sample(fc.uint8Array({ maxLength: 300 }), { numRuns: 40, seed: 7 });
      for (const subject of all)
        for (const body of [...bodies, ...random]) {
          // Each to a conversation of its own.
          const [, own] = /x(\d+)\.w\./.exec(subject) ?? [];
          if (own !== undefined && bodies[Number(own)] !== body) continue;
          // That of the run's own leader to a worker would end its conversation, as whoever may be a leader can.
          if (!subject.startsWith(`hr.v1.${run}.w.`)) connection.publish(subject, session(body), { reply: "hr.v1.in.any.2" });
          connection.publish(subject, body, { reply: "hr.v1.in.any.2" });
        }
      await connection.flush();
    });
    const { error, outputs } = await going;
    expect(error).toBeNull();
    expect((outputs.rows as readonly number[]).length).toBe(30);
    await engine[Symbol.asyncDispose]();
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
    expect(said).not.toMatch(/ended (with exit code|by)/);
    expect(said).not.toContain("is a bug");
    await works();
  }, 60_000);

  it("a journal that says what nobody says ends in an error, and holds up no other run", async () => {
    await as("client-eve", async (connection) => {
      const streams = await openStreams(connection);
      for (const [i, body] of [deep, proto, gigabyte, encode({ type: "plan", header: { run: "x" } })].entries()) {
        const run = `evil-${i}`;
        const seq = await appendTo(streams.log(run), { epoch: 0, nonce: `n${i}`, part: 0, parts: 1, bytes: body }, 0);
        expect(seq).not.toBeNull();
        await connection.request("hr.v1.lead", JSON.stringify({ run }), { timeout: 2000 }).catch(() => null);
        await until(() => said.includes(`run ${run} can't be led by anybody`), `${run} is given up`);
      }
    });
    await works();
    expect(said).not.toMatch(/ended (with exit code|by)/);
  }, 60_000);

  it.each([
    [
      "another digest",
      (code: object) =>
        Object.fromEntries(Object.entries(code).map(([digest, slice]) => [digest, { ...slice, module: "export const evil = 1;" }])),
    ],
    ["none of it", () => ({})],
  ])(
    "code that isn't what its digest says never runs: %s",
    async (_what, spoil) => {
      const { plan, code } = await compile(talk);
      const run = `talk-${Math.random().toString(16).slice(2, 10)}`;
      await as("client-eve", async (connection) => {
        const streams = await openStreams(connection);
        const header = { run, uuid: "x", plan, code: spoil(code), params: { n: 2, ms: 1 }, check: false, submittedAtMs: Date.now() };
        let after = 0;
        for (const message of messagesOf({ type: "plan", header }, 0, 100_000, () => String(Math.random())))
          after = (await appendTo(streams.log(run), message, after))!;
        const summary = {
          run,
          plan: "talk",
          file: "",
          submittedAtMs: Date.now(),
          status: "waiting",
          leader: null,
          endedAtMs: null,
          why: null,
        } as const;
        await streams.summarize(summary);
        await connection.request("hr.v1.lead", JSON.stringify({ run }), { timeout: 2000 });
        await until(() => said.includes(`led run ${run} to its end`), "it ends");
        expect(await streams.summary(run)).toMatchObject({
          status: "infrastructure",
          why: expect.stringMatching(/the code of .* isn't (what its digest says|with the run)/),
        });
      });
    },
    30_000,
  );
});

describe("a secret", () => {
  it("is found nowhere but where it is used", async () => {
    writeFileSync(
      join(folder, "secret.pipe"),
      `import { resource connect, load, use } from "./store.ts"
param apiToken: secret
param fail: bool = false
pipeline main() -> { total: float } {
  let store = connect(apiToken)
  let rows = load(8) |> map(r => use(store, r, fail))
  { total: rows |> sum }
}
`,
    );
    writeFileSync(
      join(folder, "store.ts"),
      `import type { int, Secret } from "headrace";
export interface Store { token: string }
export async function connect(token: Secret): Promise<Store> {
  console.log("connecting with", token);
  console.error({ token });
  return { token };
}
export function load(n: int): int[] { return Array.from({ length: n }, (_, i) => i as int); }
export function use({ token }: Store, row: int, fail: boolean): number {
  console.log("with", token);
  if (fail && row === 5) throw new Error("401 for " + token, { cause: new Error("because of " + token) });
  return token.length + row;
}
`,
    );
    const env = { HEADRACE_SECRET_API_TOKEN: SECRET };
    const client = asked("client-local");
    const good = await typedWith(env, "run", "secret.pipe", "--report", "report.html", "--trace", "trace.json", ...client);
    expect(good).toMatchObject({ code: 0, stdout: expect.stringContaining(String(8 * SECRET.length + 28)) });
    const bad = await typedWith(env, "run", "secret.pipe", "--fail", "--json", ...client);
    expect(bad.code).toBe(1);
    expect(bad.stdout).toContain("401 for [secret apiToken]");
    const runs = (await typed("runs", ...client)).stdout;
    const [name] = /^\S+(?=.*failed)/m.exec(runs)!;
    const logs = await typed("logs", name!, ...client);
    expect(logs.stdout).toContain("with [secret apiToken]");
    const attached = await typed("attach", name!, "--json", ...client);
    const written = readdirSync(folder, { recursive: true, encoding: "utf8" })
      .map((path) => join(folder, path))
      .filter((path) => statSync(path).isFile())
      .map((path) => readFileSync(path, "latin1"));
    expect(written.length).toBeGreaterThan(10);
    for (const text of [good.stdout, good.stderr, bad.stdout, bad.stderr, runs, logs.stdout, attached.stdout, said, ...written])
      expect(text).not.toContain(SECRET);
  }, 60_000);
});

it("started again it is the same cluster; without --secure it doesn't start", async () => {
  await works();
  const before = (await typed("runs", ...asked("client-eve"))).stdout;
  await ended();
  const { code, stderr } = await typed("up", "--server", findServer());
  expect(code).toBe(2);
  expect(stderr).toContain("is a secure one: headrace up --secure");
  await begin();
  expect(before).toContain("talk-");
  expect((await typed("runs", ...asked("client-eve"))).stdout).toBe(before);
  await works();
}, 60_000);

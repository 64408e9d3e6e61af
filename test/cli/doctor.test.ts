// The doctor on this machine, which is well, and on broken ones: each is told with its mend.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Finding, Machine } from "../../cli/doctor.ts";
import { diagnose } from "../../cli/doctor.ts";
import { thisMachine } from "../../cli/verbs/doctor.ts";

const cli = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "headrace-doctor-test-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function doctor(cwd: string, env: NodeJS.ProcessEnv, ...args: string[]) {
  return spawnSync(process.execPath, [cli, "doctor", ...args], { cwd, encoding: "utf8", env: { ...process.env, NO_COLOR: "1", ...env } });
}
/** What is said of one check on a machine of which all else is fast and well. */
async function told(check: string, broken: Partial<Machine>): Promise<Finding> {
  const well: Machine = {
    ...thisMachine(folder, null),
    compile: async () => ({ ms: 1 }),
    roundTrip: async () => ({ startMs: 1, taskMs: 1, sum: 3, expected: 3 }),
    config: async () => null,
  };
  const findings = await diagnose({ ...well, ...broken });
  return findings.find((one) => one.check === check)!;
}

describe("on a machine that is well", () => {
  it("says a line for each check, and leaves nothing behind", () => {
    const project = join(folder, "well");
    mkdirSync(project);
    const { status, stdout } = doctor(project, {});
    expect(stdout.split("\n").filter((line) => line.startsWith("fail"))).toEqual([]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^ok {4}node {11}v\d+/m);
    expect(stdout).toMatch(/^ok {4}host {11}started in [\d.]+ s, two tasks in [\d.]+ s$/m);
    expect(stdout).toMatch(/^ok {4}shared memory/m);
    expect(stdout).toMatch(/^warn {2}tsconfig {7}none from here upward/m);
    expect(existsSync(join(project, ".headrace"))).toBe(false);
  });
});

describe("on broken ones", () => {
  it("an old Node, and Windows", async () => {
    expect(await told("node", { node: "v18.20.1" })).toMatchObject({ status: "fail", says: expect.stringContaining("older than 20.19") });
    expect(await told("node", { node: "v20.19.0" })).toMatchObject({ status: "ok" });
    expect(await told("node", { platform: "win32" })).toMatchObject({ status: "fail", fix: expect.stringContaining("WSL") });
  });

  it("a folder that can't be written to: exit 1, in words and as JSON", () => {
    const project = join(folder, "unwritable");
    mkdirSync(project);
    // Root may write anywhere, but not into a file.
    writeFileSync(join(project, ".headrace"), "");
    const { status, stdout } = doctor(project, { TMPDIR: folder }, "--json");
    expect(status).toBe(1);
    const findings: Finding[] = JSON.parse(stdout);
    expect(findings.filter(({ status }) => status === "fail")).toEqual([
      {
        check: "cache",
        status: "fail",
        says: expect.stringContaining(".headrace can't be written to: E"),
        fix: expect.stringContaining("folder"),
      },
    ]);
  });

  it("no temp folder, little memory, one processor, a narrow terminal", async () => {
    expect(await told("temp", { temp: join(folder, "nowhere") })).toMatchObject({ status: "fail", fix: expect.stringContaining("TMPDIR") });
    expect(await told("memory", { memoryBytes: { total: 2 ** 30, free: 2 ** 27 } })).toMatchObject({ status: "warn" });
    expect(await told("slots", { processors: 1 })).toMatchObject({ status: "warn" });
    expect(await told("terminal", { terminal: { columns: 60, colors: true } })).toMatchObject({ status: "warn" });
  });

  it("a package with holes, a compiler and a host that don't start, memory that isn't shared", async () => {
    expect(await told("package", { missing: () => ["esbuild"] })).toMatchObject({ status: "fail", says: "esbuild is missing" });
    const refuses = () => Promise.reject(new Error("spawn EAGAIN\n  at somewhere"));
    expect(await told("compiler", { compile: refuses })).toMatchObject({ status: "fail", says: "spawn EAGAIN" });
    expect(await told("host", { roundTrip: refuses })).toMatchObject({ status: "fail", says: "spawn EAGAIN" });
    const wrong = async () => ({ startMs: 1, taskMs: 1, sum: 2, expected: 3 });
    expect(await told("shared memory", { roundTrip: wrong })).toMatchObject({ status: "fail" });
  });

  it("a tsconfig that is lax, old, broken, or far from the package", async () => {
    const project = join(folder, "configured");
    mkdirSync(project);
    const { config } = thisMachine(project, null);
    const write = (text: string) => writeFileSync(join(project, "tsconfig.json"), text);
    const says = async () =>
      (
        await diagnose({
          ...thisMachine(project, null),
          compile: async () => ({ ms: 1 }),
          roundTrip: async () => ({ startMs: 1, taskMs: 1, sum: 1, expected: 1 }),
          config,
        })
      ).filter(({ check }) => check === "tsconfig");
    write(
      '{ "compilerOptions": { "module": "commonjs", "moduleResolution": "node10", "target": "es2022", "lib": ["es2022"], "types": [] } } // comment',
    );
    const lax = await says();
    expect(lax.map(({ fix }) => fix)).toEqual([
      '"strict": true',
      expect.stringContaining('"bundler"'),
      expect.stringContaining("allowImportingTsExtensions"),
      "npm install headrace",
    ]);
    write('{ "compilerOptions": { "strict": tru } }');
    expect((await says())[0]).toMatchObject({ status: "fail" });
    write(
      '{ "compilerOptions": { "strict": true, "module": "preserve", "moduleResolution": "bundler", "allowImportingTsExtensions": true, "noEmit": true, "types": [] } }',
    );
    mkdirSync(join(project, "node_modules", "headrace"), { recursive: true });
    writeFileSync(join(project, "node_modules", "headrace", "package.json"), '{ "name": "headrace", "types": "./index.d.ts" }');
    writeFileSync(join(project, "node_modules", "headrace", "index.d.ts"), "export {};\n");
    expect(await says()).toEqual([{ check: "tsconfig", status: "ok", says: expect.stringContaining("tsconfig.json, strict"), fix: "" }]);
  });

  it("NATS: an old server on the PATH, nobody at the address, somebody else, an old one", async () => {
    const bin = join(folder, "bin");
    mkdirSync(bin);
    writeFileSync(join(bin, "nats-server"), "#!/bin/sh\necho 'nats-server: v2.9.3'\n");
    chmodSync(join(bin, "nats-server"), 0o755);
    const project = join(folder, "nats");
    mkdirSync(project);
    const { stdout } = doctor(project, { PATH: `${bin}:${process.env.PATH}` }, "--json", "--nats", "nats://127.0.0.1:1");
    const findings: Finding[] = JSON.parse(stdout);
    expect(findings.find(({ check }) => check === "nats-server")).toMatchObject({
      status: "warn",
      says: expect.stringContaining("v2.9.3 is older than 2.12"),
    });
    expect(findings.find(({ check }) => check === "nats")).toMatchObject({ status: "fail", says: expect.stringContaining("ECONNREFUSED") });

    const answering = async (greeting: string) => {
      const server = createServer((socket) => socket.end(greeting));
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const address = server.address();
      const natsUrl = `nats://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;
      const found = await told("nats", { natsUrl });
      await new Promise((resolve) => server.close(resolve));
      return found;
    };
    expect(await answering('INFO {"version":"2.12.1","jetstream":true} \r\n')).toMatchObject({
      status: "ok",
      says: expect.stringMatching(/^2\.12\.1 at .*, with JetStream$/),
    });
    expect(await answering('INFO {"version":"2.10.0"} \r\n')).toMatchObject({ status: "warn" });
    expect(await answering("HTTP/1.1 400 Bad Request\r\n\r\n")).toMatchObject({
      status: "fail",
      says: expect.stringContaining("isn't NATS"),
    });
  });

  it("a Jupyter kernel that starts what is gone", () => {
    const data = join(folder, "jupyter");
    mkdirSync(join(data, "kernels", "headrace"), { recursive: true });
    writeFileSync(join(data, "kernels", "headrace", "kernel.json"), JSON.stringify({ argv: ["/gone/node", "main.js"] }));
    const { stdout } = doctor(folder, { JUPYTER_DATA_DIR: data }, "--json");
    expect((JSON.parse(stdout) as Finding[]).find(({ check }) => check === "jupyter")).toMatchObject({
      status: "warn",
      says: expect.stringContaining("/gone/node"),
    });
  });
});

// `headrace doctor`: what this machine and project lack. The real machine, asked; what is asked, and what is made of it, is in
// `doctor.ts`.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { connect } from "node:net";
import { availableParallelism, freemem, tmpdir, totalmem } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { compile } from "../../compiler/compile.ts";
import type { CodeStore, Plan } from "../../compiler/plan.ts";
import { memorySources } from "../../compiler/sources.ts";
import { report } from "../../lang/diagnostics.ts";
import { localEngine } from "../../runtime/index.ts";
import type { Finding, Machine } from "../doctor.ts";
import { diagnose } from "../doctor.ts";
import type { Flag } from "../flags.ts";
import { describeFlags, readArguments } from "../flags.ts";
import { printProblems } from "../problems.ts";
import { wrapped } from "../table.ts";
import { painter, wantsColor, widthOf } from "../terminal.ts";
import { userFolder } from "./kernel.ts";

const flags: readonly Flag[] = [
  { name: "nats", value: "URL", summary: "also whether that NATS server can be reached" },
  { name: "json", value: null, summary: "findings as JSON" },
];

export const help = `Checks what Headrace needs: Node, the package, the compiler, a host and a task in it, memory, disk, terminal, tsconfig.json, NATS and the
Jupyter kernel. A line for each, with the way to mend what is wrong. Exit code 1 where something fails.

${describeFlags(flags)}`;

export async function run(argv: readonly string[]): Promise<number> {
  const given = readArguments(argv, flags);
  const problems = [...given.problems];
  if (given.operands.length > 0) problems.push(report("HR605", { what: `\`${given.operands[0]}\` is one argument too many` }, []));
  if (problems.length > 0) {
    printProblems(problems, () => null);
    return 3;
  }
  const url = given.flags.get("nats");
  const findings = await diagnose(thisMachine(process.cwd(), typeof url === "string" ? url : null));
  process.stdout.write(given.flags.has("json") ? `${JSON.stringify(findings, null, 2)}\n` : lines(findings));
  return findings.some(({ status }) => status === "fail") ? 1 : 0;
}

function lines(findings: readonly Finding[]): string {
  const paint = painter(wantsColor(process.stdout));
  const colors = { ok: "green", warn: "yellow", fail: "red" } as const;
  const names = Math.max(...findings.map(({ check }) => check.length));
  const width = widthOf(process.stdout);
  const indent = " ".repeat(4 + 2 + names + 2);
  return findings
    .map(({ check, status, says, fix }) => {
      const [first, ...more] = wrapped(says, width - indent.length);
      const mend = fix === "" ? [] : wrapped(`fix: ${fix}`, width - indent.length);
      return [
        `${paint(colors[status], status.padEnd(4))}  ${check.padEnd(names)}  ${first}`,
        ...[...more, ...mend].map((line) => indent + line),
      ].join("\n");
    })
    .map((line) => `${line}\n`)
    .join("");
}

const PROGRAM = 'import { twice } from "./stages.ts"\npipeline doctor() -> float { twice(21.0) }\n';
const STAGES = "export function twice(x: number): number { return 2 * x; }\n";
const PATIENCE_MS = 3000;

export function thisMachine(folder: string, natsUrl: string | null): Machine {
  return {
    ...{ node: process.version, platform: process.platform, folder, temp: tmpdir(), natsUrl },
    processors: availableParallelism(),
    memoryBytes: { total: totalmem(), free: process.availableMemory?.() ?? freemem() },
    terminal: { columns: process.stdout.isTTY ? process.stdout.columns || 80 : null, colors: wantsColor(process.stdout) },
    missing,
    async compile() {
      const from = performance.now();
      const { plan, diagnostics } = await compile("doctor.pipe", {
        sources: memorySources({ "doctor.pipe": PROGRAM, "stages.ts": STAGES }),
      });
      if (!plan) throw new Error(diagnostics[0]?.message ?? "no plan was made");
      return { ms: performance.now() - from };
    },
    roundTrip,
    async config() {
      const { readProjectConfig } = await import("../../compiler/1-read/typescript-config.ts");
      return readProjectConfig(folder);
    },
    natsOnPath: () => {
      try {
        return (
          /v?\d+\.\d+\.\d+/.exec(
            execFileSync("nats-server", ["--version"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }),
          )?.[0] ?? null
        );
      } catch {
        // None there, or none that runs.
        return null;
      }
    },
    natsAt,
    kernel,
  };
}

function missing(): string[] {
  const require = createRequire(import.meta.url);
  const root = dirname(require.resolve("headrace/package.json"));
  const { dependencies }: { dependencies: Record<string, string> } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const ours = createRequire(join(root, "package.json"));
  // A package that lets nobody see its `package.json` is found by its folder.
  const there = (name: string) => (ours.resolve.paths(name) ?? []).some((folder) => existsSync(join(folder, name, "package.json")));
  const files = [
    "cli/main.js",
    "engine.js",
    "standalone.js",
    "runtime/hosts/host-main.js",
    "runtime/hosts/slot-main.js",
    "types/api/index.d.ts",
  ];
  return [
    ...Object.keys(dependencies).filter((name) => !there(name)),
    ...files.map((file) => join("dist", file)).filter((file) => !existsSync(join(root, file))),
    ...(existsSync(join(root, "templates", "penguins.ts")) ? [] : ["templates"]),
  ];
}

/** Two stages by hand: the one makes a large array, the other sums it where it lies. */
async function roundTrip() {
  const length = 100_000;
  const texts = {
    make: `export function make() { return Float64Array.from({ length: ${length} }, (_, i) => i); }`,
    sum: "export function sum(all) { return all.reduce((a, b) => a + b, 0); }",
  };
  const digestOf = (module: string) => createHash("sha256").update(module).digest("hex");
  const code: CodeStore = Object.fromEntries(Object.values(texts).map((module) => [digestOf(module), { module, map: null }]));
  const called = (name: keyof typeof texts) =>
    ({ digest: digestOf(texts[name]), export: name, async: false, iterates: "no", native: [] }) as const;
  const stage = { output: "value", tasks: { kind: "one" }, strategy: { kind: "task" }, options: {} } as const;
  const plan: Plan = {
    ...{ format: "headrace-plan/1", hash: "", name: "doctor", params: [], regions: [] },
    functions: { make: called("make"), sum: called("sum") },
    stages: [
      { ...stage, id: "make", name: "make", inputs: [], body: { op: "call", function: "make", args: [], passing: [] } },
      {
        ...{ ...stage, id: "sum", name: "sum", inputs: [{ kind: "value", stage: 0 }] },
        body: { op: "call", function: "sum", args: [{ op: "input", index: 0 }], passing: ["share"] },
      },
    ],
    outputs: [{ name: "sum", from: { kind: "stage", stage: 1, take: "value" } }],
    about: { file: "", entry: "", schedule: null, doc: null, stages: {}, functions: {}, params: {}, outputs: {}, onTheWay: [] },
  };
  const begun = performance.now();
  await using engine = await localEngine({ slots: 2 });
  const started = performance.now();
  const { outputs, error } = await engine.run(plan, code, { params: {} });
  if (error) throw new Error(error.message);
  const done = performance.now();
  return { startMs: started - begun, taskMs: done - started, sum: Number(outputs.sum), expected: (length * (length - 1)) / 2 };
}

/** A server says who it is before it is asked. */
function natsAt(url: string): Promise<{ readonly version: string; readonly jetstream: boolean }> {
  const { hostname, port } = new URL(url.includes("://") ? url : `nats://${url}`);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port || 4222) });
    let text = "";
    const end = (then: () => void) => {
      socket.destroy();
      then();
    };
    socket.setTimeout(PATIENCE_MS, () => end(() => reject(new Error(`nothing was said for ${PATIENCE_MS / 1000} s`))));
    socket.on("error", (error) => end(() => reject(error)));
    socket.on("close", () => reject(new Error("it hung up")));
    socket.on("data", (chunk) => {
      text += chunk.toString();
      const told = /^INFO (\{.*\})\s*\r\n/.exec(text);
      if (!told) {
        if (text.length > 65_536 || !"INFO ".startsWith(text.slice(0, 5))) end(() => reject(new Error("what answers there isn't NATS")));
        return;
      }
      const info: { version?: string; jetstream?: boolean } = JSON.parse(told[1]!);
      end(() => resolve({ version: info.version ?? "0", jetstream: info.jetstream === true }));
    });
  });
}

function kernel(): ReturnType<Machine["kernel"]> {
  const places = [userFolder(), ...(process.env.JUPYTER_PATH?.split(":") ?? []), "/usr/local/share/jupyter", "/usr/share/jupyter"];
  const folder = places.map((place) => join(place, "kernels", "headrace")).find((place) => existsSync(join(place, "kernel.json")));
  if (folder === undefined) return null;
  const { argv = [] }: { argv?: string[] } = JSON.parse(readFileSync(join(folder, "kernel.json"), "utf8"));
  return { folder, missing: argv.filter((path) => isAbsolute(path) && !existsSync(path)) };
}

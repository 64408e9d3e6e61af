// What a machine and a project need for Headrace to work, and what is likely wrong with them: a line for each, with the way to mend it.
// Knows the checks; all that it asks is asked of a `Machine`, so that tests can have broken ones.
import { existsSync, mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ProjectConfig } from "../compiler/1-read/typescript-config.ts";

export interface Finding {
  readonly check: string;
  readonly status: "ok" | "warn" | "fail";
  readonly says: string;
  /** How to mend it; empty where nothing is wrong. */
  readonly fix: string;
}

export interface Machine {
  /** `v22.1.0`. */
  readonly node: string;
  readonly platform: string;
  /** The project. */
  readonly folder: string;
  readonly temp: string;
  readonly processors: number;
  readonly memoryBytes: { readonly total: number; readonly free: number };
  readonly terminal: { readonly columns: number | null; readonly colors: boolean };
  /** Packages of ours that can't be found, and files of ours that aren't there. */
  missing(): readonly string[];
  /** Reads types and builds code of a small program. Rejects where that can't be done. */
  compile(): Promise<{ readonly ms: number }>;
  /** Starts a host, and sends a task through it whose value another one reads without a copy. */
  roundTrip(): Promise<{ readonly startMs: number; readonly taskMs: number; readonly sum: number; readonly expected: number }>;
  config(): Promise<ProjectConfig | null>;
  /** The version of the server on the PATH. */
  natsOnPath(): string | null;
  /** What the server that was asked for says of itself; null: none was. */
  readonly natsUrl: string | null;
  natsAt(url: string): Promise<{ readonly version: string; readonly jetstream: boolean }>;
  /** Paths that the installed kernel starts, and whether they are there; null: none is installed. */
  kernel(): { readonly folder: string; readonly missing: readonly string[] } | null;
}

const OLDEST_NODE = [20, 19] as const;
const GOOD_NATS = [2, 12] as const;
const GIB = 2 ** 30;
const LITTLE_DISK = GIB;
const LITTLE_MEMORY = GIB / 2;

export async function diagnose(machine: Machine): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const check of [node, installed, compiles, runs, processors, memory, cache, temp, terminal, config, nats, natsServer, kernel])
    findings.push(...(await check(machine)));
  return findings;
}

const ok = (check: string, says: string): Finding[] => [{ check, status: "ok", says, fix: "" }];
const warn = (check: string, says: string, fix: string): Finding[] => [{ check, status: "warn", says, fix }];
const fail = (check: string, says: string, fix: string): Finding[] => [{ check, status: "fail", says, fix }];
const words = (error: unknown) => (error instanceof Error ? error.message : String(error)).split("\n")[0]!;
const older = (version: string, [major, minor]: readonly [number, number]) => {
  const [a = 0, b = 0] = version.replace(/^v/, "").split(".").map(Number);
  return a < major || (a === major && b < minor);
};
const seconds = (ms: number) => `${(ms / 1000).toFixed(ms < 100 ? 3 : 1)} s`;
const gib = (bytes: number) => `${(bytes / GIB).toFixed(1)} GiB`;

function node({ node: version, platform }: Machine): Finding[] {
  if (platform === "win32") return fail("node", `${version} on Windows: hosts need a Unix`, "run it in WSL");
  if (older(version, OLDEST_NODE))
    return fail("node", `${version} is older than ${OLDEST_NODE.join(".")}`, "install Node 22: https://nodejs.org");
  return ok("node", `${version} on ${platform}`);
}

function installed(machine: Machine): Finding[] {
  const missing = machine.missing();
  return missing.length === 0
    ? ok("package", "all of it is there")
    : fail(
        "package",
        `${missing.join(", ")} ${missing.length === 1 ? "is" : "are"} missing`,
        "npm install headrace, without --omit=optional and --ignore-scripts",
      );
}

async function compiles(machine: Machine): Promise<Finding[]> {
  try {
    const { ms } = await machine.compile();
    return ok("compiler", `read types and built code in ${seconds(ms)}`);
  } catch (error) {
    return fail("compiler", words(error), "npm rebuild esbuild, or install anew on this very kind of machine");
  }
}

async function runs(machine: Machine): Promise<Finding[]> {
  try {
    const { startMs, taskMs, sum, expected } = await machine.roundTrip();
    const host = ok("host", `started in ${seconds(startMs)}, two tasks in ${seconds(taskMs)}`);
    return sum === expected
      ? [...host, ...ok("shared memory", "a value was read by another task as it was written")]
      : [...host, ...fail("shared memory", `a value arrived as another: ${sum} for ${expected}`, "please report it")];
  } catch (error) {
    return fail("host", words(error), "can this user start processes and threads? `ulimit -u` and `ulimit -v` say how many and how large");
  }
}

function processors({ processors: count }: Machine): Finding[] {
  if (count > 1) return ok("slots", `${count}, one a processor`);
  return warn("slots", "one processor: nothing will run side by side", "give the container more, or use workers: headrace worker --help");
}

function memory({ memoryBytes: { total, free } }: Machine): Finding[] {
  const says = `${gib(free)} free of ${gib(total)}`;
  return free < LITTLE_MEMORY ? warn("memory", says, "end other programs, or run with fewer --slots") : ok("memory", says);
}

function cache({ folder }: Machine): Finding[] {
  const place = join(folder, ".headrace");
  const isNew = !existsSync(place);
  try {
    mkdirSync(place, { recursive: true });
    const probe = mkdtempSync(join(place, "doctor-"));
    writeFileSync(join(probe, "probe"), "");
    rmSync(probe, { recursive: true });
  } catch (error) {
    return fail("cache", `${place} can't be written to: ${words(error)}`, `make it a folder that this user may write to`);
  }
  const { bavail, bsize } = statfsSync(place);
  // A check leaves nothing behind.
  if (isNew) rmSync(place, { recursive: true });
  const says = `${place}, ${gib(bavail * bsize)} free`;
  return bavail * bsize < LITTLE_DISK ? warn("cache", says, `free some space; ${place} may be deleted`) : ok("cache", says);
}

function temp({ temp: place }: Machine): Finding[] {
  try {
    rmSync(mkdtempSync(join(place, "headrace-doctor-")), { recursive: true });
    return ok("temp", place);
  } catch (error) {
    return fail("temp", `${place} can't be written to: ${words(error)}`, "set TMPDIR to a folder that can");
  }
}

function terminal({ terminal: { columns, colors } }: Machine): Finding[] {
  if (columns === null) return ok("terminal", "none: plain text, as wide as it is");
  const says = `${columns} columns, ${colors ? "with" : "without"} colours`;
  return columns < 80 ? warn("terminal", says, "80 columns and more show tables whole") : ok("terminal", says);
}

async function config(machine: Machine): Promise<Finding[]> {
  let found: Awaited<ReturnType<Machine["config"]>>;
  try {
    found = await machine.config();
  } catch (error) {
    return fail("tsconfig", words(error), "see `compiler` above");
  }
  if (!found) return warn("tsconfig", "none from here upward: editors guess", "headrace init FOLDER writes one to start from");
  const { file, errors, strict, resolution, typescriptEndings, findsHeadrace } = found;
  if (errors.length > 0) return fail("tsconfig", `${file}: ${errors[0]}`, "mend it, or begin with the one that headrace init writes");
  const wrong: Finding[] = [];
  if (!strict) wrong.push(...warn("tsconfig", `${file} isn't strict, as the compiler is`, '"strict": true'));
  if (resolution === "classic" || resolution === "node10")
    wrong.push(
      ...warn(
        "tsconfig",
        `${file} resolves modules as ${resolution} does, which doesn't know \`exports\``,
        '"module": "preserve", "moduleResolution": "bundler"',
      ),
    );
  if (!typescriptEndings)
    wrong.push(
      ...warn(
        "tsconfig",
        `${file} doesn't allow imports of "./stages.ts" by that name`,
        '"allowImportingTsExtensions": true, "noEmit": true',
      ),
    );
  if (!findsHeadrace) wrong.push(...warn("tsconfig", `the types of headrace aren't found from ${machine.folder}`, "npm install headrace"));
  return wrong.length > 0 ? wrong : ok("tsconfig", `${file}, strict`);
}

function nats(machine: Machine): Finding[] {
  const version = machine.natsOnPath();
  if (version === null) return ok("nats-server", "none on the PATH; only runs on many machines need one, somewhere");
  return older(version, GOOD_NATS)
    ? warn(
        "nats-server",
        `${version} is older than ${GOOD_NATS.join(".")}, which is tested`,
        "https://github.com/nats-io/nats-server/releases",
      )
    : ok("nats-server", version);
}

async function natsServer(machine: Machine): Promise<Finding[]> {
  const url = machine.natsUrl;
  if (url === null) return [];
  try {
    const { version, jetstream } = await machine.natsAt(url);
    const says = `${version} at ${url}, ${jetstream ? "with" : "without"} JetStream`;
    return older(version, GOOD_NATS) ? warn("nats", says, `update it to ${GOOD_NATS.join(".")} or newer`) : ok("nats", says);
  } catch (error) {
    return fail("nats", `no NATS server answers at ${url}: ${words(error)}`, "is it started, and is its port open from here?");
  }
}

function kernel(machine: Machine): Finding[] {
  const found = machine.kernel();
  if (!found) return ok("jupyter", "no kernel is installed; headrace kernel install does it");
  return found.missing.length === 0
    ? ok("jupyter", found.folder)
    : warn("jupyter", `${found.folder} starts ${found.missing.join(", ")}, which isn't there`, "headrace kernel install");
}

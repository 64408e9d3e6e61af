// A secret in a run that goes wrong in every way it can: whatever is written anywhere is searched for it.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";

const cli = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const SECRET = 'hunter2-"quoted"\\and\\more';
/** Without what JSON escapes, which is enough to know it by. */
const CORE = "hunter2";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "headrace-secrets-"));
  writeFileSync(
    join(folder, "main.pipe"),
    `import { resource connect, resource refuse, load, use } from "./store.ts"
param apiToken: secret           /// of the store
param fail: bool = false
pipeline main() -> { total: float } {
  let store = connect(apiToken)
  let rows = load(8) |> map(r => use(store, r))
  let total = rows |> map(r => if fail { use(refuse(apiToken), 1) } else { r }) |> sum
  { total }
}
`,
  );
  writeFileSync(
    join(folder, "store.ts"),
    `import type { int, Secret } from "headrace";
export interface Store { length: number }
export async function connect(token: Secret): Promise<Store> {
  console.log("connecting with", token);
  console.error({ token });
  console.log(JSON.stringify({ token }));
  console.log("variable", process.env.HEADRACE_SECRET_API_TOKEN ?? "hidden");
  console.log("credentials", process.env.HEADRACE_CREDS ?? "hidden");
  return { length: token.length };
}
export function refuse(token: Secret): Store { throw new Error("401 for " + token, { cause: new Error("because of " + token) }); }
export function load(n: int): int[] { return Array.from({ length: n }, (_, i) => i as int); }
export function use(store: Store, row: int): float { return store.length + row; }
type float = number;
`,
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

function run(...args: string[]) {
  const env = { ...process.env, HEADRACE_SECRET_API_TOKEN: SECRET, HEADRACE_CREDS: "some.creds" };
  return spawnSync(process.execPath, [cli, ...args], { cwd: folder, encoding: "utf8", env });
}

/** Every file below the folder, but for the program itself. */
function written(below: string): string {
  return readdirSync(below, { recursive: true, encoding: "utf8" })
    .filter((path) => statSync(join(below, path)).isFile())
    .map((path) => readFileSync(join(below, path), "utf8"))
    .join("\n");
}

it.each([[], ["--json"]])("a run that fails tells everything but the secret (%s)", (...flags) => {
  const { stdout, stderr, status } = run("run", "main.pipe", "--fail", ...flags);
  expect(status).toBe(1);
  const said = stdout + stderr;
  expect(said).toContain("401 for [secret apiToken]");
  expect(said).toContain("because of [secret apiToken]");
  expect(said).toContain("connecting with [secret apiToken]");
  // User code is handed it, and doesn't find it elsewhere.
  expect(said).toContain("variable hidden");
  expect(said).toContain("credentials hidden");
  expect(said).not.toContain(CORE);
  expect(written(folder)).not.toContain(CORE);
});

it("a run that succeeds, its plan and its bundle", () => {
  const { stdout, stderr, status } = run("run", "main.pipe", "--json");
  expect(status).toBe(0);
  expect(JSON.parse(stdout.trim().split("\n").pop()!).outputs.total).toBe(8 * SECRET.length + 28);
  expect(JSON.parse(stdout.split("\n")[0]!).params.apiToken).toBe("[secret apiToken]");
  const plan = run("plan", "main.pipe", "--json");
  const bundle = run("build", "main.pipe", "-o", "out.mjs");
  for (const text of [stdout, stderr, plan.stdout, plan.stderr, bundle.stdout, written(folder)]) expect(text).not.toContain(CORE);
});

it("a file gives one too, without its line end; help says how", () => {
  const other = mkdtempSync(join(tmpdir(), "headrace-secrets-"));
  writeFileSync(join(other, "token"), "abc\n");
  const { stdout, status } = run("run", "main.pipe", "--json", "--apiToken-file", join(other, "token"));
  rmSync(other, { recursive: true });
  expect(status).toBe(0);
  expect(JSON.parse(stdout.trim().split("\n").pop()!).outputs.total).toBe(8 * 3 + 28);
  expect(run("run", "main.pipe", "--help").stdout).toMatch(/--apiToken-file FILE .*HEADRACE_SECRET_API_TOKEN/);
  expect(run("run", "main.pipe", "--apiToken", "abc").stderr).toContain("error[HR608]");
  expect(run("run", "main.pipe", "--apiToken-file", "nowhere").stderr).toContain("`nowhere` can't be read (ENOENT)");
});

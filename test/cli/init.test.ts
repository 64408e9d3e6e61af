// A new project in either language, from the package as npm packs it: runs, checks, and type-checks with plain `tsc`; nothing that stands
// is written over.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
let folder: string;
let cli: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "headrace-init-"));
  // Without scripts: `dist` is being used by other tests.
  const packed = execFileSync("npm", ["pack", "--ignore-scripts", "--silent", "--pack-destination", folder], {
    cwd: root,
    encoding: "utf8",
  });
  const modules = join(folder, "node_modules");
  mkdirSync(join(modules, "headrace"), { recursive: true });
  execFileSync("tar", ["-xzf", join(folder, packed.trim().split("\n").at(-1)!), "-C", join(modules, "headrace"), "--strip-components=1"]);
  const { dependencies }: { dependencies: Record<string, string> } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  for (const name of Object.keys(dependencies)) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(root, "node_modules", name), join(modules, name), "junction");
  }
  cli = join(modules, "headrace", "dist", "cli", "main.js");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function headrace(cwd: string, ...args: string[]) {
  return spawnSync(process.execPath, [cli, ...args], { cwd, encoding: "utf8", env: { ...process.env, NO_COLOR: "1" } });
}

it.each([
  ["pipe", "penguins.pipe", []],
  ["typescript", "penguins.pipeline.ts", ["--typescript"]],
] as const)(
  "a project in %s",
  (name, program, flags) => {
    const { status, stdout } = headrace(folder, "init", name, ...flags);
    expect(status).toBe(0);
    expect(stdout).toBe(`cd ${name} && npm install && npx headrace run ${program}\n`);
    const project = join(folder, name);
    expect(readdirSync(project).sort()).toEqual(
      [".gitignore", "README.md", "package.json", "penguins.json", "penguins.ts", program, "tsconfig.json"].sort(),
    );
    expect(readFileSync(join(project, ".gitignore"), "utf8")).toContain(".headrace/");
    expect(JSON.parse(readFileSync(join(project, "package.json"), "utf8"))).toMatchObject({
      name,
      type: "module",
      dependencies: { headrace: expect.any(String) },
    });
    expect(headrace(project, "check", program)).toMatchObject({ status: 0, stdout: "" });
    const run = headrace(project, "run", program);
    expect(run.status).toBe(0);
    // Half of the penguins would be right for one who always says the most frequent species.
    const accuracy = Number(/^accuracy +(0\.\d+)$/m.exec(run.stdout)![1]);
    expect(accuracy).toBeGreaterThan(0.95);
    expect(headrace(project, "run", program).stdout).toBe(run.stdout);
    const tsc = spawnSync(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "--noEmit"], {
      cwd: project,
      encoding: "utf8",
    });
    expect(tsc.stdout).toBe("");
    // Mistakes are found there, too.
    writeFileSync(join(project, "wrong.ts"), 'import { start } from "./penguins.ts";\nexport const wrong: string = start();\n');
    expect(
      spawnSync(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "--noEmit"], { cwd: project, encoding: "utf8" })
        .stdout,
    ).toContain("TS2322");
  },
  120_000,
);

it("both languages are one program", () => {
  const hash = (file: string) => JSON.parse(headrace(folder, "plan", file, "--json").stdout).hash;
  expect(hash("pipe/penguins.pipe")).toBe(hash("typescript/penguins.pipeline.ts"));
});

it("keeps what belongs to any project, and writes nothing where its own files are in the way", () => {
  const here = join(folder, "here");
  mkdirSync(here);
  writeFileSync(join(here, "package.json"), "{}\n");
  const kept = headrace(here, "init");
  expect(kept.status).toBe(0);
  expect(kept.stderr).toContain("kept     package.json");
  expect(readFileSync(join(here, "package.json"), "utf8")).toBe("{}\n");

  const there = join(folder, "there");
  mkdirSync(there);
  writeFileSync(join(there, "penguins.ts"), "mine\n");
  const refused = headrace(folder, "init", "there");
  expect([refused.status, refused.stdout]).toEqual([3, ""]);
  expect(refused.stderr).toContain("`there/penguins.ts` is in the way: nothing has been written");
  expect(readdirSync(there)).toEqual(["penguins.ts"]);
  expect(readFileSync(join(there, "penguins.ts"), "utf8")).toBe("mine\n");
  expect(headrace(folder, "init", "--typscript").stderr).toContain("help: --typescript");
  expect(existsSync(join(folder, "penguins.ts"))).toBe(false);
});

// What the compiler says of whole programs: messages by code, checks of programs with several problems, plans.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import type { CompileOptions } from "../../compiler/compile.ts";
import { catalogue } from "../../lang/diagnostics.ts";
import type { GoldenCase } from "../harness/golden.ts";
import { expectedText, golden, goldenCases, goldenKinds } from "../harness/golden.ts";
import { compileFiles, foldedJson, shown } from "../harness/programs.ts";

/** `options.json` holds what the command line would say; the program is the first file called `main` or else the only one of the case. */
async function compileCase({ files, own }: GoldenCase) {
  const options: CompileOptions = files["options.json"] ? JSON.parse(files["options.json"]) : {};
  const main = ["main.pipe", "main.pipeline.ts"].find((name) => own[name] !== undefined) ?? Object.keys(own)[0]!;
  return compileFiles(files, main, options);
}

golden("errors", async (one) => {
  if (one.own["command.txt"] !== undefined) return onCommandLine(one, one.own["command.txt"]);
  return shown(await compileCase(one), one.files);
});

golden("check", async (one) => {
  const compiled = await compileCase(one);
  const stages = compiled.plan?.stages.map(({ id }) => `${id}: ${compiled.plan!.about.stages[id]!.type}`) ?? [];
  return [shown(compiled, one.files), stages.length > 0 ? stages.join("\n") : "no plan"].filter((part) => part !== "").join("\n");
});

golden("plan", async (one) => {
  const compiled = await compileCase(one);
  if (!compiled.plan) return shown(compiled, one.files);
  // Digests of code are tested with the code; here they would only say that a bundler changed.
  const { name, params, stages, outputs, about } = compiled.plan;
  const why = Object.fromEntries(Object.entries(about.stages).map(([id, stage]) => [id, `${stage.type}, ${stage.why}`]));
  return [shown(compiled, one.files), foldedJson({ name, params, stages, outputs, why })].filter((part) => part !== "").join("\n");
});

it("every kind of golden folder has its test", () => {
  expect(goldenKinds()).toEqual(["check", "errors", "parse", "plan"].filter((kind) => goldenKinds().includes(kind)));
});

it("every message has a case", () => {
  const said = new Set<string>();
  for (const kind of goldenKinds())
    for (const { name } of goldenCases(kind))
      for (const [, code] of (expectedText(kind, name) ?? "").matchAll(/^(?:error|warning|remark)\[(HR\d+)\]/gm)) said.add(code!);
  expect(Object.keys(catalogue).filter((code) => !said.has(code))).toEqual([]);
});

/** Messages of the command line are made by it: the built one runs the case's command in a folder of its own. */
function onCommandLine(one: GoldenCase, command: string): string {
  const folder = mkdtempSync(join(tmpdir(), "headrace-golden-"));
  try {
    for (const [path, text] of Object.entries(one.files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
    const steps = command.trim().split("\n");
    for (const step of steps.slice(0, -1)) execFileSync(process.execPath, [main, ...step.split(" ")], { cwd: folder, stdio: "pipe" });
    const last = steps[steps.length - 1]!.split(" ");
    const ended = spawnSync(process.execPath, last[0]!.endsWith(".mjs") ? last : [main, ...last], { cwd: folder, encoding: "utf8" });
    return `${ended.stderr}exit ${ended.status}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

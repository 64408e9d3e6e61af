// `headrace build FILE -o OUT.mjs`: the program and all it needs in one file.
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { writeBundle } from "../../compiler/bundle.ts";
import { compile } from "../../compiler/compile.ts";
import type { CodeStore, Plan } from "../../compiler/plan.ts";
import { nodeSources } from "../../compiler/sources.ts";
import { report } from "../../lang/diagnostics.ts";
import type { Flag } from "../flags.ts";
import { describeFlags, readArguments } from "../flags.ts";
import { printProblems } from "../problems.ts";
import { isProblem, oneTarget } from "../program.ts";

const flags: readonly Flag[] = [{ name: "output", short: "o", value: "FILE", summary: "where to write it" }];

export const help = `Writes FILE, the plans of all its schedules, its code and the runtime into one file, which Node runs in any folder:

    headrace build digits.pipe -o digits.mjs
    node digits.mjs --lr 0.2

${describeFlags(flags)}
`;

export async function run(argv: readonly string[]): Promise<number> {
  const given = readArguments(argv, flags);
  const target = oneTarget(given, "build");
  const output = given.flags.get("output");
  const problems = [...given.problems];
  if (isProblem(target)) problems.push(target);
  else if (typeof output !== "string")
    problems.push(
      report("HR605", { what: "`headrace build` needs `-o OUT.mjs`" }, [], {
        help: `headrace build ${target.file} -o ${target.file.replace(/^.*\//, "").replace(/\..*$/, "")}.mjs`,
      }),
    );
  else if (!output.endsWith(".mjs"))
    problems.push(
      report("HR605", { what: `\`${output}\` has to end in \`.mjs\`: Node reads it as an ES module` }, [], { help: `-o ${output}.mjs` }),
    );
  if (problems.length > 0 || isProblem(target) || typeof output !== "string") {
    printProblems(problems, () => null);
    return 3;
  }

  const sources = nodeSources();
  const read = (file: string) => sources.read(file);
  const auto = await compile(target.file, { sources, entry: target.entry });
  printProblems(auto.diagnostics, read);
  if (!auto.plan) return 3;
  const plans: Record<string, Plan> = { auto: auto.plan };
  const code: Record<string, CodeStore[string]> = { ...auto.code };
  for (const schedule of auto.schedules) {
    const compiled = await compile(target.file, { sources, entry: target.entry, schedule });
    if (compiled.plan) {
      plans[schedule] = compiled.plan;
      Object.assign(code, compiled.code);
    } else {
      const why = compiled.diagnostics.find(({ severity }) => severity === "error")?.message;
      process.stderr.write(`the schedule \`${schedule}\` is left out: ${why}\n`);
    }
  }
  // By the package's own name: built files don't all lie at the same depth.
  const root = dirname(createRequire(import.meta.url).resolve("headrace/package.json"));
  writeFileSync(output, writeBundle(readFileSync(join(root, "dist", "standalone.js"), "utf8"), { plans, code }));
  chmodSync(output, 0o755);
  return 0;
}

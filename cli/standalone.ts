// What a bundle does when it runs: it is command line, host and slot in one file, with its program behind its code.
import { readFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { readBundle } from "../compiler/bundle.ts";
import { startedAsHost } from "../runtime/index.ts";
import { execute, runFlags } from "./execute.ts";
import { describeFlags } from "./flags.ts";
import { homeIn, NOWHERE } from "./home.ts";
import { programHelp } from "./invocation.ts";
import { finish } from "./process.ts";

async function main(file: string, argv: readonly string[]): Promise<number> {
  const program = readBundle(readFileSync(file, "utf8"));
  if (!program) {
    process.stderr.write("headrace: this file holds no program; `headrace build FILE -o OUT.mjs` makes one that does\n");
    return 2;
  }
  if (argv.includes("--help") || argv.includes("-h")) {
    const plan = program.plans.auto!;
    process.stdout.write(
      `Usage: node ${basename(file)} [--PARAM VALUE …]\n\n${plan.about.doc ? `${plan.about.doc}\n\n` : ""}${describeFlags(runFlags)}\n${programHelp(plan, runFlags)}`,
    );
    return 0;
  }
  // Files that are defaults lie beside the bundle, as they did beside the program.
  // What is sent somewhere to run leaves nothing there, unless told where.
  const home = process.env.HEADRACE_CACHE ? { ...homeIn(), runs: null } : NOWHERE;
  return execute(program, argv, { folder: dirname(file), home });
}

const file = fileURLToPath(import.meta.url);
if (!startedAsHost(file)) finish(main(file, process.argv.slice(2)));

// `headrace cache size | prune`: how much room kept results take, and making some.
import { report } from "../../lang/diagnostics.ts";
import { nearest } from "../../lang/suggest.ts";
import { pruneStore, storeSize } from "../../runtime/index.ts";
import type { Flag } from "../flags.ts";
import { describeFlags, readArguments } from "../flags.ts";
import { homeIn } from "../home.ts";
import { printProblems } from "../problems.ts";
import { bytesText, readBytes } from "../sizes.ts";

const KEEP = "1GB";
const flags: readonly Flag[] = [
  { name: "keep", value: "SIZE", summary: `what was used last stays, up to this much (default: ${KEEP}); 0 removes everything` },
];

export const help = `    headrace cache size     how much room the results of earlier runs take
    headrace cache prune    removes those that were used least recently

They lie in .headrace/results, or where HEADRACE_CACHE says; \`HEADRACE_CACHE=off\` keeps none. A run removes what is beyond
HEADRACE_CACHE_LIMIT (default: 10GB) itself. Removing them costs time, never a result.

${describeFlags(flags)}
`;

export async function run(argv: readonly string[]): Promise<number> {
  const given = readArguments(argv, flags);
  const [what, ...more] = given.operands;
  const problems = [...given.problems];
  if (what !== "size" && what !== "prune") {
    const near = what === undefined ? null : nearest(what, ["size", "prune"]);
    problems.push(report("HR605", { what: "`headrace cache` does `size` or `prune`" }, [], { help: `headrace cache ${near ?? "size"}` }));
  }
  if (more.length > 0) problems.push(report("HR605", { what: `\`${more[0]}\` is one argument too many` }, []));
  const size = String(given.flags.get("keep") ?? KEEP);
  const keepBytes = readBytes(size);
  if (keepBytes === null)
    problems.push(report("HR602", { flag: "--keep", wants: "a size such as `500MB`", given: size }, [], { help: `--keep ${KEEP}` }));
  if (problems.length > 0 || keepBytes === null) {
    printProblems(problems, () => null);
    return 3;
  }
  const { results } = homeIn();
  if (results === null) {
    process.stdout.write("no results are kept: HEADRACE_CACHE is `off`\n");
    return 0;
  }
  if (what === "prune") {
    const removed = pruneStore(results, keepBytes);
    process.stdout.write(`removed ${bytesText(removed.bytes)} in ${removed.segments} files\n`);
  }
  const left = storeSize(results);
  process.stdout.write(`${bytesText(left.bytes)} in ${left.segments} files in ${results}\n`);
  return 0;
}

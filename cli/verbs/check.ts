// `headrace check FILE …`: every problem, and nothing is run.
import { writeFileSync } from "node:fs";
import { check } from "../../compiler/compile.ts";
import { addAll } from "../../compiler/findings.ts";
import type { Sources } from "../../compiler/sources.ts";
import { absolutePath, nodeSources } from "../../compiler/sources.ts";
import type { Diagnostic } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import { mend } from "../../lang/fix.ts";
import type { Flag } from "../flags.ts";
import { describeFlags, readArguments } from "../flags.ts";
import { printProblems } from "../problems.ts";
import { diagnosticsJson, readTarget } from "../program.ts";

const flags: readonly Flag[] = [
  { name: "json", value: null, summary: "problems on stdout as JSON" },
  { name: "schedule", value: "NAME", summary: "as it would run under that schedule" },
  { name: "fix", value: null, summary: "mend what can be mended mechanically, then say what is left" },
];

/** A mend may bring out what it hid; a program that is never done is told as it is. */
const FIX_ROUNDS = 10;

export const help = `Reports every problem of each FILE without running anything. Prints nothing where all is well.\n\n${describeFlags(flags)}\n`;

/** Applies the fixes, file by file; gives how many. */
function applyFixes(diagnostics: readonly Diagnostic[], sources: Sources): number {
  const byFile = new Map<string, NonNullable<Diagnostic["fix"]>[]>();
  for (const { fix } of diagnostics) if (fix) byFile.set(fix.span.file, [...(byFile.get(fix.span.file) ?? []), fix]);
  let count = 0;
  for (const [file, fixes] of byFile) {
    const text = sources.read(file);
    // Bytes that are no text would be lost when it is written again.
    if (text === null || text.includes("\ufffd")) continue;
    const { text: right, mended } = mend(text, fixes);
    count += mended;
    writeFileSync(absolutePath(sources.root, file), right);
  }
  return count;
}

export async function run(argv: readonly string[]): Promise<number> {
  const given = readArguments(argv, flags);
  const problems = [...given.problems];
  if (given.operands.length === 0)
    problems.push(report("HR605", { what: "`headrace check` needs a FILE" }, [], { help: "headrace check FILE" }));
  const sources = nodeSources();
  const schedule = given.flags.get("schedule");
  const checkAll = async () => {
    const found: Diagnostic[] = [];
    for (const operand of given.operands) {
      const { file, entry } = readTarget(operand);
      const { diagnostics } = await check(file, { sources, entry, ...(typeof schedule === "string" ? { schedule } : {}) });
      addAll(found, diagnostics);
    }
    return found;
  };
  if (problems.length === 0) {
    let found = await checkAll();
    if (given.flags.has("fix")) {
      let mended = 0;
      for (let round = 0; round < FIX_ROUNDS; round++) {
        const now = applyFixes(found, sources);
        if (now === 0) break;
        mended += now;
        found = await checkAll();
      }
      if (mended > 0) process.stderr.write(`mended ${mended === 1 ? "one place" : `${mended} places`}\n`);
    }
    addAll(problems, found);
  }
  if (given.flags.has("json")) process.stdout.write(`${JSON.stringify(diagnosticsJson(problems, sources))}\n`);
  else printProblems(problems, (file) => sources.read(file));
  return problems.some(({ severity }) => severity === "error") ? 3 : 0;
}

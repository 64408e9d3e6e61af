// `headrace fmt FILE …`: canonical text, or with `--check` whether it is.
import { readFileSync, writeFileSync } from "node:fs";
import type { Diagnostic } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import { format } from "../../lang/format.ts";
import { parse } from "../../lang/parse.ts";
import type { Flag } from "../flags.ts";
import { describeFlags, readArguments } from "../flags.ts";
import { printProblems } from "../problems.ts";

const flags: readonly Flag[] = [{ name: "check", value: null, summary: "write nothing; exit 1 where a file isn't formatted" }];

export const help = `Gives each .pipe FILE its canonical indentation and spaces. Lines and comments stay where they are. A file with errors is left alone.

${describeFlags(flags)}
`;

export async function run(argv: readonly string[]): Promise<number> {
  const given = readArguments(argv, flags);
  const problems: Diagnostic[] = [...given.problems];
  if (given.operands.length === 0)
    problems.push(report("HR605", { what: "`headrace fmt` needs a FILE" }, [], { help: "headrace fmt FILE" }));
  for (const file of given.operands)
    if (!file.endsWith(".pipe")) problems.push(report("HR605", { what: `\`${file}\` is no .pipe file` }, []));
  if (problems.length > 0) {
    printProblems(problems, () => null);
    return 3;
  }
  const check = given.flags.has("check");
  let code = 0;
  for (const file of given.operands) {
    let text: string;
    try {
      text = readFileSync(file, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      printProblems([report("HR501", { file }, [])], () => null);
      code = 3;
      continue;
    }
    const errors = parse(text, file).diagnostics.filter(({ severity }) => severity === "error");
    if (errors.length > 0) {
      printProblems(errors, () => text);
      code = 3;
      continue;
    }
    const formatted = format(text);
    if (formatted === text) continue;
    if (check) {
      process.stdout.write(`${file}\n`);
      code ||= 1;
    } else {
      writeFileSync(file, formatted);
      process.stderr.write(`formatted ${file}\n`);
    }
  }
  return code;
}

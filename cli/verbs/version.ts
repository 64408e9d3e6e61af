// `headrace version`.
import { readOperands } from "../flags.ts";
import { packageVersion } from "../package.ts";
import { printProblems } from "../problems.ts";

export const help = "Prints the version of this package.\n";

export async function run(argv: readonly string[]): Promise<number> {
  const { problems } = readOperands(argv, 0);
  if (problems.length > 0) {
    printProblems(problems, () => null);
    return 3;
  }
  process.stdout.write(`${packageVersion()}\n`);
  return 0;
}

// `headrace version`.
import { packageVersion } from "../package.ts";

export const help = "Prints the version of this package.\n";

export async function run(): Promise<number> {
  process.stdout.write(`${packageVersion()}\n`);
  return 0;
}

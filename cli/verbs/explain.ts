// `headrace explain CODE`: a page of the catalogue.
import type { Code } from "../../lang/diagnostics.ts";
import { catalogue } from "../../lang/diagnostics.ts";
import { explanation } from "../../lang/examples.ts";
import { nearest } from "../../lang/suggest.ts";
import { readOperands } from "../flags.ts";
import { printProblems } from "../problems.ts";
import { painter, wantsColor } from "../terminal.ts";

export const help = "Says what a message means, why it is so, and how it is mended. Without a code: the list of all codes.\n";

export async function run(argv: readonly string[]): Promise<number> {
  const paint = painter(wantsColor(process.stdout));
  const { operands, problems } = readOperands(argv, 1);
  if (problems.length > 0) {
    printProblems(problems, () => null);
    return 3;
  }
  const asked = operands[0]?.toUpperCase();
  if (asked === undefined) {
    for (const [code, entry] of Object.entries(catalogue))
      process.stdout.write(`${paint("bold", code)}  ${entry.severity.padEnd(7)}  ${entry.title}\n`);
    return 0;
  }
  const code = (Object.keys(catalogue) as Code[]).find((one) => one === asked);
  if (!code) {
    const near = nearest(asked, Object.keys(catalogue));
    process.stderr.write(`headrace: there is no message ${asked}\n  help: headrace explain${near ? ` ${near}` : ""}\n`);
    return 3;
  }
  process.stdout.write(`${paint("bold", `${catalogue[code].severity} ${code}`)}: ${catalogue[code].title}\n\n${explanation(code)}\n`);
  return 0;
}

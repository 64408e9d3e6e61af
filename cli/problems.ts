// Diagnostics as a person at a terminal reads them, on stderr. Apart from `execute.ts`, so that verbs that run nothing don't load the
// runtime.
import type { Diagnostic } from "../lang/diagnostics.ts";
import { render } from "../lang/render.ts";
import { wantsColor } from "./terminal.ts";

/** `read` gives the text of a file that frames point into; null leaves the frame out. */
export function printProblems(problems: readonly Diagnostic[], read: (file: string) => string | null): void {
  if (problems.length > 0) process.stderr.write(`${render(problems, read, { color: wantsColor(process.stderr) }).trimEnd()}\n`);
}

// A program as one runnable file: the runtime's own code, then plans and slices behind it. The same bytes every time. Knows how the
// file is laid out, not what is in it.
import type { CodeStore, Plan } from "./plan.ts";

/** What a bundle runs: a plan for each schedule, and the code of them all. */
export interface Program {
  readonly plans: Readonly<Record<string, Plan>>;
  readonly code: CodeStore;
}

// In a comment, so that JavaScript skips over it: the code of a data set can be megabytes, and every slot reads this file.
const MARK = "\n//# headrace-program=";

/** `standalone` is the built `dist/standalone.js`. */
export function writeBundle(standalone: string, program: Program): string {
  // These two end a line in JavaScript, but not in JSON.
  const json = JSON.stringify(program).replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");
  const code = standalone.replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n");
  return `${code.startsWith("#!") ? "" : "#!/usr/bin/env node\n"}${code}${MARK}${json}\n`;
}

/** The program in a bundle's text; null where there is none. */
export function readBundle(text: string): Program | null {
  const at = text.lastIndexOf(MARK);
  return at < 0 ? null : (JSON.parse(text.slice(at + MARK.length)) as Program);
}

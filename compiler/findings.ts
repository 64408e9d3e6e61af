// What the phases found, as it is told: each problem once, by file and place, without what follows from another. Knows places in
// texts; must not know what the problems are about.
import type { Span } from "../lang/ast.ts";
import type { Diagnostic } from "../lang/diagnostics.ts";
import type { Unread } from "../lang/recover.ts";
import type { AboutSpan } from "./plan.ts";
import type { Sources } from "./sources.ts";

export const hasError = (diagnostics: readonly Diagnostic[]): boolean => diagnostics.some(({ severity }) => severity === "error");

/** Any number of them: `push` takes no more than a stack holds. */
export function addAll<T>(into: T[], from: readonly T[]): void {
  for (const one of from) into.push(one);
}

/** By file and place, those without one first; each once. */
export function told(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  // What nobody reads says little where reading it may be what is wrong.
  const worth = hasError(diagnostics) ? diagnostics.filter(({ code }) => code !== "HR116") : diagnostics;
  const unique = [...new Map(worth.map((one) => [JSON.stringify([one.code, one.message, one.frames[0]?.span]), one])).values()];
  const place = (one: Diagnostic) => one.frames[0]?.span;
  return unique.sort((a, b) => {
    const [x, y] = [place(a), place(b)];
    if (!x || !y) return x ? 1 : y ? -1 : 0;
    return x.file === y.file ? x.start - y.start : x.file < y.file ? -1 : 1;
  });
}

/** What can't be known of text that the parser couldn't read: what stands in it, and the names that it was to give. */
export function withoutGuesses(
  found: readonly Diagnostic[],
  unread: readonly Unread[],
  textOf: (span: Span) => string | null,
): Diagnostic[] {
  return found.filter(({ code, frames: [frame] }) => {
    if (!frame) return true;
    if (unread.some(({ span }) => within(frame.span, span))) return false;
    if (!isAboutNames(code)) return true;
    const name = textOf(frame.span) ?? "";
    const given = code === "HR102" ? ["value"] : code === "HR103" ? ["function", "functions"] : ["functions"];
    return !unread.some(({ span, names, gives }) => span.file === frame.span.file && (names.has(name) || given.includes(gives ?? "")));
  });
}

const isAboutNames = (code: string): boolean => ["HR102", "HR103", "HR105"].includes(code);

const within = (at: Span, span: Span): boolean => at.file === span.file && at.start >= span.start && at.start <= span.end;

/** Line and column of places; each text is read and measured once. */
export function locator(sources: Sources): (span: Span) => AboutSpan | null {
  const starts = new Map<string, number[]>();
  return ({ file, start }) => {
    let lines = starts.get(file);
    if (!lines) {
      const text = sources.read(file);
      if (text === null) return null;
      lines = [0];
      for (let i = text.indexOf("\n"); i >= 0; i = text.indexOf("\n", i + 1)) lines.push(i + 1);
      starts.set(file, lines);
    }
    let low = 0;
    let high = lines.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (lines[middle]! <= start) low = middle;
      else high = middle - 1;
    }
    return { file, line: low + 1, column: start - lines[low]! + 1 };
  };
}

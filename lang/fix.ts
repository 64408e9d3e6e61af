// Mending a text by the edits that messages bring along. What is mended is what the edits say and nothing else. Must not know what
// the messages are about.
import type { Diagnostic } from "./diagnostics.ts";

type Fix = NonNullable<Diagnostic["fix"]>;

/** The text with all edits that lie apart from each other; the rest have their turn when the mended text is checked again. */
export function mend(text: string, fixes: readonly Fix[]): { readonly text: string; readonly mended: number } {
  const unique = [...new Map(fixes.map((fix) => [JSON.stringify([fix.span, fix.text]), fix])).values()];
  let mended = 0;
  let done = text;
  let before = Number.POSITIVE_INFINITY;
  for (const { span, text: put } of unique.sort((a, b) => b.span.start - a.span.start || b.span.end - a.span.end)) {
    // Two edits at one place might be two ways to mend the same.
    if (span.end > before || (span.start === span.end && span.start === before)) continue;
    done = done.slice(0, span.start) + put + done.slice(span.end);
    before = span.start;
    mended++;
  }
  return { text: done, mended };
}

// The one catalogue of what Headrace can say about a program: code, severity, message, explanation. Every message of the
// parser and the compiler is made by `report`, so text, `--json`, `explain` and `docs/errors.md` come from the same data.
// Rendering lives in `render.ts`.
import type { Span } from "./ast.ts";

export type Severity = "error" | "warning" | "remark";

export interface Frame {
  readonly span: Span;
  readonly label: string;
  /** The primary frame says where the problem is; secondary ones say why. */
  readonly role: "primary" | "secondary";
}

export interface Diagnostic {
  readonly code: Code;
  readonly severity: Severity;
  readonly message: string;
  /** The first frame is primary. Frames may lie in several files. Empty only where there is no text to show. */
  readonly frames: readonly Frame[];
  readonly help: string | null;
  /** A mechanical edit, for `check --fix` and editors. */
  readonly fix: { readonly span: Span; readonly text: string } | null;
}

interface Entry<P> {
  readonly severity: Severity;
  /** One line, for the table in `docs/errors.md`. */
  readonly title: string;
  readonly message: (parameters: P) => string;
  /** Markdown for `headrace explain CODE`: what it means, why it is so, a wrong program and its mend. */
  readonly explain: string;
}
const entry = <P>(e: Entry<P>): Entry<P> => e;

// HR0xx text, HR1xx names and declarations, HR2xx types and parts, HR3xx purity and ownership, HR4xx schedules and plans,
// HR5xx files and TypeScript, HR9xx not built yet.
export const catalogue = {
  HR001: entry<{ what: string }>({
    severity: "error",
    title: "text that the grammar has no place for",
    message: (p) => p.what,
    explain: "The parser met text that can't stand here.",
  }),
} as const;

export type Code = keyof typeof catalogue;
type ParametersOf<C extends Code> = (typeof catalogue)[C] extends Entry<infer P> ? P : never;

export function report<C extends Code>(
  code: C,
  parameters: ParametersOf<C>,
  frames: readonly Frame[],
  more: { help?: string; fix?: { span: Span; text: string } } = {},
): Diagnostic {
  const found = catalogue[code] as unknown as Entry<ParametersOf<C>>;
  return { code, severity: found.severity, message: found.message(parameters), frames, help: more.help ?? null, fix: more.fix ?? null };
}

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
// HR5xx files and TypeScript, HR6xx the command line, HR9xx not built yet.
export const catalogue = {
  HR001: entry<{ what: string }>({
    severity: "error",
    title: "text that the grammar has no place for",
    message: (p) => p.what,
    explain: "The parser met text that can't stand here.",
  }),
  // --- The command line ---
  HR601: entry<{ flag: string }>({
    severity: "error",
    title: "a flag that nobody declared",
    message: (p) => `there is no flag \`${p.flag}\``,
    explain: `Every \`param\` of the program is a flag of \`headrace run\`, and nothing else is, but for the verb's own flags. A flag that
nobody declared would be dropped silently, so it is an error.

    param lr: float = 0.3 in 0.0..1.0      headrace run digits.pipe --lr 0.2

\`headrace run FILE --help\` lists the flags of that program.`,
  }),
  HR602: entry<{ flag: string; wants: string; given: string | null }>({
    severity: "error",
    title: "a flag's value of the wrong type",
    message: (p) => (p.given === null ? `\`${p.flag}\` needs a value: ${p.wants}` : `\`${p.flag}\` is ${p.wants}, not \`${p.given}\``),
    explain: `A flag has the type of its \`param\`: \`int\` takes whole numbers (\`5\`, \`1e3\`), \`float\` takes numbers (\`0.2\`, \`1e-4\`), \`bool\` takes nothing,
\`=true\` or \`=false\`, and \`string\` anything.

    headrace run digits.pipe --epochs many      epochs is an int
    headrace run digits.pipe --epochs 10`,
  }),
  HR603: entry<{ flag: string; given: string; low: number | null; high: number | null }>({
    severity: "error",
    title: "a flag's value out of its range",
    message: (p) => {
      if (p.low !== null && p.high !== null) return `\`${p.flag} ${p.given}\` is outside ${p.low}..${p.high}`;
      return p.low !== null ? `\`${p.flag} ${p.given}\` is below ${p.low}` : `\`${p.flag} ${p.given}\` is above ${p.high}`;
    },
    explain: `A \`param\` may say in which range it makes sense; both ends belong to it.

    param lr: float = 0.3 in 0.0..1.0

    headrace run digits.pipe --lr 3      outside 0..1`,
  }),
  HR604: entry<{ flag: string; type: string }>({
    severity: "error",
    title: "a param without a value",
    message: (p) => `\`${p.flag}\` must be given: the program has no default for it`,
    explain: `A \`param\` without a default has to come from the command line.

    param people: int              headrace run census.pipe --people 100
    param people: int = 10         headrace run census.pipe`,
  }),
  HR605: entry<{ what: string }>({
    severity: "error",
    title: "arguments that the verb has no place for",
    message: (p) => p.what,
    explain: "A verb was given too few or too many arguments. `headrace VERB --help` shows what it takes.",
  }),
  HR606: entry<{ name: string }>({
    severity: "error",
    title: "a schedule that the bundle doesn't hold",
    message: (p) => `this bundle has no schedule \`${p.name}\``,
    explain: `\`headrace build\` puts the plan of every schedule of the program into the bundle. One that was written later needs a new build.`,
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

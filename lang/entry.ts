// What one entry of the catalogue of messages is. The entries are in `diagnostics.ts` and `outside.ts`; must not know how they are
// made into diagnostics.
export type Severity = "error" | "warning" | "remark";

export interface Entry<P> {
  readonly severity: Severity;
  /** One line, for the table in `docs/errors.md`. */
  readonly title: string;
  readonly message: (parameters: P) => string;
  /** Markdown for `headrace explain CODE`: what it means, why it is so, a wrong program and its mend. */
  readonly explain: string;
}
export const entry = <P>(e: Entry<P>): Entry<P> => e;

// What TypeScript files offer to a pipeline, and what TypeScript says of types that only it understands: the door to both, and
// the cache in front of them. Answers are kept by the content of every file and package that they were read from, so that TypeScript
// itself is loaded only when something changed.
import type { Diagnostic } from "../../lang/diagnostics.ts";
import type { Type } from "../../lang/types.ts";
import type { Signatures } from "../module.ts";
import type { Sources } from "../sources.ts";
import { cached, contentKey, fileName } from "../sources.ts";

/**
 * The exports of TypeScript files, by file name; a file that isn't there is missing from the map, since only who imports it knows
 * where to say so: the linker does. Diagnostics are the syntax errors of these files and of those they import.
 */
export async function readSignatures(
  files: readonly string[],
  sources: Sources,
): Promise<{ signatures: ReadonlyMap<string, Signatures>; diagnostics: Diagnostic[] }> {
  const names = [...new Set(files.map((file) => fileName(sources.root, file)))].sort().filter((file) => sources.read(file) !== null);
  // One program for all that isn't cached: most of its cost is TypeScript's own library.
  let program: Promise<import("./typescript-program.ts").TypeScriptProgram> | null = null;
  const open = () => (program ??= import("./typescript-program.ts").then(({ TypeScriptProgram }) => new TypeScriptProgram(names, sources)));
  const answers = await Promise.all(
    names.map((file) =>
      cached(["signatures", file], sources, async () => {
        const opened = await open();
        const { signaturesOf, strangeTags } = await import("./typescript-signatures.ts");
        return {
          answer: { signatures: signaturesOf(opened, file), diagnostics: [...opened.syntaxErrors(), ...strangeTags(opened, file)] },
          read: opened.filesRead(),
        };
      }),
    ),
  );
  return {
    signatures: new Map(answers.map((answer) => [answer.signatures.file, answer.signatures])),
    diagnostics: unique(answers.flatMap((answer) => answer.diagnostics)),
  };
}

/** The same error is found through every file that reaches it. */
function unique(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  return [...new Map(diagnostics.map((diagnostic) => [JSON.stringify(diagnostic), diagnostic])).values()];
}

// --- Questions to TypeScript ---------------------------------------------------------------------------------------------

/** May a value of `from` be given where `to` is wanted? For types with an `opaque` part, which only TypeScript understands. */
export interface Question {
  readonly from: Type;
  readonly to: Type;
}

export type Verdict =
  | { readonly kind: "assignable" }
  /** `why`: TypeScript's own words. */
  | { readonly kind: "not assignable"; readonly why: string }
  /** TypeScript can't name one of the types outside the place where it stands. */
  | { readonly kind: "unknown" };

/** Verdicts in the order of the questions; all that aren't cached are asked at once, through one in-memory file. */
export function askTypeScript(questions: readonly Question[], sources: Sources): Promise<readonly Verdict[]> {
  if (questions.length === 0) return Promise.resolve([]);
  return cached(["verdicts", contentKey(JSON.stringify(questions))], sources, async () => {
    const { ask } = await import("./typescript-questions.ts");
    return ask(questions, sources);
  });
}

// What TypeScript files offer to a pipeline, and what TypeScript says of types that only it understands: the door to both, and
// the cache in front of them. Answers are kept by the content of every file and package that they were read from, so that TypeScript
// itself is loaded only when something changed.
import type { Diagnostic } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import type { Type } from "../../lang/types.ts";
import type { Import, Module, Signatures } from "../module.ts";
import type { Sources } from "../sources.ts";
import { cached, contentKey, fileName, importedFile } from "../sources.ts";

/**
 * The exports of TypeScript files, by file name; a file that isn't there is missing from the map, since only who imports it knows
 * where to say so: `checkImports` does. Diagnostics are the syntax errors of these files and of those they import.
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

// --- Imports -------------------------------------------------------------------------------------------------------------

const WANTED: Readonly<Record<Import["what"], string>> = {
  function: "a function",
  actor: "an actor",
  resource: "a resource",
  type: "a type",
};

/** What is wrong with a module's imports from TypeScript: missing files, missing names, names of another kind. `nearest` finds the likeliest meant one. */
export function checkImports(
  module: Module,
  signatures: ReadonlyMap<string, Signatures>,
  sources: Sources,
  nearest: (name: string, candidates: readonly string[]) => string | null,
): Diagnostic[] {
  const missingFiles = new Set<string>();
  return module.imports
    .filter((each) => !each.from.text.endsWith(".pipe"))
    .flatMap((each) => {
      const file = importedFile(module.file, each.from.text);
      const found = signatures.get(file);
      if (found !== undefined) return checkImport(each, found, nearest) ?? [];
      if (missingFiles.has(file)) return [];
      missingFiles.add(file);
      const folder = importedFile(file, ".");
      const similar = nearest(
        file.slice(file.lastIndexOf("/") + 1),
        sources.list(folder).filter((name) => /\.[mc]?[jt]sx?$/.test(name)),
      );
      const meant = similar === null ? null : each.from.text.replace(/[^/]*$/, similar);
      return report("HR501", { file }, [{ span: each.from.span, label: "imported here", role: "primary" }], {
        help:
          meant === null
            ? "a file's path starts at the file that imports it, and has its ending: `./stages.ts`"
            : `did you mean "${meant}"?`,
      });
    });
}

function checkImport(
  each: Import,
  found: Signatures,
  nearest: (name: string, candidates: readonly string[]) => string | null,
): Diagnostic | null {
  const name = each.exported.text;
  const is = kindOf(name, found);
  const frames = [{ span: each.exported.span, label: is === null ? "not exported" : `is ${is.text}`, role: "primary" }] as const;
  if (is === null) {
    const candidates = exportsFor(each.what, found);
    const similar = nearest(name, candidates) ?? nearest(name, allExports(found));
    const some = candidates.slice(0, 8).map((candidate) => `\`${candidate}\``);
    const help =
      similar !== null
        ? `did you mean \`${similar}\`?`
        : some.length > 0
          ? `it exports ${some.join(", ")}`
          : "export it where it is declared";
    return report("HR502", { name, file: found.file }, frames, { help });
  }
  if (is.fits.includes(each.what)) return null;
  const fix = is.fits[0];
  const bare = fix === "function" ? "" : `${fix} `;
  return report("HR504", { name, is: is.text, wanted: WANTED[each.what] }, frames, {
    help: fix === undefined ? `export a function of ${found.file} that gives it` : `import { ${bare}${name} } from "${each.from.text}"`,
  });
}

function kindOf(name: string, found: Signatures): { readonly text: string; readonly fits: readonly Import["what"][] } | null {
  if (Object.hasOwn(found.functions, name)) return { text: "a function", fits: ["function", "resource"] };
  if (found.classes.includes(name)) return { text: "a class", fits: ["actor", "type"] };
  if (Object.hasOwn(found.types, name)) return { text: "a type", fits: ["type"] };
  if (found.others.includes(name)) return { text: "a value, not a function", fits: [] };
  return null;
}

function exportsFor(what: Import["what"], found: Signatures): readonly string[] {
  if (what === "type") return [...Object.keys(found.types), ...found.classes];
  return what === "actor" ? found.classes : Object.keys(found.functions);
}

function allExports(found: Signatures): readonly string[] {
  return [...Object.keys(found.functions), ...Object.keys(found.types), ...found.classes, ...found.others];
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

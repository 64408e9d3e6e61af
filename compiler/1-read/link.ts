// A program that stands in several files: reads what the entry's file imports, and what that imports, each file once, and says what
// every import stands for, or what is wrong with it. Must not know what is done with the names.
import { posix } from "node:path";
import type { Span } from "../../lang/ast.ts";
import type { Diagnostic } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import { parse } from "../../lang/parse.ts";
import type { Unread } from "../../lang/recover.ts";
import { nearest } from "../../lang/suggest.ts";
import { addAll } from "../findings.ts";
import type { Import, ImportTarget, Module, Offer, Program, ProgramFile, Signatures } from "../module.ts";
import type { Sources } from "../sources.ts";
import { fileName, importedFile } from "../sources.ts";
import { readPipe } from "./pipe.ts";
import { readSignatures } from "./signatures.ts";

/** A file as its front end read it. */
export interface Read {
  readonly module: Module | null;
  readonly diagnostics: readonly Diagnostic[];
  /** Text that the parser couldn't make anything of. */
  readonly unread: readonly Unread[];
}

export interface Linked {
  readonly program: Program;
  /** Problems of the files that were read on the way. */
  readonly diagnostics: readonly Diagnostic[];
  /** Problems of imports. */
  readonly unlinked: readonly Diagnostic[];
  readonly unread: readonly Unread[];
}

/** A file of `.pipe` text; null where there is none. */
export function readPipeFile(file: string, sources: Sources): Read | null {
  const text = sources.read(file);
  if (text === null) return null;
  const parsed = parse(text, file);
  const { module, diagnostics } = readPipe(parsed.file);
  return { module, diagnostics: [...parsed.diagnostics, ...diagnostics], unread: parsed.unread };
}

const isPipe = (file: string): boolean => file.endsWith(".pipe");

/** The program of an entry file, whose own problems its reader knows. */
export async function link(entry: Module, unread: readonly Unread[], sources: Sources): Promise<Linked> {
  const linker = new Linker(sources);
  linker.add(entry, { module: entry, diagnostics: [], unread });
  await linker.readAll();
  return linker.linked(entry);
}

class Linker {
  private readonly sources: Sources;
  /** Null for a file that isn't there. */
  private readonly files = new Map<string, Read | null>();
  /** In the order in which they were met: what plans call functions depends on it. */
  private readonly modules: Module[] = [];
  private readonly signatures = new Map<string, Signatures>();
  private readonly asked = new Set<string>();
  private readonly diagnostics: Diagnostic[] = [];
  private readonly unlinked: Diagnostic[] = [];

  constructor(sources: Sources) {
    this.sources = sources;
  }

  add({ file }: { readonly file: string }, read: Read | null): void {
    this.files.set(file, read);
    if (!read) return;
    addAll(this.diagnostics, read.diagnostics);
    if (read.module) this.modules.push(read.module);
  }

  private fileOf(module: Module, { from }: Import): string {
    return fileName(this.sources.root, importedFile(module.file, from.text));
  }

  async readAll(): Promise<void> {
    for (let done = 0; done < this.modules.length; ) {
      // `modules` grows while it is walked.
      const from = done;
      for (; done < this.modules.length; done++) {
        const module = this.modules[done]!;
        for (const each of module.imports) {
          const file = this.fileOf(module, each);
          if (isPipe(file) && !this.files.has(file)) this.add({ file }, readPipeFile(file, this.sources));
        }
      }
      const fresh = this.modules.slice(from);
      await this.readTypeScript(fresh);
    }
  }

  /** Signatures of what these import, all at once; files of pipelines among it as modules. */
  private async readTypeScript(modules: readonly Module[]): Promise<void> {
    const imports = modules.flatMap((module) =>
      module.imports.map((each) => ({ name: each.exported.text, file: this.fileOf(module, each) })).filter(({ file }) => !isPipe(file)),
    );
    const files = [...new Set(imports.map(({ file }) => file))].filter((file) => !this.asked.has(file));
    for (const file of files) this.asked.add(file);
    const { signatures, diagnostics } = await readSignatures(files, this.sources);
    for (const [file, found] of signatures) this.signatures.set(file, found);
    addAll(this.diagnostics, diagnostics);
    for (const { name, file } of imports) {
      const pipeline = this.pipelineOf(name, file);
      if (!pipeline || this.files.has(pipeline.file)) continue;
      const { readLibrary } = await import("./typescript.ts");
      this.add(pipeline, { ...(await readLibrary(pipeline.file, this.sources)), unread: [] });
    }
  }

  /** The pipeline that a function of TypeScript is, if it is tagged as one: where it stands, and by the name that it has there. */
  private pipelineOf(name: string, file: string): { readonly file: string; readonly name: string } | null {
    const functions = this.signatures.get(file)?.functions ?? {};
    if (!Object.hasOwn(functions, name) || !functions[name]!.tags.includes("pipeline")) return null;
    const { span } = functions[name]!;
    return { file: span.file, name: this.sources.read(span.file)?.slice(span.start, span.end) ?? name };
  }

  linked(entry: Module): Linked {
    const files = this.modules.map((module): ProgramFile => {
      const missing = new Set<string>();
      const imports = module.imports.map((each) => ({ ...each, target: this.target(module, each, missing) }));
      return { module, imports, offers: this.offersTo(module) };
    });
    return {
      program: { entry, files },
      diagnostics: this.diagnostics,
      unlinked: this.unlinked,
      unread: [...this.files.values()].flatMap((read) => read?.unread ?? []),
    };
  }

  // --- What an import stands for ---------------------------------------------------------------------------------------------

  private target(module: Module, each: Import, missing: Set<string>): ImportTarget {
    const file = this.fileOf(module, each);
    const name = each.exported.text;
    const exports = this.exportsOf(file);
    if (exports === null) {
      if (!missing.has(file)) this.unlinked.push(this.noSuchFile(each, file));
      missing.add(file);
      return { kind: "none" };
    }
    const wrong = checkImport(each, exports, (specifier) => relativeSpecifier(module.file, importedFile(file, specifier)));
    if (wrong) {
      if (!this.mayHave(file, name)) this.unlinked.push(wrong);
      return { kind: "none", meant: each.local === each.exported ? nearest(name, allExports(exports)) : null };
    }
    const signatures = this.signatures.get(file);
    if (each.what === "actor") return { kind: "actor", file, signature: signatures!.classes[name]! };
    if (isPipe(file) && each.what === "type") return { kind: "alias", file, name };
    const pipeline = isPipe(file) ? { file, name } : each.what === "function" ? this.pipelineOf(name, file) : null;
    // A file of TypeScript may have problems of its own, which leave nothing to call.
    if (pipeline) return this.files.get(pipeline.file)?.module ? { kind: "pipeline", ...pipeline } : { kind: "none" };
    if (each.what === "function" || each.what === "resource") return { kind: each.what, file, signature: signatures!.functions[name]! };
    // A class is a type too, but not one whose values cross.
    return Object.hasOwn(signatures!.types, name) ? { kind: "type", type: signatures!.types[name]!.type } : { kind: "none" };
  }

  private offersTo(module: Module): Offer[] {
    const byPath = new Map(module.imports.map((each) => [each.from.text, each]));
    return [...byPath].map(([from, each]) => ({ from, functions: this.exportsOf(this.fileOf(module, each))?.functions ?? [] }));
  }

  /** A declaration that couldn't be read may be the one that is missed. */
  private mayHave(file: string, name: string): boolean {
    return (this.files.get(file)?.unread ?? []).some(
      ({ names, gives }) => names.has(name) || gives === "functions" || gives === "function",
    );
  }

  private exportsOf(file: string): Exports | null {
    if (!isPipe(file)) {
      const found = this.signatures.get(file);
      if (!found) return null;
      const { functions, types, classes, others } = found;
      return {
        file,
        functions: Object.keys(functions),
        what: "a function",
        types: Object.keys(types),
        classes: Object.keys(classes),
        others: Object.keys(others),
        own: new Map(Object.entries(others).map(([name, { is, help }]) => [name, { text: is, help }])),
      };
    }
    const module = this.files.get(file)?.module;
    return module ? pipeExports(module) : null;
  }

  private noSuchFile(each: Import, file: string): Diagnostic {
    const isCode = /\.[mc]?[jt]sx?$/;
    const endings = isPipe(file) ? /\.pipe$/ : isCode.test(file) ? isCode : /\.(pipe|[mc]?[jt]sx?)$/;
    const names = this.sources.list(importedFile(file, "."));
    const similar = nearest(
      file.slice(file.lastIndexOf("/") + 1),
      names.filter((name) => endings.test(name)),
    );
    const meant = similar === null ? null : each.from.text.replace(/[^/]*$/, similar);
    const quoted = this.sources.read(each.from.span.file)?.slice(each.from.span.start, each.from.span.end);
    return report("HR501", { file }, [{ span: each.from.span, label: "imported here", role: "primary" }], {
      help:
        meant === null ? "a file's path starts at the file that imports it, and has its ending: `./stages.ts`" : `did you mean "${meant}"?`,
      ...(meant !== null && quoted === JSON.stringify(each.from.text)
        ? { fix: { span: each.from.span, text: JSON.stringify(meant) } }
        : {}),
    });
  }
}

function relativeSpecifier(from: string, file: string): string {
  const path = posix.relative(posix.dirname(from), file);
  return path.startsWith(".") ? path : `./${path}`;
}

// --- Whether a file gives what is asked of it --------------------------------------------------------------------------------

const WANTED: Readonly<Record<Import["what"], string>> = {
  function: "a function",
  actor: "an actor",
  resource: "a resource",
  type: "a type",
};

interface Exports {
  readonly file: string;
  /** Names that can be called, and what they are. */
  readonly functions: readonly string[];
  readonly what: "a function" | "a pipeline";
  readonly types: readonly string[];
  readonly classes: readonly string[];
  /** Exported, but neither function, type nor class. */
  readonly others: readonly string[];
  /** Of `.pipe` text: what can't be had from it, and what it is. */
  readonly own?: ReadonlyMap<string, { readonly text: string; readonly help: string }>;
  /** Of `.pipe` text: what it imports itself. */
  readonly imports?: readonly Import[];
}

function pipeExports({ file, pipelines, types, params, schedules, imports }: Module): Exports {
  const own = new Map<string, { readonly text: string; readonly help: string }>();
  for (const { name } of schedules) own.set(name.text, { text: "a schedule", help: `--schedule ${file}:${name.text}` });
  for (const { name } of params)
    own.set(name.text, { text: "a param", help: "params of the files that a program reads are its flags; declare it here too to read it" });
  return {
    file,
    functions: pipelines.map(({ name }) => name.text),
    what: "a pipeline",
    types: types.map(({ name }) => name.text),
    classes: [],
    others: [],
    own,
    imports,
  };
}

/** `specifier`: as this file would write what the other one imports. */
function checkImport(each: Import, found: Exports, specifier: (of: string) => string): Diagnostic | null {
  const name = each.exported.text;
  const is = kindOf(name, found);
  const frames = (label: string) => [{ span: each.exported.span as Span, label, role: "primary" as const }];
  if (is === null) {
    const through = found.imports?.find(({ local }) => local.text === name);
    if (through) {
      const { what, exported, from } = through;
      const written = `${what === "function" ? "" : `${what} `}${exported.text}`;
      return report("HR502", { name, file: found.file }, frames("imported there, not declared"), {
        help: `import { ${written} } from "${specifier(from.text)}"`,
      });
    }
    const candidates = exportsFor(each.what, found);
    const similar = nearest(name, candidates) ?? nearest(name, allExports(found));
    const some = candidates.slice(0, 8).map((candidate) => `\`${candidate}\``);
    const help =
      similar !== null
        ? `did you mean \`${similar}\`?`
        : some.length > 0
          ? `it ${found.what === "a pipeline" ? "has" : "exports"} ${some.join(", ")}`
          : found.what === "a pipeline"
            ? `it has no ${each.what === "type" ? "types" : "pipelines"}`
            : "export it where it is declared";
    return report("HR502", { name, file: found.file }, frames(found.what === "a pipeline" ? "not declared there" : "not exported"), {
      help,
      ...(similar !== null && candidates.includes(similar) ? { fix: { span: each.exported.span, text: similar } } : {}),
    });
  }
  if (is.fits.includes(each.what)) return null;
  const fix = is.fits[0];
  const bare = fix === "function" ? "" : `${fix} `;
  const help =
    is.help ??
    (fix === undefined ? `export a function of ${found.file} that gives it` : `import { ${bare}${name} } from "${each.from.text}"`);
  return report("HR504", { name, is: is.text, wanted: WANTED[each.what] }, frames(`is ${is.text}`), { help });
}

interface Kind {
  readonly text: string;
  readonly fits: readonly Import["what"][];
  readonly help?: string;
}

function kindOf(name: string, found: Exports): Kind | null {
  if (found.functions.includes(name))
    return { text: found.what, fits: found.what === "a pipeline" ? ["function"] : ["function", "resource"] };
  if (found.classes.includes(name)) return { text: "a class", fits: ["actor", "type"] };
  if (found.types.includes(name)) return { text: "a type", fits: ["type"] };
  const own = found.own?.get(name);
  return own ? { ...own, fits: [] } : null;
}

function exportsFor(what: Import["what"], found: Exports): readonly string[] {
  if (what === "type") return [...found.types, ...found.classes];
  return what === "actor" ? found.classes : found.functions;
}

function allExports(found: Exports): readonly string[] {
  return [...found.functions, ...found.types, ...found.classes, ...found.others];
}

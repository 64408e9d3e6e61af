// TypeScript's own understanding of a user's files: a read-only ts-morph project over `Sources`. Loaded only when nothing
// cached answers, since TypeScript takes half a second to start. Must not know what the answers are used for.
import { posix } from "node:path";
import type { FileSystemHost, RuntimeDirEntry, SourceFile } from "ts-morph";
import { Project, ts } from "ts-morph";
import type { Span } from "../../lang/ast.ts";
import type { Diagnostic } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import type { Sources } from "../sources.ts";
import { absolutePath, fileName, ownTypes, packageManifest } from "../sources.ts";

/** Text that hints at Node's own modules and globals, whose declarations cost more than all else and are loaded on demand. */
const USES_NODE = /["']node:|\b(?:process|Buffer|console|fetch|URL|setTimeout|TextDecoder|TextEncoder|performance|crypto|AbortSignal)\b/;

export class TypeScriptProgram {
  readonly sources: Sources;
  readonly checker: ts.TypeChecker;
  readonly #project: Project;
  #program: ts.Program;

  /** Names that have no file are left out: see `has`. `extra`: text to lie over files, or beside them, for this program only. */
  constructor(files: readonly string[], sources: Sources, extra: ReadonlyMap<string, string> = new Map()) {
    this.sources = sources;
    const options: ts.CompilerOptions = {
      target: ts.ScriptTarget.ES2023,
      lib: ["lib.es2023.d.ts", "lib.esnext.disposable.d.ts"],
      module: ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind.Bundler,
      strict: true,
      noUncheckedIndexedAccess: true,
      allowJs: true,
      checkJs: false,
      allowImportingTsExtensions: true,
      // Types of `clean.pipe` lie beside it, in `clean.d.pipe.ts`.
      allowArbitraryExtensions: true,
      resolveJsonModule: true,
      skipLibCheck: true,
      noEmit: true,
      preserveSymlinks: true,
      types: [],
      paths: { headrace: [ownTypes()] },
    };
    this.#project = new Project({
      compilerOptions: options,
      fileSystem: readOnlyFiles(sources, extra),
      skipAddingFilesFromTsConfig: true,
      skipFileDependencyResolution: true,
    });
    const absolutes = files.map((file) => absolutePath(sources.root, file));
    for (const path of absolutes) this.#project.addSourceFileAtPathIfExists(path);
    this.#program = this.#project.getProgram().compilerObject;
    if (this.#program.getSourceFiles().some((file) => this.isLocal(file) && USES_NODE.test(file.text))) {
      this.#project.compilerOptions.set({ types: ["node"] });
      this.#program = this.#project.getProgram().compilerObject;
    }
    this.checker = this.#program.getTypeChecker();
  }

  has(file: string): boolean {
    return this.#program.getSourceFile(absolutePath(this.sources.root, file)) !== undefined;
  }

  /** As TypeScript's own API has it. */
  file(file: string): ts.SourceFile {
    return this.#program.getSourceFile(absolutePath(this.sources.root, file))!;
  }

  /** As ts-morph has it, to be walked. */
  tree(file: string): SourceFile {
    return this.#project.getSourceFileOrThrow(absolutePath(this.sources.root, file));
  }

  name(file: ts.SourceFile): string {
    return fileName(this.sources.root, file.fileName);
  }

  span(node: ts.Node, end: ts.Node = node): Span {
    return { file: this.name(node.getSourceFile()), start: node.getStart(), end: end.getEnd() };
  }

  /** The user's own files that the program reached. */
  localFiles(): readonly ts.SourceFile[] {
    return this.#program.getSourceFiles().filter((file) => this.isLocal(file) && !file.isDeclarationFile);
  }

  isLibrary(file: ts.SourceFile): boolean {
    return this.#program.isSourceFileDefaultLibrary(file);
  }

  /** Everything that was read, for `cached`, and what was looked for in vain. */
  filesRead(): Set<string> {
    const read = new Set<string>();
    for (const file of this.#program.getSourceFiles()) {
      if (this.isLibrary(file)) continue;
      read.add(this.name(file));
      if (!this.isLocal(file)) continue;
      for (const { fileName: specifier } of ts.preProcessFile(file.text, true, true).importedFiles) {
        const found = ts.resolveModuleName(
          specifier,
          file.fileName,
          this.#program.getCompilerOptions(),
          this.#project.getModuleResolutionHost(),
        );
        if (found.resolvedModule === undefined) for (const path of lookedFor(specifier, file.fileName)) read.add(path);
      }
    }
    return read;
  }

  /** Syntax errors of the user's files that the program reached. */
  syntaxErrors(): Diagnostic[] {
    return this.#program
      .getSourceFiles()
      .filter((file) => this.isLocal(file))
      .flatMap((file) => this.#program.getSyntacticDiagnostics(file))
      .map((error) => {
        const file = this.name(error.file);
        const span = { file, start: error.start, end: error.start + Math.max(1, error.length) };
        return report("HR503", { what: ts.flattenDiagnosticMessageText(error.messageText, " ") }, [
          { span, label: "here", role: "primary" },
        ]);
      });
  }

  /** Errors of types in one file, for text of our own making. */
  typeErrors(file: string): readonly ts.Diagnostic[] {
    return this.#program.getSemanticDiagnostics(this.file(file));
  }

  /** One of the user's own files, not of the language or of a package. */
  isLocal(file: ts.SourceFile): boolean {
    return !this.isLibrary(file) && packageManifest(this.name(file)) === null;
  }
}

/** Where an import that leads nowhere would have led. */
function lookedFor(specifier: string, importer: string): readonly string[] {
  const folder = posix.dirname(importer);
  if (specifier.startsWith(".")) return [posix.join(folder, specifier)];
  const folders: string[] = [];
  for (let above = folder; ; above = posix.dirname(above)) {
    folders.push(above);
    if (posix.dirname(above) === above) return folders.map((each) => posix.join(each, "node_modules", specifier, "x"));
  }
}

function readOnlyFiles(sources: Sources, extra: ReadonlyMap<string, string>): FileSystemHost {
  const refuse = (): never => {
    throw new Error("headrace: bug: the compiler reads TypeScript files and never writes any");
  };
  const text = (path: string): string | null => extra.get(fileName(sources.root, path)) ?? sources.read(path);
  const folders = new Map<string, boolean>();
  const isFolder = (path: string): boolean => {
    const known = folders.get(path) ?? sources.list(path).length > 0;
    folders.set(path, known);
    return known;
  };
  const read = (path: string): string => {
    const found = text(path);
    if (found === null) throw Object.assign(new Error(`no such file: ${path}`), { code: "ENOENT" });
    return found;
  };
  return {
    isCaseSensitive: () => true,
    getCurrentDirectory: () => sources.root,
    realpathSync: (path) => path,
    readFile: async (path) => read(path),
    readFileSync: read,
    fileExists: async (path) => text(path) !== null,
    fileExistsSync: (path) => text(path) !== null,
    directoryExists: async (path) => isFolder(path),
    directoryExistsSync: isFolder,
    readDirSync: (path): RuntimeDirEntry[] =>
      sources.list(path).map((name) => {
        const directory = isFolder(posix.join(path, name));
        return { name: posix.join(path, name), isDirectory: directory, isFile: !directory, isSymlink: false };
      }),
    glob: async () => [],
    globSync: () => [],
    delete: refuse,
    deleteSync: refuse,
    writeFile: refuse,
    writeFileSync: refuse,
    mkdir: refuse,
    mkdirSync: refuse,
    move: refuse,
    moveSync: refuse,
    copy: refuse,
    copySync: refuse,
  };
}

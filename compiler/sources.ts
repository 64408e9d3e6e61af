// Files, packages and the cache as the compiler sees them: a Node one and an in-memory one. The only place of the compiler that
// touches the disk, but for esbuild's own reading of packages. Must not know what the files mean.
//
// A file's *name*, in spans, imports and keys, is its path from `root` with forward slashes (`examples/digits/digits.ts`), as a
// user who stands in `root` would type it. A file outside `root` goes by its absolute path.
import { createHash, randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, realpathSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname, isAbsolute, join, posix, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";

export interface Sources {
  /** Absolute path of the folder that file names start at, and where packages are looked for. */
  readonly root: string;
  /** The text of a file, by its name; null where there is none. */
  read(file: string): string | null;
  /** Names, without folder, of the files and folders in a folder; empty where there is none. */
  list(folder: string): readonly string[];
  readonly cache: Cache;
}

/** Text kept between runs, by key. Losing it costs time, never a result. */
export interface Cache {
  get(key: string): string | null;
  put(key: string, text: string): void;
}

/** The disk. `root` is the working folder unless told; the cache lies in `.headrace/cache` under it. */
export function nodeSources(root: string = process.cwd()): Sources {
  const base = realpathSync(resolve(root));
  return {
    root: base,
    read: (file) => readOrNull(resolve(base, file)),
    list: (folder) => listOrNone(resolve(base, folder)),
    cache: folderCache(join(base, ".headrace", "cache")),
  };
}

/**
 * Files held in memory, by name, over another `Sources` where given: a notebook's cells over the project on disk. Without it
 * there are no packages but Headrace's own.
 */
export function memorySources(files: Readonly<Record<string, string>>, over: Sources | null = null): Sources {
  const root = over?.root ?? "/project";
  const beneath = over ?? ownFiles;
  const held = new Map(Object.entries(files).map(([name, text]) => [fileName(root, name), text]));
  return {
    root,
    read: (file) => held.get(fileName(root, file)) ?? beneath.read(file),
    list(folder) {
      const prefix = fileName(root, folder);
      const inside = prefix === "." || prefix === "" ? "" : `${prefix}/`;
      const names = [...held.keys()].filter((name) => name.startsWith(inside)).map((name) => name.slice(inside.length).split("/")[0]!);
      return [...new Set([...names, ...beneath.list(folder)])].sort();
    },
    cache: over?.cache ?? memoryCache(),
  };
}

const ownFiles: Pick<Sources, "read" | "list"> = {
  read: (file) => (isOwn(file) ? readOrNull(file) : null),
  list: (folder) => (isOwn(folder) ? listOrNone(folder) : []),
};
const isOwn = (path: string): boolean => isAbsolute(path) && !fileName(packageRoot(), path).startsWith("/");

export function memoryCache(): Cache {
  const kept = new Map<string, string>();
  return { get: (key) => kept.get(key) ?? null, put: (key, text) => void kept.set(key, text) };
}

/** The name under which a file, given by any path, goes in spans and keys. */
export function fileName(root: string, path: string): string {
  const absolute = isAbsolute(path) ? resolve(path) : resolve(root, path);
  const inside = relative(root, absolute);
  return (inside.startsWith("..") || isAbsolute(inside) ? absolute : inside || ".").split(sep).join("/");
}

export function absolutePath(root: string, file: string): string {
  return isAbsolute(file) ? file : resolve(root, file);
}

/** The name of the file that `from` imports as `./x.ts` or `../x.ts`. Only relative specifiers name files. */
export function importedFile(from: string, specifier: string): string {
  return posix.join(posix.dirname(from), specifier);
}

/** SHA-256 (hex) of texts, each told apart from its neighbours. */
export function contentKey(...texts: readonly string[]): string {
  const hash = createHash("sha256");
  for (const text of texts) hash.update(`${text.length}:`).update(text);
  return hash.digest("hex");
}

// --- What a cached answer depends on -----------------------------------------------------------------------------------

/** The state of everything an answer was read from: local files by content, packages by version. */
interface Dependencies {
  /** By file name; null where there was no such file. */
  readonly files: Readonly<Record<string, string | null>>;
  /** By the name of the package's `package.json`; null where there was no such package. */
  readonly packages: Readonly<Record<string, string | null>>;
}

/** The state, now, of the given files, which may lie inside packages. */
function dependenciesOf(files: Iterable<string>, sources: Sources): Dependencies {
  const local: Record<string, string | null> = {};
  const packages: Record<string, string | null> = {};
  for (const path of files) {
    const file = fileName(sources.root, path);
    const manifest = packageManifest(file);
    if (manifest === null) local[file] = fileHash(file, sources);
    else packages[manifest] ??= packageVersion(manifest, sources);
  }
  return { files: local, packages };
}

/** True while nothing of it has changed. */
function unchanged(dependencies: Dependencies, sources: Sources): boolean {
  return (
    Object.entries(dependencies.files).every(([file, hash]) => fileHash(file, sources) === hash) &&
    Object.entries(dependencies.packages).every(([manifest, version]) => packageVersion(manifest, sources) === version)
  );
}

/**
 * The answer to a question about files, from the cache while what it was read from is unchanged. One answer is kept a question.
 * `what` names the question and all its parameters.
 */
export async function cached<A>(
  what: readonly string[],
  sources: Sources,
  find: () => Promise<{ readonly answer: A; readonly read: Iterable<string> }>,
): Promise<A> {
  const key = contentKey(ownStamp(), ...what);
  const kept = parsed<{ readonly dependencies: Dependencies; readonly answer: A }>(sources.cache.get(key));
  if (kept !== null && unchanged(kept.dependencies, sources)) return kept.answer;
  const { answer, read } = await find();
  sources.cache.put(key, JSON.stringify({ dependencies: dependenciesOf(read, sources), answer }));
  return answer;
}

function fileHash(file: string, sources: Sources): string | null {
  const text = sources.read(file);
  return text === null ? null : contentKey(text);
}

function packageVersion(manifest: string, sources: Sources): string | null {
  // A package without a version is one that somebody edits: its manifest is all there is to tell.
  return readManifest(manifest, sources)?.version ?? fileHash(manifest, sources);
}

export interface Manifest {
  readonly name?: string;
  readonly version?: string;
  readonly type?: string;
  readonly gypfile?: boolean;
  readonly binary?: object;
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** A `package.json`; null where there is none, or none that can be read: who loads the package will say so. */
export function readManifest(file: string, sources: Pick<Sources, "read">): Manifest | null {
  return parsed<Manifest>(sources.read(file));
}

/** Null for no text and for text that isn't JSON, such as a file that a power cut left half written. */
function parsed<T extends object>(text: string | null): T | null {
  if (text === null) return null;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" ? (value as T | null) : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** `node_modules/@a/b/dist/x.js` → `node_modules/@a/b/package.json`; null for a file of no installed package. */
export function packageManifest(file: string): string | null {
  const found = /^(.*\/)?node_modules\/(@[^/]+\/[^/]+|[^/]+)\//.exec(file);
  return found === null ? null : `${found[1] ?? ""}node_modules/${found[2]}/package.json`;
}

// --- Headrace's own files ----------------------------------------------------------------------------------------------

let ownRoot: string | undefined;

/** Folder of the installed package `headrace`. */
export function packageRoot(): string {
  if (ownRoot !== undefined) return ownRoot;
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    if (readManifest(join(folder, "package.json"), { read: readOrNull })?.name === "headrace") return (ownRoot = folder);
    if (dirname(folder) === folder) throw new Error("headrace: the package's own folder was not found; is it installed whole?");
  }
}

/** The declarations behind `import … from "headrace"`: the sources in a checkout, else what the package ships. */
export function ownTypes(): string {
  const source = join(packageRoot(), "api", "index.ts");
  return isFile(source) ? source : join(packageRoot(), "dist", "types", "api", "index.d.ts");
}

/** The code behind `import … from "headrace"` in a stage. The built form where there is one, so that slices are the same bytes however Headrace itself was started. */
export function ownCode(): string {
  const built = join(packageRoot(), "dist", "api", "index.js");
  return isFile(built) ? built : join(packageRoot(), "api", "index.ts");
}

let stamp: string | undefined;

/** Changes with Headrace itself, so that a newer one never reads an older one's cache. */
function ownStamp(): string {
  if (stamp !== undefined) return stamp;
  const here = fileURLToPath(import.meta.url);
  const version = readOrNull(join(packageRoot(), "package.json")) ?? "";
  // Built files carry their contents' hashes in their names; sources are read.
  const code = here.endsWith(".ts")
    ? ["compiler", "lang"].flatMap((folder) => sourcesIn(join(packageRoot(), folder)))
    : listOrNone(join(packageRoot(), "dist")).filter((name) => name.endsWith(".js"));
  return (stamp = contentKey(version, ...code));
}

function sourcesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .sort()
    .map((name) => readOrNull(join(folder, name)) ?? "");
}

// --- The disk ----------------------------------------------------------------------------------------------------------

function folderCache(folder: string): Cache {
  return {
    get: (key) => readOrNull(join(folder, key)),
    put(key, text) {
      const unfinished = join(folder, `${key}.${randomUUID()}`);
      try {
        mkdirSync(folder, { recursive: true });
        writeFileSync(unfinished, text);
        // Readers see the whole entry or none.
        renameSync(unfinished, join(folder, key));
      } catch (error) {
        // A project on a read-only or full disk compiles as well, only slower.
        if (!["EACCES", "EROFS", "EPERM", "ENOSPC", "EDQUOT"].includes(codeOf(error) ?? "")) throw error;
      }
    },
  };
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "EISDIR"].includes(codeOf(error) ?? "")) return null;
    throw error;
  }
}

function listOrNone(path: string): readonly string[] {
  try {
    return readdirSync(path).sort();
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(codeOf(error) ?? "")) return [];
    throw error;
  }
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}

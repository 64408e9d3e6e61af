// Params of type `file` and `files`: from paths and patterns to values that are known by their content, before anything runs. The only place
// where the runtime looks for files; must not know what they hold.
import { createHash } from "node:crypto";
import { createReadStream, readdirSync } from "node:fs";
import { stat } from "node:fs/promises";
import { basename, dirname, resolve, sep } from "node:path";
import type { Json, Plan, PlanParam } from "../../compiler/plan.ts";
import type { FileValue } from "../data/files.ts";
import { isFileValue } from "../data/files.ts";

/** A param whose file isn't there, or that finds none. */
export interface FileProblem {
  readonly param: string;
  readonly what: "missing" | "folder" | "unreadable" | "no match";
  /** Where it was looked for. */
  readonly path: string;
  /** What lies in that folder. */
  readonly beside: readonly string[];
}

export interface OpenedFiles {
  readonly params: { readonly [name: string]: Json };
  readonly problems: readonly FileProblem[];
}

/**
 * The given params, with each path made a file, defaults too. A path that is given starts at the working folder, a default at `folder`,
 * which is that of the program unless told.
 */
export async function openFiles(plan: Plan, given: { readonly [name: string]: Json }, folder?: string): Promise<OpenedFiles> {
  const params: { [name: string]: Json } = { ...given };
  const problems: FileProblem[] = [];
  const home = folder ?? dirname(resolve(plan.about.file));
  for (const param of plan.params) {
    if (param.type !== "file" && param.type !== "files") continue;
    const isGiven = Object.hasOwn(given, param.name);
    const value = isGiven ? given[param.name]! : param.default;
    if (value === undefined || value === null) continue;
    const opened = await open(param, value, isGiven ? process.cwd() : home);
    if ("problem" in opened) problems.push(opened.problem);
    else params[param.name] = opened.value;
  }
  return { params, problems };
}

type Opened = { readonly value: Json } | { readonly problem: FileProblem };

async function open(param: PlanParam, value: Json, folder: string): Promise<Opened> {
  // Found already, or of a type that the check of params refuses.
  if (param.type === "file") return typeof value === "string" ? one(param, resolve(folder, value)) : { value };
  const all: Json[] = [];
  for (const item of Array.isArray(value) ? (value as readonly Json[]) : [value]) {
    if (typeof item !== "string") {
      all.push(item);
      continue;
    }
    const paths = await matches(item, folder);
    if (paths.length === 0) {
      const path = resolve(folder, item);
      return { problem: { param: param.name, what: "no match", path, beside: list(dirname(path)) } };
    }
    for (const path of paths) {
      const opened = await one(param, path);
      if ("problem" in opened) return opened;
      all.push(opened.value);
    }
  }
  return { value: all };
}

/** Files by path. */
async function matches(pattern: string, folder: string): Promise<string[]> {
  const { glob } = await import("tinyglobby");
  const found = await glob(sep === "\\" ? pattern.replaceAll("\\", "/") : pattern, {
    cwd: folder,
    absolute: true,
    expandDirectories: false,
  });
  return found.map((path) => resolve(path)).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

async function one(param: PlanParam, path: string): Promise<Opened> {
  const problem = (what: FileProblem["what"]): Opened => ({
    problem: { param: param.name, what, path, beside: list(dirname(path)) },
  });
  try {
    const before = await stat(path);
    if (!before.isFile()) return problem("folder");
    const { size: bytes, mtimeMs: modifiedMs } = before;
    const value: FileValue = { path, name: basename(path), bytes, sha256: await hash(path, bytes, modifiedMs), modifiedMs };
    return { value };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return problem("missing");
    if (code === "EACCES" || code === "EPERM") return problem("unreadable");
    throw error;
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    // Whoever asks has a message already; names that can't be listed are only missing from its hint.
    return [];
  }
}

/** Of files that haven't been written to since, so that a notebook's next cell doesn't read them again. */
const hashes = new Map<string, string>();

async function hash(path: string, bytes: number, modifiedMs: number): Promise<string> {
  const state = `${path}\n${bytes}\n${modifiedMs}`;
  const known = hashes.get(state);
  if (known !== undefined) return known;
  const made = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) made.update(chunk as Buffer);
  const digest = made.digest("hex");
  hashes.set(state, digest);
  return digest;
}

/** What a param's value is, as far as results can depend on it: of a file its name and content, not where it lies. */
export function identityOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(identityOf);
  return isFileValue(value) ? { name: value.name, sha256: value.sha256 } : value;
}

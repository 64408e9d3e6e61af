// Programs for the compiler's tests: compiled from texts in memory, with one cache for all, so that a file of stages that many
// programs share is read by TypeScript once.

import type { Compiled, CompileOptions } from "../../compiler/compile.ts";
import { compile } from "../../compiler/compile.ts";
import type { Plan } from "../../compiler/plan.ts";
import type { Sources } from "../../compiler/sources.ts";
import { memoryCache, memorySources } from "../../compiler/sources.ts";
import { render } from "../../lang/render.ts";

const cache = memoryCache();

function sourcesOf(files: Readonly<Record<string, string>>): Sources {
  return { ...memorySources(files), cache };
}

export function compileFiles(files: Readonly<Record<string, string>>, main: string, options: CompileOptions = {}): Promise<Compiled> {
  return compile(main, { ...options, sources: sourcesOf(files) });
}

/** Diagnostics as a user reads them. */
export function shown(compiled: Pick<Compiled, "diagnostics">, files: Readonly<Record<string, string>>): string {
  return render(compiled.diagnostics, (file) => files[file] ?? null, { color: false });
}

/** The plan of a program that has no errors. */
export async function planOf(files: Readonly<Record<string, string>>, main: string, options: CompileOptions = {}): Promise<Plan> {
  const compiled = await compileFiles(files, main, options);
  if (!compiled.plan) throw new Error(`no plan:\n${shown(compiled, files)}`);
  return compiled.plan;
}

/** JSON with as much on a line as fits. */
export function foldedJson(value: unknown, width = 140, indent = ""): string {
  const flat = flatJson(value);
  if (indent.length + flat.length <= width || typeof value !== "object" || value === null) return flat;
  const inner = `${indent}  `;
  const lines = Array.isArray(value)
    ? value.map((item) => inner + foldedJson(item, width, inner))
    : Object.entries(value)
        .filter(([, field]) => field !== undefined)
        .map(([name, field]) => `${inner}${name}: ${foldedJson(field, width, inner)}`);
  const [open, close] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  return `${open}\n${lines.join("\n")}\n${indent}${close}`;
}

function flatJson(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(flatJson).join(", ")}]`;
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return fields.length === 0 ? "{}" : `{ ${fields.map(([name, field]) => `${name}: ${flatJson(field)}`).join(", ")} }`;
}

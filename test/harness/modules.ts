// The body of a pipeline as both front ends read it, free of the places where it stands, so that the two can be compared.
import { readPipe } from "../../compiler/1-read/pipe.ts";
import { readTypeScript } from "../../compiler/1-read/typescript.ts";
import type { Block, Module } from "../../compiler/module.ts";
import { memoryCache, memorySources } from "../../compiler/sources.ts";
import type { Diagnostic } from "../../lang/diagnostics.ts";
import { parse } from "../../lang/parse.ts";

const cache = memoryCache();

export function pipeModule(text: string): { readonly module: Module; readonly diagnostics: readonly Diagnostic[] } {
  const parsed = parse(text, "main.pipe");
  const { module, diagnostics } = readPipe(parsed.file);
  return { module, diagnostics: [...parsed.diagnostics, ...diagnostics] };
}

export async function typeScriptModule(
  text: string,
  others: Readonly<Record<string, string>>,
  entry: string | null = null,
): Promise<{ readonly module: Module | null; readonly diagnostics: readonly Diagnostic[] }> {
  const sources = { ...memorySources({ "main.pipeline.ts": text, ...others }), cache };
  return readTypeScript("main.pipeline.ts", sources, entry);
}

/** Without spans; TypeScript's `64` and the text's are one number. */
export function bare(block: Block): unknown {
  return JSON.parse(
    JSON.stringify(block, (key, value) => (key === "span" ? undefined : key === "numeric" && value === "either" ? "int" : value)),
  );
}

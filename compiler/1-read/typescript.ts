// Annotated TypeScript as a `Module`: the door, and the cache in front of it, so that TypeScript itself is loaded only when the file,
// or one that it reaches, has changed.
import type { Diagnostic } from "../../lang/diagnostics.ts";
import { report } from "../../lang/diagnostics.ts";
import type { Module } from "../module.ts";
import type { Sources } from "../sources.ts";
import { cached, fileName } from "../sources.ts";

/**
 * The program that a TypeScript file's functions tagged `@pipeline` state, stage for stage what `.pipe` text would give.
 * `entry` names the pipeline whose parameters are the program's params, where the file's name doesn't. The module is null where
 * there is nothing to go on with: no file, a syntax error, no pipeline.
 */
export async function readTypeScript(
  file: string,
  sources: Sources,
  entry: string | null = null,
): Promise<{ module: Module | null; diagnostics: Diagnostic[] }> {
  const name = fileName(sources.root, file);
  if (sources.read(name) === null) return { module: null, diagnostics: [report("HR501", { file: name }, [])] };
  return cached(["module", name, entry ?? ""], sources, async () => {
    const { TypeScriptProgram } = await import("./typescript-program.ts");
    const program = new TypeScriptProgram([name], sources);
    const { readModule } = await import("./typescript-module.ts");
    return { answer: readModule(program, name, entry), read: program.filesRead() };
  });
}

/** The pipelines of a TypeScript file that another one imports: each has its parameters, and none is the entry. */
export async function readLibrary(file: string, sources: Sources): Promise<{ module: Module | null; diagnostics: Diagnostic[] }> {
  return cached(["library", file], sources, async () => {
    const { TypeScriptProgram } = await import("./typescript-program.ts");
    const program = new TypeScriptProgram([file], sources);
    const { readPipelines } = await import("./typescript-module.ts");
    return { answer: readPipelines(program, file), read: program.filesRead() };
  });
}

// A program of `bench/programs`, compiled, and an engine of two slots to run it on. Imports the built package, as a user would.
import { fileURLToPath } from "node:url";
import { compile, localEngine } from "headrace/engine";

/** Gives what `measured(engine, plan, code)` gives. */
export async function withProgram(name, measured) {
  const { plan, code, diagnostics } = await compile(fileURLToPath(new URL(`programs/${name}.pipe`, import.meta.url)));
  if (!plan) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
  const engine = await localEngine({ slots: 2 });
  try {
    return await measured(engine, plan, code);
  } finally {
    await engine[Symbol.asyncDispose]();
  }
}

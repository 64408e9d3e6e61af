// docs/language.md says what is built and what isn't: its lists are the compiler's own tables, nothing more and nothing less.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { combiners, dataOperations, laterOperations, readers, reductions, rowForms, scalars } from "../../compiler/2-check/operations.ts";
import { compileFiles, shown } from "../harness/programs.ts";

const page = readFileSync(fileURLToPath(new URL("../../docs/language.md", import.meta.url)), "utf8");

/** The words in code marks behind `lead`, without their arguments. */
function listed(lead: string): string[] {
  const found = new RegExp(`${lead}[^\`]*\`([^\`]+)\``).exec(page);
  if (!found) throw new Error(`docs/language.md has no list behind "${lead}"`);
  return found[1]!
    .replace(/\([^)]*\)/g, "")
    .split(/\s+/)
    .sort();
}
const sorted = (names: Iterable<string>) => [...names].sort();
const operations = (rowWise: boolean) => Object.keys(dataOperations).filter((name) => dataOperations[name]!.rowWise === rowWise);

describe("docs/language.md lists", () => {
  it("the operations on data sets", () => {
    expect(listed("Row by row:")).toEqual(sorted(operations(true)));
    // Those that are read in a way of their own aren't in the table.
    expect(listed("Over the whole:")).toEqual(sorted([...operations(false), ...rowForms]));
    expect(listed("Reductions:")).toEqual(sorted(Object.keys(reductions)));
  });
  it("the readers", () => {
    expect(listed("Sources of rows:")).toEqual(sorted(readers));
  });
  it("the scalar functions", () => {
    expect(listed("Scalars:")).toEqual(sorted(Object.keys(scalars)));
  });
  it("what makes one value of parts", () => {
    const sentence = /`Part<T>`, until (.*?) makes it one/s.exec(page)?.[1] ?? "";
    expect(sorted([...sentence.matchAll(/`(\w+)`/g)].map(([, name]) => name!))).toEqual(sorted(combiners));
  });
  it("the operations that aren't built", () => {
    expect(listed("and the operations")).toEqual(sorted(laterOperations));
  });
});

describe("what it says isn't built yet", () => {
  const program = (body: string, head = "") =>
    `${head}param n: int = 3\npipeline main() -> float {\n  ${body.replaceAll("\n", "\n  ")}\n}\n`;
  const forms: Record<string, string> = {
    search: program("search { lr: 0.1..1.0 } trials n minimize loss {\n  track loss = lr\n  lr\n}"),
    service: "service main(x: float) -> float {\n  x\n}\n",
  };
  it.each(Object.keys(forms))("%s", async (form) => {
    const files = { "main.pipe": forms[form]!, "stages.ts": "export {};\n" };
    expect(page.slice(page.indexOf("## Not built yet"))).toContain(`\`${form}\``);
    expect(shown(await compileFiles(files, "main.pipe"), files)).toMatch(/isn't built yet|not built yet/);
  });
});

// Golden folders: each case is a folder of input files and one `expected.txt`, which shows the source and what came of it, so that a
// review reads both together. `UPDATE_GOLDEN=1` rewrites. Must not know what is tested: the test gives a function from files to text.
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../golden", import.meta.url));
const EXPECTED = "expected.txt";

export interface GoldenCase {
  readonly name: string;
  /** Texts by their path in the case's folder; files that lie beside the cases belong to each of them. */
  readonly files: Readonly<Record<string, string>>;
  /** The files of the case's own folder alone. */
  readonly own: Readonly<Record<string, string>>;
}

/** Names of the kinds of golden folders. */
export function goldenKinds(): string[] {
  return readdirSync(root).sort();
}

export function goldenCases(kind: string): GoldenCase[] {
  const folder = join(root, kind);
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { withFileTypes: true });
  const shared = Object.fromEntries(
    entries.filter((entry) => entry.isFile()).map(({ name }) => [name, readFileSync(join(folder, name), "utf8")]),
  );
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => {
      const own = filesIn(join(folder, name));
      return { name, own, files: { ...shared, ...own } };
    });
}

function filesIn(folder: string): Record<string, string> {
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) => statSync(join(folder, path)).isFile());
  return Object.fromEntries(
    paths
      .filter((path) => path !== EXPECTED)
      .sort()
      .map((path) => [relative(".", path), readFileSync(join(folder, path), "utf8")]),
  );
}

/** What a case's expected file holds; null where there is none. */
export function expectedText(kind: string, name: string): string | null {
  const file = join(root, kind, name, EXPECTED);
  return existsSync(file) ? readFileSync(file, "utf8") : null;
}

/** One test a case of `test/golden/<kind>`. `produce` gives what stands below the source in the expected file. */
export function golden(kind: string, produce: (one: GoldenCase) => string | Promise<string>): void {
  describe(`golden ${kind}`, () => {
    const cases = goldenCases(kind);
    it("has cases", () => {
      expect(cases.length).toBeGreaterThan(0);
    });
    it.each(cases.map((one) => [one.name, one] as const))("%s", async (name, one) => {
      const file = join(root, kind, name, EXPECTED);
      // What is left of a case that was renamed or deleted tests nothing.
      expect(Object.keys(one.own), `${kind}/${name} has no input`).not.toEqual([]);
      const sources = Object.entries(one.own).map(([path, text]) => `── ${path}\n${text.trimEnd()}\n`);
      const text = `${sources.join("\n")}\n── gives\n${(await produce(one)).trimEnd()}\n`;
      if (process.env.UPDATE_GOLDEN) writeFileSync(file, text);
      expect(existsSync(file), `${kind}/${name} has no ${EXPECTED}; UPDATE_GOLDEN=1 writes it`).toBe(true);
      expect(text).toBe(readFileSync(file, "utf8"));
    });
  });
}

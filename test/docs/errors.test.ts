// docs/errors.md is the catalogue as a page. `UPDATE_GOLDEN=1` writes it.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import type { Code } from "../../lang/diagnostics.ts";
import { catalogue } from "../../lang/diagnostics.ts";
import { explanation } from "../../lang/examples.ts";

const file = fileURLToPath(new URL("../../docs/errors.md", import.meta.url));

function page(): string {
  const entries = Object.entries(catalogue);
  const table = entries.map(([code, { severity, title }]) => `| [${code}](#${code.toLowerCase()}) | ${severity} | ${title} |`);
  const sections = entries.map(
    ([code, { severity, title }]) => `## ${code}\n\n**${severity}: ${title}**\n\n${explanation(code as Code)}\n`,
  );
  return `# Messages\n\nMade from the catalogue in \`lang/diagnostics.ts\`; \`headrace explain CODE\` shows one.\n\n| code | severity | meaning |\n|---|---|---|\n${table.join("\n")}\n\n${sections.join("\n")}`;
}

it("docs/errors.md is what the catalogue says", () => {
  if (process.env.UPDATE_GOLDEN === "1") writeFileSync(file, page());
  expect(readFileSync(file, "utf8")).toBe(page());
});

// `headrace init`: a small project that runs as it is. Writes files and nothing else; never over one that stands.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { readOperands } from "../flags.ts";
import { packageVersion } from "../package.ts";
import { printProblems } from "../problems.ts";
import { projectFiles } from "../project.ts";

export const help = `Writes a small program, its stages in TypeScript and a README into DIR (default: here). Files that stand are kept.\n`;

export async function run(argv: readonly string[]): Promise<number> {
  const { operands, problems } = readOperands(argv, 1);
  if (problems.length > 0) {
    printProblems(problems, () => null);
    return 3;
  }
  const target = operands[0] ?? ".";
  const directory = resolve(target);
  const files = projectFiles(packageName(basename(directory)), packageVersion());
  for (const [name, text] of Object.entries(files)) {
    const path = join(directory, name);
    const kept = existsSync(path);
    if (!kept) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    }
    process.stderr.write(`${kept ? "kept   " : "written"}  ${join(target, name)}\n`);
  }
  const go = target === "." ? "" : `cd ${target} && `;
  const install = existsSync(join(directory, "node_modules", "headrace")) ? "" : "npm install && ";
  process.stdout.write(`${go}${install}npx headrace run line.pipe\n`);
  return 0;
}

function packageName(text: string): string {
  return (
    text
      .toLowerCase()
      .replace(/[^a-z0-9._-]+/g, "-")
      .replace(/^[._-]+/, "") || "pipeline"
  );
}

// `headrace init`: a small project that runs as it is. Writes files and nothing else; never over one that stands.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { report } from "../../lang/diagnostics.ts";
import type { Flag } from "../flags.ts";
import { describeFlags, readArguments } from "../flags.ts";
import { packageVersion } from "../package.ts";
import { printProblems } from "../problems.ts";
import { project } from "../project.ts";

const flags: readonly Flag[] = [
  { name: "typescript", value: null, summary: "the program in annotated TypeScript, rather than as a .pipe file" },
];

export const help = `Writes a small project into FOLDER (default: here): a program that trains and scores a classifier, its stages, its data, and what
TypeScript and npm need. A \`package.json\`, \`tsconfig.json\`, \`.gitignore\` or \`README.md\` that stands is kept; where another of the files stands, nothing
is written.

    headrace init penguins --typescript

${describeFlags(flags)}`;

export async function run(argv: readonly string[]): Promise<number> {
  const { flags: given, operands, problems: found } = readArguments(argv, flags);
  const problems = [...found];
  const extra = operands[1];
  if (extra !== undefined) problems.push(report("HR605", { what: `\`${extra}\` is one argument too many` }, []));
  if (problems.length > 0) {
    printProblems(problems, () => null);
    return 3;
  }
  const target = operands[0] ?? ".";
  const folder = resolve(target);
  const { program, files } = project(packageName(basename(folder)), packageVersion(), given.has("typescript") ? "typescript" : "pipe");
  const standing = Object.keys(files).filter((name) => existsSync(join(folder, name)));
  const inTheWay = standing.filter((name) => !files[name]!.shared);
  if (inTheWay.length > 0) {
    const names = inTheWay.map((name) => `\`${join(target, name)}\``).join(", ");
    const what = `${names} ${inTheWay.length === 1 ? "is" : "are"} in the way: nothing has been written`;
    printProblems([report("HR605", { what }, [], { help: "headrace init ANOTHER-FOLDER" })], () => null);
    return 3;
  }
  mkdirSync(folder, { recursive: true });
  for (const [name, { text }] of Object.entries(files)) {
    const kept = standing.includes(name);
    // A file that has come meanwhile is nobody's to write over, either.
    if (!kept) writeFileSync(join(folder, name), text, { flag: "wx" });
    process.stderr.write(`${kept ? "kept   " : "written"}  ${join(target, name)}\n`);
  }
  const go = target === "." ? "" : `cd ${target} && `;
  const install = existsSync(join(folder, "node_modules", "headrace")) ? "" : "npm install && ";
  process.stdout.write(`${go}${install}npx headrace run ${program}\n`);
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

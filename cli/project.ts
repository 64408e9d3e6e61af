// The files of a new project, as `headrace init` writes them: those of `templates`, which run as they stand, and what makes a project of
// them. Writes nothing.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

export interface Project {
  /** What to run. */
  readonly program: string;
  /** By name. Those that belong to any project may stand already. */
  readonly files: Readonly<Record<string, { readonly text: string; readonly shared: boolean }>>;
}

/** A classifier of penguins, small but whole: data, a split, a fit and a parallel score. */
export function project(name: string, version: string, language: "pipe" | "typescript"): Project {
  const program = language === "pipe" ? "penguins.pipe" : "penguins.pipeline.ts";
  const manifest = {
    ...{ name, version: "0.0.0", private: true, type: "module" },
    scripts: { start: `headrace run ${program}`, check: `headrace check ${program}`, types: "tsc --noEmit" },
    dependencies: { headrace: `^${version}` },
    devDependencies: { typescript: ">=5.8" },
  };
  const own = (text: string) => ({ text, shared: false });
  const shared = (text: string) => ({ text, shared: true });
  return {
    program,
    files: {
      "package.json": shared(`${JSON.stringify(manifest, null, 2)}\n`),
      "tsconfig.json": shared(`${JSON.stringify(TYPESCRIPT, null, 2)}\n`),
      ".gitignore": shared("node_modules/\n.headrace/\n"),
      "README.md": shared(readme(program)),
      [program]: own(template(program)),
      "penguins.ts": own(template("penguins.ts")),
      "penguins.json": own(template("penguins.json")),
    },
  };
}

/** The stages are bundled, so they resolve as bundlers do, whatever kind of module the project's own package is. */
const TYPESCRIPT = {
  compilerOptions: {
    ...{ target: "es2023", module: "preserve", moduleResolution: "bundler", lib: ["es2023"], types: [] },
    ...{ strict: true, noUncheckedIndexedAccess: true, verbatimModuleSyntax: true },
    ...{ resolveJsonModule: true, allowImportingTsExtensions: true, noEmit: true },
  },
  include: ["*.ts"],
};

function template(name: string): string {
  // By the package's own name: built files don't all lie at the same depth.
  const root = dirname(createRequire(import.meta.url).resolve("headrace/package.json"));
  return readFileSync(join(root, "templates", name), "utf8");
}

const readme = (program: string) => `# Penguins

\`npx headrace run ${program}\` trains a classifier of penguins and says how many of those that it never saw it gets right.
Its params are flags: \`--epochs 40 --lr 0.1 --seed 3\`; \`npx headrace run ${program} --help\` lists them.

- [${program}](${program}) is the program, [penguins.ts](penguins.ts) has its stages in plain TypeScript, and [penguins.json](penguins.json) the data.
- \`npx headrace check ${program}\` reports every problem before anything runs: try a typo in the name of a stage.
- \`npx headrace plan ${program}\` shows what would run, and \`npx headrace graph ${program} -o penguins.svg\` draws it.
- \`npm run types\` checks the TypeScript with \`tsc\`.
`;

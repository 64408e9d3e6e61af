// Builds `dist` with what the package itself depends on, so that a clean clone, `--omit=dev` and a packed install all build the
// same way: code by esbuild, declarations by the TypeScript inside ts-morph. `--no-types` leaves the declarations out.
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL(".", import.meta.url));
rmSync(`${root}dist`, { recursive: true, force: true });

const shared = {
  absWorkingDir: root,
  outdir: "dist",
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  sourcemap: true,
  logLevel: "warning",
};

// CommonJS packages inside an ES module bundle still call `require` for Node's own modules.
const banner = { js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);' };

// Alone and bare: it becomes part of each stage's code that uses it.
await build({ ...shared, entryPoints: { "api/index": "api/index.ts" } });

await build({
  ...shared,
  entryPoints: {
    "cli/main": "cli/main.ts",
    engine: "engine.ts",
    "runtime/hosts/host-main": "runtime/hosts/host-main.ts",
    "runtime/hosts/slot-main": "runtime/hosts/slot-main.ts",
  },
  splitting: true,
  // Large, native or rarely needed: loaded from node_modules on demand.
  external: ["ts-morph", "esbuild", "zeromq", "@hpcc-js/wasm-graphviz"],
  banner,
});

// One file without its map, which `headrace build` puts programs behind.
await build({
  ...shared,
  entryPoints: { standalone: "cli/standalone.ts" },
  sourcemap: false,
  minifySyntax: true,
  minifyWhitespace: true,
  banner,
});

if (!process.argv.includes("--no-types")) {
  const { ts } = await import("ts-morph");
  const config = ts.readConfigFile(`${root}tsconfig.json`, ts.sys.readFile).config;
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  const program = ts.createProgram([`${root}api/index.ts`, `${root}engine.ts`], {
    ...options,
    noEmit: false,
    declaration: true,
    emitDeclarationOnly: true,
    // `npm run types` checks them; what can't be declared is told here all the same.
    noCheck: true,
    rootDir: root,
    outDir: `${root}dist/types`,
  });
  const { diagnostics } = program.emit();
  if (diagnostics.length > 0) {
    process.stderr.write(
      ts.formatDiagnostics(diagnostics, { getCanonicalFileName: (name) => name, getCurrentDirectory: () => root, getNewLine: () => "\n" }),
    );
    process.exit(1);
  }
}

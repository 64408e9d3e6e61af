// Builds `dist` with esbuild alone, so that a clean clone, `--omit=dev` and a packed install all build the same way.
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL(".", import.meta.url));
rmSync(`${root}dist`, { recursive: true, force: true });

await build({
  absWorkingDir: root,
  entryPoints: {
    "cli/main": "cli/main.ts",
    "api/index": "api/index.ts",
    engine: "engine.ts",
    "runtime/hosts/host-main": "runtime/hosts/host-main.ts",
    "runtime/hosts/slot-main": "runtime/hosts/slot-main.ts",
  },
  outdir: "dist",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20",
  sourcemap: true,
  // Large, native or rarely needed: loaded from node_modules on demand.
  external: ["ts-morph", "esbuild", "zeromq"],
  // CommonJS packages inside an ES module bundle still call `require` for Node's own modules.
  banner: { js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);' },
  logLevel: "warning",
});

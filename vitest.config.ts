// Test runner: sources are tested as they stand; host processes run the built package, which the global set-up makes first.
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  // Tests import the package's sources; hosts are processes and run the built `dist`.
  resolve: { alias: { "headrace/engine": here("./engine.ts"), headrace: here("./api/index.ts") } },
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/harness/build.ts"],
    // Programs that tests run leave nothing behind, but where a test asks for that.
    env: { HEADRACE_CACHE: "off" },
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});

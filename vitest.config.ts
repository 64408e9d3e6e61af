// Test runner: sources are tested as they stand; host processes run the built package, which the global set-up makes first.
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** What reads programs and runs none changes nothing outside of itself: its files share a process, and so what has been read of TypeScript. */
const READING = ["test/compiler/**/*.test.ts", "test/lang/**/*.test.ts"];

export default defineConfig({
  // Tests import the package's sources; hosts are processes and run the built `dist`.
  resolve: { alias: { "headrace/engine": here("./engine.ts"), headrace: here("./api/index.ts") } },
  test: {
    globalSetup: ["test/harness/build.ts"],
    // Programs that tests run leave nothing behind, but where a test asks for that.
    env: { HEADRACE_CACHE: "off" },
    // Vitest would leave a core free, which of two is a half; one more, since many tests wait for processes. So no test may hang on how long
    // anything takes.
    maxWorkers: availableParallelism() + 1,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    projects: [
      { extends: true, test: { name: "reading", include: READING, isolate: false } },
      { extends: true, test: { name: "running", include: ["test/**/*.test.ts"], exclude: READING } },
    ],
  },
});

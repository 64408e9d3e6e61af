// Real Jupyter clients for tests: a Python environment of their own, made once and kept with the caches. Where there is no Python,
// tests fail and say so.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const cache = fileURLToPath(new URL("../../node_modules/.cache/headrace/jupyter", import.meta.url));
const cli = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const PACKAGES = ["nbclient", "nbformat", "jupyter_client", "jupyter_kernel_test"];

export interface Jupyter {
  readonly python: string;
  /** With a freshly installed kernel, and nothing of the user's. */
  readonly env: NodeJS.ProcessEnv;
  readonly prefix: string;
  remove(): void;
}

/** Makes the environment where it isn't there, and installs the kernel into a folder of its own. */
export function jupyter(): Jupyter {
  const python = join(cache, "bin", "python");
  if (!existsSync(join(cache, "complete"))) {
    mkdirSync(cache, { recursive: true });
    try {
      execFileSync("python3", ["-m", "venv", cache], { stdio: ["ignore", "ignore", "pipe"] });
      execFileSync(python, ["-m", "pip", "install", "--quiet", ...PACKAGES], { stdio: ["ignore", "ignore", "pipe"] });
      mkdirSync(join(cache, "complete"));
    } catch (error) {
      throw new Error(
        `these tests need Python 3 with venv and pip, to install ${PACKAGES.join(", ")}: ${error instanceof Error ? error.message : String(error)}`,
        { cause: error },
      );
    }
  }
  const prefix = mkdtempSync(join(tmpdir(), "headrace-jupyter-"));
  execFileSync(process.execPath, [cli, "kernel", "install", "--prefix", prefix], { stdio: "ignore" });
  return {
    python,
    prefix,
    env: { ...process.env, JUPYTER_PATH: join(prefix, "share", "jupyter"), JUPYTER_PLATFORM_DIRS: "1", IPYTHONDIR: prefix, HOME: prefix },
    remove: () => rmSync(prefix, { recursive: true, force: true }),
  };
}

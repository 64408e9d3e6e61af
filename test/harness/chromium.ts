// A real browser for tests that measure what is drawn: named by CHROMIUM, found on the PATH, else installed from Debian's package.
// Where none can be had, tests fail and say what is missing.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BrowserContext } from "playwright-core";
import { chromium } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];

/** What it says of itself; null where it isn't there or can't run. */
function version(command: string): string | null {
  try {
    return execFileSync(command, ["--version"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return null;
  }
}
/** playwright starts what it is given a path of. */
function pathOf(command: string): string | null {
  if (version(command) === null) return null;
  return command.includes("/") ? command : execFileSync("sh", ["-c", 'command -v -- "$0"', command], { encoding: "utf8" }).trim();
}

function findBrowser(): string {
  const named = process.env.CHROMIUM;
  if (named) {
    const found = pathOf(named);
    if (found === null) throw new Error(`CHROMIUM is \`${named}\`, which doesn't run`);
    return found;
  }
  const known = () => NAMES.map(pathOf).find((path) => path !== null);
  const found = known();
  if (found) return found;
  const tried = [`none of ${NAMES.map((name) => `\`${name}\``).join(", ")} is on the PATH, and CHROMIUM isn't set`];
  if (process.getuid?.() !== 0) tried.push("`apt-get install chromium` needs root");
  else if (version("apt-get") === null) tried.push("there is no `apt-get`");
  else {
    try {
      const apt = (...args: string[]) =>
        execFileSync("apt-get", ["-qq", ...args], {
          stdio: ["ignore", "ignore", "pipe"],
          env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
        });
      apt("update");
      apt("install", "-y", "--no-install-recommends", "chromium");
      const installed = known();
      if (installed) return installed;
      tried.push("Debian's package gave no `chromium` that runs");
    } catch (error) {
      tried.push(`\`apt-get install chromium\` failed: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new Error(`these tests need a Chromium, and none could be had:\n  ${tried.join("\n  ")}`);
}

export interface Browser {
  readonly context: BrowserContext;
  close(): Promise<void>;
}

/** A browser with a profile of its own, which asks nobody anything. */
export async function startBrowser(): Promise<Browser> {
  const executablePath = findBrowser();
  const profile = mkdtempSync(join(tmpdir(), "headrace-chromium-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    args: [
      ...["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
      ...["--disable-component-update", "--disable-sync"],
    ],
  });
  return {
    context,
    async close() {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}

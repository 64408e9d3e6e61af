// Builds `dist` before all tests, unless it is of these very sources: host processes and slots can't start from TypeScript.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
// Inside `dist`, so that whatever builds it otherwise takes the stamp away.
const stamp = `${root}dist/.built-from`;

export default function setup(): void {
  const now = sourcesHash();
  const before = existsSync(stamp) ? readFileSync(stamp, "utf8") : null;
  if (now === before) return;
  execFileSync(process.execPath, [`${root}build.mjs`], { stdio: "inherit" });
  writeFileSync(stamp, now);
}

function sourcesHash(): string {
  const hash = createHash("sha256");
  const folders = ["api", "cli", "compiler", "lang", "notebooks", "runtime"];
  const files = folders.flatMap((folder) => readdirSync(root + folder, { recursive: true }).map((file) => `${folder}/${String(file)}`));
  const sources = files.filter((file) => /\.(ts|mjs|js|json|css|html)$/.test(file)).sort();
  for (const file of [...sources, "engine.ts", "build.mjs", "package.json", "package-lock.json", "tsconfig.json"])
    hash.update(file).update(readFileSync(root + file));
  return hash.digest("hex");
}

// What the installed package says of itself.
import { createRequire } from "node:module";

export function packageVersion(): string {
  // By the package's own name: built files don't all lie at the same depth.
  const manifest: { version: string } = createRequire(import.meta.url)("headrace/package.json");
  return manifest.version;
}

// A file that is engine, host and slot at once, alone in an empty folder.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { expect, it } from "vitest";
import { call, digestOf, plan } from "./harness.ts";

const here = (path: string) => JSON.stringify(fileURLToPath(new URL(path, import.meta.url)));

it("a bundle starts itself as host and as slot", async () => {
  const module = `export const where = () => "in a slot";`;
  const prepare = {
    type: "prepare",
    run: 1,
    plan: plan({ where: {} }, [{ id: "where", body: call("where") }], module),
    params: {},
    code: [{ digest: digestOf(module), module, map: null }],
  };
  const script = `
    import { fileURLToPath } from "node:url";
    import { startedAsHost } from ${here("../../runtime/hosts/roles.ts")};
    import { startHost } from ${here("../../runtime/hosts/host.ts")};
    import { columnValues } from ${here("../../runtime/objects/codec.ts")};
    if (!startedAsHost(fileURLToPath(import.meta.url))) {
      const link = await startHost({ slots: 2 });
      link.onMessage = async (message) => {
        if (message.type !== "finished") return;
        console.log(columnValues(message.outputs.column, { share: false })[0]);
        await link.close();
      };
      link.send(${JSON.stringify(prepare)});
      link.send({ type: "assign", run: 1, slot: 1, stage: 0, planned: 0, first: 0, count: 1, attempt: 0, inputs: [] });
    }
  `;
  const folder = mkdtempSync(join(tmpdir(), "one-file-"));
  try {
    const file = join(folder, "all.mjs");
    await build({
      stdin: { contents: script, resolveDir: folder },
      outfile: file,
      bundle: true,
      format: "esm",
      platform: "node",
      banner: { js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);' },
    });
    expect(execFileSync(process.execPath, [file], { cwd: folder, encoding: "utf8", timeout: 30_000 })).toBe("in a slot\n");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

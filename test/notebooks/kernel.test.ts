// The kernel as Jupyter's own clients see it.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Jupyter } from "../harness/jupyter.ts";
import { jupyter } from "../harness/jupyter.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const digits = here("../../examples/digits");

interface Cell {
  readonly count: number;
  readonly outputs: readonly { readonly output_type: string; readonly [name: string]: unknown }[];
}

let client: Jupyter;
beforeAll(() => {
  client = jupyter();
}, 240_000);
afterAll(() => client?.remove());

function cells(source: string | readonly string[], folder = digits): Cell[] {
  const text = execFileSync(client.python, [here("cells.py"), typeof source === "string" ? source : "-", folder], {
    env: client.env,
    encoding: "utf8",
    input: typeof source === "string" ? "" : JSON.stringify(source),
    stdio: ["pipe", "pipe", "inherit"],
  });
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Cell);
}
const result = (cell: Cell | undefined) =>
  cell?.outputs.find((output) => output.output_type === "execute_result")?.data as Record<string, string> | undefined;
const stripColors = (text: string) => text.replaceAll(new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, "g"), "");
const traceback = (cell: Cell | undefined) =>
  stripColors(((cell?.outputs.find((output) => output.output_type === "error")?.traceback ?? []) as string[]).join("\n"));

describe("kernel", () => {
  it("runs the digits notebook", () => {
    const found = cells(`${digits}/digits.ipynb`);
    expect(found.map(({ count }) => count)).toEqual([1, 2, 3, 4]);
    expect(found.flatMap(({ outputs }) => outputs.filter((output) => output.output_type === "error"))).toEqual([]);
    expect(result(found[1])?.["text/plain"]).toMatch(/^\{ train: 80\d\d, test: 19\d\d \}$|^\{ train: 79\d\d, test: 20\d\d \}$/);
    // The fit is shown by its curve, and its value by its shape.
    const curves = found[2]!.outputs.flatMap((output) =>
      output.output_type === "display_data" ? [output.data as Record<string, { data: { values: unknown[] } }>] : [],
    );
    expect(curves.some((data) => (data["application/vnd.vegalite.v5+json"]?.data.values.length ?? 0) > 100)).toBe(true);
    expect(result(found[2])?.["text/plain"]).toContain("w: Float32Array(7840)");
    expect(Number(result(found[3])?.["text/plain"])).toBe(0.908954);
  }, 120_000);

  it("later cells see earlier names, and a name given again replaces the older one", () => {
    const found = cells(["let a = 20", "let b = a * 2", "a + b", "let a = 1", "a + b"]);
    expect(found.map((cell) => result(cell)?.["text/plain"])).toEqual(["20", "40", "60", "1", "3"]);
  }, 60_000);

  it("an error shows its frame, and harms no other cell", () => {
    const found = cells(["let size = 3", "let x = 1\nsise + 1", "size + 1", "let y = [1, 2"]);
    expect(traceback(found[1])).toContain("error[HR102]: there is no value `sise`");
    expect(traceback(found[1])).toContain("cell 2:2\n");
    expect(traceback(found[1])).toContain("2│ sise + 1");
    expect(traceback(found[1])).toContain("did you mean `size`?");
    expect(result(found[2])?.["text/plain"]).toBe("4");
    expect(traceback(found[3])).toContain("never closed");
  }, 60_000);

  it("talks with a front end: prints, is interrupted, drops what waits behind a failure, refuses forgeries", () => {
    const folder = mkdtempSync(join(tmpdir(), "headrace-notebook-"));
    try {
      writeFileSync(
        join(folder, "stages.ts"),
        `export function loud(x: number): number { console.log("got", x); console.error("odd"); return x; }
export function slow(x: number): number { const end = Date.now() + 2000; while (Date.now() < end); return x; }
export function endless(x: number): number { while (x < 10); return x; }
`,
      );
      const text = execFileSync(client.python, [here("conversation.py"), folder], { env: client.env, encoding: "utf8" });
      expect(JSON.parse(text)).toEqual({
        printed: expect.arrayContaining([
          ["stdout", "heard │ got 3\n"],
          ["stderr", "heard │ odd\n"],
        ]),
        interrupted: ["Cancelled"],
        "after interrupt": "ok",
        alive: true,
        "all at once": ["ok", "error", "aborted"],
        "going on": ["error", "ok"],
        afterwards: "ok",
        completed: [["heard"], 'let note = "😀😀" + heard'],
        inspected: "heard: float\nlet heard = loud(3)\n(cell 2)",
        history: ["let heard = loud(3)"],
        "forged is run": false,
        ended: true,
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }, 60_000);

  it("is taken away again", () => {
    const folder = join(client.prefix, "elsewhere");
    const verb = (...args: string[]) =>
      spawnSync(process.execPath, [here("../../dist/cli/main.js"), "kernel", ...args], { encoding: "utf8" });
    expect(verb("install", "--prefix", folder, "--name", "mine").status).toBe(0);
    const file = join(folder, "share/jupyter/kernels/mine/kernel.json");
    const spec = JSON.parse(readFileSync(file, "utf8"));
    expect(spec).toMatchObject({ display_name: "Headrace (mine)", interrupt_mode: "message" });
    expect(spec.argv[0]).toBe(process.execPath);
    expect(verb("uninstall", "--prefix", folder, "--name", "mine").status).toBe(0);
    expect(existsSync(file)).toBe(false);
    expect(verb("uninstall", "--prefix", folder, "--name", "mine").status).toBe(3);
    expect(verb("install", "--prefix", folder, "--user").stderr).toContain("name two places");
    writeFileSync(join(folder, "connection.json"), '{"transport": "tcp"}');
    expect(verb("start", join(folder, "connection.json"))).toMatchObject({ status: 3, stderr: expect.stringContaining("no text `ip`") });
  });

  it("passes Jupyter's own suite", () => {
    const run = spawnSync(client.python, [here("conformance.py")], { env: client.env, encoding: "utf8", cwd: digits });
    expect(run.stderr).toMatch(/OK( \(skipped=\d+\))?\s*$/);
    expect(run.status).toBe(0);
  }, 120_000);
});

// The page that `run --report` writes, in a real browser: it needs nothing else, shows every stage, hides no text, runs no text of the program
// as markup, and is there too when a run fails.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Browser } from "../harness/chromium.ts";
import { startBrowser } from "../harness/chromium.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const cli = join(root, "dist", "cli", "main.js");
let folder: string;
let browser: Browser;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "headrace-report-"));
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules", "headrace"), "junction");
  browser = await startBrowser();
}, 120_000);
afterAll(async () => {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
});

function run(program: string, ...args: string[]): number | null {
  writeFileSync(join(folder, "main.pipe"), program);
  const env = { ...process.env, NO_COLOR: "1" };
  return spawnSync(process.execPath, [cli, "run", "main.pipe", "--slots", "2", "--report", "run.html", ...args], { cwd: folder, env })
    .status;
}

/** The page as a reader finds it, and all that it asked the network for. */
async function open() {
  const page = await browser.context.newPage();
  const asked: string[] = [];
  const errors: string[] = [];
  page.on("request", (request) => asked.push(request.url()));
  page.on("pageerror", (error) => errors.push(error.message));
  const address = pathToFileURL(join(folder, "run.html")).href;
  await page.setViewportSize({ width: 1200, height: 900 });
  await page.goto(address);
  expect(asked).toEqual([address]);
  expect(errors).toEqual([]);
  return page;
}

/** Texts of the charts that reach out of their picture. */
const outside = `[...document.querySelectorAll(".chart svg text, figure svg text")].filter((text) => {
  const [own, picture] = [text.getBoundingClientRect(), text.ownerSVGElement.getBoundingClientRect()];
  return own.left < picture.left - 1 || own.right > picture.right + 1;
}).map((text) => text.textContent)`;

it("shows a run of few stages, with its curves and params, and nothing of its text is markup", async () => {
  writeFileSync(
    join(folder, "stages.ts"),
    `export function start(seed: number): number[] { console.log("<script>document.title = 'taken'</script>"); return [seed, 2, 3]; }
export function better(w: readonly number[]): number[] { return w.map((x) => x * 0.9); }
export function size(w: readonly number[]): number { return w[0]!; }`,
  );
  const program = `import { start, better, size } from "./stages.ts"

/// A <b>small</b> one.
param seed: float = 5.0

pipeline main() -> { last: float } {
  let first = start(seed)
  let w = loop w = first until size(w) < 0.5 max 40 {
    let next = better(w)
    track norm = size(next)
    w <- next
  }
  { last: size(w) }
}`;
  expect(run(program, "--seed", "4")).toBe(0);
  const page = await open();
  expect(await page.title()).toBe("main · Headrace");
  expect(await page.locator(".status").textContent()).toBe("done");
  expect(await page.locator("h2").allInnerTexts()).toEqual([
    "Timeline",
    "Graph",
    "Curves",
    "Slowest tasks",
    "Params",
    "Environment",
    "What stages printed",
  ]);
  expect(await page.locator(".facts").first().textContent()).toMatch(/seed\s*4/);
  expect(await page.locator("figcaption").first().textContent()).toMatch(/^w norm 0\.\d+$/);
  expect(await page.locator("figure polyline").first().getAttribute("points")).toMatch(/(\d+\.\d,\d+\.\d ){10}/);
  expect(await page.locator(".log").textContent()).toContain("<script>document.title");
  expect(await page.locator(".graph svg").count()).toBe(1);
  expect(await page.evaluate(outside)).toEqual([]);
  await page.close();
}, 60_000);

it("shows 300 stages, each in its row", async () => {
  writeFileSync(join(folder, "stages.ts"), "export function plus(a: number, b: number): number { return (a + b) % 17; }");
  const lines = Array.from({ length: 300 }, (_, i) =>
    i < 2 ? `  let stage_${i} = plus(${i}.0, 1.0)` : `  let stage_${i} = plus(stage_${i - 1}, stage_${i - 2})`,
  );
  expect(
    run(`import { plus } from "./stages.ts"\npipeline main() -> { last: float } {\n${lines.join("\n")}\n  { last: stage_299 }\n}\n`),
  ).toBe(0);
  const page = await open();
  const labels = await page.locator(".chart").first().locator(".label").allTextContents();
  expect(labels.sort()).toEqual(Array.from({ length: 300 }, (_, i) => `stage_${i}`).sort());
  expect(await page.evaluate(outside)).toEqual([]);
  // The page itself never scrolls sideways.
  expect(await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")).toBe(true);
  expect(readFileSync(join(folder, "run.html")).length).toBeLessThan(600_000);
  await page.close();
}, 60_000);

it("is written for a run that fails, with the user's own stack", async () => {
  writeFileSync(join(folder, "stages.ts"), `export function breaks(x: number): number {\n  throw new Error("no <such> thing: " + x);\n}`);
  expect(
    run(`import { breaks } from "./stages.ts"\npipeline main() -> { last: float } {\n  let one = breaks(1.0)\n  { last: one }\n}\n`),
  ).toBe(1);
  const page = await open();
  expect(await page.locator(".status").textContent()).toBe("failed");
  expect(await page.locator(".error").textContent()).toBe("one: Error: no <such> thing: 1");
  expect(await page.locator("details pre").textContent()).toContain("stages.ts:2");
  await page.close();
}, 60_000);

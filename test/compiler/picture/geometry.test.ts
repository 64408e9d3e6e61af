// Pictures as a browser draws them: boxes keep apart, text keeps inside, edges end at boxes, groups hold what stands in them; at any
// size, in both schemes of colours.
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { drawSvg } from "../../../cli/verbs/graph.ts";
import { grouped } from "../../../compiler/picture/groups.ts";
import { pictureOf } from "../../../compiler/picture/picture.ts";
import type { Plan } from "../../../compiler/plan.ts";
import type { Browser } from "../../harness/chromium.ts";
import { startBrowser } from "../../harness/chromium.ts";
import { planOfSize, planWithRegions } from "./plans.ts";

let browser: Browser;
let page: Page;
beforeAll(async () => {
  browser = await startBrowser();
  page = await browser.context.newPage();
});
afterAll(() => browser?.close());

interface Drawn {
  readonly boxes: number;
  readonly edges: number;
  /** What is wrong, in words. */
  readonly problems: readonly string[];
}

const script = fileURLToPath(new URL("measure.js", import.meta.url));
async function measured(): Promise<Drawn> {
  await page.addScriptTag({ path: script });
  return page.evaluate<Drawn>("measure()");
}

async function draw(plan: Plan, all = false): Promise<Drawn> {
  const { shown } = grouped(pictureOf(plan), { expand: [], all });
  await page.setContent(`<!doctype html><body style="margin:0">${await drawSvg(shown)}</body>`);
  expect(await page.locator("g.box").count()).toBe(shown.boxes.length);
  expect(await page.locator("g.edge").count()).toBe(shown.edges.length);
  expect(await page.locator("g.group").count()).toBe(shown.groups.length);
  return measured();
}

describe("in a browser", () => {
  it.each([5, 40, 300])("%i stages, collapsed where they are many", async (n) => {
    const { boxes, edges, problems } = await draw(planOfSize(n));
    expect(problems).toEqual([]);
    expect(boxes).toBeGreaterThanOrEqual(Math.min(n, 10));
    expect(boxes).toBeLessThanOrEqual(60);
    expect(edges).toBeGreaterThan(4);
  });

  it("300 stages, all of them", async () => {
    const { boxes, problems } = await draw(planOfSize(300), true);
    expect(problems).toEqual([]);
    expect(boxes).toBeGreaterThan(300);
  }, 60_000);

  it("regions in regions", async () => {
    expect((await draw(planWithRegions())).problems).toEqual([]);
  });

  it("measures what is wrong, too", async () => {
    await draw(planOfSize(5));
    await page.evaluate(`
      const [first, second] = document.querySelectorAll(".face");
      for (const name of ["x", "y"]) second.setAttribute(name, first.getAttribute(name));
      document.querySelector("g.box text").textContent = "far too long a text for any box that was ever drawn by anybody";
    `);
    const found = (await measured()).problems.join("\n");
    expect(found).toMatch(/ lies on /);
    expect(found).toMatch(/ is wider than /);
    expect(found).toMatch(/(begins|ends) [\d.]+ from its box/);
  });

  it("follows the reader's scheme", async () => {
    const paper = () => page.evaluate('getComputedStyle(document.querySelector(".paper")).fill');
    await page.emulateMedia({ colorScheme: "light" });
    await draw(planOfSize(5));
    expect(await paper()).toBe("rgb(255, 255, 255)");
    await page.emulateMedia({ colorScheme: "dark" });
    expect(await paper()).toBe("rgb(13, 17, 23)");
    await page.emulateMedia({ colorScheme: null });
  });
});

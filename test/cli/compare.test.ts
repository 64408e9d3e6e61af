// `headrace compare`: its table and picture from numbers, and as a user runs it.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Comparison, Contender, Sample } from "../../cli/comparison.ts";
import { compared, comparisonPicture, comparisonText } from "../../cli/comparison.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const cli = join(root, "dist", "cli", "main.js");
const fits = join(root, "test", "training", "fixtures", "fits.pipe");
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "headrace-compare-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const headrace = (...args: string[]) =>
  spawnSync(process.execPath, [cli, ...args], { cwd: folder, encoding: "utf8", env: { ...process.env, NO_COLOR: "1" } });

const sample = (fitMs: number, values: readonly number[], more: { stale?: number[]; accuracy?: number } = {}): Sample => ({
  fitMs,
  curves: new Map([
    ["loss", { atMs: values.map((_, i) => (fitMs * (i + 1)) / values.length), values }],
    ...(more.stale ? [["staleness", { atMs: more.stale, values: more.stale }] as const] : []),
  ]),
  results: new Map(more.accuracy === undefined ? [] : [["accuracy", more.accuracy]]),
});
const contenders: readonly Contender[] = [
  { schedule: "auto", runsAs: "sequential", members: 1, ceiling: 1, samples: [sample(1000, [8, 4, 2, 1], { accuracy: 0.9 })] },
  {
    schedule: "wild",
    runsAs: "data(2) hogwild",
    members: 2,
    ceiling: 1.6,
    samples: [sample(500, [8, 4, 3, 2], { stale: [0, 1, 5], accuracy: 0.8 }), sample(700, [8, 4, 3, 2], { accuracy: 0.8 })],
  },
];

describe("a comparison", () => {
  it("goes by the metric that all come to, in medians, over the first and the ceiling", () => {
    const { target, standings } = compared(contenders, "loss", null);
    expect(target).toBe(2);
    expect(standings[0]).toMatchObject({ toTargetMs: 750, last: 1, speedUp: 1, share: 1, staleness: null });
    expect(standings[1]).toMatchObject({ fitMs: 600, toTargetMs: 600, last: 2, staleness: { mean: 2, most: 5 } });
    expect(standings[1]!.speedUp).toBeCloseTo(1000 / 600);
    expect(standings[1]!.share).toBeCloseTo(1000 / 600 / 1.6);
    expect(compared(contenders, "loss", 1.5).standings[1]!.toTargetMs).toBeNull();
  });

  it("is a table, and a picture of names and curves", () => {
    const comparison = compared(contenders, "loss", 1.5);
    expect(comparisonText(comparison, 200)).toMatchInlineSnapshot(`
      "schedule  runs as          fit    to 1.5  loss  accuracy  staleness       speed-up  of the ceiling
      auto      sequential       1.0 s  1.0 s   1     0.9       -               1         -
      wild      data(2) hogwild  0.6 s  never   2     0.8       2.0, at most 5  1.67      104 %"
    `);
    const picture = comparisonPicture(contenders, comparison, "<odd> & co");
    expect(picture.match(/<polyline/g)).toHaveLength(2);
    expect(picture).toContain("&lt;odd&gt; &amp; co");
    expect(picture).not.toMatch(/NaN|Infinity/);
  });

  it("is there for long curves too", () => {
    const values = Array.from({ length: 300_000 }, (_, i) => 1000 / (1 + i));
    const long = contenders.map((one) => ({ ...one, samples: [sample(1000, values, { stale: values })] }));
    const comparison = compared(long, "loss", null);
    expect(comparison.standings[0]!.staleness!.most).toBe(1000);
    const picture = comparisonPicture(long, comparison, "x");
    expect(picture.length).toBeLessThan(50_000);
    expect(picture).not.toMatch(/NaN|Infinity/);
  });

  it("says nothing of what nobody tracks", () => {
    const bare = contenders.map((one) => ({ ...one, samples: [{ ...one.samples[0]!, curves: new Map() }] }));
    const comparison = compared(bare, null, null);
    expect(comparison).toMatchObject({ metric: null, target: null });
    expect(comparisonPicture(bare, comparison, "x")).not.toMatch(/NaN|Infinity/);
  });
});

describe("headrace compare", () => {
  it("runs the same program under each schedule", () => {
    const { status, stdout, stderr } = headrace(
      ...["compare", `${fits}:plain`, "--schedules", "auto, plain_allreduce,plain_hogwild", "--rows", "660", "--json"],
      ...["--picture", "curves.svg"],
    );
    expect(stderr).toMatch(/^auto {2}.*\nplain_allreduce {2}.*\nplain_hogwild {2}/m);
    expect(status).toBe(0);
    const { metric, standings } = JSON.parse(stdout) as Comparison;
    expect(metric).toBe("loss");
    expect(standings.map(({ schedule }) => schedule)).toEqual(["auto", "plain_allreduce", "plain_hogwild"]);
    const [fold, parts, wild] = standings;
    expect(parts!.last).toBeCloseTo(fold!.last!, 6);
    expect(parts!.exchangedMB).toBeGreaterThan(0);
    expect(fold!.exchangedMB).toBeNull();
    expect(wild!.staleness).not.toBeNull();
    expect(readFileSync(join(folder, "curves.svg"), "utf8")).toContain("plain_hogwild");
  }, 60_000);

  it("says what is missing or wrong", () => {
    expect(headrace("compare").stderr).toContain("`headrace compare` needs a FILE");
    expect(headrace("compare", `${fits}:plain`).stderr).toContain("--schedules auto,average,allreduce");
    const unknown = headrace("compare", `${fits}:plain`, "--schedules", "auto,plain_alreduce");
    expect(unknown).toMatchObject({ status: 3, stderr: expect.stringContaining("plain_allreduce") });
    expect(headrace("compare", `${fits}:plain`, "--schedules", "auto", "--target", "loss").stderr).toContain("--target loss=0.1");
    const nowhere = headrace("compare", `${fits}:plain`, "--schedules", "auto", "--picture", "nowhere/c.svg");
    expect(nowhere).toMatchObject({
      status: 2,
      stdout: "",
      stderr: expect.stringContaining("headrace: nowhere/c.svg: no such file or folder"),
    });
    expect(nowhere.stderr).not.toMatch(/^auto {2}/m);
    const failing = headrace("compare", `${fits}:failing`, "--schedules", "auto");
    expect(failing).toMatchObject({ status: 1, stderr: expect.stringContaining("no more of 33") });
  }, 60_000);
});

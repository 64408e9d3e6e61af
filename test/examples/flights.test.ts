// The flights example: what its README promises, against a few lines of plain JavaScript, under both schedules.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compile, run } from "headrace/engine";
import { expect, it } from "vitest";

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));

it("the flights example sums up routes by airport, and writes what it found", async () => {
  const lines = readFileSync(path("node_modules/vega-datasets/data/flights-airport.csv"), "utf8").trim().split("\n").slice(1);
  const airports = new Map<string, number[]>();
  for (const line of lines) {
    const [origin, , count] = line.split(",");
    airports.set(origin!, [...(airports.get(origin!) ?? []), Number(count)]);
  }
  const wanted = [...airports]
    .map(([origin, counts]) => ({
      origin,
      flights: counts.reduce((a, b) => a + b),
      destinations: counts.length,
      longest: Math.max(...counts),
    }))
    .sort((a, b) => b.flights - a.flights);

  const folder = mkdtempSync(join(tmpdir(), "headrace-flights-"));
  try {
    for (const schedule of ["auto", "alone"]) {
      const { plan, code, diagnostics } = await compile(path("examples/flights/flights.pipe"), { schedule });
      expect(diagnostics).toEqual([]);
      const out = join(folder, `${schedule}.csv`);
      const { outputs, error } = await run(plan!, code, { params: { out, most: 3 }, slots: 2 });
      expect(error).toBeNull();
      expect(outputs).toEqual({
        busiest: wanted.slice(0, 3),
        all: { routes: lines.length, flights: wanted.reduce((sum, { flights }) => sum + flights, 0) },
      });
      const written = wanted.map(({ origin, flights, destinations, longest }) => `${origin},${flights},${destinations},${longest}\n`);
      expect(readFileSync(out, "utf8")).toBe(`origin,flights,destinations,longest\n${written.join("")}`);
    }
    // Nothing unfinished is left beside them.
    expect(readdirSync(folder).sort()).toEqual(["alone.csv", "auto.csv"]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it("has one plan, written as `.pipe` or as TypeScript", async () => {
  const [pipe, typescript] = [
    await compile(path("examples/flights/flights.pipe")),
    await compile(path("examples/flights/flights.pipeline.ts")),
  ];
  expect(typescript.diagnostics).toEqual([]);
  expect(typescript.plan!.hash).toBe(pipe.plan!.hash);
});

import type { int } from "headrace";
import { dataset, expect, forEach, loop, range, track } from "headrace";
import { distance, flowers, moved, nearest, purity, starts } from "./iris.ts";

/** Iris flowers in groups: k-means for several numbers of groups side by side, judged by species that it never sees.
 *  @pipeline
 *  @param most the largest number of groups that is tried, in 2..8 */
export function iris(most: int = 5, seed: int = 1) {
  const all = flowers();
  expect(all.length === 150, "the data set has lost flowers");

  const trials = forEach(
    range(most - 1).map((i) => i + 2),
    (k) => {
      const centers = loop(starts(all, k, seed), { max: 50 }, (c) => {
        const near = dataset(all).map((f) => ({ center: nearest(c, f), size: f.size }));
        const groups = near.groupBy((n) => n.center).agg((group) => ({ size: group.mean((n) => n.size) }));
        const next = groups
          .sortBy((g) => g.key)
          .map((g) => g.size)
          .collect();
        const shift = moved(c, next);
        track("shift", shift);
        return { next, until: shift < 1e-9 };
      });
      const spread = dataset(all).mean((f) => distance(centers, f));
      const found = dataset(all)
        .map((f) => ({ center: nearest(centers, f), species: f.species }))
        .groupBy((f) => f.center)
        .collect();
      return { groups: k, centers, spread, purity: purity(found) };
    },
  );

  const enough = dataset(trials).filter((t) => t.purity > 0.85);
  const best =
    enough.count() > 0
      ? enough.first()
      : dataset(trials)
          .sortBy((t) => t.spread)
          .first();
  return { trials, best };
}

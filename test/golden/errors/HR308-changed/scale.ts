import type { View } from "headrace";

export function load(): Float32Array {
  return Float32Array.of(1, 2, 3);
}

export function scale(rows: View<Float32Array>, by: number): number[] {
  const own = rows as Float32Array;
  own.forEach((x, i) => {
    own[i] = x * by;
  });
  return [...own];
}

// A fit of everything that an architecture may stumble over.
import type { float, int, View } from "headrace";

export interface Row {
  readonly size: float;
}
export interface Weights {
  w: Float32Array;
}
export function load(seed: int): Row[] {
  return [{ size: seed }];
}
export function init(seed: int): Weights {
  return { w: Float32Array.of(seed) };
}
export function name(seed: int): string {
  return `${seed}`;
}
export function longer(text: string, size: float): string {
  return text + size;
}
export function gradient(w: View<Weights>, batch: readonly Row[]): { loss: float; grad: Weights } {
  return { loss: batch.length, grad: { w: w.w.slice() } };
}
export function slope(w: View<Weights>, row: Row): { loss: float; grad: Weights } {
  return { loss: row.size, grad: { w: w.w.slice() } };
}
export function clip(grad: Weights, most: float): Weights {
  return { w: grad.w.fill(most) };
}
export function norm(grad: View<Weights>): float {
  return grad.w[0]!;
}
export function scaled(w: View<Weights>, batch: readonly Row[], by: float): Weights {
  return { w: w.w.map((x) => x * by * batch.length) };
}
/** @elementwise */
export function step(w: Weights, grad: View<Weights>, rate: number): Weights {
  w.w[0]! -= rate * grad.w[0]!;
  return w;
}

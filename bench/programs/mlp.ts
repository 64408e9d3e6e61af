// The network of `examples/mlp` with its gradients in plain loops, which split as batches do.
import type { float, int, View } from "headrace";
import type { Digit } from "../../examples/digits/digits.ts";

const [PIXELS, HIDDEN, CLASSES, ROWS] = [784, 128, 10, 1024];

export interface Weights {
  w1: Float32Array;
  b1: Float32Array;
  w2: Float32Array;
  b2: Float32Array;
}
export interface State {
  w: Weights;
  m: Weights;
  v: Weights;
  t: float;
}

/** A tenth of them, of all classes: plain loops take their time. */
export function some(digits: readonly Digit[]): Digit[] {
  return Array.from({ length: ROWS }, (_, i) => digits[(i * 7919) % digits.length]!);
}

const zeros = (): Weights => ({
  w1: new Float32Array(PIXELS * HIDDEN),
  b1: new Float32Array(HIDDEN),
  w2: new Float32Array(HIDDEN * CLASSES),
  b2: new Float32Array(CLASSES),
});

export function start(seed: int): State {
  const w = zeros();
  for (let i = 0; i < w.w1.length; i++) w.w1[i] = 0.05 * Math.sin(seed + i * 12.9898);
  for (let i = 0; i < w.w2.length; i++) w.w2[i] = 0.2 * Math.sin(seed + i * 78.233);
  return { w, m: zeros(), v: zeros(), t: 0 };
}

export function lossAndGrad(w: View<Weights>, batch: readonly Digit[]): Weights {
  const grad = zeros();
  const hidden = new Float64Array(HIDDEN);
  const back = new Float64Array(HIDDEN);
  const scores = new Float64Array(CLASSES);
  for (const { pixels, label } of batch) {
    hidden.set(w.b1);
    for (let p = 0; p < PIXELS; p++) for (let h = 0, at = p * HIDDEN; h < HIDDEN; h++) hidden[h]! += pixels[p]! * w.w1[at + h]!;
    scores.set(w.b2);
    for (let h = 0; h < HIDDEN; h++) {
      hidden[h] = Math.max(0, hidden[h]!);
      for (let c = 0; c < CLASSES; c++) scores[c]! += hidden[h]! * w.w2[h * CLASSES + c]!;
    }
    const most = Math.max(...scores);
    let sum = 0;
    for (let c = 0; c < CLASSES; c++) sum += scores[c] = Math.exp(scores[c]! - most);
    for (let c = 0; c < CLASSES; c++) {
      scores[c] = (scores[c]! / sum - (c === label ? 1 : 0)) / batch.length;
      grad.b2[c]! += scores[c]!;
    }
    for (let h = 0; h < HIDDEN; h++) {
      back[h] = 0;
      if (hidden[h]! > 0)
        for (let c = 0; c < CLASSES; c++) {
          grad.w2[h * CLASSES + c]! += hidden[h]! * scores[c]!;
          back[h]! += w.w2[h * CLASSES + c]! * scores[c]!;
        }
      grad.b1[h]! += back[h]!;
    }
    for (let p = 0; p < PIXELS; p++) for (let h = 0, at = p * HIDDEN; h < HIDDEN; h++) grad.w1[at + h]! += pixels[p]! * back[h]!;
  }
  return grad;
}

const parts = (w: View<Weights>) => [w.w1, w.b1, w.w2, w.b2] as Float32Array[];

export function adam(s: State, grad: View<Weights>, lr: float): State {
  s.t += 1;
  const rate = (lr * Math.sqrt(1 - 0.999 ** s.t)) / (1 - 0.9 ** s.t);
  const [ws, ms, vs, gs] = [parts(s.w), parts(s.m), parts(s.v), parts(grad)];
  ws.forEach((w, k) => {
    const [m, v, g] = [ms[k]!, vs[k]!, gs[k]!];
    for (let i = 0; i < w.length; i++) {
      m[i] = 0.9 * m[i]! + 0.1 * g[i]!;
      v[i] = 0.999 * v[i]! + 0.001 * g[i]! * g[i]!;
      w[i]! -= (rate * m[i]!) / (Math.sqrt(v[i]!) + 1e-8);
    }
  });
  return s;
}

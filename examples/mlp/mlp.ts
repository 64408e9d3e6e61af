// The stages of the program: a network of 784, 128 and 10, whose gradients come from jax-js (WebAssembly), and Adam in plain loops.
import * as jax from "@jax-js/jax";
import type { float, int, View } from "headrace";
import type { Digit } from "../digits/digits.ts";

const PIXELS = 28 * 28;
const HIDDEN = 128;
const CLASSES = 10;

export interface Weights {
  /** Pixels × hidden, then hidden × classes, by rows. */
  w1: Float32Array;
  b1: Float32Array;
  w2: Float32Array;
  b2: Float32Array;
}

/** Weights, with Adam's two moments and the number of updates. */
export interface State {
  w: Weights;
  m: Weights;
  v: Weights;
  t: float;
}

const zeros = (): Weights => ({
  w1: new Float32Array(PIXELS * HIDDEN),
  b1: new Float32Array(HIDDEN),
  w2: new Float32Array(HIDDEN * CLASSES),
  b2: new Float32Array(CLASSES),
});

/** He et al.'s start for layers behind `relu`; the same for the same seed. */
export function start(seed: int): State {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
  const spread = (array: Float32Array, inputs: number) => {
    const most = Math.sqrt(6 / inputs);
    for (let i = 0; i < array.length; i++) array[i] = most * (2 * uniform() - 1);
  };
  const w = zeros();
  spread(w.w1, PIXELS);
  spread(w.w2, HIDDEN);
  return { w, m: zeros(), v: zeros(), t: 0 };
}

/** The loss and its gradients by the weights, as the library compiles them: once a slot. */
export class Backend {
  readonly run: (weights: readonly Float32Array[], x: Float32Array, y: Float32Array) => { loss: float; grads: Float32Array[] };
  constructor(run: Backend["run"]) {
    this.run = run;
  }
}

export async function backend(): Promise<Backend> {
  await jax.init("wasm");
  jax.defaultDevice("wasm");
  const loss = ([w1, b1, w2, b2]: jax.Array[], x: jax.Array, y: jax.Array) => {
    const rows = x.shape[0]!;
    const hidden = jax.nn.relu(jax.numpy.matmul(x, w1!).add(b1!));
    const scores = jax.numpy.matmul(hidden, w2!).add(b2!);
    return jax.nn
      .logSoftmax(scores)
      .mul(y)
      .sum()
      .mul(-1 / rows);
  };
  const compiled = jax.jit(jax.valueAndGrad(loss as never) as never) as unknown as (
    ...args: [jax.Array[], jax.Array, jax.Array]
  ) => [jax.Array, jax.Array[]];
  const shapes = [[PIXELS, HIDDEN], [HIDDEN], [HIDDEN, CLASSES], [CLASSES]];
  const array = (data: Float32Array, shape: number[]) => jax.numpy.array(Float32Array.from(data)).reshape(shape);
  return new Backend((weights, x, y) => {
    const rows = x.length / PIXELS;
    const given = weights.map((each, i) => array(each, shapes[i]!));
    const [value, grads] = compiled(given, array(x, [rows, PIXELS]), array(y, [rows, CLASSES]));
    return { loss: value.js() as number, grads: grads.map((grad) => grad.dataSync() as Float32Array) };
  });
}

/** Mean cross-entropy over the batch, and its gradient. */
export function lossAndGrad({ run }: Backend, w: View<Weights>, batch: readonly Digit[]): { loss: float; grad: Weights } {
  const x = new Float32Array(batch.length * PIXELS);
  const y = new Float32Array(batch.length * CLASSES);
  batch.forEach(({ pixels, label }, i) => {
    x.set(pixels, i * PIXELS);
    y[i * CLASSES + label] = 1;
  });
  const { loss, grads } = run(parts(w as Weights), x, y);
  const [w1, b1, w2, b2] = grads;
  return { loss, grad: { w1: w1!, b1: b1!, w2: w2!, b2: b2! } };
}

const parts = (w: Weights) => [w.w1, w.b1, w.w2, w.b2] as const;

/** No longer than `most`, in L2 norm over all of it. */
export function clip(grad: Weights, most: float): Weights {
  let sum = 0;
  for (const part of parts(grad)) for (let i = 0; i < part.length; i++) sum += part[i]! * part[i]!;
  const norm = Math.sqrt(sum);
  if (norm > most) for (const part of parts(grad)) for (let i = 0; i < part.length; i++) part[i]! *= most / norm;
  return grad;
}

/** From `lr` to 0 in half a wave. */
export function cosine(lr: float, step: int, steps: int): float {
  return 0.5 * lr * (1 + Math.cos((Math.PI * Math.min(step, steps)) / Math.max(1, steps)));
}

/** Kingma and Ba 2015, in place. */
export function adam(s: State, grad: View<Weights>, lr: float): State {
  s.t += 1;
  const [first, second] = [1 - 0.9 ** s.t, 1 - 0.999 ** s.t];
  const rate = (lr * Math.sqrt(second)) / first;
  const [ws, ms, vs, gs] = [parts(s.w), parts(s.m), parts(s.v), parts(grad as Weights)];
  for (let p = 0; p < ws.length; p++) {
    const [w, m, v, g] = [ws[p]!, ms[p]!, vs[p]!, gs[p]!];
    for (let i = 0; i < w.length; i++) {
      const slope = g[i]!;
      m[i] = 0.9 * m[i]! + 0.1 * slope;
      v[i] = 0.999 * v[i]! + 0.001 * slope * slope;
      w[i]! -= (rate * m[i]!) / (Math.sqrt(v[i]!) + 1e-8);
    }
  }
  return s;
}

function scores(w: View<Weights>, pixels: View<Float32Array>): Float64Array {
  const hidden = Float64Array.from(w.b1);
  for (let p = 0; p < PIXELS; p++) {
    const x = pixels[p]!;
    if (x !== 0) for (let h = 0, at = p * HIDDEN; h < HIDDEN; h++, at++) hidden[h]! += x * w.w1[at]!;
  }
  const found = Float64Array.from(w.b2);
  for (let h = 0; h < HIDDEN; h++) if (hidden[h]! > 0) for (let c = 0; c < CLASSES; c++) found[c]! += hidden[h]! * w.w2[h * CLASSES + c]!;
  return found;
}

/** Negative log-likelihood of one digit. */
export function nll(w: View<Weights>, { pixels, label }: Digit): float {
  const found = scores(w, pixels);
  const most = Math.max(...found);
  return most + Math.log(found.reduce((sum, score) => sum + Math.exp(score - most), 0)) - found[label]!;
}

/** The likeliest digit. */
export function predict(w: View<Weights>, digit: Digit): int {
  const found = scores(w, digit.pixels);
  return found.indexOf(Math.max(...found));
}

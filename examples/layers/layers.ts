// The stages of the program: a model of the package's layers, and Adam, which updates each number by itself, wherever its layer is.
import type { float, int, LayerArrays, Model, View } from "headrace";
import { dense, layers, matrix, softmaxCrossEntropy, tanh } from "headrace";
import type { Digit } from "../digits/digits.ts";

export function network(): Model {
  return layers([dense(28 * 28, 128), tanh(), dense(128, 10)], softmaxCrossEntropy());
}

/** Weights by layer, with Adam's two moments and the number of updates. */
export interface State {
  w: LayerArrays;
  m: LayerArrays;
  v: LayerArrays;
  t: float;
}

export function start(net: Model, seed: int): State {
  return { w: net.init(seed), m: net.zeros(), v: net.zeros(), t: 0 };
}

export function gradients(net: Model, s: View<State>, batch: readonly Digit[]): { loss: float; gradients: LayerArrays } {
  const x = matrix(batch.map(({ pixels }) => pixels));
  const labels = batch.map(({ label }) => label);
  return net.gradients(s.w, x, labels);
}

/**
 * Kingma and Ba 2015, in place.
 * @elementwise
 */
export function adam(s: State, slopes: View<LayerArrays>, lr: float): State {
  s.t += 1;
  const rate = (lr * Math.sqrt(1 - 0.999 ** s.t)) / (1 - 0.9 ** s.t);
  s.w.forEach((w, layer) => {
    const [m, v, slope] = [s.m[layer]!, s.v[layer]!, slopes[layer]!];
    for (let i = 0; i < w.length; i++) {
      m[i] = 0.9 * m[i]! + 0.1 * slope[i]!;
      v[i] = 0.999 * v[i]! + 0.001 * slope[i]! * slope[i]!;
      w[i]! -= (rate * m[i]!) / (Math.sqrt(v[i]!) + 1e-8);
    }
  });
  return s;
}

/** By digit. */
function chances(net: Model, s: View<State>, { pixels }: Digit): Float32Array {
  return net.forward(s.w, matrix([pixels])).data;
}

export function predict(net: Model, s: View<State>, digit: Digit): int {
  const all = chances(net, s, digit);
  return all.indexOf(Math.max(...all));
}

export function nll(net: Model, s: View<State>, digit: Digit): float {
  return -Math.log(chances(net, s, digit)[digit.label]!);
}

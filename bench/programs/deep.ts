// Layers of one size, so that two places have as much to do as each other.
import type { float, int, LayerArrays, Model, View } from "headrace";
import { dense, layers, matrix, softmaxCrossEntropy, tanh } from "headrace";

const SIZE = 256;

export function network(): Model {
  const hidden = Array.from({ length: 6 }, () => [dense(SIZE, SIZE), tanh()]).flat();
  return layers([...hidden, dense(SIZE, 10)], softmaxCrossEntropy());
}

interface Row {
  x: Float32Array;
  label: int;
}

export function rows(count: int): Row[] {
  return Array.from({ length: count }, (_, r) => ({
    x: Float32Array.from({ length: SIZE }, (_, c) => Math.sin(r + c * c)),
    label: r % 10,
  }));
}

interface State {
  w: LayerArrays;
  steps: float;
}

export function start(net: Model): State {
  return { w: net.init(1), steps: 0 };
}

export function gradients(net: Model, s: View<State>, batch: readonly Row[]): LayerArrays {
  return net.gradients(
    s.w,
    matrix(batch.map(({ x }) => x)),
    batch.map(({ label }) => label),
  ).gradients;
}

/** @elementwise */
export function descend(s: State, slopes: View<LayerArrays>, rate: float): State {
  s.steps++;
  s.w.forEach((w, layer) => {
    for (let i = 0; i < w.length; i++) w[i]! -= rate * slopes[layer]![i]!;
  });
  return s;
}

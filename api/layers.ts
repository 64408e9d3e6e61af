// Layers of a model: what each computes, and how it can be taken apart. Must not know in which order they go, nor where they are: `model.ts`.
import type { View } from "./view.ts";

/** Rows of numbers, one after another. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float32Array;
}

/** What each layer of a model has learned, in the order of its layers: an empty array for one that learns nothing, or that is elsewhere. */
export type LayerArrays = Float32Array[];

/** One layer. What `forward` keeps for `backward` it gives beside its result. */
export interface Layer<Saved = unknown> {
  /** For messages: `dense(784, 128)`. */
  readonly name: string;
  /** How many numbers it learns. */
  readonly size: number;
  /** Multiplications a row: layers are dealt out to places by it. */
  readonly cost: number;
  /** Each column of the result is made of the same column alone, so that it works on some of the columns as well. */
  readonly elementwise?: boolean;
  /** `random` gives numbers of 0 … 1. */
  init(random: () => number): Float32Array;
  forward(weights: Readonly<Float32Array>, x: Matrix): { readonly y: Matrix; readonly saved: Saved };
  /**
   * From the slope by the result that by what came in, where it is wanted: nobody asks for it before the first layer. The slope by the weights
   * is added to `gradient`.
   */
  backward(weights: Readonly<Float32Array>, saved: Saved, dy: Matrix, gradient: Float32Array, wantsDx: boolean): Matrix;
  /** How it can be taken apart. */
  readonly split?: Split<Saved>;
}

/** Parts of a layer, by rank among so many. */
export interface Split<Saved = unknown> {
  /** Gives some of the columns of all of what comes in; the slopes by what came in add up. */
  columns?(rank: number, size: number): LayerPart<Saved>;
  /** Is given some of the columns that come in, or takes some of the rows of a table; results add up. */
  rows?(rank: number, size: number): LayerPart<Saved>;
  /** `rows` is given all of what comes in. */
  readonly takesWhole?: boolean;
}

export interface LayerPart<Saved = unknown> {
  readonly layer: Layer<Saved>;
  /** Of what is added to the sum of the parts' results; what it is comes last of the weights. */
  readonly bias: number;
  /** Of the whole layer's weights, those of this part. */
  take(whole: Readonly<Float32Array>): Float32Array;
  /** Puts this part's weights where they belong. */
  put(part: Readonly<Float32Array>, whole: Float32Array): void;
}

/** The end of a model: how wrong it is. */
export interface Loss {
  readonly name: string;
  /** Summed over the rows, with the slope of that sum by what came in. */
  loss(x: Matrix, labels: ArrayLike<number>): { readonly loss: number; readonly dx: Matrix };
  /** What a model answers. */
  answer(x: Matrix): Matrix;
}

/** Layers one after another, and a loss. Made by `layers`; imported by a pipeline as a `resource`. */
export interface Model {
  /** Of each layer, the same for the same seed. Where a fit runs in several places, of this place's layers alone. */
  init(seed: number): LayerArrays;
  /** As many zeros as there are weights. */
  zeros(): LayerArrays;
  /** Mean loss over the rows, and its slopes by the weights. */
  gradients(weights: View<LayerArrays>, x: Matrix, labels: ArrayLike<number>): { readonly loss: number; readonly gradients: LayerArrays };
  /** What it answers, a row for each row. */
  forward(weights: View<LayerArrays>, x: Matrix): Matrix;
}

/** Rows as a matrix, copied. */
export function matrix(rows: readonly ArrayLike<number>[]): Matrix {
  const columns = rows[0]?.length ?? 0;
  const data = new Float32Array(rows.length * columns);
  rows.forEach((row, i) => {
    if (row.length !== columns) throw new RangeError(`row ${i} has ${row.length} numbers, and row 0 has ${columns}`);
    data.set(row, i * columns);
  });
  return { rows: rows.length, columns, data };
}

// --- Layers ------------------------------------------------------------------------------------------------------------------

/** `y = x w + b`: weights by rows of what comes in, then the bias. */
export function dense(inputs: number, outputs: number): Layer<Matrix> {
  return denseOf(`dense(${inputs}, ${outputs})`, inputs, outputs, true, {
    columns: (rank, size) => denseColumns(inputs, outputs, rank, size),
    rows: (rank, size) => denseRows(inputs, outputs, rank, size),
  });
}

function denseOf(name: string, inputs: number, outputs: number, biased: boolean, split?: Split<Matrix>): Layer<Matrix> {
  const bias = biased ? outputs : 0;
  return {
    name,
    size: inputs * outputs + bias,
    cost: inputs * outputs,
    init(random) {
      // Glorot & Bengio 2010.
      const most = Math.sqrt(6 / (inputs + outputs));
      const weights = new Float32Array(inputs * outputs + bias);
      for (let i = 0; i < inputs * outputs; i++) weights[i] = most * (2 * random() - 1);
      return weights;
    },
    forward(weights, x) {
      wanted(name, x, inputs);
      const y = zerosOf(x.rows, outputs);
      const terms = new Terms(inputs);
      for (let r = 0; r < x.rows; r++) {
        if (biased) y.data.set(weights.subarray(inputs * outputs), r * outputs);
        // Images are dark, and rectified columns are off, half of the time and more.
        for (let i = 0; i < inputs; i++) terms.add(x.data[r * inputs + i]!, i * outputs);
        terms.sum(y.data, r * outputs, outputs, weights as Float32Array);
      }
      return { y, saved: x };
    },
    backward(weights, x, dy, gradient, wantsDx) {
      const terms = new Terms(x.rows);
      for (let i = 0; i < inputs; i++) {
        for (let r = 0; r < x.rows; r++) terms.add(x.data[r * inputs + i]!, r * outputs);
        terms.sum(gradient, i * outputs, outputs, dy.data);
      }
      for (let r = 0; biased && r < x.rows; r++) terms.add(1, r * outputs);
      if (biased) terms.sum(gradient, inputs * outputs, outputs, dy.data);
      const dx = zerosOf(wantsDx ? x.rows : 0, inputs);
      for (let r = 0; r < dx.rows; r++) dots(dx.data, r * inputs, inputs, weights as Float32Array, dy.data, r * outputs, outputs);
      return dx;
    },
    ...(split ? { split } : {}),
  };
}

/** Runs of numbers, each by a factor, that are added up four at a time: what they are added to is read and written a quarter as often. */
class Terms {
  readonly #factors: Float64Array;
  readonly #places: Int32Array;
  #count = 0;

  constructor(most: number) {
    this.#factors = new Float64Array(most);
    this.#places = new Int32Array(most);
  }

  add(factor: number, place: number): void {
    if (factor === 0) return;
    this.#factors[this.#count] = factor;
    this.#places[this.#count++] = place;
  }

  /** Into `into`, from `to` on, and none are left. */
  sum(into: Float32Array, to: number, length: number, from: Float32Array): void {
    const [factors, places, count] = [this.#factors, this.#places, this.#count];
    this.#count = 0;
    let k = 0;
    for (; k + 4 <= count; k += 4) {
      // Taken apart one by one: patterns cost an iterator each.
      const a = places[k]!;
      const b = places[k + 1]!;
      const c = places[k + 2]!;
      const d = places[k + 3]!;
      const p = factors[k]!;
      const q = factors[k + 1]!;
      const s = factors[k + 2]!;
      const t = factors[k + 3]!;
      for (let i = 0; i < length; i++) into[to + i]! += p * from[a + i]! + q * from[b + i]! + s * from[c + i]! + t * from[d + i]!;
    }
    for (; k < count; k++) {
      const a = places[k]!;
      const p = factors[k]!;
      for (let i = 0; i < length; i++) into[to + i]! += p * from[a + i]!;
    }
  }
}

/** Of each of `count` rows of a matrix with one vector, four rows at a time. */
function dots(into: Float32Array, to: number, count: number, rows: Float32Array, vector: Float32Array, at: number, length: number): void {
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    const a = i * length;
    const b = a + length;
    const c = b + length;
    const d = c + length;
    let p = 0;
    let q = 0;
    let s = 0;
    let t = 0;
    for (let k = 0; k < length; k++) {
      const one = vector[at + k]!;
      p += one * rows[a + k]!;
      q += one * rows[b + k]!;
      s += one * rows[c + k]!;
      t += one * rows[d + k]!;
    }
    into[to + i] = p;
    into[to + i + 1] = q;
    into[to + i + 2] = s;
    into[to + i + 3] = t;
  }
  for (; i < count; i++) {
    let sum = 0;
    for (let k = 0; k < length; k++) sum += vector[at + k]! * rows[i * length + k]!;
    into[to + i] = sum;
  }
}

function denseColumns(inputs: number, outputs: number, rank: number, size: number): LayerPart<Matrix> {
  const [from, to] = range(outputs, rank, size);
  const width = to - from;
  const each = (visit: (whole: number, part: number, count: number) => void) => {
    for (let i = 0; i <= inputs; i++) visit(i * outputs + from, i * width, width);
  };
  return {
    layer: denseOf(`dense(${inputs}, ${outputs})[columns ${from}…${to - 1}]`, inputs, width, true),
    bias: 0,
    take(whole) {
      const part = new Float32Array((inputs + 1) * width);
      each((at, here, count) => part.set(whole.subarray(at, at + count), here));
      return part;
    },
    put(part, whole) {
      each((at, here, count) => whole.set(part.subarray(here, here + count), at));
    },
  };
}

/** The bias comes once, to the sum: all parts have it. */
function denseRows(inputs: number, outputs: number, rank: number, size: number): LayerPart<Matrix> {
  const [from, to] = range(inputs, rank, size);
  const own = (to - from) * outputs;
  return {
    layer: denseOf(`dense(${inputs}, ${outputs})[rows ${from}…${to - 1}]`, to - from, outputs, false),
    bias: outputs,
    take(whole) {
      const part = new Float32Array(own + outputs);
      part.set(whole.subarray(from * outputs, to * outputs));
      part.set(whole.subarray(inputs * outputs), own);
      return part;
    },
    put(part, whole) {
      whole.set(part.subarray(0, own), from * outputs);
      whole.set(part.subarray(own), inputs * outputs);
    },
  };
}

export function relu(): Layer<Matrix> {
  return activation(
    "relu",
    (x) => Math.max(x, 0),
    (y) => (y > 0 ? 1 : 0),
  );
}

export function tanh(): Layer<Matrix> {
  return activation("tanh", Math.tanh, (y) => 1 - y * y);
}

/** Number by number; `slope` by the result. */
function activation(name: string, f: (x: number) => number, slope: (y: number) => number): Layer<Matrix> {
  return {
    ...{ name, size: 0, cost: 0, elementwise: true },
    init: () => new Float32Array(0),
    forward(_weights, x) {
      const y = zerosOf(x.rows, x.columns);
      for (let i = 0; i < y.data.length; i++) y.data[i] = f(x.data[i]!);
      return { y, saved: y };
    },
    backward(_weights, y, dy) {
      const dx = zerosOf(y.rows, y.columns);
      for (let i = 0; i < dx.data.length; i++) dx.data[i] = dy.data[i]! * slope(y.data[i]!);
      return dx;
    },
  };
}

/** Rows of a table by their numbers: each number that comes in gives `size` columns. */
export function embedding(words: number, size: number): Layer<Matrix> {
  return embeddingOf(words, size, 0, words, (rank, of) => range(words, rank, of));
}

function embeddingOf(
  words: number,
  size: number,
  from: number,
  to: number,
  part?: (rank: number, of: number) => [number, number],
): Layer<Matrix> {
  const name = `embedding(${words}, ${size})`;
  const count = to - from;
  const rowOf = (value: number): number => {
    if (!(value >= 0 && value < words && Number.isInteger(value))) throw new RangeError(`${name} has no row ${value}`);
    return value >= from && value < to ? value - from : -1;
  };
  return {
    ...{ name, size: count * size, cost: size },
    init(random) {
      return Float32Array.from({ length: count * size }, () => 2 * random() - 1);
    },
    forward(weights, x) {
      const y = zerosOf(x.rows, x.columns * size);
      for (let i = 0; i < x.data.length; i++) {
        const row = rowOf(x.data[i]!);
        if (row >= 0) y.data.set(weights.subarray(row * size, (row + 1) * size), i * size);
      }
      return { y, saved: x };
    },
    backward(_weights, x, dy, gradient) {
      for (let i = 0; i < x.data.length; i++) {
        const row = rowOf(x.data[i]!);
        for (let c = 0; row >= 0 && c < size; c++) gradient[row * size + c]! += dy.data[i * size + c]!;
      }
      // Words have no slope.
      return zerosOf(x.rows, x.columns);
    },
    ...(part
      ? {
          split: {
            takesWhole: true,
            rows(rank, of) {
              const [first, last] = part(rank, of);
              return {
                layer: embeddingOf(words, size, first, last),
                bias: 0,
                take: (whole) => whole.slice(first * size, last * size),
                put: (own, whole) => whole.set(own, first * size),
              };
            },
          } satisfies Split<Matrix>,
        }
      : {}),
  };
}

/** Cross-entropy of the softmax of what comes in; labels are columns. */
export function softmaxCrossEntropy(): Loss {
  const softmax = (x: Matrix): Matrix => {
    const y = zerosOf(x.rows, x.columns);
    for (let r = 0; r < x.rows; r++) {
      const at = r * x.columns;
      let most = -Infinity;
      for (let c = 0; c < x.columns; c++) most = Math.max(most, x.data[at + c]!);
      let sum = 0;
      for (let c = 0; c < x.columns; c++) sum += y.data[at + c] = Math.exp(x.data[at + c]! - most);
      for (let c = 0; c < x.columns; c++) y.data[at + c]! /= sum;
    }
    return y;
  };
  return {
    name: "softmaxCrossEntropy",
    loss(x, labels) {
      const dx = softmax(x);
      let loss = 0;
      for (let r = 0; r < x.rows; r++) {
        const label = labels[r]!;
        if (!(label >= 0 && label < x.columns)) throw new RangeError(`label ${label} isn't one of ${x.columns} classes`);
        loss -= Math.log(Math.max(dx.data[r * x.columns + label]!, 1e-30));
        dx.data[r * x.columns + label]! -= 1;
      }
      return { loss, dx };
    },
    answer: softmax,
  };
}

function zerosOf(rows: number, columns: number): Matrix {
  return { rows, columns, data: new Float32Array(rows * columns) };
}

function wanted(name: string, x: Matrix, columns: number): void {
  if (x.columns !== columns) throw new RangeError(`${name} is given ${x.columns} columns`);
}

/** ⌊in/k⌋ … ⌊(i+1)n/k⌋. */
export function range(count: number, rank: number, size: number): [number, number] {
  return [Math.floor((count * rank) / size), Math.floor((count * (rank + 1)) / size)];
}

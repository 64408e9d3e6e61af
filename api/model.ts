// A model of layers, so that a `fit` over one can be spread over several places: each then holds some of the layers, or a part of each. Layers know their
// own arithmetic; a model knows in which order they go, and at a place of a gang, what it sends to the others and when. Whoever runs a `fit` in
// several places says so under a symbol that all copies of this code share.
import type { Layer, LayerArrays, LayerPart, Loss, Matrix, Model } from "./layers.ts";
import { range } from "./layers.ts";
import type { View } from "./view.ts";

/** What a fit in several places does for a model: made by whoever runs it. */
interface Place {
  readonly kind: "pipelined" | "tensor" | "whole";
  readonly rank: number;
  readonly size: number;
  readonly microbatches: number;
  /** What this place may have, with what it says of itself; Infinity: anything. */
  readonly limitBytes: number;
  send(to: number, numbers: Float32Array): void;
  receive(from: number): Float32Array;
  /** In the place of each. */
  sum(numbers: Float32Array): void;
  sumNumber(value: number): number;
  /** What it holds at the moment, and how many microbatches are on their way here. */
  holds(bytes: number, stashed: number): void;
  /** This model is what the fit is about. */
  readonly models: Set<unknown>;
}

const PLACE = Symbol.for("headrace.place");
const MODELS = Symbol.for("headrace.models");
const placeNow = (): Place | null => (globalThis as { [PLACE]?: Place | null })[PLACE] ?? null;

/** `layers([dense(784, 128), tanh(), dense(128, 10)], softmaxCrossEntropy())`. */
export function layers(all: readonly Layer[], loss: Loss): Model {
  return new LayeredModel(all, loss);
}

// --- Models ------------------------------------------------------------------------------------------------------------------

/** A layer as a place has it. */
interface Held {
  readonly layer: Layer;
  readonly part: LayerPart | null;
  /** Of `tensor`: what it does with the others before and after. */
  readonly sumsResult: boolean;
  readonly sumsSlope: boolean;
}

/** What one microbatch leaves at a place until its slopes come. */
interface Stash {
  readonly saved: readonly unknown[];
  readonly bytes: number;
}

class LayeredModel implements Model {
  readonly #layers: readonly Layer[];
  readonly #loss: Loss;
  readonly #held = new Map<string, readonly (Held | null)[]>();

  constructor(all: readonly Layer[], loss: Loss) {
    this.#layers = all;
    this.#loss = loss;
    const models = ((globalThis as { [MODELS]?: Set<unknown> })[MODELS] ??= new Set());
    models.add(this);
  }

  init(seed: number): LayerArrays {
    const held = this.#heldAt(placeNow());
    return this.#layers.map((layer, i) => {
      const here = held[i];
      // Its own numbers, wherever it is.
      if (!here) return new Float32Array(0);
      const whole = layer.init(randomOf(seed * 7919 + i));
      return here.part ? here.part.take(whole) : whole;
    });
  }

  zeros(): LayerArrays {
    return this.#heldAt(placeNow()).map((held) => new Float32Array(held ? sizeOf(held) : 0));
  }

  forward(view: View<LayerArrays>, x: Matrix): Matrix {
    const weights = view as LayerArrays;
    if (placeNow()?.kind !== "pipelined") {
      const held = this.#heldAt(placeNow());
      return this.#loss.answer(held.reduce((y, one, i) => pass(one!, weights[i]!, y).y, x));
    }
    throw new Error("a pipelined fit asks its model for slopes alone: ask it for answers `each epoch`, or after the fit");
  }

  gradients(view: View<LayerArrays>, x: Matrix, labels: ArrayLike<number>): { loss: number; gradients: LayerArrays } {
    const weights = view as LayerArrays;
    if (x.rows === 0) throw new RangeError("a batch without rows has no slope");
    const place = placeNow();
    place?.models.add(this);
    const held = this.#heldAt(place);
    held.forEach((one, i) => {
      const size = one ? sizeOf(one) : 0;
      if (weights[i]?.length !== size)
        throw new RangeError(`${this.#layers[i]!.name} learns ${size} numbers here, and is given ${weights[i]?.length ?? "none"}`);
    });
    const gradients: LayerArrays = held.map((one) => new Float32Array(one ? sizeOf(one) : 0));
    const learned = gradients.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const size = place?.kind === "pipelined" ? place.size : 1;
    const rank = place?.kind === "pipelined" ? place.rank : 0;
    const count = Math.min(place?.kind === "pipelined" ? place.microbatches : 1, x.rows);
    const isLast = rank === size - 1;
    const own = held.flatMap((one, i) => (one ? [{ one, i }] : []));
    const waiting: { readonly stash: Stash; readonly slope: Matrix | null }[] = [];
    let loss = 0;
    const rowsOf = (part: number) => range(x.rows, part, count);

    const forward = (part: number): void => {
      const [from, to] = rowsOf(part);
      let y = rank === 0 ? cut(x, from, to) : received(place!.receive(rank - 1), to - from);
      const saved: unknown[] = [];
      let bytes = y.data.byteLength;
      for (const { one, i } of own) {
        const { y: next, saved: kept } = pass(one, weights[i]!, y);
        saved.push(kept);
        y = next;
        bytes += y.data.byteLength;
      }
      let slope: Matrix | null = null;
      if (isLast) {
        const found = this.#loss.loss(
          y,
          Array.from({ length: to - from }, (_, r) => labels[from + r]!),
        );
        loss += found.loss;
        slope = found.dx;
        for (let j = 0; j < slope.data.length; j++) slope.data[j]! /= x.rows;
      } else place!.send(rank + 1, y.data);
      waiting.push({ stash: { saved, bytes }, slope });
      if (!place) return;
      const needed = 2 * learned + waiting.reduce((sum, { stash }) => sum + stash.bytes, 0);
      place.holds(needed, waiting.length);
      if (needed > place.limitBytes) throw new MemoryExceeded(place, needed, waiting.length);
    };
    const backward = (part: number): void => {
      const { stash, slope } = waiting.shift()!;
      const [from, to] = rowsOf(part);
      let dy = slope ?? received(place!.receive(rank + 1), to - from);
      for (let at = own.length - 1; at >= 0; at--) {
        const { one, i } = own[at]!;
        dy = back(one, weights[i]!, stash.saved[at], dy, gradients[i]!, i > 0);
      }
      if (rank > 0) place!.send(rank - 1, dy.data);
    };

    // One forward, one backward (Narayanan et al. 2019): the place before the last is one ahead of it, and so on.
    const ahead = Math.min(size - 1 - rank, count);
    for (let part = 0; part < ahead; part++) forward(part);
    for (let part = ahead; part < count; part++) {
      forward(part);
      backward(part - ahead);
    }
    for (let part = count - ahead; part < count; part++) backward(part);
    const all = place && place.kind === "pipelined" ? place.sumNumber(isLast ? loss : 0) : loss;
    return { loss: all / x.rows, gradients };
  }

  // --- Where layers are ------------------------------------------------------------------------------------------------------

  #heldAt(place: Pick<Place, "kind" | "rank" | "size"> | null): readonly (Held | null)[] {
    const key = place ? `${place.kind}:${place.rank}:${place.size}` : "";
    let held = this.#held.get(key);
    if (!held) this.#held.set(key, (held = this.#deal(place)));
    return held;
  }

  #deal(place: Pick<Place, "kind" | "rank" | "size"> | null): readonly (Held | null)[] {
    const whole = (layer: Layer): Held => ({ layer, part: null, sumsResult: false, sumsSlope: false });
    if (place?.kind === "pipelined") {
      const owners = dealt(this.#layers, place.size);
      return this.#layers.map((layer, i) => (owners[i] === place.rank ? whole(layer) : null));
    }
    if (place?.kind !== "tensor" || place.size === 1) return this.#layers.map(whole);
    const { rank, size } = place;
    const held: Held[] = [];
    let cut = false;
    this.#layers.forEach((layer, i) => {
      const { split } = layer;
      if (cut && split?.rows && !split.takesWhole) {
        held.push({ layer, part: split.rows(rank, size), sumsResult: true, sumsSlope: false });
        cut = false;
      } else if (cut) held.push(whole(layer));
      else if (split?.rows && split.takesWhole) held.push({ layer, part: split.rows(rank, size), sumsResult: true, sumsSlope: false });
      else if (split?.columns && closes(this.#layers, i)) {
        held.push({ layer, part: split.columns(rank, size), sumsResult: false, sumsSlope: true });
        cut = true;
      } else held.push(whole(layer));
    });
    return held;
  }

  /** For whoever runs a fit: all that a place learns, out of what is whole. */
  take(whole: readonly Readonly<Float32Array>[], place: Pick<Place, "kind" | "rank" | "size">): LayerArrays {
    return this.#heldAt(place).map((held, i) =>
      !held ? new Float32Array(0) : held.part ? held.part.take(whole[i]!) : Float32Array.from(whole[i]!),
    );
  }

  /** For whoever runs a fit: what all places have learned, as one. */
  join(parts: readonly (readonly Readonly<Float32Array>[])[], kind: Place["kind"]): LayerArrays {
    return this.#layers.map((layer, i) => {
      const whole = new Float32Array(layer.size);
      parts.forEach((part, rank) => {
        const held = this.#heldAt({ kind, rank, size: parts.length })[i];
        if (held?.part) held.part.put(part[i]!, whole);
        else if (held) whole.set(part[i]!);
      });
      return whole;
    });
  }

  /** Numbers of each layer, as they are whole, or as a place has them. */
  sizes(place: Pick<Place, "kind" | "rank" | "size"> | null): readonly number[] {
    return place ? this.#heldAt(place).map((held) => (held ? sizeOf(held) : 0)) : this.#layers.map(({ size }) => size);
  }
}

const sizeOf = ({ layer, part }: Held): number => (part ? part.layer.size + part.bias : layer.size);

/** After a layer that gives some columns, only layers that work on them as they come may stand before one that takes some rows. */
function closes(all: readonly Layer[], at: number): boolean {
  for (let i = at + 1; i < all.length; i++) {
    if (all[i]!.split?.rows && !all[i]!.split!.takesWhole) return true;
    if (!all[i]!.elementwise) return false;
  }
  return false;
}

/** Contiguous runs of layers, so that the costliest place costs least. */
function dealt(all: readonly Layer[], places: number): readonly number[] {
  if (all.length < places) throw new RangeError(`${all.length} layers can't be dealt out to ${places} places`);
  const costs = all.map(({ cost }) => cost);
  let best: number[] = [];
  let least = Infinity;
  // Few layers, few places: every way is looked at, but those that are worse already.
  const ways = (from: number, place: number, owners: number[], most: number): void => {
    if (most >= least && best.length > 0) return;
    if (place === places - 1) {
      const rest = costs.slice(from).reduce((sum, one) => sum + one, 0);
      if (best.length > 0 && Math.max(most, rest) >= least) return;
      least = Math.max(most, rest);
      best = [...owners, ...costs.slice(from).map(() => place)];
      return;
    }
    let sum = 0;
    for (let to = from + 1; to <= all.length - (places - 1 - place); to++) {
      sum += costs[to - 1]!;
      ways(to, place + 1, [...owners, ...Array.from({ length: to - from }, () => place)], Math.max(most, sum));
    }
  };
  ways(0, 0, [], 0);
  return best;
}

function pass(
  { layer, part, sumsResult }: Held,
  weights: Readonly<Float32Array>,
  x: Matrix,
): { readonly y: Matrix; readonly saved: unknown } {
  if (!part) return layer.forward(weights, x);
  const own = weights.subarray(0, part.layer.size);
  const { y, saved } = part.layer.forward(own, x);
  if (sumsResult) placeNow()!.sum(y.data);
  for (let at = 0; part.bias > 0 && at < y.data.length; at++) y.data[at]! += weights[part.layer.size + (at % part.bias)]!;
  return { y, saved };
}

function back(
  { layer, part, sumsSlope }: Held,
  weights: Readonly<Float32Array>,
  saved: unknown,
  dy: Matrix,
  gradient: Float32Array,
  wantsDx: boolean,
): Matrix {
  if (!part) return layer.backward(weights, saved, dy, gradient, wantsDx);
  const { size } = part.layer;
  const dx = part.layer.backward(weights.subarray(0, size), saved, dy, gradient.subarray(0, size), wantsDx);
  if (sumsSlope && wantsDx) placeNow()!.sum(dx.data);
  for (let at = 0; part.bias > 0 && at < dy.data.length; at++) gradient[size + (at % part.bias)]! += dy.data[at]!;
  return dx;
}

function cut({ columns, data }: Matrix, from: number, to: number): Matrix {
  return { rows: to - from, columns, data: data.subarray(from * columns, to * columns) };
}

const received = (data: Float32Array, rows: number): Matrix => ({ rows, columns: data.length / rows, data });

class MemoryExceeded extends Error {
  override readonly name = "OutOfMemory";
  constructor({ rank, size, limitBytes }: Place, needed: number, stashed: number) {
    const mb = (bytes: number) => `${(bytes / 1024 / 1024).toFixed(1)} MB`;
    const where = size === 1 ? "the model" : `place ${rank} of ${size}`;
    super(
      `${where} needs ${mb(needed)} for its weights, their slopes and what it keeps of ${stashed} ${stashed === 1 ? "batch" : "microbatches"}, and may have ${mb(limitBytes)} (\`memory\`)`,
    );
  }
}

/** mulberry32. */
function randomOf(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

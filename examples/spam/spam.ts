// The stages of the program: words hashed into 2^18 places (Weinberger et al. 2009), and logistic regression with Adagrad.
import type { float, int, View } from "headrace";

const PLACES = 1 << 18;

export interface Mail {
  readonly group: string;
  readonly text: string;
}

/** Which places a mail has words for, and how much each says. */
export interface Features {
  readonly places: View<Int32Array>;
  readonly weights: View<Float32Array>;
  readonly spam: boolean;
}

export interface Weights {
  w: Float32Array;
  /** Squares of gradients so far. */
  s: Float32Array;
}

/** The body's words, each at the place of its hash, with the sign of another bit of it; of length 1 in all. */
export function features({ group, text }: Mail): Features {
  const counts = new Map<int, float>();
  for (const [word] of text
    .slice(text.indexOf("\n\n"))
    .toLowerCase()
    .matchAll(/[a-z0-9$!']{2,24}/g)) {
    let hash = 0x811c9dc5;
    for (let i = 0; i < word.length; i++) hash = Math.imul(hash ^ word.charCodeAt(i), 0x01000193);
    const place = (hash >>> 0) % PLACES;
    counts.set(place, (counts.get(place) ?? 0) + ((hash >>> 24) & 1 ? 1 : -1));
  }
  const places = Int32Array.from(counts.keys()).sort();
  const weights = Float32Array.from(places, (place) => Math.sign(counts.get(place)!) * Math.log1p(Math.abs(counts.get(place)!)));
  const norm = Math.hypot(...weights.subarray(0, 50_000)) || 1;
  return { places, weights: weights.map((weight) => weight / norm), spam: group.startsWith("spam") };
}

export function start(): Weights {
  return { w: new Float32Array(PLACES), s: new Float32Array(PLACES) };
}

function margin({ w }: View<Weights>, { places, weights }: Features): float {
  let sum = 0;
  for (let i = 0; i < places.length; i++) sum += w[places[i]!]! * weights[i]!;
  return sum;
}

/** Mean logistic loss of the batch, and its gradient. */
export function slope(at: View<Weights>, batch: readonly Features[]): { loss: float; slope: Float32Array } {
  const found = new Float32Array(PLACES);
  let sum = 0;
  for (const mail of batch) {
    const side = mail.spam ? 1 : -1;
    const by = side * margin(at, mail);
    sum += Math.log1p(Math.exp(-by));
    const pull = -side / (1 + Math.exp(by)) / batch.length;
    for (let i = 0; i < mail.places.length; i++) found[mail.places[i]!]! += pull * mail.weights[i]!;
  }
  return { loss: sum / batch.length, slope: found };
}

/**
 * Duchi et al. 2011, in place; what the batch has no word for stays as it is.
 * @elementwise
 */
export function adagrad(at: Weights, by: View<Float32Array>, lr: float): Weights {
  for (let i = 0; i < by.length; i++) {
    const g = by[i]!;
    if (g === 0) continue;
    at.s[i]! += g * g;
    at.w[i]! -= (lr * g) / (Math.sqrt(at.s[i]!) + 1e-6);
  }
  return at;
}

export function loss(at: View<Weights>, mail: Features): float {
  return Math.log1p(Math.exp((mail.spam ? -1 : 1) * margin(at, mail)));
}

export function isSpam(at: View<Weights>, mail: Features): boolean {
  return margin(at, mail) > 0;
}

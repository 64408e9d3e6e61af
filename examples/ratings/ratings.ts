// The stages of the program: factors of users and items, and one step of descent on the ratings of a batch, in place.
import type { float, int, View } from "headrace";

const USERS = 3000;
const ITEMS = 1500;
const RANK = 8;
/** Deviation of what no table explains. */
const NOISE = 0.3;

export interface Rating {
  readonly user: int;
  readonly item: int;
  readonly stars: float;
}

export interface Factors {
  /** Row by row. */
  users: Float32Array;
  items: Float32Array;
}

export interface Mistake {
  readonly user: int;
  readonly item: int;
  readonly by: float;
}

function uniforms(seed: int): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

const spread = (length: int, most: float, next: () => number) => Float32Array.from({ length }, () => most * (2 * next() - 1));

function dot(at: View<Factors>, user: int, item: int): float {
  let sum = 0;
  for (let k = 0, u = user * RANK, i = item * RANK; k < RANK; k++, u++, i++) sum += at.users[u]! * at.items[i]!;
  return sum;
}

/** Some cells of a made-up table of that rank, with noise: no set of real ratings may be given away with a package. */
export function* planted(count: int, seed: int): Generator<Rating> {
  const next = uniforms(seed);
  const truth: Factors = { users: spread(USERS * RANK, 1.1, next), items: spread(ITEMS * RANK, 1.1, next) };
  for (let i = 0; i < count; i++) {
    const [user, item] = [Math.floor(next() * USERS), Math.floor(next() * ITEMS)];
    const noise = NOISE * Math.sqrt(3) * (2 * next() - 1);
    yield { user, item, stars: dot(truth, user, item) + noise };
  }
}

export function start(seed: int): Factors {
  const next = uniforms(seed + 1);
  return { users: spread(USERS * RANK, 0.5, next), items: spread(ITEMS * RANK, 0.5, next) };
}

/** How far the table is from each rating of the batch. */
export function errors(at: View<Factors>, batch: readonly Rating[]): { loss: float; errors: Mistake[] } {
  let loss = 0;
  const found = batch.map(({ user, item, stars }): Mistake => {
    const by = dot(at, user, item) - stars;
    loss += (by * by) / batch.length;
    return { user, item, by };
  });
  return { loss, errors: found };
}

/** Down the gradient of each, one after another: a row of users and one of items. */
export function step(at: Factors, mistakes: readonly Mistake[], lr: float): Factors {
  for (const { user, item, by } of mistakes)
    for (let k = 0, u = user * RANK, i = item * RANK; k < RANK; k++, u++, i++) {
      const [left, right] = [at.users[u]!, at.items[i]!];
      at.users[u] = left - lr * (by * right + 0.02 * left);
      at.items[i] = right - lr * (by * left + 0.02 * right);
    }
  return at;
}

export function squared(at: View<Factors>, { user, item, stars }: Rating): float {
  return (dot(at, user, item) - stars) ** 2;
}

import type { int, View } from "headrace";

/** What the policy sees: position, speed, angle, angular speed. */
const INPUTS = 4;
const HIDDEN = 8;
const SIZE = (INPUTS + 1) * HIDDEN + HIDDEN;

/** Of a network of one hidden layer, one after another. */
export type Policy = Float64Array;

export interface Trial {
  /** Makes the numbers by which the policy was changed. */
  readonly noise: int;
  /** 1, or -1 for its mirror image. */
  readonly sign: int;
  readonly steps: int;
}

// The cart and pole of Barto, Sutton & Anderson 1983, by Euler's method, as everybody has it.
const GRAVITY = 9.8;
const POLE_MASS = 0.1;
const MASS = 1.1;
const HALF_LENGTH = 0.5;
const FORCE = 10;
const SECONDS = 0.02;
const FARTHEST = 2.4;
const STEEPEST = (12 * Math.PI) / 180;
const LONGEST = 500;

/**
 * A simulator with random numbers of its own. Made again after a loss it goes on where it was: what it draws depends on what it was asked.
 * @replayed
 */
export class CartPole {
  readonly #random: Random;
  readonly #noise: Random;
  readonly #sign: int;
  #episodes = 0;

  /** Of a pair, both stray by the same numbers, in opposite directions. */
  constructor(seed: int, pair: int) {
    this.#random = new Random(seed * 1009 + pair);
    this.#noise = new Random(seed * 7919 + (pair >> 1));
    this.#sign = pair % 2 === 0 ? 1 : -1;
  }

  /** An episode of a policy near this one. */
  rollout(policy: View<Policy>, sigma: number): Trial {
    const noise = this.#noise.integer();
    const tried = Float64Array.from(policy);
    stray(tried, noise, this.#sign * sigma);
    return { noise, sign: this.#sign, steps: this.#episode(tried) };
  }

  /** An episode of the policy itself: for how many steps the pole stood. */
  play(policy: View<Policy>): number {
    return this.#episode(policy);
  }

  /** @reads */
  episodes(): int {
    return this.#episodes;
  }

  checkpoint() {
    return { random: this.#random.state, noise: this.#noise.state, episodes: this.#episodes };
  }
  restore(saved: { random: number; noise: number; episodes: number }): void {
    this.#random.state = saved.random;
    this.#noise.state = saved.noise;
    this.#episodes = saved.episodes;
  }

  #episode(policy: View<Policy>): int {
    this.#episodes++;
    const any = () => (this.#random.number() - 0.5) * 0.1;
    let [x, speed, angle, turning] = [any(), any(), any(), any()];
    let steps = 0;
    for (; steps < LONGEST && Math.abs(x) <= FARTHEST && Math.abs(angle) <= STEEPEST; steps++) {
      const force = output(policy, x, speed, angle, turning) > 0 ? FORCE : -FORCE;
      const [sin, cos] = [Math.sin(angle), Math.cos(angle)];
      const push = (force + POLE_MASS * HALF_LENGTH * turning * turning * sin) / MASS;
      const turn = (GRAVITY * sin - cos * push) / (HALF_LENGTH * (4 / 3 - (POLE_MASS * cos * cos) / MASS));
      const pull = push - (POLE_MASS * HALF_LENGTH * turn * cos) / MASS;
      x += SECONDS * speed;
      speed += SECONDS * pull;
      angle += SECONDS * turning;
      turning += SECONDS * turn;
    }
    return steps;
  }
}

export function start(seed: int): Policy {
  const policy = new Float64Array(SIZE);
  stray(policy, seed, 0.1);
  return policy;
}

/** A step along what the trials say of the slope (Salimans et al. 2017): weighted by ranks, and nobody sends more than a seed. */
export function improve(policy: View<Policy>, trials: readonly Trial[], lr: number, sigma: number): Policy {
  const ranked = [...trials].sort((a, b) => a.steps - b.steps);
  const next = Float64Array.from(policy);
  for (const trial of ranked) {
    // Trials that came equally far are worth the same.
    const equal = ranked.flatMap((one, place) => (one.steps === trial.steps ? [place] : []));
    const place = equal.reduce((sum, one) => sum + one, 0) / equal.length;
    const worth = place / Math.max(1, ranked.length - 1) - 0.5;
    stray(next, trial.noise, (lr * worth * trial.sign) / sigma);
  }
  return next;
}

function output(policy: View<Policy>, x: number, speed: number, angle: number, turning: number): number {
  let sum = 0;
  for (let unit = 0; unit < HIDDEN; unit++) {
    const at = unit * (INPUTS + 1);
    const inner = policy[at]! * x + policy[at + 1]! * speed + policy[at + 2]! * angle * 4 + policy[at + 3]! * turning + policy[at + 4]!;
    sum += policy[(INPUTS + 1) * HIDDEN + unit]! * Math.tanh(inner);
  }
  return sum;
}

/** Adds the numbers that a seed makes, normally distributed. */
function stray(policy: Policy, seed: int, by: number): void {
  const random = new Random(seed);
  for (let i = 0; i < policy.length; i++) policy[i]! += by * random.normal();
}

/** mulberry32. */
class Random {
  state: number;
  constructor(seed: number) {
    this.state = seed | 0;
  }
  integer(): int {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  }
  number(): number {
    return this.integer() / 2 ** 32;
  }
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.number())) * Math.cos(2 * Math.PI * this.number());
  }
}

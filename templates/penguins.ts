// The stages of the penguins program: plain functions. The compiler reads their types and checks every edge of the program against them.
import type { View } from "headrace";
import measured from "./penguins.json" with { type: "json" };

export interface Penguin {
  /** 0 Adelie, 1 Chinstrap, 2 Gentoo. */
  readonly species: number;
  /** Length and depth of the bill, length of the flipper, body mass; each about from -2 to 2. */
  readonly features: readonly number[];
}

/** A row for each species: a weight for each feature, and one for none. */
export type Weights = Float64Array;

const SPECIES = 3;
const FEATURES = 4;
const WIDTH = FEATURES + 1;

/** Penguins of the Palmer Archipelago, measured by Kristen Gorman and Palmer Station (CC0). */
export function loadPenguins(): Penguin[] {
  const centres = [44, 17.2, 201, 4200];
  const scales = [5.5, 2, 14, 800];
  return measured.map(([species, ...lengths]) => ({
    species: species as number,
    features: lengths.map((length, i) => (length - (centres[i] as number)) / (scales[i] as number)),
  }));
}

export function start(): Weights {
  return new Float64Array(SPECIES * WIDTH);
}

/** How likely each species is. */
function chances(weights: View<Weights>, { features }: Penguin): number[] {
  const scores = Array.from({ length: SPECIES }, (_, kind) =>
    features.reduce((sum, x, i) => sum + x * (weights[kind * WIDTH + i] as number), weights[kind * WIDTH + FEATURES] as number),
  );
  const most = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - most));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

/** The mean loss over some penguins, and its gradient. */
export function gradient(weights: View<Weights>, penguins: readonly Penguin[]): { loss: number; grad: Weights } {
  const grad = new Float64Array(SPECIES * WIDTH);
  let loss = 0;
  for (const penguin of penguins) {
    chances(weights, penguin).forEach((chance, kind) => {
      const miss = (chance - (kind === penguin.species ? 1 : 0)) / penguins.length;
      if (kind === penguin.species) loss -= Math.log(chance) / penguins.length;
      for (let i = 0; i < FEATURES; i++) grad[kind * WIDTH + i]! += miss * (penguin.features[i] as number);
      grad[kind * WIDTH + FEATURES]! += miss;
    });
  }
  return { loss, grad };
}

export function step(weights: Weights, grad: View<Weights>, lr: number): Weights {
  for (let i = 0; i < weights.length; i++) weights[i]! -= lr * (grad[i] as number);
  return weights;
}

export function predict(weights: View<Weights>, penguin: Penguin): number {
  const all = chances(weights, penguin);
  return all.indexOf(Math.max(...all));
}

import type { int } from "headrace";

export interface Options {
  readonly speed: "fast" | "slow";
  readonly rounds: int;
}
export function train(options: Options, by: "sgd" | "adam"): number {
  return options.rounds + by.length;
}

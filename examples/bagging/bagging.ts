// The vote of several models of `examples/digits`.
import type { int, View } from "headrace";
import type { Digit, Weights } from "../digits/digits.ts";
import { predict } from "../digits/digits.ts";

/** What most of them say; of as many voices, the smaller digit. */
export function majority(voters: readonly View<Weights>[], digit: Digit): int {
  const voices = new Array<number>(10).fill(0);
  for (const voter of voters) voices[predict(voter, digit)]!++;
  return voices.indexOf(Math.max(...voices));
}

import type { int } from "headrace";
import { load } from "./stages.ts";

/** @pipeline
 *  @param sede where to begin, in 0..9 */
export function main(seed: int = 1) {
  return load(seed);
}

import { load } from "./stages.ts";

/** @pipeline */
export function main({ seed }: { seed: number }) {
  return load(seed);
}

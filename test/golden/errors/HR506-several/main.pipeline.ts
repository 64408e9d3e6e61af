import { load } from "./stages.ts";

/** @pipeline */
export function first() {
  return load(1);
}

/** @pipeline */
export function second() {
  return load(2);
}

/** Tells somebody.
 *  @efect */
export function notify(x: number): number {
  return x;
}

/** @pure
 *  @remarks doubles */
export function twice(x: number): number {
  return 2 * x;
}

// The function of a task that does nothing.
export function noop(x: number): number {
  return x;
}

// A task that takes as long as it is told.
import type { int } from "headrace";

/** Keeps its slot busy; gives 1. */
export function paced(_i: int, ms: number): int {
  const end = performance.now() + ms;
  while (performance.now() < end);
  return 1 as int;
}

import { load } from "./stages.ts";

/** @pipeline */
export function main() {
  let total = 0;
  for (const row of load(1)) total += row.size;
  return total;
}

import { load, notify } from "./stages.ts";

/** @pipeline */
export function main() {
  notify("begins");
  load(1);
  return load(2);
}

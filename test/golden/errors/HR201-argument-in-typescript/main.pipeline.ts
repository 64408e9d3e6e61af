import { dataset, mean } from "headrace";
import { init, judge, load } from "./stages.ts";

/** @pipeline */
export function main() {
  const w = init(1);
  return dataset(load(1)).mean((row) => judge(row, w));
}

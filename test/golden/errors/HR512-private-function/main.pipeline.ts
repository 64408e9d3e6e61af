import { dataset } from "headrace";
import { load, type Row } from "./stages.ts";

const size = (row: Row) => row.size;

/** @pipeline */
export function main() {
  return dataset(load(1)).map((row) => size(row));
}

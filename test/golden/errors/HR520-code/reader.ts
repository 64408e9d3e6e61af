import { table } from "./table.bin";

export function read(x: number): number {
  return table[x];
}

import { table } from "no-such-package";

export function read(x: number): number {
  return table[x];
}

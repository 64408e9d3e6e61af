// A tensor made in one stage, and a thousand reads of it, spread over all of its memory, in another.
import type { int, ReadonlyTensor, Tensor } from "headrace";
import { tensor } from "headrace";

export function make(megabytes: int): Tensor<"f32"> {
  const made = tensor("f32", [megabytes * 250_000]);
  for (let i = 0; i < made.data.length; i += 1000) made.data[i] = 1;
  return made;
}

export function sample(big: ReadonlyTensor<"f32">, offset: int): number {
  let sum = 0;
  const step = Math.floor(big.data.length / 1000 / 1000) * 1000;
  for (let i = 0; i < 1000; i++) sum += big.data[i * step + offset]!;
  return sum;
}

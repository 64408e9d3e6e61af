/** About a millisecond. */
export function short(x: number): number {
  let sum = x;
  for (let i = 0; i < 480_000; i++) sum += Math.sqrt(i ^ x) * 1e-9;
  return sum;
}

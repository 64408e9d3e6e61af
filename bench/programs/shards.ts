/** Nothing but arithmetic: some 10 ms of it. */
export function shard(seed: number): number {
  let x = seed + 1;
  for (let i = 0; i < 1_000_000; i++) x = (x * 1.000000119 + i) % 1_000_003;
  return x;
}

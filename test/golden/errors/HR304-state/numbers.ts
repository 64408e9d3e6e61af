let count = 0;

export function number(n: number): number {
  count += n;
  return count;
}

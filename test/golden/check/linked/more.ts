export function load(n: number): { weight: number }[] {
  return [{ weight: n }];
}

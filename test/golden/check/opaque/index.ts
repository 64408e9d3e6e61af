export type Sizes = Map<string, number>;

export function sizes(n: number): Map<string, number> {
  return new Map([["n", n]]);
}
export function names(name: string): Map<string, string> {
  return new Map([["name", name]]);
}
export function total(sizes: ReadonlyMap<string, number>): number {
  return [...sizes.values()].reduce((a, b) => a + b, 0);
}
export function open(): void {}
export function close(): void {}

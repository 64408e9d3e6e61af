export interface Row {
  readonly name: string;
  readonly size: number;
}
export function rows(): Row[] {
  return [{ name: "a", size: 1 }];
}
/** @associative */
export function larger(a: Row, b: Row): Row {
  return a.size >= b.size ? a : b;
}
export function joined(a: string, b: string): string {
  return `${a}, ${b}`;
}

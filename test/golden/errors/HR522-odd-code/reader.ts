const sizes = { a: 1, a: 2 };

export function read(x: number): number {
  return sizes.a * x;
}

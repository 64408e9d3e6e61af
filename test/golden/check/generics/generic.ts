export interface Row {
  readonly id: number;
  readonly size: number;
}
export function last<T>(rows: readonly T[]): T {
  return rows[rows.length - 1]!;
}
export function pair<A, B>(left: A, right: B): { left: A; right: B } {
  return { left, right };
}

// One task with as many arguments as there are blocks, each made by a task of its own.
export function gathered(values: readonly number[]): number {
  return values.length;
}

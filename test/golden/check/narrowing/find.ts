export interface Part {
  readonly size: number;
}
export interface Found {
  readonly name: string | null;
  readonly size: number;
  readonly part?: Part;
}

export function find(id: number): Found | null {
  return { name: null, size: id };
}
export function size(found: Found): number {
  return found.size;
}

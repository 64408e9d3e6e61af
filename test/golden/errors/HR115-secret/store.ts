export interface Store {
  readonly size: number;
}

export function connect(token: string): Store {
  return { size: token.length };
}

export function use(store: Store): number {
  return store.size;
}

import type { int } from "headrace";

export class Connection {
  constructor(readonly url: string) {}
  read(): int[] {
    return [this.url.length];
  }
}

export function connect(url: string): Connection {
  return new Connection(url);
}
export function rowsOf(connection: Connection): int[] {
  return connection.read();
}

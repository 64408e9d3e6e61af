export interface Session {
  readonly path: string;
}

export async function session(path: string): Promise<Session> {
  return { path };
}

export class Sim {
  constructor(readonly seed: number) {}
  step(x: number): number {
    return this.seed + x;
  }
  *rows(): Iterable<number> {
    yield 1;
  }
}
/** @replayd */
export class Half {
  /** @read */
  best(): number {
    return 1;
  }
  checkpoint(): number {
    return 1;
  }
}
export class Sealed {
  private constructor() {}
}

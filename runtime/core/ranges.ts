// A queue of ranges of blocks, `first … end - 1`. Entries may be stale (blocks that are no longer ready): the reader checks
// against the state column and cuts them off, so that taking a block out of the middle costs nothing.

export class RangeQueue {
  private firsts: number[] = [];
  private ends: number[] = [];
  private head = 0;

  get length(): number {
    return this.firsts.length - this.head;
  }

  /** Entry `place` from the front. */
  first(place: number): number {
    return this.firsts[this.head + place]!;
  }
  end(place: number): number {
    return this.ends[this.head + place]!;
  }

  push(first: number, end: number): void {
    const last = this.firsts.length - 1;
    if (last >= this.head && this.ends[last] === first) this.ends[last] = end;
    else {
      this.firsts.push(first);
      this.ends.push(end);
    }
  }

  pushFront(first: number, end: number): void {
    if (this.head > 0) {
      this.head--;
      this.firsts[this.head] = first;
      this.ends[this.head] = end;
    } else {
      this.firsts.unshift(first);
      this.ends.unshift(end);
    }
  }

  /** Entry `place` now begins at `first`; gone when nothing is left of it. */
  cut(place: number, first: number): void {
    const at = this.head + place;
    this.firsts[at] = first;
    if (first < this.ends[at]!) return;
    if (place === 0) {
      this.head++;
      if (this.head > 1024 && this.head * 2 > this.firsts.length) {
        this.firsts = this.firsts.slice(this.head);
        this.ends = this.ends.slice(this.head);
        this.head = 0;
      }
    } else {
      this.firsts.splice(at, 1);
      this.ends.splice(at, 1);
    }
  }

  /** Cuts blocks `first … end - 1` out of entry `place`. */
  take(place: number, first: number, end: number): void {
    const at = this.head + place;
    const entryEnd = this.ends[at]!;
    if (first === this.firsts[at]) {
      this.cut(place, end);
      return;
    }
    this.ends[at] = first;
    if (end < entryEnd) {
      this.firsts.splice(at + 1, 0, end);
      this.ends.splice(at + 1, 0, entryEnd);
    }
  }

  clear(): void {
    this.firsts = [];
    this.ends = [];
    this.head = 0;
  }
}

// Small values that outlive their run in memory, by lineage, so that a notebook's next cell doesn't train its model again.
import type { Column } from "../hosts/link.ts";

const MOST_BYTES = 256 * 1024 * 1024;

/** Where each stage was asked for, by its id: another place, another value. */
export type Origins = Readonly<Record<string, string>>;

/** Values kept between runs, the least recently used dropped beyond 256 MiB. Stages are taken to be pure, as everywhere. */
export class KeptResults {
  readonly #store: Store;
  readonly #origins: Origins;

  constructor(of?: KeptResults, origins: Origins = {}) {
    this.#store = of ? of.#store : new Store();
    this.#origins = origins;
  }

  /**
   * The same store for one run, whose stages' keys say too where they were asked for: a notebook's cell that is run again does its
   * work again, and what was made of its older values is made again.
   */
  by(origins: Origins): KeptResults {
    return new KeptResults(this, origins);
  }

  originOf(stage: string): string | null {
    return Object.hasOwn(this.#origins, stage) ? this.#origins[stage]! : null;
  }

  get(key: string): Column | null {
    return this.#store.get(key);
  }

  put(key: string, value: Column): void {
    this.#store.put(key, value);
  }
}

class Store {
  /** In the order of their last use. */
  readonly #values = new Map<string, Column>();
  #bytes = 0;

  get(key: string): Column | null {
    const found = this.#values.get(key);
    if (!found) return null;
    this.#values.delete(key);
    this.#values.set(key, found);
    return found;
  }

  put(key: string, value: Column): void {
    const before = this.#values.get(key);
    if (before) this.#bytes -= bytesOf(before);
    this.#values.delete(key);
    this.#values.set(key, value);
    this.#bytes += bytesOf(value);
    for (const [oldest, column] of this.#values) {
      if (this.#bytes <= MOST_BYTES) break;
      this.#values.delete(oldest);
      this.#bytes -= bytesOf(column);
    }
  }
}

const bytesOf = (column: Column) => (column.kind === "packed" ? column.bytes.length : column.values.byteLength);

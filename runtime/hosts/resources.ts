// The resources of one run in one slot: each made once for its function and arguments, and disposed of when the slot leaves the run.
// Must not know plans, nor what a resource is.
import { fingerprint } from "../data/checks.ts";

interface Made {
  readonly name: string;
  /** The arguments as they were given last: the same ones again need no hash. */
  args: readonly unknown[];
  /** What the factory gave: the resource, or a promise of it. */
  readonly made: unknown;
}

export class Resources {
  readonly #made = new Map<string, Made>();
  readonly #last = new Map<string, Made>();

  /** What `make` gives for these arguments, made by the first who asks. One that fails is made anew by the next. */
  get(name: string, args: readonly unknown[], make: (...args: readonly unknown[]) => unknown): unknown {
    const last = this.#last.get(name);
    if (last && last.args.length === args.length && last.args.every((arg, i) => arg === args[i])) return last.made;
    const key = `${name}\0${fingerprint(args)}`;
    let found = this.#made.get(key);
    if (!found) {
      found = { name, args, made: this.#make(key, name, args, make) };
      this.#made.set(key, found);
    }
    found.args = args;
    this.#last.set(name, found);
    return found.made;
  }

  #make(key: string, name: string, args: readonly unknown[], make: (...args: readonly unknown[]) => unknown): unknown {
    let made: unknown;
    try {
      made = make(...args);
    } catch (error) {
      throw named(name, error);
    }
    if (!(made instanceof Promise)) return made;
    return made.catch((error: unknown) => {
      this.#made.delete(key);
      this.#last.delete(name);
      throw named(name, error);
    });
  }

  get isEmpty(): boolean {
    return this.#made.size === 0;
  }

  /** In the opposite order of their making. Gives what went wrong; the others are disposed of all the same. */
  async dispose(): Promise<readonly { readonly name: string; readonly error: unknown }[]> {
    const all = [...this.#made.values()].reverse();
    this.#made.clear();
    this.#last.clear();
    const failed: { name: string; error: unknown }[] = [];
    for (const { name, made } of all) {
      try {
        await disposeOf(await made);
      } catch (error) {
        failed.push({ name, error });
      }
    }
    return failed;
  }
}

async function disposeOf(resource: unknown): Promise<void> {
  if ((typeof resource !== "object" && typeof resource !== "function") || resource === null) return;
  const { [Symbol.asyncDispose]: later, [Symbol.dispose]: now } = resource as Partial<AsyncDisposable & Disposable>;
  if (later) await later.call(resource);
  else now?.call(resource);
}

/** The user's error, which says by its words and its stack where it comes from. */
function named(name: string, thrown: unknown): Error {
  const cause = thrown instanceof Error ? thrown : new Error(String(thrown));
  const error = new Error(`the resource \`${name}\` couldn't be made: ${cause.message}`, { cause: cause.cause });
  error.name = cause.name;
  if (cause.stack !== undefined) error.stack = cause.stack;
  return error;
}

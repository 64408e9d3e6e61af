// Training over the places of a `Model`: each member has some of its layers, or a part of each, and does the whole of every step with them; what
// goes between places the model sends itself. What is carried counts by layer: a list with an array for each is a place's own, all else
// is the same everywhere. Must not know layers, but by what a model says of their sizes.
import type { Architecture } from "../../compiler/plan.ts";
import type { Collective } from "./collective.ts";
import type { Tell, Trainer, Training } from "./fit.ts";

/** What a model of `api/layers.ts` says to whoever trains it; bundled with the user's code, it is known by this alone. */
interface PlacedModel {
  sizes(place: Where | null): readonly number[];
  take(whole: readonly Float32Array[], place: Where): Float32Array[];
  join(parts: readonly (readonly Float32Array[])[], kind: Where["kind"]): Float32Array[];
}

interface Where {
  readonly kind: "pipelined" | "tensor" | "whole";
  readonly rank: number;
  readonly size: number;
}

const PLACE = Symbol.for("headrace.place");
const MODELS = Symbol.for("headrace.models");
const globals = globalThis as { [PLACE]?: Place | null; [MODELS]?: Set<PlacedModel> };

/** Models asked meanwhile are asked there; null: as a whole. */
export function publishPlace(place: Place | null): void {
  globals[PLACE] = place;
}

/** One of several that train a model together, or all of it where only its memory is limited. */
export class Place implements Where {
  readonly kind: Where["kind"];
  readonly rank: number;
  readonly size: number;
  readonly microbatches: number;
  readonly limitBytes: number;
  readonly models = new Set<PlacedModel>();
  /** Microbatches that were on their way here at once, and what that and what it learns took, at most. */
  stash = 0;
  heldBytes = 0;
  readonly #members: Collective | null;

  constructor(members: Collective | null, architecture: Architecture, limitBytes: number) {
    this.#members = members;
    const { architecture: kind } = architecture;
    this.kind = kind === "pipelined" || kind === "tensor" ? kind : "whole";
    this.rank = this.kind === "whole" ? 0 : members!.rank;
    this.size = this.kind === "whole" ? 1 : members!.size;
    this.microbatches = architecture.architecture === "pipelined" ? architecture.microbatches : 1;
    this.limitBytes = limitBytes;
  }

  send(to: number, numbers: Float32Array): void {
    this.#members!.send(to, numbers);
  }
  receive(from: number): Float32Array {
    return this.#members!.receive(from);
  }
  sum(numbers: Float32Array): void {
    const place = { name: `of ${numbers.length}`, partly: false, means: [false], borrowed: [true] };
    numbers.set(this.#members!.sum([numbers], 1, place)[0] as Float32Array);
  }
  sumNumber(value: number): number {
    return this.#members!.sum([value], 1, { name: "number", partly: false, means: [false], borrowed: [false] })[0] as number;
  }
  holds(bytes: number, stashed: number): void {
    this.heldBytes = Math.max(this.heldBytes, bytes);
    this.stash = Math.max(this.stash, stashed);
  }
}

export function placed({ program, members, state: start, around }: Training): Trainer {
  const { place } = around;
  if (!place) throw new Error("bug: a model in places without its place");
  const state = start.map((value) => narrowed(value, place));
  const tellNothing: Tell = () => {};
  const whole = (): readonly unknown[] => {
    const all = members.exchange(state) as readonly (readonly unknown[])[];
    return place.rank === 0
      ? state.map((_, i) =>
          joined(
            all.map((one) => one[i]),
            place,
          ),
        )
      : state;
  };
  return {
    state,
    stride: 1,
    replicated: false,
    *step(batches, at, epoch, step) {
      publishPlace(place);
      const tell: Tell = place.rank === 0 ? (name, value) => around.metric(name, step, value) : tellNothing;
      const done = program.step(state, batches[at], epoch, step, tell);
      if (done instanceof Promise) yield done;
      publishPlace(null);
    },
    endEpoch() {
      return program.after ? whole() : state;
    },
    end() {
      const last = whole();
      const places = members.exchange([place.stash, place.heldBytes]) as readonly (readonly [number, number])[];
      if (place.rank === 0)
        places.forEach(([stash, bytes], rank) => {
          if (place.kind === "pipelined") around.metric("stash", rank, stash);
          around.metric("heldMB", rank, bytes / 1e6);
        });
      return last;
    },
  };
}

const isArrays = (value: unknown): value is Float32Array[] =>
  Array.isArray(value) && value.length > 0 && value.every((one) => one instanceof Float32Array);

const isOfSizes = (arrays: readonly Float32Array[], sizes: readonly number[]): boolean =>
  arrays.length === sizes.length && arrays.every(({ length }, i) => length === sizes[i]);

/** A place's own part of what is whole. */
function narrowed(value: unknown, place: Place): unknown {
  if (isArrays(value)) {
    const models = [...(globals[MODELS] ?? [])];
    if (models.some((model) => isOfSizes(value, model.sizes(place)))) return value;
    const model = models.find((one) => isOfSizes(value, one.sizes(null)));
    return model ? model.take(value, place) : value;
  }
  return mapped([value], ([one]) => narrowed(one, place));
}

/** What all places have, as one: of what isn't by layer, the first one's. */
function joined(values: readonly unknown[], place: Place): unknown {
  if (values.every(isArrays)) {
    const lists = values as readonly (readonly Float32Array[])[];
    const { kind, size } = place;
    for (const model of place.models)
      if (lists.every((list, rank) => isOfSizes(list, model.sizes({ kind, rank, size })))) return model.join(lists, kind);
  }
  return mapped(values, (each) => joined(each, place));
}

/** The same structure with other leaves; `values` have one structure. */
function mapped(values: readonly unknown[], make: (values: readonly unknown[]) => unknown): unknown {
  const [first] = values;
  if (Array.isArray(first)) return first.map((_, i) => make(values.map((one) => (one as readonly unknown[])[i])));
  const isPlain = typeof first === "object" && first !== null && [Object.prototype, null].includes(Object.getPrototypeOf(first) as null);
  if (!isPlain) return first;
  const fields = Object.keys(first as object).map((name) => [name, make(values.map((one) => (one as Record<string, unknown>)[name]))]);
  return Object.fromEntries(fields);
}

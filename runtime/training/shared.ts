// Architectures whose members work on one state in memory that all of them see: without locks (Recht et al., Hogwild!, 2011), by replicas that
// push and fetch (Dean et al., Large Scale Distributed Deep Networks, 2012), and in key ranges with bounded staleness (Li et al., Scaling
// Distributed Machine Learning with the Parameter Server, 2014; the bound is Ho et al.'s of 2013). How stale a step's state was is told as
// `staleness`, in updates.
import type { Architecture } from "../../compiler/plan.ts";
import type { Flat, FloatArray, Layout } from "./additive.ts";
import { flatten, layoutOf, newArray, ownersOf, Plot, rangeOf, sumInTree, unflatten } from "./additive.ts";
import type { Collective } from "./collective.ts";
import { addInTree } from "./collective.ts";
import type { Phase, Steps, Tell, Trainer, Training } from "./fit.ts";
import { settled } from "./fit.ts";
import type { Ground } from "./ground.ts";
import type { Piece, Put, Span } from "./wire.ts";

type Of<A extends Architecture["architecture"]> = Extract<Architecture, { architecture: A }>;

const LOOK_EVERY_MS = 20;
const tellNothing: Tell = () => {};

/** The state's numbers where all members see them. */
class SharedState {
  readonly layout: Layout;
  readonly plot: Plot;
  readonly ground: Ground;
  /** Counters, as 32-bit cells. */
  readonly cells: Int32Array;
  readonly #like: readonly unknown[];
  readonly #members: Collective;

  /** `guarded`: what moves with which lock, in bytes of the plot, behind which `more` bytes lie. */
  constructor(members: Collective, state: readonly unknown[], { cells, more = 0, guarded }: Holdings) {
    this.layout = layoutOf(state, { strict: false });
    this.#like = state;
    this.#members = members;
    const bytes = Plot.bytes(this.layout);
    this.ground = members.share({ cells, bytes: bytes + more, pieces: guarded(this.layout, bytes) });
    this.cells = this.ground.cells;
    this.plot = new Plot(this.layout, this.ground.memory, this.ground.from);
    if (members.rank === 0) this.plot.write(this.flat(state));
    members.barrier(members.rank === 0 ? this.ground.puts([[0, bytes]]) : []);
  }

  flat(state: readonly unknown[]): Flat {
    const flat = flatten(state, this.layout);
    if (!flat) throw new RangeError("what is carried has another layout than at first: arrays of other lengths, or other fields");
    return flat;
  }

  value(flat: Flat): unknown[] {
    return unflatten(this.layout, flat, this.#like) as unknown[];
  }

  /** From its owner's memory to the others', or back. */
  exchanged(arrays: readonly FloatArray[]): void {
    for (const { byteLength } of arrays) this.#members.exchangedBytes += byteLength;
  }

  /** Its arrays are the shared ones. */
  view(): unknown[] {
    return this.value({ numbers: [...this.plot.numbers], arrays: [...this.plot.arrays] });
  }

  copy(): unknown[] {
    this.exchanged(this.plot.arrays);
    return this.value(this.plot.copy());
  }
}

interface Holdings {
  readonly cells: number;
  readonly more?: number;
  readonly guarded: (layout: Layout, bytes: number) => readonly Piece[];
}

// --- Hogwild --------------------------------------------------------------------------------------------------------------------

/** All members change the shared arrays in place where the program's update does; else they add what it changed. */
export function hogwild({ program, members, state, around }: Training, { atomic }: Of<"hogwild">): Trainer {
  const { rank, size } = members;
  if (members.spans) throw new Error("bug: members that write one memory are on several workers");
  const shared = new SharedState(members, state, { cells: 1, guarded: () => [] });
  const [UPDATES] = [0];
  const { arrays } = shared.plot;
  const numbers = shared.flat(state).numbers;
  // Arrays that the update gives anew instead of changing them.
  const anew = arrays.map(() => atomic);
  return {
    state,
    stride: size,
    replicated: false,
    *step(batches, at, epoch, step): Steps<void> {
      const own = at + rank;
      if (own >= batches.length) return;
      const tell: Tell = (name, value) => around.metric(name, step * size + rank, value);
      const before = arrays.map((array, i) => (anew[i] ? array.slice() : array));
      const work = before.map((array, i) => (anew[i] ? array.slice() : array));
      const seen = Atomics.load(shared.cells, UPDATES);
      const local = shared.value({ numbers, arrays: work });
      yield* settled(program.step(local, batches[own], epoch, step, tell));
      const after = shared.flat(local);
      after.arrays.forEach((array, i) => {
        const into = arrays[i]!;
        if (array === into) return;
        shared.exchanged([array]);
        // The first time nobody has kept what was there before.
        if (!anew[i]) into.set(array);
        else if (atomic) addAtomically(into, array, before[i]!);
        else for (let k = 0; k < into.length; k++) into[k]! += array[k]! - before[i]![k]!;
        anew[i] = true;
      });
      numbers.splice(0, numbers.length, ...after.numbers);
      tell("staleness", Atomics.add(shared.cells, UPDATES, 1) - seen);
    },
    endEpoch() {
      members.barrier();
      // Nobody writes before the epoch's end is over for the first member, which says how it goes on.
      state.splice(0, state.length, ...shared.value({ numbers, arrays: [...arrays] }));
      return state;
    },
    end() {
      members.barrier();
      return rank === 0 ? shared.value({ numbers, arrays: arrays.map((array) => array.slice()) }) : state;
    },
  };
}

/** Number by number, with compare and swap: what exactness costs. */
function addAtomically(into: FloatArray, after: FloatArray, before: FloatArray): void {
  const isSingle = into instanceof Float32Array;
  const number = isSingle ? new Float32Array(1) : new Float64Array(1);
  // Cells as wide as a number; that those of doubles are `bigint`s makes no difference here.
  const Cells = (isSingle ? Int32Array : BigInt64Array) as typeof Int32Array;
  const bits = new Cells(number.buffer);
  const cells = new Cells(into.buffer, into.byteOffset, into.length);
  for (let i = 0; i < into.length; i++) {
    const change = after[i]! - before[i]!;
    if (change === 0) continue;
    for (let now = Atomics.load(cells, i); ; ) {
      bits[0] = now;
      number[0] = number[0]! + change;
      const found = Atomics.compareExchange(cells, i, now, bits[0]!);
      if (found === now) break;
      now = found;
    }
  }
}

// --- Downpour --------------------------------------------------------------------------------------------------------------------

/** Replicas of the state, one a member; what they push is added up and applied to the shared one by the program's own update. */
export function downpour({ program, members, state, around }: Training, { pushSteps, fetchSteps }: Of<"downpour">): Trainer {
  const { rank, size } = members;
  // Updates so far, as whoever has the state counts them; then as all hear of it.
  const [CLOCK, TOLD] = [0, 1];
  const [WHOLE] = [0];
  const shared = new SharedState(members, state, { cells: 2, guarded: (_, bytes) => [{ cells: [CLOCK], spans: [[0, bytes]] }] });
  const { ground } = shared;
  const phase = onlyPhase(program.phases());
  let fetched = 0;
  let taken = 0;
  let gathered: { readonly layout: Layout; readonly sum: Flat } | null = null;
  const push = function* (epoch: number): Steps<void> {
    if (!gathered) return;
    const { layout, sum } = gathered;
    gathered = null;
    shared.exchanged(sum.arrays);
    ground.lock(WHOLE);
    try {
      const clock = Atomics.load(shared.cells, CLOCK);
      const whole = shared.view();
      yield* settled(phase.apply(whole, unflatten(layout, sum) as readonly unknown[], epoch, clock, tellNothing));
      shared.plot.write(shared.flat(whole));
      Atomics.store(shared.cells, CLOCK, clock + 1);
      ground.raise(TOLD, clock + 1, []);
    } finally {
      ground.unlock(WHOLE);
    }
  };
  const fetch = () => {
    ground.lock(WHOLE);
    fetched = Atomics.load(shared.cells, CLOCK);
    state.splice(0, state.length, ...shared.copy());
    ground.unlock(WHOLE);
  };
  return {
    state,
    stride: size,
    replicated: false,
    *step(batches, at, epoch, step): Steps<void> {
      const own = at + rank;
      if (own >= batches.length) return;
      const tell: Tell = (name, value) => around.metric(name, step * size + rank, value);
      if (taken % fetchSteps === 0) fetch();
      const parts = (yield* settled(phase.parts(state, batches[own], epoch, step))) as readonly unknown[];
      const layout = gathered?.layout ?? layoutOf(parts, { strict: true });
      const flat = flatten(parts, layout);
      if (!flat) throw new RangeError("parts of batches have values of different layouts");
      gathered = { layout, sum: gathered ? added(gathered.sum, flat) : copied(flat) };
      // The replica goes on by itself until it fetches again.
      yield* settled(phase.apply(state, parts, epoch, step, tell));
      tell("staleness", Math.max(0, Atomics.load(shared.cells, TOLD) - fetched));
      if (++taken % pushSteps === 0) yield* push(epoch);
    },
    *flush(epoch) {
      yield* push(epoch);
    },
    endEpoch() {
      members.barrier();
      // All begin the next epoch with what is there.
      taken = 0;
      fetch();
      members.barrier();
      return state;
    },
    end() {
      return state;
    },
  };
}

const copied = ({ numbers, arrays }: Flat): Flat => ({ numbers: [...numbers], arrays: arrays.map((array) => array.slice()) });

function added(sum: Flat, more: Flat): Flat {
  more.numbers.forEach((value, i) => {
    sum.numbers[i]! += value;
  });
  more.arrays.forEach((array, a) => {
    const into = sum.arrays[a]!;
    for (let i = 0; i < into.length; i++) into[i]! += array[i]!;
  });
  return sum;
}

function onlyPhase(phases: readonly Phase[]): Phase {
  const [phase] = phases;
  if (!phase || phases.length > 1) throw new Error("bug: an architecture that applies updates elsewhere, and a step of several phases");
  return phase;
}

// --- Parameter servers -----------------------------------------------------------------------------------------------------------

/**
 * The state in key ranges, each with a clock of its own. A member may begin batch c when every range has been through batch c − staleness. Whoever
 * waits does a range's work: the parts of a batch are added in one tree by rank, and the update is applied to the range alone.
 */
export function parameterServer({ program, members, state, around }: Training, { servers, staleness }: Of<"parameterServer">): Trainer {
  const { rank, size } = members;
  const phase = onlyPhase(program.phases());
  const window = (staleness ?? 0) + 1;
  // Of each range its clock; then of each member how many batches it has pushed its part of.
  const [CLOCKS, PUSHED] = [0, servers];
  const numbersAt = (layout: Layout, bytes: number, range: number) => [bytes + 8 * range * layout.numbers, 8 * layout.numbers] as const;
  const shared = new SharedState(members, state, {
    cells: servers + size,
    more: 8 * servers * layoutOf(state, { strict: false }).numbers,
    guarded: (layout, bytes) =>
      Array.from({ length: servers }, (_, range) => ({
        cells: [CLOCKS + range],
        spans: [numbersAt(layout, bytes, range), ...rangeSpans(layout, range, servers)].filter(([, length]) => length > 0),
      })),
  });
  const { cells, ground } = shared;
  /** Numbers that stand alone go through the same updates in every range. */
  const plotBytes = Plot.bytes(shared.layout);
  const numbersOf = (range: number) =>
    new Float64Array(ground.memory, ground.from + numbersAt(shared.layout, plotBytes, range)[0], shared.layout.numbers);
  if (rank === 0) for (let range = 0; range < servers; range++) numbersOf(range).set(shared.flat(state).numbers);
  members.barrier(rank === 0 ? ground.puts([[plotBytes, 8 * servers * shared.layout.numbers]]) : []);
  let pushes: Pushes | null = null;
  /** Batches that this member has pushed its part of, and the step of the first of them. */
  let clock = 0;
  let firstStep = 0;

  const ranged = (array: FloatArray, range: number) => array.subarray(...rangeOf(array.length, range, servers));
  const rangeState = (range: number): unknown[] =>
    shared.value({ numbers: [...numbersOf(range)], arrays: shared.plot.arrays.map((array) => ranged(array, range)) });
  const leastClock = () => {
    let least = Number.POSITIVE_INFINITY;
    for (let range = 0; range < servers; range++) least = Math.min(least, Atomics.load(cells, CLOCKS + range));
    return least;
  };
  /** Batches that all parts are here of, and who is the last. */
  const complete = (): { readonly batches: number; readonly last: number } => {
    let [batches, last] = [Number.POSITIVE_INFINITY, 0];
    for (let member = 0; member < size; member++) {
      const pushed = Atomics.load(cells, PUSHED + member);
      if (pushed < batches) [batches, last] = [pushed, member];
    }
    return { batches, last };
  };

  /** One range through one batch; its lock is held. */
  const applied = function* (range: number, combined: readonly unknown[], epoch: number, step: number, tell: Tell): Steps<void> {
    const part = rangeState(range);
    yield* settled(phase.apply(part, combined, epoch, step, tell));
    const flat = flatten(part, rangeLayout(shared.layout, range, servers));
    if (!flat) throw new RangeError("the update of a range gave arrays of another length: it isn't made number by number");
    numbersOf(range).set(flat.numbers);
    flat.arrays.forEach((array, i) => {
      const into = ranged(shared.plot.arrays[i]!, range);
      if (array.buffer !== into.buffer || array.byteOffset !== into.byteOffset) into.set(array);
    });
  };

  const combinedOf = (batch: number, range: number, of = servers): readonly unknown[] => {
    const { layout, plots, shares, means } = pushes!;
    const slot = batch % window;
    const here = plots[slot]!.flatMap((plot, from) => (shares[slot]![from]! > 0 ? [{ plot, share: shares[slot]![from]! }] : []));
    const weights = (isMean: boolean) => here.map(({ share }) => (isMean ? share : 1));
    const arrays = layout.arrays.map(({ type, length }, i): FloatArray => {
      const [from, to] = rangeOf(length, range, of);
      const sum = newArray({ type, length: to - from });
      const parts = here.map(({ plot }) => plot.arrays[i]!.subarray(from, to));
      addInTree(parts, weights(means.arrays[i]!), sum, 0, to - from);
      return sum;
    });
    const values = Array.from({ length: layout.numbers }, (_, i) => {
      const by = weights(means.numbers[i]!);
      return sumInTree(here.map(({ plot }, from) => plot.numbers[i]! * by[from]!));
    });
    return unflatten(layout, { numbers: values, arrays }) as readonly unknown[];
  };

  /**
   * What `@elementwise` promises, for the first batch: an update in ranges gives the bits that it gives as a whole. On copies, and before anybody
   * applies anything.
   */
  const holdToLaw = function* (epoch: number, step: number): Steps<void> {
    const numbers = () => [...numbersOf(0)];
    const whole = shared.value({ numbers: numbers(), arrays: shared.plot.arrays.map((array) => array.slice()) });
    yield* settled(phase.apply(whole, combinedOf(0, 0, 1), epoch, step, tellNothing));
    const { arrays } = shared.flat(whole);
    for (let range = 0; range < servers; range++) {
      const part = shared.value({ numbers: numbers(), arrays: shared.plot.arrays.map((array) => ranged(array, range).slice()) });
      yield* settled(phase.apply(part, combinedOf(0, range), epoch, step, tellNothing));
      const flat = flatten(part, rangeLayout(shared.layout, range, servers));
      if (!flat?.arrays.every((array, i) => ranged(arrays[i]!, range).every((value, at) => Object.is(value, array[at]))))
        throw new RangeError(
          "the update isn't made number by number, as `@elementwise` says: done in ranges it gives something else than done as a whole",
        );
    }
  };

  /** Does what there is to do at any range that nobody is at. */
  const serve = function* (epoch: number): Steps<void> {
    for (let i = 0; i < servers; i++) {
      const range = (i + rank) % servers;
      while (Atomics.load(cells, CLOCKS + range) < complete().batches && ground.tryLock(range)) {
        try {
          yield* caughtUp(range, epoch, 1);
        } finally {
          ground.unlock(range);
        }
      }
    }
  };

  /** Its lock is held: as many batches of what there is, at most. */
  const caughtUp = function* (range: number, epoch: number, most: number): Steps<void> {
    for (let done = 0; done < most; done++) {
      const batch = Atomics.load(cells, CLOCKS + range);
      if (batch >= complete().batches) return;
      // Whoever does it may be at another step by now.
      const step = batch + firstStep;
      const tell: Tell = range === 0 ? (name, value) => around.metric(name, step, value) : tellNothing;
      yield* applied(range, combinedOf(batch, range), epoch, step, tell);
      Atomics.store(cells, CLOCKS + range, batch + 1);
      Atomics.notify(cells, CLOCKS + range);
    }
  };

  const waitUntil = function* (least: number, epoch: number): Steps<void> {
    while (leastClock() < least) {
      yield* serve(epoch);
      for (let range = 0; range < servers; range++) {
        const now = Atomics.load(cells, CLOCKS + range);
        if (now >= least) continue;
        members.checkAborted();
        const { batches, last } = complete();
        // Until then somebody may have completed a batch, which is work for whoever waits.
        if (now >= batches) Atomics.wait(cells, PUSHED + last, batches, LOOK_EVERY_MS);
        else if (members.spans) yield* fetched(range, epoch);
        else Atomics.wait(cells, CLOCKS + range, now, 1);
        break;
      }
    }
  };
  /** A range that may be at another host: it comes here, with what was done to it, and what hasn't been is. */
  const fetched = function* (range: number, epoch: number): Steps<void> {
    ground.lock(range);
    try {
      yield* caughtUp(range, epoch, Number.POSITIVE_INFINITY);
    } finally {
      ground.unlock(range);
    }
  };

  /** Clock of the first range when it was looked at. */
  let seen = 0;
  const look = (asCopy = false): unknown[] => {
    // Nobody changes it before this member has pushed its part.
    if (staleness === 0 && !asCopy) return shared.value({ numbers: [...numbersOf(0)], arrays: [...shared.plot.arrays] });
    const arrays = shared.plot.arrays.map((array) => array.slice());
    shared.exchanged(arrays);
    let numbers: number[] = [];
    for (let range = 0; range < servers; range++) {
      ground.lock(range);
      if (range === 0) [seen, numbers] = [Atomics.load(cells, CLOCKS), [...numbersOf(0)]];
      for (const [i, array] of arrays.entries()) ranged(array, range).set(ranged(shared.plot.arrays[i]!, range));
      ground.unlock(range);
    }
    return shared.value({ numbers, arrays });
  };

  const agree = (parts: readonly unknown[] | null): Pushes => {
    const layouts = members.exchange(parts && layoutOf(parts, { strict: true })) as readonly (Layout | null)[];
    const layout = layouts.find((one) => one !== null);
    if (!layout) throw new RangeError("a batch without rows has no mean");
    const bytes = Plot.bytes(layout);
    const sharesBytes = (8 * size + 63) & ~63;
    const pushed = members.share({ cells: 0, bytes: window * (size * bytes + sharesBytes), pieces: [] });
    const place = (batch: number, from: number) => (batch * size + from) * bytes;
    const sharesAt = (batch: number) => window * size * bytes + batch * sharesBytes;
    return {
      layout,
      means: meansIn(layout, phase),
      plots: Array.from({ length: window }, (_, batch) =>
        Array.from({ length: size }, (__, from) => new Plot(layout, pushed.memory, pushed.from + place(batch, from))),
      ),
      shares: Array.from({ length: window }, (_, batch) => new Float64Array(pushed.memory, pushed.from + sharesAt(batch), size)),
      puts: (batch) =>
        pushed.puts([
          [place(batch, rank), bytes],
          [sharesAt(batch) + 8 * rank, 8],
        ]),
    };
  };

  return {
    state,
    stride: 1,
    replicated: false,
    *step(batches, at, epoch, step): Steps<void> {
      firstStep = step - clock;
      const rows = batches[at] as readonly unknown[];
      // A batch without rows is the first member's.
      const isEmpty = rows.length === 0;
      const part = rows.slice(...rangeOf(rows.length, rank, size));
      const has = part.length > 0 || (isEmpty && rank === 0);
      if (staleness !== null) yield* waitUntil(clock - staleness, epoch);
      if (staleness !== null) around.metric("staleness", step, clock - leastClock());
      const local = look();
      const parts = has ? ((yield* settled(phase.parts(local, part, epoch, step))) as readonly unknown[]) : null;
      pushes ??= agree(parts);
      if (staleness === null) {
        if (parts)
          for (let i = 0; i < servers; i++) {
            const range = (i + rank) % servers;
            const flat = flatten(parts, pushes.layout);
            if (!flat) throw new RangeError("parts of batches have values of different layouts");
            const combined = unflatten(pushes.layout, { numbers: flat.numbers, arrays: flat.arrays.map((array) => ranged(array, range)) });
            ground.lock(range);
            try {
              const tell: Tell = range === 0 ? (name, value) => around.metric(name, step * size + rank, value) : tellNothing;
              yield* applied(range, combined as readonly unknown[], epoch, step, tell);
              // Without a bound a range's clock counts what was applied to it.
              const before = Atomics.add(cells, CLOCKS + range, 1);
              if (range === 0) around.metric("staleness", step * size + rank, before - seen);
            } finally {
              ground.unlock(range);
            }
          }
        clock++;
        return;
      }
      const slot = clock % window;
      pushes.shares[slot]![rank] = isEmpty ? Number(has) : part.length / rows.length;
      if (parts) {
        const flat = flatten(parts, pushes.layout);
        if (!flat) throw new RangeError("parts of one batch have values of different layouts");
        pushes.plots[slot]![rank]!.write(flat);
        shared.exchanged(flat.arrays);
      }
      ground.raise(PUSHED + rank, clock + 1, pushes.puts(slot));
      if (clock === 0 && servers > 1) {
        // All parts of the first batch are there, and nobody has applied any.
        members.barrier();
        if (rank === 0) yield* holdToLaw(epoch, step);
        members.barrier();
      }
      clock++;
      yield* serve(epoch);
    },
    *flush(epoch) {
      if (staleness !== null) yield* waitUntil(clock, epoch);
    },
    endEpoch() {
      members.barrier();
      state.splice(0, state.length, ...look(true));
      members.barrier();
      return state;
    },
    end() {
      return state;
    },
  };
}

/** What members have pushed of the batches that aren't done, by batch and member. */
interface Pushes {
  readonly layout: Layout;
  readonly plots: readonly (readonly Plot[])[];
  /** Of the batch's rows; 0: none. */
  readonly shares: readonly Float64Array[];
  /** Which numbers and arrays of the layout are means, the others being sums. */
  readonly means: { readonly numbers: readonly boolean[]; readonly arrays: readonly boolean[] };
  /** What other hosts get of this member's part of a batch. */
  readonly puts: (batch: number) => readonly Put[];
}

function meansIn(layout: Layout, { combiners }: Phase): Pushes["means"] {
  const { numbers, arrays } = ownersOf(layout);
  const isMean = (item: number) => combiners[item]!.name === "mean";
  return { numbers: numbers.map(isMean), arrays: arrays.map(isMean) };
}

/** Where a range lies in a plot, in bytes. */
function rangeSpans(layout: Layout, range: number, of: number): Span[] {
  const begins = Plot.begins(layout);
  return layout.arrays.map(({ type, length }, i) => {
    const [from, to] = rangeOf(length, range, of);
    const bytes = type === "f32" ? 4 : 8;
    return [begins[i]! + bytes * from, bytes * (to - from)];
  });
}

function rangeLayout(layout: Layout, range: number, of: number): Layout {
  const cut = (length: number) => {
    const [from, to] = rangeOf(length, range, of);
    return to - from;
  };
  const shaped = (shape: Layout["shape"]): Layout["shape"] => {
    switch (shape.kind) {
      case "array":
        return { ...shape, length: cut(shape.length) };
      case "list":
        return { kind: "list", items: shape.items.map(shaped) };
      case "record":
        return { kind: "record", fields: shape.fields.map(([name, field]) => [name, shaped(field)] as const) };
      default:
        return shape;
    }
  };
  return { ...layout, shape: shaped(layout.shape), arrays: layout.arrays.map(({ type, length }) => ({ type, length: cut(length) })) };
}

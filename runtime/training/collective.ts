// What the members of a gang do together: wait for each other, hand each other values, add their parts. `Collective` is what training knows of
// it, wherever the members are. Members at one host do it in memory that its threads share; what those at other hosts need of that is put into
// theirs over a `Wire`, at the same places, before they are told that it is there. Additions are in one tree by rank, whoever does them, so that
// a result never depends on timing or place. Must not know what is added.
import type { MessagePort } from "node:worker_threads";
import { receiveMessageOnPort } from "node:worker_threads";
import { decode, encode } from "../objects/codec.ts";
import type { Flat, FloatArray, Layout } from "./additive.ts";
import { bytesOf, flatten, layoutOf, newArray, ownersOf, Plot, rangeOf, sumInTree, unflatten } from "./additive.ts";
import type { Ground, GroundPlan } from "./ground.ts";
import { groundLayout, pieceSpans, SharedGround, settlePieces } from "./ground.ts";
import type { Kernels } from "./kernel.ts";
import { addWeighted, kernelMemory, kernelsOf } from "./kernel.ts";
import type { Put, Span, Wire } from "./wire.ts";
import { ALL_HOSTS, CONTROL } from "./wire.ts";

/** The gang was given up: another member is gone, or its run is over. */
export class GangAborted extends Error {
  override readonly name = "GangAborted";
}

export interface Collective {
  readonly rank: number;
  readonly size: number;
  /** What this member has written for the others to read, and copied of what they wrote. */
  exchangedBytes: number;
  /** Returns when all members have come here, with what was put. Throws `GangAborted`. */
  barrier(puts?: readonly Put[]): void;
  /** Throws `GangAborted` where it was: for whoever waits for something else. */
  checkAborted(): void;
  /** What each member gives, by rank. Small, rare things. */
  exchange(value: unknown): readonly unknown[];
  /** Memory for all, empty at first. Those who change it without locks have to be at one host (`spans` false). */
  share(plan: GroundPlan): Ground;
  /** Whether members are at several hosts. */
  readonly spans: boolean;
  /**
   * The sums of all members' values, one by one, bit for bit the same everywhere; null with share 0 where a member has none. Means are weighted by
   * the members' shares, which come to 1.
   */
  sum(values: readonly unknown[] | null, share: number, place: SumPlace): readonly unknown[];
  /** To one other member, which asks for them in the same order. Returns when they are on their way. */
  send(to: number, numbers: Float32Array): void;
  /** The next that the other has sent; the caller's own. */
  receive(from: number): Float32Array;
}

/** A place in a program where values are summed. */
export interface SumPlace {
  readonly name: string;
  /** Whether what has no numbers stays as each member has it; else it is an error. */
  readonly partly: boolean;
  /** By value: whether it is a mean. */
  readonly means: readonly boolean[];
  /** By value: whether its arrays are read until the next sum here and no longer, so that they needn't be copied. */
  readonly borrowed: readonly boolean[];
}

/**
 * As 32-bit cells: given up or not, members of this host at the barrier, how often all have been there; then for each two how many channels the
 * one told the other of, or how many messages from another host came; then how often each member of another host has been at the barrier.
 */
const [ABORTED, ARRIVED, PHASE, TOLD] = [0, 1, 2, 16] as const;
/** Of those that send to each other. */
const MOST_MEMBERS = 32;
const CAME = TOLD + MOST_MEMBERS * MOST_MEMBERS;
/** Of those that are on several workers. */
export const MOST_SPANNING = 1024;
export const CONTROL_BYTES = 4 * (CAME + MOST_SPANNING);
/** The cell that a member of another host may raise here. */
export const cameCell = (rank: number): number => CAME + rank;
/** A message that was posted may be received. */
export function tellOfMail(control: SharedArrayBuffer, from: number, to: number, size: number): void {
  const cells = new Int32Array(control);
  const told = TOLD + from * size + to;
  Atomics.add(cells, told, 1);
  Atomics.notify(cells, told);
}
/**
 * A member that is about to come is waited for without sleeping. Where that is in vain again and again there are fewer processors than members
 * that want one, and whoever waits awake keeps the others from coming: then it is soon given up.
 */
const SPINS = 100_000;
const LEAST_SPINS = 200;
const LOOK_EVERY_MS = 100;

/** Wakes all who wait. */
export function abortCollective(control: SharedArrayBuffer): void {
  const cells = new Int32Array(control);
  Atomics.store(cells, ABORTED, 1);
  Atomics.notify(cells, PHASE);
}

/** What one call of `sum` needs, by the layout of what is summed. */
interface Summing {
  /** What the other hosts get of this member's part, and of its sums. */
  readonly partPuts: readonly Put[];
  readonly sumPuts: readonly Put[];
  readonly layout: Layout;
  /** Of the memory that all this lies in; null where it is too large for them. */
  readonly kernels: Kernels | null;
  readonly means: { readonly numbers: readonly boolean[]; readonly arrays: readonly boolean[] };
  readonly borrowed: readonly boolean[];
  /** By rank, and where the sums stand. */
  readonly parts: readonly Plot[];
  /** By rank: a share, 0 where there is no part, and whether the part has this layout. */
  readonly heads: readonly Float64Array[];
  readonly whole: Plot;
}

export class SharedCollective implements Collective {
  readonly rank: number;
  readonly size: number;
  exchangedBytes = 0;
  readonly #cells: Int32Array;
  readonly #ports: readonly (MessagePort | null)[];
  /** One for each place in a step where something is summed. */
  readonly #summing = new Map<string, Summing>();

  /** Null: all members are at one host. */
  readonly #wire: Wire | null;
  /** Members of this host. */
  readonly #here: readonly number[];
  readonly #elsewhere: readonly number[];
  readonly #mostSpins: number;
  #spins: number;

  /** `ports` by rank; from a member at another host comes what its host's own thread posts. */
  constructor(control: SharedArrayBuffer, ports: readonly (MessagePort | null)[], rank: number, wire: Wire | null = null) {
    this.#cells = new Int32Array(control);
    this.#ports = ports;
    this.rank = rank;
    this.size = ports.length;
    this.#wire = wire;
    // The host's own thread, which moves the bytes that are waited for, needs a processor too.
    this.#mostSpins = this.#spins = wire ? 0 : SPINS;
    const ranks = ports.map((_, at) => at);
    this.#here = ranks.filter((at) => !wire || wire.places[at] === wire.here);
    this.#elsewhere = ranks.filter((at) => !this.#here.includes(at));
  }

  get spans(): boolean {
    return this.#wire !== null;
  }

  readonly #out: (Channel | undefined)[] = [];
  readonly #in: (Channel | undefined)[] = [];

  send(to: number, numbers: Float32Array): void {
    if (this.size > MOST_MEMBERS) throw new RangeError(`members that send to each other are ${MOST_MEMBERS} at most`);
    if (this.#wire && this.#elsewhere.includes(to)) {
      this.#wire.mail(to, numbers);
      this.exchangedBytes += numbers.byteLength;
      return;
    }
    let channel = this.#out[to];
    if (!channel || numbers.length > channel.capacity) {
      const before = channel;
      if (before) this.#wait(before.cells, TAKEN, () => before.isEmpty);
      channel = Channel.of(numbers.length);
      this.#out[to] = channel;
      this.#ports[to]!.postMessage(channel.memory);
      const told = TOLD + this.rank * this.size + to;
      Atomics.add(this.#cells, told, 1);
      Atomics.notify(this.#cells, told);
      // Who waits for the next on the old one looks again.
      if (before) Atomics.notify(before.cells, SENT);
    }
    const { cells } = channel;
    this.#wait(cells, TAKEN, () => !channel.isFull);
    channel.put(numbers);
    this.exchangedBytes += numbers.byteLength;
  }

  receive(from: number): Float32Array {
    if (this.#elsewhere.includes(from)) {
      this.#wait(this.#cells, TOLD + from * this.size + this.rank, () => this.#learns(from));
      const numbers = receiveMessageOnPort(this.#ports[from]!)!.message as Float32Array;
      this.exchangedBytes += numbers.byteLength;
      return numbers;
    }
    for (;;) {
      const channel = this.#in[from];
      if (channel) {
        let told = false;
        this.#wait(channel.cells, SENT, () => !channel.isEmpty || (told = this.#learns(from)));
        if (told) continue;
        const numbers = channel.take();
        this.exchangedBytes += numbers.byteLength;
        return numbers;
      }
      this.#wait(this.#cells, TOLD + from * this.size + this.rank, () => this.#learns(from));
    }
  }

  /** Of a new channel, where there is one: what else comes by the port is for `exchange`. */
  #learns(from: number): boolean {
    const learned = this.#learned[from] ?? 0;
    if (Atomics.load(this.#cells, TOLD + from * this.size + this.rank) === learned) return false;
    this.#learned[from] = learned + 1;
    if (this.#elsewhere.includes(from)) return true;
    this.#in[from] = new Channel(receiveMessageOnPort(this.#ports[from]!)!.message as ChannelMemory);
    return true;
  }
  readonly #learned: number[] = [];

  /** Until it is so; the cell is what changes then. */
  #wait(cells: Int32Array, cell: number, isSo: () => boolean): void {
    if (this.#spun(isSo)) return;
    for (;;) {
      const seen = Atomics.load(cells, cell);
      if (isSo()) return;
      this.checkAborted();
      Atomics.wait(cells, cell, seen, LOOK_EVERY_MS);
    }
  }

  /** Whether it came to be so without sleeping. */
  #spun(isSo: () => boolean): boolean {
    for (let spin = 0; spin < this.#spins; spin++) {
      if (!isSo()) continue;
      if (spin > this.#spins / 4) this.#spins = Math.min(this.#mostSpins, 2 * this.#spins);
      return true;
    }
    this.#spins = Math.min(this.#mostSpins, Math.max(LEAST_SPINS, this.#spins >> 1));
    return false;
  }

  /** Nothing more is said. */
  close(): void {
    this.#wire?.over();
    for (const port of this.#ports) port?.close();
  }

  barrier(puts: readonly Put[] = []): void {
    const cells = this.#cells;
    this.checkAborted();
    const phase = Atomics.load(cells, PHASE);
    this.#wire?.raise(puts, CONTROL, cameCell(this.rank), phase + 1);
    if (Atomics.add(cells, ARRIVED, 1) === this.#here.length - 1) {
      Atomics.store(cells, ARRIVED, 0);
      for (const rank of this.#elsewhere) this.#wait(cells, cameCell(rank), () => Atomics.load(cells, cameCell(rank)) > phase);
      Atomics.add(cells, PHASE, 1);
      Atomics.notify(cells, PHASE);
      return;
    }
    if (this.#spun(() => Atomics.load(cells, PHASE) !== phase)) return;
    while (Atomics.load(cells, PHASE) === phase) {
      this.checkAborted();
      Atomics.wait(cells, PHASE, phase, LOOK_EVERY_MS);
    }
  }

  checkAborted(): void {
    if (Atomics.load(this.#cells, ABORTED) === 1) throw new GangAborted("another member of the gang is gone");
  }

  exchange(value: unknown): readonly unknown[] {
    for (const rank of this.#here) this.#ports[rank]?.postMessage(value);
    this.#wire?.value(encode(value));
    this.barrier();
    const all = this.#ports.map((port, rank) => {
      if (port === null) return value;
      const message: unknown = receiveMessageOnPort(port)?.message;
      return this.#elsewhere.includes(rank) ? decode(message as Uint8Array, { share: false }) : message;
    });
    // Nobody posts the next before all have read this.
    this.barrier();
    return all;
  }

  /** What the first member of each host makes, for all of that host: memory stays shared. */
  #ofHost<T>(make: () => T): { readonly value: T; readonly isOwn: boolean } {
    const [first] = this.#here;
    const own = this.rank === first ? make() : null;
    if (own !== null) for (const rank of this.#here) this.#ports[rank]?.postMessage(own);
    this.barrier();
    const value = own ?? (receiveMessageOnPort(this.#ports[first!]!)!.message as T);
    this.barrier();
    return { value, isOwn: own !== null };
  }

  share(plan: GroundPlan): Ground {
    const { bytes } = groundLayout(plan);
    const { value: memory, isOwn } = this.#ofHost(() => {
      const made = new SharedArrayBuffer(bytes);
      settlePieces(made, plan.pieces.length, this.#here[0] === 0);
      return made;
    });
    const wire = this.#wire;
    const area = wire?.area(isOwn ? memory : null, pieceSpans(plan)) ?? CONTROL;
    // From here on it has its name at every host.
    this.barrier();
    return new SharedGround(memory, plan, wire && { wire, area }, () => this.checkAborted());
  }

  sum(values: readonly unknown[] | null, share: number, place: SumPlace): readonly unknown[] {
    const known = this.#summing.get(place.name);
    const flat = values && known ? flatten(values, known.layout) : null;
    if (known) {
      if (values === null || flat) this.#write(known, flat, share);
      else known.heads[this.rank]![1] = OTHER;
      this.barrier(known.partPuts);
      // Everybody sees the same heads, so all go the same way.
      if (known.heads.every((head) => head[1] !== OTHER)) return this.#reduced(known, values);
    }
    const made = this.#agree(values, place);
    this.#write(made, values && flatten(values, made.layout)!, share);
    this.barrier(made.partPuts);
    return this.#reduced(made, values);
  }

  #write({ parts, heads }: Summing, flat: Flat | null, share: number): void {
    if (flat) {
      parts[this.rank]!.write(flat);
      this.exchangedBytes += bytesOf(flat);
    }
    heads[this.rank]![0] = flat ? share : 0;
    heads[this.rank]![1] = PRESENT;
  }

  /** Members that have nothing learn the layout from those that have. */
  #agree(values: readonly unknown[] | null, { name, partly, means, borrowed }: SumPlace): Summing {
    const layouts = this.exchange(values && layoutOf(values, { strict: !partly })) as readonly (Layout | null)[];
    const layout = layouts.find((one) => one !== null);
    if (!layout) throw new RangeError("a batch without rows has no mean");
    const other = layouts.find((one) => one !== null && one.key !== layout.key);
    if (other) throw new RangeError(`parts of one batch have values of different layouts: ${layout.key}, and ${other.key}`);
    const bytes = Plot.bytes(layout);
    const heads = HEAD_BYTES * this.size;
    const needed = heads + bytes * (this.size + 1);
    const { value: memory, isOwn } = this.#ofHost(() => kernelMemory(needed));
    const kernels = memory instanceof SharedArrayBuffer ? null : kernelsOf(memory);
    const buffer = memory instanceof SharedArrayBuffer ? memory : memory.buffer;
    const area = this.#wire?.area(isOwn ? buffer : null) ?? CONTROL;
    this.barrier();
    const owners = ownersOf(layout);
    const ranks = Array.from({ length: this.size }, (_, rank) => rank);
    const parts = ranks.map((rank) => new Plot(layout, buffer, heads + bytes * rank));
    const whole = new Plot(layout, buffer, heads + bytes * this.size);
    const made: Summing = {
      ...this.#puts(area, parts[this.rank]!, whole),
      layout,
      kernels,
      means: { numbers: owners.numbers.map((item) => means[item]!), arrays: owners.arrays.map((item) => means[item]!) },
      borrowed: owners.arrays.map((item) => borrowed[item]!),
      parts,
      heads: ranks.map((rank) => new Float64Array(buffer, HEAD_BYTES * rank, 2)),
      whole,
    };
    this.#summing.set(name, made);
    return made;
  }

  /** Of a part each host gets what its members add up, and all numbers; of sums all get all. */
  #puts(area: number, part: Plot, whole: Plot): Pick<Summing, "partPuts" | "sumPuts"> {
    const wire = this.#wire;
    if (!wire) return { partPuts: [], sumPuts: [] };
    const span = (array: FloatArray, from: number, to: number): Span => [
      array.byteOffset + from * array.BYTES_PER_ELEMENT,
      (to - from) * array.BYTES_PER_ELEMENT,
    ];
    const some = (spans: readonly Span[]) => spans.filter(([, length]) => length > 0);
    const rangeFor = (length: number, ranks: readonly number[]) =>
      [rangeOf(length, ranks[0]!, this.size)[0], rangeOf(length, ranks.at(-1)!, this.size)[1]] as const;
    const head: Span = [HEAD_BYTES * this.rank, HEAD_BYTES];
    const numbers: Span = [part.numbers.byteOffset, part.numbers.byteLength];
    const hosts = [...new Set(this.#elsewhere.map((rank) => wire.places[rank]!))];
    const partPuts = hosts.map((host): Put => {
      const ranks = this.#elsewhere.filter((rank) => wire.places[rank] === host);
      const ranges = part.arrays.map((array) => span(array, ...rangeFor(array.length, ranks)));
      return { area, host, spans: some([head, numbers, ...ranges]) };
    });
    const own = whole.arrays.map((array) => span(array, ...rangeOf(array.length, this.rank, this.size)));
    return { partPuts, sumPuts: [{ area, host: ALL_HOSTS, spans: some(own) }] };
  }

  /** Each member adds its range of every array, then all read all of it. */
  #reduced({ sumPuts, layout, kernels, means, borrowed, parts, heads, whole }: Summing, like: unknown): readonly unknown[] {
    const here = heads.flatMap((head, rank) => (head[0]! > 0 ? [rank] : []));
    const shares = here.map((rank) => heads[rank]![0]!);
    const ones = here.map(() => 1);
    for (let i = 0; i < whole.arrays.length; i++) {
      const own = here.map((rank) => parts[rank]!.arrays[i]!);
      const [from, to] = rangeOf(whole.arrays[i]!.length, this.rank, this.size);
      const weights = means.arrays[i]! ? shares : ones;
      // Nobody reads this range of the parts any more.
      if (kernels) addInPlace(kernels, own, weights, whole.arrays[i]!, from, to);
      else addInTree(own, weights, whole.arrays[i]!, from, to);
    }
    const numbers = Array.from({ length: layout.numbers }, (_, i) =>
      sumInTree(here.map((rank, at) => parts[rank]!.numbers[i]! * (means.numbers[i]! ? shares[at]! : 1))),
    );
    this.barrier(sumPuts);
    const arrays = whole.arrays.map((sum, i) => {
      if (borrowed[i]!) return sum;
      const array = newArray(layout.arrays[i]!);
      array.set(sum);
      this.exchangedBytes += array.byteLength;
      return array;
    });
    return unflatten(layout, { numbers, arrays }, like ?? undefined) as readonly unknown[];
  }
}

interface ChannelMemory {
  readonly control: SharedArrayBuffer;
  readonly data: SharedArrayBuffer;
}

/** Messages on a channel that aren't taken yet, at most. */
const RING = 8;
const [SENT, TAKEN] = [0, 1] as const;

/** From one member to another: a ring of messages in memory that both share. */
class Channel {
  /** How many were sent, how many taken, then the length of each in the ring. */
  readonly cells: Int32Array;
  readonly capacity: number;
  readonly #data: Float32Array;

  readonly memory: ChannelMemory;

  constructor(memory: ChannelMemory) {
    this.memory = memory;
    this.cells = new Int32Array(memory.control);
    this.#data = new Float32Array(memory.data);
    this.capacity = this.#data.length / RING;
  }

  static of(length: number): Channel {
    return new Channel({ control: new SharedArrayBuffer(4 * (2 + RING)), data: new SharedArrayBuffer(4 * RING * Math.max(1, length)) });
  }

  get isEmpty(): boolean {
    return Atomics.load(this.cells, SENT) === Atomics.load(this.cells, TAKEN);
  }
  get isFull(): boolean {
    return Atomics.load(this.cells, SENT) - Atomics.load(this.cells, TAKEN) >= RING;
  }

  put(numbers: Float32Array): void {
    const at = Atomics.load(this.cells, SENT) % RING;
    this.#data.set(numbers, at * this.capacity);
    this.cells[2 + at] = numbers.length;
    Atomics.add(this.cells, SENT, 1);
    Atomics.notify(this.cells, SENT);
  }

  take(): Float32Array {
    const at = Atomics.load(this.cells, TAKEN) % RING;
    const numbers = this.#data.slice(at * this.capacity, at * this.capacity + this.cells[2 + at]!);
    Atomics.add(this.cells, TAKEN, 1);
    Atomics.notify(this.cells, TAKEN);
    return numbers;
  }
}

const HEAD_BYTES = 64;
const [PRESENT, OTHER] = [1, 2] as const;

/** Weighted, and rounded as the arrays are after each operation. */
export function addInTree(parts: readonly FloatArray[], weights: readonly number[], into: FloatArray, from: number, to: number): void {
  if (parts.length === 2) {
    addWeighted(parts[0]!, parts[1]!, into, from, to, weights[0]!, weights[1]!);
    return;
  }
  const rounded = into instanceof Float32Array ? Math.fround : (value: number) => value;
  const by = weights.map(rounded);
  const level = new Float64Array(parts.length);
  for (let i = from; i < to; i++) {
    let width = parts.length;
    for (let part = 0; part < width; part++) level[part] = rounded(parts[part]![i]! * by[part]!);
    while (width > 1) {
      const half = (width + 1) >> 1;
      for (let pair = 0; pair < half; pair++)
        level[pair] = 2 * pair + 1 < width ? rounded(level[2 * pair]! + level[2 * pair + 1]!) : level[2 * pair]!;
      width = half;
    }
    into[i] = level[0]!;
  }
}

/** The same, by kernels: sums of pairs take the place of the parts. */
function addInPlace(
  kernels: Kernels,
  parts: readonly FloatArray[],
  weights: readonly number[],
  into: FloatArray,
  from: number,
  to: number,
): void {
  const kernel = into instanceof Float32Array ? kernels.f32 : kernels.f64;
  const at = (array: FloatArray) => array.byteOffset + from * array.BYTES_PER_ELEMENT;
  let level = parts.map((part, i) => ({ part, weight: weights[i]! }));
  do {
    const pairs = (level.length + 1) >> 1;
    level = Array.from({ length: pairs }, (_, pair) => {
      const left = level[2 * pair]!;
      // One without a neighbour has nothing added to it.
      const right = level[2 * pair + 1] ?? { part: left.part, weight: 0 };
      const sum = pairs === 1 ? into : left.part;
      kernel(at(left.part), at(right.part), at(sum), to - from, left.weight, right.weight);
      return { part: sum, weight: 1 };
    });
  } while (level.length > 1);
}

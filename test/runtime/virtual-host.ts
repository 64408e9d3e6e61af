// A worker on a virtual clock: it takes its time, as dice say, and computes numbers that tell what they were made from; small ones travel in
// messages, others it holds and puts away as slots do. It dies when it is told to, and says nothing any more.
import type { Plan } from "../../compiler/plan.ts";
import type { FromHost, InputFeed, ObjectRef, OutputFeed, ProvidedValue, ToHost, WorkerLink } from "../../runtime/hosts/link.ts";
import { columnReader, columnValues, decode, encode, writeColumn } from "../../runtime/objects/codec.ts";
import type { SegmentWriter } from "../../runtime/results/segments.ts";
import { appendTo, newSegment } from "../../runtime/results/store.ts";

type Assign = Extract<ToHost, { type: "assign" }>;

interface Run {
  readonly plan: Plan;
  readonly results: string | null;
  readonly provided: Map<string, ProvidedValue>;
}

export interface Ran {
  /** Under which key its result is kept; null: it isn't. */
  readonly key: string | null;
  readonly block: number;
  /** Of the plan, in which instance, which block. */
  readonly title: string;
}

export class VirtualHost implements WorkerLink {
  readonly id: string;
  readonly slots: number;
  readonly meets = { host: "127.0.0.1", port: 1 };
  onMessage: (message: FromHost) => void = () => {};
  onLost: (reason: string) => void = () => {};
  readonly #dice: () => number;
  readonly #began: (task: Ran) => void;
  readonly #told: (task: Ran) => void;
  readonly #runs = new Map<number, Run>();
  readonly #objects = new Map<string, Uint8Array>();
  readonly #queues: Assign[][];
  readonly #timers: (NodeJS.Timeout | null)[];
  readonly #aborted = new Set<string>();
  #segment: SegmentWriter | null = null;
  #dead = false;

  constructor(id: string, slots: number, dice: () => number, began: (task: Ran) => void, told: (task: Ran) => void) {
    this.id = id;
    this.slots = slots;
    this.#dice = dice;
    this.#began = began;
    this.#told = told;
    this.#queues = Array.from({ length: slots }, () => []);
    this.#timers = Array.from({ length: slots }, () => null);
  }

  /** Its process is killed: the engine hears that it is gone, or is gone with it. */
  die(told: boolean): void {
    this.#dead = true;
    for (const timer of this.#timers) if (timer) clearTimeout(timer);
    this.#segment?.close();
    if (told) this.onLost("killed");
  }

  /** One thread ends with what it had queued; what it made stays. */
  loseSlot(slot: number): void {
    const [running] = this.#queues[slot]!;
    if (!running) return;
    const { run, stage, first: block, attempt } = running;
    this.#queues[slot] = [];
    if (this.#timers[slot]) clearTimeout(this.#timers[slot]!);
    this.#timers[slot] = null;
    const reason = { kind: "cancelled", name: "Lost", message: "lost", stack: [], stage: String(stage), block, attempt } as const;
    this.onMessage({ type: "slotLost", slot, run, reason });
  }

  send(message: ToHost): void {
    if (this.#dead) return;
    switch (message.type) {
      case "prepare":
        this.#runs.set(message.run, { plan: message.plan, results: message.results, provided: new Map() });
        return;
      case "provide":
        this.#runs.get(message.run)!.provided.set(message.key, message.value);
        return;
      case "place":
        this.#objects.set(nameOf(message.ref), message.bytes);
        return;
      case "free":
        for (const { stage, first, count } of message.objects)
          for (let block = first; block < first + count; block++) this.#objects.delete(nameOf({ run: message.run, stage, block }));
        return;
      case "fetch": {
        const { request, ref } = message;
        setTimeout(() => {
          if (!this.#dead) this.onMessage({ type: "object", request, bytes: this.#objects.get(nameOf(ref)) ?? null });
        }, this.#dice() / 100);
        return;
      }
      case "assign":
        this.#queues[message.slot]!.push(message);
        if (!this.#timers[message.slot]) this.#next(message.slot);
        return;
      case "abort":
        this.#aborted.add(`${message.run}:${message.stage}:${message.attempt}`);
        return;
      case "recall": {
        const { run, slot, stage, first, count, attempt } = message;
        const queue = this.#queues[slot]!;
        const place = queue.findIndex((one, i) => i > 0 && one.stage === stage && one.attempt === attempt && one.first === first);
        const back = place > 0 && queue[place]!.count === count ? count : 0;
        if (back > 0) queue.splice(place, 1);
        this.onMessage({ type: "recalled", run, slot, stage, first: first + count - back, count: back, attempt });
        return;
      }
      default:
        return;
    }
  }

  /** How often objects came by a way of their own, and how that ended. */
  readonly pulls = { placed: 0, missing: 0, failed: 0 };

  pull(ref: ObjectRef, holders: readonly WorkerLink[]): Promise<"placed" | "missing" | "failed"> | null {
    const luck = this.#dice();
    // Some have no way to each other.
    if (luck % 4 === 0) return null;
    return new Promise((resolve) => {
      setTimeout(() => {
        const end = (how: "placed" | "missing" | "failed") => {
          this.pulls[how]++;
          resolve(how);
        };
        const alive = holders.filter((holder): holder is VirtualHost => holder instanceof VirtualHost && !holder.#dead);
        if (this.#dead || luck % 8 === 1) return end("failed");
        const bytes = alive.map((holder) => holder.#objects.get(nameOf(ref))).find((one) => one !== undefined);
        if (!bytes) return end(alive.length < holders.length ? "failed" : "missing");
        this.#objects.set(nameOf(ref), bytes);
        end("placed");
      }, this.#dice() / 100);
    });
  }

  /** The first task of the slot's first assignment. */
  #next(slot: number): void {
    const assign = this.#queues[slot]![0];
    if (!assign || this.#dead || this.#timers[slot]) return;
    const { run: number, stage, planned, first, attempt } = assign;
    const run = this.#runs.get(number)!;
    const task = {
      key: assign.results?.key ?? null,
      block: first,
      title: `${run.plan.stages[planned]!.id}(${assign.instance ?? ""})#${first}${assign.rank ? ` as ${assign.rank}` : ""}`,
    };
    this.#began(task);
    const runMs = 1 + this.#dice() / 50;
    this.#timers[slot] = setTimeout(() => {
      this.#timers[slot] = null;
      if (this.#dead) return;
      const queue = this.#queues[slot]!;
      if (assign.count === 1) queue.shift();
      else queue[0] = { ...assign, first: first + 1, count: assign.count - 1, inputs: assign.inputs.map((feed) => moved(feed)) };
      let outputs: OutputFeed | null = null;
      try {
        outputs = this.#outputs(run, assign);
      } catch (error) {
        if (!(error instanceof Gone)) throw error;
        const told = { kind: "lost", name: "ObjectLost", message: error.message, stack: [], stage: "", block: first, attempt } as const;
        this.onMessage({ type: "failed", run: number, slot, stage, block: first, attempt, transient: false, error: told });
      }
      if (outputs) {
        this.onMessage({ type: "finished", run: number, slot, stage, first, count: 1, attempt, runMs, outputs });
        // What other members of a gang give is nobody's.
        if ((assign.rank ?? 0) === 0) this.#told(task);
      }
      this.#next(slot);
    }, runMs);
  }

  #outputs({ plan, results }: Run, assign: Assign): OutputFeed {
    const { run, stage, planned, first: block, rank = 0 } = assign;
    if (this.#aborted.has(`${run}:${stage}:${assign.attempt}`)) throw new Gone("another member is gone");
    const { id, output, effect, body, inputs } = plan.stages[planned]!;
    const read = assign.inputs.map((feed) => this.#input(assign, feed));
    const round = inputs.findIndex(({ kind }) => kind === "iteration");
    if (rank > 0) return { kind: "column", column: writeColumn([null]) };
    const made = mix((body as { readonly value: number }).value, JSON.stringify(read), output === "value" ? 0 : block);
    if (effect) return { kind: "column", column: writeColumn([null]) };
    if (id.startsWith("decision")) {
      const over = (read[round] as number) >= 1 + (made % 3);
      return { kind: "column", column: writeColumn([over ? 1 : 0]) };
    }
    // Some values are too large for messages. By which the run decides never are.
    const large = !plan.stages.some(({ tasks }) => tasks.kind === "branch") && made % 3 === 0;
    const put = (at: number, value: unknown) => {
      const bytes = encode(value);
      this.#objects.set(nameOf({ run, stage, block: at }), bytes);
      if (!assign.results || results === null) return bytes.length;
      this.#segment ??= newSegment(results);
      appendTo(this.#segment, { kind: "object", key: assign.results.key, first: at, count: 1, tasks: assign.results.tasks }, bytes);
      return bytes.length;
    };
    if (output === "blocks") {
      const blocks = Array.from({ length: made % 5 }, (_, at) => [mix(made, "", at)]);
      const bytes = Float64Array.from(blocks, () => 1);
      if (!large) return { kind: "blocks", count: blocks.length, bytes, inline: writeColumn(blocks) };
      blocks.forEach((value, at) => void put(at, value));
      return { kind: "blocks", count: blocks.length, bytes, inline: null };
    }
    const value = output === "value" || output === "partial" ? made : [made];
    return large ? { kind: "objects", bytes: Float64Array.of(put(block, value)) } : { kind: "column", column: writeColumn([value]) };
  }

  #input(assign: Assign, feed: InputFeed): unknown {
    switch (feed.kind) {
      case "provided":
        return this.#provided(assign.run, this.#runs.get(assign.run)!.provided.get(feed.key)!);
      case "sent":
        return this.#provided(assign.run, feed.value);
      case "column":
        return columnReader(feed.column, { share: false })(offsets.get(feed) ?? 0);
      case "object":
        return this.#object(feed.ref);
      case "objects":
        return this.#object({ run: feed.run, stage: feed.stage, block: assign.first });
      case "constant":
        return feed.value;
      case "range":
        return feed.rows;
      case "param":
        return null;
    }
  }

  #provided(run: number, value: ProvidedValue): unknown {
    if (value.kind === "inline") return decode(value.bytes, { share: false });
    return value.runs.flatMap((part) =>
      "column" in part
        ? columnValues(part.column, { share: false })
        : Array.from({ length: part.count }, (_, i) => this.#object({ run, stage: part.stage, block: part.first + i })),
    );
  }

  #object(ref: { readonly run: number; readonly stage: number; readonly block: number }): unknown {
    const bytes = this.#objects.get(nameOf(ref));
    if (!bytes) throw new Gone(`${nameOf(ref)} isn't here`);
    return decode(bytes, { share: false });
  }

  async close(): Promise<void> {
    this.die(false);
  }
}

class Gone extends Error {}

/** How far into its column an assignment has come. */
const offsets = new WeakMap<InputFeed, number>();
function moved(feed: InputFeed): InputFeed {
  if (feed.kind !== "column") return feed;
  const next = { ...feed };
  offsets.set(next, (offsets.get(feed) ?? 0) + 1);
  return next;
}

const nameOf = ({ run, stage, block }: { readonly run: number; readonly stage: number; readonly block: number }) =>
  `${run}:${stage}:${block}`;

function mix(...words: readonly (number | string)[]): number {
  let hash = 0x811c9dc5;
  for (const word of words.map(String)) for (let i = 0; i < word.length; i++) hash = Math.imul(hash ^ word.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

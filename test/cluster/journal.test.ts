// Journals under several leaders, over a log that loses appends, stores them unheard, or late: what a leader was told to be stored is what every
// reader finds, once and in order. Mistakes that are known to happen are planted, and found.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Log } from "../../runtime/engines/nats/journal.ts";
import { appendTo, Journal, LogLost, messagesOf, Reader } from "../../runtime/engines/nats/journal.ts";
import { pack, unpack } from "../../runtime/engines/nats/records.ts";
import type { Entry } from "../../runtime/engines/past.ts";
import { Past } from "../../runtime/engines/past.ts";
import { FaultyLog } from "../harness/faulty-log.ts";

type Mistake =
  | "none"
  /** After a refusal the expectation is made to fit. */
  | "refreshes"
  /** What wasn't answered is sent again as something new. */
  | "renews"
  /** Several appends are on their way, each expecting the one before it. */
  | "hurries"
  /** What was written between reading the journal and standing at its head isn't read. */
  | "skips";

/** What a reader finds, in its order. */
class Keys extends Reader<null> {
  readonly keys: string[] = [];
  constructor() {
    super();
    const { past } = this;
    const add = past.add.bind(past);
    past.add = (one) => {
      if (one.type === "opened") this.keys.push(one.key);
      add(one);
    };
  }
}

interface Leader {
  readonly epoch: number;
  readonly acknowledged: string[];
}

const entry = (key: string): Entry => ({ type: "opened", base: 0, stages: 1, key });
const PART_BYTES = 64;
const ENTRIES = 6;

/** Leaders come one after another, and don't know of each other's end. Gives what each was told, and what a reader finds. */
async function play(
  numbers: readonly number[],
  mistake: Mistake,
): Promise<{ readonly leaders: readonly Leader[]; readonly found: readonly string[]; readonly known: readonly (readonly string[])[] }> {
  let at = 0;
  const dice = () => numbers[at++ % numbers.length]!;
  let nonces = 0;
  const nonce = () => `n${nonces++}`;
  const faulty = new FaultyLog(dice);
  const log = mistaken(faulty, mistake, nonce);
  const leaders: Leader[] = [];
  const known: string[][] = [];
  const read = (reader: Keys, last: number) => {
    for (const { seq, message } of faulty.stored) if (seq > reader.after && seq <= last) reader.read(seq, message);
  };
  const lead = async (name: number): Promise<void> => {
    const reader = new Keys();
    read(reader, (await log.tail())?.seq ?? 0);
    const epoch = reader.epoch + 1;
    const [message] = messagesOf({ type: "epoch", leader: String(name) }, epoch, PART_BYTES, nonce);
    const after = await appendTo(log, message!, reader.after);
    if (after === null) return;
    if (mistake !== "skips") read(reader, after);
    known.push([...reader.keys]);
    const leader: Leader = { epoch, acknowledged: [] };
    leaders.push(leader);
    const journal = new Journal({ log, epoch, after, past: reader.past, partBytes: PART_BYTES, nonce, over: () => {} });
    for (let i = 0; i < ENTRIES; i++) {
      const key = `${name}.${i}${"x".repeat(dice() % 3 === 0 ? 100 : 0)}`;
      journal.append(entry(key), () => leader.acknowledged.push(key));
      for (let pause = dice() % 12; pause > 0; pause--) await null;
    }
    for (let i = 0; i < 3000; i++) await null;
  };
  const all: Promise<void>[] = [];
  for (let name = 0; name < 3; name++) {
    all.push(lead(name));
    for (let pause = dice() % 200; pause > 0; pause--) await null;
  }
  await Promise.all(all);
  const reader = new Keys();
  read(reader, Number.POSITIVE_INFINITY);
  return { leaders, known, found: [...reader.keys] };
}

function mistaken(faulty: FaultyLog, mistake: Mistake, nonce: () => string): Log {
  const log = faulty.asLog;
  if (mistake === "refreshes")
    return {
      ...log,
      append: async (message, after) => {
        const appended = await log.append(message, after);
        return appended.how === "refused" ? log.append(message, (await log.tail())?.seq ?? 0) : appended;
      },
    };
  if (mistake === "renews") return { ...log, append: (message, after) => log.append({ ...message, nonce: nonce() }, after) };
  if (mistake === "hurries")
    return {
      ...log,
      append: async (message, after) => {
        // The next one expects this one's number before it is known that it has one.
        const last = faulty.stored.at(-1);
        return log.append(message, last && last.seq > after && last.message.epoch > message.epoch ? last.seq : after);
      },
    };
  return log;
}

function check({ leaders, found, known }: Awaited<ReturnType<typeof play>>): void {
  // Whoever is told that something is stored can rely on it, and on its order; nothing is there twice.
  expect(new Set(found).size).toBe(found.length);
  for (const { acknowledged } of leaders) expect(found.filter((key) => acknowledged.includes(key))).toEqual(acknowledged);
  // Whoever isn't followed by another comes to the end of what it has to say.
  expect(leaders.reduce((a, b) => (b.epoch > a.epoch ? b : a)).acknowledged).toHaveLength(ENTRIES);
  // A leader knows all that was acknowledged to those before it, and nothing is acknowledged to them afterwards.
  leaders.forEach(({ epoch }, index) => {
    for (const before of leaders) if (before.epoch < epoch) for (const key of before.acknowledged) expect(known[index]).toContain(key);
  });
}

it("entries are what they were, in their order", () => {
  const column = fc
    .array(fc.double({ noNaN: true }), { minLength: 1, maxLength: 5 })
    .map((values) => ({ kind: "numbers" as const, values: Float64Array.from(values) }));
  const packed = fc
    .uint8Array({ minLength: 2, maxLength: 2 })
    .map((bytes) => ({ kind: "packed" as const, lengths: Uint32Array.of(1, 1), bytes }));
  const done = fc.tuple(fc.nat(3), fc.nat(7), fc.nat(1e9), fc.nat(1e9), fc.oneof(column, packed)).map(
    ([home, slot, stage, first, one]): Entry => ({
      ...{ type: "done", home: `h${home}`, slot, stage, first, count: one.kind === "numbers" ? one.values.length : 2 },
      outputs: { kind: "column", column: one },
    }),
  );
  const other = fc.oneof(
    fc.nat(9).map((base) => ({ ...entry("k"), base })),
    fc.nat(9).map((slot): Entry => ({ type: "slotLost", home: "h", slot })),
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(done, other)), (entries) => {
      expect([...unpack(pack(entries as Entry[]))]).toEqual(entries);
    }),
  );
});

const numbers = fc.array(fc.nat(999), { minLength: 300, maxLength: 300 });

describe("a journal", () => {
  it("has what its leaders were told it has", async () => {
    await fc.assert(
      fc.asyncProperty(fc.noBias(numbers), async (dice) => check(await play(dice, "none"))),
      { numRuns: 2000 },
    );
  }, 60_000);

  it.each(["refreshes", "renews", "hurries", "skips"] as const)(
    "would not, if a leader %s",
    async (mistake) => {
      let caught = 0;
      for (let seed = 0; seed < 300 && caught === 0; seed++) {
        const [dice] = fc.sample(fc.noBias(numbers), { seed, numRuns: 1 });
        try {
          check(await play(dice!, mistake));
        } catch {
          caught++;
        }
      }
      expect(caught).toBe(1);
    },
    60_000,
  );

  it("isn't moved by what a leader wrote that had been overtaken, wherever it stands", () => {
    const reader = new Keys();
    let seq = 0;
    for (const [epoch, key] of [
      [1, "a"],
      [2, "b"],
      [1, "c"],
      [2, "d"],
    ] as const)
      for (const message of messagesOf({ type: "entries", entries: pack([entry(key)]) }, epoch, 1000, () => String(seq)))
        reader.read(++seq, message);
    expect(reader.keys).toEqual(["a", "b", "d"]);
  });

  it("that has lost what it had ends its leader's time", async () => {
    const log: Log = { append: async () => ({ how: "refused" }), tail: async () => ({ seq: 3, epoch: 1, nonce: "other" }) };
    await expect(appendTo(log, { epoch: 2, nonce: "mine", part: 0, parts: 1, bytes: new Uint8Array(0) }, 7)).rejects.toThrow(LogLost);
  });
});

describe("a log that refuses for a reason of its own", () => {
  const full = new Error("the disk is full");
  const refusing: Log = { append: async () => Promise.reject(full), tail: async () => null };
  const journalOver = (over: (why: "deposed" | Error) => void, log = refusing) =>
    new Journal({ log, epoch: 1, after: 1, past: new Past(), partBytes: PART_BYTES, nonce: () => "n", over });

  it("ends the time of whoever writes, and what waits is told that it isn't stored", async () => {
    const ends: unknown[] = [];
    const journal = journalOver((why) => ends.push(why));
    const acknowledged: string[] = [];
    journal.append(entry("one"), () => acknowledged.push("one"));
    const [first, second] = [journal.record({ type: "cancel" }), journal.record({ type: "cancel" })];
    expect(await Promise.all([first, second])).toEqual([false, false]);
    expect(ends).toEqual([full]);
    expect(acknowledged).toEqual([]);
  });

  it("is nobody's concern once the journal is closed", async () => {
    const ends: unknown[] = [];
    let refuse: (error: Error) => void = () => {};
    const under = new Promise<never>((_resolve, reject) => {
      refuse = reject;
    });
    const journal = journalOver((why) => ends.push(why), { ...refusing, append: () => under });
    const stored = journal.record({ type: "cancel" });
    await new Promise((resolve) => setTimeout(resolve, 5));
    journal.close();
    refuse(full);
    expect(await stored).toBe(false);
    expect(ends).toEqual([]);
  });
});

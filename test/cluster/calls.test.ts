// Logs of actors' calls, over a log that loses appends, stores them unheard, or late, while actors live here and there and those that were given up
// don't know it: whoever makes one again finds all calls that an answer may depend on, once and in order. Planted mistakes are found.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CallLogs } from "../../runtime/engines/nats/calls.ts";
import { CallKeeper } from "../../runtime/engines/nats/calls.ts";
import type { LogMessage } from "../../runtime/engines/nats/journal.ts";
import type { FromHost } from "../../runtime/hosts/link.ts";
import { FaultyLog } from "../harness/faulty-log.ts";

const ACTOR = "a";
const PART_BYTES = 96;
const CALLS = 12;
const LIVES = 4;

type Mistake =
  | "none"
  /** Answers aren't held until the calls before them are stored. */
  | "hasty"
  /** What stands before a checkpoint goes though answers from before it may be lost. */
  | "forgets"
  /** An actor that is given up goes on with the expectations of whoever came after it. */
  | "clings";

/** Calls as text: each its name; a checkpoint: all that it stands for. */
const bytesOf = (calls: readonly string[], mark = "") => Buffer.from(`${mark}${calls.join(" ")}${mark ? ")" : " "}`);

interface Life {
  /** What it began with, and what it was asked, in order. */
  readonly calls: string[];
}

/** Gives what the last life finds, what each call that was acknowledged was, and what was hidden in checkpoints without being durable. */
async function play(numbers: readonly number[], mistake: Mistake) {
  let at = 0;
  // Whatever is thrown, luck changes.
  const dice = () => numbers[at % numbers.length]! + 31 * at++;
  let nonces = 0;
  const faulty = new FaultyLog(dice);
  const logs: CallLogs = {
    log: () => (mistake === "clings" ? clinging(faulty) : faulty.asLog),
    read: async (_actor, last, each) => {
      await faulty.turns();
      for (const { seq, message } of faulty.stored) if (seq <= last) each(seq, message);
    },
    cut: async (_actor, below) => {
      await faulty.turns();
      const kept = faulty.stored.findIndex(({ seq }) => seq >= below);
      if (kept > 0) faulty.stored.splice(0, kept);
    },
  };
  const acknowledged: string[] = [];
  const durable = new Set<string>();
  const problems: string[] = [];
  let current = -1;

  const live = async (number: number): Promise<Life | null> => {
    // What is durable is told by and by, by whoever hears it.
    const awaiting: { readonly answered: readonly string[]; readonly then: () => void }[] = [];
    const answered: string[] = [];
    let isOver = false;
    const keeper = new CallKeeper({
      ...{ logs, partBytes: PART_BYTES, nonce: () => `n${nonces++}` },
      whenDurable: (then) => {
        if (mistake === "forgets") then();
        else awaiting.push({ answered: [...answered], then });
      },
      over: () => {
        isOver = true;
      },
    });
    const said = (message: Extract<FromHost, { type: "called" }>["message"]) => keeper.said({ type: "called", actor: ACTOR, message });
    const calls: string[] = [];
    if (number === 0) said({ how: "born" });
    else {
      const found = await keeper.read(ACTOR);
      if (!found) return null;
      const text = Buffer.from(found).toString();
      const [, state = "", rest] = /^(?:\((.*?)\))?(.*)$/.exec(text)!;
      calls.push(...words(state), ...words(rest!));
      for (const call of words(state))
        if (!durable.has(call)) problems.push(`${call} is hidden in a checkpoint, and its task will make it again`);
      for (const call of acknowledged) if (!calls.includes(call)) problems.push(`${call} was acknowledged, and is forgotten`);
      if (new Set(calls).size < calls.length) problems.push("a call is found twice");
      current = number;
    }
    for (let i = 0; i < CALLS && !isOver; i++) {
      const call = `${number}.${i}`;
      calls.push(call);
      said({ how: "calls", bytes: bytesOf([call]) });
      const luck = dice() % 10;
      if (luck < 5) {
        const mine = calls.slice();
        const { stored } = keeper;
        const answer = () => {
          // The leader hears only whoever lives for it.
          if (current !== number) return;
          for (const one of mine) if (!acknowledged.includes(one)) acknowledged.push(one);
          answered.push(...mine);
        };
        if (mistake === "hasty" || !stored) answer();
        else void stored.then(answer);
      }
      if (luck === 5 || luck === 6) said({ how: "checkpoint", bytes: bytesOf(calls, "(") });
      for (let pause = dice() % 25; pause > 0; pause--) await null;
      if (luck > 7) {
        const next = awaiting.shift();
        // All that was said before it, and has been answered, is known to be so.
        if (next && current === number && calls.every((one) => acknowledged.includes(one))) {
          for (const one of calls) durable.add(one);
          next.then();
        } else if (next) awaiting.unshift(next);
      }
    }
    return { calls };
  };

  current = 0;
  const lives: Promise<Life | null>[] = [];
  for (let number = 0; number < LIVES; number++) {
    lives.push(live(number));
    for (let pause = 20 + (dice() % 300); pause > 0; pause--) await null;
  }
  // Whoever comes last, when all is quiet.
  for (let pause = 0; pause < 5000; pause++) await null;
  current = LIVES;
  let isMade = false;
  void live(LIVES).then((made) => {
    isMade = made !== null;
  });
  for (let pause = 0; pause < 5000; pause++) await null;
  if (!isMade) problems.push("it can't be made again");
  return problems;
}

const words = (text: string) => text.split(" ").filter((one) => one !== "");

function clinging(faulty: FaultyLog) {
  const { append, tail } = faulty.asLog;
  return {
    tail,
    append: (message: LogMessage) => {
      const last = faulty.stored.at(-1);
      return append({ ...message, epoch: Math.max(message.epoch, last?.message.epoch ?? 0) }, last?.seq ?? 0);
    },
  };
}

const throws = fc.array(fc.nat(1000), { minLength: 200, maxLength: 600 });

describe("calls of actors", () => {
  it("are found by whoever makes the actor again, whatever becomes of the writes and of those that were given up", async () => {
    await fc.assert(
      fc.asyncProperty(throws, async (numbers) => {
        expect(await play(numbers, "none")).toEqual([]);
      }),
      { numRuns: 300 },
    );
  }, 60_000);

  it.each<Mistake>(["hasty", "forgets", "clings"])(
    "a planted mistake is found: %s",
    async (mistake) => {
      const found = await fc.check(
        fc.asyncProperty(throws, async (numbers) => (await play(numbers, mistake)).length === 0),
        { numRuns: 1000, endOnFailure: true },
      );
      expect(found.failed).toBe(true);
    },
    60_000,
  );
});

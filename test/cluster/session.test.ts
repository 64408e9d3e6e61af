// Conversations over a channel that loses, repeats and reorders.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Session } from "../../runtime/engines/nats/session.ts";

interface Side {
  readonly session: Session;
  readonly heard: string[];
  /** Frames on their way from this side. */
  readonly out: Uint8Array[];
}

function side(options: { epoch?: number; incarnation?: number; frameBytes?: number } = {}): Side {
  const heard: string[] = [];
  const out: Uint8Array[] = [];
  const session = new Session({
    epoch: 7,
    incarnation: 1,
    frameBytes: 96,
    ...options,
    send: (frame) => out.push(frame),
    deliver: (message) => heard.push(Buffer.from(message).toString()),
  });
  return { session, heard, out };
}
const bytes = (text: string) => new Uint8Array(Buffer.from(text));

describe("session", () => {
  it("delivers in order, long messages in parts", () => {
    const [a, b] = [side(), side()];
    const long = "x".repeat(1000);
    a.session.send(bytes("one"));
    a.session.send(bytes(long));
    a.session.send(bytes("three"));
    expect(a.out.every((frame) => frame.length <= 96)).toBe(true);
    for (const frame of a.out.splice(0)) b.session.receive(frame);
    expect(b.heard).toEqual(["one", long, "three"]);
    b.session.beat();
    for (const frame of b.out.splice(0)) a.session.receive(frame);
    expect(a.session.settled).toBe(true);
  });

  it("ignores other epochs and incarnations", () => {
    const b = side();
    for (const other of [side({ epoch: 8 }), side({ incarnation: 2 })]) {
      other.session.send(bytes("stale"));
      for (const frame of other.out) b.session.receive(frame);
    }
    expect(b.heard).toEqual([]);
  });

  it("refuses a message whose bytes were changed", () => {
    const [a, b] = [side(), side()];
    a.session.send(bytes("y".repeat(500)));
    a.out[2]![60]! ^= 1;
    expect(() => {
      for (const frame of a.out) b.session.receive(frame);
    }).toThrow("SHA-256");
  });

  it("says goodbye", () => {
    const [a, b] = [side(), side()];
    a.session.bye();
    expect(b.session.receive(a.out[0]!)).toEqual({ over: true });
  });

  it("every message arrives once and in order, whatever the channel does, once it gets better", () => {
    const messages = fc.array(fc.string({ maxLength: 300 }), { maxLength: 25 });
    fc.assert(
      fc.property(messages, messages, fc.infiniteStream(fc.nat(99)), (fromA, fromB, dice) => {
        const [a, b] = [side(), side()];
        const roll = () => dice.next().value as number;
        const pass = (from: Side, to: Side, bad: boolean) => {
          const frames = from.out.splice(0);
          for (let i = 0; i < frames.length; i++) {
            const luck = bad ? roll() : 99;
            if (luck < 20) continue;
            if (luck < 30) frames.push(frames[i]!);
            if (luck < 45 && frames.length < 500) {
              frames.push(frames[i]!);
              continue;
            }
            to.session.receive(frames[i]!);
          }
        };
        for (let i = 0; i < Math.max(fromA.length, fromB.length); i++) {
          if (i < fromA.length) a.session.send(bytes(fromA[i]!));
          if (i < fromB.length) b.session.send(bytes(fromB[i]!));
          pass(a, b, true);
          pass(b, a, true);
        }
        for (let beat = 0; beat < 12; beat++) {
          a.session.beat();
          b.session.beat();
          pass(a, b, false);
          pass(b, a, false);
          pass(a, b, false);
        }
        expect(b.heard).toEqual(fromA.map((text) => Buffer.from(text).toString()));
        expect(a.heard).toEqual(fromB.map((text) => Buffer.from(text).toString()));
        expect(a.session.settled && b.session.settled).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});

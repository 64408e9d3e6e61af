// A worker that was asked to pull an object: what it hands to its host, what it answers, and what becomes of it when another leads meanwhile.
import { expect, it } from "vitest";
import type { BulkSource, Pulled } from "../../runtime/engines/nats/bulk.ts";
import { subjects } from "../../runtime/engines/nats/connect.ts";
import { Conversation } from "../../runtime/engines/nats/conversation.ts";
import type { FromWorker, ToWorker } from "../../runtime/engines/nats/link.ts";
import { Session } from "../../runtime/engines/nats/session.ts";
import { FrameReader, frame } from "../../runtime/hosts/frames.ts";
import type { FromHost, ToHost, WorkerLink } from "../../runtime/hosts/link.ts";
import { until } from "../harness/cluster.ts";
import { asConnection, CALM, streamsOver, VirtualConnection, VirtualNet, VirtualProcess } from "./virtual-net.ts";

const REF = { run: 0, stage: 3, block: 4, bytes: 0 };
const BYTES = new Uint8Array([1, 2, 3]);

class QuietHost implements WorkerLink {
  readonly id = "h";
  readonly slots = 1;
  readonly meets = null;
  onMessage: (message: FromHost) => void = () => {};
  onLost: (reason: string) => void = () => {};
  readonly heard: ToHost[] = [];
  send(message: ToHost): void {
    this.heard.push(message);
  }
  async close(): Promise<void> {}
}

function started() {
  const net = new VirtualNet(() => 500, CALM);
  const host = new QuietHost();
  const own = new VirtualConnection(net, new VirtualProcess());
  const near = asConnection(own);
  const far = new VirtualConnection(net, new VirtualProcess());
  const pulls: { readonly sources: readonly BulkSource[]; readonly end: (how: Pulled) => void }[] = [];
  const said: string[] = [];
  const address = { worker: "w", direct: null };
  const conversation = new Conversation({
    ...{ connection: near, calls: streamsOver(own).calls("r"), run: "r", worker: "w", startHost: async () => host, onEnd: () => {} },
    bulk: { address, pull: (sources) => new Promise((end) => pulls.push({ sources, end })) },
    say: (line) => said.push(line),
  });
  near.subscribe(subjects.allToWorker("w"), { callback: (_error, { data }) => conversation.heard(data) });
  /** Who leads from now on, and what the worker has told it. */
  const leader = (epoch: number) => {
    const heard: FromWorker[] = [];
    const reader = new FrameReader((message) => heard.push(message as FromWorker));
    const session = new Session({
      ...{ epoch, incarnation: 1, frameBytes: 64 * 1024 },
      send: (bytes) => far.publish(subjects.toWorker("r", "w"), bytes),
      deliver: (message) => reader.push(message),
    });
    far.subscribe(subjects.toLeader("r", "w"), { callback: (_error, message) => session.receive((message as { data: Uint8Array }).data) });
    const send = (message: ToWorker) => session.send(frame(message));
    send({ type: "open", adopt: true });
    return { heard, send, isOpen: () => until(() => heard.length > 0, "the worker says hello") };
  };
  return { host, pulls, said, conversation, leader, address };
}
const whole = (released: () => void): Pulled => ({ how: "whole", bytes: BYTES, directBytes: 3, natsBytes: 0, release: released });

it("what was pulled is placed in its host before the leader hears of it", async () => {
  const { host, pulls, said, conversation, leader, address } = started();
  const one = leader(1);
  await one.isOpen();
  expect(one.heard[0]).toMatchObject({ type: "hello", bulk: address });
  const sources: BulkSource[] = [{ worker: "other", direct: null, object: "r/other.x/0/3/4" }];
  const ask = (request: number) => one.send({ type: "pull", request, ref: REF, sources });
  for (const request of [7, 8, 9]) ask(request);
  await until(() => pulls.length === 3, "it pulls");
  expect(pulls[0]!.sources).toEqual(sources);
  let released = 0;
  pulls[1]!.end({ how: "missing" });
  pulls[2]!.end({ how: "failed", why: "nobody is there" });
  pulls[0]!.end(whole(() => released++));
  await until(() => one.heard.length === 4, "it answers");
  expect(one.heard.slice(1)).toEqual([
    { type: "pulled", request: 8, how: "missing" },
    { type: "pulled", request: 9, how: "failed" },
    { type: "pulled", request: 7, how: "placed" },
  ]);
  expect(host.heard).toEqual([{ type: "place", ref: { ...REF, bytes: 3 }, bytes: BYTES }]);
  expect(released).toBe(1);
  expect(said).toEqual(["an object couldn't be pulled from another worker: nobody is there"]);
  await conversation.leave();
  expect(said[1]).toBe("pulled 1 object from other workers: 0.0 MB straight, 0.0 MB over NATS");
});

it("what an earlier leader asked for is placed nowhere, and answered to nobody", async () => {
  const { host, pulls, conversation, leader } = started();
  const one = leader(1);
  await one.isOpen();
  one.send({ type: "pull", request: 0, ref: REF, sources: [] });
  await until(() => pulls.length === 1, "it pulls");
  const two = leader(2);
  await two.isOpen();
  pulls[0]!.end(whole(() => {}));
  two.send({ type: "pull", request: 0, ref: { ...REF, block: 5 }, sources: [] });
  await until(() => pulls.length === 2, "it pulls again");
  pulls[1]!.end(whole(() => {}));
  await until(() => two.heard.length > 1, "it answers");
  expect(two.heard.slice(1)).toEqual([{ type: "pulled", request: 0, how: "placed" }]);
  expect(host.heard).toEqual([{ type: "place", ref: { ...REF, block: 5, bytes: 3 }, bytes: BYTES }]);
  expect(one.heard).toHaveLength(1);
  await conversation.leave();
});

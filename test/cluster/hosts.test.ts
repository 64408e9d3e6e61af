// A worker's hosts, one for each run: never shared by two, never started twice for one, whoever asks at the same time.
import { expect, it } from "vitest";
import { subjects } from "../../runtime/engines/nats/connect.ts";
import type { FromWorker } from "../../runtime/engines/nats/link.ts";
import { Session } from "../../runtime/engines/nats/session.ts";
import { runWorker } from "../../runtime/engines/nats/worker.ts";
import { FrameReader, frame } from "../../runtime/hosts/frames.ts";
import type { FromHost, ToHost, WorkerLink } from "../../runtime/hosts/link.ts";
import { until } from "../harness/cluster.ts";
import { asConnection, CALM, streamsOver, VirtualConnection, VirtualNet, VirtualProcess } from "./virtual-net.ts";

class SlowHost implements WorkerLink {
  readonly id = "h";
  readonly slots = 1;
  readonly meets = null;
  onMessage: (message: FromHost) => void = () => {};
  onLost: (reason: string) => void = () => {};
  readonly heard: ToHost[] = [];
  isClosed = false;
  send(message: ToHost): void {
    this.heard.push(message);
  }
  async close(): Promise<void> {
    this.isClosed = true;
  }
}

/** A worker whose hosts are there when they are let. */
async function started() {
  const net = new VirtualNet(() => 500, CALM);
  const far = new VirtualConnection(net, new VirtualProcess());
  const hosts: SlowHost[] = [];
  const waiting: (() => void)[] = [];
  const worker = await runWorker({
    ...{ id: "w", name: "w", slots: 1, say: () => {} },
    open: async () => {
      const connection = new VirtualConnection(net, new VirtualProcess());
      return { connection: asConnection(connection), streams: streamsOver(connection) };
    },
    startHost: async () => {
      await new Promise<void>((resolve) => waiting.push(resolve));
      const host = new SlowHost();
      hosts.push(host);
      return host;
    },
  });
  const leader = (run: string, epoch: number) => {
    const heard: FromWorker[] = [];
    const reader = new FrameReader((message) => heard.push(message as FromWorker));
    const session = new Session({
      ...{ epoch, incarnation: 1, frameBytes: 64 * 1024 },
      send: (bytes) => far.publish(subjects.toWorker(run, "w"), bytes),
      deliver: (message) => reader.push(message),
    });
    far.subscribe(subjects.toLeader(run, "w"), {
      callback: (_error, message) => void session.receive((message as { data: Uint8Array }).data),
    });
    session.send(frame({ type: "open", adopt: true }));
    return { heard, session };
  };
  const letAll = () => {
    for (const resolve of waiting.splice(0)) resolve();
  };
  return { worker, hosts, waiting, letAll, leader };
}

it("two runs that begin while the first host is being started have a host each", async () => {
  const { worker, hosts, waiting, letAll, leader } = await started();
  const [one, two] = [leader("a", 1), leader("b", 1)];
  await until(() => waiting.length > 0, "a host is being started");
  await new Promise((resolve) => setTimeout(resolve, 50));
  letAll();
  await until(() => {
    letAll();
    return one.heard.length > 0 && two.heard.length > 0;
  }, "both say hello");
  for (const [number, { session }] of [one, two].entries()) session.send(frame({ type: "finish", run: number }));
  const finishes = () => hosts.map(({ heard }) => heard.length);
  await until(() => finishes().reduce((sum, count) => sum + count, 0) === 2, "both hear of their end");
  expect(Math.max(...finishes())).toBe(1);
  const stopping = worker.stop();
  letAll();
  await stopping;
  expect(hosts.every(({ isClosed }) => isClosed)).toBe(true);
});

it("a leader that comes while the host of its run is being started gets that one, and none is left over", async () => {
  const { worker, hosts, waiting, letAll, leader } = await started();
  // The spare one is taken by another run, so that the next takes its time.
  letAll();
  const first = leader("other", 1);
  await until(() => first.heard.length > 0, "the spare one is taken");
  const one = leader("a", 1);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const two = leader("a", 2);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(waiting.length).toBeGreaterThan(0);
  await until(() => {
    letAll();
    return two.heard.length > 0;
  }, "it says hello");
  expect(one.heard).toEqual([]);
  await new Promise((resolve) => setTimeout(resolve, 50));
  letAll();
  const stopping = worker.stop();
  letAll();
  await stopping;
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(hosts.filter(({ isClosed }) => !isClosed)).toEqual([]);
});

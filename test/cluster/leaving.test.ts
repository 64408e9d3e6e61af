// A leader that is asked to leave before it has begun: it does so at once, and the run is somebody else's.
import { expect, it } from "vitest";
import { clusterOver } from "../../runtime/engines/nats/engine.ts";
import type { LeadOptions } from "../../runtime/engines/nats/lead.ts";
import { lead } from "../../runtime/engines/nats/lead.ts";
import { randomTrial } from "../runtime/trial.ts";
import { asConnection, CALM, streamsOver, VirtualConnection, VirtualNet, VirtualProcess } from "./virtual-net.ts";

it.each(["before it reads the journal", "while it reads the journal"])("that is asked to leave %s does so at once", async (when) => {
  const net = new VirtualNet(() => 500, CALM);
  const own = new VirtualConnection(net, new VirtualProcess());
  const { plan } = [1, 2, 3, 4, 5].map(randomTrial).find((trial) => trial !== null)!;
  const run = await clusterOver(asConnection(own), streamsOver(own)).submit(plan, {}, {});
  const process = new VirtualProcess();
  const open: LeadOptions["open"] = async () => {
    const connection = new VirtualConnection(net, process);
    return { connection: asConnection(connection), streams: streamsOver(connection) };
  };
  const leaving = new AbortController();
  // A server that is away answers nothing.
  process.isCut = when.startsWith("while");
  if (!process.isCut) leaving.abort();
  const led = lead({ open, run, worker: "w", name: "w", say: () => {}, isWanted: () => true, signal: leaving.signal });
  await new Promise((resolve) => setTimeout(resolve, 50));
  leaving.abort();
  const late = new Promise((resolve) => setTimeout(resolve, 3000, "still there"));
  expect(await Promise.race([led, late])).toBe("left");
});

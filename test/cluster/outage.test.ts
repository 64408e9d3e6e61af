// A NATS server that is away for longer than any silence is borne: whoever waits for it isn't thought gone, and nothing is done twice.
import { fileURLToPath } from "node:url";
import type { RunEvent } from "headrace/engine";
import { compile, natsEngine } from "headrace/engine";
import { expect, it } from "vitest";
import { TestCluster, until } from "../harness/cluster.ts";

const cluster = new TestCluster();
const slow = fileURLToPath(new URL("./fixtures/slow.pipe", import.meta.url));
/** Longer than a worker or a leader may be silent. */
const AWAY_MS = 10_000;

it("a server that is away for long costs no worker, and no task", async () => {
  const workers = [await cluster.worker("a"), await cluster.worker("b")];
  const { plan, code } = await compile(slow, {});
  const engine = await natsEngine({ url: cluster.url });
  const events: RunEvent[] = [];
  const running = engine.run(plan!, code, { params: { n: 60, ms: 300 }, onEvent: (event) => events.push(event) });
  const done = () => events.reduce((sum, event) => sum + (event.type === "tasks.finished" ? event.count : 0), 0);
  await until(() => done() > 5, "it is under way");
  await cluster.server.restart(AWAY_MS);
  const { error } = await running;
  await engine[Symbol.asyncDispose]();
  expect(error).toBeNull();
  expect(events.filter(({ type }) => type === "worker.lost" || type === "leader.changed")).toEqual([]);
  for (const { said } of workers) expect(said()).not.toContain("can't be led");
}, 90_000);

// How members at two hosts meet, and what is refused: whoever doesn't know the attempt's token, frames of another attempt, bytes beyond their
// place. Members that wait are in `test/cluster`; here the two ends are looked at from one thread.
import { createHmac } from "node:crypto";
import { once } from "node:events";
import type { Socket } from "node:net";
import { connect } from "node:net";
import type { MessagePort, Worker } from "node:worker_threads";
import { afterEach, describe, expect, it } from "vitest";
import { Gangs } from "../../runtime/hosts/gangs.ts";
import type { SupervisorToSlot } from "../../runtime/hosts/inside.ts";
import type { GangPlan } from "../../runtime/hosts/link.ts";
import { cameCell } from "../../runtime/training/collective.ts";
import type { ToBridge } from "../../runtime/training/wire.ts";
import { ALL_HOSTS, CONTROL, frameHead, KINDS } from "../../runtime/training/wire.ts";

type Joined = Extract<SupervisorToSlot, { type: "joined" }>;

const [RUN, STAGE, ATTEMPT] = [7, 3, 2];
const TOKEN = Buffer.alloc(32, 5);
let left: (() => void)[] = [];
afterEach(() => {
  for (const leave of left) leave();
  left = [];
});

async function listening(): Promise<{ readonly gangs: Gangs; readonly port: number }> {
  const gangs = new Gangs();
  const port = await gangs.listen("127.0.0.1");
  left.push(() => gangs.finish(RUN));
  return { gangs, port };
}

const planAt = (port: number): GangPlan => {
  const at = { host: "127.0.0.1", port };
  return {
    token: TOKEN,
    hosts: [
      { ...at, name: "a" },
      { ...at, name: "b" },
    ],
    places: [0, 1],
  };
};

/** A member that comes, and what it is told. */
function joining(gangs: Gangs, rank: number, plan: GangPlan): Promise<Joined> {
  return new Promise((resolve) => {
    const worker = { postMessage: (message: Joined) => resolve(message) } as unknown as Worker;
    gangs.join(worker, { run: RUN, stage: STAGE, attempt: ATTEMPT, rank, members: 2, plan });
  });
}

const post = (port: MessagePort, message: ToBridge) => port.postMessage(message);

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** A call as another host makes it; the answer's bytes follow. */
async function calling(port: number, token: Uint8Array, { attempt = ATTEMPT, host = 1 } = {}): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  left.push(() => socket.destroy());
  await once(socket, "connect");
  const names = Buffer.alloc(36);
  [0x31475248, RUN, STAGE, attempt, host].forEach((number, at) => void names.writeUInt32LE(number, 4 * at));
  socket.write(Buffer.concat([names, createHmac("sha256", token).update("hello").update(names).digest()]));
  return socket;
}

it("what one member puts is there when its cell is raised, at the same place", async () => {
  const { gangs: a, port } = await listening();
  const b = new Gangs();
  left.push(() => b.finish(RUN));
  const [first, second] = await Promise.all([joining(a, 0, planAt(port)), joining(b, 1, planAt(port))]);
  const [here, there] = [new SharedArrayBuffer(4096), new SharedArrayBuffer(4096)];
  post(first.gang!.wire!.port, { type: "area", area: 1, memory: here, pieces: [] });
  post(second.gang!.wire!.port, { type: "area", area: 1, memory: there, pieces: [] });
  // All name their areas before anybody puts anything there.
  const came = new Int32Array(first.gang!.control);
  post(second.gang!.wire!.port, { type: "raise", puts: [], area: CONTROL, cell: cameCell(1), value: 1 });
  await until(() => Atomics.load(came, cameCell(1)) === 1);
  new Uint8Array(here).fill(9);
  const puts = [
    {
      area: 1,
      host: ALL_HOSTS,
      spans: [
        [64, 100],
        [1000, 3000],
      ] as const,
    },
  ];
  post(first.gang!.wire!.port, { type: "raise", puts, area: CONTROL, cell: cameCell(0), value: 1 });
  await until(() => Atomics.load(new Int32Array(second.gang!.control), cameCell(0)) === 1);
  const bytes = new Uint8Array(there);
  expect([...bytes].filter((byte) => byte === 9)).toHaveLength(3100);
  expect([bytes[63], bytes[64], bytes[163], bytes[164], bytes[1000], bytes[3999], bytes[4000]]).toEqual([0, 9, 9, 0, 9, 9, 0]);
});

describe("is refused", () => {
  it("who doesn't know the token", async () => {
    const { gangs, port } = await listening();
    const told = joining(gangs, 0, planAt(port));
    const stranger = await calling(port, Buffer.alloc(32, 6));
    await once(stranger, "close");
    const member = await calling(port, TOKEN);
    await once(member, "readable");
    expect((await told).gang).not.toBeNull();
  });

  it("who says nothing that a call begins with", async () => {
    const { port } = await listening();
    const socket = connect({ host: "127.0.0.1", port });
    await once(socket, "connect");
    socket.write(Buffer.alloc(200, 1));
    await once(socket, "close");
  });

  it("who comes for an attempt that was given up", async () => {
    const { gangs, port } = await listening();
    gangs.giveUp({ run: RUN, stage: STAGE, attempt: ATTEMPT });
    const late = await calling(port, TOKEN);
    await once(late, "close");
    expect((await joining(gangs, 0, planAt(port))).gang).toBeNull();
  });

  it.each([
    ["a frame of another attempt", ATTEMPT - 1, { kind: KINDS.put, from: 1, area: 1, at: 0, value: 0, bytes: 8 }],
    ["bytes beyond the end of an area", ATTEMPT, { kind: KINDS.put, from: 1, area: 1, at: 60, value: 0, bytes: 8 }],
    ["bytes for an area that isn't there", ATTEMPT, { kind: KINDS.put, from: 1, area: 9, at: 0, value: 0, bytes: 8 }],
    ["bytes among the cells that members wait on", ATTEMPT, { kind: KINDS.put, from: 1, area: CONTROL, at: 0, value: 0, bytes: 8 }],
    ["the cell of another member", ATTEMPT, { kind: KINDS.cell, from: 1, area: CONTROL, at: cameCell(0), value: 5, bytes: 0 }],
    ["what another host's member would say", ATTEMPT, { kind: KINDS.put, from: 0, area: 1, at: 0, value: 0, bytes: 8 }],
    ["a value that is too large", ATTEMPT, { kind: KINDS.value, from: 1, area: 0, at: 0, value: 0, bytes: 0xffff_fff0 }],
  ])("%s", async (_what, attempt, head) => {
    const { gangs, port } = await listening();
    const told = joining(gangs, 0, planAt(port));
    const socket = await calling(port, TOKEN);
    const { gang } = await told;
    const memory = new SharedArrayBuffer(64);
    post(gang!.wire!.port, { type: "area", area: 1, memory, pieces: [] });
    post(gang!.wire!.port, { type: "raise", puts: [], area: CONTROL, cell: cameCell(0), value: 1 });
    // The welcome, and then the cell: by then the area has its name.
    let got = 0;
    socket.on("data", (chunk: Buffer) => void (got += chunk.length));
    await until(() => got === 32 + 24);
    const before = [...new Int32Array(gang!.control)];
    socket.write(Buffer.concat([frameHead(attempt, head), Buffer.alloc(8, 7)]));
    await once(socket, "close");
    expect([...new Uint8Array(memory)].every((byte) => byte === 0)).toBe(true);
    expect([...new Int32Array(gang!.control)]).toEqual(before);
  });
});

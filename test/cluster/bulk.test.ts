// Objects pulled from worker to worker: straight, over NATS, from one holder after another, and from whoever means harm.
import { createHash, randomBytes } from "node:crypto";
import type { Server, Socket } from "node:net";
import { createServer, connect as dial } from "node:net";
import type { NatsConnection } from "@nats-io/transport-node";
import { connect, headers } from "@nats-io/transport-node";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { BulkSource } from "../../runtime/engines/nats/bulk.ts";
import { Bulk } from "../../runtime/engines/nats/bulk.ts";
import {
  bulkHead,
  hashOf,
  Inlet,
  isProof,
  KINDS,
  LONGEST_CHUNK_BYTES,
  NATS_HEAD,
  NATS_HEAD_BYTES,
  NONCE_BYTES,
  proofOf,
  readBulkHead,
  request,
} from "../../runtime/engines/nats/bulk-wire.ts";
import { subjects } from "../../runtime/engines/nats/connect.ts";
import { objectName, readObjectName } from "../../runtime/engines/nats/link.ts";
import type { NatsServer } from "../harness/nats.ts";
import { startNats } from "../harness/nats.ts";

const MB = 1024 * 1024;
const HERE = { listen: "127.0.0.1", host: "127.0.0.1" };
const TOKEN = Buffer.alloc(32, 7);
/** As long as bulk makes them here. */
const CHUNK = LONGEST_CHUNK_BYTES - NATS_HEAD_BYTES;
const large = randomBytes(10 * MB + 77);

let nats: NatsServer;
const closing: (() => unknown)[] = [];
beforeAll(async () => {
  nats = await startNats();
}, 240_000);
afterAll(() => nats.stop());
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function connection(): Promise<NatsConnection> {
  const one = await connect({ servers: nats.url, noEcho: true });
  closing.push(() => one.close());
  return one;
}

interface Holder {
  readonly bulk: Bulk;
  readonly asked: string[];
  readonly source: (object: string) => BulkSource;
}
let made = 0;
async function holder(objects: { readonly [name: string]: Uint8Array }, at: typeof HERE | null = HERE): Promise<Holder> {
  const asked: string[] = [];
  const bytesOf = async (object: string) => {
    asked.push(object);
    return objects[object] ?? null;
  };
  const bulk = await Bulk.start({ worker: `w${made++}`, connection: await connection(), at, bytesOf });
  closing.push(() => bulk.close());
  return { bulk, asked, source: (object) => ({ ...bulk.address, object }) };
}

/** The same holder where nobody listens any more. */
const shut = async ({ direct, ...rest }: BulkSource): Promise<BulkSource> => ({
  ...rest,
  direct: { ...direct!, port: await closedPort() },
});
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A holder that speaks the protocol, and says what it is told to. It isn't there over NATS. */
async function impostor(answer: (socket: Socket, chunk: number, transfer: number) => void, token: Uint8Array = TOKEN): Promise<BulkSource> {
  const server = createServer((socket) => {
    closing.push(() => socket.destroy());
    socket.on("error", () => {});
    const nonce = randomBytes(NONCE_BYTES);
    socket.write(nonce);
    const inlet = new Inlet(
      NONCE_BYTES + 32,
      (hello) => {
        expect(isProof(hello.subarray(NONCE_BYTES), proofOf(TOKEN, "asker", nonce, hello.subarray(0, NONCE_BYTES)))).toBe(true);
        socket.write(proofOf(token, "holder", hello.subarray(0, NONCE_BYTES), nonce));
      },
      {
        into: ({ bytes }) => new Uint8Array(bytes),
        heard: ({ kind, chunk, transfer }) => {
          if (kind === KINDS.get) answer(socket, chunk, transfer);
        },
      },
    );
    socket.on("data", (data: Buffer) => inlet.push(data));
  });
  await listening(server);
  const { port } = server.address() as { port: number };
  return { worker: `impostor${made++}`, object: "large", direct: { host: "127.0.0.1", port, token: TOKEN } };
}
async function listening(server: Server): Promise<void> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(() => server.close());
}
/** As `large` should be given. */
function give(socket: Socket, chunk: number, transfer: number, change: (bytes: Buffer) => Buffer = (bytes) => bytes): void {
  const right = large.subarray(chunk * CHUNK, (chunk + 1) * CHUNK);
  const bytes = change(Buffer.from(right));
  socket.write(bulkHead({ kind: KINDS.chunk, transfer, chunk, bytes: bytes.length, number: large.length, hash: hashOf(right) }));
  socket.write(bytes);
}

describe("an object", () => {
  it("comes straight from its holder, many at a time", async () => {
    const small = randomBytes(70_000);
    const a = await holder({ large, small, none: new Uint8Array(0) });
    const b = await holder({});
    const pulled = await Promise.all(["large", "small", "none", "large"].map((name) => b.bulk.pull([a.source(name)])));
    expect(pulled.map((one) => (one.how === "whole" ? one.directBytes : one))).toEqual([large.length, small.length, 0, large.length]);
    const found = pulled.map((one) => (one.how === "whole" ? digest(one.bytes) : null));
    expect(found).toEqual([large, small, new Uint8Array(0), large].map(digest));
    // Two that pull the same are given the same bytes.
    expect([...a.asked].sort()).toEqual(["large", "none", "small"]);
  });

  it("comes over NATS where its holder can't be reached, in pieces of no more than half a message", async () => {
    const a = await holder({ large });
    const b = await holder({});
    const sizes: number[] = [];
    const spy = await connection();
    let longestHead = 0;
    spy.subscribe("hr.v1.in.>", {
      callback(_error, { data, headers }) {
        sizes.push(data.length);
        const told = [...(headers ?? [])].map(([name, [value]]) => `${name}: ${value}\r\n`).join("");
        longestHead = Math.max(longestHead, `NATS/1.0\r\n${told}\r\n`.length);
      },
    });
    await spy.flush();
    const pulled = await b.bulk.pull([await shut(a.source("large"))]);
    expect(pulled).toMatchObject({ how: "whole", directBytes: 0, natsBytes: large.length });
    expect(pulled.how === "whole" && digest(pulled.bytes)).toBe(digest(large));
    await spy.flush();
    // With what stands before them.
    expect(Math.max(...sizes) + NATS_HEAD_BYTES).toBe(Math.floor(spy.info!.max_payload / 2));
    expect(longestHead).toBeLessThanOrEqual(NATS_HEAD_BYTES);
    // One that listens nowhere.
    const c = await holder({ large }, null);
    expect(c.bulk.address.direct).toBeNull();
    expect(await b.bulk.pull([c.source("large")])).toMatchObject({ how: "whole", directBytes: 0, natsBytes: large.length });
  });

  it("that nobody has is missing; a holder that is gone failed", async () => {
    const a = await holder({ large });
    const b = await holder({});
    expect(await b.bulk.pull([a.source("other"), (await holder({}, null)).source("large")])).toEqual({ how: "missing" });
    const gone: BulkSource = await shut({ ...a.source("large"), worker: "gone" });
    expect(await b.bulk.pull([gone])).toMatchObject({ how: "failed", why: expect.stringContaining("nobody is there") });
    expect(await b.bulk.pull([gone, a.source("large")])).toMatchObject({ how: "whole", directBytes: large.length });
  });

  it("goes on from another holder where one ends in the middle", async () => {
    // It gives eight of 21. Asked for the last one, it knows that five of them have come.
    let given = 0;
    const dying = await impostor((socket, chunk, transfer) => {
      if (chunk === 20) socket.destroy();
      if (chunk >= 8) return;
      given++;
      give(socket, chunk, transfer);
    });
    const a = await holder({ large });
    const proxy = await counting(a.source("large"));
    const b = await holder({});
    const pulled = await b.bulk.pull([dying, proxy.source]);
    expect(pulled).toMatchObject({ how: "whole", directBytes: large.length });
    expect(pulled.how === "whole" && digest(pulled.bytes)).toBe(digest(large));
    expect(given).toBe(8);
    // The five weren't given again.
    expect(proxy.bytes()).toBeLessThan(large.length - 4 * CHUNK);
  });

  it("goes on at the first gap", async () => {
    const dying = await impostor((socket, chunk, transfer) => {
      if (chunk < 8 && chunk !== 3) give(socket, chunk, transfer);
      else if (chunk === 20) socket.destroy();
    });
    const a = await holder({ large });
    const b = await holder({});
    const pulled = await b.bulk.pull([dying, a.source("large")]);
    expect(pulled.how === "whole" && digest(pulled.bytes)).toBe(digest(large));
  });

  it("that comes over NATS is asked for again where an answer is lost, and had from another where one is damaged", async () => {
    const a = await holder({ large });
    const b = await holder({});
    /** A holder over NATS alone. */
    const far = async (answer: (chunk: number, time: number) => "right" | "damaged" | "garbage" | "nothing"): Promise<BulkSource> => {
      const worker = `far${made++}`;
      const times = new Map<number, number>();
      const own = await connection();
      own.subscribe(subjects.bulk(worker), {
        callback(_error, { data, reply }) {
          const { kind, chunk, transfer } = readBulkHead(data);
          if (kind !== KINDS.get) return;
          const time = (times.get(chunk) ?? 0) + 1;
          times.set(chunk, time);
          const how = answer(chunk, time);
          const right = large.subarray(chunk * CHUNK, (chunk + 1) * CHUNK);
          const told = headers();
          const head = { kind: KINDS.chunk, transfer, chunk, bytes: right.length, number: large.length, hash: hashOf(right) };
          told.set(NATS_HEAD, how === "garbage" ? "?" : Buffer.from(bulkHead(head)).toString("base64"));
          const bytes = Buffer.from(right);
          if (how === "damaged") bytes[7]! ^= 1;
          if (how !== "nothing") own.publish(reply!, bytes, { headers: told });
        },
      });
      await own.flush();
      return { worker, object: "large", direct: null };
    };
    const losing = await b.bulk.pull([await far((chunk, time) => (chunk === 2 && time === 1 ? "nothing" : "right"))]);
    expect(losing).toMatchObject({ how: "whole", natsBytes: large.length });
    expect(losing.how === "whole" && digest(losing.bytes)).toBe(digest(large));
    for (const [how, why] of [
      ["damaged", "chunk 6 arrived damaged"],
      ["garbage", "isn't a frame"],
    ] as const) {
      const bad = await far((chunk) => (chunk === 6 ? how : "right"));
      expect(await b.bulk.pull([bad])).toMatchObject({ how: "failed", why: expect.stringContaining(why) });
      const pulled = await b.bulk.pull([bad, a.source("large")]);
      expect(pulled.how === "whole" && digest(pulled.bytes)).toBe(digest(large));
      expect(pulled).toMatchObject({ natsBytes: expect.any(Number), directBytes: expect.any(Number) });
      expect(pulled.how === "whole" && pulled.natsBytes).toBeGreaterThan(0);
    }
  }, 30_000);

  it("of many is one of a few at a time, and the next comes to where one was", async () => {
    const names = Array.from({ length: 40 }, (_, i) => `of${i}`);
    const objects = Object.fromEntries(names.map((name, i) => [name, Buffer.alloc(2 * MB + i, i)]));
    let open = 0;
    let most = 0;
    const bytesOf = async (name: string) => {
      most = Math.max(most, ++open);
      await new Promise((resolve) => setTimeout(resolve, 5));
      open--;
      return objects[name]!;
    };
    const bulk = await Bulk.start({ worker: `w${made++}`, connection: await connection(), at: HERE, bytesOf });
    closing.push(() => bulk.close());
    const b = await holder({});
    const found = names.map(async (object) => {
      const pulled = await b.bulk.pull([{ ...bulk.address, object }]);
      if (pulled.how !== "whole") return pulled;
      const found = digest(pulled.bytes);
      pulled.release();
      return found;
    });
    expect(await Promise.all(found)).toEqual(names.map((name) => digest(objects[name]!)));
    expect(most).toBeLessThanOrEqual(8);
    expect(most).toBeGreaterThan(1);
  });

  it("begins anew where the next holder has another beginning", async () => {
    const other = Buffer.from(large);
    other[5]! ^= 1;
    const dying = await impostor((socket, chunk, transfer) => {
      if (chunk < 8) give(socket, chunk, transfer);
      else if (chunk === 20) socket.destroy();
    });
    const a = await holder({ large: other });
    const b = await holder({});
    const pulled = await b.bulk.pull([dying, a.source("large")]);
    expect(pulled.how === "whole" && digest(pulled.bytes)).toBe(digest(other));
  });

  it("that arrives damaged is had from another holder", async () => {
    const damaging = await impostor((socket, chunk, transfer) =>
      give(socket, chunk, transfer, (bytes) => {
        if (chunk === 3) bytes[1000]! ^= 1;
        return bytes;
      }),
    );
    const b = await holder({});
    expect(await b.bulk.pull([damaging])).toMatchObject({ how: "failed", why: expect.stringContaining("chunk 3 arrived damaged") });
    const a = await holder({ large });
    const pulled = await b.bulk.pull([{ ...damaging, worker: "again" }, a.source("large")]);
    expect(pulled.how === "whole" && digest(pulled.bytes)).toBe(digest(large));
  });
});

it("names of objects are read back, and nothing else is", () => {
  const ref = { run: 1, stage: 22, block: 333, bytes: 0 };
  expect(readObjectName(objectName("digits-1f", "ab.cd", ref))).toEqual({ run: "digits-1f", home: "ab.cd", ref });
  for (const name of ["", "a/b/1/2", "a/b/1/2/3/4", "a/b/1/2/-3", "a/b/1/2/1e3", "a/../1/2/3/", `a/b/1/2/${"9".repeat(16)}`])
    expect(readObjectName(name)).toBeNull();
});

describe("whoever means harm", () => {
  it("gets nothing without the token, and gives nothing", async () => {
    const a = await holder({ large });
    const b = await holder({});
    const { direct, ...rest } = a.source("large");
    // Not straight. Over NATS the server lets in whom it lets in.
    const wrong = { ...rest, worker: "nobody", direct: { ...direct!, token: Buffer.alloc(32, 1) } };
    expect(await b.bulk.pull([wrong])).toMatchObject({ how: "failed", why: expect.stringContaining("the connection is gone") });
    expect(a.asked).toEqual([]);
    const liar = await impostor((socket, chunk, transfer) => give(socket, chunk, transfer), Buffer.alloc(32, 2));
    expect(await b.bulk.pull([liar])).toMatchObject({ how: "failed", why: expect.stringContaining("doesn't know its token") });
  });

  it("has its connection ended for garbage and for what is too long, and nobody else notices", async () => {
    const a = await holder({ large });
    const { port } = a.bulk.address.direct!;
    const before = process.memoryUsage().rss;
    const gigabyte = bulkHead({ kind: KINDS.get, transfer: 1, bytes: 1024 * MB, number: CHUNK });
    for (const bytes of [randomBytes(500), Buffer.alloc(300), gigabyte, Buffer.concat([gigabyte, gigabyte])])
      await isHungUpOn(port, bytes, null);
    const { token } = a.bulk.address.direct!;
    const bad = [
      randomBytes(500),
      gigabyte,
      bulkHead({ kind: KINDS.get, transfer: 1, bytes: 0, number: CHUNK }),
      request({ kind: KINDS.get, transfer: 1, number: 1 }, "large"),
      request({ kind: KINDS.get, transfer: 1, number: 2 ** 40 }, "large"),
      request({ kind: KINDS.get, transfer: 1, number: Number.NaN }, "large"),
      request({ kind: KINDS.chunk, transfer: 1, number: CHUNK }, "large"),
    ];
    for (const bytes of bad) await isHungUpOn(port, Buffer.from(bytes), token);
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * MB);
    const over = await connection();
    for (const bytes of bad) over.publish(`hr.v1.o.${a.bulk.address.worker}.get`, bytes, { reply: "hr.v1.in.x.1.0" });
    over.publish(`hr.v1.o.${a.bulk.address.worker}.get`, request({ kind: KINDS.get, transfer: 1, number: CHUNK }, "large"), { reply: "x" });
    await over.flush();
    const b = await holder({});
    expect(await b.bulk.pull([a.source("large")])).toMatchObject({ how: "whole", directBytes: large.length });
    expect(await b.bulk.pull([await shut({ ...a.source("large") })])).toMatchObject({ how: "whole" });
  });

  it("claims gigabytes, or gives what nobody asked for, and costs nothing", async () => {
    const b = await holder({});
    const hostile: [(socket: Socket, chunk: number, transfer: number) => void, string][] = [
      [
        (socket, chunk, transfer) => socket.write(bulkHead({ kind: KINDS.chunk, transfer, chunk, bytes: 1024 * MB, number: 1024 * MB })),
        "gives",
      ],
      [
        (socket, chunk, transfer) => socket.write(bulkHead({ kind: KINDS.chunk, transfer, chunk, bytes: CHUNK, number: 2 ** 50 })),
        "claims",
      ],
      [(socket, chunk, transfer) => socket.write(bulkHead({ kind: KINDS.chunk, transfer, chunk, bytes: CHUNK, number: -1 })), "claims"],
      [(socket, _chunk, transfer) => give(socket, 5, transfer), "wasn't asked"],
      [(socket, chunk, transfer) => give(socket, chunk, transfer + 1), "wasn't asked"],
      [(socket) => socket.write(randomBytes(4096)), "isn't a frame"],
      [(socket, chunk, transfer) => socket.write(bulkHead({ kind: KINDS.missing, transfer, chunk, bytes: 1024 * MB })), "has none"],
      [(socket, chunk, transfer) => socket.write(bulkHead({ kind: 99, transfer, chunk })), "frames of kind 99"],
      [(socket, chunk, transfer) => socket.write(bulkHead({ kind: KINDS.differs, transfer, chunk })), "wasn't asked"],
    ];
    const before = process.memoryUsage().rss;
    for (const [answer, why] of hostile)
      expect(await b.bulk.pull([await impostor(answer)])).toMatchObject({ how: "failed", why: expect.stringContaining(why) });
    // A gigabyte is claimed, and a chunk of it comes.
    const claiming = await impostor((socket, chunk, transfer) => {
      if (chunk > 0) return void socket.destroy();
      const bytes = Buffer.alloc(CHUNK);
      socket.write(bulkHead({ kind: KINDS.chunk, transfer, chunk, bytes: CHUNK, number: 1024 * MB, hash: hashOf(bytes) }));
      socket.write(bytes);
    });
    expect(await b.bulk.pull([claiming])).toMatchObject({ how: "failed" });
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * MB);
  });
});

const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Hands on to a holder, and counts what comes back. */
async function counting(source: BulkSource): Promise<{ readonly source: BulkSource; readonly bytes: () => number }> {
  let bytes = 0;
  const server = createServer((near) => {
    const far = dial(source.direct!.port, source.direct!.host);
    near.pipe(far);
    far.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      near.write(chunk);
    });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on("error", () => {});
      one.on("close", () => other.destroy());
    }
  });
  await listening(server);
  const { port } = server.address() as { port: number };
  return { source: { ...source, direct: { ...source.direct!, port } }, bytes: () => bytes };
}

/** Says that to a port, after the right words where it knows the token, and waits to be hung up on. */
function isHungUpOn(port: number, bytes: Uint8Array, token: Uint8Array | null): Promise<void> {
  return new Promise((resolve) => {
    const socket = dial(port, "127.0.0.1");
    socket.on("error", () => {});
    socket.once("close", () => resolve());
    if (!token) socket.write(bytes);
    socket.once("data", (nonce: Buffer) => {
      if (!token) return;
      const own = randomBytes(NONCE_BYTES);
      socket.write(Buffer.concat([own, proofOf(token, "asker", nonce.subarray(0, NONCE_BYTES), own)]));
      socket.once("data", () => socket.write(bytes));
    });
  });
}

// Segments and the store of them: what is put away is found, whatever else was written, torn, pruned or put together meanwhile.
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { RecordHead } from "../../runtime/results/segments.ts";
import { SegmentWriter, scanSegment } from "../../runtime/results/segments.ts";
import { pruneStore, ResultStore, storeSize, tidyStore } from "../../runtime/results/store.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "headrace-store-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const key = (n: number) => n.toString(16).padStart(64, "0");
const column = (n: number, first = 0, count = 1, tasks = count): RecordHead => ({ kind: "column", key: key(n), first, count, tasks });
/** In a segment of its own, whose path it gives. */
const put = (...records: (readonly [RecordHead, Uint8Array])[]): string => {
  const before = new Set(files());
  const store = new ResultStore(folder);
  for (const [head, body] of records) store.append(head, body);
  store.close();
  return files().find((file) => !before.has(file))!;
};
const files = () => readdirSync(folder).map((name) => join(folder, name));

describe("a segment", () => {
  it("gives back what was written, of any size, and only as far as it is whole", () => {
    const records = fc.array(
      fc.tuple(fc.nat(3), fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 20_000, maxLength: 20_100 }))),
      {
        maxLength: 12,
      },
    );
    fc.assert(
      fc.property(records, fc.double({ min: 0, max: 1, noNaN: true }), (written, share) => {
        const path = join(folder, "one.results");
        rmSync(path, { force: true });
        const writer = new SegmentWriter(path);
        for (const [place, [n, body]] of written.entries()) writer.append(column(n, place, 1, written.length), body);
        writer.close();
        const seen: string[] = [];
        if (written.length === 0) return;
        const whole = readFileSync(path);
        scanSegment(path, ({ key: one, first, bytes }) => seen.push(`${one} ${first} ${bytes}`));
        const all = written.map(([n, body], place) => `${key(n)} ${place} ${body.length}`);
        expect(seen).toEqual(all);
        writeFileSync(path, whole.subarray(0, Math.floor(whole.length * share)));
        const torn: string[] = [];
        scanSegment(path, ({ key: one, first, bytes }) => torn.push(`${one} ${first} ${bytes}`));
        expect(all.slice(0, torn.length)).toEqual(torn);
        if (share === 1) expect(torn).toEqual(all);
      }),
    );
  });
});

describe("a store", () => {
  it("finds by key what any run left, blocks in order and none twice", () => {
    put([column(1, 4, 4, 8), Uint8Array.of(2)], [column(1, 0, 4, 8), Uint8Array.of(1)], [column(2), Uint8Array.of(9)]);
    put([column(1, 0, 4, 8), Uint8Array.of(1)], [column(1, 2, 1, 8), Uint8Array.of(7)]);
    const store = new ResultStore(folder);
    expect(store.find(key(1))?.records.map(({ first, count }) => [first, count])).toEqual([
      [0, 4],
      [4, 4],
    ]);
    expect(store.find(key(3))).toBeNull();
    expect([...store.read(store.find(key(2))!.records[0]!)!]).toEqual([9]);
    store.close();
  });

  it("keeps what it has found while another process prunes", () => {
    put([column(1), Uint8Array.of(5)]);
    const store = new ResultStore(folder);
    const found = store.find(key(1))!;
    expect(pruneStore(folder, 0)).toMatchObject({ segments: 1 });
    expect(storeSize(folder)).toEqual({ segments: 0, bytes: 0 });
    expect([...store.read(found.records[0]!)!]).toEqual([5]);
    store.close();
    expect(new ResultStore(folder).find(key(1))).toBeNull();
  });

  it("prunes what was used least recently", () => {
    for (const n of [1, 2, 3]) utimesSync(put([column(n), new Uint8Array(1000)]), n, n);
    const store = new ResultStore(folder);
    // Used now.
    store.find(key(1));
    store.close();
    pruneStore(folder, 2500);
    const left = new ResultStore(folder);
    expect([1, 2, 3].filter((n) => left.find(key(n)))).toEqual([1, 3]);
    left.close();
  });

  it("leaves nothing of what was asked of actors whose engine is gone", () => {
    const [gone, here] = [join(folder, "abc-999999999.calls"), join(folder, `abc-${process.pid}.calls`)];
    for (const path of [gone, here]) writeFileSync(path, "");
    tidyStore(folder, Date.now());
    expect([gone, here].map((path) => existsSync(path))).toEqual([false, true]);
  });

  it("puts small segments together, and loses nothing of them but what is damaged", () => {
    const made = [1, 2, 3, 4, 5, 6].map((n) => put([column(n), Uint8Array.of(n)], [column(n + 100), Uint8Array.of(n + 100)]));
    const [damaged, torn] = made;
    const bytes = readFileSync(damaged!);
    bytes[bytes.length - 8]! ^= 0xff;
    writeFileSync(damaged!, bytes);
    appendFileSync(torn!, "what was torn off");
    // Those of processes that are there may still grow: none of these is, but for what this one wrote last.
    for (const file of made.slice(0, 5)) {
      const gone = file.replace(`-${process.pid}-`, "-999999999-");
      writeFileSync(gone, readFileSync(file));
      rmSync(file);
      utimesSync(gone, 1, 1);
    }
    tidyStore(folder, Date.now(), 10);
    expect(files()).toHaveLength(6);
    tidyStore(folder, Date.now(), 3);
    expect(files()).toHaveLength(2);
    expect(files().every((file) => file.endsWith(".results") && statSync(file).size > 0)).toBe(true);
    const store = new ResultStore(folder);
    const lost = [1, 2, 3, 4, 5, 6].flatMap((n) => [n, n + 100]).filter((n) => !store.find(key(n)));
    expect(lost).toEqual([101]);
    for (const n of [2, 103, 6]) expect([...store.read(store.find(key(n))!.records[0]!)!]).toEqual([n]);
    store.close();
  });
});

// Writers: what one has written its reader gives again, and a file is whole or not there.
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Shape } from "../../compiler/plan.ts";
import type { Format } from "../../runtime/data/readers.ts";
import { fileRanges, placed, readRows, scanned } from "../../runtime/data/readers.ts";
import { allRows, fromList } from "../../runtime/data/rows.ts";
import { writeRows } from "../../runtime/data/writers.ts";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "headrace-writers-"));
  path = join(folder, "out");
});
afterEach(() => rmSync(folder, { recursive: true }));

function again(format: Format): readonly unknown[] {
  const { size: bytes, mtimeMs: modifiedMs } = statSync(path);
  const file = { path, name: "out", bytes, modifiedMs, sha256: createHash("sha256").update(readFileSync(path)).digest("hex") };
  return allRows(readRows(placed(scanned(fileRanges(file, 50), format.format), format), format));
}

const optional = (of: Shape): Shape => ({ kind: "optional", of });
const shape: Shape = {
  kind: "record",
  fields: [
    { name: "i", shape: { kind: "int" } },
    { name: "f", shape: optional({ kind: "float" }) },
    { name: 's,"', shape: { kind: "string" } },
    { name: "o", shape: optional({ kind: "string" }) },
    { name: "b", shape: { kind: "bool" } },
    { name: "t", shape: { kind: "timestamp" } },
  ],
};
const row = (numbers: fc.Arbitrary<number>) =>
  fc.record({
    i: fc.maxSafeInteger(),
    f: fc.option(numbers),
    's,"': fc.oneof(fc.string(), fc.stringMatching(/^[",\r\n ]{0,5}$/)),
    o: fc.option(fc.string()),
    b: fc.boolean(),
    t: fc.date({ min: new Date("0001-01-01T00:00:00Z"), max: new Date("9999-12-31T23:59:59Z"), noInvalidDate: true }),
  });

describe("round trips", () => {
  it("of CSV", () => {
    fc.assert(
      fc.property(fc.array(row(fc.double())), (rows) => {
        expect(writeRows(fromList(rows), path, { format: "csv", columns: ["i", "f", 's,"', "o", "b", "t"] })).toBeNull();
        expect(again({ format: "csv", shape, separator: "," })).toEqual(rows);
      }),
    );
  });
  it("of CSV with one column that may be empty", () => {
    const one: Shape = { kind: "record", fields: [{ name: "a", shape: optional({ kind: "string" }) }] };
    fc.assert(
      fc.property(fc.array(fc.record({ a: fc.option(fc.string()) })), (rows) => {
        writeRows(fromList(rows), path, { format: "csv", columns: ["a"] });
        expect(again({ format: "csv", shape: one, separator: "," })).toEqual(rows);
      }),
    );
  });
  it("of JSON Lines", () => {
    fc.assert(
      fc.property(fc.array(row(fc.double({ noNaN: true, noDefaultInfinity: true }).map((x) => x + 0))), (rows) => {
        writeRows(fromList(rows), path, { format: "jsonLines", columns: null });
        expect(again({ format: "jsonLines", shape, separator: "," })).toEqual(rows);
      }),
    );
  });
});

describe("a file", () => {
  it("stays what it was where a row can't be written", () => {
    writeFileSync(path, "before");
    const rows = fromList([{ a: 1 }, { a: Number.NaN }]);
    expect(() => writeRows(rows, path, { format: "jsonLines", columns: null })).toThrow(
      "row 1 can't be written as JSON, which has no NaN: it is its `a`",
    );
    expect(readFileSync(path, "utf8")).toBe("before");
    expect(readdirSync(folder)).toEqual(["out"]);
  });
  it("needs a folder", () => {
    const nowhere = join(folder, "none", "out");
    expect(() => writeRows(fromList([]), nowhere, { format: "text", columns: null })).toThrow(/there is no folder .*none$/);
  });
});

// Readers of files: the same rows, keys and messages however a file is cut into ranges, and what is said of data that doesn't fit.

import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import type { Shape } from "../../compiler/plan.ts";
import type { FileValue } from "../../runtime/data/files.ts";
import type { Format } from "../../runtime/data/readers.ts";
import { fileRanges, placed, readRows, scanned } from "../../runtime/data/readers.ts";
import { keyReader } from "../../runtime/data/rows.ts";

const folder = mkdtempSync(join(tmpdir(), "headrace-readers-"));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
function file(text: string | Buffer): FileValue {
  const path = join(folder, `${files++}.data`);
  writeFileSync(path, text);
  const { size: bytes, mtimeMs: modifiedMs } = statSync(path);
  return { path, name: basename(path), bytes, sha256: createHash("sha256").update(text).digest("hex"), modifiedMs };
}

/** Rows with their keys. */
function read(
  of: FileValue | readonly FileValue[],
  format: Format,
  rangeBytes?: number,
): { rows: unknown[]; keys: number[]; blocks: number[] } {
  const set = readRows(placed(scanned(fileRanges(of, rangeBytes), format.format), format), format);
  return {
    rows: set.blocks.flatMap((block) => block.rows),
    keys: set.blocks.flatMap((block) => block.rows.map((_, i) => keyReader(block)(i))),
    blocks: set.blocks.map((block) => block.rows.length),
  };
}

const record = (fields: Record<string, Shape>): Shape => ({
  kind: "record",
  fields: Object.entries(fields).map(([name, shape]) => ({ name, shape })),
});
const optional = (of: Shape): Shape => ({ kind: "optional", of });
const [int, float, string, bool, timestamp]: Shape[] = [
  { kind: "int" },
  { kind: "float" },
  { kind: "string" },
  { kind: "bool" },
  { kind: "timestamp" },
];
const csv = (fields: Record<string, Shape>, separator = ","): Format => ({ format: "csv", shape: record(fields), separator });
const jsonLines = (shape: Shape): Format => ({ format: "jsonLines", shape, separator: "," });
const text: Format = { format: "text", shape: null, separator: "," };

describe("ranges", () => {
  const field = fc.oneof(fc.string(), fc.stringMatching(/^[",\r\n;a]{0,6}$/), fc.constant("é€😀"));
  const quoted = (value: string) => (/[",\r\n]/.test(value) || value === "" ? `"${value.replaceAll('"', '""')}"` : value);

  it("of any size give the rows of a CSV file, quoted line ends and all", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ a: field, b: field })),
        fc.integer({ min: 1, max: 40 }),
        fc.constantFrom("\n", "\r\n"),
        fc.boolean(),
        (rows, rangeBytes, lineEnd, closed) => {
          const lines = ["a,b", ...rows.map(({ a, b }) => `${quoted(a)},${quoted(b)}`)];
          const found = read(file(lines.join(lineEnd) + (closed ? lineEnd : "")), csv({ a: string!, b: string! }), rangeBytes);
          expect(found.rows).toEqual(rows);
          expect(found.keys).toEqual(rows.map((_, i) => i));
        },
      ),
    );
  });

  it("of any size give the lines of a text", () => {
    fc.assert(
      fc.property(
        fc.array(fc.stringMatching(/^[^\r\n]{0,9}$/u)),
        fc.integer({ min: 1, max: 20 }),
        fc.boolean(),
        (lines, rangeBytes, closed) => {
          // A file that doesn't end its last line has no line there where that is empty.
          const whole = lines.join("\n") + (closed && lines.length > 0 ? "\n" : "");
          const wanted = !closed && lines.at(-1) === "" ? lines.slice(0, -1) : lines;
          const found = read(file(whole), text, rangeBytes);
          expect(found.rows).toEqual(wanted);
          expect(found.keys).toEqual(wanted.map((_, i) => i));
        },
      ),
    );
  });

  it("of any size give the rows of JSON Lines; blank lines keep their numbers", () => {
    const rows = fc.array(fc.option(fc.record({ a: fc.integer(), b: fc.array(fc.string()) }), { freq: 4 }));
    fc.assert(
      fc.property(rows, fc.integer({ min: 1, max: 60 }), (lines, rangeBytes) => {
        const whole = lines.map((row) => `${row ? JSON.stringify(row) : ""}\n`).join("");
        const found = read(file(whole), jsonLines(record({ a: int!, b: { kind: "list", item: string! } })), rangeBytes);
        expect(found.rows).toEqual(lines.filter((row) => row !== null));
        expect(found.keys).toEqual(lines.flatMap((row, i) => (row ? [i] : [])));
      }),
    );
  });

  it("a record belongs to the range where it begins, and a range may have none", () => {
    const lines = ["a", "1", "22222222222222", "3"];
    expect(read(file(lines.join("\n")), csv({ a: int! }), 5)).toEqual({
      rows: [1, 22222222222222, 3].map((a) => ({ a })),
      keys: [0, 1, 2],
      blocks: [2, 0, 0, 1],
    });
  });

  it("files follow each other, each with its own header", () => {
    const found = read([file("a,b\n1,x\n2,y\n"), file("b,a\nz,3"), file("a,b\n")], csv({ a: int!, b: string! }), 3);
    expect(found.rows).toEqual([
      { a: 1, b: "x" },
      { a: 2, b: "y" },
      { a: 3, b: "z" },
    ]);
    expect(found.keys).toEqual([0, 1, 2]);
  });
});

describe("CSV", () => {
  it("gives typed fields, the wanted columns only, and null for what is empty", () => {
    const whole = file('\ufeffn,x,on,at,s,o,left\n 7 ,1e3,TRUE,2020-02-29,"","",a\n-1,NaN,false,2020-01-01 10:30:00.25+02:00, a ,,b\n\n');
    const format = csv({ at: timestamp!, n: int!, x: float!, on: bool!, s: string!, o: optional(string!), none: optional(int!) });
    expect(read(whole, format).rows).toEqual([
      { at: new Date("2020-02-29T00:00:00Z"), n: 7, x: 1000, on: true, s: "", o: "", none: null },
      { at: new Date("2020-01-01T08:30:00.250Z"), n: -1, x: Number.NaN, on: false, s: " a ", o: null, none: null },
    ]);
  });
  it("a blank line is a row where there is one column", () => {
    expect(read(file("a\n1\n\n2\n"), csv({ a: optional(int!) })).rows).toEqual([{ a: 1 }, { a: null }, { a: 2 }]);
  });
  it("takes another separator", () => {
    expect(read(file("a\tb\n1,5\t2\n"), csv({ a: string!, b: int! }, "\t")).rows).toEqual([{ a: "1,5", b: 2 }]);
  });

  const wrong: readonly (readonly [string, string, RegExp])[] = [
    ["a number that is none", "a,b\n1,x\n1.5,y\n", /data:3:1: column "a" holds "1\.5", and an int was wanted$/],
    ["a field that is empty", 'a,b\n1,"\n\n"\n,y\n', /data:5:1: column "a" is empty, and an int was wanted$/],
    ["too few fields", "a,b\n1,x\n2\n", /data:3:1: a record has 1 field, and the header 2 fields$/],
    ["a quote inside a field", 'a,b\n1,x\n2,5" "x\n', /data:3:4: a quote stands inside a field/],
    ["text behind a quote", 'a,b\n1,"x"y\n', /data:2:6: text stands behind the quote/],
    ["a quote that stays open", 'a,b\n1,x\n2,"y\n3,z\n', /data:3:3: a quote that opens here is never closed$/],
    ["a column that isn't there", "a,c\n1,x\n", /data:1: there is no column "b"; there are a, c$/],
    ["a column twice", "a,b,a\n1,x,2\n", /data:1: two columns are called "a"$/],
    ["an empty file", "", /data:1: the file is empty/],
  ];
  it.each(wrong)("says where there is %s, whatever the ranges", (_, whole, message) => {
    for (const rangeBytes of [3, 7, undefined]) expect(() => read(file(whole), csv({ a: int!, b: string! }), rangeBytes)).toThrow(message);
  });
  it("says where a line isn't UTF-8", () => {
    expect(() => read(file(Buffer.from("a\nb\nc\xe9\nd\n", "latin1")), csv({ a: string! }))).toThrow(/data:3: the line isn't UTF-8 text$/);
  });
});

describe("JSON Lines", () => {
  const shape = record({ a: { kind: "union", members: [{ kind: "literal", value: "x" }, int!] }, b: optional(record({ at: timestamp! })) });
  it("gives times, leaves out fields that nobody named, and null for what is missing", () => {
    expect(read(file('{"a":"x","c":1}\n{"b":{"at":"2020-01-01T00:00:00Z"},"a":2}\n'), jsonLines(shape)).rows).toEqual([
      { a: "x", b: null },
      { a: 2, b: { at: new Date("2020-01-01T00:00:00Z") } },
    ]);
  });
  it.each([
    ["{", /data:1:1: the line isn't JSON: /],
    ['{"a":1}\n{"a":"y"}', /data:2:1: `a` is "y", and "x" or an int was wanted$/],
    ['{"a":1,"b":{"at":"soon"}}', /data:1:1: `b\.at` is "soon", and a time \(ISO 8601\) was wanted$/],
    ["{}", /`a` is missing, and /],
    ["[1]", /the row is \[1\], and a record was wanted$/],
  ])("says what is wrong with %s", (whole, message) => {
    expect(() => read(file(whole), jsonLines(shape))).toThrow(message);
  });
});

describe("a file", () => {
  it("that was written to since the run began isn't read", () => {
    const before = file("a\n1\n");
    writeFileSync(before.path, "a\n2\n");
    utimesSync(before.path, 1, 1);
    expect(() => read(before, text)).toThrow(/isn't what it was when the run began/);
  });
  it("that only looks newer is", () => {
    const before = file("a\n1\n");
    utimesSync(before.path, 1, 1);
    expect(read(before, text).rows).toEqual(["a", "1"]);
  });
  it("that isn't there is told with the machine", () => {
    const before = file("a\n");
    rmSync(before.path);
    expect(() => read(before, text)).toThrow(/\.data isn't on /);
  });
});

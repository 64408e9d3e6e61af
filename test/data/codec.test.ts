import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  columnBytes,
  columnFrom,
  columnLength,
  columnReader,
  columnValues,
  decode,
  encode,
  join,
  sliceColumn,
  split,
  Unsendable,
  writeColumn,
} from "../../runtime/objects/codec.ts";

const typedArray = fc.oneof(
  fc.float32Array({ maxLength: 9 }),
  fc.float64Array({ maxLength: 9 }),
  fc.uint8Array({ maxLength: 9 }),
  fc.int16Array({ maxLength: 9 }),
  fc.bigInt64Array({ maxLength: 5 }),
);
const plain = fc.letrec((self) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.double(),
    fc.integer(),
    fc.string({ unit: "grapheme" }),
    fc.boolean(),
    fc.constant(null),
    fc.date({ noInvalidDate: true }),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    typedArray,
    fc.array(self("value"), { maxLength: 5 }),
    fc.dictionary(
      fc.string().filter((name) => name !== "__proto__"),
      self("value"),
      { maxKeys: 5, noNullPrototype: true },
    ),
    fc.array(fc.tuple(fc.string(), self("value")), { maxLength: 3 }).map((entries) => new Map(entries)),
  ),
})).value;

describe("codec", () => {
  it("gives back what it was given, on private and on shared memory", () => {
    fc.assert(
      fc.property(plain, fc.boolean(), (value, share) => {
        const bytes = encode(value);
        expect(bytes.length % 8).toBe(0);
        expect(decode(bytes, { share })).toEqual(value);
        const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
        shared.set(bytes);
        expect(decode(shared, { share })).toEqual(value);
      }),
    );
  });

  it("reads typed arrays in place when asked to", () => {
    const bytes = encode({ w: Float32Array.of(1, 2, 3) });
    const shared = decode(bytes, { share: true }) as { w: Float32Array };
    expect(shared.w.buffer).toBe(bytes.buffer);
    const own = decode(bytes, { share: false }) as { w: Float32Array };
    own.w[0] = 9;
    expect(shared.w[0]).toBe(1);
  });

  it("splits without copying arrays", () => {
    const data = new Float64Array(new SharedArrayBuffer(80));
    const { structure, arrays } = split({ shape: [10], data });
    expect(arrays[0]).toBe(data);
    expect((join(structure, arrays) as { data: Float64Array }).data).toBe(data);
  });

  it("keeps sets, and the sign of zero wherever it stands", () => {
    const values = [
      -0,
      [-0, 1],
      { a: -0 },
      new Map([[1, -0]]),
      new Set([[-0]]),
      new Set(["a", 1]),
      [new Set([new Map([[1, new Set([2])]])])],
    ];
    for (const value of values) expect(decode(encode(value), { share: false })).toEqual(value);
  });

  it("turns undefined into null", () => {
    expect(decode(encode({ a: undefined, b: [undefined] }), { share: false })).toEqual({ a: null, b: [null] });
  });

  class Model {
    readonly layers = 2;
  }
  const loop: unknown[] = [];
  loop.push(loop);
  it.each([
    ["a function", { model: { step: () => 1 } }, "`model.step` is a function"],
    ["a class instance", [1, new Model()], "`[1]` is an instance of the class Model"],
    ["a promise", { later: Promise.resolve(1) }, "the class Promise"],
    ["a symbol", { s: Symbol("x") }, "`s` is a symbol"],
    ["a big integer", 2n ** 70n, "more than 64 bits"],
    ["a loop, without all of its rounds", loop, `\`${"[0]".repeat(20)}…\` is nested more than 500 deep (or holds itself)`],
    ["a field __proto__", JSON.parse('{"__proto__": 1}'), "__proto__"],
  ])("refuses %s, naming its place", (_what, value, message) => {
    expect(() => encode(value)).toThrow(Unsendable);
    expect(() => encode(value)).toThrow(message);
  });

  it("refuses bytes that are cut short", () => {
    const bytes = encode({ w: new Float64Array(100) });
    expect(() => decode(bytes.subarray(0, 64), { share: false })).toThrow("corrupt value");
    expect(() => decode(new Uint8Array(3), { share: false })).toThrow("corrupt value");
  });

  it("never makes an object with another prototype", () => {
    // A map whose key is `__proto__`, as a hostile peer would write it.
    const hostile = Uint8Array.from([0x81, 0xa9, ...Buffer.from("__proto__"), 0x81, 0xa1, 0x78, 0x01]);
    const value = join(hostile, []) as Record<string, unknown>;
    expect(value.x).toBeUndefined();
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });
});

describe("columns", () => {
  const values = fc.oneof(
    fc.array(fc.double(), { maxLength: 20 }),
    fc.array(fc.tuple(fc.double()), { maxLength: 20 }),
    fc.array(fc.array(fc.double(), { maxLength: 4 }), { maxLength: 20 }),
    fc.array(plain, { maxLength: 8 }),
  );
  it("keep every value, whole and in slices", () => {
    fc.assert(
      fc.property(values, fc.nat(20), fc.nat(20), (list, a, b) => {
        const column = writeColumn(list);
        expect(columnLength(column)).toBe(list.length);
        expect(columnValues(column, { share: true })).toEqual(list);
        // By itself, as it is kept on disk: from memory that begins anywhere.
        const bytes = columnBytes(column);
        const moved = new Uint8Array(bytes.length + 3);
        moved.set(bytes, 3);
        expect(columnValues(columnFrom(moved.subarray(3)), { share: false })).toEqual(list);
        const from = Math.min(a, b, list.length);
        const to = Math.min(Math.max(a, b), list.length);
        const slice = sliceColumn(column, from, to);
        expect(columnValues(slice, { share: false })).toEqual(list.slice(from, to));
        const read = columnReader(slice, { share: false });
        for (let i = to - from - 1; i >= 0; i--) expect(read(i)).toEqual(list[from + i]);
      }),
    );
  });
  it("take the small form where every value is one number", () => {
    expect(writeColumn([1, 2, 3]).kind).toBe("numbers");
    expect(writeColumn([[1], [2]])).toMatchObject({ kind: "rows", lengths: null });
    expect(writeColumn([[1], [2, 3]]).kind).toBe("rows");
    expect(writeColumn([[1], ["x"]]).kind).toBe("packed");
  });
});

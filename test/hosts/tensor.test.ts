import { afterEach, describe, expect, it } from "vitest";
import type { ReadonlyTensor, Tensor } from "../../api/index.ts";
import { TransientError, tensor } from "../../api/index.ts";

const ALLOCATE = Symbol.for("headrace.allocate");
const scope = globalThis as { [ALLOCATE]?: (bytes: number) => ArrayBufferLike };

describe("tensor", () => {
  afterEach(() => {
    delete scope[ALLOCATE];
  });

  it("is zeros of its type and shape, in memory of this program", () => {
    const made: Tensor<"f32", readonly [2, 3]> = tensor("f32", [2, 3]);
    expect(made).toEqual({ dtype: "f32", shape: [2, 3], data: new Float32Array(6) });
    expect(made.data.buffer).toBeInstanceOf(ArrayBuffer);
    expect(tensor("i64", []).data).toEqual(new BigInt64Array(1));
    expect(tensor("u8", [0, 5]).data).toHaveLength(0);
    const seen: ReadonlyTensor<"f32"> = made;
    expect(seen.data[5]).toBe(0);
  });

  it("lies where the one who runs the stage says, which may give more than asked", () => {
    const asked: number[] = [];
    scope[ALLOCATE] = (bytes) => {
      asked.push(bytes);
      return new SharedArrayBuffer(bytes + 100);
    };
    const { data } = tensor("f64", [10, 10]);
    expect(asked).toEqual([800]);
    expect(data).toHaveLength(100);
    expect(data.buffer).toBeInstanceOf(SharedArrayBuffer);
  });

  it("refuses sizes and types that there are not", () => {
    expect(() => tensor("f32", [2, -1])).toThrow("a tensor's sizes are whole numbers of at least 0, not -1");
    expect(() => tensor("f32", [1.5])).toThrow(RangeError);
    expect(() => tensor("f16" as "f32", [1])).toThrow("no tensor holds `f16`");
  });
});

it("a transient error is known by its name", () => {
  expect(new TransientError("busy")).toMatchObject({ name: "TransientError", message: "busy" });
});

// The tensor value that stages hand to each other: plain data, so that it crosses processes as it is. Whoever runs stages may
// install an allocator that puts large data where other threads can read it; without one, memory is this program's own.
import type { ArrayView } from "./view.ts";

interface DataByType {
  f32: Float32Array;
  f64: Float64Array;
  i8: Int8Array;
  u8: Uint8Array;
  i16: Int16Array;
  u16: Uint16Array;
  i32: Int32Array;
  u32: Uint32Array;
  i64: BigInt64Array;
  u64: BigUint64Array;
}
export type DType = keyof DataByType;

/** A dimension in a signature: a size, a symbol (`"B"`), or a product of them as text (`"2*B"`); `number` is any size. */
export type Dimension = number | string;

/**
 * Numbers of one type in row-major order. `Dimensions` say to the compiler what `.pipe` text writes as `Tensor<f32, [B, 784]>`;
 * plain TypeScript doesn't compare them.
 */
// biome-ignore lint/correctness/noUnusedVariables: read by the compiler in signatures, not by TypeScript
export interface Tensor<D extends DType = DType, Dimensions extends readonly Dimension[] = readonly number[]> {
  readonly dtype: D;
  readonly shape: readonly number[];
  readonly data: DataByType[D];
}

/** A tensor to read from: as a parameter's type, it shares memory instead of copying. */
// biome-ignore lint/correctness/noUnusedVariables: read by the compiler in signatures, not by TypeScript
export interface ReadonlyTensor<D extends DType = DType, Dimensions extends readonly Dimension[] = readonly number[]> {
  readonly dtype: D;
  readonly shape: readonly number[];
  readonly data: ArrayView<DataByType[D]>;
}

const elements = {
  f32: Float32Array,
  f64: Float64Array,
  i8: Int8Array,
  u8: Uint8Array,
  i16: Int16Array,
  u16: Uint16Array,
  i32: Int32Array,
  u32: Uint32Array,
  i64: BigInt64Array,
  u64: BigUint64Array,
} as const;

/** Under which the allocator is found: `(bytes) => ` zeroed memory, 8-byte aligned at its start. */
const ALLOCATE = Symbol.for("headrace.allocate");
type Allocate = (bytes: number) => ArrayBufferLike;

/** A tensor of zeros. Throws `RangeError` where a size isn't a whole number of at least 0. */
export function tensor<D extends DType, const S extends readonly number[]>(dtype: D, shape: S): Tensor<D, S> {
  let length = 1;
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || size < 0) throw new RangeError(`a tensor's sizes are whole numbers of at least 0, not ${size}`);
    length *= size;
  }
  const type = elements[dtype];
  if (type === undefined)
    throw new TypeError(`no tensor holds \`${String(dtype)}\`: its numbers are one of ${Object.keys(elements).join(", ")}`);
  const bytes = length * type.BYTES_PER_ELEMENT;
  const allocate = (globalThis as { [ALLOCATE]?: Allocate })[ALLOCATE];
  const memory = allocate ? allocate(bytes) : new ArrayBuffer(bytes);
  return { dtype, shape: [...shape], data: new type(memory as ArrayBuffer, 0, length) as unknown as DataByType[D] };
}

// `View<T>`: a value through which nothing can be changed, all the way down. A parameter of this type is the promise on which
// the runtime shares memory between stages instead of copying. Types only.

type TypedArray =
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array;
type Primitive = number | string | boolean | bigint | symbol | null | undefined;
type Changing = "set" | "fill" | "sort" | "reverse" | "copyWithin" | "buffer" | "subarray" | "valueOf";

/** A typed array to read from. `Float32Array` and its like can be given where one is wanted, never the other way round. */
export type ArrayView<A extends TypedArray> = Omit<A, Changing | number> & {
  readonly [index: number]: A extends BigInt64Array | BigUint64Array ? bigint : number;
  subarray(begin?: number, end?: number): ArrayView<A>;
};

/** `T`, to be read only: fields, items and the elements of typed arrays alike. */
export type View<T> = T extends Primitive
  ? T
  : T extends TypedArray
    ? ArrayView<T>
    : T extends (...args: never[]) => unknown
      ? T
      : T extends object
        ? { readonly [K in keyof T]: View<T[K]> }
        : T;

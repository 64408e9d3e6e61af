// The one hot loop of training between slots, `into = a · x + b · y` over arrays in one shared memory, as WebAssembly with SIMD: plain
// JavaScript takes some eight times as long. Single precision is rounded after each operation, here as in `addWeighted`, so that both give
// the same bits. The module is small enough to be put together from its instructions (WebAssembly Core Specification 2.0, binary format).

/** By byte offsets in the memory. */
type Kernel = (a: number, b: number, into: number, count: number, x: number, y: number) => void;

export interface Kernels {
  readonly f32: Kernel;
  readonly f64: Kernel;
}

const PAGE_BYTES = 65_536;
const MOST_PAGES = 65_536;

export interface KernelMemory {
  readonly buffer: SharedArrayBuffer;
}

/** As far as it is used here: Node's types don't have it. */
const wasm = (
  globalThis as unknown as {
    readonly WebAssembly: {
      readonly Memory: new (size: { initial: number; maximum: number; shared: true }) => KernelMemory;
      readonly Module: new (bytes: Uint8Array) => object;
      readonly Instance: new (module: object, imports: { m: { m: KernelMemory } }) => { readonly exports: unknown };
    };
  }
).WebAssembly;

/** Memory for kernels, which threads can hand to each other; without kernels where that much can't be addressed. */
export function kernelMemory(bytes: number): KernelMemory | SharedArrayBuffer {
  const pages = Math.ceil(bytes / PAGE_BYTES);
  return pages > MOST_PAGES ? new SharedArrayBuffer(bytes) : new wasm.Memory({ initial: pages, maximum: pages, shared: true });
}

export function kernelsOf(memory: KernelMemory): Kernels {
  return new wasm.Instance(new wasm.Module(moduleBytes()), { m: { m: memory } }).exports as Kernels;
}

/** The same in JavaScript. */
export function addWeighted(a: Floats, b: Floats, into: Floats, from: number, to: number, x: number, y: number): void {
  if (into instanceof Float64Array) {
    for (let i = from; i < to; i++) into[i] = a[i]! * x + b[i]! * y;
    return;
  }
  const [left, right] = [Math.fround(x), Math.fround(y)];
  for (let i = from; i < to; i++) into[i] = Math.fround(Math.fround(a[i]! * left) + Math.fround(b[i]! * right));
}
type Floats = Float32Array | Float64Array;

// --- The module ------------------------------------------------------------------------------------------------------------------

const [I32, F32, F64, V128] = [0x7f, 0x7d, 0x7c, 0x7b];
const [A, B, INTO, COUNT, X, Y, XS, YS] = [0, 1, 2, 3, 4, 5, 6, 7];

function moduleBytes(): Uint8Array<ArrayBuffer> {
  const types = [F32, F64].map((float) => [0x60, ...list([I32, I32, I32, I32, float, float].map((type) => [type!])), 0]);
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, list(types)),
    // Shared memory "m" of "m", of any size up to all that can be addressed.
    ...section(2, list([[...text("m"), ...text("m"), 0x02, 0x03, 0, ...unsigned(MOST_PAGES)]])),
    ...section(3, list([[0], [1]])),
    ...section(
      7,
      list([
        [...text("f32"), 0, 0],
        [...text("f64"), 0, 1],
      ]),
    ),
    ...section(10, list([body(SINGLE), body(DOUBLE)])),
  ]);
}

interface Instructions {
  readonly bytes: number;
  readonly lanes: number;
  readonly splat: readonly number[];
  readonly vectorMul: readonly number[];
  readonly vectorAdd: readonly number[];
  readonly load: number;
  readonly store: number;
  readonly mul: number;
  readonly add: number;
}
const SINGLE: Instructions = {
  ...{ bytes: 4, lanes: 4, splat: [0xfd, 0x13], vectorMul: [0xfd, 0xe6, 0x01], vectorAdd: [0xfd, 0xe4, 0x01] },
  ...{ load: 0x2a, store: 0x38, mul: 0x94, add: 0x92 },
};
const DOUBLE: Instructions = {
  ...{ bytes: 8, lanes: 2, splat: [0xfd, 0x14], vectorMul: [0xfd, 0xf2, 0x01], vectorAdd: [0xfd, 0xf0, 0x01] },
  ...{ load: 0x2b, store: 0x39, mul: 0xa2, add: 0xa0 },
};

/** Vectors first, then what is left, one by one. */
function body({ bytes, lanes, splat, vectorMul, vectorAdd, load, store, mul, add }: Instructions): number[] {
  const step = (by: number): number[] => [
    ...[A, B, INTO].flatMap((local) => [...get(local!), ...constant(by * bytes), 0x6a, ...set(local!)]),
    ...[...get(COUNT!), ...constant(by), 0x6b, ...set(COUNT!)],
  ];
  const vector = (local: number, factor: number) => [...get(local), 0xfd, 0x00, 0, 0, ...get(factor), ...vectorMul];
  const scalar = (local: number, factor: number) => [...get(local), load, 0, 0, ...get(factor), mul];
  const code = [
    ...list([[2, V128!]]),
    ...[...get(X!), ...splat, ...set(XS!), ...get(Y!), ...splat, ...set(YS!)],
    ...loop(
      [...get(COUNT!), ...constant(lanes), 0x48],
      [...[...get(INTO!), ...vector(A!, XS!), ...vector(B!, YS!), ...vectorAdd], ...[0xfd, 0x0b, 0, 0], ...step(lanes)],
    ),
    ...loop([...get(COUNT!), 0x45], [...get(INTO!), ...scalar(A!, X!), ...scalar(B!, Y!), add, store, 0, 0, ...step(1)]),
    0x0b,
  ];
  return [...unsigned(code.length), ...code];
}

/** Until the condition holds. */
const loop = (until: readonly number[], inner: readonly number[]): number[] => [
  ...[0x02, 0x40, 0x03, 0x40],
  ...until,
  ...[0x0d, 1],
  ...inner,
  ...[0x0c, 0, 0x0b, 0x0b],
];
const get = (local: number): number[] => [0x20, local];
const set = (local: number): number[] => [0x21, local];
/** Less than 64, so that it is one byte. */
const constant = (value: number): number[] => [0x41, value];
const text = (word: string): number[] => [word.length, ...Buffer.from(word, "latin1")];
const list = (items: readonly (readonly number[])[]): number[] => [...unsigned(items.length), ...items.flat()];
const section = (id: number, content: readonly number[]): number[] => [id, ...unsigned(content.length), ...content];

function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let left = value;
  do {
    const low = left & 0x7f;
    left >>>= 7;
    bytes.push(left > 0 ? low | 0x80 : low);
  } while (left > 0);
  return bytes;
}

// What adds up parts, in WebAssembly and in plain JavaScript: the same bits.
import fc from "fast-check";
import { expect, it } from "vitest";
import { addWeighted, kernelMemory, kernelsOf } from "../../runtime/training/kernel.ts";

it.each([Float32Array, Float64Array])("%p: any numbers, places and lengths", (Floats) => {
  const memory = kernelMemory(1 << 16);
  if (memory instanceof SharedArrayBuffer) throw new Error("so little can be addressed");
  const kernels = kernelsOf(memory);
  const kernel = Floats === Float32Array ? kernels.f32 : kernels.f64;
  const numbers = fc.array(fc.double(), { minLength: 0, maxLength: 37 });
  fc.assert(
    fc.property(numbers, numbers, fc.double(), fc.double(), fc.nat(5), (left, right, x, y, first) => {
      const length = Math.min(left.length, right.length);
      const from = Math.min(first, length);
      const [a, b, into] = [0, 1024, 2048].map((at) => new Floats(memory.buffer as unknown as ArrayBuffer, at, length)) as [
        Float64Array,
        Float64Array,
        Float64Array,
      ];
      a.set(left.slice(0, length));
      b.set(right.slice(0, length));
      into.fill(-1);
      const expected = Float64Array.from(into);
      const wanted = new Floats(into) as Float64Array;
      addWeighted(a, b, wanted, from, length, x, y);
      const at = (array: Float64Array) => array.byteOffset + from * array.BYTES_PER_ELEMENT;
      kernel(at(a), at(b), at(into), length - from, x, y);
      for (let i = 0; i < length; i++) expect(into[i]).toBe(i < from ? expected[i] : wanted[i]);
    }),
    { numRuns: 300 },
  );
});

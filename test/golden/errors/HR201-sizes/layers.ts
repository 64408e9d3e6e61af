import type { ReadonlyTensor, Tensor } from "headrace";

export declare function images(): Tensor<"f32", [64, "28*28"]>;
export declare function weights(): Tensor<"f32", [785, 10]>;
export declare function matmul(
  a: ReadonlyTensor<"f32", ["M", "K"]>,
  b: ReadonlyTensor<"f32", ["K", "N"]>,
): Tensor<"f32", ["M", "N"]>;

// The part of the package `mnist` that the example reads; the package has no types of its own.
declare module "mnist" {
  /** One entry a digit, 0 to 9; `raw` holds its images one after another, 28 × 28 numbers from 0 to 1 each. */
  const digits: readonly { readonly raw: readonly number[]; readonly length: number }[];
  export default digits;
}

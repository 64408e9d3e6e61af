// What users import in their own TypeScript: forms of a program that the compiler reads, types, and small values. Knows
// nothing of the rest, so that reading a user's module never drags the runtime through the TypeScript checker.

export type { Actor, Additive, Dataset, Duration, Failed, Failure, float, Groups, int, Parts, Pool } from "./authoring.ts";
export {
  concat,
  csv,
  dataset,
  date,
  day,
  each,
  expect,
  file,
  files,
  fit,
  forEach,
  hour,
  jsonLines,
  keep,
  loop,
  max,
  mean,
  min,
  minute,
  month,
  onFailure,
  perform,
  range,
  second,
  spawn,
  stopAfter,
  sum,
  text,
  timestamp,
  track,
  weekday,
  within,
  year,
} from "./authoring.ts";
export { TransientError } from "./errors.ts";
export type { InputFile, InputFiles } from "./file.ts";
export {
  dense,
  embedding,
  type Layer,
  type LayerArrays,
  type LayerPart,
  type Loss,
  type Matrix,
  type Model,
  matrix,
  relu,
  type Split,
  softmaxCrossEntropy,
  tanh,
} from "./layers.ts";
export { layers } from "./model.ts";
export type { Secret } from "./secret.ts";
export { type CurrentTask, currentTask } from "./task.ts";
export { type Dimension, type DType, type ReadonlyTensor, type Tensor, tensor } from "./tensor.ts";
export type { ArrayView, View } from "./view.ts";

// What the JavaScript that `expressions.ts` writes calls, under one name. Must not know expressions.
import type { Architecture } from "../../compiler/plan.ts";
import type { FitProgram, Surroundings } from "../training/fit.ts";
import { train } from "../training/fit.ts";
import { callWatched } from "./checks.ts";
import type { TaskContext } from "./expressions.ts";
import * as groups from "./groups.ts";
import * as operations from "./operations.ts";
import { fileRanges, placed, readRows, scanned } from "./readers.ts";
import { combine, fold } from "./reductions.ts";
import type { StoredBlock } from "./rows.ts";
import { allRows, DataSet, fromAsyncIterable, fromIterable, rangeBlock, rangeSet, readBlock, storedRows } from "./rows.ts";
import { builtins, copy, equal, index, int, text } from "./scalars.ts";
import { writeRows } from "./writers.ts";

/** A fit in a place that isn't told of any surroundings. */
const ALONE: Omit<Surroundings, "metric" | "progress"> = { members: null, checkpoints: null, checkpointSteps: undefined, place: null };

/** What was expected of values isn't so. */
class ExpectationError extends Error {
  override readonly name = "ExpectationError";
}

/** What generated code calls; its names start with `h.`. */
export const helpers: Readonly<Record<string, unknown>> = {
  ...operations,
  ...groups,
  fileRanges,
  scanned,
  placed,
  readRows,
  writeRows,
  allRows,
  builtins,
  callWatched,
  combine,
  copy,
  equal,
  train: (program: FitProgram, architecture: Architecture, { metric, progress, training }: TaskContext) =>
    train(program, architecture, { ...(training ?? ALONE), metric, progress }),
  fold,
  fromAsyncIterable,
  fromIterable,
  index,
  int,
  rangeBlock,
  rangeSet,
  text,
  itemRow: (stored: StoredBlock) => storedRows(stored)[0],
  blockSet: (stored: StoredBlock) => new DataSet([readBlock(stored)]),
  blocksSet: (stored: readonly StoredBlock[]) => new DataSet(stored.map(readBlock)),
  metricValue(name: string, value: unknown): number {
    if (typeof value === "number") return value;
    throw new TypeError(`\`track ${name}\` wants a number`);
  },
  expect(holds: unknown, message: () => unknown): void {
    if (holds !== true) throw new ExpectationError(text(message()));
  },
  integer(value: unknown, name: string): unknown {
    if (Number.isSafeInteger(value)) return value;
    throw new TypeError(`\`${name}\` gave ${text(value)}, and its type says \`int\`: a safe integer`);
  },
  atLeastOne(value: unknown): number {
    if (Number.isSafeInteger(value) && (value as number) >= 1) return value as number;
    throw new RangeError(`\`max\` of \`loop\` wants at least one round, not ${String(value)}`);
  },
  epochs(value: unknown): number {
    if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
    throw new RangeError(`\`fit\` wants a number of epochs, not ${String(value)}`);
  },
};

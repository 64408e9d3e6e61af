// Rows of files: the stages that find where records begin, before whoever wants the rows reads them range by range.
import type { Type } from "../../lang/types.ts";
import type { Typed } from "../2-check/typed.ts";
import type { DraftSource } from "./draft.ts";
import type { Env, Lowering, RowStep, Rows } from "./lower.ts";
import { readStep, TaskWriter } from "./tasks.ts";

/** What the steps of a reader hand to each other. */
const RANGES: Type = { kind: "dataset", row: { kind: "record", name: "Range", fields: [] } };

/** One task plans the ranges, one a range scans it, one places their records; who reads the rows reads the range. */
export function lowerRead(lowering: Lowering, typed: Typed & { kind: "read" }, env: Env, name: string, helper: string | null): Rows {
  const { span } = typed;
  const suffix = (step: string) => (helper === null ? step : `${helper}/${step}`);
  const ranges = lowering.draft(name, suffix("ranges"), span, RANGES, { kind: "source" });
  const writer = new TaskWriter(lowering, ranges);
  ranges.body = readStep(typed, "ranges", writer.write(typed.files, env));
  const scan = lowering.draft(name, suffix("scan"), span, RANGES, { kind: "rows", over: { kind: "stage", stage: ranges } });
  scan.body = readStep(typed, "scan", scan.use({ kind: "block" }));
  const places = lowering.draft(name, suffix("places"), span, RANGES, { kind: "source" });
  places.body = readStep(typed, "places", places.use({ kind: "blocks", of: scan }));
  const step: RowStep = { heavy: true, needsKeys: false, write: (_, from) => readStep(typed, "rows", from) };
  const source: DraftSource = { kind: "stage", stage: places };
  return { source, steps: [step], material: null, name, helper, span, type: typed.type, region: lowering.region };
}

// What came over NATS, as what it says it is, or nothing: whoever may speak on a subject may say anything there, and nobody falls over it. Knows shapes,
// not what they mean.

import type { Introduction, Led } from "./connect.ts";
import type { FromWorker } from "./link.ts";
import type { RunSummary } from "./streams.ts";

type Fields = { readonly [name: string]: unknown };

/** Names of runs stand in subjects. */
const isRunName = (text: unknown): text is string => typeof text === "string" && /^[\w-]{1,200}$/.test(text);

function fieldsOf(data: Uint8Array): Fields | null {
  if (data.length === 0) return null;
  try {
    const value: unknown = JSON.parse(Buffer.from(data).toString());
    return typeof value === "object" && value !== null ? (value as Fields) : null;
  } catch {
    // Somebody says what nobody says.
    return null;
  }
}

const isText = (value: unknown): value is string => typeof value === "string";
const isTexts = (value: unknown): value is readonly string[] => Array.isArray(value) && value.every(isText);
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
/** A word, or two, of a subject. */
const isWorkerId = (value: unknown): value is string => isText(value) && /^[\w-]{1,200}(\.[\w-]{1,200})?$/.test(value);
const MOST_SLOTS = 4096;

export function readIntroduction(data: Uint8Array): Introduction | null {
  const found = fieldsOf(data);
  if (!found || !isWorkerId(found.worker) || !isText(found.name) || !isTexts(found.labels)) return null;
  if (!isCount(found.slots) || (found.slots as number) < 1 || (found.slots as number) > MOST_SLOTS) return null;
  return found.leaving === null || isTexts(found.leaving) ? (found as unknown as Introduction) : null;
}

export function readLed(data: Uint8Array): Led | null {
  const found = fieldsOf(data);
  const isWhole = found && isCount(found.epoch) && isText(found.worker) && isText(found.name);
  return isWhole && ["leading", "over", "gone"].includes(String(found.how)) ? (found as unknown as Led) : null;
}

/** Which run somebody is to lead. */
export function readLead(data: Uint8Array): string | null {
  const found = fieldsOf(data);
  return found && isRunName(found.run) ? found.run : null;
}

export function readSummary(data: Uint8Array): RunSummary | null {
  const found = fieldsOf(data);
  const isWhole = found && isRunName(found.run) && isText(found.plan) && isText(found.file) && isText(found.status);
  return isWhole && isCount(found.submittedAtMs) ? (found as unknown as RunSummary) : null;
}

export function readTexts(data: Uint8Array): { readonly [name: string]: string } {
  return Object.fromEntries(Object.entries(fieldsOf(data) ?? {}).filter((entry): entry is [string, string] => isText(entry[1])));
}

/** Whether a journal begins as that of a run does. */
export function isHeaderOf(run: string, header: unknown): boolean {
  const object = (value: unknown): value is Fields => typeof value === "object" && value !== null;
  if (!object(header) || header.run !== run || !isText(header.uuid) || !object(header.code) || !object(header.params)) return false;
  const { plan } = header;
  if (!object(plan) || !isText(plan.name) || !object(plan.about) || !object(plan.functions)) return false;
  return [plan.params, plan.stages, plan.regions, plan.outputs].every(Array.isArray);
}

/** Numbers that each thing a worker says has. */
const COUNTS: { readonly [type in FromWorker["type"]]: readonly string[] } = {
  hello: [],
  leaving: [],
  ready: [],
  beat: [],
  called: [],
  callsWanted: [],
  pulled: ["request"],
  object: ["request"],
  finished: ["run", "slot", "stage", "first", "count", "attempt"],
  failed: ["run", "slot", "stage", "block", "attempt"],
  recalled: ["run", "slot", "stage", "first", "count", "attempt"],
  slotLost: ["slot"],
  metric: ["run", "stage"],
  progress: ["run", "stage"],
  log: ["run", "stage"],
};

/** Throws where no worker says so. */
export function checkFromWorker(message: unknown): FromWorker {
  const found = (typeof message === "object" && message !== null ? message : {}) as Fields;
  const type = String(found.type);
  const isKnown = Object.hasOwn(COUNTS, type) && COUNTS[type as FromWorker["type"]].every((name) => isCount(found[name]));
  if (!isKnown || !isWhole(type, found)) throw new Error("it said what no worker says");
  return found as unknown as FromWorker;
}

function isWhole(type: string, found: Fields): boolean {
  const object = (value: unknown): value is Fields => typeof value === "object" && value !== null;
  switch (type) {
    case "hello":
      return isText(found.home) && Array.isArray(found.inHand) && (found.bulk === null || object(found.bulk));
    case "finished":
      return object(found.outputs) && isText(found.outputs.kind) && typeof found.runMs === "number";
    case "failed":
      return object(found.error) && isText(found.error.message) && isText(found.error.kind);
    case "slotLost":
      return object(found.reason) && isText(found.reason.message);
    case "log":
      return isText(found.text);
    default:
      return true;
  }
}

// Plain data held to a shape, as readers do: text of a field, and values of JSON. Gives the value as programs know it (times are no text
// any more, fields that nobody named are gone), or says what was wanted. Knows neither files nor lines.
import type { Shape } from "../../compiler/plan.ts";
import { parseTime } from "../../lang/times.ts";

/** What doesn't fit. */
export class Misfit {
  /** Of the value inside the row: `.a.b[2]`. */
  readonly path: string;
  readonly found: string;
  readonly wanted: string;
  constructor(path: string, found: string, wanted: string) {
    this.path = path;
    this.found = found;
    this.wanted = wanted;
  }
}

export function describeShape(shape: Shape): string {
  switch (shape.kind) {
    case "literal":
      return JSON.stringify(shape.value);
    case "optional":
      return `${describeShape(shape.of)} or nothing`;
    case "list":
      return "a list";
    case "record":
      return "a record";
    case "union":
      return shape.members.map(describeShape).join(" or ");
    case "int":
      return "an int";
    case "timestamp":
      return "a time (ISO 8601)";
    case "any":
      return "anything";
    case "null":
      return "nothing";
    default:
      return `a ${shape.kind}`;
  }
}

// --- Text of a field ------------------------------------------------------------------------------------------------------

/** The value that a text stands for; a text that stands for none gives null. `quoted`: it was written in quotes, so it isn't missing. */
export type FieldReader = (text: string, quoted: boolean) => unknown;

/** What no value is. */
export const NOTHING = Symbol("no value");

export function fieldReader(shape: Shape): FieldReader {
  switch (shape.kind) {
    case "string":
    case "any":
      return (text) => text;
    case "int":
      return readInt;
    case "float":
      return readFloat;
    case "bool":
      return (text) => {
        const word = text.trim().toLowerCase();
        return word === "true" ? true : word === "false" ? false : NOTHING;
      };
    case "timestamp":
      return (text) => parseTime(text.trim()) ?? NOTHING;
    case "null":
      return (text) => (text === "" ? null : NOTHING);
    case "literal": {
      const written = String(shape.value);
      return (text) => (text === written ? shape.value : NOTHING);
    }
    case "optional": {
      const present = fieldReader(shape.of);
      return (text, quoted) => (text === "" && !quoted ? null : present(text, quoted));
    }
    case "union": {
      const members = shape.members.map(fieldReader);
      return (text, quoted) => {
        for (const read of members) {
          const value = read(text, quoted);
          if (value !== NOTHING) return value;
        }
        return NOTHING;
      };
    }
    case "list":
    case "record":
      throw new Error("bug: a field that holds a list or a record");
  }
}

function readInt(text: string): unknown {
  // Digits alone, as nearly always.
  let value = 0;
  const { length } = text;
  if (length > 0 && length <= 15) {
    let at = 0;
    for (; at < length; at++) {
      const digit = text.charCodeAt(at) - 48;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    if (at === length) return value;
  }
  const trimmed = text.trim();
  if (!/^[+-]?\d+$/.test(trimmed)) return NOTHING;
  value = Number(trimmed);
  return Number.isSafeInteger(value) ? value : NOTHING;
}

function readFloat(text: string): unknown {
  const value = Number(text);
  // `Number("")` and `Number("0x1")` are numbers to JavaScript.
  if (!Number.isNaN(value) && value !== Infinity && value !== -Infinity && /^\s*[+-]?[.\d]/.test(text) && !/[xob]/i.test(text))
    return value;
  const named = /^\s*([+-]?)(nan|inf(?:inity)?)\s*$/i.exec(text);
  if (!named) return NOTHING;
  const size = named[2]!.toLowerCase() === "nan" ? Number.NaN : Infinity;
  return named[1] === "-" ? -size : size;
}

// --- Values of JSON -------------------------------------------------------------------------------------------------------

type Checker = (value: unknown, path: string) => unknown;

/** Gives the value, or a `Misfit`. */
export function jsonChecker(shape: Shape): Checker {
  const misfit = (value: unknown, path: string) => new Misfit(path, shownJson(value), describeShape(shape));
  switch (shape.kind) {
    case "any":
      return (value) => value;
    case "int":
      return (value, path) => (Number.isSafeInteger(value) ? value : misfit(value, path));
    case "float":
      return (value, path) => (typeof value === "number" ? value : misfit(value, path));
    case "bool":
      return (value, path) => (typeof value === "boolean" ? value : misfit(value, path));
    case "string":
      return (value, path) => (typeof value === "string" ? value : misfit(value, path));
    case "null":
      return (value, path) => (value === null || value === undefined ? null : misfit(value, path));
    case "timestamp":
      return (value, path) => (typeof value === "string" ? (parseTime(value) ?? misfit(value, path)) : misfit(value, path));
    case "literal":
      return (value, path) => (value === shape.value ? value : misfit(value, path));
    case "optional": {
      const present = jsonChecker(shape.of);
      return (value, path) => (value === null || value === undefined ? null : present(value, path));
    }
    case "list": {
      const item = jsonChecker(shape.item);
      return (value, path) => {
        if (!Array.isArray(value)) return misfit(value, path);
        for (let i = 0; i < value.length; i++) {
          const checked = item(value[i], path);
          if (checked instanceof Misfit) return new Misfit(`[${i}]${checked.path}`, checked.found, checked.wanted);
          value[i] = checked;
        }
        return value;
      };
    }
    case "record": {
      const fields = shape.fields.map(({ name, shape: of }) => ({ name, check: jsonChecker(of) }));
      return (value, path) => {
        if (typeof value !== "object" || value === null || Array.isArray(value)) return misfit(value, path);
        const row: Record<string, unknown> = {};
        for (const { name, check } of fields) {
          const checked = check(Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined, path);
          if (checked instanceof Misfit) return new Misfit(`.${name}${checked.path}`, checked.found, checked.wanted);
          row[name] = checked;
        }
        return row;
      };
    }
    case "union": {
      const members = shape.members.map(jsonChecker);
      return (value, path) => {
        for (const check of members) {
          const checked = check(value, path);
          if (!(checked instanceof Misfit)) return checked;
        }
        return misfit(value, path);
      };
    }
  }
}

function shownJson(value: unknown): string {
  if (value === undefined) return "missing";
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

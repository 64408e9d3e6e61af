// Values for people's eyes: short, on one line, honest about what is left out. Not a format that anything reads back.

/** `{ w: Float32Array(7840), b: Float32Array(10) }`, `0.9123`, `[1, 2, 3, … 997 more]`. */
export function show(value: unknown, width = 100): string {
  if (typeof value === "string") return value;
  const whole = text(value, 100, 3);
  return whole.length <= width ? whole : text(value, 3, 2);
}

function text(value: unknown, items: number, depth: number): string {
  if (value === null || value === undefined) return "null";
  if (typeof value === "number") return number(value);
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value !== "object") return String(value);
  if (value instanceof Date) return value.toISOString();
  if (ArrayBuffer.isView(value))
    return `${value.constructor.name}(${value instanceof DataView ? value.byteLength : (value as Uint8Array).length})`;
  if (isTensor(value)) return `Tensor<${value.dtype}, [${value.shape.join(", ")}]>`;
  if (Array.isArray(value)) {
    if (depth === 0) return `[${value.length} items]`;
    const shown = value.slice(0, items).map((item) => text(item, items, depth - 1));
    const left = value.length - shown.length;
    return `[${[...shown, ...(left > 0 ? [`… ${left} more`] : [])].join(", ")}]`;
  }
  const fields = Object.entries(value);
  if (fields.length === 0) return "{}";
  if (depth === 0) return `{ ${fields.map(([name]) => name).join(", ")} }`;
  return `{ ${fields.map(([name, field]) => `${name}: ${text(field, items, depth - 1)}`).join(", ")} }`;
}

/** Six significant digits; `--json` has them all. */
function number(value: number): string {
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)));
}

function isTensor(value: object): value is { dtype: string; shape: readonly number[] } {
  return "dtype" in value && typeof value.dtype === "string" && "shape" in value && Array.isArray(value.shape) && "data" in value;
}

/** `0.3 s`, `2 min 05 s`. */
export function duration(ms: number): string {
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, "0")} s`;
}

/** Plain JSON of any value that a run gives: typed arrays as lists, numbers that JSON lacks and big integers as strings. */
export function plain(value: unknown): unknown {
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (typeof value === "bigint") return String(value);
  if (value === undefined) return null;
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Date) return value.toISOString();
  if (ArrayBuffer.isView(value))
    return Array.from(
      value instanceof DataView ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : (value as Float64Array),
      plain,
    );
  if (Array.isArray(value)) return value.map(plain);
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, plain(field)]));
}

// Numbers of bytes, as people write and read them. Powers of 1024, as disks of computers count.

const UNITS = ["B", "KB", "MB", "GB", "TB"] as const;

/** `1.5 GB` */
export function bytesText(bytes: number): string {
  let [value, unit] = [bytes, 0];
  while (value >= 1024 && unit < UNITS.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${UNITS[unit]}`;
}

/** `2GB`, `500 MB`, `0`; null for anything else. */
export function readBytes(text: string): number | null {
  const found = /^\s*(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?\s*$/i.exec(text);
  if (!found) return null;
  const power = " KMGT".indexOf(found[2]!.toUpperCase() || " ");
  return Math.round(Number(found[1]) * 1024 ** power);
}

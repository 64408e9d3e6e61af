// Text that is a time: ISO 8601, UTC where it names no zone. The compiler holds constants to it, the runtime reads with it.
// Must not know what is asked of a time.

const ISO = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s?(Z|[+-]\d\d(?::?\d\d)?)?)?$/i;

/** Null for what isn't a time; digits beyond milliseconds are cut off. */
export function parseTime(text: string): Date | null {
  const found = ISO.exec(text);
  if (!found) return null;
  const [, year, month, day, hour = "0", minute = "0", second = "0", fraction = "", zone = "Z"] = found;
  const ms = Number(fraction.slice(0, 3).padEnd(3, "0"));
  const parts = [Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second)] as const;
  const time = new Date(0);
  time.setUTCFullYear(Number(year), parts[0], parts[1]);
  time.setUTCHours(parts[2], parts[3], parts[4], ms);
  // 30 February and 25 o'clock would roll over.
  const told = [time.getUTCMonth(), time.getUTCDate(), time.getUTCHours(), time.getUTCMinutes(), time.getUTCSeconds()];
  if (told.some((part, i) => part !== parts[i])) return null;
  if (zone.toUpperCase() === "Z") return time;
  const digits = zone.slice(1).replace(":", "");
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2) || "0");
  return new Date(time.getTime() - (zone.startsWith("-") ? -1 : 1) * minutes * 60_000);
}

// Times: instants in milliseconds, read from and told in ISO 8601, UTC where a text names no zone. Whatever a program asks of a time is
// answered in UTC, so that no answer depends on where it runs.

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

function timeOf(value: unknown, asked: string): Date {
  if (value instanceof Date && !Number.isNaN(value.getTime())) return value;
  throw new TypeError(`\`${asked}\` wants a time, not ${value instanceof Date ? "an invalid one" : String(value)}`);
}

const DAY_MS = 86_400_000;

function timestamp(value: unknown): Date {
  if (value instanceof Date) return value;
  const time = typeof value === "number" ? new Date(value) : parseTime(String(value));
  if (time && !Number.isNaN(time.getTime())) return time;
  throw new RangeError(`${JSON.stringify(value)} is no time: wanted is a date such as 2020-01-31, or a time such as 2020-01-31T12:30:00Z`);
}

/** By the name that programs use; the two with a dot are `+` and `-` of a time and a number of milliseconds. */
export const timeFunctions = {
  timestamp,
  /** Where the day of a time begins. */
  date: (value: unknown) => new Date(Math.floor(timestamp(value).getTime() / DAY_MS) * DAY_MS),
  year: (value: unknown) => timeOf(value, "year").getUTCFullYear(),
  month: (value: unknown) => timeOf(value, "month").getUTCMonth() + 1,
  day: (value: unknown) => timeOf(value, "day").getUTCDate(),
  hour: (value: unknown) => timeOf(value, "hour").getUTCHours(),
  minute: (value: unknown) => timeOf(value, "minute").getUTCMinutes(),
  second: (value: unknown) => timeOf(value, "second").getUTCSeconds(),
  /** Monday is 1, Sunday 7. */
  weekday: (value: unknown) => timeOf(value, "weekday").getUTCDay() || 7,
  "time.plus": (value: unknown, ms: number) => new Date(timeOf(value, "+").getTime() + ms),
  "time.minus": (value: unknown, ms: number) => new Date(timeOf(value, "-").getTime() - ms),
} as const;

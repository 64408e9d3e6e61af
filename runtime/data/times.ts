// What programs ask of times, which are instants in milliseconds. All of it is answered in UTC, so that no answer depends on where it
// runs. How a text is read, `lang/times.ts` says.

import { parseTime } from "../../lang/times.ts";

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

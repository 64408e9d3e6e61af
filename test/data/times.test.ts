// Times: ISO 8601 as everybody writes it, and nothing else.
import fc from "fast-check";
import { expect, it } from "vitest";
import { parseTime } from "../../lang/times.ts";
import { timeFunctions } from "../../runtime/data/times.ts";

it("what a time is told as, is read again", () => {
  const times = fc.date({ min: new Date("0000-01-01T00:00:00Z"), max: new Date("9999-12-31T23:59:59.999Z"), noInvalidDate: true });
  fc.assert(
    fc.property(times, (time) => {
      expect(parseTime(time.toISOString())).toEqual(time);
    }),
  );
});
it.each([
  ["2020-02-29", "2020-02-29T00:00:00.000Z"],
  ["2020-01-01 10:30", "2020-01-01T10:30:00.000Z"],
  ["2020-01-01T10:30:15.1239Z", "2020-01-01T10:30:15.123Z"],
  ["2020-01-01T00:30:00+02:00", "2019-12-31T22:30:00.000Z"],
  ["2020-01-01T00:30:00-0130", "2020-01-01T02:00:00.000Z"],
])("%s is %s", (text, iso) => expect(parseTime(text)?.toISOString()).toBe(iso));
it.each(["2020-02-30", "2021-02-29", "2020-13-01", "2020-01-01T25:00", "20200101", "1 January 2020", "", "2020-1-1"])(
  "%j is none",
  (text) => expect(parseTime(text)).toBeNull(),
);
it("is asked in UTC", () => {
  const at = timeFunctions.timestamp("2024-12-29T23:59:58+00:00");
  const { year, month, day, hour, minute, second, weekday, date } = timeFunctions;
  expect([year(at), month(at), day(at), hour(at), minute(at), second(at), weekday(at)]).toEqual([2024, 12, 29, 23, 59, 58, 7]);
  expect(date(at).toISOString()).toBe("2024-12-29T00:00:00.000Z");
  expect(() => timeFunctions.timestamp("soon")).toThrow(/"soon" is no time/);
});

/** The enum `Period`: how far back `previous` and `growth` look. */
import { registerEnumType } from "type-graphql";
import { type Period, periods } from "../model/period.ts";

export const PeriodEnum: Readonly<Record<Period, Period>> = Object.freeze(
  Object.fromEntries(periods.map((period) => [period, period])) as Record<Period, Period>,
);

const shifts = {
  PREVIOUS: "The adjacent range of equal length, which ends where this one begins.",
  DAY: "One day earlier: 24 hours, UTC.",
  WEEK: "One week earlier: 7 days, the same weekday.",
  MONTH: "One calendar month earlier, UTC: the same day of the month and time of day.",
  QUARTER: "Three calendar months earlier, UTC: the same day of the month and time of day.",
  YEAR: "One calendar year earlier, UTC: the same date and time of day.",
  YEAR_WEEKDAY: "364 days earlier: 52 weeks, the same weekday.",
} as const satisfies Record<Period, string>;

registerEnumType(PeriodEnum, {
  name: "Period",
  description:
    "How far a range is shifted back. Whole months, quarters and years become whole ones; a day that the earlier month does not have (a 31st, February 29) is its last one.",
  valuesConfig: Object.fromEntries(periods.map((period) => [period, { description: shifts[period] }])),
});

/** The enum `Grain`: how wide the buckets of a series are. */
import { registerEnumType } from "type-graphql";
import { type Grain, grains } from "../model/time.ts";

export const GrainEnum: Readonly<Record<Grain, Grain>> = Object.freeze(
  Object.fromEntries(grains.map((grain) => [grain, grain])) as Record<Grain, Grain>,
);

const widths = {
  HOUR: "Clock hours, UTC.",
  DAY: "Calendar days, UTC.",
  WEEK: "ISO weeks: Monday 00:00 to Monday 00:00, UTC.",
  MONTH: "Calendar months, UTC.",
  QUARTER: "Calendar quarters: from January, April, July and October, UTC.",
  YEAR: "Calendar years, UTC.",
} as const satisfies Record<Grain, string>;

registerEnumType(GrainEnum, {
  name: "Grain",
  description: "The width of a bucket. Buckets are half-open, [from, to), and begin on UTC edges.",
  valuesConfig: Object.fromEntries(grains.map((grain) => [grain, { description: widths[grain] }])),
});

/** The products of `declarations.ts` once more, in plain SQL: what each answer has to be. Imports nothing of `src`. */
import { carriers, kinds, levels, prices, sites, type Table, tags, values, zones } from "./rows.ts";
import type { FilterColumns } from "./where.ts";

export type StoredGrain = "HOUR" | "DAY" | "MONTH";

/** A value, or the bounds of an approximate one. */
export type MeasureSql = { readonly sql: string } | { readonly low: string; readonly high: string };
export type MeasureSpec = MeasureSql & {
  readonly stored: boolean;
  readonly float: boolean;
  /** There is a growth of it: stored, and no extreme. */
  readonly grows: boolean;
};

export interface RollupSpec {
  readonly dimensions: readonly string[];
  readonly finest: StoredGrain;
  readonly live: boolean;
  /** Leaderboards name all keys there are. */
  readonly listed: boolean;
}

export interface Spec {
  readonly name: string;
  readonly field: string;
  readonly table: Table;
  readonly streamed: boolean;
  readonly dimensions: readonly string[];
  readonly measures: Readonly<Record<string, MeasureSpec>>;
  readonly columns: FilterColumns;
  readonly rollups: readonly RollupSpec[];
  /** Of all rollups. */
  readonly finest: StoredGrain;
}

const int = (sql: string): MeasureSpec => ({ sql, stored: true, float: false, grows: true });
const float = (sql: string): MeasureSpec => ({ sql, stored: true, float: true, grows: true });
const extreme = (measure: MeasureSpec): MeasureSpec => ({ ...measure, grows: false });
const adHoc = (measure: MeasureSpec): MeasureSpec => ({ ...measure, stored: false, grows: false });
const about = (low: string, high: string): MeasureSpec => ({
  low,
  high,
  stored: false,
  float: true,
  grows: false,
});

const when = (condition: string): string => `count(*) FILTER (WHERE ${condition})`;
const sum = (column: string): string => `coalesce(sum(${column}), 0)`;
const over = (a: string, b: string): string => `(${a})::DOUBLE / nullif(${b}, 0)`;
const percentile = (column: string, p: number): string => `quantile_disc(${column}, ${p})`;

/** The values a few ranks around a percentile: five in a hundred and one more, either way. */
function near(column: string, p: number): readonly [low: string, high: string] {
  const sorted = `list_sort(list(${column}))`;
  const n = `count(${column})`;
  return [
    `${sorted}[greatest(1, ceil(${p - 0.05} * ${n})::BIGINT - 1)]`,
    `${sorted}[least(${n}, ceil(${p + 0.05} * ${n})::BIGINT + 1)]`,
  ];
}

const stored = (
  dimensions: readonly string[],
  finest: StoredGrain,
  { live = true, listed = false }: Partial<Pick<RollupSpec, "live" | "listed">> = {},
): RollupSpec => ({ dimensions, finest, live, listed });

const tameOnes = when("tame AND weight >= 2");

export const sightingActivity: Spec = {
  name: "SightingActivity",
  field: "sightingActivity",
  table: "sightings",
  streamed: true,
  dimensions: ["site", "kind", "tame", "level", "family", "tagged", "value"],
  measures: {
    sightings: int("count(*)"),
    total: float(sum("value")),
    heavy: float(sum("weight")),
    levels: int(sum("level")),
    mean: float("avg(value)"),
    lightest: extreme(float("min(weight)")),
    most: extreme(float("max(value)")),
    highest: extreme(int("max(level)")),
    tameOnes: int(tameOnes),
    strangers: int(when("family IS NULL")),
    tameShare: float(over(tameOnes, "count(*)")),
    perTame: float(over(sum("value"), tameOnes)),
    medianLevel: adHoc(float(percentile("level", 0.5))),
    p90: adHoc(float(percentile("weight", 0.9))),
    kinds: adHoc(int("count(DISTINCT kind)")),
    tags: adHoc(int("count(DISTINCT tagged)")),
    deviation: adHoc(float("stddev_samp(weight)")),
    adHocRatio: adHoc(float(over(percentile("weight", 0.9), "count(DISTINCT kind)"))),
    // four standard errors of the embedded warehouse, 13 %; Trino's is 2.3 %
    aboutWeights: about("floor(count(DISTINCT weight) * 0.48e0)", "ceil(count(DISTINCT weight) * 1.52e0)"),
    aboutP75: about(...near("weight", 0.75)),
  },
  columns: {
    at: ["datetime", ["2024-01-01T00:00:00Z", "2021-01-04T12:00:00Z", "2016-02-29T23:59:59.999Z"]],
    site: ["string", sites],
    kind: ["string", [...kinds, "nobody"]],
    tame: ["boolean", [true, false]],
    level: ["int", levels],
    value: ["float", values],
    weight: ["float", [0.1, 2, 5.5]],
    tagged: ["datetime", tags],
    family: ["string", ["birds", "dogs", "none"]],
  },
  rollups: [
    stored([], "HOUR"),
    stored(["site"], "HOUR", { listed: true }),
    stored(["site", "kind"], "DAY"),
    stored(["kind"], "DAY"),
    stored(["tame"], "HOUR"),
    stored(["tame", "level"], "MONTH"),
    stored(["level"], "DAY", { live: false, listed: true }),
    stored(["family"], "DAY", { listed: true }),
    stored(["tagged"], "DAY"),
  ],
  finest: "HOUR",
};

export const sightingByMonth: Spec = {
  ...sightingActivity,
  name: "SightingByMonth",
  field: "sightingByMonth",
  dimensions: ["kind", "tame"],
  measures: {
    seen: int("count(*)"),
    least: extreme(float("min(value)")),
    places: adHoc(int("count(DISTINCT site)")),
  },
  rollups: [stored(["kind"], "MONTH", { listed: true }), stored(["tame"], "DAY", { live: false })],
  finest: "DAY",
};

export const parcelActivity: Spec = {
  name: "ParcelActivity",
  field: "parcelActivity",
  table: "parcels",
  streamed: false,
  dimensions: ["carrier", "zone", "express"],
  measures: {
    parcels: int("count(*)"),
    revenue: float(sum("price")),
    meanPrice: float("avg(price)"),
    nearest: extreme(int("min(zone)")),
    zones: adHoc(int("count(DISTINCT zone)")),
    p25: adHoc(float(percentile("price", 0.25))),
  },
  columns: {
    at: ["datetime", ["2024-01-01T00:00:00Z", "2020-12-31T23:59:59.999Z"]],
    carrier: ["string", carriers],
    zone: ["int", zones],
    express: ["boolean", [true, false]],
    price: ["float", prices],
  },
  rollups: [
    stored([], "DAY", { live: false }),
    stored(["carrier"], "HOUR", { live: false }),
    stored(["zone", "carrier"], "DAY", { live: false }),
    stored(["express"], "MONTH", { live: false, listed: true }),
  ],
  finest: "HOUR",
};

export const specs: readonly Spec[] = [sightingActivity, sightingByMonth, parcelActivity];

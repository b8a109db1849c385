/** What random questions are asked of: one source with a stream under two products, one without under one. */
import { GraphQLDateTime } from "graphql-scalars";
import { Float, Int } from "type-graphql";
import { columns } from "../../src/model/columns.ts";
import { ratio } from "../../src/model/expression.ts";
import { lookup } from "../../src/model/lookup.ts";
import { AdHoc, DataProduct, Dimension, Measure, rollup } from "../../src/model/product.ts";
import { Column, Source } from "../../src/model/source.ts";

/** Records say when they arrived, so that months pass within a test. */
@Source({
  table: "wild.sightings",
  time: "at",
  partition: { column: "seen_day" },
  stream: { name: "property-sightings", lateness: "PT2H", replay: true },
  lookups: [lookup({ table: "wild.kinds", on: { kind: "id" }, take: { family: "family" } })],
  description: "Sightings of animals.",
})
export class Sighting {
  @Column(() => GraphQLDateTime, { name: "seen at" }) at!: Date;
  @Column(() => String, { name: "group", nullable: true }) site!: string | null;
  @Column(() => String, { name: "select" }) kind!: string;
  @Column(() => Boolean, { name: "is tame?", nullable: true }) tame!: boolean | null;
  @Column(() => Int, { name: "Level #", nullable: true }) level!: number | null;
  @Column(() => Float, { name: 'value "$"', nullable: true }) value!: number | null;
  @Column(() => Float) weight!: number;
  @Column(() => GraphQLDateTime, { name: "tagged_at", nullable: true }) tagged!: Date | null;
  @Column(() => String, { nullable: true }) family!: string | null;
}

const sighting = columns(Sighting);
const described = { description: "Of the test." };

@DataProduct({
  source: Sighting,
  owner: "test",
  freshness: "PT1H",
  description: "Sightings, every way.",
  rollups: [
    rollup([], { grains: ["HOUR", "DAY", "MONTH"] }),
    rollup(["site"], { grains: ["HOUR", "DAY", "MONTH"], top: 50 }),
    rollup(["site", "kind"], { grains: ["DAY", "MONTH"], top: { n: 2, within: ["site"] } }),
    rollup(["kind"], { grains: ["DAY"], top: 3 }),
    rollup(["tame"], { grains: ["HOUR", "DAY"] }),
    rollup(["tame", "level"], { grains: ["MONTH"] }),
    rollup(["level"], { grains: ["DAY"], top: 40, live: false }),
    rollup(["family"], { grains: ["DAY", "MONTH"], top: 9 }),
    rollup(["tagged"], { grains: ["DAY"] }),
  ],
})
export class SightingActivity {
  @Dimension() site!: string | null;
  @Dimension() kind!: string;
  @Dimension() tame!: boolean | null;
  @Dimension() level!: number | null;
  @Dimension() family!: string | null;
  @Dimension() tagged!: Date | null;
  @Dimension() value!: number | null;
  @Measure(sighting.count(), described) sightings!: number;
  @Measure(sighting.sum("value"), described) total!: number;
  @Measure(sighting.sum("weight"), described) heavy!: number;
  @Measure(sighting.sum("level"), described) levels!: number;
  @Measure(sighting.avg("value"), described) mean!: number;
  @Measure(sighting.min("weight"), described) lightest!: number;
  @Measure(sighting.max("value"), described) most!: number;
  @Measure(sighting.max("level"), described) highest!: number;
  @Measure(sighting.countIf({ tame: { eq: true }, weight: { gte: 2 } }), described) tameOnes!: number;
  @Measure(sighting.countIf({ family: { isNull: true } }), described) strangers!: number;
  @Measure(ratio("tameOnes", "sightings"), described) tameShare!: number;
  @Measure(ratio("total", "tameOnes"), described) perTame!: number;
  @Measure(sighting.percentile("level", 0.5), described) medianLevel!: number;
  @AdHoc(sighting.percentile("weight", 0.9), described) p90!: number;
  @AdHoc(sighting.distinct("kind"), described) kinds!: number;
  @AdHoc(sighting.distinct("tagged"), described) tags!: number;
  @AdHoc(sighting.sql("stddev_samp({weight})"), described) deviation!: number;
  @AdHoc(ratio("p90", "kinds"), described) adHocRatio!: number;
  @AdHoc(sighting.approxDistinct("weight"), described) aboutWeights!: number;
  @AdHoc(sighting.approxPercentile("weight", 0.75), described) aboutP75!: number;
}

/** The same source without a total, and with edges that are far apart. */
@DataProduct({
  source: Sighting,
  owner: "test",
  freshness: "P1D",
  description: "Sightings by month.",
  rollups: [
    rollup(["kind"], { grains: ["MONTH"], top: 20 }),
    rollup(["tame"], { grains: ["DAY", "MONTH"], live: false }),
  ],
})
export class SightingByMonth {
  @Dimension() kind!: string;
  @Dimension() tame!: boolean | null;
  @Measure(sighting.count(), described) seen!: number;
  @Measure(sighting.min("value"), described) least!: number;
  @AdHoc(sighting.distinct("site"), described) places!: number;
}

/** No stream: covered by whole days of the lake. */
@Source({
  table: "wild.parcels",
  time: "at",
  partition: { column: "month", grain: "MONTH" },
  description: "Parcels.",
})
export class PropertyParcel {
  @Column(() => GraphQLDateTime) at!: Date;
  @Column(() => String, { name: "Carrier Name" }) carrier!: string;
  @Column(() => Int, { name: "bucket", nullable: true }) zone!: number | null;
  @Column(() => Boolean) express!: boolean;
  @Column(() => Float, { name: "sluice", nullable: true }) price!: number | null;
}

const parcel = columns(PropertyParcel);

@DataProduct({
  source: PropertyParcel,
  owner: "test",
  freshness: "P1D",
  description: "Parcels.",
  rollups: [
    rollup([], { grains: ["DAY", "MONTH"] }),
    rollup(["carrier"], { grains: ["HOUR", "MONTH"], top: 2 }),
    rollup(["zone", "carrier"], { grains: ["DAY"], top: { n: 50, within: ["carrier"] } }),
    rollup(["express"], { grains: ["MONTH"], top: 2 }),
  ],
})
export class ParcelActivity {
  @Dimension() carrier!: string;
  @Dimension() zone!: number | null;
  @Dimension() express!: boolean;
  @Measure(parcel.count(), described) parcels!: number;
  @Measure(parcel.sum("price"), described) revenue!: number;
  @Measure(parcel.avg("price"), described) meanPrice!: number;
  @Measure(parcel.min("zone"), described) nearest!: number;
  @AdHoc(parcel.distinct("zone"), described) zones!: number;
  @AdHoc(parcel.percentile("price", 0.25), described) p25!: number;
}

export const propertyProducts: readonly object[] = [SightingActivity, SightingByMonth, ParcelActivity];

/** Sources and products that the demo has nothing of: every type, odd names, every measure, all kinds of rollup. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GraphQLDateTime } from "graphql-scalars";
import { Float, Int } from "type-graphql";
import { columns } from "../../src/model/columns.ts";
import { ratio } from "../../src/model/expression.ts";
import { AdHoc, DataProduct, Dimension, Measure, rollup } from "../../src/model/product.ts";
import { sampleData } from "../../src/model/sample.ts";
import { Column, Source } from "../../src/model/source.ts";

/** Holds the sample of `Echo`, which is written before anything starts, and the data of the embedded cloud. */
export const folder = mkdtempSync(join(tmpdir(), "sluice-other-"));
export const echoFile = join(folder, "echo's sample.parquet");

/** No stream; its columns are named after keywords, our own names, and what people write into spreadsheets. */
@Source({ table: "odd.select", time: "at", partition: { column: "p" }, description: "Odd names." })
export class Thing {
  @Column(() => GraphQLDateTime, { name: "day" }) at!: Date;
  @Column(() => Boolean, { name: "order", nullable: true }) express!: boolean | null;
  @Column(() => Int, { name: "order id", nullable: true }) level!: number | null;
  @Column(() => String, { name: "group", nullable: true }) label!: string | null;
  @Column(() => String, { name: 'with "quotes" and `more`' }) c0!: string;
  @Column(() => Float, { name: "Cost Total $", nullable: true }) cost!: number | null;
  @Column(() => Int) n!: number;
  @Column(() => Float, { name: "c1", nullable: true }) bucket!: number | null;
  @Column(() => GraphQLDateTime, { name: "at_hour", nullable: true }) seen!: Date | null;
  @Column(() => Int, { name: "sluice_question" }) rolled!: number;
  @Column(() => Float, { name: "sluice" }) weight!: number;
  @Column(() => Boolean, { name: "Mixed Case" }) mixed!: boolean;
  @Column(() => Int, { name: "k0" }) part!: number;
  @Column(() => String, { name: "bucket" }) text!: string;
}

const thing = columns(Thing);
const described = { description: "Of the test." };

@DataProduct({
  source: Thing,
  owner: "test",
  freshness: "P1D",
  description: "Things, every way.",
  rollups: [
    rollup([], { grains: ["HOUR", "DAY", "MONTH"] }),
    rollup(["express"], { grains: ["HOUR"] }),
    rollup(["level"], { grains: ["DAY", "MONTH"] }),
    rollup(["label"], { grains: ["HOUR", "MONTH"] }),
    rollup(["c0"], { grains: ["DAY"] }),
    rollup(["bucket"], { grains: ["MONTH"] }),
    rollup(["seen"], { grains: ["DAY"] }),
    rollup(["express", "label", "level"], { grains: ["DAY", "MONTH"] }),
  ],
})
export class ThingActivity {
  @Dimension() express!: boolean | null;
  @Dimension() level!: number | null;
  @Dimension() label!: string | null;
  @Dimension() c0!: string;
  @Dimension() bucket!: number | null;
  @Dimension() seen!: Date | null;
  @Dimension() mixed!: boolean;
  @Measure(thing.count(), described) rollup!: number;
  @Measure(thing.sum("n"), described) n!: number;
  @Measure(thing.sum("cost"), described) c1!: number;
  @Measure(thing.avg("cost"), described) k0!: number;
  @Measure(thing.min("cost"), described) costMin!: number;
  @Measure(thing.max("cost"), described) costMax!: number;
  @Measure(thing.min("level"), described) levelMin!: number;
  @Measure(thing.max("rolled"), described) sluice_question!: number;
  @Measure(thing.sum("weight"), described) v0!: number;
  @Measure(thing.countIf({ express: { eq: true }, cost: { gte: 0 } }), described) day!: number;
  @Measure(thing.countIf({ label: { in: ["a", "it's", ""] } }), described) ifIn!: number;
  @Measure(thing.countIf({ label: { notIn: ["a", 'say "hi"'] } }), described) ifNotIn!: number;
  @Measure(thing.countIf({ label: { ne: "a" }, cost: { lt: 1.5 } }), described) ifNe!: number;
  @Measure(thing.countIf({ c0: { startsWith: "#%_" } }), described) ifStarts!: number;
  @Measure(thing.countIf({ seen: { isNull: true } }), described) ifNull!: number;
  @Measure(
    thing.countIf({ seen: { gte: new Date("2024-01-01T00:00:00.500Z") }, bucket: { isNull: false } }),
    described,
  )
  ifSeen!: number;
  @Measure(ratio("day", "rollup"), described) part!: number;
  @Measure(ratio("c1", "day"), described) at_hour!: number;
  @Measure(thing.percentile("n", 0.5), described) median!: number;
  @AdHoc(thing.percentile("cost", 0.9), described) p90!: number;
  @AdHoc(thing.percentile("cost", 1), described) p100!: number;
  @AdHoc(thing.distinct("label"), described) labels!: number;
  @AdHoc(thing.distinct("seen"), described) seens!: number;
  @AdHoc(thing.distinct("express"), described) booleans!: number;
  @AdHoc(thing.distinct("cost"), described) costs!: number;
  @AdHoc(ratio("p90", "labels"), described) adHocRatio!: number;
  @AdHoc(thing.sql("stddev_samp({cost})"), described) deviation!: number;
  @AdHoc(thing.sql("count_if({mixed} AND {level} > 0)", { type: "int" }), described) counted!: number;
  @AdHoc(thing.approxDistinct("n"), described) about!: number;
  @AdHoc(thing.approxPercentile("n", 0.9), described) aboutP90!: number;
}

/** The same source without a total, by month only. */
@DataProduct({
  source: Thing,
  owner: "test",
  freshness: "P1D",
  description: "Things by month.",
  rollups: [rollup(["label"], { grains: ["MONTH"] })],
})
export class ThingMonth {
  @Dimension() label!: string | null;
  @Measure(thing.count(), described) things!: number;
  @Measure(thing.max("cost"), described) most!: number;
  @AdHoc(thing.distinct("c0"), described) names!: number;
}

/** A stream that is no replay: its events are of the last hours. */
@Source({
  table: "odd.pulse",
  time: "at",
  partition: { column: "year", grain: "YEAR" },
  stream: { name: "other-pulse", lateness: "PT3H" },
  description: "Pulses, as they come.",
})
export class Pulse {
  @Column(() => GraphQLDateTime, { name: "at time" }) at!: Date;
  @Column(() => String, { name: "kind #", nullable: true }) kind!: string | null;
  @Column(() => Boolean) on!: boolean;
  @Column(() => Float, { name: "Value $", nullable: true }) value!: number | null;
  @Column(() => Int) size!: number;
}

const pulse = columns(Pulse);

@DataProduct({
  source: Pulse,
  owner: "test",
  freshness: "PT1H",
  description: "Pulses.",
  rollups: [
    rollup([], { grains: ["HOUR", "DAY", "MONTH"] }),
    rollup(["kind"], { grains: ["HOUR", "DAY"] }),
    rollup(["on", "kind"], { grains: ["HOUR"], live: false }),
  ],
})
export class PulseActivity {
  @Dimension() kind!: string | null;
  @Dimension() on!: boolean;
  @Measure(pulse.count(), described) pulses!: number;
  @Measure(pulse.sum("value"), described) total!: number;
  @Measure(pulse.avg("value"), described) mean!: number;
  @Measure(pulse.min("value"), described) least!: number;
  @Measure(pulse.max("size"), described) largest!: number;
  @Measure(pulse.countIf({ on: { eq: true }, value: { lt: 0 } }), described) negative!: number;
  @AdHoc(pulse.distinct("kind"), described) kinds!: number;
}

/** A replay into monthly partitions. */
@Source({
  table: "odd.echo",
  time: "at",
  partition: { column: "month", grain: "MONTH" },
  stream: { name: "other-echo", replay: true },
  description: "Echoes.",
})
export class Echo {
  @Column(() => GraphQLDateTime, { name: "When" }) at!: Date;
  @Column(() => String, { nullable: true }) kind!: string | null;
  @Column(() => Int, { nullable: true }) code!: number | null;
  @Column(() => Boolean, { nullable: true }) loud!: boolean | null;
  @Column(() => Float, { nullable: true }) power!: number | null;
  @Column(() => GraphQLDateTime, { nullable: true }) heard!: Date | null;
}

const echo = columns(Echo);

@DataProduct({
  source: Echo,
  owner: "test",
  freshness: "P1D",
  description: "Echoes.",
  rollups: [
    rollup([], { grains: ["HOUR", "MONTH"] }),
    rollup(["kind"], { grains: ["DAY", "MONTH"] }),
    rollup(["loud", "code", "kind"], { grains: ["DAY"] }),
    rollup(["heard"], { grains: ["DAY"] }),
    rollup(["code"], { grains: ["MONTH"], live: false }),
    rollup(["power"], { grains: ["DAY"] }),
  ],
})
export class EchoActivity {
  @Dimension() kind!: string | null;
  @Dimension() loud!: boolean | null;
  @Dimension() code!: number | null;
  @Dimension() heard!: Date | null;
  @Dimension() power!: number | null;
  @Measure(echo.count(), described) echoes!: number;
  @Measure(echo.sum("power"), described) powerSum!: number;
  @Measure(echo.avg("code"), described) codeMean!: number;
  @Measure(echo.min("power"), described) powerMin!: number;
  @Measure(echo.max("power"), described) powerMax!: number;
  @Measure(echo.countIf({ heard: { lt: new Date("2024-03-01T00:00:00.001Z") } }), described) early!: number;
  @AdHoc(echo.percentile("power", 0.5), described) median!: number;
  @AdHoc(echo.distinct("kind"), described) kinds!: number;
}

/** Nothing live, by day and month only. */
@DataProduct({
  source: Echo,
  owner: "test",
  freshness: "P1D",
  description: "Echoes that wait for the refresh.",
  rollups: [
    rollup(["kind"], { grains: ["DAY", "MONTH"], live: false }),
    rollup(["loud"], { grains: ["MONTH"], live: false }),
  ],
})
export class QuietEcho {
  @Dimension() kind!: string | null;
  @Dimension() loud!: boolean | null;
  @Measure(echo.count(), described) echoes!: number;
  @Measure(echo.sum("code"), described) codes!: number;
}

sampleData({ source: Echo, file: echoFile, replayFrom: "2024-02-28T00:00:00Z" });

export const otherProducts: readonly object[] = [
  ThingActivity,
  ThingMonth,
  PulseActivity,
  EchoActivity,
  QuietEcho,
];

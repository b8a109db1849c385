/**
 * What the property tests of the model run on: a source with every column type, nullable and not, under column names
 * that need quoting; a product over it; random events that look for trouble; and the same events in plain DuckDB.
 */
import {
  type DuckDBAppender,
  type DuckDBConnection,
  DuckDBInstance,
  DuckDBTimestampValue,
} from "@duckdb/node-api";
import fc from "fast-check";
import { GraphQLDateTime } from "graphql-scalars";
import { Float, Int } from "type-graphql";
import { columns } from "../../src/model/columns.ts";
import { ratio } from "../../src/model/expression.ts";
import { AdHoc, DataProduct, Dimension, Measure, rollup } from "../../src/model/product.ts";
import { Column, Source } from "../../src/model/source.ts";

@Source({
  table: "plant.readings",
  time: "at",
  description: "Readings of a machine.",
  partition: { column: "month", grain: "MONTH" },
})
export class Reading {
  @Column(() => GraphQLDateTime) at!: Date;
  @Column(() => Int, { name: "Cost Total $" }) cost!: number;
  @Column(() => Int, { name: 'a"b', nullable: true }) points!: number | null;
  @Column(() => Float) weight!: number;
  @Column(() => Float, { name: "Level (dB), peak", nullable: true }) level!: number | null;
  @Column(() => String) site!: string;
  @Column(() => String, { name: "select", nullable: true }) operator!: string | null;
  @Column(() => Boolean) damaged!: boolean;
  @Column(() => Boolean, { name: "is?insured", nullable: true }) insured!: boolean | null;
  @Column(() => GraphQLDateTime, { name: "Due 'Date'", nullable: true }) due!: Date | null;
}

const reading = columns(Reading);
/** A fixed date in conditions of the declaration. */
export const dueDate = new Date("2000-02-29T12:30:00.001Z");

@DataProduct({
  source: Reading,
  owner: "plant",
  freshness: "PT1H",
  description: "How machines are doing.",
  rollups: [
    rollup([], { grains: ["HOUR", "DAY", "MONTH"] }),
    rollup(["site"], { grains: ["DAY", "MONTH"] }),
    rollup(["operator", "insured"], { grains: ["HOUR", "MONTH"] }),
    rollup(["damaged", "points"], { grains: ["MONTH"] }),
    rollup(["level"], { grains: ["DAY"] }),
    rollup(["due", "site"], { grains: ["DAY"] }),
  ],
})
export class ReadingActivity {
  @Dimension() site!: string;
  @Dimension() operator!: string;
  @Dimension() insured!: boolean;
  @Dimension() damaged!: boolean;
  @Dimension() points!: number;
  @Dimension() level!: number;
  @Dimension() due!: Date;

  @Measure(reading.count(), { description: "Readings." }) readings!: number;
  @Measure(reading.countIf({ points: { gte: 5 }, site: { in: ["O'Hare", "Ω"] } }), { description: "High." })
  highReadings!: number;
  @Measure(reading.countIf({ operator: { ne: "" }, insured: { eq: true }, due: { lt: dueDate } }), {
    description: "Insured and due.",
  })
  insuredDue!: number;
  @Measure(reading.countIf({ level: { isNull: true } }), { description: "Silent." }) silent!: number;
  @Measure(reading.sum("cost"), { description: "Cost." }) cost!: number;
  @Measure(reading.sum("points"), { description: "Points." }) pointsTotal!: number;
  @Measure(reading.sum("weight"), { description: "Weight." }) weightTotal!: number;
  @Measure(reading.min("points"), { description: "Least points." }) minPoints!: number;
  @Measure(reading.max("cost"), { description: "Highest cost." }) maxCost!: number;
  @Measure(reading.min("level"), { description: "Least level." }) minLevel!: number;
  @Measure(reading.max("level"), { description: "Highest level." }) maxLevel!: number;
  @Measure(reading.avg("points"), { description: "Mean points." }) meanPoints!: number;
  @Measure(reading.avg("weight"), { description: "Mean weight." }) meanWeight!: number;
  @Measure(ratio("cost", "readings"), { description: "Mean cost." }) meanCost!: number;
  @Measure(ratio("highReadings", "silent"), { description: "High per silent." }) highPerSilent!: number;
  @Measure(ratio("meanCost", "minPoints"), { description: "A ratio of a ratio." }) costPerPoint!: number;
  @AdHoc(reading.distinct("operator"), { description: "Operators." }) operators!: number;
  @AdHoc(reading.distinct("level"), { description: "Levels." }) levels!: number;
  @AdHoc(reading.distinct("due"), { description: "Due dates." }) dueDates!: number;
  @AdHoc(reading.distinct("insured"), { description: "Insurance states." }) insuranceStates!: number;
  @AdHoc(reading.percentile("points", 0.9), { description: "p90." }) p90Points!: number;
  @AdHoc(reading.percentile("level", 0.5), { description: "Median." }) medianLevel!: number;
  @AdHoc(reading.percentile("cost", 0.07), { description: "p7." }) p7Cost!: number;
  @AdHoc(reading.percentile("weight", 1), { description: "p100." }) p100Weight!: number;
  @AdHoc(reading.percentile("points", 1e-7), { description: "First." }) firstPoints!: number;
  @AdHoc(ratio("operators", "readings"), { description: "Operators per reading." }) operatorShare!: number;
}

/** One event by property; instants in epoch milliseconds. A type, not an interface: it must pass for an `Event`. */
// oxlint-disable-next-line typescript/consistent-type-definitions
export type ReadingEvent = {
  readonly at: number;
  readonly cost: number;
  readonly points: number | null;
  readonly weight: number;
  readonly level: number | null;
  readonly site: string;
  readonly operator: string | null;
  readonly damaged: boolean;
  readonly insured: boolean | null;
  readonly due: number | null;
};

export const maxEvents = 60;
/** So that a sum of `maxEvents` is still a safe integer. */
const largest = Math.floor(Number.MAX_SAFE_INTEGER / maxEvents);

/** Bucket edges: of the hour, the day, months with and without a leap day, the year, the epoch. */
const edges = [
  "1899-12-31T23:00:00Z",
  "1900-03-01T00:00:00Z",
  "1970-01-01T00:00:00Z",
  "1999-12-31T13:00:00Z",
  "2000-01-01T00:00:00Z",
  "2000-02-29T00:00:00Z",
  "2000-03-01T00:00:00Z",
  "2000-03-01T01:00:00Z",
  "2001-01-01T00:00:00Z",
  "2001-03-01T00:00:00Z",
  "2100-03-01T00:00:00Z",
].map((text) => Date.parse(text));

/** Exactly on an edge, the last millisecond before, the first after, or anywhere near the leap day of 2000. */
export const instants = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.constantFrom(...edges), fc.constantFrom(-1, 0, 0, 1))
      .map(([edge, by]) => edge + by),
  },
  fc.integer({ min: Date.parse("2000-02-28T00:00:00Z"), max: Date.parse("2000-03-02T00:00:00Z") }),
);

/** Strings that a careless compiler breaks: quotes, wildcards, backslashes, beyond the BMP, text that looks like null. */
export const texts = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      "",
      "O'Hare",
      "''",
      "Ω",
      "%",
      "_",
      "100%",
      "\\",
      "a\\'b",
      "😀",
      "😀b",
      "｡",
      "null",
      "?",
      "--",
      '"',
      " ",
      "\n",
    ),
  },
  fc.string({ unit: "grapheme", maxLength: 4 }).filter((text) => !text.includes("\0")),
);

/** Ties are frequent, zeros of both signs and both ends occur. */
export const ints = fc.oneof(
  fc.integer({ min: -9, max: 9 }),
  fc.constantFrom(0, -0, largest, -largest, 5),
  fc.integer({ min: -largest, max: largest }),
);
/** Small enough for a sum in any order to be the same to 1e-9. */
const summable = fc.oneof(
  fc.integer({ min: -8_000, max: 8_000 }).map((n) => n / 8),
  fc.double({ min: -1_000, max: 1_000, noNaN: true }),
  fc.constantFrom(0, -0, 0.1, 0.2, 0.3),
);
export const floats = fc.oneof(
  summable,
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(1e21, 1e-7, 5e-324),
);
const nullable = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: null, freq: 4 });

export const events: fc.Arbitrary<ReadingEvent> = fc.record({
  at: instants,
  cost: ints,
  points: nullable(ints),
  weight: summable,
  level: nullable(floats),
  site: texts,
  operator: nullable(texts),
  damaged: fc.boolean(),
  insured: nullable(fc.boolean()),
  due: nullable(fc.oneof(fc.constant(dueDate.getTime()), instants)),
});

/** Plain DuckDB with the settings under which it reads Trino's dialect. */
export async function openDuckDb(): Promise<DuckDBConnection> {
  const connection = await (await DuckDBInstance.create(":memory:", { threads: "1" })).connect();
  await connection.run("SET TimeZone = 'UTC'");
  await connection.run("SET integer_division = true");
  await connection.run("CREATE MACRO element_at(xs, i) AS list_extract(xs, i)");
  await connection.run(`CREATE TABLE readings ("at" TIMESTAMP NOT NULL, "Cost Total $" BIGINT, "a""b" BIGINT,
    weight DOUBLE, "Level (dB), peak" DOUBLE, site VARCHAR, "select" VARCHAR, damaged BOOLEAN,
    "is?insured" BOOLEAN, "Due 'Date'" TIMESTAMP)`);
  return connection;
}

/** Replaces the table's rows. Past 2,048 rows the appender would flush in parts, which does no harm. */
export async function load(connection: DuckDBConnection, rows: readonly ReadingEvent[]): Promise<void> {
  await connection.run("DELETE FROM readings");
  const appender = await connection.createAppender("readings");
  for (const row of rows) {
    appender.appendTimestamp(timestamp(row.at));
    appender.appendBigInt(BigInt(row.cost));
    append(appender, row.points, (value) => appender.appendBigInt(BigInt(value)));
    appender.appendDouble(row.weight);
    append(appender, row.level, (value) => appender.appendDouble(value));
    appender.appendVarchar(row.site);
    append(appender, row.operator, (value) => appender.appendVarchar(value));
    appender.appendBoolean(row.damaged);
    append(appender, row.insured, (value) => appender.appendBoolean(value));
    append(appender, row.due, (value) => appender.appendTimestamp(timestamp(value)));
    appender.endRow();
  }
  appender.closeSync();
}

function append<T>(appender: DuckDBAppender, value: T | null, write: (value: T) => void): void {
  if (value === null) appender.appendNull();
  else write(value);
}

function timestamp(at: number): DuckDBTimestampValue {
  return new DuckDBTimestampValue(BigInt(at) * 1_000n);
}

/** The rows of a statement; integers of any width as numbers. */
export async function select(
  connection: DuckDBConnection,
  sql: string,
): Promise<(number | string | boolean | null)[][]> {
  const reader = await connection.runAndReadAll(sql);
  return reader
    .getRowsJS()
    .map((row) =>
      row.map((cell) =>
        typeof cell === "bigint" ? Number(cell) : (cell as number | string | boolean | null),
      ),
    );
}

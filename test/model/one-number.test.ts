/**
 * The foundation of "one definition, one number": random events, once through the SQL of each measure in DuckDB, once
 * through the fold, cut into parts, packed and merged; every measure must come out the same. And both must agree with
 * SQL written by hand.
 */
import type { DuckDBConnection } from "@duckdb/node-api";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import type { Aggregate } from "../../src/model/expression.ts";
import type { State } from "../../src/model/fold.ts";
import { packBuckets, unpackBuckets } from "../../src/model/layout.ts";
import { floorTo, type Instant, nextBucket, type Range, type StoredGrain } from "../../src/model/time.ts";
import { aggregateSql } from "../../src/sql/aggregates.ts";
import {
  type Answer,
  answersInSql,
  answersOf,
  differences,
  foldInParts,
  packSegments,
  product,
  readSegments,
} from "./answers.ts";
import { events, load, maxEvents, openDuckDb, type ReadingEvent } from "./readings.ts";

const seed = 20_010_601;
const { components } = product;

let duckDb: DuckDBConnection;
beforeAll(async () => {
  duckDb = await openDuckDb();
});

const manyEvents = fc.array(events, { maxLength: maxEvents });
const rollupAndGrain = fc
  .constantFrom(...product.rollups)
  .chain((rollup) => fc.record({ rollup: fc.constant(rollup), grain: fc.constantFrom(...rollup.grains) }));

describe("the SQL of a measure and its fold agree", () => {
  test("per key and bucket, whatever parts the events were folded in", async () => {
    expect.hasAssertions();
    const parts = fc.infiniteStream(fc.nat(3));
    const property = fc.asyncProperty(
      manyEvents,
      rollupAndGrain,
      parts,
      async (rows, { rollup, grain }, cuts) => {
        await load(duckDb, rows);
        const expected = await answersInSql(duckDb, rollup.dimensions, grain);
        const actual = answersOf(foldInParts(rows, rollup, grain, cuts), expected);
        expect(differences(actual, expected)).toEqual([]);
      },
    );
    await fc.assert(property, { seed, numRuns: 300 });
  });

  test("over any range of stored buckets, through packed segments and their edges", async () => {
    expect.hasAssertions();
    const property = fc.asyncProperty(
      manyEvents,
      rollupAndGrain,
      fc.nat(),
      fc.nat(),
      async (rows, { rollup, grain }, a, b) => {
        await load(duckDb, rows);
        const range = rangeAmong(rows, grain, a, b);
        const expected = await answersInSql(duckDb, rollup.dimensions, null, range);
        const actual = answersOf(readSegments(packSegments(rows, rollup, grain), range, grain), expected);
        expect(differences(actual, expected)).toEqual([]);
      },
    );
    await fc.assert(property, { seed, numRuns: 300 });
  });

  test("a state survives packing as it is, in every bucket", () => {
    const value = (merge: string) =>
      merge === "add" ? fc.maxSafeInteger() : fc.option(fc.double({ noNaN: true, noDefaultInfinity: true }));
    const state = fc.tuple(...components.map((component) => value(component.merge)));
    const buckets = fc
      .array(fc.tuple(fc.nat(30), state), { maxLength: 31 })
      .map((pairs) => new Map<number, State>(pairs));
    fc.assert(
      fc.property(buckets, (original) => {
        const read = unpackBuckets(packBuckets(original, components.length));
        expect([...read.keys()]).toEqual([...original.keys()].sort((a, b) => a - b));
        // JSON writes -0 as 0, which SQL holds to be the same number
        for (const [index, values] of original)
          expect(read.get(index)).toEqual(values.map((each) => (each === 0 ? 0 : each)));
      }),
      { seed, numRuns: 300 },
    );
  });
});

/** A range between bucket edges near two events: empty, one bucket or many. */
function rangeAmong(rows: readonly ReadingEvent[], grain: StoredGrain, a: number, b: number): Range {
  const at = (i: number): Instant => rows[i % rows.length]?.at ?? 0;
  const from = Math.min(at(a), at(b));
  const to = Math.max(at(a), at(b));
  return { from: floorTo(from, grain), to: b % 2 === 0 ? floorTo(to, grain) : nextBucket(to, grain) };
}

describe("the SQL of a measure means what it says", () => {
  /** Every measure of the product, by its name, as somebody would write it who knows SQL and not the product. */
  const byHand = `SELECT
    count(*) AS readings,
    count(*) FILTER (WHERE "a""b" >= 5 AND site IN ('O''Hare', 'Ω')) AS "highReadings",
    count(CASE WHEN "select" != '' AND "is?insured" AND "Due 'Date'" < '2000-02-29 12:30:00.001' THEN 1 END) AS "insuredDue",
    count(*) - count("Level (dB), peak") AS silent,
    coalesce(sum("Cost Total $"), 0) AS cost,
    coalesce(sum("a""b"), 0) AS "pointsTotal",
    coalesce(sum(weight), 0) AS "weightTotal",
    min("a""b") AS "minPoints",
    max("Cost Total $") AS "maxCost",
    min("Level (dB), peak") AS "minLevel",
    max("Level (dB), peak") AS "maxLevel",
    avg("a""b") AS "meanPoints",
    avg(weight) AS "meanWeight",
    avg("Cost Total $") AS "meanCost",
    "highReadings"::DOUBLE / nullif(silent, 0) AS "highPerSilent",
    avg("Cost Total $") / nullif(min("a""b"), 0) AS "costPerPoint",
    count(DISTINCT "select") AS operators,
    count(DISTINCT "Level (dB), peak") AS levels,
    count(DISTINCT "Due 'Date'") AS "dueDates",
    count(DISTINCT "is?insured") AS "insuranceStates",
    quantile_disc("a""b", 0.9) AS "p90Points",
    quantile_disc("Level (dB), peak", 0.5) AS "medianLevel",
    quantile_disc("Cost Total $", 0.07) AS "p7Cost",
    max(weight) AS "p100Weight",
    min("a""b") AS "firstPoints",
    count(DISTINCT "select")::DOUBLE / nullif(count(*), 0) AS "operatorShare"
    FROM readings`;

  test("every measure equals SQL written by hand", async () => {
    const property = fc.asyncProperty(manyEvents, async (rows) => {
      await load(duckDb, rows);
      const [row] = (await duckDb.runAndReadAll(byHand)).getRowObjectsJS();
      const expected: Answer = Object.fromEntries(
        Object.entries(row!).map(([name, cell]) => [name, cell === null ? null : Number(cell)]),
      );
      const actual = await answersInSql(duckDb, [], null);
      expect(Object.keys(expected).sort()).toEqual(product.measures.map(({ name }) => name).sort());
      expect(differences(actual, new Map([["[]", expected]]))).toEqual([]);
    });
    await fc.assert(property, { seed, numRuns: 200 });
  });

  test("of nothing: counts and sums are 0, everything else is null", async () => {
    await load(duckDb, []);
    const answers = await answersInSql(duckDb, [], null);
    const zeros = Object.entries(answers.get("[]")!).filter(([, value]) => value === 0);
    expect(zeros.map(([name]) => name)).toEqual([
      "readings",
      "highReadings",
      "insuredDue",
      "silent",
      "cost",
      "pointsTotal",
      "weightTotal",
      "operators",
      "levels",
      "dueDates",
      "insuranceStates",
    ]);
    const others = Object.entries(answers.get("[]")!).filter(([, value]) => value !== 0);
    expect(others.map(([, value]) => value)).toEqual(others.map(() => null));
  });

  test("the percentile is the value at rank ceil(p·n), also where p·n is a whole number that binary fractions miss", async () => {
    // 0.07 · 100 is 7.000000000000001 in binary; rank 7 holds the value 7
    const rows = Array.from({ length: 100 }, (_, i) => ({
      ...fc.sample(events, { seed, numRuns: 1 })[0]!,
      cost: i + 1,
    }));
    await load(duckDb, rows);
    const answers = await answersInSql(duckDb, [], null);
    expect(answers.get("[]")!["p7Cost"]).toBe(7);
  });

  test.each<[Aggregate, string]>([
    [{ kind: "count" }, "count(*)"],
    [{ kind: "countOf", column: "points" }, `count("a""b")`],
    [{ kind: "sum", column: "cost" }, `coalesce(sum("Cost Total $"), 0)`],
    [{ kind: "max", column: "cost" }, `max("Cost Total $")`],
    [
      { kind: "countIf", where: [{ op: "eq", column: "site", value: "O'Hare" }] },
      `count(*) FILTER (WHERE "site" = 'O''Hare')`,
    ],
    [{ kind: "distinct", column: "operator" }, `count(DISTINCT "select")`],
    [
      { kind: "percentile", column: "cost", fraction: 0.9 },
      `element_at(array_sort(array_agg("Cost Total $") FILTER (WHERE "Cost Total $" IS NOT NULL)), CAST(ceil(0.9 * count("Cost Total $")) AS bigint))`,
    ],
    [{ kind: "approxDistinct", column: "site" }, `approx_distinct("site")`],
    [{ kind: "approxPercentile", column: "weight", fraction: 0.5 }, `approx_percentile("weight", 0.5)`],
    [{ kind: "sql", text: "corr({cost}, {points})", type: "float" }, `corr("Cost Total $", "a""b")`],
  ])("%j stands in Trino's dialect", (aggregate, sql) => {
    expect(aggregateSql(product.source, aggregate)).toBe(sql);
  });
});

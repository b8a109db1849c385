/**
 * Statements as the product builds them, of declared products and random questions. A new builder of statements gets a
 * line in `builders`.
 */
import { type Aggregate, aggregateId, aggregatesOf } from "../../src/model/expression.ts";
import { type Condition, type Filter, operatorsOf } from "../../src/model/filter.ts";
import type { Reading } from "../../src/model/fold.ts";
import type { Product } from "../../src/model/product.ts";
import type { Column, Source } from "../../src/model/source.ts";
import { grains } from "../../src/model/time.ts";
import type { ColumnType, Value } from "../../src/model/values.ts";
import {
  addPartitionsSql,
  addPartsSql,
  createDatabaseSql,
  createPartsTableSql,
  createTableSql,
  dropPartitionsSql,
  dropTablesSql,
  setLocationSql,
} from "../../src/sql/catalogue.ts";
import { createGoldTableSql } from "../../src/sql/gold-table.ts";
import { dimensionRowsSql, registerDimensionSql, registerRowsSql } from "../../src/sql/lookups.ts";
import { columnOf } from "../../src/sql/fragments.ts";
import type { AdHocGroups } from "../../src/sql/grouped-questions.ts";
import { type AdHocQuestion, adHocStatement, partitionValue } from "../../src/sql/statement.ts";
import { compactSql, countSql, unloadGoldSql } from "../../src/sql/unload.ts";

/** A random number in [0, 1). */
type Random = () => number;

export interface Built {
  readonly sql: string;
  readonly parameters: readonly string[];
}

type Builder = (product: Product, random: Random) => readonly Built[];

const target = "s3://lake/a/";

/** Everything that sends statements, by what it is for. */
export const builders: Readonly<Record<string, Builder>> = {
  "ad-hoc questions": (product, random) => [randomAdHoc(product, random)],
  "ad-hoc groups": (product, random) =>
    product.dimensions.length === 0 ? [] : [randomAdHoc(product, random, randomGroups)],
  "UNLOAD of gold": (product, random) => {
    const partitions = partitionsOf(product.source, random);
    return [plain(unloadGoldSql(product, { partitions, target }, instantOf(random)))];
  },
  "UNLOAD of a compaction": ({ source }, random) => [
    plain(compactSql(source, { partitions: partitionsOf(source, random), target })),
  ],
  "counts of the audit": ({ source }, random) => [
    plain(countSql(source, partitionsOf(source, random), instantOf(random))),
  ],
  "rows of dimension tables": ({ source }) =>
    source.lookups.map(({ table }) => plain(dimensionRowsSql(source, table))),
  "tables of lookups": ({ source }) =>
    source.lookups.flatMap(({ table }) =>
      [...registerRowsSql(source, table, target), ...registerDimensionSql(source, table, target)].map(plain),
    ),
  tables: (product) =>
    [
      createDatabaseSql(product.source),
      createTableSql(product.source, target),
      createPartsTableSql(product.source, target),
      createGoldTableSql(product, target),
      ...dropTablesSql(product.source),
    ].map(plain),
  partitions: ({ source }, random) => {
    const values = partitionsOf(source, random);
    const located = values.map((value) => ({ value, location: target, part: "lake" as const }));
    return [
      ...addPartitionsSql(source, located),
      ...addPartsSql(source, located),
      ...dropPartitionsSql(source, values),
      ...located.map((each) => setLocationSql(source, each)),
    ].map(plain);
  },
};

function plain(sql: string): Built {
  return { sql, parameters: [] };
}

function randomAdHoc(
  product: Product,
  random: Random,
  groupsOf: (product: Product, aggregates: readonly Aggregate[], random: Random) => AdHocGroups | null = () =>
    null,
): Built {
  const { source } = product;
  const aggregates = listOf(random, 4, () => randomAggregate(product, random));
  const questions = listOf(random, 3, (): AdHocQuestion => {
    const from = instantOf(random);
    const groups = random() < 0.7 ? groupsOf(product, aggregates, random) : null;
    return {
      where: randomFilter(source, random),
      range: { from, to: from + 1 + Math.floor(random() * 1e11) },
      by: groups === null ? some(random, [null, null, ...grains]) : null,
      ...(groups && { groups }),
    };
  });
  return adHocStatement(source, questions, aggregates);
}

function randomGroups(product: Product, aggregates: readonly Aggregate[], random: Random): AdHocGroups {
  const properties = product.dimensions.map(({ property }) => property);
  const dimensions = [...new Set(listOf(random, 3, () => some(random, properties)))];
  const types = dimensions.map((each) => columnOf(product.source, each).type);
  if (random() < 0.4)
    return {
      kind: "listed",
      dimensions,
      keys: listOf(random, 3, () => types.map((type) => some<Value>(random, [null, ...values[type]]))),
    };
  const by: Reading =
    random() < 0.5
      ? oneOf(aggregates, random)
      : { divide: [oneOf(aggregates, random), oneOf(aggregates, random)] };
  return {
    kind: "ranked",
    dimensions,
    order: random() < 0.3 ? null : { by, direction: some(random, ["ASC", "DESC"] as const) },
    from: 0,
    to: 10,
    ...(random() < 0.3 && ["string", "boolean"].includes(types[0]!) && { containing: "it's ?" }),
  };
}

const oneOf = (aggregates: readonly Aggregate[], random: Random): Reading => ({
  aggregate: aggregateId(some(random, aggregates)),
});

/** A measure's own, or any over any column. */
function randomAggregate(product: Product, random: Random): Aggregate {
  const declared = product.measures.flatMap(({ expression }) => aggregatesOf(expression));
  if (random() < 0.6) return some(random, declared);
  const { property, type } = some(random, product.source.columns);
  const numeric = ["int", "float"].includes(type);
  const kind = some(random, numeric ? [...anyType, ...numbersOnly] : anyType);
  if (kind === "percentile" || kind === "approxPercentile")
    return { kind, column: property, fraction: some(random, [0.5, 0.9, 0.999, 1e-7, 1]) };
  return { kind, column: property };
}

const anyType = ["countOf", "distinct", "approxDistinct"] as const;
const numbersOnly = ["sum", "min", "max", "percentile", "approxPercentile"] as const;

function randomFilter(source: Source, random: Random): Filter {
  if (random() < 0.3) return [];
  return listOf(random, 3, () => randomCondition(some(random, source.columns), random));
}

function randomCondition(column: Column, random: Random): Condition {
  const op = some(random, operatorsOf[column.type]);
  const value = (): Exclude<Value, null> => some<Exclude<Value, null>>(random, values[column.type]);
  switch (op) {
    case "in":
    case "notIn":
      return { op, column: column.property, values: random() < 0.2 ? [] : listOf(random, 4, value) };
    case "isNull":
      return { op, column: column.property, value: random() < 0.5 };
    case "startsWith":
      return { op, column: column.property, value: String(value()) };
    default:
      return { op, column: column.property, value: value() };
  }
}

const values = {
  string: ["a", "", "it's", "'", "''", "\\", "--", "/*", "?", "$1", ";", '"', "日本🙂", "\n", "' OR 1=1 --"],
  int: [0, -1, 2 ** 53 - 1, -(2 ** 53 - 1), 42],
  float: [0, -0, 1.5, -1e-7, 1e300, 5e-324, 3],
  boolean: [true, false],
  datetime: [0, -1, Date.UTC(2024, 1, 29, 23, 59, 59, 999), Date.parse("0001-01-01T00:00:00Z")],
} as const satisfies Record<ColumnType, readonly Value[]>;

function partitionsOf(source: Source, random: Random): string[] {
  return [...new Set(listOf(random, 5, () => partitionValue(source, instantOf(random))))];
}

/** Between 1960 and 2040. */
function instantOf(random: Random): number {
  return Date.UTC(1960, 0) + Math.floor(random() * 80 * 365.25 * 86_400_000);
}

function some<T>(random: Random, from: readonly T[]): T {
  return from[Math.floor(random() * from.length)]!;
}

/** One to `most` items. */
function listOf<T>(random: Random, most: number, item: () => T): T[] {
  return Array.from({ length: 1 + Math.floor(random() * most) }, item);
}

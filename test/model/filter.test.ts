/** A filter means the same as SQL, with literals inline or as parameters, and as a JavaScript predicate. */
import type { DuckDBConnection } from "@duckdb/node-api";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import {
  type Condition,
  conditions,
  type Filter,
  matcher,
  type Operator,
  operatorsOf,
} from "../../src/model/filter.ts";
import { type Column, sourceFor } from "../../src/model/source.ts";
import type { ColumnType, Value } from "../../src/model/values.ts";
import { filterSql, inline, parameterised } from "../../src/sql/fragments.ts";
import { events, floats, instants, ints, load, openDuckDb, Reading, select, texts } from "./readings.ts";

const source = sourceFor(Reading);
type Scalar = Exclude<Value, null>;

let duckDb: DuckDBConnection;
beforeAll(async () => {
  duckDb = await openDuckDb();
});

const scalars: Record<ColumnType, fc.Arbitrary<Scalar>> = {
  int: ints,
  float: floats,
  string: texts,
  boolean: fc.boolean(),
  datetime: instants,
};

const condition: fc.Arbitrary<Condition> = fc
  .constantFrom(...source.columns)
  .chain((column) => fc.constantFrom(...operatorsOf[column.type]).chain((op) => conditionWith(column, op)));

function conditionWith({ property: column, type }: Column, op: Operator): fc.Arbitrary<Condition> {
  switch (op) {
    case "in":
    case "notIn":
      return fc.array(scalars[type], { maxLength: 4 }).map((values) => ({ op, column, values }));
    case "isNull":
      return fc.boolean().map((value) => ({ op, column, value }));
    case "startsWith":
      // whole code points: half of a surrogate pair is no text
      return fc
        .tuple(texts, fc.nat(2))
        .map(([text, n]) => ({ op, column, value: Array.from(text).slice(0, n).join("") }));
    default:
      return scalars[type].map((value) => ({ op, column, value }));
  }
}

const filters = fc.array(condition, { maxLength: 3 });

/** Which rows a condition in SQL admits; unknown admits no row. */
async function admitted(sql: readonly string[]): Promise<boolean[][]> {
  const columns = sql.map((text) => `coalesce(${text}, FALSE)`);
  return (await select(duckDb, `SELECT ${columns.join(", ")} FROM readings`)) as boolean[][];
}

/** Puts each parameter in the place of its `?`; a `?` in a quoted name is no parameter. */
function substitute(sql: string, parameters: readonly string[]): string {
  let next = 0;
  const text = sql.replaceAll(/"(?:[^"]|"")*"|\?/g, (token) => (token === "?" ? parameters[next++]! : token));
  expect(next).toBe(parameters.length);
  return text;
}

function withParameters(filter: Filter): string {
  const parameters: string[] = [];
  const sql = filterSql(source, filter, parameterised(parameters));
  return substitute(sql, parameters);
}

describe("a filter in SQL and its predicate admit the same events", () => {
  test("for every operator on every type", async () => {
    const rows = fc.array(events, { minLength: 1, maxLength: 40 });
    const property = fc.asyncProperty(
      rows,
      fc.array(filters, { minLength: 1, maxLength: 8 }),
      async (sample, asked) => {
        await load(duckDb, sample);
        const expected = sample.map((event) => asked.map((filter) => matcher(filter)(event)));
        expect(await admitted(asked.map((filter) => filterSql(source, filter, inline)))).toEqual(expected);
        expect(await admitted(asked.map(withParameters))).toEqual(expected);
      },
    );
    await fc.assert(property, { seed: 2, numRuns: 400 });
  });

  test("for the very value of an event", async () => {
    await fc.assert(
      fc.asyncProperty(events, async (event) => {
        await load(duckDb, [event]);
        const asked = source.columns.map((column): Filter => {
          const value = event[column.property as keyof typeof event];
          return [
            value === null
              ? { op: "isNull", column: column.property, value: true }
              : { op: "eq", column: column.property, value },
          ];
        });
        const yes = asked.map(() => true);
        expect(asked.map((filter) => matcher(filter)(event))).toEqual(yes);
        expect(await admitted(asked.map((filter) => filterSql(source, filter, inline)))).toEqual([yes]);
        expect(await admitted(asked.map(withParameters))).toEqual([yes]);
      }),
      { seed: 3, numRuns: 300 },
    );
  });
});

describe("the SQL of a filter", () => {
  const sqlOf = (spec: Parameters<typeof conditions>[0]) => filterSql(source, conditions(spec), inline);

  test("quotes what needs quoting", () => {
    expect(sqlOf({ operator: { eq: "O'Hare" }, cost: { gte: 3 } })).toBe(
      `"select" = 'O''Hare' AND "Cost Total $" >= 3`,
    );
    expect(sqlOf({ points: { in: [1, -0] } })).toBe(`"a""b" IN (1, 0)`);
  });

  test("writes each type as its own literal", () => {
    expect(sqlOf({ weight: { lt: 15 } })).toBe(`"weight" < 1.5e+1`);
    expect(sqlOf({ damaged: { eq: false } })).toBe(`"damaged" = FALSE`);
    expect(sqlOf({ due: { gte: new Date("2000-02-29T12:30:00.001Z") } })).toBe(
      `"Due 'Date'" >= TIMESTAMP '2000-02-29 12:30:00.001'`,
    );
  });

  test("of no conditions and of empty lists is decided without the column's values", () => {
    expect(sqlOf({})).toBe("TRUE");
    expect(sqlOf({ site: { in: [] } })).toBe("FALSE");
    expect(sqlOf({ operator: { notIn: [] } })).toBe(`"select" IS NOT NULL`);
  });

  test("leaves a parameter for each value, in order", () => {
    const parameters: string[] = [];
    const where = conditions({ site: { ne: "?" }, due: { lt: new Date(0) }, insured: { eq: true } });
    expect(filterSql(source, where, parameterised(parameters))).toBe(
      `"site" <> ? AND "Due 'Date'" < ? AND "is?insured" = ?`,
    );
    expect(parameters).toEqual(["'?'", "TIMESTAMP '1970-01-01 00:00:00.000'", "TRUE"]);
  });

  test("refuses a parameter that is too long for Athena", () => {
    const where = conditions({ site: { eq: "x".repeat(1_023) } });
    expect(() => filterSql(source, where, parameterised([]))).toThrow(
      "A value is at most 1024 characters as an SQL literal, quotes included (Athena). Got 1025. Use a shorter value or startsWith.",
    );
  });

  test("refuses to compare with null", () => {
    expect(() => conditions({ site: { in: ["a", null] } })).toThrow(
      'A filter compares with values, not with null. Got site: { in: ["a",null] }. Use site: { isNull: true }.',
    );
  });
});

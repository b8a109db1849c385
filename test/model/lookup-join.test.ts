/**
 * A lookup is one thing twice: the join in SQL and the map of the micro-batches give random events the same columns,
 * over random versions of a table, and both agree with a join written by hand over those versions as they came.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import fc from "fast-check";
import { GraphQLDateTime } from "graphql-scalars";
import { Float, Int } from "type-graphql";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encodeParquet } from "../../etl/live/parquet.ts";
import { lookup, lookupTables } from "../../src/model/lookup.ts";
import {
  continued,
  enricher,
  indexRows,
  type LookupRow,
  overlapOf,
  packRows,
  unpackRows,
  validity,
} from "../../src/model/lookup-rows.ts";
import { Column, Source, sourceFor } from "../../src/model/source.ts";
import { firstInstant } from "../../src/model/time.ts";
import type { Event, Value } from "../../src/model/values.ts";
import { fromSql, rowColumns } from "../../src/sql/lookups.ts";

/** Two keys and a validity, and a table that is looked up by one key twice. */
@Source({
  table: "depot.moves",
  time: "at",
  description: "Moves.",
  lookups: [
    lookup({
      table: "depot.rates",
      on: { zone: "zone", size: "Size $" },
      take: { rate: "rate", since: "valid from" },
      valid: { from: "valid from", to: "valid to" },
    }),
    lookup({ table: "depot.zones", on: { zone: "zone" }, take: { zoneName: "name" } }),
    lookup({ table: "depot.zones", on: { target: "zone" }, take: { targetName: "name" } }),
  ],
})
class Move {
  @Column(() => Int) n!: number;
  @Column(() => GraphQLDateTime, { name: "sluice_first0" }) at!: Date;
  @Column(() => String, { nullable: true }) zone!: string | null;
  @Column(() => Int, { nullable: true }) size!: number | null;
  @Column(() => String, { name: "sluice_key0_0", nullable: true }) target!: string | null;
  @Column(() => Float, { nullable: true }) rate!: number | null;
  @Column(() => GraphQLDateTime, { nullable: true }) since!: Date | null;
  @Column(() => String, { nullable: true }) zoneName!: string | null;
  @Column(() => String, { nullable: true }) targetName!: string | null;
}

const source = sourceFor(Move);
const [rates, zones] = lookupTables(source.lookups) as [
  (typeof source.lookups)[number]["table"],
  (typeof source.lookups)[number]["table"],
];
const enriched = ["rate", "since", "zoneName", "targetName"];

const base = Date.parse("2024-02-28T23:59:59.999Z");
/** Few instants, so that events and edges meet. */
const instants = fc.nat(12).map((n) => base + n);
const zoneNames = ["A", "", "ä\"q'", "🚚", "null"];
const zone = fc.constantFrom(null, ...zoneNames);
const size = fc.constantFrom(null, -1, 0, 7);

const moves = fc.array(fc.record({ at: instants, zone, size, target: zone, n: fc.constant(0) }), {
  maxLength: 30,
});

interface RawRow {
  readonly key: readonly Value[];
  readonly from: number | null;
  readonly to: number | null;
  readonly taken: readonly Value[];
}

/** Rows of one key follow one another, with gaps or without, the outer ones open or not. */
const rateRows = fc
  .array(
    fc.record({
      zone: fc.constantFrom(...zoneNames),
      size: fc.constantFrom(-1, 0, 7),
      cuts: fc.uniqueArray(instants, { maxLength: 4 }),
      open: fc.tuple(fc.boolean(), fc.boolean()),
      gap: fc.boolean(),
      rate: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
    }),
    { maxLength: 12 },
  )
  .map((groups) => {
    const byKey = new Map(groups.map((group) => [JSON.stringify([group.zone, group.size]), group]));
    return [...byKey.values()].flatMap(({ zone: in_, size: of, cuts, open, gap, rate }): RawRow[] => {
      const sorted = cuts.toSorted((a, b) => a - b);
      const edges = [open[0] ? null : sorted.shift(), ...sorted, open[1] ? null : undefined].filter(
        (edge) => edge !== undefined,
      );
      return edges.slice(1).flatMap((to, i) =>
        gap && i % 2 === 1
          ? []
          : // the table's key columns in the order of their names: "Size $" before "zone"
            [{ key: [of, in_], from: edges[i]!, to, taken: [rate === null ? null : rate + i, edges[i]!] }],
      );
    });
  });

const zoneRows = fc
  .dictionary(fc.constantFrom(...zoneNames), fc.constantFrom("x", "y", null), { noNullPrototype: true })
  .map((names): RawRow[] =>
    Object.entries(names).map(([key, name]) => ({ key: [key], from: null, to: null, taken: [name] })),
  );

/** The first version counts from the beginning of time, later ones each from its instant on. */
const versionsOf = (rows: fc.Arbitrary<RawRow[]>) =>
  fc
    .tuple(
      fc.array(rows, { minLength: 1, maxLength: 3 }),
      fc.uniqueArray(instants, { minLength: 2, maxLength: 2 }),
    )
    .map(([tables, starts]) => {
      const from = [null, ...starts.toSorted((a, b) => a - b)];
      return tables.map((table, i) => ({ from: from[i]!, to: tables[i + 1] && from[i + 1]!, rows: table }));
    });

type Versions = readonly { from: number | null; to: number | null | undefined; rows: readonly RawRow[] }[];

const effective = (versions: Versions): LookupRow[] =>
  versions.reduce<LookupRow[]>((before, { from, rows }) => {
    const next = rows.map(({ key, from: begins, to, taken }) => ({ key, taken, ...validity(begins, to) }));
    return continued(
      before,
      next.filter(({ first, last }) => first <= last),
      from ?? firstInstant,
    );
  }, []);

let folder: string;
let files = 0;
let duck: DuckDBConnection;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-lookup-"));
  duck = await (await DuckDBInstance.create(":memory:")).connect();
  await duck.run(`CREATE SCHEMA depot;
    CREATE TABLE depot.moves (n BIGINT, "sluice_first0" TIMESTAMP, zone VARCHAR, size BIGINT, "sluice_key0_0" VARCHAR);
    CREATE TABLE rates (v_from TIMESTAMP, v_to TIMESTAMP, size BIGINT, zone VARCHAR, "from" TIMESTAMP, "to" TIMESTAMP, rate DOUBLE, since TIMESTAMP);
    CREATE TABLE zones (v_from TIMESTAMP, v_to TIMESTAMP, zone VARCHAR, "from" TIMESTAMP, "to" TIMESTAMP, name VARCHAR);`);
});
afterAll(() => {
  duck.closeSync();
  rmSync(folder, { recursive: true, force: true });
});

const text = (value: string): string => `'${value.replaceAll("'", "''")}'`;
const time = (at: number | null | undefined): string => (at == null ? "NULL" : `make_timestamp(${at}000)`);
const cell = (value: Value): string =>
  value === null ? "NULL" : typeof value === "string" ? text(value) : String(value);

async function fill(table: string, rows: readonly string[]): Promise<void> {
  await duck.run(`DELETE FROM ${table}`);
  if (rows.length > 0)
    await duck.run(`INSERT INTO ${table} VALUES ${rows.map((row) => `(${row})`).join(", ")}`);
}

async function load(events: readonly Event[], ofRates: Versions, ofZones: Versions): Promise<void> {
  const raw = (versions: Versions, taken: (row: RawRow) => string) =>
    versions.flatMap(({ from, to, rows }) =>
      rows.map((row) =>
        [time(from), time(to), ...row.key.map(cell), time(row.from), time(row.to), taken(row)].join(", "),
      ),
    );
  await fill(
    "depot.moves",
    events.map(({ n, at, zone: of, size: s, target }) =>
      [n, time(Number(at)), cell(of!), cell(s!), cell(target!)].join(", "),
    ),
  );
  await fill(
    "rates",
    raw(ofRates, ({ taken: [rate, since] }) => `${cell(rate!)}, ${time(since as number | null)}`),
  );
  await fill(
    "zones",
    raw(ofZones, ({ taken: [name] }) => cell(name!)),
  );
}

/** What the refresh registers: the rows as Parquet under the name of the table that statements join. */
async function register(table: typeof rates, rows: readonly LookupRow[]): Promise<void> {
  // DuckDB remembers files by their names
  const file = join(folder, `${++files}.parquet`);
  const cells = rows.map(({ key, first, last, taken }) => [...key, first, last, ...taken]);
  const columns = rowColumns(table).map((column) => ({ ...column, nullable: true }));
  writeFileSync(
    file,
    encodeParquet(columns, cells, (row, i) => row[i]!),
  );
  await duck.run(
    `CREATE OR REPLACE VIEW depot."moves__lookup_${table.id}" AS SELECT * FROM read_parquet('${file}')`,
  );
}

const byHand = `SELECT m.n, r.rate, epoch_ms(r.since), z.name, t.name
  FROM depot.moves m
  LEFT JOIN rates r ON r.zone = m.zone AND r.size = m.size
    AND (v_from IS NULL OR "sluice_first0" >= r.v_from) AND (v_to IS NULL OR "sluice_first0" < r.v_to)
    AND (r."from" IS NULL OR "sluice_first0" >= r."from") AND (r."to" IS NULL OR "sluice_first0" < r."to")
  LEFT JOIN zones z ON z.zone = m.zone
    AND (z.v_from IS NULL OR "sluice_first0" >= z.v_from) AND (z.v_to IS NULL OR "sluice_first0" < z.v_to)
  LEFT JOIN zones t ON t.zone = m."sluice_key0_0"
    AND (t.v_from IS NULL OR "sluice_first0" >= t.v_from) AND (t.v_to IS NULL OR "sluice_first0" < t.v_to)
  ORDER BY 1`;

async function rowsOf(sql: string): Promise<unknown[][]> {
  const result = await duck.runAndReadAll(sql);
  return result.getRows().map((row) => row.map((each) => (typeof each === "bigint" ? Number(each) : each)));
}

describe("a lookup gives the same as a join by hand", () => {
  test("in SQL and in the micro-batch, for random events and versions", async () => {
    expect.hasAssertions();
    const property = fc.asyncProperty(
      moves,
      versionsOf(rateRows),
      versionsOf(zoneRows),
      async (unnumbered, ofRates, ofZones) => {
        const events = unnumbered.map((event, n): Event => ({ ...event, n }));
        await load(events, ofRates, ofZones);
        const rows = new Map([
          [rates.id, effective(ofRates)],
          [zones.id, effective(ofZones)],
        ]);
        for (const table of [rates, zones]) await register(table, rows.get(table.id)!);
        const expected = await rowsOf(byHand);
        const selected = `"n", "rate", epoch_ms("since"), "zoneName", "targetName"`;
        expect(await rowsOf(`SELECT ${selected} FROM ${fromSql(source, enriched)} ORDER BY 1`)).toEqual(
          expected,
        );
        const enrich = enricher(source, (table) =>
          indexRows(unpackRows(table, packRows(rows.get(table.id)!))),
        );
        const given = events.map((event) => ({ ...event }));
        for (const event of given) enrich(event);
        const mapped = given.map((event) => ["n", ...enriched].map((name) => event[name]));
        // JSON writes -0 as 0, which SQL holds to be the same number
        expect(mapped).toEqual(expected.map((row) => row.map((each) => (each === 0 ? 0 : each))));
      },
    );
    await fc.assert(property, { seed: 20_010_601, numRuns: 200 });
  });

  test("only joins what is asked for", () => {
    expect(fromSql(source, ["zone", "n"])).toBe(`"depot"."moves"`);
    expect(fromSql(source, ["targetName"])).toBe(`"depot"."moves"
  LEFT JOIN (SELECT "k0" AS "sluice_key0_2", "valid_first" AS "sluice_first2", "valid_last" AS "sluice_last2", "v0" AS "targetName" FROM "depot"."moves__lookup_${zones.id}") AS "sluice_lookup2"
    ON "sluice_key0_0" = "sluice_key0_2" AND "sluice_first0" BETWEEN "sluice_first2" AND "sluice_last2"`);
  });
});

describe("rows of a table", () => {
  const row = (first: number, last: number, name: string, key = "A"): LookupRow => ({
    key: [key],
    first,
    last,
    taken: [name],
  });

  test("overlap where two count for one key at one instant", () => {
    expect(overlapOf([row(5, 9, "y"), row(0, 4, "x"), row(0, 9, "z", "B")])).toBeNull();
    expect(overlapOf([row(4, 9, "y"), row(0, 4, "x")])).toEqual([row(0, 4, "x"), row(4, 9, "y")]);
  });

  test("stay as they were before a version begins, and what goes on unchanged is one row", () => {
    const before = [row(0, 99, "x"), row(0, 99, "gone", "B")];
    const next = [row(0, 99, "x"), row(0, 99, "new", "C")];
    expect(continued(before, next, 50)).toEqual([
      row(0, 99, "x"),
      row(0, 49, "gone", "B"),
      row(50, 99, "new", "C"),
    ]);
  });

  test("are the same content in whatever order they were read", () => {
    const rows = [row(0, 9, "x", "b"), row(0, 4, "y", "a"), row(5, 9, "z", "a")];
    expect(packRows(continued([], rows.toReversed(), 0))).toBe(packRows(continued([], rows, 0)));
  });
});

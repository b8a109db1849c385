/** Assembling, against what is written by hand: gold files are made here, not by the refresh. */
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { spawnSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { GraphQLDateTime } from "graphql-scalars";
import { Float, Int } from "type-graphql";
import { afterAll, beforeAll, expect, test } from "vitest";
import { duckdbGoldReader } from "../../src/backends/gold.duckdb.ts";
import type { AssembledSegment, GoldReader } from "../../src/backends/gold.ts";
import type { Lake } from "../../src/backends/lake.ts";
import { columns } from "../../src/model/columns.ts";
import { goldKeyColumns } from "../../src/model/gold.ts";
import { packBuckets, unpackBuckets } from "../../src/model/layout.ts";
import { DataProduct, declaredProducts, Dimension, Measure, rollup } from "../../src/model/product.ts";
import { Column, Source } from "../../src/model/source.ts";
import type { StoredGrain } from "../../src/model/time.ts";

@Source({ table: "lab.samples", time: "at", description: "Samples." })
class Sample {
  @Column(() => GraphQLDateTime) at!: Date;
  @Column(() => Float) depth!: number;
  @Column(() => Boolean) valid!: boolean;
  @Column(() => GraphQLDateTime, { nullable: true }) taken!: Date | null;
  @Column(() => Int, { nullable: true }) grams!: number | null;
  @Column(() => Float, { nullable: true }) heat!: number | null;
}
const sample = columns(Sample);

@DataProduct({
  source: Sample,
  owner: "lab",
  freshness: "P1D",
  description: "Samples.",
  rollups: [
    rollup([], { grains: ["HOUR", "DAY", "MONTH"] }),
    rollup(["depth", "valid", "taken"], { grains: ["DAY"] }),
  ],
})
class SampleActivity {
  @Dimension() depth!: number;
  @Dimension() valid!: boolean;
  @Dimension() taken!: Date | null;
  @Measure(sample.count(), { description: "Samples." }) samples!: number;
  @Measure(sample.sum("grams"), { description: "Grams." }) grams!: number;
  @Measure(sample.sum("heat"), { description: "Heat." }) heat!: number;
  @Measure(sample.min("heat"), { description: "Coldest." }) coldest!: number;
}
const product = declaredProducts().find(({ name }) => name === SampleActivity.name)!;
const [total, byKey] = product.rollups as [(typeof product.rollups)[0], (typeof product.rollups)[0]];

let folder: string;
/** The objects of the lake. */
const written = new Set<string>();
let instance: DuckDBInstance;
let duck: DuckDBConnection;
const reader = (onRead: (key: string) => void = () => {}, maxCopyBytes = 1e6, maxTableBytes = 1e6) =>
  duckdbGoldReader({
    lake: {
      read: async (key) => {
        onRead(key);
        return readFileSync(path.join(folder, key));
      },
      list: async function* (prefix) {
        for (const key of written)
          if (key.startsWith(prefix)) yield { key, size: statSync(path.join(folder, key)).size, etag: "" };
      },
    } satisfies Partial<Lake> as unknown as Lake,
    tempFolder: folder,
    maxCopyBytes,
    maxTableBytes,
  });

let shared: GoldReader;
let unread: GoldReader;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sluice-gold-"));
  instance = await DuckDBInstance.create(":memory:");
  duck = await instance.connect();
  shared = reader();
  unread = reader(undefined, undefined, 0);
});
afterAll(async () => {
  duck.closeSync();
  instance.closeSync();
  await rm(folder, { recursive: true });
});

/** Rows of (rollup, bucket, depth, valid, taken, events, sum_grams, sum_heat, min_heat). */
async function writeGold(name: string, rows: readonly string[]): Promise<string> {
  const file = `gold/${name}/part`;
  written.add(file);
  await mkdir(path.join(folder, `gold/${name}`), { recursive: true });
  await duck.run(`COPY (SELECT * FROM (VALUES ${rows.map((row) => `(${row})`).join(", ")})
    AS t(rollup, bucket, depth, valid, taken, events, sum_grams, sum_heat, min_heat)) TO '${path.join(folder, file)}' (FORMAT parquet)`);
  return `gold/${name}/`;
}

const none = "CAST(NULL AS DOUBLE), CAST(NULL AS BOOLEAN), CAST(NULL AS TIMESTAMP)";
const hour = (at: string, values: string) => `'total', TIMESTAMP '${at}', ${none}, ${values}`;

type Asked = [
  objects: readonly string[],
  by: (typeof product.rollups)[0],
  grain: StoredGrain,
  periods: readonly string[],
];

/** Read into a table and, as when they are too many for that, from the files: the same either way. */
async function assemble(...asked: Asked): Promise<AssembledSegment[]> {
  const assembled = await assembleBy(shared, ...asked);
  expect(await assembleBy(unread, ...asked)).toEqual(assembled);
  return assembled;
}

async function assembleBy(
  goldReader: GoldReader,
  ...[objects, by, grain, periods]: Asked
): Promise<AssembledSegment[]> {
  const gold = await goldReader.open(product, objects);
  try {
    const segments: AssembledSegment[] = [];
    for await (const some of gold.assemble(by, grain, periods))
      segments.push(...some.segments.map(({ key, period, packed }) => ({ key, period, packed })));
    return segments.sort((a, b) => (a.period < b.period ? -1 : 1));
  } finally {
    await gold.close();
  }
}

test("coarser grains are merged from the finest, periods are cut, and the text is what packBuckets writes", async () => {
  const objects = [
    await writeGold("a.parquet", [
      hour("2001-01-30 00:00:00", "1::BIGINT, 10::BIGINT, 0.1::DOUBLE, 0.1::DOUBLE"),
      hour("2001-01-30 23:00:00", "2, -3, 0.2, -0.5"),
      hour("2001-01-31 05:00:00", "4, 0, 0, NULL"),
    ]),
    await writeGold("b.parquet", [
      hour("2001-02-01 00:00:00", "8::BIGINT, 7::BIGINT, 1e300::DOUBLE, 5e-324::DOUBLE"),
    ]),
  ];
  expect(await assemble(objects, total, "HOUR", ["2001-01-30"])).toEqual([
    { key: [], period: "2001-01-30", packed: "[[0,23],[1,2],[10,-3],[0.1,0.2],[0.1,-0.5]]" },
  ]);
  expect(await assemble(objects, total, "DAY", ["2001-01", "2001-02"])).toEqual([
    { key: [], period: "2001-01", packed: `[[29,30],[3,4],[7,0],[${0.1 + 0.2},0],[-0.5,null]]` },
    { key: [], period: "2001-02", packed: "[[0],[8],[7],[1e+300],[5e-324]]" },
  ]);
  const [year] = await assemble(objects, total, "MONTH", ["2001"]);
  expect(year!.packed).toBe(packBuckets(unpackBuckets(year!.packed), product.components.length));
  expect(await assemble(objects, total, "HOUR", ["2001-01-29", "1999-01-01"])).toEqual([]);
});

test("doubles survive their text, and a whole one is written as JavaScript does", async () => {
  const heats = [1 / 3, 123456789.12345679, 2 ** 53, -(2 ** 60), -0.0, 1.7976931348623157e308];
  const rows = heats.map((heat, i) =>
    hour(
      `2001-03-01 0${i}:00:00`,
      `1::BIGINT, 0::BIGINT, CAST('${Object.is(heat, -0) ? "-0.0" : heat}' AS DOUBLE), NULL::DOUBLE`,
    ),
  );
  const [segment] = await assemble([await writeGold("c.parquet", rows)], total, "HOUR", ["2001-03-01"]);
  const [, , , heat] = JSON.parse(segment!.packed) as number[][];
  expect(heat).toEqual(heats.map((value) => value + 0));
  expect(segment!.packed).not.toContain("-0,");
});

test("keys come as values of the model: numbers, booleans, instants, nulls", async () => {
  const key = (depth: string, valid: string, taken: string) =>
    `'depth+valid+taken', TIMESTAMP '2001-01-01', CAST(${depth} AS DOUBLE), ${valid}, CAST(${taken} AS TIMESTAMP), 1::BIGINT, 0::BIGINT, 0::DOUBLE, NULL::DOUBLE`;
  const rows = [key("1.5", "TRUE", "'2001-05-06 07:08:09.123'"), key("-2", "FALSE", "NULL")];
  const segments = await assemble([await writeGold("d.parquet", rows)], byKey, "DAY", ["2001-01"]);
  expect(segments.map((segment) => segment.key)).toEqual(
    expect.arrayContaining([
      [1.5, true, Date.UTC(2001, 4, 6, 7, 8, 9, 123)],
      [-2, false, null],
    ]),
  );
});

test.each([
  ["an integer beyond 2^53", "1::BIGINT, 9007199254740992::BIGINT, 0::DOUBLE, 0::DOUBLE", "beyond 2^53"],
  ["NaN", "1::BIGINT, 0::BIGINT, 'nan'::DOUBLE, 0::DOUBLE", "not finite"],
  ["an infinity", "1::BIGINT, 0::BIGINT, 0::DOUBLE, '-inf'::DOUBLE", "not finite"],
])("%s fails loudly", async (name, values, message) => {
  const object = await writeGold(`${name.length}.parquet`, [hour("2001-01-01 00:00:00", values)]);
  await expect(assemble([object], total, "DAY", ["2001-01"])).rejects.toMatchObject({
    code: "REFRESH",
    message: expect.stringContaining(message) as string,
  });
});

test("totals tell per object and rollup what is in it, exactly, and when", async () => {
  const below = await writeGold("e", [
    hour("2001-01-01 03:00:00", "2::BIGINT, 9007199254740993::BIGINT, 0.5::DOUBLE, -2::DOUBLE"),
    hour("2001-01-01 22:00:00", "3, 9007199254740993, -2, NULL"),
    `'_source', NULL, ${none}, 5, 18014398509481986, -1.5, -2`,
  ]);
  const gold = await shared.open(product, [below]);
  const object = `${below}part`;
  const totals = await gold.totals();
  await gold.close();
  expect(totals).toHaveLength(2);
  expect(totals).toEqual(
    expect.arrayContaining([
      {
        object,
        rollup: "total",
        values: [5n, 18014398509481986n, -1.5, -2],
        magnitudes: [0, 0, 2.5, 0],
        first: Date.UTC(2001, 0, 1, 3),
        last: Date.UTC(2001, 0, 1, 22),
      },
      {
        object,
        rollup: "_source",
        values: [5n, 18014398509481986n, -1.5, -2],
        magnitudes: [0, 0, 1.5, 0],
        first: null,
        last: null,
      },
    ]),
  );
});

test.each([
  ["has no column", "* EXCLUDE sum_heat", `has no column "sum_heat"`],
  ["has a column of text", "* REPLACE ('much' AS sum_grams)", `has "sum_grams" as VARCHAR, not as int`],
])("gold that %s is refused by name", async (_, selected, problem) => {
  const below = await writeGold(`f${selected.length}`, [
    hour("2001-01-01 00:00:00", "1::BIGINT, 0::BIGINT, 0::DOUBLE, 0::DOUBLE"),
  ]);
  const file = path.join(folder, below, "part");
  await duck.run(`COPY (SELECT ${selected} FROM read_parquet('${file}')) TO '${file}' (FORMAT parquet)`);
  const gold = await shared.open(product, [below]);
  await expect(gold.totals()).rejects.toMatchObject({
    code: "REFRESH",
    message: expect.stringContaining(`"SampleActivity" ${problem}`) as string,
  });
  await gold.close();
});

test("nothing to open assembles nothing", async () => {
  expect(await assemble([], total, "DAY", ["2001-01"])).toEqual([]);
});

test("a copy is kept for whoever opens the object again, and all of them go when the reader is closed", async () => {
  const below = await writeGold("copied", [
    hour("2001-01-01 00:00:00", "7::BIGINT, 0::BIGINT, 0::DOUBLE, 0::DOUBLE"),
  ]);
  const folders = async () => (await readdir(folder)).filter((name) => name.startsWith("sluice-gold-"));
  const others = await folders();
  const reads: string[] = [];
  const copying = reader((key) => reads.push(key));
  for (let time = 0; time < 2; time++) {
    const gold = await copying.open(product, [below]);
    expect((await gold.totals())[0]).toMatchObject({ values: [7n, 0n, 0, 0] });
    await gold.close();
  }
  expect(reads).toEqual([`${below}part`]);
  expect(await folders()).toHaveLength(others.length + 1);
  await copying.close();
  expect(await folders()).toEqual(others);
});

test("copies that nobody uses go when there are too many, and one that cannot be read is asked for again", async () => {
  const folders = await Promise.all(
    ["one", "two"].map((name) =>
      writeGold(name, [hour("2001-01-01 00:00:00", "1::BIGINT, 0::BIGINT, 0::DOUBLE, 0::DOUBLE")]),
    ),
  );
  let failures = 1;
  const reads: string[] = [];
  const small = reader((key) => {
    if (failures-- > 0) throw new Error("no route");
    reads.push(key);
  }, 1);
  await expect(small.open(product, folders)).rejects.toThrow("no route");
  reads.length = 0;
  for (let time = 0; time < 2; time++) await (await small.open(product, folders)).close();
  // the one that was read before the other failed is gone too
  expect(reads.sort()).toEqual(folders.flatMap((below) => [`${below}part`, `${below}part`]).sort());
  await small.close();
});

test("what a killed process has left goes when the next one begins, what a running one uses stays", async () => {
  const tempFolder = await mkdtemp(path.join(folder, "temp-"));
  const running = await mkdtemp(path.join(tempFolder, `sluice-gold-${process.pid}-`));
  const killed = spawnSync("true").pid;
  await mkdir(path.join(tempFolder, `sluice-gold-${killed}-x`));
  const next = duckdbGoldReader({ lake: { list: async function* () {} } as unknown as Lake, tempFolder });
  await (await next.open(product, [])).close();
  const names = await readdir(tempFolder);
  expect(names).toHaveLength(2);
  expect(names).toContain(path.basename(running));
  await next.close();
  expect(await readdir(tempFolder)).toEqual([path.basename(running)]);
});

test("keys that no segment can have are not among the keys", async () => {
  const at = "TIMESTAMP '2001-01-01'";
  const row = (depth: string) =>
    `'depth+valid+taken', ${at}, ${depth}::DOUBLE, true, CAST(NULL AS TIMESTAMP), 1::BIGINT, 0::BIGINT, 0::DOUBLE, 0::DOUBLE`;
  const gold = await shared.open(product, [await writeGold("keys", [row("1.5"), row("'NaN'"), row("NULL")])]);
  const found: unknown[] = [];
  for await (const { key } of gold.keys(byKey.name, goldKeyColumns(product, byKey), ["2001-01"]))
    found.push(key);
  await gold.close();
  expect(found).toHaveLength(2);
  expect(found).toEqual(
    expect.arrayContaining([
      [1.5, true, null],
      [null, true, null],
    ]),
  );
});

test("a dimension that was declared after gold was written, and that no rollup carries, is not asked of it", async () => {
  const below = await writeGold("before", [
    hour("2001-01-01 00:00:00", "1::BIGINT, 5::BIGINT, 0::DOUBLE, 0::DOUBLE"),
  ]);
  const more = { ...product, dimensions: [...product.dimensions, product.source.columns[4]!] };
  const gold = await shared.open(more, [below]);
  const packed: string[] = [];
  for await (const { segments } of gold.assemble(total, "HOUR", ["2001-01-01"]))
    packed.push(...segments.map((each) => each.packed));
  await gold.close();
  expect(packed).toEqual(["[[0],[1],[5],[0],[0]]"]);
});

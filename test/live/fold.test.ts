/** Live items against plain DuckDB: whatever is folded, in whatever batches, is what SQL counts. */
import { DuckDBInstance, DuckDBTimestampValue, type DuckDBConnection } from "@duckdb/node-api";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { foldItem, groupByItem, liveTargets } from "../../etl/live/fold.ts";
import type { DecodedEvent } from "../../etl/live/wire.ts";
import type { LiveItem } from "../../src/backends/insight-store.ts";
import { unpackBuckets } from "../../src/model/layout.ts";
import type { Event, Value } from "../../src/model/values.ts";
import { allParcels, depotParcels, randomParcel, seeded } from "./parcels.ts";

const random = seeded(7);
const events = Array.from({ length: 3_000 }, () => randomParcel(random));
let duck: DuckDBConnection;

beforeAll(async () => {
  duck = await (await DuckDBInstance.create()).connect();
  await duck.run(
    "CREATE TABLE parcels (scanned TIMESTAMP, cost BIGINT, weight DOUBLE, depot VARCHAR, damaged BOOLEAN)",
  );
  const appender = await duck.createAppender("parcels");
  for (const event of events) {
    appender.appendTimestamp(new DuckDBTimestampValue(BigInt(Number(event["scanned"])) * 1_000n));
    for (const column of ["cost", "weight", "depot", "damaged"])
      appendTo(appender, column, event[column] ?? null);
    appender.endRow();
  }
  appender.closeSync();
});
afterAll(() => duck.closeSync());

function appendTo(
  appender: Awaited<ReturnType<DuckDBConnection["createAppender"]>>,
  column: string,
  value: Value,
): void {
  if (value === null) appender.appendNull();
  else if (column === "cost") appender.appendBigInt(BigInt(value));
  else if (column === "weight") appender.appendDouble(Number(value));
  else if (column === "depot") appender.appendVarchar(String(value));
  else appender.appendBoolean(value === true);
}

const decoded: DecodedEvent[] = events.map((event: Event, i) => ({
  // three events a record
  sequence: String(Math.floor(i / 3)).padStart(6, "0"),
  index: i % 3,
  arrival: 0,
  event,
}));

/** All items after the events went in, in batches of random numbers of records. */
function folded(product: typeof depotParcels): Map<string, LiveItem> {
  const items = new Map<string, LiveItem>();
  const cut = seeded(3);
  for (let i = 0, version = 1; i < decoded.length; version++) {
    const next = i + 3 * (1 + Math.floor(cut() * 200));
    for (const item of groupByItem(liveTargets([product]), decoded.slice(i, next))) {
      const id = `${item.target.rollup.name} ${item.key.pk.split("#").at(-1)} ${item.key.sk}`;
      items.set(id, foldItem(items.get(id) ?? null, item, "shard", version)!);
    }
    i = next;
  }
  return items;
}

/** `rollup period key bucket` -> components. */
function statesOf(items: ReadonlyMap<string, LiveItem>): Map<string, readonly (number | null)[]> {
  return new Map(
    [...items].flatMap(([id, { packed }]) =>
      [...unpackBuckets(packed)].map(([bucket, state]) => [`${id} ${bucket}`, state] as const),
    ),
  );
}

async function queried(sql: string): Promise<Map<string, readonly (number | null)[]>> {
  const rows = (await duck.runAndReadAll(sql)).getRows();
  return new Map(
    rows.map(([id, ...cells]) => [
      String(id),
      cells.map((cell) => (cell === null ? null : Number(cell as number | bigint))),
    ]),
  );
}

describe("live items", () => {
  it("of two rollups with null, empty and odd keys hold what SQL counts", async () => {
    expect(depotParcels.components.map(({ id }) => id)).toEqual([
      "count(*)",
      "sum(cost)",
      "min(cost)",
      "max(weight)",
      'countIf([{"op":"gte","column":"weight","value":10}])',
      "countOf(cost)",
    ]);
    const components = `count(*), coalesce(sum(cost), 0), min(cost), max(weight),
      count(*) FILTER (WHERE weight >= 10), count(cost)`;
    const text = (column: string) => `coalesce(to_json(${column})::VARCHAR, 'null')`;
    const hourly =
      await queried(`SELECT 'depot ' || strftime(scanned, '%Y-%m-%d') || ' [' || ${text("depot")} || '] ' || hour(scanned),
      ${components} FROM parcels GROUP BY 1`);
    const daily =
      await queried(`SELECT 'damaged+depot ' || strftime(scanned, '%Y-%m') || ' [' || ${text("damaged")} || ',' ||
      ${text("depot")} || '] ' || (day(scanned) - 1), ${components} FROM parcels GROUP BY 1`);
    expect(hourly.size).toBeGreaterThan(200);
    expect(statesOf(folded(depotParcels))).toEqual(new Map([...hourly, ...daily]));
  });

  it("of a total at month grain hold what SQL counts", async () => {
    const monthly = await queried(
      "SELECT 'total ' || strftime(scanned, '%Y') || ' [] ' || (month(scanned) - 1), count(*) FROM parcels GROUP BY 1",
    );
    expect(statesOf(folded(allParcels))).toEqual(monthly);
  });

  it("hold no rollup that is not live", () => {
    expect([...folded(depotParcels).keys()].some((id) => id.startsWith("damaged "))).toBe(false);
  });
});

describe("folding a batch again", () => {
  it("changes nothing when all of it is in the image, and adds the rest when a part is", () => {
    const [all] = groupByItem(liveTargets([allParcels]), decoded.slice(0, 9));
    const [begun] = groupByItem(liveTargets([allParcels]), decoded.slice(0, 6));
    const image = foldItem(null, begun!, "a", 1)!;
    expect(foldItem(image, begun!, "a", 2)).toBeNull();
    expect(foldItem(image, all!, "a", 2)?.packed).toBe(foldItem(null, all!, "a", 2)?.packed);
    expect(foldItem(image, begun!, "b", 2)?.watermarks).toEqual({ a: "000001", b: "000001" });
  });

  it("leaves the image that it began with as it was", () => {
    const [begun] = groupByItem(liveTargets([allParcels]), decoded.slice(0, 6));
    const [rest] = groupByItem(liveTargets([allParcels]), decoded.slice(6, 12));
    const image = foldItem(null, begun!, "a", 1)!;
    const once = foldItem(image, rest!, "a", 2);
    expect(foldItem(image, rest!, "a", 2)).toEqual(once);
    // as a store gives it, without what is kept beside the text
    expect(foldItem(structuredClone(image), rest!, "a", 2)).toEqual(once);
    expect(image).toEqual(foldItem(null, begun!, "a", 1));
  });
});

describe("grouping", () => {
  it("gives every key one item a batch, however many keys there were before", () => {
    const targets = liveTargets([depotParcels]);
    const crowd = Array.from({ length: 30_000 }, (_, i) => ({
      ...decoded[0]!,
      event: { ...events[0]!, depot: `depot ${i % 25_000}` },
    }));
    for (let batch = 0; batch < 3; batch++) {
      const items = groupByItem(targets, crowd);
      const keys = new Set(items.map(({ key }) => `${key.pk} ${key.sk}`));
      expect([items.length, keys.size]).toEqual([50_000, 50_000]);
    }
  });
});

/** The lake of a world, written by plain DuckDB out of the truth. */
import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Setting } from "./history.ts";
import { families } from "./rows.ts";
import { type Row, sqlOf } from "./truth.ts";

type Place = Pick<Setting, "truth" | "lake">;

/** The table that is looked up. */
export async function writeFamilies({ truth, lake }: Place): Promise<void> {
  const rows = Object.entries(families).map(([id, family]) => `(${sqlOf(id)}, ${sqlOf(family)})`);
  mkdirSync(join(lake, "wild/kinds"), { recursive: true });
  await truth.run(`COPY (SELECT * FROM (VALUES ${rows.join(", ")}) AS t(id, family))
    TO '${lake}/wild/kinds/kinds.parquet' (FORMAT parquet)`);
}

/** All sightings that the truth holds so far. */
export async function writeSightings({ truth, lake }: Place): Promise<void> {
  await truth.run(`COPY (SELECT "at" AS "seen at", site AS "group", kind AS "select", tame AS "is tame?", level AS "Level #",
      "value" AS "value ""$""", weight, tagged AS tagged_at, strftime("at", '%Y-%m-%d') AS "seen_day" FROM sightings)
    TO '${lake}/wild/sightings' (FORMAT parquet, PARTITION_BY ("seen_day"))`);
}

/** More parcels, as files beside those that are there. */
export async function addParcels({ truth, lake }: Place, rows: readonly Row[]): Promise<void> {
  if (rows.length === 0) return;
  await truth.add("parcels", rows);
  mkdirSync(join(lake, "wild/parcels"), { recursive: true });
  const values = rows.map((row) => `(${Object.values(row).map(sqlOf).join(", ")})`).join(",\n");
  await truth.run(`COPY (SELECT "at", carrier AS "Carrier Name", zone::BIGINT AS bucket, express, price::DOUBLE AS sluice,
      strftime("at", '%Y-%m') AS month FROM (VALUES ${values}) AS t("at", carrier, zone, express, price))
    TO '${lake}/wild/parcels' (FORMAT parquet, PARTITION_BY (month), OVERWRITE_OR_IGNORE, FILENAME_PATTERN '${randomUUID()}')`);
}

/** What the stores of the embedded cloud hold in the end, read past our own stores. */
import { type DynamoDBClient, paginateScan } from "@aws-sdk/client-dynamodb";
import { DuckDBInstance } from "@duckdb/node-api";
import { lakeFolder } from "../../bin/cloud.ts";
import { tables } from "../../cloud/resources.ts";
import { unpackBuckets } from "../../src/model/layout.ts";
import type { Tallies, Tally } from "./readings.ts";

const hourMs = 3_600_000;

/** The buckets of all live items, as the recount names them. */
export async function storedTallies(client: DynamoDBClient): Promise<Tallies> {
  const tallies = new Map<string, Tally>();
  for await (const { Items } of paginateScan({ client }, { TableName: tables.live, ConsistentRead: true }))
    for (const { pk, sk, c } of Items ?? []) {
      const [, , rollup, , day] = pk!.S!.split("#");
      for (const [hour, state] of unpackBuckets(c!.S!)) {
        const at = new Date(Date.parse(`${day}T00:00:00Z`) + hour * hourMs).toISOString();
        tallies.set(`${rollup} ${sk!.S!} ${at}`, state as unknown as Tally);
      }
    }
  return tallies;
}

/** Readings in the total so far. */
export async function appliedReadings(client: DynamoDBClient): Promise<number> {
  let applied = 0;
  const totals = { FilterExpression: "sk = :total", ExpressionAttributeValues: { ":total": { S: "[]" } } };
  for await (const { Items } of paginateScan({ client }, { TableName: tables.live, ...totals }))
    for (const { c } of Items ?? []) for (const [count] of unpackBuckets(c!.S!).values()) applied += count!;
  return applied;
}

/** Letters by reason. */
export async function deadLetters(client: DynamoDBClient): Promise<Readonly<Record<string, number>>> {
  const reasons: Record<string, number> = {};
  for await (const { Items } of paginateScan(
    { client },
    { TableName: tables.deadLetters, ConsistentRead: true },
  ))
    for (const { reason } of Items ?? []) reasons[reason!.S!] = (reasons[reason!.S!] ?? 0) + 1;
  return reasons;
}

/** The same tallies from the Parquet files of the archive, by plain DuckDB. */
export async function archivedTallies(data: string): Promise<Tallies> {
  const instance = await DuckDBInstance.create();
  const duck = await instance.connect();
  const columns = `strftime(date_trunc('hour', "at"), '%Y-%m-%dT%H:00:00.000Z') AS hour, count(*)::INT, sum(energy)::DOUBLE, min(energy)::INT, max(energy)::INT`;
  const found = await duck.runAndReadAll(
    `WITH readings AS (FROM read_parquet('${lakeFolder(data)}/archive/works.readings/**/*.parquet'))
     SELECT 'total' AS rollup, NULL AS key, ${columns} FROM readings GROUP BY ALL UNION ALL
     SELECT 'plant', plant, ${columns} FROM readings GROUP BY ALL UNION ALL
     SELECT 'machine', machine, ${columns} FROM readings GROUP BY ALL`,
  );
  instance.closeSync();
  return new Map(
    found.getRows().map(([rollup, key, hour, ...tally]) => {
      const values = key === null ? [] : [key];
      return [`${String(rollup)} ${JSON.stringify(values)} ${String(hour)}`, tally as unknown as Tally];
    }),
  );
}

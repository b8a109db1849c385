/** Parcels in a lake, served by two gateways of one embedded cloud, and a look at what Athena runs for them. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { QueryExecution } from "@aws-sdk/client-athena";
import { GraphQLDateTime } from "graphql-scalars";
import { pino } from "pino";
import { Int } from "type-graphql";
import { executionsSince } from "../../bench/executions.ts";
import { backends } from "../../bin/backends.ts";
import { processBroadcast } from "../../bin/broadcast.ts";
import { type Clients, closeClients, localClients, provision } from "../../bin/clients.ts";
import { lakeFolder, startCloud } from "../../bin/cloud.ts";
import { readEnvironment } from "../../bin/environment.ts";
import { openGateway } from "../../bin/gateway.ts";
import { withDuckDb } from "../../bin/sample-lake.ts";
import { refreshDeps } from "../../bin/system.ts";
import { refresh } from "../../etl/batch/run.ts";
import {
  type ExecutionDocument,
  executionKey,
  type SlotsDocument,
  slotsKey,
} from "../../src/model/ad-hoc-job.ts";
import { columns } from "../../src/model/columns.ts";
import { AdHoc, DataProduct, declaredProducts, Dimension, Measure, rollup } from "../../src/model/product.ts";
import { analystScope } from "../../src/model/scope.ts";
import { Column, Source } from "../../src/model/source.ts";
import type { Gateway } from "../../src/server/gateway.ts";

@Source({ table: "post.parcels", time: "at", description: "Parcels." })
class Parcel {
  @Column(() => GraphQLDateTime) at!: Date;
  @Column(() => String) depot!: string;
  @Column(() => Int, { unit: "grams" }) weight!: number;
}

const parcel = columns(Parcel);

@DataProduct({
  source: Parcel,
  owner: "post",
  freshness: "PT1H",
  description: "Parcels on their way.",
  rollups: [rollup([], { grains: ["DAY"] })],
})
export class ParcelTraffic {
  @Dimension() depot!: string;
  @Measure(parcel.count(), { description: "Parcels." }) parcels!: number;
  @Measure(parcel.sum("weight"), { description: "Grams." }) grams!: number;
  @AdHoc(parcel.percentile("weight", 0.5), { description: "Median, grams." }) median!: number;
  /** As many grams, counted one by one: what keeps Athena busy. */
  @AdHoc(parcel.sql("sum(cardinality(sequence(1, {weight})))", { type: "int" }), { description: "Grams." })
  countedGrams!: number;
}

export const firstDay = "2024-03-01";
export const days = 8;
const perDay = 100_000;

/** The i-th parcel, as plain SQL. */
const parcels = `SELECT TIMESTAMP '${firstDay} 00:00:00' + to_microseconds(CAST(i * ${86_400_000_000 / perDay} AS BIGINT)) AS "at",
  'd' || (i % 7) AS depot, CAST(1 + (i * 7919) % 9999 AS INTEGER) AS weight FROM range(${days * perDay}) AS t(i)`;

export interface World {
  /** Two, over clients of their own: they meet in the stores only. */
  readonly gateways: readonly [Gateway, Gateway];
  /** Another one, with settings of its own; closed with the world. */
  open(settings: Record<string, string>): Promise<Gateway>;
  /** What Athena was asked to run since the last call of `forget`, oldest first. */
  executions(): Promise<readonly QueryExecution[]>;
  forget(): Promise<void>;
  /** How many gateways wait for what runs now. */
  readonly waiting: () => Promise<number>;
  /** The grams of the parcels before a day, 1 to `days`, from the same rows by plain DuckDB. */
  gramsUntil(day: number): Promise<number>;
  close(): Promise<void>;
}

export async function startWorld(): Promise<World> {
  const data = mkdtempSync(join(tmpdir(), "sluice-fallback-"));
  const products = declaredProducts().filter(({ target }) => target === ParcelTraffic);
  const cloud = await startCloud(data);
  await writeLake(lakeFolder(data));
  const opened: Clients[] = [];
  const newClients = () => {
    const clients = localClients(cloud.endpoints);
    opened.push(clients);
    return clients;
  };
  const own = newClients();
  await provision(own, products);
  const stores = backends(own);
  await refresh(
    products[0]!,
    refreshDeps(products[0]!, stores, { progress: () => {}, retention: { editions: 10, ms: 0 } }),
  );
  await stores.gold.close();
  const gateways: Gateway[] = [];
  const open = async (env: Record<string, string>) => {
    const settings = { ...readEnvironment({ PORT: "0", ...env }, data), log: pino({ level: "silent" }) };
    const gateway = await openGateway(products, backends(newClients()), processBroadcast(), settings);
    gateways.push(gateway);
    return gateway;
  };
  const patient = { SLUICE_AD_HOC_WAIT_MS: "60000" };
  const known = new Set<string>();
  return {
    gateways: [await open(patient), await open(patient)],
    open,
    executions: async () =>
      (await executionsSince(own, 0)).filter(({ QueryExecutionId }) => !known.has(QueryExecutionId!)),
    forget: async () => {
      for (const { QueryExecutionId } of await executionsSince(own, 0)) known.add(QueryExecutionId!);
    },
    waiting: async () => {
      const slots = await stores.jobs.get<SlotsDocument>(slotsKey);
      const ids = Object.keys(slots?.value.holders ?? {});
      const running = await Promise.all(
        ids.map((id) => stores.jobs.get<ExecutionDocument>(executionKey(analystScope, id))),
      );
      return running.reduce((sum, each) => sum + Object.keys(each!.value.interest).length, 0);
    },
    gramsUntil,
    close: async () => {
      for (const gateway of gateways) await gateway.close();
      opened.forEach(closeClients);
      await cloud.close();
      rmSync(data, { recursive: true, force: true });
    },
  };
}

async function writeLake(lake: string): Promise<void> {
  const folder = join(lake, "post", "parcels");
  mkdirSync(join(lake, "post"), { recursive: true });
  await withDuckDb(async (duck) => {
    await duck.run(
      `COPY (SELECT *, strftime("at", '%Y-%m-%d') AS day FROM (${parcels})) TO '${folder}' (FORMAT parquet, PARTITION_BY (day))`,
    );
  });
}

function gramsUntil(day: number): Promise<number> {
  return withDuckDb(async (duck) => {
    const result = await duck.runAndReadAll(
      `SELECT CAST(sum(weight) AS DOUBLE) FROM (${parcels}) WHERE "at" < TIMESTAMP '${firstDay}' + to_days(${day})`,
    );
    return result.getRows()[0]![0] as number;
  });
}

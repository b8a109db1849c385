/**
 * The fallback over the embedded cloud: a refreshed product, processes that can be killed, a clock that stands still
 * until it is moved, and Athena seen from its own side.
 */
import { randomUUID } from "node:crypto";
import path from "node:path";
import { setTimeout as realWait } from "node:timers/promises";
import {
  AthenaClient,
  BatchGetQueryExecutionCommand,
  paginateListQueryExecutions,
  type QueryExecution,
  StartQueryExecutionCommand,
  StopQueryExecutionCommand,
} from "@aws-sdk/client-athena";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { buckets, tables, workgroup } from "../../cloud/resources.ts";
import { refresh } from "../../etl/batch/run.ts";
import type { ControlStore } from "../../src/backends/control-store.ts";
import { dynamoControlStore } from "../../src/backends/control-store.dynamodb.ts";
import { athenaWarehouse } from "../../src/backends/warehouse.athena.ts";
import type { Executions } from "../../src/backends/warehouse.ts";
import type { AdHocDeps } from "../../src/loaders/ad-hoc/deps.ts";
import { AdHocJobs } from "../../src/loaders/ad-hoc/jobs.ts";
import { type AdHocLimits, adHocLimits } from "../../src/loaders/ad-hoc/limits.ts";
import type { AdHocAsk } from "../../src/loaders/ad-hoc/questions.ts";
import { Manifests } from "../../src/loaders/manifests.ts";
import type { Product } from "../../src/model/product.ts";
import { analystScope, type Scope } from "../../src/model/scope.ts";
import type { Range } from "../../src/model/time.ts";
import { type Cloud, startCloud } from "../batch/cloud.ts";
import { writeOrders } from "../batch/order-lake.ts";
import { orderActivity } from "../batch/orders.ts";

export const days = ["2024-02-28", "2024-02-29", "2024-03-01"] as const;
export const all: Range = { from: Date.UTC(2024, 1, 28), to: Date.UTC(2024, 2, 2) };
export const day = (name: string): Range => ({
  from: Date.parse(`${name}T00:00:00Z`),
  to: Date.parse(`${name}T00:00:00Z`) + 86_400_000,
});

export const tenant = (name: string): Scope => ({ ...analystScope, tenant: name });

/** A step of a process, before or after which it can be killed. */
export type Step = (call: Call) => boolean;
export interface Call {
  readonly name: "get" | "put" | "remove" | "list" | keyof Executions;
  readonly args: readonly unknown[];
}

export interface ProcessOptions {
  readonly limits?: Partial<AdHocLimits>;
  /** What becomes of its calls to Athena. */
  readonly executions?: (real: Executions) => Executions;
  /** What becomes of its calls to the store of the fallback's documents. */
  readonly store?: (real: ControlStore) => ControlStore;
  readonly dies?: Death;
}

export interface Death {
  readonly when: "before" | "after";
  readonly step: Step;
  /** Told when it is dead, and nothing of it is under way. */
  readonly died?: () => void;
}

export class World {
  now = Date.UTC(2024, 5, 1, 12);
  readonly #client: AthenaClient;
  #opened: { readonly jobs: AdHocJobs; readonly life: Life }[] = [];
  #known = new Set<string>();
  #manifests!: Manifests;

  private constructor(readonly cloud: Cloud) {
    this.#client = new AthenaClient({ endpoint: cloud.endpoints.athena, ...settings });
  }

  static async start(): Promise<World> {
    const world = new World(await startCloud());
    for (const [i, name] of days.entries()) await world.write(name, 200 + i, i);
    await world.refresh();
    return world;
  }

  get orders(): string {
    return path.join(this.cloud.lakeFolder, "shop/orders");
  }

  async write(name: string, count: number, seed: number): Promise<void> {
    await writeOrders(this.cloud.duck, this.orders, name, count, seed);
  }

  async refresh(product: Product = orderActivity): Promise<void> {
    await refresh(product, this.cloud.deps);
    this.#manifests = new Manifests({ control: this.cloud.deps.control, clock: () => 0 });
    await this.begin();
  }

  /** From here on executions are told, and no process of before is there any more. */
  async begin(): Promise<void> {
    const living = this.#opened.splice(0).filter(({ life }) => !life.dead);
    await Promise.all(living.map(({ jobs }) => jobs.close()));
    this.#known = await this.#ids();
  }

  /** A gateway's fallback, with connections of its own. */
  process({
    limits,
    executions = (real) => real,
    store = (real) => real,
    dies,
  }: ProcessOptions = {}): AdHocJobs {
    const dynamo = new DynamoDBClient({ endpoint: this.cloud.endpoints.dynamo, ...settings });
    const warehouse = athenaWarehouse({
      client: new AthenaClient({ endpoint: this.cloud.endpoints.athena, ...settings }),
      workgroup,
      output: `s3://${buckets.results}/`,
      clock: Date.now,
      wait: realWait,
      token: randomUUID,
    });
    const life = new Life(dies);
    const deps: AdHocDeps = {
      jobs: life.of<ControlStore>(
        store(dynamoControlStore({ client: dynamo, table: tables.jobs, token: randomUUID })),
      ),
      control: this.cloud.deps.control,
      executions: life.of(executions(warehouse)),
      limits: { ...adHocLimits, ...limits },
      clock: () => this.now,
      // time is moved by hand: who waits looks at the clock again soon
      wait: async (ms, signal) => {
        await realWait(Math.min(ms, longestWaitMs), undefined, { ...(signal && { signal }) }).catch(() => {});
        if (life.dead) await never;
      },
      token: randomUUID,
      random: Math.random,
    };
    const jobs = new AdHocJobs(deps);
    this.#opened.push({ jobs, life });
    return jobs;
  }

  /** Orders and items of at least so many pieces. */
  ask(least: number, range: Range = all, product: Product = orderActivity): AdHocAsk {
    const manifests = this.#manifests;
    return {
      source: product.source,
      question: { where: [{ op: "gte", column: "quantity", value: least }], range, by: null },
      aggregates: [{ kind: "count" }, { kind: "sum", column: "quantity" }],
      partitions: async (asked) => (await manifests.snapshot(product)).partitions(asked),
    };
  }

  /** What plain DuckDB answers to that. */
  async truth(least: number, { from, to }: Range = all): Promise<Record<string, number>> {
    const result = await this.cloud.duck.runAndReadAll(
      `SELECT count(*), coalesce(sum(quantity), 0) FROM read_parquet('${this.orders}/*/*.parquet', hive_partitioning = false)
      WHERE quantity >= ${least} AND epoch_ms("Ordered At") >= ${from} AND epoch_ms("Ordered At") < ${to}`,
    );
    const [count, sum] = result.getRows()[0]!.map(Number);
    return { "count(*)": count!, "sum(quantity)": sum! };
  }

  /** What Athena was asked to run since the last refresh, oldest first. */
  async executions(): Promise<QueryExecution[]> {
    const ids = [...(await this.#ids())].filter((id) => !this.#known.has(id));
    const found: QueryExecution[] = [];
    for (let i = 0; i < ids.length; i += 50)
      found.push(
        ...((
          await this.#client.send(
            new BatchGetQueryExecutionCommand({ QueryExecutionIds: ids.slice(i, i + 50) }),
          )
        ).QueryExecutions ?? []),
      );
    return found.toReversed();
  }

  async states(): Promise<(string | undefined)[]> {
    return (await this.executions()).map(({ Status }) => Status?.State);
  }

  /** Nobody else's statements run until it is released: what is started meanwhile stays QUEUED at Athena. */
  async occupy(): Promise<() => Promise<void>> {
    const wide = Array.from({ length: 7 }, (_, i) => `"orders" t${i}`).join(" CROSS JOIN ");
    const ids: string[] = [];
    for (let i = 0; i < slotsOfAthena; i++) {
      const { QueryExecutionId } = await this.#client.send(
        new StartQueryExecutionCommand({
          QueryString: `SELECT count(*) FROM ${wide} WHERE t0."quantity" * t1."quantity" + t2."quantity" * ${i} = -1`,
          QueryExecutionContext: { Database: "shop" },
          WorkGroup: workgroup,
          ResultConfiguration: { OutputLocation: `s3://${buckets.results}/` },
        }),
      );
      ids.push(QueryExecutionId!);
      this.#known.add(QueryExecutionId!);
    }
    const running = async () => {
      const { QueryExecutions = [] } = await this.#client.send(
        new BatchGetQueryExecutionCommand({ QueryExecutionIds: ids }),
      );
      return QueryExecutions.map(({ Status }) => Status?.State);
    };
    while ((await running()).some((state) => state !== "RUNNING")) await realWait(10);
    return async () => {
      for (const QueryExecutionId of ids)
        await this.#client.send(new StopQueryExecutionCommand({ QueryExecutionId }));
    };
  }

  /** The documents of a tenant by the first word of their keys. */
  async documents<T>(kind: string, { tenant: name } = analystScope): Promise<T[]> {
    const items = await this.cloud.items(tables.jobs);
    return [...items]
      .filter(([key]) => key.startsWith(`${kind}#${name}`))
      .map(([, item]) => JSON.parse(item["d"]!) as T);
  }

  async close(): Promise<void> {
    await this.begin();
    await this.cloud.close();
  }

  async #ids(): Promise<Set<string>> {
    const ids = new Set<string>();
    const pages = paginateListQueryExecutions({ client: this.#client }, { WorkGroup: workgroup });
    for await (const { QueryExecutionIds = [] } of pages) for (const id of QueryExecutionIds) ids.add(id);
    return ids;
  }
}

/** For what other processes and the embedded cloud do in their own time. */
export const patience = { interval: 10, timeout: 30_000 };

const settings = {
  region: "eu-central-1",
  credentials: { accessKeyId: "local", secretAccessKey: "local" },
};
const longestWaitMs = 50;
/** How many statements the embedded Athena runs at a time. */
const slotsOfAthena = 3;
const never = new Promise<never>(() => {});

/** What a process that is killed calls from then on is never answered. */
class Life {
  dead = false;

  constructor(readonly dies: Death | undefined) {}

  of<T extends object>(backend: T): T {
    const methods = Object.entries(backend).map(([name, method]) => [
      name,
      async (...args: unknown[]): Promise<unknown> => {
        if (this.dead) return never;
        const isLast = this.dies?.step({ name, args } as Call) ?? false;
        this.dead = isLast;
        if (isLast && this.dies?.when === "before") return this.#die();
        const result: unknown = await (method as (...args: unknown[]) => Promise<unknown>)(...args);
        if (isLast) return this.#die();
        return this.dead ? never : result;
      },
    ]);
    return Object.fromEntries(methods) as T;
  }

  #die(): Promise<never> {
    this.dies?.died?.();
    return never;
  }
}

/** Executions that say they run until they may end, and may be watched. */
export class Gate {
  readonly started: string[] = [];
  readonly stopped: string[] = [];
  #open = false;

  readonly executions = (real: Executions): Executions => ({
    ...real,
    start: (statement, token) => {
      this.started.push(statement.parameters.join(" "));
      return real.start(statement, token);
    },
    look: async (queryId) => {
      const status = await real.look(queryId);
      const runs = !this.#open && status?.state === "SUCCEEDED" && !this.stopped.includes(queryId);
      if (status === null || !runs) return status;
      return { ...status, state: "RUNNING" };
    },
    stop: async (queryId) => {
      this.stopped.push(queryId);
      await real.stop(queryId);
    },
  });

  open(): void {
    this.#open = true;
  }
}

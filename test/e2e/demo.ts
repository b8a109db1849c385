/** The demo in one process: the embedded cloud in a folder, one product refreshed and served, its replay in hand. */
import { mkdirSync } from "node:fs";
import { pino } from "pino";
import { backends } from "../../bin/backends.ts";
import { processBroadcast } from "../../bin/broadcast.ts";
import { type Clients, closeClients, localClients, provision } from "../../bin/clients.ts";
import { lakeFolder, startCloud } from "../../bin/cloud.ts";
import { openGateway } from "../../bin/gateway.ts";
import {
  buildSamples,
  openReplayClocks,
  refreshDeps,
  runMicroBatches,
  runReplays,
} from "../../bin/system.ts";
import { refresh as runRefresh, type RefreshResult } from "../../etl/batch/run.ts";
import { declaredProducts } from "../../src/model/product.ts";

export interface Demo {
  /** Of GraphQL. */
  readonly url: string;
  readonly lakeFolder: string;
  /** AWS calls by the name of their command. */
  readonly count: Counter;
  refresh(): Promise<RefreshResult>;
  /** Resolves when all held-back events are put. */
  replay(): Promise<void>;
  close(): Promise<void>;
}

export interface Counter {
  of(command: string): number;
  /** The SQL of all statements that Athena was sent. */
  statements(): readonly string[];
  /** All statements with their parameters, as they were sent. */
  sent(): readonly { readonly QueryString?: string; readonly ExecutionParameters?: readonly string[] }[];
  /** All keys of BatchGetItem, `pk sk`, by table. */
  keys(table: string): readonly string[];
  reset(): void;
}

export async function startDemo(folder: string, product: object): Promise<Demo> {
  const products = declaredProducts().filter(({ target }) => target === product);
  const log = pino({ level: "warn" });
  mkdirSync(folder, { recursive: true });
  const cloud = await startCloud(folder);
  await buildSamples(products, lakeFolder(folder));
  const clients = localClients(cloud.endpoints);
  const count = countCalls(clients);
  await provision(clients, products);
  const stores = backends(clients);
  const stopping = new AbortController();
  const { signal } = stopping;
  const broadcast = processBroadcast();
  await openReplayClocks(products, stores, { log, signal });
  const live = runMicroBatches(products, stores, { broadcast, windowMs: 1_000, log, signal });
  const refresh = () =>
    runRefresh(
      products[0]!,
      refreshDeps(products[0]!, stores, { progress: () => {}, retention: { editions: 10, ms: 0 } }),
    );
  await refresh();
  const settings = { host: "127.0.0.1", port: 0, adHocWaitMs: 60_000, cursorSecret: null, log };
  const gateway = await openGateway(products, stores, broadcast, settings);
  return {
    url: `${gateway.url}/graphql`,
    lakeFolder: lakeFolder(folder),
    count,
    refresh,
    replay: () => runReplays(products, stores, { speed: "max", log, signal }),
    close: async () => {
      stopping.abort();
      await gateway.close();
      await live;
      closeClients(clients);
      await stores.gold.close();
      await cloud.close();
    },
  };
}

interface Input {
  readonly QueryString?: string;
  readonly ExecutionParameters?: readonly string[];
  readonly RequestItems?: Readonly<
    Record<string, { readonly Keys?: readonly Record<"pk" | "sk", unknown>[] }>
  >;
}

export function countCalls(clients: Clients): Counter {
  const counts = new Map<string, number>();
  const statements: Input[] = [];
  const reads: NonNullable<Input["RequestItems"]>[] = [];
  for (const { middlewareStack } of Object.values(clients) as {
    middlewareStack: Clients["dynamodb"]["middlewareStack"];
  }[])
    middlewareStack.add(
      (next, { commandName = "" }) =>
        (args) => {
          counts.set(commandName, (counts.get(commandName) ?? 0) + 1);
          const input = args.input as Input;
          if (input.QueryString !== undefined) statements.push(input);
          if (commandName.startsWith("BatchGet")) reads.push(input.RequestItems!);
          return next(args);
        },
      { step: "initialize" },
    );
  return {
    of: (command) => counts.get(command) ?? 0,
    statements: () => statements.map(({ QueryString }) => QueryString!),
    sent: () => [...statements],
    keys: (table) =>
      reads
        .flatMap((tables) => tables[table]?.Keys ?? [])
        .map(({ pk, sk }) =>
          [pk, sk].map((cell) => (typeof cell === "string" ? cell : (cell as { S: string }).S)).join(" "),
        ),
    reset: () => {
      counts.clear();
      statements.length = 0;
      reads.length = 0;
    },
  };
}

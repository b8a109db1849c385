/** From PutRecord to a subscriber's socket: single events at random phases of the window, one after another. */
import { readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { PutRecordCommand } from "@aws-sdk/client-kinesis";
import { createClient } from "graphql-ws";
import { WebSocket } from "ws";
import { closeClients, localClients } from "../bin/clients.ts";
import { lakeFolder } from "../bin/cloud.ts";
import type { Endpoints } from "../bin/environment.ts";
import { buildSamples } from "../bin/system.ts";
import type { Product } from "../src/model/product.ts";
import { liveSubject, replayedEvents } from "./live-events.ts";
import { messageOf, start, stop } from "./processes.ts";
import { lakeFiles } from "./subject.ts";

export interface LatencyFigures {
  readonly samples: number;
  readonly p50: number;
  readonly p99: number;
}

const samples = 150;
const warmUps = 10;
const keptPartitions = 2; // what was refreshed before does not matter here

/** Works in an empty folder. */
export async function measureLatency(data: string, windowMs: number): Promise<LatencyFigures> {
  const subject = await liveSubject();
  const [product] = subject.products as [Product];
  await buildSmallLake(data, product);
  const cloud = start("./cloud.process.ts", [data]);
  const endpoints = await messageOf<Endpoints>(cloud);
  const gateway = start("./live-gateway.process.ts", [data, String(windowMs)]);
  const clients = localClients(endpoints);
  try {
    const url = await messageOf<string>(gateway);
    const count = await subscribedCount(url, product);
    const tookMs: number[] = [];
    for (const Data of await replayedEvents(subject, warmUps + samples)) {
      await sleep(Math.random() * windowMs);
      const next = count.next();
      const began = performance.now();
      const StreamName = subject.source.stream!.name;
      await clients.kinesis.send(new PutRecordCommand({ StreamName, Data, PartitionKey: "one" }));
      tookMs.push((await next) - began);
    }
    count.stop();
    const sorted = tookMs.slice(warmUps).sort((a, b) => a - b);
    const at = (share: number) => sorted[Math.ceil(share * samples) - 1]!;
    return { samples, p50: at(0.5), p99: at(0.99) };
  } finally {
    closeClients(clients);
    await stop(gateway);
    await stop(cloud);
  }
}

async function buildSmallLake(data: string, product: Product): Promise<void> {
  await buildSamples([product], lakeFolder(data));
  const table = dirname(dirname(lakeFiles(data, product)));
  const partitions = readdirSync(table).filter((name) => name.includes("="));
  for (const partition of partitions.sort().slice(0, -keptPartitions))
    rmSync(join(table, partition), { recursive: true });
}

/** Follows the total count, which must rise by one at a time. `next` resolves to when it does. */
async function subscribedCount(url: string, { field, measures }: Product) {
  const name = measures.find(({ expression }) => expression.kind === "count")!.name;
  const client = createClient({
    url: url.replace("http", "ws").concat("/graphql"),
    webSocketImpl: WebSocket,
    retryAttempts: 0,
  });
  const messages = client.iterate<{ readonly counted: Readonly<Record<string, number>> }>({
    query: `subscription { counted: ${field}Updated { ${name} } }`,
  });
  const read = async (): Promise<number> => {
    const { value } = (await messages.next()) as { value: { data?: { counted: Record<string, number> } } };
    const count = value?.data?.counted[name];
    if (count === undefined) throw new Error(`A subscriber gets a count. Got ${JSON.stringify(value)}.`);
    return count;
  };
  let last = await read();
  return {
    next: async (): Promise<number> => {
      const expected = ++last;
      for (let count = await read(); count !== expected; count = await read())
        if (count > expected) throw new Error(`The next count is ${expected}. Got ${count}.`);
      return performance.now();
    },
    stop: () => void client.dispose(),
  };
}

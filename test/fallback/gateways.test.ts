/** Two whole gateways over one cloud: what a thousand clients ask of them at once is one execution. */
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { json } from "node:stream/consumers";
import pino from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { backends } from "../../bin/backends.ts";
import { processBroadcast } from "../../bin/broadcast.ts";
import { closeClients, localClients } from "../../bin/clients.ts";
import { openGateway } from "../../bin/gateway.ts";
import type { Gateway } from "../../src/server/gateway.ts";
import { orderActivity } from "../batch/orders.ts";
import { patience, World } from "./world.ts";

let world: World;
let gateways: Gateway[];
const closing: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  world = await World.start();
  closing.push(() => world.close());
  gateways = await Promise.all([open(), open()]);
});
afterAll(async () => {
  for (const close of closing.toReversed()) await close();
});

async function open(): Promise<Gateway> {
  const { dynamo: dynamodb, s3, athena } = world.cloud.endpoints;
  // no product of this test has a stream
  const clients = localClients({ dynamodb, s3, athena, kinesis: "http://127.0.0.1:1" });
  const settings = { host: "127.0.0.1", port: 0, adHocWaitMs: 600_000, cursorSecret: null };
  const log = pino({ level: "silent" });
  const gateway = await openGateway([orderActivity], backends(clients), processBroadcast(), {
    ...settings,
    log,
  });
  closing.push(async () => {
    await gateway.close();
    closeClients(clients);
  });
  return gateway;
}

/** By a connection of its own, so that a gateway that closes waits for no idle one. */
async function ask(gateway: Gateway, query: string, signal?: AbortSignal): Promise<unknown> {
  const asked = request(`${gateway.url}/graphql`, {
    method: "POST",
    agent: false,
    headers: { "content-type": "application/json" },
    ...(signal && { signal }),
  });
  asked.end(JSON.stringify({ query }));
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  const { data, errors } = (await json(response)) as { data?: unknown; errors?: unknown };
  if (errors !== undefined) throw new Error(JSON.stringify(errors));
  return data;
}

test("a thousand identical questions to two gateways are one execution, and its answer is right", async () => {
  const query = "{ orderActivity(where: { bucket: { gte: 1 } }) { orders items } }";
  const answers = await Promise.all(Array.from({ length: 1_000 }, (_, i) => ask(gateways[i % 2]!, query)));
  const result = await world.cloud.duck.runAndReadAll(
    `SELECT count(*), sum(quantity) FROM read_parquet('${world.orders}/*/*.parquet', hive_partitioning = false) WHERE bucket >= 1`,
  );
  const [orders, items] = result.getRows()[0]!.map(Number);
  expect(orders).toBeGreaterThan(0);
  for (const answer of answers) expect(answer).toEqual({ orderActivity: { orders, items } });
  expect(await world.executions()).toHaveLength(1);
});

test("a client that goes away is one who leaves: Athena is told to stop", async () => {
  const before = (await world.executions()).length;
  const release = await world.occupy();
  const leaving = new AbortController();
  const query = "{ orderActivity(where: { bucket: { gte: 0 } }) { orders } }";
  const answer = ask(gateways[0]!, query, leaving.signal).catch((error: Error) => error.name);
  await expect.poll(() => world.executions(), patience).toHaveLength(before + 1);
  leaving.abort();
  expect(await answer).toBe("AbortError");
  await expect.poll(async () => (await world.states()).at(-1), patience).toBe("CANCELLED");
  await release();
  await expect(ask(gateways[1]!, query)).resolves.toMatchObject({
    orderActivity: { orders: expect.any(Number) },
  });
  expect(await world.executions()).toHaveLength(before + 2);
});

/**
 * Ten thousand requests while fifty refreshes and rollbacks publish: each asks for several rollups and grains at once and
 * gets one version's answers, no reader goes back in time, and a rollback answers as its edition did. Through the
 * loaders over the stores in memory, and some over HTTP.
 */
import pino from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Edition } from "../../src/model/control.ts";
import { openSession } from "../../src/loaders/session.ts";
import { type Gateway, startGateway } from "../../src/server/gateway.ts";
import { liveFeeds } from "../../src/subscriptions/live-feeds.ts";
import { release, rollback } from "../../etl/batch/rollback.ts";
import { refresh } from "../../etl/batch/run.ts";
import { seeded } from "../live/parcels.ts";
import { fakeBroadcast } from "../subscriptions/fake-broadcast.ts";
import { Life } from "./memory-world.ts";
import { retained } from "./reached.ts";
import type { SalesWorld } from "./sales-world.ts";
import { fromGraphql, salesActivity, salesQuery } from "./sales.ts";
import { changed, scenarios, worldOf } from "./scenarios.ts";

const seed = Number(process.env["SLUICE_SEED"] ?? 1);
const requests = 10_000;
const publications = 50;

let sales: SalesWorld;
let gateway: Gateway;

beforeAll(async () => {
  sales = await worldOf(scenarios[0]!, { refresh, rollback, release }, seeded(seed));
  const shared = sales.gateway();
  gateway = await startGateway({
    products: [salesActivity],
    host: "127.0.0.1",
    port: 0,
    newSession: (scope) => openSession(shared, { scope, adHocWaitMs: 0 }),
    live: liveFeeds({ broadcast: fakeBroadcast(), cursorSecret: "of the test", retryMs: () => 1 }),
    ready: async () => true,
    graphiql: { title: "Shop", defaultQuery: salesQuery },
    log: pino({ level: "silent" }),
    now: () => sales.world.now,
    newId: () => "id",
  });
});
afterAll(() => gateway.close());

test(`no answer mixes two editions (SLUICE_SEED=${seed})`, async () => {
  const readers = Array.from({ length: 7 }, () => {
    const own = sales.gateway();
    return readOn(sales, () => sales.readBy(own));
  });
  const [, overHttp] = await Promise.all([publishOn(sales), readOn(sales, readOverHttp), ...readers]);
  expect(sales.reads).toBeGreaterThanOrEqual(requests);
  expect(overHttp).toBeGreaterThan(200);
});

/** Asks again and again, by `read`, which resolves to the version that answered. Resolves to the number of requests. */
async function readOn(world: SalesWorld, read: () => Promise<number>): Promise<number> {
  let seen = 0;
  for (let count = 0; ; count++) {
    if (world.reads >= requests) return count;
    const version = await read();
    expect(version).toBeGreaterThanOrEqual(seen);
    seen = version;
  }
}

async function readOverHttp(): Promise<number> {
  const response = await fetch(`${gateway.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query: salesQuery }),
  });
  const { data, extensions } = (await response.json()) as {
    data: Parameters<typeof fromGraphql>[0];
    extensions: { sluice: { manifest: { SalesActivity: number } } };
  };
  const version = extensions.sluice.manifest.SalesActivity;
  sales.hold(fromGraphql(data), version);
  return version;
}

/** Publishes evenly while the requests come in. */
async function publishOn(world: SalesWorld): Promise<void> {
  let held = false;
  for (let k = 1; k <= publications; k++) {
    while (world.reads < (k * requests) / (publications + 1))
      await new Promise((resolve) => setImmediate(resolve));
    if (held) {
      await release(world.product, world.deps(new Life(world.random)));
      const { version } = retained(world.world, world.product.name).manifest;
      world.answers.set(version, world.answers.get(version - 1)!);
    }
    held = k % 4 === 0;
    if (held) await rollBackAndCompare(world);
    else {
      world.turnTo(changed(world.generation, 3 + k, world.random));
      await world.refresh(new Life(world.random), k % 7 === 0);
    }
    await world.read();
  }
}

async function rollBackAndCompare(world: SalesWorld): Promise<void> {
  world.expectAlso([...world.answers.values()]);
  const { restores, version } = await rollback(world.product, {}, world.deps(new Life(world.random)));
  await world.read();
  const restored = JSON.parse(
    world.world.control.get(`editions#${world.product.name}\n${restores}`)!.json,
  ) as Edition;
  expect(world.answers.get(version)).toBe(world.answers.get(restored.version));
}

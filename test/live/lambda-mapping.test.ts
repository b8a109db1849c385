/**
 * The Lambda host behind a simulated mapping: batches are cut anew at every retry and run twice at once, containers die
 * and run out of time, stores fail, shards are split and merged. The stream is the embedded Kinesis, through the SDK.
 */
import {
  CreateStreamCommand,
  KinesisClient,
  MergeShardsCommand,
  SplitShardCommand,
  waitUntilStreamExists,
} from "@aws-sdk/client-kinesis";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type KinesisServer, startKinesis } from "../../cloud/local/kinesis.ts";
import { waitFor } from "../../etl/live/effects.ts";
import { mappingHandler, type MappingHandler } from "../../etl/live/mapping.ts";
import { encodeEvent } from "../../etl/live/wire.ts";
import { memoryBroadcast } from "../../src/backends/broadcast.memory.ts";
import type { EventStream } from "../../src/backends/event-stream.ts";
import { kinesisEventStream } from "../../src/backends/event-stream.kinesis.ts";
import { type Checkpoint, checkpointKey } from "../../src/model/control.ts";
import { itemId } from "../../src/model/layout.ts";
import { hourMs } from "../../src/model/time.ts";
import type { Event } from "../../src/model/values.ts";
import { Crash, type Life, newLife } from "./memory-stores.ts";
import { Mapping } from "./mapping-simulation.ts";
import { allParcels, depotParcels, parcels, randomParcel, seeded } from "./parcels.ts";
import {
  archivedCosts,
  countedTotals,
  deadTexts,
  type MemoryStores,
  memoryStores,
  storedTotals,
} from "./recount.ts";

const now = Date.now();
const runs = 6;
let server: KinesisServer;
let kinesis: KinesisClient;

beforeAll(async () => {
  server = await startKinesis();
  kinesis = new KinesisClient({
    endpoint: server.endpoint,
    region: "us-east-1",
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
  });
});
afterAll(async () => {
  kinesis.destroy();
  await server.close();
});

interface World {
  readonly random: () => number;
  readonly name: string;
  readonly stream: EventStream;
  readonly stores: MemoryStores;
  readonly events: Event[];
  readonly poison: string[];
  /** Final versions of items as they were broadcast. */
  readonly announced: Map<string, number>;
}

async function newWorld(seed: number): Promise<World> {
  const random = seeded(seed);
  const name = `parcels-${seed}`;
  await kinesis.send(new CreateStreamCommand({ StreamName: name, ShardCount: 2 }));
  const stream = kinesisEventStream({ client: kinesis, stream: name, random, wait });
  const world = {
    random,
    name,
    stream,
    stores: memoryStores(),
    events: [],
    poison: [],
    announced: new Map(),
  };
  await settled(world);
  return world;
}

async function settled({ name: StreamName }: World): Promise<void> {
  await waitUntilStreamExists({ client: kinesis, maxWaitTime: 20, minDelay: 1, maxDelay: 1 }, { StreamName });
}

/** Records of one to three events, every tenth with a poisoned line. */
async function produce({ random, stream, events, poison }: World, records: number): Promise<void> {
  const entries = Array.from({ length: records }, (_, i) => {
    const lines = Array.from({ length: 1 + Math.floor(random() * 3) }, () => {
      const scanned = now - Math.floor(random() * 24 * hourMs);
      const event: Event = { ...randomParcel(random, events.length), scanned };
      events.push(event);
      return Buffer.from(encodeEvent(parcels, event)).toString();
    });
    if (i % 10 === 3) {
      poison.push(`{"poison":${poison.length}`);
      lines.push(poison.at(-1)!);
    }
    return { partitionKey: `${random()}`, data: Buffer.from(lines.join("\n")) };
  });
  await stream.put(entries);
}

/** A container: one handler, over stores that fail, until it dies. Now and then an invocation runs out of time. */
interface Container {
  readonly life: Life;
  readonly invoke: MappingHandler;
  outOfTime: AbortController;
}

function newContainer({ random, stream, stores, announced }: World): Container {
  const life = newLife(random, { crash: 0.01, fail: 0.05 });
  const mayRunOut = <T extends object>(store: T): T => {
    const faulty = life.faulty(store);
    return new Proxy(faulty, {
      get: (target, property, receiver) => {
        if (random() < 0.01) container.outOfTime.abort();
        return Reflect.get(target, property, receiver) as unknown;
      },
    });
  };
  const broadcast = memoryBroadcast({ retainMs: 1, retainMax: 1, clock: Date.now, epoch: "e" });
  broadcast.subscribe(({ message }) => {
    if (message.kind !== "live") return;
    for (const { key, version } of message.items)
      announced.set(itemId(key), Math.max(version, announced.get(itemId(key)) ?? 0));
  });
  const { clock, log } = life.effects;
  const container: Container = {
    life,
    outOfTime: new AbortController(),
    invoke: mappingHandler({
      source: parcels,
      products: [depotParcels, allParcels],
      insights: mayRunOut(stores.insights),
      control: mayRunOut(stores.control),
      lake: mayRunOut(stores.lake),
      deadLetters: mayRunOut(stores.deadLetters),
      stream,
      broadcast,
      clock,
      random,
      log,
      // what is bounded in time has it
      wait: (ms, signal) => (ms < 5_000 ? Promise.resolve() : waitFor(ms, signal)),
    }),
  };
  return container;
}

describe("micro-batches behind a mapping", () => {
  let [failed, died] = [0, 0];

  it.each(
    Array.from({ length: runs }, (_, i) => ({
      seed: i + 1,
      attempts: i % 2 === 0 ? "unlimited" : "limited",
    })),
  )(
    "leave exact totals, archive and dead letters, whatever fails and however batches are cut ($attempts attempts, seed $seed)",
    async ({ seed, attempts }) => {
      const world = await newWorld(seed);
      const { random, name, stores } = world;
      const idle: Container[] = [];
      const mapping = new Mapping({
        kinesis,
        stream: name,
        random,
        batchSize: 25,
        twice: 0.15,
        givesUp: attempts === "limited" ? 0.5 : 0,
        invoke: async (event) => {
          const container = idle.pop() ?? newContainer(world);
          container.outOfTime = new AbortController();
          const signal = AbortSignal.any([container.life.effects.signal, container.outOfTime.signal]);
          const answer = await container.invoke(event, signal);
          if (container.life.effects.signal.aborted) {
            died++;
            throw new Crash("the container died");
          }
          failed += answer.batchItemFailures.length;
          idle.push(container);
          return answer;
        },
      });
      await produce(world, 80);
      await Promise.all([mapping.drain(), reshard(world)]);
      await mapping.drain();
      await produce(world, 80);
      // what was given up before is found behind what comes next
      await mapping.drain({ givesUp: 0 });

      expect(storedTotals(stores)).toEqual(countedTotals(world.events));
      expect(await archivedCosts(stores)).toEqual(world.events.map((_, cost) => cost));
      expect(deadTexts(stores)).toEqual(world.poison.toSorted());
      const versions = [...stores.insights.items.values()].map(
        (item) => [itemId(item), item.version] as const,
      );
      expect(world.announced).toEqual(new Map(versions));
      await expectCheckpoints(world);
    },
  );

  it("ran out of time and died on the way", () => {
    expect(failed).toBeGreaterThan(runs);
    expect(died).toBeGreaterThan(runs);
  });
});

/** Splits one shard and merges one of its children with the other shard, with records before and after. */
async function reshard(world: World): Promise<void> {
  const [first, second] = await world.stream.shards();
  const quarter = (1n << 126n).toString();
  await kinesis.send(
    new SplitShardCommand({ StreamName: world.name, ShardToSplit: first!.id, NewStartingHashKey: quarter }),
  );
  await settled(world);
  await produce(world, 60);
  const children = (await world.stream.shards()).filter(({ parents }) => parents.includes(first!.id));
  const merge = { ShardToMerge: children.at(-1)!.id, AdjacentShardToMerge: second!.id };
  await kinesis.send(new MergeShardsCommand({ StreamName: world.name, ...merge }));
  await settled(world);
}

/** Closed shards with read children have ended, open ones have not, none lacks a checkpoint. */
async function expectCheckpoints({ stream, stores }: World): Promise<void> {
  const shards = await stream.shards();
  const found = await Promise.all(
    shards.map(({ id }) => stores.control.get<Checkpoint>(checkpointKey(parcels.stream!, id))),
  );
  expect(found.map((each) => each?.value.sequence ?? "nothing read")).not.toContain("nothing read");
  expect(found.map((each) => each?.value.ended ?? false)).toEqual(shards.map(({ closed }) => closed));
}

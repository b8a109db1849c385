/** The processes of a history, each with a life of its own: consumers, refreshes, rollbacks. */
import type { RefreshDeps } from "../../etl/batch/deps.ts";
import type { Broadcast, Broadcasted } from "../../src/backends/broadcast.ts";
import type { InsightStore } from "../../src/backends/insight-store.ts";
import type { SluiceError } from "../../src/model/errors.ts";
import type { ItemKey } from "../../src/model/layout.ts";
import type { Product } from "../../src/model/product.ts";
import { type Life, noFaults, type Rates } from "./life.ts";
import { dayMs, hourMs } from "./oracle.ts";
import type { Scene } from "./scene.ts";
import { products, visits } from "./visits.ts";

const liveRates: Rates = { crash: 0.003, refused: 0.02, lost: 0.02, slow: 0.05 };
const batchRates: Rates = { crash: 0.003, refused: 0.0005, lost: 0.001, slow: 0.02 };
const silent = (): void => {};

export interface Consumer {
  readonly life: Life;
  readonly run: Promise<void>;
}

export function startConsumer(scene: Scene, ageMs = scene.random() ** 2 * 3_600_000): Consumer {
  const { code, random, world } = scene;
  const { control, insights, lake, deadLetters, stream } = scene.stores;
  const life = scene.life("consumer", liveRates);
  const run = code.runConsumer({
    source: visits,
    products,
    control: life.faulty(control),
    insights: life.faulty(insights, "listLive"),
    lake: life.faulty(lake, "list"),
    deadLetters: life.faulty(deadLetters),
    stream: life.faulty(stream),
    broadcast: broadcastOf(scene, life),
    window: { ageMs, records: 1 + Math.floor(random() * 12), bytes: 200 + random() * 4_000 },
    clock: world.clock.now,
    random,
    signal: life.stopping.signal,
    wait: life.wait,
    log: { info: silent, warn: silent, error: silent },
  });
  run.catch(scene.fail);
  return { life, run };
}

function broadcastOf(scene: Scene, life: Life): Broadcast {
  const { broadcast } = scene.world;
  const { ear } = scene;
  return {
    ...broadcast,
    publish: async (message: Broadcasted) => {
      if (scene.isDown) ear.lose(message);
      // it does not even say no
      if (scene.isDown && scene.random() < 0.3) return new Promise<void>(silent);
      try {
        await life.call(() => {
          if (scene.isDown) throw new Error("The broadcast is down.");
          return broadcast.publish(message);
        });
      } catch (error) {
        ear.lose(message);
        throw error;
      }
    },
  };
}

export async function stop({ life, run }: Consumer): Promise<void> {
  life.stopping.abort();
  await life.ended(run);
}

export async function freeze(scene: Scene, life: Life): Promise<void> {
  scene.note(`${life.name} freezes`);
  life.freeze();
  await scene.pause(200, 6_000);
  scene.note(`${life.name} goes on`);
  life.thaw();
}

async function mayFreeze(scene: Scene, life: Life): Promise<void> {
  if (scene.calm || scene.random() > 0.15) return;
  await scene.pause(0, 600);
  await freeze(scene, life);
}

export async function refresh(scene: Scene, product: Product): Promise<void> {
  const life = scene.life("refresh", batchRates);
  const full = !scene.calm && scene.random() < 0.1;
  const run = scene.code.refresh(product, batchDeps(scene, life), { full }).then(
    async ({ published, version, coveredUntil }) => {
      const until = new Date(coveredUntil).toISOString();
      scene.note(
        `${life.name} of ${product.name}: ${published ? "published" : "nothing new, still"} ${version}, until ${until}`,
      );
      if (published) await announce(scene, product, version);
    },
    (error: unknown) => excuse(scene, life, error, isEarly),
  );
  await Promise.all([life.ended(run), mayFreeze(scene, life)]);
}

/** To the edition before, or to any that was published. */
export async function rollback(scene: Scene, product: Product): Promise<void> {
  const life = scene.life("rollback", batchRates);
  const editions = scene.readers.editions(product.name);
  const to = editions.length === 0 || scene.random() < 0.5 ? {} : { to: scene.pick(editions.slice(-3)) };
  const run = scene.code.rollback(product, to, batchDeps(scene, life)).then(
    async ({ version, coveredUntil }) => {
      scene.note(
        `${life.name} of ${product.name}: ${version}, until ${new Date(coveredUntil).toISOString()}`,
      );
      await announce(scene, product, version);
    },
    (error: unknown) => excuse(scene, life, error, isAimless),
  );
  await life.ended(run);
}

export async function release(scene: Scene, product: Product): Promise<void> {
  const life = scene.life("release", noFaults);
  const run = scene.code.release(product, batchDeps(scene, life));
  await run.catch((error: unknown) => excuse(scene, life, error, isAimless));
}

/** As the command does behind a publication. */
async function announce({ world }: Scene, product: Product, version: number): Promise<void> {
  await world.broadcast.publish({ kind: "published", product: product.name, version });
}

function batchDeps(scene: Scene, life: Life): RefreshDeps {
  const { random, world } = scene;
  const { control, insights, lake, warehouse, stream } = scene.stores;
  const faultyLake = life.faulty(lake, "list");
  return {
    control: life.faulty(control),
    insights: removingListed(life.faulty(insights, "listLive")),
    lake: faultyLake,
    warehouse: life.faulty(warehouse),
    stream: life.faulty(stream),
    gold: world.gold(faultyLake),
    clock: world.clock.now,
    wait: life.wait,
    token: () => Math.floor(random() * 2 ** 32).toString(16),
    progress: silent,
    retention: { editions: 3, ms: 0 },
    barrierWaitMs: scene.calm ? 100 * dayMs : random() * 4 * hourMs,
  };
}

/** Keys are listed before the call that removes them: within a call, time stands still. */
function removingListed(insights: InsightStore): InsightStore {
  return {
    ...insights,
    removeLive: async (keys) => {
      const listed: ItemKey[] = [];
      for await (const key of keys) listed.push(key);
      return insights.removeLive(listed);
    },
  };
}

/** A run that was failed may fail; others only where they were not alone, or were asked at the wrong time. */
function excuse(scene: Scene, life: Life, error: unknown, mayBe: (error: SluiceError) => boolean): void {
  const known = error as SluiceError;
  scene.note(`${life.name}: ${known.message.slice(0, 160)}`);
  if (!life.hurt && known.code !== "CONFLICT" && !mayBe(known)) throw error;
  if (scene.calm && !mayBe(known)) throw error;
}

const isEarly = ({ code, message }: SluiceError): boolean =>
  code === "REFRESH" && message.includes("did not archive past");
/** There is nothing to roll back to, or nothing to release. */
const isAimless = ({ code }: SluiceError): boolean => code === "BAD_USER_INPUT";

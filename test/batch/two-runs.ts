/** Runs a product's lake through generations, two runs at a time, and looks at what they leave. Throws what is wrong. */
import { expect } from "vitest";
import { seeded } from "../live/parcels.ts";
import { expectSwept } from "./kill.ts";
import { type Death, Life } from "./memory-world.ts";
import { retained } from "./reached.ts";
import type { Batch, SalesWorld } from "./sales-world.ts";
import { changed, scenarios, worldOf } from "./scenarios.ts";

const runs: Readonly<Record<string, (sales: SalesWorld, life: Life) => Promise<object>>> = {
  refresh: (sales, life) => sales.refresh(life),
  full: (sales, life) => sales.refresh(life, true),
  rollback: (sales, life) => sales.rollback(life),
};

const pairs: readonly (readonly string[])[] = [
  ["refresh", "refresh"],
  ["refresh", "full"],
  ["refresh", "rollback"],
  ["rollback", "rollback"],
];

const rounds = 8;

export async function runTwoAtATime(batch: Batch, seed: number): Promise<void> {
  const random = seeded(seed);
  const sales = await worldOf(scenarios[seed % 2 === 0 ? 0 : 2]!, batch, random);
  await sales.refresh();
  await sales.read();
  for (let round = 0; round < rounds; round++) {
    sales.turnTo(changed(sales.generation, round + 5, random));
    const at = 1 + Math.floor(random() * 120);
    await runBoth(
      sales,
      pairs[Math.floor(random() * pairs.length)]!,
      random() < 0.3 ? { side: "before", at } : null,
    );
    await sales.read();
    await releaseIfHeld(sales);
    await sales.refresh();
    await sales.read();
    await expectSwept(sales);
  }
}

/** One publishes, and whoever does not is told; a rollback may be over before the other run begins. */
async function runBoth(sales: SalesWorld, pair: readonly string[], death: Death | null): Promise<void> {
  const before = versionOf(sales);
  const hasRollback = pair.includes("rollback");
  if (hasRollback) sales.expectAlso([...sales.answers.values()]);
  const lives = pair.map((_, i) => new Life(sales.random, i === 0 ? death : null));
  const outcomes = await sales.amongReaders(pair.map((name, i) => runs[name]!(sales, lives[i]!)));
  const published = outcomes.filter((each) => each.status === "fulfilled" && isPublication(each.value));
  const failed = outcomes.flatMap((each, i) =>
    each.status === "rejected" && !lives[i]!.dead ? [each.reason as object] : [],
  );
  const aimless = failed.filter((reason) => "code" in reason && reason.code === "BAD_USER_INPUT");
  if (lives.every(({ dead }) => !dead)) {
    expect(versionOf(sales) - before).toBe(published.length);
    expect(published.length + aimless.length).toBeGreaterThanOrEqual(1);
  }
  expect(published.length).toBeLessThanOrEqual(hasRollback ? 2 : 1);
  for (const reason of failed) expect(reason).toMatchObject(aimless.includes(reason) ? nowhere : late);
}

/** A rollback behind which there is nothing kept, since another has gone back to the last of it. */
const nowhere = { message: expect.stringMatching(/^A rollback goes to an edition that is kept/) as string };
const late = {
  code: "CONFLICT",
  message: expect.stringMatching(/^One refresh at a time|was published by another run/) as string,
};

/** A refresh that begins behind a rollback finds the product held. */
const isPublication = (result: object): boolean => !("published" in result) || result.published === true;

const versionOf = ({ world, product }: SalesWorld): number => retained(world, product.name).manifest.version;

/** The version rises, the answers stay. */
async function releaseIfHeld(sales: SalesWorld): Promise<void> {
  if (!retained(sales.world, sales.product.name).manifest.hold) return;
  await sales.batch.release(sales.product, sales.deps(new Life(sales.random)));
  const version = versionOf(sales);
  sales.answers.set(version, sales.answers.get(version - 1)!);
}

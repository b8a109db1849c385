/** Kills a scenario's refresh at its calls, one after the other, and looks at what is left. Throws what is wrong. */
import { createHash } from "node:crypto";
import { isDeepStrictEqual, inspect } from "node:util";
import { type Death, Life, type World } from "./memory-world.ts";
import { seeded } from "../live/parcels.ts";
import { present, reached, remnants, retained } from "./reached.ts";
import type { Batch, SalesWorld } from "./sales-world.ts";
import { changed, type Scenario, worldOf } from "./scenarios.ts";

export interface Killed {
  readonly deaths: number;
  /** Of the deaths, those behind the flip of the pointer. */
  readonly published: number;
  readonly reads: number;
}

export async function killEverywhere(
  scenario: Scenario,
  batch: Batch,
  seed: number,
  run: "refresh" | "rollback" = "refresh",
): Promise<Killed> {
  const base = await worldOf(scenario, batch, seeded(seed));
  const total = { deaths: 0, published: 0, reads: 0 };
  const seen = new Set<string>();
  for (const side of ["before", "after"] as const)
    for (let at = 1; ; at++) {
      const death = { side, at };
      const world = base.copy(seeded(seed));
      const outcome = await killOnce(world, run, death, seen).catch((error: unknown) => {
        throw new Error(
          `SLUICE_SEED=${seed}, ${scenario.name}, killed ${side} ${at}: ${(error as Error).stack}`,
        );
      });
      if (outcome === "survived") break;
      total.deaths++;
      if (outcome === "published") total.published++;
      total.reads += world.reads;
    }
  return total;
}

/** `seen` has the states that earlier deaths have left behind: what follows them is known. */
async function killOnce(
  sales: SalesWorld,
  run: "refresh" | "rollback",
  death: Death,
  seen: Set<string>,
): Promise<"survived" | "published" | "unpublished"> {
  const { product, world } = sales;
  const before = retained(world, product.name).manifest.version;
  if (run === "rollback") sales.expectAlso([...sales.answers.values()]);
  const killed = await sales.runAmongReaders((life) => sales[run](life), death);
  await sales.read();
  if (!killed) return "survived";
  const { version } = retained(world, product.name).manifest;
  if (version > before + 1) throw new Error(`Version ${before} was followed by ${version}.`);
  const state = stateOf(world);
  if (!seen.has(state)) {
    await sales.refresh();
    await sales.read();
    expectVersion(sales, before + 1);
    await expectSwept(sales);
  }
  seen.add(state);
  return version > before ? "published" : "unpublished";
}

export function stateOf({ control, insights, live, lake, catalogue }: World): string {
  const tables = [...catalogue].map(([table, partitions]) => [table, ...partitions]);
  return createHash("md5")
    .update(JSON.stringify([...control, ...insights, ...live, ...lake.keys(), ...tables]))
    .digest("hex");
}

function expectVersion({ product, world }: SalesWorld, wanted: number): void {
  const { version } = retained(world, product.name).manifest;
  if (version !== wanted) throw new Error(`The next run leaves version ${version}, not ${wanted}.`);
}

/** Publishes generation after generation; nothing is left behind of those that are not retained any more. */
export async function wander(scenario: Scenario, batch: Batch, seed: number): Promise<void> {
  const random = seeded(seed);
  const sales = await worldOf(scenario, batch, random);
  for (let k = 4; k < 16; k++) {
    await sales.refresh();
    await sales.read();
    await expectSwept(sales).catch((error: unknown) => {
      throw new Error(`SLUICE_SEED=${seed}, ${scenario.name}, generation ${k}: ${(error as Error).stack}`);
    });
    sales.turnTo(changed(sales.generation, k, random));
  }
}

/** When no run can be under way any more, a run that has nothing to do leaves what retained manifests reach. */
export async function expectSwept(sales: SalesWorld): Promise<void> {
  const { product, world } = sales;
  world.now += 2 * 86_400_000;
  await sales.refresh(new Life(sales.random));
  const { insights, ...rest } = present(world, product.name);
  const { insights: read, ...reachedRest } = reached(world, product.name);
  expectSame(
    insights.filter((segment) => !read.includes(segment)),
    [],
  );
  expectSame(rest, reachedRest);
  const { builds, compacted } = remnants(
    world,
    product.name,
    `${product.source.database}.${product.source.table}`,
  );
  expectSame(compacted, []);
  const { editions } = reached(world, product.name);
  expectSame(
    builds.filter((id) => !editions.includes(id)),
    [],
  );
  await sales.readRetained();
}

function expectSame(actual: object, expected: object): void {
  if (!isDeepStrictEqual(actual, expected))
    throw new Error(
      `There is\n${inspect(actual, { depth: 4, maxArrayLength: 200 })}\nand retained manifests reach\n${inspect(expected, { depth: 4, maxArrayLength: 200 })}`,
    );
}

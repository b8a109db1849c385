/**
 * Refreshes announce themselves before they write anything, so that what a crashed one leaves behind can be found.
 *
 * Delivery guarantee: everything that a build writes stands under its id, and its document is written before and removed
 * after all of it.
 */
import type { ControlStore } from "../../src/backends/control-store.ts";
import { type Build, buildKey, type Manifest, manifestKey } from "../../src/model/control.ts";
import type { Product } from "../../src/model/product.ts";
import type { Instant } from "../../src/model/time.ts";
import type { Published } from "./published.ts";
import { overtaken } from "./publish.ts";

export async function openBuild(
  product: Product,
  { manifest }: Published,
  id: string,
  startedAt: Instant,
  control: ControlStore,
): Promise<void> {
  const build: Build = { base: manifest?.version ?? 0, startedAt };
  await control.put(buildKey(product, id), build, "any");
}

/** Rejects `CONFLICT` when the build cannot be published any more: better known before the work than after. */
export async function checkBase(
  product: Product,
  { revision }: Published,
  id: string,
  control: ControlStore,
): Promise<void> {
  const current = await control.get<Manifest>(manifestKey(product));
  if ((current?.revision ?? null) !== revision) throw overtaken(product, id);
}

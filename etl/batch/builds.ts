/**
 * Refreshes announce themselves before they write anything, so that what a crashed one leaves behind can be found.
 *
 * Delivery guarantee: everything that a build writes stands under its id, and its document is written before and removed
 * after all of it.
 */
import type { ControlStore } from "../../src/backends/control-store.ts";
import { type Build, buildKey, type Manifest, manifestKey } from "../../src/model/control.ts";
import type { Product } from "../../src/model/product.ts";
import { formatInstant, type Instant } from "../../src/model/time.ts";
import type { Published } from "./published.ts";

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

/** Another run has published since `published` was read: the build cannot be published any more. */
export async function isOvertaken(
  product: Product,
  { revision }: Published,
  id: string,
  control: ControlStore,
): Promise<boolean> {
  const current = await control.get<Manifest>(manifestKey(product));
  return (current?.revision ?? null) !== revision && current?.value.edition !== id;
}

/** Sorts by time, and no two are equal: `20010628T010203456Z-1f2e3d4c`. */
export function editionId(at: Instant, token: string): string {
  return `${formatInstant(at).replaceAll(/[-:.]/g, "")}-${token.replaceAll(/[^A-Za-z0-9]/g, "").slice(0, 8)}`;
}

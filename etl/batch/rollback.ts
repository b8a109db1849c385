/**
 * An earlier edition is published again, under a new version, and held: no refresh publishes over it until the hold is
 * lifted.
 *
 * Delivery guarantee: one conditional write, upon the manifest that was read; what the earlier edition reaches is kept by
 * every sweep before and after it (see `sweep.ts`). No number goes missing: live items must go on where it ends.
 */
import type { ControlStore, Versioned } from "../../src/backends/control-store.ts";
import {
  type Checkpoint,
  checkpointKey,
  type Edition,
  editionKey,
  type LiveStart,
  liveStartKey,
  type Manifest,
  manifestKey,
  missedUntil,
} from "../../src/model/control.ts";
import { SluiceError } from "../../src/model/errors.ts";
import type { Product } from "../../src/model/product.ts";
import { formatInstant, type Instant } from "../../src/model/time.ts";
import { editionId } from "./builds.ts";
import type { RefreshDeps } from "./deps.ts";
import { registerGold } from "./gold-table.ts";
import { flip } from "./publish.ts";
import { keptEditions } from "./sweep.ts";

export type RollbackDeps = Pick<RefreshDeps, "control" | "clock" | "token" | "lake" | "warehouse">;

/**
 * Publishes the content of edition `to` again; without `to`, of the one before the current content, so that a second
 * rollback goes further back. Rejects `BAD_USER_INPUT` when there is no such edition or numbers would go missing, and
 * `CONFLICT` when something was published meanwhile.
 */
export async function rollback(
  product: Product,
  { to }: { readonly to?: string },
  deps: RollbackDeps,
): Promise<Edition> {
  const { control, clock, token } = deps;
  const current = await readManifest(product, control);
  const documents = await control.list<Edition>(editionKey(product, "").pk);
  const kept = keptEditions(current.value, documents);
  const target = chosen(product, kept, to);
  await checkLive(product, current.value, target, control);
  const now = clock();
  const id = editionId(now, token());
  const version = current.value.version + 1;
  const edition: Edition = {
    ...target,
    id,
    publishedAt: now,
    version,
    items: 0,
    bytesScanned: 0,
    durationMs: 0,
    manifest: {
      ...target.manifest,
      version,
      edition: id,
      keeps: current.value.keeps,
      hold: { since: now, edition: current.value.edition },
    },
    previous: current.value.edition,
    restores: target.id,
  };
  await control.put(editionKey(product, id), edition, null);
  if (!(await flip(product, edition.manifest, current.revision, control))) throw overtaken(product);
  await registerGold(product, edition.manifest, deps);
  return edition;
}

/** Lifts the hold: the next refresh publishes again. Rejects `BAD_USER_INPUT` when there is none. */
export async function release(product: Product, { control }: Pick<RefreshDeps, "control">): Promise<void> {
  const { value, revision } = await readManifest(product, control);
  if (!value.hold)
    throw new SluiceError("BAD_USER_INPUT", `"${product.name}" is not held: there is nothing to release.`);
  const released = { ...value, version: value.version + 1, hold: null };
  if (!(await flip(product, released, revision, control))) throw overtaken(product);
}

async function readManifest(product: Product, control: ControlStore): Promise<Versioned<Manifest>> {
  const manifest = await control.get<Manifest>(manifestKey(product));
  if (manifest !== null) return manifest;
  throw new SluiceError(
    "BAD_USER_INPUT",
    `Nothing of "${product.name}" has been published yet. Run "sluice refresh ${product.name}".`,
  );
}

/** The edition whose content is published again: a rollback itself only where what it restored is not kept any more. */
function chosen(product: Product, kept: readonly Edition[], to: string | undefined): Edition {
  const byId = (id: string | null | undefined) => kept.find((edition) => edition.id === id);
  const contentOf = (edition: Edition | undefined) => byId(edition?.restores) ?? edition;
  // what came before something that is not kept is not kept either
  const before = (edition: Edition | undefined) =>
    edition?.restores === null ? contentOf(byId(edition.previous)) : undefined;
  const content = contentOf(kept[0]);
  const target = to === undefined ? before(content) : contentOf(byId(to));
  if (target !== undefined && target !== content) return target;
  const others = kept.filter((edition) => contentOf(edition) === edition && edition !== content);
  const can =
    others.length === 0
      ? "There is none besides the current one"
      : `Those are ${others.map(({ id }) => id).join(", ")}`;
  throw new SluiceError(
    "BAD_USER_INPUT",
    `A rollback goes to an edition that is kept and not current. ${to === undefined ? "There is none before the current one" : `Got "${to}"`}. ${can}; "sluice editions ${product.name}" lists them.`,
  );
}

/** Behind the earlier cut, live items answer: they must have seen every event from there on. */
async function checkLive(
  product: Product,
  current: Manifest,
  target: Edition,
  control: ControlStore,
): Promise<void> {
  const { stream } = product.source;
  if (stream === null || !product.rollups.some(({ live }) => live)) return;
  const from = await liveFrom(product, control);
  const { until } = target.manifest.coverage;
  const lost = Math.min(from ?? Infinity, current.coverage.until);
  if (until >= lost) return;
  throw new SluiceError(
    "BAD_USER_INPUT",
    `After a rollback live items answer from the earlier edition's end on. Edition ${target.id} of "${product.name}" ends at ${formatInstant(until)}, ${from === null ? "and there are no live items of the present declaration" : `and the live items of the present declaration begin at ${formatInstant(from)}`}: numbers between would go missing. Choose a later edition with --to, or mend the lake and refresh with --full.`,
  );
}

/** Since when live items hold every event; null when there are none. As `live-status.ts` of the loaders. */
async function liveFrom(product: Product, control: ControlStore): Promise<Instant | null> {
  const checkpoints = await control.list<Checkpoint>(checkpointKey(product.source.stream!, "").pk);
  const start = await control.get<LiveStart>(liveStartKey(product));
  if (start === null) return null;
  const { from, sweptUntil = from } = start.value;
  return Math.max(from, sweptUntil, ...checkpoints.flatMap(({ value }) => missedUntil(value, product) ?? []));
}

function overtaken(product: Product): SluiceError {
  return new SluiceError(
    "CONFLICT",
    `"${product.name}" was published by another run at this moment, so nothing was rolled back or released. Look at "sluice editions ${product.name}" and try again.`,
  );
}

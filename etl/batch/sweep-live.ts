/**
 * Live items end with the last manifest that needs them: those of a period go when it has ended for every manifest that
 * is kept, the current one and all that a rollback may publish again. So they go by coverage, never by the clock: where
 * refreshes stall for weeks, live items are the only copy.
 *
 * Delivery guarantee: no reader misses what is removed, now or later. A manifest is read with live items of periods that
 * end behind its coverage; `covered` is what all that are kept cover, no manifest to come covers less of such a period
 * (a refresh never moves coverage back, except to an edge of a coarser finest grain, which no period of a live rollup
 * straddles; a rollback goes to what is kept, upon the manifest that kept it), and a reader of a version that is not kept
 * any more has the time that retention gives it, as for segments. The archive commits after a batch is applied and
 * coverage is behind its barriers, so no batch under way writes such an item, and removal needs no condition. One that
 * is repeated, thaws later or is of another shape's consumer finds no watermark and makes an item of a part of the
 * events: nobody reads it, and its version is above those before. The mark that says what is swept is read with the live
 * items, so that whoever asked for a swept bucket all the same, by another declaration's coverage, would be told that it
 * is partial. Removal comes before that mark: a crash repeats it, and two sweeps do the same.
 */
import type { Versioned } from "../../src/backends/control-store.ts";
import { type LiveStart, liveStartKey } from "../../src/model/control.ts";
import { type ItemKey, livePartition } from "../../src/model/layout.ts";
import type { Product } from "../../src/model/product.ts";
import { type Instant, periodOf, periodRange } from "../../src/model/time.ts";
import { forEachInParallel, groupedBy } from "./chunks.ts";
import type { RefreshDeps } from "./deps.ts";

type LiveDeps = Pick<RefreshDeps, "control" | "insights">;
type Shape = Versioned<LiveStart> & ItemKey;

// of one shape and refresh; the next one goes on
const maxEnds = 400;
const maxItems = 200_000;

/**
 * Removes live items of periods that end at or before `covered`, of the product's shape and of those before it: their
 * gateways may still run, and read by the same manifests. Resolves to the number removed.
 */
export async function sweepLive(product: Product, covered: Instant, deps: LiveDeps): Promise<number> {
  let items = 0;
  for (const shape of await deps.control.list<LiveStart>(liveStartKey(product).pk))
    items += await sweepShape(product, shape, covered, deps);
  return items;
}

async function sweepShape(product: Product, shape: Shape, covered: Instant, deps: LiveDeps): Promise<number> {
  let { value: start, revision } = shape;
  let items = 0;
  for (const [end, partitions] of endedPartitions(product, shape, covered)) {
    await forEachInParallel(partitions, async ({ key }) => {
      const removed = await deps.insights.removeLive(deps.insights.listLive(key));
      items += removed;
    });
    start = { ...start, sweptUntil: end };
    const moved = await deps.control.put({ pk: shape.pk, sk: shape.sk }, start, revision);
    // a consumer has moved the start, or another sweep was here: the next one finds out
    if (moved === null || items >= maxItems) break;
    revision = moved;
  }
  return items;
}

interface LivePartition {
  readonly key: string;
  readonly end: Instant;
}

/** The partitions that end behind what is swept and up to `covered`, by their ends, earliest first. */
function endedPartitions(
  { name }: Product,
  { sk, value: { sweptUntil, rollups = [] } }: Shape,
  covered: Instant,
): [Instant, LivePartition[]][] {
  if (sweptUntil === undefined) return [];
  const partitions = rollups.flatMap((rollup) =>
    endedPeriods(rollup, sweptUntil, covered).map(({ period, end }) => ({
      key: livePartition({ name, shape: sk }, rollup, period),
      end,
    })),
  );
  const ordered = partitions.sort((a, b) => a.end - b.end);
  return [...groupedBy(ordered, ({ end }) => end)].slice(0, maxEnds);
}

function endedPeriods(
  { finest }: NonNullable<LiveStart["rollups"]>[number],
  sweptUntil: Instant,
  covered: Instant,
): { period: string; end: Instant }[] {
  const ended: { period: string; end: Instant }[] = [];
  for (let at = sweptUntil; ; ) {
    const period = periodOf(at, finest);
    at = periodRange(period).to;
    if (at > covered) return ended;
    ended.push({ period, end: at });
  }
}

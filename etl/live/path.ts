/** What the events of a source go through, whichever shard they came from and whichever host reads them. */
import type { Broadcast } from "../../src/backends/broadcast.ts";
import type { ControlStore } from "../../src/backends/control-store.ts";
import type { DeadLetters } from "../../src/backends/dead-letters.ts";
import type { InsightStore } from "../../src/backends/insight-store.ts";
import type { Lake } from "../../src/backends/lake.ts";
import { SluiceError } from "../../src/model/errors.ts";
import type { Product } from "../../src/model/product.ts";
import type { Source, Stream } from "../../src/model/source.ts";
import { announcer, type Announcer } from "./announce.ts";
import { type Applier, liveApplier } from "./apply.ts";
import { type Archive, lakeArchive } from "./archive.ts";
import type { CheckpointOptions } from "./checkpoint.ts";
import type { Effects } from "./effects.ts";
import { type Enricher, lookupEnricher } from "./enrich.ts";
import { type LiveTarget, liveTargets } from "./fold.ts";
import { type LiveMetrics, unmeasured } from "./metrics.ts";

export interface LivePath extends CheckpointOptions {
  readonly source: Source;
  readonly targets: readonly LiveTarget[];
  readonly deadLetters: DeadLetters;
  readonly enricher: Enricher;
  readonly applier: Applier;
  readonly archive: Archive;
  readonly announcer: Announcer;
  readonly metrics: LiveMetrics;
}

export interface LivePathOptions {
  readonly source: Source;
  /** Those of other sources are left out. */
  readonly products: readonly Product[];
  readonly control: ControlStore;
  readonly insights: InsightStore;
  readonly lake: Lake;
  readonly broadcast: Broadcast;
  readonly deadLetters: DeadLetters;
  readonly metrics?: LiveMetrics;
}

export function livePath(options: LivePathOptions, effects: Effects): LivePath {
  const { source, control, insights, lake, broadcast, deadLetters } = options;
  const stream = streamOf(source);
  const products = options.products.filter((product) => product.source === source);
  return {
    source,
    stream,
    control,
    effects,
    products: products.filter(({ rollups }) => rollups.some((rollup) => rollup.live)),
    targets: liveTargets(products),
    deadLetters,
    enricher: lookupEnricher({ source, control, lake, effects }),
    applier: liveApplier({ insights, effects }),
    archive: lakeArchive({ source, stream, control, lake, effects }),
    announcer: announcer({ broadcast, effects }),
    metrics: options.metrics ?? unmeasured,
  };
}

function streamOf(source: Source): Stream {
  if (source.stream !== null) return source.stream;
  throw new SluiceError(
    "INTERNAL",
    `A consumer reads a stream. Source "${source.name}" has none. Add stream: "…" to its @Source, or do not run it live.`,
  );
}

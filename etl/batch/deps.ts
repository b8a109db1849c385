/** What a refresh works with: stores, engines and effects, all as arguments. */
import type { ControlStore } from "../../src/backends/control-store.ts";
import type { EventStream } from "../../src/backends/event-stream.ts";
import type { GoldReader } from "../../src/backends/gold.ts";
import type { InsightStore } from "../../src/backends/insight-store.ts";
import type { Lake } from "../../src/backends/lake.ts";
import type { Warehouse } from "../../src/backends/warehouse.ts";
import type { Instant, Range } from "../../src/model/time.ts";
import type { Progress } from "./progress.ts";

export interface RefreshDeps {
  readonly warehouse: Warehouse;
  readonly lake: Lake;
  readonly control: ControlStore;
  readonly insights: InsightStore;
  readonly gold: Pick<GoldReader, "open">;
  /** The stream of the product's source: needed where the source declares one. */
  readonly stream?: EventStream;
  readonly clock: () => Instant;
  readonly wait: (ms: number) => Promise<unknown>;
  /** A new random string, for example a UUID: makes ids of editions and barriers unique. */
  readonly token: () => string;
  readonly progress: (event: Progress) => void;
  /** What can be rolled back to. */
  readonly retention: Retention;
  /** How long micro-batches may take to archive past the barriers before the previous coverage is kept. */
  readonly barrierWaitMs: number;
}

/** The newest so many editions are kept, and all that were served within so long. */
export interface Retention {
  readonly editions: number;
  readonly ms: number;
}

export interface RefreshOptions {
  /** Computes everything anew, as if nothing had been published. */
  readonly full?: boolean;
  /** Recounts the partitions of this time, changed or not, and no others. */
  readonly range?: Range;
  /** Stops the running statement, or the load; what was published stays. */
  readonly signal?: AbortSignal;
}

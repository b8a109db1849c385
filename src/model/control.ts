/**
 * The documents of the control table: manifests and their pages, editions, lake partitions, clocks, archive records,
 * dead letters in work and checkpoints. Here are their types and keys; they are read and written through `ControlStore`.
 */
import type { ItemKey } from "./layout.ts";
import type { LookupTable } from "./lookup.ts";
import type { Position } from "./position.ts";
import type { Product, Rollup } from "./product.ts";
import type { Source, Stream } from "./source.ts";
import type { StoredLayout } from "./stored-layout.ts";
import type { Instant, StoredGrain } from "./time.ts";

/**
 * The pointer to what is published of a product: small, replaced by one conditional write per refresh. Its version
 * only rises.
 */
export interface Manifest {
  readonly version: number;
  readonly edition: string;
  readonly shape: string;
  /** What the items of that shape hold: a reader of another declaration can tell what it may read of them. */
  readonly layout: StoredLayout;
  readonly publishedAt: Instant;
  /** Editions and Athena answer for [from, until). */
  readonly coverage: { readonly from: Instant; readonly until: Instant };
  /** The start of the newest bucket that holds events, at the product's finest grain; null when none does. */
  readonly newest: Instant | null;
  /** Page name -> the edition that wrote the page. */
  readonly pages: Readonly<Record<string, string>>;
  /** The oldest version that can be rolled back to; what only older ones reach is swept. Never falls. */
  readonly keeps: number;
  /** Set by a rollback: until it is lifted, no refresh publishes. */
  readonly hold: Hold | null;
}

export interface Hold {
  readonly since: Instant;
  /** The edition that was taken back. */
  readonly edition: string;
}

/**
 * Which edition holds each period of a rollup in one year. Days of an open month may stand beside it under DAY
 * (`2001-06-27` beside `2001-06`): such a day is read from its own segment, whatever the month's says. Immutable.
 */
export type SegmentPage = Readonly<Partial<Record<StoredGrain, Readonly<Record<string, string>>>>>;

/** The lake partitions of one year as they were read. Immutable. */
export type LakePage = Readonly<Record<string, LakePartition>>;

export interface LakePartition {
  /** Of the objects, sizes and etags that were read. */
  readonly fingerprint: string;
  /** The folder of its gold in the lake, which ends with "/"; null for a partition without events. */
  readonly gold: string | null;
  /** Events in it before `coveredUntil`. */
  readonly rows: number;
  /** Of all its files. Old pages do not say. */
  readonly bytes?: number;
  /** The start of the newest bucket that holds events, at the product's finest grain; null when none does. */
  readonly newest: Instant | null;
}

/** Whether an edition may have this id: a time and a token, `20010628T010203456Z-1f2e3d4c`. */
export function isEditionId(id: unknown): id is string {
  return typeof id === "string" && /^\d{8}T\d{9}Z-[A-Za-z0-9]{0,8}$/.test(id);
}

export interface Edition {
  readonly id: string;
  readonly publishedAt: Instant;
  readonly version: number;
  /** Events counted in all that this edition serves. */
  readonly rows: number;
  /** Items written by it. */
  readonly items: number;
  readonly bytesScanned: number;
  readonly durationMs: number;
  readonly coveredUntil: Instant;
  /** What it published: a rollback publishes this again. */
  readonly manifest: Manifest;
  /** The edition that it took over from; null for the first one. */
  readonly previous: string | null;
  /** The edition that a rollback published again; null for a refresh. */
  readonly restores: string | null;
  /** It was not published, and its segments are removed: its run may go on writing some for a while. */
  readonly swept?: true;
}

/**
 * A refresh that may have begun to write. When the product's version has risen past `base` and the build was not
 * published, it never will be, and what it wrote is swept.
 */
export interface Build {
  /** The manifest's version that it builds upon; 0 before the first one. */
  readonly base: number;
  readonly startedAt: Instant;
}

/** The gold of one year as the BI table has it. */
export interface GoldYear {
  /** The edition of the lake page that is registered; null while that is not so. */
  readonly page: string | null;
  /** Partition -> the folder of its gold. While not settled: all that may be registered. */
  readonly folders: Readonly<Record<string, string>>;
  readonly settled: boolean;
}

/** Beside the years there is the document "table": the statements that made it. */
export const goldTableKey = (product: Product, year: string): ItemKey => ({
  pk: `gold#${product.name}`,
  sk: year,
});

/** Sort keys of builds are the ids of their editions. */
export const buildKey = (product: Product, id: string): ItemKey => ({ pk: `builds#${product.name}`, sk: id });

/**
 * The editions that were published, newest first, of all that were written: one that lost the race for the manifest, or
 * crashed before it, is followed by none.
 */
export function publishedEditions(written: readonly Edition[], current: string): Edition[] {
  const byId = new Map(written.map((edition) => [edition.id, edition]));
  const published: Edition[] = [];
  for (let edition = byId.get(current); edition !== undefined; ) {
    published.push(edition);
    edition = edition.previous === null ? undefined : byId.get(edition.previous);
  }
  return published;
}

export const manifestKey = (product: Product): ItemKey => ({ pk: `manifest#${product.name}`, sk: "current" });

/** Sort keys of editions are their ids, which sort by time. */
export const editionKey = (product: Product, id: string): ItemKey => ({
  pk: `editions#${product.name}`,
  sk: id,
});

export const segmentPageName = (rollup: Pick<Rollup, "name">, year: string): string =>
  `segments/${rollup.name}/${year}`;
const lakePages = "lake/";
export const lakePageName = (year: string): string => `${lakePages}${year}`;
/** Null for the name of another page. */
export const yearOfLakePage = (name: string): string | null =>
  name.startsWith(lakePages) ? name.slice(lakePages.length) : null;
export const pageKey = (product: Product, page: string, edition: string): ItemKey => ({
  pk: `page#${product.name}#${page}`,
  sk: edition,
});

/** A replay's durable clock: every record stamped earlier than `at` is acknowledged, none stamped earlier follows. */
export interface Clock {
  readonly at: Instant;
}

export const clockKey = (stream: Stream): ItemKey => ({ pk: `stream#${stream.name}`, sk: "clock" });

/** A committed file of the archive: staged at `from`, to be copied to `to`. */
export interface FileCopy {
  readonly from: string;
  readonly to: string;
}

/** How far the archive of a shard has come. */
export interface ArchiveRecord {
  /** Every event at or below this sequence number is in a committed file. */
  readonly through: string;
  /** Files committed so far; the next file's name carries it. */
  readonly files: number;
  /** The newest barrier passed: its sequence number and arrival. */
  readonly barrier: { readonly sequence: string; readonly arrival: Instant } | null;
  /** Committed files whose copy to the final name may not have happened yet. */
  readonly copying: readonly FileCopy[];
}

export const archiveKey = (stream: Stream, shard: string): ItemKey => ({
  pk: `archive#${stream.name}`,
  sk: shard,
});

/** What is being done with the dead letters of a stream; one thing at a time. */
export interface LettersRecord {
  /** Files of admitted events committed so far; the next file's name carries it. */
  readonly files: number;
  /** Letters whose events are in committed files, and are not marked so yet; null while there are none. */
  readonly admitting: Admission | null;
  /** Letters whose events may be in the stream; null while there are none. */
  readonly resending: Resending | null;
}

/** Positions by shard. */
export type LetterPositions = Readonly<Record<string, readonly Position[]>>;

export interface Admission {
  readonly at: Instant;
  readonly letters: LetterPositions;
  readonly copying: readonly FileCopy[];
}

export interface Resending {
  /** When the put was about to begin. */
  readonly at: Instant;
  readonly letters: LetterPositions;
  /** Per shard the last sequence number before the put; null for one that was closed already. */
  readonly tails: Readonly<Record<string, string | null>>;
}

export const lettersKey = (stream: Stream): ItemKey => ({ pk: `stream#${stream.name}`, sk: "letters" });

/** Where a consumer goes on in a shard, and what has been applied of it. */
export interface Checkpoint {
  /** The last record read; null while none was. */
  readonly sequence: string | null;
  /**
   * Arrival of that record, before it of the parents' records: events that arrive later are later than
   * `arrival - lateness`.
   */
  readonly arrival: Instant;
  /** The time of the newest event applied; null when none was. */
  readonly newest: Instant | null;
  /** The shapes (`shapeId`) that have missed nothing of it since their live start. Old checkpoints name none. */
  readonly shapes?: readonly string[];
  /** The shard is closed and read to its end: nothing more comes in it. */
  readonly ended?: true;
}

/** How checkpoints name what they were applied for. */
export const shapeId = (product: Product): string => `${product.name}#${product.shape}`;

/**
 * From when on a shape that missed what is behind a checkpoint sees every event: all that were applied are older.
 * Null when it missed nothing.
 */
export function missedUntil(
  { sequence, arrival, newest, shapes = [] }: Checkpoint,
  product: Product,
): Instant | null {
  if (sequence === null || shapes.includes(shapeId(product))) return null;
  return newest === null ? arrival : Math.max(arrival, newest + 1);
}

export const checkpointKey = (stream: Stream, shard: string): ItemKey => ({
  pk: `checkpoint#${stream.name}`,
  sk: shard,
});

/**
 * Since when the live items of a shape see every event: an earlier bucket is partial. It moves on when the shape comes
 * back after another one. To be read after the checkpoints: one that names the shape is younger than the move.
 */
export interface LiveStart {
  readonly from: Instant;
  /** No live item of a period that ends at or before it is left: its buckets are partial too. Old documents do not say. */
  readonly sweptUntil?: Instant;
  /** Those with live items: what tells their keys when the shape is not declared any more. Old documents name none. */
  readonly rollups?: readonly Pick<Rollup, "name" | "finest">[];
}

export const liveStartKey = (product: Product): ItemKey => ({
  pk: `live#${product.name}`,
  sk: product.shape,
});

/** Which location of a lake partition is registered in the catalogue, and what went into it. */
export interface CompactedPartition {
  /** `s3://…/`: the lake's own folder, or a compacted one. Empty when the partition is gone from the lake. */
  readonly location: string;
  readonly fingerprint: string;
  /** The source's own columns then, as `name:type`: a compacted folder holds no others. Old documents name none. */
  readonly columns?: readonly string[];
  /** False from the moment the location is decided on until the catalogue has it: a crash between is repaired. */
  readonly registered: boolean;
}

export const compactedKey = (source: Source, partition: string): ItemKey => ({
  pk: `lake#${source.database}.${source.table}`,
  sk: partition,
});

/** The table of a source as the catalogue has it. */
export interface CataloguedTable {
  /** The statements that made it: others mean another table. */
  readonly ddl: readonly string[];
}

export const cataloguedTableKey = (source: Source): ItemKey => ({
  pk: `catalogue#${source.database}.${source.table}`,
  sk: "table",
});

/** The rows of a dimension table that a source's events are given: immutable objects, the newest of which holds all. */
export interface LookupVersion {
  /** In the lake: `rows.json` for the micro-batches, `parquet/` for the warehouse. Named by its content. */
  readonly folder: string;
  /** Of the table's keys, sizes and etags as they were read. */
  readonly fingerprint: string;
  /** False from the moment the version counts until the catalogue shows it: a crash between is repaired. */
  readonly registered: boolean;
}

export const lookupKey = (source: Source, { id }: LookupTable): ItemKey => ({
  pk: `lookups#${source.database}.${source.table}`,
  sk: id,
});

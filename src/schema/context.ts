/**
 * What resolvers and subscriptions may ask of the machinery behind them. `src/loaders` implements it; one session
 * serves one request (or one event of a subscription) and reads one version of each manifest.
 */
import type { AdHocJob } from "../model/ad-hoc-job.ts";
import type { Filter } from "../model/filter.ts";
import type { Period } from "../model/period.ts";
import type { Product } from "../model/product.ts";
import type { Source } from "../model/source.ts";
import type { Scope } from "../model/scope.ts";
import type { Grain, Instant, Range } from "../model/time.ts";
import type { Event, Value } from "../model/values.ts";
import type { Edition } from "../model/control.ts";

/** The `contextValue` of every execution. */
export interface SluiceContext {
  readonly scope: Scope;
  /** Replaced for every event of a subscription. */
  session: Session;
  /** A session for the next event of a subscription. */
  readonly newSession: () => Session;
  readonly live: LiveFeeds;
  /** Wall time. */
  readonly now: () => Instant;
  /** Of a feed that resumes: as `LiveFeeds.feed` has it. */
  readonly level?: (at: string) => boolean;
}

/** A range as asked: absolute, or the last so many milliseconds up to the newest bucket that holds events. */
export interface AskedRange {
  readonly from?: Instant;
  readonly to?: Instant;
  readonly lastMs?: number;
}

export interface Question {
  readonly product: Product;
  readonly where: Filter;
  /** Absent: the product's coverage, live part included. */
  readonly range?: AskedRange;
}

/** Which groups of a question, and what of them. */
export interface GroupsQuestion extends Question {
  /** What is grouped by: not empty, each dimension once. */
  readonly dimensions: readonly string[];
  /** Null: by the dimensions. */
  readonly order: { readonly measure: string; readonly direction: "ASC" | "DESC" } | null;
  /** 1 to 1,000. */
  readonly first: number;
  /** The cursor of a page before. */
  readonly after: string | null;
  /** The measures that the groups will be asked for. */
  readonly measures: readonly string[];
  /** Where the field stands in the response. */
  readonly path: readonly string[];
}

/** Some groups in the order asked for. */
export interface GroupPage {
  readonly nodes: readonly Insight[];
  /** Behind each node. */
  readonly cursors: readonly string[];
  readonly hasNextPage: boolean;
  readonly hasPreviousPage: boolean;
  /** Of all groups; null where it is not known. */
  readonly totalCount: number | null;
}

export interface Session {
  /** Resolves the range and plans. Rejects `UserInputError` for a reversed or unanswerable range. */
  insight(question: Question): Promise<Insight>;
  /** Rejects `UserInputError` for a cursor of another question, `CURSOR_EXPIRED` when what it pages over is not kept. */
  groups(question: GroupsQuestion): Promise<GroupPage>;
  catalogue(product: Product): Promise<CatalogueEntry>;
  /** Null when the viewer's tenant has no such job. */
  adHocJob(id: string): Promise<AdHocJob | null>;
  /** Stops it for all who wait for it; one that is over stays as it is. Null as above. */
  cancelAdHocJob(id: string): Promise<AdHocJob | null>;
  /** The job now and whenever it has changed, its end last; nothing where there is none. */
  adHocJobUpdates(id: string): AsyncIterable<AdHocJob>;
  /** What goes into `extensions.sluice`. */
  extensions(): SluiceExtensions;
}

/** The measures of one slice over one range: what a product's GraphQL type resolves from. */
export interface Insight {
  readonly product: Product;
  readonly id: string;
  readonly range: Range;
  /** The dimensions that the slice pins to one value, null included. */
  readonly pinned: Readonly<Record<string, Value>>;
  complete(): Promise<boolean>;
  /** A measure's value; `path` (response keys without list indices) is where provenance records it. */
  measure(name: string, path: readonly string[]): Promise<number | null>;
  /** Equal stamps mean equal answers of all stored measures: range, completeness and state. */
  stamp(): Promise<string>;
  /** Why this slice cannot be subscribed to, with the rollups that can; null when a live rollup carries it. */
  notLive(): string | null;
  /** What of live updates may change its stamp; null: any of them. */
  liveReading(): LiveReading | null;
  /** One insight per bucket, empty ones included, the edges cut to the range. Throws `UserInputError` for too many. */
  series(grain: Grain): Promise<readonly Insight[]>;
  /** The same slice, the range one period earlier. Throws `UserInputError` for one that begins before the year 1. */
  previous(period: Period): Promise<Insight>;
}

/** An insight's answer stays as it is, as long as no live update touches this. Publications and gaps are another matter. */
export interface LiveReading {
  /** The ids of the live items that it is read from, present and absent ones. */
  readonly items: readonly string[];
  /** The newest event seen: one in a later bucket of the finest grain may move its range, or what it is read from. */
  readonly newest: Instant;
  /** It becomes complete when no event before this instant is still to come; null where that says nothing. */
  readonly awaits: Instant | null;
}

export interface CatalogueEntry {
  readonly coverage: { readonly from: Instant; readonly to: Instant; readonly liveTo: Instant | null } | null;
  readonly publishedAt: Instant | null;
  /** Newest first. */
  editions(first: number): Promise<readonly (Edition & { readonly current: boolean })[]>;
  dimensionValues(dimension: string, search: string | null, first: number): Promise<readonly string[]>;
  measureSql(measure: string): string;
}

export interface SluiceExtensions {
  /** Product -> manifest version read. */
  readonly manifest: Readonly<Record<string, number>>;
  readonly provenance: readonly Provenance[];
}

/** Where the values of one object came from: one entry per object and source. */
export interface Provenance {
  readonly path: string;
  readonly fields: readonly string[];
  readonly source: "EDITION" | "LIVE" | "ATHENA";
  /** The values count all events before this instant. */
  readonly through: string;
  readonly partial?: boolean;
  readonly edition?: string;
  readonly queryId?: string;
  readonly bytesScanned?: number;
}

/** What subscriptions follow. `src/subscriptions` implements it over the broadcast. */
export interface LiveFeeds {
  /**
   * The insight of a question now, then again whenever its stored answer or that of an insight `besides` it has changed,
   * coalesced to the newest while the consumer is busy. Each comes from a session of its own. Rejects `NOT_LIVE` when no
   * live rollup carries one of them.
   */
  insights(
    question: Question,
    newSession: () => Session,
    besides: (insight: Insight) => Promise<readonly Insight[]>,
  ): AsyncIterable<{ session: Session; insight: Insight }>;
  /**
   * The events of a source in pages, as micro-batches arrive; with `after`, first the retained ones behind the cursor.
   * `level` is told when these are sent, and the entry that they reach; where it returns true, it goes on by itself
   * from there, and the feed ends.
   */
  feed(
    source: Source,
    where: Filter,
    after: string | null,
    level?: (at: string) => boolean,
  ): AsyncIterable<FeedPage>;
}

export interface FeedPage {
  /** The entry of the broadcast that the page is of. */
  readonly at: string;
  /** Opaque and signed: the position of every shard after this page. */
  readonly cursor: string;
  readonly events: readonly { readonly id: string; readonly event: Event }[];
}

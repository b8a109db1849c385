/**
 * One stream as all feeds of a gateway follow it: each update is taken in once, whoever listens.
 *
 * Delivery guarantee: a listener gets every event that its filter wants once and in order per shard, from its joining on;
 * when updates were missed, it is told `CURSOR_EXPIRED` instead, and nothing more.
 */
import type { Broadcast, Broadcasted, Entry, LiveUpdate } from "../backends/broadcast.ts";
import type { Filter } from "../model/filter.ts";
import type { Positions } from "../model/position.ts";
import type { FeedPage } from "../schema/context.ts";
import type { Cursor, Cursors } from "./cursor.ts";
import { FilterIndex } from "./feed-index.ts";
import { expired, freshEvents, missesSome, moveOver, pagesOf } from "./feed-pages.ts";

export interface FeedListener {
  page(page: FeedPage): void;
  /** Nothing comes after it. */
  failed(error: Error): void;
}

export interface FeedWorkings {
  readonly broadcast: Broadcast;
  readonly cursors: Cursors;
}

/** What somebody has read: everything up to this entry, which left the shards at these positions. */
export type Standing = Pick<Cursor, "at" | "positions">;

export class FeedHub {
  readonly #workings: FeedWorkings;
  readonly #stream: string;
  #listeners = new Map<FeedListener, () => void>();
  #index = new FilterIndex<FeedListener>();
  #positions: Positions = {};
  /** What listeners know of shards that it has not been told of. */
  #standings: Standing[] = [];
  #level = "";
  #followers = 0;
  #unsubscribe = (): void => {};

  constructor(workings: FeedWorkings, stream: string) {
    this.#workings = workings;
    this.#stream = stream;
  }

  /** The last entry that all listeners have been told of; empty before the first. */
  get level(): string {
    return this.#level;
  }

  /** Keeps it following the broadcast until the returned function is called: what follows, `level` tells. */
  follow(): () => void {
    if (this.#followers++ === 0)
      this.#unsubscribe = this.#workings.broadcast.subscribe((entry) => this.#take(entry));
    let following = true;
    return () => {
      if (following && --this.#followers === 0) this.#forget();
      following = false;
    };
  }

  /** Adds a listener; to be called by who follows. Returns the function that removes it. */
  join(where: Filter, listener: FeedListener, standing?: Standing): () => void {
    if (standing !== undefined) this.learn(standing);
    const remove = this.#index.add(where, listener);
    this.#listeners.set(listener, remove);
    return () => {
      this.#listeners.delete(listener);
      remove();
    };
  }

  /** Somebody who listens has read up to there. */
  learn(standing: Standing): void {
    this.#standings.push(standing);
  }

  #forget(): void {
    this.#unsubscribe();
    this.#positions = {};
    this.#standings = [];
    this.#level = "";
  }

  #take(entry: Entry): void {
    this.#adopt(entry);
    if (this.#missed(entry.message)) this.#expire();
    if (entry.message.kind === "live" && entry.message.stream === this.#stream)
      this.#tell(entry as Entry<LiveUpdate>);
  }

  /**
   * Where the entry is behind what a listener had read when it joined, the listener stands where it stood then in every
   * shard that has been silent since: what it misses there it would miss unnoticed, were that not known.
   */
  #adopt({ id, message }: Entry): void {
    if (this.#standings.length === 0) return;
    // a gap may have the id of the entry before it
    const isBehind = ({ at }: Standing): boolean => at < id || (message.kind === "gap" && at === id);
    for (const { positions } of this.#standings.filter(isBehind))
      this.#positions = { ...positions, ...this.#positions };
    this.#standings = this.#standings.filter((standing) => !isBehind(standing));
  }

  #missed(message: Broadcasted): boolean {
    if (message.kind === "published" || message.stream !== this.#stream) return false;
    if (message.kind === "live") return missesSome(this.#positions, message);
    return Object.entries(message.lost).some(([shard, through]) => {
      const at = this.#positions[shard];
      // what is lost of a shard that was silent so far may have come since a feed began
      return at === undefined || at[0] < through;
    });
  }

  /** Nobody can go on from where they all stand. */
  #expire(): void {
    const listeners = [...this.#listeners.keys()];
    this.#listeners = new Map();
    this.#index = new FilterIndex();
    this.#positions = {};
    this.#standings = [];
    for (const listener of listeners) listener.failed(expired());
  }

  #tell({ id, message }: Entry<LiveUpdate>): void {
    const { cursors } = this.#workings;
    const wanted = this.#index.wanted(freshEvents(this.#positions, message));
    for (const [listener, events] of wanted)
      for (const page of pagesOf(cursors, this.#positions, message, id, events)) listener.page(page);
    moveOver(this.#positions, message);
    this.#level = id;
  }
}

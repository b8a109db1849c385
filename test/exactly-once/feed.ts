/** A client of the real feed: it leaves and resumes, begins anew where it is told of a gap, and misses nothing otherwise. */
import { SluiceError } from "../../src/model/errors.ts";
import { signedCursors } from "../../src/subscriptions/cursor.ts";
import { eventFeed } from "../../src/subscriptions/event-feed.ts";
import { FeedHub } from "../../src/subscriptions/feed-hub.ts";
import type { Counted } from "./oracle.ts";
import type { Scene } from "./scene.ts";
import { visits } from "./visits.ts";

const leaving = 0.05; // how often it does, per page
const cursors = signedCursors("secret");

export class FeedClient {
  readonly #scene: Scene;
  readonly #hub: FeedHub;
  /** By shard the visit told last, since the feed began anew. */
  readonly #last = new Map<string, Counted>();
  #cursor: string | null = null;

  constructor(scene: Scene) {
    this.#scene = scene;
    this.#hub = new FeedHub({ broadcast: scene.world.broadcast, cursors }, visits.stream!.name);
  }

  /** Goes on for as long as the history does. */
  async follow(): Promise<never> {
    for (;;)
      try {
        await this.#read();
      } catch (error) {
        if (!(error instanceof SluiceError) || error.code !== "CURSOR_EXPIRED") throw error;
        this.#scene.note("the feed begins anew");
        this.#cursor = null;
        this.#last.clear();
      }
  }

  /** When all is quiet, nothing is missing behind what was told. */
  checkTold(): void {
    for (const [shard, { id }] of this.#last) {
      const end = this.#scene.oracle.inShard(shard).at(-1)!;
      if (end.id !== id) throw new Error(`The feed of ${shard} has ended at visit ${id}, not ${end.id}.`);
    }
  }

  async #read(): Promise<void> {
    const { world, random, oracle } = this.#scene;
    const workings = { broadcast: world.broadcast, cursors };
    const asked = { source: visits, where: [], after: this.#cursor, level: undefined };
    const feed = eventFeed(workings, () => this.#hub, asked);
    for await (const { events, cursor } of feed) {
      this.#cursor = cursor;
      for (const { event } of events) this.#hear(oracle.counted.find(({ id }) => id === event["id"])!);
      if (random() < leaving) return;
    }
  }

  #hear(visit: Counted): void {
    const last = this.#last.get(visit.shard);
    this.#last.set(visit.shard, visit);
    if (last === undefined) return;
    const told = this.#scene.oracle.inShard(visit.shard);
    const next = told[told.indexOf(last) + 1];
    if (next !== visit)
      throw new Error(`The feed told visit ${visit.id} of ${visit.shard} after ${last.id}, not ${next?.id}.`);
  }
}

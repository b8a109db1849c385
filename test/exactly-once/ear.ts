/** A subscriber that folds what it is told: versions of items, and positions of events. Holds the broadcast to its word. */
import type { Broadcasted, LiveUpdate } from "../../src/backends/broadcast.ts";
import type { Counted, LiveItemText, Oracle } from "./oracle.ts";

export class Ear {
  readonly #oracle: Oracle;
  /** By item the newest image. */
  readonly #items = new Map<string, { version: number; packed: string }>();
  /** By item the newest version of which an update got lost. */
  readonly #lostItems = new Map<string, number>();
  /** Ids of visits in updates that got lost. */
  readonly #lostVisits = new Set<number>();
  readonly #heard = new Set<number>();
  /** By shard the last position. */
  readonly #positions = new Map<string, { sequence: string; index: number }>();
  /** By partition key the order of the last visit. */
  readonly #orders = new Map<string, number>();
  /** By shard the last record of its lost updates, while nothing has told of the gap. */
  readonly #owed = new Map<string, string>();

  constructor(oracle: Oracle) {
    this.#oracle = oracle;
  }

  /** The broadcast was not reached, or did not say that it was. */
  lose(message: Broadcasted): void {
    if (message.kind !== "live") return;
    for (const { key, version } of message.items)
      this.#lostItems.set(idOf(key), Math.max(version, this.#lostItems.get(idOf(key)) ?? 0));
    for (const { event } of message.events) this.#lostVisits.add(Number(event["id"]));
    if (message.events.length > 0) this.#owe(message.shard, message.through);
  }

  #owe(shard: string, through: string): void {
    if (through > (this.#owed.get(shard) ?? "")) this.#owed.set(shard, through);
  }

  hear(message: Broadcasted): void {
    if (message.kind === "published") return;
    if (message.kind === "gap") {
      for (const [shard, through] of Object.entries(message.lost)) this.#settle(shard, through);
      return;
    }
    // it holds what was lost, or follows a record that nobody was told of
    this.#settle(message.shard, message.through);
    this.#hearItems(message);
    this.#hearEvents(message);
  }

  #settle(shard: string, through: string): void {
    if (through >= (this.#owed.get(shard) ?? "")) this.#owed.delete(shard);
  }

  #hearItems({ items }: LiveUpdate): void {
    for (const { key, version, packed } of items) {
      const known = this.#items.get(idOf(key));
      if (known !== undefined && known.version === version && known.packed !== packed)
        throw new Error(`Version ${version} of item ${idOf(key)} was told as ${known.packed} and ${packed}.`);
      if (known === undefined || version > known.version) this.#items.set(idOf(key), { version, packed });
    }
  }

  #hearEvents({ shard, events }: LiveUpdate): void {
    const visits = this.#oracle.inShard(shard);
    for (const { sequence, index, event } of events) {
      const visit = visits.find((each) => each.sequence === sequence && each.index === index);
      if (visit === undefined || visit.id !== event["id"] || visit.amount !== event["amount"])
        throw new Error(`An event at ${shard} ${sequence} ${index} was told that is not there.`);
      const at = this.#positions.get(shard);
      if (at !== undefined && (sequence < at.sequence || (sequence === at.sequence && index <= at.index)))
        continue;
      this.#positions.set(shard, { sequence, index });
      this.#heard.add(visit.id);
      this.#checkOrder(visit);
    }
  }

  #checkOrder({ id, partitionKey, order }: Counted): void {
    const last = this.#orders.get(partitionKey) ?? -1;
    if (order < last && !this.#lostVisits.has(id))
      throw new Error(`Visit ${id} was told after a later one of its partition key ${partitionKey}.`);
    this.#orders.set(partitionKey, Math.max(order, last));
  }

  /** When all is quiet: the last of everything was told, unless the broadcast was down, and that was told then. */
  checkTold(items: readonly LiveItemText[]): void {
    for (const { pk, sk, version, packed } of items) {
      const id = idOf({ pk, sk });
      const told = this.#items.get(id);
      if (told?.version === version && told.packed === packed) continue;
      if (this.#lostItems.get(id) === version) continue;
      throw new Error(`Version ${version} of item ${id} was never told, but ${told?.version ?? "none"}.`);
    }
    for (const { id, shard } of this.#oracle.counted)
      if (!this.#heard.has(id) && !this.#lostVisits.has(id))
        throw new Error(`Visit ${id} of ${shard} was never told.`);
    if (this.#owed.size > 0)
      throw new Error(`Updates of ${[...this.#owed.keys()].join(", ")} got lost, and no gap was told.`);
  }
}

const idOf = ({ pk, sk }: { readonly pk: string; readonly sk: string }): string => `${pk} ${sk}`;

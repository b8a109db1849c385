/**
 * The stores of a refresh in memory, and processes that work on them until they are killed: every call of a process is
 * numbered, and at one of them it dies, before the call is applied or after. Nothing of it has an effect from then on;
 * what was under way beside the call is applied or is not.
 */
import { createHash } from "node:crypto";
import { batchesOf, inParallel } from "../../src/backends/batches.ts";
import type { ControlStore } from "../../src/backends/control-store.ts";
import type { InsightStore, LiveItem } from "../../src/backends/insight-store.ts";
import type { Lake } from "../../src/backends/lake.ts";
import type { ItemKey } from "../../src/model/layout.ts";

/** Table -> partition -> location. */
export type Catalogue = Map<string, Map<string, string>>;

export interface World {
  /** `pk\nsk` -> revision and JSON. */
  readonly control: Map<string, { readonly revision: number; readonly json: string }>;
  readonly insights: Map<string, string>;
  readonly live: Map<string, LiveItem>;
  readonly lake: Map<string, string>;
  readonly catalogue: Catalogue;
  now: number;
}

export function newWorld(): World {
  const now = Date.UTC(2024, 5, 1);
  return {
    control: new Map(),
    insights: new Map(),
    live: new Map(),
    lake: new Map(),
    catalogue: new Map(),
    now,
  };
}

export function copyOf(world: World): World {
  return {
    control: new Map(world.control),
    insights: new Map(world.insights),
    live: new Map(world.live),
    lake: new Map(world.lake),
    catalogue: new Map([...world.catalogue].map(([table, partitions]) => [table, new Map(partitions)])),
    now: world.now,
  };
}

export class Killed extends Error {}

/**
 * When a process dies: before one of its calls, or after one of its writes (to die after a read is to die before the next
 * call).
 */
export interface Death {
  readonly side: "before" | "after";
  /** The how manyth call or write. */
  readonly at: number;
}

export class Life {
  calls = 0;
  writes = 0;
  dead = false;

  constructor(
    readonly random: () => number,
    readonly death: Death | null = null,
  ) {}

  read<T>(apply: () => T): Promise<T> {
    return this.#call(apply, null);
  }

  write<T>(apply: () => T): Promise<T> {
    return this.#call(apply, ++this.writes);
  }

  async #call<T>(apply: () => T, write: number | null): Promise<T> {
    this.#checkAlive();
    const call = ++this.calls;
    // others go first now and then
    if (this.random() < 0.2) await new Promise((resolve) => setImmediate(resolve));
    for (let turns = Math.floor(this.random() * 4); turns > 0; turns--) await Promise.resolve();
    if (this.dead && this.random() < 0.5) throw new Killed();
    if (this.#isAt("before", call)) this.#die();
    const answer = apply();
    if (write !== null && this.#isAt("after", write)) this.#die();
    this.#checkAlive();
    return answer;
  }

  #isAt(side: Death["side"], number: number): boolean {
    return this.death?.side === side && this.death.at === number;
  }

  #die(): never {
    this.dead = true;
    throw new Killed();
  }

  #checkAlive(): void {
    if (this.dead) throw new Killed();
  }
}

const idOf = ({ pk, sk }: ItemKey): string => `${pk}\n${sk}`;

export function memoryControl({ control }: World, life: Life): ControlStore {
  const versioned = (id: string) => {
    const found = control.get(id);
    return found && { value: JSON.parse(found.json) as never, revision: found.revision };
  };
  return {
    get: (key) => life.read(() => versioned(idOf(key)) ?? null),
    put: (key, value, expected) =>
      life.write(() => {
        const revision = control.get(idOf(key))?.revision ?? null;
        if (expected !== "any" && expected !== revision) return null;
        control.set(idOf(key), { revision: (revision ?? 0) + 1, json: JSON.stringify(value) });
        return (revision ?? 0) + 1;
      }),
    remove: (keys) => inParallel(keys, 4, (key) => life.write(() => void control.delete(idOf(key)))),
    list: (pk) =>
      life.read(() =>
        [...control.keys()]
          .filter((id) => id.startsWith(`${pk}\n`))
          .sort()
          .map((id) => ({ pk, sk: id.slice(pk.length + 1), ...versioned(id)! })),
      ),
  };
}

async function* flattened<T>(
  batches: AsyncIterable<readonly T[]> | Iterable<readonly T[]>,
): AsyncIterable<T> {
  for await (const batch of batches) yield* batch;
}

/** Small batches, so that many calls lie within a load. */
const writeBatch = 4;

export function memoryInsights({ insights, live: liveItems }: World, life: Life): InsightStore {
  const write = async <T>(items: AsyncIterable<T> | Iterable<T>, apply: (item: T) => void) => {
    let written = 0;
    await inParallel(batchesOf(items, writeBatch), 2, async (batch) => {
      await life.write(() => batch.forEach(apply));
      written += batch.length;
    });
    return written;
  };
  const found = <T>(items: ReadonlyMap<string, T>, keys: readonly ItemKey[]) =>
    new Map(
      keys.flatMap((key) => (items.has(idOf(key)) ? [[idOf(key), items.get(idOf(key))!] as const] : [])),
    );
  return {
    read: (segments, live) =>
      life.read(() => ({ segments: found(insights, segments), live: found(liveItems, live) })),
    writeSegments: (batches) => write(flattened(batches), (item) => insights.set(idOf(item), item.packed)),
    removeSegments: (keys) => write(keys, (key) => insights.delete(idOf(key))),
    writeLive: (item, expected) =>
      life.write(() => {
        const current = liveItems.get(idOf(item)) ?? null;
        if ((current?.version ?? null) !== expected) return { applied: false, writeUnits: 1, current };
        liveItems.set(idOf(item), item);
        return { applied: true, writeUnits: 1 };
      }),
    listLive: async function* (partition) {
      yield* await life.read(() => [...liveItems.values()].filter(({ pk }) => pk === partition));
    },
    removeLive: (keys) => write(keys, (key) => liveItems.delete(idOf(key))),
  };
}

export const lakeRoot = "s3://lake/";

export function memoryLake({ lake }: World, life: Life): Lake {
  return {
    list: async function* (prefix) {
      const keys = await life.read(() => [...lake.keys()].filter((key) => key.startsWith(prefix)).sort());
      for (const key of keys) {
        const text = lake.get(key) ?? "";
        yield { key, size: text.length, etag: createHash("md5").update(text).digest("hex") };
      }
    },
    read: (key) =>
      life.read(() => {
        const text = lake.get(key);
        if (text === undefined) throw new Error(`There is no object ${key}.`);
        return Buffer.from(text);
      }),
    write: (key, bytes) => life.write(() => void lake.set(key, Buffer.from(bytes).toString())),
    copy: (from, to) => life.write(() => void lake.set(to, lake.get(from)!)),
    remove: (keys) => life.write(() => keys.forEach((key) => lake.delete(key))),
    url: (key) => lakeRoot + key,
    key: (url) => url.slice(lakeRoot.length),
  };
}

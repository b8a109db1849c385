/** The stores of the live path in memory, and a layer between code and store that fails as stores and machines do. */
import { createHash } from "node:crypto";
import type { ControlStore } from "../../src/backends/control-store.ts";
import type { DeadLetter, DeadLetters, LetterKey, Settled } from "../../src/backends/dead-letters.ts";
import type { InsightStore, LiveItem } from "../../src/backends/insight-store.ts";
import type { Lake } from "../../src/backends/lake.ts";
import type { ItemKey } from "../../src/model/layout.ts";
import type { Effects } from "../../etl/live/effects.ts";

const idOf = ({ pk, sk }: ItemKey): string => `${pk}\n${sk}`;

export interface MemoryInsights extends InsightStore {
  readonly items: Map<string, LiveItem>;
  readonly segments: Map<string, string>;
}

export function memoryInsights(): MemoryInsights {
  const items = new Map<string, LiveItem>();
  const segments = new Map<string, string>();
  return {
    items,
    segments,
    read: async (stored, live) => ({ segments: found(segments, stored), live: found(items, live) }),
    writeSegments: async (batches) => {
      let written = 0;
      for await (const batch of batches)
        for (const item of batch) {
          segments.set(idOf(item), item.packed);
          written++;
        }
      return written;
    },
    removeSegments: async (keys) => {
      let removed = 0;
      for await (const key of keys) {
        segments.delete(idOf(key));
        removed++;
      }
      return removed;
    },
    writeLive: async (item, expected) => {
      const current = items.get(idOf(item)) ?? null;
      if ((current?.version ?? null) !== expected) return { applied: false, writeUnits: 1, current };
      items.set(idOf(item), structuredClone(item));
      return { applied: true, writeUnits: 1 };
    },
    listLive: async function* (partition) {
      for (const item of items.values()) if (item.pk === partition) yield item;
    },
    removeLive: async (keys) => {
      let removed = 0;
      for await (const key of keys) if (items.delete(idOf(key))) removed++;
      return removed;
    },
  };
}

function found<T>(stored: ReadonlyMap<string, T>, keys: readonly ItemKey[]): Map<string, T> {
  return new Map(
    keys.flatMap((key) => (stored.has(idOf(key)) ? [[idOf(key), stored.get(idOf(key))!] as const] : [])),
  );
}

export function memoryControl(): ControlStore & { readonly documents: Map<string, string> } {
  const documents = new Map<string, string>();
  const revisions = new Map<string, number>();
  return {
    documents,
    get: async (key: ItemKey) => {
      const text = documents.get(idOf(key));
      return text === undefined
        ? null
        : { value: JSON.parse(text) as never, revision: revisions.get(idOf(key))! };
    },
    put: async (key, value, expected) => {
      const revision = revisions.get(idOf(key)) ?? null;
      if (expected !== "any" && expected !== revision) return null;
      documents.set(idOf(key), JSON.stringify(value));
      revisions.set(idOf(key), (revision ?? 0) + 1);
      return (revision ?? 0) + 1;
    },
    remove: async (keys) => {
      for (const key of keys) {
        documents.delete(idOf(key));
        revisions.delete(idOf(key));
      }
    },
    list: async (pk: string) =>
      [...documents.keys()]
        .filter((id) => id.startsWith(`${pk}\n`))
        .sort()
        .map((id) => ({
          pk,
          sk: id.slice(pk.length + 1),
          value: JSON.parse(documents.get(id)!) as never,
          revision: revisions.get(id)!,
        })),
  };
}

export function memoryLake(): Lake & { readonly objects: Map<string, Uint8Array> } {
  const objects = new Map<string, Uint8Array>();
  const etags = new WeakMap<Uint8Array, string>();
  const etagOf = (bytes: Uint8Array): string => {
    const etag = etags.get(bytes) ?? createHash("md5").update(bytes).digest("hex");
    etags.set(bytes, etag);
    return etag;
  };
  const read = async (key: string): Promise<Uint8Array> => {
    const bytes = objects.get(key);
    if (bytes === undefined) throw new Error(`There is no object ${key}.`);
    return bytes;
  };
  return {
    objects,
    list: async function* (prefix) {
      for (const key of [...objects.keys()].filter((each) => each.startsWith(prefix)).sort())
        yield { key, size: objects.get(key)!.length, etag: etagOf(objects.get(key)!) };
    },
    read,
    write: async (key, bytes) => void objects.set(key, bytes),
    copy: async (from, to) => void objects.set(to, await read(from)),
    remove: async (keys) => keys.forEach((key) => objects.delete(key)),
    url: (key) => `s3://lake/${key}`,
    key: (url) => url.slice("s3://lake/".length),
  };
}

export function memoryDeadLetters(): DeadLetters & {
  readonly letters: Map<string, DeadLetter>;
  readonly settled: Map<string, Settled>;
} {
  const letters = new Map<string, DeadLetter>();
  const settled = new Map<string, Settled>();
  const nameOf = ({ shard, sequence, index }: LetterKey): string => `${shard}#${sequence}#${index}`;
  return {
    letters,
    settled,
    put: async (all) => {
      for (const letter of all) letters.set(nameOf(letter), letter);
    },
    page: async (stream, shard, from) => {
      const names = [...letters.keys()].filter((name) => name.startsWith(`${shard}#`)).sort();
      const rest = names.filter((name) => from === null || name > from);
      const some = rest.slice(0, memoryPage);
      return {
        letters: some.map((name) => ({ ...letters.get(name)!, stream, settled: settled.get(name) ?? null })),
        next: rest.length > some.length ? some.at(-1)! : null,
      };
    },
    positions: async (_, shard, first, last) =>
      [...letters.values()]
        .filter((letter) => letter.shard === shard && letter.sequence >= first && letter.sequence <= last)
        .map(({ sequence, index }) => [sequence, index]),
    settle: async (all, as) => {
      for (const letter of all) settled.set(nameOf(letter), as);
    },
  };
}

const memoryPage = 7;

export class Crash extends Error {}

/** One life of a process: it ends with its first crash, or when the test stops it. */
export interface Life {
  readonly effects: Effects;
  /** The store as this life sees it: late, throttled, answering into the void, or the last thing it sees. */
  faulty<T extends object>(store: T): T;
}

export function newLife(
  random: () => number,
  rates: { readonly crash: number; readonly fail: number },
): Life {
  const controller = new AbortController();
  const crash = (): never => {
    controller.abort();
    throw new Crash("crash");
  };
  const call = async (run: () => unknown): Promise<unknown> => {
    if (controller.signal.aborted) throw new Crash("dead");
    if (random() < rates.crash) crash();
    if (random() < rates.fail) throw new Error("throttled");
    // others go first now and then
    for (let turns = Math.floor(random() * 4); turns > 0; turns--) await Promise.resolve();
    const result = await run();
    if (random() < rates.crash) crash();
    if (random() < rates.fail) throw new Error("lost response");
    return result;
  };
  return {
    effects: quietEffects(random, controller.signal),
    faulty: (store) =>
      new Proxy(store, {
        get: (target, property, receiver) => {
          const member: unknown = Reflect.get(target, property, receiver);
          if (typeof member !== "function") return member;
          return (...args: unknown[]) => call(() => Reflect.apply(member, target, args) as unknown);
        },
      }),
  };
}

/** Effects that do not wait. */
export function quietEffects(random: () => number, signal: AbortSignal): Effects {
  let now = 1_700_000_000_000;
  const silent = (): void => {};
  return {
    clock: () => ++now,
    random,
    wait: () => Promise.resolve(),
    log: { info: silent, warn: silent, error: silent },
    signal,
  };
}

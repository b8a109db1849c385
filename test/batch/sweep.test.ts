/**
 * After each refresh what is left is what the kept manifests reach, as this test reads it from the documents, and what
 * older editions wrote of that. Kept editions are whole: a rollback to each shows the numbers of its time.
 */
import { readdir } from "node:fs/promises";
import path from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { tables } from "../../cloud/resources.ts";
import type { RefreshDeps } from "../../etl/batch/deps.ts";
import { release, rollback } from "../../etl/batch/rollback.ts";
import { refresh } from "../../etl/batch/run.ts";
import { type Cloud, startCloud } from "./cloud.ts";
import { expectedBuckets, type Numbers, removeDay, writeOrders } from "./order-lake.ts";
import { orderActivity } from "./orders.ts";
import { storedBuckets } from "./stored.ts";

let cloud: Cloud;
let deps: RefreshDeps;
let orders: string;
/** How far this test's clock is ahead. */
let aheadMs = 0;
const truths = new Map<string, Numbers>();

beforeAll(async () => {
  cloud = await startCloud();
  deps = { ...cloud.deps, retention: { editions: 2, ms: 0 }, clock: () => Date.now() + aheadMs };
  orders = path.join(cloud.lakeFolder, "shop/orders");
  for (const [i, day] of ["2022-12-31", "2023-01-01", "2023-02-28", "2024-02-28", "2024-02-29"].entries())
    await writeOrders(cloud.duck, orders, day, 40 + i, i);
});
afterAll(() => cloud.close());
afterEach(expectOnlyReached);

async function publish(options: Parameters<typeof refresh>[2] = {}): Promise<string> {
  const { edition, coveredUntil, published } = await refresh(orderActivity, deps, options);
  expect(published).toBe(true);
  const until = new Date(coveredUntil).toISOString().slice(0, 10);
  truths.set(edition, await expectedBuckets(cloud.duck, [orders], until));
  await expectServed(edition);
  return edition;
}

/** Every count of every bucket that readers find is that of the edition's time. */
async function expectServed(edition: string): Promise<void> {
  const counts = (numbers: Numbers) => new Map([...numbers].map(([bucket, [count]]) => [bucket, count]));
  expect(counts(await storedBuckets(cloud))).toEqual(counts(truths.get(edition)!));
}

interface Edition {
  readonly id: string;
  readonly previous: string | null;
  readonly version: number;
  readonly manifest: { readonly pages: Record<string, string>; readonly shape: string };
}

/** What editions reach, by their documents. */
interface Reached {
  readonly pages: Set<string>;
  /** `shape#rollup grain period#edition` */
  readonly segments: Set<string>;
  readonly folders: Set<string>;
}

type Documents = Awaited<ReturnType<Cloud["items"]>>;

function read(items: Documents, key: string): unknown {
  return JSON.parse(items.get(key)!["d"]!);
}

function below(items: Documents, pk: string): string[] {
  return [...items.keys()].flatMap((key) => (key.startsWith(`${pk} `) ? [key.slice(pk.length + 1)] : []));
}

function reachedBy(items: Documents, editions: readonly Edition[]): Reached {
  const reached: Reached = { pages: new Set(), segments: new Set(), folders: new Set() };
  for (const { manifest } of editions)
    for (const [name, writer] of Object.entries(manifest.pages)) {
      const key = `page#OrderActivity#${name} ${writer}`;
      if (!items.has(key)) continue;
      reached.pages.add(key);
      const page = read(items, key) as Record<string, Record<string, string>>;
      for (const [grain, entries] of Object.entries(page))
        if (name.startsWith("lake/")) reached.folders.add(entries["gold"]!);
        else
          for (const [period, edition] of Object.entries(entries))
            reached.segments.add(`${manifest.shape}#${name.split("/")[1]} ${grain} ${period}#${edition}`);
    }
  return reached;
}

/** Newest first: the current one and those before it that its manifest keeps. */
function keptEditions(items: Documents): Edition[] {
  const current = read(items, "manifest#OrderActivity current");
  const { edition, keeps } = current as { edition: string; keeps: number };
  const kept: Edition[] = [];
  for (let id: string | null = edition; id !== null && items.has(`editions#OrderActivity ${id}`); ) {
    const document = read(items, `editions#OrderActivity ${id}`) as Edition;
    if (document.version < keeps) break;
    kept.push(document);
    id = document.previous;
  }
  return kept;
}

async function expectOnlyReached(): Promise<void> {
  const items = await cloud.items(tables.control);
  const kept = keptEditions(items);
  const reached = reachedBy(items, kept);
  for (const { manifest } of kept)
    for (const [name, writer] of Object.entries(manifest.pages))
      expect(reached.pages).toContain(`page#OrderActivity#${name} ${writer}`);

  const segments = [...(await cloud.items(tables.insights)).values()].map((item) => {
    const [, shape, rollup, grain] = item["pk"]!.split("#");
    return `${shape}#${rollup} ${grain} ${item["sk"]}`;
  });
  expect(segments.filter((segment) => !reached.segments.has(segment))).toEqual([]);

  // an older edition is known for as long as its pages or segments are reached, with what tells their keys: its own gold
  const written = below(items, "editions#OrderActivity");
  const documents = written.map((id) => read(items, `editions#OrderActivity ${id}`) as Edition);
  const keptIds = kept.map(({ id }) => id);
  const alive = [...reached.segments, ...reached.pages].join("\n");
  const told = reachedBy(
    items,
    documents.filter(({ id }) => keptIds.includes(id) || alive.includes(id)),
  );
  // and one whose gold is told of
  const gold = [...told.folders].join("\n");
  const known = (id: string) => keptIds.includes(id) || alive.includes(id) || gold.includes(id);
  expect(written.filter((id) => !known(id))).toEqual([]);
  expect(below(items, "builds#OrderActivity").filter((id) => !written.includes(id))).toEqual([]);
  const lake = reachedBy(items, documents);
  const pages = [...items.keys()].filter((key) => key.startsWith("page#"));
  expect(pages.filter((key) => !lake.pages.has(key))).toEqual([]);
  const files = (await readdir(path.join(cloud.lakeFolder, "gold"), { recursive: true })).filter(
    (name) => name.split("/").length === 5,
  );
  const folders = new Set(files.map((name) => `gold/${path.dirname(name)}/`));
  expect([...folders].filter((folder) => !told.folders.has(folder))).toEqual([]);
  expect([...reached.folders].filter((folder) => folder !== null && !folders.has(folder))).toEqual([]);
}

test("two editions are kept, and all that one of them reaches", async () => {
  const first = await publish();
  await writeOrders(cloud.duck, orders, "2024-02-29", 9, 21);
  const second = await publish();
  await writeOrders(cloud.duck, orders, "2024-03-01", 9, 22);
  const third = await publish();
  const items = await cloud.items(tables.control);
  expect(keptEditions(items).map(({ id }) => id)).toEqual([third, second]);
  // most of the lake is as the first edition counted it: its segments and gold are there, its document is not needed
  expect(items.has(`editions#OrderActivity ${first}`)).toBe(false);
  const written = [...(await cloud.items(tables.insights)).values()].map(({ sk }) => sk!.split("#")[1]);
  expect(written).toContain(first);
});

test("what only old editions had is gone when everything is counted anew", async () => {
  await publish({ full: true });
  const last = await publish({ full: true });
  const items = await cloud.items(tables.control);
  expect(below(items, "editions#OrderActivity")).toHaveLength(2);
  expect(below(items, "builds#OrderActivity")).toHaveLength(2);
  expect(
    [...(await cloud.items(tables.insights)).values()].filter(({ sk }) => sk!.endsWith(last)),
  ).not.toEqual([]);
});

test("changed, vanished and new partitions of several years, one after another", async () => {
  await writeOrders(cloud.duck, orders, "2023-01-01", 5, 31);
  await publish();
  await removeDay(orders, "2022-12-31");
  await publish();
  await writeOrders(cloud.duck, orders, "2024-04-01", 5, 32);
  await publish();
  await writeOrders(cloud.duck, orders, "2024-04-02", 5, 33);
  await publish();
  await removeDay(orders, "2024-02-28");
  const last = await publish();
  expect(keptEditions(await cloud.items(tables.control))[0]!.id).toBe(last);
});

test("a build that dies while it loads, and one that dies before, leave nothing once they must have ended", async () => {
  await writeOrders(cloud.duck, orders, "2024-04-02", 6, 41);
  const { insights, gold } = deps;
  const loading: RefreshDeps["insights"] = {
    ...insights,
    writeSegments: async (segments) => {
      await insights.writeSegments(segments);
      throw new Error("gone");
    },
  };
  await expect(refresh(orderActivity, { ...deps, insights: loading })).rejects.toThrow("gone");
  const auditing = { ...gold, open: () => Promise.reject(new Error("gone")) };
  await expect(refresh(orderActivity, { ...deps, gold: auditing })).rejects.toThrow("gone");
  aheadMs = 25 * 3_600_000;
  await publish();
});

test("a rollback finds the edition before whole, and a sweep after its release keeps what is served", async () => {
  const [, before] = keptEditions(await cloud.items(tables.control));
  expect(await rollback(orderActivity, {}, deps)).toMatchObject({ restores: before!.id });
  await expectServed(before!.id);
  await release(orderActivity, deps);
  await writeOrders(cloud.duck, orders, "2024-04-03", 6, 51);
  const last = await publish();
  const [current, restored] = keptEditions(await cloud.items(tables.control));
  expect(current!.id).toBe(last);
  expect(restored).toMatchObject({ restores: before!.id });
  await rollback(orderActivity, {}, deps);
  await expectServed(before!.id);
  await release(orderActivity, deps);
});

test("editions of another shape go too, when two of the new one are published", async () => {
  const other = { ...orderActivity, shape: "01234567" };
  await refresh(other, deps);
  await refresh(other, deps, { full: true });
  await writeOrders(cloud.duck, orders, "2024-04-03", 6, 61);
  await refresh(other, deps);
  const shapes = [...(await cloud.items(tables.insights)).keys()].map((key) => key.split("#")[1]);
  expect([...new Set(shapes)]).toEqual(["01234567"]);
});

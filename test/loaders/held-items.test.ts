import { beforeEach, describe, expect, test } from "vitest";
import type { LiveUpdate } from "../../src/backends/broadcast.ts";
import type { InsightStore } from "../../src/backends/insight-store.ts";
import { HeldItems } from "../../src/loaders/held-items.ts";
import { type ItemKey, itemId } from "../../src/model/layout.ts";
import { memoryInsights } from "../live/memory-stores.ts";

const key = (sk: string): ItemKey => ({ pk: "p", sk });
const [a, b, c] = [key("a"), key("b"), key("c")];

let store: ReturnType<typeof memoryInsights>;
let reads: string[][];
let beforeAnswer: () => void;
let now: number;
let held: HeldItems;

beforeEach(() => {
  store = memoryInsights();
  reads = [];
  beforeAnswer = () => {};
  now = 0;
  const insights: InsightStore = {
    ...store,
    read: async (segments, live) => {
      reads.push(live.map(({ sk }) => sk));
      const found = await store.read(segments, live);
      beforeAnswer();
      return found;
    },
  };
  held = new HeldItems({ insights, clock: () => now, maxAgeMs: 100 });
});

let sequence = 0;
beforeEach(() => (sequence = 0));

/** What a micro-batch writes and tells. */
async function apply(version: number, packed: string, of: ItemKey, told: Partial<LiveUpdate> = {}) {
  const current = store.items.get(itemId(of))?.version ?? null;
  await store.writeLive({ ...of, version, watermarks: {}, packed }, current);
  const update: LiveUpdate = {
    kind: "live",
    source: "S",
    stream: "s",
    shard: "1",
    after: sequence === 0 ? null : `0${sequence}`,
    through: `0${++sequence}`,
    arrival: 0,
    newest: null,
    items: [{ product: "P", rollup: "r", key: of, version, packed }],
    events: [],
    ...told,
  };
  return () => held.observe(update);
}

async function ask(...keys: ItemKey[]): Promise<(string | null)[]> {
  const { live } = await held.store().read([], keys);
  return keys.map((each) => live.get(itemId(each))?.packed ?? null);
}

describe("held live items", () => {
  test("are read once, present and absent ones, and then kept by the broadcast", async () => {
    (await apply(1, "a1", a))();
    expect(await ask(a, b)).toEqual(["a1", null]);
    expect(reads).toEqual([["a", "b"]]);
    (await apply(2, "a2", a))();
    (await apply(3, "b1", b))();
    (await apply(4, "c1", c))();
    expect(await ask(a, b)).toEqual(["a2", "b1"]);
    expect(reads).toHaveLength(1);
    // nobody had asked for it
    expect(await ask(c)).toEqual(["c1"]);
    expect(reads).toEqual([["a", "b"], ["c"]]);
  });

  test("do not go back to an older version", async () => {
    const late = await apply(1, "a1", a);
    const early = await apply(2, "a2", a);
    expect(await ask(a)).toEqual(["a2"]);
    early();
    late();
    expect(await ask(a)).toEqual(["a2"]);
  });

  test("take in what is told while they are being read", async () => {
    const tell = await apply(1, "a1", a);
    beforeAnswer = () => {
      store.items.clear();
      tell();
    };
    store.items.clear();
    expect(await ask(a)).toEqual(["a1"]);
    expect(await ask(a)).toEqual(["a1"]);
    expect(reads).toHaveLength(1);
  });

  test.each([
    ["a gap marker", async () => held.observe({ kind: "gap", stream: "s", lost: {} })],
    [
      "an update that follows one that was not told",
      async () => (await apply(9, "b", b, { after: "07", through: "08" }))(),
    ],
  ])("are read again after %s", async (_, gap) => {
    (await apply(1, "a1", a))();
    expect(await ask(a)).toEqual(["a1"]);
    await apply(2, "a2", a); // not told
    expect(await ask(a)).toEqual(["a1"]);
    await gap();
    expect(await ask(a)).toEqual(["a2"]);
  });

  test("are read again with the first update of a shard that follows one before", async () => {
    await apply(1, "a1", a);
    expect(await ask(a)).toEqual(["a1"]);
    await apply(2, "a2", a); // not told
    (await apply(3, "b1", b))();
    expect(await ask(a)).toEqual(["a2"]);
  });

  test("what a gap overtakes while it is being read is not held", async () => {
    (await apply(1, "a1", a))();
    beforeAnswer = () => {
      beforeAnswer = () => {};
      held.observe({ kind: "gap", stream: null, lost: {} });
    };
    await ask(a);
    await apply(2, "a2", a);
    expect(await ask(a)).toEqual(["a2"]);
  });

  test("are read again when they are old", async () => {
    (await apply(1, "a1", a))();
    expect(await ask(a)).toEqual(["a1"]);
    await apply(2, "a2", a); // lost without a trace
    now = 99;
    expect(await ask(a)).toEqual(["a1"]);
    now = 100;
    expect(await ask(a)).toEqual(["a2"]);
  });
});

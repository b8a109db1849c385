/** Keys of items: two slices never share one, however hostile their values, and no key is built outside of a scope. */
import fc from "fast-check";
import { GraphQLDateTime } from "graphql-scalars";
import { describe, expect, test } from "vitest";
import { columns } from "../../src/model/columns.ts";
import {
  archiveKey,
  checkpointKey,
  clockKey,
  editionKey,
  manifestKey,
  pageKey,
  segmentPageName,
} from "../../src/model/control.ts";
import {
  type DimensionKey,
  isLeaderboard,
  itemId,
  keyText,
  leaderboardKey,
  liveKey,
  packBuckets,
  segmentKey,
  unpackColumns,
} from "../../src/model/layout.ts";
import {
  DataProduct,
  declaredProducts,
  Dimension,
  Measure,
  type Rollup,
  rollup,
} from "../../src/model/product.ts";
import { analystScope, assertWithin, type Scope, systemScope } from "../../src/model/scope.ts";
import { plainSequence, sortableSequence } from "../../src/model/sequence.ts";
import { Column, Source } from "../../src/model/source.ts";
import type { Value } from "../../src/model/values.ts";

@Source({ table: "shop.orders", time: "at", stream: "orders", description: "Orders." })
class Order {
  @Column(() => GraphQLDateTime) at!: Date;
  @Column(() => String, { nullable: true }) country!: string | null;
  @Column(() => String, { nullable: true }) city!: string | null;
}

@DataProduct({
  source: Order,
  owner: "shop",
  freshness: "PT1H",
  description: "Orders.",
  rollups: [
    rollup([], { grains: ["HOUR"] }),
    rollup(["country"], { grains: ["DAY", "HOUR"] }),
    rollup(["country", "city"], { grains: ["DAY"] }),
  ],
})
class OrderActivity {
  @Dimension() country!: string;
  @Dimension() city!: string;
  @Measure(columns(Order).count(), { description: "Orders." }) orders!: number;
}

const product = declaredProducts().find((each) => each.target === OrderActivity)!;
const [total, byCountry, byCity] = product.rollups as readonly [Rollup, Rollup, Rollup];

const hostile: Value[] = [
  "",
  "#",
  "##",
  'O"Hare',
  "a\nb",
  "a\\nb",
  "null",
  null,
  "true",
  true,
  "false",
  false,
  "1",
  1,
  "0",
  0,
  1.5,
  "1.5",
  '["x"]',
  '","',
  "\ud83d",
  "\ud83d\ude00",
  "\ufffd",
  "\u0000",
  "é",
  "e\u0301",
  "sha256:",
];
const values = fc.oneof(
  fc.constantFrom(...hostile),
  fc.string({ unit: "binary" }),
  fc
    .constantFrom("x", "é", "#")
    .chain((unit) => fc.integer({ min: 500, max: 520 }).map((n) => unit.repeat(n))),
  fc.integer(),
  fc.boolean(),
);

describe("the text of a key", () => {
  test("is JSON, so that the console shows it", () => {
    expect(keyText([])).toBe("[]");
    expect(keyText(["ORD", null, true, 1])).toBe('["ORD",null,true,1]');
  });

  test("is one and the same for 0 and -0, which are one number", () => {
    expect(keyText([-0])).toBe(keyText([0]));
  });

  test("differs for values that differ in type or in any character", () => {
    const keys = [
      ...hostile.map((value) => [value]),
      ...hostile.flatMap((a) => hostile.map((b) => [a, b])),
      [],
    ];
    expect(new Set(keys.map(keyText)).size).toBe(keys.length);
  });

  test("differs for any two keys that differ, and fits a sort key", () => {
    const key = fc.array(values, { maxLength: 3 });
    fc.assert(
      fc.property(key, key, (a, b) => {
        expect(keyText(a) === keyText(b)).toBe(sameKey(a, b));
        expect(Buffer.byteLength(keyText(a))).toBeLessThanOrEqual(512);
      }),
      { seed: 8, numRuns: 2_000 },
    );
  });

  test("of a long key is a hash that still depends on its last character and on where one value ends", () => {
    const long = "é".repeat(400);
    const texts = [[`${long}a`], [`${long}b`], [long, "a"], ["a", long]].map(keyText);
    expect(new Set(texts).size).toBe(4);
    for (const text of texts) expect(text).toMatch(/^sha256:[0-9a-f]{64}$/);
  });

  test("is a hash only past 512 bytes", () => {
    expect(keyText(["x".repeat(508)])).toBe(`["${"x".repeat(508)}"]`);
    expect(keyText(["x".repeat(509)])).toMatch(/^sha256:/);
    expect(keyText(["é".repeat(254)])).toBe(`["${"é".repeat(254)}"]`);
    expect(keyText(["é".repeat(255)])).toMatch(/^sha256:/);
  });
});

function sameKey(a: DimensionKey, b: DimensionKey): boolean {
  // strict equality holds 0 and -0 to be the same, as SQL does
  return a.length === b.length && a.every((value, i) => value === b[i]);
}

describe("the keys of items", () => {
  test("stand as documented", () => {
    expect(segmentKey(systemScope, product, byCountry, "DAY", ["DE"], "2001-06", "e1")).toEqual({
      pk: `OrderActivity#${product.shape}#country#DAY#["DE"]`,
      sk: "2001-06#e1",
    });
    expect(liveKey(systemScope, product, byCountry, [null], "2001-06-27")).toEqual({
      pk: `OrderActivity#${product.shape}#country#HOUR#2001-06-27`,
      sk: "[null]",
    });
  });

  test("of segments differ in rollup, grain, key, period and edition", () => {
    const at = (each: Rollup, grain: "HOUR" | "DAY", key: DimensionKey, period: string, edition: string) =>
      JSON.stringify(segmentKey(systemScope, product, each, grain, key, period, edition));
    const keys = [
      at(total, "HOUR", [], "2001-06-01", "e1"),
      at(byCountry, "HOUR", ["DE"], "2001-06-01", "e1"),
      at(byCountry, "DAY", ["DE"], "2001-06-01", "e1"),
      at(byCountry, "DAY", ["DE"], "2001-06", "e1"),
      at(byCountry, "DAY", ["DE"], "2001-06", "e2"),
      at(byCountry, "DAY", ['DE"]#2001-06'], "", "e1"),
      at(byCity, "DAY", ["DE", null], "2001-06", "e1"),
      at(byCity, "DAY", [null, "DE"], "2001-06", "e1"),
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });

  test("make one string that tells pk from sk, also where values hold line breaks", () => {
    const keys = [
      liveKey(systemScope, product, byCountry, ["a\nb"], "2001-06-27"),
      liveKey(systemScope, product, byCountry, ["a\\nb"], "2001-06-27"),
      segmentKey(systemScope, product, byCountry, "DAY", ["a\nb"], "2001-06", "e1"),
    ];
    for (const key of keys) expect(itemId(key).split("\n")).toEqual([key.pk, key.sk]);
  });

  test("of control documents never meet", () => {
    const stream = product.source.stream!;
    const keys = [
      manifestKey(product),
      editionKey(product, "current"),
      pageKey(product, segmentPageName(byCity, "2001"), "current"),
      pageKey(product, segmentPageName(byCountry, "2001"), "current"),
      clockKey(stream),
      archiveKey(stream, "clock"),
      checkpointKey(stream, "clock"),
    ].map((key) => JSON.stringify(key));
    expect(new Set(keys).size).toBe(keys.length);
  });
});

test("keys of leaderboards are told from those of segments, whatever value a key holds", () => {
  const board = { name: byCountry.name, top: { within: [] } };
  const period = ["2024-01", "e1"] as const;
  expect(isLeaderboard(leaderboardKey(analystScope, product, board, "DAY", [], ...period))).toBe(true);
  for (const value of ["top:", "#top:", "a#top:country#DAY#[]", null])
    expect(isLeaderboard(segmentKey(analystScope, product, byCountry, "DAY", [value], ...period))).toBe(
      false,
    );
});

describe("a scope", () => {
  const german: Scope = { tenant: "t1", role: "analyst", rows: { country: "DE" } };
  const segment = (scope: Scope, each: Rollup, key: DimensionKey) => () =>
    segmentKey(scope, product, each, "DAY", key, "2001-06", "e1");
  const live = (scope: Scope, each: Rollup, key: DimensionKey) => () =>
    liveKey(scope, product, each, key, "2001-06");
  const refusal = expect.objectContaining({
    code: "FORBIDDEN",
    message: "This slice is outside of what the viewer may see.",
  });

  test.each([
    ["the total, which holds other rows too", total, []],
    ["another value", byCountry, ["FR"]],
    ["null", byCountry, [null]],
    ["a value that differs in case", byCountry, ["de"]],
    ["the value in another dimension", byCity, ["FR", "DE"]],
    ["a key that is too short", byCity, []],
  ] as const)("refuses the keys of %s", (_, each, key) => {
    expect(segment(german, each, key)).toThrow(refusal);
    expect(live(german, each, key)).toThrow(refusal);
  });

  test("lets its own rows pass, at any deeper rollup", () => {
    expect(segment(german, byCountry, ["DE"])).not.toThrow();
    expect(live(german, byCity, ["DE", "Berlin"])).not.toThrow();
  });

  test("of whoever may see all rows lets everything pass", () => {
    for (const scope of [systemScope, analystScope]) {
      expect(segment(scope, total, [])).not.toThrow();
      expect(live(scope, byCity, [null, null])).not.toThrow();
    }
  });

  test("compares types too", () => {
    const one: Scope = { tenant: "t1", role: "analyst", rows: { store: 1 } };
    expect(() => assertWithin(one, ["store"], ["1"])).toThrow(refusal);
    expect(() => assertWithin({ ...one, rows: { store: false } }, ["store"], [null])).toThrow(refusal);
  });
});

describe("a packed segment", () => {
  test("stands as documented: indexes, then the values of each component", () => {
    const packed = packBuckets(
      new Map([
        [2, [7, -3]],
        [0, [12, null]],
      ]),
      2,
    );
    expect(packed).toBe("[[0,2],[12,7],[null,-3]]");
    expect(unpackColumns(packed)).toEqual([
      [0, 2],
      [12, 7],
      [null, -3],
    ]);
  });

  test("writes every number as JSON does", () => {
    const value = fc.oneof(
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.maxSafeInteger(),
      fc.constantFrom(
        null,
        0,
        -0,
        9,
        10,
        99,
        100,
        2 ** 31 - 1,
        2 ** 31,
        -(2 ** 31),
        -(2 ** 31) - 1,
        1e21,
        5e-324,
      ),
    );
    const states = fc.dictionary(fc.integer({ min: 0, max: 30 }).map(String), fc.tuple(value, value));
    const check = fc.property(states, (byIndex) => {
      const buckets = new Map(Object.entries(byIndex).map(([index, state]) => [Number(index), [...state]]));
      const indexes = [...buckets.keys()].sort((a, b) => a - b);
      const cells = [0, 1].map((i) => indexes.map((index) => buckets.get(index)![i]));
      expect(packBuckets(buckets, 2)).toBe(JSON.stringify([indexes, ...cells]));
    });
    fc.assert(check, { seed: 20_010_628, numRuns: 5_000 });
  });

  test("of no buckets is empty", () => {
    expect(packBuckets(new Map(), 2)).toBe("[[],[],[]]");
  });
});

describe("sequence numbers", () => {
  const sequence = fc.bigInt({ min: 0n, max: 10n ** 60n }).map(String);

  test("sort as the numbers they are", () => {
    const near = sequence.chain((text) => fc.constantFrom(text, `${text}0`, String(BigInt(text) + 1n)));
    fc.assert(
      fc.property(sequence, near, (a, b) => {
        const [x, y] = [sortableSequence(a), sortableSequence(b)];
        expect(x < y).toBe(BigInt(a) < BigInt(b));
        expect(x === y).toBe(a === b);
        expect(plainSequence(x)).toBe(a);
      }),
      { seed: 9, numRuns: 2_000 },
    );
  });

  test("carry their length first", () => {
    expect(sortableSequence("9")).toBe("001:9");
    expect(sortableSequence("9") < sortableSequence("10")).toBe(true);
  });
});

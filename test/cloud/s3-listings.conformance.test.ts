/** Listings of S3 as Sluice relies on them, embedded or, with SLUICE_CONFORMANCE=aws, in AWS. */
import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import * as fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { onAws, openTarget, type Target } from "./s3.target.ts";

let target: Target;

beforeAll(async () => {
  target = await openTarget();
});

afterEach(() => target.clear());

afterAll(() => target.close());

const binary = (keys: readonly string[]): string[] =>
  keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

describe("listings", () => {
  const strange = [
    "year=2024/a b.parquet",
    "100%/x%2Fy",
    "plus+and&amp;",
    "ä/ß",
    "\u{1f600}/key",
    "\uffee",
    "a'b\"<c>",
    " spaces ",
    "tab\t/line\r\n",
    "#?;:@!$,~*()",
  ];

  it("name keys as they are, whatever their characters", async () => {
    for (const key of strange) await target.put(key, key);
    expect(await target.list()).toEqual(binary(strange));
    for (const key of strange) expect(await target.get(key)).toBe(key);
  });

  it("are in binary order, where a slash is a character like any other", async () => {
    const keys = ["a-b", "a.txt", "a/b", "a/b/c-d".replace("b/c", "c/c"), "a0", "ab", "Z", "a/c.d", "a/c0"];
    for (const key of keys) await target.put(key, "x");
    expect(await target.list()).toEqual(binary(keys));
    for (const MaxKeys of [1, 2, 3]) expect(await target.list({ MaxKeys })).toEqual(binary(keys));
    expect(await target.list({ StartAfter: "a/c" })).toEqual(binary(keys).filter((key) => key > "a/c"));
    expect(await target.list({ Prefix: "a/" })).toEqual(binary(keys).filter((key) => key.startsWith("a/")));
    expect(await target.list({ Prefix: "a" })).toEqual(binary(keys).filter((key) => key.startsWith("a")));
  });

  it("group keys up to a delimiter, in pages that count a group as one", async () => {
    for (const key of ["p/a/1", "p/a/2", "p/b", "p/c/d/3", "p/e", "q/1"]) await target.put(key, "x");
    const groups = { Prefix: "p/", Delimiter: "/" };
    expect((await target.list(groups)).toSorted()).toEqual(["<p/a/>", "<p/c/>", "p/b", "p/e"]);
    for (const MaxKeys of [1, 2])
      expect((await target.list({ ...groups, MaxKeys })).toSorted()).toEqual([
        "<p/a/>",
        "<p/c/>",
        "p/b",
        "p/e",
      ]);
    expect(await target.list({ Delimiter: "/" })).toEqual(["<p/>", "<q/>"]);
    expect(await target.list({ Prefix: "p", Delimiter: "/" })).toEqual(["<p/>"]);
    expect((await target.list({ Prefix: "p/", Delimiter: "d/" })).toSorted()).toEqual([
      "<p/c/d/>",
      "p/a/1",
      "p/a/2",
      "p/b",
      "p/e",
    ]);
    expect(await target.list({ ...groups, StartAfter: "p/a/2" })).toEqual(["p/b", "p/e", "<p/c/>"]);
  });

  it("may be empty", async () => {
    await target.put("a", "x");
    expect(await target.list({ Prefix: "b" })).toEqual([]);
    expect(await target.list({ Prefix: "a/b/c" })).toEqual([]);
    expect(await target.list({ StartAfter: "a" })).toEqual([]);
    expect(await target.list({ MaxKeys: 0 })).toEqual([]);
  });

  it("can be asked for URL-encoded", async () => {
    await target.put("a b/ä\u0001", "x");
    const command = new ListObjectsV2Command({ Bucket: target.bucket, EncodingType: "url" });
    const page = await target.client.send(command);
    expect(page.Contents?.map(({ Key }) => decodeURIComponent((Key ?? "").replaceAll("+", " ")))).toEqual([
      "a b/ä\u0001",
    ]);
  });

  it("follow one law: what filtering, sorting and grouping all keys gives", async () => {
    const part = fc.string({
      unit: fc.constantFrom("a", "b", "-", "=", "~", "é", "\u{1f600}"),
      minLength: 1,
      maxLength: 2,
    });
    const keys = fc.uniqueArray(
      fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => `${parts.join("/")}.x`),
      { minLength: 1, maxLength: 12 },
    );
    const law = fc.asyncProperty(
      keys,
      fc.nat(12),
      fc.nat(3),
      fc.constantFrom(undefined, "/", "-"),
      async (all, at, prefixLength, Delimiter) => {
        for (const key of all) await target.put(key, "x");
        const MaxKeys = (at % 4) + 1;
        expect(await target.list({ MaxKeys })).toEqual(binary(all));
        const from = all[at % all.length] ?? "";
        const after = binary(all).slice(binary(all).indexOf(from) + 1);
        expect(await target.list({ MaxKeys, StartAfter: from })).toEqual(after);
        const Prefix = Array.from(from).slice(0, prefixLength).join("");
        const expected = all
          .filter((key) => key.startsWith(Prefix))
          .map((key) => grouped(key, Prefix, Delimiter));
        expect((await target.list({ MaxKeys, Prefix, Delimiter })).toSorted()).toEqual(
          [...new Set(expected)].toSorted(),
        );
        for (const key of all) await target.delete(key);
      },
    );
    await fc.assert(law, { numRuns: onAws ? 3 : 40 });
  });

  function grouped(key: string, prefix: string, delimiter: string | undefined): string {
    const end = delimiter === undefined ? -1 : key.indexOf(delimiter, prefix.length);
    return end < 0 ? key : `<${key.slice(0, end + 1)}>`;
  }
});

/** What Sluice relies on in S3, held against the embedded endpoint or, with SLUICE_CONFORMANCE=aws, against AWS. */
import { createHash, randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import {
  BucketAlreadyOwnedByYou,
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  NoSuchKey,
  NotFound,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import type {
  ListObjectsV2CommandInput,
  PutObjectCommandInput,
  PutObjectCommandOutput,
} from "@aws-sdk/client-s3";
import * as fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { startS3 } from "../../cloud/local/s3.ts";
import type { S3Endpoint } from "../../cloud/local/s3.ts";

const onAws = process.env["SLUICE_CONFORMANCE"] === "aws";
const bucket = `sluice-conformance-${randomUUID()}`;
let embedded: S3Endpoint | undefined;
let folder: string | undefined;
let client: S3Client;

beforeAll(async () => {
  if (onAws) {
    client = new S3Client({});
  } else {
    folder = await mkdtemp(path.join(tmpdir(), "sluice-s3-"));
    embedded = await startS3({ folder });
    const credentials = { accessKeyId: "local", secretAccessKey: "local" };
    client = new S3Client({
      endpoint: embedded.endpoint,
      region: "eu-west-1",
      credentials,
      forcePathStyle: true,
    });
  }
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
});

afterEach(async () => {
  for (const key of await list()) await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
});

afterAll(async () => {
  await client.send(new DeleteBucketCommand({ Bucket: bucket }));
  client.destroy();
  await embedded?.close();
  if (folder !== undefined) await rm(folder, { recursive: true });
});

type Body = Exclude<PutObjectCommandInput["Body"], undefined>;
const put = (
  Key: string,
  Body: Body,
  more: Partial<PutObjectCommandInput> = {},
): Promise<PutObjectCommandOutput> =>
  client.send(new PutObjectCommand({ Bucket: bucket, Key, Body, ...more }));
const get = async (Key: string, more: object = {}): Promise<string> =>
  (await client.send(new GetObjectCommand({ Bucket: bucket, Key, ...more }))).Body?.transformToString() ?? "";
const etagOf = async (Key: string): Promise<string | undefined> =>
  (await client.send(new HeadObjectCommand({ Bucket: bucket, Key }))).ETag;
const failure = (sent: Promise<unknown>): Promise<unknown> =>
  sent.then(
    () => expect.fail("must be refused"),
    (error: unknown) => error,
  );

/** All keys and, in angle brackets, all common prefixes, page by page. */
async function list(more: Partial<ListObjectsV2CommandInput> = {}): Promise<string[]> {
  const found: string[] = [];
  let token: string | undefined;
  do {
    const page = await client.send(
      new ListObjectsV2Command({ Bucket: bucket, ...more, ContinuationToken: token }),
    );
    const entries = [
      ...(page.Contents ?? []).map(({ Key }) => Key ?? ""),
      ...(page.CommonPrefixes ?? []).map(({ Prefix }) => `<${Prefix}>`),
    ];
    expect(page.KeyCount).toBe(entries.length);
    expect(page.IsTruncated).toBe(page.NextContinuationToken !== undefined);
    found.push(...entries);
    token = page.NextContinuationToken;
  } while (token !== undefined);
  return found;
}

const binary = (keys: readonly string[]): string[] =>
  keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

describe("buckets", () => {
  it("exist or do not", async () => {
    await client.send(new HeadBucketCommand({ Bucket: bucket }));
    const missing = `${bucket}-missing`.slice(0, 63).replace(/-$/, "x");
    expect(await failure(client.send(new HeadBucketCommand({ Bucket: missing })))).toBeInstanceOf(NotFound);
    const write = client.send(new PutObjectCommand({ Bucket: missing, Key: "a", Body: "a" }));
    expect(await failure(write)).toMatchObject({ name: "NoSuchBucket" });
    expect(await failure(client.send(new ListObjectsV2Command({ Bucket: missing })))).toMatchObject({
      name: "NoSuchBucket",
    });
  });

  it.skipIf(onAws && (process.env["AWS_REGION"] ?? "us-east-1") === "us-east-1")(
    "are created once",
    async () => {
      const again = client.send(new CreateBucketCommand({ Bucket: bucket }));
      expect(await failure(again)).toBeInstanceOf(BucketAlreadyOwnedByYou);
    },
  );

  it("are deleted when they are empty", async () => {
    await put("a/b", "kept");
    const deletion = client.send(new DeleteBucketCommand({ Bucket: bucket }));
    expect(await failure(deletion)).toMatchObject({ name: "BucketNotEmpty" });
    expect(await get("a/b")).toBe("kept");
  });
});

describe("objects", () => {
  const large = Buffer.alloc(3_000_000, "0123456789");

  it.each<[string, () => Body, string]>([
    ["a string", (): Body => "grüße", "grüße"],
    ["nothing", (): Body => new Uint8Array(), ""],
    ["bytes", (): Body => large, large.toString()],
  ])("keep %s", async (_kind, body, expected) => {
    await put("plain/key.txt", body());
    expect(await get("plain/key.txt")).toBe(expected);
  });

  it("keep a stream, which the SDK sends in chunks with the checksum behind", async () => {
    await put("streamed", Readable.from([large.subarray(0, 70_000), large.subarray(70_000)]), {
      ContentLength: large.length,
    });
    expect(await get("streamed")).toBe(large.toString());
  });

  it.each(["CRC32", "SHA1", "SHA256"] as const)("verify %s", async (ChecksumAlgorithm) => {
    await put("sum", "content", { ChecksumAlgorithm });
    await put("sum-streamed", Readable.from([large]), { ChecksumAlgorithm, ContentLength: large.length });
    expect(await get("sum")).toBe("content");
    const wrong = createHash("sha256").update("something else").digest("base64");
    expect(await failure(put("sum", "content", { ChecksumSHA256: wrong }))).toMatchObject({
      name: "BadDigest",
    });
    expect(await get("sum")).toBe("content");
  });

  it("are replaced, and their ETag changes with the content", async () => {
    const first = await put("replaced", "1");
    expect(await etagOf("replaced")).toBe(first.ETag);
    const second = await put("replaced", "2");
    expect(second.ETag).not.toBe(first.ETag);
    expect(await get("replaced")).toBe("2");
    const { Contents } = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: "replaced" }));
    expect(Contents).toMatchObject([
      { Key: "replaced", Size: 1, ETag: second.ETag, StorageClass: "STANDARD" },
    ]);
    expect(Math.abs(Date.now() - Number(Contents?.[0]?.LastModified))).toBeLessThan(3_600_000);
  });

  it("are created once under If-None-Match: *, whoever races", async () => {
    const create = (n: number): Promise<unknown> => put("deep/once", String(n), { IfNoneMatch: "*" });
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, (_, n) => create(n)));
    const winners = outcomes.flatMap(({ status }, n) => (status === "fulfilled" ? [n] : []));
    expect(winners).toHaveLength(1);
    expect(await get("deep/once")).toBe(String(winners[0]));
    const late = await failure(create(99));
    expect(late).toMatchObject({ name: "PreconditionFailed", $metadata: { httpStatusCode: 412 } });
  });

  it("are read in ranges", async () => {
    await put("range", "0123456789");
    expect(await get("range", { Range: "bytes=2-4" })).toBe("234");
    expect(await get("range", { Range: "bytes=7-" })).toBe("789");
    expect(await get("range", { Range: "bytes=-3" })).toBe("789");
    expect(await get("range", { Range: "bytes=8-100" })).toBe("89");
    const { ContentRange, ContentLength } = await client.send(
      new GetObjectCommand({ Bucket: bucket, Key: "range", Range: "bytes=0-0" }),
    );
    expect([ContentRange, ContentLength]).toEqual(["bytes 0-0/10", 1]);
    expect(await failure(get("range", { Range: "bytes=10-" }))).toMatchObject({ name: "InvalidRange" });
  });

  it("are read on condition", async () => {
    const { ETag } = await put("conditional", "x");
    expect(await get("conditional", { IfMatch: ETag })).toBe("x");
    const changed = await failure(get("conditional", { IfMatch: '"other"' }));
    expect(changed).toMatchObject({ $metadata: { httpStatusCode: 412 } });
    const unchanged = await failure(get("conditional", { IfNoneMatch: ETag }));
    expect(unchanged).toMatchObject({ $metadata: { httpStatusCode: 304 } });
  });

  it("are described without being read", async () => {
    await put("head", "12345");
    const head = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: "head" }));
    expect(head).toMatchObject({ ContentLength: 5, AcceptRanges: "bytes" });
    expect(head.LastModified).toBeInstanceOf(Date);
  });

  it("are missing by name", async () => {
    expect(await failure(get("missing"))).toBeInstanceOf(NoSuchKey);
    expect(await failure(get("missing/below"))).toBeInstanceOf(NoSuchKey);
    expect(await failure(get("folder/"))).toBeInstanceOf(NoSuchKey);
    expect(await failure(etagOf("missing"))).toBeInstanceOf(NotFound);
  });

  it("are copied", async () => {
    await put("from/ä &=%.txt", "copied");
    const source = { Bucket: bucket, CopySource: `${bucket}/${encodeURIComponent("from/ä &=%.txt")}` };
    const { CopyObjectResult } = await client.send(new CopyObjectCommand({ ...source, Key: "to/b" }));
    expect(await get("to/b")).toBe("copied");
    expect(CopyObjectResult?.ETag).toBe(await etagOf("to/b"));
    const missing = new CopyObjectCommand({ Bucket: bucket, CopySource: `${bucket}/missing`, Key: "to/c" });
    expect(await failure(client.send(missing))).toMatchObject({ name: "NoSuchKey" });
  });

  it("are deleted, and deleting what is not there succeeds", async () => {
    await put("gone/x", "x");
    await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: "gone/x" }));
    await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: "gone/x" }));
    expect(await list()).toEqual([]);
  });

  it("are deleted many at a time", async () => {
    const keys = ["many/a", "many/b & <c>", "many/d'\"", "many/ä=1/e"];
    for (const key of keys) await put(key, key);
    const Objects = [...keys.slice(1), "many/missing"].map((Key) => ({ Key }));
    const loud = await client.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects } }));
    expect(loud.Deleted?.map(({ Key }) => Key).toSorted()).toEqual(Objects.map(({ Key }) => Key).toSorted());
    expect(await list()).toEqual(["many/a"]);
    const quiet = { Objects: [{ Key: "many/a" }], Quiet: true };
    expect(
      (await client.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: quiet }))).Deleted,
    ).toBeUndefined();
    expect(await list()).toEqual([]);
  });
});

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
    for (const key of strange) await put(key, key);
    expect(await list()).toEqual(binary(strange));
    for (const key of strange) expect(await get(key)).toBe(key);
  });

  it("are in binary order, where a slash is a character like any other", async () => {
    const keys = ["a-b", "a.txt", "a/b", "a/b/c-d".replace("b/c", "c/c"), "a0", "ab", "Z", "a/c.d", "a/c0"];
    for (const key of keys) await put(key, "x");
    expect(await list()).toEqual(binary(keys));
    for (const MaxKeys of [1, 2, 3]) expect(await list({ MaxKeys })).toEqual(binary(keys));
    expect(await list({ StartAfter: "a/c" })).toEqual(binary(keys).filter((key) => key > "a/c"));
    expect(await list({ Prefix: "a/" })).toEqual(binary(keys).filter((key) => key.startsWith("a/")));
    expect(await list({ Prefix: "a" })).toEqual(binary(keys).filter((key) => key.startsWith("a")));
  });

  it("group keys up to a delimiter, in pages that count a group as one", async () => {
    for (const key of ["p/a/1", "p/a/2", "p/b", "p/c/d/3", "p/e", "q/1"]) await put(key, "x");
    const groups = { Prefix: "p/", Delimiter: "/" };
    expect((await list(groups)).toSorted()).toEqual(["<p/a/>", "<p/c/>", "p/b", "p/e"]);
    for (const MaxKeys of [1, 2])
      expect((await list({ ...groups, MaxKeys })).toSorted()).toEqual(["<p/a/>", "<p/c/>", "p/b", "p/e"]);
    expect(await list({ Delimiter: "/" })).toEqual(["<p/>", "<q/>"]);
    expect(await list({ Prefix: "p", Delimiter: "/" })).toEqual(["<p/>"]);
    expect((await list({ Prefix: "p/", Delimiter: "d/" })).toSorted()).toEqual([
      "<p/c/d/>",
      "p/a/1",
      "p/a/2",
      "p/b",
      "p/e",
    ]);
    expect(await list({ ...groups, StartAfter: "p/a/2" })).toEqual(["p/b", "p/e", "<p/c/>"]);
  });

  it("may be empty", async () => {
    await put("a", "x");
    expect(await list({ Prefix: "b" })).toEqual([]);
    expect(await list({ Prefix: "a/b/c" })).toEqual([]);
    expect(await list({ StartAfter: "a" })).toEqual([]);
    expect(await list({ MaxKeys: 0 })).toEqual([]);
  });

  it("can be asked for URL-encoded", async () => {
    await put("a b/ä\u0001", "x");
    const page = await client.send(new ListObjectsV2Command({ Bucket: bucket, EncodingType: "url" }));
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
        for (const key of all) await put(key, "x");
        const MaxKeys = (at % 4) + 1;
        expect(await list({ MaxKeys })).toEqual(binary(all));
        const from = all[at % all.length] ?? "";
        const after = binary(all).slice(binary(all).indexOf(from) + 1);
        expect(await list({ MaxKeys, StartAfter: from })).toEqual(after);
        const Prefix = Array.from(from).slice(0, prefixLength).join("");
        const expected = all
          .filter((key) => key.startsWith(Prefix))
          .map((key) => grouped(key, Prefix, Delimiter));
        expect((await list({ MaxKeys, Prefix, Delimiter })).toSorted()).toEqual(
          [...new Set(expected)].toSorted(),
        );
        for (const key of all) await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
      },
    );
    await fc.assert(law, { numRuns: onAws ? 3 : 40 });
  });

  function grouped(key: string, prefix: string, delimiter: string | undefined): string {
    const end = delimiter === undefined ? -1 : key.indexOf(delimiter, prefix.length);
    return end < 0 ? key : `<${key.slice(0, end + 1)}>`;
  }
});

/** What Sluice relies on in S3, held against the embedded endpoint or, with SLUICE_CONFORMANCE=aws, against AWS. */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import type { S3Client } from "@aws-sdk/client-s3";
import {
  BucketAlreadyOwnedByYou,
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  NoSuchKey,
  NotFound,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { failure } from "./failure.ts";
import { type Body, onAws, openTarget, type Target } from "./s3.target.ts";

let target: Target;
let client: S3Client;
let bucket: string;

beforeAll(async () => {
  target = await openTarget();
  ({ client, bucket } = target);
});

afterEach(() => target.clear());

afterAll(() => target.close());

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
    await target.put("a/b", "kept");
    const deletion = client.send(new DeleteBucketCommand({ Bucket: bucket }));
    expect(await failure(deletion)).toMatchObject({ name: "BucketNotEmpty" });
    expect(await target.get("a/b")).toBe("kept");
  });
});

describe("objects", () => {
  const large = Buffer.alloc(3_000_000, "0123456789");

  it.each<[string, () => Body, string]>([
    ["a string", (): Body => "grüße", "grüße"],
    ["nothing", (): Body => new Uint8Array(), ""],
    ["bytes", (): Body => large, large.toString()],
  ])("keep %s", async (_kind, body, expected) => {
    await target.put("plain/key.txt", body());
    expect(await target.get("plain/key.txt")).toBe(expected);
  });

  it("keep a stream, which the SDK sends in chunks with the checksum behind", async () => {
    await target.put("streamed", Readable.from([large.subarray(0, 70_000), large.subarray(70_000)]), {
      ContentLength: large.length,
    });
    expect(await target.get("streamed")).toBe(large.toString());
  });

  it.each(["CRC32", "SHA1", "SHA256"] as const)("verify %s", async (ChecksumAlgorithm) => {
    await target.put("sum", "content", { ChecksumAlgorithm });
    await target.put("sum-streamed", Readable.from([large]), {
      ChecksumAlgorithm,
      ContentLength: large.length,
    });
    expect(await target.get("sum")).toBe("content");
    const wrong = createHash("sha256").update("something else").digest("base64");
    expect(await failure(target.put("sum", "content", { ChecksumSHA256: wrong }))).toMatchObject({
      name: "BadDigest",
    });
    expect(await target.get("sum")).toBe("content");
  });

  it("are replaced, and their ETag changes with the content", async () => {
    const first = await target.put("replaced", "1");
    expect(await target.etagOf("replaced")).toBe(first.ETag);
    const second = await target.put("replaced", "2");
    expect(second.ETag).not.toBe(first.ETag);
    expect(await target.get("replaced")).toBe("2");
    const { Contents } = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: "replaced" }));
    expect(Contents).toMatchObject([
      { Key: "replaced", Size: 1, ETag: second.ETag, StorageClass: "STANDARD" },
    ]);
    expect(Math.abs(Date.now() - Number(Contents?.[0]?.LastModified))).toBeLessThan(3_600_000);
  });

  it("are created once under If-None-Match: *, whoever races", async () => {
    const create = (n: number): Promise<unknown> => target.put("deep/once", String(n), { IfNoneMatch: "*" });
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, (_, n) => create(n)));
    const winners = outcomes.flatMap(({ status }, n) => (status === "fulfilled" ? [n] : []));
    expect(winners).toHaveLength(1);
    expect(await target.get("deep/once")).toBe(String(winners[0]));
    const late = await failure(create(99));
    expect(late).toMatchObject({ name: "PreconditionFailed", $metadata: { httpStatusCode: 412 } });
  });

  it("are read in ranges", async () => {
    await target.put("range", "0123456789");
    expect(await target.get("range", { Range: "bytes=2-4" })).toBe("234");
    expect(await target.get("range", { Range: "bytes=7-" })).toBe("789");
    expect(await target.get("range", { Range: "bytes=-3" })).toBe("789");
    expect(await target.get("range", { Range: "bytes=8-100" })).toBe("89");
    const { ContentRange, ContentLength } = await client.send(
      new GetObjectCommand({ Bucket: bucket, Key: "range", Range: "bytes=0-0" }),
    );
    expect([ContentRange, ContentLength]).toEqual(["bytes 0-0/10", 1]);
    expect(await failure(target.get("range", { Range: "bytes=10-" }))).toMatchObject({
      name: "InvalidRange",
    });
  });

  it("are read on condition", async () => {
    const { ETag } = await target.put("conditional", "x");
    expect(await target.get("conditional", { IfMatch: ETag })).toBe("x");
    const changed = await failure(target.get("conditional", { IfMatch: '"other"' }));
    expect(changed).toMatchObject({ $metadata: { httpStatusCode: 412 } });
    const unchanged = await failure(target.get("conditional", { IfNoneMatch: ETag }));
    expect(unchanged).toMatchObject({ $metadata: { httpStatusCode: 304 } });
  });

  it("are described without being read", async () => {
    await target.put("head", "12345");
    const head = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: "head" }));
    expect(head).toMatchObject({ ContentLength: 5, AcceptRanges: "bytes" });
    expect(head.LastModified).toBeInstanceOf(Date);
  });

  it("are missing by name", async () => {
    expect(await failure(target.get("missing"))).toBeInstanceOf(NoSuchKey);
    expect(await failure(target.get("missing/below"))).toBeInstanceOf(NoSuchKey);
    expect(await failure(target.get("folder/"))).toBeInstanceOf(NoSuchKey);
    expect(await failure(target.etagOf("missing"))).toBeInstanceOf(NotFound);
  });

  it("are copied", async () => {
    await target.put("from/ä &=%.txt", "copied");
    const source = { Bucket: bucket, CopySource: `${bucket}/${encodeURIComponent("from/ä &=%.txt")}` };
    const { CopyObjectResult } = await client.send(new CopyObjectCommand({ ...source, Key: "to/b" }));
    expect(await target.get("to/b")).toBe("copied");
    expect(CopyObjectResult?.ETag).toBe(await target.etagOf("to/b"));
    const missing = new CopyObjectCommand({ Bucket: bucket, CopySource: `${bucket}/missing`, Key: "to/c" });
    expect(await failure(client.send(missing))).toMatchObject({ name: "NoSuchKey" });
  });

  it("are deleted, and deleting what is not there succeeds", async () => {
    await target.put("gone/x", "x");
    await target.delete("gone/x");
    await target.delete("gone/x");
    expect(await target.list()).toEqual([]);
  });

  it("are deleted many at a time", async () => {
    const keys = ["many/a", "many/b & <c>", "many/d'\"", "many/ä=1/e"];
    for (const key of keys) await target.put(key, key);
    const Objects = [...keys.slice(1), "many/missing"].map((Key) => ({ Key }));
    const loud = await client.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects } }));
    expect(loud.Deleted?.map(({ Key }) => Key).toSorted()).toEqual(Objects.map(({ Key }) => Key).toSorted());
    expect(await target.list()).toEqual(["many/a"]);
    const quiet = { Objects: [{ Key: "many/a" }], Quiet: true };
    expect(
      (await client.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: quiet }))).Deleted,
    ).toBeUndefined();
    expect(await target.list()).toEqual([]);
  });
});

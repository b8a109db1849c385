/** Where the suites of S3 run: the embedded one, or AWS where SLUICE_CONFORMANCE=aws says so. */
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandInput,
  HeadObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandInput,
  PutObjectCommand,
  type PutObjectCommandInput,
  type PutObjectCommandOutput,
  S3Client,
  type S3ClientConfig,
} from "@aws-sdk/client-s3";
import { expect } from "vitest";
import { startS3 } from "../../cloud/local/s3.ts";

export const onAws = process.env["SLUICE_CONFORMANCE"] === "aws";
export type Body = Exclude<PutObjectCommandInput["Body"], undefined>;

/** An S3 with a bucket of the test's own, embedded or real. */
export interface Target {
  readonly client: S3Client;
  /** The name of a bucket that `close` deletes. */
  readonly bucket: string;
  put(Key: string, Body: Body, more?: Partial<PutObjectCommandInput>): Promise<PutObjectCommandOutput>;
  get(Key: string, more?: Partial<GetObjectCommandInput>): Promise<string>;
  etagOf(Key: string): Promise<string | undefined>;
  delete(Key: string): Promise<unknown>;
  /** All keys and, in angle brackets, all common prefixes, page by page. */
  list(more?: Partial<ListObjectsV2CommandInput>): Promise<string[]>;
  /** Deletes all objects. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

/** The real S3 where SLUICE_CONFORMANCE=aws, else an embedded one in a folder of its own. */
export async function openTarget(): Promise<Target> {
  if (onAws) return targetOf(new S3Client({}), () => Promise.resolve());
  const folder = await mkdtemp(join(tmpdir(), "sluice-s3-"));
  const embedded = await startS3({ folder });
  return targetOf(clientOf(embedded.endpoint), async () => {
    await embedded.close();
    await rm(folder, { recursive: true });
  });
}

async function targetOf(client: S3Client, shutDown: () => Promise<void>): Promise<Target> {
  const Bucket = `sluice-conformance-${randomUUID()}`;
  const target: Target = {
    client,
    bucket: Bucket,
    put: (Key, Body, more) => client.send(new PutObjectCommand({ Bucket, Key, Body, ...more })),
    async get(Key, more) {
      const { Body } = await client.send(new GetObjectCommand({ Bucket, Key, ...more }));
      return Body?.transformToString() ?? "";
    },
    etagOf: async (Key) => (await client.send(new HeadObjectCommand({ Bucket, Key }))).ETag,
    delete: (Key) => client.send(new DeleteObjectCommand({ Bucket, Key })),
    list: (more) => list(client, { Bucket, ...more }),
    async clear() {
      for (const key of await target.list()) await target.delete(key);
    },
    async close() {
      await client.send(new DeleteBucketCommand({ Bucket }));
      client.destroy();
      await shutDown();
    },
  };
  await client.send(new CreateBucketCommand({ Bucket }));
  return target;
}

async function list(client: S3Client, input: ListObjectsV2CommandInput): Promise<string[]> {
  const found: string[] = [];
  let token: string | undefined;
  do {
    const page = await client.send(new ListObjectsV2Command({ ...input, ContinuationToken: token }));
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

/** An unmodified client of an embedded S3. */
export function clientOf(endpoint: string, options: S3ClientConfig = {}): S3Client {
  const credentials = { accessKeyId: "local", secretAccessKey: "local" };
  return new S3Client({ endpoint, region: "eu-west-1", credentials, forcePathStyle: true, ...options });
}

/** A client that sends a request once, whatever comes of it. */
export function onceClientOf(endpoint: string): S3Client {
  return clientOf(endpoint, { region: "us-east-1", maxAttempts: 1 });
}

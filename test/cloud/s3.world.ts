/** An embedded S3 per file of tests with a new bucket per test, its folder, and requests that no SDK would send. */
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { type OutgoingHttpHeaders, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import {
  CreateBucketCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, beforeEach } from "vitest";
import { type S3Endpoint, startS3 } from "../../cloud/local/s3.ts";
import { onceClientOf } from "./s3.target.ts";

export const Bucket = "lake";

export interface World {
  /** A folder that is removed after all tests of the file. */
  readonly folder: string;
  readonly endpoint: string;
  readonly client: S3Client;
  readonly fileOf: (key: string) => string;
  /** The files of uploads that are not finished. */
  readonly uploads: () => Promise<string[]>;
  readonly put: (Key: string, Body: string) => Promise<unknown>;
  readonly get: (Key: string) => Promise<string>;
  readonly etagOf: (Key: string) => Promise<string | undefined>;
  readonly list: (from?: S3Client) => Promise<string[]>;
  /** Sends the path as it stands, which `fetch` would normalise. */
  readonly raw: (method: string, target: string, more?: More) => Promise<{ status: number; body: string }>;
}

interface More {
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string;
}

/** To be called once per file; the world is there inside of tests only. */
export function s3World(): World {
  let folder = "";
  let s3: S3Endpoint;
  let client: S3Client;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "sluice-s3-"));
    s3 = await startS3({ folder });
    client = onceClientOf(s3.endpoint);
  });
  beforeEach(async () => {
    await rm(world.fileOf(""), { recursive: true, force: true });
    await client.send(new CreateBucketCommand({ Bucket }));
  });
  afterAll(async () => {
    client.destroy();
    await s3.close();
    await rm(folder, { recursive: true });
  });
  const world: World = {
    get folder() {
      return folder;
    },
    get endpoint() {
      return s3.endpoint;
    },
    get client() {
      return client;
    },
    fileOf: (key) => join(folder, Bucket, key),
    uploads: () => readdir(join(folder, ".uploads")),
    put: (Key, Body) => client.send(new PutObjectCommand({ Bucket, Key, Body })),
    async get(Key) {
      const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
      return Body?.transformToString() ?? "";
    },
    etagOf: async (Key) => (await client.send(new HeadObjectCommand({ Bucket, Key }))).ETag,
    async list(from = client) {
      const { Contents = [] } = await from.send(new ListObjectsV2Command({ Bucket }));
      return Contents.map(({ Key }) => Key ?? "");
    },
    raw: (method, target, more) => raw(s3.endpoint, method, target, more),
  };
  return world;
}

async function raw(
  endpoint: string,
  method: string,
  target: string,
  { headers = {}, body }: More = {},
): Promise<{ status: number; body: string }> {
  const outgoing = request(endpoint, {
    method,
    path: target,
    headers: {
      authorization: "AWS4-HMAC-SHA256 x",
      ...(body !== undefined && { "content-length": body.length }),
      ...headers,
    },
  });
  outgoing.end(body);
  const [response] = await once(outgoing, "response");
  return { status: response.statusCode, body: await text(response) };
}

/**
 * The lake as a bucket of S3. What S3 refuses is `BACKEND_UNAVAILABLE`, with its error as the cause.
 *
 * Delivery guarantee: an object appears or is replaced as a whole, and is listed from the moment its write is answered.
 */
import {
  CopyObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { SluiceError } from "../model/errors.ts";
import type { Lake, LakeObject } from "./lake.ts";

export interface S3LakeOptions {
  readonly client: S3Client;
  readonly bucket: string;
}

const deleteBatch = 1_000; // S3: the most keys of one DeleteObjects

export function s3Lake({ client, bucket }: S3LakeOptions): Lake {
  const root = `s3://${bucket}/`;
  return {
    list: (prefix) => list(client, bucket, prefix),
    read: async (key) => {
      const answer = await client
        .send(new GetObjectCommand({ Bucket: bucket, Key: key }))
        .catch(failed(`read "${key}"`));
      if (answer.Body === undefined) throw new TypeError(`S3 answered "${key}" without a body.`);
      return answer.Body.transformToByteArray().catch(failed(`read "${key}"`));
    },
    write: async (key, bytes) => {
      await client
        .send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: bytes }))
        .catch(failed(`write "${key}"`));
    },
    copy: async (from, to) => {
      const CopySource = `${bucket}/${from.split("/").map(encodeURIComponent).join("/")}`;
      await client
        .send(new CopyObjectCommand({ Bucket: bucket, Key: to, CopySource }))
        .catch(failed(`copy "${from}"`));
    },
    remove: (keys) => remove(client, bucket, keys),
    url: (key) => root + key,
    key: (url) => {
      if (!url.startsWith(root)) throw new TypeError(`The lake's objects begin with ${root}, got ${url}.`);
      return url.slice(root.length);
    },
  };
}

async function* list(client: S3Client, bucket: string, prefix: string): AsyncIterable<LakeObject> {
  let token: string | undefined;
  do {
    const page = await client
      .send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: token }))
      .catch(failed(`list "${prefix}"`));
    for (const object of page.Contents ?? [])
      yield { key: object.Key ?? "", size: object.Size ?? 0, etag: object.ETag ?? "" };
    token = page.NextContinuationToken;
  } while (token !== undefined);
}

async function remove(client: S3Client, bucket: string, keys: readonly string[]): Promise<void> {
  for (let i = 0; i < keys.length; i += deleteBatch) {
    const Objects = keys.slice(i, i + deleteBatch).map((Key) => ({ Key }));
    const answer = await client
      .send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } }))
      .catch(failed(`delete ${Objects.length} objects`));
    const left = (answer.Errors ?? []).map(({ Key, Code }) => `${Key} (${Code})`);
    if (left.length > 0) failed(`delete ${left.join(", ")}`)(null);
  }
}

function failed(what: string): (cause: unknown) => never {
  return (cause) => {
    throw new SluiceError(
      "BACKEND_UNAVAILABLE",
      `The lake's bucket refused to ${what}. Try again in a few seconds; if it stays, look at the cause.`,
      { cause },
    );
  };
}

/** The operations on a bucket and on many of its objects. */
import { mkdir } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { receiveText } from "./s3.body.ts";
import { S3Error, isErrno, notImplemented } from "./s3.errors.ts";
import { deleteObject, objectFile, removeEmptyFolders, requireBucket } from "./s3.folder.ts";
import { listObjects } from "./s3.listing.ts";
import type { Listing, ListingRequest } from "./s3.listing.ts";
import { sendXml } from "./s3.request.ts";
import type { S3Request } from "./s3.request.ts";
import { contentsOf, unescape, xml } from "./s3.xml.ts";
import type { Xml } from "./s3.xml.ts";

export async function createBucket(request: S3Request, response: ServerResponse): Promise<void> {
  await mkdir(request.bucketRoot).catch((error: unknown) => {
    if (!isErrno(error, "EEXIST")) throw error;
    throw new S3Error(
      "BucketAlreadyOwnedByYou",
      "The bucket you tried to create already exists, and you own it.",
    );
  });
  response.writeHead(200, { location: `/${request.bucket}`, "content-length": 0 }).end();
}

export async function headBucket(request: S3Request, response: ServerResponse): Promise<void> {
  await requireBucket(request.bucketRoot);
  response.writeHead(200, { "x-amz-bucket-region": "us-east-1" }).end();
}

/** Folders that hold no object do not count: a bucket is empty when nothing could be listed in it. */
export async function deleteBucket(request: S3Request, response: ServerResponse): Promise<void> {
  await requireBucket(request.bucketRoot);
  if (!(await removeEmptyFolders(request.bucketRoot))) {
    throw new S3Error("BucketNotEmpty", "The bucket you tried to delete is not empty");
  }
  response.writeHead(204).end();
}

const maxKeysDefault = 1_000; // AWS: also the most a page has

export async function listObjectsV2(request: S3Request, response: ServerResponse): Promise<void> {
  const { bucket, bucketRoot, query } = request;
  if (query.get("list-type") !== "2") throw notImplemented("ListObjects version 1", "Use ListObjectsV2.");
  await requireBucket(bucketRoot);
  const wanted: ListingRequest = {
    prefix: query.get("prefix") ?? "",
    delimiter: query.get("delimiter") ?? "",
    maxKeys: maxKeysOf(query.get("max-keys")),
    startAfter: query.get("start-after") ?? "",
    token: query.get("continuation-token") ?? undefined,
  };
  const listing = await listObjects(bucketRoot, wanted);
  sendXml(response, 200, listBucketResult(bucket, wanted, listing, encoder(query.get("encoding-type"))));
}

function maxKeysOf(stated: string | null): number {
  const maxKeys = stated === null ? maxKeysDefault : Number(stated);
  if (stated !== "" && Number.isInteger(maxKeys) && maxKeys >= 0) return Math.min(maxKeys, maxKeysDefault);
  throw new S3Error("InvalidArgument", `max-keys must be an integer from 0 on, got "${stated}".`);
}

interface Encoder {
  readonly type: string | undefined;
  readonly encode: (text: string) => string;
}

function encoder(stated: string | null): Encoder {
  if (stated === null) return { type: undefined, encode: (text) => text };
  if (stated !== "url") throw new S3Error("InvalidArgument", `encoding-type must be "url", got "${stated}".`);
  return { type: stated, encode: (text) => encodeURIComponent(text).replaceAll("%2F", "/") };
}

function listBucketResult(
  bucket: string,
  wanted: ListingRequest,
  listing: Listing,
  { type, encode }: Encoder,
): Xml {
  const { objects, commonPrefixes, nextToken } = listing;
  const optional = (name: string, value: string | undefined): Xml[] =>
    value === undefined || value === "" ? [] : [xml(name, value)];
  return xml(
    "ListBucketResult",
    xml("Name", bucket),
    xml("Prefix", encode(wanted.prefix)),
    xml("MaxKeys", wanted.maxKeys),
    xml("KeyCount", objects.length + commonPrefixes.length),
    xml("IsTruncated", nextToken !== undefined),
    ...optional("Delimiter", encode(wanted.delimiter)),
    ...optional("EncodingType", type),
    ...optional("StartAfter", encode(wanted.startAfter)),
    ...optional("ContinuationToken", wanted.token),
    ...optional("NextContinuationToken", nextToken),
    ...objects.map(({ key, facts }) =>
      xml(
        "Contents",
        xml("Key", encode(key)),
        xml("LastModified", facts.modified.toISOString()),
        xml("ETag", facts.etag),
        xml("Size", facts.bytes),
        xml("StorageClass", "STANDARD"),
      ),
    ),
    ...commonPrefixes.map((prefix) => xml("CommonPrefixes", xml("Prefix", encode(prefix)))),
  );
}

const deleteBytes = 2 * 1024 * 1024; // AWS: the most a DeleteObjects document may have
const deleteKeys = 1_000; // AWS: the most objects it may name

/** Each key succeeds or fails on its own; the answer names both, or with Quiet the failed ones. */
export async function deleteObjects(request: S3Request, response: ServerResponse): Promise<void> {
  await requireBucket(request.bucketRoot);
  const { keys, quiet } = readDelete(await receiveText(request.http, deleteBytes));
  const results: Xml[] = [];
  for (const key of keys) {
    const failure = await deletedOrFailure(request.bucketRoot, key);
    if (failure !== undefined) {
      results.push(xml("Error", xml("Key", key), xml("Code", failure.code), xml("Message", failure.message)));
    } else if (!quiet) {
      results.push(xml("Deleted", xml("Key", key)));
    }
  }
  sendXml(response, 200, xml("DeleteResult", ...results));
}

function readDelete(document: string): { keys: readonly string[]; quiet: boolean } {
  const objects = contentsOf("Object", document);
  if (!document.includes("<Delete") || objects.length === 0 || objects.length > deleteKeys) {
    throw new S3Error(
      "MalformedXML",
      `A Delete document names 1 to ${deleteKeys} objects, this one ${objects.length}.`,
    );
  }
  return { keys: objects.map(readKey), quiet: contentsOf("Quiet", document)[0]?.trim() === "true" };
}

function readKey(object: string): string {
  const [key] = contentsOf("Key", object);
  if (key === undefined) throw new S3Error("MalformedXML", "An Object of a Delete document has a Key.");
  if (/<(VersionId|ETag|LastModifiedTime|Size)\b/.test(object)) {
    throw notImplemented("versions and conditions in DeleteObjects", "Name the objects by Key alone.");
  }
  return unescape(key);
}

async function deletedOrFailure(bucketRoot: string, key: string): Promise<S3Error | undefined> {
  try {
    const file = objectFile(bucketRoot, key);
    if (file !== undefined) await deleteObject(file, bucketRoot);
    return undefined;
  } catch (error) {
    return error instanceof S3Error ? error : new S3Error("InternalError", String(error), { cause: error });
  }
}

/** The operations on one object. */
import type { ServerResponse } from "node:http";
import { copyFile } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { receive } from "./s3.body.ts";
import type { Checksums } from "./s3.body.ts";
import { S3Error, isErrno, notImplemented } from "./s3.errors.ts";
import {
  bucketFolder,
  deleteObject,
  objectFile,
  openObject,
  replaceObject,
  requireBucket,
  uploadStream,
  writableFile,
} from "./s3.folder.ts";
import type { ObjectFacts, Replacement } from "./s3.folder.ts";
import { decode, header, refuseHeaders, sendXml } from "./s3.request.ts";
import type { S3Request } from "./s3.request.ts";
import { xml } from "./s3.xml.ts";

/** An object is a file and nothing else, so what a file cannot keep is refused rather than forgotten. */
const unkept = [
  "if-match",
  "x-amz-meta-*",
  "x-amz-tagging",
  "x-amz-write-offset-bytes",
  "x-amz-website-redirect-location",
  "x-amz-server-side-encryption-customer-*",
];
const unkeptWayOut = "Objects are plain files without metadata: put it into the key or the content.";

export async function putObject(request: S3Request, response: ServerResponse): Promise<void> {
  refuseHeaders(request, unkept, unkeptWayOut);
  const encoding = header(request, "content-encoding") ?? "aws-chunked";
  if (encoding.replace(/,$/, "") !== "aws-chunked") throw notImplemented("Content-Encoding", unkeptWayOut);
  let checksums: Checksums = {};
  const facts = await replaceObject(await target(request), async (upload) => {
    checksums = await receive(request.http, uploadStream(upload));
  });
  response.writeHead(200, { etag: facts.etag, ...checksums, "content-length": 0 }).end();
}

/** `If-None-Match: *` is the one condition on writes: create, but never replace. */
async function target(request: S3Request): Promise<Replacement> {
  const { folder, bucketRoot, key } = request;
  const condition = header(request, "if-none-match");
  if (condition !== undefined && condition !== "*") {
    throw notImplemented(`If-None-Match: ${condition} on writes`, 'Use "*".');
  }
  await requireBucket(bucketRoot);
  return { folder, bucketRoot, file: writableFile(bucketRoot, key), ifAbsent: condition === "*" };
}

export async function copyObject(request: S3Request, response: ServerResponse): Promise<void> {
  refuseHeaders(request, [...unkept, "x-amz-copy-source-if-*"], unkeptWayOut);
  const source = await copySource(request);
  const replacement = await target(request);
  if (source === replacement.file) {
    throw new S3Error(
      "InvalidRequest",
      "This copy request is illegal because it copies an object to itself.",
    );
  }
  const facts = await replaceObject(replacement, async (upload) => {
    await copyFile(source, upload).catch((error: unknown) => {
      throw isErrno(error, "ENOENT", "ENOTDIR", "EISDIR") ? noSuchKey() : error;
    });
  });
  const { etag, modified } = facts;
  sendXml(
    response,
    200,
    xml("CopyObjectResult", xml("ETag", etag), xml("LastModified", modified.toISOString())),
  );
}

/** The file of `x-amz-copy-source`, "[/]bucket/key", URI-encoded. */
async function copySource(request: S3Request): Promise<string> {
  const [location = "", version] = (header(request, "x-amz-copy-source") ?? "").split("?");
  if (version !== undefined) throw notImplemented("versions", "Name the source without versionId.");
  const [, bucket = "", key = ""] = /^\/?([^/]*)\/([^]*)$/.exec(decode(location)) ?? [];
  const root = bucketFolder(request.folder, bucket);
  await requireBucket(root);
  const opened = await openObject(objectFile(root, key));
  await opened?.handle.close();
  if (opened === undefined) throw noSuchKey();
  return writableFile(root, key);
}

const noSuchKey = (): S3Error => new S3Error("NoSuchKey", "The specified key does not exist.");

/** GetObject and, without a body, HeadObject. */
export async function getObject(request: S3Request, response: ServerResponse): Promise<void> {
  await requireBucket(request.bucketRoot);
  const opened = await openObject(objectFile(request.bucketRoot, request.key));
  if (opened === undefined) throw noSuchKey();
  const { handle, facts } = opened;
  try {
    checkConditions(request, facts);
    const range = rangeOf(header(request, "range"), facts.bytes);
    response.writeHead(range.partial ? 206 : 200, headersOf(request.key, facts, range));
    if (request.http.method === "HEAD" || range.bytes === 0) response.end();
    else await sendRange(handle, range, response);
  } finally {
    await handle.close();
  }
}

/** A file rewritten in place may have become shorter: then the connection ends, for the length was promised. */
async function sendRange(handle: FileHandle, range: ByteRange, response: ServerResponse): Promise<void> {
  const bytes = handle.createReadStream({ start: range.start, end: range.start + range.bytes - 1 });
  await pipeline(bytes, response, { end: false });
  if (bytes.bytesRead === range.bytes) response.end();
  else response.destroy();
}

function checkConditions(request: S3Request, { etag }: ObjectFacts): void {
  const names = (condition: string): boolean =>
    condition.split(",").some((tag) => ["*", etag, etag.slice(1, -1)].includes(tag.trim()));
  const match = header(request, "if-match");
  if (match !== undefined && !names(match)) {
    throw new S3Error("PreconditionFailed", "At least one of the pre-conditions you specified did not hold");
  }
  const noneMatch = header(request, "if-none-match");
  if (noneMatch !== undefined && names(noneMatch)) throw new S3Error("NotModified", "Not Modified");
}

interface ByteRange {
  readonly start: number;
  readonly bytes: number;
  readonly partial: boolean;
}

/** Anything but one range of bytes is ignored, as RFC 9110 (section 14.2) allows. Throws `InvalidRange`. */
function rangeOf(stated: string | undefined, size: number): ByteRange {
  const [, from = "", to = ""] = /^bytes=(\d*)-(\d*)$/.exec(stated ?? "") ?? [];
  if ((from === "" && to === "") || (from !== "" && to !== "" && Number(from) > Number(to))) {
    return { start: 0, bytes: size, partial: false };
  }
  const start = from === "" ? Math.max(0, size - Number(to)) : Number(from);
  const end = from === "" || to === "" ? size : Math.min(size, Number(to) + 1);
  if (start >= end) {
    throw new S3Error("InvalidRange", `The requested range is not satisfiable: ${stated} of ${size} bytes.`);
  }
  return { start, bytes: end - start, partial: true };
}

/** A file keeps no content type, so it follows from the name. */
const contentTypes = new Map([
  ["csv", "text/csv"],
  ["html", "text/html"],
  ["json", "application/json"],
  ["txt", "text/plain"],
  ["xml", "application/xml"],
]);

function headersOf(key: string, facts: ObjectFacts, range: ByteRange): Record<string, string | number> {
  const { etag, bytes, modified } = facts;
  const extension = key.slice(key.lastIndexOf(".") + 1);
  return {
    etag,
    "accept-ranges": "bytes",
    "content-length": range.bytes,
    "content-type": contentTypes.get(extension) ?? "application/octet-stream",
    "last-modified": modified.toUTCString(),
    ...(range.partial && {
      "content-range": `bytes ${range.start}-${range.start + range.bytes - 1}/${bytes}`,
    }),
  };
}

export async function removeObject(request: S3Request, response: ServerResponse): Promise<void> {
  refuseHeaders(request, ["if-match", "x-amz-if-match-*"], "Deletes are unconditional.");
  await requireBucket(request.bucketRoot);
  const file = objectFile(request.bucketRoot, request.key);
  if (file !== undefined) await deleteObject(file, request.bucketRoot);
  response.writeHead(204).end();
}

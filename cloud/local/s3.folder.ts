/**
 * A folder as an object store: bucket `b` is the folder `b`, its object `x/y` the file `x/y` in there, and nothing
 * else is kept. So files that other programs write are objects, and objects are files that other programs read.
 *
 * Delivery guarantee: an object appears, is replaced or disappears as a whole (written aside, then renamed), and an
 * answered write survives a killed process (not synced: it may be lost with the machine's power).
 */
import { createHash, randomUUID } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { constants, createWriteStream } from "node:fs";
import * as fs from "node:fs/promises";
import path from "node:path";
import { S3Error, isErrno } from "./s3.errors.ts";

/** Not a bucket's name, so never listed, but on the same file system, so a rename away from every bucket. */
const uploadsFolder = ".uploads";

export interface ObjectFacts {
  readonly bytes: number;
  /** Quoted. Of size, modification time and inode: it changes with the content, but is no MD5, hence the "-1". */
  readonly etag: string;
  readonly modified: Date;
}

/** One use at a time of `<folder>/.uploads`: what an earlier process left there is removed. */
export async function openFolder(folder: string): Promise<void> {
  await fs.rm(path.join(folder, uploadsFolder), { recursive: true, force: true });
  await fs.mkdir(path.join(folder, uploadsFolder), { recursive: true });
}

/** Rejects `InvalidBucketName`: also whatever would lead out of the folder. */
export function bucketFolder(folder: string, bucket: string): string {
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket) || bucket.includes("..")) {
    throw new S3Error(
      "InvalidBucketName",
      `A bucket's name is 3 to 63 of a-z, 0-9, "-" and single ".", and starts and ends with a letter or digit; got "${bucket}".`,
    );
  }
  return path.join(folder, bucket);
}

/**
 * The file of a key, or undefined for a key that no file can have: it ends with "/" or has an empty part. Throws
 * `InvalidArgument` for parts that would lead to another file than the one they name.
 */
export function objectFile(bucketRoot: string, key: string): string | undefined {
  const parts = key.split("/");
  const foreign = path.sep === "\\" ? /[\0\\:]/ : /\0/;
  if (parts.some((part) => part === "." || part === ".." || foreign.test(part))) {
    throw new S3Error(
      "InvalidArgument",
      `A key of the embedded S3 is a path inside its bucket: "." and ".." are not allowed as parts; got "${key}".`,
    );
  }
  if (Buffer.byteLength(key) > 1024 || parts.some((part) => Buffer.byteLength(part) > 255)) {
    throw new S3Error(
      "KeyTooLongError",
      "A key has at most 1024 bytes, and 255 between slashes: they are file names.",
    );
  }
  return parts.includes("") ? undefined : path.join(bucketRoot, ...parts);
}

/** As `objectFile`, for writing: throws `InvalidArgument` where that returns undefined. */
export function writableFile(bucketRoot: string, key: string): string {
  const file = objectFile(bucketRoot, key);
  if (file !== undefined) return file;
  throw new S3Error(
    "InvalidArgument",
    `The embedded S3 keeps objects as files, so a key has no empty part and no "/" at its end; got "${key}".`,
  );
}

/** Opens an object to be read as it is now, whatever replaces it meanwhile. Resolves to undefined if there is none. */
export async function openObject(
  file: string | undefined,
): Promise<{ handle: fs.FileHandle; facts: ObjectFacts } | undefined> {
  if (file === undefined) return undefined;
  const handle = await fs.open(file, constants.O_RDONLY | constants.O_NOFOLLOW).catch(absent);
  const stats = await handle?.stat({ bigint: true });
  if (handle !== undefined && stats?.isFile() === true) return { handle, facts: factsOf(stats) };
  await handle?.close();
  return undefined;
}

/** Resolves to undefined where no object is: nothing, a folder, a link. */
export async function statObject(file: string): Promise<ObjectFacts | undefined> {
  const stats = await fs.lstat(file, { bigint: true }).catch(absent);
  return stats?.isFile() === true ? factsOf(stats) : undefined;
}

function absent(error: unknown): undefined {
  if (!isErrno(error, "ENOENT", "ENOTDIR", "EISDIR", "ELOOP")) throw error;
}

function factsOf(stats: BigIntStats): ObjectFacts {
  const version = createHash("md5").update(`${stats.size} ${stats.mtimeNs} ${stats.ino}`).digest("hex");
  return { bytes: Number(stats.size), etag: `"${version}-1"`, modified: new Date(Number(stats.mtimeMs)) };
}

export interface Replacement {
  readonly folder: string;
  readonly bucketRoot: string;
  readonly file: string;
  /** Only where no object is yet; rejects `PreconditionFailed` otherwise. */
  readonly ifAbsent: boolean;
}

/** Puts what `fill` writes to a path in the object's place, at once, or leaves everything as it was. */
export async function replaceObject(
  { folder, bucketRoot, file, ifAbsent }: Replacement,
  fill: (upload: string) => Promise<void>,
): Promise<ObjectFacts> {
  const upload = path.join(folder, uploadsFolder, randomUUID());
  try {
    // a stream that is given up before its file is open must not make one afterwards
    await fs.writeFile(upload, "", { flag: "wx" });
    await fill(upload);
    await stamp(upload);
    const facts = factsOf(await fs.lstat(upload, { bigint: true }));
    await place(upload, file, bucketRoot, ifAbsent);
    return facts;
  } finally {
    await fs.rm(upload, { force: true });
  }
}

/** To be filled by `replaceObject`. */
export const uploadStream = (upload: string): NodeJS.WritableStream =>
  createWriteStream(upload, { flags: "r+" });

let lastStampMs = 0;

/** A file system's clock ticks in milliseconds: a time of its own tells two quick writes of one size apart. */
async function stamp(upload: string): Promise<void> {
  lastStampMs = Math.max(Date.now(), lastStampMs + 0.01);
  await fs.utimes(upload, lastStampMs / 1_000, lastStampMs / 1_000);
}

const placeAttempts = 8; // each lost to a neighbour's deletion that removed the empty folder in between

async function place(upload: string, file: string, bucketRoot: string, ifAbsent: boolean): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await makeParents(file, bucketRoot);
      // a link, unlike a rename, fails when there is something
      return await (ifAbsent ? fs.link(upload, file) : fs.rename(upload, file));
    } catch (error) {
      if (isErrno(error, "ENOENT") && attempt < placeAttempts) continue;
      if (isErrno(error, "EEXIST", "EISDIR", "ENOTEMPTY") && (await freed(file)) && attempt < placeAttempts)
        continue;
      throw await refusal(error, file, bucketRoot);
    }
  }
}

/** Not recursively from the top: a bucket that was deleted meanwhile must not come back. */
async function makeParents(file: string, bucketRoot: string): Promise<void> {
  const parent = path.dirname(file);
  if (parent === bucketRoot) return;
  await makeParents(parent, bucketRoot);
  await fs.mkdir(parent).catch((error: unknown) => {
    if (!isErrno(error, "EEXIST")) throw error;
  });
}

/** Whether a folder in the place of a file held no object and is gone. */
async function freed(file: string): Promise<boolean> {
  const stats = await fs.lstat(file).catch(absent);
  return stats?.isDirectory() === true && (await removeEmptyFolders(file));
}

async function refusal(error: unknown, file: string, bucketRoot: string): Promise<unknown> {
  await requireBucket(bucketRoot);
  if (!isErrno(error, "EEXIST", "EISDIR", "ENOTDIR", "ENOTEMPTY", "ENOENT")) return error;
  if (isErrno(error, "EEXIST") && (await statObject(file)) !== undefined) {
    return new S3Error("PreconditionFailed", "At least one of the pre-conditions you specified did not hold");
  }
  return new S3Error(
    "InvalidRequest",
    "The embedded S3 keeps objects as files, so no key may be another key followed by a slash and more. Rename one of the two.",
    { cause: error },
  );
}

/** Removes the object and the folders above that became empty. What is not there is removed already. */
export async function deleteObject(file: string, bucketRoot: string): Promise<void> {
  if ((await statObject(file)) === undefined) return;
  await fs.rm(file, { force: true });
  for (let parent = path.dirname(file); parent !== bucketRoot; parent = path.dirname(parent)) {
    if (!(await removedFolder(parent))) return;
  }
}

/** Removes a folder that holds nothing but folders that do the same. Resolves to false when an object stays. */
export async function removeEmptyFolders(root: string): Promise<boolean> {
  for (const entry of await fs.readdir(root, { withFileTypes: true })) {
    if (!entry.isDirectory() || !(await removeEmptyFolders(path.join(root, entry.name)))) return false;
  }
  return removedFolder(root);
}

async function removedFolder(root: string): Promise<boolean> {
  try {
    await fs.rmdir(root);
    return true;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return true;
    if (isErrno(error, "ENOTEMPTY", "EEXIST")) return false;
    throw error;
  }
}

/** Rejects `NoSuchBucket`. */
export async function requireBucket(bucketRoot: string): Promise<void> {
  const stats = await fs.stat(bucketRoot).catch(absent);
  if (stats?.isDirectory() !== true) throw new S3Error("NoSuchBucket", "The specified bucket does not exist");
}

/** ListObjectsV2: the keys of a bucket in UTF-8 binary order, read folder by folder and no further than one page. */
import { readdir } from "node:fs/promises";
import path from "node:path";
import { S3Error, isErrno } from "./s3.errors.ts";
import { statObject } from "./s3.folder.ts";
import type { ObjectFacts } from "./s3.folder.ts";

export interface ListingRequest {
  readonly prefix: string;
  /** "" groups nothing. */
  readonly delimiter: string;
  readonly maxKeys: number;
  /** Keys up to and including this one are left out. */
  readonly startAfter: string;
  /** From an earlier page; takes precedence over `startAfter`. */
  readonly token: string | undefined;
}

export interface Listing {
  readonly objects: readonly { readonly key: string; readonly facts: ObjectFacts }[];
  readonly commonPrefixes: readonly string[];
  readonly nextToken: string | undefined;
}

/** Where a page ended: after a key, or after all keys of a group. */
interface Position {
  readonly after: string;
  readonly group: boolean;
}

export async function listObjects(bucketRoot: string, request: ListingRequest): Promise<Listing> {
  const { prefix, delimiter, maxKeys, startAfter, token } = request;
  const start: Position = token === undefined ? { after: startAfter, group: false } : readToken(token);
  const objects: { key: string; facts: ObjectFacts }[] = [];
  const commonPrefixes: string[] = [];
  let last = start;
  if (maxKeys === 0) return { objects, commonPrefixes, nextToken: undefined };
  for await (const key of keysFrom(bucketRoot, "", { prefix, delimiter, start })) {
    const group = groupOf(key, prefix, delimiter);
    if (last.group && key.startsWith(last.after)) continue;
    const facts = group === undefined ? await statObject(path.join(bucketRoot, key)) : undefined;
    if (group === undefined && facts === undefined) continue; // deleted since its folder was read
    if (objects.length + commonPrefixes.length === maxKeys) {
      return { objects, commonPrefixes, nextToken: writeToken(last) };
    }
    if (group !== undefined) commonPrefixes.push(group);
    if (facts !== undefined) objects.push({ key, facts });
    last = { after: group ?? key, group: group !== undefined };
  }
  return { objects, commonPrefixes, nextToken: undefined };
}

interface Walk {
  readonly prefix: string;
  readonly delimiter: string;
  readonly start: Position;
}

/**
 * The keys below a folder, whose own name is `above` ("" or "a/b/"). A folder that is one group for the delimiter "/"
 * is given as its name, "a/b/", without being read through.
 */
async function* keysFrom(bucketRoot: string, above: string, walk: Walk): AsyncGenerator<string> {
  for (const name of await sortedEntries(path.join(bucketRoot, above))) {
    const key = above + name;
    const isFolder = name.endsWith("/");
    if (isFolder ? !mayHold(key, walk) : !wanted(key, walk)) continue;
    if (!isFolder) yield key;
    else if (!isGroup(key, walk)) yield* keysFrom(bucketRoot, key, walk);
    else if (await holdsKeyAfter(bucketRoot, key, walk.start)) yield key;
  }
}

/** Names in binary order, folders with the "/" that follows them in keys: "a-b" comes before "a/", "a0" after. */
async function sortedEntries(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return [];
    throw error;
  });
  return entries
    .filter((entry) => entry.isFile() || entry.isDirectory())
    .map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name))
    .sort(compareBytes);
}

/** JavaScript compares UTF-16 units, which puts characters beyond U+FFFF before U+E000. */
const compareBytes = (left: string, right: string): number =>
  Buffer.compare(Buffer.from(left), Buffer.from(right));

function mayHold(folderKey: string, { prefix, start }: Walk): boolean {
  if (!folderKey.startsWith(prefix) && !prefix.startsWith(folderKey)) return false;
  return start.after.startsWith(folderKey) || compareBytes(folderKey, start.after) > 0;
}

function wanted(key: string, { prefix, start }: Walk): boolean {
  return key.startsWith(prefix) && compareBytes(key, start.after) > 0;
}

const isGroup = (folderKey: string, { prefix, delimiter }: Walk): boolean =>
  delimiter === "/" && folderKey.length > prefix.length && folderKey.startsWith(prefix);

/** Empty folders are no prefixes, and neither are those whose keys all come before the start. */
async function holdsKeyAfter(bucketRoot: string, folderKey: string, start: Position): Promise<boolean> {
  const below = keysFrom(bucketRoot, folderKey, { prefix: "", delimiter: "", start });
  return (await below.next()).done !== true;
}

function groupOf(key: string, prefix: string, delimiter: string): string | undefined {
  const end = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
  return end < 0 ? undefined : key.slice(0, end + delimiter.length);
}

const writeToken = ({ after, group }: Position): string =>
  Buffer.from(`${group ? "group" : "key"} ${after}`).toString("base64url");

function readToken(token: string): Position {
  const [, kind, after] = /^(key|group) ([^]+)$/.exec(Buffer.from(token, "base64url").toString()) ?? [];
  if (after !== undefined) return { after, group: kind === "group" };
  throw new S3Error("InvalidArgument", "The continuation token provided is incorrect");
}

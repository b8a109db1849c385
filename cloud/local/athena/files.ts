/** `s3://bucket/key` as files of a folder, written aside and renamed, so that a reader never sees half a file. */
import { createHash, randomUUID } from "node:crypto";
import { mkdir, readdir, rename, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { StatementFailed } from "./failure.ts";

/** The path of an `s3://` location. Throws `StatementFailed` for what is none or would lead out of its bucket. */
export function pathOf(s3Folder: string, location: string): string {
  const match = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/s.exec(location);
  const [bucket, key] = [match?.[1], match?.[2] ?? ""];
  const parts = key.split("/").filter((part) => part !== "");
  if (
    bucket === undefined ||
    bucket.includes("..") ||
    parts.some((part) => part === "." || part === ".." || part.includes("\0"))
  ) {
    throw new StatementFailed(`INVALID_LOCATION: a location is s3://bucket/prefix/, got ${location}`);
  }
  return join(s3Folder, bucket, ...parts);
}

export interface DataFile {
  readonly path: string;
  readonly bytes: number;
  readonly modifiedMs: number;
}

/** The files below a folder, hidden ones (`_…`, `.…`) and empty ones left out, as Athena does. A missing folder has none. */
export async function dataFiles(folder: string): Promise<DataFile[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(none);
  const visible = entries.filter((entry) => !/^[_.]/.test(entry.name));
  const nested = await Promise.all(
    visible.map(async (entry): Promise<DataFile[]> => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return dataFiles(path);
      const facts = await stat(path).catch(none);
      return "size" in facts && facts.size > 0
        ? [{ path, bytes: facts.size, modifiedMs: facts.mtimeMs }]
        : [];
    }),
  );
  return nested.flat().sort((a, b) => (a.path < b.path ? -1 : 1));
}

function none(error: unknown): [] {
  if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR"))
    return [];
  throw error;
}

/** Replaces a file as a whole. */
export async function writeWhole(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const aside = join(dirname(path), `.${randomUUID()}.new`);
  await writeFile(aside, content);
  await rename(aside, path);
}

/** A short name that stands for a text. */
export function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 24);
}

/** One level of a partition in a path, with Hive's escapes. */
export function partitionFolder(name: string, value: string | null): string {
  return `${hiveEscaped(name)}=${value === null ? hiveNull : hiveEscaped(value)}`;
}

export const hiveNull = "__HIVE_DEFAULT_PARTITION__";

function hiveEscaped(part: string): string {
  // oxlint-disable-next-line no-control-regex
  return part.replaceAll(/[\u0000-\u001f"#%'*/:=?\\\u007f{[\]^]/g, (character) => {
    return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
  });
}

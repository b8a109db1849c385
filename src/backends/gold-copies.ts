/**
 * Local copies of gold objects: what a refresh has audited it loads next, and the days around a changed one again an
 * hour later. Objects are immutable, so a copy is one for ever; the oldest ones go when there are too many.
 */
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { inParallel } from "./batches.ts";
import type { Lake, LakeObject } from "./lake.ts";

export interface GoldCopiesOptions {
  readonly lake: Lake;
  readonly tempFolder: string;
  /** Of copies that nobody uses. */
  readonly maxBytes: number;
}

interface Copy {
  readonly file: string;
  readonly written: Promise<void>;
  readonly size: number;
  users: number;
}

const mostDownloads = 16; // at a time
const mostDownloadBytes = 128 * 1024 ** 2; // in memory at a time, if no single object is larger

export class GoldCopies {
  readonly #options: GoldCopiesOptions;
  #folder: Promise<string> | null = null;
  #made = 0;
  /** By object, least recently taken first. */
  readonly #copies = new Map<string, Copy>();

  constructor(options: GoldCopiesOptions) {
    this.#options = options;
  }

  /** A folder of this reader's own, removed by `clear`. */
  folder(): Promise<string> {
    this.#folder ??= makeFolder(this.#options.tempFolder);
    return this.#folder;
  }

  /** Resolves to the files of the objects, which stay until they are released. Rejects when one cannot be read. */
  async take(objects: readonly LakeObject[]): Promise<string[]> {
    const folder = await this.folder();
    const taken: LakeObject[] = [];
    const files = new Map<LakeObject, string>();
    const largest = Math.max(1, ...objects.map(({ size }) => size));
    const width = Math.min(mostDownloads, Math.max(1, Math.floor(mostDownloadBytes / largest)));
    try {
      await inParallel(objects, width, async (object) => {
        const { file, written } = this.#use(object, folder);
        taken.push(object);
        await written;
        files.set(object, file);
      });
      return objects.map((object) => files.get(object)!);
    } catch (error) {
      await this.release(taken);
      throw error;
    }
  }

  #use(object: LakeObject, folder: string): Copy {
    const copy = this.#copies.get(object.key) ?? this.#begin(object, folder);
    copy.users++;
    this.#copies.delete(object.key);
    this.#copies.set(object.key, copy);
    return copy;
  }

  #begin({ key, size }: LakeObject, folder: string): Copy {
    const file = path.join(folder, `${this.#made++}.parquet`);
    const download = async (): Promise<void> => writeFile(file, await this.#options.lake.read(key));
    const written = download().catch((error: unknown) => {
      this.#copies.delete(key);
      throw error;
    });
    return { file, written, size, users: 0 };
  }

  async release(objects: readonly LakeObject[]): Promise<void> {
    for (const { key } of objects) {
      const copy = this.#copies.get(key);
      if (copy !== undefined) copy.users--;
    }
    const idle = [...this.#copies].filter(([, { users }]) => users === 0);
    let bytes = idle.reduce((sum, [, { size }]) => sum + size, 0);
    for (const [key, { file, size }] of idle) {
      if (bytes <= this.#options.maxBytes) return;
      bytes -= size;
      this.#copies.delete(key);
      await rm(file, { force: true });
    }
  }

  /** Removes all of them. */
  async clear(): Promise<void> {
    this.#copies.clear();
    if (this.#folder !== null) await rm(await this.#folder, { recursive: true, force: true });
    this.#folder = null;
  }
}

/** Named by the process, so that the next one may remove what a killed one has left. */
async function makeFolder(tempFolder: string): Promise<string> {
  for (const name of await readdir(tempFolder)) {
    const pid = Number(/^sluice-gold-(\d+)-/.exec(name)?.[1] ?? Number.NaN);
    if (Number.isInteger(pid) && !isRunning(pid))
      await rm(path.join(tempFolder, name), { recursive: true, force: true });
  }
  return mkdtemp(path.join(tempFolder, `sluice-gold-${process.pid}-`));
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // another user's
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

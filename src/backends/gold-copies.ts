/**
 * Local copies of gold objects: what a refresh has audited it loads next, and the days around a changed one again an
 * hour later. Objects are immutable, so a copy is one for ever; the oldest ones go when there are too many.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { inParallel } from "./batches.ts";
import type { Lake } from "./lake.ts";

export interface GoldCopiesOptions {
  readonly lake: Lake;
  readonly tempFolder: string;
  /** Of copies that nobody uses. */
  readonly maxBytes: number;
}

interface Copy {
  readonly file: string;
  readonly written: Promise<number>;
  bytes: number;
  users: number;
}

const parallelDownloads = 16;

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
    this.#folder ??= mkdtemp(path.join(this.#options.tempFolder, "sluice-gold-"));
    return this.#folder;
  }

  /** Resolves to the files of the objects, which stay until they are released. Rejects when one cannot be read. */
  async take(objects: readonly string[]): Promise<string[]> {
    const folder = await this.folder();
    const copies = new Map<string, Copy>();
    try {
      await inParallel(objects, parallelDownloads, async (object) => {
        const copy = this.#use(object, folder);
        copies.set(object, copy);
        copy.bytes = await copy.written;
      });
      return objects.map((object) => copies.get(object)!.file);
    } catch (error) {
      await this.release([...copies.keys()]);
      throw error;
    }
  }

  #use(object: string, folder: string): Copy {
    const copy = this.#copies.get(object) ?? this.#begin(object, folder);
    copy.users++;
    this.#copies.delete(object);
    this.#copies.set(object, copy);
    return copy;
  }

  #begin(object: string, folder: string): Copy {
    const file = path.join(folder, `${this.#made++}.parquet`);
    const download = async (): Promise<number> => {
      const bytes = await this.#options.lake.read(object);
      await writeFile(file, bytes);
      return bytes.length;
    };
    const written = download().catch((error: unknown) => {
      this.#copies.delete(object);
      throw error;
    });
    return { file, written, bytes: 0, users: 0 };
  }

  async release(objects: readonly string[]): Promise<void> {
    for (const object of objects) {
      const copy = this.#copies.get(object);
      if (copy !== undefined) copy.users--;
    }
    const idle = [...this.#copies].filter(([, { users }]) => users === 0);
    let bytes = idle.reduce((sum, [, copy]) => sum + copy.bytes, 0);
    for (const [object, copy] of idle) {
      if (bytes <= this.#options.maxBytes) return;
      bytes -= copy.bytes;
      this.#copies.delete(object);
      await rm(copy.file, { force: true });
    }
  }

  /** Removes all of them. */
  async clear(): Promise<void> {
    this.#copies.clear();
    if (this.#folder !== null) await rm(await this.#folder, { recursive: true, force: true });
    this.#folder = null;
  }
}

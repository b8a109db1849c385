import { mkdir, open, readdir, rm, stat } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";

/** A stretch of a shard's log: bytes that are appended at one place and read at any. */
export interface Segment {
  /** Position in the log of the segment's first byte. */
  readonly base: number;
  /** Bytes that were there when the segment was opened. */
  readonly initialBytes: number;
  write(bytes: Buffer, at: number): Promise<void>;
  /** At most `length` bytes; fewer where the segment ends. */
  read(at: number, length: number): Promise<Buffer>;
  truncate(bytes: number): Promise<void>;
  /** Gives back the file handle; the segment stays readable. */
  rest(): Promise<void>;
  remove(): Promise<void>;
}

/** Where the segments of one shard live. */
export interface SegmentStore {
  list(): Promise<Segment[]>;
  create(base: number): Segment;
}

/** Segments as files named by their base, in a folder that is made when the first is written. */
export function fileSegments(folder: string): SegmentStore {
  const path = (base: number) => join(folder, `${String(base).padStart(16, "0")}.log`);
  return {
    create: (base) => fileSegment(path(base), base, 0, () => createFile(folder, path(base))),
    async list() {
      const names = await readdir(folder).catch(absent);
      const bases = (names ?? [])
        .filter((name) => /^\d{16}\.log$/.test(name))
        .map((name) => Number.parseInt(name, 10));
      const inOrder = bases.sort((a, b) => a - b);
      return Promise.all(
        inOrder.map(async (base) => {
          const { size } = await stat(path(base));
          return fileSegment(path(base), base, size, () => open(path(base), "r+"));
        }),
      );
    },
  };
}

/** Segments that are gone with the process. */
export function memorySegments(): SegmentStore {
  return { create: memorySegment, list: () => Promise.resolve([]) };
}

function fileSegment(
  path: string,
  base: number,
  initialBytes: number,
  openFirst: () => Promise<FileHandle>,
): Segment {
  let openNext = openFirst;
  let opened: Promise<FileHandle> | undefined;
  const handle = async (): Promise<FileHandle> => {
    opened ??= openNext();
    try {
      const file = await opened;
      openNext = () => open(path, "r+"); // a segment that was removed must not come back empty
      return file;
    } catch (error) {
      opened = undefined;
      throw error;
    }
  };
  const rest = async (): Promise<void> => {
    const closing = opened;
    opened = undefined;
    await (await closing)?.close();
  };
  return {
    base,
    initialBytes,
    rest,
    write: async (bytes, at) => writeAll(await handle(), bytes, at),
    read: async (at, length) => readUpTo(await handle(), at, length),
    truncate: async (bytes) => (await handle()).truncate(bytes),
    async remove() {
      await rest();
      await rm(path, { force: true });
    },
  };
}

async function createFile(folder: string, path: string): Promise<FileHandle> {
  await mkdir(folder, { recursive: true });
  return open(path, "w+");
}

function absent(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  return undefined;
}

async function writeAll(file: FileHandle, bytes: Buffer, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, at + done);
    done += bytesWritten;
  }
}

async function readUpTo(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, at);
  return buffer.subarray(0, bytesRead);
}

function memorySegment(base: number): Segment {
  let bytes = Buffer.alloc(0);
  return {
    base,
    initialBytes: 0,
    async write(added, at) {
      if (at + added.length > bytes.length) {
        const larger = Buffer.allocUnsafe(Math.max(65_536, 2 * (at + added.length)));
        bytes.copy(larger);
        bytes = larger;
      }
      added.copy(bytes, at);
    },
    read: async (at, length) => bytes.subarray(at, at + length),
    truncate: async () => undefined,
    rest: async () => undefined,
    async remove() {
      bytes = Buffer.alloc(0);
    },
  };
}

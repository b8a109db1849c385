/**
 * The append-only log of one shard. Delivery: once `written` resolves, a record is in the operating system's page
 * cache, so a kill of the process loses nothing that was acknowledged; there is no fsync, so a power cut may.
 */
import type { NewRecord } from "./kinesis-frame.ts";
import { encodeFrames, walkFrames } from "./kinesis-frame.ts";
import type { Part } from "./kinesis-log-part.ts";
import { findFrame, firstArrival, foundPart, indexOf, newPart, recoverTail } from "./kinesis-log-part.ts";
import type { SegmentStore } from "./kinesis-segment.ts";
import { sequenceNumber } from "./kinesis-sequence.ts";

export interface LogOptions {
  /** What the sequence numbers of the shard begin with. */
  readonly prefix: string;
  /** A segment that has reached this length is followed by a new one. */
  readonly segmentBytes: number;
  /** Segments that hold only records from before this time (ms) are dropped when the log is opened or grows. */
  readonly trimHorizon: () => number;
}

/** Records in the order of the log, each as the JSON that GetRecords answers. */
export interface Slice {
  readonly records: Buffer[];
  /** Where the next read goes on. */
  readonly next: number;
  /** When the last of the records arrived, ms. */
  readonly lastArrival: number;
}

interface Append {
  readonly bytes: Buffer;
  resolve(): void;
  reject(error: unknown): void;
}

export class ShardLog {
  readonly #store: SegmentStore;
  readonly #options: LogOptions;
  readonly #parts: Part[];
  #queue: Append[] = [];
  #assigned: number;
  #lastArrival: number;
  #draining: Promise<void> | undefined;
  #closed = false;

  /** Opens what is there; a torn tail, which nobody was told about, is cut off. */
  static async open(store: SegmentStore, options: LogOptions): Promise<ShardLog> {
    const parts = (await store.list()).map(foundPart);
    const log = new ShardLog(store, options, parts, await recoverTail(parts));
    await log.#trim();
    return log;
  }

  private constructor(store: SegmentStore, options: LogOptions, parts: Part[], lastArrival: number) {
    this.#store = store;
    this.#options = options;
    this.#parts = parts;
    this.#lastArrival = lastArrival;
    this.#assigned = this.end;
  }

  /** Position of the oldest record that is kept. */
  get start(): number {
    return this.#parts[0]?.segment.base ?? 0;
  }

  /** Position behind the last record that is written: what readers see. */
  get end(): number {
    return this.#parts.at(-1)?.end ?? 0;
  }

  /** Position behind the last record that has a sequence number, written or not. */
  get assigned(): number {
    return this.#assigned;
  }

  /** Names the records at once, in the order of the calls, and writes them together with what else is waiting. */
  append(records: readonly NewRecord[], now: number): { sequenceNumbers: string[]; written: Promise<void> } {
    if (this.#closed) throw new Error("The log of this shard is closed: the server is stopping");
    const position = this.#assigned;
    this.#lastArrival = Math.max(now, this.#lastArrival);
    const { bytes, sequenceNumbers } = encodeFrames(records, this.#lastArrival, (offset) =>
      sequenceNumber(this.#options.prefix, position + offset),
    );
    this.#assigned += bytes.length;
    const written = new Promise<void>((resolve, reject) => {
      this.#queue.push({ bytes, resolve, reject });
    });
    this.#draining ??= this.#drain();
    return { sequenceNumbers, written };
  }

  /** Records from a position on, up to a number and a sum of payload bytes, but at least one where there is one. */
  async read(from: number, maxRecords: number, maxBytes: number): Promise<Slice> {
    const records: Buffer[] = [];
    const limit = { full: false, bytes: 0 };
    let [next, lastArrival] = [from, 0];
    while (!limit.full && next < this.end) {
      const { block, position } = await this.#blockFrom(Math.max(next, this.start));
      next = position;
      walkFrames(block, (frame) => {
        const tooMuch = records.length > 0 && limit.bytes + frame.payload > maxBytes;
        limit.full = tooMuch || records.length >= maxRecords;
        if (limit.full) return false;
        records.push(block.subarray(frame.json, frame.end));
        limit.bytes += frame.payload;
        lastArrival = frame.arrival;
        next = position + frame.end;
        return true;
      });
    }
    return { records, next, lastArrival };
  }

  /** Position of the first record that arrived at a time (ms) or later; the end where there is none yet. */
  async positionAt(arrival: number): Promise<number> {
    const part = await this.#lastPartBefore(arrival);
    if (part === undefined) return this.start;
    const known = (await indexOf(part)).arrivedBefore(arrival) ?? part.segment.base;
    return (await findFrame(part, known, (_, frame) => frame.arrival >= arrival)).position;
  }

  /** Waits for what is being written, then refuses more. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#draining;
    await Promise.all(this.#parts.map((part) => part.segment.rest()));
  }

  async #drain(): Promise<void> {
    await Promise.resolve(); // appends of the same turn go into one write
    while (this.#queue.length > 0) {
      const group = this.#queue;
      this.#queue = [];
      await this.#write(group).catch((error: unknown) => this.#giveUp(group, error));
    }
    this.#draining = undefined;
  }

  async #write(group: readonly Append[]): Promise<void> {
    const part = await this.#partToWrite();
    const index = await indexOf(part);
    const bytes = Buffer.concat(group.map((append) => append.bytes));
    await part.segment.write(bytes, part.end - part.segment.base);
    index.addBlock(bytes, part.end);
    part.end += bytes.length;
    for (const append of group) append.resolve();
  }

  /** The last part, or a new one where that is full. */
  async #partToWrite(): Promise<Part> {
    const last = this.#parts.at(-1);
    if (last !== undefined && last.end - last.segment.base < this.#options.segmentBytes) return last;
    const part = newPart(this.#store.create(this.end));
    this.#parts.push(part);
    await last?.segment.rest();
    await this.#trim();
    return part;
  }

  // whatever was named after the failed bytes has a position that is now wrong, so it fails with them
  async #giveUp(group: readonly Append[], error: unknown): Promise<void> {
    const failed = [...group, ...this.#queue];
    this.#queue = [];
    this.#assigned = this.end;
    for (const append of failed) append.reject(error);
    const last = this.#parts.at(-1);
    await last?.segment.truncate(last.end - last.segment.base).catch(() => undefined);
  }

  /** Drops parts from the old end while all their records are beyond retention; the last part stays. */
  async #trim(): Promise<void> {
    const horizon = this.#options.trimHorizon();
    for (let [oldest, second] = this.#parts; oldest && second; [oldest, second] = this.#parts) {
      if ((await indexOf(oldest)).lastArrival >= horizon) return;
      this.#parts.shift();
      await oldest.segment.remove();
    }
  }

  /** The frames from a position on, as far as one read of one segment reaches. */
  async #blockFrom(position: number): Promise<{ position: number; block: Buffer }> {
    const part = this.#parts.find((candidate) => candidate.end > position);
    if (part === undefined) return { position: this.end, block: Buffer.alloc(0) };
    try {
      const known = (await indexOf(part)).atOrBefore(position) ?? part.segment.base;
      return await findFrame(part, known, (start) => start >= position);
    } catch (error) {
      if (this.#parts.includes(part)) throw error;
      return { position: this.start, block: Buffer.alloc(0) }; // trimmed while it was being read
    }
  }

  /** The last part that has a record from before a time. */
  async #lastPartBefore(arrival: number): Promise<Part | undefined> {
    for (const part of this.#parts.toReversed())
      if (part.end > part.segment.base && (await firstArrival(part)) < arrival) return part;
    return undefined;
  }
}

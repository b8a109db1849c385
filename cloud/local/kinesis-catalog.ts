import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { inUse, notFound, validation } from "./kinesis-errors.ts";
import type { Input } from "./kinesis-input.ts";
import { optionalText } from "./kinesis-input.ts";
import type { StreamState } from "./kinesis-shards.ts";
import { account } from "./kinesis-shards.ts";
import { Stream } from "./kinesis-stream.ts";

export interface CatalogOptions {
  /** Data folder; undefined for memory. */
  readonly folder: string | undefined;
  readonly segmentBytes: number;
  readonly throttle: boolean;
  readonly now: () => number;
}

export const streamName = { pattern: /[a-zA-Z0-9_.-]+/, max: 128 } as const;

/**
 * All streams. Their states are kept in one file that is replaced as a whole: what is in memory has always been
 * written before.
 */
export class Catalog {
  readonly #options: CatalogOptions;
  readonly #streams = new Map<string, Stream>();
  #lastCreated = 0;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: CatalogOptions) {
    this.#options = options;
    if (options.folder === undefined) return;
    mkdirSync(options.folder, { recursive: true });
    for (const state of readStates(catalogFile(options.folder))) this.#take(state);
  }

  get now(): number {
    return this.#options.now();
  }

  /** Names in order. */
  get streams(): readonly Stream[] {
    return [...this.#streams.values()].sort((a, b) => (a.state.name < b.state.name ? -1 : 1));
  }

  /** A time that no stream has been created at, ms: a stream that is deleted and made again is another one. */
  nextCreated(): number {
    return Math.max(this.now, this.#lastCreated + 1);
  }

  /** The stream a request names by StreamName or StreamARN; rejects `ResourceNotFoundException`. */
  find(input: Input): Stream {
    const name = nameIn(input);
    const stream = this.#streams.get(name);
    if (stream === undefined) throw notFound(`Stream ${name} under account ${account} not found.`);
    return stream;
  }

  findNamed(name: string): Stream | undefined {
    return this.#streams.get(name);
  }

  /** Runs changes of streams one after the other. */
  change<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  add(state: StreamState): void {
    if (this.#streams.has(state.name))
      throw inUse(`Stream ${state.name} under account ${account} already exists.`);
    this.#keep([...this.#states(), state]);
    this.#take(state);
  }

  update(stream: Stream, state: StreamState): void {
    this.#keep(this.#states().map((kept) => (kept.name === state.name ? state : kept)));
    stream.become(state);
  }

  async remove(stream: Stream): Promise<void> {
    this.#keep(this.#states().filter((kept) => kept.name !== stream.state.name));
    this.#streams.delete(stream.state.name);
    await stream.close();
    const folder = this.#folderOf(stream.state);
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  }

  async close(): Promise<void> {
    await this.#turn;
    await Promise.all(this.streams.map((stream) => stream.close()));
  }

  #take(state: StreamState): void {
    this.#streams.set(state.name, new Stream(state, { ...this.#options, folder: this.#folderOf(state) }));
    this.#lastCreated = Math.max(this.#lastCreated, state.created);
  }

  // the time of creation keeps a name like ".." from being a path
  #folderOf(state: StreamState): string | undefined {
    const { folder } = this.#options;
    return folder === undefined ? undefined : join(folder, `${state.name}@${state.created}`);
  }

  #states(): StreamState[] {
    return [...this.#streams.values()].map((stream) => stream.state);
  }

  #keep(states: readonly StreamState[]): void {
    if (this.#options.folder === undefined) return;
    const file = catalogFile(this.#options.folder);
    writeFileSync(`${file}.new`, JSON.stringify({ format: 1, streams: states }, undefined, 1));
    renameSync(`${file}.new`, file);
  }
}

function catalogFile(folder: string): string {
  return join(folder, "streams.json");
}

function readStates(file: string): readonly StreamState[] {
  try {
    const catalog = JSON.parse(readFileSync(file, "utf8")) as { format: number; streams: StreamState[] };
    if (catalog.format === 1) return catalog.streams;
    throw new Error(
      `${file} has format ${catalog.format}, this version reads format 1: use another data folder`,
    );
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

function nameIn(input: Input): string {
  const name = optionalText(input, "StreamName", streamName);
  const arn = optionalText(input, "StreamARN", {
    pattern: /arn:aws[^:]*:kinesis:[^:]*:[^:]*:stream\/.+/,
    max: 2_048,
  });
  const named = name ?? arn?.slice(arn.indexOf("/") + 1);
  if (named === undefined)
    throw validation("Either StreamName or StreamARN must name the stream, but neither arrived.");
  return named;
}

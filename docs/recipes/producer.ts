/** Puts events into a Kinesis stream, many to a record: a shard takes 1,000 records a second, and each has its cost. */
import { setTimeout as wait } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { type KinesisClient, PutRecordsCommand } from "@aws-sdk/client-kinesis";

const lanes = 16; // at least as many as the stream has shards; events of one key share a lane and keep their order
const recordBytes = 256 * 1024; // before compression: 16 lanes of them fit the 5 MiB of one PutRecords
const lingerMs = 100; // how long an event waits for others

export class PackedProducer {
  #buffered: string[][] = [];
  #next: Promise<void> | null = null; // the put that takes what is buffered
  #last: Promise<void> = Promise.resolve(); // the one before it: a key's events overtake nothing

  constructor(
    readonly client: KinesisClient,
    readonly stream: string,
    readonly gzip = false,
  ) {}

  /** Resolves once the event is stored. Who waits for it every thousand events is slowed down by a stream that is full. */
  send(key: string, event: object): Promise<void> {
    (this.#buffered[laneOf(key)] ??= []).push(JSON.stringify(event));
    this.#next ??= this.#last = this.#put(this.#last);
    return this.#next;
  }

  async #put(last: Promise<void>): Promise<void> {
    await Promise.all([last.catch(() => {}), wait(lingerMs)]);
    const rounds = roundsOf(this.#buffered);
    [this.#buffered, this.#next] = [[], null];
    for (const round of rounds) await this.#store(round);
  }

  /** Kinesis refuses entries one by one: only those are put again. */
  async #store(round: readonly { lane: number; lines: string }[]): Promise<void> {
    const packed = (lines: string) => (this.gzip ? gzipSync(lines) : Buffer.from(lines));
    let left = round.map(({ lane, lines }) => ({ PartitionKey: `lane-${lane}`, Data: packed(lines) }));
    for (let attempt = 0; left.length > 0; attempt++) {
      if (attempt > 0) await wait(Math.random() * Math.min(5_000, 50 * 2 ** attempt));
      const put = new PutRecordsCommand({ StreamName: this.stream, Records: left });
      const { Records = [] } = await this.client.send(put);
      left = left.filter((_, i) => Records[i]?.SequenceNumber === undefined);
    }
  }
}

function laneOf(key: string): number {
  let hash = 0;
  for (let i = 0; i < key.length; i++) hash = (Math.imul(hash, 31) + key.charCodeAt(i)) >>> 0;
  return hash % lanes;
}

/** One record of each lane, then the next one of those that have more. */
function roundsOf(buffered: readonly string[][]) {
  const rounds: { lane: number; lines: string }[][] = [];
  buffered.forEach((all, lane) => {
    let [record, bytes] = [-1, recordBytes];
    for (const line of all) {
      const size = Buffer.byteLength(line) + 1;
      if (bytes + size > recordBytes) [record, bytes] = [record + 1, 0];
      const round = (rounds[record] ??= []);
      if (bytes === 0) round.push({ lane, lines: line });
      else round.at(-1)!.lines += `\n${line}`;
      bytes += size;
    }
  });
  return rounds;
}

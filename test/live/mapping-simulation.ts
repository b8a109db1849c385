/** A Kinesis event source mapping as AWS documents it, over a stream through the real SDK, with all that may go wrong. */
import {
  GetRecordsCommand,
  GetShardIteratorCommand,
  type KinesisClient,
  ListShardsCommand,
  type _Record as KinesisRecord,
  type Shard,
} from "@aws-sdk/client-kinesis";
import type { KinesisStreamEvent } from "aws-lambda";
import type { MappingAnswer } from "../../etl/live/mapping.ts";

export interface MappingOptions {
  readonly kinesis: KinesisClient;
  readonly stream: string;
  readonly random: () => number;
  readonly batchSize: number;
  /** Rejects where the function fails, times out or dies. */
  readonly invoke: (event: KinesisStreamEvent) => Promise<MappingAnswer>;
  /** How often a batch is invoked once more while the first invocation runs, cut otherwise. */
  readonly twice: number;
  /** How often a failed batch is given up: of a mapping whose attempts are limited. */
  readonly givesUp: number;
}

/** From TRIM_HORIZON: parents before children, one batch of a shard at a time. */
export class Mapping {
  readonly #options: MappingOptions;
  /** Shard -> the last record that was through, or given up. */
  readonly #positions = new Map<string, string>();
  readonly #ended = new Set<string>();

  constructor(options: MappingOptions) {
    this.#options = options;
  }

  /** Resolves when everything that is in the stream has been delivered. */
  async drain(options: Partial<MappingOptions> = {}): Promise<void> {
    const mapping = { ...this.#options, ...options };
    const followed = new Set<string>();
    for (;;) {
      const shards = (await mapping.kinesis.send(new ListShardsCommand({ StreamName: mapping.stream })))
        .Shards!;
      const due = shards.filter((shard) => !followed.has(shard.ShardId!) && this.#isDue(shard));
      if (due.length === 0) return;
      for (const { ShardId } of due) followed.add(ShardId!);
      await Promise.all(due.map(({ ShardId }) => this.#follow(mapping, ShardId!)));
    }
  }

  #isDue({ ParentShardId, AdjacentParentShardId }: Shard): boolean {
    const parents = [ParentShardId, AdjacentParentShardId];
    return parents.every((parent) => parent === undefined || this.#ended.has(parent));
  }

  async #follow(mapping: MappingOptions, shard: string): Promise<void> {
    let iterator = await this.#iterator(mapping, shard);
    for (;;) {
      const command = new GetRecordsCommand({ ShardIterator: iterator, Limit: 40 });
      const { Records = [], MillisBehindLatest, NextShardIterator } = await mapping.kinesis.send(command);
      await deliver(mapping, shard, Records);
      if (Records.length > 0) this.#positions.set(shard, Records.at(-1)!.SequenceNumber!);
      if (NextShardIterator === undefined) this.#ended.add(shard);
      if (NextShardIterator === undefined || (Records.length === 0 && MillisBehindLatest === 0)) return;
      iterator = NextShardIterator;
    }
  }

  async #iterator({ kinesis, stream }: MappingOptions, shard: string): Promise<string> {
    const last = this.#positions.get(shard);
    const where = { StreamName: stream, ShardId: shard };
    const command = new GetShardIteratorCommand(
      last === undefined
        ? { ...where, ShardIteratorType: "TRIM_HORIZON" }
        : { ...where, ShardIteratorType: "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber: last },
    );
    return (await kinesis.send(command)).ShardIterator!;
  }
}

async function deliver(
  { random, batchSize, twice, givesUp, invoke, stream }: MappingOptions,
  shard: string,
  records: readonly KinesisRecord[],
): Promise<void> {
  const zombies: Promise<unknown>[] = [];
  for (let done = 0; done < records.length; ) {
    const from = records.slice(done);
    const cut = () => from.slice(0, 1 + Math.floor(random() * batchSize));
    if (random() < twice) zombies.push(invoke(eventOf(stream, shard, cut())).catch(() => {}));
    const batch = cut();
    const through = await invoke(eventOf(stream, shard, batch)).then(
      (answer) => throughOf(batch, answer),
      () => 0,
    );
    done += through < batch.length && random() < givesUp ? batch.length : through;
  }
  await Promise.all(zombies);
}

/** Everything from the first failure on is repeated. */
function throughOf(batch: readonly KinesisRecord[], { batchItemFailures }: MappingAnswer): number {
  const failed = batchItemFailures.map(({ itemIdentifier }) =>
    batch.findIndex(({ SequenceNumber }) => SequenceNumber === itemIdentifier),
  );
  if (failed.includes(-1)) throw new Error("A failure names a record of the batch.");
  return Math.min(batch.length, ...failed);
}

/** https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html */
export function eventOf(
  stream: string,
  shard: string,
  records: readonly KinesisRecord[],
): KinesisStreamEvent {
  return {
    Records: records.map((record) => ({
      kinesis: {
        kinesisSchemaVersion: "1.0",
        partitionKey: record.PartitionKey!,
        sequenceNumber: record.SequenceNumber!,
        data: Buffer.from(record.Data!).toString("base64"),
        approximateArrivalTimestamp: record.ApproximateArrivalTimestamp!.getTime() / 1_000,
      },
      eventSource: "aws:kinesis",
      eventVersion: "1.0",
      eventID: `${shard}:${record.SequenceNumber!}`,
      eventName: "aws:kinesis:record",
      invokeIdentityArn: "arn:aws:iam::111122223333:role/lambda-role",
      awsRegion: "us-east-2",
      eventSourceARN: `arn:aws:kinesis:us-east-2:111122223333:stream/${stream}`,
    })),
  };
}

import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type {
  GetRecordsCommandOutput,
  GetShardIteratorCommandInput,
  PutRecordsRequestEntry,
  Shard,
  _Record,
} from "@aws-sdk/client-kinesis";
import {
  CreateStreamCommand,
  DeleteStreamCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  ListShardsCommand,
  PutRecordsCommand,
  waitUntilStreamExists,
} from "@aws-sdk/client-kinesis";
import type { KinesisOptions, KinesisServer } from "../../cloud/local/kinesis.ts";
import { startKinesis } from "../../cloud/local/kinesis.ts";

export const onAws = process.env.SLUICE_CONFORMANCE === "aws";
export type Start = Omit<GetShardIteratorCommandInput, "StreamName" | "ShardId">;

/** A Kinesis to make streams in, embedded or real, and what the sentences about it have in common. */
export interface Target {
  readonly client: KinesisClient;
  /** Makes a stream that `close` deletes. */
  newStream(shards: number | "on demand"): Promise<string>;
  active(StreamName: string): Promise<void>;
  shardsOf(StreamName: string): Promise<Shard[]>;
  iterator(StreamName: string, ShardId: string, start: Start): Promise<string>;
  /** Reads until a number of records has come, the shard has ended, or nothing came for a while. */
  read(from: string, wanted: number): Promise<_Record[]>;
  readShard(stream: string, shard: string, wanted: number): Promise<_Record[]>;
  /** Puts all of the texts or throws; the key is "key" unless the entry says another. */
  put(
    StreamName: string,
    texts: readonly string[],
    entry?: Partial<PutRecordsRequestEntry>,
  ): Promise<{ shard: string; number: string }[]>;
  close(): Promise<void>;
}

/** The real Kinesis where SLUICE_CONFORMANCE=aws, else an embedded one in a folder of its own. */
export async function openTarget(): Promise<Target> {
  if (onAws) return targetOf(new KinesisClient({}), () => Promise.resolve());
  const folder = await mkdtemp(join(tmpdir(), "sluice-kinesis-"));
  const server = await startKinesis({ folder });
  return targetOf(clientOf(server.endpoint), async () => {
    await server.close();
    await rm(folder, { recursive: true });
  });
}

/** An unmodified client of an embedded Kinesis. */
export function clientOf(endpoint: string): KinesisClient {
  const credentials = { accessKeyId: "local", secretAccessKey: "local" };
  return new KinesisClient({ endpoint, region: "eu-central-1", credentials });
}

function targetOf(client: KinesisClient, shutDown: () => Promise<void>): Target {
  const made = new Set<string>();
  const target: Target = {
    client,
    async active(StreamName) {
      await waitUntilStreamExists({ client, maxWaitTime: 120, minDelay: 1 }, { StreamName });
    },
    async newStream(shards) {
      const StreamName = `sluice-conformance-${randomUUID()}`;
      const onDemand = { StreamModeDetails: { StreamMode: "ON_DEMAND" } } as const;
      const size = shards === "on demand" ? onDemand : { ShardCount: shards };
      await client.send(new CreateStreamCommand({ StreamName, ...size }));
      made.add(StreamName);
      await target.active(StreamName);
      return StreamName;
    },
    async shardsOf(StreamName) {
      return (await client.send(new ListShardsCommand({ StreamName }))).Shards ?? [];
    },
    async iterator(StreamName, ShardId, start) {
      const { ShardIterator } = await client.send(
        new GetShardIteratorCommand({ StreamName, ShardId, ...start }),
      );
      return ShardIterator ?? "";
    },
    read: (from, wanted) => read(client, from, wanted),
    async readShard(stream, shard, wanted) {
      return read(
        client,
        await target.iterator(stream, shard, { ShardIteratorType: "TRIM_HORIZON" }),
        wanted,
      );
    },
    async put(StreamName, texts, entry) {
      const Records = texts.map((text) => ({ PartitionKey: "key", Data: Buffer.from(text), ...entry }));
      const answer = await client.send(new PutRecordsCommand({ StreamName, Records }));
      if (answer.FailedRecordCount !== 0)
        throw new Error(`Not all records were put: ${JSON.stringify(answer)}`);
      const results = answer.Records ?? [];
      return results.map((record) => ({ shard: record.ShardId ?? "", number: record.SequenceNumber ?? "" }));
    },
    async close() {
      for (const StreamName of made) await client.send(new DeleteStreamCommand({ StreamName }));
      client.destroy();
      await shutDown();
    },
  };
  return target;
}

async function read(client: KinesisClient, from: string, wanted: number): Promise<_Record[]> {
  const records: _Record[] = [];
  let next: string | undefined = from;
  for (let idle = 0; next !== undefined && records.length < wanted && idle < (onAws ? 20 : 2); ) {
    const page: GetRecordsCommandOutput = await client.send(new GetRecordsCommand({ ShardIterator: next }));
    records.push(...(page.Records ?? []));
    idle = page.Records?.length ? 0 : idle + 1;
    next = page.NextShardIterator;
    if (onAws) await setTimeout(250); // a shard answers five reads a second
  }
  return records;
}

export const StreamName = "flights";
export const firstShard = "shardId-000000000000";

/** Embedded servers of one test, and what must be undone after it. */
export class EmbeddedKinesis {
  readonly #steps: (() => Promise<void> | void)[] = [];

  async start(options: KinesisOptions = {}): Promise<{ server: KinesisServer; target: Target }> {
    const server = await startKinesis(options);
    const client = clientOf(server.endpoint);
    this.undo(() => server.close());
    this.undo(() => client.destroy());
    return { server, target: targetOf(client, () => server.close()) };
  }

  /** Starts with the stream "flights". */
  async startWithStream(options: KinesisOptions = {}) {
    const started = await this.start(options);
    await started.target.client.send(new CreateStreamCommand({ StreamName, ShardCount: 1 }));
    return started;
  }

  /** All records of a shard of "flights" as text. */
  async texts(target: Target, shard = firstShard): Promise<string[]> {
    const records = await target.readShard(StreamName, shard, Number.POSITIVE_INFINITY);
    return records.map((record) => Buffer.from(record.Data ?? []).toString());
  }

  undo(step: () => Promise<void> | void): void {
    this.#steps.push(step);
  }

  async stop(): Promise<void> {
    for (const step of this.#steps.splice(0).toReversed()) await step();
  }
}

/** The Lambda host over stores in memory, and a stream that holds what a test says. */
import type { _Record as KinesisRecord } from "@aws-sdk/client-kinesis";
import { pino } from "pino";
import { unheard } from "../../bin/broadcast.ts";
import type { LiveBackends } from "../../bin/live-backends.ts";
import { type LiveHandler, liveHandler } from "../../bin/live-handler.ts";
import { mappingHandler, type MappingHandler, type MappingOptions } from "../../etl/live/mapping.ts";
import { encodeEvent } from "../../etl/live/wire.ts";
import type { EventStream, Shard, StreamRecord } from "../../src/backends/event-stream.ts";
import { type Checkpoint, checkpointKey } from "../../src/model/control.ts";
import { sortableSequence } from "../../src/model/sequence.ts";
import type { Event } from "../../src/model/values.ts";
import { allParcels, depotParcels, parcels } from "./parcels.ts";

const products = [depotParcels, allParcels];
type Stores = Omit<LiveBackends, "streamOf">;
type Measured = Pick<MappingOptions, "metrics">;

const log = pino({ level: "silent" });

export function coreHandler(
  stores: Stores & Measured,
  stream: EventStream,
  clock = Date.now,
): MappingHandler {
  return mappingHandler({
    ...stores,
    source: parcels,
    products,
    stream,
    broadcast: unheard,
    clock,
    random: Math.random,
    wait: () => Promise.resolve(),
    log,
  });
}

export function hostHandler(stores: Stores, stream: EventStream): LiveHandler {
  const settings = { broadcast: unheard, metrics: { batch: () => {} }, log };
  return liveHandler(products, { ...stores, streamOf: () => stream }, settings);
}

/** A stream of some shards, each with its records. */
export function streamOf(
  shards: readonly Shard[],
  recordsOf: (shard: string) => readonly StreamRecord[],
): EventStream {
  return {
    shards: async () => shards,
    iterator: async (shard, after) => {
      const next = recordsOf(shard).findIndex(({ sequence }) => sequence > (after ?? ""));
      return `${shard} ${next < 0 ? recordsOf(shard).length : next}`;
    },
    fetch: async (iterator, limit = 10) => {
      const [shard = "", at] = iterator.split(" ");
      const all = recordsOf(shard);
      const records = all.slice(Number(at), Number(at) + limit);
      const left = all.length - Number(at) - records.length;
      const over = left === 0 && shards.find(({ id }) => id === shard)!.closed;
      return {
        records,
        next: over ? null : `${shard} ${Number(at) + records.length}`,
        millisBehindLatest: left,
      };
    },
    put: () => Promise.reject(new Error("Nothing is put.")),
  };
}

export const openShard = (id: string, ...parents: string[]): Shard => ({ id, parents, closed: false });

export function kinesisRecord(i: number, data: string | Uint8Array, at: number): KinesisRecord {
  return {
    SequenceNumber: `4959033827149025660855969253836157109592157598${1_000 + i}`,
    PartitionKey: "1",
    Data: Buffer.from(data as string),
    ApproximateArrivalTimestamp: new Date(at),
  };
}

export function recordsOfEvents(events: readonly Event[], at: number): KinesisRecord[] {
  return events.map((event, i) => kinesisRecord(i, encodeEvent(parcels, event), at));
}

export function streamRecord(record: KinesisRecord): StreamRecord {
  return {
    sequence: sortableSequence(record.SequenceNumber!),
    arrival: record.ApproximateArrivalTimestamp!.getTime(),
    data: record.Data!,
  };
}

export async function checkpointOf({ control }: Stores, shard: string): Promise<Checkpoint | null> {
  return (await control.get<Checkpoint>(checkpointKey(parcels.stream!, shard)))?.value ?? null;
}

import { MergeShardsCommand, waitUntilStreamExists } from "@aws-sdk/client-kinesis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EventStream, StreamRecord } from "../../src/backends/event-stream.ts";
import { plainSequence } from "../../src/model/sequence.ts";
import { type EmbeddedCloud, openCloud } from "./embedded-cloud.ts";

let cloud: EmbeddedCloud;
beforeAll(async () => {
  cloud = await openCloud();
});
afterAll(() => cloud.close());

const text = ({ data }: { readonly data: Uint8Array }): string => Buffer.from(data).toString();

async function readAll(stream: EventStream, shard: string, after: string | null): Promise<StreamRecord[]> {
  const records: StreamRecord[] = [];
  let iterator: string | null = await stream.iterator(shard, after);
  while (iterator !== null) {
    const fetched = await stream.fetch(iterator, 500);
    if (fetched === "expired") throw new Error("expired");
    records.push(...fetched.records);
    iterator = fetched.millisBehindLatest === 0 && fetched.next !== null ? null : fetched.next;
  }
  return records;
}

describe("a Kinesis stream", () => {
  it("gives back what was put, in order, with sortable sequence numbers", async () => {
    const stream = await cloud.newStream("ordered", 1);
    const [shard] = await stream.shards();
    expect(shard).toEqual({ id: expect.any(String) as string, parents: [], closed: false });
    const entries = Array.from({ length: 12 }, (_, i) => ({
      partitionKey: `${i}`,
      data: Buffer.from(`${i}`),
    }));
    const put = await stream.put(entries);
    const records = await readAll(stream, shard!.id, null);
    expect(records.map(text)).toEqual(entries.map(text));
    expect(records.map(({ sequence }) => sequence)).toEqual(put.map(({ sequence }) => sequence));
    expect([...put].sort((a, b) => (a.sequence < b.sequence ? -1 : 1))).toEqual(put);
    expect(records.every(({ arrival }) => Number.isSafeInteger(arrival))).toBe(true);
    expect((await readAll(stream, shard!.id, put[8]!.sequence)).map(text)).toEqual(["9", "10", "11"]);
    expect(plainSequence(put[0]!.sequence)).toMatch(/^\d{50,}$/);
  });

  it("puts more than one call holds, and answers in the order of the entries", async () => {
    const stream = await cloud.newStream("large", 2);
    const entries = Array.from({ length: 1_201 }, (_, i) => ({
      partitionKey: `${i}`,
      data: Buffer.from(`${i}`),
    }));
    const put = await stream.put(entries);
    const bySequence = new Map<string, string>();
    for (const { id } of await stream.shards())
      for (const record of await readAll(stream, id, null))
        bySequence.set(`${id} ${record.sequence}`, text(record));
    expect(put.map(({ shard, sequence }) => bySequence.get(`${shard} ${sequence}`))).toEqual(
      entries.map(text),
    );
  });

  it("aims an entry at a shard", async () => {
    const stream = await cloud.newStream("aimed", 3);
    const shards = (await stream.shards()).map(({ id }) => id);
    const put = await stream.put(
      shards.map((shard) => ({ partitionKey: "same", data: Buffer.from(shard), shard })),
    );
    expect(put.map(({ shard }) => shard)).toEqual(shards);
    await expect(stream.put([{ partitionKey: "k", data: Buffer.from("x"), shard: "none" }])).rejects.toThrow(
      'There is no shard "none"',
    );
  });

  it("tells closed shards, and the parents of the new one", async () => {
    const stream = await cloud.newStream("merged", 2);
    const [a, b] = await stream.shards();
    await stream.put([{ partitionKey: "k", data: Buffer.from("before"), shard: a!.id }]);
    const merge = { StreamName: "merged", ShardToMerge: a!.id, AdjacentShardToMerge: b!.id };
    await cloud.kinesis.send(new MergeShardsCommand(merge));
    await waitUntilStreamExists(
      { client: cloud.kinesis, maxWaitTime: 10, minDelay: 1 },
      { StreamName: "merged" },
    );
    const shards = await stream.shards();
    expect(shards.map(({ closed }) => closed)).toEqual([true, true, false]);
    expect([...shards[2]!.parents].sort()).toEqual([a!.id, b!.id].sort());
    expect((await readAll(stream, a!.id, null)).map(text)).toEqual(["before"]);
  });

  it("rejects BACKEND_UNAVAILABLE for a put that was not answered", async () => {
    const stream = await cloud.newStream("gone", 1);
    const other = await openCloud();
    const lost = await other.newStream("gone", 1);
    await other.close();
    await expect(lost.put([{ partitionKey: "k", data: Buffer.from("x") }])).rejects.toMatchObject({
      code: "BACKEND_UNAVAILABLE",
    });
    expect(await stream.shards()).toHaveLength(1);
  });
});

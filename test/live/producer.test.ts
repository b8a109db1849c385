/** The producer of docs/live.md against an embedded Kinesis: what it puts is what a micro-batch reads. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { KinesisClient, PutRecordsCommand, PutRecordsCommandOutput } from "@aws-sdk/client-kinesis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PackedProducer } from "../../docs/recipes/producer.ts";
import { decodeRecord } from "../../etl/live/wire.ts";
import type { EventStream, StreamRecord } from "../../src/backends/event-stream.ts";
import { type EmbeddedCloud, openCloud } from "./embedded-cloud.ts";
import { dayStart, parcels, seeded } from "./parcels.ts";

const text = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");

it("is shown in the documentation as it is", () => {
  expect(text("../../docs/live.md")).toContain(`\`\`\`ts\n${text("../../docs/recipes/producer.ts")}\`\`\`\n`);
});

describe("the producer", () => {
  let cloud: EmbeddedCloud;
  beforeAll(async () => {
    cloud = await openCloud();
  });
  afterAll(() => cloud.close());

  const keys = Array.from({ length: 40 }, (_, i) => `depot ${i}`);
  const sent = 3_000;

  /** In order: the keys in turn, a number for each event, some of them large. */
  const events = Array.from({ length: sent }, (_, i) => ({
    "Scan Time": new Date(dayStart + i).toISOString(),
    "Cost Total $": i,
    weight: 1,
    depot: `${keys[i % keys.length]!}${i % 500 === 0 ? "x".repeat(90_000) : ""}`,
  }));

  async function recordsOf(stream: EventStream): Promise<StreamRecord[][]> {
    const shards = await stream.shards();
    return Promise.all(
      shards.map(async ({ id }) => {
        const found = await stream.fetch(await stream.iterator(id, null), 10_000);
        if (found === "expired") throw new Error("expired");
        return [...found.records];
      }),
    );
  }

  /** Refuses some entries of a call, and stores the others. */
  function refusing(random: () => number): { client: KinesisClient; calls: () => number } {
    let calls = 0;
    const send = async (command: PutRecordsCommand): Promise<PutRecordsCommandOutput> => {
      calls++;
      const all = command.input.Records!;
      const refused = all.map(() => random() < 0.3);
      const Records = all.filter((_, i) => !refused[i]);
      const stored = Records.length === 0 ? [] : (await putAll({ ...command.input, Records })).Records!;
      const results = refused.map((each) => (each ? { ErrorCode: "Throttled" } : stored.shift()!));
      return { Records: results, $metadata: {} };
    };
    const putAll = async (input: PutRecordsCommand["input"]): Promise<PutRecordsCommandOutput> => {
      const { PutRecordsCommand: Command } = await import("@aws-sdk/client-kinesis");
      return cloud.kinesis.send(new Command(input));
    };
    return { client: { send } as unknown as KinesisClient, calls: () => calls };
  }

  async function produce(name: string, gzip: boolean): Promise<StreamRecord[][]> {
    const stream = await cloud.newStream(name, 3);
    const { client, calls } = refusing(seeded(31));
    const producer = new PackedProducer(client, name, gzip);
    for (let i = 0; i < sent; i += 1_000)
      await Promise.all(
        events.slice(i, i + 1_000).map((event, n) => producer.send(keys[(i + n) % keys.length]!, event)),
      );
    expect(calls()).toBeGreaterThan(3);
    return recordsOf(stream);
  }

  it("puts every event once, packed, those of one key in order, whatever Kinesis refuses", async () => {
    const shards = await produce("plain", false);
    expect(shards.flat().length).toBeLessThan(sent / 10);
    const costs = shards.map((records) =>
      records
        .flatMap((record) => decodeRecord(parcels, { ...record, arrival: dayStart }).events)
        .map(({ event }) => Number(event["cost"])),
    );
    expect(costs.flat().sort((a, b) => a - b)).toEqual(events.map((_, i) => i));
    for (const own of costs)
      for (let key = 0; key < keys.length; key++) {
        const ofKey = own.filter((cost) => cost % keys.length === key);
        expect(ofKey).toEqual([...ofKey].sort((a, b) => a - b));
        expect([0, sent / keys.length]).toContain(ofKey.length);
      }
    expect(Math.max(...shards.flat().map(({ data }) => data.length))).toBeLessThanOrEqual(256 * 1_024);
  });

  it("compresses what it packs when it is told to", async () => {
    const lines = (await produce("compressed", true))
      .flat()
      .flatMap(({ data }) => gunzipSync(data).toString().split("\n"))
      .map((line) => JSON.parse(line) as { "Cost Total $": number });
    expect(lines.map((line) => line["Cost Total $"]).sort((a, b) => a - b)).toEqual(events.map((_, i) => i));
  });

  it("tells whoever sent an event that it could not be put, and goes on", async () => {
    await cloud.newStream("later", 1);
    let isDown = true;
    const client = {
      send: (command: PutRecordsCommand) =>
        isDown ? Promise.reject(new Error("down")) : cloud.kinesis.send(command),
    } as unknown as KinesisClient;
    const producer = new PackedProducer(client, "later");
    await expect(producer.send("a", events[1]!)).rejects.toThrow("down");
    isDown = false;
    await producer.send("a", events[2]!);
  });
});

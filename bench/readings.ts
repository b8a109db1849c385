/** What is followed: readings of sensors, a product of the bench's own, with when each was published in it. */
import { GraphQLDateTime } from "graphql-scalars";
import { Float } from "type-graphql";
import type { LiveUpdate } from "../src/backends/broadcast.ts";
import { columns } from "../src/model/columns.ts";
import {
  DataProduct,
  declaredProducts,
  Dimension,
  Measure,
  type Product,
  rollup,
} from "../src/model/product.ts";
import { sortableSequence } from "../src/model/sequence.ts";
import { Column, Source } from "../src/model/source.ts";
import type { Event } from "../src/model/values.ts";

@Source({ table: "bench.readings", time: "at", stream: "readings", description: "Readings of sensors." })
export class Reading {
  @Column(() => GraphQLDateTime) at!: Date;
  @Column(() => String) sensor!: string;
  @Column(() => Float, { unit: "microseconds of this machine's clock" }) sentAt!: number;
  @Column(() => String) note!: string;
}

@DataProduct({
  source: Reading,
  owner: "bench",
  freshness: "PT1H",
  description: "How many readings there are.",
  rollups: [rollup(["sensor"], { grains: ["HOUR"] })],
})
export class ReadingActivity {
  @Dimension() sensor!: string;
  @Measure(columns(Reading).count(), { description: "Readings." }) readings!: number;
}

export function readingActivity(): Product {
  return declaredProducts().find(({ name }) => name === "ReadingActivity")!;
}

export const feedQuery = "subscription { readingFeed { cursor events { id at sensor sentAt note } } }";

/** One sensor's readings. */
export const sensorQuery = (sensor: number): string =>
  `subscription { readingFeed(where: { sensor: { eq: "${sensorName(sensor)}" } }) { cursor events { id at sensor sentAt note } } }`;

export const sensors = 1_000;

export const sensorName = (sensor: number): string => `sensor-${sensor % sensors}`;

/** The clock that all processes of a machine share. */
export const nowMicros = (): number => Number(process.hrtime.bigint() / 1_000n);

export function reading(sensor: number, noteBytes: number): Event {
  return {
    at: Date.UTC(2024, 0, 1),
    sensor: sensorName(sensor),
    sentAt: nowMicros(),
    note: "n".repeat(noteBytes),
  };
}

/** A record of one shard with these readings, behind the one before it. */
export function readingUpdate(record: number, events: readonly Event[]): LiveUpdate {
  const sequence = sortableSequence(String(record));
  return {
    kind: "live",
    source: "Reading",
    stream: "readings",
    shard: "s-0",
    after: record > 1 ? sortableSequence(String(record - 1)) : null,
    through: sequence,
    arrival: 0,
    newest: null,
    items: [],
    events: events.map((event, index) => ({ sequence, index, event })),
  };
}

/** Sources and products that look for trouble: odd column names, nullable dimensions, no total, several grains. */
import { GraphQLDateTime } from "graphql-scalars";
import { Float, Int } from "type-graphql";
import { columns } from "../../src/model/columns.ts";
import {
  declaredProducts,
  DataProduct,
  Dimension,
  Measure,
  type Product,
  rollup,
} from "../../src/model/product.ts";
import { Column, Source, sourceFor } from "../../src/model/source.ts";
import type { Event } from "../../src/model/values.ts";

@Source({
  table: "depot.parcels",
  time: "scanned",
  description: "Parcels scanned in a depot.",
  partition: { column: "month", grain: "MONTH" },
  stream: { name: "parcels", lateness: "P2D" },
})
export class Parcel {
  @Column(() => GraphQLDateTime, { name: "Scan Time" }) scanned!: Date;
  @Column(() => Int, { name: "Cost Total $", nullable: true }) cost!: number | null;
  @Column(() => Float) weight!: number;
  @Column(() => String, { nullable: true }) depot!: string | null;
  @Column(() => Boolean, { name: "is?damaged", nullable: true }) damaged!: boolean | null;
  @Column(() => GraphQLDateTime, { nullable: true }) due!: Date | null;
}

const parcel = columns(Parcel);

@DataProduct({
  source: Parcel,
  owner: "test",
  freshness: "PT1H",
  description: "Parcels per depot, without a total.",
  rollups: [
    rollup(["depot"], { grains: ["HOUR", "DAY"] }),
    rollup(["damaged", "depot"], { grains: ["DAY"] }),
    rollup(["damaged"], { grains: ["DAY"], live: false }),
  ],
})
export class DepotParcels {
  @Dimension() depot!: string;
  @Dimension() damaged!: boolean;
  @Measure(parcel.sum("cost"), { description: "Cost." }) cost!: number;
  @Measure(parcel.min("cost"), { description: "Least cost." }) least!: number;
  @Measure(parcel.max("weight"), { description: "Heaviest." }) heaviest!: number;
  @Measure(parcel.countIf({ weight: { gte: 10 } }), { description: "Heavy ones." }) heavy!: number;
  @Measure(parcel.avg("cost"), { description: "Mean cost." }) mean!: number;
}

@DataProduct({
  source: Parcel,
  owner: "test",
  freshness: "PT1H",
  description: "All parcels.",
  rollups: [rollup([], { grains: ["MONTH"] })],
})
export class AllParcels {
  @Measure(parcel.count(), { description: "Parcels." }) parcels!: number;
}

@Source({
  table: "depot.history",
  time: "scanned",
  description: "The same, replayed.",
  stream: { name: "history", lateness: "PT1H", replay: true },
})
export class PastParcel {
  @Column(() => GraphQLDateTime, { name: "Scan Time" }) scanned!: Date;
  @Column(() => Int, { name: "Cost Total $" }) cost!: number;
  @Column(() => String) depot!: string;
}

const past = columns(PastParcel);

@DataProduct({
  source: PastParcel,
  owner: "test",
  freshness: "PT1H",
  description: "Replayed parcels.",
  rollups: [rollup([], { grains: ["HOUR"] }), rollup(["depot"], { grains: ["DAY"] })],
})
export class PastParcels {
  @Dimension() depot!: string;
  @Measure(past.sum("cost"), { description: "Cost." }) cost!: number;
}

const named = (name: string): Product => declaredProducts().find((product) => product.name === name)!;
export const depotParcels = named("DepotParcels");
export const allParcels = named("AllParcels");
export const pastParcels = named("PastParcels");
export const parcels = sourceFor(Parcel);
export const history = sourceFor(PastParcel);

/** Random numbers in [0, 1) that a seed repeats (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export const dayStart = Date.parse("2024-02-28T00:00:00Z");

/** An event within two days from `dayStart`, the end of a month included; `cost` may carry an id. */
export function randomParcel(random: () => number, cost: number | null = null): Event {
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!;
  return {
    scanned:
      dayStart + Math.floor(random() * 2 * 86_400) * 1_000 + pick([0, 0, 1, 999]) + pick([0, 86_400_000]),
    cost: cost ?? pick([null, -7, 0, 1, 12, 9_000]),
    weight: pick([0, 0.25, 9.75, 10, 33.5, -1.5]),
    depot: pick([null, "", "A", "Köln", '"q"', "🚚"]),
    damaged: pick([null, true, false]),
    due: pick([null, 0, dayStart]),
  };
}

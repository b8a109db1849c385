import { GraphQLDateTime } from "graphql-scalars";
import { Int } from "type-graphql";
import { columns } from "../src/model/columns.ts";
import { expect } from "../src/model/expectation.ts";
import { ratio } from "../src/model/expression.ts";
import { lookup } from "../src/model/lookup.ts";
import { AdHoc, DataProduct, Dimension, Measure, rollup } from "../src/model/product.ts";
import { sampleData, sampleTable } from "../src/model/sample.ts";
import { Column, Source } from "../src/model/source.ts";

@Source({
  table: "aviation.flights",
  stream: { name: "flights", replay: true },
  time: "date",
  lookups: [
    lookup({
      table: "aviation.airports",
      on: { origin: "iata" },
      take: { originCity: "city", originState: "state" },
    }),
    lookup({
      table: "aviation.airports",
      on: { destination: "iata" },
      take: { destinationCity: "city", destinationState: "state" },
    }),
  ],
  description: "Departures within the United States. Hours are airport-local and taken as UTC.",
})
export class Flight {
  @Column(() => GraphQLDateTime, { description: "Scheduled departure, UTC." }) date!: Date;
  @Column(() => Int, { unit: "minutes", description: "Delay; negative when early." }) delay!: number;
  @Column(() => Int, { unit: "miles", description: "Distance flown." }) distance!: number;
  @Column(() => String, { description: "Airport of departure (IATA code)." }) origin!: string;
  @Column(() => String, { description: "Airport of arrival (IATA code)." }) destination!: string;
  @Column(() => String, { nullable: true, description: "City of the airport of departure." })
  originCity!: string | null;
  @Column(() => String, { nullable: true, description: "State of the airport of departure." })
  originState!: string | null;
  @Column(() => String, { nullable: true, description: "City of the airport of arrival." })
  destinationCity!: string | null;
  @Column(() => String, { nullable: true, description: "State of the airport of arrival." })
  destinationState!: string | null;
}

const flight = columns(Flight);

@DataProduct({
  source: Flight,
  owner: "network-planning",
  freshness: "PT1H",
  description: "How departures from one airport, route or the whole network are running.",
  rollups: [
    rollup([], { grains: ["HOUR", "DAY", "MONTH"] }),
    rollup(["origin"], { grains: ["HOUR", "DAY", "MONTH"], top: 300 }),
    rollup(["origin", "destination"], { grains: ["DAY", "MONTH"], top: { n: 100, within: ["origin"] } }),
  ],
  expectations: [
    expect.rowCount({ min: 1, per: "partition", description: "There are departures every day." }),
    expect.notNull("origin"),
    expect.between("meanDelay", {
      min: -120,
      max: 720,
      rollup: [],
      description: "No hour of the whole network is early by two hours on average, or late by twelve.",
    }),
  ],
})
export class FlightActivity {
  @Dimension() origin!: string;
  @Dimension() destination!: string;
  @Measure(flight.count(), { description: "Departures." }) flights!: number;
  @Measure(flight.sum("delay"), { description: "Total delay, minutes.", unit: "minutes" })
  delayMinutes!: number;
  @Measure(flight.sum("distance"), { description: "Total distance, miles.", unit: "miles" })
  distanceMiles!: number;
  @Measure(flight.countIf({ delay: { gte: 15 } }), { description: "Departures 15 minutes late or more." })
  lateFlights!: number;
  @Measure(ratio("delayMinutes", "flights"), { description: "Mean delay, minutes.", unit: "minutes" })
  meanDelay!: number;
  @Measure(ratio("lateFlights", "flights"), { description: "Share of late flights, 0 to 1." })
  lateShare!: number;
  @Measure(flight.max("delay"), { description: "Longest delay, minutes.", unit: "minutes" })
  maxDelay!: number;
  @AdHoc(flight.percentile("delay", 0.5), { description: "Median delay, minutes.", unit: "minutes" })
  medianDelay!: number;
  @AdHoc(flight.percentile("delay", 0.9), {
    description: "90th percentile of the delay, minutes.",
    unit: "minutes",
  })
  p90Delay!: number;
  @AdHoc(flight.distinct("destination"), { description: "Airports flown to, exact." }) destinations!: number;
}

sampleData({
  source: Flight,
  file: "vega-datasets/data/flights-3m.parquet",
  replayFrom: "2001-06-28T00:00:00Z",
});
sampleTable({ table: "aviation.airports", file: "vega-datasets/data/airports.csv" });

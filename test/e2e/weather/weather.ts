/** A small product for the tests of `sluice start`: four years of Seattle's weather, the last month replayed. */
import { GraphQLDateTime } from "graphql-scalars";
import { Float } from "type-graphql";
import { columns } from "../../../src/model/columns.ts";
import { expect } from "../../../src/model/expectation.ts";
import { AdHoc, DataProduct, Dimension, Measure, rollup } from "../../../src/model/product.ts";
import { sampleData } from "../../../src/model/sample.ts";
import { Column, Source } from "../../../src/model/source.ts";

@Source({
  table: "seattle.weather",
  time: "day",
  partition: { column: "month", grain: "MONTH" },
  stream: { name: "weather", replay: true },
  description: "One event per day.",
})
export class Weather {
  @Column(() => GraphQLDateTime, { name: "date" }) day!: Date;
  @Column(() => String, { name: "weather" }) sky!: string;
  @Column(() => Float, { unit: "mm" }) precipitation!: number;
  @Column(() => Float, { name: "temp_max", unit: "°C" }) warmest!: number;
}

const weather = columns(Weather);

@DataProduct({
  source: Weather,
  owner: "tests",
  freshness: "P1D",
  description: "How the weather was.",
  rollups: [rollup([], { grains: ["DAY", "MONTH"] }), rollup(["sky"], { grains: ["DAY", "MONTH"] })],
  // a test lowers the bound
  expectations: [expect.between("warmest", { max: Number(process.env["WARMEST"] ?? 50), rollup: [] })],
})
export class WeatherReport {
  @Dimension() sky!: string;
  @Measure(weather.count(), { description: "Days." }) days!: number;
  @Measure(weather.sum("precipitation"), { description: "Rain.", unit: "mm" }) rain!: number;
  @Measure(weather.max("warmest"), { description: "The warmest of all days.", unit: "°C" }) warmest!: number;
  @AdHoc(weather.distinct("sky"), { description: "Kinds of weather." }) skies!: number;
}

sampleData({
  source: Weather,
  file: "vega-datasets/data/seattle-weather.csv",
  // a test replays more than the last month
  replayFrom: process.env["REPLAY_FROM"] ?? "2015-12-01T00:00:00Z",
});

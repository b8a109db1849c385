import { GraphQLDateTime } from "graphql-scalars";
import { Int } from "type-graphql";
import { columns } from "../src/model/columns.ts";
import { expect } from "../src/model/expectation.ts";
import { ratio } from "../src/model/expression.ts";
import { AdHoc, DataProduct, Dimension, Measure, rollup } from "../src/model/product.ts";
import { sampleData } from "../src/model/sample.ts";
import { Column, Source } from "../src/model/source.ts";

@Source({
  table: "aviation.strikes",
  time: "date",
  partition: { column: "month", grain: "MONTH" },
  description: "Collisions of aircraft with wildlife in the United States, 1990 to 2002.",
})
export class Strike {
  @Column(() => GraphQLDateTime, { name: "Flight Date", description: "Day of the flight." }) date!: Date;
  @Column(() => String, { name: "Airport Name" }) airport!: string;
  @Column(() => String, { name: "Aircraft Airline Operator" }) operator!: string;
  @Column(() => String, { name: "Wildlife Size", description: "Small, Medium or Large." })
  wildlifeSize!: string;
  @Column(() => String, { name: "Phase of flight" }) phaseOfFlight!: string;
  @Column(() => String, { name: "Effect Amount of damage", description: "None, or how bad it was." })
  damage!: string;
  @Column(() => Int, { name: "Cost Total $", unit: "US dollars", description: "Total cost." }) cost!: number;
  @Column(() => Int, { name: "Speed IAS in knots", unit: "knots", nullable: true }) speed!: number | null;
}

const strike = columns(Strike);

@DataProduct({
  source: Strike,
  owner: "safety",
  freshness: "P1D",
  description: "Wildlife strikes: how many, how bad and how costly.",
  rollups: [
    rollup([], { grains: ["DAY", "MONTH"] }),
    rollup(["airport"], { grains: ["DAY", "MONTH"] }),
    rollup(["operator"], { grains: ["DAY", "MONTH"] }),
  ],
  expectations: [
    expect.between("damageCost", { min: 0, description: "A strike costs, it does not pay." }),
    expect.sql("{damaging} <= {strikes}"),
  ],
})
export class StrikeActivity {
  @Dimension() airport!: string;
  @Dimension() operator!: string;
  @Dimension() wildlifeSize!: string;
  @Dimension() phaseOfFlight!: string;
  @Measure(strike.count(), { description: "Strikes reported." }) strikes!: number;
  @Measure(strike.sum("cost"), { description: "Total cost, US dollars.", unit: "US dollars" })
  damageCost!: number;
  @Measure(strike.countIf({ damage: { ne: "None" } }), { description: "Strikes that did damage." })
  damaging!: number;
  @Measure(ratio("damageCost", "strikes"), {
    description: "Mean cost of a strike, US dollars.",
    unit: "US dollars",
  })
  meanCost!: number;
  @Measure(strike.avg("speed"), { description: "Mean speed where it is known, knots.", unit: "knots" })
  meanSpeed!: number;
  @AdHoc(strike.percentile("cost", 0.99), {
    description: "99th percentile of the cost, US dollars.",
    unit: "US dollars",
  })
  p99Cost!: number;
}

sampleData({ source: Strike, file: "vega-datasets/data/birdstrikes.csv" });

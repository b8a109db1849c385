/** What the soak is made of: readings of machines, in at most 300 live items (one total, 20 plants, 260 machines). */
import { GraphQLDateTime } from "graphql-scalars";
import { Int } from "type-graphql";
import { columns } from "../../../src/model/columns.ts";
import { DataProduct, Dimension, Measure, rollup } from "../../../src/model/product.ts";
import { Column, Source } from "../../../src/model/source.ts";

@Source({
  table: "works.readings",
  time: "at",
  stream: { name: "readings", lateness: "PT1H" },
  description: "Meters of machines, read every now and then.",
})
export class Reading {
  @Column(() => GraphQLDateTime) at!: Date;
  @Column(() => String) plant!: string;
  @Column(() => String) machine!: string;
  @Column(() => Int, { unit: "Wh" }) energy!: number;
  @Column(() => Int, { description: "The number of the record that carried it." }) record!: number;
}

const reading = columns(Reading);

@DataProduct({
  source: Reading,
  owner: "tests",
  freshness: "PT1H",
  description: "What machines take.",
  rollups: [
    rollup([], { grains: ["HOUR"] }),
    rollup(["plant"], { grains: ["HOUR"] }),
    rollup(["machine"], { grains: ["HOUR"] }),
  ],
})
export class MachineLoad {
  @Dimension() plant!: string;
  @Dimension() machine!: string;
  @Measure(reading.count(), { description: "Readings." }) readings!: number;
  @Measure(reading.sum("energy"), { description: "Energy.", unit: "Wh" }) energy!: number;
  @Measure(reading.min("energy"), { description: "Least.", unit: "Wh" }) least!: number;
  @Measure(reading.max("energy"), { description: "Most.", unit: "Wh" }) most!: number;
}

/** A source whose every text is hostile, its own and the one that it looks up, and a product that stores them as keys. */
import { GraphQLDateTime } from "graphql-scalars";
import { Int } from "type-graphql";
import { columns } from "../../src/model/columns.ts";
import { lookup } from "../../src/model/lookup.ts";
import { AdHoc, DataProduct, Dimension, Measure, rollup } from "../../src/model/product.ts";
import { Column, Source } from "../../src/model/source.ts";

@Source({
  table: "post.letters",
  time: "at",
  stream: { name: "letters" },
  lookups: [lookup({ table: "post.senders", on: { sender: "name" }, take: { alias: "alias" } })],
  description: "Letters of people who mean harm.",
})
export class Letter {
  @Column(() => GraphQLDateTime) at!: Date;
  @Column(() => String, { nullable: true }) sender!: string | null;
  @Column(() => String) subject!: string;
  @Column(() => Int) pages!: number;
  @Column(() => String, { nullable: true }) alias!: string | null;
}

const letter = columns(Letter);
const described = { description: "Of the test." };

@DataProduct({
  source: Letter,
  owner: "post",
  freshness: "P1D",
  description: "Letters by who sent them.",
  rollups: [
    rollup([], { grains: ["DAY", "MONTH"] }),
    rollup(["sender"], { grains: ["DAY", "MONTH"], top: 20 }),
    rollup(["alias"], { grains: ["MONTH"], top: 20 }),
    rollup(["sender", "alias"], { grains: ["DAY"], top: { n: 5, within: ["sender"] } }),
  ],
})
export class LetterActivity {
  @Dimension() sender!: string | null;
  @Dimension() subject!: string;
  @Dimension() alias!: string | null;
  @Measure(letter.count(), described) letters!: number;
  @Measure(letter.sum("pages"), described) pages!: number;
  @AdHoc(letter.distinct("subject"), described) subjects!: number;
}

/** One dimension, so that a search for its values is one statement. */
@DataProduct({
  source: Letter,
  owner: "post",
  freshness: "P1D",
  description: "Letters by what they are about.",
  rollups: [rollup([], { grains: ["MONTH"], live: false })],
})
export class LetterSubjects {
  @Dimension() subject!: string;
  @Measure(letter.count(), described) letters!: number;
}

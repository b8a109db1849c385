/** A small product for the tests of dead letters: tickets of a help desk, live. */
import { GraphQLDateTime } from "graphql-scalars";
import { Int } from "type-graphql";
import { columns } from "../../../src/model/columns.ts";
import { AdHoc, DataProduct, Dimension, Measure, rollup } from "../../../src/model/product.ts";
import { Column, Source } from "../../../src/model/source.ts";

@Source({
  table: "desk.tickets",
  time: "opened",
  stream: { name: "tickets", lateness: "PT1H" },
  description: "Tickets of a help desk.",
})
export class Ticket {
  @Column(() => GraphQLDateTime) opened!: Date;
  @Column(() => Int) number!: number;
  @Column(() => String) team!: string;
  /** It was not nullable at first, says the test. */
  @Column(() => Int, { nullable: true }) minutes!: number | null;
}

const ticket = columns(Ticket);

@DataProduct({
  source: Ticket,
  owner: "tests",
  freshness: "PT1H",
  description: "What a help desk does.",
  rollups: [rollup([], { grains: ["HOUR", "DAY"] }), rollup(["team"], { grains: ["HOUR", "DAY"] })],
})
export class DeskActivity {
  @Dimension() team!: string;
  @Measure(ticket.count(), { description: "Tickets." }) tickets!: number;
  @Measure(ticket.sum("minutes"), { description: "Time spent.", unit: "min" }) spent!: number;
  @AdHoc(ticket.distinct("number"), { description: "Numbers." }) numbers!: number;
}

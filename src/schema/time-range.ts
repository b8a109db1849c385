/** The input `TimeRange`. */
import { GraphQLDateTime } from "graphql-scalars";
import { Field, InputType } from "type-graphql";
import { GraphQLDuration } from "./scalars.ts";

@InputType("TimeRange", {
  description:
    "A half-open range of event time, [from, to), UTC; or the last stretch of it. A side that is left out is the edge of the coverage.",
})
export class TimeRange {
  @Field(() => GraphQLDateTime, {
    nullable: true,
    description: "The first instant that counts. Without it: where the coverage begins.",
  })
  from?: Date | null;

  @Field(() => GraphQLDateTime, {
    nullable: true,
    description:
      "The first instant that no longer counts. Without it: where the coverage ends, live part included.",
  })
  to?: Date | null;

  @Field(() => GraphQLDuration, {
    nullable: true,
    description:
      "Instead of from and to: this long up to the end of the newest bucket that holds events, beginning on a bucket edge.",
  })
  last?: number | null;
}

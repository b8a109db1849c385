/** The catalogue's types: what a client may know about a product without asking for its numbers. */
import "reflect-metadata";
import { GraphQLDateTime, GraphQLSafeInt } from "graphql-scalars";
import { Field, ID, Int, ObjectType } from "type-graphql";
import type { Instant } from "../model/time.ts";
import { GrainEnum } from "./grain.ts";
import { GraphQLDuration } from "./scalars.ts";

const nullable = true;

@ObjectType("Coverage", {
  description:
    "Which event time a product answers for, UTC. All null before the first refresh has published.",
})
export class Coverage {
  @Field(() => GraphQLDateTime, { nullable, description: "Where the lake begins, UTC." })
  from!: Instant | null;

  @Field(() => GraphQLDateTime, {
    nullable,
    description: "Editions and ad-hoc fields count every event before this instant, UTC.",
  })
  to!: Instant | null;

  @Field(() => GraphQLDateTime, {
    nullable,
    description: "Live rollups count every event before this instant, UTC; null where nothing is live.",
  })
  liveTo!: Instant | null;
}

@ObjectType("Dimension", { description: "A column that a question may filter by." })
export class Dimension {
  @Field(() => String, { description: "The field of the product's type and of its filter." })
  name!: string;

  @Field(() => String, { nullable, description: "What the column holds." })
  description!: string | null;

  @Field(() => String, { description: "Its GraphQL type: String, SafeInt, Float, Boolean or DateTime." })
  type!: string;
}

@ObjectType("Measure", { description: "A number that a product promises." })
export class Measure {
  @Field(() => String, { description: "The field of the product's type." })
  name!: string;

  @Field(() => String, { description: "What it counts." })
  description!: string;

  @Field(() => String, { nullable, description: "The unit of its values; null for plain numbers." })
  unit!: string | null;

  @Field(() => Boolean, {
    description: "Whether its value over a union follows from the values of its parts.",
  })
  mergeable!: boolean;

  @Field(() => Boolean, {
    description: "Whether the refresh stores it; if not, Athena computes it when asked.",
  })
  precomputed!: boolean;

  @Field(() => String, { description: "How it is computed, as Athena SQL over the source's table." })
  sql!: string;
}

@ObjectType("Rollup", { description: "A set of dimensions that is precomputed." })
export class Rollup {
  @Field(() => [String], { description: "The dimensions; empty for the total." })
  dimensions!: readonly string[];

  @Field(() => [GrainEnum], { description: "The bucket widths that are stored, finest first." })
  grains!: readonly string[];

  @Field(() => Int, { nullable, description: "How many keys its leaderboard holds; null when it has none." })
  top!: number | null;

  @Field(() => Boolean, { description: "Whether micro-batches keep it, so that it can be subscribed to." })
  live!: boolean;
}

@ObjectType("Freshness", {
  description: "How old the published edition is, by wall time of publishing, not by event time.",
})
export class Freshness {
  @Field(() => GraphQLDuration, { description: "How old the owner promises it to be at most." })
  promised!: number;

  @Field(() => GraphQLDuration, { nullable, description: "How old it is; null before the first one." })
  actual!: number | null;

  @Field(() => GraphQLDateTime, {
    nullable,
    description: "When it was published, UTC; null before the first one.",
  })
  asOf!: Instant | null;

  @Field(() => Boolean, { description: "Whether it is older than promised, or there is none." })
  stale!: boolean;
}

@ObjectType("Edition", { description: "One published refresh." })
export class Edition {
  @Field(() => ID, { description: "Ids sort by time." })
  id!: string;

  @Field(() => GraphQLDateTime, { description: "When it was published, UTC." })
  publishedAt!: Instant;

  @Field(() => Boolean, { description: "Whether questions are answered from it now." })
  current!: boolean;

  @Field(() => GraphQLSafeInt, { description: "Events counted in all that it serves." })
  rows!: number;

  @Field(() => GraphQLSafeInt, { description: "Items it wrote." })
  items!: number;

  @Field(() => GraphQLSafeInt, { description: "Bytes that Athena scanned for it." })
  bytesScanned!: number;

  @Field(() => GraphQLSafeInt, { description: "How long the refresh took, in milliseconds." })
  durationMs!: number;

  @Field(() => GraphQLDateTime, { description: "It counts every event before this instant, UTC." })
  coveredUntil!: Instant;
}

@ObjectType("DataProduct", {
  description: "A declared product: what it promises, how far it reaches, how fresh it is.",
})
export class DataProduct {
  @Field(() => String, { description: "The product's GraphQL type." })
  name!: string;

  @Field(() => String, { description: "What it is about." })
  description!: string;

  @Field(() => String, { description: "The team that answers for it." })
  owner!: string;

  @Field(() => Coverage, { description: "Which event time it answers for." })
  coverage!: Coverage;

  @Field(() => [Dimension], { description: "What a question may filter by." })
  dimensions!: readonly Dimension[];

  @Field(() => [Measure], { description: "What a question may ask for." })
  measures!: readonly Measure[];

  @Field(() => [Rollup], { description: "What is precomputed." })
  rollups!: readonly Rollup[];

  @Field(() => Freshness, { description: "How old its numbers are." })
  freshness!: Freshness;
}

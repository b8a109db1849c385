/** The type `AdHocJob`: what Athena computes for ad-hoc fields, as its askers may see it. */
import "reflect-metadata";
import { GraphQLDateTime, GraphQLSafeInt } from "graphql-scalars";
import { Field, Float, ID, ObjectType, registerEnumType } from "type-graphql";
import type { AdHocState } from "../model/ad-hoc-job.ts";
import type { Instant } from "../model/time.ts";

const nullable = true;

const states = {
  QUEUED: "Waits for its turn, here or at Athena.",
  RUNNING: "Athena computes it.",
  SUCCEEDED: "It is there: asked again, the fields are answered from it at once.",
  FAILED: "It ended without an answer; `error` says why. Asked again, it is tried again.",
  CANCELLED: "It was stopped, by cancelAdHocJob or since nobody waited any more. Asked again, it runs again.",
} as const satisfies Record<AdHocState, string>;

const names = Object.keys(states) as AdHocState[];

export const AdHocStateEnum: Readonly<Record<AdHocState, AdHocState>> = Object.freeze(
  Object.fromEntries(names.map((name) => [name, name])) as Record<AdHocState, AdHocState>,
);

registerEnumType(AdHocStateEnum, {
  name: "AdHocState",
  description: "How far an ad-hoc job is. SUCCEEDED, FAILED and CANCELLED are final.",
  valuesConfig: Object.fromEntries(names.map((name) => [name, { description: states[name] }])),
});

@ObjectType("AdHocJob", {
  description:
    "What Athena computes for ad-hoc fields that a request did not wait for. Only the tenant that asked sees it.",
})
export class AdHocJob {
  @Field(() => ID, { description: "The `jobId` in the extensions of the error AD_HOC_PENDING." })
  id!: string;

  @Field(() => AdHocStateEnum, { description: "How far it is." })
  state!: AdHocState;

  @Field(() => Float, {
    nullable,
    description: "The share that is done, 0 to 1; null where it is not known.",
  })
  progress!: number | null;

  @Field(() => GraphQLSafeInt, {
    nullable,
    description: "Bytes that Athena has scanned for it; null until Athena tells.",
  })
  bytesScanned!: number | null;

  @Field(() => GraphQLDateTime, { description: "When it was first asked for, UTC." })
  submittedAt!: Instant;

  @Field(() => String, { nullable, description: "Why it FAILED or was CANCELLED; null otherwise." })
  error!: string | null;
}

/** `adHocJob`, `cancelAdHocJob` and `adHocJobUpdated`: what became of the fields that were AD_HOC_PENDING. */
import { Arg, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root, Subscription } from "type-graphql";
import type { AdHocJob } from "../model/ad-hoc-job.ts";
import { clientSentences, type ErrorCode } from "../model/errors.ts";
import { AdHocJob as AdHocJobType } from "../schema/ad-hoc-job.ts";
import type { Session, SluiceContext } from "../schema/context.ts";

const nullable = true;
const jobId = { description: "The `jobId` of an error AD_HOC_PENDING." };

interface Follow {
  readonly args: { readonly id: string };
  readonly context: SluiceContext;
}

@Resolver(() => AdHocJobType)
export class AdHocJobResolver {
  @Query(() => AdHocJobType, {
    nullable,
    description: "An ad-hoc job as it is now; null when none of the viewer's tenant has this id.",
  })
  adHocJob(@Arg("id", () => ID, jobId) id: string, @Ctx() { session }: SluiceContext) {
    return session.adHocJob(id);
  }

  @Mutation(() => AdHocJobType, {
    nullable,
    description:
      "Stops an ad-hoc job, also for others of the tenant who wait for it: their fields end with AD_HOC_CANCELLED. One that is over stays as it is. Null when none of the viewer's tenant has this id.",
  })
  cancelAdHocJob(@Arg("id", () => ID, jobId) id: string, @Ctx() { session }: SluiceContext) {
    return session.cancelAdHocJob(id);
  }

  @Subscription(() => AdHocJobType, {
    nullable,
    description:
      "An ad-hoc job now, then whenever it has changed; ends after SUCCEEDED, FAILED or CANCELLED. A single null when none of the viewer's tenant has this id.",
    subscribe: ({ args: { id }, context: { session } }: Follow) => updates(session, id),
  })
  adHocJobUpdated(@Arg("id", () => ID, jobId) _id: string, @Root() job: AdHocJob | null) {
    return job;
  }

  @FieldResolver()
  error(@Root() { error }: AdHocJob): string | null {
    return error && sentenceOf(error);
  }
}

async function updates(session: Session, id: string): Promise<AsyncIterable<AdHocJob | null>> {
  return (await session.adHocJob(id)) === null ? noJob() : session.adHocJobUpdates(id);
}

async function* noJob(): AsyncGenerator<null> {
  yield null;
}

/** The very sentence that the fields' errors have. */
function sentenceOf(code: ErrorCode): string {
  const sentences: Partial<Record<ErrorCode, string>> = clientSentences;
  return sentences[code] ?? clientSentences.AD_HOC_FAILED;
}

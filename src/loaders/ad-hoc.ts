/** Questions that no rollup answers, batched: all of one request are asked together. */
import DataLoader from "dataloader";
import type { Aggregate } from "../model/expression.ts";
import type { Scope } from "../model/scope.ts";
import type { AdHocAnswer } from "./ad-hoc/answers.ts";
import type { AdHocJobs, AdHocWait } from "./ad-hoc/jobs.ts";
import type { AdHocAsk } from "./ad-hoc/questions.ts";
import type { Gate } from "./gate.ts";

export type AdHocLoader = DataLoader<AdHocAsk, AdHocAnswer>;

export function adHocLoader(
  jobs: Pick<AdHocJobs, "answer">,
  gate: Gate,
  scope: Scope,
  wait: AdHocWait,
): AdHocLoader {
  return new DataLoader(
    async (asks: readonly AdHocAsk[]) => {
      const { questions, indexes } = distinct(asks);
      const answers = await jobs.answer(scope, questions, wait);
      return indexes.map((index) => answers[index]!);
    },
    { cache: false, batchScheduleFn: gate.schedule },
  );
}

/**
 * Fields of one object and buckets of one series share a question, which is asked for the aggregates of all. A long
 * series asks tens of thousands of times.
 */
function distinct(asks: readonly AdHocAsk[]): { questions: AdHocAsk[]; indexes: number[] } {
  const questions: (AdHocAsk & { readonly aggregates: Aggregate[] })[] = [];
  // a manifest has one source, and a request one version of it
  const known = new Map<AdHocAsk["partitions"], Map<string, number>>();
  const indexes = asks.map((ask) => {
    const asked = known.get(ask.partitions) ?? new Map<string, number>();
    known.set(ask.partitions, asked);
    const id = JSON.stringify(ask.question);
    const index = asked.get(id) ?? questions.push({ ...ask, aggregates: [] }) - 1;
    asked.set(id, index);
    questions[index]!.aggregates.push(...ask.aggregates);
    return index;
  });
  return { questions, indexes };
}

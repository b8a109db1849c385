/**
 * Questions that no rollup answers, batched: one Athena statement per source and request. A statement that outlasts
 * the wait is stopped.
 */
import DataLoader from "dataloader";
import type { StatementResult, Warehouse } from "../backends/warehouse.ts";
import { type Aggregate, aggregateId } from "../model/expression.ts";
import type { Source } from "../model/source.ts";
import type { Instant } from "../model/time.ts";
import { type AdHocQuestion, adHocStatement } from "../sql/statement.ts";
import type { Gate } from "./gate.ts";

export interface AdHocAsk {
  readonly source: Source;
  readonly question: AdHocQuestion;
  readonly aggregates: readonly Aggregate[];
}

export interface AdHocAnswer {
  /** Aggregates by id, per bucket start (0 for a question over its whole range); a bucket without events is absent. */
  readonly buckets: ReadonlyMap<Instant, ReadonlyMap<string, number | null>>;
  readonly queryId: string;
  /** Of the whole statement, which may have answered other questions too. */
  readonly bytesScanned: number;
}

export type AdHocLoader = DataLoader<AdHocAsk, AdHocAnswer>;

/** How many questions go into one statement: its text stays below Athena's 262,144 bytes. */
const maxQuestions = 200;

export function adHocLoader(warehouse: Warehouse, gate: Gate, limits: AdHocLimits): AdHocLoader {
  return new DataLoader(
    async (asks: readonly AdHocAsk[]) => {
      const answers = new Map<AdHocAsk, AdHocAnswer | Error>();
      await Promise.all(statementsOf(asks).map((group) => answer(warehouse, group, limits, answers)));
      return asks.map((ask) => answers.get(ask)!);
    },
    { cache: false, batchScheduleFn: gate.schedule },
  );
}

export interface AdHocLimits {
  readonly signal?: AbortSignal;
  /** How long a request waits for its ad-hoc fields. */
  readonly waitMs: number;
}

/** The asks by source, and by what one statement holds. */
function statementsOf(asks: readonly AdHocAsk[]): AdHocAsk[][] {
  const groups: AdHocAsk[][] = [];
  for (const ask of asks) {
    const open = groups.find(
      (group) => group[0]!.source === ask.source && questionsOf(group).size < maxQuestions,
    );
    if (open === undefined) groups.push([ask]);
    else open.push(ask);
  }
  return groups;
}

/** The distinct questions of some asks: fields of one object ask the same. */
function questionsOf(asks: readonly AdHocAsk[]): Map<string, AdHocQuestion> {
  return new Map(asks.map(({ question }) => [JSON.stringify(question), question]));
}

async function answer(
  warehouse: Warehouse,
  asks: readonly AdHocAsk[],
  limits: AdHocLimits,
  answers: Map<AdHocAsk, AdHocAnswer | Error>,
): Promise<void> {
  const { source } = asks[0]!;
  const questions = questionsOf(asks);
  const aggregates = new Map(asks.flatMap((ask) => ask.aggregates.map((each) => [aggregateId(each), each])));
  try {
    const statement = adHocStatement(source, [...questions.values()], [...aggregates.values()]);
    const { signal, waitMs } = limits;
    const result: StatementResult = await warehouse.run(
      { sql: statement.sql, parameters: statement.parameters, database: source.database },
      { timeoutMs: waitMs, ...(signal && { signal }) },
    );
    const read = statement.read(result.rows);
    const position = new Map([...questions.keys()].map((id, i) => [id, i]));
    for (const ask of asks) {
      const buckets = read[position.get(JSON.stringify(ask.question))!]!;
      answers.set(ask, { buckets, queryId: result.queryId, bytesScanned: result.bytesScanned });
    }
  } catch (error) {
    for (const ask of asks) answers.set(ask, error instanceof Error ? error : new Error(String(error)));
  }
}

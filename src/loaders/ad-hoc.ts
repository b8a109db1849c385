/**
 * Questions that no rollup answers, batched: one Athena statement per source and request. A statement that outlasts
 * the wait is stopped.
 */
import DataLoader from "dataloader";
import type { StatementResult, Warehouse } from "../backends/warehouse.ts";
import { type Aggregate, aggregateId } from "../model/expression.ts";
import type { Source } from "../model/source.ts";
import { type AdHocGroupList, readGroups } from "../sql/grouped-questions.ts";
import { type AdHocQuestion, type AdHocResult, adHocStatement, readResult } from "../sql/statement.ts";
import type { Gate } from "./gate.ts";

export interface AdHocAsk {
  readonly source: Source;
  readonly question: AdHocQuestion;
  readonly aggregates: readonly Aggregate[];
}

export interface AdHocAnswer {
  /** Aggregates by id, per bucket start (0 for a question over its whole range); a bucket without events is absent. */
  readonly buckets: AdHocResult;
  /** Of a question that asks for groups. */
  readonly groups: AdHocGroupList;
  readonly queryId: string;
  /** Of the whole statement, which may have answered other questions too. */
  readonly bytesScanned: number;
}

export type AdHocLoader = DataLoader<AdHocAsk, AdHocAnswer>;

const noGroups: AdHocGroupList = { groups: [], total: 0 };

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

/** Asks that one statement answers: by question, of which fields of one object and buckets of one series share one. */
interface Group {
  readonly source: Source;
  readonly questions: Map<string, AdHocQuestion>;
  readonly asks: (readonly [ask: AdHocAsk, question: string])[];
}

/** The asks by source, and by what one statement holds. A long series asks tens of thousands of times. */
function statementsOf(asks: readonly AdHocAsk[]): Group[] {
  const groups: Group[] = [];
  for (const ask of asks) {
    const id = JSON.stringify(ask.question);
    const own = groups.filter(({ source }) => source === ask.source);
    let group = own.find(({ questions }) => questions.has(id) || questions.size < maxQuestions);
    if (group === undefined) groups.push((group = { source: ask.source, questions: new Map(), asks: [] }));
    group.questions.set(id, ask.question);
    group.asks.push([ask, id]);
  }
  return groups;
}

async function answer(
  warehouse: Warehouse,
  { source, questions, asks }: Group,
  limits: AdHocLimits,
  answers: Map<AdHocAsk, AdHocAnswer | Error>,
): Promise<void> {
  const distinct = new Set(asks.flatMap(([ask]) => ask.aggregates));
  const aggregates = new Map([...distinct].map((each) => [aggregateId(each), each]));
  try {
    const statement = adHocStatement(source, [...questions.values()], [...aggregates.values()]);
    const { signal, waitMs } = limits;
    const result: StatementResult = await warehouse.run(
      { sql: statement.sql, parameters: statement.parameters, database: source.database },
      { timeoutMs: waitMs, ...(signal && { signal }) },
    );
    const read = new Map(
      [...questions].map(([id, { groups }], i) => [
        id,
        {
          buckets: readResult(statement.layout, result.rows, i + 1),
          groups: groups ? readGroups(statement.layout, result.rows, i + 1, groups) : noGroups,
        },
      ]),
    );
    for (const [ask, id] of asks)
      answers.set(ask, {
        ...read.get(id)!,
        queryId: result.queryId,
        bytesScanned: result.bytesScanned,
      });
  } catch (error) {
    for (const [ask] of asks) answers.set(ask, error instanceof Error ? error : new Error(String(error)));
  }
}

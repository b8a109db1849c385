/**
 * The plan of a request without its answer: what each field would be read from, which items and statements that takes.
 * Manifests, their pages and the live status are read; segments, live items and Athena are not: whoever asks for one of
 * those is told that there is nothing, and recorded.
 */
import DataLoader from "dataloader";
import type { Statement, Warehouse } from "../backends/warehouse.ts";
import { itemId, type PackedColumns } from "../model/layout.ts";
import type { Scope } from "../model/scope.ts";
import type { Session } from "../schema/context.ts";
import { estimateBytes } from "../sql/estimate.ts";
import { usedProperties } from "../sql/statement.ts";
import { type AdHocAnswer, type AdHocAsk, type Group, statementFor, statementsOf } from "./ad-hoc.ts";
import { type ExplainedFields, FieldRecord, keyText } from "./explain-record.ts";
import { Gate } from "./gate.ts";
import type { Workings } from "./insight.ts";
import { ProvenanceRecord } from "./provenance.ts";
import { ReadBudget } from "./read-budget.ts";
import type { Wanted } from "./segments.ts";
import { sessionOver, type Shared } from "./session.ts";

export interface Explanation {
  readonly fields: readonly ExplainedFields[];
  /** Items that DynamoDB would be asked for, each once: `pk sk`. */
  readonly segments: readonly string[];
  readonly liveItems: readonly string[];
  readonly statements: readonly ExplainedStatement[];
}

export interface ExplainedStatement extends Statement {
  /** Null for one of the catalogue. */
  readonly estimatedBytes: number | null;
}

export interface ExplainingSession {
  readonly session: Session;
  /** Of everything that has resolved. */
  explanation(): Promise<Explanation>;
}

export function explainingSession(shared: Shared, scope: Scope): ExplainingSession {
  const gate = new Gate();
  const items = new Map<string, Wanted>();
  const asks: AdHocAsk[] = [];
  const catalogued: Statement[] = [];
  const trace = new FieldRecord(scope);
  const workings: Workings = {
    scope,
    gate,
    provenance: new ProvenanceRecord(),
    reads: new ReadBudget(),
    segments: recordingItems(items, gate),
    adHoc: recordingAsks(asks, gate),
    trace,
  };
  return {
    session: sessionOver({ ...shared, warehouse: recordingWarehouse(catalogued) }, workings),
    explanation: async () => {
      const groups = statementsOf(asks);
      const positions = groups.flatMap((group, i) => group.asks.map(([ask]) => [ask, i + 1] as const));
      const wanted = [...items.values()];
      return {
        fields: trace.fields(new Map(positions)),
        segments: wanted.filter(({ live }) => !live).map(({ key }) => keyText(key)),
        liveItems: wanted.filter(({ live }) => live).map(({ key }) => keyText(key)),
        statements: [
          ...(await Promise.all(groups.map(explained))),
          ...catalogued.map((statement) => ({ ...statement, estimatedBytes: null })),
        ],
      };
    },
  };
}

function recordingItems(items: Map<string, Wanted>, gate: Gate) {
  return new DataLoader<Wanted, PackedColumns | null, string>(
    async (wanted) => {
      for (const item of wanted) items.set(itemId(item.key), item);
      return wanted.map(() => null);
    },
    { cacheKeyFn: ({ key }) => itemId(key), batchScheduleFn: gate.schedule },
  );
}

const nothing: AdHocAnswer = { buckets: new Map(), queryId: "", bytesScanned: 0 };

function recordingAsks(asks: AdHocAsk[], gate: Gate) {
  return new DataLoader<AdHocAsk, AdHocAnswer>(
    async (asked) => {
      asks.push(...asked);
      return asked.map(() => nothing);
    },
    { cache: false, batchScheduleFn: gate.schedule },
  );
}

function recordingWarehouse(statements: Statement[]): Warehouse {
  return {
    run: async (statement) => {
      statements.push(statement);
      return { queryId: "", rows: [], bytesScanned: 0, engineMs: 0 };
    },
  };
}

async function explained(group: Group): Promise<ExplainedStatement> {
  const { source, asks } = group;
  const { sql, parameters } = statementFor(group);
  const pages = await Promise.all(
    [...new Map(asks.map(([ask, question]) => [question, ask])).values()].map((ask) =>
      ask.partitions(ask.question.range),
    ),
  );
  const properties = usedProperties(
    [...group.questions.values()],
    asks.flatMap(([{ aggregates }]) => aggregates),
  );
  const partitions = new Map(pages.flatMap((page) => Object.entries(page)));
  return {
    database: source.database,
    sql,
    parameters,
    estimatedBytes: estimateBytes(source, properties, partitions.values()),
  };
}

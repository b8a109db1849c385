/**
 * The plan of a request without its answer: what each field would be read from, which items and statements that takes.
 * Manifests, their pages, the live status, leaderboards and the names of live items are read, as plans depend on them;
 * segments, live items by key and Athena are not: whoever asks for one of those is told that there is nothing, and
 * recorded. So of groups the first by name stand for those that lead, and those that only Athena knows have no fields.
 */
import type { InsightStore } from "../backends/insight-store.ts";
import type { Statement } from "../backends/warehouse.ts";
import { isLeaderboard, type ItemKey, itemId } from "../model/layout.ts";
import type { Scope } from "../model/scope.ts";
import type { Source } from "../model/source.ts";
import type { Session } from "../schema/context.ts";
import type { AdHocQuestion } from "../sql/statement.ts";
import type { AdHocAnswer } from "./ad-hoc/answers.ts";
import { LookupVersions } from "./ad-hoc/lookup-versions.ts";
import { type AdHocAsk, executionOf, groupsOf, pose } from "./ad-hoc/questions.ts";
import {
  type ExplainedFields,
  type ExplainedGroups,
  FieldRecord,
  keyText,
  type Positions,
} from "./explain-record.ts";
import { SegmentCache } from "./segments.ts";
import { openSession, type Shared } from "./session.ts";

export interface Explanation {
  readonly fields: readonly ExplainedFields[];
  readonly groups: readonly ExplainedGroups[];
  /** Items that DynamoDB would be asked for, each once: `pk sk`. */
  readonly segments: readonly string[];
  readonly liveItems: readonly string[];
  readonly statements: readonly ExplainedStatement[];
}

export interface ExplainedStatement extends Statement {
  readonly estimatedBytes: number;
}

export interface ExplainingSession {
  readonly session: Session;
  /** Of everything that has resolved. */
  explanation(): Promise<Explanation>;
}

export function explainingSession(
  shared: Omit<Shared, "adHoc" | "segments">,
  scope: Scope,
): ExplainingSession {
  const trace = new FieldRecord(scope);
  const insights = recordingStore(shared.insights);
  const adHoc = recordingJobs();
  const recording = { ...shared, insights: insights.store, adHoc: adHoc.jobs, segments: new SegmentCache() };
  return {
    session: openSession(recording, { scope, adHocWaitMs: 0, trace }),
    explanation: async () => {
      const { statements, positions } = await statementsOf(shared, scope, adHoc.asked);
      return {
        fields: trace.fields(positions),
        groups: trace.groups,
        segments: [...insights.segments.values()].map(keyText),
        liveItems: [...insights.live.values()].map(keyText),
        statements,
      };
    },
  };
}

function recordingStore(store: InsightStore) {
  const segments = new Map<string, ItemKey>();
  const live = new Map<string, ItemKey>();
  const recording: InsightStore = {
    ...store,
    read: async (wanted, wantedLive) => {
      for (const key of wanted) segments.set(itemId(key), key);
      for (const key of wantedLive) live.set(itemId(key), key);
      return store.read(wanted.filter(isLeaderboard), []);
    },
  };
  return { store: recording, segments, live };
}

const nothing: AdHocAnswer = {
  buckets: new Map(),
  groups: { groups: [], total: 0 },
  queryId: "",
  bytesScanned: 0,
};

/** What is asked at once may share a statement. */
function recordingJobs() {
  const asked: (readonly AdHocAsk[])[] = [];
  const jobs: Shared["adHoc"] = {
    answer: async (_, asks) => {
      asked.push(asks);
      return asks.map(() => nothing);
    },
    job: async () => null,
    cancel: async () => null,
    watch: () => (async function* () {})(),
  };
  return { jobs, asked };
}

/** As the fallback would make them if it knew no answer yet. */
async function statementsOf(
  { control }: Pick<Shared, "control">,
  scope: Scope,
  asked: readonly (readonly AdHocAsk[])[],
) {
  const lookups = new LookupVersions({ control, clock: () => 0 });
  const statements: ExplainedStatement[] = [];
  const byQuestion = new Map<string, number>();
  const pages = new Map<Source, Set<number>>();
  for (const asks of asked) {
    const posed = await Promise.all(asks.map((ask) => pose(scope, ask, lookups)));
    for (const group of groupsOf(posed)) {
      const { database, sql, parameters, estimate } = executionOf(group);
      statements.push({ database, sql, parameters, estimatedBytes: estimate });
      for (const { source, question } of group) {
        byQuestion.set(idOf(source, question), statements.length);
        if (question.groups !== undefined)
          pages.set(source, (pages.get(source) ?? new Set()).add(statements.length));
      }
    }
  }
  const positions: Positions = {
    of: ({ source, question }) => byQuestion.get(idOf(source, question))!,
    ofPages: (source) => [...(pages.get(source) ?? [])],
  };
  return { statements, positions };
}

/** What the fields of one object and the buckets of one series share. */
function idOf({ database, table }: Source, question: AdHocQuestion): string {
  return JSON.stringify([database, table, question]);
}

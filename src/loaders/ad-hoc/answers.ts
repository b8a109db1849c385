/** Answers, which never change: read from the result of an execution, and kept in memory as far as they fit. */
import { LRUCache } from "lru-cache";
import { type AdHocGroupList, readGroups } from "../../sql/grouped-questions.ts";
import { type AdHocLayout, type AdHocResult, readResult } from "../../sql/statement.ts";
import type { Attendance } from "./attendance.ts";
import type { Posed } from "./questions.ts";

export interface AdHocAnswer {
  /** Aggregates by id, per bucket start (0 for a question over its whole range); a bucket without events is absent. */
  readonly buckets: AdHocResult;
  /** Of a question that asks for groups. */
  readonly groups: AdHocGroupList;
  readonly queryId: string;
  /** Of the whole statement, which may have answered other questions too. */
  readonly bytesScanned: number;
}

const noGroups: AdHocGroupList = { groups: [], total: 0 };

export class Answers {
  readonly #kept: LRUCache<string, AdHocAnswer>;

  constructor(maxCells: number) {
    this.#kept = new LRUCache({ maxSize: Math.max(1, maxCells), sizeCalculation: cellsOf });
  }

  get(question: string): AdHocAnswer | undefined {
    return this.#kept.get(question);
  }

  /** What an execution that has succeeded says of a question; null when Athena no longer has its result. */
  async read({ id, question }: Posed, attendance: Attendance): Promise<AdHocAnswer | null> {
    const rows = await attendance.rows();
    if (rows === null) return null;
    // another one that waited for it may have read it meanwhile
    const kept = this.#kept.get(id);
    if (kept !== undefined) return kept;
    const { questions, queryId, bytesScanned } = attendance.document;
    const layout = attendance.document.layout as AdHocLayout;
    const number = questions.indexOf(id) + 1;
    const own = rows.get(number) ?? [];
    const { groups } = question;
    const answer: AdHocAnswer = {
      buckets: groups === undefined ? readResult(layout, own, number) : new Map(),
      groups: groups === undefined ? noGroups : readGroups(layout, own, number, groups),
      queryId: queryId!,
      bytesScanned: bytesScanned ?? 0,
    };
    this.#kept.set(id, answer);
    return answer;
  }
}

function cellsOf({ buckets, groups }: AdHocAnswer): number {
  let cells = 1;
  for (const { key, aggregates } of groups.groups) cells += 1 + key.length + aggregates.size;
  for (const bucket of buckets.values()) cells += 1 + bucket.size;
  return cells;
}

/** What is asked, with an id that says what the answer depends on, and the statements that answer it. */
import { createHash } from "node:crypto";
import type { Tenancy } from "../../model/ad-hoc-job.ts";
import type { LakePage, LakePartition } from "../../model/control.ts";
import { UserInputError } from "../../model/errors.ts";
import { type Aggregate, aggregateId } from "../../model/expression.ts";
import type { Source } from "../../model/source.ts";
import type { Range } from "../../model/time.ts";
import { estimateBytes } from "../../sql/estimate.ts";
import {
  type AdHocQuestion,
  type AdHocStatement,
  adHocStatement,
  usedProperties,
} from "../../sql/statement.ts";
import type { NewExecution } from "./attendances.ts";
import type { LookupVersions } from "./lookup-versions.ts";

export interface AdHocAsk {
  readonly source: Source;
  /** The lake partitions that touch a range, by value, as the request's manifest has them. */
  readonly partitions: (range: Range) => Promise<LakePage>;
  readonly question: AdHocQuestion;
  readonly aggregates: readonly Aggregate[];
}

/** An ask with all that is needed to have it answered. */
export interface Posed {
  /** Equal ids: the same question and statement over the same data, asked by the same tenant. */
  readonly id: string;
  readonly source: Source;
  readonly partitions: LakePage;
  readonly properties: readonly string[];
  readonly question: AdHocQuestion;
  readonly aggregates: readonly Aggregate[];
  /** The statement that answers it and nothing else. */
  readonly alone: AdHocStatement;
}

export async function pose(scope: Tenancy, ask: AdHocAsk, lookups: LookupVersions): Promise<Posed> {
  const { source, question } = ask;
  const aggregates = sorted(ask.aggregates);
  const alone = adHocStatement(source, [question], aggregates);
  const properties = usedProperties([question], aggregates);
  const partitions = await ask.partitions(question.range);
  const read = [versionOf(partitions), await lookups.of(source, properties)];
  const { sql, parameters } = alone;
  // the question itself too: it says how the rows are read
  const id = digest([scope.tenant, source.database, sql, parameters, question, read]);
  return { id, source, partitions, properties, question, aggregates, alone };
}

/** In whatever order fields ask for them, the statement is one. */
function sorted(aggregates: readonly Aggregate[]): readonly Aggregate[] {
  const byId = new Map(aggregates.map((aggregate) => [aggregateId(aggregate), aggregate]));
  return [...byId].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, aggregate]) => aggregate);
}

const versions = new WeakMap<LakePage, string>();

/** The data version: it changes when a partition does that the statement reads, and with no other one. */
function versionOf(partitions: LakePage): string {
  const known = versions.get(partitions);
  if (known !== undefined) return known;
  const read = Object.entries(partitions).map(([value, { fingerprint }]) => `${value} ${fingerprint}`);
  const version = digest(read.sort());
  versions.set(partitions, version);
  return version;
}

function digest(parts: readonly unknown[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 40);
}

/** How many questions go into one statement. */
const maxQuestions = 200;
/** Athena takes 262,144 bytes of text, and a document in DynamoDB has 400 KB for text, parameters and all else. */
const maxTextBytes = 240_000;
const maxStatementBytes = 330_000;

/**
 * What one statement answers, for each: as few as they fit into, also into the bytes that may be scanned. What exceeds
 * those on its own fails nothing else.
 */
export function groupsOf(posed: readonly Posed[], bytesLeft = Infinity): readonly (readonly Posed[])[] {
  const isAffordable = (group: readonly Posed[]) => estimateOf(group) <= bytesLeft;
  return bySource(posed).flatMap((group) => [
    ...fitting(
      group.filter((each) => isAffordable([each])),
      isAffordable,
    ),
    ...fitting(
      group.filter((each) => !isAffordable([each])),
      () => true,
    ),
  ]);
}

function bySource(posed: readonly Posed[]): Posed[][] {
  const groups = new Map<Source, Posed[]>();
  for (const each of posed) {
    const group = groups.get(each.source);
    if (group === undefined) groups.set(each.source, [each]);
    else group.push(each);
  }
  return [...groups.values()];
}

function fitting(
  group: readonly Posed[],
  isAffordable: (group: readonly Posed[]) => boolean,
): readonly (readonly Posed[])[] {
  if (group.length === 0) return [];
  if (group.length === 1) return [group];
  if (group.length <= maxQuestions && isAffordable(group) && fits(textOf(group))) return [group];
  const half = Math.ceil(group.length / 2);
  return [group.slice(0, half), group.slice(half)].flatMap((part) => fitting(part, isAffordable));
}

function fits({ sql, parameters }: AdHocStatement): boolean {
  const bytes = Buffer.byteLength(JSON.stringify([sql, parameters]));
  return Buffer.byteLength(sql) <= maxTextBytes && bytes <= maxStatementBytes;
}

/** Throws `UserInputError` for a question that is too large for any statement. */
export function checkSize({ alone }: Posed): void {
  if (fits(alone)) return;
  throw new UserInputError(
    `A question fits into a statement of ${maxTextBytes} bytes, its values included into ${maxStatementBytes}. This one has more. Ask with fewer values in its filters.`,
  );
}

function textOf(group: readonly Posed[]): AdHocStatement {
  const [first] = group;
  if (group.length === 1) return first!.alone;
  return adHocStatement(
    first!.source,
    group.map(({ question }) => question),
    sorted(group.flatMap(({ aggregates }) => aggregates)),
  );
}

/** The execution that answers a group. */
export function executionOf(group: readonly Posed[]): NewExecution {
  return {
    ...textOf(group),
    database: group[0]!.source.database,
    questions: group.map(({ id }) => id),
    estimate: estimateOf(group),
  };
}

function estimateOf(group: readonly Posed[]): number {
  const partitions = new Map<string, LakePartition>(group.flatMap((each) => Object.entries(each.partitions)));
  const properties = group.flatMap((each) => each.properties);
  return estimateBytes(group[0]!.source, properties, partitions.values());
}

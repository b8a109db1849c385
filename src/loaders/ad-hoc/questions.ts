/** What is asked, with an id that says what the answer depends on, and the statements that answer it. */
import { createHash } from "node:crypto";
import type { Tenancy } from "../../model/ad-hoc-job.ts";
import type { LakePage, LakePartition } from "../../model/control.ts";
import { UserInputError } from "../../model/errors.ts";
import { type Aggregate, aggregateId } from "../../model/expression.ts";
import type { Source } from "../../model/source.ts";
import type { Range } from "../../model/time.ts";
import { estimateBytes } from "../../sql/estimate.ts";
import { type AdHocLayout, type AdHocQuestion, adHocStatement, usedProperties } from "../../sql/statement.ts";
import type { NewExecution } from "./attendances.ts";
import type { LookupVersions } from "./lookup-versions.ts";

/** What every ask says of the data that it is about. */
interface Asked {
  readonly source: Source;
  /** The lake partitions that touch a range, by value, as the request's manifest has them. */
  readonly partitions: (range: Range) => Promise<LakePage>;
}

export interface AdHocAsk extends Asked {
  readonly question: AdHocQuestion;
  readonly aggregates: readonly Aggregate[];
}

/** A statement of its own, whose rows are the answer. */
export interface RowsAsk extends Asked {
  readonly sql: string;
  readonly parameters: readonly string[];
  readonly range: Range;
  /** The columns that it reads, by property. */
  readonly properties: readonly string[];
}

/** An ask with all that is needed to have it answered. */
export interface Posed {
  /** Equal ids: the same question and statement over the same data, asked by the same tenant. */
  readonly id: string;
  readonly source: Source;
  readonly partitions: LakePage;
  readonly properties: readonly string[];
  /** Null for a statement of its own. */
  readonly asked: Pick<AdHocAsk, "question" | "aggregates"> | null;
  readonly alone: StatementText;
}

interface StatementText {
  readonly sql: string;
  readonly parameters: readonly string[];
  readonly layout: AdHocLayout | null;
}

export async function pose(scope: Tenancy, ask: AdHocAsk | RowsAsk, lookups: LookupVersions): Promise<Posed> {
  const { source } = ask;
  const asked = "question" in ask ? { question: ask.question, aggregates: sorted(ask.aggregates) } : null;
  const alone: StatementText =
    "question" in ask
      ? adHocStatement(source, [ask.question], asked!.aggregates)
      : { sql: ask.sql, parameters: ask.parameters, layout: null };
  const properties =
    "question" in ask ? usedProperties([ask.question], asked!.aggregates) : [...ask.properties];
  const partitions = await ask.partitions("question" in ask ? ask.question.range : ask.range);
  const read = [versionOf(partitions), await lookups.of(source, properties)];
  const { sql, parameters } = alone;
  // the question itself too: it says how the rows are read
  const id = digest([scope.tenant, source.database, sql, parameters, asked?.question ?? null, read]);
  return { id, source, partitions, properties, asked, alone };
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

/** What one statement answers, for each: as few as they fit into. Throws `UserInputError` for what fits into none. */
export function groupsOf(posed: readonly Posed[]): readonly (readonly Posed[])[] {
  const bySource = new Map<Source, Posed[]>();
  const groups: (readonly Posed[])[] = [];
  for (const each of posed) {
    const group = bySource.get(each.source);
    if (each.asked === null) groups.push([each]);
    else if (group === undefined) bySource.set(each.source, [each]);
    else group.push(each);
  }
  return [...groups, ...[...bySource.values()].flatMap(fitting)];
}

function fitting(group: readonly Posed[]): readonly (readonly Posed[])[] {
  if (group.length <= maxQuestions && fits(textOf(group))) return [group];
  if (group.length === 1) return [group];
  const half = Math.ceil(group.length / 2);
  return [...fitting(group.slice(0, half)), ...fitting(group.slice(half))];
}

function fits({ sql, parameters }: StatementText): boolean {
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

function textOf(group: readonly Posed[]): StatementText {
  const [first] = group;
  if (group.length === 1) return first!.alone;
  const asked = group.flatMap((each) => each.asked ?? []);
  const aggregates = sorted(asked.flatMap((each) => each.aggregates));
  return adHocStatement(
    first!.source,
    asked.map(({ question }) => question),
    aggregates,
  );
}

/** The execution that answers a group. */
export function executionOf(group: readonly Posed[]): NewExecution {
  const { source } = group[0]!;
  const partitions = new Map<string, LakePartition>(group.flatMap((each) => Object.entries(each.partitions)));
  const properties = group.flatMap((each) => each.properties);
  return {
    ...textOf(group),
    database: source.database,
    questions: group.map(({ id }) => id),
    estimate: estimateBytes(source, properties, partitions.values()),
  };
}
